"""A corpus without the recordings that an audit names."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.utils import Bunch

from .._utils import check_choice, counted, listed, warn_caller
from ._audit import SEVERITIES, Row, path_of
from ._bunch import counts

if TYPE_CHECKING:
    import pandas as pd

_COLUMNS = ("data", "target", "groups", "frame")
_COUNTS = "\n\nItems: "  # where the counts begin that end a description


def drop(
    corpus: Bunch, table: pd.DataFrame, *, severity: str = "error", problems: Iterable[str] | None = None
) -> Bunch:
    """Leave out of a corpus the recordings with which something is wrong.

    Parameters
    ----------
    corpus : Bunch
        What a loader returned; it is not changed.
    table : pandas.DataFrame
        What :func:`audit` returned for it, or some of its rows.
    severity : {"error", "warning"}, default="error"
        "error" leaves out what cannot be used or is there a second time, "warning" whatever is in the table.
    problems : iterable of str, default=None
        Problems to leave out instead, of those that :func:`audit` names, whatever their severity.

    Returns
    -------
    Bunch
        The same entries, with `data`, `target`, `groups` and `frame` of the items that stay, `target_names`
        of the labels that still occur, and a line in `DESCR` on what was left out. Of duplicates that do not
        contradict one another, one copy stays. Entries of other names are taken over as they are.

    Raises
    ------
    TypeError
        If `corpus` is no Bunch with `data`, or `table` no DataFrame.
    ValueError
        If `table` is no table of `audit`, or one of another corpus; if nothing would stay; if a parameter has
        no meaning.

    Warns
    -----
    UserWarning
        If no item of a label stays.

    See Also
    --------
    audit : The table.

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
    n_items = _check_corpus(corpus)
    check_choice("severity", severity, ("error", "warning"))
    words = None if problems is None else _words(problems)
    _check_table(table, corpus)
    counting = table["severity"].isin(("error", severity)) if words is None else table["problem"].isin(words)
    reasons = _reasons(table[counting])
    kept = [i for i in range(n_items) if i not in reasons]
    if not kept:
        raise ValueError(
            f"None of the {counted(n_items, 'item')} would stay: look at the table, and name fewer problems."
        )
    return _taken(corpus, kept, reasons)


def _check_corpus(corpus: Any) -> int:
    """Number of items of a corpus; raise if it is none."""
    if not isinstance(corpus, Bunch) or not hasattr(corpus.get("data"), "__len__"):
        raise TypeError(
            f"corpus must be the Bunch of a loader, got {type(corpus).__name__}: of a list keep the "
            "items whose position is not in table['item']."
        )
    n = len(corpus.data)
    for name in _COLUMNS:
        if corpus.get(name) is not None and len(corpus[name]) != n:
            raise ValueError(
                f"corpus.{name} has {len(corpus[name])} entries but corpus.data has {n}: one an item."
            )
    return n


def _words(problems: Iterable[str]) -> list[str]:
    """Problems for which an item is left out, each checked."""
    if isinstance(problems, str) or not isinstance(problems, Iterable):
        raise TypeError(f"problems must be a list or None, got {problems!r}: write [{problems!r}].")
    words = list(problems)
    for word in words:
        check_choice("each of problems", word, SEVERITIES)
    return words


def _check_table(table: Any, corpus: Bunch) -> None:
    """Raise unless a table is one that `audit` made of a corpus."""
    if not hasattr(table, "columns"):
        raise TypeError(f"table must be the DataFrame that audit returns, got {type(table).__name__}.")
    missing = [name for name in Row._fields if name not in table.columns]
    if missing:
        raise ValueError(f"table lacks the column {missing[0]!r}: give what audit returned for this corpus.")
    n = len(corpus.data)
    n_items = table.attrs.get("n_items", n)
    if n_items != n:
        raise ValueError(f"table was made of {n_items} items but corpus has {n}: audit this corpus anew.")
    paths = [path_of(audio) for audio in corpus.data]
    for i, path in zip(table["item"], table["path"], strict=True):
        if not 0 <= i < n:
            raise ValueError(f"table has an item {i} but corpus has {n}: audit this corpus anew.")
        if paths[i] != (path if isinstance(path, str) else None):
            raise ValueError(
                f"table is of another corpus: item {i} is {path!r} there and {paths[i]!r} here; audit this "
                "corpus anew."
            )


def _reasons(rows: pd.DataFrame) -> dict[int, str]:
    """Problem for which each item is left out; of duplicates the first copy that can stays."""
    reasons: dict[int, str] = {}
    families: dict[int, list[int]] = defaultdict(list)
    for item, problem, other in zip(rows["item"], rows["problem"], rows["same_as"], strict=True):
        if problem == "duplicate":
            families[int(other)].append(int(item))
        else:
            reasons.setdefault(int(item), problem)
    for first, later in families.items():
        copies = [i for i in (first, *sorted(later)) if i not in reasons]
        reasons.update((i, "duplicate") for i in copies[1:])
    return reasons


def _taken(corpus: Bunch, kept: list[int], reasons: dict[int, str]) -> Bunch:
    """Copy a corpus with some of its items."""
    parts = dict(corpus)
    for name in _COLUMNS:
        if parts.get(name) is not None:
            parts[name] = _rows(parts[name], kept)
    target = parts.get("target")
    if target is not None:
        gone = sorted(set(np.unique(corpus.target).tolist()) - set(np.unique(target).tolist()))
        if gone:
            warn_caller(
                f"No item of {counted(len(gone), 'label')} is left: {listed([str(g) for g in gone])}."
            )
        if "target_names" in parts:
            parts["target_names"] = [name for name in parts["target_names"] if name not in gone]
    if "DESCR" in parts:
        parts["DESCR"] = _text(parts, _told(len(corpus.data), reasons))
    return Bunch(**parts)


def _rows(values: Any, kept: list[int]) -> Any:
    """Some items of a list, array, series or frame."""
    if hasattr(values, "iloc"):
        return values.iloc[kept].reset_index(drop=True)
    return values[kept] if isinstance(values, np.ndarray) else [values[i] for i in kept]


def _told(n_items: int, reasons: dict[int, str]) -> str:
    """Line on what was left out."""
    counts = ", ".join(f"{n} {word}" for word, n in Counter(reasons.values()).most_common())
    share = (
        f"{len(reasons)} of {counted(n_items, 'item')} ({counts})" if reasons else f"none of {n_items} items"
    )
    return f"Left out after an audit: {share}."


def _text(parts: dict[str, Any], told: str) -> str:
    """Description with one line more, and counts of what there is now."""
    text, has_counts, _ = parts["DESCR"].partition(_COUNTS)
    told = f"{text.strip()}\n\n{told}\n"
    if not has_counts or parts.get("target") is None:
        return told
    grouping = parts["DESCR"].strip().rpartition("\n")[2].partition(":")[0]
    return f"{told}\n{counts(np.asarray(parts['target']), parts.get('groups'), grouping)}\n"
