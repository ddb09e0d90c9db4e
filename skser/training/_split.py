"""Hold a part of the training data out for validation, whole speakers where they are known."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from sklearn.model_selection import GroupShuffleSplit, StratifiedShuffleSplit

from .._utils import warn_caller

# Random choices of groups tried until one leaves every class in the training part.
_DRAWS = 100


def hold_out(
    y: NDArray[np.int64],
    groups: NDArray[np.generic] | None,
    *,
    validation: str,
    fraction: float,
    random_state: int,
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Split the items into a training and a validation part."""
    if validation == "groups" and groups is None:
        raise ValueError(
            'validation="groups" needs groups: pass groups=speakers to fit '
            "(classifier__groups=speakers through a "
            'Pipeline without metadata routing), or set validation="random".'
        )
    if groups is not None and validation != "random":
        return _hold_out_groups(y, groups, fraction, random_state)
    if validation == "auto":
        warn_caller(
            "early stopping validates on a random part of the items, whose speakers may be in the training "
            'part as well: pass groups=speakers to fit, or set validation="random" if that is meant.'
        )
    return _hold_out_items(y, fraction, random_state)


def _hold_out_groups(
    y: NDArray[np.int64], groups: NDArray[np.generic], fraction: float, random_state: int
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Take the first random choice of whole groups that leaves every class in the training part."""
    n_groups = len(np.unique(groups))
    if n_groups < 2:
        raise ValueError(
            f"early stopping holds whole groups out and needs 2 groups or more, got {n_groups}: add "
            'speakers, or set validation="random" or early_stopping=False.'
        )
    n_valid = min(max(1, round(fraction * n_groups)), n_groups - 1)
    splitter = GroupShuffleSplit(_DRAWS, test_size=n_valid, random_state=random_state)
    for train, valid in splitter.split(y, y, groups):
        if len(np.unique(y[train])) == len(np.unique(y)):
            return train, valid
    raise ValueError(
        f"early stopping found no {n_valid} of {n_groups} groups whose holding out leaves every class for "
        'training: lower validation_fraction, or set validation="random" or early_stopping=False.'
    )


def _hold_out_items(
    y: NDArray[np.int64], fraction: float, random_state: int
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Take a random part with the classes in proportion."""
    n_classes, rarest = len(np.unique(y)), np.bincount(y)[np.unique(y)].min()
    n_valid = max(round(fraction * len(y)), n_classes)
    if rarest < 2 or len(y) - n_valid < n_classes:
        raise ValueError(
            f"early stopping cannot hold a part of {len(y)} items of {n_classes} classes "
            "out, the rarest of which has "
            f"{rarest}: give every class several items, or set early_stopping=False."
        )
    splitter = StratifiedShuffleSplit(1, test_size=n_valid, random_state=random_state)
    return next(splitter.split(np.zeros(len(y)), y))
