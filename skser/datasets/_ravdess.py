"""Loader of RAVDESS: the speech of the Ryerson Audio-Visual Database of Emotional Speech and Song."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from sklearn.utils import Bunch

from .._utils import counted
from ._folders import check_folder
from ._recordings import Corpus, audio_below, chosen, find_recordings, passing, rows_as_bunch, warn_of_counts

EMOTIONS = ("neutral", "calm", "happy", "sad", "angry", "fearful", "disgust", "surprised")
INTENSITIES = ("normal", "strong")
STATEMENTS = ("kids", "dogs")
_N_ACTORS = 24
_PER_ACTOR = 60  # recordings of speech
_NAME = re.compile(r"(0[1-3])-(0[12])-(0[1-8])-(0[12])-(0[12])-(0[12])-(\d\d)", re.ASCII)
_SPEECH = ("03", "01")  # modality audio only, channel speech
_TEXT = """\
RAVDESS, audio-only speech: actors (odd numbers men, even ones women) say two statements, "Kids are
talking by the door" and "Dogs are sitting by the door", twice each, with eight emotions, all but neutral
at two intensities. A complete copy holds 24 actors with 60 recordings each.

data: paths; target: emotions; groups: numbers of the actors; frame: path, emotion, intensity (normal
or strong), statement (kids or dogs), repetition, actor, sex.

The recordings 03-01-03-01-02-01-07 and 03-01-03-01-02-02-07 are byte for byte the same; both are kept.

Licence: CC BY-NC-SA 4.0.
Citation: S. R. Livingstone, F. A. Russo, "The Ryerson Audio-Visual Database of Emotional Speech and
Song (RAVDESS)", PLoS ONE 13(5), 2018, e0196391, doi:10.1371/journal.pone.0196391;
data: doi:10.5281/zenodo.1188976."""


class Recording(NamedTuple):
    """What the name of a file says, in the order of the frame's columns."""

    path: str
    emotion: str
    intensity: str
    statement: str
    repetition: int
    actor: int
    sex: str


def load_ravdess(
    root: str | os.PathLike[str],
    *,
    emotions: Iterable[str] | None = None,
    intensities: Iterable[str] | None = None,
    statements: Iterable[str] | None = None,
    actors: Iterable[int] | None = None,
) -> Bunch:
    """Find the audio-only speech recordings of RAVDESS.

    The files are named, not read. Song and video recordings are left out, and `DESCR` says how many.

    Parameters
    ----------
    root : str or PathLike
        The folder that holds Actor_01, Actor_02, ..., or any folder above it. Recordings are WAV or FLAC
        files; hidden ones and the `._*` companions of macOS are skipped.
    emotions : iterable of str, default=None
        Emotions to take, of neutral, calm, happy, sad, angry, fearful, disgust and surprised; None takes all.
    intensities : iterable of str, default=None
        Intensities to take, of normal and strong; None takes both. Neutral speech is normal.
    statements : iterable of str, default=None
        Statements to take, of kids and dogs; None takes both.
    actors : iterable of int, default=None
        Actors to take, 1 to 24; None takes all that are there.

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
            Columns path, emotion, intensity, statement, repetition, actor and sex.
        target_names : list of str
            Emotions that occur, sorted.
        DESCR : str
            What the corpus is, licence, citation and counts.

    Raises
    ------
    FileNotFoundError
        If `root` does not exist.
    TypeError, ValueError
        If a filter names what RAVDESS does not have, or if no recording is found, or only git-lfs pointers.

    Warns
    -----
    UserWarning
        If a recording is there more than once, as in copies that hold the whole set twice (the one
        nearest to `root` is taken); if names of audio files are not RAVDESS's; if a recording lies
        in the folder of another actor; if actors have fewer than their 60 recordings, unless none has half
        of them, which is a selection and no copy (`DESCR` names them either way, and the absent actors).

    References
    ----------
    .. [1] S. R. Livingstone, F. A. Russo, "The Ryerson Audio-Visual Database of Emotional Speech and Song
       (RAVDESS)", PLoS ONE 13(5), 2018, e0196391.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from skser.datasets import load_ravdess
    >>> with tempfile.TemporaryDirectory() as root:
    ...     for name in ["03-01-05-01-02-01-01.wav", "03-01-05-01-02-01-02.wav"]:
    ...         Path(root, name).touch()
    ...     corpus = load_ravdess(root)
    >>> corpus.target.tolist(), corpus.groups.tolist()
    (['angry', 'angry'], [1, 2])
    """
    wanted = {
        "emotion": chosen("emotions", emotions, EMOTIONS),
        "intensity": chosen("intensities", intensities, INTENSITIES),
        "statement": chosen("statements", statements, STATEMENTS),
        "actor": chosen("actors", actors, range(1, _N_ACTORS + 1)),
    }
    folder = check_folder(root)
    paths = audio_below(folder)
    others = {path.stem for path in paths if _is_code(path.stem) and not _is_speech(path.stem)}
    speech = find_recordings(folder, [path for path in paths if path.stem not in others], _CORPUS)
    if not speech:
        but = f" but {counted(len(others), 'recording')} of song or video" if others else ""
        raise ValueError(
            f"No RAVDESS speech in {str(folder)!r}{but}: give the folder that holds {_CORPUS.hint}."
        )
    per_actor = Counter(recording.actor for recording in speech)
    if max(per_actor.values()) >= _PER_ACTOR / 2:
        warn_of_counts(folder, "RAVDESS", speech, {"actor": dict.fromkeys(sorted(per_actor), _PER_ACTOR)})
    taken = passing(folder, "RAVDESS", speech, wanted)
    left_out = (
        f"Song and video recordings left out: {len(others)}\n"
        f"Speech recordings filtered out: {len(speech) - len(taken)}\n"
        f"{_completeness(per_actor)}"
    )
    return rows_as_bunch(taken, label="emotion", speaker="actor", text=f"{_CORPUS.text}\n\n{left_out}")


