"""Loader of CREMA-D: the Crowd-sourced Emotional Multimodal Actors Dataset."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from sklearn.utils import Bunch

from .._utils import warn_caller
from ._recordings import Corpus, load_named_recordings

EMOTIONS = {
    "ANG": "angry",
    "DIS": "disgust",
    "FEA": "fearful",
    "HAP": "happy",
    "NEU": "neutral",
    "SAD": "sad",
}
# One file was called 1040_ITH_SAD_X for years.
LEVELS = {"LO": "low", "MD": "medium", "HI": "high", "XX": "unspecified", "X": "unspecified"}
SENTENCES = ("DFA", "IEO", "IOM", "ITH", "ITS", "IWL", "IWW", "MTI", "TAI", "TIE", "TSI", "WSI")
_ACTORS = range(1001, 1092)
# From VideoDemographics.csv in the corpus.
_WOMEN = (
    *(1002, 1003, 1004, 1006, 1007, 1008, 1009, 1010, 1012, 1013, 1018, 1020, 1021, 1024, 1025),
    *(1028, 1029, 1030, 1037, 1043, 1046, 1047, 1049, 1052, 1053, 1054, 1055, 1056, 1058, 1060),
    *(1061, 1063, 1072, 1073, 1074, 1075, 1076, 1078, 1079, 1082, 1084, 1089, 1091),
)
# From the list of files in the repository of the corpus.
_PER_ACTOR = {**dict.fromkeys(_ACTORS, 82), 1002: 81, 1008: 76, 1009: 76, 1019: 76, 1076: 81}
_PER_EMOTION = {**dict.fromkeys(EMOTIONS.values(), 1271), "neutral": 1087}
_SILENT = {"1076_MTI_SAD_XX": "silent", "1076_MTI_NEU_XX": "nearly silent"}
_NAME = re.compile(rf"(10\d\d)_({'|'.join(SENTENCES)})_({'|'.join(EMOTIONS)})_({'|'.join(LEVELS)})", re.ASCII)
_TEXT = """\
CREMA-D, the Crowd-sourced Emotional Multimodal Actors Dataset: 91 actors, 43 of them women, say twelve
sentences with six emotions, one of the sentences at three levels. 7,442 recordings, 16 kHz. The labels are
the emotions that the actors were instructed to show.

data: paths; target: emotions; groups: numbers of the actors; frame: path, emotion, original (code of the
emotion), level (low, medium, high or unspecified), sentence, actor, sex.

1076_MTI_SAD_XX is silent and 1076_MTI_NEU_XX is nearly silent; both are kept.

License: Open Database License (ODbL) 1.0, its contents under the Database Contents License (DbCL) 1.0.
Citation: H. Cao, D. G. Cooper, M. K. Keutmann, R. C. Gur, A. Nenkova, R. Verma, "CREMA-D: Crowd-sourced
Emotional Multimodal Actors Dataset", IEEE Transactions on Affective Computing 5(4), 2014, 377-390,
doi:10.1109/TAFFC.2014.2336244."""


def load_crema_d(
    root: str | os.PathLike[str],
    *,
    emotions: Iterable[str] | None = None,
    levels: Iterable[str] | None = None,
    sentences: Iterable[str] | None = None,
    actors: Iterable[int] | None = None,
) -> Bunch:
    """Find the audio recordings of CREMA-D.

    Labels come from the names of the files; no audio is read.

    Parameters
    ----------
    root : str or PathLike
        Folder that holds AudioWAV, or any folder above or below it. Recordings are WAV or FLAC files; hidden
        files are skipped.
    emotions : iterable of str, default=None
        Emotions to load: angry, disgust, fearful, happy, neutral, sad; None loads all.
    levels : iterable of str, default=None
        Levels of the emotion to load: low, medium, high, unspecified; None loads all. Only the sentence IEO
        was recorded at different levels.
    sentences : iterable of str, default=None
        Codes of the sentences to load: DFA, IEO, IOM, ITH, ITS, IWL, IWW, MTI, TAI, TIE, TSI, WSI; None
        loads all.
    actors : iterable of int, default=None
        Numbers of the actors to load, 1001 to 1091; None loads all.

    Returns
    -------
    Bunch
        Sorted by actor, then by name. `data` (list of str) are the paths, `target` (ndarray of str) the
        emotions, `groups` (ndarray of int) the numbers of the actors. `frame` (pandas.DataFrame) has the
        columns path, emotion, original (code of the emotion in the name), level, sentence, actor and sex.
        `target_names` are the emotions that occur, sorted; `DESCR` has the license, citation and counts.

    Raises
    ------
    OSError, TypeError, ValueError
        If `root` is not a folder, a filter has an unknown value, or recordings are missing or only git-lfs
        pointers, as in an archive of the repository of the corpus.

    Warns
    -----
    UserWarning
        If the counts by emotion or actor, before the filters, are not as published; if recordings are
        duplicated (the copy nearest to `root` is loaded); if audio files have other names or are git-lfs
        pointers (they are left out); if recordings known to be silent are loaded.

    References
    ----------
    .. [1] H. Cao, D. G. Cooper, M. K. Keutmann, R. C. Gur, A. Nenkova, R. Verma, "CREMA-D: Crowd-sourced
       Emotional Multimodal Actors Dataset", IEEE Transactions on Affective Computing 5(4), 2014, 377-390.

    Examples
    --------
    >>> import tempfile, warnings
    >>> from pathlib import Path
    >>> from skser.datasets import load_crema_d
    >>> with tempfile.TemporaryDirectory() as root, warnings.catch_warnings():
    ...     warnings.simplefilter("ignore")  # two recordings are not the whole corpus
    ...     for name in ["1001_IEO_ANG_HI.wav", "1002_DFA_SAD_XX.wav"]:
    ...         Path(root, name).touch()
    ...     corpus = load_crema_d(root)
    >>> corpus.target.tolist(), corpus.groups.tolist()
    (['angry', 'sad'], [1001, 1002])
    """
    corpus = load_named_recordings(
        _CORPUS, root, emotion=emotions, level=levels, sentence=sentences, actor=actors
    )
    stems = [Path(path).stem for path in corpus.data]
    silent = [f"{stem} ({_SILENT[stem]})" for stem in stems if stem in _SILENT]
    if silent:
        names = ", ".join(silent)
        warn_caller(
            f"Some recordings are known to contain no speech ({names}): remove them by their names in "
            "frame.path."
        )
    return corpus


def _decode(path: Path) -> dict[str, Any] | None:
    """Read the columns of a recording from a name such as 1001_IEO_ANG_HI."""
    match = _NAME.fullmatch(path.stem)
    if match is None or int(match[1]) not in _ACTORS:
        return None
    actor, sentence, emotion, level = match.groups()
    return {
        "emotion": EMOTIONS[emotion],
        "original": emotion,
        "level": LEVELS[level],
        "sentence": sentence,
        "actor": int(actor),
        "sex": "female" if int(actor) in _WOMEN else "male",
    }


_CORPUS = Corpus(
    name="CREMA-D",
    hint="AudioWAV with files such as 1001_IEO_ANG_HI.wav",
    text=_TEXT,
    decode=_decode,
    choices={
        "emotion": EMOTIONS.values(),
        "level": set(LEVELS.values()),
        "sentence": SENTENCES,
        "actor": _ACTORS,
    },
    speaker="actor",
    published={"emotion": _PER_EMOTION, "actor": _PER_ACTOR},
)
