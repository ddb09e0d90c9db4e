"""Measure the spectrogram network, trained from scratch, on unseen speakers of RAVDESS.

python benchmarks/from_scratch.py ravdess:path/to/ravdess

First, each recipe is tried on speakers 1 to 6: networks learn from four of them and are tested on the other
two. For each mode, the recipe and the classifier with the highest mean UA are then tested on speakers 7 to
12, two at a time, with the other ten speakers in the training set.

"mean removed" subtracts the mean of the speaker's recordings from the embeddings, the bins, or both. No
labels are used, but the recordings of the test speaker are. In the rows with all seeds, one classifier learns
from the embeddings of all networks side by side, and the probabilities of output layers are averaged.

Each fit adds its rows to OUTPUT as it ends, so a run that was stopped continues. The folder EMBEDDINGS keeps
the embeddings. The summary has the mean over folds, and its standard deviation over seeds.
"""

from __future__ import annotations

import argparse
import datetime
import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import torch
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from skser import CenterLossClassifier, SpectrogramTransformer, normalize_by_group, unweighted_accuracy
from skser.datasets import load_corpus

# Parameters of the spectrograms, and whether the mean of each speaker is removed from their bins.
RECIPES: dict[str, tuple[dict[str, Any], bool]] = {
    "default": ({}, False),
    "trimmed": ({"trim_db": 40}, False),
    "trimmed, bins": ({"trim_db": 40}, True),
}
CLASSIFIERS = {
    "SVC": make_pipeline(StandardScaler(), SVC(class_weight="balanced")),
    "logistic": make_pipeline(StandardScaler(), LogisticRegression(C=0.01, max_iter=1000)),
}
STAGES = {"choose": (range(1, 7), [0, 1]), "test": (range(1, 13), [0, 1, 2])}  # speakers and seeds
TEST_SPEAKERS = {"choose": [(1, 2), (3, 4), (5, 6)], "test": [(7, 8), (9, 10), (11, 12)]}
KEY = ["stage", "recipe", "fold", "seed"]
COLUMNS = ["date", *KEY, "mode", "classifier", "UA"]
Part = dict[str, np.ndarray]


class Data(NamedTuple):
    """Recordings, with their labels and the numbers of their speakers."""

    recordings: list[Any]
    y: np.ndarray
    groups: np.ndarray


def parse_arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("corpus", help="ravdess:PATH")
    parser.add_argument("--embeddings", type=Path, default=Path("from_scratch_embeddings"))
    parser.add_argument("--output", type=Path, default=Path("from_scratch.csv"))
    return parser.parse_args()


def load_data(address: str) -> Data:
    """Load the recordings of speakers 1 to 12."""
    corpus = load_corpus(address)
    groups = np.asarray(corpus.groups).astype(int)
    kept = np.flatnonzero(groups <= 12)
    return Data([corpus.data[item] for item in kept], np.asarray(corpus.target)[kept], groups[kept])


def spectrograms_of(data: Data, recipe: str) -> Any:
    """Compute the spectrograms of a recipe."""
    features, of_bins = RECIPES[recipe]
    X = SpectrogramTransformer(n_jobs=1, **features).fit_transform(data.recordings)
    return normalize_by_group(X, data.groups) if of_bins else X


