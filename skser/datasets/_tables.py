"""Tables of text with separators between the columns (CSV)."""

from __future__ import annotations

import csv
import os
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
    if not file.is_file():
        raise FileNotFoundError(f"{name} does not exist: {cure}.")
    separator = ","
    try:
        separator = _find_separator(file)
        # With header=0, pandas would rename equal columns, and treat additional fields as an index.
        rows = pd.read_csv(
            file, sep=separator, header=None, dtype=str, keep_default_na=False, encoding="utf-8-sig"
        )
    except pd.errors.EmptyDataError:
        return pd.DataFrame()
    except (csv.Error, pd.errors.ParserError, UnicodeDecodeError) as error:
        cure = f"save it in this format, with quotes around fields that contain {separator!r}"
        raise ValueError(f"{name} is not a CSV file in UTF-8 ({str(error).strip()}): {cure}.") from error
    return rows[1:].reset_index(drop=True).set_axis(rows.iloc[0].tolist(), axis=1)


def _find_separator(file: Path) -> str:
    """Find the separator that makes most columns of the header; a comma if there is only one column."""
    n_columns = {}
    for separator in _SEPARATORS:
        with open(file, encoding="utf-8-sig", newline="") as stream:
            header: list[str] = next(filter(None, csv.reader(stream, delimiter=separator)), [])
        n_columns[separator] = len(header)
    return max(_SEPARATORS, key=lambda separator: n_columns[separator])


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
