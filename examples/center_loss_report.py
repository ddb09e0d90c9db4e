"""Make tables and figures from the rows of center_loss_gain.py."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from sklearn.metrics import ConfusionMatrixDisplay, recall_score

from skser import EmbeddingDisplay, TrainingHistoryDisplay

if TYPE_CHECKING:
    from matplotlib.axes import Axes

METHODS = ("softmax", "center")
ARM = ["features", "embedding_dim", "method"]
ON_EMBEDDINGS = ("svc", "knn", "lda", "logistic")
COLUMNS = (
    *("features", "method", "embedding_dim", "fold", "seed", "key", "UA", "WA"),
    *(f"{name}_UA" for name in ON_EMBEDDINGS),
    *("intra_inter_ratio", "seconds", "version", "parameters", "y", "y_pred"),
)
N_RESAMPLES = 10_000


def append(table: Path, row: dict[str, object]) -> None:
    """Add a row to a table; write the header first if the table is empty."""
    with table.open("a", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        if not file.tell():
            writer.writeheader()
        writer.writerow(row)


def read_rows(table: Path) -> set[tuple[str, ...]]:
    """Read which fits a table contains: their five fields and the key of their parameters."""
    if not table.exists():
        return set()
    with table.open(newline="") as file:
        return {tuple(list(row.values())[:6]) for row in csv.DictReader(file)}


def paired_differences(rows: pd.DataFrame, score: str) -> np.ndarray:
    """Center loss minus softmax in points, (n_folds, n_seeds), without seeds that lack a fit."""
    table = rows.pivot_table(index="fold", columns=["method", "seed"], values=score)
    difference = 100 * (table["center"] - table["softmax"])
    return difference.dropna(axis=1).to_numpy()


def bootstrap_interval(
    differences: np.ndarray, confidence: float = 0.95, seed: int = 0
) -> tuple[float, float]:
    """Percentile interval of the mean difference; draws folds with replacement, then seeds within each."""
    rng = np.random.default_rng(seed)
    n_folds, n_seeds = differences.shape
    folds = rng.integers(n_folds, size=(N_RESAMPLES, n_folds, 1))
    seeds = rng.integers(n_seeds, size=(N_RESAMPLES, n_folds, n_seeds))
    means = differences[folds, seeds].mean(axis=(1, 2))
    low, high = np.quantile(means, [(1 - confidence) / 2, (1 + confidence) / 2])
    return float(low), float(high)


def tables(rows: pd.DataFrame) -> dict[str, tuple[str, pd.DataFrame]]:
    """Make all tables with their titles; accuracies in %, differences in points."""
    made = {
        "accuracy": (
            f"UA and WA in %, mean and standard deviation over {rows.fold.nunique()} folds and their seeds",
            accuracies(rows),
        )
    }
    networks = rows[rows.method.isin(METHODS)]
    if len(networks):
        made["gain"] = ("Gain of center loss over softmax in points, with a 95 % interval", gains(networks))
        made["embeddings"] = ("UA in % of the head and of classifiers on the embeddings", worth(networks))
    made["recall"] = ("Recall of each class in %", recalls(rows))
    return made


def write_tables(rows: pd.DataFrame, folder: Path) -> None:
    """Print all tables, and write each to a CSV file."""
    for name, (title, table) in tables(rows).items():
        digits = 2 if name == "embeddings" else 1
        print(f"\n{title}\n{table.to_string(index=False, float_format=f'%.{digits}f')}")
        table.to_csv(folder / f"{name}.csv", index=False, float_format=f"%.{digits}f", lineterminator="\n")


def accuracies(rows: pd.DataFrame) -> pd.DataFrame:
    """UA and WA of each method."""
    groups = rows.groupby(ARM, sort=False)
    table = groups[["UA", "WA"]].agg(["mean", "std"]).mul(100)
    table.columns = ["UA", "UA_std", "WA", "WA_std"]
    table["fits"] = groups.size()
    return table.reset_index()


def gains(rows: pd.DataFrame) -> pd.DataFrame:
    """Mean paired difference per kind of spectrogram and size of embedding, with its interval."""
    lines = []
    for (features, size), part in rows.groupby(["features", "embedding_dim"], sort=False):
        if set(part.method) != set(METHODS):
            continue
        for score in ("UA", "WA"):
            differences = paired_differences(part, score)
            low, high = bootstrap_interval(differences)
            pairs = " ".join(f"{value:+.1f}" for value in differences.ravel())
            lines.append((features, size, score, differences.mean(), low, high, pairs))
    return pd.DataFrame(lines, columns=["features", "embedding_dim", "score", "gain", "low", "high", "pairs"])


def worth(rows: pd.DataFrame) -> pd.DataFrame:
    """UA of the network's own head and of other classifiers on its embeddings, per method."""
    groups = rows.groupby(ARM, sort=False)
    columns = ["UA", *(f"{name}_UA" for name in ON_EMBEDDINGS)]
    table = groups[columns].mean().mul(100).rename(columns=lambda name: name.removesuffix("_UA"))
    table["intra/inter"] = groups["intra_inter_ratio"].mean()
    return table.rename(columns={"UA": "head"}).reset_index()


