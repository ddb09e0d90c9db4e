"""The result of `evaluate`: predictions, accuracies and their report."""

from __future__ import annotations

import html
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import confusion_matrix, recall_score

from .._utils import listed, printable
from ..metrics import unweighted_accuracy, weighted_accuracy
from ._probabilities import score_probabilities

if TYPE_CHECKING:
    import pandas as pd

# Number of groups that a row of the report names; the others are only counted.
_NAMED_GROUPS = 4

# The report shows confusion matrices of up to this number of classes, so that its lines stay short.
_CONFUSED_CLASSES = 8

# What each mode of `speaker_means` subtracts from the items of a test speaker.
_MEANS = {
    "none": "the mean of the training speakers is subtracted from all test items.",
    "test": (
        "the mean of each test speaker is subtracted, taken over all test items of the speaker without their "
        "labels (transductive)."
    ),
    "enrolled": (
        "the mean of each test speaker is subtracted, taken over {} test items of the speaker without their "
        "labels. These items are drawn at random and not scored."
    ),
}


@dataclass(frozen=True, eq=False, repr=False)
class Evaluation:
    """Result of `evaluate`: every prediction, and the accuracies per fold and over all folds.

    Printing it shows a table in percent; the attributes are shares in [0, 1]. Predictions that are not a
    class, such as "unknown" of a `RejectOption`, count as wrong. A note below the table states their number.

    Attributes
    ----------
    predictions : pandas.DataFrame of shape (n_predictions, n_columns)
        One row per prediction, sorted by item, then by fold: `item` (its position in the corpus), `file` (if
        items are files or the corpus names them), `label`, `predicted`, `group` and `speaker` (if either is
        known; if only one is known, both have its values), `corpus` (of a merged corpus), `fold` (from 1),
        and `probability_<label>` for each class if the estimator has `predict_proba`; a class that was
        missing in the training set has 0.
    folds : pandas.DataFrame of shape (n_folds, 6)
        One row per fold: `fold` (from 1), `test_groups` (tuple, empty if groups are not known; a corpus with
        ``cv="corpus"``), `n_train`, `n_test` (scored items), `UA` and `WA`. The UA of a fold is the mean over
        the classes in its test set.
    unweighted_accuracy : float
        UA, the mean recall of the classes, over all predictions pooled.
    weighted_accuracy : float
        WA, the share of correct predictions, over all predictions pooled.
    summary : pandas.DataFrame of shape (3, 2)
        `UA` and `WA` (columns): `pooled`, and `mean` and `std` (with ddof 0) over the folds (rows).
    labels : ndarray of shape (n_classes,)
        All labels, sorted.
    confusion_matrix : ndarray of int, shape (n_classes, n_classes)
        Number of predictions by label (rows) and predicted label (columns), in the order of `labels`.
    recall : pandas.Series of shape (n_classes,)
        Share of the items of each class that are predicted correctly, by label.
    calibration : pandas.Series of shape (5,) or None
        Scores of the probabilities over all predictions pooled; None without `predict_proba`. `ECE`, of the
        most probable class in 10 bins of equal size, see `expected_calibration_error`; `ECE_low` and
        `ECE_high`, the limits of its 95 % interval; `NLL`, the mean negative log-likelihood, in which a
        probability of 0 counts as 2.2e-16; and `accuracy_50`, the accuracy of the more confident half of the
        predictions, see `accuracy_at_coverage`.
    warnings : tuple of str
        The warnings of `evaluate`.
    estimators : list of estimators or None
        The fitted estimator of each fold, if requested. None of them stores means of test speakers.
    speaker_means : {"none", "test", "enrolled"} or None
        The mean that was subtracted from the items of test speakers; None without a `SpeakerNormalizer`.
    n_enroll : int or None
        Number of enrolled items per test speaker, which are not scored; None in the other modes.

    See Also
    --------
    evaluate : Cross-validates a classifier.
    ReliabilityDisplay : Draws the accuracy over the probability.

    Notes
    -----
    The interval of the ECE is that of the basic bootstrap [1]_ over 1000 resamples of the speakers, or of the
    predictions if speakers are not known. It accounts for the fact that the ECE of few items is too high, so
    it may not contain the ECE itself.

    References
    ----------
    .. [1] A. C. Davison and D. V. Hinkley, "Bootstrap methods and their application", Cambridge University
       Press, 1997, section 5.2.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.linear_model import LogisticRegression
    >>> from skser import evaluate
    >>> X = np.array([[0.0], [1], [0], [1], [0], [1], [1], [0]])
    >>> y, speakers = ["calm", "angry"] * 4, ["Ann", "Ann", "Ben", "Ben", "Eve", "Eve", "Ian", "Ian"]
    >>> evaluation = evaluate(LogisticRegression(), (X, y, speakers))
    >>> evaluation.unweighted_accuracy
    0.75
    >>> evaluation.confusion_matrix.tolist()
    [[3, 1], [1, 3]]
    >>> evaluation.predictions.query("label != predicted")["group"].tolist()
    ['Ian', 'Ian']
    """

    predictions: pd.DataFrame
    folds: pd.DataFrame
    labels: NDArray[Any]
    warnings: tuple[str, ...] = ()
    estimators: list[Any] | None = None
    speaker_means: str | None = None
    n_enroll: int | None = None

    @property
    def unweighted_accuracy(self) -> float:
        """Mean recall of the classes (UA) over all predictions pooled."""
        return unweighted_accuracy(self.predictions["label"], self.predictions["predicted"])

    @property
    def weighted_accuracy(self) -> float:
        """Share of correct predictions (WA) over all predictions pooled."""
        return weighted_accuracy(self.predictions["label"], self.predictions["predicted"])

    @property
    def summary(self) -> pd.DataFrame:
        """UA and WA (columns) pooled, and their mean and standard deviation (ddof 0) over folds (rows)."""
        import pandas as pd

        scores = self.folds[["UA", "WA"]]
        pooled = {"UA": self.unweighted_accuracy, "WA": self.weighted_accuracy}
        rows = {"pooled": pooled, "mean": scores.mean(), "std": scores.std(ddof=0)}
        return pd.DataFrame(rows).T

    @property
    def confusion_matrix(self) -> NDArray[np.int64]:
        """Number of predictions by label (rows) and predicted label (columns), in the order of `labels`."""
        label, predicted = (self.predictions[name].to_numpy() for name in ("label", "predicted"))
        matrix: NDArray[np.int64] = confusion_matrix(label, predicted, labels=self.labels)
        return matrix

    @property
    def recall(self) -> pd.Series:
        """Share of correct predictions by label; NaN for a label without tested items."""
        import pandas as pd

        label, predicted = (self.predictions[name].to_numpy() for name in ("label", "predicted"))
        shares = recall_score(label, predicted, labels=self.labels, average=None, zero_division=np.nan)
        return pd.Series(shares, index=pd.Index(self.labels, name="label"), name="recall")

    # Cached, because the interval takes seconds for thousands of predictions.
    @cached_property
    def calibration(self) -> pd.Series | None:
        """ECE with its interval, NLL and accuracy at 50 % coverage; None without probabilities."""
        import pandas as pd

        scores = score_probabilities(self.predictions, self.labels)
        return None if scores is None else pd.Series(scores, name="calibration")

    def __repr__(self) -> str:
        pooled = self.summary.loc["pooled"]
        return (
            f"Evaluation(UA={_percent(pooled['UA'])} %, WA={_percent(pooled['WA'])} %, "
            f"folds={len(self.folds)}, predictions={len(self.predictions)}{_mode(self)})"
        )

    def __str__(self) -> str:
        return printable(_report(self))

    def _repr_html_(self) -> str:
        return f"<pre>{html.escape(str(self))}</pre>"


