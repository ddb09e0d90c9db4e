"""Loader of CREMA-D: the Crowd-sourced Emotional Multimodal Actors Dataset."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from sklearn.utils import Bunch

from .._utils import warn_caller
from ._recordings import Corpus, chosen, load_named

EMOTIONS = {
    "ANG": "angry",
    "DIS": "disgust",
    "FEA": "fearful",
    "HAP": "happy",
    "NEU": "neutral",
    "SAD": "sad",
}
LEVELS = {"LO": "low", "MD": "medium", "HI": "high", "XX": "unspecified"}
SENTENCES = ("DFA", "IEO", "IOM", "ITH", "ITS", "IWL", "IWW", "MTI", "TAI", "TIE", "TSI", "WSI")
_ACTORS = range(1001, 1092)
# By VideoDemographics.csv of the corpus.
_WOMEN = frozenset(
    (
        *(1002, 1003, 1004, 1006, 1007, 1008, 1009, 1010, 1012, 1013, 1018, 1020, 1021, 1024, 1025),
        *(1028, 1029, 1030, 1037, 1043, 1046, 1047, 1049, 1052, 1053, 1054, 1055, 1056, 1058, 1060),
        *(1061, 1063, 1072, 1073, 1074, 1075, 1076, 1078, 1079, 1082, 1084, 1089, 1091),
    )
)
# By the list of files in the corpus's repository.
_PER_ACTOR = {**dict.fromkeys(_ACTORS, 82), 1002: 81, 1008: 76, 1009: 76, 1019: 76, 1076: 81}
_PER_EMOTION = {**dict.fromkeys(EMOTIONS.values(), 1271), "neutral": 1087}
_SILENT = {"1076_MTI_SAD_XX": "silent", "1076_MTI_NEU_XX": "nearly silent"}
# One file was called 1040_ITH_SAD_X for years.
_NAME = re.compile(
    rf"(10\d\d)_({'|'.join(SENTENCES)})_({'|'.join(EMOTIONS)})_({'|'.join(LEVELS)}|X)", re.ASCII
)
_TEXT = """\
CREMA-D, the Crowd-sourced Emotional Multimodal Actors Dataset: 91 actors, 43 of them women, say twelve
sentences with six emotions, one of the sentences at three levels. 7,442 recordings, 16 kHz. The emotions
are those that the actors were asked for.

data: paths; target: emotions; groups: numbers of the actors; frame: path, emotion, original (code of the
emotion), level (low, medium, high or unspecified), sentence, actor, sex.

1076_MTI_SAD_XX is silent and 1076_MTI_NEU_XX nearly so; both are kept.

Licence: Open Database License (ODbL) 1.0, its contents under the Database Contents License (DbCL) 1.0.
Citation: H. Cao, D. G. Cooper, M. K. Keutmann, R. C. Gur, A. Nenkova, R. Verma, "CREMA-D: Crowd-sourced
Emotional Multimodal Actors Dataset", IEEE Transactions on Affective Computing 5(4), 2014, 377-390,
doi:10.1109/TAFFC.2014.2336244."""


class Recording(NamedTuple):
    """What the name of a file says, in the order of the frame's columns; the sex is the actor's."""

    path: str
    emotion: str
    original: str
    level: str
    sentence: str
    actor: int
    sex: str


def load_crema_d(
    root: str | os.PathLike[str],
    *,
    emotions: Iterable[str] | None = None,
    levels: Iterable[str] | None = None,
    sentences: Iterable[str] | None = None,
    actors: Iterable[int] | None = None,
) -> Bunch:
    """Find the audio recordings of CREMA-D.

    The files are named, not read, but for those of a few bytes.

    Parameters
    ----------
    root : str or PathLike
        The folder that holds AudioWAV, or any folder above or below. Recordings are WAV or FLAC files; hidden
        ones and the `._*` companions of macOS are skipped.
    emotions : iterable of str, default=None
        Emotions to take, of angry, disgust, fearful, happy, neutral and sad; None takes all.
    levels : iterable of str, default=None
        Levels of the emotion to take, of low, medium, high and unspecified; None takes all. Only the sentence
        IEO was said at levels.
    sentences : iterable of str, default=None
        Codes of the sentences to take, of DFA, IEO, IOM, ITH, ITS, IWL, IWW, MTI, TAI, TIE, TSI and WSI; None
        takes all.
    actors : iterable of int, default=None
        Actors to take, 1001 to 1091; None takes all that are there.

    Returns
    -------
    Bunch
        With these entries, sorted by actor, then by name:

        data : list of str
            Paths.
        target : ndarray of str, shape (n_samples,)
            Emotions.
        groups : ndarray of int, shape (n_samples,)
            Numbers of the actors.
        frame : pandas.DataFrame of shape (n_samples, 7)
            Columns path, emotion, original (code of the emotion in the name), level, sentence, actor
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
        If a filter names what CREMA-D does not have; if no recording is found, or only git-lfs pointers, as
        in an archive of the corpus's repository.

    Warns
    -----
    UserWarning
        If recordings of an emotion or an actor are fewer or more than published, whatever the filters; if a
        recording is there more than once (the one nearest to `root` is taken); if names of audio
        files are not CREMA-D's; if files are git-lfs pointers; if recordings that are known to be
        silent are among those taken.

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
    wanted = {
        "emotion": chosen("emotions", emotions, EMOTIONS.values()),
        "level": chosen("levels", levels, LEVELS.values()),
        "sentence": chosen("sentences", sentences, SENTENCES),
        "actor": chosen("actors", actors, _ACTORS),
    }
    corpus = load_named(_CORPUS, root, wanted)
    silent = [f"{stem} ({_SILENT[stem]})" for stem in map(_stem, corpus.data) if stem in _SILENT]
    if silent:
        warn_caller(
            f"Known to hold no speech, and kept: {', '.join(silent)}; leave them out by their names in "
            "frame.path."
        )
    return corpus


def _stem(path: str) -> str:
    """Name of a recording."""
    return Path(path).stem


def _recording(path: Path) -> Recording | None:
    """Decode the name of a recording, such as 1001_IEO_ANG_HI."""
    match = _NAME.fullmatch(path.stem)
    if match is None or int(match[1]) not in _ACTORS:
        return None
    actor, sentence, emotion, level = match.groups()
    return Recording(
        path=str(path),
        emotion=EMOTIONS[emotion],
        original=emotion,
        level=LEVELS.get(level, "unspecified"),
        sentence=sentence,
        actor=int(actor),
        sex="female" if int(actor) in _WOMEN else "male",
    )


_CORPUS = Corpus(
    name="CREMA-D",
    hint="AudioWAV with files such as 1001_IEO_ANG_HI.wav",
    text=_TEXT,
    decode=_recording,
    speaker="actor",
    published={"emotion": _PER_EMOTION, "actor": _PER_ACTOR},
)
