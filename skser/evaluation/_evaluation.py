"""The result of `evaluate`: predictions, accuracies and their report."""

from __future__ import annotations

import html
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import confusion_matrix

from .._utils import listed
from ..metrics import unweighted_accuracy, weighted_accuracy

if TYPE_CHECKING:
    import pandas as pd


# Groups that a row names; further ones are counted.
_NAMED_GROUPS = 4


# Classes up to which the confusion matrix is shown, so that lines stay short.
_CONFUSED_CLASSES = 8


@dataclass(frozen=True, eq=False, repr=False)
class Evaluation:
    """What `evaluate` found: every prediction, and the accuracies by fold and of all.

    Printed, it is a table in per cent; the attributes are shares in [0, 1].

    Attributes
    ----------
    predictions : pandas.DataFrame of shape (n_predictions, n_columns)
        One row a prediction, sorted by item, then by fold: `item` (its position in the corpus), `file` (where
        items are files or the corpus names them), `label`, `predicted`, `group` and `speaker` (where
        either is known; the groups are the speakers where the corpus tells no others), `fold` (from 1),
        and `probability_<label>` for each class where the estimator has `predict_proba`; a class that was
        not trained with has 0.
    folds : pandas.DataFrame of shape (n_folds, 6)
        One row a fold: `fold` (from 1), `test_groups` (tuple, empty where groups are not known), `n_train`,
        `n_test`, `UA` and `WA`. The UA of a fold is over the classes in its test part.
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
        Share of the items of each class that are predicted so, by label.
    warnings : tuple of str
        What `evaluate` warned of.
    estimators : list of estimators or None
        The fitted estimator of each fold, if they were asked for.

    See Also
    --------
    evaluate : Makes it.

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
        """Share of the items of each class that are predicted so, by label; NaN where none was tested on."""
        import pandas as pd

        matrix = self.confusion_matrix
        n_items = matrix.sum(axis=1)
        share = np.divide(matrix.diagonal(), n_items, out=np.full(len(matrix), np.nan), where=n_items > 0)
        return pd.Series(share, index=pd.Index(self.labels, name="label"), name="recall")

    def __repr__(self) -> str:
        pooled = self.summary.loc["pooled"]
        return (
            f"Evaluation(UA={percent(pooled['UA'])} %, WA={percent(pooled['WA'])} %, "
            f"folds={len(self.folds)}, predictions={len(self.predictions)})"
        )

    def __str__(self) -> str:
        return report(self)

    def _repr_html_(self) -> str:
        return f"<pre>{html.escape(str(self))}</pre>"


def report(evaluation: Evaluation) -> str:
    """Write an evaluation down as two tables, of the folds and of the classes, and its warnings."""
    n_classes = evaluation.predictions["label"].nunique()
    title = f"UA and WA in % (chance is {percent(1 / n_classes)} % UA, pooled is over all predictions)"
    tables = [_text_table(_fold_rows(evaluation)), _text_table(_class_rows(evaluation))]
    return "\n\n".join([title, *tables, *(f"Note: {warning}" for warning in evaluation.warnings)])


def percent(share: float) -> str:
    """Give a share in per cent."""
    return f"{100 * share:.1f}"


def _fold_rows(evaluation: Evaluation) -> list[dict[str, str]]:
    """Rows of the report: folds, their mean and standard deviation, and all predictions pooled."""
    rows = [
        {
            "fold": str(row["fold"]),
            "test groups": listed(row["test_groups"], _NAMED_GROUPS),
            "train": str(row["n_train"]),
            "test": str(row["n_test"]),
            "UA": percent(row["UA"]),
            "WA": percent(row["WA"]),
        }
        for row in evaluation.folds.to_dict("records")
    ]
    for name, scores in evaluation.summary.loc[["mean", "std", "pooled"]].iterrows():
        n_test = str(len(evaluation.predictions)) if name == "pooled" else ""
        rows.append(
            {"fold": str(name), "test groups": "", "train": "", "test": n_test}
            | {column: percent(scores[column]) for column in ("UA", "WA")}
        )
    return rows


def _class_rows(evaluation: Evaluation) -> list[dict[str, str]]:
    """Rows of the report: each class with its items, its recall and, where it fits, its confusions."""
    labels, rows = [str(label) for label in evaluation.labels], []
    for label, counts, share in zip(labels, evaluation.confusion_matrix, evaluation.recall, strict=True):
        confusions = {f"as {name}": str(n) for name, n in zip(labels, counts, strict=True)}
        row = {"class": label, "items": str(counts.sum()), "recall": percent(share)}
        rows.append(row | (confusions if len(labels) <= _CONFUSED_CLASSES else {}))
    return rows


def _text_table(rows: list[dict[str, str]]) -> str:
    """Rows as text, each column flush right under its name."""
    import pandas as pd

    text: str = pd.DataFrame(rows).to_string(index=False)
    return text
