"""Loader of a corpus by a short name, as in the options of the examples."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sklearn.utils import Bunch

from ._crema_d import load_crema_d
from ._emodb import load_emodb
from ._files import load_audio_files
from ._folders import check_folder
from ._iemocap import load_iemocap
from ._manifest import load_manifest, read_header
from ._nemo import load_nemo
from ._ravdess import load_ravdess
from ._savee import load_savee
from ._synthetic import make_emotional_speech
from ._tess import load_tess


def load_corpus(spec: str, *, speaker: Any = None) -> Bunch:
    """Load a corpus by a short name.

    Parameters
    ----------
    spec : str
        "synthetic" is ``make_emotional_speech(random_state=0)``; "crema_d:PATH", "emodb:PATH",
        "iemocap:PATH", "nemo:PATH", "ravdess:PATH", "savee:PATH" and "tess:PATH" are
        ``load_crema_d(PATH)`` and so on. "files:PATH" is ``load_audio_files(PATH, speaker=speaker)``.
        "manifest:PATH" is ``load_manifest(PATH)`` for a CSV file with the columns path and label, and speaker
        if the speakers are known. The path is everything after the first colon.
    speaker : str, re.Pattern, dict, pandas.DataFrame or PathLike, default=None
        Source of the speakers of "files:PATH", such as a regular expression, see :func:`load_audio_files`.
        None uses the table ``PATH/speakers.csv`` (columns file and speaker) if this file exists. Other
        corpora do not need it.

    Returns
    -------
    Bunch
        Corpus with data, target, groups, frame, target_names and DESCR; see the loaders.

    Raises
    ------
    TypeError, ValueError
        If `spec` does not name a loader or lacks a path, if `speaker` is given for a corpus other than
        "files:PATH", or as in the loader.
    OSError
        If the folder or file does not exist.

    See Also
    --------
    load_audio_files, load_crema_d, load_emodb, load_iemocap, load_manifest : Loaders.
    load_nemo, load_ravdess, load_savee, load_tess, make_emotional_speech : Other loaders.

    Examples
    --------
    >>> from skser.datasets import load_corpus
    >>> corpus = load_corpus("synthetic")
    >>> len(corpus.data), len(set(corpus.groups))
    (160, 8)
    """
    *names, last = ('"synthetic"', *(f'"{name}:PATH"' for name in _LOADERS))
    spellings = f"{', '.join(names)} or {last}"
    if not isinstance(spec, str):
        raise TypeError(f"spec must be text, one of {spellings}, got {spec!r} of type {type(spec).__name__}.")
    name, colon, path = spec.partition(":")
    if name not in ("synthetic", *_LOADERS):
        raise ValueError(f"Unknown corpus {spec!r}: write {spellings}.")
    if speaker is not None and name != "files":
        raise ValueError(
            f"speaker applies only to a folder of recordings (files:PATH), not to the corpus {spec!r}: "
            "leave it out."
        )
    if name == "synthetic":
        if colon:
            raise ValueError(f"The corpus 'synthetic' does not take a path, got {spec!r}: write synthetic.")
        return make_emotional_speech(random_state=0)
    if not path:
        raise ValueError(f"The corpus {spec!r} lacks a path: write {name}:PATH.")
    return _LOADERS[name](path) if speaker is None else load_audio_files(path, speaker=speaker)


def _load_files_with_speakers(path: str) -> Bunch:
    """Load audio files, with the speakers from speakers.csv in the same folder if it exists."""
    table = check_folder(path) / "speakers.csv"
    return load_audio_files(path, speaker=table if table.is_file() else None)


def _load_manifest_with_speakers(path: str) -> Bunch:
    """Load the recordings in a CSV file, with their speakers if it has such a column."""
    return load_manifest(path, speaker="speaker" if "speaker" in read_header(path) else None)


_LOADERS: dict[str, Callable[[str], Bunch]] = {
    "ravdess": load_ravdess,
    "iemocap": load_iemocap,
    "emodb": load_emodb,
    "crema_d": load_crema_d,
    "savee": load_savee,
    "tess": load_tess,
    "nemo": load_nemo,
    "manifest": _load_manifest_with_speakers,
    "files": _load_files_with_speakers,
}
