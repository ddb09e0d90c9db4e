"""Compare complete fits with the defaults and with faster settings, on speakers not used for choosing either.

python benchmarks/time_to_accuracy.py ravdess:path/to/ravdess emodb:path/to/emodb nemo:path/to/nemo

A fit goes from the files to the trained network, on one thread. Each fit is written to a row of OUTPUT as it
ends, so a run that was stopped continues. The two fits of a pair share corpus, fold and seed, and run one
after the other. The summary has the median ratio of their core-seconds, and the mean difference of their UA
with a 95 % interval from a bootstrap of the pairs.
"""

from __future__ import annotations

import argparse
import csv
import itertools
import time
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import torch
from sklearn.pipeline import Pipeline, make_pipeline

from skser import CenterLossClassifier, SpectrogramTransformer, unweighted_accuracy, weighted_accuracy
from skser.datasets import load_corpus

# The test speakers of each fold. Settings were chosen on speakers 1 to 6 of RAVDESS.
FOLDS = {
    "ravdess": [("7", "8"), ("9", "10"), ("11", "12")],
    "emodb": [("03", "08"), ("09", "10"), ("11", "12"), ("13", "14"), ("15", "16")],
    "nemo": [("EB0", "KS0", "MP0"), ("KD0", "MK0", "TP0"), ("IC0", "SM0", "WR0")],
}
# Features and training of version 0.1.0 ("default") and of the trials; later defaults change nothing here.
SETTINGS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "default": ({"hop_length": 160, "trim_db": None}, {"max_epochs": 60, "batch_size": 32}),
    "faster": ({"hop_length": 256, "trim_db": 40}, {"max_epochs": 40, "batch_size": 16}),
}
PAIR = ["corpus", "fold", "seed"]
N_RESAMPLES = 10_000


class Fit(NamedTuple):
    """One fit."""

    corpus: str
    fold: int
    seed: int
    settings: str


def parse_arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("corpora", nargs="+", help="LOADER:PATH of ravdess, emodb and nemo")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--output", type=Path, default=Path("time_to_accuracy.csv"))
    return parser.parse_args()


def model_of(fit: Fit) -> Pipeline:
    """Make the pipeline of a fit."""
    features, training = SETTINGS[fit.settings]
    return make_pipeline(
        SpectrogramTransformer(n_jobs=1, **features),
        CenterLossClassifier(device="cpu", random_state=fit.seed, **training),
    )


def run(fit: Fit, corpus: Any) -> dict[str, float]:
    """Train on the other speakers, and score these."""
    test = np.isin(np.asarray(corpus.groups).astype(str), FOLDS[fit.corpus][fit.fold - 1])
    y, train = np.asarray(corpus.target), np.flatnonzero(~test)
    start = time.process_time()
    model = model_of(fit).fit([corpus.data[item] for item in train], y[train])
    core_seconds = time.process_time() - start
    y_pred = model.predict([corpus.data[item] for item in np.flatnonzero(test)])
    return {
        "UA": round(unweighted_accuracy(y[test], y_pred), 5),
        "WA": round(weighted_accuracy(y[test], y_pred), 5),
        "core_seconds": round(core_seconds, 1),
    }


def done_fits(table: Path) -> set[tuple[Any, ...]]:
    """Read the fits whose rows are in a table."""
    if not table.exists():
        return set()
    return set(pd.read_csv(table)[[*Fit._fields]].itertuples(index=False, name=None))


def append(table: Path, row: dict[str, Any]) -> None:
    """Add a row to a table; write the header first if the table is empty."""
    with table.open("a", newline="") as file:
        writer = csv.DictWriter(file, list(row), lineterminator="\n")
        if not file.tell():
            writer.writeheader()
        writer.writerow(row)


def interval(differences: np.ndarray) -> tuple[float, float]:
    """Compute the 95 % interval of a mean by a bootstrap of the pairs; a single pair has none."""
    if len(differences) < 2:
        return np.nan, np.nan
    draws = np.random.default_rng(0).integers(len(differences), size=(N_RESAMPLES, len(differences)))
    low, high = np.quantile(differences[draws].mean(axis=1), [0.025, 0.975])
    return float(low), float(high)


def summarize(rows: pd.DataFrame) -> pd.DataFrame:
    """Make one line per corpus and one for all pairs: UA in %, differences in points."""
    pairs = rows.pivot(index=PAIR, columns="settings", values=["UA", "core_seconds"]).dropna()
    lines = []
    for name in (*pairs.index.unique("corpus"), "all"):
        part = pairs if name == "all" else pairs.loc[[name]]
        default, faster = (100 * part["UA", settings] for settings in SETTINGS)
        difference = (faster - default).to_numpy()
        ratio = (part["core_seconds", "faster"] / part["core_seconds", "default"]).median()
        lines.append(
            (name, len(part), default.mean(), faster.mean(), difference.mean(), *interval(difference), ratio)
        )
    columns = ["corpus", "pairs", "UA, default", "UA, faster", "difference", "low", "high", "core-seconds"]
    return pd.DataFrame(lines, columns=columns).round({name: 1 for name in columns[2:7]} | {columns[7]: 2})


def main() -> None:
    """Run the missing fits, then print and write the summary."""
    arguments = parse_arguments()
    torch.set_num_threads(1)
    table, corpora = arguments.output, {}
    for address in arguments.corpora:
        corpora[address.partition(":")[0]] = load_corpus(address)
    for seed, (name, corpus) in itertools.product(arguments.seeds, corpora.items()):
        for fold, settings in itertools.product(range(1, len(FOLDS[name]) + 1), SETTINGS):
            fit = Fit(name, fold, seed, settings)
            if fit not in done_fits(table):
                append(table, fit._asdict() | run(fit, corpus))
                print(*fit, flush=True)
    summary = summarize(pd.read_csv(table))
    print(summary.to_string(index=False))
    summary.to_csv(table.with_name(f"{table.stem}_summary.csv"), index=False, lineterminator="\n")


if __name__ == "__main__":
    main()
