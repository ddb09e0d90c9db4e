"""Loading of corpora whose file names contain the labels."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

from sklearn.utils import Bunch

from .._utils import counted, listed, make_frame, warn_caller
from ._bunch import make_bunch
from ._filters import check_filter
from ._folders import check_folder, drop_pointers, find_files, is_audio, report_unreadable, warn_left_out

if TYPE_CHECKING:
    import pandas as pd

EXTENSIONS = (".wav", ".flac")
Filters = Mapping[str, set[Any]]  # column to the values that pass
# Name of a column, or names of several columns separated by spaces, to the number of recordings per value.
Counts = Mapping[str, Mapping[Any, int]]
_MOST_DEVIATIONS = 12  # per table, in a warning


class Corpus(NamedTuple):
    """The naming scheme of a corpus, and the number of published recordings."""

    name: str
    hint: str  # content of the root folder, for the error if nothing is found
    text: str  # for DESCR
    decode: Callable[[Path], dict[str, Any] | None]  # columns of a file; None if its name is unknown
    # Values of each column with a filter, whose parameter is the plural of the column.
    choices: Mapping[str, Collection[Any]]
    speaker: str = "speaker"  # column of the groups
    published: Counts = MappingProxyType({})
    speaker_of_folder: Callable[[str], Any] = lambda folder: None


def load_named_recordings(
    corpus: Corpus, root: str | os.PathLike[str], **wanted: Iterable[Any] | None
) -> Bunch:
    """Load the recordings of a corpus whose columns have the wanted values."""
    filters = {name: check_filter(f"{name}s", wanted[name], corpus.choices[name]) for name in wanted}
    folder = check_folder(root)
    frame = find_recordings(folder, find_audio(folder), corpus)
    if frame.empty:
        where = f"in {str(folder)!r}"
        raise ValueError(f"No {corpus.name} recordings {where}: give the folder that holds {corpus.hint}.")
    warn_of_counts(folder, corpus.name, frame, corpus.published)
    kept = filter_rows(folder, corpus.name, frame, filters)
    text = f"{corpus.text}\n\nRecordings filtered out: {len(frame) - len(kept)}"
    return bunch_of_paths(kept, speaker=corpus.speaker, text=text)


def find_audio(folder: Path) -> list[Path]:
    """Find the audio files in a folder, sorted, without git-lfs pointers."""
    files = list(find_files(folder))
    paths = sorted(path for path in files if is_audio(path, EXTENSIONS))
    if not paths:
        report_unreadable(folder, files, are_all=True)
    return drop_pointers(folder, paths)


def find_recordings(folder: Path, paths: list[Path], corpus: Corpus) -> pd.DataFrame:
    """Make a frame of the recordings, sorted by speaker and name, without copies and unknown names."""
    rows = {path: corpus.decode(path) for path in paths}
    unknown = [path.relative_to(folder) for path, row in rows.items() if row is None]
    warn_left_out(folder, unknown, "audio file", f"not named as in {corpus.name}")
    named = {path: row for path, row in rows.items() if row is not None}
    kept = drop_copies(folder, named, lambda path: tuple(named[path].values())).values()
    _warn_of_folders(folder, {path: named[path][corpus.speaker] for path in sorted(kept)}, corpus)
    ordered = sorted(kept, key=lambda path: (named[path][corpus.speaker], path.stem))
    return make_frame([{"path": str(path), **named[path]} for path in ordered])


def drop_copies(
    folder: Path, paths: Iterable[Path], key: Callable[[Path], Any], noun: str = "recording"
) -> dict[Any, Path]:
    """Keep one path per key, the one with the fewest parent folders; warn about the others."""
    kept: dict[Any, Path] = {}
    duplicates = []
    for path in sorted(paths, key=lambda path: len(path.parts)):
        if kept.setdefault(key(path), path) != path:
            duplicates.append(path.relative_to(folder))
    warn_left_out(
        folder, duplicates, f"duplicate {noun}", "with more parent folders or a later name than the copy used"
    )
    return kept


def _warn_of_folders(folder: Path, speakers: Mapping[Path, Any], corpus: Corpus) -> None:
    """Warn about recordings in the folder of another speaker."""
    owners = {path: corpus.speaker_of_folder(path.absolute().parent.name) for path in speakers}
    misplaced = [path.relative_to(folder) for path in owners if owners[path] not in (None, speakers[path])]
    if misplaced:
        where = f"{counted(len(misplaced), 'recording')} in {str(folder)!r}"
        reason = f"not in the folder of the {corpus.speaker} in the file name, which is used"
        warn_caller(f"{where} {reason}: {listed(misplaced)}.")


def warn_of_counts(folder: Path, name: str, frame: pd.DataFrame, published: Counts) -> None:
    """Warn if a corpus has fewer or more recordings than published."""
    texts = [_describe_deviations(columns, counts, frame) for columns, counts in published.items()]
    deviations = [text for text in texts if text]
    if deviations:
        expected = sum(next(iter(published.values())).values())
        warn_caller(
            f"{name} in {str(folder)!r} is not as published, {len(frame):,} of {expected:,} recordings "
            f"({'; '.join(deviations)}): complete the copy before comparing with published figures."
        )


def _describe_deviations(columns: str, published: Mapping[Any, int], frame: pd.DataFrame) -> str:
    """Describe the values of columns that occur more or less often than published."""
    names = columns.split()
    found = Counter(frame[columns] if len(names) == 1 else zip(*(frame[name] for name in names), strict=True))
    wrong = [
        f"{' '.join(map(str, value)) if len(names) > 1 else value} has {found[value]} of {n}"
        for value, n in published.items()
        if found[value] != n
    ]
    return f"by {' and '.join(names)}: {listed(wrong, _MOST_DEVIATIONS)}" if wrong else ""


def filter_rows(folder: Path, name: str, frame: pd.DataFrame, filters: Filters) -> pd.DataFrame:
    """Select the rows that pass every filter; raise if all are filtered out."""
    kept = frame[frame[list(filters)].isin(filters).all(axis=1)]
    if kept.empty:
        recordings = f"{counted(len(frame), f'{name} recording')} in {str(folder)!r}"
        raise ValueError(f"None of the {recordings} passes the filters for {', '.join(filters)}: widen them.")
    return kept.reset_index(drop=True)


def bunch_of_paths(frame: pd.DataFrame, **entries: Any) -> Bunch:
    """Make a corpus from a frame with the columns path and emotion."""
    return make_bunch(frame["path"].tolist(), frame, label="emotion", **entries)
