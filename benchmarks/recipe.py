"""Try recipes of training on the speakers set aside for choosing, and on no others.

python benchmarks/recipe.py --corpus ravdess:../shared/corpora/ravdess --trials plain trimmed
python benchmarks/recipe.py --corpus ravdess:../shared/corpora/ravdess --set lr=0.003 schedule=one-cycle

Each trial is a set of parameters, trained on all but two of the first six speakers and tested on these
two, in turn. Rows go to OUTPUT as fits end; a run that was stopped goes on where it was. What each trial
gave is written beside OUTPUT, to a table whose name ends in _summary.csv; --trials without a name writes
that table alone.
"""

from __future__ import annotations

import argparse
import csv
import json
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import recipe_parts
import torch
from joblib import Parallel, delayed

from skser import CenterLossClassifier, SpectrogramTransformer, unweighted_accuracy, weighted_accuracy
from skser.datasets import load_corpus

# What every trial begins with, written out so that later defaults change no trial.
SOFTMAX = {
    "center_lambda": 0.0,
    "center_ramp": None,
    "channels": (48, 64, 80, 96),
    "rnn_units": 128,
    "pooling": "last",
    "augmentation": None,
    "max_epochs": 30,
    "lr": 1e-3,
    "schedule": "constant",
}
LEVEL = {"ref": 1.0, "top_db": None, "trim_db": None}
TRIMMED = {"trim_db": 40, "top_db": 60}
SMALL = {"channels": (24, 32, 48, 64), "rnn_units": 64}
CYCLE = {"max_epochs": 60, "lr": 2e-3, "schedule": "one-cycle"}
STRONG = {"time_stretch": 0.2, "frequency_warp": 0.1, "frequency_mask": 0.2, "time_mask": 0.1}
MODERATE = STRONG | {"gain": 6}
AUGMENTED = TRIMMED | SMALL | CYCLE | {"augmentation": MODERATE}

TRIALS: dict[str, dict[str, Any]] = {
    "plain": {},
    "trimmed": TRIMMED,
    "small": TRIMMED | SMALL,
    "augmented": AUGMENTED,
    "no gain": AUGMENTED | {"augmentation": STRONG},
    "no cycle": TRIMMED | SMALL | {"max_epochs": 60, "augmentation": MODERATE},
    "no masks": AUGMENTED | {"augmentation": {"time_stretch": 0.2, "frequency_warp": 0.1, "gain": 6}},
    "masks alone": AUGMENTED | {"augmentation": {"frequency_mask": 0.2, "time_mask": 0.1}},
    "attention": AUGMENTED | {"pooling": "attention"},
    "wide": TRIMMED | CYCLE | {"augmentation": MODERATE},
    "no level": AUGMENTED | {"augmentation": STRONG, "ref": "mean"},
    "dropout": AUGMENTED | {"dropout": 0.2},
    "more warp": AUGMENTED | {"augmentation": MODERATE | {"frequency_warp": 0.2}},
    "more stretch": AUGMENTED | {"augmentation": MODERATE | {"time_stretch": 0.35}},
    "more gain": AUGMENTED | {"augmentation": MODERATE | {"gain": 12}},
    "equaliser": AUGMENTED | {"parts": {"colour": {"equaliser": 6}}},
    "noise": AUGMENTED | {"parts": {"colour": {"noise": True}}},
    "bins normalised": AUGMENTED | {"parts": {"normalised": True}},
    "label smoothing": AUGMENTED | {"parts": {"criterion": {"label_smoothing": 0.1}}},
    "mixup": AUGMENTED | {"parts": {"criterion": {"mixup": 0.3}}},
    "80 bands": AUGMENTED | {"n_mels": 80},
    "weight decay": AUGMENTED | {"weight_decay": 0.1},
    "weights averaged": AUGMENTED | {"parts": {"average": 0.25}},
    "center, ramp": AUGMENTED | {"center_lambda": 0.3, "center_ramp": (0, 0.5)},
    "center, late ramp": AUGMENTED | {"center_lambda": 0.3, "center_ramp": (0.4, 0.8)},
    "center, sphere": AUGMENTED | {"center_lambda": 1.0, "parts": {"criterion": {"normalise": 1.0}}},
}
REFERENCE = "augmented"
COLUMNS = ("trial", "device", "fold", "seed", "UA", "WA", "train_cross_entropy", "seconds", "parameters")


def parse_arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--corpus", default="synthetic", help="synthetic, or LOADER:PATH, see load_corpus")
    parser.add_argument(
        "--speakers", type=int, default=6, help="how many speakers are set aside for choosing"
    )
    parser.add_argument("--trials", nargs="*", default=list(TRIALS), choices=list(TRIALS), metavar="TRIAL")
    parser.add_argument("--set", nargs="+", default=[], metavar="NAME=VALUE", help="change each trial so")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1])
    parser.add_argument("--n-jobs", type=int, default=1, help="fits at a time, one thread each")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--output", type=Path, default=Path("recipe.csv"))
    return parser.parse_args()


