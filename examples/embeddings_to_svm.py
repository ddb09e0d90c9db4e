"""Embeddings in other classifiers
===============================

Train an SVC, a k-NN and an LDA on the embeddings, and compare them with the network's own predictions.

.. code-block:: console

   $ python examples/embeddings_to_svm.py
   $ python examples/embeddings_to_svm.py --corpus ravdess:path/to/ravdess

This page shows the output of ``python examples/embeddings_to_svm.py --max-epochs 8 --output demo``. The
rows of the confusion matrices are the true labels, in percent of each label.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.model_selection import GroupKFold
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from skser import (
    CenterLossClassifier,
    SpectrogramTransformer,
    evaluate,
    unweighted_accuracy,
    weighted_accuracy,
)
from skser.datasets import load_corpus

BACK_ENDS = {
    "SVC": make_pipeline(StandardScaler(), SVC(class_weight="balanced")),
    "k-NN": KNeighborsClassifier(n_neighbors=5),
    "LDA": LinearDiscriminantAnalysis(solver="lsqr", shrinkage="auto"),
}


def parse_arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--corpus", default="synthetic", help="synthetic, or LOADER:PATH, see load_corpus")
    parser.add_argument("--max-epochs", type=int, default=CenterLossClassifier().max_epochs)
    parser.add_argument("--folds", type=int, default=2)
    parser.add_argument("--output", type=Path, help="folder for the figure (default: not drawn)")
    return parser.parse_args()


def draw_confusion(y: np.ndarray, y_pred: dict[str, np.ndarray], path: Path) -> None:
    """Draw one confusion matrix per classifier."""
    import matplotlib.pyplot as plt
    from sklearn.metrics import ConfusionMatrixDisplay

    figure, panels = plt.subplots(2, 2, figsize=(8, 7.5), layout="constrained")
    for axes, (name, predicted) in zip(panels.flat, y_pred.items(), strict=True):
        ConfusionMatrixDisplay.from_predictions(
            y, predicted, normalize="true", values_format=".0%", cmap="Blues", colorbar=False, ax=axes
        )
        axes.set_title(name)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=150)


def main() -> None:
    """Cross-validate by speaker, and print UA and WA of each classifier."""
    arguments = parse_arguments()
    corpus = load_corpus(arguments.corpus)
    if corpus.groups is None:
        raise SystemExit("The corpus has no speakers: add a table speakers.csv or a column to the manifest.")
    y = corpus.target
    # The spectrograms need no training, so they are computed once for all folds.
    X = SpectrogramTransformer().fit_transform(corpus.data)
    y_pred = {name: np.empty_like(y) for name in ("network", *BACK_ENDS)}
    folds = list(GroupKFold(arguments.folds).split(X, y, corpus.groups))
    classifier = CenterLossClassifier(max_epochs=arguments.max_epochs, random_state=0)
    evaluation = evaluate(classifier, (X, y, corpus.groups), cv=folds, return_estimator=True)
    for (train, test), network in zip(folds, evaluation.estimators, strict=True):
        y_pred["network"][test] = network.predict(X[test])
        for name, back_end in BACK_ENDS.items():
            back_end.fit(network.transform(X[train]), y[train])
            y_pred[name][test] = back_end.predict(network.transform(X[test]))

    print(f"{len(np.unique(corpus.groups))} speakers in {arguments.folds} folds; each item is predicted once")
    for name, predicted in y_pred.items():
        ua, wa = unweighted_accuracy(y, predicted), weighted_accuracy(y, predicted)
        print(f"{name:<8} UA {100 * ua:5.1f} %   WA {100 * wa:5.1f} %")
    if arguments.output is not None:
        draw_confusion(y, y_pred, arguments.output / "confusion.png")


if __name__ == "__main__":
    main()
