"""Loader of one's own recordings from a table."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.utils import Bunch

from .._utils import counted, listed
from ._bunch import as_bunch
from ._folders import check_folder, is_pointer
from ._tables import capitalized, is_missing, read_rows

if TYPE_CHECKING:
    import pandas as pd


def load_manifest(
    table: str | os.PathLike[str] | pd.DataFrame,
    *,
    path: str = "path",
    label: str = "label",
    speaker: str | None = "speaker",
    root: str | os.PathLike[str] | None = None,
) -> Bunch:
    r"""Load recordings that a table lists, one a row.

    The files are named, not read.

    Parameters
    ----------
    table : str, PathLike or pandas.DataFrame
        The table, or the path of a CSV file with a header, in UTF-8, with commas.
    path : str, default="path"
        Column of the files. Paths that are not absolute start at `root`.
    label : str, default="label"
        Column of the labels. Those of a DataFrame keep their type, those of a CSV file are text.
    speaker : str or None, default="speaker"
        Column of the speakers, or of whatever cross-validation should keep apart. None where they are not
        known.
    root : str or PathLike, default=None
        Folder that paths start at; None is the folder of the CSV file, or the current one for a DataFrame.

    Returns
    -------
    Bunch
        With these entries, in the order of the table:

        data : list of str
            Paths.
        target : ndarray of shape (n_samples,)
            Labels.
        groups : ndarray of shape (n_samples,) or None
            Speakers; None without `speaker`.
        frame : pandas.DataFrame
            All columns of the table, the paths as in data. Further columns of a CSV file are numbers where
            each of their fields is one or empty, and text otherwise.
        target_names : list
            Labels that occur, sorted.
        DESCR : str
            What the corpus is, and counts.

    Raises
    ------
    FileNotFoundError
        If there is no such CSV file, no such `root`, or if files that the table lists do not exist.
    TypeError, ValueError
        If a parameter has no meaning; if the table is empty, or lacks a column; if a path, a label or a
        speaker is missing; if a file is listed twice or is a git-lfs pointer.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from skser.datasets import load_manifest
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     for name in ["one.wav", "two.wav"]:
    ...         Path(folder, name).touch()
    ...     table = Path(folder, "table.csv")
    ...     _ = table.write_text("path,label,speaker\none.wav,happy,anna\ntwo.wav,sad,ben\n")
    ...     corpus = load_manifest(table)
    >>> corpus.target.tolist(), corpus.groups.tolist()
    (['happy', 'sad'], ['anna', 'ben'])
    """
    columns = {"path": path, "label": label} | ({} if speaker is None else {"speaker": speaker})
    for parameter, column in columns.items():
        if not isinstance(column, str):
            raise TypeError(
                f"{parameter} must be the name of a column, got {column!r} of type {type(column).__name__}."
            )
    name, frame, folder = _table(table, columns, root)
    for column in columns.values():
        _check_column(name, frame, column)
    paths = _paths(name, frame[path], folder)
    fields = {str(column): frame[column].tolist() for column in frame.columns}
    fields[path] = [str(file) for file in paths]
    return as_bunch(fields[path], fields, label=label, speaker=speaker, text=_text(name, columns))


def columns_of(path: str | os.PathLike[str]) -> list[str]:
    """Header of a CSV file."""
    file = Path(path).expanduser()
    return read_rows(file, *_named(file))[0]


def _named(path: str | os.PathLike[str]) -> tuple[str, str]:
    """What messages call the table of a CSV file, and what they ask for where there is none."""
    return f"the table {os.fspath(path)!r}", "give a CSV file with a row a recording, or a pandas.DataFrame"


def _table(
    table: Any, columns: dict[str, str], root: str | os.PathLike[str] | None
) -> tuple[str, pd.DataFrame, Path]:
    """Name of the table for messages, its content, and the folder that its paths start at."""
    import pandas as pd

    if isinstance(table, pd.DataFrame):
        _check_columns("the table", list(table.columns), columns)
        return "the table", table, check_folder("." if root is None else root)
    if not isinstance(table, (str, os.PathLike)):
        raise TypeError(
            f"table must be the path of a CSV file or a pandas.DataFrame, got {type(table).__name__}."
        )
    file = Path(table).expanduser()
    name, cure = _named(file)
    header, rows = read_rows(file, name, cure)
    _check_columns(name, header, columns)
    frame = pd.DataFrame(rows, columns=header)
    for column in set(header) - set(columns.values()):
        frame[column] = _numbers_if_all_are(frame[column])
    return name, frame, check_folder(file.parent if root is None else root)


def _numbers_if_all_are(texts: pd.Series) -> pd.Series:
    """Column of a CSV file as numbers, unless a field is none."""
    import pandas as pd

    filled = texts.map(lambda text: None if is_missing(text) else text)
    try:
        return texts if filled.isna().all() else pd.to_numeric(filled)
    except (ValueError, TypeError):
        return texts


def _check_columns(name: str, found: list[Any], columns: dict[str, str]) -> None:
    """Raise unless each column that is asked for is there, once."""
    missing = {parameter: column for parameter, column in columns.items() if column not in found}
    if missing:
        lacking = ", ".join(repr(column) for column in missing.values())
        cure, plural = ", ".join(f"{parameter}=" for parameter in missing), "s" * (len(missing) > 1)
        unknown = ", or pass speaker=None if the speakers are not known" if "speaker" in missing else ""
        raise ValueError(
            f"{capitalized(name)} lacks the column{plural} {lacking}, it has "
            f"{', '.join(map(repr, found)) or 'none'}: name the right one with {cure}{unknown}."
        )
    twice = [column for column, n in Counter(found).items() if n > 1]
    if twice:
        raise ValueError(f"{capitalized(name)} has two columns {twice[0]!r}: rename or drop one of them.")


def _check_column(name: str, frame: pd.DataFrame, column: str) -> None:
    """Raise unless the table has rows, and one value of the column in each."""
    if frame.empty:
        raise ValueError(f"{capitalized(name)} has no rows: list a recording in each.")
    empty = [str(i) for i, value in enumerate(frame[column], 1) if is_missing(value)]
    if empty:
        rows = counted(len(empty), "row")
        raise ValueError(
            f"{capitalized(name)} has nothing in the column {column!r} in {rows} of "
            f"{len(frame)} (row {listed(empty)}, counted from 1 below the header): fill them in or drop them."
        )
    for i, value in enumerate(frame[column], 1):
        if np.ndim(value):
            raise TypeError(
                f"Row {i} of {name} has {value!r} in the column {column!r}: give one value a row."
            )


def _paths(name: str, column: pd.Series, folder: Path) -> list[Path]:
    """Files of the table; an error names those that are listed twice, are not there, or hold no audio."""
    for i, value in enumerate(column, 1):
        if not isinstance(value, (str, os.PathLike)):
            raise TypeError(
                f"Row {i} of {name} has {value!r} of type {type(value).__name__} in place of a path."
            )
    paths = [_found(folder, os.fspath(value)) for value in column]
    times = Counter(os.path.normpath(path) for path in paths)
    again = [path for path, n in times.items() if n > 1]
    if again:
        raise ValueError(
            f"{capitalized(name)} lists {counted(len(again), 'file')} more than once: {listed(again)}; "
            "keep one row of each, or a recording would be in training and test."
        )
    _check_each(
        paths,
        lambda path: not path.is_file(),
        FileNotFoundError,
        f"of {name} do not exist",
        f"paths start at {str(folder)!r}, pass root= for another folder",
    )
    _check_each(
        paths,
        is_pointer,
        ValueError,
        f"of {name} are git-lfs pointers, texts that stand for the content",
        "run `git lfs pull` in the clone that they come from",
    )
    return paths


def _found(folder: Path, text: str) -> Path:
    r"""Path of a file, also where the table comes from Windows and holds \ for /."""
    path = folder / (Path(text).expanduser() if text.startswith("~/") else text)
    if "\\" in text and not path.is_file():
        return folder / text.replace("\\", "/")
    return path


def _check_each(
    paths: list[Path], is_bad: Callable[[Path], bool], error: type[Exception], trouble: str, cure: str
) -> None:
    """Raise where files are of no use, and name the first few."""
    bad = [str(path) for path in paths if is_bad(path)]
    if bad:
        raise error(f"{len(bad)} of {counted(len(paths), 'file')} {trouble}: {listed(bad)}; {cure}.")


def _text(name: str, columns: dict[str, str]) -> str:
    """Description of the corpus."""
    lines = [
        f"Recordings of {name}.",
        f"data: paths; target: column {columns['label']!r}; frame: the table.",
        "Licence and citation: those of whoever recorded them.",
    ]
    if "speaker" in columns:
        lines.insert(2, f"groups: column {columns['speaker']!r}.")
    else:
        lines.append(
            "groups is None, for the speakers are not known: pass speaker= to keep them apart in "
            "cross-validation."
        )
    return "\n".join(lines)