def changed(settings: list[str]) -> dict[str, Any]:
    """Read NAME=VALUE pairs; a value is JSON where it can be, and text otherwise."""
    values = {}
    for setting in settings:
        name, _, text = setting.partition("=")
        try:
            values[name] = json.loads(text)
        except json.JSONDecodeError:
            values[name] = text
    return values


def estimators(parameters: dict[str, Any]) -> tuple[SpectrogramTransformer, CenterLossClassifier]:
    """Make both steps, each with the parameters that it has, and with the parts that are none."""
    transformer, classifier = SpectrogramTransformer(), CenterLossClassifier()
    own = transformer.get_params()
    parts = parameters.get("parts", {})
    transformer.set_params(**{name: value for name, value in parameters.items() if name in own})
    classifier.set_params(
        **{name: value for name, value in parameters.items() if name not in own and name != "parts"},
        callbacks=recipe_parts.callbacks(parts),
        net_params=recipe_parts.net_params(parts),
    )
    return transformer, classifier


def device_name(device: str) -> str:
    """Name what computes: the GPU, or "CPU"."""
    return "CPU" if device == "cpu" or not torch.cuda.is_available() else torch.cuda.get_device_name()


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


def run(arguments: argparse.Namespace, name: str, parameters: dict[str, Any], corpus: Any) -> None:
    """Run what is missing of a trial, and append its rows."""
    described = json.dumps(parameters, default=list, sort_keys=True)
    device, done = device_name(arguments.device), set()
    if arguments.output.exists():
        with arguments.output.open(newline="") as file:
            wanted = {"parameters": described, "device": device}
            rows = (row for row in csv.DictReader(file) if row | wanted == row)
            done = {(row["fold"], row["seed"]) for row in rows}
    speakers = np.unique(corpus.groups)[: arguments.speakers]
    chosen = np.flatnonzero(np.isin(corpus.groups, speakers))
    y, groups = np.asarray(corpus.target)[chosen], np.asarray(corpus.groups)[chosen]
    todo = [
        (fold, seed, np.isin(groups, members))
        for seed in arguments.seeds
        for fold, members in enumerate(np.array_split(speakers, len(speakers) // 2), start=1)
        if (str(fold), str(seed)) not in done
    ]
    if not todo:
        return
    transformer, classifier = estimators(parameters)
    X = transformer.fit_transform([corpus.data[index] for index in chosen])
    if "normalised" in parameters.get("parts", {}):
        X = recipe_parts.normalised(X)
    classifier.set_params(device=arguments.device)
    fits = (
        delayed(fit)(
            classifier.__class__(**classifier.get_params()).set_params(random_state=seed), X, y, test
        )
        for _, seed, test in todo
    )
    results = Parallel(n_jobs=arguments.n_jobs, return_as="generator")(fits)
    for (fold, seed, _), values in zip(todo, results, strict=True):
        row = {"trial": name, "device": device, "fold": fold, "seed": seed, "parameters": described} | values
        with arguments.output.open("a", newline="") as file:
            writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
            if not file.tell():
                writer.writeheader()
            writer.writerow(row)
        print(f"{name} fold {fold} seed {seed}: UA {100 * values['UA']:.1f}", flush=True)


def summary(rows: pd.DataFrame) -> pd.DataFrame:
    """Mean UA and WA of each trial in %; its lead in UA over "augmented" in points, with its standard error.

    The lead is that over the folds and seeds of both on the same device, whose sums round alike. Seconds are
    a median, beside whatever else ran.
    """
    trials = rows.groupby(["trial", "device"], sort=False)
    table = trials[["UA", "WA"]].mean().mul(100)
    scores = rows.pivot_table(index=["fold", "seed"], columns=["device", "trial"], values="UA")
    for trial, device in table.index:
        if (device, REFERENCE) in scores:
            lead = 100 * (scores[device, trial] - scores[device, REFERENCE])
            table.loc[(trial, device), ["lead", "error"]] = lead.mean(), lead.sem()
    table["seconds"], table["fits"] = trials.seconds.median(), trials.size()
    return table


def main() -> None:
    """Run the trials, then print what each gave."""
    arguments = parse_arguments()
    corpus = load_corpus(arguments.corpus)
    for trial in arguments.trials:
        name = " ".join([trial, *arguments.set])
        run(arguments, name, SOFTMAX | LEVEL | TRIALS[trial] | changed(arguments.set), corpus)
    table = summary(pd.read_csv(arguments.output))
    print(table.to_string(float_format="%.1f"))
    table.to_csv(
        arguments.output.with_name(f"{arguments.output.stem}_summary.csv"),
        float_format="%.1f",
        lineterminator="\n",
    )


if __name__ == "__main__":
    main()
