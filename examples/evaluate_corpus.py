"""Evaluate a corpus and draw the results
======================================

Evaluate a corpus with speakers kept apart. The script prints a table and draws a confusion matrix, a
training history and a spectrogram. ``evaluate`` warns if the corpus has too few speakers for a claim about
other speakers. Without ``--folds``, each fold is one speaker or session.

.. code-block:: console

   $ python examples/evaluate_corpus.py
   $ python examples/evaluate_corpus.py --corpus files:path/to/folder --folds 5

This page shows the output of ``python examples/evaluate_corpus.py --folds 4 --max-epochs 6``. These are
too few epochs for a good result.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from sklearn.metrics import ConfusionMatrixDisplay
from sklearn.pipeline import Pipeline

from skser import (
    CenterLossClassifier,
    SpectrogramDisplay,
    SpectrogramTransformer,
    TrainingHistoryDisplay,
    evaluate,
)
from skser.datasets import load_corpus


def parse_arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--corpus", default="synthetic", help="synthetic, or LOADER:PATH, see load_corpus")
    parser.add_argument("--folds", type=int, help="folds of whole speakers (default: one speaker per fold)")
    parser.add_argument("--max-epochs", type=int, default=CenterLossClassifier().max_epochs)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--output", type=Path, default=Path("demo"), help="folder for the figures")
    return parser.parse_args()


def main() -> None:
    """Evaluate, print the table, and draw the pictures."""
    arguments = parse_arguments()
    corpus = load_corpus(arguments.corpus)
    pipe = Pipeline(
        [
            ("spectrogram", SpectrogramTransformer()),
            (
                "classifier",
                CenterLossClassifier(max_epochs=arguments.max_epochs, random_state=arguments.seed),
            ),
        ]
    )
    evaluation = evaluate(pipe, corpus, cv=arguments.folds, return_estimator=True)
    print(evaluation)

    label, predicted = evaluation.predictions["label"], evaluation.predictions["predicted"]
    pictures = {
        "confusion": ConfusionMatrixDisplay.from_predictions(
            label, predicted, normalize="true", values_format=".0%", cmap="Blues"
        ),
        "history": TrainingHistoryDisplay.from_estimator(evaluation.estimators[0], title="first fold"),
        "spectrogram": SpectrogramDisplay.from_estimator(pipe, corpus.data[0], title=str(corpus.target[0])),
    }
    arguments.output.mkdir(parents=True, exist_ok=True)
    for name, picture in pictures.items():
        picture.figure_.savefig(arguments.output / f"{name}.png", dpi=150, bbox_inches="tight")


if __name__ == "__main__":
    main()
