"""Checks of parameters, and the building blocks of messages."""

from __future__ import annotations

import re
import sys
import warnings
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from numbers import Integral, Real
from types import FrameType
from typing import Any

import numpy as np

_MOST_JOBS = 2**31 - 1
_RERAISED = (FileNotFoundError, IsADirectoryError, PermissionError, OSError, TypeError, ValueError)
_UNITS = {"": 1, "K": 2**10, "M": 2**20, "G": 2**30, "T": 2**40}
_SIZE = re.compile(r"(\d+(?:\.\d+)?) ?([KMGT]?)")


def check_number(
    name: str,
    value: Any,
    *,
    integer: bool = False,
    low: float | None = None,
    high: float | None = None,
    closed: str = "both",
    optional: bool = False,
) -> None:
    """Raise unless a parameter is a finite number in its range, or None if it is optional."""
    if optional and value is None:
        return
    word = "an integer" if integer else "a number"
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, Integral if integer else Real):
        raise TypeError(f"{name} must be {word}, got {value!r} of type {type(value).__name__}.")
    try:
        number = float(value)
    except OverflowError:  # an integer too large for a float
        number = -np.inf if value < 0 else np.inf
    closed_low, closed_high = closed in ("both", "left"), closed in ("both", "right")
    above = low is None or (number >= low if closed_low else number > low)
    below = high is None or (number <= high if closed_high else number < high)
    if not (above and below and np.isfinite(number)):
        left = "(-inf" if low is None else f"{'[' if closed_low else '('}{low}"
        right = "inf)" if high is None else f"{high}{']' if closed_high else ')'}"
        raise ValueError(f"{name} must be {word} in {left}, {right}, got {_short(value)}.")


def check_verbose(verbose: Any) -> None:
    """Raise unless a parameter is a level of output."""
    if not isinstance(verbose, (Integral, np.bool_)):
        raise TypeError(f"verbose must be an integer, True or False, got {verbose!r}.")


def _short(value: Any) -> str:
    """Format a number; Python refuses to convert the longest integers to text."""
    if isinstance(value, Integral) and abs(int(value)) >= 10**99:
        return "one of 100 digits or more"
    return repr(value)


def to_bytes(name: str, value: int | str | None) -> float:
    """Convert a limit in bytes, which may have a unit, to a number."""
    if value is None:
        return float("inf")
    if not isinstance(value, str):
        check_number(name, value, integer=True, low=0)
        return int(value)
    size = _SIZE.fullmatch(value.strip())
    if size is None:
        raise ValueError(
            f"{name} must be a number of bytes, or text with the unit K, M, G or T such as '500M', "
            f"got {value!r}."
        )
    return float(size[1]) * _UNITS[size[2]]


def check_choice(name: str, value: Any, choices: Collection[str]) -> None:
    """Raise unless a parameter is one of the allowed names."""
    if not isinstance(value, str) or value not in choices:
        expected = ", ".join(repr(choice) for choice in sorted(choices))
        raise ValueError(f"{name} must be one of {expected}, got {value!r}.")


def check_n_jobs(n_jobs: Any) -> None:
    """Raise unless joblib can use a number of processes or threads."""
    check_number("n_jobs", n_jobs, integer=True, low=-_MOST_JOBS, high=_MOST_JOBS, optional=True)
    if n_jobs == 0:
        raise ValueError("n_jobs must not be 0: give None, 1 or more, or -1 for one per processor.")


def check_flag(name: str, value: Any) -> None:
    """Raise unless a parameter is True or False."""
    if not isinstance(value, (bool, np.bool_)):
        raise TypeError(f"{name} must be True or False, got {value!r} of type {type(value).__name__}.")


def all_finite(values: np.ndarray) -> bool:
    """Whether an array of floating-point numbers holds neither NaN nor infinity."""
    # The sum is finite if all numbers are, unless it overflows. It is faster than testing each number.
    with np.errstate(over="ignore", invalid="ignore"):
        return bool(np.isfinite(values.sum())) or bool(np.isfinite(values).all())


def warn_caller(message: str, category: type[Warning] = UserWarning) -> None:
    """Warn at the line of the user's code, at any depth of the call stack."""
    frame, level = sys._getframe(), 1
    # scikit-learn wraps `transform`, and calls the steps of a Pipeline, also in joblib's workers.
    while frame.f_back is not None and _package(frame) in ("skser", "sklearn", "joblib"):
        frame, level = frame.f_back, level + 1
    warnings.warn(message, category, stacklevel=level)


def _package(frame: FrameType) -> str:
    """Name of the package whose code runs in a frame."""
    return str(frame.f_globals.get("__name__", "")).partition(".")[0]


def listed(values: Iterable[Any], most: int = 5) -> str:
    """Join the first few values and the number of the others: "1, 2 and 4 more"."""
    texts = [str(value) for value in values]
    more = f" and {len(texts) - most} more" if len(texts) > most else ""
    return ", ".join(texts[:most]) + more


def counted(n: int, noun: str, plural: str | None = None) -> str:
    """Join a number and its noun in the singular or plural: "1 fold", "2 folds"."""
    return f"{n} {noun if n == 1 else plural or noun + 's'}"


def printable(text: str) -> str:
    """Escape parts of names that are not UTF-8, which Python holds as surrogates and cannot print."""
    return text.encode(errors="backslashreplace").decode()


@contextmanager
def prefix_errors(label: str) -> Iterator[None]:
    """Prefix the messages of errors in this block with the name of an item."""
    try:
        yield
    except _RERAISED as error:
        raise plain_error(error, f"{label}: {error}") from error


def plain_error(error: Exception, message: str) -> Exception:
    """Make an error of the built-in type closest to another error, with a new message and no traceback."""
    kind = next(kind for kind in _RERAISED if isinstance(error, kind))
    return kind(message)
