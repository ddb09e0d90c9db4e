"""Predictions of a classifier, and how sure it is of each."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.pipeline import Pipeline

from ..classifier import CenterLossClassifier

CONFIDENCES = ("probability", "distance")


class Outputs(NamedTuple):
    """Labels, probabilities (n_samples, n_classes), and confidences, of which higher ones are surer."""

    labels: NDArray[Any]
    probabilities: NDArray[Any]
    confidence: NDArray[Any]


def compute_outputs(model: Any, kind: str, X: Any, **params: Any) -> Outputs:
    """Predict with a fitted classifier; the confidence is a probability, or a negative distance."""
    if kind == "distance":
        return _compute_distances(*transform_first_steps(model, X, **params))
    probabilities = model.predict_proba(X, **params)
    labels = model.classes_[probabilities.argmax(axis=1)]
    return Outputs(labels, probabilities, probabilities.max(axis=1))


def transform_first_steps(model: Any, X: Any, **params: Any) -> tuple[Any, Any]:
    """Last step of a Pipeline and its input; any other model and X themselves."""
    if not isinstance(model, Pipeline):
        return model, X
    return model[-1], model[:-1].transform(X, **params) if len(model) > 1 else X


def check_confidence(kind: str, model: Any) -> None:
    """Raise unless a model, which need not be fitted, has what a score needs."""
    last = model.steps[-1][1] if isinstance(model, Pipeline) else model
    if kind == "distance" and not isinstance(last, CenterLossClassifier):
        raise TypeError(
            'confidence="distance" needs a CenterLossClassifier, on its own or at the end of a Pipeline, got '
            f'{type(last).__name__}: use confidence="probability".'
        )


def _compute_distances(classifier: CenterLossClassifier, X: Any) -> Outputs:
    """Outputs whose confidence is the negative distance of the embedding to the predicted class's center."""
    probabilities = classifier.predict_proba(X)
    predicted = probabilities.argmax(axis=1)
    offsets = np.asarray(classifier.transform(X)) - classifier.centers_[predicted]
    return Outputs(classifier.classes_[predicted], probabilities, -np.linalg.norm(offsets, axis=1))
