"""Split the data into a training and a validation set, by speakers if they are known."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.model_selection import GroupKFold, GroupShuffleSplit, StratifiedShuffleSplit

from .._utils import warn_caller

# Random choices of groups to try until one leaves every class in the training set.
_MAX_TRIES = 100

Split = tuple[NDArray[np.intp], NDArray[np.intp]]  # indices of the training and of the validation set


def train_validation_split(
    y: NDArray[np.int64],
    groups: NDArray[np.generic] | None,
    *,
    validation: str,
    fraction: float,
    random_state: int,
) -> Split:
    """Split the items into a training and a validation set."""
    if validation == "groups" and groups is None:
        raise ValueError(
            'validation="groups" needs groups: pass groups=speakers to fit '
            "(classifier__groups=speakers through a "
            'Pipeline without metadata routing), or set validation="random".'
        )
    if groups is not None and validation != "random":
        return _split_by_groups(y, groups, fraction, random_state)
    if validation == "auto":
        warn_caller(
            "early stopping uses a random validation set, whose speakers may also be in the training set: "
            'pass groups=speakers to fit, or set validation="random" if that is intended.'
        )
    return _split_at_random(y, fraction, random_state)


def make_speaker_folds(
    groups: Any, n_folds: int, needed_by: str, alternative: str, *, least: int = 2
) -> GroupKFold:
    """Make folds of whole speakers, of which there are as many as speakers at most."""
    n_speakers = 0 if groups is None else len(np.unique(np.asarray(groups)))
    if n_speakers < least:
        raise ValueError(
            f"{needed_by} groups of at least {least} speakers, got {n_speakers}: pass the speakers to fit, "
            f"or set {alternative}."
        )
    return GroupKFold(min(n_folds, n_speakers))


def _split_by_groups(
    y: NDArray[np.int64], groups: NDArray[np.generic], fraction: float, random_state: int
) -> Split:
    """Take the first random choice of whole groups that leaves every class in the training set."""
    n_groups = len(np.unique(groups))
    if n_groups < 2:
        raise ValueError(
            f"early stopping holds out whole groups and needs at least 2 of them, got {n_groups}: add "
            'speakers, or set validation="random" or early_stopping=False.'
        )
    n_valid = min(max(1, round(fraction * n_groups)), n_groups - 1)
    splitter = GroupShuffleSplit(_MAX_TRIES, test_size=n_valid, random_state=random_state)
    for train, valid in splitter.split(y, y, groups):
        if len(np.unique(y[train])) == len(np.unique(y)):
            return train, valid
    raise ValueError(
        f"early stopping found no choice of {n_valid} of {n_groups} groups for validation that leaves every "
        "class in the training set: lower validation_fraction, or set "
        'validation="random" or early_stopping=False.'
    )


def _split_at_random(y: NDArray[np.int64], fraction: float, random_state: int) -> Split:
    """Take a random validation set with the same proportions of classes."""
    n_items_of_class = np.unique(y, return_counts=True)[1]
    n_classes, rarest = len(n_items_of_class), n_items_of_class.min()
    n_valid = max(round(fraction * len(y)), n_classes)
    if rarest < 2 or len(y) - n_valid < n_classes:
        raise ValueError(
            f"early stopping cannot take a validation set from {len(y)} items of {n_classes} classes, of "
            f"which the rarest has {rarest}: give every class several items, or set early_stopping=False."
        )
    splitter = StratifiedShuffleSplit(1, test_size=n_valid, random_state=random_state)
    return next(splitter.split(np.zeros(len(y)), y))
