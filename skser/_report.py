"""An evaluation as text."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ._wording import listed

if TYPE_CHECKING:
    from .evaluation import Evaluation

# Groups that a row names; further ones are counted.
_NAMED_GROUPS = 4
# Classes up to which the confusion matrix is shown, so that lines stay short.
_CONFUSED_CLASSES = 8


def report(evaluation: Evaluation) -> str:
    """Write an evaluation down as two tables, of the folds and of the classes, and its warnings.

    Parameters
    ----------
    evaluation : Evaluation
        What to tell.

    Returns
    -------
    str
        Several lines.
    """
    n_classes = evaluation.predictions["label"].nunique()
    title = f"UA and WA in % (chance is {percent(1 / n_classes)} % UA, pooled is over all predictions)"
    tables = [_text_table(_fold_rows(evaluation)), _text_table(_class_rows(evaluation))]
    return "\n\n".join([title, *tables, *(f"Note: {warning}" for warning in evaluation.warnings)])


def percent(share: float) -> str:
    """Give a share in per cent.

    Parameters
    ----------
    share : float
        In [0, 1].

    Returns
    -------
    str
        With one decimal.
    """
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
