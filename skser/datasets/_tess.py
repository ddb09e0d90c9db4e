"""Loader of TESS: the Toronto Emotional Speech Set."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from sklearn.utils import Bunch

from ._recordings import Corpus, load_named_recordings

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
_PER_EMOTION, _PER_SPEAKER = dict.fromkeys(EMOTIONS.values(), 400), dict.fromkeys(SPEAKERS, 1400)
_NAME = re.compile(rf"(OAF?|YAF)_([a-z]+)_({'|'.join(EMOTIONS)})", re.ASCII | re.IGNORECASE)
_TEXT = """\
TESS, the Toronto Emotional Speech Set: two women, aged 64 (OAF) and 26 (YAF), say 200 words after "Say the
word" with seven emotions; the surprise is pleasant. 2,800 recordings, 24,414 Hz, except for one of 96 kHz.

data: paths; target: emotions; groups: codes of the speakers; frame: path, emotion, original (code of the
emotion, ps for the surprise), word, speaker, sex.

With only two speakers, results on TESS say nothing about speakers outside the training set.
OA_bite_neutral, the name of one file, is a recording of OAF.

License: Creative Commons, non-commercial; see the page of the archive for its terms.
Citation: M. K. Pichora-Fuller, K. Dupuis, "Toronto emotional speech set (TESS)", Scholars Portal Dataverse,
2020, doi:10.5683/SP2/E8H2MF."""


def load_tess(
    root: str | os.PathLike[str],
    *,
    emotions: Iterable[str] | None = None,
    speakers: Iterable[str] | None = None,
) -> Bunch:
    """Find the recordings of TESS, the Toronto Emotional Speech Set.

    With only two speakers, results say nothing about speakers outside the training set. Labels come from the
    names of the files; no audio is read.

    Parameters
    ----------
    root : str or PathLike
        Folder that holds OAF_angry, YAF_angry, ..., or all files, or any folder above or below it.
        Recordings are WAV or FLAC files; hidden files are skipped.
    emotions : iterable of str, default=None
        Emotions to load: angry, disgust, fearful, happy, neutral, sad, surprised (pleasantly, "ps" in the
        file names); None loads all.
    speakers : iterable of str, default=None
        Codes of the speakers to load: OAF, YAF; None loads both.

    Returns
    -------
    Bunch
        Sorted by speaker, then by name. `data` (list of str) are the paths, `target` (ndarray of str) the
        emotions, `groups` (ndarray of str) the codes of the speakers. `frame` (pandas.DataFrame) has the
        columns path, emotion, original (code of the emotion in the name), word, speaker and sex.
        `target_names` are the emotions that occur, sorted; `DESCR` has the license, citation and counts.

    Raises
    ------
    OSError, TypeError, ValueError
        If `root` is not a folder, a filter has an unknown value, or no recordings are found.

    Warns
    -----
    UserWarning
        If the counts by emotion or speaker, before the filters, are not as published; if recordings are
        duplicated, as in copies that hold the whole set twice (the copy nearest to `root` is loaded); if
        audio files have other names or are git-lfs pointers (they are left out); if a recording is in the
        folder of another speaker.

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
    return load_named_recordings(_CORPUS, root, emotion=emotions, speaker=speakers)


def _speaker_of_folder(folder: str) -> str | None:
    """Return the speaker whose folder has this name, such as OAF_Pleasant_surprise."""
    speaker = folder.upper().partition("_")[0]
    return speaker if speaker in SPEAKERS else None


def _decode(path: Path) -> dict[str, Any] | None:
    """Read the columns of a recording from a name such as OAF_back_ps."""
    match = _NAME.fullmatch(path.stem)
    if match is None:
        return None
    speaker, word, emotion = match.groups()
    return {
        "emotion": EMOTIONS[emotion.lower()],
        "original": emotion.lower(),
        "word": word.lower(),
        "speaker": "YAF" if speaker.upper() == "YAF" else "OAF",
        "sex": "female",
    }


_CORPUS = Corpus(
    name="TESS",
    hint="OAF_angry, YAF_angry, ... with files such as OAF_back_angry.wav",
    text=_TEXT,
    decode=_decode,
    choices={"emotion": EMOTIONS.values(), "speaker": SPEAKERS},
    published={"emotion": _PER_EMOTION, "speaker": _PER_SPEAKER},
    speaker_of_folder=_speaker_of_folder,
)
