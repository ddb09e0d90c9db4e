"""The function from a waveform to the frames of a pretrained encoder."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch

from .._utils import resolve_device
from ..audio import check_overflow
from ..encoders import EncoderSource, check_layers, encode_waveform, find_encoder, load_encoder
from ._parameters import layers_of, source_parameters


@dataclass(frozen=True)
class EncoderFunction:
    """Mean over some layers of an encoder, whose weights are not part of this object."""

    source: EncoderSource
    layers: tuple[int, ...]
    device: torch.device
    sr: int  # Hz
    hop_length: int  # samples
    longest: float  # samples per part of a recording
    n_bins: int

    noun: ClassVar[str] = "features"

    @classmethod
    def of(cls, parameters: Mapping[str, Any], digest: str | None) -> EncoderFunction:
        """Make the function from checked parameters, for weights with this digest if there is one."""
        source = find_encoder(**source_parameters(parameters))
        if digest not in (None, source.digest):
            raise ValueError(
                f"encoder={source.encoder!r} has the digest {source.digest}, but the transformer was fitted "
                f"with {digest}: set encoder to those weights, or fit again."
            )
        device, layers = resolve_device(parameters["device"]), layers_of(parameters["layer"])
        encoder = load_encoder(source, device)
        check_layers(encoder, source.encoder, layers)
        sizes = encoder.hop_length, encoder.longest, encoder.n_features
        return cls(source, layers, device, encoder.sr, *sizes)

    def recipe(self) -> dict[str, Any]:
        """Everything that the frames of a waveform depend on; the digest stands for the encoder's name."""
        return {"encoder": self.source.digest, "layers": self.layers}

    def max_frames(self, n_times: float) -> float:
        """Maximum number of frames of a waveform (n_times,)."""
        return 1 + (n_times + 1) / self.hop_length + n_times / self.longest  # each part may be rounded up

    def __call__(self, y: np.ndarray) -> np.ndarray:
        """Frames (n_bins, n_frames) of a waveform."""
        S = encode_waveform(load_encoder(self.source, self.device), y, self.layers)
        check_overflow(S, y, "for the encoder")
        return S
