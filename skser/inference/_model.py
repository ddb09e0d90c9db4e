"""Checks of fitted models whose first step takes recordings, and their sampling rate."""

from __future__ import annotations

from typing import Any

from sklearn.pipeline import FeatureUnion, Pipeline
from sklearn.utils.validation import check_is_fitted

from ._confidence import check_probabilities

_DEFAULT_SR = 16000  # Hz, of first steps without a parameter `sr`
_INNER = ("best_estimator_", "estimator_", "estimator")  # of searches and other meta-estimators


def check_model(model: Any) -> None:
    """Raise unless a model is a fitted classifier with probabilities whose first step takes recordings."""
    find_sampling_rate(model)
    check_probabilities(model)
    check_is_fitted(model)


def find_sampling_rate(model: Any) -> int:
    """Sampling rate in Hz of the waveforms that the first step of a model takes."""
    step = model
    while not isinstance(step, Pipeline):
        inner = next((getattr(step, name) for name in _INNER if hasattr(step, name)), None)
        if inner is None:
            raise TypeError(
                "model must be a fitted Pipeline whose first step takes recordings, such as "
                f"SpectrogramTransformer, got {type(model).__name__}."
            )
        step = inner
    while isinstance(step, Pipeline | FeatureUnion):
        step = (step.steps if isinstance(step, Pipeline) else step.transformer_list)[0][1]
    return int(getattr(step, "sr", _DEFAULT_SR))
