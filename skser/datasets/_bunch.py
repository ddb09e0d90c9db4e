"""The Bunch that every loader returns."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.utils import Bunch

from .._utils import make_frame, plain_labels, printable

if TYPE_CHECKING:
    import pandas as pd

PER_ITEM = ("data", "target", "groups", "frame")  # entries with one value per item
# Last lines of the description of a corpus recorded by the user.
LICENSE = "License and citation: those of the people who recorded them."
_UNKNOWN = "groups is None because the speakers are not known: pass speaker= for cross-validation by speaker."
UNKNOWN_SPEAKERS = f"{LICENSE}\n{_UNKNOWN}"


def check_lengths(corpus: Mapping[str, Any], n: int, names: Iterable[str]) -> None:
    """Raise unless the existing entries of a corpus have one value per item."""
    for name in names:
        values = corpus.get(name)
        if values is None:
            continue
        if isinstance(values, str) or not hasattr(values, "__len__") or getattr(values, "ndim", 1) == 0:
            raise TypeError(f"corpus.{name} is {values!r}, a single value: give one entry per item.")
        if len(values) != n:
            lengths = f"corpus.{name} has {len(values)} entries but corpus.data has {n}"
            raise ValueError(f"{lengths}: give one entry per item.")


def check_corpus(name: str, corpus: Any, required: Iterable[str], cure: str) -> None:
    """Raise unless a corpus is a Bunch with the required entries, and has one value per item in each."""
    if not isinstance(corpus, Bunch) or any(not hasattr(corpus.get(entry), "__len__") for entry in required):
        raise TypeError(f"{name} must be the Bunch of a loader, got {type(corpus).__name__}: {cure}.")
    check_lengths(corpus, len(corpus.data), PER_ITEM)


def make_bunch(
    data: list[Any],
    columns: Mapping[str, list[Any]] | pd.DataFrame,
    *,
    label: str,
    speaker: str | None,
    text: str,
    group_name: str = "Speakers",
    **entries: Any,
) -> Bunch:
    """Make a corpus from recordings and the columns of their frame, which include labels and groups."""
    target = plain_labels(f"the column {label!r}", list(columns[label]))
    groups = None if speaker is None else plain_labels(f"the column {speaker!r}", list(columns[speaker]))
    return Bunch(
        data=data,
        target=target,
        groups=groups,
        frame=make_frame(columns),
        target_names=np.unique(target).tolist(),
        DESCR=f"{printable(text.strip())}\n\n{describe_counts(target, groups, group_name)}\n",
        **entries,
    )


def describe_counts(target: Any, groups: Any, group_name: str) -> str:
    """Describe the number of items per class, and the number of groups, in lines of text."""
    names, counts = np.unique(target, return_counts=True)
    lines = [f"Items: {len(target)}", *(f"  {name}: {n}" for name, n in zip(names, counts, strict=True))]
    n_groups = "not known" if groups is None else len(np.unique(groups))
    return printable("\n".join([*lines, f"{group_name}: {n_groups}"]))
