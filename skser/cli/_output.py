"""Output files of the command."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from .._utils import write_whole
from ..datasets import is_recording
from ._messages import UsageError

if TYPE_CHECKING:
    import pandas as pd

# Files of /proc and links to them, which can lead to the file to which the shell redirects the output.
_STREAMS = ("/dev/std", "/dev/fd/", "/proc/")


def check_target(path: str | None, inputs: Iterable[str]) -> None:
    """Raise if a file can certainly not be written or is one of the inputs, before hours of work for it."""
    if path is None:
        return
    target = os.path.realpath(path)
    folder = os.path.dirname(target)
    if not path or os.path.isdir(path):
        raise UsageError(f"{path!r} is not the name of a file: name the file to write.")
    if os.path.abspath(path).startswith(_STREAMS) or (os.path.exists(path) and not os.path.isfile(path)):
        raise UsageError(f"{path!r} is not a regular file: name the file to write.")
    if not os.path.isdir(folder):
        raise UsageError(
            f"{path!r} cannot be written, because the folder {folder!r} does not exist: make it first."
        )
    if not os.access(folder, os.W_OK | os.X_OK):
        raise UsageError(
            f"{path!r} cannot be written, because the folder {folder!r} is not writable: grant write "
            "permission, or name another folder."
        )
    if is_recording(Path(path)):
        raise UsageError(f"{path!r} has the file extension of a recording: name the file to write.")
    if target in [os.path.realpath(name) for name in inputs]:
        raise UsageError(f"{path!r} is also an input, which would be replaced: name another file to write.")


def write_table(tables: Sequence[pd.DataFrame], path: str) -> None:
    """Write tables with the same columns to one CSV file, either completely or not at all."""
    import pandas as pd

    text = pd.concat(tables, ignore_index=True).to_csv(index=False)
    write_whole(path, text.encode("utf-8", "surrogateescape"))
