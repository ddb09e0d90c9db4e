"""Cache folder of computed features: one plain array file per recording, with a checksum."""

from __future__ import annotations

import hashlib
import io
import json
import math
import os
import re
import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO, Literal
from uuid import uuid4

import numpy as np
from numpy.typing import ArrayLike

from .._utils import all_finite, check_path, is_path, open_regular, remove_abandoned
from ..audio import check_waveform, open_binary

# Part of every key: increase it when the same parameters lead to other numbers than before.
# 2: entries end with a checksum, and recordings that are cut off raise. 3: BLAKE2b instead of SHA-256.
# 4: MP3 without a frame count is read to its end.
FORMAT_VERSION = 4

ENTRY = re.compile(r"[0-9a-f]{64}\.npy")
_UNFINISHED = re.compile(r"[0-9a-f]{64}\.[0-9a-f]{32}\.tmp")  # killed processes leave such files

# Takes half the time of SHA-256, which on processors without SHA instructions is slower than a spectrogram.
_HASH = partial(hashlib.blake2b, digest_size=32)
_N_CHECKSUM = _HASH().digest_size  # bytes
_TOUCHED_AFTER = 3600  # s; the time of last use is exact to the hour


class CacheFolderError(OSError):
    """The cache cannot be written, which is not the fault of a recording."""


def open_cache(memory: str | os.PathLike[str]) -> str:
    """Make the folder of a cache if it is missing, and delete the unfinished files of killed processes."""
    folder = check_memory(memory)
    try:
        with suppress(PermissionError):  # raised below
            os.makedirs(folder, exist_ok=True)
    except (FileExistsError, NotADirectoryError) as error:
        file = next(str(path) for path in (Path(folder), *Path(folder).parents) if os.path.exists(path))
        raise NotADirectoryError(
            f"memory={folder!r} cannot be a folder, because {file!r} is a file: name another folder."
        ) from error
    except OSError as error:
        raise _cannot_write(folder, error) from error
    if not os.access(folder, os.W_OK | os.X_OK):
        raise PermissionError(f"memory={folder!r} is not writable: give a folder that you can write to.")
    remove_abandoned(folder, _UNFINISHED)
    return folder


def check_memory(memory: Any) -> str:
    """Raise unless a value can be the path of a folder; return its absolute path."""
    return os.path.abspath(check_path(memory, "memory", "None or the path of a folder"))


def cache_keys(
    audio: str | os.PathLike[str] | ArrayLike, parameters: Iterable[Mapping[str, Any]]
) -> list[str]:
    """Hash the content of a recording together with each of several sets of parameters of its features."""
    digest = _digest(audio)
    recipes = (json.dumps([FORMAT_VERSION, is_path(audio), one], sort_keys=True) for one in parameters)
    return [_HASH(digest + recipe.encode()).hexdigest() for recipe in recipes]


def file_state(audio: str | os.PathLike[str] | ArrayLike) -> tuple[int, ...] | None:
    """Return numbers that change when a file is replaced or written, even with the same bytes."""
    try:
        status = os.stat(os.path.expanduser(audio))  # type: ignore[arg-type]
    except (OSError, TypeError, ValueError):  # not a file, or opening it raises a clear error later
        return None
    return status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns


def read_entry(folder: str, key: str, n_bins: int, max_frames: float = math.inf) -> np.ndarray | None:
    """Read features from a cache; None if they are missing, damaged, or not of the expected size."""
    # Others may write to the folder: an entry is checked before memory is allocated for it, and before use.
    path = os.path.join(folder, f"{key}.npy")
    try:
        with open_regular(path) as file:
            status = os.fstat(file.fileno())
            shape, order = _read_header(file)
            offset, n_values = file.tell(), math.prod(shape)
            n_bytes = offset + n_values * np.float32().itemsize + _N_CHECKSUM
            if shape != (n_bins, shape[-1]) or not 0 < shape[-1] <= max_frames:
                return None
            if n_bytes != status.st_size:
                return None
            file.seek(0)
            content = memoryview(file.read(n_bytes))
    except (OSError, ValueError):
        return None
    if len(content) != n_bytes or _checksum(key, content[:-_N_CHECKSUM]) != content[-_N_CHECKSUM:]:
        return None
    S = np.frombuffer(content, np.float32, n_values, offset).reshape(shape, order=order)
    if not all_finite(S):
        return None
    if time.time() - status.st_mtime > _TOUCHED_AFTER:
        with suppress(OSError):  # the entry belongs to another user, or was just deleted
            os.utime(path)
    return S


def _read_header(file: BinaryIO) -> tuple[tuple[int, ...], Literal["C", "F"]]:
    """Read shape and memory order from the header of an entry; raise ValueError for any other file."""
    try:
        version = np.lib.format.read_magic(file)
        shape, is_fortran, dtype = np.lib.format.read_array_header_1_0(file)
    except OSError:
        raise
    except Exception as error:  # NumPy's parser may raise any type of error for a damaged header
        raise ValueError("not an entry") from error
    if version != (1, 0) or dtype != np.float32 or not shape:
        raise ValueError("not an entry")
    return shape, "F" if is_fortran else "C"


def write_entry(folder: str, key: str, S: np.ndarray, writer: str = "") -> None:
    """Write features into a cache, either completely or not at all."""
    # Several processes, even on several machines, may write one entry at the same time: each writes to its
    # own file, which replaces the entry when it is complete and closed.
    content = io.BytesIO()  # written by Python, whose errors are more precise than NumPy's
    np.lib.format.write_array(content, S, allow_pickle=False)
    checksum = _checksum(key, content.getbuffer())
    content.write(checksum)  # NumPy ignores bytes after the array
    unfinished = os.path.join(folder, f"{key}.{(writer + uuid4().hex)[:32]}.tmp")
    try:
        os.makedirs(folder, exist_ok=True)  # it may have been deleted since it was opened
        with open(unfinished, "xb") as file:
            file.write(content.getbuffer())
        _put_in_place(unfinished, os.path.join(folder, f"{key}.npy"))
    except FileNotFoundError:  # the folder was deleted meanwhile, and the entry would be too
        pass
    except OSError as error:
        raise _cannot_write(folder, error) from error
    finally:
        with suppress(OSError):
            os.remove(unfinished)  # still there only after an error


def _put_in_place(unfinished: str, path: str) -> None:
    """Rename a complete file to its entry, unless another file stays there."""
    try:
        os.replace(unfinished, path)
    except OSError:
        # A folder may forbid replacing files of other users, even damaged ones; the caller has the computed
        # spectrogram. A network may report an error for a rename that the server has carried out.
        if not os.path.lexists(path):
            raise


def remove_unfinished(folder: str | None, writer: str) -> None:
    """Delete the unfinished files of one call whose processes have ended."""
    for path in Path(folder).glob(f"*.{writer}*.tmp") if folder else ():
        with suppress(OSError):
            path.unlink()


def _checksum(key: str, content: bytes | memoryview) -> bytes:
    """Hash of the name and the content of an entry."""
    return _HASH(b"".join((key.encode(), content))).digest()


def _digest(audio: Any) -> bytes:
    """Hash of the bytes of a file or of the samples of a waveform."""
    if not is_path(audio):
        return _HASH(np.ascontiguousarray(check_waveform(audio)).data).digest()
    with open_binary(audio) as file:
        return hashlib.file_digest(file, _HASH).digest()


def _cannot_write(folder: str, error: OSError) -> CacheFolderError:
    """Error of a folder in which no file can be written."""
    return CacheFolderError(
        f"memory={folder!r} cannot be written ({error.strerror}): give a folder that you can write to, on a "
        "disk with free space."
    )
