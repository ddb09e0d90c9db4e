"""The step of an estimator that a picture shows."""

from __future__ import annotations

from typing import Any

from sklearn.pipeline import Pipeline, make_pipeline

from .._utils import steps_of


def find_step(estimator: Any, wanted: type, *, only_first: bool = False) -> tuple[Pipeline, Any]:
    """Find a step by its class; return the part of the estimator up to this step, and the step."""
    steps = steps_of(estimator)
    for index, step in enumerate(steps[:1] if only_first else steps):
        if isinstance(step, wanted):
            return make_pipeline(*steps[: index + 1]), step
    raise TypeError(
        f"estimator must be a {wanted.__name__}, a Pipeline that {'starts with' if only_first else 'holds'} "
        f"one, or a fitted search over them, got {type(estimator).__name__}: for other estimators use "
        "from_predictions."
    )
