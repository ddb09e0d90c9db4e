"""Levels of segments, and the segments that count as silent."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

_FRAME = 0.025  # s
_SILENT_DB = -90.0  # dB re full scale, as in `audit`: one step of 16 bits
_LOWEST = 1e-20  # mean square of digital silence, -200 dB


def level_of(y: np.ndarray, sr: int) -> float:
    """Level of the loudest 25 ms in dB re full scale."""
    n = min(max(1, round(_FRAME * sr)), len(y))
    frames = y[: len(y) // n * n].reshape(-1, n)
    powers = np.square(frames, dtype=np.float64).mean(axis=1)
    end = np.square(y[-n:], dtype=np.float64).mean()  # the last samples may not fill a frame
    power = max(powers.max(), end)
    return float(10 * np.log10(max(power, _LOWEST)))


def is_silent(blocks: Iterable[np.ndarray], sr: int) -> bool:
    """Whether all of a waveform is below the lowest step of 16 bits; reads blocks until one is not."""
    return all(level_of(y, sr) < _SILENT_DB for y in blocks if len(y))


def are_silent(levels: Sequence[float], loudest: float, silence_db: float | None) -> NDArray[np.bool_]:
    """Whether segments are `silence_db` below the loudest one, or below the lowest step of 16 bits."""
    if silence_db is None:
        return np.zeros(len(levels), dtype=bool)
    return np.array(levels) < max(loudest - silence_db, _SILENT_DB)
