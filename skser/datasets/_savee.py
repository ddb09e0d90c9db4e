"""Loader of SAVEE: the Surrey Audio-Visual Expressed Emotion database."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from sklearn.utils import Bunch

from ._recordings import Corpus, chosen, load_named

EMOTIONS = {
    "a": "angry",
    "d": "disgust",
    "f": "fearful",
    "h": "happy",
    "n": "neutral",
    "sa": "sad",
    "su": "surprised",
}
SPEAKERS = ("DC", "JE", "JK", "KL")
_PER_EMOTION = {**dict.fromkeys(EMOTIONS.values(), 60), "neutral": 120}
# A code is followed by two digits, so that "sa" and "su" are never read as "s" or "a".
_NAME = re.compile(rf"(?:({'|'.join(SPEAKERS)})_)?({'|'.join(EMOTIONS)})(\d\d)", re.ASCII)
_TEXT = """\
SAVEE, the Surrey Audio-Visual Expressed Emotion database, its audio: four Englishmen say sentences of the
TIMIT corpus with seven emotions, 15 of each and 30 neutral ones. 480 recordings, 44.1 kHz.

data: paths; target: emotions; groups: codes of the speakers; frame: path, emotion, original (code of the
emotion), sentence (its number within the emotion), speaker, sex.

Licence: for research, after registration with its authors at the University of Surrey.
Citation: S. Haq, P. J. B. Jackson, "Multimodal emotion recognition", in W. Wang (ed.), Machine Audition:
Principles, Algorithms and Systems, IGI Global, 2010, 398-423."""


class Recording(NamedTuple):
    """What the name of a file and its folder say, in the order of the frame's columns."""

    path: str
    emotion: str
    original: str
    sentence: int
    speaker: str
    sex: str


def load_savee(
    root: str | os.PathLike[str],
    *,
    emotions: Iterable[str] | None = None,
    speakers: Iterable[str] | None = None,
) -> Bunch:
    """Find the audio recordings of SAVEE.

    Copies with a folder a speaker, ``DC/a01.wav``, and flat ones, ``DC_a01.wav``, are both read. The files
    are named, not read.

    Parameters
    ----------
    root : str or PathLike
        The folder that holds AudioData, or any folder above or below. Recordings are WAV or FLAC files;
        hidden ones and the `._*` companions of macOS are skipped.
    emotions : iterable of str, default=None
        Emotions to take, of angry, disgust, fearful, happy, neutral, sad and surprised; None takes all.
    speakers : iterable of str, default=None
        Codes of the speakers to take, of DC, JE, JK and KL; None takes all.

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
            Columns path, emotion, original (code of the emotion in the name), sentence (its number within
            the emotion), speaker and sex.
        target_names : list of str
            Emotions that occur, sorted.
        DESCR : str
            What the corpus is, licence, citation and counts.

    Raises
    ------
    FileNotFoundError
        If `root` does not exist.
    TypeError, ValueError
        If a filter names what SAVEE does not have, or if no recording is found, or only git-lfs pointers.

    Warns
    -----
    UserWarning
        If recordings of an emotion or a speaker are fewer or more than published, whatever the filters; if a
        recording is there more than once, in either layout (the one nearest to `root` is taken); if
        names of audio files are not SAVEE's, or their speaker is not known; if a recording lies in
        the folder of another speaker; if files are git-lfs pointers.

    References
    ----------
    .. [1] S. Haq, P. J. B. Jackson, "Multimodal emotion recognition", in W. Wang (ed.), Machine Audition:
       Principles, Algorithms and Systems, IGI Global, 2010, 398-423.

    Examples
    --------
    >>> import tempfile, warnings
    >>> from pathlib import Path
    >>> from skser.datasets import load_savee
    >>> with tempfile.TemporaryDirectory() as root, warnings.catch_warnings():
    ...     warnings.simplefilter("ignore")  # two recordings are not the whole corpus
    ...     for name in ["DC_a01.wav", "KL_su15.wav"]:
    ...         Path(root, name).touch()
    ...     corpus = load_savee(root)
    >>> corpus.target.tolist(), corpus.groups.tolist()
    (['angry', 'surprised'], ['DC', 'KL'])
    """
    wanted = {
        "emotion": chosen("emotions", emotions, EMOTIONS.values()),
        "speaker": chosen("speakers", speakers, SPEAKERS),
    }
    return load_named(_CORPUS, root, wanted)


def _speaker_of_folder(folder: str) -> str | None:
    """Speaker whose folder has this name."""
    return folder.upper() if folder.upper() in SPEAKERS else None


def _recording(path: Path) -> Recording | None:
    """Decode the name of a recording, DC_sa01, or sa01 in the folder DC."""
    match = _NAME.fullmatch(path.stem)
    speaker = match and (match[1] or _speaker_of_folder(path.absolute().parent.name))
    if match is None or speaker is None:
        return None
    number, highest = int(match[3]), 30 if match[2] == "n" else 15
    if not 1 <= number <= highest:
        return None
    return Recording(
        path=str(path),
        emotion=EMOTIONS[match[2]],
        original=match[2],
        sentence=number,
        speaker=speaker,
        sex="male",
    )


_CORPUS = Corpus(
    name="SAVEE",
    hint="AudioData with files such as DC/sa01.wav or DC_sa01.wav",
    text=_TEXT,
    decode=_recording,
    published={"emotion": _PER_EMOTION, "speaker": dict.fromkeys(SPEAKERS, 120)},
    speaker_of_folder=_speaker_of_folder,
)