def split(data: Data, stage: str, fold: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the positions of the training and test items."""
    is_test = np.isin(data.groups, TEST_SPEAKERS[stage][fold - 1])
    is_used = np.isin(data.groups, STAGES[stage][0])
    return np.flatnonzero(is_used & ~is_test), np.flatnonzero(is_test)


def fit(X: Any, data: Data, train: np.ndarray, test: np.ndarray, seed: int) -> Part:
    """Train a network; return the embeddings of both parts and the test probabilities."""
    network = CenterLossClassifier(device="cpu", random_state=seed).fit(X[train], data.y[train])
    embeddings = {"train": network.transform(X[train]), "test": network.transform(X[test])}
    return embeddings | {"probabilities": network.predict_proba(X[test])}


def scores(parts: list[Part], data: Data, train: np.ndarray, test: np.ndarray, recipe: str) -> Iterator[Any]:
    """Score the output layers and the classifiers on the embeddings of networks, in each mode."""
    of_bins = RECIPES[recipe][1]
    labels = np.unique(data.y[train])
    output = labels[np.mean([part["probabilities"] for part in parts], axis=0).argmax(axis=1)]
    tables = [np.hstack([part[name] for part in parts]) for name in ("train", "test")]
    yield "mean removed" if of_bins else "plain", "output layer", output
    for mode, (name, classifier) in itertools.product(["plain", "mean removed"], CLASSIFIERS.items()):
        Z_train, Z_test = tables
        if mode == "mean removed":
            Z_train = normalize_by_group(Z_train, data.groups[train])
            Z_test = normalize_by_group(Z_test, data.groups[test])
        elif of_bins:
            continue
        yield mode, name, clone(classifier).fit(Z_train, data.y[train]).predict(Z_test)


def read_rows(output: Path) -> pd.DataFrame:
    """Read the rows of the fits that are done."""
    if output.exists():
        return pd.read_csv(output, dtype={"seed": str})
    return pd.DataFrame(columns=COLUMNS)


def path_of(folder: Path, stage: str, recipe: str, fold: int, seed: int) -> Path:
    """Name the file of the embeddings of a fit."""
    return folder / f"{stage}_{recipe.replace(', ', '_')}_{fold}_{seed}.npz"


def run(arguments: argparse.Namespace, data: Data, stage: str, recipe: str) -> None:
    """Make the missing fits of a recipe, and append their rows."""
    folds, seeds = range(1, len(TEST_SPEAKERS[stage]) + 1), STAGES[stage][1]
    done = set(read_rows(arguments.output)[KEY].itertuples(index=False, name=None))
    missing = [
        (fold, seed)
        for fold, seed in itertools.product(folds, [*map(str, seeds), "all"])
        if (stage, recipe, fold, seed) not in done
    ]
    X = spectrograms_of(data, recipe) if missing else None
    arguments.embeddings.mkdir(parents=True, exist_ok=True)
    for fold, seed in missing:
        train, test = split(data, stage, fold)
        parts = []
        for one in seeds if seed == "all" else [int(seed)]:
            path = path_of(arguments.embeddings, stage, recipe, fold, one)
            if not path.exists():
                np.savez(path, **fit(X, data, train, test, one))
            with np.load(path) as file:
                parts.append(dict(file))
        fixed = (datetime.date.today().isoformat(), stage, recipe, fold, seed)
        rows = pd.DataFrame(
            [
                (*fixed, mode, name, round(unweighted_accuracy(data.y[test], y_pred), 5))
                for mode, name, y_pred in scores(parts, data, train, test, recipe)
            ],
            columns=COLUMNS,
        )
        rows.to_csv(arguments.output, mode="a", header=not arguments.output.exists(), index=False)
        print(stage, recipe, fold, seed, flush=True)


def chosen(rows: pd.DataFrame) -> dict[str, tuple[str, str]]:
    """Return the recipe and classifier of each mode with the highest mean UA on speakers 1 to 6."""
    tried = rows[(rows.stage == "choose") & (rows.seed != "all")]
    means = tried.groupby(["mode", "recipe", "classifier"]).UA.mean()
    return {mode: means[mode].idxmax() for mode in means.index.unique("mode")}


def summarize(rows: pd.DataFrame) -> pd.DataFrame:
    """Average the UA of each result over folds, in %, with the deviation over seeds; mark the choices."""
    by = ["stage", "mode", "recipe", "classifier"]
    means = rows.groupby([*by, "seed"]).UA.mean().mul(100)
    is_all = means.index.get_level_values("seed") == "all"
    single = means[~is_all].groupby(level=by)
    table = pd.DataFrame({"UA": single.mean(), "deviation": single.std(ddof=0)})
    table["all seeds"] = means[is_all].droplevel("seed")
    choices = [(mode, *choice) for mode, choice in chosen(rows).items()]
    table["chosen"] = ["yes" if index[1:] in choices else "" for index in table.index]
    return table.round(1).reset_index()


def main() -> None:
    """Choose, test, then print and write the summary."""
    arguments = parse_arguments()
    torch.set_num_threads(1)
    data = load_data(arguments.corpus)
    for recipe in RECIPES:
        run(arguments, data, "choose", recipe)
    for recipe in sorted({recipe for recipe, _ in chosen(read_rows(arguments.output)).values()}):
        run(arguments, data, "test", recipe)
    summary = summarize(read_rows(arguments.output))
    print(summary.to_string(index=False))
    summary.to_csv(arguments.output.with_name(f"{arguments.output.stem}_summary.csv"), index=False)


if __name__ == "__main__":
    main()
