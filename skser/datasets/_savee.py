"""Loader of SAVEE: the Surrey Audio-Visual Expressed Emotion database."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from sklearn.utils import Bunch

from ._recordings import Corpus, load_named_recordings

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
# A code is followed by two digits, so that "sa" and "su" are not read as "a" or as another code.
_NAME = re.compile(rf"(?:({'|'.join(SPEAKERS)})_)?({'|'.join(EMOTIONS)})(\d\d)", re.ASCII)
_TEXT = """\
SAVEE, the audio of the Surrey Audio-Visual Expressed Emotion database: four Englishmen say sentences of the
TIMIT corpus with seven emotions, 30 neutral ones and 15 of each other emotion. 480 recordings, 44.1 kHz.

data: paths; target: emotions; groups: codes of the speakers; frame: path, emotion, original (code of the
emotion), sentence (its number within the emotion), speaker, sex.

License: for research, after registration with its authors at the University of Surrey.
Citation: S. Haq, P. J. B. Jackson, "Multimodal emotion recognition", in W. Wang (ed.), Machine Audition:
Principles, Algorithms and Systems, IGI Global, 2010, 398-423."""


def load_savee(
    root: str | os.PathLike[str],
    *,
    emotions: Iterable[str] | None = None,
    speakers: Iterable[str] | None = None,
) -> Bunch:
    """Find the audio recordings of SAVEE.

    Both layouts are supported: one folder per speaker, ``DC/a01.wav``, and all files together,
    ``DC_a01.wav``. Labels come from these names; no audio is read.

    Parameters
    ----------
    root : str or PathLike
        Folder that holds AudioData, or any folder above or below it. Recordings are WAV or FLAC files;
        hidden files are skipped.
    emotions : iterable of str, default=None
        Emotions to load: angry, disgust, fearful, happy, neutral, sad, surprised; None loads all.
    speakers : iterable of str, default=None
        Codes of the speakers to load: DC, JE, JK, KL; None loads all.

    Returns
    -------
    Bunch
        Sorted by speaker, then by name. `data` (list of str) are the paths, `target` (ndarray of str) the
        emotions, `groups` (ndarray of str) the codes of the speakers. `frame` (pandas.DataFrame) has the
        columns path, emotion, original (code of the emotion in the name), sentence (its number within the
        emotion), speaker and sex. `target_names` are the emotions that occur, sorted; `DESCR` has license,
        citation and counts.

    Raises
    ------
    OSError, TypeError, ValueError
        If `root` is not a folder, a filter has an unknown value, or no recordings are found.

    Warns
    -----
    UserWarning
        If the counts by emotion or speaker, before the filters, are not as published; if recordings are
        duplicated, in either layout (the copy nearest to `root` is loaded); if audio files have other names
        or unknown speakers, or are git-lfs pointers (they are left out); if a recording is in the folder of
        another speaker.

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
    return load_named_recordings(_CORPUS, root, emotion=emotions, speaker=speakers)


def _speaker_of_folder(folder: str) -> str | None:
    """Return the speaker whose folder has this name."""
    return folder.upper() if folder.upper() in SPEAKERS else None


def _decode(path: Path) -> dict[str, Any] | None:
    """Read the columns of a recording from a name such as DC_sa01, or sa01 in the folder DC."""
    match = _NAME.fullmatch(path.stem)
    speaker = match and (match[1] or _speaker_of_folder(path.absolute().parent.name))
    if match is None or speaker is None:
        return None
    number, highest = int(match[3]), 30 if match[2] == "n" else 15
    if not 1 <= number <= highest:
        return None
    return {
        "emotion": EMOTIONS[match[2]],
        "original": match[2],
        "sentence": number,
        "speaker": speaker,
        "sex": "male",
    }


_CORPUS = Corpus(
    name="SAVEE",
    hint="AudioData with files such as DC/sa01.wav or DC_sa01.wav",
    text=_TEXT,
    decode=_decode,
    choices={"emotion": EMOTIONS.values(), "speaker": SPEAKERS},
    published={"emotion": _PER_EMOTION, "speaker": dict.fromkeys(SPEAKERS, 120)},
    speaker_of_folder=_speaker_of_folder,
)
