"""What is wrong with the recordings of a corpus, as a table."""

from __future__ import annotations

import os
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from joblib import Parallel, delayed
from sklearn.utils import Bunch

from .._utils import check_flag, check_number, is_path
from ._examine import Examined, Finding, examine

if TYPE_CHECKING:
    import pandas as pd

SEVERITIES = {
    "missing": "error",
    "unreadable": "error",
    "git-lfs pointer": "error",
    "empty": "error",
    "non-finite": "error",
    "too short": "error",
    "too long": "error",
    "silent": "error",
    "truncated": "error",
    "duplicate with another label": "error",
    "duplicate in another group": "error",
    "duplicate": "error",
    "nearly silent": "warning",
    "mostly zeros": "warning",
    "out of range": "warning",
    "clipped": "warning",
    "channels differ": "warning",
    "odd sampling rate": "warning",
}
"""How bad each problem is, in the order in which those of one recording are listed."""


_CONTRADICTIONS = {"label": "duplicate with another label", "group": "duplicate in another group"}


class Row(NamedTuple):
    """A row of the table."""

    item: int
    path: str | None
    problem: str
    severity: str
    detail: str
    same_as: int | None


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
    """Read every recording of a corpus once and list what is wrong with which.

    A bad recording is a row of the table and never an error. Each is read, measured and let go, so that the
    corpus may be larger than memory.

    Parameters
    ----------
    corpus : Bunch or iterable
        What a loader returned: `data` holds paths or waveforms; `target` and `groups`, where there, are used
        to tell duplicates apart. Or paths or waveforms alone.
    sr : int or None, default=None
        Sampling rate of waveforms in Hz, at least 1. None means `corpus.sr`. Files tell their own.
    min_duration : float, default=0.032
        Shortest duration in seconds that can be used, 0 or more. The default is the window of
        :class:`skser.SpectrogramTransformer`.
    max_duration : float or None, default=600.0
        Longest duration in seconds of a file that can be used, above 0; longer ones are not decoded. The
        default is that of :class:`skser.SpectrogramTransformer`. None means any.
    silence_db : float, default=-60.0
        Level in dB re full scale below which a recording is nearly silent, at most 0. It is taken over the
        loudest 25 ms; the quietest speech of RAVDESS has -55 there.
    n_jobs : int or None, default=-1
        Threads that read the files; -1 means one a processor, None 1 or what a ``joblib.parallel_config``
        context says.
    verbose : bool, default=False
        Whether to show a progress bar.

    Returns
    -------
    pandas.DataFrame
        One row a finding, by item, then by problem; no rows where nothing is wrong. Its columns:

        item : int
            Position in `data`.
        path : str or None
            File; None for a waveform.
        problem : str
            One of the words below.
        severity : str
            "error" where the recording cannot be used, is not whole, is there a second time, or its label
            cannot be trusted, else "warning".
        detail : str
            A sentence with numbers.
        same_as : Int64
            For duplicates, position of the other copy; for other problems missing.

    Raises
    ------
    TypeError, ValueError
        If `corpus` is none, or a parameter has no meaning or lies outside its range.

    See Also
    --------
    drop : The corpus without them.

    Notes
    -----
    These are errors:

    - missing, unreadable, git-lfs pointer, empty: there is no audio;
    - non-finite: NaN or infinite samples;
    - too short: shorter than `min_duration`;
    - too long: a file longer than `max_duration`;
    - silent: all samples equal, or the loudest 25 ms below -90 dB re full scale, one step of 16 bits;
    - truncated: at least 1 % of what the header states is not there, or an Ogg stream has no end;
    - duplicate with another label, duplicate in another group: the same waveform as another item, but not the
      same in `target`, or in `groups`; each copy is listed, for it cannot be known which is right;
    - duplicate: the same waveform as another item, of the same label and group, so that it counts twice; the
      first copy is not listed.

    These are warnings:

    - nearly silent: the loudest 25 ms below `silence_db`;
    - mostly zeros: more than half of the samples are exactly zero;
    - out of range: samples beyond 2, so not scaled to [-1, 1];
    - clipped: 0.1 % of the samples or more at full scale;
    - channels differ: their distance from their mean, which stands for them, is above 1 % of their level;
    - odd sampling rate: not the one of most recordings of the corpus.

    Waveforms are compared after mixing down to one channel and before resampling. Copies that are coded with
    loss, or otherwise scaled or cut, are not found.

    Examples
    --------
    >>> import numpy as np
    >>> from skser.datasets import audit
    >>> tone = 0.5 * np.sin(2 * np.pi * 220 * np.arange(8000) / 16000)
    >>> table = audit([tone, np.zeros(8000), tone], sr=16000)
    >>> table[["item", "problem", "severity"]].values.tolist()
    [[1, 'silent', 'error'], [2, 'duplicate', 'error']]
    """
    _check_parameters(sr, min_duration, max_duration, silence_db, n_jobs, verbose)
    data, target, groups, rate = _parts(corpus, sr)
    examined = _examined(data, (rate, min_duration, max_duration, silence_db), n_jobs, verbose)
    found = [
        *((i, finding, None) for i, one in enumerate(examined) for finding in one.findings),
        *_odd_rates(examined),
        *_duplicates(examined, data, target, groups),
    ]
    order = list(SEVERITIES)
    rows = [
        Row(i, path_of(data[i]), finding.problem, SEVERITIES[finding.problem], finding.detail, other)
        for i, finding, other in sorted(found, key=lambda row: (row[0], order.index(row[1].problem)))
    ]
    return _table(rows, len(data))


