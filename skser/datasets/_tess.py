"""Loader of TESS: the Toronto Emotional Speech Set."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from sklearn.utils import Bunch

from ._recordings import Corpus, chosen, load_named

EMOTIONS = {
    "angry": "angry",
    "disgust": "disgust",
    "fear": "fearful",
    "happy": "happy",
    "neutral": "neutral",
    "ps": "surprised",  # pleasantly
    "sad": "sad",
}
SPEAKERS = ("OAF", "YAF")
_NAME = re.compile(rf"(OAF?|YAF)_([a-z]+)_({'|'.join(EMOTIONS)})", re.ASCII | re.IGNORECASE)
_TEXT = """\
TESS, the Toronto Emotional Speech Set: two women, of 64 (OAF) and 26 years (YAF), say 200 words after "Say
the word" with seven emotions; the surprise is a pleasant one. 2,800 recordings, 24,414 Hz, one of them 96
kHz.

data: paths; target: emotions; groups: codes of the speakers; frame: path, emotion, original (code of the
emotion, ps for the surprise), word, speaker, sex.

With two speakers, figures on TESS tell nothing about speakers that a model has not heard.
OA_bite_neutral, as one file is named, is a recording of OAF.

Licence: Creative Commons, non-commercial; see the page of the archive for its terms.
Citation: M. K. Pichora-Fuller, K. Dupuis, "Toronto emotional speech set (TESS)", Scholars Portal Dataverse,
2020, doi:10.5683/SP2/E8H2MF."""


class Recording(NamedTuple):
    """What the name of a file says, in the order of the frame's columns."""

    path: str
    emotion: str
    original: str
    word: str
    speaker: str
    sex: str


def load_tess(
    root: str | os.PathLike[str],
    *,
    emotions: Iterable[str] | None = None,
    speakers: Iterable[str] | None = None,
) -> Bunch:
    """Find the recordings of TESS, the Toronto Emotional Speech Set.

    Two speakers carry no claim about speakers that were not heard. The files are named, not read.

    Parameters
    ----------
    root : str or PathLike
        The folder that holds OAF_angry, YAF_angry, ..., or all files, or any folder above. Recordings are WAV
        or FLAC files; hidden ones and the `._*` companions of macOS are skipped.
    emotions : iterable of str, default=None
        Emotions to take, of angry, disgust, fearful, happy, neutral, sad and surprised (pleasantly, "ps" in
        the names of files); None takes all.
    speakers : iterable of str, default=None
        Codes of the speakers to take, of OAF and YAF; None takes both.

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
        frame : pandas.DataFrame of shape (n_samples, 6)
            Columns path, emotion, original (code of the emotion in the name), word, speaker and sex.
        target_names : list of str
            Emotions that occur, sorted.
        DESCR : str
            What the corpus is, licence, citation and counts.

    Raises
    ------
    FileNotFoundError
        If `root` does not exist.
    TypeError, ValueError
        If a filter names what TESS does not have, or if no recording is found, or only git-lfs pointers.

    Warns
    -----
    UserWarning
        If recordings of an emotion or a speaker are fewer or more than published, whatever the filters; if a
        recording is there more than once, as in copies that hold the whole set twice (the one nearest
        to `root` is taken); if names of audio files are not TESS's; if a recording lies in the
        folder of another speaker; if files are git-lfs pointers.

    References
    ----------
    .. [1] M. K. Pichora-Fuller, K. Dupuis, "Toronto emotional speech set (TESS)", Scholars Portal Dataverse,
       2020, doi:10.5683/SP2/E8H2MF.

    Examples
    --------
    >>> import tempfile, warnings
    >>> from pathlib import Path
    >>> from skser.datasets import load_tess
    >>> with tempfile.TemporaryDirectory() as root, warnings.catch_warnings():
    ...     warnings.simplefilter("ignore")  # two recordings are not the whole corpus
    ...     for name in ["OAF_back_ps.wav", "YAF_bite_fear.wav"]:
    ...         Path(root, name).touch()
    ...     corpus = load_tess(root)
    >>> corpus.target.tolist(), corpus.groups.tolist()
    (['surprised', 'fearful'], ['OAF', 'YAF'])
    """
    wanted = {
        "emotion": chosen("emotions", emotions, EMOTIONS.values()),
        "speaker": chosen("speakers", speakers, SPEAKERS),
    }
    return load_named(_CORPUS, root, wanted)


def _speaker_of_folder(folder: str) -> str | None:
    """Speaker whose folder has this name, such as OAF_Pleasant_surprise."""
    speaker = folder.upper().partition("_")[0]
    return speaker if speaker in SPEAKERS else None


def _recording(path: Path) -> Recording | None:
    """Decode the name of a recording, such as OAF_back_ps."""
    match = _NAME.fullmatch(path.stem)
    if match is None:
        return None
    speaker, word, emotion = match.groups()
    return Recording(
        path=str(path),
        emotion=EMOTIONS[emotion.lower()],
        original=emotion.lower(),
        word=word.lower(),
        speaker="YAF" if speaker.upper() == "YAF" else "OAF",
        sex="female",
    )


_CORPUS = Corpus(
    name="TESS",
    hint="OAF_angry, YAF_angry, ... with files such as OAF_back_angry.wav",
    text=_TEXT,
    decode=_recording,
    published={
        "emotion": dict.fromkeys(EMOTIONS.values(), 400),
        "speaker": dict.fromkeys(SPEAKERS, 1400),
    },
    speaker_of_folder=_speaker_of_folder,
)
