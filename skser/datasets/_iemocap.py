"""Loader of IEMOCAP: the Interactive Emotional Dyadic Motion Capture database."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

from sklearn.utils import Bunch

from .._utils import check_choice, counted, listed, warn_caller
from ._folders import check_folder, files_below, is_audio, without_pointers
from ._recordings import EXTENSIONS, chosen, nearest, passing, rows_as_bunch, warn_of_copies, warn_of_counts

FOUR_CLASSES: Mapping[str, str] = MappingProxyType(
    {"ang": "angry", "hap": "happy", "exc": "happy", "neu": "neutral", "sad": "sad"}
)
ALL_LABELS: Mapping[str, str] = MappingProxyType(
    {
        "ang": "angry",
        "dis": "disgust",
        "exc": "excited",
        "fea": "fearful",
        "fru": "frustrated",
        "hap": "happy",
        "neu": "neutral",
        "oth": "other",
        "sad": "sad",
        "sur": "surprised",
        "xxx": "undecided",  # the raters did not agree
    }
)
TURNS = ("improvised", "scripted")
_SESSIONS = range(1, 6)
_NUMBER = r"(-?\d+(?:\.\d+)?)"
_LINE = re.compile(
    rf"\[{_NUMBER}\s*-\s*{_NUMBER}\]\s+(\S+)\s+(\S+)\s+\[{_NUMBER},\s*{_NUMBER},\s*{_NUMBER}\]\s*", re.ASCII
)
# The letter after the session belongs to the dialogue's name; the one of the last field is the talker.
_UTTERANCE = re.compile(r"(Ses0([1-5])[FM]_(impro|script)\w*)_([FM])\d{3}", re.ASCII)
# Four-class protocol: angry, happy, neutral, sad / women, men / improvised, scripted, a row for each session.
_PUBLISHED = (
    (229, 278, 384, 194, 528, 557, 521, 564),
    (137, 327, 362, 197, 481, 542, 530, 493),
    (240, 286, 320, 305, 522, 629, 627, 524),
    (327, 303, 258, 143, 528, 503, 534, 497),
    (170, 442, 384, 245, 590, 651, 731, 510),
)
_PER_CODE = {"ang": 1103, "exc": 1041, "hap": 595, "neu": 1708, "sad": 1084}
_TEXT = """\
IEMOCAP, the Interactive Emotional Dyadic Motion Capture database: five sessions, in each a woman and a man
who improvise dialogues and act scripted ones, cut into turns, each labelled by several raters. 16 kHz. The
four-class protocol (angry, happy with excited, neutral, sad) takes 5,531 turns.

