"""Loader of nEMO: emotional speech in Polish."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from sklearn.utils import Bunch

from ._recordings import Corpus, load_named_recordings

EMOTIONS = {
    "anger": "angry",
    "fear": "fearful",
    "happiness": "happy",
    "neutral": "neutral",
    "sadness": "sad",
    "surprised": "surprised",
}
SPEAKERS = ("EB0", "IC0", "KD0", "KS0", "MK0", "MP0", "SM0", "TP0", "WR0")
SENTENCES = range(1, 91)
_WOMEN = ("EB0", "IC0", "KD0", "MK0")
# From data.tsv in the repository of the corpus.
_PER_EMOTION = dict(zip(EMOTIONS.values(), (749, 736, 749, 809, 769, 669), strict=True))
_PER_SPEAKER = dict(zip(SPEAKERS, (539, 540, 540, 540, 450, 256, 538, 539, 539), strict=True))
_NAME = re.compile(rf"({'|'.join(SPEAKERS)})_({'|'.join(EMOTIONS)})_([1-9]\d?)", re.ASCII)
_TEXT = """\
nEMO, a dataset of emotional speech in Polish: nine actors, four of them women, say 90 sentences with six
emotions. 4,481 recordings, 24 kHz, 0.9 to 5.7 s. Two speakers are incomplete: MK0 has no surprise, and MP0
has less than half of the recordings.

data: paths; target: emotions; groups: codes of the speakers; frame: path, emotion, original (name of the
emotion in the file name), sentence (1 to 90, whose texts are in data.tsv of the corpus), speaker, sex.

License: CC BY-NC-SA 4.0.
Citation: I. Christop, "nEMO: Dataset of Emotional Speech in Polish", LREC-COLING 2024, 12111-12116."""


def load_nemo(
    root: str | os.PathLike[str],
    *,
    emotions: Iterable[str] | None = None,
    sentences: Iterable[int] | None = None,
    speakers: Iterable[str] | None = None,
) -> Bunch:
    """Find the recordings of nEMO, a dataset of emotional speech in Polish.

    Labels come from the names of the files; no audio is read.

    Parameters
    ----------
    root : str or PathLike
        Folder that holds samples/, or any folder above or below it. Recordings are WAV or FLAC files;
        hidden files are skipped.
    emotions : iterable of str, default=None
        Emotions to load: angry, fearful, happy, neutral, sad, surprised; None loads all.
    sentences : iterable of int, default=None
        Numbers of the sentences to load, 1 to 90; None loads all.
    speakers : iterable of str, default=None
        Codes of the speakers to load: EB0, IC0, KD0, KS0, MK0, MP0, SM0, TP0, WR0; None loads all.

    Returns
    -------
    Bunch
        Sorted by speaker, then by name. `data` (list of str) are the paths, `target` (ndarray of str) the
        emotions, `groups` (ndarray of str) the codes of the speakers. `frame` (pandas.DataFrame) has the
        columns path, emotion, original (name of the emotion in the file name), sentence (its number),
        speaker and sex. `target_names` are the emotions that occur, sorted; `DESCR` has the license,
        citation and counts.

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
    .. [1] I. Christop, "nEMO: Dataset of Emotional Speech in Polish", LREC-COLING 2024, 12111-12116.

    Examples
    --------
    >>> import tempfile, warnings
    >>> from pathlib import Path
    >>> from skser.datasets import load_nemo
    >>> with tempfile.TemporaryDirectory() as root, warnings.catch_warnings():
    ...     warnings.simplefilter("ignore")  # two recordings are not the whole corpus
    ...     for name in ["EB0_anger_1.wav", "WR0_sadness_90.wav"]:
    ...         Path(root, name).touch()
    ...     corpus = load_nemo(root)
    >>> corpus.target.tolist(), corpus.groups.tolist(), corpus.frame["sentence"].tolist()
    (['angry', 'sad'], ['EB0', 'WR0'], [1, 90])
    """
    return load_named_recordings(_CORPUS, root, emotion=emotions, sentence=sentences, speaker=speakers)


def _decode(path: Path) -> dict[str, Any] | None:
    """Read the columns of a recording from a name such as WR0_sadness_64."""
    match = _NAME.fullmatch(path.stem)
    if match is None or int(match[3]) not in SENTENCES:
        return None
    speaker, emotion, sentence = match.groups()
    return {
        "emotion": EMOTIONS[emotion],
        "original": emotion,
        "sentence": int(sentence),
        "speaker": speaker,
        "sex": "female" if speaker in _WOMEN else "male",
    }


_CORPUS = Corpus(
    name="nEMO",
    hint="samples/ with files such as WR0_sadness_64.wav",
    text=_TEXT,
    decode=_decode,
    choices={"emotion": EMOTIONS.values(), "sentence": SENTENCES, "speaker": SPEAKERS},
    published={"emotion": _PER_EMOTION, "speaker": _PER_SPEAKER},
)
