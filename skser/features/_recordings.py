"""Conversion of the transformer's input to a list of paths or waveforms, or to an array of waveforms."""

from __future__ import annotations

from collections.abc import Iterator, Sequence, Set
from numbers import Integral, Number
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils import check_array
from sklearn.utils.validation import validate_data

from .._utils import is_path, warn_caller, without_mask
from ..audio import find_cure, is_pair

# An array of at most 8 columns and at least 400 rows (samples) is one recording of several channels.
_MOST_CHANNELS, _FEWEST_TIMES = 8, 400


def to_recordings(X: Any, estimator: BaseEstimator, *, reset: bool) -> list[Any] | np.ndarray:
    """Convert X to a list of recordings of one kind or to an array (n, n_times) as in `fit`."""
    X = without_mask("X", X)
    recordings = _to_list(X)
    if recordings is None:
        return _to_array(X, estimator, reset)
    _check_kinds(recordings)
    if reset:
        for name in ("n_features_in_", "feature_names_in_"):  # from an earlier fit on an array
            vars(estimator).pop(name, None)
    return recordings


def _to_list(X: Any) -> list[Any] | None:
    """List the recordings of a sequence; None if X should be a two-dimensional array."""
    if is_path(X):
        raise TypeError(f"X is a single path, {X!r}: wrap it in a list.")
    if cure := find_cure(X):
        raise TypeError(f"X is a single item of type {type(X).__name__}: {cure} in a list.")
    if is_pair(X):
        return [X]  # refused with the other pairs
    if isinstance(X, (list, tuple)):
        rows = [len(row) for row in X if isinstance(row, (list, tuple))]
        is_rectangle = 0 < len(rows) == len(X) and len(set(rows)) == 1
        return None if is_rectangle and not is_pair(X[0]) else list(X)
    if hasattr(X, "__array__") or hasattr(X, "ndim"):
        ndim = X.ndim if hasattr(X, "ndim") else np.asarray(X).ndim
        return list(np.asarray(X)) if ndim == 1 else None
    if isinstance(X, Sequence):
        return list(X)
    cure = ": pass list(X)" if isinstance(X, (Iterator, Set)) else ""
    raise TypeError(
        "X must be a sequence of paths or waveforms, or a two-dimensional array of waveforms, "
        f"got {type(X).__name__}{cure}."
    )


def _to_array(X: Any, estimator: BaseEstimator, reset: bool) -> np.ndarray:
    """Convert waveforms of equal length to an array (n, n_times), also if samples are not finite."""
    X = _with_types(X)
    try:
        # `validate_data` compares X with an earlier fit and cannot be used without one.
        if reset or hasattr(estimator, "n_features_in_"):
            array: np.ndarray = validate_data(estimator, X, ensure_all_finite=False, reset=reset)
        else:
            array = check_array(X, ensure_all_finite=False, estimator=estimator)
    except (TypeError, ValueError) as error:
        cells = np.asarray(X, dtype=object).ravel()
        if any(is_path(cell) for cell in cells):
            held = (
                "text: give paths in one dimension, such as frame['path'] instead of frame[['path']], or "
                "'path' instead of ['path'] in a ColumnTransformer"
            )
        elif any(_kind(cell) == "a waveform" for cell in cells):
            held = "arrays: give one column, such as frame['audio'] instead of frame[['audio']]"
        else:
            raise
        raise ValueError(f"X has two dimensions but holds {held}.") from error
    n_times, n_channels = array.shape
    if 1 < n_channels <= _MOST_CHANNELS and n_times >= _FEWEST_TIMES:
        raise ValueError(
            f"X of shape {array.shape} is a single recording of {n_channels} channels, not {n_times} "
            f"recordings of {n_channels} samples: average its channels and wrap it, [X.mean(axis=1)]."
        )
    if n_channels == 2 and n_times > 1:
        # Not an error: checks of scikit-learn fit all estimators on small arrays of two columns.
        warn_caller(
            f"X of shape {array.shape} is read as {n_times} recordings of 2 samples: if it is one stereo "
            "recording, average its channels and wrap it, [X.mean(axis=1)]."
        )
    return array


def _with_types(X: Any) -> Any:
    """Restore the type of integers, on which their scale depends, in object arrays and nullable frames."""
    if hasattr(X, "columns"):
        return _with_one_type(X)
    if isinstance(X, np.ndarray) and X.dtype == object:
        types = list({type(cell) for cell in X.flat})
        return X.astype(types[0]) if len(types) == 1 and issubclass(types[0], Integral) else X
    return X


def _with_one_type(frame: Any) -> Any:
    """Restore the type of integers in a nullable frame; raise if columns of numbers differ in scale."""
    dtypes = [getattr(dtype, "numpy_dtype", dtype) for dtype in set(frame.dtypes)]
    kinds = {getattr(dtype, "kind", "O") for dtype in dtypes}
    if not kinds <= set("iuf") or not kinds & set("iu"):
        return frame
    if len(dtypes) > 1:
        types = " and ".join(sorted(map(str, dtypes)))
        raise TypeError(f"X has columns of the types {types}, whose scales differ: convert them to one type.")
    return frame if frame.isna().any(axis=None) else frame.astype(dtypes[0])


def _check_kinds(recordings: list[Any]) -> None:
    """Raise unless recordings are not empty and either only paths or only waveforms."""
    if not recordings:
        raise ValueError("X is empty: give at least one recording.")
    first = _kind(recordings[0])
    _check_present(recordings)
    for index, audio in enumerate(recordings):
        if _kind(audio) != first:
            cure = find_cure(audio) or "give either only paths or only waveforms"
            raise TypeError(f"item {index} of X is {_kind(audio)}, but item 0 is {first}: {cure}.")
    if first == "a number":
        raise ValueError(
            "X is one-dimensional, a single waveform. Reshape your data: wrap it in a list, [X]."
        )
    if first not in ("a path", "a waveform"):
        cure = find_cure(recordings[0]) or "give paths or waveforms of shape (n_times,)"
        raise TypeError(f"item 0 of X is {first}: {cure}.")


def _check_present(recordings: list[Any]) -> None:
    """Raise if a recording is missing, as in a column of a table with empty cells."""
    kinds = [_kind(audio) for audio in recordings]
    if {*kinds} <= {"a path", "a waveform"} or {*kinds} == {"a number"}:  # NaN is a sample among numbers
        return
    import pandas as pd

    for index, audio in enumerate(recordings):
        if kinds[index] not in ("a path", "a waveform") and pd.isna(audio):
            raise TypeError(
                f"item {index} of X is {audio}, a missing recording: leave out the item with its label and "
                "group."
            )


def _kind(audio: Any) -> str:
    """Name the kind of an item of X."""
    if is_path(audio):
        return "a path"
    if isinstance(audio, bytes):  # also np.bytes_, which looks like a number and like an array
        return "of type bytes"
    if isinstance(audio, (Number, np.generic)):
        return "a number"
    if isinstance(audio, (list, tuple)) or hasattr(audio, "__array__"):
        return "a waveform"
    return f"of type {type(audio).__name__}"