data: paths; target: emotions; frame: path, emotion, original (the raters' label), utterance, dialogue,
session, speaker (who talks, such as Ses01F), sex, turn (improvised or scripted), start and end (in seconds of
the dialogue), valence, activation, dominance (means of the raters, 1 to 5).

The scripted sentences recur in every session, so that held-out sessions share their words with the others.

Licence: by form from the Signal Analysis and Interpretation Laboratory, University of Southern California.
Citation: C. Busso, M. Bulut, C.-C. Lee, A. Kazemzadeh, E. Mower, S. Kim, J. N. Chang, S. Lee, S. S.
Narayanan, "IEMOCAP: interactive emotional dyadic motion capture database", Language Resources and Evaluation
42(4), 2008, 335-359, doi:10.1007/s10579-008-9076-6."""


class Turn(NamedTuple):
    """What an evaluation and the name of its utterance say, in the order of the frame's columns."""

    path: str
    emotion: str
    original: str
    utterance: str
    dialogue: str
    session: int
    speaker: str
    sex: str
    turn: str
    start: float
    end: float
    valence: float
    activation: float
    dominance: float


def load_iemocap(
    root: str | os.PathLike[str],
    *,
    labels: Mapping[str, str] | None = FOUR_CLASSES,
    turns: Iterable[str] | None = TURNS,
    sessions: Iterable[int] | None = None,
    groups: str = "session",
) -> Bunch:
    r"""Find the turns of IEMOCAP and their labels.

    The evaluations of the dialogues are read, the recordings only named.

    Parameters
    ----------
    root : str or PathLike
        The folder that holds Session1, Session2, ..., one of these, or any folder above. The evaluations are
        the files ``Session*/dialog/EmoEvaluation/*.txt``, not those in folders below; recordings are WAV or
        FLAC files named like their utterances; hidden ones and the `._*` companions of macOS are skipped.
    labels : mapping of str to str or None, default={"ang": "angry", "hap": "happy", ...}
        Emotion for each of the raters' labels; turns with labels that are no keys of it are left out, and
        `DESCR` counts them. The default is the usual four-class protocol: ang is angry, hap and exc are
        happy, neu is neutral, sad is sad. The corpus knows ang, dis, exc, fea, fru, hap, neu, oth, sad, sur
        and xxx (no agreement); None takes them all, none merged.
    turns : iterable of str, default=("improvised", "scripted")
        Kinds of turns to take; None takes both.
    sessions : iterable of int, default=None
        Sessions to take, 1 to 5; None takes all that are there.
    groups : {"session", "speaker"}, default="session"
        What is kept apart in cross-validation. Each session has two speakers of its own, who talk to
        each other.

    Returns
    -------
    Bunch
        With these entries, sorted by utterance:

        data : list of str
            Paths.
        target : ndarray of str, shape (n_samples,)
            Emotions.
        groups : ndarray of int or of str, shape (n_samples,)
            Sessions, 1 to 5, or speakers, such as Ses01F.
        frame : pandas.DataFrame of shape (n_samples, 14)
            Columns path, emotion, original (the raters' label), utterance, dialogue, session, speaker (who
            talks in this turn, by the last letter of its name), sex, turn, start and end (in seconds of
            the dialogue), valence, activation and dominance (1 to 5).
        target_names : list of str
            Emotions that occur, sorted.
        DESCR : str
            What the corpus is, licence, citation and counts.

    Raises
    ------
    FileNotFoundError
        If `root` does not exist.
    TypeError, ValueError
        If a parameter names what IEMOCAP does not have; if no evaluation or no recording is found, or only
        git-lfs pointers.

    Warns
    -----
    UserWarning
        If the turns of the four-class protocol are fewer or more than published, by session, emotion, speaker
        or kind of turn, whatever the parameters; if recordings of evaluated turns are missing (these turns
        are left out), or recordings without an evaluation are there; if a name is there more than once (the
        one nearest to `root` is taken); if lines of evaluations cannot be read; if files are git-lfs
        pointers.

    References
    ----------
    .. [1] C. Busso et al., "IEMOCAP: interactive emotional dyadic motion capture database", Language
       Resources and Evaluation 42(4), 2008, 335-359.

    Examples
    --------
    >>> import tempfile, warnings
    >>> from pathlib import Path
    >>> from skser.datasets import load_iemocap
    >>> with tempfile.TemporaryDirectory() as root, warnings.catch_warnings():
    ...     warnings.simplefilter("ignore")  # one turn is not the whole corpus
    ...     wav = Path(root, "Session1/sentences/wav/Ses01F_impro01/Ses01F_impro01_M000.wav")
    ...     wav.parent.mkdir(parents=True)
    ...     wav.touch()
    ...     text = Path(root, "Session1/dialog/EmoEvaluation/Ses01F_impro01.txt")
    ...     text.parent.mkdir(parents=True)
    ...     line = "[6.29 - 8.24]\tSes01F_impro01_M000\texc\t[4.0, 3.5, 3.0]\n"
    ...     _ = text.write_text(line)
    ...     corpus = load_iemocap(root, groups="speaker")
    >>> corpus.target.tolist(), corpus.groups.tolist()
    (['happy'], ['Ses01M'])
    """
    emotions = _checked_labels(labels)
    wanted: dict[str, set[Any]] = {
        "original": set(emotions),
        "turn": chosen("turns", turns, TURNS),
        "session": chosen("sessions", sessions, _SESSIONS),
    }
    check_choice("groups", groups, ("session", "speaker"))
    folder = check_folder(root)
    files = list(files_below(folder))
    evaluated = _evaluated(folder, files)
    recorded = _recorded(folder, files)
    _warn_of_unpaired(folder, evaluated, recorded, wanted)
    found = [turn._replace(path=str(recorded[name])) for name, turn in evaluated.items() if name in recorded]
    if not found:
        raise ValueError(
            f"None of the {counted(len(evaluated), 'turn')} that IEMOCAP's evaluations in {str(folder)!r} "
            "list has its recording: give the folder that also holds Session1/sentences/wav/..."
        )
    protocol = [
        turn._replace(emotion=FOUR_CLASSES[turn.original]) for turn in found if turn.original in FOUR_CLASSES
    ]
    warn_of_counts(folder, "IEMOCAP's four-class protocol", protocol, _published())
    taken = passing(folder, "IEMOCAP", found, wanted)
    return rows_as_bunch(
        [turn._replace(emotion=emotions[turn.original]) for turn in taken],
        label="emotion",
        speaker=groups,
        grouping=f"{groups.title()}s",
        text=f"{_TEXT}\n\n{_left_out(found, taken, emotions)}",
    )


def _checked_labels(labels: Mapping[str, str] | None) -> Mapping[str, str]:
    """Emotion of each raters' label that is taken."""
    if labels is None:
        return ALL_LABELS
    if not isinstance(labels, Mapping):
        raise TypeError(
            f"labels must be a mapping from IEMOCAP's labels to emotions or None, got {labels!r}: write "
            '{"ang": "angry", "sad": "sad"}.'
        )
    for code, emotion in labels.items():
        check_choice("each key of labels", code, ALL_LABELS)
        if not isinstance(emotion, str) or not emotion.strip():
            raise ValueError(f"labels[{code!r}] must be the name of an emotion, got {emotion!r}.")
    return labels


def _evaluated(folder: Path, files: list[Path]) -> dict[str, Turn]:
    """Turns that the evaluations list, by utterance, without paths."""
    texts, n_again = nearest(sorted(filter(_is_evaluation, files)), lambda path: path.name)
    warn_of_copies(folder, n_again, "evaluations")
    found: dict[str, Turn] = {}
    odd: list[str] = []
    for path in texts.values():
        for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
            if not line.startswith("["):  # single raters' judgements, and the header, "% [START_TIME ..."
                continue
            turn = _turn(line)
            if turn is None or turn.utterance in found:
                odd.append(f"{path.name}: {line[:60]!r}")
            else:
                found[turn.utterance] = turn
    if odd:
        lines = counted(len(odd), "line")
        warn_caller(f"Left out {lines} of evaluations in {str(folder)!r}, not as in IEMOCAP: {listed(odd)}.")
    if not found:
        raise ValueError(
            f"No evaluations of IEMOCAP in {str(folder)!r}: give the folder that holds Session1, Session2, "
            "... with Session1/dialog/EmoEvaluation/*.txt."
        )
    return dict(sorted(found.items()))


def _is_evaluation(path: Path) -> bool:
    """Whether a file is Session*/dialog/EmoEvaluation/*.txt; folders below that hold single raters' files."""
    if path.suffix != ".txt":
        return False
    session, *between = path.absolute().parts[-4:-1]
    return between == ["dialog", "EmoEvaluation"] and re.fullmatch(r"Session[1-5]", session) is not None


def _turn(line: str) -> Turn | None:
    """Decode a line such as "[6.29 - 8.23] Ses01F_impro01_F000 neu [2.5, 2.5, 2.5]", with tabs between."""
    fields = _LINE.fullmatch(line)
    name = fields and _UTTERANCE.fullmatch(fields[3])
    if fields is None or name is None:
        return None
    dialogue, session, kind, talker = name.groups()
    return Turn(
        path="",
        emotion="",
        original=fields[4],
        utterance=fields[3],
        dialogue=dialogue,
        session=int(session),
        speaker=f"Ses0{session}{talker}",
        sex="female" if talker == "F" else "male",
        turn="improvised" if kind == "impro" else "scripted",
        start=float(fields[1]),
        end=float(fields[2]),
        valence=float(fields[5]),
        activation=float(fields[6]),
        dominance=float(fields[7]),
    )


def _recorded(folder: Path, files: list[Path]) -> dict[str, Path]:
    """Recordings of turns, by utterance; those of whole dialogues have shorter names."""
    paths = sorted(path for path in files if is_audio(path, EXTENSIONS) and _UTTERANCE.fullmatch(path.stem))
    recorded, n_again = nearest(without_pointers(folder, paths), lambda path: path.stem)
    warn_of_copies(folder, n_again)
    return recorded


def _warn_of_unpaired(
    folder: Path, evaluated: dict[str, Turn], recorded: dict[str, Path], wanted: dict[str, set[Any]]
) -> None:
    """Warn of wanted turns without a recording, and of recordings without an evaluation."""
    missing = [
        name
        for name, turn in evaluated.items()
        if name not in recorded and all(getattr(turn, column) in wanted[column] for column in wanted)
    ]
    if missing:
        turns = counted(len(missing), "turn")
        warn_caller(f"Left out {turns} in {str(folder)!r} whose recordings are missing: {listed(missing)}.")
    unknown = sorted(set(recorded) - set(evaluated))
    if unknown:
        recordings = counted(len(unknown), "recording")
        warn_caller(f"Left out {recordings} in {str(folder)!r} without an evaluation: {listed(unknown)}.")


def _published() -> dict[str, dict[Any, int]]:
    """Turns of the four-class protocol, by label, session and emotion, speaker, and kind of turn."""
    rows = list(zip(_SESSIONS, _PUBLISHED, strict=True))
    emotions = ("angry", "happy", "neutral", "sad")
    return {
        "original": _PER_CODE,
        "session emotion": {
            (s, name): n for s, row in rows for name, n in zip(emotions, row[:4], strict=True)
        },
        "speaker": {f"Ses0{s}{sex}": n for s, row in rows for sex, n in zip("FM", row[4:6], strict=True)},
        "session turn": {(s, name): n for s, row in rows for name, n in zip(TURNS, row[6:], strict=True)},
    }


def _left_out(found: list[Turn], taken: list[Any], emotions: Mapping[str, str]) -> str:
    """Lines on the turns that are not in the corpus, and why."""
    others = Counter(turn.original for turn in found if turn.original not in emotions)
    lines = [f"Turns with other labels left out: {others.total()}"]
    lines += [f"  {label}: {n}" for label, n in sorted(others.items())]
    n_filtered = len(found) - len(taken) - others.total()
    return "\n".join([*lines, f"Turns of other kinds or sessions left out: {n_filtered}"])
