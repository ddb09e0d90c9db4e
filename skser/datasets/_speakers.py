"""Speakers of audio files, from a pattern or from a table."""

from __future__ import annotations

import os
import re
import unicodedata
from collections.abc import Callable, Iterable, Mapping
from pathlib import PurePosixPath
from typing import Any

from .._utils import is_path
from ._tables import check_unique, is_missing, read_table, strip_whitespace

_TABLES = (".csv", ".tsv")


def make_speaker_finder(speaker: Any) -> Callable[[str], str | None]:
    """Make a function that finds the speaker of a file by its path."""
    if isinstance(speaker, re.Pattern) or (
        isinstance(speaker, str) and not speaker.lower().endswith(_TABLES)
    ):
        return _search_pattern(speaker)
    name = "The speaker table"
    if is_path(speaker):
        name = f"The speaker table {os.fspath(speaker)!r}"
        speaker = read_table(speaker, name, "give a CSV file with the columns file and speaker")
    if isinstance(speaker, Mapping):
        return _look_up(speaker.items(), name)
    if not hasattr(speaker, "columns"):
        sources = "a regular expression, a dict, a DataFrame, the path of a CSV file or None"
        raise TypeError(f"speaker must be {sources}, got {type(speaker).__name__}.")
    missing = [column for column in ("file", "speaker") if column not in speaker.columns]
    if missing:
        found = ", ".join(map(str, speaker.columns)) or "none"
        lacking = f"the column {' and the column '.join(missing)}"
        raise ValueError(f"{name} lacks {lacking}: name its columns file and speaker, got {found}.")
    check_unique(name, speaker.columns)
    return _look_up(zip(speaker["file"], strip_whitespace(name, speaker["speaker"]), strict=True), name)


def compose(file: str) -> str:
    """Write each letter with its accent as one character; names from macOS have two."""
    return unicodedata.normalize("NFC", file)


def _search_pattern(pattern: str | re.Pattern[str]) -> Callable[[str], str | None]:
    """Make a function that searches the path with a regular expression."""
    try:
        compiled = re.compile(compose(pattern) if isinstance(pattern, str) else pattern)
    except (re.error, OverflowError) as error:  # a count can be too large
        raise ValueError(f"speaker={pattern!r} is not a regular expression: {error}.") from error
    if not isinstance(compiled.pattern, str):
        raise TypeError(f"speaker={pattern!r} must be an expression of str, not bytes: remove the prefix b.")
    group = "speaker" if "speaker" in compiled.groupindex else 1
    if group == 1 and compiled.groups != 1:
        cure = (
            "put parentheses only around the speaker, or name its group, (?P<speaker>...); for a table, give "
            "a path that ends in .csv"
        )
        raise ValueError(f"speaker={compiled.pattern!r} has {compiled.groups} groups: {cure}.")

    def find(file: str) -> str | None:
        match = compiled.search(file)
        return (match[group] or None) if match else None

    return find


def _look_up(rows: Iterable[tuple[Any, Any]], name: str) -> Callable[[str], str | None]:
    """Make a function that looks up the path, or otherwise the file name, in a table."""
    table: dict[str, str] = {}
    for file, speaker in rows:
        if not is_path(file):
            raise TypeError(
                f"{name} has {file!r} of type {type(file).__name__} as a file: give its path as text."
            )
        key = compose(str(PurePosixPath(os.fspath(file).replace("\\", "/"))))
        if not is_missing(speaker) and table.setdefault(key, compose(str(speaker))) != compose(str(speaker)):
            speakers = f"{table[key]!r} and {speaker!r}"
            raise ValueError(f"{name} lists two speakers for {key!r}, {speakers}: keep one of the rows.")
    return lambda file: table.get(file, table.get(PurePosixPath(file).name))
