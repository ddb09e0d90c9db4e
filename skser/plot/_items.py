"""Checks of points, labels, classes and centers."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils import check_array, column_or_1d
from sklearn.utils.multiclass import check_classification_targets


def checked_items(points: Any, y: Any, name: str) -> tuple[NDArray[np.float64], NDArray[Any]]:
    """Points (n_samples, dim) and labels (n_samples,)."""
    checked: NDArray[np.float64] = check_array(points, dtype=np.float64, input_name=name)
    labels = column_or_1d(y)
    if len(checked) != len(labels):
        raise ValueError(
            f"{name} has {len(checked)} rows but y has {len(labels)} labels: pass one label a row."
        )
    if labels.dtype.kind == "f":  # for others it has nothing to say but that classes are many
        check_classification_targets(labels)
    return checked, labels


def checked_classes(
    y: NDArray[Any], classes: Any, centers: Any, dim: int
) -> tuple[NDArray[Any], NDArray[np.float64] | None]:
    """Labels in their order, those of `y` alone at the end, and the centers of the first of them."""
    try:
        found = np.unique(y)
    except TypeError as error:
        raise TypeError(f"the labels in y must be of one kind, all text or all numbers: {error}.") from error
    known = found if classes is None else column_or_1d(classes)
    if len(np.unique(known)) != len(known):
        raise ValueError(f"classes must differ from each other, got {known.tolist()}.")
    if not np.isin(found, known).any():
        raise ValueError(
            f"none of the labels in y, {found.tolist()}, is one of the classes, {known.tolist()}: pass "
            "labels as the classifier knows them."
        )
    if centers is not None:
        centers = check_array(centers, dtype=np.float64, input_name="centers")
        if centers.shape != (len(known), dim):
            raise ValueError(
                f"centers must be of shape {(len(known), dim)}, a row for each of the classes "
                f"{known.tolist()}, got {centers.shape}."
            )
    return np.concatenate([known, found[~np.isin(found, known)]]), centers
