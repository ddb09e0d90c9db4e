"""Speakers of audio files, from a pattern or from a table."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Mapping
from pathlib import PurePosixPath
from typing import Any

from ._tables import is_missing, read_rows

COLUMNS = ("file", "speaker")
"""Columns that a table of speakers must have."""


def speaker_finder(speaker: Any) -> Callable[[str], str | None]:
    """Make the function that names the speaker of a file."""
    if isinstance(speaker, re.Pattern) or (isinstance(speaker, str) and not speaker.lower().endswith(".csv")):
        return _from_pattern(speaker)
    if isinstance(speaker, (str, os.PathLike)):
        return _from_table(_read_table(speaker), f"the speaker table {os.fspath(speaker)!r}")
    if isinstance(speaker, Mapping):
        return _from_table(speaker.items(), "the speaker table")
    if hasattr(speaker, "columns"):
        _check_columns(speaker.columns, "the speaker table")
        return _from_table(zip(speaker["file"], speaker["speaker"], strict=True), "the speaker table")
    raise TypeError(
        "speaker must be a regular expression, a dict, a DataFrame, the path of a CSV file or None, "
        f"got {type(speaker).__name__}."
    )


def _from_pattern(pattern: str | re.Pattern[str]) -> Callable[[str], str | None]:
    """Speaker as the group of an expression that is searched in the path."""
    try:
        compiled = re.compile(pattern)
    except re.error as error:
        raise ValueError(f"speaker={pattern!r} is no regular expression: {error}.") from error
    if not isinstance(compiled.pattern, str):
        raise TypeError(f"speaker={pattern!r} must be an expression of str, not bytes: drop the b before it.")
    group = "speaker" if "speaker" in compiled.groupindex else 1
    if group == 1 and compiled.groups != 1:
        raise ValueError(
            f"speaker={compiled.pattern!r} has {compiled.groups} groups: put parentheses around the "
            "speaker alone, or name its group, (?P<speaker>...)."
        )

    def find(file: str) -> str | None:
        match = compiled.search(file)
        return (match[group] or None) if match else None

    return find


def _from_table(rows: Iterable[tuple[Any, Any]], name: str) -> Callable[[str], str | None]:
    """Speaker of the path, or else of the file name, in a table."""
    table: dict[str, str] = {}
    for file, speaker in rows:
        key = str(PurePosixPath(os.fspath(file).replace("\\", "/")))
        if is_missing(speaker):
            continue
        if table.setdefault(key, str(speaker)) != str(speaker):
            raise ValueError(
                f"{name} gives {key!r} two speakers, {table[key]!r} and {speaker!r}: keep one of the rows."
            )

    def find(file: str) -> str | None:
        return table.get(file, table.get(PurePosixPath(file).name))

    return find


def _read_table(path: str | os.PathLike[str]) -> list[tuple[Any, Any]]:
    """Rows of a CSV file."""
    name = f"the speaker table {os.fspath(path)!r}"
    columns, rows = read_rows(path, name, "give a CSV file with the columns file and speaker")
    _check_columns(columns, name)
    return [(row["file"], row["speaker"]) for row in rows]


def _check_columns(columns: Iterable[Any], name: str) -> None:
    """Raise unless a table has the columns that are needed."""
    found = [str(column) for column in columns]
    missing = [column for column in COLUMNS if column not in found]
    if missing:
        raise ValueError(
            f"{name} lacks the column {' and the column '.join(missing)}: name its columns file and speaker, "
            f"got {', '.join(found) or 'none'}."
        )
