"""Tables of text with separators between the columns (CSV)."""

from __future__ import annotations

import csv
import os
import re
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from .._utils import counted, warn_caller

if TYPE_CHECKING:
    import pandas as pd

_SEPARATORS = (",", "\t", ";")
_TEXT = (str, np.str_)  # without members of an Enum


def read_table(path: str | os.PathLike[str], name: str, cure: str) -> pd.DataFrame:
    """Read a table with a header; every field stays text, so that 01 does not become 1."""
    import pandas as pd

    file = Path(path).expanduser()
    if file.is_dir():
        raise IsADirectoryError(f"{name} is a folder: {cure}.")
    if not file.is_file():
        raise FileNotFoundError(f"{name} does not exist: {cure}.")
    separator = ","
    try:
        separator, n_skipped = _find_separator(file)
        # With header=0, pandas would rename equal columns, and treat additional fields as an index.
        rows = pd.read_csv(
            file,
            sep=separator,
            header=None,
            dtype=str,
            keep_default_na=False,
            encoding="utf-8-sig",
            skiprows=n_skipped,
        )
    except pd.errors.EmptyDataError:
        return pd.DataFrame()
    except UnicodeDecodeError as error:
        raise ValueError(f'{name} is not in UTF-8 ({error}): in Excel, save it as "CSV UTF-8".') from error
    except (csv.Error, pd.errors.ParserError) as error:
        reason = str(error).rpartition("C error: ")[2].strip()
        raise ValueError(f"{name} {_explain(reason, separator)}.") from error
    filled = rows.apply(lambda column: column.str.strip().fillna("") != "")
    rows = rows.loc[filled.any(axis=1), filled.any()]  # spreadsheets add columns and rows of blank fields
    if rows.empty:
        return pd.DataFrame()
    return rows[1:].reset_index(drop=True).set_axis(rows.iloc[0].str.strip().tolist(), axis=1)


def _find_separator(file: Path) -> tuple[str, int]:
    """Find the separator, and the number of lines before the header, one if Excel's states the separator."""
    with open(file, encoding="utf-8-sig", newline="") as stream:
        stated = re.fullmatch(r'"?sep=(.)"?\s*', stream.readline(), re.IGNORECASE)
    if stated:
        return stated[1], 1
    n_columns = {}
    for separator in _SEPARATORS:
        with open(file, encoding="utf-8-sig", newline="") as stream:
            header: list[str] = next(filter(None, csv.reader(stream, delimiter=separator)), [])
        n_columns[separator] = len(header)
    # A comma if there is only one column.
    return max(_SEPARATORS, key=lambda separator: n_columns[separator]), 0


def _explain(reason: str, separator: str) -> str:
    """Explain the error of the parser of CSV files."""
    if "Expected" in reason:  # "Expected 3 fields in line 2, saw 4"
        return (
            f"has rows of different lengths ({reason}): give every row as many fields as the header, and put "
            f"quotes around fields that contain {separator!r}"
        )
    return f"is not a CSV file ({reason}): close every quotation mark"


def check_unique(name: str, columns: Iterable[Any]) -> None:
    """Raise if a table has two columns of one name."""
    repeated = [column for column, n in Counter(columns).items() if n > 1]
    if repeated:
        raise ValueError(f"{name} has two columns {repeated[0]!r}: rename or drop one of them.")


def strip_whitespace(name: str, column: pd.Series) -> list[Any]:
    """Remove whitespace around the text of a column, and warn if there is any."""
    values = [value.strip() if type(value) in _TEXT else value for value in column]
    padded = [value for value in column if type(value) in _TEXT and value != value.strip()]
    if padded:
        values_of = f"{counted(len(padded), 'value')} of the column {column.name!r}"
        cure = f"it is removed, so that this is the same as {padded[0].strip()!r}"
        warn_caller(f"{name} has whitespace around {values_of}, such as {padded[0]!r}: {cure}.")
    return values


def is_missing(value: Any) -> bool:
    """Whether a field is None, NaN, NA or blank."""
    import pandas as pd

    return str(value).strip() == "" or pd.isna(value) is True
