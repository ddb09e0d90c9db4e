"""The level of a waveform, and the level below which it is silent."""

from __future__ import annotations

import numpy as np

SILENT_DB = -90.0  # dB re full scale: one step of 16 bits
LEVEL_SECONDS = 0.025  # s, length of the parts whose levels are compared
_LOWEST = 1e-20  # mean square of digital silence, -200 dB


def level_of(y: np.ndarray, sr: int) -> float:
    """Level of the loudest 25 ms of a waveform (n_times,), in dB re full scale."""
    n = min(max(1, round(LEVEL_SECONDS * sr)), len(y))
    powers = np.square(y[: len(y) // n * n].reshape(-1, n), dtype=np.float64).mean(axis=1)
    end = np.square(y[-n:], dtype=np.float64).mean()  # the last samples may not fill a frame
    return float(10 * np.log10(max(powers.max(), end, _LOWEST)))
