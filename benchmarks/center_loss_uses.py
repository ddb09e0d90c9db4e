"""Measure what else center loss is good for, on speakers who are not in the training set.

python benchmarks/center_loss_uses.py ravdess:path/to/ravdess emodb:path/to/emodb nemo:path/to/nemo

The features are mean and deviation of the second layer of the GE2E encoder, and the network is
``network="dense"``, with and without center loss. Five questions are asked:

- unknown emotions: trained without one emotion, how well do the distance to the nearest center and the
  largest probability separate its recordings from the others (area under the ROC curve)?
- abstention: accuracy of the half of the recordings with the smallest distance, or the largest probability
- few labels: UA of nearest neighbors and of the nearest mean, with a few labeled recordings of the speaker
- embeddings of 2, 4, 8 and 64 numbers: UA
- retrieval: mean average precision of training recordings, sorted by their distance to a test recording

Each fit is written to a row of OUTPUT/uses.csv as it ends, so a run that was stopped continues.
"""

from __future__ import annotations

import argparse
import csv
import itertools
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import torch
from sklearn.metrics import average_precision_score, roc_auc_score
from sklearn.metrics.pairwise import euclidean_distances
from sklearn.neighbors import KNeighborsClassifier, NearestCentroid

from skser import CenterLossClassifier, SpeechEncoderTransformer, unweighted_accuracy
from skser.datasets import load_corpus

FOLDS = {
    "ravdess": [("1", "2"), ("3", "4"), ("5", "6"), ("7", "8"), ("9", "10"), ("11", "12")],
    "emodb": [("03", "08"), ("09", "10"), ("11", "12"), ("13", "14"), ("15", "16")],
    "nemo": [("EB0", "KS0", "MP0"), ("KD0", "MK0", "TP0"), ("IC0", "SM0", "WR0")],
}
LAMBDAS = (0.0, 0.3)  # the default, and without center loss
SIZES = (2, 4, 8, 64)
SEEDS = (0, 1, 2)
N_LABELED = (1, 5, 10)  # per emotion, at most half of the speaker's recordings of it
N_RESAMPLES = 10_000


class Fit(NamedTuple):
    """One fit; `left_out` is the emotion that is not in its training set, or an empty text."""

    corpus: str
    fold: int
    left_out: str
    embedding_dim: int
    center_lambda: float
    seed: int


# What is compared, and in which unit.
QUESTIONS = {
    "unknown_distance": "unknown emotion, by the distance, AUROC",
    "unknown_probability": "unknown emotion, by the largest probability, AUROC",
    "half_distance": "more confident half, by the distance, accuracy",
    "half_probability": "more confident half, by the largest probability, accuracy",
    "retrieval": "retrieval, mean average precision",
    **{f"neighbors_{n}": f"nearest neighbors, {n} labeled per emotion, UA" for n in N_LABELED},
    **{f"nearest_mean_{n}": f"nearest mean, {n} labeled per emotion, UA" for n in N_LABELED},
}
SCORES = ("UA", *QUESTIONS)


def parse_arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("corpora", nargs="+", help="LOADER:PATH of ravdess, emodb and nemo")
    parser.add_argument("--memory", help="folder of a cache for the features")
    parser.add_argument("--output", type=Path, default=Path("center_loss_uses"))
    return parser.parse_args()


def planned(corpus: str, emotions: list[str]) -> list[Fit]:
    """List the fits of a corpus; those with and without center loss are neighbors."""
    folds = range(1, len(FOLDS[corpus]) + 1)
    whole = itertools.product([corpus], folds, [""], SIZES, LAMBDAS, SEEDS)
    reduced = itertools.product([corpus], folds, emotions, SIZES[-1:], LAMBDAS, SEEDS[:1])
    return [Fit(*fit) for fit in (*whole, *reduced)]


