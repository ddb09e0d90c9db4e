"""Files written whole or not at all, and opened with errors that say what to do."""

from __future__ import annotations

import contextlib
import os
import shutil
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, BinaryIO
from uuid import uuid4


def check_path(path: Any) -> str:
    """Bring the path of a file into one form.

    Parameters
    ----------
    path : str or path-like
        The path.

    Returns
    -------
    str
        The path.

    Raises
    ------
    TypeError
        If `path` is no path.
    ValueError
        If it is empty or cannot be a path.
    """
    text = os.fspath(path) if isinstance(path, (str, os.PathLike)) else None
    if not isinstance(text, str):
        raise TypeError(f"path must be the path of a file, got {path!r} of type {type(path).__name__}.")
    if not text or "\0" in text:
        raise ValueError(f"path must be the path of a file, got {text!r}.")
    return text


@contextmanager
def open_existing(path: str) -> Iterator[BinaryIO]:
    """Open a regular file for reading.

    Parameters
    ----------
    path : str
        The file.

    Yields
    ------
    binary file object
        The open file.

    Raises
    ------
    OSError
        If it is missing, no regular file, or cannot be read.
    """
    try:
        # Opening a named pipe would wait for a writer.
        if not stat.S_ISREG(os.stat(path).st_mode):
            kind = IsADirectoryError if os.path.isdir(path) else OSError
            raise kind(None, "it is no regular file")
        with open(path, "rb") as file:
            yield file
    except OSError as error:
        hint = (
            f"; relative paths start at {os.getcwd()!r}"
            if isinstance(error, FileNotFoundError) and not os.path.isabs(path)
            else ""
        )
        raise _clear(error, f"{path} cannot be read ({_reason(error)}): give a model file{hint}.") from error


def write_whole(path: str, content: bytes) -> None:
    """Write a file so that there is the old one or the new one and never a part of one.

    Parameters
    ----------
    path : str
        The file; one that is there is replaced, and so is what a link points at.
    content : bytes
        The content.

    Raises
    ------
    OSError
        If it cannot be written. What was there is then there as before.
    """
    try:
        target = os.path.realpath(path)
        unfinished = os.path.join(os.path.dirname(target), f".{uuid4().hex}.tmp")  # short, whatever the name
        if os.path.isdir(target) or path.endswith(os.sep):
            raise IsADirectoryError(None, "it is a folder")
        if os.path.exists(target) and not os.path.isfile(target):  # /dev/null could be replaced, too
            raise OSError(None, "it is no regular file")
        try:
            with open(unfinished, "xb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            with contextlib.suppress(FileNotFoundError):
                shutil.copymode(target, unfinished)
            os.replace(unfinished, target)
        except BaseException:
            with contextlib.suppress(OSError):
                os.remove(unfinished)
            raise
    except OSError as error:
        raise _clear(
            error,
            f"{path} cannot be written ({_reason(error)}): give a file in a folder that exists, has space "
            "and is yours to write to.",
        ) from error


def _reason(error: OSError) -> str:
    """Say what the system says."""
    return error.strerror or str(error)


def _clear(error: OSError, message: str) -> OSError:
    """Make an error of the same kind and number with another message."""
    clear = type(error)(message)
    clear.errno = error.errno
    return clear
