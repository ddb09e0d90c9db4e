"""A folder that keeps computed spectrograms, one plain array file a recording."""

from __future__ import annotations

import hashlib
import io
import json
import os
import re
import time
from collections.abc import Mapping
from contextlib import suppress
from functools import cache
from typing import Any
from uuid import uuid4

import numpy as np
from numpy.typing import ArrayLike

from .audio import check_waveform, is_path, open_binary

# Part of every key: raise it when the same parameters come to mean other numbers.
FORMAT_VERSION = 1

# What a writer that was killed leaves behind. Nobody takes a day over one file, whatever the clocks say.
_UNFINISHED = re.compile(r"[0-9a-f]{64}\.[0-9a-f]{32}\.tmp")
_ABANDONED_AFTER = 24 * 3600  # s


def open_cache(memory: str | os.PathLike[str]) -> str:
    """Make the folder of a cache if there is none, and clear it of what killed writers left in it.

    Parameters
    ----------
    memory : str or path-like
        The folder; a leading ``~`` is the home folder of the user.

    Returns
    -------
    str
        Absolute path of the folder.

    Raises
    ------
    TypeError
        If `memory` is no path.
    ValueError
        If it is empty.
    OSError
        If the folder cannot be made or written to.

    Examples
    --------
    >>> import os, tempfile
    >>> from skser.cache import open_cache
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     os.path.isdir(open_cache(os.path.join(folder, "spectrograms")))
    True
    """
    check_memory(memory)
    folder = os.path.abspath(os.path.expanduser(os.fspath(memory)))
    try:
        os.makedirs(folder, exist_ok=True)
    except OSError as error:
        raise _folder_error(folder, error) from error
    if not os.access(folder, os.W_OK | os.X_OK):
        raise PermissionError(f"memory={folder!r} is not writable: give a folder that you may write to.")
    remove_abandoned(folder, _UNFINISHED)
    return folder


def check_memory(memory: Any) -> None:
    """Raise unless a value can name the folder of a cache.

    Parameters
    ----------
    memory : object
        Value to check.

    Raises
    ------
    TypeError
        If `memory` is no path.

    Examples
    --------
    >>> from skser.cache import check_memory
    >>> check_memory("~/spectrograms")
    """
    if not is_path(memory):
        raise TypeError(f"memory must be None or the path of a folder, got {type(memory).__name__}.")
    if not os.fspath(memory):
        raise ValueError("memory is an empty path: name a folder, or give None to keep nothing.")


def cache_key(audio: str | os.PathLike[str] | ArrayLike, parameters: Mapping[str, Any]) -> str:
    """Name what is computed from the content of a recording by given parameters.

    Parameters
    ----------
    audio : str, path-like or array-like of shape (n_times,)
        A file, which counts with its bytes and not with its name, or samples.
    parameters : mapping of str to object
        What the result depends on beside the recording, as JSON can write it.

    Returns
    -------
    str
        64 hexadecimal digits.

    Raises
    ------
    OSError
        If the file cannot be read.
    TypeError, ValueError
        If the samples are no waveform.

    Examples
    --------
    >>> from skser.cache import cache_key
    >>> cache_key([0.0, 0.5], {"sr": 8000}) == cache_key([0.0, 0.5], {"sr": 16000})
    False
    """
    recipe = json.dumps([FORMAT_VERSION, is_path(audio), parameters], sort_keys=True)
    return hashlib.sha256(_digest(audio) + recipe.encode()).hexdigest()


def read_entry(folder: str, key: str, n_bins: int) -> np.ndarray | None:
    """Read a spectrogram from a cache.

    Parameters
    ----------
    folder : str
        Folder of the cache.
    key : str
        Name of the entry.
    n_bins : int
        Bins that the entry must have.

    Returns
    -------
    ndarray of shape (n_bins, n_frames) or None
        The spectrogram; None where there is no entry, or one that is cut off or something else.

    Examples
    --------
    >>> from skser.cache import read_entry
    >>> read_entry("/nowhere", "0" * 64, 40) is None
    True
    """
    try:
        with open(_entry_path(folder, key), "rb") as file:
            S: np.ndarray = np.lib.format.read_array(file, allow_pickle=False)
    except Exception:  # numpy lets TokenError, SyntaxError and TypeError of a damaged header through
        return None
    good = S.dtype == np.float32 and S.ndim == 2 and len(S) == n_bins and S.shape[1] > 0
    return S if good and np.isfinite(S).all() else None


