"""The step of an estimator that a picture is about."""

from __future__ import annotations

from typing import Any

from sklearn.pipeline import Pipeline

from ..classifier import CenterLossClassifier
from ..features import SpectrogramTransformer


def find_embedder(estimator: Any) -> tuple[Any, CenterLossClassifier]:
    """Find the classifier, and what leads from the estimator's input to its embeddings by `transform`."""
    estimator = getattr(estimator, "best_estimator_", estimator)  # of a search
    if isinstance(estimator, CenterLossClassifier):
        return estimator, estimator
    if isinstance(estimator, Pipeline):
        for index, (_, step) in enumerate(estimator.steps):
            if isinstance(step, CenterLossClassifier):
                return estimator[: index + 1], step
    raise TypeError(
        "estimator must be a CenterLossClassifier, a Pipeline that holds one, or a fitted search over them, "
        f"got {type(estimator).__name__}: for others, use from_predictions with what they gave."
    )


def find_spectrogram_transformer(estimator: Any) -> SpectrogramTransformer:
    """Find the transformer that makes the spectrograms."""
    estimator = getattr(estimator, "best_estimator_", estimator)
    first = estimator.steps[0][1] if isinstance(estimator, Pipeline) else estimator
    if isinstance(first, SpectrogramTransformer):
        return first
    raise TypeError(
        "estimator must be a SpectrogramTransformer, a Pipeline that starts with one, or a fitted search "
        f"over them, got {type(estimator).__name__}: for others, use from_predictions with a spectrogram."
    )
