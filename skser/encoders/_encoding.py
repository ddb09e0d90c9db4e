"""What all encoders have in common: layers, and their frames for one waveform."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
import torch

from .._utils import one_thread, torch_defaults, torch_settings


class Encoder(Protocol):
    """An encoder in memory, on one device."""

    device: torch.device
    sr: int  # sampling rate in Hz of the waveforms
    hop_length: int  # samples between frames
    longest: float  # samples that are encoded together
    n_features: int  # numbers per frame
    first_layer: int
    last_layer: int

    def outputs(self, y: np.ndarray, last: int) -> Sequence[torch.Tensor]:
        """Frames (n_frames, n_features) of each layer from `first_layer` to `last`, for one waveform."""


def check_layers(encoder: Encoder, name: str, layers: Sequence[int]) -> None:
    """Raise unless an encoder has these layers."""
    for layer in layers:
        if not encoder.first_layer <= layer <= encoder.last_layer:
            raise ValueError(
                f"layer={layer} does not exist: encoder={name!r} has the layers {encoder.first_layer} to "
                f"{encoder.last_layer}."
            )


def encode_waveform(encoder: Encoder, y: np.ndarray, layers: Sequence[int]) -> np.ndarray:
    """Frames (n_features, n_frames) of a waveform: the mean over these layers."""
    device = encoder.device
    with torch_settings(device), one_thread(device), torch_defaults(), torch.inference_mode():
        outputs = encoder.outputs(y, max(layers))
        chosen = torch.stack([outputs[layer - encoder.first_layer] for layer in layers])
        frames: np.ndarray = chosen.mean(dim=0).T.cpu().numpy()
    return frames
