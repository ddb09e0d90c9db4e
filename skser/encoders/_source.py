"""The source of an encoder: its name, its revision, and a digest of its weights; loaded once per process."""

from __future__ import annotations

import hashlib
import os
import threading
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import torch

from .._utils import check_flag, check_path, torch_defaults, with_message
from ._encoding import Encoder
from ._ge2e import GE2E, GE2E_DIGEST, REINSTALL, installed_ge2e, load_ge2e
from ._transformers import find_folder, load_folder, used_files

_MOST_LOADED = 2  # encoders in memory


@dataclass(frozen=True)
class EncoderSource:
    """An encoder by its name and the digest of its weights, which are not part of this object."""

    encoder: str = field(compare=False)
    revision: str | None = field(compare=False)
    local_files_only: bool = field(compare=False)
    digest: str  # SHA-256


_LOADED: dict[tuple[EncoderSource, str], Encoder] = {}
# By process: after a fork, the lock may be held by a thread that the child does not have.
_LOCKS: dict[int, threading.Lock] = {}


def check_source_parameters(encoder: Any, revision: Any, local_files_only: Any) -> None:
    """Raise unless these parameters can name an encoder."""
    check_path(encoder, "encoder", f"{GE2E!r}, a path, or a name on the Hugging Face Hub")
    if revision is not None and not isinstance(revision, str):
        raise TypeError(f"revision must be text or None, got {revision!r} of type {type(revision).__name__}.")
    check_flag("local_files_only", local_files_only)


def find_encoder(
    encoder: str | os.PathLike[str], revision: str | None, local_files_only: bool
) -> EncoderSource:
    """Find the weights of an encoder and compute their digest, without loading them."""
    name = os.fspath(encoder)
    path = _find_path(name, revision, local_files_only)
    digest = _digest_of(path, name)
    if name == GE2E and digest != GE2E_DIGEST:
        raise ValueError(
            f"{path} has the SHA-256 {digest}, not that of resemblyzer 0.1.4, {GE2E_DIGEST}: {REINSTALL}"
        )
    return EncoderSource(name, revision, local_files_only, digest)


def load_encoder(source: EncoderSource, device: torch.device) -> Encoder:
    """Load an encoder, once per process and device."""
    key = source, str(device)
    with _LOCKS.setdefault(os.getpid(), threading.Lock()):
        if key not in _LOADED:
            while len(_LOADED) >= _MOST_LOADED:
                del _LOADED[next(iter(_LOADED))]
            _LOADED[key] = _load(source, device)
        return _LOADED[key]


def _load(source: EncoderSource, device: torch.device) -> Encoder:
    """Load an encoder whose weights have not changed since they were found."""
    path = _find_path(source.encoder, source.revision, source.local_files_only)
    with torch_defaults(), torch.random.fork_rng(devices=[]):  # some draw weights before they read others
        encoder = load_folder(path, device) if os.path.isdir(path) else load_ge2e(path, device)
    if _digest_of(path, source.encoder) != source.digest:
        raise OSError(f"{path} was changed while it was loaded: try again.")
    return encoder


def _find_path(name: str, revision: str | None, local_files_only: bool) -> str:
    """Find the file of a GE2E encoder, or the folder of another encoder."""
    if name == GE2E:
        return installed_ge2e()
    path = os.path.expanduser(name)
    if os.path.isfile(path) or (path.endswith(".pt") and not os.path.exists(path)):
        return path
    return find_folder(path, revision, local_files_only)


def _digest_of(path: str, name: str) -> str:
    """SHA-256 of the files of an encoder, computed again only if one was written."""
    files = used_files(path) if os.path.isdir(path) else [path]
    try:
        return _digest(tuple(_state(file) for file in files))
    except OSError as error:
        message = f"encoder={name!r} cannot be read ({error.strerror}): check its path and its permissions."
        raise with_message(error, message) from error


def _state(file: str) -> tuple[str, int, int, int]:
    """Path of a file, and numbers that change when it is written."""
    status = os.stat(file)
    return file, status.st_ino, status.st_size, status.st_mtime_ns


@lru_cache(maxsize=16)
def _digest(files: tuple[tuple[str, int, int, int], ...]) -> str:
    """SHA-256 of one file, or of the names and the digests of several."""
    digests = [(os.path.basename(path), _digest_of_file(path)) for path, *_ in files]
    return digests[0][1] if len(digests) == 1 else hashlib.sha256(repr(digests).encode()).hexdigest()


def _digest_of_file(path: str) -> str:
    """SHA-256 of a file."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
