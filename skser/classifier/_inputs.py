"""Checks and conversion of the classifier's input: spectrograms, labels, weights and groups."""

from __future__ import annotations

import os
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator
from sklearn.utils import column_or_1d
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import validate_data

from ..sequences import Spectrograms


def check_spectrograms(estimator: BaseEstimator, X: Any, *, reset: bool) -> Spectrograms:
    """Convert an estimator's input to one container."""
    container = _as_spectrograms(X)
    try:
        if container is not None:
            validate_data(estimator, container, reset=reset, skip_check_array=True)
            return _not_empty(container)
        table = validate_data(estimator, X, reset=reset, dtype=np.float32)
    except OverflowError as error:  # an integer too large for a float
        raise ValueError(f"X holds a number beyond the range of float32 ({error}): scale it.") from error
    except ValueError as error:
        if "features, but" not in str(error):
            raise
        raise ValueError(
            f"{error} Features are frequency bins: compute the spectrograms with the same parameters as "
            "for fit."
        ) from error
    return Spectrograms.from_frames(table, np.ones(len(table), dtype=np.int64))


def _as_spectrograms(X: Any) -> Spectrograms | None:
    """Convert spectrograms of several frames to a container; None for anything else."""
    if isinstance(X, Spectrograms):
        return X
    if getattr(X, "ndim", 0) > 3:
        raise ValueError(
            f"X has {X.ndim} dimensions, of shape {tuple(X.shape)}: pass spectrograms of shape (n_samples, "
            "n_bins, n_frames), or a list of arrays (n_bins, n_frames)."
        )
    if getattr(X, "ndim", None) == 3:
        return Spectrograms.from_padded(X)
    if getattr(X, "ndim", None) == 1 and np.asarray(X).dtype.kind in "OSU":  # an array or Series
        X = np.asarray(X).tolist()
    if not isinstance(X, (list, tuple)):
        return None
    if not len(X):
        raise ValueError("Found array with 0 sample(s): X holds no spectrograms.")
    for index, item in enumerate(X):
        if isinstance(item, (str, bytes, os.PathLike)):
            raise TypeError(
                f"item {index} is the path {os.fspath(item)!r}, not a spectrogram: put a "
                "SpectrogramTransformer before the classifier."
            )
    dimensions = {np.ndim(item) for item in X}
    lengths = {len(item) for item in X if np.ndim(item) == 1}
    return Spectrograms(list(X)) if dimensions - {0, 1} or len(lengths) > 1 else None


def _not_empty(X: Spectrograms) -> Spectrograms:
    if not len(X):
        raise ValueError("Found array with 0 sample(s): X holds no spectrograms.")
    return X


def check_labels(
    estimator: BaseEstimator, y: Any, n_samples: int, classes: NDArray[Any] | None
) -> tuple[NDArray[Any], NDArray[np.int64]]:
    """Check labels and encode them as class numbers."""
    name = type(estimator).__name__
    if y is None:
        raise ValueError(f"{name} requires y to be passed, but the target y is None: pass the labels to fit.")
    labels = column_or_1d(y, warn=True)
    if len(labels) != n_samples:
        raise ValueError(f"y has {len(labels)} labels but X has {n_samples} items: pass one label per item.")
    _check_present("y", _as_given(y, labels))
    check_classification_targets(labels)
    found = np.unique(labels)
    if classes is None:
        classes = found
    elif not np.isin(found, classes).all():
        unknown = found[~np.isin(found, classes)].tolist()
        raise ValueError(
            f"y holds labels that are not among the classes {classes.tolist()}: {unknown}; name all labels "
            "in the first partial_fit(..., classes=...), or start again with fit and warm_start=False."
        )
    if len(classes) < 2:
        raise ValueError(f"{name} needs at least 2 classes, got one class: {classes.tolist()}.")
    return classes, np.searchsorted(classes, labels).astype(np.int64)


def _as_given(values: Any, array: NDArray[Any]) -> NDArray[Any]:
    """Return the original entries if NumPy has converted a list to text, in which NaN would be "nan"."""
    if array.dtype.kind == "U" and isinstance(values, (list, tuple)):
        return np.asarray(values, dtype=object).ravel()
    return array


def _check_present(name: str, values: NDArray[Any]) -> None:
    """Raise if an entry of an object array is missing, or if text and numbers are mixed."""
    if values.dtype != object:
        return
    for index, value in enumerate(values):
        if _is_missing(value):
            raise ValueError(
                f"{name} has no value for item {index}, got {value!r}: fill it in or leave the item out."
            )
        if isinstance(value, str) != isinstance(values[0], str):
            raise ValueError(
                f"{name} mixes text and numbers (item 0 is {values[0]!r}, item {index} is {value!r}): "
                "use either only text or only numbers."
            )


def _is_missing(value: Any) -> bool:
    """Whether a value is None, NaN, or pandas' NA, whose comparisons are neither true nor false."""
    try:
        return value is None or bool(value != value)
    except TypeError:
        return True


def check_sample_weight(sample_weight: ArrayLike | None, n_samples: int) -> NDArray[np.float32] | None:
    """Check the weights of items."""
    if sample_weight is None:
        return None
    try:
        weight = np.asarray(sample_weight, dtype=np.float32)
    except (OverflowError, TypeError, ValueError) as error:
        raise ValueError(f"sample_weight must hold one number per item ({error}).") from error
    if weight.shape != (n_samples,):
        raise ValueError(
            f"sample_weight must be of shape ({n_samples},), one weight per item, got {weight.shape}."
        )
    wrong = ~(np.isfinite(weight) & (weight >= 0))
    if wrong.any():
        index = int(np.argmax(wrong))
        raise ValueError(
            f"sample_weight of item {index} is {weight[index]}: weights must be finite and at least 0."
        )
    if not weight.any():
        raise ValueError("sample_weight is zero for every item: give at least one item a weight above 0.")
    return weight


def check_groups(groups: ArrayLike | None, n_samples: int) -> NDArray[Any] | None:
    """Check the groups of items."""
    if groups is None:
        return None
    array = column_or_1d(groups)
    if len(array) != n_samples:
        raise ValueError(f"groups has {len(array)} entries but X has {n_samples} items: pass one per item.")
    _check_present("groups", _as_given(groups, array))
    return array
