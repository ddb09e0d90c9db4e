"""Compare the default network's cheap stem with the paper's, speakers kept apart.

python benchmarks/stem.py --corpus ravdess:../shared/corpora/ravdess --device cuda --n-jobs 4

"cheap" is the default: the first convolution has strides of 4 in time and 2 in frequency, and the last
pooling acts on frequency alone. "paper" has strides of 2 and pools both. Weights have the same shapes in
both, so that the two fits of a pair share fold, seed, initial weights and batches. The network learns from
all but two of the speakers and is tested on these, in turn. Rows go to OUTPUT as fits end; a run that was
stopped goes on where it was.
"""

from __future__ import annotations

import argparse
import csv
import itertools
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent / "speed"))

import numpy as np
import pandas as pd
import recipe
from joblib import Parallel, delayed
from skorch.callbacks import Callback
from steps import use_strides_of_the_paper

from skser import CenterLossClassifier, SpectrogramTransformer
from skser.datasets import load_corpus

STEMS = ("cheap", "paper")
KEYS = ("stem", "fold", "seed")
COLUMNS = (*KEYS, "UA", "WA", "train_cross_entropy", "seconds")


class PaperStem(Callback):
    """Give the network strides of 2 in its first convolution, and poolings of 2 x 2, as the paper's has."""

    def on_train_begin(self, net: Any, **kwargs: Any) -> None:
        """Change the strides before the first step."""
        use_strides_of_the_paper(net.module_)


def parse_arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--corpus", default="synthetic", help="synthetic, or LOADER:PATH, see load_corpus")
    parser.add_argument("--speakers", type=int, default=6, help="how many of the first speakers take part")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2, 3])
    parser.add_argument("--max-epochs", type=int, help="instead of the default")
    parser.add_argument("--n-jobs", type=int, default=1, help="fits at a time, on a CPU of one thread each")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--output", type=Path, default=Path("stem.csv"))
    return parser.parse_args()


def classifier(arguments: argparse.Namespace, stem: str, seed: int) -> CenterLossClassifier:
    """Make the default classifier with one of the stems."""
    made = CenterLossClassifier(
        random_state=seed, device=arguments.device, callbacks=[PaperStem()] if stem == "paper" else None
    )
    return made.set_params(max_epochs=arguments.max_epochs or made.max_epochs)


def missing(arguments: argparse.Namespace, n_folds: int) -> list[tuple[str, int, int]]:
    """List stem, fold and seed of the fits without a row, the two of a pair side by side."""
    done = set()
    if arguments.output.exists():
        with arguments.output.open(newline="") as file:
            done = {tuple(row[key] for key in KEYS) for row in csv.DictReader(file)}
    every = itertools.product(arguments.seeds, range(1, n_folds + 1), STEMS)
    return [(stem, fold, seed) for seed, fold, stem in every if (stem, str(fold), str(seed)) not in done]


def run(arguments: argparse.Namespace) -> None:
    """Run what is missing, and append its rows."""
    corpus = load_corpus(arguments.corpus)
    speakers = np.unique(corpus.groups)[: arguments.speakers]
    folds = np.array_split(speakers, len(speakers) // 2)
    todo = missing(arguments, len(folds))
    if not todo:
        return
    chosen = np.flatnonzero(np.isin(corpus.groups, speakers))
    y, groups = np.asarray(corpus.target)[chosen], np.asarray(corpus.groups)[chosen]
    X = SpectrogramTransformer().fit_transform([corpus.data[index] for index in chosen])
    fits = (
        delayed(recipe.fit)(classifier(arguments, stem, seed), X, y, np.isin(groups, folds[fold - 1]))
        for stem, fold, seed in todo
    )
    results = Parallel(n_jobs=arguments.n_jobs, return_as="generator")(fits)
    for (stem, fold, seed), values in zip(todo, results, strict=True):
        with arguments.output.open("a", newline="") as file:
            writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
            if not file.tell():
                writer.writeheader()
            writer.writerow({"stem": stem, "fold": fold, "seed": seed} | values)
        print(f"{stem} fold {fold} seed {seed}: UA {100 * values['UA']:.1f}", flush=True)


def describe(rows: pd.DataFrame) -> str:
    """Say what the paper's stem gives over the cheap one in points of UA, and in time."""
    pairs = rows.pivot_table(index=["fold", "seed"], columns="stem", values=["UA", "seconds"]).dropna()
    gain = 100 * (pairs["UA"]["paper"] - pairs["UA"]["cheap"])
    means = 100 * pairs["UA"].mean()
    ratio = (pairs["seconds"]["cheap"] / pairs["seconds"]["paper"]).median()
    return (
        f"UA {means['cheap']:.1f} with the cheap stem, {means['paper']:.1f} with the paper's: a gain of "
        f"{gain.mean():+.1f} points, standard error {gain.sem():.1f}, over {len(gain)} pairs. "
        f"A fit with the cheap stem takes {ratio:.2f} of the other's time."
    )


def main() -> None:
    """Run the fits, then print what came out."""
    arguments = parse_arguments()
    run(arguments)
    print(describe(pd.read_csv(arguments.output)))


if __name__ == "__main__":
    main()
