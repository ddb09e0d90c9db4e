"""The folds of a cross-validation by speakers, and what is doubtful about them."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.model_selection import (
    GroupKFold,
    LeaveOneGroupOut,
    StratifiedGroupKFold,
    StratifiedKFold,
    check_cv,
)

from .._utils import check_number, counted, listed
from ._corpus import Subjects

Split = tuple[NDArray[np.intp], NDArray[np.intp]]

# With fewer speakers, what holds for one of them decides the figure.
_FEW_SPEAKERS = 4


def make_splits(cv: Any, subjects: Subjects) -> list[Split]:
    """Split the items into the training and test parts of all folds."""
    splitter = _splitter(cv, subjects)
    try:
        with warnings.catch_warnings():
            # Of splitters that have no use for groups; which these are, no public attribute tells.
            warnings.filterwarnings("ignore", "The groups parameter is ignored")
            pairs = list(splitter.split(subjects.X, subjects.y, subjects.groups))
    except (TypeError, ValueError) as error:
        raise ValueError(f"cv={cv!r} cannot split the corpus: {error}") from error
    if not pairs:
        raise ValueError(f"cv={cv!r} gives no folds: one or more are needed.")
    return [_checked_split(fold, pair, len(subjects.y)) for fold, pair in enumerate(pairs, start=1)]


def _splitter(cv: Any, subjects: Subjects) -> Any:
    """Object with a method split: what an integer or None stand for, or `cv` itself."""
    groups = subjects.groups
    if cv is not None and not isinstance(cv, int | np.integer):
        if groups is None or len(np.unique(groups)) >= _n_folds_of_groups(cv):
            return check_cv(cv)
        cv = _n_folds_of_groups(cv)  # more than there are groups, where an error would come of it
    if cv is not None:
        check_number("cv", cv, integer=True, low=2)
    if groups is None:
        if cv is None:
            raise ValueError(
                "the corpus does not tell groups, so that none can be left out: pass groups= (speakers or "
                "sessions), or cv=5 for folds that may share speakers."
            )
        return StratifiedKFold(cv)
    n_groups = len(np.unique(groups))
    if n_groups < 2:
        raise ValueError(
            f"all items are of one group, {groups[0]}, so that none can be left out: add speakers, or pass "
            "cv=StratifiedKFold(5) for folds that share it."
        )
    return LeaveOneGroupOut() if cv is None else GroupKFold(min(cv, n_groups))


def _n_folds_of_groups(cv: Any) -> int:
    """Folds of whole groups that `cv` asks for; 0 where it is None or splits otherwise."""
    if isinstance(cv, int | np.integer):
        return int(cv)
    return cv.get_n_splits() if isinstance(cv, GroupKFold | StratifiedGroupKFold) else 0


def _checked_split(fold: int, pair: Any, n_samples: int) -> Split:
    """Indices of the two parts of a fold; raise where they cannot be trained and tested on."""
    try:
        train, test = (_indices(part, n_samples) for part in pair)
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"fold {fold} of cv is no pair of training and test indices of {n_samples} items: {error}"
        ) from error
    if not (len(train) and len(test)):
        raise ValueError(
            f"fold {fold} of cv has {len(train)} training and {len(test)} test items: give both."
        )
    both = np.intersect1d(train, test)
    if len(both):
        raise ValueError(
            f"fold {fold} of cv tests on items it trains with ({listed(both)}): an item belongs to one part."
        )
    return train, test


def _indices(part: Any, n_samples: int) -> NDArray[np.intp]:
    """Indices of a part that is given so, or as a mask."""
    array = np.asarray(part)
    if array.ndim != 1 or (array.dtype == bool and len(array) != n_samples):
        raise ValueError(f"a part is of shape {array.shape}.")
    if array.dtype == bool:
        return np.flatnonzero(array)
    if len(array) and array.dtype.kind not in "iu":
        raise ValueError(f"a part is of dtype {array.dtype}.")
    if len(array) and not 0 <= array.min() <= array.max() < n_samples:
        raise ValueError(f"a part has indices from {array.min()} to {array.max()}.")
    return array.astype(np.intp)


def split_warnings(cv: Any, subjects: Subjects, splits: list[Split]) -> Iterator[str]:
    """Say why the figures of these folds may tell less than they seem to."""
    apart = subjects.kept_apart
    if subjects.groups is None or apart is None:
        yield (
            "the speakers are not known, so that a model may be tested on speakers it has heard: pass "
            "groups= for a claim of speaker independence."
        )
    else:
        yield from _few_groups(cv, subjects.groups, len(splits))
        yield from _few_speakers(apart, subjects.noun)
        yield from _shared_speakers(apart, subjects.noun, splits)
    yield from _uneven_tests(len(subjects.y), splits)
    yield from _absent_classes(subjects.y, splits)


def _few_groups(cv: Any, groups: NDArray[Any], n_folds: int) -> Iterator[str]:
    """Say where there are fewer groups than folds."""
    n_groups = len(np.unique(groups))
    if n_groups < _n_folds_of_groups(cv):
        yield f"cv={cv} asks for more folds than there are groups, {n_groups}: each group is a fold."
    elif n_groups < n_folds:
        yield f"there are fewer groups ({n_groups}) than folds ({n_folds}): folds share groups."


def _few_speakers(apart: NDArray[Any], noun: str) -> Iterator[str]:
    """Say where there are too few speakers for a claim."""
    names = np.unique(apart)
    if len(names) < _FEW_SPEAKERS:
        yield (
            f"the corpus has {counted(len(names), noun)} ({listed(names)}): a claim of speaker independence "
            f"cannot rest on fewer than {_FEW_SPEAKERS}."
        )


def _shared_speakers(apart: NDArray[Any], noun: str, splits: list[Split]) -> Iterator[str]:
    """Say which speakers are in the training and in the test part of one fold."""
    shared = [np.intersect1d(apart[train], apart[test]) for train, test in splits]
    texts = [f"fold {fold}: {listed(names)}" for fold, names in enumerate(shared, start=1) if len(names)]
    if texts:
        more = f"; {len(texts) - 3} more" if len(texts) > 3 else ""
        yield (
            f"{noun}s are in the training and in the test part of {len(texts)} of "
            f"{counted(len(splits), 'fold')} ({'; '.join(texts[:3])}{more}): the figures are not those of "
            "new speakers; split by speakers for these."
        )


def _uneven_tests(n_samples: int, splits: list[Split]) -> Iterator[str]:
    """Say how many items are tested on in no fold, or more than once."""
    counts = np.bincount(np.concatenate([test for _, test in splits]), minlength=n_samples)
    if (counts == 0).any():
        n_never = counted(int((counts == 0).sum()), "item")
        yield f"{n_never} of {n_samples} are in no test part, and nothing is predicted for them."
    if (counts > 1).any():
        n_again = counted(int((counts > 1).sum()), "item")
        yield f"{n_again} of {n_samples} are tested on more than once, and each prediction counts."


def _absent_classes(y: NDArray[Any], splits: list[Split]) -> Iterator[str]:
    """Say which classes a training or a test part lacks."""
    texts = []
    for fold, parts in enumerate(splits, start=1):
        for name, part in zip(("training", "test"), parts, strict=True):
            absent = np.setdiff1d(y, y[part])
            if len(absent):
                texts.append(f"fold {fold}: {name} part without {listed(absent)}")
    if texts:
        yield (
            f"not every part holds every class ({listed(texts, 3)}): a class that is not trained with is "
            "never predicted, and the UA of a fold is over the classes in its test part."
        )
