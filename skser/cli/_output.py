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
    """Raise before the work if a file cannot be written or would replace an input."""
    if path is None:
        return
    folder = os.path.dirname(os.path.realpath(path))
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
        raise UsageError(
            f"{path!r} has the file extension of a recording: choose another, such as .csv or .safetensors."
        )
    paths = [os.path.expanduser(name) for name in inputs]
    if os.path.exists(path) and any(os.path.exists(one) and os.path.samefile(path, one) for one in paths):
        raise UsageError(f"{path!r} is also an input, which would be replaced: name another file to write.")


def write_table(tables: Sequence[pd.DataFrame], path: str) -> None:
    """Write tables with the same columns to one CSV file, either completely or not at all."""
    import pandas as pd

    text = pd.concat(tables, ignore_index=True).to_csv(index=False)
    write_whole(path, text.encode("utf-8", "surrogateescape"))
