"""Table of the problems in the recordings of a corpus."""

from __future__ import annotations

import os
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.utils import Bunch

from .._utils import (
    check_flag,
    check_n_jobs,
    check_number,
    find_similar,
    is_path,
    labels_or_none,
    parallel_map,
)
from ._bunch import check_lengths
from ._examine import Examined, Finding, examine_recording

if TYPE_CHECKING:
    import pandas as pd

_ERRORS = (
    *("missing", "unreadable", "git-lfs pointer", "empty", "non-finite", "too short", "too long", "silent"),
    *("truncated", "chained", "missing label", "missing group"),
    *("duplicate with another label", "duplicate in another group", "duplicate"),
)
_ODD_RATE = "odd sampling rate"
_WARNINGS = (
    *("nearly silent", "mostly zeros", "out of range", "clipped", "channels differ", _ODD_RATE),
    *("similar label", "similar group"),
)
SEVERITIES = dict.fromkeys(_ERRORS, "error") | dict.fromkeys(_WARNINGS, "warning")
"""Severity of each problem, in the order in which the problems of a recording are listed."""

COLUMNS = ("item", "path", "problem", "severity", "detail", "same_as")


def audit(
    corpus: Bunch | Iterable[Any],
    *,
    sr: int | None = None,
    min_duration: float = 0.032,
    max_duration: float | None = 600.0,
    silence_db: float = -60.0,
    n_jobs: int | None = -1,
    verbose: bool = False,
) -> pd.DataFrame:
    """Read every recording of a corpus once and list the problems.

    A bad recording becomes a row of the table and never raises an error. Only one recording per thread is in
    memory at a time, so the corpus may be larger than memory.

    Parameters
    ----------
    corpus : Bunch or iterable
        The Bunch of a loader, whose `target` and `groups` are compared between duplicates, or only paths or
        waveforms.
    sr : int or None, default=None
        Sampling rate of waveforms in Hz, at least 1. None means `corpus.sr`. Not used for files.
    min_duration : float, default=0.032
        Minimum duration of a usable recording in seconds, 0 or more. The default is the window length of
        :class:`skser.SpectrogramTransformer`.
    max_duration : float or None, default=600.0
        Maximum duration of a usable file in seconds, above 0; longer files are not decoded. The default is
        that of :class:`skser.SpectrogramTransformer`. None means no limit.
    silence_db : float, default=-60.0
        Level in dB re full scale below which a recording is nearly silent, at most 0. The level is that of
        the loudest 25 ms, which is -55 for the quietest of 720 recordings of RAVDESS.
    n_jobs : int or None, default=-1
        Number of threads that read the files; -1 means one per processor. None means 1, or the number set
        by a ``joblib.parallel_config`` context.
    verbose : bool, default=False
        Whether to show a progress bar.

    Returns
    -------
    pandas.DataFrame
        One row per problem, sorted by item, then by problem. The columns are item (int, position in `data`),
        path (str, None for a waveform), problem (str, see Notes), severity (str), detail (str, a sentence
        with numbers) and same_as (Int64, position of the other copy of a duplicate, otherwise missing). The
        severity is "error" if the recording is unusable, incomplete or duplicated, or its label cannot be
        trusted; otherwise it is "warning".

    Raises
    ------
    TypeError, ValueError
        If `corpus` is not a corpus, its labels or its groups mix kinds, such as text and numbers, or a
        parameter is invalid.

    See Also
    --------
    drop : Remove these recordings from a corpus.

    Notes
    -----
    These are errors:

    - missing, unreadable, git-lfs pointer, empty: a file without audio that can be read;
    - non-finite: NaN or infinite samples;
    - too short: shorter than `min_duration`;
    - too long: a file longer than `max_duration`;
    - silent: all samples are equal, or the loudest 25 ms are below -90 dB re full scale, one step of 16 bits;
    - truncated: at least 1 % of the length in the header is missing, or an Ogg stream has no end;
    - chained: an Ogg, FLAC or MP3 file that holds several streams one after the other;
    - missing label, missing group: None, NaN or another missing value in `target` or `groups`;
    - duplicate with another label, duplicate in another group: the same waveform as another item that has a
      different value in `target` or `groups`; all copies are listed, because any of them may be correct;
    - duplicate: the same waveform as another item of the same label and group; the first copy, or the first
      one with a label and a group, is not listed.

    These are warnings:

    - nearly silent: the loudest 25 ms are below `silence_db`;
    - mostly zeros: more than half of the samples are exactly zero;
    - out of range: samples beyond 2, which are not scaled to [-1, 1];
    - clipped: at least 0.1 % of the samples are at full scale;
    - channels differ: their difference from their mean, which is used, is above 1 % of their level;
    - odd sampling rate: a rate that differs from that of most recordings in the corpus;
    - similar label, similar group: a value that differs from one of as many or more items only in case or
      spaces, such as "Happy" and "happy", which are two classes, or "Ann" and "ann", which are two speakers.

    Waveforms are compared after mixing down to one channel and before resampling. Copies that were changed by
    lossy coding, scaling or cutting are not found.

    Examples
    --------
    >>> import numpy as np
    >>> from skser.datasets import audit
    >>> tone = 0.5 * np.sin(2 * np.pi * 220 * np.arange(8000) / 16000)
    >>> table = audit([tone, np.zeros(8000), tone], sr=16000)
    >>> table[["item", "problem", "severity"]].values.tolist()
    [[1, 'silent', 'error'], [2, 'duplicate', 'error']]
    """
    check_number("min_duration", min_duration, low=0)
    check_number("max_duration", max_duration, low=0, closed="neither", optional=True)
    check_number("silence_db", silence_db, high=0)
    check_flag("verbose", verbose)
    check_n_jobs(n_jobs)
    data, target, groups, rate = _take_apart(corpus, sr)
    settings = (rate, min_duration, max_duration, silence_db)
    examined = _examine_all(data, settings, n_jobs, verbose)
    findings = [(i, finding) for i, one in enumerate(examined) for finding in one.findings]
    findings += _find_odd_rates(examined)
    findings += [*_find_missing("label", target), *_find_missing("group", groups)]
    findings += [*_find_similar("label", target), *_find_similar("group", groups)]
    findings += _find_duplicates(examined, data, target, groups)
    return _make_table(findings, data)


