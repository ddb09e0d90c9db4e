"""Statistics over time of the frames of a recording."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

# Each of frames (n_bins, n_frames) over time.
STATISTICS = {
    "mean": lambda S: S.mean(axis=1, dtype=np.float64),
    "std": lambda S: S.std(axis=1, dtype=np.float64),  # ddof=0: one frame has a deviation of 0
    "max": lambda S: S.max(axis=1),
    "min": lambda S: S.min(axis=1),
}


def summarize(S: np.ndarray, statistics: Sequence[str]) -> np.ndarray:
    """Statistics over time (len(statistics) * n_bins,) of frames (n_bins, n_frames)."""
    return np.concatenate([STATISTICS[name](S) for name in statistics]).astype(np.float32)


def feature_names(n_bins: int, statistics: Sequence[str]) -> np.ndarray:
    """Names of the numbers that `summarize` returns: all of one statistic, then all of the next."""
    return np.array([f"{name}_{index}" for name in statistics for index in range(n_bins)], dtype=object)
