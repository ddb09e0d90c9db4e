"""Tables in CSV files, read as text."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd


def read_table(path: str | os.PathLike[str], name: str, cure: str) -> pd.DataFrame:
    """Read a CSV file with a header; every field stays text, so that 01 does not become 1."""
    import pandas as pd

    file = Path(path).expanduser()
    if not file.is_file():
        raise FileNotFoundError(f"{name} does not exist: {cure}.")
    try:
        # With header=0, pandas would rename equal columns, and treat additional fields as an index.
        rows = pd.read_csv(file, header=None, dtype=str, keep_default_na=False, encoding="utf-8-sig")
    except pd.errors.EmptyDataError:
        return pd.DataFrame()
    except (pd.errors.ParserError, UnicodeDecodeError) as error:
        cure = "save it in this format, with quotes around fields that contain commas"
        raise ValueError(f"{name} is not a CSV file in UTF-8 ({str(error).strip()}): {cure}.") from error
    return rows[1:].reset_index(drop=True).set_axis(rows.iloc[0].tolist(), axis=1)


def is_missing(value: Any) -> bool:
    """Whether a field is None, NaN, NA or blank."""
    import pandas as pd

    return str(value).strip() == "" or pd.isna(value) is True
