"""Probabilities and saliency
==========================

A model is trained on six speakers, with and without calibration. Two figures are drawn: how often
predictions for other speakers are correct at each probability, and the parts of one spectrogram that support
the predicted emotion.

.. code-block:: console

   $ python examples/probabilities.py
   $ python examples/probabilities.py --max-epochs 60

This page shows the output of ``python examples/probabilities.py --max-epochs 20``.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from sklearn.pipeline import make_pipeline

from skser import (
    CenterLossClassifier,
    ReliabilityDisplay,
    SaliencyDisplay,
    SpectrogramTransformer,
    expected_calibration_error,
    unweighted_accuracy,
    weighted_accuracy,
)
from skser.datasets import make_emotional_speech


def parse_arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--max-epochs", type=int, default=CenterLossClassifier().max_epochs)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--output", type=Path, default=Path("demo"), help="folder for the figures")
    return parser.parse_args()


def main() -> None:
    """Train both models, test them on other speakers, and draw the figures."""
    arguments = parse_arguments()
    arguments.output.mkdir(parents=True, exist_ok=True)
    corpus = make_emotional_speech(n_speakers=6, random_state=arguments.seed)
    others = make_emotional_speech(n_speakers=10, random_state=arguments.seed + 1)
    transformer = SpectrogramTransformer()
    spectrograms, tested = transformer.fit_transform(corpus.data), transformer.fit_transform(others.data)
    ax = None
    for name, calibration in (("plain", None), ("temperature", "speakers")):
        classifier = CenterLossClassifier(
            calibration=calibration, max_epochs=arguments.max_epochs, random_state=arguments.seed
        )
        classifier.fit(spectrograms, corpus.target, groups=corpus.groups)
        predicted, confidence = classifier.predict(tested), classifier.predict_proba(tested).max(axis=1)
        error = expected_calibration_error(others.target, predicted, confidence)
        accuracies = (metric(others.target, predicted) for metric in (unweighted_accuracy, weighted_accuracy))
        ua, wa = (f"{100 * accuracy:.1f} %" for accuracy in accuracies)
        print(f"{name:12} temperature {classifier.temperature_:.2f}   ECE {error:.3f}   UA {ua}   WA {wa}")
        display = ReliabilityDisplay.from_predictions(
            others.target, predicted, confidence, n_bins=5, name=name, ax=ax
        )
        ax = display.ax_
    display.figure_.savefig(arguments.output / "reliability.png", dpi=150)
    saliency = SaliencyDisplay.from_estimator(make_pipeline(transformer, classifier), others.data[0])
    saliency.figure_.set_size_inches(7, 3)
    saliency.figure_.savefig(arguments.output / "saliency.png", dpi=150)


if __name__ == "__main__":
    main()
