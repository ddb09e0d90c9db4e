"""Predictions of a classifier and their confidence."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.pipeline import make_pipeline

from .._utils import join_steps, last_step, steps_of
from ..classifier import CenterLossClassifier

CONFIDENCES = ("probability", "distance")


class Outputs(NamedTuple):
    """Labels, probabilities (n_samples, n_classes), and confidences; higher means more confident."""

    labels: NDArray[Any]
    probabilities: NDArray[Any]
    confidence: NDArray[Any]


def compute_outputs(model: Any, kind: str, X: Any, **params: Any) -> Outputs:
    """Predict with a fitted classifier; the confidence is a probability, or a negative distance."""
    check_probabilities(model)
    if params:  # scikit-learn does not pass them to the steps of a search
        model = join_steps(model)
    if kind == "distance":
        *first, model = steps_of(model)
        if first:
            X, params = make_pipeline(*first).transform(X, **params), {}
    probabilities = model.predict_proba(X, **params)
    predicted = probabilities.argmax(axis=1)
    scores = probabilities if kind == "probability" else -model.center_distances(X)
    return Outputs(model.classes_[predicted], probabilities, scores[np.arange(len(predicted)), predicted])


def check_probabilities(model: Any) -> None:
    """Raise unless a fitted model has probabilities."""
    if not hasattr(model, "predict_proba"):
        raise TypeError(
            f"the model must have predict_proba, but {type(model).__name__} does not: end it with a "
            "classifier that returns probabilities, such as CenterLossClassifier."
        )


def check_confidence(kind: str, model: Any) -> None:
    """Raise unless a model, which need not be fitted, has what a measure of confidence needs."""
    last = last_step(model)
    if kind == "distance" and not isinstance(last, CenterLossClassifier):
        raise TypeError(
            'confidence="distance" needs a CenterLossClassifier, on its own, at the end of a Pipeline or in '
            f'a search, got {type(last).__name__}: use confidence="probability".'
        )