def _check_parameters(
    sr: int | None,
    min_duration: float,
    max_duration: float | None,
    silence_db: float,
    n_jobs: int | None,
    verbose: bool,
) -> None:
    """Raise unless the parameters of `audit` are valid."""
    if sr is not None:
        check_number("sr", sr, integer=True, low=1)
    check_number("min_duration", min_duration, low=0)
    if max_duration is not None:
        check_number("max_duration", max_duration, low=0, closed="neither")
    check_number("silence_db", silence_db, high=0)
    check_flag("verbose", verbose)
    if n_jobs is not None:
        check_number("n_jobs", n_jobs, integer=True)
    if n_jobs == 0:
        raise ValueError("n_jobs must not be 0: give None, 1 or more, or -1 for one thread a processor.")


def _parts(corpus: Any, sr: int | None) -> tuple[list[Any], Any, Any, int | None]:
    """Recordings, labels, groups and the sampling rate of waveforms."""
    parts = corpus if isinstance(corpus, Mapping) else {"data": corpus}
    items = _items(parts.get("data"))
    rate = sr if sr is not None else parts.get("sr")
    if rate is None and any(_is_waveform(item) for item in items):
        raise ValueError("corpus holds waveforms but no sampling rate: pass sr.")
    target, groups = (_column(parts, name, len(items)) for name in ("target", "groups"))
    return items, target, groups, rate


def _items(data: Any) -> list[Any]:
    """Recordings as a list; raise for what is one recording or no list of them."""
    if is_path(data) or isinstance(data, bytes) or not isinstance(data, Iterable) or hasattr(data, "columns"):
        raise TypeError(
            f"corpus must be the Bunch of a loader or a list of recordings, got {type(data).__name__}: "
            "load a folder with load_audio_files, put a single path into a list, of a frame take the "
            "column of paths."
        )
    if getattr(data, "ndim", 2) == 1 and np.asarray(data).dtype.kind in "fiub":
        raise TypeError("corpus is a single waveform: wrap it in a list.")
    return list(data)


def _is_waveform(item: Any) -> bool:
    """Whether an item is meant as samples, for which a sampling rate is needed."""
    return isinstance(item, (list, tuple)) or (hasattr(item, "__array__") and not is_path(item))


def _column(parts: Mapping[str, Any], name: str, n: int) -> list[Any] | None:
    """Labels or groups of a corpus as a list; None where it has none."""
    values = parts.get(name)
    if values is None:
        return None
    column = np.asarray(values).tolist()
    if len(column) != n:
        raise ValueError(f"corpus.{name} has {len(column)} entries but corpus.data has {n}: one an item.")
    return column


def _examined(
    data: list[Any], settings: tuple[Any, ...], n_jobs: int | None, verbose: bool
) -> list[Examined]:
    """Examine every item; reading, hashing and numpy let other threads run."""
    tasks = (delayed(examine)(audio, *settings) for audio in data)
    # Not every back end of joblib can hand results over one by one; only the bar needs it.
    results = Parallel(n_jobs=n_jobs, prefer="threads", return_as="generator" if verbose else "list")(tasks)
    if not verbose:
        return list(results)
    from tqdm import tqdm

    return list(tqdm(results, total=len(data), desc="audit", unit="recording"))


def _odd_rates(examined: list[Examined]) -> Iterator[tuple[int, Finding, None]]:
    """Recordings of another sampling rate than most; of rates equally frequent, the highest is the usual."""
    counts = Counter(one.sr for one in examined if one.sr is not None)
    if not counts:
        return
    usual = max(counts, key=lambda sr: (counts[sr], sr))
    for i, one in enumerate(examined):
        if one.sr not in (None, usual):
            told = f"it has {one.sr} Hz, {counts[usual]} of {counts.total()} recordings have {usual} Hz."
            yield i, Finding("odd sampling rate", told), None


def _duplicates(
    examined: list[Examined], data: list[Any], target: list[Any] | None, groups: list[Any] | None
) -> Iterator[tuple[int, Finding, int]]:
    """Items of the same waveform: all copies where they contradict one another, else the later ones."""
    families = defaultdict(list)
    for i, one in enumerate(examined):
        if one.digest is not None:
            families[one.digest].append(i)
    for family in families.values():
        yield from _copies(family, data, {"label": target, "group": groups})


def _copies(
    family: list[int], data: list[Any], columns: dict[str, list[Any] | None]
) -> Iterator[tuple[int, Finding, int]]:
    """Findings on the items of one waveform."""
    for what, problem in _CONTRADICTIONS.items():
        values = columns[what]
        if values is not None and len({values[i] for i in family}) > 1:
            for i in family:
                j = next(j for j in family if values[j] != values[i])
                told = (
                    f"the same waveform as {_name(j, data)}, of {what} {values[j]!r} and not {values[i]!r}."
                )
                yield i, Finding(problem, told), j
            return
    first, *later = family
    for i in later:
        yield i, Finding("duplicate", f"the same waveform as {_name(first, data)}."), first


def _name(i: int, data: list[Any]) -> str:
    """Name of an item in a sentence."""
    path = path_of(data[i])
    return f"item {i}" if path is None else f"item {i} ({path})"


def path_of(audio: Any) -> str | None:
    """Path of a recording as text; None for a waveform."""
    return str(os.fspath(audio)) if is_path(audio) else None


def _table(rows: list[Row], n_items: int) -> pd.DataFrame:
    """Rows as a table that knows how many items were looked at."""
    import pandas as pd

    table = pd.DataFrame(rows, columns=list(Row._fields), dtype=object)
    table = table.astype({"item": "int64", "same_as": "Int64"})
    table.attrs["n_items"] = n_items
    return table
