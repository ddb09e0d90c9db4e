"""Loader of RAVDESS: the speech of the Ryerson Audio-Visual Database of Emotional Speech and Song."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from sklearn.utils import Bunch

from .._utils import counted
from ._filters import check_filter
from ._folders import check_folder
from ._recordings import Corpus, bunch_of_paths, filter_rows, find_audio, find_recordings, warn_of_counts

EMOTIONS = ("neutral", "calm", "happy", "sad", "angry", "fearful", "disgust", "surprised")
INTENSITIES = ("normal", "strong")
STATEMENTS = ("kids", "dogs")
_ACTORS = range(1, 25)
_PER_ACTOR = 60  # recordings of speech
_NAME = re.compile(r"(0[1-3])-(0[12])-(0[1-8])-(0[12])-(0[12])-(0[12])-(\d\d)", re.ASCII)
_SPEECH = "03-01-"  # modality audio only, channel speech
_TEXT = """\
RAVDESS, audio-only speech: actors (odd numbers are men, even numbers women) say two statements, "Kids are
talking by the door" and "Dogs are sitting by the door", twice each, with eight emotions, all except neutral
at two intensities. A complete copy holds 24 actors with 60 recordings each.

data: paths; target: emotions; groups: numbers of the actors; frame: path, emotion, intensity (normal
or strong), statement (kids or dogs), repetition, actor, sex.

The recordings 03-01-03-01-02-01-07 and 03-01-03-01-02-02-07 are identical byte for byte; both are kept.

License: CC BY-NC-SA 4.0.
Citation: S. R. Livingstone, F. A. Russo, "The Ryerson Audio-Visual Database of Emotional Speech and
Song (RAVDESS)", PLoS ONE 13(5), 2018, e0196391, doi:10.1371/journal.pone.0196391;
data: doi:10.5281/zenodo.1188976."""


def load_ravdess(
    root: str | os.PathLike[str],
    *,
    emotions: Iterable[str] | None = None,
    intensities: Iterable[str] | None = None,
    statements: Iterable[str] | None = None,
    actors: Iterable[int] | None = None,
) -> Bunch:
    """Find the audio-only speech recordings of RAVDESS.

    Labels come from the names of the files; no audio is read. Song and video recordings are left out;
    `DESCR` counts them.

    Parameters
    ----------
    root : str or PathLike
        Folder that holds Actor_01, Actor_02, ..., or any folder above or below it. Recordings are WAV or
        FLAC files; hidden files are skipped.
    emotions : iterable of str, default=None
        Emotions to load: neutral, calm, happy, sad, angry, fearful, disgust, surprised; None loads all.
    intensities : iterable of str, default=None
        Intensities to load: normal, strong; None loads both. Neutral speech is normal.
    statements : iterable of str, default=None
        Statements to load: kids, dogs; None loads both.
    actors : iterable of int, default=None
        Numbers of the actors to load, 1 to 24; None loads all.

    Returns
    -------
    Bunch
        Sorted by actor, then by name. `data` (list of str) are the paths, `target` (ndarray of str) the
        emotions, `groups` (ndarray of int) the numbers of the actors. `frame` (pandas.DataFrame) has the
        columns path, emotion, intensity, statement, repetition, actor and sex. `target_names` are the
        emotions that occur, sorted; `DESCR` has the license, citation and counts.

    Raises
    ------
    OSError, TypeError, ValueError
        If `root` is not a folder, a filter has an unknown value, or no recordings are found.

    Warns
    -----
    UserWarning
        If recordings are duplicated, as in copies that hold the whole set twice (the copy nearest to `root`
        is loaded); if audio files have other names or are git-lfs pointers (they are left out); if a
        recording is in the folder of another actor; if actors have fewer than 60 recordings and some actor
        has at least 30. If all have fewer than 30, the folder counts as a selection instead of an incomplete
        copy. `DESCR` lists the incomplete and the missing actors in both cases.

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
    filters = {
        "emotion": check_filter("emotions", emotions, EMOTIONS),
        "intensity": check_filter("intensities", intensities, INTENSITIES),
        "statement": check_filter("statements", statements, STATEMENTS),
        "actor": check_filter("actors", actors, _ACTORS),
    }
    folder = check_folder(root)
    paths = find_audio(folder)
    stems = {path.stem for path in paths if _match(path.stem)}
    others = {stem for stem in stems if not stem.startswith(_SPEECH)}  # song and video
    speech = find_recordings(folder, [path for path in paths if path.stem not in others], _CORPUS)
    if speech.empty:
        but = f" but {counted(len(others), 'recording')} of song or video" if others else ""
        where = f"in {str(folder)!r}{but}"
        raise ValueError(f"No RAVDESS speech {where}: give the folder that holds {_CORPUS.hint}.")
    per_actor = Counter(speech["actor"].tolist())
    if max(per_actor.values()) >= _PER_ACTOR / 2:
        warn_of_counts(folder, "RAVDESS", speech, {"actor": dict.fromkeys(sorted(per_actor), _PER_ACTOR)})
    kept = filter_rows(folder, "RAVDESS", speech, filters)
    absent = [str(actor) for actor in _ACTORS if actor not in per_actor]
    counts = sorted(per_actor.items())
    incomplete = [f"{actor} ({n} of {_PER_ACTOR})" for actor, n in counts if n < _PER_ACTOR]
    text = (
        f"{_TEXT}\n\n"
        f"Song and video recordings left out: {len(others)}\n"
        f"Speech recordings filtered out: {len(speech) - len(kept)}\n"
        f"Actors absent: {', '.join(absent) or 'none'}\n"
        f"Actors incomplete: {', '.join(incomplete) or 'none'}"
    )
    return bunch_of_paths(kept, speaker="actor", text=text)


def _match(stem: str) -> re.Match[str] | None:
    """Match the fields of a file name of RAVDESS; neutral speech has no strong version."""
    match = _NAME.fullmatch(stem)
    is_known = match is not None and int(match[7]) in _ACTORS and match.group(3, 4) != ("01", "02")
    return match if is_known else None


def _actor_of_folder(folder: str) -> int | None:
    """Return the actor whose folder has this name."""
    match = re.fullmatch(r"actor_(\d+)", folder, re.IGNORECASE)
    return None if match is None else int(match[1])


def _decode(path: Path) -> dict[str, Any] | None:
    """Read the columns of a speech recording from a name such as 03-01-05-01-02-01-12."""
    match = _match(path.stem)
    if match is None:
        return None
    emotion, intensity, statement, repetition, actor = (int(field) for field in match.groups()[2:])
    return {
        "emotion": EMOTIONS[emotion - 1],
        "intensity": INTENSITIES[intensity - 1],
        "statement": STATEMENTS[statement - 1],
        "repetition": repetition,
        "actor": actor,
        "sex": "male" if actor % 2 else "female",
    }


_CORPUS = Corpus(
    name="RAVDESS",
    hint="Actor_01, Actor_02, ... with files such as 03-01-05-01-02-01-12.wav",
    text=_TEXT,
    decode=_decode,
    choices={},
    speaker="actor",
    speaker_of_folder=_actor_of_folder,
)
