"""Predictions of the segments of one recording, in batches that bound the memory."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn import config_context

from ..audio import level_of
from ..sequences import Spectrograms
from ._reject_option import classify, split_first_step
from ._segments import Segment
from ._silence import are_silent

_BATCH_SECONDS = 96.0  # of audio per call of the model


class Found(NamedTuple):
    """Samples, silence, and predictions of segments; `rows` are the segments that are predicted."""

    spans: list[tuple[int, int]]
    silent: NDArray[np.bool_]
    rows: NDArray[np.intp]
    labels: NDArray[Any]
    probabilities: NDArray[Any]


def predict_in_batches(model: Any, segments: Iterable[Segment], sr: int, silence_db: float | None) -> Found:
    """Predict the segments that are not silent, batch by batch."""
    spans, silent, rows, outputs = _map_loud(partial(classify, model), segments, sr, silence_db)
    none = np.empty(0, object), np.empty((0, len(model.classes_)))  # all segments may be silent
    labels, probabilities = (np.concatenate(parts) for parts in zip(none, *outputs, strict=True))
    kept = ~silent[rows]
    return Found(spans, silent, rows[kept], labels[kept], probabilities[kept])


def predict_by_speaker(
    model: Any, segments: Iterable[Segment], speakers: NDArray[Any], sr: int, silence_db: float | None
) -> Found:
    """Predict the segments that are not silent in one call, with their speakers as groups."""
    first, rest = split_first_step(model)
    spans, silent, rows, features = _map_loud(first.transform, segments, sr, silence_db)
    kept = np.flatnonzero(~silent[rows])
    if not kept.size:
        return Found(spans, silent, rows[kept], np.empty(0, object), np.empty((0, len(model.classes_))))
    rows = rows[kept]
    joined = _join(features)
    loud = joined.iloc[kept] if hasattr(joined, "iloc") else joined[kept]
    with config_context(enable_metadata_routing=True):
        labels, probabilities = classify(rest, loud, groups=speakers[rows])
    return Found(spans, silent, rows, labels, probabilities)


def _map_loud(
    function: Callable[[list[np.ndarray]], Any],
    segments: Iterable[Segment],
    sr: int,
    silence_db: float | None,
) -> tuple[list[tuple[int, int]], NDArray[np.bool_], NDArray[np.intp], list[Any]]:
    """Apply a function to batches of segments, without those that are known to be silent when it is called.

    Return the spans and the silence of all segments, the rows that were passed, and the results.
    """
    spans: list[tuple[int, int]] = []
    levels: list[float] = []
    rows: list[int] = []
    results = []
    for batch in _in_batches(segments, round(_BATCH_SECONDS * sr)):
        levels += [level_of(segment.y, sr) for segment in batch]
        # Later segments can only be louder, so that a segment that is silent now remains silent.
        quiet = are_silent(levels[len(spans) :], max(levels), silence_db)
        loud = [index for index, is_quiet in enumerate(quiet) if not is_quiet]
        if loud:
            results.append(function([batch[index].y for index in loud]))
        rows += [len(spans) + index for index in loud]
        spans += [(segment.first, segment.last) for segment in batch]
    silent = are_silent(levels, max(levels), silence_db)
    return spans, silent, np.array(rows, dtype=np.intp), results


def _in_batches(segments: Iterable[Segment], n_samples: int) -> Iterator[list[Segment]]:
    """Collect segments up to a number of samples."""
    batch: list[Segment] = []
    n = 0
    for segment in segments:
        if batch and n + len(segment.y) > n_samples:
            yield batch
            batch, n = [], 0
        batch.append(segment)
        n += len(segment.y)
    yield batch


def _join(features: list[Any]) -> Any:
    """Join the outputs of a transformer for several batches."""
    if isinstance(features[0], Spectrograms):
        return Spectrograms([item for part in features for item in part])
    if hasattr(features[0], "iloc"):  # of set_output(transform="pandas")
        import pandas as pd

        return pd.concat(features, ignore_index=True)
    return np.concatenate(features)
