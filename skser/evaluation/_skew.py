"""Test sets in which each speaker's labels are as uneven as outside of a studio."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils import check_random_state

from .._utils import check_number, plain_labels


def skew_test_sets(
    splits: Iterable[tuple[ArrayLike, ArrayLike]],
    y: ArrayLike,
    groups: ArrayLike,
    *,
    concentration: float = 0.5,
    random_state: int | np.random.RandomState | None = None,
) -> list[tuple[NDArray[np.intp], NDArray[np.intp]]]:
    """Resample the test sets of a cross-validation so that the labels of each speaker are uneven.

    In most corpora of acted emotions, each speaker has each emotion equally often. The mean over a test
    speaker's recordings is then a better reference than the mean over recordings from daily life, most of
    which have one or two emotions. This function shows how much a result depends on it.

    For each speaker of a test set, the shares of the labels are drawn from a symmetric Dirichlet
    distribution. As many items as the speaker has are then drawn with replacement, with these shares.

    Parameters
    ----------
    splits : iterable of (train, test)
        Indices of the items of each fold, such as ``GroupKFold(6).split(X, y, groups)``.
    y : array-like of shape (n_samples,)
        The label of each item.
    groups : array-like of shape (n_samples,)
        The speaker of each item.
    concentration : float, default=0.5
        Parameter of the Dirichlet distribution, above 0. At 0.5, one or two labels dominate; large values
        give nearly equal shares.
    random_state : int, RandomState instance or None, default=None
        Seed of the draws. An int gives the same test sets in every call.

    Returns
    -------
    list of (train, test)
        The same training sets, and test sets of the same sizes in which items may be repeated. `evaluate`
        takes them as `cv`.

    Raises
    ------
    TypeError, ValueError
        If `concentration` is not above 0, `y` and `groups` do not match, or `splits` does not hold pairs of
        indices or masks of the items.

    See Also
    --------
    evaluate : Cross-validation of a classifier.

    Examples
    --------
    >>> import numpy as np
    >>> from skser import skew_test_sets
    >>> y, speakers = np.array(["calm", "sad"] * 6), np.repeat(["Ann", "Ben"], 6)
    >>> splits = [(np.arange(6), np.arange(6, 12))]
    >>> ((train, test),) = skew_test_sets(splits, y, speakers, random_state=0)
    >>> y[test].tolist()
    ['calm', 'sad', 'sad', 'sad', 'sad', 'sad']
    """
    check_number("concentration", concentration, low=0, closed="neither")
    labels = plain_labels("y", y)
    names = plain_labels("groups", groups, len(labels))
    items = np.arange(len(labels))
    try:  # indices or masks
        pairs = [(items[np.asarray(train)], items[np.asarray(test)]) for train, test in splits]
    except (IndexError, TypeError, ValueError) as error:
        raise ValueError(
            f"splits must hold pairs (train, test) of indices of the {len(labels)} items ({error}): pass "
            "those of a splitter, such as GroupKFold(6).split(X, y, groups)."
        ) from error
    rng = np.random.default_rng(check_random_state(random_state).randint(np.iinfo(np.int32).max))
    skewed = []
    for train, test in pairs:
        parts = [test[names[test] == name] for name in np.unique(names[test])]
        drawn = [_resample(part, labels[part], concentration, rng) for part in parts]
        skewed.append((train, np.concatenate([test[:0], *drawn])))
    return skewed


def _resample(
    items: NDArray[np.intp], labels: NDArray[Any], concentration: float, rng: np.random.Generator
) -> NDArray[np.intp]:
    """Draw as many items with replacement, whose labels have the shares of one draw."""
    found = np.unique(labels)
    counts = rng.multinomial(len(items), rng.dirichlet(np.full(len(found), concentration)))
    drawn = [rng.choice(items[labels == label], n) for label, n in zip(found, counts, strict=True)]
    return np.concatenate(drawn)
