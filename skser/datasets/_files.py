"""Loader of audio files in one folder per class."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from sklearn.utils import Bunch

from .._utils import counted, listed, warn_caller
from ._bunch import LICENSE, UNKNOWN_SPEAKERS, make_bunch
from ._filters import check_list
from ._folders import (
    AUDIO_EXTENSIONS,
    UNREADABLE,
    check_folder,
    drop_pointers,
    find_files,
    is_audio,
    report_unreadable,
    warn_left_out,
)
from ._speakers import compose, make_speaker_finder

_CURE = "give a folder that holds one folder of audio files per class"


def load_audio_files(
    root: str | os.PathLike[str],
    *,
    speaker: Any = None,
    categories: Iterable[str] | None = None,
    extensions: Iterable[str] | None = None,
) -> Bunch:
    r"""Find audio files in one folder per class, at any depth below it.

    Like :func:`sklearn.datasets.load_files`, but with paths instead of contents, names instead of numbers of
    classes, and speakers.

    Parameters
    ----------
    root : str or PathLike
        Folder whose subfolders are the classes. These may contain other folders. Hidden files and folders are
        skipped; linked folders are followed, and each of their files is found once.
    speaker : str, re.Pattern, dict, pandas.DataFrame or PathLike, default=None
        Source of the speakers. A regular expression is searched in the path relative to `root`, with "/" as
        separator; its only group, or the group named speaker, is the speaker. A table is a dict from file to
        speaker, a DataFrame with the columns file and speaker, or the path of such a CSV file (a string that
        ends in ".csv" or ".tsv"); its files are paths relative to `root`, or only file names. None means
        unknown speakers.
    categories : iterable of str, default=None
        Classes to load; None loads all.
    extensions : iterable of str, default=None
        Extensions of the files to load, such as [".wav"], in lower or upper case; None loads the formats that
        libsndfile reads.

    Returns
    -------
    Bunch
        Sorted by class, then by path. `data` (list of str) are the paths, `target` (ndarray of str) the
        names of the class folders (with accents in composed form, NFC), `groups` (ndarray of str) the
        speakers, or None without `speaker`. `frame` (pandas.DataFrame) has the columns path, label and
        speaker. `target_names` are the classes that occur, sorted; `DESCR` has the counts.

    Raises
    ------
    FileNotFoundError
        If `root`, a category or the table of speakers does not exist.
    TypeError, ValueError
        If a parameter is invalid, if audio files are missing or only git-lfs pointers, if a file has no
        speaker, or if all speakers begin with the folder of the class.

    Warns
    -----
    UserWarning
        If files are left out because they are not audio files, are next to the class folders, or are git-lfs
        pointers; if a class folder does not contain audio files.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from skser.datasets import load_audio_files
    >>> with tempfile.TemporaryDirectory() as root:
    ...     for name in ["happy/anna_1.wav", "happy/ben_1.wav", "sad/anna_2.wav"]:
    ...         Path(root, name).parent.mkdir(exist_ok=True)
    ...         Path(root, name).touch()
    ...     corpus = load_audio_files(root, speaker=r"/(\w+)_\d+\.wav$")
    >>> corpus.target.tolist(), corpus.groups.tolist()
    (['happy', 'happy', 'sad'], ['anna', 'ben', 'anna'])
    """
    folder = check_folder(root)
    find_speaker = None if speaker is None else make_speaker_finder(speaker)
    chosen = AUDIO_EXTENSIONS if extensions is None else _check_extensions(extensions)
    files = {name: sorted(find_files(folder / name)) for name in _find_classes(folder, categories)}
    label = {path: compose(name) for name, paths in files.items() for path in paths if is_audio(path, chosen)}
    _warn_of_files(folder, files, label, chosen)
    if not label:
        raise ValueError(f"No audio files ({', '.join(chosen)}) in the folders of {str(folder)!r}: {_CURE}.")
    paths = drop_pointers(folder, list(label))
    columns = {
        "path": [str(path) for path in paths],
        "label": [label[path] for path in paths],
        "speaker": [None] * len(paths) if find_speaker is None else _speakers(folder, paths, find_speaker),
    }
    text = (
        f"Audio files of {str(folder)!r}, one folder per class.\n"
        "data: paths; target: names of the folders; groups: speakers; frame: path, label, speaker.\n"
        f"{LICENSE if speaker is not None else UNKNOWN_SPEAKERS}"
    )
    groups = None if speaker is None else "speaker"
    return make_bunch(columns["path"], columns, label="label", speaker=groups, text=text)


def _check_names(parameter: str, values: Iterable[str]) -> list[str]:
    """Check a parameter that must be a list of one or more str."""
    names = check_list(parameter, values)
    if not names or not all(isinstance(name, str) and name for name in names):
        raise ValueError(f"{parameter} must be a list of one or more names, got {names!r}.")
    return names


def _check_extensions(extensions: Iterable[str]) -> tuple[str, ...]:
    """Convert extensions to lower case, with a dot."""
    return tuple(f".{name.lower().lstrip('.')}" for name in _check_names("extensions", extensions))


def _find_classes(folder: Path, categories: Iterable[str] | None) -> list[str]:
    """List the names of the class folders, sorted by class."""
    folders = [path.name for path in folder.iterdir() if path.is_dir() and path.name[0] != "."]
    found = sorted(folders, key=lambda name: (compose(name), name))
    if categories is None:
        if not found:
            raise ValueError(f"No folders in {str(folder)!r}: {_CURE}.")
        return found
    wanted = set(map(compose, _check_names("categories", categories)))
    classes = list(dict.fromkeys(map(compose, found)))
    if missing := sorted(wanted.difference(classes)):
        raise FileNotFoundError(
            f"No folder {missing[0]!r} in {str(folder)!r}: choose categories from {listed(classes, 20)}."
        )
    return [name for name in found if compose(name) in wanted]


def _warn_of_files(
    folder: Path, files: dict[str, list[Path]], label: dict[Path, str], extensions: Any
) -> None:
    """Warn about files that are not loaded, and about classes without any."""
    left_out = [path for paths in files.values() for path in paths if path not in label]
    report_unreadable(folder, left_out, are_all=not label)
    others = [path.relative_to(folder) for path in left_out if not is_audio(path, UNREADABLE)]
    warn_left_out(folder, others, "file", "without an audio file extension")
    visible = [path for path in folder.iterdir() if path.is_file() and path.name[0] != "."]
    outside = sorted(path.name for path in visible if is_audio(path, extensions))
    warn_left_out(folder, outside, "audio file", "next to the class folders")
    empty = sorted(set(map(compose, files)) - set(label.values()))
    if empty and label:
        n_empty = counted(len(empty), "class", "classes")
        warn_caller(f"No audio files for {n_empty} in {str(folder)!r}: {listed(empty)}.")


def _speakers(folder: Path, paths: list[Path], find_speaker: Callable[[str], str | None]) -> list[Any]:
    """Find the speaker of each file; raise for files without one, and for speakers that include a class."""
    files = [compose(path.relative_to(folder).as_posix()) for path in paths]
    speakers = [find_speaker(file) for file in files]
    unknown = [repr(file) for file, speaker in zip(files, speakers, strict=True) if speaker is None]
    if unknown:
        where = f"{len(unknown)} of {counted(len(files), 'file')} in {str(folder)!r}: {listed(unknown)}"
        raise ValueError(f"No speaker for {where}; widen the pattern or add rows to the table.")
    # A person may have the name of a class, but not everybody.
    classes = [_first_part(file) for file in files]
    if len(set(classes)) > 1 and classes == [_first_part(str(speaker)) for speaker in speakers]:
        raise ValueError(
            f"The speaker {speakers[0]!r} of {files[0]!r} includes the folder of the class, so that one "
            "person would be another speaker in each class: leave the folder out of the speaker, in a "
            "pattern with a slash before the parentheses, such as '/([^/]+)_', or in the rows of the table."
        )
    return speakers


def _first_part(path: str) -> str:
    """The part of a path, or of a name, before the first slash."""
    return path.partition("/")[0]
