"""Requests of scikit-learn's metadata routing."""

from __future__ import annotations

from typing import Any

from sklearn.utils.metadata_routing import get_routing_for_object


def requests_metadata(consumer: Any, method: str, name: str) -> bool:
    """Whether metadata routing passes a parameter to a method, or to a method that it calls."""
    try:
        return name in get_routing_for_object(consumer).consumes(method, [name])
    except NotImplementedError:  # raised by estimators of scikit-learn without routing
        return False
