"""Loader of RAVDESS: the speech of the Ryerson Audio-Visual Database of Emotional Speech and Song."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

from sklearn.utils import Bunch

from .._validation import check_choice, check_number, warn_caller
from ._bunch import as_bunch
from ._folders import check_folder, counted, files_below, is_audio, listed

EMOTIONS = ("neutral", "calm", "happy", "sad", "angry", "fearful", "disgust", "surprised")
INTENSITIES = ("normal", "strong")
STATEMENTS = ("kids", "dogs")
_N_ACTORS = 24
_EXTENSIONS = (".wav", ".flac")
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
        If a filter names what RAVDESS does not have, or if no recording is found.

    Warns
    -----
    UserWarning
        If a recording is there more than once, as in copies that hold the whole set twice (the one
        nearest to `root` is taken); if names of audio files are not RAVDESS's; if a recording lies
        in the folder of another actor.

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
    folder = check_folder(root)
    wanted: dict[str, set[Any]] = {
        "emotion": _names("emotions", emotions, EMOTIONS),
        "intensity": _names("intensities", intensities, INTENSITIES),
        "statement": _names("statements", statements, STATEMENTS),
        "actor": _actors(actors),
    }
    speech, n_others, messages = _speech_below(folder)
    for message in messages:
        warn_caller(message)
    if not speech:
        but = f" but {counted(n_others, 'recording')} of song or video" if n_others else ""
        raise ValueError(
            f"No RAVDESS speech in {str(folder)!r}{but}: "
            "give the folder that holds Actor_01, Actor_02, ... with files such as 03-01-05-01-02-01-12.wav."
        )
    taken = [r for r in speech if all(getattr(r, field) in values for field, values in wanted.items())]
    if not taken:
        raise ValueError(
            f"None of the {counted(len(speech), 'RAVDESS recording')} in {str(folder)!r} passes the filters: "
            "widen emotions, intensities, statements or actors."
        )
    left_out = (
        f"Song and video recordings left out: {n_others}\n"
        f"Speech recordings filtered out: {len(speech) - len(taken)}"
    )
    fields = dict(zip(Recording._fields, map(list, zip(*taken, strict=True)), strict=True))
    return as_bunch(fields["path"], fields, label="emotion", speaker="actor", text=f"{_TEXT}\n\n{left_out}")


def _names(parameter: str, values: Iterable[str] | None, choices: tuple[str, ...]) -> set[str]:
    """Names that a filter lets pass, each checked."""
    names = set(choices) if values is None else _listed_values(parameter, values)
    for name in names:
        check_choice(f"each of {parameter}", name, choices)
    return names


def _actors(values: Iterable[int] | None) -> set[int]:
    """Numbers of the actors that pass, each checked."""
    numbers = set(range(1, _N_ACTORS + 1)) if values is None else _listed_values("actors", values)
    for number in numbers:
        check_number("each of actors", number, integer=True, low=1, high=_N_ACTORS)
    return numbers


def _listed_values(parameter: str, values: Any) -> set[Any]:
    """Values of a filter, which must be several, not one."""
    if isinstance(values, str) or not isinstance(values, Iterable):
        raise TypeError(f"{parameter} must be a list or None, got {values!r}: write [{values!r}].")
    return set(values)


def _speech_below(folder: Path) -> tuple[list[Recording], int, list[str]]:
    """Speech recordings in order, the number of others, and what is worth a warning."""
    paths = sorted(path for path in files_below(folder) if is_audio(path, _EXTENSIONS))
    coded = [path for path in paths if _is_code(path.stem)]
    once: dict[str, Path] = {}
    for path in sorted(coded, key=lambda path: len(path.parts)):
        once.setdefault(path.stem, path)
    speech = {stem: path for stem, path in once.items() if tuple(stem.split("-")[:2]) == _SPEECH}
    recordings = [_recording(speech[stem]) for stem in sorted(speech, key=lambda stem: (stem[-2:], stem))]
    odd = [str(path.relative_to(folder)) for path in paths if not _is_code(path.stem)]
    astray = [str(path.relative_to(folder)) for path in speech.values() if _is_astray(path)]
    return recordings, len(once) - len(speech), _messages(folder, len(coded) - len(once), odd, astray)


def _is_code(stem: str) -> bool:
    """Whether a name has the form of RAVDESS and a meaning in it; neutral speech has no strong version."""
    match = _NAME.fullmatch(stem)
    if match is None:
        return False
    _, _, emotion, intensity, _, _, actor = match.groups()
    return 1 <= int(actor) <= _N_ACTORS and (emotion, intensity) != ("01", "02")


def _is_astray(path: Path) -> bool:
    """Whether a recording lies in the folder of another actor than its name says."""
    match = re.fullmatch(r"actor_(\d+)", path.parent.name, re.IGNORECASE)
    return match is not None and int(match[1]) != int(path.stem[-2:])


def _messages(folder: Path, n_again: int, odd: list[str], astray: list[str]) -> list[str]:
    """Sentences for what a user should know about a copy of the corpus."""
    where = f"in {str(folder)!r}"
    messages = []
    if n_again:
        files = counted(n_again, "further copy", "further copies")
        messages.append(
            f"Left out {files} of recordings {where}: each name is taken once, nearest to this folder."
        )
    if odd:
        files = counted(len(odd), "audio file")
        messages.append(f"Left out {files} {where} not named as in RAVDESS: {listed(odd)}.")
    if astray:
        files = counted(len(astray), "recording")
        messages.append(
            f"{files} {where} in the folder of another actor than the name says (the name is believed): "
            f"{listed(astray)}."
        )
    return messages


def _recording(path: Path) -> Recording:
    """Decode the name of a speech recording."""
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
