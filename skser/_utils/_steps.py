"""The steps of pipelines and searches."""

from __future__ import annotations

from typing import Any

from sklearn.pipeline import Pipeline, make_pipeline

_OF_SEARCHES = ("estimator", "cv", "refit", "error_score")  # TunedThresholdClassifierCV lacks the last one


def is_skipped(step: Any) -> bool:
    """Whether a step of a Pipeline passes its input on unchanged."""
    return step is None or (isinstance(step, str) and step == "passthrough")


def is_search(estimator: Any) -> bool:
    """Whether an estimator is a search over another one."""
    return hasattr(estimator, "best_estimator_") or all(hasattr(estimator, name) for name in _OF_SEARCHES)


def steps_of(estimator: Any) -> list[Any]:
    """List the steps of an estimator, with those of the Pipelines and searches in it."""
    if is_search(estimator):
        is_fitted = hasattr(estimator, "best_estimator_")
        return steps_of(estimator.best_estimator_ if is_fitted else estimator.estimator)
    if isinstance(estimator, Pipeline):
        *first, last = (step for _, step in estimator.steps)
        # Pipelines of other libraries have steps, such as samplers, that do nothing after `fit`.
        kept = [step for step in first if hasattr(step, "transform")]
        return [inner for step in (*kept, last) for inner in steps_of(step)]
    return [] if is_skipped(estimator) else [estimator]


def last_step(estimator: Any) -> Any:
    """Return the last of the steps of an estimator, or an estimator without steps itself."""
    return (steps_of(estimator) or [estimator])[-1]


def join_steps(estimator: Any) -> Any:
    """Make one Pipeline of all steps of an estimator, or return the only step itself."""
    steps = steps_of(estimator)
    return steps[0] if len(steps) == 1 else make_pipeline(*steps)
