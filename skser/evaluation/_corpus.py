"""The corpus of an evaluation: items, labels, groups and speakers in a common form."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.utils import indexable

from .._utils import is_path, make_frame
from ..classifier import check_groups, check_labels

if TYPE_CHECKING:
    import pandas as pd

_ENTRIES = ("data", "target", "groups", "frame")
# Columns of the frame with the speakers and the files; the first one that is not empty is used.
_SPEAKER_COLUMNS = ("speaker", "actor")
_FILE_COLUMNS = ("path", "file")


class EvaluationCorpus(NamedTuple):
    """Items for training and testing; unknown speakers are replaced by groups, unknown groups by speakers."""

    X: Any
    y: NDArray[Any]
    groups: Any  # array, or None if neither groups nor speakers are known
    speakers: Any
    corpora: Any  # the corpus of each item in a merged corpus, or None
    noun: str  # "speaker", or "group" if groups replace unknown speakers
    items: pd.DataFrame  # the columns of the predictions that are known before the training


def read_corpus(estimator: Any, corpus: Any, groups: Any, speakers: Any) -> EvaluationCorpus:
    """Check a corpus, and find the groups and the speakers of its items."""
    data, target, corpus_groups, frame = _entries(corpus)
    (X,) = indexable(data)
    n_samples = X.shape[0] if hasattr(X, "shape") else len(X)
    _check_frame(frame, n_samples)
    classes, encoded = check_labels(estimator, target, n_samples)
    columns = {} if frame is None else dict(frame.items())
    if speakers is None:
        speakers = _first_column(columns, _SPEAKER_COLUMNS)
    if speakers is None and groups is not None:
        speakers = corpus_groups  # better than the groups passed in, such as sessions
    speakers = _values("speakers", speakers, columns, n_samples)
    if speakers is not None:
        columns.setdefault("speaker", speakers)
    groups = _values("groups", corpus_groups if groups is None else groups, columns, n_samples)
    noun = "group" if speakers is None else "speaker"
    groups, speakers = (speakers if groups is None else groups), (groups if speakers is None else speakers)
    y = classes.plain[encoded]
    corpora = columns.get("corpus")
    corpora = None if corpora is None or corpora.isna().any() else corpora.to_numpy()
    of_item = {"group": groups, "speaker": speakers, "corpus": corpora}
    return EvaluationCorpus(X, y, groups, speakers, corpora, noun, _items(data, columns, y, of_item))


def take(X: Any, indices: NDArray[np.intp]) -> Any:
    """Select items."""
    if hasattr(X, "iloc"):
        return X.iloc[indices]
    return X[indices] if hasattr(X, "shape") else [X[index] for index in indices.tolist()]


def _entries(corpus: Any) -> tuple[Any, Any, Any, Any]:
    """Data, target, groups and frame of a corpus; groups and frame are None if it has none."""
    entries = corpus
    if isinstance(corpus, tuple) and len(corpus) <= 3:
        entries = dict(zip(_ENTRIES, corpus, strict=False))
    elif not isinstance(corpus, Mapping):
        entries = {name: getattr(corpus, name, None) for name in _ENTRIES}
    data, target = entries.get("data"), entries.get("target")
    if hasattr(data, "to_pylist") and not hasattr(data, "shape"):  # a column of PyArrow
        data = data.to_pylist()
    if is_path(data) or not hasattr(data, "__len__") or target is None:
        raise TypeError(
            "corpus must be a corpus of skser.datasets, an object or mapping with data (a sequence of items) "
            f"and target (labels), or a tuple (X, y) or (X, y, groups); got {type(corpus).__name__}, data of "
            f"type {type(data).__name__} and target of type {type(target).__name__}."
        )
    return data, target, entries.get("groups"), entries.get("frame")


def _check_frame(frame: Any, n_samples: int) -> None:
    """Raise unless the frame of a corpus is None or a DataFrame with one row per item."""
    if frame is None:
        return
    if not hasattr(frame, "columns"):
        raise TypeError(f"frame of the corpus must be a DataFrame or None, got {type(frame).__name__}.")
    if len(frame) != n_samples:
        raise ValueError(
            f"frame of the corpus has {len(frame)} rows but there are {n_samples} items: give one row per "
            "item."
        )


def _values(name: str, values: Any, columns: dict[Any, Any], n_samples: int) -> NDArray[Any] | None:
    """Check groups or speakers, given as the name of a column or as one value per item."""
    if isinstance(values, str):
        if not columns:
            raise ValueError(
                f"{name}={values!r} names a column, but the corpus has no frame: pass one value per item."
            )
        if values not in columns:
            raise ValueError(
                f"{name}={values!r} is not a column of the corpus (columns: {[*columns]}): name one of "
                "these, or pass one value per item."
            )
        values = columns[values]
    return check_groups(values, n_samples, name)


def _first_column(columns: dict[Any, Any], names: tuple[str, ...]) -> Any:
    """Values of the first of the named columns that is not empty."""
    return next((columns[name] for name in names if name in columns and columns[name].notna().any()), None)


def _items(data: Any, columns: dict[Any, Any], y: Any, of_item: dict[str, Any]) -> pd.DataFrame:
    """Table with one row per item, without columns whose values are unknown."""
    import pandas as pd

    are_files = getattr(data, "ndim", 1) == 1 and all(map(is_path, data))
    column = data if are_files else _first_column(columns, _FILE_COLUMNS)
    files = None if column is None else [path if pd.isna(path) else str(path) for path in column]
    table = {"item": np.arange(len(y)), "file": files, "label": y, **of_item}
    return make_frame(table).dropna(axis="columns", how="all")
