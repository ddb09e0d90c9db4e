"""The GE2E speaker encoder of the package resemblyzer, without that package's code.

Wan, Wang, Papir and Lopez Moreno, "Generalized end-to-end loss for speaker verification", ICASSP 2018.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from importlib.metadata import PackageNotFoundError, files

import numpy as np
import torch
from torch import Tensor, nn

from ..spectral import mel_spectrogram

GE2E = "ge2e"
# SHA-256 of resemblyzer/pretrained.pt in resemblyzer 0.1.4.
GE2E_DIGEST = "39373b86598fa3da9fcddee6142382efe09777e8d37dc9c0561f41f0070f134e"
_FILE = "resemblyzer/pretrained.pt"
_INSTALL = "pip install --no-deps resemblyzer==0.1.4"
REINSTALL = f"reinstall it with {_INSTALL} --force-reinstall"
_CURE = f"give a file with the tensors of {_FILE}, or encoder={GE2E!r}."

_SR = 16000  # Hz
_WIN_LENGTH, _HOP_LENGTH = 400, 160  # samples
_N_MELS, _N_UNITS, _N_LAYERS = 40, 256, 3
_LEVEL = -30.0  # dB relative to a full-scale amplitude of 1


class Ge2e:
    """Three LSTM layers, each from a zero state over the whole recording."""

    sr, hop_length, longest, n_features = _SR, _HOP_LENGTH, math.inf, _N_UNITS
    first_layer, last_layer = 1, _N_LAYERS

    def __init__(self, layers: Sequence[nn.LSTM], device: torch.device) -> None:
        self.device = device
        self._layers = [layer.to(device) for layer in layers]

    def outputs(self, y: np.ndarray, last: int) -> list[Tensor]:
        """Frames (n_frames, n_features) of each layer up to `last`."""
        outputs = [mel_frames(set_level(y)).to(self.device)]
        for layer in self._layers[:last]:
            outputs.append(layer(outputs[-1])[0])
        return outputs[1:]


def set_level(y: np.ndarray) -> np.ndarray:
    """Scale a waveform to a root mean square of -30 dBFS; silence is not changed."""
    samples = y.astype(np.float64)  # squares of large float32 samples would overflow
    rms = np.sqrt(np.mean(samples**2))
    return y if rms == 0 else (samples * (10 ** (_LEVEL / 20) / rms)).astype(np.float32)


def mel_frames(y: np.ndarray) -> Tensor:
    """Mel power (n_frames, n_mels) of a waveform, not in dB."""
    return mel_spectrogram(y, sr=_SR, n_fft=_WIN_LENGTH, hop_length=_HOP_LENGTH, n_mels=_N_MELS).T


def installed_ge2e() -> str:
    """Path of the weights in the installed package resemblyzer, which is not imported."""
    try:
        listed = files("resemblyzer") or []
    except PackageNotFoundError as error:
        raise ImportError(
            f"encoder={GE2E!r} needs the weights in the package resemblyzer: install it with {_INSTALL}"
        ) from error
    for file in listed:
        if file.as_posix() == _FILE:
            return str(file.locate())
    raise ImportError(f"the installed package resemblyzer has no file {_FILE}: {REINSTALL}")


def load_ge2e(path: str, device: torch.device) -> Ge2e:
    """Make the encoder from its file, of which only tensors are read."""
    try:
        tensors = torch.load(path, map_location="cpu", weights_only=True)["model_state"]
        layers = [_lstm_layer(tensors, layer) for layer in range(_N_LAYERS)]
    except Exception as error:  # other files raise errors of many types
        raise ValueError(f"{path} does not hold the weights of a GE2E encoder: {_CURE}") from error
    return Ge2e(layers, device)


def _lstm_layer(tensors: Mapping[str, Tensor], layer: int) -> nn.LSTM:
    """One LSTM layer with its weights."""
    with torch.device("meta"):  # without random weights
        lstm = nn.LSTM(_N_UNITS if layer else _N_MELS, _N_UNITS)
    # "weight_ih_l0" here is "lstm.weight_ih_l2" in the file of three layers.
    weights = {name: tensors[f"lstm.{name[:-1]}{layer}"].float() for name in lstm.state_dict()}
    lstm.load_state_dict(weights, assign=True)
    return lstm.eval().requires_grad_(False)
