"""Try training recipes on the speakers set aside for choosing, and on no others.

python benchmarks/recipe.py --corpus ravdess:../shared/corpora/ravdess --trials plain trimmed
python benchmarks/recipe.py --corpus ravdess:../shared/corpora/ravdess --set lr=0.003 schedule=one-cycle

Each trial is a set of parameters. A network learns from all but two of the first six speakers and is tested
on these two, in turn. Rows are appended to OUTPUT as fits end; a run that was stopped continues with the
missing fits. The means of the trials are written next to OUTPUT, to a table whose name ends in _summary.csv;
--trials without a name only writes that table.
"""

from __future__ import annotations

import argparse
import csv
import itertools
import json
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import recipe_parts
import torch
from joblib import Parallel, delayed
from sklearn.base import clone

from skser import CenterLossClassifier, SpectrogramTransformer, unweighted_accuracy, weighted_accuracy
from skser.datasets import load_corpus

# Where every trial begins, written out so that later defaults change no trial.
START = {
    **{"ref": 1.0, "top_db": None, "trim_db": None, "augmentation": None},
    **{"center_lambda": 0.0, "center_ramp": None, "pooling": "last"},
    **{"channels": (48, 64, 80, 96), "rnn_units": 128},
    **{"max_epochs": 30, "lr": 1e-3, "schedule": "constant"},
}
TRIMMED = {"trim_db": 40, "top_db": 60}
SMALL = {"channels": (24, 32, 48, 64), "rnn_units": 64}
CYCLE = {"max_epochs": 60, "lr": 2e-3, "schedule": "one-cycle"}
MASKS = {"frequency_mask": 0.2, "time_mask": 0.1}
CURVES = {"time_stretch": 0.2, "frequency_warp": 0.1}
MODERATE = MASKS | CURVES | {"gain": 6}
AUGMENTED = TRIMMED | SMALL | CYCLE | {"augmentation": MODERATE}
CENTER = AUGMENTED | {"center_lambda": 0.3}

TRIALS: dict[str, dict[str, Any]] = {
    "plain": {},
    "trimmed": TRIMMED,
    "small": TRIMMED | SMALL,
    "augmented": AUGMENTED,
    "no gain": AUGMENTED | {"augmentation": MASKS | CURVES},
    "no cycle": TRIMMED | SMALL | {"max_epochs": 60, "augmentation": MODERATE},
    "no masks": AUGMENTED | {"augmentation": CURVES | {"gain": 6}},
    "masks only": AUGMENTED | {"augmentation": MASKS},
    "attention": AUGMENTED | {"pooling": "attention"},
    "wide": TRIMMED | CYCLE | {"augmentation": MODERATE},
    "no level": AUGMENTED | {"augmentation": MASKS | CURVES, "ref": "mean"},
    "dropout": AUGMENTED | {"dropout": 0.2},
    "label smoothing": AUGMENTED | {"parts": {"criterion": {"label_smoothing": 0.1}}},
    "weights averaged": AUGMENTED | {"parts": {"average": 0.25}},
    "center, late ramp": AUGMENTED | {"center_lambda": 0.3, "center_ramp": (0.4, 0.8)},
    "center, sphere": AUGMENTED | {"center_lambda": 1.0, "parts": {"criterion": {"normalise": 1.0}}},
    "40 epochs": CENTER | {"max_epochs": 40},
    "30 epochs": CENTER | {"max_epochs": 30},
    "hop 16 ms": CENTER | {"hop_length": 256},
    "hop 20 ms": CENTER | {"hop_length": 320},
    "hop 16 ms, 40 epochs": CENTER | {"hop_length": 256, "max_epochs": 40},
    "hop 20 ms, 40 epochs": CENTER | {"hop_length": 320, "max_epochs": 40},
}
REFERENCE = "augmented"
COLUMNS = ("trial", "device", "fold", "seed", "UA", "WA", "train_cross_entropy", "seconds", "parameters")


class Data(NamedTuple):
    """Recordings, labels and speakers of the speakers set aside, and the two test speakers of each fold."""

    recordings: list[Any]
    y: np.ndarray
    groups: np.ndarray
    folds: list[np.ndarray]


