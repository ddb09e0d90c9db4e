"""The effect of center loss on embeddings
=======================================

A network with two-dimensional embeddings is trained with several weights of the center loss, and its
embeddings are drawn as points. The upper row shows the speakers of the training set. The lower row shows
unseen speakers. Large marks are the centers.

Without center loss (lambda = 0), softmax separates the classes and does nothing more. Center loss draws
each class towards its center, and a larger lambda draws it closer. If lambda is too large, the classes are
drawn together before they are separated, and all embeddings shrink to one point. Classes that are compact
for known voices need not be compact for other voices, so judge a model by the lower row.

.. code-block:: console

   $ python examples/center_loss.py
   $ python examples/center_loss.py --lambdas 0 0.3 --seed 1

This page shows the output of ``python examples/center_loss.py``.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from skser import CenterLossClassifier, EmbeddingDisplay, SpectrogramTransformer, intra_inter_ratio
from skser.datasets import make_emotional_speech


def parse_arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--lambdas", type=float, nargs="+", default=[0, 0.3, 100], metavar="LAMBDA")
    parser.add_argument("--center-alpha", type=float, default=0.5, metavar="ALPHA")
    parser.add_argument("--max-epochs", type=int, default=30)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--output", type=Path, default=Path("demo"), help="folder for the figure")
    return parser.parse_args()


def main() -> None:
    """Train one network for each lambda, and draw its embeddings."""
    import matplotlib.pyplot as plt

    arguments = parse_arguments()
    corpus = make_emotional_speech(duration=0.8, random_state=0)
    X, y = SpectrogramTransformer(n_mels=32, hop_length=320).fit_transform(corpus.data), corpus.target
    unseen = np.isin(corpus.groups, np.unique(corpus.groups)[:2])
    parts = {"training speakers": ~unseen, "unseen speakers": unseen}

    lambdas = arguments.lambdas
    figure, rows = plt.subplots(
        2, len(lambdas), figsize=(2.6 * len(lambdas) + 0.4, 5.6), squeeze=False, layout="constrained"
    )
    print("distances within classes divided by distances between classes\n")
    for center_lambda, column in zip(lambdas, rows.T, strict=True):
        classifier = CenterLossClassifier(
            center_lambda=center_lambda,
            center_alpha=arguments.center_alpha,
            channels=(8, 16, 24, 32),
            rnn_units=16,
            embedding_dim=2,
            lr=3e-3,
            batch_size=16,
            max_epochs=arguments.max_epochs,
            random_state=arguments.seed,
        ).fit(X[~unseen], y[~unseen])
        ratios = []
        for axes, (name, part) in zip(column, parts.items(), strict=True):
            z = classifier.transform(X[part])
            display = EmbeddingDisplay(z, y[part], classes=classifier.classes_, centers=classifier.centers_)
            display.plot(axes, legend=None, title=f"λ = {center_lambda:g}, {name}", scatter_kw={"s": 12})
            axes.set(xlabel="", ylabel="")
            ratios.append(f"{name} {intra_inter_ratio(z, y[part]):5.2f}")
        print(f"lambda {center_lambda:<6g} {'   '.join(ratios)}", flush=True)
    entries = [*display.points_, display.centers_[0]], [*display.classes_, "its center"]
    figure.legend(*entries, loc="outside lower center", ncols=5, frameon=False)
    arguments.output.mkdir(parents=True, exist_ok=True)
    figure.savefig(arguments.output / "center_loss.png", dpi=150)


if __name__ == "__main__":
    main()
