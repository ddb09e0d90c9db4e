"""What keeps a cache of spectrograms small: entries are deleted, the least recently used first."""

from __future__ import annotations

import os
import time
from contextlib import suppress
from datetime import timedelta
from typing import NamedTuple

from .._utils import to_bytes
from ._cache import check_memory, folder_of, is_entry


class _Entry(NamedTuple):
    """A file of a cache: when it was last used, its size in bytes, and its path."""

    used: float
    n_bytes: int
    path: str


def reduce_cache(
    memory: str | os.PathLike[str],
    *,
    bytes_limit: int | str | None = None,
    age_limit: timedelta | None = None,
) -> int:
    """Delete spectrograms from a cache until it keeps its limits, the least recently used first.

    Parameters
    ----------
    memory : str or path-like
        The folder that `SpectrogramTransformer` has as its `memory`; a leading ``~`` is the home folder.
    bytes_limit : int, str or None, default=None
        Most bytes that the entries may have together, 0 or more; as text with a unit of 1024: "500M", "2.5G".
        None means any.
    age_limit : datetime.timedelta or None, default=None
        Entries that were last used longer ago than this are deleted, 0 or more. None means any.

    Returns
    -------
    int
        Bytes that were freed.

    Raises
    ------
    TypeError, ValueError
        If a parameter is of a wrong type or out of its range.
    NotADirectoryError
        If `memory` is a file.

    See Also
    --------
    clear_cache : Deletes all.

    Notes
    -----
    Other processes may use the cache at the same time: one that reads an entry reads it to its end, and one
    that comes too late computes it again. Files that are no entries stay. Use is told to the hour.

    Examples
    --------
    >>> import tempfile
    >>> import numpy as np
    >>> from skser import SpectrogramTransformer, reduce_cache
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     _ = SpectrogramTransformer(memory=folder).transform([np.zeros(8000), np.ones(8000)])
    ...     reduce_cache(folder, bytes_limit="20K")  # room for one of two
    13216
    """
    most = to_bytes("bytes_limit", bytes_limit)
    oldest = _oldest(age_limit)
    entries = sorted(_entries(memory))
    excess = sum(entry.n_bytes for entry in entries) - most
    freed = 0
    for entry in entries:
        if entry.used >= oldest and freed >= excess:
            break
        freed += _remove(entry)
    return freed


def clear_cache(memory: str | os.PathLike[str]) -> int:
    """Delete all spectrograms from a cache.

    Parameters
    ----------
    memory : str or path-like
        The folder that `SpectrogramTransformer` has as its `memory`; a leading ``~`` is the home folder. It
        stays, with any file in it that is no entry.

    Returns
    -------
    int
        Bytes that were freed; 0 where there is no such folder.

    Raises
    ------
    TypeError, ValueError
        If `memory` is no path.
    NotADirectoryError
        If it is a file.

    See Also
    --------
    reduce_cache : Deletes what was not used for long.

    Examples
    --------
    >>> import os, tempfile
    >>> import numpy as np
    >>> from skser import SpectrogramTransformer, clear_cache
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     _ = SpectrogramTransformer(memory=folder).transform([np.zeros(8000)])
    ...     clear_cache(folder), os.listdir(folder)
    (13216, [])
    """
    return reduce_cache(memory, bytes_limit=0)


def _oldest(age_limit: timedelta | None) -> float:
    """Time in seconds since the epoch at which an entry must have been used to stay."""
    if age_limit is None:
        return -float("inf")
    if not isinstance(age_limit, timedelta):
        raise TypeError(
            f"age_limit must be a datetime.timedelta or None, got {age_limit!r} of type "
            f"{type(age_limit).__name__}."
        )
    if age_limit < timedelta(0):
        raise ValueError(f"age_limit must be 0 or more, got {age_limit!r}.")
    return time.time() - age_limit.total_seconds()


def _entries(memory: str | os.PathLike[str]) -> list[_Entry]:
    """Entries of a cache; none where there is no folder."""
    check_memory(memory)
    folder = folder_of(memory)
    found = []
    try:
        with os.scandir(folder) as files:
            for file in files:
                with suppress(FileNotFoundError):  # another process was quicker
                    if is_entry(file.name) and file.is_file(follow_symlinks=False):
                        status = file.stat(follow_symlinks=False)
                        found.append(_Entry(status.st_mtime, status.st_size, file.path))
    except FileNotFoundError:
        return []
    except NotADirectoryError as error:
        raise NotADirectoryError(f"memory={folder!r} is a file: name the folder of a cache.") from error
    return found


def _remove(entry: _Entry) -> int:
    """Delete an entry; 0 bytes are freed where another process was quicker or it may not be deleted."""
    try:
        os.remove(entry.path)
    except OSError:
        return 0
    return entry.n_bytes
