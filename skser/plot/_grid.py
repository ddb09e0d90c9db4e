"""Cells of a spectrogram in seconds and Hz, and levels of its colors, as pure functions of arrays."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils import check_array

from .._utils import check_number, without_mask
from ..spectral import frequencies


def as_spectrogram(S: Any) -> NDArray[np.float64]:
    """Convert one spectrogram to an array (n_bins, n_frames)."""
    array = np.asarray(without_mask("S", S))
    if array.ndim != 2:
        raise ValueError(
            f"S must be one spectrogram (n_bins, n_frames), got shape {array.shape}: "
            "pick an item, such as X[0]."
        )
    checked: NDArray[np.float64] = check_array(array, dtype=np.float64, input_name="S")
    return checked


def frame_edges(n_frames: int, sr: int, hop_length: int) -> NDArray[np.float64]:
    """Edges (n_frames + 1,) of the frames in seconds, halfway between their centers."""
    return (np.arange(n_frames + 1) - 0.5).clip(min=0) * hop_length / sr


def bin_edges(
    n_bins: int, *, kind: str, sr: int, n_fft: int, fmin: float, fmax: float | None
) -> NDArray[np.float64]:
    """Edges (n_bins + 1,) of the bins in Hz, halfway between their frequencies on the scale of `kind`."""
    centers = frequencies(kind=kind, sr=sr, n_fft=n_fft, n_mels=n_bins, fmin=fmin, fmax=fmax)
    if len(centers) != n_bins:
        raise ValueError(
            f"S has {n_bins} bins, but kind={kind!r}, sr={sr}, n_fft={n_fft}, fmin={fmin} and fmax={fmax} "
            f"result in {len(centers)}: pass the parameters with which S was computed."
        )
    if kind == "stft":
        half = sr / n_fft / 2
        return np.append(centers - half, centers[-1] + half).clip(0, sr / 2)
    from librosa import hz_to_mel, mel_to_hz

    peaks = hz_to_mel(centers)
    # The first and the last filter extend to fmin and fmax.
    return np.concatenate([[fmin], mel_to_hz((peaks[1:] + peaks[:-1]) / 2), [fmax or sr / 2]])


def color_limits(
    S: NDArray[np.float64], dynamic_range: float | None, vmin: float | None, vmax: float | None
) -> tuple[float, float]:
    """Levels of the lowest and the highest color in dB."""
    check_number("dynamic_range", dynamic_range, low=0, closed="neither", optional=True)
    check_number("vmin", vmin, optional=True)
    check_number("vmax", vmax, optional=True)
    highest = S.max() if vmax is None else vmax
    lowest = max(S.min(), highest - (dynamic_range or np.inf)) if vmin is None else vmin
    # At least 1 dB, so that a constant spectrogram, such as silence, has the lowest color.
    if vmax is None:
        highest = max(highest, lowest + 1)
    elif vmin is None:
        lowest = min(lowest, highest - 1)
    if not lowest < highest:
        raise ValueError(f"vmin must be a number below vmax = {highest:g} dB, got {lowest:g}.")
    return float(lowest), float(highest)
