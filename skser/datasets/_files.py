"""Loader of audio files that lie in one folder a class."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from sklearn.utils import Bunch

from .._utils import counted, listed, warn_caller
from ._bunch import as_bunch
from ._folders import AUDIO_EXTENSIONS, check_folder, files_below, is_audio, without_pointers
from ._speakers import speaker_finder

_CURE = "give a folder that holds one folder of audio files a class"


def load_audio_files(
    root: str | os.PathLike[str],
    *,
    speaker: Any = None,
    categories: Iterable[str] | None = None,
    extensions: Iterable[str] | None = None,
) -> Bunch:
    r"""Find audio files that lie in one folder a class, at any depth in it.

    Like :func:`sklearn.datasets.load_files`, with paths in place of contents, names in place of
    numbers of classes, and speakers.

    Parameters
    ----------
    root : str or PathLike
        Folder whose folders are the classes; each may hold further folders. Hidden files and folders, the
        `._*` companions of macOS among them, are skipped; linked folders are followed.
    speaker : str, re.Pattern, dict, pandas.DataFrame or PathLike, default=None
        Where the speaker of a file stands. A regular expression is searched in the path below
        `root`, with "/" between its parts, and its one group, or the group named speaker, is the
        speaker. A table is a dict from file to speaker, or a DataFrame with the columns file and
        speaker, or the path of such a CSV file (a string that ends in ".csv"); its files are paths
        below `root`, or file names alone. None leaves the speakers open.
    categories : iterable of str, default=None
        Folders to take; None takes all.
    extensions : iterable of str, default=None
        Endings of the files to take, such as [".wav"], in either case; None takes what libsndfile reads.

    Returns
    -------
    Bunch
        With these entries, sorted by class, then by path:

        data : list of str
            Paths.
        target : ndarray of str, shape (n_samples,)
            Names of the classes' folders.
        groups : ndarray of str, shape (n_samples,), or None
            Speakers; None without `speaker`.
        frame : pandas.DataFrame of shape (n_samples, 3)
            Columns path, label and speaker.
        target_names : list of str
            Classes that occur, sorted.
        DESCR : str
            What the corpus is, and counts.

    Raises
    ------
    FileNotFoundError
        If `root`, a category or the table of speakers does not exist.
    TypeError, ValueError
        If a parameter has no meaning, if there are no audio files or only git-lfs pointers to some, or if the
        speaker of one is not found.

    Warns
    -----
    UserWarning
        If files are left out because they are no audio files or lie beside the folders of the
        classes, or because they are git-lfs pointers; if a folder holds no audio file.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from skser.datasets import load_audio_files
    >>> with tempfile.TemporaryDirectory() as root:
    ...     for name in ["happy/anna_1.wav", "happy/ben_1.wav", "sad/anna_2.wav"]:
    ...         Path(root, name).parent.mkdir(exist_ok=True)
    ...         Path(root, name).touch()
    ...     corpus = load_audio_files(root, speaker=r"([a-z]+)_\d+\.wav$")
    >>> corpus.target.tolist(), corpus.groups.tolist()
    (['happy', 'happy', 'sad'], ['anna', 'ben', 'anna'])
    """
    folder = check_folder(root)
    find = None if speaker is None else speaker_finder(speaker)
    endings = _endings(extensions)
    classes = _classes(folder, categories)
    files = {name: sorted(files_below(folder / name)) for name in classes}
    taken = [(name, path) for name in classes for path in files[name] if is_audio(path, endings)]
    for message in _messages(folder, files, taken, endings):
        warn_caller(message)
    if not taken:
        raise ValueError(f"No audio files ({', '.join(endings)}) in the folders of {str(folder)!r}: {_CURE}.")
    paths = without_pointers(folder, [path for _, path in taken])
    label = {path: name for name, path in taken}
    fields = {
        "path": [str(path) for path in paths],
        "label": [label[path] for path in paths],
        "speaker": [None] * len(paths) if find is None else _speakers(folder, paths, find),
    }
    column = None if find is None else "speaker"
    return as_bunch(
        fields["path"], fields, label="label", speaker=column, text=_text(folder, find is not None)
    )


def _endings(extensions: Iterable[str] | None) -> tuple[str, ...]:
    """Endings in lower case, each with its dot."""
    if extensions is None:
        return AUDIO_EXTENSIONS
    endings = _names("extensions", extensions)
    return tuple(f".{ending.lower().lstrip('.')}" for ending in endings)


def _names(parameter: str, values: Iterable[str]) -> list[str]:
    """Values of a parameter that must be a list of str, and not an empty one."""
    if isinstance(values, str) or not isinstance(values, Iterable):
        raise TypeError(f"{parameter} must be a list of str or None, got {values!r}: write [{values!r}].")
    names = list(values)
    if not names or not all(isinstance(name, str) and name for name in names):
        raise ValueError(f"{parameter} must be a list of names, one or more, got {names!r}.")
    return names


def _classes(folder: Path, categories: Iterable[str] | None) -> list[str]:
    """Names of the folders that are classes, sorted."""
    found = sorted(path.name for path in folder.iterdir() if path.is_dir() and path.name[0] != ".")
    if categories is None:
        if not found:
            raise ValueError(f"No folders in {str(folder)!r}: {_CURE}.")
        return found
    wanted = sorted(set(_names("categories", categories)))
    missing = [name for name in wanted if name not in found]
    if missing:
        raise FileNotFoundError(
            f"No folder {missing[0]!r} in {str(folder)!r}, which holds {listed(found, 20)}."
        )
    return wanted


def _messages(
    folder: Path, files: dict[str, list[Path]], taken: list[tuple[str, Path]], endings: tuple[str, ...]
) -> list[str]:
    """Sentences on what was left out."""
    where, messages = f"in {str(folder)!r}", []
    n_others = sum(map(len, files.values())) - len(taken)
    if n_others:
        messages.append(f"Left out {counted(n_others, 'file')} {where} without the ending of an audio file.")
    beside = sorted(path.name for path in folder.iterdir() if path.is_file() and _is_wanted(path, endings))
    if beside:
        files_ = counted(len(beside), "audio file")
        messages.append(
            f"Left out {files_} {where} that lie beside the folders of the classes: {listed(beside)}."
        )
    empty = sorted(set(files) - {name for name, _ in taken})
    if empty and taken:
        messages.append(
            f"No audio files for {counted(len(empty), 'class', 'classes')} {where}: {listed(empty)}."
        )
    return messages


def _is_wanted(path: Path, endings: tuple[str, ...]) -> bool:
    """Whether a file would have been taken in the folder of a class."""
    return path.name[0] != "." and is_audio(path, endings)


def _speakers(folder: Path, paths: list[Path], find: Any) -> list[str]:
    """Speaker of each file; an error names those without."""
    files = [path.relative_to(folder).as_posix() for path in paths]
    speakers = [find(file) for file in files]
    unknown = [repr(file) for file, name in zip(files, speakers, strict=True) if name is None]
    if unknown:
        raise ValueError(
            f"No speaker for {len(unknown)} of {counted(len(files), 'file')} in {str(folder)!r}: "
            f"{listed(unknown)}; widen the pattern or add rows to the table."
        )
    return speakers


def _text(folder: Path, has_speakers: bool) -> str:
    """Description of the corpus."""
    lines = [
        f"Audio files of {str(folder)!r}, one folder a class.",
        "data: paths; target: names of the folders; groups: speakers; frame: path, label, speaker.",
        "Licence and citation: those of whoever recorded them.",
    ]
    if not has_speakers:
        lines.append(
            "groups is None, for the speakers are not known: pass speaker= to keep them apart in "
            "cross-validation."
        )
    return "\n".join(lines)
