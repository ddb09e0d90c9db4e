"""Loader of IEMOCAP: the Interactive Emotional Dyadic Motion Capture database."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from sklearn.utils import Bunch

from .._utils import check_choice, counted
from ._filters import check_filter
from ._folders import check_folder, drop_pointers, find_files, is_audio, warn_left_out
from ._recordings import EXTENSIONS, Filters, bunch_of_paths, drop_copies, filter_rows, warn_of_counts

if TYPE_CHECKING:
    import pandas as pd

FOUR_CLASSES: Mapping[str, str] = MappingProxyType(
    {"ang": "angry", "hap": "happy", "exc": "happy", "neu": "neutral", "sad": "sad"}
)
ALL_LABELS = {
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
TURNS = {"impro": "improvised", "script": "scripted"}
_SESSIONS = range(1, 6)
_TEXTS, _WAVS = "Session1/dialog/EmoEvaluation/*.txt", "Session1/sentences/wav"
_NUMBERS = ("start", "end", "valence", "activation", "dominance")
# The letter after the session belongs to the name of the dialogue; the last field begins with the speaker's.
_NAME = r"(?P<dialogue>Ses0(?P<session>[1-5])[FM]_(?P<turn>impro|script)\w*)_(?P<sex>[FM])\d{3}"
_UTTERANCE = re.compile(_NAME, re.ASCII)
# Such as "[6.29 - 8.23] Ses01F_impro01_F000 neu [2.5, 2.5, 2.5]", with tabs between the fields.
_START, _END, _VALENCE, _ACTIVATION, _DOMINANCE = (rf"(?P<{name}>-?\d+(?:\.\d+)?)" for name in _NUMBERS)
_EVALUATION = re.compile(
    rf"\[{_START}\s*-\s*{_END}\]\s+(?P<utterance>{_NAME})\s+(?P<original>\S+)\s+"
    rf"\[{_VALENCE},\s*{_ACTIVATION},\s*{_DOMINANCE}\]\s*",
    re.ASCII,
)
# Four-class protocol: angry, happy, neutral, sad / women, men / improvised, scripted; one row per session.
_PUBLISHED = (
    (229, 278, 384, 194, 528, 557, 521, 564),
    (137, 327, 362, 197, 481, 542, 530, 493),
    (240, 286, 320, 305, 522, 629, 627, 524),
    (327, 303, 258, 143, 528, 503, 534, 497),
    (170, 442, 384, 245, 590, 651, 731, 510),
)
_PER_LABEL = {"ang": 1103, "exc": 1041, "hap": 595, "neu": 1708, "sad": 1084}
_TEXT = """\
IEMOCAP, the Interactive Emotional Dyadic Motion Capture database: five sessions, in each of which a woman and
a man improvise dialogues and act scripted ones. The dialogues are cut into turns, each labeled by several
raters. 16 kHz. The four-class protocol (angry, happy with excited, neutral, sad) uses 5,531 turns.

data: paths; target: emotions; frame: path, emotion, original (label of the raters), utterance, dialogue,
session, speaker (such as Ses01F), sex, turn (improvised or scripted), start and end (in seconds of the
dialogue), valence, activation, dominance (means of the raters, 1 to 5).

The scripted sentences occur in every session, so held-out sessions contain the same words as the others.