def run(fit: Fit, X: np.ndarray, y: np.ndarray, test: np.ndarray, speakers: np.ndarray) -> dict[str, float]:
    """Train on the other speakers, and answer the questions on the test speakers."""
    train = ~test & (y != fit.left_out)
    model = CenterLossClassifier(
        network="dense",
        center_lambda=fit.center_lambda,
        embedding_dim=fit.embedding_dim,
        random_state=fit.seed,
        device="cpu",
    ).fit(X[train], y[train])
    Z, probability = model.transform(X[test]), model.predict_proba(X[test]).max(axis=1)
    nearness = -model.center_distances(X[test]).min(axis=1)
    if fit.left_out:
        known = y[test] != fit.left_out
        if known.all():
            return {}
        values = (nearness, probability)
        return dict(zip(SCORES[1:3], (roc_auc_score(known, value) for value in values), strict=True))
    right = model.predict(X[test]) == y[test]
    values = {
        "UA": unweighted_accuracy(y[test], model.predict(X[test])),
        "half_distance": accuracy_of_half(right, nearness),
        "half_probability": accuracy_of_half(right, probability),
        "retrieval": mean_average_precision(Z, y[test], model.transform(X[train]), y[train]),
    }
    return values | few_labels(Z, y[test], speakers[test])


