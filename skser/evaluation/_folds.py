"""The folds of a cross-validation by speakers, and warnings about them."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.model_selection import GroupKFold, LeaveOneGroupOut, StratifiedGroupKFold, check_cv

from .._utils import counted, find_similar, listed
from ._corpus import EvaluationCorpus

Split = tuple[NDArray[np.intp], NDArray[np.intp]]

# With fewer speakers, the result depends too much on each of them.
_FEW_SPEAKERS = 4


class Fold(NamedTuple):
    """The training and the test items of one fold."""

    number: int  # from 1
    train: NDArray[np.intp]
    test: NDArray[np.intp]
    names: tuple[Any, ...]  # of the groups in the test set
    enrolled: NDArray[np.bool_] | None  # test items that give the means of their speakers

    @property
    def scored(self) -> NDArray[np.intp]:
        """Positions of the test items that are scored: all, or those that are not enrolled."""
        if self.enrolled is None or self.enrolled.all():
            return np.arange(len(self.test))
        return np.flatnonzero(~np.isin(self.test, self.test[self.enrolled]))  # an item may be repeated


def make_splits(cv: Any, corpus: EvaluationCorpus) -> list[Split]:
    """Split the items into the training and test sets of all folds."""
    if _is_by_corpus(cv):
        return _corpus_splits(corpus)
    items = np.arange(len(corpus.y))
    try:
        with warnings.catch_warnings():
            # Raised by splitters that do not use groups, which no public attribute identifies.
            warnings.filterwarnings("ignore", "The groups parameter is ignored")
            pairs = list(_splitter(cv, corpus).split(corpus.X, corpus.y, corpus.groups))
        splits = [(items[train], items[test]) for train, test in pairs]  # indices or masks
        _check_splits(splits)
    except (IndexError, TypeError, ValueError) as error:
        raise ValueError(
            f"cv cannot split the corpus ({str(error).rstrip('.')}): give another cv, groups= of two or more "
            "speakers or sessions, or cv=StratifiedKFold(5) for folds that may share speakers."
        ) from error
    return splits


def _is_by_corpus(cv: Any) -> bool:
    """Whether each fold tests one corpus of a merged corpus."""
    return isinstance(cv, str) and cv == "corpus"


def _corpus_splits(corpus: EvaluationCorpus) -> list[Split]:
    """Test each corpus on the labels that it shares with the others, which are the training set."""
    corpora, y = corpus.corpora, corpus.y
    if corpora is None or len(np.unique(corpora)) < 2:
        raise ValueError(
            'cv="corpus" needs two or more corpora in the column "corpus" of the frame: merge them with '
            "skser.datasets.merge_corpora."
        )
    splits = []
    for name in np.unique(corpora):
        shared = np.intersect1d(y[corpora == name], y[corpora != name])
        if len(shared) < 2:
            raise ValueError(
                f"the corpus {name!r} shares {counted(len(shared), 'label')} with the others, but a test "
                "needs two: give equal emotions equal names in merge_corpora(..., labels=...)."
            )
        is_test = (corpora == name) & np.isin(y, shared)
        splits.append((np.flatnonzero(corpora != name), np.flatnonzero(is_test)))
    return splits


def make_folds(
    cv: Any, corpus: EvaluationCorpus, splits: list[Split], enrolled: list[NDArray[np.bool_] | None]
) -> list[Fold]:
    """Number the splits, and name the groups, or the corpora, in their test sets."""
    values = corpus.corpora if _is_by_corpus(cv) else corpus.groups
    return [
        Fold(number, train, test, () if values is None else tuple(np.unique(values[test]).tolist()), mask)
        for number, ((train, test), mask) in enumerate(zip(splits, enrolled, strict=True), start=1)
    ]


def _splitter(cv: Any, corpus: EvaluationCorpus) -> Any:
    """Return the splitter for `cv`; a splitter by groups has at most one fold per group."""
    if cv is None:
        return LeaveOneGroupOut()
    if corpus.groups is None:
        return check_cv(cv, corpus.y, classifier=True)
    n_groups = len(np.unique(corpus.groups))
    if isinstance(cv, int | np.integer) or _n_group_folds(cv) > n_groups:
        return GroupKFold(min(_n_group_folds(cv), n_groups))
    return check_cv(cv)


def _n_group_folds(cv: Any) -> int:
    """Number of folds of whole groups that `cv` requests; 0 if it is None or splits in another way."""
    if isinstance(cv, int | np.integer):
        return int(cv)
    return cv.get_n_splits() if isinstance(cv, GroupKFold | StratifiedGroupKFold) else 0


def _check_splits(splits: list[Split]) -> None:
    """Raise unless there are folds, each with training items and different test items."""
    if not splits:
        raise ValueError("it makes no folds")
    for fold, (train, test) in enumerate(splits, start=1):
        if not (train.size and test.size):
            raise ValueError(f"fold {fold} has {train.size} training and {test.size} test items")
        if (shared := np.intersect1d(train, test)).size:
            raise ValueError(f"fold {fold} has items in both training and test set: {listed(shared)}")


def split_warnings(cv: Any, corpus: EvaluationCorpus, splits: list[Split]) -> Iterator[str]:
    """Explain why the accuracies of these folds may be too high or cover too few items."""
    if corpus.groups is None:
        yield (
            "the speakers are not known, so a model may be tested on speakers from its training: pass "
            "groups= for a claim of speaker independence."
        )
    else:
        yield from _few_groups(cv, corpus)
        yield from _shared_speakers(corpus, splits)
    yield from _uneven_tests(len(corpus.y), splits)
    yield from _absent_classes(corpus.y, splits)


def _few_groups(cv: Any, corpus: EvaluationCorpus) -> Iterator[str]:
    """Warn about fewer groups than folds, and about too few speakers."""
    n_groups, n_requested = len(np.unique(corpus.groups)), _n_group_folds(cv)
    if n_groups < n_requested:
        yield (
            f"there are fewer groups ({n_groups}) than requested folds ({n_requested}): each group is a fold."
        )
    names = np.unique(corpus.speakers)
    if len(names) < _FEW_SPEAKERS:
        yield (
            f"the corpus has {counted(len(names), corpus.noun)} ({listed(names)}): a claim of speaker "
            f"independence needs at least {_FEW_SPEAKERS}."
        )


def _shared_speakers(corpus: EvaluationCorpus, splits: list[Split]) -> Iterator[str]:
    """Warn about speakers in the training and in the test set of one fold."""
    parts = [[corpus.speakers[part] for part in split] for split in splits]
    shared = {fold: np.intersect1d(*speakers) for fold, speakers in enumerate(parts, start=1)}
    texts = [f"fold {fold}: {listed(names)}" for fold, names in shared.items() if len(names)]
    if texts:
        yield (
            f"{corpus.noun}s are in the training and in the test set of {len(texts)} of "
            f"{counted(len(splits), 'fold')} ({listed(texts, 3)}), so the accuracies do not hold for new "
            "speakers: split by speakers to estimate those."
        )


def _uneven_tests(n_samples: int, splits: list[Split]) -> Iterator[str]:
    """Warn about items that are in no test set, or in several."""
    counts = np.bincount(np.concatenate([test for _, test in splits]), minlength=n_samples)
    if never := int((counts == 0).sum()):
        verb, subject = ("is", "it is") if never == 1 else ("are", "they are")
        yield f"{never} of {n_samples} items {verb} in no test set, so {subject} never predicted."
    if again := int((counts > 1).sum()):
        verb, owner = ("is", "its") if again == 1 else ("are", "their")
        yield (
            f"{again} of {n_samples} items {verb} in several test sets; all {owner} predictions are counted."
        )


def _absent_classes(y: NDArray[Any], splits: list[Split]) -> Iterator[str]:
    """Warn about classes that a training or a test set lacks."""
    texts = []
    lacking: set[Any] = set()
    for fold, parts in enumerate(splits, start=1):
        for name, part in zip(("training", "test"), parts, strict=True):
            if (absent := np.setdiff1d(y, y[part])).size:
                texts.append(f"fold {fold}: {name} set without {listed(absent)}")
                lacking.update(absent.tolist())
    if texts:
        yield (
            f"some training or test sets lack classes ({listed(texts, 3)}): a class that is missing in "
            "training is never predicted, and the UA of a fold is the mean over the classes in its test set"
            f"{_resemblances(y, lacking)}."
        )


def _resemblances(y: NDArray[Any], lacking: set[Any]) -> str:
    """Name pairs of classes that may be one, if a training or a test set lacks one of the two."""
    similar = [pair for pair in find_similar(y.tolist()).items() if not lacking.isdisjoint(pair)]
    texts = [f"{str(text)!r} resembles {str(other)!r}" for text, other in similar]
    return f"; {listed(texts, 3)}: give one emotion one name" if texts else ""
