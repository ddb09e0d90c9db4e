"""Where the cells of a spectrogram lie, and which levels have a colour, as pure functions of arrays."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from .._utils import check_number
from ..spectral import frequencies


def as_spectrogram(S: Any) -> NDArray[np.float64]:
    """Array (n_bins, n_frames) of a spectrogram; raise where it is none."""
    array = S.detach().cpu().numpy() if isinstance(S, torch.Tensor) else np.asarray(S)
    if array.ndim != 2 or not array.size:
        raise ValueError(
            f"S must be one spectrogram (n_bins, n_frames), got shape {array.shape}: "
            "pick an item, such as X[0]."
        )
    if not np.isrealobj(array):
        raise ValueError("S must be real, in decibels: apply power_to_db to the squared magnitude first.")
    array = array.astype(np.float64)
    if not np.isfinite(array).all():
        raise ValueError("S holds NaN or infinity: cut padding off, and take power_to_db of power.")
    return array


def frame_edges(n_frames: int, sr: int, hop_length: int) -> NDArray[np.float64]:
    """Limits (n_frames + 1,) of the frames in seconds, half way between their centers."""
    # Limits and not centers: specshow could not guess the width of a single frame.
    return (np.arange(n_frames + 1) - 0.5).clip(min=0) * hop_length / sr


def bin_edges(
    n_bins: int, *, kind: str, sr: int, n_fft: int, fmin: float, fmax: float | None
) -> NDArray[np.float64]:
    """Limits (n_bins + 1,) of the bins in Hz, half way between their frequencies on the scale of `kind`."""
    if kind == "stft":
        centers, half = frequencies(kind=kind, sr=sr, n_fft=n_fft, fmin=fmin, fmax=fmax), sr / n_fft / 2
        return np.append(centers - half, centers[-1] + half).clip(0, sr / 2)
    from librosa import mel_frequencies

    # Steps of half a band: filters peak at 2, 4, ..., and the outer two reach to fmin and fmax.
    fmax = sr / 2 if fmax is None else fmax
    halves = mel_frequencies(2 * n_bins + 3, fmin=fmin, fmax=fmax)
    return np.concatenate([[fmin], halves[3:-2:2], [fmax]])


def colour_limits(
    S: NDArray[np.float64], dynamic_range: float | None, vmin: float | None, vmax: float | None
) -> tuple[float, float]:
    """Levels of the lowest and the highest colour in dB."""
    given = {"dynamic_range": dynamic_range, "vmin": vmin, "vmax": vmax}
    for name, value in given.items():
        if value is not None:
            check_number(name, value, low=0 if name == "dynamic_range" else None, closed="neither")
    highest = float(S.max()) if vmax is None else float(vmax)
    if vmin is None:
        lowest = max(float(S.min()), highest - (np.inf if dynamic_range is None else dynamic_range))
    else:
        lowest = float(vmin)
    if lowest < highest:
        return lowest, highest
    if vmin is not None and vmax is not None:
        raise ValueError(f"vmin must be below vmax = {vmax:g} dB, got {vmin:g}.")
    # One level throughout, such as silence, has the lowest colour; all above a given vmax the highest.
    return (lowest, lowest + 1) if vmax is None else (highest - 1, highest)
