"""With and without center loss
============================

Train with softmax only and with center loss, evaluate with speakers kept apart, and draw the embeddings of
the first test fold on their first two principal components. ``make demo`` runs this script.

.. code-block:: console

   $ python examples/quickstart.py
   $ python examples/quickstart.py --corpus ravdess:path/to/ravdess --folds 6

This page shows the output of ``python examples/quickstart.py --folds 2 --max-epochs 8``. These are fewer
epochs than the network needs to learn the corpus, and too few speakers to compare the two losses.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np
from sklearn.model_selection import PredefinedSplit

from skser import (
    CenterLossClassifier,
    EmbeddingDisplay,
    SpectrogramTransformer,
    evaluate,
)
from skser.datasets import load_corpus


def parse_arguments() -> argparse.Namespace:
    """Read the command line."""
    default = CenterLossClassifier(max_epochs=40)
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--corpus", default="synthetic", help="synthetic, or LOADER:PATH, see load_corpus")
    parser.add_argument("--kind", default="mel", choices=["mel", "stft"], help="kind of spectrogram")
    parser.add_argument("--center-lambda", type=float, default=default.center_lambda, metavar="LAMBDA")
    parser.add_argument("--max-epochs", type=int, default=default.max_epochs)
    parser.add_argument("--folds", type=int, default=3, help="folds of neighboring speakers (default: 3)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--output", type=Path, default=Path("demo"), help="folder for the figure")
    return parser.parse_args()


def speaker_folds(speakers: np.ndarray, n_folds: int) -> PredefinedSplit:
    """Assign each speaker to one test fold: the first few speakers to the first fold, and so on."""
    fold_of = {}
    for fold, members in enumerate(np.array_split(np.unique(speakers), n_folds)):
        fold_of.update(dict.fromkeys(members.tolist(), fold))
    return PredefinedSplit([fold_of[speaker] for speaker in speakers.tolist()])


def embed_first_test_fold(evaluation, X, y, cv):
    """Embed the test items of the first fold with the network that was not trained on their speakers."""
    classifier, (_, test) = evaluation.estimators[0], next(cv.split())
    return classifier.transform(X[test]), y[test], classifier.centers_


def draw_embeddings(embeddings: dict, path: Path) -> None:
    """Draw the test embeddings of the first fold on their first two principal components."""
    import matplotlib.pyplot as plt

    figure, panels = plt.subplots(1, len(embeddings), figsize=(5 * len(embeddings), 5), layout="constrained")
    for axes, (title, (points, labels, centers)) in zip(panels, embeddings.items(), strict=True):
        EmbeddingDisplay.from_predictions(
            points, labels, centers=centers, ax=axes, title=title, legend="below"
        )
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=150)


def main() -> None:
    """Run the stages one after the other, and print the seconds of each."""
    arguments = parse_arguments()
    start = time.perf_counter()

    def report(stage: str) -> None:
        nonlocal start
        print(f"{stage:<44}{time.perf_counter() - start:8.1f} s", flush=True)
        start = time.perf_counter()

    corpus = load_corpus(arguments.corpus)
    if corpus.groups is None:
        raise SystemExit("The corpus has no speakers: add a table speakers.csv or a column to the manifest.")
    if not 2 <= arguments.folds <= len(np.unique(corpus.groups)):
        raise SystemExit("--folds must be between 2 and the number of speakers.")
    y, speakers = corpus.target, corpus.groups
    report(f"corpus: {len(y)} utterances, {len(np.unique(speakers))} speakers")

    # A longer hop, fewer epochs and smaller batches than the defaults halve the time of the training.
    X = SpectrogramTransformer(kind=arguments.kind, hop_length=256).fit_transform(corpus.data)
    report(f"spectrograms: {X.shape[1]} bins, {X.lengths.min()} to {X.lengths.max()} frames")

    cv = speaker_folds(speakers, arguments.folds)
    lambdas = {
        "softmax": 0.0,
        f"softmax + {arguments.center_lambda:g} x center loss": arguments.center_lambda,
    }
    evaluations, embeddings = {}, {}
    for name, center_lambda in lambdas.items():
        classifier = CenterLossClassifier(
            center_lambda=center_lambda,
            max_epochs=arguments.max_epochs,
            batch_size=16,
            random_state=arguments.seed,
        )
        evaluations[name] = evaluate(classifier, (X, y, speakers), cv=cv, return_estimator=True, verbose=1)
        embeddings[name] = embed_first_test_fold(evaluations[name], X, y, cv)
        report(f"training and evaluation: {name}")

    picture = arguments.output / "embeddings.png"
    draw_embeddings(embeddings, picture)
    report("picture")

    print(f"\nSpeakers kept apart, {arguments.folds} folds; chance is {100 / len(np.unique(y)):.1f} % UA.")
    for name, evaluation in evaluations.items():
        ua, wa = evaluation.unweighted_accuracy, evaluation.weighted_accuracy
        print(f"{name:<36} UA {100 * ua:5.1f} %   WA {100 * wa:5.1f} %")
    print(f"Embeddings of the first test fold: {picture}")


if __name__ == "__main__":
    main()
