"""Search for audio files in a folder."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from .._utils import check_path, counted, listed, warn_caller
from ..audio import CONVERT

AUDIO_EXTENSIONS = (
    *(".aif", ".aifc", ".aiff", ".au", ".caf", ".flac", ".mp3", ".oga", ".ogg", ".opus"),
    *(".rf64", ".snd", ".sph", ".voc", ".w64", ".wav", ".wave"),
)
"""File extensions of the formats that libsndfile reads, except for formats without a header."""

UNREADABLE = (
    *(".3g2", ".3gp", ".aac", ".ac3", ".amr", ".ape", ".m4a", ".m4b", ".mka", ".mkv", ".mov", ".mp4"),
    *(".spx", ".weba", ".webm", ".wma", ".wv"),
)
POINTER_CURE = "run `git lfs pull` in the clone of their repository; an archive holds only pointers"
_POINTER = b"version https://git-lfs"
_POINTER_SIZE = 1024  # bytes; every pointer is shorter


def check_folder(root: str | os.PathLike[str]) -> Path:
    """Convert `root` to the path of an existing folder."""
    folder = Path(check_path(root, "root", "the path of a folder"))
    if not folder.exists():
        raise FileNotFoundError(f"No folder {str(folder)!r}: give the folder that holds the recordings.")
    if not folder.is_dir():
        raise NotADirectoryError(f"{str(folder)!r} is a file: give the folder that holds the recordings.")
    return folder


def find_files(folder: Path) -> Iterator[Path]:
    """Yield every file in a folder once, at any depth and in linked folders, except for hidden ones."""
    roots = {Path(os.path.realpath(folder))}  # of the folder and of the linked ones
    # This also excludes the `._*` companion files of macOS.
    for where, folders, names in os.walk(folder, onerror=_raise, followlinks=True):
        here = Path(where)
        folders[:] = [name for name in sorted(folders) if name[0] != "." and _is_new(here / name, roots)]
        yield from (here / name for name in names if name[0] != ".")


def is_audio(path: Path, extensions: tuple[str, ...] = AUDIO_EXTENSIONS) -> bool:
    """Whether a file has the extension of an audio file, in lower or upper case."""
    return path.suffix.lower() in extensions


def is_recording(path: Path) -> bool:
    """Whether a file has the extension of an audio file, also of one that libsndfile cannot read."""
    return is_audio(path, (*AUDIO_EXTENSIONS, *UNREADABLE))


def is_pointer(path: Path) -> bool:
    """Whether a file is a git-lfs pointer, a text of about 130 bytes in place of the content."""
    try:
        if not len(_POINTER) < path.stat().st_size < _POINTER_SIZE:
            return False
    except OSError:  # a broken link; reading the file will report it
        return False
    with open(path, "rb") as stream:
        return stream.read(len(_POINTER)) == _POINTER


def drop_pointers(folder: Path, paths: list[Path]) -> list[Path]:
    """Remove git-lfs pointers and warn about them; raise if all files are pointers."""
    pointers = [path for path in paths if is_pointer(path)]
    if not pointers:
        return paths
    n_pointers = counted(len(pointers), "git-lfs pointer")
    names = listed(path.relative_to(folder) for path in pointers)
    if len(pointers) == len(paths):
        raise ValueError(f"No audio in {str(folder)!r}, only {n_pointers} ({names}): {POINTER_CURE}.")
    warn_caller(f"Left out {n_pointers} in {str(folder)!r}: {names}; {POINTER_CURE}.")
    left_out = set(pointers)
    return [path for path in paths if path not in left_out]


def _raise(error: OSError) -> None:
    """Raise the error of an unreadable folder, which `os.walk` would ignore."""
    raise error


def _is_new(folder: Path, roots: set[Path]) -> bool:
    """Whether the files of a folder are found only here; the target of a link becomes a root."""
    target = Path(os.path.realpath(folder))
    if not folder.is_symlink():
        return target not in roots
    above = Path(os.path.realpath(folder.parent))
    if above.is_relative_to(target) or _is_searched(target, roots):
        return False
    roots.add(target)
    return True


def _is_searched(folder: Path, roots: set[Path]) -> bool:
    """Whether a folder is one of the roots, or inside one and not hidden."""
    while folder not in roots and folder.name and folder.name[0] != ".":
        folder = folder.parent
    return folder in roots


def warn_left_out(folder: Path, items: Sequence[Any], noun: str, reason: str) -> None:
    """Warn about items that are not loaded, if there are any."""
    if items:
        warn_caller(f"Left out {counted(len(items), noun)} in {str(folder)!r} {reason}: {listed(items)}.")


def report_unreadable(folder: Path, paths: Iterable[Path], *, are_all: bool) -> None:
    """Warn about files in formats that libsndfile cannot read; raise if they are all recordings."""
    found = [path.relative_to(folder) for path in paths if is_audio(path, UNREADABLE)]
    extensions = ", ".join(sorted({path.suffix.lower() for path in found}))
    reason = f"in formats that libsndfile cannot read ({extensions}; {CONVERT})"
    if found and are_all:
        raise ValueError(f"All recordings in {str(folder)!r} are {reason}: {listed(found)}.")
    warn_left_out(folder, found, "file", reason)
