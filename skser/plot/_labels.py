"""Checks of labels, classes and centers."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils import check_array, check_consistent_length
from sklearn.utils.multiclass import unique_labels

from .._utils import plain_labels, without_mask


def check_labelled(vectors: Any, y: Any, name: str) -> tuple[NDArray[np.float64], NDArray[Any]]:
    """Convert vectors (n_samples, dim) and their labels (n_samples,) to arrays."""
    vectors = check_array(without_mask(name, vectors), dtype=np.float64, input_name=name)
    y = plain_labels("y", y)
    check_consistent_length(vectors, y)
    return vectors, y


def check_classes(
    y: NDArray[Any], classes: Any, centers: Any, dim: int
) -> tuple[NDArray[Any], NDArray[np.float64] | None]:
    """List the classes, followed by the other labels in `y`, and convert the centers of the classes."""
    found = unique_labels(y)
    known = found if classes is None else plain_labels("classes", classes)
    if len(np.unique(known)) != len(known):
        raise ValueError(f"classes must differ from each other, got {known.tolist()}.")
    others = np.setdiff1d(found, known)
    if len(others) == len(found):
        raise ValueError(
            f"the labels in y, {found.tolist()}, are not among the classes, {known.tolist()}: pass "
            "the labels with which the classifier was fitted."
        )
    if centers is not None:
        centers = check_array(without_mask("centers", centers), dtype=np.float64, input_name="centers")
        if centers.shape != (len(known), dim):
            raise ValueError(
                f"centers must have shape {(len(known), dim)}, with one row for each of the classes "
                f"{known.tolist()} and one column per dimension of the points, got {centers.shape}."
            )
    return np.concatenate([known, others]), centers
