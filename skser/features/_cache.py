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
from functools import partial
from typing import Any
from uuid import uuid4

import numpy as np
from numpy.typing import ArrayLike

from .._utils import is_path, remove_abandoned
from ..audio import check_waveform, open_binary

# Part of every key: raise it when the same parameters come to mean other numbers.
# 2: entries end with a checksum; recordings that are cut off are refused. 3: BLAKE2b instead of SHA-256.
FORMAT_VERSION = 3

# Entries, and what a writer that was killed leaves behind. Nobody takes a day over one file, whatever the
# clocks say.
_ENTRY = re.compile(r"[0-9a-f]{64}\.npy")
_UNFINISHED = re.compile(r"[0-9a-f]{64}\.[0-9a-f]{32}\.tmp")


# Where a processor has no instructions for SHA-256, that takes longer than a spectrogram; BLAKE2b takes half.
_HASH = partial(hashlib.blake2b, digest_size=32)
_N_CHECKSUM = _HASH().digest_size
_TOUCHED_AFTER = 3600  # s; what was used within the hour counts as used alike


def open_cache(memory: str | os.PathLike[str]) -> str:
    """Make the folder of a cache if there is none, and clear it of what killed writers left in it."""
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
    """Find the folder that a path means, which need not be there."""
    return os.path.abspath(os.path.expanduser(os.fspath(memory)))


def check_memory(memory: Any) -> None:
    """Raise unless a value can name the folder of a cache."""
    if not is_path(memory):
        raise TypeError(f"memory must be None or the path of a folder, got {type(memory).__name__}.")
    if not os.fspath(memory):
        raise ValueError("memory is an empty path: name a folder, or give None to keep nothing.")
    if "\0" in os.fsdecode(memory):
        raise ValueError(f"memory={memory!r} holds a null character: name a folder without it.")


def cache_key(audio: str | os.PathLike[str] | ArrayLike, parameters: Mapping[str, Any]) -> str:
    """Name what is computed from the content of a recording by given parameters."""
    recipe = json.dumps([FORMAT_VERSION, is_path(audio), parameters], sort_keys=True)
    return _HASH(_digest(audio) + recipe.encode()).hexdigest()


def file_state(audio: str | os.PathLike[str] | ArrayLike) -> tuple[int, ...] | None:
    """Tell a file from what replaces or changes it later, also where its bytes are the same again."""
    if not is_path(audio):
        return None
    try:
        found = os.stat(os.path.expanduser(audio))
    except (OSError, ValueError):  # what opens the file says why
        return None
    return found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns


def read_entry(folder: str, key: str, n_bins: int) -> np.ndarray | None:
    """Read a spectrogram from a cache."""
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
    """Write a spectrogram into a cache, whole or not at all."""
    # Processes of several machines may write one entry at once: each has a file of its own, which replaces
    # the entry when it is complete and closed. A folder that was deleted meanwhile is made again.
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
    """Delete the unfinished files of a writer whose processes are gone."""
    with suppress(OSError), os.scandir(folder) as files:
        for file in files:
            if _UNFINISHED.fullmatch(file.name) and f".{writer}" in file.name:
                with suppress(OSError):
                    os.remove(file.path)


def is_entry(name: str) -> bool:
    """Whether a file of a folder is an entry of a cache, by its name."""
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
