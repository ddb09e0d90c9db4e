"""The forms in which estimators accept spectrograms of several frames."""

from __future__ import annotations

import os
from collections.abc import Sized
from typing import Any

import numpy as np

from ._spectrograms import Spectrograms


def as_spectrograms(X: Any) -> Spectrograms | None:
    """Convert spectrograms of several frames to a container; None for anything else."""
    if isinstance(X, Spectrograms):
        return X
    if getattr(X, "ndim", 0) > 3:
        raise ValueError(
            f"X has {X.ndim} dimensions, of shape {tuple(X.shape)}: pass spectrograms of shape (n_samples, "
            "n_bins, n_frames), or a list of arrays (n_bins, n_frames)."
        )
    if getattr(X, "ndim", None) == 3:
        return Spectrograms.from_padded(X)
    if getattr(X, "ndim", None) == 1 and np.asarray(X).dtype.kind in "OSU":  # an array or Series
        X = np.asarray(X).tolist()
    if not isinstance(X, (list, tuple)):
        return None
    check_not_empty(X)
    for index, item in enumerate(X):
        if isinstance(item, (str, bytes, os.PathLike)):
            raise TypeError(
                f"item {index} is the path {os.fspath(item)!r}, not a spectrogram: put a "
                "SpectrogramTransformer before this step."
            )
    dimensions = {np.ndim(item) for item in X}
    lengths = {len(item) for item in X if np.ndim(item) == 1}
    return Spectrograms(list(X)) if dimensions - {0, 1} or len(lengths) > 1 else None


def check_not_empty(X: Sized) -> None:
    """Raise if a container is empty."""
    if not len(X):
        raise ValueError("Found array with 0 sample(s): X holds no spectrograms.")
