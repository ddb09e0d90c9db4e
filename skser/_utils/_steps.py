"""The steps of pipelines."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sklearn.pipeline import Pipeline


def is_skipped(step: Any) -> bool:
    """Whether a step of a Pipeline passes its input on unchanged."""
    return step is None or (isinstance(step, str) and step == "passthrough")


def steps_of(estimator: Any) -> Iterator[Any]:
    """Yield the steps of a Pipeline and of the Pipelines in it, or any other estimator itself."""
    if isinstance(estimator, Pipeline):
        for _, step in estimator.steps:
            yield from steps_of(step)
    elif not is_skipped(estimator):
        yield estimator