License: on request by form, from the Signal Analysis and Interpretation Laboratory, University of Southern
California.
Citation: C. Busso, M. Bulut, C.-C. Lee, A. Kazemzadeh, E. Mower, S. Kim, J. N. Chang, S. Lee, S. S.
Narayanan, "IEMOCAP: interactive emotional dyadic motion capture database", Language Resources and Evaluation
42(4), 2008, 335-359, doi:10.1007/s10579-008-9076-6."""


def load_iemocap(
    root: str | os.PathLike[str],
    *,
    labels: Mapping[str, str] | None = FOUR_CLASSES,
    turns: Iterable[str] | None = ("improvised", "scripted"),
    sessions: Iterable[int] | None = None,
    groups: str = "session",
) -> Bunch:
    r"""Find the turns of IEMOCAP and their labels.

    Labels come from the evaluations of the dialogues; no audio is read.

    Parameters
    ----------
    root : str or PathLike
        Folder that holds Session1, Session2, ..., or one of these, or any folder above. The evaluations are
        the files ``Session*/dialog/EmoEvaluation/*.txt``; recordings are WAV or FLAC files named after their
        utterances. Hidden files are skipped.
    labels : mapping of str to str or None, default={"ang": "angry", "hap": "happy", ...}
        Emotion for each label of the raters. Turns with other labels are left out; `DESCR` counts them. The
        default is the usual four-class protocol: ang is angry, hap and exc are happy, neu is neutral, sad is
        sad. The labels are ang, dis, exc, fea, fru, hap, neu, oth, sad, sur and xxx (no agreement); None
        loads all of them as separate emotions.
    turns : iterable of str, default=("improvised", "scripted")
        Kinds of turns to load; None loads both.
    sessions : iterable of int, default=None
        Sessions to load, 1 to 5; None loads all.
    groups : {"session", "speaker"}, default="session"
        Groups for cross-validation. Each session has two speakers, who do not occur in other sessions.

    Returns
    -------
    Bunch
        Sorted by utterance. `data` (list of str) are the paths, `target` (ndarray of str) the emotions,
        `groups` the sessions (ndarray of int), 1 to 5, or the speakers (ndarray of str), such as Ses01F.
        `frame` (pandas.DataFrame) has the columns path, emotion, original (label of the raters), utterance,
        dialogue, session, speaker (from the last letter in the name of the turn), sex, turn, start and end
        (in seconds of the dialogue), valence, activation and dominance (1 to 5). `target_names` are the
        emotions that occur, sorted; `DESCR` has the license, citation and counts.

    Raises
    ------
    OSError, TypeError, ValueError
        If `root` is not a folder, a parameter has an unknown value, or no evaluations or no recordings are
        found.

    Warns
    -----
    UserWarning
        If the turns of the four-class protocol, before the filters, are not as published by session,
        emotion, speaker or kind of turn; if turns without a recording, recordings without an evaluation, or
        unreadable lines of evaluations are left out; if files are duplicated (the copy nearest to `root` is
        loaded) or are git-lfs pointers.

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
    emotions = _check_labels(labels)
    filters: Filters = {
        "original": set(emotions),
        "turn": check_filter("turns", turns, TURNS.values()),
        "session": check_filter("sessions", sessions, _SESSIONS),
    }
    check_choice("groups", groups, ("session", "speaker"))
    folder = check_folder(root)
    files = list(find_files(folder))
    evaluated = _read_evaluations(folder, files)
    recorded = _find_recordings(folder, files)
    evaluated["path"] = [recorded.get(utterance) for utterance in evaluated["utterance"]]
    _warn_of_unpaired(folder, evaluated, recorded, filters)
    found = evaluated.dropna(subset="path")
    if found.empty:
        turns = f"{counted(len(evaluated), 'turn')} of IEMOCAP in {str(folder)!r}"
        raise ValueError(f"None of the {turns} has a recording: give the folder that also holds {_WAVS}.")
    protocol = found[found["original"].isin(FOUR_CLASSES)]
    protocol = protocol.assign(emotion=protocol["original"].map(dict(FOUR_CLASSES)))
    warn_of_counts(folder, "IEMOCAP's four-class protocol", protocol, _published())
    kept = filter_rows(folder, "IEMOCAP", found, filters)
    kept["emotion"] = kept["original"].map(dict(emotions))
    columns = ["path", "emotion", *kept.columns.drop(["path", "emotion"])]
    text = f"{_TEXT}\n\n{_describe_left_out(found, kept, emotions)}"
    return bunch_of_paths(kept[columns], speaker=groups, group_name=f"{groups.title()}s", text=text)


def _check_labels(labels: Mapping[str, str] | None) -> Mapping[str, str]:
    """Check the emotion for each label of the raters."""
    if labels is None:
        return ALL_LABELS
    if not isinstance(labels, Mapping):
        raise TypeError(f'labels must be None or a mapping such as {{"ang": "angry"}}, got {labels!r}.')
    for code, emotion in labels.items():
        check_choice("each key of labels", code, ALL_LABELS)
        if not isinstance(emotion, str) or not emotion.strip():
            raise ValueError(f"labels[{code!r}] must be the name of an emotion, got {emotion!r}.")
    return labels


def _read_evaluations(folder: Path, files: list[Path]) -> pd.DataFrame:
    """Read the turns in the evaluations, sorted by utterance."""
    import pandas as pd

    texts = drop_copies(folder, sorted(filter(_is_evaluation, files)), lambda path: path.name, "evaluation")
    rows: dict[str, dict[str, Any]] = {}
    odd = []
    for path in texts.values():
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
        for line in (line for line in lines if line.startswith("[")):  # other lines are from single raters
            match = _EVALUATION.fullmatch(line)
            if match is None or match["utterance"] in rows:
                odd.append(f"{path.name}: {line[:60]!r}")
            else:
                rows[match["utterance"]] = _decode(match)
    warn_left_out(folder, odd, "line", "of an evaluation that is unreadable or repeats a turn")
    if not rows:
        raise ValueError(f"No evaluations of IEMOCAP in {str(folder)!r}: give the folder with {_TEXTS}.")
    return pd.DataFrame([rows[utterance] for utterance in sorted(rows)])


def _is_evaluation(path: Path) -> bool:
    """Whether a file is Session*/dialog/EmoEvaluation/*.txt; subfolders hold files of single raters."""
    folders = "/".join(path.absolute().parts[-4:-1])
    return path.suffix == ".txt" and re.fullmatch("Session[1-5]/dialog/EmoEvaluation", folders) is not None


def _decode(evaluation: re.Match[str]) -> dict[str, Any]:
    """Read the columns of a turn."""
    fields = evaluation.groupdict()
    return {
        "original": fields["original"],
        "utterance": fields["utterance"],
        "dialogue": fields["dialogue"],
        "session": int(fields["session"]),
        "speaker": f"Ses0{fields['session']}{fields['sex']}",
        "sex": "female" if fields["sex"] == "F" else "male",
        "turn": TURNS[fields["turn"]],
        **{name: float(fields[name]) for name in _NUMBERS},
    }


def _find_recordings(folder: Path, files: list[Path]) -> dict[str, str]:
    """Find the recordings of turns, by utterance; recordings of whole dialogues have shorter names."""
    paths = sorted(path for path in files if is_audio(path, EXTENSIONS) and _UTTERANCE.fullmatch(path.stem))
    kept = drop_copies(folder, drop_pointers(folder, paths), lambda path: path.stem)
    return {utterance: str(path) for utterance, path in kept.items()}


def _warn_of_unpaired(folder: Path, evaluated: pd.DataFrame, recorded: Any, filters: Filters) -> None:
    """Warn about selected turns without a recording, and about recordings without an evaluation."""
    is_missing = evaluated["path"].isna() & evaluated[list(filters)].isin(filters).all(axis=1)
    missing = evaluated["utterance"][is_missing].tolist()
    warn_left_out(folder, missing, "turn", "without a recording")
    unknown = sorted(set(recorded) - set(evaluated["utterance"]))
    warn_left_out(folder, unknown, "recording", "without an evaluation")


def _published() -> dict[str, dict[Any, int]]:
    """Published counts of the four-class protocol by label, session and emotion, speaker, kind of turn."""
    rows = list(zip(_SESSIONS, _PUBLISHED, strict=True))
    emotions, turns = ("angry", "happy", "neutral", "sad"), TURNS.values()
    return {
        "original": _PER_LABEL,
        "session emotion": {
            (i, emotion): n for i, row in rows for emotion, n in zip(emotions, row[:4], strict=True)
        },
        "speaker": {f"Ses0{i}{sex}": n for i, row in rows for sex, n in zip("FM", row[4:6], strict=True)},
        "session turn": {(i, turn): n for i, row in rows for turn, n in zip(turns, row[6:], strict=True)},
    }


def _describe_left_out(found: pd.DataFrame, kept: pd.DataFrame, emotions: Mapping[str, str]) -> str:
    """Describe the turns that are not in the corpus, and the reason."""
    others = Counter(label for label in found["original"] if label not in emotions)
    lines = [f"Turns with other labels left out: {others.total()}"]
    lines += [f"  {label}: {n}" for label, n in sorted(others.items())]
    n_filtered = len(found) - len(kept) - others.total()
    return "\n".join([*lines, f"Turns of other kinds or sessions left out: {n_filtered}"])
