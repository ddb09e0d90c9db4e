"""The forms in which estimators accept spectrograms of several frames."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Set, Sized
from typing import Any

import numpy as np

from .._utils import to_array, without_mask
from ._spectrograms import Spectrograms

_NO_PATHS = (
    ", not a spectrogram or features: put a transformer such as SpectrogramTransformer before this step, or "
    "pass the output of pipeline[:1].transform."
)


def as_spectrograms(X: Any, name: str = "X") -> Any:
    """Convert spectrograms of several frames to a container; anything else is returned unchanged."""
    X = without_mask(name, X)
    is_array = hasattr(X, "__array__") or hasattr(X, "shape") or isinstance(X, (list, tuple))
    if isinstance(X, (str, os.PathLike)):
        raise TypeError(f"{name} is the path {os.fspath(X)!r}{_NO_PATHS}")
    if X is None or isinstance(X, bytes) or (not is_array and isinstance(X, (Iterator, Mapping, Set))):
        cure = ": pass list(X)" if isinstance(X, (Iterator, Set)) else ""
        raise TypeError(
            f"{name} must be Spectrograms, a list of arrays (n_bins, n_frames), an array or a table, got "
            f"{type(X).__name__}{cure}."
        )
    if isinstance(X, Spectrograms):
        _check_not_empty(X)
        return X
    if getattr(X, "ndim", 0) > 3:
        raise ValueError(
            f"{name} has {X.ndim} dimensions, of shape {tuple(X.shape)}: pass spectrograms of shape "
            "(n_samples, n_bins, n_frames), or a list of arrays (n_bins, n_frames)."
        )
    if getattr(X, "ndim", None) == 3:
        return Spectrograms.from_padded(X)
    items = X
    if getattr(X, "ndim", None) == 1 and np.asarray(X).dtype.kind in "OSTU":  # an array or Series
        items = np.asarray(X).tolist()
    if not isinstance(items, (list, tuple)):
        return X
    _check_not_empty(items)
    for index, item in enumerate(items):
        if isinstance(item, (str, bytes, os.PathLike)):
            raise TypeError(f"item {index} is the path {os.fspath(item)!r}{_NO_PATHS}")
    arrays = [item if hasattr(item, "ndim") else to_array(f"item {i}", item) for i, item in enumerate(items)]
    dimensions = {item.ndim for item in arrays}
    lengths = {len(item) for item in arrays if item.ndim == 1}
    return Spectrograms(list(items)) if dimensions - {0, 1} or len(lengths) > 1 else X


def _check_not_empty(X: Sized) -> None:
    """Raise if a container is empty."""
    if not len(X):
        raise ValueError("Found array with 0 sample(s): X holds no spectrograms.")
