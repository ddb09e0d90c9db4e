"""Choose lambda and alpha by a grid search
========================================

Search the weight of the center loss (lambda) and the rate at which the centers move (alpha). Speakers are
kept apart: in each fold, a speaker is in the training set or in the test set, never in both.

.. code-block:: console

   $ python examples/grid_search.py
   $ python examples/grid_search.py --corpus ravdess:path/to/ravdess --jobs 2

This page shows the output of ``python examples/grid_search.py --max-epochs 4 --jobs 1 --output demo``. The
bars are standard deviations over the folds. A real choice needs more folds, more epochs and more speakers
than this.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from sklearn.model_selection import GridSearchCV, GroupKFold
from sklearn.pipeline import Pipeline

from skser import (
    CenterLossClassifier,
    SpectrogramTransformer,
    unweighted_accuracy_scorer,
    weighted_accuracy_scorer,
)
from skser.datasets import load_corpus

LAMBDA, ALPHA = "param_classifier__center_lambda", "param_classifier__center_alpha"


def parse_arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--corpus", default="synthetic", help="synthetic, or LOADER:PATH, see load_corpus")
    parser.add_argument("--lambdas", type=float, nargs="+", default=[0, 0.1, 0.3], metavar="LAMBDA")
    parser.add_argument("--alphas", type=float, nargs="+", default=[0.1, 0.5], metavar="ALPHA")
    parser.add_argument("--max-epochs", type=int, default=CenterLossClassifier().max_epochs)
    parser.add_argument("--folds", type=int, default=2)
    parser.add_argument(
        "--speakers", type=int, metavar="N", help="search on the first N speakers (default: all)"
    )
    parser.add_argument("--jobs", type=int, default=2, help="worker processes (default: 2)")
    parser.add_argument("--memory", help="folder that caches the spectrograms (default: temporary)")
    parser.add_argument(
        "--output", type=Path, help="folder for the table and a figure (default: not written)"
    )
    return parser.parse_args()


def grid(lambdas: list[float], alphas: list[float]) -> list[dict[str, list[float]]]:
    """Combine lambda and alpha; with lambda 0 alpha makes no difference, so only one is tried."""
    crossed = [value for value in lambdas if value > 0]
    grids = (
        [{"classifier__center_lambda": [0], "classifier__center_alpha": alphas[:1]}] if 0 in lambdas else []
    )
    if crossed:
        grids.append({"classifier__center_lambda": crossed, "classifier__center_alpha": alphas})
    return grids


def draw_search(table: pd.DataFrame, path: Path) -> None:
    """Draw UA over lambda, one line per alpha."""
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(figsize=(6, 4), layout="constrained")
    lambdas = np.unique(table[LAMBDA].astype(float))
    places = dict(zip(lambdas, range(len(lambdas)), strict=True))
    for shift, (alpha, rows) in enumerate(table.sort_values(LAMBDA).groupby(ALPHA)):
        x = rows[LAMBDA].astype(float).map(places) + 0.05 * shift  # shifted so that the bars do not overlap
        axes.errorbar(
            x,
            rows["mean_test_UA"],
            rows["std_test_UA"],
            marker="os^v"[shift % 4],
            capsize=3,
            label=f"{alpha:g}",
        )
    axes.set_xticks(range(len(lambdas)), [f"{value:g}" for value in lambdas])
    axes.set(xlabel="weight of the center loss, lambda", ylabel="unweighted accuracy", ylim=(0, 1))
    axes.legend(title="rate of the centers, alpha")
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=150)


def main() -> None:
    """Search, and print the table of candidates."""
    arguments = parse_arguments()
    torch.set_num_threads(1)  # as in each worker: the results do not depend on the number of workers
    corpus = load_corpus(arguments.corpus)
    if corpus.groups is None:
        raise SystemExit("The corpus has no speakers: add a table speakers.csv or a column to the manifest.")
    speakers = np.unique(corpus.groups)[: arguments.speakers]
    chosen = np.flatnonzero(np.isin(corpus.groups, speakers))
    X = [corpus.data[index] for index in chosen]
    y, groups = np.asarray(corpus.target)[chosen], np.asarray(corpus.groups)[chosen]
    with tempfile.TemporaryDirectory() as temporary:
        # The cache computes each spectrogram once for all candidates and folds.
        pipeline = Pipeline(
            [
                ("spectrogram", SpectrogramTransformer(trim_db=40, memory=arguments.memory or temporary)),
                ("classifier", CenterLossClassifier(max_epochs=arguments.max_epochs, random_state=0)),
            ]
        )
        search = GridSearchCV(
            pipeline,
            grid(arguments.lambdas, arguments.alphas),
            scoring={"UA": unweighted_accuracy_scorer, "WA": weighted_accuracy_scorer},
            refit="UA",
            cv=GroupKFold(arguments.folds),
            n_jobs=arguments.jobs,
        )
        search.fit(X, y, groups=groups)

    table = pd.DataFrame(search.cv_results_)[
        [LAMBDA, ALPHA, "mean_test_UA", "std_test_UA", "mean_test_WA", "std_test_WA"]
    ].sort_values("mean_test_UA", ascending=False, kind="stable")
    print(f"{len(speakers)} speakers in {arguments.folds} folds\n")
    print(
        table.to_string(index=False, header=["lambda", "alpha", "UA", "+-", "WA", "+-"], float_format="%.3f")
    )
    print(f"\nbest by UA: {search.best_params_}")
    if arguments.output is not None:
        draw_search(table, arguments.output / "grid_search.png")
        names = {LAMBDA: "lambda", ALPHA: "alpha"}
        table.rename(columns=lambda name: names.get(name, name.replace("_test", ""))).to_csv(
            arguments.output / "grid_search.csv", index=False, float_format="%.3f", lineterminator="\n"
        )


if __name__ == "__main__":
    main()