def _completeness(per_actor: Counter[int]) -> str:
    """Lines on the actors who are absent and those who lack recordings."""
    absent = [str(actor) for actor in range(1, _N_ACTORS + 1) if actor not in per_actor]
    lacking = [f"{actor} ({n} of {_PER_ACTOR})" for actor, n in sorted(per_actor.items()) if n < _PER_ACTOR]
    return f"Actors absent: {', '.join(absent) or 'none'}\nActors incomplete: {', '.join(lacking) or 'none'}"


def _is_code(stem: str) -> bool:
    """Whether a name has the form of RAVDESS and a meaning in it; neutral speech has no strong version."""
    match = _NAME.fullmatch(stem)
    if match is None:
        return False
    _, _, emotion, intensity, _, _, actor = match.groups()
    return 1 <= int(actor) <= _N_ACTORS and (emotion, intensity) != ("01", "02")


def _is_speech(stem: str) -> bool:
    """Whether a code stands for audio-only speech, not for song or video."""
    return tuple(stem.split("-")[:2]) == _SPEECH


def _actor_of_folder(folder: str) -> int | None:
    """Actor whose folder has this name."""
    match = re.fullmatch(r"actor_(\d+)", folder, re.IGNORECASE)
    return None if match is None else int(match[1])


def _recording(path: Path) -> Recording | None:
    """Decode the name of a speech recording."""
    if not _is_code(path.stem):
        return None
    emotion, intensity, statement, repetition, actor = (int(part) for part in path.stem.split("-")[2:])
    return Recording(
        path=str(path),
        emotion=EMOTIONS[emotion - 1],
        intensity=INTENSITIES[intensity - 1],
        statement=STATEMENTS[statement - 1],
        repetition=repetition,
        actor=actor,
        sex="male" if actor % 2 else "female",
    )


_CORPUS = Corpus(
    name="RAVDESS",
    hint="Actor_01, Actor_02, ... with files such as 03-01-05-01-02-01-12.wav",
    text=_TEXT,
    decode=_recording,
    speaker="actor",
    speaker_of_folder=_actor_of_folder,
)
