"""Evaluation with separate speakers: leave-one-session-out or leave-one-speaker-out in one call."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import clone
from sklearn.pipeline import Pipeline
from sklearn.utils import column_or_1d, parallel

from .._utils import check_flag, check_verbose, listed, parallel_map, warn_caller
from ..classifier import ended_by_ctrl_c
from ..features import SpectrogramTransformer, SpeechEncoderTransformer
from ..metrics import unweighted_accuracy, weighted_accuracy
from ._corpus import EvaluationCorpus, read_corpus, take
from ._evaluation import Evaluation
from ._folds import Fold, make_folds, make_splits, split_warnings
from ._groups import groups_for_fit, restore_requests
from ._processes import check_shares, choose_for_folds, choose_for_recordings, share_folds
from ._speaker_means import check_speaker_means, choose_enrolled, has_normalizer, transform_test_items

if TYPE_CHECKING:
    import pandas as pd

# They learn nothing, and no recording influences another: their result can be computed once for all folds.
_STATELESS = (SpectrogramTransformer, SpeechEncoderTransformer)


def evaluate(
    estimator: Any,
    corpus: Any,
    *,
    cv: Any = None,
    groups: str | ArrayLike | None = None,
    speakers: str | ArrayLike | None = None,
    speaker_means: str = "none",
    n_enroll: int = 10,
    random_state: int | np.random.RandomState | None = None,
    n_jobs: int | str | None = "auto",
    return_estimator: bool = False,
    verbose: bool | int = 0,
) -> Evaluation:
    """Cross-validate a classifier on a corpus, with speakers kept apart.

    For each fold, a copy of the estimator is fitted on the training set and predicts the test set. Each
    test set holds the recordings of one speaker or session.

    Parameters
    ----------
    estimator : classifier
        Any scikit-learn classifier, such as a Pipeline of `SpectrogramTransformer` and
        `CenterLossClassifier`, or a search over one. It is not changed.
    corpus : Bunch, mapping, object or tuple
        A corpus of `skser.datasets`, or any object or mapping with `data` and `target` (items and labels),
        and optionally `groups` and `frame` (a DataFrame with one row per item); or a tuple (X, y) or
        (X, y, groups).
    cv : int, "corpus", splitter or iterable of (train, test), default=None
        None leaves out one group per fold (LeaveOneGroupOut), so there are as many fits as
        groups: 5 for the sessions of IEMOCAP, 91 for the speakers of CREMA-D. An integer n of at least 2
        makes n folds of whole groups (GroupKFold), or one fold per group if there are fewer groups; the
        same holds for GroupKFold and StratifiedGroupKFold. "corpus" leaves out one corpus of
        `skser.datasets.merge_corpora` per fold, and tests it on the labels that it shares with the training
        set. Any other scikit-learn splitter is used unchanged, and so are pairs of indices or masks.
    groups : str or array-like of shape (n_samples,), default=None
        The groups to leave out: the name of a column of the frame, such as "session", or one value per
        item. "speaker" means the speakers, even if the frame calls them "actor". None uses the groups of
        the corpus, or else the speakers.
    speakers : str or array-like of shape (n_samples,), default=None
        The speaker of each item, in the same form as `groups`. None uses the column "speaker" of the frame,
        or else "actor". If the frame has neither, the groups of the corpus, or else `groups`, are used.
    speaker_means : {"none", "test", "enrolled"}, default="none"
        The mean that a `SpeakerNormalizer` in the pipeline subtracts from the items of a test speaker. "none"
        is the mean of the training speakers, `mean_`: nothing about the test speakers is used. "test" is the
        mean over all test items of the speaker, without their labels (transductive). "enrolled" is the mean
        over `n_enroll` of them, which are drawn at random and not scored.
    n_enroll : int, default=10
        Number of items per test speaker, at least 1, for ``speaker_means="enrolled"``.
    random_state : int, RandomState instance or None, default=None
        Seed that draws the enrolled items. An int gives the same result in every call.
    n_jobs : int, "auto" or None, default="auto"
        Number of processes that share the folds; -1 means one per processor. None means 1, unless in a
        ``joblib.parallel_config`` context. "auto" means the same as None, except that the folds of a
        `CenterLossClassifier` that trains on a CPU are shared by one process per processor, at most eight,
        of one thread each. Folds of a table and ``network="dense"`` without a search are not shared if rows
        times columns times folds are fewer than a million, because starting processes would take longer.
    return_estimator : bool, default=False
        Whether to keep the fitted estimator of each fold.
    verbose : bool or int, default=0
        Whether to show a progress bar of the folds.

    Returns
    -------
    Evaluation
        Every prediction, and the accuracies per fold and over all folds.

    Raises
    ------
    TypeError
        If `estimator` is not a classifier, `corpus` does not have one of the above forms, or a parameter has
        a wrong type.
    ValueError
        If labels, groups or speakers are missing or do not match the items, `cv` cannot split them, or `cv`
        is None without groups; if `speaker_means` needs a `SpeakerNormalizer` or speakers that are missing,
        or a test speaker has no more than `n_enroll` items.

    Warns
    -----
    UserWarning
        If the speakers are not known, or are in the training and in the test set of one fold; if there are
        fewer groups than folds; if there are fewer than four speakers, which is not enough for a claim of
        speaker independence; if items are in no test set or in several; if a training or test set lacks a
        class. The result keeps these warnings.

    See Also
    --------
    sklearn.model_selection.cross_validate : Scores of any metric, without these checks.
    sklearn.metrics.ConfusionMatrixDisplay : Draws the columns `label` and `predicted` of the predictions.

    Notes
    -----
    The groups of the training set are passed to `fit` of each part of the estimator that can use them, so
    that early stopping and searches within a fold keep speakers apart as well. With metadata routing, these
    are the parts that request groups. Without it, these are estimators and steps of a Pipeline whose `fit`
    has a parameter `groups`, and the group splitter of a search with the steps of the Pipeline it searches.

    A `SpeakerNormalizer` in a Pipeline receives the speakers instead of the groups, even if groups such as
    sessions hold several speakers. With metadata routing, it can request no groups, or request them under
    another name. Within a search, inner folds are scored without `speaker_means`.

    If the first step of a Pipeline is a `SpectrogramTransformer` or a `SpeechEncoderTransformer`, each
    recording is processed only once instead of once per fold. The predictions are the same bit for bit,
    because these transformers learn nothing and no recording influences the result of another. Within a
    search, set their parameter `memory` for the same effect.

    Ctrl-C ends the evaluation. Processes receive pickled copies of the estimator: if a part of it cannot be
    pickled, such as an open file, set ``n_jobs=1``.

    An error in a fold keeps its type and message. A note, which Python shows below the message, names the
    fold and its test groups.

    Labels, groups and speakers can be of any kind, see :doc:`/user_guide/labels`. Members of an Enum are
    replaced by their values, and bytes by text.

    UA and WA are those of `unweighted_accuracy` and `weighted_accuracy`. Pooled values are computed over the
    predictions of all folds together. If folds are small or lack classes, the mean over folds differs from
    the pooled value: state which one you report. If the estimator has `predict_proba`, the report also rates
    the probabilities, see `Evaluation`.

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
    probabilities: ECE ... (95 % interval ...), NLL ..., accuracy at 50 % coverage ... %
    <BLANKLINE>
    class items recall as angry as calm
    angry     4   75.0        3       1
     calm     4   75.0        1       3
    """
    import pandas as pd
    from tqdm import tqdm

    _check_classifier(estimator)
    check_flag("return_estimator", return_estimator)
    check_verbose(verbose)
    check_shares(n_jobs)
    items = read_corpus(estimator, corpus, groups, speakers)
    check_speaker_means(speaker_means, n_enroll, estimator, items)
    splits = make_splits(cv, items)
    enrolled = choose_enrolled(speaker_means, items.speakers, splits, n_enroll, random_state)
    folds = make_folds(cv, items, splits, enrolled)
    sentences = tuple(split_warnings(cv, items, splits))
    for sentence in sentences:
        warn_caller(sentence)
    first = _stateless_first_step(estimator)
    with share_folds(choose_for_recordings(n_jobs, first), estimator, len(folds)):
        remaining, X = _compute_features(estimator, first, items.X)
    prepared = items._replace(X=X)
    calls = ((clone(remaining), prepared, fold, return_estimator) for fold in folds)
    with (
        share_folds(choose_for_folds(n_jobs, estimator, X, len(folds)), estimator, len(folds)),
        ended_by_ctrl_c(),
        # scikit-learn passes its configuration, and the filters that end a training, to the processes.
        parallel_map(_evaluate_fold, calls, None, library=parallel) as results,
    ):
        bar = tqdm(results, total=len(splits), desc="folds", unit="fold", disable=not verbose)
        rows, tables, fitted = zip(*bar, strict=True)
    predictions = pd.concat(tables).sort_values(["item", "fold"], ignore_index=True)
    labels = np.unique([*items.y, *predictions["predicted"].to_numpy()])
    estimators = [_put_first_step_back(model, first, items.X) for model in fitted if model is not None]
    return Evaluation(
        predictions,
        pd.DataFrame(rows),
        labels,
        sentences,
        estimators or None,
        speaker_means if has_normalizer(estimator) else None,
        n_enroll if speaker_means == "enrolled" else None,
    )


def _check_classifier(estimator: Any) -> None:
    """Raise unless an estimator is a classifier, or may be one that does not say so."""
    if isinstance(estimator, type) or not (hasattr(estimator, "fit") and hasattr(estimator, "predict")):
        raise TypeError(
            f"estimator must be a classifier with fit and predict, got {estimator!r}: pass an instance, or a "
            "Pipeline that ends with a classifier."
        )
    try:
        kind = estimator.__sklearn_tags__().estimator_type
    except AttributeError:  # not all classes inherit from scikit-learn's BaseEstimator
        return
    if kind in ("regressor", "clusterer"):
        raise TypeError(
            f"estimator must be a classifier, but {type(estimator).__name__} is a {kind}: pass a classifier, "
            "or a Pipeline or search of one."
        )


def _stateless_first_step(estimator: Any) -> Any:
    """Return the first step of a Pipeline if it learns nothing, otherwise None."""
    first = estimator.steps[0][1] if isinstance(estimator, Pipeline) else None
    # Only these exact classes: a subclass, like any other step, may depend on the training set.
    return first if type(first) in _STATELESS else None


def _compute_features(estimator: Any, first: Any, X: Any) -> tuple[Any, Any]:
    """Compute the features of a stateless first step, and replace that step by "passthrough"."""
    if first is None:
        return estimator, X
    remaining = clone(estimator).set_params(**{estimator.steps[0][0]: "passthrough"})
    return remaining, clone(first).fit_transform(X)


def _put_first_step_back(fitted: Any, first: Any, X: Any) -> Any:
    """Restore the first step of a fitted Pipeline that `_compute_features` replaced."""
    return fitted if first is None else fitted.set_params(**{fitted.steps[0][0]: clone(first).fit(X)})


def _evaluate_fold(
    estimator: Any, corpus: EvaluationCorpus, fold: Fold, keep: bool
) -> tuple[dict[str, Any], pd.DataFrame, Any]:
    """Return the row of the table of folds, the predictions, and the fitted estimator if it is kept."""
    train, test = fold.train, fold.test
    try:
        with warnings.catch_warnings():
            if corpus.groups is None:  # `split_warnings` says so
                warnings.filterwarnings("ignore", "fit of SpeakerNormalizer received no groups")
            estimator.fit(take(corpus.X, train), corpus.y[train], **groups_for_fit(estimator, corpus, train))
        classifier, X = estimator, take(corpus.X, test)
        if fold.enrolled is not None:
            classifier, X = transform_test_items(estimator, X, corpus.speakers[test], fold.enrolled)
        scored = fold.scored
        items = corpus.items.iloc[test[scored]].assign(fold=fold.number).reset_index(drop=True)
        predictions = _predict(classifier, take(X, scored), items, np.unique(corpus.y))
        row = {"fold": fold.number, "test_groups": fold.names, "n_train": len(train), "n_test": len(scored)}
        row["UA"] = unweighted_accuracy(predictions["label"], predictions["predicted"])
        row["WA"] = weighted_accuracy(predictions["label"], predictions["predicted"])
    except Exception as error:
        error.add_note(f"This happened in fold {fold.number} (test groups: {listed(fold.names)}).")
        raise
    if keep:
        restore_requests(estimator)
    return row, predictions, estimator if keep else None


def _predict(estimator: Any, X: Any, items: pd.DataFrame, labels: NDArray[Any]) -> pd.DataFrame:
    """Add predicted labels and, if the estimator has them, probabilities to the rows of items."""
    import pandas as pd

    predicted = column_or_1d(estimator.predict(X))
    predictions = items.copy()
    predictions.insert(predictions.columns.get_loc("label") + 1, "predicted", predicted)
    if not (hasattr(estimator, "predict_proba") and hasattr(estimator, "classes_")):
        return predictions
    probabilities = pd.DataFrame(estimator.predict_proba(X), columns=estimator.classes_, dtype=float)
    # A class that was missing in training has probability 0.
    probabilities = probabilities.reindex(columns=np.union1d(labels, estimator.classes_), fill_value=0.0)
    return predictions.join(probabilities.add_prefix("probability_"))
