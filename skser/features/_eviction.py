"""Deletion of cached features, the least recently used first."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import suppress
from datetime import timedelta

from .._utils import to_bytes
from ._cache import ENTRY, check_memory


def reduce_cache(
    memory: str | os.PathLike[str],
    *,
    bytes_limit: int | str | None = None,
    age_limit: timedelta | None = None,
) -> int:
    """Delete features from a cache until it is within its limits, the least recently used first.

    Parameters
    ----------
    memory : str or path-like
        Folder of the cache, the `memory` of `SpectrogramTransformer` or `SpeechEncoderTransformer`; a leading
        ``~`` is the home folder.
    bytes_limit : int, str or None, default=None
        Maximum size of all entries together in bytes, 0 or more. Text may have a unit, a power of 1024:
        "500M", "2.5G". None means no limit.
    age_limit : datetime.timedelta or None, default=None
        Maximum time since the last use of an entry, 0 or more. None means no limit.

    Returns
    -------
    int
        Number of bytes that were freed.

    Raises
    ------
    TypeError, ValueError
        If a parameter has a wrong type or is outside its range.
    NotADirectoryError
        If `memory` is a file.

    See Also
    --------
    clear_cache : Delete all features.

    Notes
    -----
    Other processes may use the cache at the same time: a process that is reading an entry can finish, and
    one that finds it deleted computes the features again. Other files in the folder are kept. The time of
    last use is exact to the hour.

    Examples
    --------
    >>> import tempfile
    >>> import numpy as np
    >>> from skser import SpectrogramTransformer, reduce_cache
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     _ = SpectrogramTransformer(memory=folder).transform([np.zeros(8000), np.ones(8000)])
    ...     reduce_cache(folder, bytes_limit="20K")  # space for one of the two
    13216
    """
    most = to_bytes("bytes_limit", bytes_limit)
    oldest = _oldest(age_limit)
    entries = sorted(_entries(check_memory(memory)))
    excess = sum(n_bytes for _, n_bytes, _ in entries) - most
    freed = 0
    for last_used, n_bytes, path in entries:
        if last_used >= oldest and freed >= excess:
            break
        with suppress(OSError):  # already deleted by another process, or owned by another user
            os.remove(path)
            freed += n_bytes
    return freed


def clear_cache(memory: str | os.PathLike[str]) -> int:
    """Delete all features from a cache.

    Parameters
    ----------
    memory : str or path-like
        Folder of the cache, the `memory` of `SpectrogramTransformer` or `SpeechEncoderTransformer`; a leading
        ``~`` is the home folder. The folder itself and all other files in it are kept.

    Returns
    -------
    int
        Number of bytes that were freed; 0 if the folder does not exist.

    Raises
    ------
    TypeError, ValueError
        If `memory` is not a path.
    NotADirectoryError
        If `memory` is a file.

    See Also
    --------
    reduce_cache : Delete the features that were not used recently.

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
    """Earliest time of last use, in seconds since the epoch, of entries that are kept."""
    if age_limit is None:
        return -float("inf")
    if not isinstance(age_limit, timedelta):
        raise TypeError(f"age_limit must be a datetime.timedelta or None, got {age_limit!r}.")
    if age_limit < timedelta(0):
        raise ValueError(f"age_limit must be 0 or more, got {age_limit!r}.")
    return time.time() - age_limit.total_seconds()


def _entries(folder: str) -> Iterator[tuple[float, int, str]]:
    """Time of last use, size in bytes and path of each entry of a cache."""
    try:
        with os.scandir(folder) as files:
            for file in files:
                with suppress(FileNotFoundError):  # deleted by another process
                    if ENTRY.fullmatch(file.name) and file.is_file(follow_symlinks=False):
                        status = file.stat(follow_symlinks=False)
                        yield status.st_mtime, status.st_size, file.path
    except FileNotFoundError:  # a cache that does not exist is empty
        return
    except NotADirectoryError as error:
        raise NotADirectoryError(f"memory={folder!r} is a file: name the folder of a cache.") from error
