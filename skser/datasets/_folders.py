"""Audio files below a folder."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from .._utils import counted, listed, warn_caller

AUDIO_EXTENSIONS = (
    *(".aif", ".aifc", ".aiff", ".au", ".caf", ".flac", ".mp3", ".oga", ".ogg", ".opus"),
    *(".rf64", ".snd", ".sph", ".voc", ".w64", ".wav", ".wave"),
)
"""File name endings of the formats that libsndfile reads, those without a header left out."""

_POINTER = b"version https://git-lfs"
_POINTER_SIZE = 1024  # bytes that a pointer is always shorter than


def check_folder(root: str | os.PathLike[str]) -> Path:
    """Raise unless `root` is an existing folder."""
    if not isinstance(root, (str, os.PathLike)):
        raise TypeError(f"root must be the path of a folder, got {root!r} of type {type(root).__name__}.")
    folder = Path(root).expanduser()
    if not folder.exists():
        raise FileNotFoundError(f"No folder {str(folder)!r}: give the one that holds the recordings.")
    if not folder.is_dir():
        raise NotADirectoryError(f"{str(folder)!r} is a file: give the folder that holds the recordings.")
    return folder


def files_below(folder: Path) -> Iterator[Path]:
    """Yield every visible file below a folder; linked folders are followed."""
    # Names that begin with a dot are skipped, which are hidden files and the `._*` companions of macOS.
    for where, folders, names in os.walk(folder, onerror=_fail, followlinks=True):
        here = Path(where)
        folders[:] = [name for name in folders if name[0] != "." and not _leads_back(here / name)]
        yield from (here / name for name in names if name[0] != ".")


def is_audio(path: Path, extensions: tuple[str, ...] = AUDIO_EXTENSIONS) -> bool:
    """Whether the name ends like an audio file's, in either case."""
    return path.suffix.lower() in extensions


def is_pointer(path: Path) -> bool:
    """Whether git-lfs left its pointer, a text of some 130 bytes, in place of the content."""
    try:
        if not len(_POINTER) < path.stat().st_size < _POINTER_SIZE:
            return False
    except OSError:  # a broken link; who reads the file will say so
        return False
    with open(path, "rb") as stream:
        return stream.read(len(_POINTER)) == _POINTER


def without_pointers(folder: Path, paths: list[Path]) -> list[Path]:
    """Files that are no git-lfs pointers; the others are named, in an error where nothing else is there."""
    pointers = [path for path in paths if is_pointer(path)]
    if not pointers:
        return paths
    names = listed([str(path.relative_to(folder)) for path in pointers])
    cure = "run `git lfs pull` in the clone that they come from, for an archive of it holds no recordings"
    if len(pointers) == len(paths):
        raise ValueError(
            f"No audio in {str(folder)!r}: all of its {counted(len(paths), 'audio file')} are git-lfs "
            f"pointers, texts that stand for the content ({names}); {cure}."
        )
    warn_caller(
        f"Left out {counted(len(pointers), 'git-lfs pointer')} in {str(folder)!r}, texts that stand for the "
        f"content of an audio file: {names}; {cure}."
    )
    left_out = set(pointers)
    return [path for path in paths if path not in left_out]


def _fail(error: OSError) -> None:
    """Raise what `os.walk` would pass over: a folder that cannot be read."""
    raise error


def _leads_back(folder: Path) -> bool:
    """Whether a link leads to a folder that it lies in, so that following it would never end."""
    return folder.is_symlink() and folder.parent.resolve().is_relative_to(folder.resolve())
