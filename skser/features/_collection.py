"""Frames of many recordings in one container or array, or their statistics in one table."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from contextlib import closing
from typing import Any

import numpy as np

from .._utils import parallel_map
from ..exceptions import RecordingFailure, RecordingsError
from ..sequences import Buffer, Spectrograms
from ._cache import remove_unfinished
from ._extraction import Extraction, extract


def extract_all(
    extraction: Extraction,
    recordings: list[Any] | np.ndarray,
    n_jobs: int | None,
    max_nbytes: float,
    verbose: bool | int,
) -> Spectrograms | np.ndarray:
    """Process recordings: frames in a container, or in an array for an array; statistics in a table."""
    from tqdm import tqdm

    n = len(recordings)
    is_table = extraction.statistics is not None
    dense = is_table or isinstance(recordings, np.ndarray)
    # The rows of an array are passed one by one, because joblib reverses parts of some memory maps.
    calls = ((extraction, index, audio) for index, audio in enumerate(recordings))
    n_jobs = n_jobs if n_jobs is None else min(n_jobs, n)
    # Each process that computes on a GPU takes memory there; threads share theirs.
    prefer = None if extraction.function.device.type == "cpu" else "threads"
    noun, or_else = extraction.function.noun, ", or keep them in memory with max_nbytes=None"
    buffer = Buffer(math.inf if dense else max_nbytes, n, or_else, noun)
    try:
        with (
            closing(buffer),
            parallel_map(extract, calls, n_jobs, prefer) as results,
            tqdm(desc=noun, total=n, unit="recording", disable=not verbose) as bar,
        ):
            lengths, failures = _collect(results, buffer, dense, bar.update)
            if failures:
                raise RecordingsError(failures, n, extraction.folder, noun)
            flat = buffer.finish()
            if dense and len(set(lengths)) > 1:
                raise ValueError(
                    f"trim_db leaves {min(lengths)} to {max(lengths)} frames of the rows of X, which do not "
                    "fit in one array: give a list of waveforms, list(X)."
                )
    except BaseException:
        # An error or Ctrl-C makes joblib kill its workers.
        remove_unfinished(extraction.folder, extraction.writer)
        raise
    if is_table:
        return flat.reshape(n, -1)
    n_bins = extraction.function.n_bins
    return (
        flat.reshape(n, n_bins, -1) if dense else Spectrograms.from_frames(flat.reshape(-1, n_bins), lengths)
    )


def _collect(
    results: Iterable[np.ndarray | RecordingFailure], buffer: Buffer, dense: bool, count: Callable[[], Any]
) -> tuple[list[int], list[RecordingFailure]]:
    """Append results to a buffer, frame by frame for a container; return their lengths and failures."""
    lengths, failures = [], []
    for result in results:
        count()
        if isinstance(result, RecordingFailure):
            failures.append(result)
            buffer.close()  # from here on, frames are computed only for the cache
        elif not failures:
            buffer.append(result if dense else result.T)
            lengths.append(result.shape[-1])
    return lengths, failures