def load_data(corpus_name: str, n_speakers: int) -> Data:
    """Load the first speakers of a corpus."""
    corpus = load_corpus(corpus_name)
    speakers = np.unique(corpus.groups)[:n_speakers]
    chosen = np.flatnonzero(np.isin(corpus.groups, speakers))
    y, groups = np.asarray(corpus.target)[chosen], np.asarray(corpus.groups)[chosen]
    folds = np.array_split(speakers, len(speakers) // 2)
    return Data([corpus.data[index] for index in chosen], y, groups, folds)


def fit(classifier: CenterLossClassifier, X: Any, y: np.ndarray, test: np.ndarray) -> dict[str, Any]:
    """Train on the other speakers and score these."""
    if not torch.cuda.is_available():
        torch.set_num_threads(1)  # so that the number of jobs changes nothing
    start = time.perf_counter()
    y_pred = classifier.fit(X[~test], y[~test]).predict(X[test])
    return {
        "UA": unweighted_accuracy(y[test], y_pred),
        "WA": weighted_accuracy(y[test], y_pred),
        "train_cross_entropy": classifier.history_[-1]["train_cross_entropy"],
        "seconds": round(time.perf_counter() - start, 1),
    }


def read_rows(output: Path) -> list[dict[str, str]]:
    """Read the rows of the fits that are done."""
    if not output.exists():
        return []
    with output.open(newline="") as file:
        return list(csv.DictReader(file))


def fit_missing(
    rows: Iterable[dict[str, Any]],
    classifier_of: Callable[[dict[str, Any]], CenterLossClassifier],
    X: Callable[[], Any],
    data: Data,
    columns: Iterable[str],
    output: Path,
    n_jobs: int,
) -> None:
    """Make the fits whose rows, which have a fold and a seed, are not in the output, and append them."""
    done = read_rows(output)
    todo = [row for row in rows if not any(old | {key: str(row[key]) for key in row} == old for old in done)]
    if not todo:
        return
    spectrograms = X()
    tests = [np.isin(data.groups, data.folds[row["fold"] - 1]) for row in todo]
    fits = (
        delayed(fit)(classifier_of(row), spectrograms, data.y, test)
        for row, test in zip(todo, tests, strict=True)
    )
    results = Parallel(n_jobs=n_jobs, return_as="generator")(fits)
    for row, scores in zip(todo, results, strict=True):
        with output.open("a", newline="") as file:
            writer = csv.DictWriter(file, columns, lineterminator="\n")
            if not file.tell():
                writer.writeheader()
            writer.writerow(row | scores)
        what = ", ".join(f"{name} {value}" for name, value in row.items() if name != "parameters")
        print(f"{what}: UA {100 * scores['UA']:.1f}", flush=True)


def folds_and_seeds(data: Data, seeds: list[int]) -> list[dict[str, int]]:
    """List fold and seed of all fits of a trial."""
    folds = range(1, len(data.folds) + 1)
    return [{"fold": fold, "seed": seed} for seed, fold in itertools.product(seeds, folds)]


def changes(settings: list[str]) -> dict[str, Any]:
    """Read NAME=VALUE pairs; a value that is not JSON is text."""
    values = {}
    for setting in settings:
        name, _, text = setting.partition("=")
        try:
            values[name] = json.loads(text)
        except json.JSONDecodeError:
            values[name] = text
    return values


def estimators(parameters: dict[str, Any]) -> tuple[SpectrogramTransformer, CenterLossClassifier]:
    """Make both estimators, each with its own parameters."""
    transformer, parts = SpectrogramTransformer(hop_length=160), parameters.get("parts", {})
    own = parameters.keys() & transformer.get_params().keys()
    transformer.set_params(**{name: parameters[name] for name in own})
    classifier = CenterLossClassifier(
        callbacks=recipe_parts.callbacks(parts), net_params=recipe_parts.net_params(parts)
    )
    others = parameters.keys() - own - {"parts"}
    return transformer, classifier.set_params(**{name: parameters[name] for name in others})


def run(arguments: argparse.Namespace, name: str, parameters: dict[str, Any], data: Data) -> None:
    """Make the missing fits of a trial."""
    on_gpu = arguments.device != "cpu" and torch.cuda.is_available()
    fixed = {"trial": name, "device": torch.cuda.get_device_name() if on_gpu else "CPU"}
    fixed["parameters"] = json.dumps(parameters, default=list, sort_keys=True)
    transformer, classifier = estimators(parameters)
    fit_missing(
        [fixed | row for row in folds_and_seeds(data, arguments.seeds)],
        lambda row: clone(classifier).set_params(device=arguments.device, random_state=row["seed"]),
        lambda: transformer.fit_transform(data.recordings),
        data,
        COLUMNS,
        arguments.output,
        arguments.n_jobs,
    )


def summary(rows: pd.DataFrame) -> pd.DataFrame:
    """Average UA and WA of each trial in %, and its lead in UA over "augmented" in points, with its error.

    The lead is over the folds and seeds of both on the same device, whose sums round alike.
    """
    trials = rows.groupby(["trial", "device"], sort=False)
    table = trials[["UA", "WA"]].mean().mul(100)
    scores = rows.pivot_table(index=["fold", "seed"], columns=["device", "trial"], values="UA")
    for trial, device in table.index:
        if (device, REFERENCE) in scores:
            lead = 100 * (scores[device, trial] - scores[device, REFERENCE])
            table.loc[(trial, device), ["lead", "error"]] = lead.mean(), lead.sem()
    table["seconds"], table["fits"] = trials.seconds.median(), trials.size()
    return table.round(9)  # the last bits, which differ between versions of pandas, would decide ties


def make_parser(doc: str, output: str, seeds: list[int]) -> argparse.ArgumentParser:
    """Make the parser with the options that a comparison of fits has."""
    parser = argparse.ArgumentParser(description=doc.splitlines()[0])
    parser.add_argument("--corpus", default="synthetic", help="synthetic, or LOADER:PATH, see load_corpus")
    parser.add_argument("--speakers", type=int, default=6, help="number of speakers set aside for choosing")
    parser.add_argument("--seeds", type=int, nargs="+", default=seeds)
    parser.add_argument("--n-jobs", type=int, default=1, help="fits in parallel, of one thread each on a CPU")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--output", type=Path, default=Path(output))
    return parser


def main() -> None:
    """Run the trials, then print and write their summary."""
    parser = make_parser(__doc__, "recipe.csv", [0, 1])
    parser.add_argument("--trials", nargs="*", default=list(TRIALS), choices=list(TRIALS), metavar="TRIAL")
    parser.add_argument("--set", nargs="+", default=[], metavar="NAME=VALUE", help="change all trials")
    arguments = parser.parse_args()
    data = load_data(arguments.corpus, arguments.speakers)
    for trial in arguments.trials:
        name = " ".join([trial, *arguments.set])
        run(arguments, name, START | TRIALS[trial] | changes(arguments.set), data)
    table = summary(pd.read_csv(arguments.output))
    print(table.to_string(float_format="%.1f"))
    path = arguments.output.with_name(f"{arguments.output.stem}_summary.csv")
    table.to_csv(path, float_format="%.1f", lineterminator="\n")


if __name__ == "__main__":
    main()
