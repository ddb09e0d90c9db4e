"""Conversations that are joined from the recordings of a corpus."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.utils import Bunch, check_random_state

from .._utils import check_number, is_path, listed, make_frame, plain_labels
from ..audio import load_audio
from ._bunch import check_corpus

_TEXT = """\
Recordings of a corpus, joined into one waveform with pauses of silence between them. The speakers take turns.
Levels are those of the recordings.

data: the waveform; sr: its sampling rate in Hz; turns: start and end in seconds, speaker, label, and item,
the position of the recording in the corpus.

License and citation: those of the corpus."""


def make_conversation(
    corpus: Any,
    *,
    n_turns: int = 20,
    n_speakers: int = 2,
    pause: tuple[float, float] = (0.3, 1.0),
    trim_db: float | None = 40.0,
    sr: int = 16000,
    random_state: int | np.random.RandomState | None = None,
) -> Bunch:
    """Join recordings of a corpus into one long recording with known turns.

    It tests models on emotions over time: at each time, the speaker and the emotion are known. Join only
    recordings of speakers that are not in the training set.

    Parameters
    ----------
    corpus : Bunch
        The Bunch of a loader, with `data`, `target` and `groups`, which are the speakers.
    n_turns : int, default=20
        Number of turns, 1 or more. A recording is used again only after all others of its speaker.
    n_speakers : int, default=2
        Number of speakers, 1 or more, who are drawn from those in `groups`.
    pause : (float, float), default=(0.3, 1.0)
        Shortest and longest pause between two turns in seconds, 0 or more.
    trim_db : float or None, default=40.0
        Cut both ends of each recording where they are at least this many dB below its loudest part, above 0,
        so that turns begin and end with speech. None cuts nothing.
    sr : int, default=16000
        Sampling rate in Hz, 1 to 1,048,576. Recordings are resampled to it.
    random_state : int, RandomState instance or None, default=None
        Seed of speakers, recordings and pauses. An int makes the same conversation in every call.

    Returns
    -------
    Bunch
        `data` (ndarray of shape (n_times,)) is the waveform, float32; `sr` (int) its sampling rate in Hz.
        `turns` (pandas.DataFrame) has one row per turn, in chronological order: start and end in seconds,
        speaker, label, and item, the position of the recording in the corpus. `DESCR` describes it.

    Raises
    ------
    TypeError, ValueError
        If the corpus has no speakers or fewer than `n_speakers`; if it has waveforms but no sampling rate; if
        a parameter is invalid.
    OSError
        If a recording cannot be read.

    See Also
    --------
    skser.predict_timeline : Predicts the emotions over time.

    Examples
    --------
    >>> from skser.datasets import make_conversation, make_emotional_speech
    >>> corpus = make_emotional_speech(n_speakers=2, n_per_class=1, random_state=0)
    >>> conversation = make_conversation(corpus, n_turns=3, random_state=0)
    >>> conversation.turns["speaker"].tolist()
    ['speaker_02', 'speaker_01', 'speaker_02']
    >>> float(conversation.turns["end"].iloc[-1]) == len(conversation.data) / conversation.sr
    True
    """
    check_number("n_turns", n_turns, integer=True, low=1)
    check_number("n_speakers", n_speakers, integer=True, low=1)
    shortest, longest = _check_pause(pause)
    cure = "give a Bunch with data, target and groups (set the parameter speaker of its loader)"
    check_corpus("corpus", corpus, ["data", "target", "groups"], cure)
    data, target = corpus.data, np.asarray(corpus.target)
    if corpus.get("sr") is None and not all(map(is_path, data)):
        raise ValueError("corpus holds waveforms without a sampling rate: set corpus.sr.")
    groups = plain_labels("corpus.groups", corpus.groups)
    rng = check_random_state(random_state)
    items = _draw_items(groups, n_turns, n_speakers, rng)
    parts: list[np.ndarray] = []
    for item in items:
        if parts:
            parts.append(np.zeros(round(rng.uniform(shortest, longest) * sr), np.float32))
        orig_sr = None if is_path(data[item]) else corpus.get("sr")
        parts.append(load_audio(data[item], sr, orig_sr=orig_sr, trim_db=trim_db))
    lengths = np.array([len(part) for part in parts])
    ends = np.cumsum(lengths)
    times = {"start": (ends - lengths)[::2] / sr, "end": ends[::2] / sr}  # pauses are in between
    turns = make_frame({**times, "speaker": groups[items], "label": target[items], "item": items})
    return Bunch(data=np.concatenate(parts), sr=sr, turns=turns, DESCR=f"{_TEXT}\n")


def _check_pause(pause: Any) -> tuple[float, float]:
    """Check the limits of the pauses."""
    if not isinstance(pause, (tuple, list)) or len(pause) != 2:
        raise TypeError(f"pause must be two numbers, the shortest and the longest pause, got {pause!r}.")
    check_number("pause[0]", pause[0], low=0)
    check_number("pause[1]", pause[1], low=pause[0])
    return pause[0], pause[1]


def _draw_items(groups: np.ndarray, n_turns: int, n_speakers: int, rng: np.random.RandomState) -> list[int]:
    """Draw speakers and, in turn, a recording of each; a recording repeats only after all others."""
    names = np.unique(groups)
    if len(names) < n_speakers:
        raise ValueError(
            f"n_speakers={n_speakers}, but the corpus has {len(names)} ({listed(names)}): choose fewer."
        )
    speakers = rng.permutation(names)[:n_speakers]
    waiting: dict[Any, list[int]] = {name: [] for name in speakers.tolist()}
    items = []
    for turn in range(n_turns):
        name = speakers[turn % n_speakers]
        queue = waiting[name]
        queue[:] = queue or rng.permutation(np.flatnonzero(groups == name)).tolist()
        items.append(queue.pop())
    return items
