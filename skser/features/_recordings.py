"""What the transformer takes for recordings: sequences of paths or of waveforms."""

from __future__ import annotations

from collections.abc import Sequence
from numbers import Number
from typing import Any

import numpy as np

from .._utils import is_path


def as_list(X: Any) -> list[Any] | None:
    """List the recordings of a sequence; None where X should be a two-dimensional array."""
    if is_path(X) or isinstance(X, bytes):
        raise TypeError(f"X is a single path, {X!r}: wrap it in a list.")
    if isinstance(X, (list, tuple)):
        return None if _is_rectangle(X) else list(X)
    if hasattr(X, "__array__") or hasattr(X, "ndim"):
        ndim = X.ndim if hasattr(X, "ndim") else np.asarray(X).ndim
        return list(np.asarray(X)) if ndim == 1 else None
    if isinstance(X, Sequence):
        return list(X)
    raise TypeError(
        "X must be a sequence of paths or waveforms, or a two-dimensional array of waveforms, "
        f"got {type(X).__name__}."
    )


def _is_rectangle(X: Sequence[Any]) -> bool:
    """Whether a nested list has rows of one length."""
    return len(X) > 0 and all(isinstance(row, (list, tuple)) and len(row) == len(X[0]) for row in X)


def holds_paths(X: Any) -> bool:
    """Whether any cell of an array or data frame is a path."""
    return any(is_path(cell) for cell in np.asarray(X, dtype=object).flat)


def check_kinds(recordings: list[Any]) -> None:
    """Raise unless there are recordings, all of them paths or all of them waveforms."""
    if not recordings:
        raise ValueError("X is empty: give at least one recording.")
    kinds = [_kind(audio) for audio in recordings]
    for index, kind in enumerate(kinds):
        if kind != kinds[0]:
            raise TypeError(
                f"item {index} of X is {kind}, but item 0 is {kinds[0]}: give paths alone or waveforms alone."
            )
    if kinds[0] == "a number":
        raise ValueError(
            "X is one-dimensional, a single waveform. Reshape your data: wrap it in a list, [X]."
        )
    if kinds[0] not in ("a path", "a waveform"):
        raise TypeError(f"item 0 of X is {kinds[0]}: give paths or waveforms of shape (n_times,).")


def _kind(audio: Any) -> str:
    """Say what an item of X is."""
    if is_path(audio):
        return "a path"
    if isinstance(audio, (Number, np.generic)):
        return "a number"
    if isinstance(audio, (list, tuple)) or hasattr(audio, "__array__"):
        return "a waveform"
    return f"of type {type(audio).__name__}"
