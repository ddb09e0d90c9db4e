"""Groups and other metadata, with and without scikit-learn's metadata routing."""

from __future__ import annotations

from typing import Any

from sklearn.pipeline import Pipeline
from sklearn.utils.metadata_routing import get_routing_for_object
from sklearn.utils.validation import has_fit_parameter

from ._steps import is_search


def requests_metadata(consumer: Any, method: str, name: str) -> bool:
    """Whether metadata routing passes a parameter to a method, or to a method that it calls."""
    try:
        return name in get_routing_for_object(consumer).consumes(method, [name])
    except NotImplementedError:  # raised by estimators of scikit-learn without routing
        return False


def group_parameters(estimator: Any) -> dict[str, Any]:
    """Parameters of `fit` that take groups without metadata routing, and the part that receives each."""
    if isinstance(estimator, Pipeline):
        return {
            f"{name}__{inner}": part
            for name, step in estimator.steps
            for inner, part in group_parameters(step).items()
        }
    if is_search(estimator):
        inner = group_parameters(estimator.estimator)
        inner.pop("groups", None)  # the parameter `groups` of a search is passed only to its splitter
        uses_groups = requests_metadata(getattr(estimator, "cv", None), "split", "groups")
        return {"groups": estimator, **inner} if uses_groups else inner
    return {"groups": estimator} if has_fit_parameter(estimator, "groups") else {}