def _report(evaluation: Evaluation) -> str:
    """Text of an evaluation: a table of the folds, a table of the classes, and the warnings."""
    chance = 1 / evaluation.predictions["label"].nunique()
    chance_text = f"(chance is {_percent(chance)} % UA, pooled is over all predictions)"
    title = f"UA and WA in %{_mode(evaluation)} {chance_text}"
    sentences = evaluation.warnings
    if evaluation.speaker_means is not None:
        sentences = (_MEANS[evaluation.speaker_means].format(evaluation.n_enroll), *sentences)
    sentences = (*_describe_rejected(evaluation.predictions), *sentences)
    notes = [f"Note: {sentence}" for sentence in sentences]
    tables = [_folds_table(evaluation), *_probabilities_table(evaluation), _classes_table(evaluation)]
    return "\n\n".join([title, *tables, *notes])


def _mode(evaluation: Evaluation) -> str:
    """Name the mode of the speakers' means; empty if none are subtracted."""
    if evaluation.speaker_means is None:
        return ""
    n_enroll = "" if evaluation.n_enroll is None else f", n_enroll={evaluation.n_enroll}"
    return f", speaker_means={evaluation.speaker_means!r}{n_enroll}"


def _describe_rejected(predictions: pd.DataFrame) -> list[str]:
    """Describe predictions that are not a class, such as the label of a `RejectOption`, if there are any."""
    # If there are probabilities, each class has a column of them, also if it is missing in a training set.
    has_column = [f"probability_{label}" in predictions for label in predictions["predicted"]]
    is_class = predictions["predicted"].isin(predictions["label"]).to_numpy() | has_column
    if is_class.all() or not any(name.startswith("probability_") for name in predictions):
        return []
    n, answers = len(predictions), predictions[is_class]
    names = listed(map(repr, predictions["predicted"][~is_class].unique().tolist()))
    text = f"predictions of {names} ({n - len(answers)} of {n}) count as wrong"
    if not len(answers):
        return [f"{text}."]
    accuracy = _percent(weighted_accuracy(answers["label"], answers["predicted"]))
    share = f"{len(answers)}, a coverage of {_percent(len(answers) / n)} %"
    return [f"{text}; the accuracy of the others ({share}) is {accuracy} %."]


