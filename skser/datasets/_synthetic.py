"""Synthetic emotional speech."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from sklearn.utils import Bunch, check_random_state

from .._utils import check_choice, check_number
from ._bunch import as_bunch
from ._prosody import EMOTIONS, Speaker, draw_cues, draw_speaker
from ._utterance import make_utterance

_TEXT = """\
Synthetic emotional speech: meaningless syllables from a source-filter model of the voice. Glottal
pulses and noise go through moving formants; pitch contour, loudness, rate, pauses and voice quality follow
what reviews report for each emotion, and speakers differ in voice, in habits and in how they show it. It
stands in for a corpus in examples and tests; a result on it says nothing about people.

data: waveforms; target: emotions; groups: speakers; frame: label, speaker, sex, repetition, seconds,
f0 (mean fundamental frequency in Hz), level (dB re full scale); sr: sampling rate in Hz.

Licence: that of skser; nobody's voice is in it.
Citation: for the prosody, K. R. Scherer, "Vocal communication of emotion: A review of research paradigms",
Speech Communication 40, 2003, 227-256, doi:10.1016/S0167-6393(02)00084-5;
P. N. Juslin, P. Laukka, "Communication of emotions in vocal expression and music performance: Different
channels, same code?", Psychological Bulletin 129(5), 2003, 770-814, doi:10.1037/0033-2909.129.5.770;
R. Banse, K. R. Scherer, "Acoustic profiles in vocal emotion expression", Journal of Personality and Social
Psychology 70(3), 1996, 614-636, doi:10.1037/0022-3514.70.3.614."""


def make_emotional_speech(
    n_speakers: int = 8,
    n_per_class: int = 5,
    *,
    emotions: Iterable[str] = ("neutral", "happy", "sad", "angry"),
    duration: float = 1.5,
    sr: int = 16000,
    random_state: int | np.random.RandomState | None = None,
) -> Bunch:
    """Make utterances of several speakers in several emotions.

    A source-filter model of the voice [4]_ with the prosody that reviews give the emotions [1]_
    [2]_ [3]_. Mean pitch and level, which each speaker uses otherwise, tell the emotions apart less
    well than their course, rate, pauses and voice quality.

    Parameters
    ----------
    n_speakers : int, default=8
        Number of speakers, 1 or more; of each two one is a man and one a woman.
    n_per_class : int, default=5
        Utterances of each speaker in each emotion, 1 or more.
    emotions : iterable of str, default=("neutral", "happy", "sad", "angry")
        Emotions, each once, of neutral, happy, sad, angry and fearful.
    duration : float, default=1.5
        Mean length of a neutral utterance in seconds, in [0.5, 30]; happy and angry ones are
        shorter, sad ones longer.
    sr : int, default=16000
        Sampling rate in Hz, in [4000, 192000].
    random_state : int, RandomState instance or None, default=None
        An int gives the same corpus again, and an utterance does not depend on how many others, or
        which other emotions, are made. None draws from the operating system; numpy's global
        generator is never used.

    Returns
    -------
    Bunch
        With these entries, sorted by speaker, emotion as given, and repetition:

        data : list of ndarray of shape (n_times,)
            Waveforms, float32, between -1 and 1, of unequal length.
        target : ndarray of str, shape (n_samples,)
            Emotions.
        groups : ndarray of str, shape (n_samples,)
            Speakers, speaker_01 and so on.
        frame : pandas.DataFrame of shape (n_samples, 7)
            Columns label, speaker, sex, repetition, seconds, f0 and level.
        sr : int
            Sampling rate in Hz.
        target_names : list of str
            Emotions, sorted.
        DESCR : str
            What the corpus is, licence, citation and counts.

    Raises
    ------
    TypeError, ValueError
        If a parameter has no meaning or lies outside its range.

    References
    ----------
    .. [1] K. R. Scherer, "Vocal communication of emotion: A review of research paradigms", Speech
       Communication 40, 2003, 227-256.
    .. [2] P. N. Juslin, P. Laukka, "Communication of emotions in vocal expression and music
       performance: Different channels, same code?", Psychological Bulletin 129(5), 2003, 770-814.
    .. [3] R. Banse, K. R. Scherer, "Acoustic profiles in vocal emotion expression", Journal of
       Personality and Social Psychology 70(3), 1996, 614-636.
    .. [4] D. H. Klatt, "Software for a cascade/parallel formant synthesizer", J. Acoust. Soc. Am.
       67(3), 1980, 971-995.

    Examples
    --------
    >>> from skser.datasets import make_emotional_speech
    >>> corpus = make_emotional_speech(n_speakers=2, n_per_class=1, random_state=0)
    >>> len(corpus.data), corpus.target_names, corpus.sr
    (8, ['angry', 'happy', 'neutral', 'sad'], 16000)
    """
    check_number("n_speakers", n_speakers, integer=True, low=1)
    check_number("n_per_class", n_per_class, integer=True, low=1)
    check_number("duration", duration, low=0.5, high=30)
    check_number("sr", sr, integer=True, low=4000, high=192000)
    emotions = _checked_emotions(emotions)
    seed = _seed(random_state)
    data: list[np.ndarray] = []
    rows: list[dict[str, Any]] = []
    for i in range(n_speakers):
        speaker = draw_speaker(i, seed)
        for emotion in emotions:
            for j in range(n_per_class):
                rng = np.random.default_rng((seed, 1, i, EMOTIONS.index(emotion), j))
                y, row = _item(speaker, emotion, duration, sr, rng)
                data.append(y)
                rows.append({**row, "repetition": j + 1})
    fields = {name: [row[name] for row in rows] for name in _COLUMNS}
    return as_bunch(data, fields, label="label", speaker="speaker", text=_TEXT, sr=sr)


_COLUMNS = ("label", "speaker", "sex", "repetition", "seconds", "f0", "level")


def _item(
    speaker: Speaker, emotion: str, duration: float, sr: int, rng: np.random.Generator
) -> tuple[np.ndarray, dict[str, Any]]:
    """One utterance and what is to be said of it."""
    y, f0 = make_utterance(speaker, draw_cues(speaker, emotion, rng), duration, sr, rng)
    level = 10 * np.log10(np.mean(y.astype(np.float64) ** 2))
    return y, {
        "label": emotion,
        "speaker": speaker.name,
        "sex": speaker.sex,
        "seconds": len(y) / sr,
        "f0": f0,
        "level": float(level),
    }


def _checked_emotions(emotions: Iterable[str]) -> list[str]:
    """Emotions as a list of different known names."""
    if isinstance(emotions, str) or not isinstance(emotions, Iterable):
        raise TypeError(f"emotions must be a list of names, got {emotions!r}: write [{emotions!r}].")
    names = list(emotions)
    for name in names:
        check_choice("each of emotions", name, EMOTIONS)
    if not names or len(set(names)) < len(names):
        raise ValueError(f"emotions must be one or more names, each once, got {names!r}.")
    return names


def _seed(random_state: int | np.random.RandomState | None) -> int:
    """One number from which all generators of a corpus are made."""
    if random_state is None:
        return int(np.random.SeedSequence().generate_state(1)[0])
    return int(check_random_state(random_state).randint(np.iinfo(np.int32).max))
