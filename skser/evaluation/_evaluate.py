"""Evaluation with speakers kept apart: leave-one-session-out or leave-one-speaker-out in one call."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import clone
from sklearn.utils.parallel import Parallel, delayed

from .._utils import check_flag, check_number, warn_caller
from ..metrics import unweighted_accuracy, weighted_accuracy
from ._corpus import Subjects, read_subjects, take
from ._evaluation import Evaluation
from ._fit_fold import FoldResult, fit_fold, name_fold, precompute_spectrograms, restore_first_step
from ._folds import Split, make_splits, split_warnings

if TYPE_CHECKING:
    import pandas as pd


def evaluate(
    estimator: Any,
    corpus: Any,
    *,
    cv: Any = None,
    groups: str | ArrayLike | None = None,
    speakers: str | ArrayLike | None = None,
    n_jobs: int | None = None,
    return_estimator: bool = False,
    verbose: bool | int = 0,
) -> Evaluation:
    """Cross-validate a classifier on a corpus, with speakers kept apart.

    A copy of the estimator is fitted for each fold, and predicts the recordings that it has not been
    trained with: those of one speaker or session, then of the next.

    Parameters
    ----------
    estimator : classifier
        Any classifier of scikit-learn's kind, such as a Pipeline of `SpectrogramTransformer` and
        `CenterLossClassifier`, or a search over one. It is left as it is.
    corpus : Bunch, mapping, object or tuple
        A corpus of `skser.datasets`, or any object or mapping with `data` and `target` (items and labels),
        and optionally `groups` and `frame` (a DataFrame of one row an item); or a tuple (X, y) or
        (X, y, groups).
    cv : int, splitter or iterable of (train, test), default=None
        None leaves one group out in each fold (LeaveOneGroupOut), which is as many trainings as
        there are groups: 5 for the sessions of IEMOCAP, 91 for the speakers of CREMA-D. An integer n, 2
        or more, makes n folds of whole groups (GroupKFold), or as many as there are groups if these are
        fewer; so do GroupKFold and StratifiedGroupKFold. Any other splitter of scikit-learn's kind is taken
        as it is; so are pairs of indices or masks.
    groups : str or array-like of shape (n_samples,), default=None
        What a fold leaves out: the column of the frame of that name, such as "session", or one value an
        item. "speaker" means the speakers, also where the frame calls them "actor". None takes the groups of
        the corpus, or else the speakers.
    speakers : str or array-like of shape (n_samples,), default=None
        Who speaks, given as `groups` is. None takes the column "speaker" of the frame, or else "actor";
        where there is neither, the groups of the corpus, or else `groups`, are taken for the speakers.
    n_jobs : int or None, default=None
        Processes among which joblib shares the folds; -1 means one a processor. None means 1, or
        what a ``joblib.parallel_config`` context says.
    return_estimator : bool, default=False
        Whether to keep the fitted estimator of each fold.
    verbose : bool or int, default=0
        Whether to show a progress bar of the folds.

    Returns
    -------
    Evaluation
        Every prediction, and the accuracies by fold and of all.

    Raises
    ------
    TypeError
        If `estimator` is no classifier, `corpus` is none of the above, or a parameter is of a wrong type.
    ValueError
        If labels, groups or speakers are missing or do not fit the items, `cv` cannot split them, or
        there are no groups and `cv` is None.
    OSError, RuntimeError
        What stops the fit or the predictions of a fold is raised with the number of the fold: as OSError,
        TypeError or ValueError if it is one, and otherwise as RuntimeError.

    Warns
    -----
    UserWarning
        If speakers are not known, or are in the training and in the test part of one fold; if groups are
        fewer than folds; if there are fewer than four speakers, on whom no claim of speaker independence can
        rest; if items are tested on in no fold or in several; if a part lacks a class. The
        result keeps these sentences.

    See Also
    --------
    sklearn.model_selection.cross_validate : Scores of any metric, without the checks.
    sklearn.metrics.ConfusionMatrixDisplay : Draws the columns `label` and `predicted` of the predictions.

    Notes
    -----
    Groups of the training part are handed to `fit` of whatever can use them, so that early stopping and
    searches inside a fold keep speakers apart as well. With metadata routing that is what requests
    groups; without it, an estimator with a parameter `groups` of `fit`, such steps of a Pipeline, and
    splitters by group of a search, with the steps of the Pipeline it searches.

    Where the first step of a Pipeline is a `SpectrogramTransformer`, each spectrogram is computed once and
    not once a fold. The predictions are the same bit for bit, since it learns nothing and no recording
    has an influence on another's spectrogram. Within a search, its parameter `memory` does the like.

    UA and WA are those of `unweighted_accuracy` and `weighted_accuracy`. Pooled figures are over the
    predictions of all folds together. Where folds are small or lack classes, the mean over folds differs
    from them: say which one you report.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.linear_model import LogisticRegression
    >>> from skser import evaluate
    >>> X = np.array([[0.0], [1], [0], [1], [0], [1], [1], [0]])
    >>> y, speakers = ["calm", "angry"] * 4, ["Ann", "Ann", "Ben", "Ben", "Eve", "Eve", "Ian", "Ian"]
    >>> print(evaluate(LogisticRegression(), (X, y, speakers)))
    UA and WA in % (chance is 50.0 % UA, pooled is over all predictions)
    <BLANKLINE>
      fold test groups train test    UA    WA
         1         Ann     6    2 100.0 100.0
         2         Ben     6    2 100.0 100.0
         3         Eve     6    2 100.0 100.0
         4         Ian     6    2   0.0   0.0
      mean                         75.0  75.0
       std                         43.3  43.3
    pooled                     8  75.0  75.0
    <BLANKLINE>
    class items recall as angry as calm
    angry     4   75.0        3       1
     calm     4   75.0        1       3
    """
    _check_parameters(estimator, n_jobs, return_estimator)
    subjects = read_subjects(estimator, corpus, groups, speakers)
    splits = make_splits(cv, subjects)
    found = tuple(split_warnings(cv, subjects, splits))
    for sentence in found:
        warn_caller(sentence)
    prepared, rest = precompute_spectrograms(estimator, subjects, n_jobs)
    tasks = (
        delayed(fit_fold)(clone(rest), prepared, split, name_fold(subjects, splits, fold), return_estimator)
        for fold, split in enumerate(splits)
    )
    parallel = Parallel(n_jobs=n_jobs, return_as="generator" if verbose else "list")
    results = list(_with_progress(parallel(tasks), len(splits), verbose))
    estimators = [result.estimator for result in results] if return_estimator else None
    if estimators and rest is not estimator:
        first_step = estimator.steps[0]
        for fitted, (train, _) in zip(estimators, splits, strict=True):
            restore_first_step(fitted, first_step, take(subjects.X, train))
    return Evaluation(*_tables(subjects, splits, results), found, estimators)


def _check_parameters(estimator: Any, n_jobs: Any, return_estimator: Any) -> None:
    """Raise unless there is a classifier, and the other parameters have a meaning."""
    if isinstance(estimator, type) or not (hasattr(estimator, "fit") and hasattr(estimator, "predict")):
        raise TypeError(
            f"estimator must be a classifier with fit and predict, got {estimator!r}: pass an instance, and "
            "end a Pipeline with a classifier."
        )
    check_flag("return_estimator", return_estimator)
    if n_jobs is not None:
        check_number("n_jobs", n_jobs, integer=True)
    if n_jobs == 0:
        raise ValueError("n_jobs must not be 0: give None, 1 or more, or -1 for one process a processor.")


def _with_progress(results: Iterable[FoldResult], n_folds: int, verbose: bool | int) -> Iterable[FoldResult]:
    """Results, with a progress bar if one is wanted."""
    if not verbose:
        return results
    from tqdm import tqdm

    bar: Iterable[FoldResult] = tqdm(results, total=n_folds, desc="folds", unit="fold")
    return bar


def _tables(
    subjects: Subjects, splits: list[Split], results: list[FoldResult]
) -> tuple[pd.DataFrame, pd.DataFrame, NDArray[Any]]:
    """Predictions, folds and labels of an `Evaluation`."""
    import pandas as pd

    classes = [result.classes for result in results if result.classes is not None]
    labels = np.unique(np.concatenate([subjects.y, *(result.predicted for result in results), *classes]))
    folds = list(enumerate(zip(splits, results, strict=True), start=1))
    predictions = pd.concat(
        [_predictions(subjects, fold, split[1], result, labels) for fold, (split, result) in folds],
        ignore_index=True,
    ).sort_values(["item", "fold"], kind="stable", ignore_index=True)
    rows = [_fold_row(subjects, fold, split, result) for fold, (split, result) in folds]
    return predictions, pd.DataFrame(rows), labels


def _predictions(
    subjects: Subjects, fold: int, test: NDArray[np.intp], result: FoldResult, labels: NDArray[Any]
) -> pd.DataFrame:
    """Rows of the predictions of a fold."""
    import pandas as pd

    columns: dict[str, Any] = {"item": test}
    if subjects.files is not None:
        columns["file"] = [subjects.files[index] for index in test.tolist()]
    columns |= {"label": subjects.y[test], "predicted": result.predicted}
    if subjects.groups is not None:
        columns["group"] = subjects.groups[test]
    if subjects.kept_apart is not None:
        columns["speaker"] = subjects.kept_apart[test]
    columns["fold"] = fold
    if result.classes is not None and result.probabilities is not None:
        aligned = np.zeros((len(test), len(labels)))
        aligned[:, np.searchsorted(labels, result.classes)] = result.probabilities
        columns |= {f"probability_{label}": aligned[:, i] for i, label in enumerate(labels)}
    return pd.DataFrame(columns)


def _fold_row(subjects: Subjects, fold: int, split: Split, result: FoldResult) -> dict[str, Any]:
    """Row of the table of folds."""
    train, test = split
    return {
        "fold": fold,
        "test_groups": () if subjects.groups is None else tuple(np.unique(subjects.groups[test]).tolist()),
        "n_train": len(train),
        "n_test": len(test),
        "UA": unweighted_accuracy(subjects.y[test], result.predicted),
        "WA": weighted_accuracy(subjects.y[test], result.predicted),
    }
