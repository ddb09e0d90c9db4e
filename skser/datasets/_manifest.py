"""Loader of recordings listed in a table."""

from __future__ import annotations

import os
import unicodedata
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.utils import Bunch

from .._utils import counted, is_path, listed
from ._bunch import LICENSE, UNKNOWN_SPEAKERS, make_bunch
from ._folders import POINTER_CURE, check_folder, is_pointer
from ._tables import check_unique, is_missing, read_table, strip_whitespace

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
    r"""Load the recordings in a table, one per row.

    No audio is read.

    Parameters
    ----------
    table : str, PathLike or DataFrame
        The table, of pandas, polars or PyArrow, or the path of a CSV file with a header, in UTF-8, separated
        by commas, tabs or semicolons. Blank rows and columns of a CSV file are ignored, and so is whitespace
        around the names of its columns.
    path : str, default="path"
        Name of the column with the files. Relative paths start at `root`. Accents may be composed or not,
        and whitespace around a path is removed if no file has such a name.
    label : str, default="label"
        Name of the column with the labels. Labels in a DataFrame keep their type; labels in a CSV file are
        text. Whitespace around labels and speakers is removed.
    speaker : str or None, default="speaker"
        Name of the column with the speakers, or with other groups for cross-validation. None means unknown
        speakers.
    root : str or PathLike, default=None
        Folder at which relative paths start. None means the folder of the CSV file, or the current folder for
        a DataFrame.

    Returns
    -------
    Bunch
        In the order of the table. `data` (list of str) are the paths, `target` (ndarray) the labels,
        `groups` (ndarray) the speakers, or None without `speaker`. `frame` (pandas.DataFrame) has all
        columns of the table, with the paths as in `data`; other columns of a CSV file become numbers if
        every field is a number or empty. `target_names` are the labels that occur, sorted; `DESCR` has the
        counts.

    Raises
    ------
    FileNotFoundError
        If the CSV file, `root`, or files in the table do not exist.
    TypeError, ValueError
        If a parameter is invalid; if the table is empty or lacks a column; if a path, a label or a speaker
        is missing; if labels or speakers are of several kinds, such as text and integers; if a file is
        listed twice or is a git-lfs pointer.

    Warns
    -----
    UserWarning
        If there is whitespace around labels or speakers.

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
            kind = type(column).__name__
            raise TypeError(f"{parameter} must be the name of a column, got {column!r} of type {kind}.")
    name, frame, folder = _read(table, columns, root)
    if frame.empty:
        raise ValueError(f"{name} has no rows: list one recording per row.")
    for column in columns.values():
        _check_values(name, frame[column])
    paths = _find_files(name, frame[path], folder)
    fields = {str(column): frame[column].tolist() for column in frame.columns}
    for column in (label, *([] if speaker is None else [speaker])):
        fields[column] = strip_whitespace(name, frame[column])
    fields[path] = [str(file) for file in paths]
    groups = "" if speaker is None else f"groups: column {speaker!r}.\n"
    text = (
        f"{name} of recordings, one per row.\n"
        f"data: paths; target: column {label!r}; frame: the table.\n"
        f"{groups}{UNKNOWN_SPEAKERS if speaker is None else LICENSE}"
    )
    return make_bunch(fields[path], fields, label=label, speaker=speaker, text=text)


def read_header(path: str | os.PathLike[str]) -> list[str]:
    """Read the names of the columns of a CSV file."""
    return _read_csv(path)[1].columns.tolist()


def _read_csv(path: str | os.PathLike[str]) -> tuple[str, pd.DataFrame]:
    """Return the name of a CSV file for messages, and its content."""
    name = f"The table {os.fspath(path)!r}"
    return name, read_table(path, name, "give a CSV file with one row per recording")


def _read(
    table: Any, columns: dict[str, str], root: str | os.PathLike[str] | None
) -> tuple[str, pd.DataFrame, Path]:
    """Return the name of the table for messages, its content, and the folder at which its paths start."""
    import pandas as pd

    if hasattr(table, "column_names") and hasattr(table, "to_pandas"):  # of PyArrow
        table = table.to_pandas()
    if hasattr(table, "columns") and hasattr(table, "shape"):
        if not isinstance(table, pd.DataFrame):  # of polars; the conversions of pandas would need pyarrow
            table = pd.DataFrame({column: [*table[column]] for column in table.columns})
        _check_columns("The table", table.columns.tolist(), columns)
        return "The table", table, check_folder("." if root is None else root)
    if not is_path(table):
        kind = type(table).__name__
        raise TypeError(
            f"table must be the path of a CSV file, or a table of pandas, polars or PyArrow, got {kind}."
        )
    name, frame = _read_csv(table)
    if not len(frame.columns):
        raise ValueError(f"{name} is empty: give a CSV file with a header and one row per recording.")
    _check_columns(name, frame.columns.tolist(), columns)
    for column in frame.columns.difference(list(columns.values())):
        frame[column] = _numbers_or_text(frame[column])
    return name, frame, check_folder(Path(table).parent if root is None else root)


def _numbers_or_text(texts: pd.Series) -> pd.Series:
    """Convert a column of a CSV file to numbers if every field is a number or empty."""
    import pandas as pd

    filled = texts.mask(texts.map(is_missing))
    try:
        return texts if filled.isna().all() else pd.to_numeric(filled)
    except ValueError:
        return texts


def _check_columns(name: str, found: list[Any], columns: dict[str, str]) -> None:
    """Raise unless the table has each column once."""
    missing = {parameter: column for parameter, column in columns.items() if column not in found}
    if missing:
        *others, last = map(repr, missing.values())
        lacking = f"the columns {', '.join(others)} and {last}" if others else f"the column {last}"
        parameters = ", ".join(f"{parameter}=" for parameter in missing)
        unknown = ", or pass speaker=None if the speakers are not known" if "speaker" in missing else ""
        has = f"it has {', '.join(map(repr, found)) or 'none'}"
        raise ValueError(
            f"{name} lacks {lacking}; {has}: rename a column, or set {parameters} of load_manifest{unknown}."
        )
    check_unique(name, found)


def _check_values(name: str, column: pd.Series) -> None:
    """Raise unless a column has one value per row."""
    empty = [i for i, value in enumerate(column, 1) if is_missing(value)]
    if empty:
        rows = f"{counted(len(empty), 'row')} of {len(column)}"
        where = f"in {rows} (row {listed(empty)}, counted from 1 below the header)"
        raise ValueError(f"{name} has no value in the column {column.name!r} {where}: fill or drop them.")
    for i, value in enumerate(column, 1):
        if np.ndim(value):
            raise TypeError(f"{name} has {value!r} in the column {column.name!r}, row {i}: give one value.")


def _find_files(name: str, column: pd.Series, folder: Path) -> list[Path]:
    """List the files of the table; raise for files that are duplicated, missing, or git-lfs pointers."""
    for i, value in enumerate(column, 1):
        if not is_path(value):
            raise TypeError(
                f"{name} has {value!r} of type {type(value).__name__} in row {i}: give a path instead."
            )
    paths = [_resolve(folder, os.fspath(value)) for value in column]
    counts = Counter(map(os.path.normpath, paths))
    repeated = [path for path, n in counts.items() if n > 1]
    if repeated:
        files = f"{counted(len(repeated), 'file')} more than once ({listed(repeated)})"
        raise ValueError(
            f"{name} lists {files}: keep one row of each, so that it is not in both training and test set."
        )
    missing = [path for path in paths if not path.is_file()]
    if missing:
        files = f"{len(missing)} of {counted(len(paths), 'file')} that do not exist ({listed(missing)})"
        raise FileNotFoundError(
            f"{name} lists {files}: correct the paths, or pass root= of load_manifest if they start at "
            "another folder."
        )
    pointers = [path for path in paths if is_pointer(path)]
    if pointers:
        n_pointers = counted(len(pointers), "git-lfs pointer")
        raise ValueError(f"{name} lists {n_pointers} ({listed(pointers)}): {POINTER_CURE}.")
    return paths


def _resolve(folder: Path, text: str) -> Path:
    """Make the path of a file, in the spelling in which it exists."""
    paths = (_join(folder, spelling) for spelling in _spellings(text))
    return next(filter(Path.is_file, paths), _join(folder, text))


def _join(folder: Path, text: str) -> Path:
    """Make a path that is relative to a folder, or absolute."""
    return folder / (Path(text).expanduser() if text.startswith("~/") else text)


def _spellings(text: str) -> Iterator[str]:
    r"""Spell a path as given, with / for \, without whitespace around it, and accents both ways."""
    texts = [text, text.replace("\\", "/")]
    texts += [spelling.strip() for spelling in texts]
    yield from texts
    yield from (unicodedata.normalize(form, spelling) for form in ("NFC", "NFD") for spelling in texts)
