"""A corpus by its name, as the command line spells it."""

from __future__ import annotations

from collections.abc import Callable

from sklearn.utils import Bunch

from ._files import load_audio_files
from ._folders import check_folder
from ._ravdess import load_ravdess
from ._synthetic import make_emotional_speech

_SPELLINGS = "synthetic, ravdess:PATH or files:PATH"


def load_corpus(spec: str) -> Bunch:
    """Load the corpus that a short text names.

    Parameters
    ----------
    spec : str
        "synthetic" is ``make_emotional_speech(random_state=0)``, "ravdess:PATH" is
        ``load_ravdess(PATH)``, "files:PATH" is ``load_audio_files(PATH)`` with the speakers of
        ``PATH/speakers.csv`` (columns file and speaker) if that exists. All behind the first colon
        is the path.

    Returns
    -------
    Bunch
        With data, target, groups, frame, target_names and DESCR; see the loaders.

    Raises
    ------
    TypeError, ValueError
        If `spec` names no loader, or lacks a path.
    OSError
        If there is no such folder.

    See Also
    --------
    load_audio_files, load_ravdess, make_emotional_speech : What is called.

    Examples
    --------
    >>> from skser.datasets import load_corpus
    >>> corpus = load_corpus("synthetic")
    >>> len(corpus.data), len(set(corpus.groups))
    (160, 8)
    """
    if not isinstance(spec, str):
        raise TypeError(
            f"A corpus is named by a str, {_SPELLINGS}, got {spec!r} of type {type(spec).__name__}."
        )
    name, colon, path = spec.partition(":")
    if name == "synthetic" and not colon:
        return make_emotional_speech(random_state=0)
    if name == "synthetic":
        raise ValueError(f"The corpus 'synthetic' takes no path, got {spec!r}: write synthetic.")
    if name not in _LOADERS:
        raise ValueError(f"Unknown corpus {spec!r}: write {_SPELLINGS}.")
    if not path:
        raise ValueError(f"The corpus {spec!r} lacks a path: write {name}:PATH.")
    return _LOADERS[name](path)


def _files_with_speakers(path: str) -> Bunch:
    """Audio files, with the table of speakers that lies beside the classes, if one does."""
    table = check_folder(path) / "speakers.csv"
    return load_audio_files(path, speaker=table if table.is_file() else None)


_LOADERS: dict[str, Callable[[str], Bunch]] = {"ravdess": load_ravdess, "files": _files_with_speakers}
