"""Cells of a timeline, and the envelope of a waveform, as pure functions of arrays."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

_STEP = 0.01  # s per pair of extremes
_COLUMNS = 2000  # more than a picture has pixels


def cell_edges(start: NDArray[np.float64], end: NDArray[np.float64]) -> tuple[NDArray[np.float64], list[int]]:
    """Edges of the cells of rows sorted by time, and the row of each cell, -1 for gaps between rows."""
    # Where rows overlap, a cell belongs to the row with the nearest center.
    centers = (start + end) / 2
    edges = np.unique(np.concatenate([start, end, (centers[1:] + centers[:-1]) / 2]))
    middle = (edges[1:] + edges[:-1]) / 2
    rows, nearest = np.full(len(middle), -1), np.full(len(middle), np.inf)
    for row, (first, last) in enumerate(np.searchsorted(edges, np.column_stack([start, end]))):
        distance = np.abs(middle[first:last] - centers[row])
        closer = first + np.flatnonzero(distance < nearest[first:last])
        rows[closer], nearest[closer] = row, distance[closer - first]
    changes = np.flatnonzero(np.diff(rows, prepend=-2))
    return np.append(edges[changes], edges[-1]), rows[changes].tolist()


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
