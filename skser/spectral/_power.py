"""Power and decibels of waveforms on torch, with checked parameters."""

from __future__ import annotations

import math

import numpy as np
import torch
from numpy.typing import ArrayLike

from .._utils import to_array, torch_settings
from ._blocks import power_in_blocks
from ._filters import import_torchaudio, mel_bands, mel_filters_tensor, window_tensor
from ._settings import Settings, fft_bins

AMIN = 1e-10  # floor of the power: silence is at -100 dB


def power(y: ArrayLike | torch.Tensor, settings: Settings) -> torch.Tensor:
    """Compute the power (..., n_bins, n_frames) in Fourier bins or in Mel bands."""
    waveforms = y if isinstance(y, torch.Tensor) else to_tensor(to_array("y", y))
    with torch_settings(waveforms.device):
        return power_of_checked(_check_samples(waveforms), settings)


def power_of_checked(waveforms: torch.Tensor, settings: Settings) -> torch.Tensor:
    """Compute the power (..., n_bins, n_frames) of finite waveforms of float32 or float64."""
    window = window_tensor(settings, waveforms.dtype, waveforms.device)
    plain = waveforms.device.type == "cpu" and not (waveforms.requires_grad and torch.is_grad_enabled())
    if plain and waveforms.ndim == 1 and settings.backend == "torch":
        bands = mel_bands(settings, waveforms.dtype) if settings.kind == "mel" else None
        return power_in_blocks(waveforms, window, settings, bands).mT
    return _power_of_batch(waveforms, window, settings)


def to_db(S: torch.Tensor, ref: float | str, top_db: float | None) -> torch.Tensor:
    """Convert the power (..., n_bins, n_frames) of items to decibels."""
    with torch_settings(S.device):
        in_place = not S.requires_grad
        S = torch.clamp(S, min=AMIN)
        S = S.log10_().mul_(10.0) if in_place else S.log10().mul(10.0)
        item = tuple(range(-min(S.ndim, 2), 0))
        if top_db is not None:
            S = torch.maximum(S, S.amax(item, keepdim=True) - top_db, out=S if in_place else None)
        if ref == "max":
            return S - S.amax(item, keepdim=True)
        if ref == "mean":
            return S - S.mean(item, keepdim=True)
        return S if ref == 1 else S - 10.0 * math.log10(max(float(ref), AMIN))


def to_tensor(array: np.ndarray) -> torch.Tensor:
    """Convert an array to a tensor; only read-only, reversed and foreign-endian arrays are copied."""
    try:
        return torch.from_numpy(np.require(array, array.dtype.newbyteorder("="), ["C", "W"]))
    except TypeError as error:  # text, objects, long doubles
        cure = ": load a file with load_audio first" if array.dtype.kind in "SUT" else ""
        raise TypeError(f"y must hold floating-point samples, got {array.dtype}{cure}.") from error


def _check_samples(y: torch.Tensor) -> torch.Tensor:
    """Convert waveforms to float32 or float64, or raise an error with the reason."""
    if y.is_complex():
        raise ValueError(f"Complex data not supported: y must be real, got {y.dtype}.")
    if not y.is_floating_point():
        raise TypeError(
            f"y must hold floating-point samples, got {y.dtype}: scale it to [-1, 1] as load_audio does."
        )
    if y.ndim not in (1, 2) or 0 in y.shape:
        raise ValueError(
            "y must be one waveform (n_times,) or a batch (n, n_times) of at least one sample, "
            f"got shape {tuple(y.shape)}."
        )
    y = y.to(torch.promote_types(y.dtype, torch.float32))
    # If all samples are finite, so is their sum unless it overflows; it is ten times faster to compute.
    if not y.is_meta and not math.isfinite(y.detach().sum()) and not torch.isfinite(y).all():
        first = torch.argwhere(~torch.isfinite(y))[0].tolist()
        raise ValueError(
            f"y holds NaN or infinite samples, the first at index {', '.join(map(str, first))}: repair the "
            "waveform or leave it out."
        )
    return y


def _power_of_batch(y: torch.Tensor, window: torch.Tensor, settings: Settings) -> torch.Tensor:
    """Power (..., n_bins, n_frames) of waveforms on any device."""
    bins, lengths = fft_bins(settings), (settings.n_fft, settings.hop_length, settings.n_fft)
    if settings.backend == "torchaudio":
        functional = import_torchaudio().functional
        S = functional.spectrogram(y, 0, window, *lengths, 2.0, False, center=True, pad_mode="constant")
        S = S[..., bins, :]
    else:
        complex_S = torch.stft(y, *lengths, window, pad_mode="constant", return_complex=True)
        # Twice as fast as abs(), which takes a square root; view_as_real copies nothing.
        S = torch.view_as_real(complex_S[..., bins, :]).square()
        S = S[..., 0] + S[..., 1]
    if settings.kind == "stft":
        return S
    filters = mel_filters_tensor(settings, y.dtype, y.device)[:, bins]
    # Frame by frame, in the memory order of stft's result: a third faster than filters @ S.
    return (S.mT @ filters.mT).mT
