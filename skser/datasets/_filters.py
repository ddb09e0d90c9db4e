"""Checks of parameters that are lists of values."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any

from .._utils import check_choice, check_number


def check_filter(parameter: str, values: Iterable[Any] | None, choices: Collection[Any]) -> set[Any]:
    """Return the values that pass a filter, each of which must be in `choices`; None means all choices."""
    if values is None:
        return set(choices)
    found = check_list(parameter, values)
    for value in found:
        if isinstance(next(iter(choices)), str):
            check_choice(f"each of {parameter}", value, choices)
        else:
            check_number(f"each of {parameter}", value, integer=True, low=min(choices), high=max(choices))
    return set(found)


def check_list(parameter: str, values: Any) -> list[Any]:
    """Convert the values of a parameter to a list; raise for a single value."""
    if isinstance(values, str) or not isinstance(values, Iterable):
        raise TypeError(f"{parameter} must be a list, got {values!r}: write [{values!r}].")
    return list(values)
