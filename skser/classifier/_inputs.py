"""Checks and conversion of the classifier's input: spectrograms, labels, weights and groups."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator
from sklearn.exceptions import DataConversionWarning
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import validate_data

from .._utils import Labels, check_weights, plain_labels, read_labels, warn_caller
from ..sequences import Spectrograms, as_spectrograms


def check_spectrograms(estimator: Any, X: Any, *, reset: bool) -> Spectrograms:
    """Convert an estimator's input to one container; a row of a table is an item of one frame."""
    X = as_spectrograms(X)
    is_container, takes_tables = isinstance(X, Spectrograms), estimator.network == "dense"
    if takes_tables and is_container:
        raise ValueError(
            f'network="dense" takes a table of shape (n_samples, n_features), got {X!r}: compute '
            'statistics over the frames first, or use network="pooled".'
        )
    try:
        if is_container:
            validate_data(estimator, X, reset=reset, skip_check_array=True)
            return X
        table = validate_data(estimator, X, reset=reset, dtype=np.float32)
    except OverflowError as error:  # an integer too large for a float
        raise ValueError(f"X holds a number beyond the range of float32 ({error}): scale it.") from error
    except ValueError as error:
        if takes_tables or "features, but" not in str(error):
            raise
        raise ValueError(
            f"{error} Features are frequency bins: compute the spectrograms with the same parameters as "
            "for fit."
        ) from error
    return Spectrograms.from_frames(table, np.ones(len(table), dtype=np.int64))


def check_labels(
    estimator: BaseEstimator, y: Any, n_samples: int, classes: Labels | None = None
) -> tuple[Labels, NDArray[np.int64]]:
    """Check labels, and return the classes and the number of each item's class."""
    found, numbers = _distinct(read_targets(estimator, y, n_samples))
    if classes is None:
        classes = found
    if len(classes.plain) < 2:
        name = type(estimator).__name__
        raise ValueError(f"{name} needs at least 2 classes, got one class: {classes.plain.tolist()}.")
    return classes, _positions(found.plain, classes.plain)[numbers]


def read_targets(estimator: BaseEstimator, y: Any, n_samples: int | None = None) -> Labels:
    """Check the labels that `fit` gets; raise if there are none, and warn if they are a column."""
    if y is None:
        name = type(estimator).__name__
        raise ValueError(f"{name} requires y to be passed, but the target y is None: pass the labels to fit.")
    if getattr(y, "ndim", 1) == 2:
        warn_caller(
            "A column-vector y was passed when a 1d array was expected: pass y of shape (n_samples,), for "
            "example y.ravel().",
            DataConversionWarning,
        )
    labels = read_labels("y", y, n_samples)
    check_classification_targets(labels.plain)
    return labels


def check_classes(classes: Any) -> Labels:
    """Check the labels that will occur, and sort them."""
    return _distinct(read_labels("classes", classes))[0]


def _distinct(labels: Labels) -> tuple[Labels, NDArray[np.intp]]:
    """Return the different labels, sorted, and the position of each item's label among them."""
    plain, first, numbers = np.unique(labels.plain, return_index=True, return_inverse=True)
    return Labels(plain, labels.given[first]), numbers


def _positions(labels: NDArray[Any], classes: NDArray[Any]) -> NDArray[np.int64]:
    """Find the position of each label among the classes; Python's objects compare without conversion."""
    position = {label: number for number, label in enumerate(classes.tolist())}
    unknown = [label for label in labels.tolist() if label not in position]
    if unknown:
        raise ValueError(
            f"y holds labels that are not among the classes {classes.tolist()}: {unknown}; name all labels "
            "in the first partial_fit(..., classes=...), or start again with fit and warm_start=False."
        )
    return np.array([position[label] for label in labels.tolist()], dtype=np.int64)


def check_sample_weight(sample_weight: ArrayLike | None, n_samples: int) -> NDArray[np.float32] | None:
    """Check the weights of items."""
    weight = check_weights(sample_weight, n_samples)
    if weight is None:
        return None
    # Only their ratios matter. A power of two keeps them exact, and their products in the range of float32.
    return np.ldexp(weight, -np.frexp(weight.max())[1]).astype(np.float32)


def check_groups(groups: Any, n_samples: int, name: str = "groups") -> NDArray[Any] | None:
    """Check the groups or speakers of items by the rules for labels."""
    return None if groups is None else plain_labels(name, groups, n_samples)
