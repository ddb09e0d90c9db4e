"""Checks of fitted models whose first step takes recordings, and their sampling rate."""

from __future__ import annotations

from typing import Any

from sklearn.pipeline import FeatureUnion, Pipeline
from sklearn.utils.validation import check_is_fitted

from .._utils import steps_of
from ._confidence import check_probabilities

_DEFAULT_SR = 16000  # Hz, of first steps without a parameter `sr`


def check_model(model: Any) -> None:
    """Raise unless a model is a fitted classifier with probabilities whose first step takes recordings."""
    find_sampling_rate(model)
    check_probabilities(model)
    check_is_fitted(model)


def find_sampling_rate(model: Any) -> int:
    """Sampling rate in Hz of the waveforms that the first step of a model takes."""
    first, *others = steps_of(model) or [model]
    inner = getattr(first, "estimator_", getattr(first, "estimator", None))  # of a RejectOption and its like
    if inner is not None and not others:
        return find_sampling_rate(inner)
    if not (others or isinstance(model, Pipeline)):
        raise TypeError(
            "model must be a fitted Pipeline whose first step takes recordings, such as "
            f"SpectrogramTransformer, got {type(model).__name__}."
        )
    while isinstance(first, FeatureUnion):
        used = (part for _, part in first.transformer_list if not isinstance(part, str))  # such as "drop"
        first = next(iter(steps_of(next(used, None))), None)
    return int(getattr(first, "sr", _DEFAULT_SR))