def accuracy_of_half(right: np.ndarray, confidence: np.ndarray) -> float:
    """Accuracy of the half of the items with the highest confidence."""
    return float(right[np.argsort(-confidence, kind="stable")[: len(right) // 2]].mean())


def mean_average_precision(
    queries: np.ndarray, y: np.ndarray, items: np.ndarray, y_items: np.ndarray
) -> float:
    """Mean over queries of the average precision of items of the same emotion, sorted by distance."""
    nearness = -euclidean_distances(queries, items)
    precisions = [
        average_precision_score(y_items == label, row) for label, row in zip(y, nearness, strict=True)
    ]
    return float(np.mean(precisions))


def few_labels(Z: np.ndarray, y: np.ndarray, speakers: np.ndarray) -> dict[str, float]:
    """UA of classifiers that know only a few labeled recordings of the speaker, mean over speakers."""
    scores: dict[str, list[float]] = {}
    for speaker, n in itertools.product(np.unique(speakers), N_LABELED):
        items = np.flatnonzero(speakers == speaker)
        labeled = draw_labeled(items, y, n)
        rest = np.setdiff1d(items, labeled)
        heads = {"neighbors": KNeighborsClassifier(min(n, 3)), "nearest_mean": NearestCentroid()}
        for name, head in heads.items():
            y_pred = head.fit(Z[labeled], y[labeled]).predict(Z[rest])
            scores.setdefault(f"{name}_{n}", []).append(unweighted_accuracy(y[rest], y_pred))
    return {name: float(np.mean(values)) for name, values in scores.items()}


def draw_labeled(items: np.ndarray, y: np.ndarray, n: int) -> np.ndarray:
    """Draw `n` items of each emotion, at most half of them, and at least one where there are two."""
    rng = np.random.default_rng(0)
    drawn = []
    for label in np.unique(y[items]):
        members = rng.permutation(items[y[items] == label])
        drawn.append(members[: min(n, len(members) // 2)])
    return np.sort(np.concatenate(drawn))


def append(table: Path, row: dict[str, Any]) -> None:
    """Add a row to a table; write the header first if the table is empty."""
    with table.open("a", newline="") as file:
        writer = csv.DictWriter(file, (*Fit._fields, *SCORES), lineterminator="\n")
        if not file.tell():
            writer.writeheader()
        writer.writerow({name: round(v, 5) if name in SCORES else v for name, v in row.items()})


def rows_of(table: Path) -> pd.DataFrame:
    """Read the rows of a table, or an empty one."""
    if table.exists():
        return pd.read_csv(table, keep_default_na=False, na_values={name: "" for name in SCORES})
    return pd.DataFrame(columns=[*Fit._fields, *SCORES])


def with_and_without(rows: pd.DataFrame) -> Iterator[tuple[str, pd.Series, pd.Series]]:
    """Yield each question with its values without and with center loss, by corpus and fold."""
    without, with_loss = (rows[rows.center_lambda == weight] for weight in LAMBDAS)
    for size in SIZES:
        parts = [part[(part.embedding_dim == size) & (part.left_out == "")] for part in (without, with_loss)]
        yield f"embeddings of {size} numbers, UA", *(means(part, "UA") for part in parts)
    parts = [part[part.embedding_dim == SIZES[-1]] for part in (without, with_loss)]
    for score, question in QUESTIONS.items():
        yield question, *(means(part, score) for part in parts)


def probability_and_distance(rows: pd.DataFrame) -> Iterator[tuple[str, pd.Series, pd.Series]]:
    """Yield the questions that the largest probability and the distance answer, with center loss."""
    part = rows[(rows.center_lambda == LAMBDAS[1]) & (rows.embedding_dim == SIZES[-1])]
    for name, question in (("unknown", "unknown emotion, AUROC"), ("half", "more confident half, accuracy")):
        yield question, means(part, f"{name}_probability"), means(part, f"{name}_distance")


def means(rows: pd.DataFrame, score: str) -> pd.Series:
    """Average a score over the seeds and the emotions left out, by corpus and fold."""
    return rows.dropna(subset=score).groupby(["corpus", "fold"])[score].mean()


def interval(differences: pd.Series) -> tuple[float, float, float]:
    """Mean difference, corpora weighted equally, and its interval from a bootstrap of the folds of each."""
    rng = np.random.default_rng(0)
    parts = [part.to_numpy() for _, part in differences.groupby("corpus")]
    draws = [part[rng.integers(len(part), size=(N_RESAMPLES, len(part)))].mean(axis=1) for part in parts]
    low, high = np.quantile(np.mean(draws, axis=0), [0.025, 0.975])
    return float(np.mean([part.mean() for part in parts])), float(low), float(high)


def summarize(questions: Iterable[tuple[str, pd.Series, pd.Series]], names: tuple[str, str]) -> pd.DataFrame:
    """Make a line per question: two means over the corpora, their difference, and its interval."""
    lines = []
    for question, first, second in questions:
        if len(first) and len(second):
            values = [100 * part.groupby("corpus").mean().mean() for part in (first, second)]
            lines.append((question, *values, *interval(100 * (second - first).dropna())))
    return pd.DataFrame(lines, columns=["question", *names, "difference", "low", "high"])


def summaries(rows: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Make both tables, by the names of their files."""
    return {
        "summary.csv": summarize(with_and_without(rows), ("without", "with")),
        "distance.csv": summarize(probability_and_distance(rows), ("probability", "distance")),
    }


def main() -> None:
    """Run the missing fits, and write the table."""
    arguments = parse_arguments()
    torch.set_num_threads(1)
    arguments.output.mkdir(parents=True, exist_ok=True)
    table = arguments.output / "uses.csv"
    done = set(rows_of(table)[[*Fit._fields]].itertuples(index=False, name=None))
    for address in arguments.corpora:
        corpus, name = load_corpus(address), address.partition(":")[0]
        y, speakers = np.asarray(corpus.target).astype(str), np.asarray(corpus.groups).astype(str)
        todo = [fit for fit in planned(name, np.unique(y).tolist()) if tuple(fit) not in done]
        if not todo:
            continue
        X = SpeechEncoderTransformer(memory=arguments.memory).fit_transform(corpus.data)
        for number, fit in enumerate(todo, start=1):
            test = np.isin(speakers, FOLDS[name][fit.fold - 1])
            append(table, fit._asdict() | run(fit, X, y, test, speakers))
            print(f"{number} of {len(todo)}: {' '.join(map(str, fit))}", flush=True)
    for name, summary in summaries(rows_of(table)).items():
        print(summary.to_string(index=False, float_format="%.1f"))
        summary.to_csv(arguments.output / name, index=False, float_format="%.1f", lineterminator="\n")


if __name__ == "__main__":
    main()
