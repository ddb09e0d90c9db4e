"""Hold a part of the training data out for validation, whole speakers where they are known."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from sklearn.model_selection import GroupShuffleSplit, StratifiedShuffleSplit

from ._validation import warn_caller

__all__ = ["hold_out"]

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
    """Split the items into a training and a validation part.

    Parameters
    ----------
    y : ndarray of shape (n,)
        Class numbers.
    groups : ndarray of shape (n,) or None
        Speaker or session of each item.
    validation : {"auto", "groups", "random"}
        "groups" holds whole groups out and raises without them, "random" holds out a stratified random
        part, "auto" is "groups" where groups are given and otherwise "random", with a warning.
    fraction : float
        Share of the groups, or of the items, that is held out, in (0, 1).
    random_state : int
        Seed of the choice.

    Returns
    -------
    train : ndarray of shape (n_train,)
        Indices of the training part.
    valid : ndarray of shape (n_valid,)
        Indices of the validation part.

    Raises
    ------
    ValueError
        If groups are needed and missing, or no split leaves every class in the training part.

    Examples
    --------
    >>> import numpy as np
    >>> from skser.splitting import hold_out
    >>> y, speakers = np.array([0, 1, 0, 1]), np.array(["F1", "F1", "M1", "M1"])
    >>> train, valid = hold_out(y, speakers, validation="auto", fraction=0.5, random_state=0)
    >>> bool(set(speakers[train]) & set(speakers[valid]))
    False
    """
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
