"""A corpus by its name, as the command line spells it."""

from __future__ import annotations

from collections.abc import Callable

from sklearn.utils import Bunch

from ._crema_d import load_crema_d
from ._emodb import load_emodb
from ._files import load_audio_files
from ._folders import check_folder
from ._iemocap import load_iemocap
from ._manifest import columns_of, load_manifest
from ._ravdess import load_ravdess
from ._savee import load_savee
from ._synthetic import make_emotional_speech
from ._tess import load_tess


def load_corpus(spec: str) -> Bunch:
    """Load the corpus that a short text names.

    Parameters
    ----------
    spec : str
        "synthetic" is ``make_emotional_speech(random_state=0)``; "crema_d:PATH", "emodb:PATH",
        "iemocap:PATH", "ravdess:PATH", "savee:PATH" and "tess:PATH" are ``load_crema_d(PATH)`` and so
        on; "files:PATH" is ``load_audio_files(PATH)`` with the speakers of ``PATH/speakers.csv``
        (columns file and speaker) if that exists; "manifest:PATH" is ``load_manifest(PATH)`` of a CSV
        file with the columns path and label, and speaker if the speakers are known. All behind the
        first colon is the path.

    Returns
    -------
    Bunch
        With data, target, groups, frame, target_names and DESCR; see the loaders.

    Raises
    ------
    TypeError, ValueError
        If `spec` names no loader, or lacks a path.
    OSError
        If there is no such folder or file.

    See Also
    --------
    load_audio_files, load_crema_d, load_emodb, load_iemocap, load_manifest : What is called.
    load_ravdess, load_savee, load_tess, make_emotional_speech : The same.

    Examples
    --------
    >>> from skser.datasets import load_corpus
    >>> corpus = load_corpus("synthetic")
    >>> len(corpus.data), len(set(corpus.groups))
    (160, 8)
    """
    if not isinstance(spec, str):
        raise TypeError(
            f"A corpus is named by a str, {_spellings()}, got {spec!r} of type {type(spec).__name__}."
        )
    name, colon, path = spec.partition(":")
    if name == "synthetic" and not colon:
        return make_emotional_speech(random_state=0)
    if name == "synthetic":
        raise ValueError(f"The corpus 'synthetic' takes no path, got {spec!r}: write synthetic.")
    if name not in _LOADERS:
        raise ValueError(f"Unknown corpus {spec!r}: write {_spellings()}.")
    if not path:
        raise ValueError(f"The corpus {spec!r} lacks a path: write {name}:PATH.")
    return _LOADERS[name](path)


def _spellings() -> str:
    """Every form of a corpus's name."""
    *first, last = (f"{name}:PATH" for name in _LOADERS)
    return f"{', '.join(['synthetic', *first])} or {last}"


def _files_with_speakers(path: str) -> Bunch:
    """Audio files, with the table of speakers that lies beside the classes, if one does."""
    table = check_folder(path) / "speakers.csv"
    return load_audio_files(path, speaker=table if table.is_file() else None)


def _manifest_with_speakers(path: str) -> Bunch:
    """Recordings that a CSV file lists, with their speakers if it has a column of that name."""
    return load_manifest(path, speaker="speaker" if "speaker" in columns_of(path) else None)


_LOADERS: dict[str, Callable[[str], Bunch]] = {
    "ravdess": load_ravdess,
    "iemocap": load_iemocap,
    "emodb": load_emodb,
    "crema_d": load_crema_d,
    "savee": load_savee,
    "tess": load_tess,
    "manifest": _manifest_with_speakers,
    "files": _files_with_speakers,
}
