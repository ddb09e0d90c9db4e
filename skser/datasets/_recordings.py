"""Recordings whose names say what they are: each found once, and counted against what was published."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from operator import attrgetter
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

from sklearn.utils import Bunch

from .._utils import check_choice, check_number, counted, listed, warn_caller
from ._bunch import as_bunch
from ._folders import check_folder, files_below, is_audio, without_pointers

EXTENSIONS = (".wav", ".flac")
_MOST = 12  # deviations of one table that a warning spells out


def _nobody(folder: str) -> None:
    """Speaker that a folder's name tells where it tells none."""


class Corpus(NamedTuple):
    """How the recordings of a corpus are named, and how many of them were published."""

    name: str
    hint: str  # what the root holds, for the message where nothing is found
    text: str  # for DESCR
    decode: Callable[[Path], Any]  # to a NamedTuple that begins with `path`; None for an odd name
    speaker: str = "speaker"  # name of the column
    published: Mapping[str, Mapping[Any, int]] = MappingProxyType({})  # recordings of each value of a column
    speaker_of_folder: Callable[[str], Any] = _nobody


def load_named(corpus: Corpus, root: str | os.PathLike[str], wanted: dict[str, set[Any]]) -> Bunch:
    """Find a corpus whose labels stand in the names of its files."""
    folder = check_folder(root)
    rows = find_recordings(folder, audio_below(folder), corpus)
    if not rows:
        raise ValueError(
            f"No {corpus.name} recordings in {str(folder)!r}: give the folder that holds {corpus.hint}."
        )
    warn_of_counts(folder, corpus.name, rows, corpus.published)
    taken = passing(folder, corpus.name, rows, wanted)
    text = f"{corpus.text}\n\nRecordings filtered out: {len(rows) - len(taken)}"
    return rows_as_bunch(taken, label="emotion", speaker=corpus.speaker, text=text)


def chosen(parameter: str, values: Iterable[Any] | None, choices: Collection[Any]) -> set[Any]:
    """Values that a filter lets pass, each checked; all of `choices` for None."""
    if values is None:
        return set(choices)
    if isinstance(values, str) or not isinstance(values, Iterable):
        raise TypeError(f"{parameter} must be a list or None, got {values!r}: write [{values!r}].")
    each, found = f"each of {parameter}", list(values)
    for value in found:
        if isinstance(next(iter(choices)), str):
            check_choice(each, value, choices)
        else:
            check_number(each, value, integer=True, low=min(choices), high=max(choices))
    return set(found)


def audio_below(folder: Path) -> list[Path]:
    """Audio files below a folder in order; git-lfs pointers are named and left out."""
    return without_pointers(folder, sorted(p for p in files_below(folder) if is_audio(p, EXTENSIONS)))


def nearest(paths: Iterable[Path], key: Callable[[Path], Any]) -> tuple[dict[Any, Path], int]:
    """One path for each key, the one with fewest folders above it, and how many more there are."""
    once: dict[Any, Path] = {}
    ordered = sorted(paths, key=lambda path: len(path.parts))
    for path in ordered:
        once.setdefault(key(path), path)
    return once, len(ordered) - len(once)


def find_recordings(folder: Path, paths: list[Path], corpus: Corpus) -> list[Any]:
    """Decode the names of files, each recording once, by speaker and name; warn of what is odd."""
    rows = {path: corpus.decode(path) for path in paths}
    once, n_again = nearest((path for path in paths if rows[path]), lambda path: rows[path][1:])
    warn_of_copies(folder, n_again)
    odd = [str(path.relative_to(folder)) for path in paths if not rows[path]]
    if odd:
        files = counted(len(odd), "audio file")
        warn_caller(f"Left out {files} in {str(folder)!r} not named as in {corpus.name}: {listed(odd)}.")
    found = {path: rows[path] for path in sorted(once.values())}
    _warn_of_astray(folder, found, corpus)
    speaker = attrgetter(corpus.speaker)
    return [found[path] for path in sorted(found, key=lambda path: (speaker(found[path]), path.stem))]


def _warn_of_astray(folder: Path, found: dict[Path, Any], corpus: Corpus) -> None:
    """Warn of recordings in the folder of another speaker."""
    speaker = attrgetter(corpus.speaker)
    astray = [
        str(path.relative_to(folder))
        for path, row in found.items()
        if corpus.speaker_of_folder(path.absolute().parent.name) not in (None, speaker(row))
    ]
    if astray:
        files = counted(len(astray), "recording")
        warn_caller(
            f"{files} in {str(folder)!r} in the folder of another {corpus.speaker} than the name says "
            f"(the name is believed): {listed(astray)}."
        )


def warn_of_copies(folder: Path, n_again: int, what: str = "recordings") -> None:
    """Warn where names are there more than once."""
    if n_again:
        copies = counted(n_again, "further copy", "further copies")
        warn_caller(
            f"Left out {copies} of {what} in {str(folder)!r}: each name is taken once, nearest to this "
            "folder."
        )


def warn_of_counts(
    folder: Path, corpus: str, rows: Sequence[Any], published: Mapping[str, Mapping[Any, int]]
) -> None:
    """Warn where recordings are missing, or too many, by the published counts."""
    # The keys of `published` are names of columns, several with a space between them; its values count the
    # recordings of each value of the column, or of each tuple of values.
    deviations = [
        text for columns, counts in published.items() if (text := _deviations(columns, counts, rows))
    ]
    if deviations:
        expected = sum(next(iter(published.values())).values())
        warn_caller(
            f"{corpus} in {str(folder)!r} is not as published, {len(rows):,} of {expected:,} recordings: "
            f"{'; '.join(deviations)}. Complete the copy before comparing with published figures."
        )


def _deviations(columns: str, counts: Mapping[Any, int], rows: Sequence[Any]) -> str:
    """Values of columns that occur more or less often than published, as one text."""
    names = columns.split()
    found = Counter(map(attrgetter(*names), rows))
    wrong = [
        f"{' '.join(map(str, value)) if len(names) > 1 else value} {found[value]} of {n}"
        for value, n in counts.items()
        if found[value] != n
    ]
    return f"by {' and '.join(names)} {listed(wrong, _MOST)}" if wrong else ""


def passing(folder: Path, corpus: str, rows: Sequence[Any], wanted: dict[str, set[Any]]) -> list[Any]:
    """Rows that pass every filter; an error where none does."""
    taken = [row for row in rows if all(getattr(row, name) in values for name, values in wanted.items())]
    if not taken:
        *names, last = wanted
        raise ValueError(
            f"None of the {counted(len(rows), f'{corpus} recording')} in {str(folder)!r} passes the filters: "
            f"widen those of {', '.join(names)} or {last}."
        )
    return taken


def rows_as_bunch(rows: Sequence[Any], **more: Any) -> Bunch:
    """Gather rows whose first field is the path; the rest is as in `as_bunch`."""
    fields = dict(zip(rows[0]._fields, map(list, zip(*rows, strict=True)), strict=True))
    return as_bunch(fields["path"], fields, **more)
