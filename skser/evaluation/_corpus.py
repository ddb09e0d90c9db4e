"""What `evaluate` takes: recordings with labels and who speaks, brought into one form."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.utils import column_or_1d, indexable

from ..classifier import check_labels

# Columns of a corpus' frame that tell the speakers and the files, the first that is there.
_SPEAKER_COLUMNS = ("speaker", "actor")
_FILE_COLUMNS = ("path", "file")


class Subjects(NamedTuple):
    """Items to train and to test on."""

    X: Any
    y: NDArray[Any]
    groups: NDArray[Any] | None
    speakers: NDArray[Any] | None
    files: list[str] | None

    @property
    def kept_apart(self) -> NDArray[Any] | None:
        """What must not be in both parts of a fold: the speakers, or the groups where these are not known."""
        return self.groups if self.speakers is None else self.speakers

    @property
    def noun(self) -> str:
        """What messages call `kept_apart`."""
        return "group" if self.speakers is None else "speaker"


def read_subjects(estimator: Any, corpus: Any, groups: Any, speakers: Any) -> Subjects:
    """Check a corpus, and find the groups and the speakers of its items."""
    data, target, corpus_groups, frame = _entries(corpus)
    n_samples = _counted(data)
    (X,) = indexable(data)
    _check_filled("target of the corpus", target)
    classes, encoded = check_labels(estimator, target, n_samples, None)
    known_speakers = _values("speakers", speakers, frame, n_samples)
    if known_speakers is None and (column := _first_column(frame, _SPEAKER_COLUMNS)):
        known_speakers = _values("speakers", column, frame, n_samples)
    if known_speakers is None and groups is not None:
        # What the corpus keeps apart by itself is nearer to speakers than what the call leaves out.
        known_speakers = _values("groups of the corpus", corpus_groups, frame, n_samples)
    if _means_the_speakers(groups, frame) and known_speakers is not None:
        groups = known_speakers
    known_groups = _values("groups", corpus_groups if groups is None else groups, frame, n_samples)
    if known_groups is None:
        known_groups = known_speakers
    return Subjects(X, classes[encoded], known_groups, known_speakers, _files(data, frame, n_samples))


def take(X: Any, indices: NDArray[np.intp]) -> Any:
    """Give some of the items."""
    if hasattr(X, "iloc"):
        return X.iloc[indices]
    return X[indices] if hasattr(X, "shape") else [X[index] for index in indices.tolist()]


def _entries(corpus: Any) -> tuple[Any, Any, Any, Any]:
    """Data, target, groups and frame of a corpus; the last two are None where it has none."""
    names = ("data", "target", "groups", "frame")
    if isinstance(corpus, Mapping):
        entries = [corpus.get(name) for name in names]
    else:
        entries = [getattr(corpus, name, None) for name in names]
        if entries[1] is None and isinstance(corpus, tuple) and len(corpus) in (2, 3):
            entries = [*corpus, None, None][:4]
    data, target, groups, frame = entries
    if data is None or target is None:
        raise TypeError(
            "corpus must be a corpus of skser.datasets, an object or mapping with data and target, or a "
            f"tuple (X, y) or (X, y, groups), got {type(corpus).__name__} without data or target."
        )
    return data, target, groups, frame


def _counted(data: Any) -> int:
    """Count the items; raise where they are no sequence."""
    if isinstance(data, (str, bytes, os.PathLike)) or not (
        hasattr(data, "shape") or hasattr(data, "__len__")
    ):
        raise TypeError(
            "data of the corpus must be a sequence of recordings or of features, got "
            f"{type(data).__name__}: put the items into a list."
        )
    return int(data.shape[0] if hasattr(data, "shape") else len(data))


def _values(name: str, values: Any, frame: Any, n_samples: int) -> NDArray[Any] | None:
    """One value an item, from a column of the frame if `values` names one."""
    if isinstance(values, str):
        if frame is None or values not in frame.columns:
            columns = (
                "no frame" if frame is None else f"a frame of the columns {list(map(str, frame.columns))}"
            )
            raise ValueError(
                f"{name}={values!r} names no column: the corpus has {columns}; name one of these, or pass an "
                "array of one value an item."
            )
        values = frame[values]
    return None if values is None else _checked(name, values, n_samples)


def _checked(name: str, values: Any, n_samples: int) -> NDArray[Any]:
    """Speakers or groups as an array; raise unless there is one of one kind for each item."""
    _check_filled(name, values)
    array = column_or_1d(values)
    if len(array) != n_samples:
        raise ValueError(
            f"{name} has {len(array)} entries but there are {n_samples} items: pass one an item."
        )
    try:
        np.unique(array)
    except TypeError:
        kinds = sorted({type(value).__name__ for value in array})
        raise ValueError(f"{name} mixes values of {' and '.join(kinds)}: use one kind.") from None
    return array


def _check_filled(name: str, values: Any) -> None:
    """Raise where the value of an item is missing."""
    import pandas as pd

    missing = pd.isna(column_or_1d(values))
    if missing.any():
        raise ValueError(
            f"{name} has no value for item {np.argmax(missing)} (missing: {missing.sum()} of "
            f"{len(missing)}): fill it in, or leave the item out."
        )


def _means_the_speakers(groups: Any, frame: Any) -> bool:
    """Whether groups are "speaker" where the frame calls the speakers otherwise, as RAVDESS's "actor"."""
    return isinstance(groups, str) and groups == "speaker" and (frame is None or groups not in frame.columns)


def _first_column(frame: Any, names: tuple[str, ...]) -> str | None:
    """Name of the first of some columns that a frame has, and that is not empty throughout."""
    if frame is None:
        return None
    return next((name for name in names if name in frame.columns and frame[name].notna().any()), None)


def _files(data: Any, frame: Any, n_samples: int) -> list[str] | None:
    """File of each item, where the items are files or the frame names them."""
    if getattr(data, "ndim", 1) == 1:
        items = list(data)
        if items and all(isinstance(item, (str, os.PathLike)) for item in items):
            return [os.fspath(item) for item in items]
    column = _first_column(frame, _FILE_COLUMNS)
    if column is None or len(frame) != n_samples:
        return None
    return [str(file) for file in frame[column]]
