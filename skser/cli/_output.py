"""Output files of the command."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING

from .._utils import write_whole
from ._messages import UsageError

if TYPE_CHECKING:
    import pandas as pd


def check_target(path: str | None) -> None:
    """Raise if a file can certainly not be written, before hours of work for it."""
    if path is None:
        return
    folder = os.path.dirname(os.path.abspath(path))
    if not path or os.path.isdir(path):
        raise UsageError(f"{path!r} is not the name of a file: name the file to write.")
    if not os.path.isdir(folder):
        raise UsageError(
            f"{path!r} cannot be written, because the folder {folder!r} does not exist: make it first."
        )


def write_table(tables: Sequence[pd.DataFrame], path: str) -> None:
    """Write tables with the same columns to one CSV file, either completely or not at all."""
    import pandas as pd

    text = pd.concat(tables, ignore_index=True).to_csv(index=False)
    write_whole(path, text.encode("utf-8", "surrogateescape"))