def _take_apart(corpus: Any, sr: int | None) -> tuple[list[Any], Any, Any, int | None]:
    """Return the recordings, labels, groups and the sampling rate of waveforms."""
    entries = corpus if isinstance(corpus, Mapping) else {"data": corpus}
    items = _check_recordings(entries.get("data"))
    check_lengths(entries, len(items), ("target", "groups"))
    columns = {name: entries.get(name) for name in ("target", "groups")}
    target, groups = (
        None if values is None else labels_or_none(f"corpus.{name}", values)
        for name, values in columns.items()
    )
    rate = entries.get("sr") if sr is None else sr
    check_number("sr", rate, integer=True, low=1, optional=True)
    if rate is None and any(_is_waveform(item) for item in items):
        raise ValueError("corpus holds waveforms without a sampling rate: pass sr.")
    return items, target, groups, rate


def _check_recordings(data: Any) -> list[Any]:
    """Convert recordings to a list; raise for a single recording and for other objects."""
    if is_path(data) or isinstance(data, bytes) or not isinstance(data, Iterable) or hasattr(data, "columns"):
        raise TypeError(
            f"corpus must be the Bunch of a loader or a list of recordings, got {type(data).__name__}: load "
            "a folder with load_audio_files, put one path into a list, take one column of a DataFrame."
        )
    if getattr(data, "ndim", 2) == 1 and np.asarray(data).dtype.kind in "fiub":
        raise TypeError("corpus is a single waveform: wrap it in a list.")
    return list(data)


def _is_waveform(item: Any) -> bool:
    """Whether an item consists of samples, which need a sampling rate."""
    return isinstance(item, (list, tuple)) or (hasattr(item, "__array__") and not is_path(item))


def _examine_all(data: list[Any], settings: Any, n_jobs: int | None, verbose: bool) -> list[Examined]:
    """Examine every item in threads; reading, hashing and numpy release the interpreter lock."""
    from tqdm import tqdm

    calls = ((audio, *settings) for audio in data)
    with parallel_map(examine_recording, calls, n_jobs, "threads") as results:
        return list(tqdm(results, total=len(data), desc="audit", unit="recording", disable=not verbose))


