"""Whether waveforms and segments count as silent."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from ..audio import SILENT_DB, level_of


def is_silent(blocks: Iterable[np.ndarray], sr: int) -> bool:
    """Whether all of a waveform is below the lowest step of 16 bits; reads blocks until one is not."""
    return all(level_of(y, sr) < SILENT_DB for y in blocks if len(y))


def are_silent(levels: Sequence[float], loudest: float, silence_db: float | None) -> NDArray[np.bool_]:
    """Whether segments are `silence_db` below the loudest one, or below the lowest step of 16 bits."""
    if silence_db is None:
        return np.zeros(len(levels), dtype=bool)
    return np.array(levels) < max(loudest - silence_db, SILENT_DB)