def _percent(share: float) -> str:
    """Format a share in percent."""
    return f"{100 * share:.1f}"


def _folds_table(evaluation: Evaluation) -> str:
    """Accuracies of the folds, their mean and standard deviation, and of all predictions pooled."""
    import pandas as pd

    folds = evaluation.folds.astype(object).set_index("fold")
    folds["test_groups"] = [listed(names, _NAMED_GROUPS) for names in folds["test_groups"]]
    table = pd.concat([folds, evaluation.summary.loc[["mean", "std", "pooled"]].astype(object)])
    table.loc["pooled", "n_test"] = len(evaluation.predictions)
    names = {"test_groups": "test groups", "n_train": "train", "n_test": "test"}
    table = table.rename(columns=names).rename_axis("fold").reset_index()
    return table.to_string(index=False, na_rep="", float_format=_percent)


def _probabilities_table(evaluation: Evaluation) -> list[str]:
    """Scores of the probabilities, if there are any."""
    scores = evaluation.calibration
    if scores is None:
        return []
    return [
        f"probabilities: ECE {scores['ECE']:.3f} (95 % interval {scores['ECE_low']:.3f} to "
        f"{scores['ECE_high']:.3f}), NLL {scores['NLL']:.3f}, accuracy at 50 % coverage "
        f"{_percent(scores['accuracy_50'])} %"
    ]


def _classes_table(evaluation: Evaluation) -> str:
    """Items and recall of the classes and, if it fits, the confusion matrix."""
    import pandas as pd

    labels, matrix = [str(label) for label in evaluation.labels], evaluation.confusion_matrix
    table = pd.DataFrame(
        {"class": labels, "items": matrix.sum(axis=1), "recall": evaluation.recall.to_numpy()}
    )
    if len(labels) <= _CONFUSED_CLASSES:
        table[[f"as {label}" for label in labels]] = matrix
    # Converted to objects, because pandas puts two spaces between columns of numbers.
    return table.astype(object).to_string(index=False, na_rep="nan", float_format=_percent)
