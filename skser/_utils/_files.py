"""Write files completely or not at all, and open them with errors that name the cure."""

from __future__ import annotations

import os
import re
import shutil
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from typing import Any, BinaryIO, TypeGuard
from uuid import uuid4

# Longer than any write takes, even if clocks differ.
_ABANDONED_AFTER = 24 * 3600  # s


def check_path(path: Any, name: str = "path", expected: str = "the path of a file") -> str:
    """Convert a parameter that is a path to text, in which a leading ~ is the home folder of the user."""
    text = os.fspath(path) if is_path(path) else None
    if not isinstance(text, str):
        raise TypeError(f"{name} must be {expected}, got {path!r} of type {type(path).__name__}.")
    if not text or "\0" in text:
        raise ValueError(f"{name} must be {expected}, got {text!r}.")
    return os.path.expanduser(text)


@contextmanager
def open_regular(path: str) -> Iterator[BinaryIO]:
    """Open a file for reading; raise for a named pipe or a device, without waiting for it."""
    with open(path, "rb", opener=_open_without_waiting) as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise OSError(None, "it is not a regular file")
        yield file


def _open_without_waiting(path: str, flags: int) -> int:
    """Open a file; a named pipe without a writer is opened too."""
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))  # Windows has no such pipes


@contextmanager
def open_existing(path: str) -> Iterator[BinaryIO]:
    """Open a regular file for reading, or raise an error for users."""
    try:
        with open_regular(path) as file:
            yield file
    except OSError as error:
        hint = start_of_relative(path) if isinstance(error, FileNotFoundError) else ""
        raise with_message(
            error, f"{path} cannot be read ({_reason(error)}): give a model file{hint}."
        ) from error


def start_of_relative(path: str) -> str:
    """Say where a relative path starts, in the error of a missing file."""
    return "" if os.path.isabs(path) else f"; relative paths start at {os.getcwd()!r}"


def write_whole(path: str, content: bytes) -> None:
    """Write a file so that readers find either the old content or the new one, never an incomplete file."""
    try:
        target = os.path.realpath(path)
        # The name is short even if that of the target is long.
        unfinished = os.path.join(os.path.dirname(target), f".{uuid4().hex}.tmp")
        if os.path.isdir(target) or path.endswith(os.sep):
            raise IsADirectoryError(None, "it is a folder")
        if os.path.exists(target) and not os.path.isfile(target):  # such as /dev/null
            raise OSError(None, "it is not a regular file")
        try:
            with open(unfinished, "xb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            with suppress(FileNotFoundError):
                shutil.copymode(target, unfinished)
            os.replace(unfinished, target)
        except BaseException:
            with suppress(OSError):
                os.remove(unfinished)
            raise
    except OSError as error:
        raise with_message(
            error,
            f"{path} cannot be written ({_reason(error)}): give a file in a folder that exists, has free "
            "space and is writable.",
        ) from error


def _reason(error: OSError) -> str:
    """Return the system's description of an error."""
    return error.strerror or str(error)


def with_message(error: OSError, message: str) -> OSError:
    """Make an error of the same type and number with another message."""
    other = type(error)(message)
    other.errno = error.errno
    return other


def is_path(audio: Any) -> TypeGuard[str | os.PathLike[str]]:
    """Whether an object names a file."""
    return isinstance(audio, (str, os.PathLike))


@cache  # once per process: each transform calls it, and listing a large folder over a network takes time
def remove_abandoned(folder: str, unfinished: re.Pattern[str]) -> None:
    """Delete the unfinished files and folders that killed processes left, as far as permissions allow."""
    with suppress(OSError), os.scandir(folder) as files:
        for file in files:
            if unfinished.fullmatch(file.name):
                _remove_if_abandoned(file)


def _remove_if_abandoned(file: os.DirEntry[str]) -> None:
    """Delete a file or a folder if it is old, unless another process is faster or it belongs to others."""
    with suppress(OSError):
        if time.time() - file.stat(follow_symlinks=False).st_mtime > _ABANDONED_AFTER:
            shutil.rmtree(file.path) if file.is_dir(follow_symlinks=False) else os.remove(file.path)
