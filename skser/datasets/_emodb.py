"""Loader of EmoDB: the Berlin Database of Emotional Speech."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from sklearn.utils import Bunch

from ._recordings import Corpus, chosen, load_named

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
_PER_SPEAKER = {
    "03": 49,
    "08": 58,
    "09": 43,
    "10": 38,
    "11": 55,
    "12": 35,
    "13": 61,
    "14": 69,
    "15": 56,
    "16": 71,
}
_PER_EMOTION = {
    "angry": 127,
    "bored": 81,
    "disgust": 46,
    "fearful": 69,
    "happy": 71,
    "neutral": 79,
    "sad": 62,
}
_MEN = ("03", "10", "11", "12", "15")
_NAME = re.compile(rf"({'|'.join(_PER_SPEAKER)})({'|'.join(TEXTS)})([{''.join(EMOTIONS)}])([a-z])", re.ASCII)
_TEXT = """\
EmoDB, the Berlin Database of Emotional Speech: ten actors, five of them women, say ten German sentences with
seven emotions; 535 recordings were kept that listeners recognised and found natural. 16 kHz, 1.2 to 9.0 s.

data: paths; target: emotions; groups: codes of the speakers; frame: path, emotion, original (letter of the
emotion), text, version, speaker, sex.

Licence: free of charge, without a formal licence; its authors ask to be cited.
Citation: F. Burkhardt, A. Paeschke, M. Rolfes, W. F. Sendlmeier, B. Weiss, "A database of German emotional
speech", Interspeech 2005, 1517-1520, doi:10.21437/Interspeech.2005-446."""


class Recording(NamedTuple):
    """What the name of a file says, in the order of the frame's columns."""

    path: str
    emotion: str
    original: str
    text: str
    version: str
    speaker: str
    sex: str


def load_emodb(
    root: str | os.PathLike[str],
    *,
    emotions: Iterable[str] | None = None,
    texts: Iterable[str] | None = None,
    speakers: Iterable[str] | None = None,
) -> Bunch:
    """Find the recordings of EmoDB, the Berlin Database of Emotional Speech.

    The files are named, not read.

    Parameters
    ----------
    root : str or PathLike
        The folder that holds wav/, or any folder above or below. Recordings are WAV or FLAC files; hidden
        ones and the `._*` companions of macOS are skipped.
    emotions : iterable of str, default=None
        Emotions to take, of angry, bored, disgust, fearful, happy, neutral and sad; None takes all.
    texts : iterable of str, default=None
        Codes of the sentences to take, of a01, a02, a04, a05, a07, b01, b02, b03, b09 and b10; None takes
        all.
    speakers : iterable of str, default=None
        Codes of the speakers to take, of 03 and 08 to 16, as in the names of the files; None takes all.

    Returns
    -------
    Bunch
        With these entries, sorted by speaker, then by name:

        data : list of str
            Paths.
        target : ndarray of str, shape (n_samples,)
            Emotions.
        groups : ndarray of str, shape (n_samples,)
            Codes of the speakers.
        frame : pandas.DataFrame of shape (n_samples, 7)
            Columns path, emotion, original (letter of the emotion in the name), text, version, speaker
            and sex.
        target_names : list of str
            Emotions that occur, sorted.
        DESCR : str
            What the corpus is, licence, citation and counts.

    Raises
    ------
    FileNotFoundError
        If `root` does not exist.
    TypeError, ValueError
        If a filter names what EmoDB does not have, or if no recording is found, or only git-lfs pointers.

    Warns
    -----
    UserWarning
        If recordings of an emotion or a speaker are fewer or more than published, whatever the filters; if a
        recording is there more than once (the one nearest to `root` is taken); if names of audio
        files are not EmoDB's; if files are git-lfs pointers.

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
    wanted = {
        "emotion": chosen("emotions", emotions, EMOTIONS.values()),
        "text": chosen("texts", texts, TEXTS),
        "speaker": chosen("speakers", speakers, _PER_SPEAKER),
    }
    return load_named(_CORPUS, root, wanted)


def _recording(path: Path) -> Recording | None:
    """Decode the name of a recording, such as 03a01Fa."""
    match = _NAME.fullmatch(path.stem)
    if match is None:
        return None
    speaker, text, letter, version = match.groups()
    return Recording(
        path=str(path),
        emotion=EMOTIONS[letter],
        original=letter,
        text=text,
        version=version,
        speaker=speaker,
        sex="male" if speaker in _MEN else "female",
    )


_CORPUS = Corpus(
    name="EmoDB",
    hint="wav/ with files such as 03a01Fa.wav",
    text=_TEXT,
    decode=_recording,
    published={"emotion": _PER_EMOTION, "speaker": _PER_SPEAKER},
)
