"""Loader of EmoDB: the Berlin Database of Emotional Speech."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from sklearn.utils import Bunch

from ._recordings import Corpus, load_named_recordings

EMOTIONS = {
    "W": "angry",  # Wut
    "L": "bored",  # Langeweile
    "E": "disgust",  # Ekel
    "A": "fearful",  # Angst
    "F": "happy",  # Freude
    "N": "neutral",
    "T": "sad",  # Trauer
}
TEXTS = ("a01", "a02", "a04", "a05", "a07", "b01", "b02", "b03", "b09", "b10")
SPEAKERS = ("03", "08", "09", "10", "11", "12", "13", "14", "15", "16")
_MEN = ("03", "10", "11", "12", "15")
_PER_EMOTION = dict(zip(EMOTIONS.values(), (127, 81, 46, 69, 71, 79, 62), strict=True))
_PER_SPEAKER = dict(zip(SPEAKERS, (49, 58, 43, 38, 55, 35, 61, 69, 56, 71), strict=True))
_NAME = re.compile(rf"({'|'.join(SPEAKERS)})({'|'.join(TEXTS)})([{''.join(EMOTIONS)}])([a-z])", re.ASCII)
_TEXT = """\
EmoDB, the Berlin Database of Emotional Speech: ten actors, five of them women, say ten German sentences with
seven emotions. Listeners recognized the emotions of the 535 recordings and found them natural. 16 kHz, 1.2 to
9.0 s.

data: paths; target: emotions; groups: codes of the speakers; frame: path, emotion, original (letter of the
emotion), text, version, speaker, sex.

License: free of charge, without a formal license; the authors ask users to cite them.
Citation: F. Burkhardt, A. Paeschke, M. Rolfes, W. F. Sendlmeier, B. Weiss, "A database of German emotional
speech", Interspeech 2005, 1517-1520, doi:10.21437/Interspeech.2005-446."""


def load_emodb(
    root: str | os.PathLike[str],
    *,
    emotions: Iterable[str] | None = None,
    texts: Iterable[str] | None = None,
    speakers: Iterable[str] | None = None,
) -> Bunch:
    """Find the recordings of EmoDB, the Berlin Database of Emotional Speech.

    Labels come from the names of the files; no audio is read.

    Parameters
    ----------
    root : str or PathLike
        Folder that holds wav/, or any folder above or below it. Recordings are WAV or FLAC files; hidden
        files are skipped.
    emotions : iterable of str, default=None
        Emotions to load: angry, bored, disgust, fearful, happy, neutral, sad; None loads all.
    texts : iterable of str, default=None
        Codes of the sentences to load: a01, a02, a04, a05, a07, b01, b02, b03, b09, b10; None loads all.
    speakers : iterable of str, default=None
        Codes of the speakers to load: 03 and 08 to 16, as in the file names; None loads all.

    Returns
    -------
    Bunch
        Sorted by speaker, then by name. `data` (list of str) are the paths, `target` (ndarray of str) the
        emotions, `groups` (ndarray of str) the codes of the speakers. `frame` (pandas.DataFrame) has the
        columns path, emotion, original (letter of the emotion in the name), text, version, speaker and sex.
        `target_names` are the emotions that occur, sorted; `DESCR` has the license, citation and counts.

    Raises
    ------
    OSError, TypeError, ValueError
        If `root` is not a folder, a filter has an unknown value, or no recordings are found.

    Warns
    -----
    UserWarning
        If the counts by emotion or speaker, before the filters, are not as published; if recordings are
        duplicated (the copy nearest to `root` is loaded); if audio files have other names or are git-lfs
        pointers (they are left out).

    References
    ----------
    .. [1] F. Burkhardt, A. Paeschke, M. Rolfes, W. F. Sendlmeier, B. Weiss, "A database of German emotional
       speech", Interspeech 2005, 1517-1520.

    Examples
    --------
    >>> import tempfile, warnings
    >>> from pathlib import Path
    >>> from skser.datasets import load_emodb
    >>> with tempfile.TemporaryDirectory() as root, warnings.catch_warnings():
    ...     warnings.simplefilter("ignore")  # two recordings are not the whole corpus
    ...     for name in ["03a01Wa.wav", "08b10Tb.wav"]:
    ...         Path(root, name).touch()
    ...     corpus = load_emodb(root)
    >>> corpus.target.tolist(), corpus.groups.tolist()
    (['angry', 'sad'], ['03', '08'])
    """
    return load_named_recordings(_CORPUS, root, emotion=emotions, text=texts, speaker=speakers)


def _decode(path: Path) -> dict[str, Any] | None:
    """Read the columns of a recording from a name such as 03a01Fa."""
    match = _NAME.fullmatch(path.stem)
    if match is None:
        return None
    speaker, text, letter, version = match.groups()
    return {
        "emotion": EMOTIONS[letter],
        "original": letter,
        "text": text,
        "version": version,
        "speaker": speaker,
        "sex": "male" if speaker in _MEN else "female",
    }


_CORPUS = Corpus(
    name="EmoDB",
    hint="wav/ with files such as 03a01Fa.wav",
    text=_TEXT,
    decode=_decode,
    choices={"emotion": EMOTIONS.values(), "text": TEXTS, "speaker": SPEAKERS},
    published={"emotion": _PER_EMOTION, "speaker": _PER_SPEAKER},
)
