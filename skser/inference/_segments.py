"""Windows and turns, cut from a stream of samples of which only the needed part is in memory."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import count
from typing import NamedTuple

import numpy as np


class Segment(NamedTuple):
    """A part of a recording: its first sample, the sample after its last one, and its waveform."""

    first: int
    last: int
    y: np.ndarray


class _Reader:
    """A stream of blocks, of which the most recent samples are kept."""

    def __init__(self, blocks: Iterable[np.ndarray]) -> None:
        self._blocks = iter(blocks)
        self._kept = np.empty(0, np.float32)
        self.n_read = 0

    def read(self, first: int, last: int) -> None:
        """Read on until sample `last`, and keep the samples from `first` or the last `last - first` ones."""
        while self.n_read < last and (block := next(self._blocks, None)) is not None:
            self.n_read += len(block)
            self._kept = np.concatenate([self._kept, block])
            start, needed = self.n_read - len(self._kept), min(first, self.n_read - (last - first))
            self._kept = self._kept[max(0, needed - start) :]

    def cut(self, first: int, last: int) -> Segment:
        """Copy a segment that was read; its end is at most that of the stream."""
        last = min(last, self.n_read)
        start = self.n_read - len(self._kept)
        return Segment(first, last, self._kept[first - start : last - start].copy())


def cut_windows(blocks: Iterable[np.ndarray], window: float, hop: float, sr: int) -> Iterator[Segment]:
    """Cut windows of equal length in seconds; the last one ends with the recording, if it is long enough."""
    reader, length, covered = _Reader(blocks), max(1, round(window * sr)), 0
    for number in count():
        first = round(number * hop * sr)
        reader.read(first, first + length)
        if reader.n_read < first + length:
            break
        yield reader.cut(first, first + length)
        covered = first + length
    if reader.n_read > covered:
        yield reader.cut(max(0, reader.n_read - length), reader.n_read)


def cut_turns(blocks: Iterable[np.ndarray], turns: list[tuple[int, int]]) -> Iterator[Segment]:
    """Cut turns, given by their first sample and the sample after their last one, and sorted by the first."""
    reader = _Reader(blocks)
    for first, last in turns:
        reader.read(first, last)
        yield reader.cut(first, last)  # without samples if it begins after the end
