"""Cells of a timeline, and the envelope of a waveform, as pure functions of arrays."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

_STEP = 0.01  # s per pair of extremes
_COLUMNS = 2000  # more than a picture has pixels


def cell_edges(start: NDArray[np.float64], end: NDArray[np.float64]) -> tuple[NDArray[np.float64], list[int]]:
    """Limits of the cells of rows in order of time, and the row of each cell, -1 for gaps between rows."""
    # Where rows overlap, the limit is halfway between their centers.
    centers = (start + end) / 2
    edges, rows = [start[0]], [0]
    for row in range(1, len(start)):
        if start[row] > end[row - 1]:
            edges += [end[row - 1], start[row]]
            rows += [-1, row]
        else:
            overlaps = start[row] < end[row - 1]
            edges.append((centers[row - 1] + centers[row]) / 2 if overlaps else start[row])
            rows.append(row)
    return np.array([*edges, end[-1]]), rows


def envelope(
    blocks: Iterable[NDArray[np.float32]], sr: int
) -> tuple[NDArray[np.float64], NDArray[np.float32], NDArray[np.float32]]:
    """Times in seconds, and the lowest and highest samples around them, at most 2000 of each."""
    n = max(1, round(_STEP * sr))
    rest = np.empty(0, np.float32)
    lows, highs = [], []
    for block in blocks:
        samples = np.concatenate([rest, block])
        whole = samples[: len(samples) // n * n].reshape(-1, n)
        lows.append(whole.min(axis=1))
        highs.append(whole.max(axis=1))
        rest = samples[whole.size :]
    if rest.size:
        lows.append(rest.min(keepdims=True))
        highs.append(rest.max(keepdims=True))
    low, high = np.concatenate(lows), np.concatenate(highs)
    first = np.arange(0, len(low), -(-len(low) // _COLUMNS))
    times = (first + np.diff(first, append=len(low)) / 2) * n / sr
    return times, np.minimum.reduceat(low, first), np.maximum.reduceat(high, first)
