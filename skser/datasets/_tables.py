"""Tables in CSV files, read as text."""

from __future__ import annotations

import csv
import os
from pathlib import Path
from typing import Any


def read_rows(path: str | os.PathLike[str], name: str, cure: str) -> tuple[list[str], list[dict[str, Any]]]:
    """Read a CSV file; every field stays text, so that 01 is not 1."""
    if not Path(path).is_file():
        raise FileNotFoundError(f"No file for {name}: {cure}.")
    with open(path, newline="", encoding="utf-8-sig") as stream:
        try:
            reader = csv.DictReader(stream, strict=True)
            columns, rows = list(reader.fieldnames or []), list(reader)
        except (csv.Error, UnicodeDecodeError) as error:
            raise ValueError(
                f"{capitalized(name)} is no CSV file in UTF-8 ({error}): save it as one."
            ) from error
    for i, row in enumerate(rows, 1):
        if None in row:  # where DictReader puts what the header has no column for
            raise ValueError(
                f"{capitalized(name)} has more fields in row {i} than in its header: quote those with commas."
            )
    return columns, rows


def capitalized(text: str) -> str:
    """Text with a capital at its start, and the rest as it is."""
    return text[0].upper() + text[1:]


def is_missing(value: Any) -> bool:
    """Whether a field says nothing: None, NaN or an empty string."""
    try:
        return value is None or bool(value != value) or str(value).strip() == ""
    except TypeError:  # pandas.NA is neither equal to itself nor not
        return True
    except ValueError:  # an array is equal to itself here and there
        return False