def write_entry(folder: str, key: str, S: np.ndarray, writer: str = "") -> None:
    """Write a spectrogram into a cache, whole or not at all.

    Processes of several machines may write one entry at once: each has a file of its own, which replaces
    the entry when it is complete and closed.

    Parameters
    ----------
    folder : str
        Folder of the cache.
    key : str
        Name of the entry; one that is there is replaced.
    S : ndarray of shape (n_bins, n_frames)
        The spectrogram.
    writer : str, default=""
        Up to 16 hexadecimal digits by which `remove_unfinished` knows the files of this writer.

    Raises
    ------
    OSError
        If it cannot be written.

    Examples
    --------
    >>> import tempfile
    >>> import numpy as np
    >>> from skser.cache import read_entry, write_entry
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write_entry(folder, "0" * 64, np.zeros((2, 3), dtype=np.float32))
    ...     read_entry(folder, "0" * 64, n_bins=2).shape
    (2, 3)
    """
    content = io.BytesIO()  # written at once by Python, whose errors say more than numpy's
    np.lib.format.write_array(content, S, allow_pickle=False)
    unique = (writer + uuid4().hex)[:32]  # one file each, whatever the process
    unfinished = os.path.join(folder, f"{key}.{unique}.tmp")
    try:
        try:
            with open(unfinished, "xb") as file:
                file.write(content.getbuffer())
            os.replace(unfinished, _entry_path(folder, key))
        except BaseException:
            with suppress(OSError):
                os.remove(unfinished)
            raise
    except OSError as error:
        # Where another writer was first its entry will do: a folder can forbid to replace files of other
        # users, and a network can report failure of a rename that the server has carried out.
        if read_entry(folder, key, len(S)) is None:
            raise _folder_error(folder, error) from error


def remove_unfinished(folder: str, writer: str) -> None:
    """Delete the unfinished files of a writer whose processes are gone.

    Parameters
    ----------
    folder : str
        Folder of the cache.
    writer : str
        The digits that `write_entry` was given.

    Examples
    --------
    >>> from skser.cache import remove_unfinished
    >>> remove_unfinished("/nowhere", "0123456789abcdef")
    """
    with suppress(OSError), os.scandir(folder) as files:
        for file in files:
            if _UNFINISHED.fullmatch(file.name) and f".{writer}" in file.name:
                with suppress(OSError):
                    os.remove(file.path)


def _digest(audio: Any) -> bytes:
    """SHA-256 of the bytes of a file or of the samples of a waveform."""
    if not is_path(audio):
        return hashlib.sha256(check_waveform(audio).tobytes()).digest()
    with open_binary(audio) as file:
        return hashlib.file_digest(file, "sha256").digest()


def _entry_path(folder: str, key: str) -> str:
    """Path of an entry."""
    return os.path.join(folder, f"{key}.npy")


@cache  # once a process: to list a large folder over a network takes time, and each transform opens it
def remove_abandoned(folder: str, unfinished: re.Pattern[str]) -> None:
    """Delete the unfinished files of writers that are gone, as far as that is allowed.

    Parameters
    ----------
    folder : str
        The folder; it is looked into once a process.
    unfinished : re.Pattern
        What unfinished files are called.
    """
    with suppress(OSError), os.scandir(folder) as files:
        for file in files:
            if unfinished.fullmatch(file.name):
                _remove_if_abandoned(file)


def _remove_if_abandoned(file: os.DirEntry[str]) -> None:
    """Delete a file if it is old; another process may be quicker, or the file another user's."""
    with suppress(OSError):
        if time.time() - file.stat(follow_symlinks=False).st_mtime > _ABANDONED_AFTER:
            os.remove(file.path)


def _folder_error(folder: str, error: OSError) -> OSError:
    """Error of a folder that cannot be made or written to."""
    kind = PermissionError if isinstance(error, PermissionError) else OSError
    return kind(
        f"memory={folder!r} cannot be written ({error.strerror}): give a folder that has space for you."
    )
