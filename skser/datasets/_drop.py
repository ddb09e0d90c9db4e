"""Removal of the recordings in the table of an audit from a corpus."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.utils import Bunch

from .._utils import check_choice, counted, labels_or_none, listed, warn_caller
from ._audit import COLUMNS, SEVERITIES, path_or_none
from ._bunch import PER_ITEM, check_corpus, describe_counts
from ._filters import check_filter

if TYPE_CHECKING:
    import pandas as pd

_COUNTS = "\n\nItems: "  # start of the counts at the end of a description


def drop(
    corpus: Bunch, table: pd.DataFrame, *, severity: str = "error", problems: Iterable[str] | None = None
) -> Bunch:
    """Remove the recordings with problems from a corpus.

    Parameters
    ----------
    corpus : Bunch
        The Bunch of a loader; it is not changed.
    table : pandas.DataFrame
        The table of :func:`audit` for this corpus, or some of its rows.
    severity : {"error", "warning"}, default="error"
        "error" drops only recordings with errors, "warning" every recording in the table.
    problems : iterable of str, default=None
        Names of the problems, as in :func:`audit`, whose recordings are dropped. None chooses by `severity`.

    Returns
    -------
    Bunch
        A copy in which `data`, `target`, `groups` and `frame` have only the remaining items, `target_names`
        has the labels that still occur, and `DESCR` has a line about the dropped items. One copy of each
        duplicate is kept, unless the labels or groups contradict each other. Other entries are unchanged.

    Raises
    ------
    TypeError
        If `corpus` is not a Bunch with `data`, or `table` is not a DataFrame.
    ValueError
        If `table` is not from `audit`, or is from another corpus; if no item would remain; if a parameter is
        invalid.

    Warns
    -----
    UserWarning
        If no item of a label remains.

    See Also
    --------
    audit : Makes the table.

    Examples
    --------
    >>> import numpy as np
    >>> from skser.datasets import audit, drop, make_emotional_speech
    >>> corpus = make_emotional_speech(n_speakers=2, n_per_class=1, random_state=0)
    >>> corpus.data[3] = np.zeros(8000)
    >>> cleaned = drop(corpus, audit(corpus))
    >>> len(corpus.data), len(cleaned.data), len(cleaned.target)
    (8, 7, 7)
    """
    cure = "for a list, keep the items whose position is not in table['item']"
    check_corpus("corpus", corpus, ["data"], cure)
    n_items = len(corpus.data)
    check_choice("severity", severity, ("error", "warning"))
    chosen = None if problems is None else check_filter("problems", problems, SEVERITIES)
    _check_table(table, corpus)
    by_severity = table["severity"].isin(("error", severity))
    reasons = find_reasons(table[by_severity if chosen is None else table["problem"].isin(chosen)])
    kept = [i for i in range(n_items) if i not in reasons]
    if not kept:
        raise ValueError(f"None of the {counted(n_items, 'item')} would remain: choose fewer problems.")
    entries = {**corpus, **{name: _take(corpus[name], kept) for name in PER_ITEM if name in corpus}}
    if entries.get("target") is not None:
        labels = labels_or_none("corpus.target", corpus.target)
        gone = {*labels} - {labels[i] for i in kept} - {None}
        if gone:
            warn_caller(f"No item of {counted(len(gone), 'label')} is left: {listed(sorted(gone))}.")
        if "target_names" in corpus:
            entries["target_names"] = [name for name in corpus["target_names"] if name not in gone]
    if "DESCR" in corpus:
        entries["DESCR"] = _describe(entries, n_items, reasons)
    return Bunch(**entries)


def _check_table(table: Any, corpus: Bunch) -> None:
    """Raise unless a table is from an audit of this corpus."""
    if not hasattr(table, "columns"):
        raise TypeError(f"table must be the DataFrame that audit returns, got {type(table).__name__}.")
    missing = [name for name in COLUMNS if name not in table.columns]
    if missing:
        raise ValueError(f"table lacks the column {missing[0]!r}: give the table of audit for this corpus.")
    n = len(corpus.data)
    n_items = table.attrs.get("n_items", n)
    if n_items != n:
        raise ValueError(f"table is for {n_items} items but corpus has {n}: audit this corpus again.")
    for i, path in zip(table["item"], table["path"], strict=True):
        if not 0 <= i < n:
            raise ValueError(f"table has an item {i} but corpus has only {n}: audit this corpus again.")
        here = path_or_none(corpus.data[i])
        if here != (path if isinstance(path, str) else None):
            paths = f"item {i} is {path!r} in table and {here!r} in corpus"
            raise ValueError(f"table is from another corpus ({paths}): audit this corpus again.")


def find_reasons(rows: pd.DataFrame) -> dict[int, str]:
    """Find the problem for which each item is dropped; the first usable copy of duplicates is kept."""
    is_duplicate = rows["problem"] == "duplicate"
    others = rows[~is_duplicate].drop_duplicates("item")
    reasons: dict[int, str] = dict(zip(others["item"].tolist(), others["problem"], strict=True))
    copies: dict[int, list[int]] = defaultdict(list)
    for item, first in rows.loc[is_duplicate, ["item", "same_as"]].astype(int).itertuples(index=False):
        copies[first].append(item)
    for first, later in copies.items():
        usable = [i for i in (first, *sorted(later)) if i not in reasons]
        reasons.update((i, "duplicate") for i in usable[1:])
    return reasons


def list_problems(reasons: dict[int, str]) -> str:
    """List the problems of the dropped items with their counts, the most frequent first."""
    return ", ".join(f"{n} {problem}" for problem, n in Counter(reasons.values()).most_common())


def _take(values: Any, kept: list[int]) -> Any:
    """Select items of a list, array, series or frame; None stays None."""
    if values is None or isinstance(values, np.ndarray):
        return None if values is None else values[kept]
    if hasattr(values, "iloc"):
        return values.iloc[kept].reset_index(drop=True)
    return [values[i] for i in kept]


def _describe(entries: dict[str, Any], n_items: int, reasons: dict[int, str]) -> str:
    """Make a description with a line about the dropped items, and new counts."""
    # Those at the end: the descriptions of merged corpora have counts, too.
    parts = entries["DESCR"].rsplit(_COUNTS, maxsplit=1)
    dropped = f"none of {n_items} items"
    if reasons:
        dropped = f"{len(reasons)} of {counted(n_items, 'item')} ({list_problems(reasons)})"
    described = f"{parts[0].strip()}\n\nLeft out after an audit: {dropped}.\n"
    if len(parts) == 1 or entries.get("target") is None:
        return described
    group_name = entries["DESCR"].strip().rpartition("\n")[2].partition(":")[0]
    target = labels_or_none("corpus.target", entries["target"])
    groups = None if entries.get("groups") is None else labels_or_none("corpus.groups", entries["groups"])
    if None in [*target, *(groups or [])]:
        return described
    counts = describe_counts(target, groups, group_name)
    return f"{described}\n{counts}\n"