def recalls(rows: pd.DataFrame) -> pd.DataFrame:
    """Recall of each class over all folds and seeds of a method."""
    lines = []
    for name, part in rows.groupby(ARM, sort=False):
        y, y_pred = pooled(part)
        labels = np.unique(y)
        recall = 100 * recall_score(y, y_pred, labels=labels, average=None)
        lines.append(dict(zip(ARM, name, strict=True)) | dict(zip(labels, recall, strict=True)))
    return pd.DataFrame(lines)


def pooled(rows: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """True and predicted labels of all rows, concatenated."""
    return tuple(np.concatenate([json.loads(cell) for cell in rows[name]]) for name in ("y", "y_pred"))


def draw(rows: pd.DataFrame, folder: Path) -> None:
    """Draw embeddings, confusion matrices and learning curves of both methods per kind of spectrogram."""
    import matplotlib.pyplot as plt

    networks = rows[rows.method.isin(METHODS) & (rows.embedding_dim == rows.embedding_dim.max())]
    pictures = {"embeddings": _embeddings, "confusion": _confusion, "learning_curves": _learning_curve}
    kinds = [name for name, part in networks.groupby("features") if set(part.method) == set(METHODS)]
    if any(not _arrays_path(part, folder).exists() for _, part in networks.groupby(["features", "method"])):
        print("No pictures: the .npz files of the first fits are not in the folder.")
        return
    for picture, draw_one in pictures.items() if kinds else ():
        figure, axes = plt.subplots(
            len(kinds), 2, figsize=(13, 5.4 * len(kinds)), layout="constrained", squeeze=False
        )
        for row, kind in zip(axes, kinds, strict=True):
            for ax, method in zip(row, METHODS, strict=True):
                part = networks[(networks.features == kind) & (networks.method == method)]
                draw_one(part, folder, ax)
                name = "softmax" if method == "softmax" else "softmax + center loss"
                ax.set_title(f"{kind}, {name}")
        figure.savefig(folder / f"{picture}.png", dpi=150)
        plt.close(figure)
        print(folder / f"{picture}.png")


def _arrays_path(rows: pd.DataFrame, folder: Path) -> Path:
    """File of the first fit: the lowest seed and its first fold."""
    first = rows.sort_values(["seed", "fold"]).iloc[0]
    return folder / ("-".join(str(first[column]) for column in rows.columns[:6]) + ".npz")


def _arrays(rows: pd.DataFrame, folder: Path) -> dict[str, np.ndarray]:
    """Arrays of the first fit."""
    with np.load(_arrays_path(rows, folder)) as file:
        return dict(file)


def _embeddings(rows: pd.DataFrame, folder: Path, ax: Axes) -> None:
    kept = _arrays(rows, folder)
    EmbeddingDisplay.from_predictions(kept["embedding"], kept["y"], centers=kept["centers"], ax=ax)


def _confusion(rows: pd.DataFrame, folder: Path, ax: Axes) -> None:
    y, y_pred = pooled(rows)
    ConfusionMatrixDisplay.from_predictions(
        y,
        y_pred,
        normalize="true",
        values_format=".2f",
        cmap="Blues",
        xticks_rotation=45,
        ax=ax,
        colorbar=False,
    )


def _learning_curve(rows: pd.DataFrame, folder: Path, ax: Axes) -> None:
    center_lambda = json.loads(rows.iloc[0].parameters)["center_lambda"]
    history = json.loads(str(_arrays(rows, folder)["history"]))
    TrainingHistoryDisplay.from_predictions(history, center_lambda=center_lambda, ax=ax)
