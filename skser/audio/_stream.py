"""Recordings of any length as waveforms in blocks."""

from __future__ import annotations

import math
import os
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from .._utils import all_finite, is_path, prefix_errors
from ._decoding import BLOCK_SAMPLES, decode_blocks, mix
from ._load import check_waveform


def stream_waveform(audio: Any, sr: int) -> Iterator[np.ndarray]:
    """Blocks of a waveform, which together equal the result of `load_audio`; arrays must have this rate."""
    if not is_path(audio):
        y = check_waveform(audio)
        yield from (y[first : first + BLOCK_SAMPLES] for first in range(0, len(y), BLOCK_SAMPLES))
        return
    path = os.fspath(audio)
    with prefix_errors(repr(path)):
        yield from _resample_blocks(_mono_blocks(path), sr)


def _mono_blocks(path: str) -> Iterator[tuple[np.ndarray, int]]:
    """Blocks (n_times,) of a file, each with the sampling rate; raise if it has no or non-finite samples."""
    n_read = 0
    for samples, rate in decode_blocks(path):
        y = mix(samples)
        if not all_finite(y):
            place = (n_read + int(np.argmin(np.isfinite(y)))) / rate
            raise ValueError(
                f"holds NaN or infinite samples, the first at {place:.4g} s: repair it or leave it out."
            )
        n_read += len(y)
        yield y, rate
    if not n_read:
        raise ValueError("the waveform is empty: it needs at least one sample.")


def _resample_blocks(blocks: Iterable[tuple[np.ndarray, int]], sr: int) -> Iterator[np.ndarray]:
    """Blocks at another sampling rate, equal to one resampling of all of them."""
    import soxr

    stream, n_in, n_out, rate = None, 0, 0, sr
    for y, rate in blocks:
        n_in += len(y)
        if rate == sr:
            yield y
            continue
        stream = stream or soxr.ResampleStream(rate, sr, 1, dtype="float32", quality="HQ")
        resampled = stream.resample_chunk(y)
        n_out += len(resampled)
        yield resampled
    if stream is not None:
        rest = stream.resample_chunk(np.empty(0, np.float32), last=True)
        # The length of `load_audio`, which is that of librosa.
        n_rest = max(0, math.ceil(n_in * (sr / rate)) - n_out)
        yield np.pad(rest[:n_rest], (0, max(0, n_rest - len(rest))))
