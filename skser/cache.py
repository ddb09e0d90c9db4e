"""A folder that keeps computed spectrograms, one plain array file a recording, each with its checksum."""

from __future__ import annotations

import hashlib
import io
import json
import os
import re
import time
from collections.abc import Mapping
from contextlib import suppress
from functools import cache, partial
from typing import Any
from uuid import uuid4

import numpy as np
from numpy.typing import ArrayLike

from ._decoding import open_binary
from .audio import check_waveform, is_path

# Part of every key: raise it when the same parameters come to mean other numbers.
# 2: entries end with a checksum; recordings that are cut off are refused. 3: BLAKE2b instead of SHA-256.
FORMAT_VERSION = 3

# Entries, and what a writer that was killed leaves behind. Nobody takes a day over one file, whatever the
# clocks say.
_ENTRY = re.compile(r"[0-9a-f]{64}\.npy")
_UNFINISHED = re.compile(r"[0-9a-f]{64}\.[0-9a-f]{32}\.tmp")
_ABANDONED_AFTER = 24 * 3600  # s

# Where a processor has no instructions for SHA-256, that takes longer than a spectrogram; BLAKE2b takes half.
_HASH = partial(hashlib.blake2b, digest_size=32)
_N_CHECKSUM = _HASH().digest_size
_TOUCHED_AFTER = 3600  # s; what was used within the hour counts as used alike


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
    folder = folder_of(memory)
    try:
        os.makedirs(folder, exist_ok=True)
    except (FileExistsError, NotADirectoryError) as error:
        raise NotADirectoryError(
            f"memory={folder!r} cannot be a folder, {_file_on_the_way(folder)!r} is a file: name another "
            "folder, which is made where it is missing."
        ) from error
    except OSError as error:
        raise _folder_error(folder, error) from error
    if not os.access(folder, os.W_OK | os.X_OK):
        raise PermissionError(f"memory={folder!r} is not writable: give a folder that you may write to.")
    remove_abandoned(folder, _UNFINISHED)
    return folder


def folder_of(memory: str | os.PathLike[str]) -> str:
    """Find the folder that a path means, which need not be there.

    Parameters
    ----------
    memory : str or path-like
        The folder; a leading ``~`` is the home folder of the user.

    Returns
    -------
    str
        Absolute path of the folder.

    Examples
    --------
    >>> from skser.cache import folder_of
    >>> folder_of("/data/../cache")
    '/cache'
    """
    return os.path.abspath(os.path.expanduser(os.fspath(memory)))


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
    ValueError
        If it is empty, or holds a null character.

    Examples
    --------
    >>> from skser.cache import check_memory
    >>> check_memory("~/spectrograms")
    """
    if not is_path(memory):
        raise TypeError(f"memory must be None or the path of a folder, got {type(memory).__name__}.")
    if not os.fspath(memory):
        raise ValueError("memory is an empty path: name a folder, or give None to keep nothing.")
    if "\0" in os.fsdecode(memory):
        raise ValueError(f"memory={memory!r} holds a null character: name a folder without it.")


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
    return _HASH(_digest(audio) + recipe.encode()).hexdigest()


def file_state(audio: str | os.PathLike[str] | ArrayLike) -> tuple[int, ...] | None:
    """Tell a file from what replaces or changes it later, also where its bytes are the same again.

    Parameters
    ----------
    audio : str, path-like or array-like
        A recording.

    Returns
    -------
    tuple of int or None
        Number, size and times of the last changes of a file; None for samples and where there is no file.

    Examples
    --------
    >>> from skser.cache import file_state
    >>> file_state([0.0, 0.5]) is None
    True
    """
    if not is_path(audio):
        return None
    try:
        found = os.stat(os.path.expanduser(audio))
    except (OSError, ValueError):  # what opens the file says why
        return None
    return found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns


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
        The spectrogram; None where there is no entry, or one that is not as it was written under this name.

    Examples
    --------
    >>> from skser.cache import read_entry
    >>> read_entry("/nowhere", "0" * 64, 40) is None
    True
    """
    path = _entry_path(folder, key)
    try:
        with open(path, "rb") as file:
            content = memoryview(file.read())
            last_used = os.fstat(file.fileno()).st_mtime
    except OSError:
        return None
    array, checksum = content[:-_N_CHECKSUM], content[-_N_CHECKSUM:]
    if len(content) < _N_CHECKSUM or _checksum(key, array) != checksum:
        return None
    S: np.ndarray = np.lib.format.read_array(io.BytesIO(array), allow_pickle=False)
    if S.ndim != 2 or len(S) != n_bins:
        return None
    if time.time() - last_used > _TOUCHED_AFTER:
        with suppress(OSError):  # the entry of another user, or one that was evicted meanwhile
            os.utime(path)
    return S


def write_entry(folder: str, key: str, S: np.ndarray, writer: str = "") -> None:
    """Write a spectrogram into a cache, whole or not at all.

    Processes of several machines may write one entry at once: each has a file of its own, which replaces
    the entry when it is complete and closed. A folder that was deleted meanwhile is made again.

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
    checksum = _checksum(key, content.getbuffer())
    content.write(checksum)  # numpy reads an array and leaves alone what follows
    try:
        os.makedirs(folder, exist_ok=True)
        _put(folder, key, content, writer)
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


def is_entry(name: str) -> bool:
    """Whether a file of a folder is an entry of a cache, by its name.

    Parameters
    ----------
    name : str
        Name of the file.

    Returns
    -------
    bool
        True for names that this module gives.

    Examples
    --------
    >>> from skser.cache import is_entry
    >>> is_entry("0" * 64 + ".npy"), is_entry("features.npy")
    (True, False)
    """
    return _ENTRY.fullmatch(name) is not None


def _put(folder: str, key: str, content: io.BytesIO, writer: str) -> None:
    """Write an entry beside its place, then move it there."""
    unique = (writer + uuid4().hex)[:32]  # one file each, whatever the process
    unfinished = os.path.join(folder, f"{key}.{unique}.tmp")
    try:
        with open(unfinished, "xb") as file:
            file.write(content.getbuffer())
        os.replace(unfinished, _entry_path(folder, key))
    except BaseException:
        with suppress(OSError):
            os.remove(unfinished)
        raise


def _checksum(key: str, content: bytes | memoryview) -> bytes:
    """Hash of what an entry holds and under which name."""
    checksum = _HASH(key.encode())
    checksum.update(content)
    return checksum.digest()


def _digest(audio: Any) -> bytes:
    """Hash of the bytes of a file or of the samples of a waveform."""
    if not is_path(audio):
        return _HASH(np.ascontiguousarray(check_waveform(audio)).data).digest()
    with open_binary(audio) as file:
        return hashlib.file_digest(file, _HASH).digest()


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


def _file_on_the_way(folder: str) -> str:
    """File that stands where a folder or one above it should be."""
    while not os.path.exists(folder):
        folder = os.path.dirname(folder)
    return folder


def _folder_error(folder: str, error: OSError) -> OSError:
    """Error of a folder that cannot be made or written to."""
    kind = PermissionError if isinstance(error, PermissionError) else OSError
    return kind(
        f"memory={folder!r} cannot be written ({error.strerror}): give a folder that has space for you."
    )