def _find_odd_rates(examined: list[Examined]) -> Iterator[tuple[int, Finding]]:
    """Find recordings with an unusual sampling rate; of two equally frequent rates, the lower is unusual."""
    counts = Counter(one.sr for one in examined if one.sr is not None)
    usual = max(counts, key=lambda sr: (counts[sr], sr), default=0)
    for i, one in enumerate(examined):
        if one.sr not in (None, usual):
            others = f"{counts[usual]} of {counts.total()} recordings have {usual} Hz"
            yield i, Finding(_ODD_RATE, f"it has {one.sr} Hz, {others}.")


def _find_missing(noun: str, values: list[Any] | None) -> Iterator[tuple[int, Finding]]:
    """Find items without a label or without a group."""
    for i, value in enumerate(values or []):
        if value is None:
            yield i, Finding(f"missing {noun}", f"it has no {noun}.")


def _find_similar(noun: str, values: list[Any] | None) -> Iterator[tuple[int, Finding]]:
    """Find items whose text differs from that of as many or more items only in case or spaces."""
    texts = [value for value in values or [] if isinstance(value, str)]
    counts, similar = Counter(texts), find_similar(texts)
    for i, value in enumerate(values or []):
        if isinstance(value, str) and value in similar:
            other = similar[value]
            have = f"{counts[other]} of {counts.total()} items have {str(other)!r}"
            yield i, Finding(f"similar {noun}", f"its {noun} is {str(value)!r}, but {have}.")


def _find_duplicates(
    examined: list[Examined], data: list[Any], target: list[Any] | None, groups: list[Any] | None
) -> Iterator[tuple[int, Finding]]:
    """Find items with the same waveform."""
    copies = defaultdict(list)
    for i, one in enumerate(examined):
        if one.digest is not None:
            copies[one.digest].append(i)
    for items in copies.values():
        if _differ(items, target):
            yield from _contradictions(items, data, target or [], "label", "duplicate with another label")
        elif _differ(items, groups):
            yield from _contradictions(items, data, groups or [], "group", "duplicate in another group")
        else:
            # The copy to keep has a label and a group if one of them has.
            first, *later = sorted(items, key=lambda i: _n_missing(i, target, groups))
            detail = f"the same waveform as {_name(first, data)}."
            yield from ((i, Finding("duplicate", detail, first)) for i in later)


def _n_missing(item: int, *columns: list[Any] | None) -> int:
    """How many values an item lacks."""
    return sum(values is not None and values[item] is None for values in columns)


def _differ(items: list[int], values: list[Any] | None) -> bool:
    """Whether items have different values; missing ones are not counted."""
    return values is not None and len({values[i] for i in items} - {None}) > 1


def _contradictions(
    items: list[int], data: list[Any], values: list[Any], noun: str, problem: str
) -> Iterator[tuple[int, Finding]]:
    """Make findings for all copies of a waveform that have different labels or groups."""
    known = [i for i in items if values[i] is not None]
    for i in known:
        j = next(j for j in known if values[j] != values[i])
        detail = f"the same waveform as {_name(j, data)}, with {noun} {values[j]!r} instead of {values[i]!r}."
        yield i, Finding(problem, detail, j)


def _name(i: int, data: list[Any]) -> str:
    """Name of an item in a sentence."""
    path = path_or_none(data[i])
    return f"item {i}" if path is None else f"item {i} ({path})"


def path_or_none(audio: Any) -> str | None:
    """Path of a recording as text; None for a waveform."""
    return str(os.fspath(audio)) if is_path(audio) else None


def _make_table(findings: list[tuple[int, Finding]], data: list[Any]) -> pd.DataFrame:
    """Make the table of the findings, with the number of items, by which `drop` recognizes the corpus."""
    import pandas as pd

    order = list(SEVERITIES)
    rows = [
        (i, path_or_none(data[i]), problem, SEVERITIES[problem], detail, same_as)
        for i, (problem, detail, same_as) in sorted(findings, key=lambda f: (f[0], order.index(f[1].problem)))
    ]
    table = pd.DataFrame(rows, columns=list(COLUMNS), dtype=object)
    table = table.astype({"item": "int64", "same_as": "Int64"})
    table.attrs["n_items"] = len(data)
    return table
