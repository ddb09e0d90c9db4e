"""Synthetic emotional speech."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from typing import Any

import numpy as np
from sklearn.utils import Bunch, check_random_state

from .._utils import check_choice, check_number
from ._bunch import make_bunch
from ._filters import check_list
from ._prosody import EMOTIONS, draw_cues, draw_speaker
from ._utterance import make_utterance

_TEXT = """\
Synthetic emotional speech: meaningless syllables from a source-filter model of the voice. Glottal pulses and
noise pass through moving formants. Pitch contour, loudness, rate, pauses and voice quality follow the reviews
below, and speakers differ in their voice, their habits and their expression of each emotion. It replaces a
corpus in examples and tests; results on it say nothing about people.

data: waveforms; target: emotions; groups: speakers; frame: label, speaker, sex, repetition, seconds,
f0 (mean fundamental frequency in Hz), level (dB re full scale); sr: sampling rate in Hz.

License: that of skser; no human voice was recorded for it.
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
    """Make synthetic utterances of several speakers with several emotions.

    A source-filter model of the voice [4]_ is controlled by the prosody that reviews report for each emotion
    [1]_ [2]_ [3]_. Mean pitch and level, which differ between speakers, separate the emotions less well than
    pitch contour, rate, pauses and voice quality.

    Parameters
    ----------
    n_speakers : int, default=8
        Number of speakers, 1 or more; each pair is a man and a woman.
    n_per_class : int, default=5
        Utterances per speaker and emotion, 1 or more.
    emotions : iterable of str, default=("neutral", "happy", "sad", "angry")
        One or more of neutral, happy, sad, angry and fearful, each only once.
    duration : float, default=1.5
        Mean length of a neutral utterance in seconds, in [0.5, 30]; happy and angry utterances are shorter,
        sad utterances are longer.
    sr : int, default=16000
        Sampling rate in Hz, in [4000, 192000].
    random_state : int, RandomState instance or None, default=None
        Seed. An int makes the same corpus in every call; an utterance does not depend on the number of other
        utterances or on the other emotions. None draws a seed from the operating system; numpy's global
        generator is never used.

    Returns
    -------
    Bunch
        Sorted by speaker, emotion in the given order, and repetition. `data` (list of ndarray of shape
        (n_times,)) are waveforms, float32, between -1 and 1, of unequal length; `sr` (int) is their sampling
        rate in Hz. `target` (ndarray of str) are the emotions, `groups` (ndarray of str) the speakers,
        speaker_01 and so on. `frame` (pandas.DataFrame) has the columns label, speaker, sex, repetition,
        seconds, f0 and level. `target_names` are the emotions, sorted; `DESCR` has license, citation and
        counts.

    Raises
    ------
    TypeError, ValueError
        If a parameter is invalid or outside its range.

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
    emotions = _check_emotions(emotions)
    seed = _draw_seed(random_state)
    data: list[np.ndarray] = []
    rows: list[dict[str, Any]] = []
    for i in range(n_speakers):
        speaker = draw_speaker(i, seed)
        for emotion, j in itertools.product(emotions, range(n_per_class)):
            rng = np.random.default_rng((seed, 1, i, EMOTIONS.index(emotion), j))
            y, f0 = make_utterance(speaker, draw_cues(speaker, emotion, rng), duration, sr, rng)
            data.append(y)
            rows.append(
                {
                    "label": emotion,
                    "speaker": speaker.name,
                    "sex": speaker.sex,
                    "repetition": j + 1,
                    "seconds": len(y) / sr,
                    "f0": f0,
                    "level": 10 * np.log10(np.mean(y.astype(np.float64) ** 2)),
                }
            )
    columns = {name: [row[name] for row in rows] for name in rows[0]}
    return make_bunch(data, columns, label="label", speaker="speaker", text=_TEXT, sr=sr)


def _check_emotions(emotions: Iterable[str]) -> list[str]:
    """Check that emotions are different known names, and list them."""
    names = check_list("emotions", emotions)
    for name in names:
        check_choice("each of emotions", name, EMOTIONS)
    if not names or len(set(names)) < len(names):
        raise ValueError(f"emotions must be one or more different names, got {names!r}.")
    return names


def _draw_seed(random_state: int | np.random.RandomState | None) -> int:
    """Draw one number that seeds all generators of a corpus."""
    if random_state is None:
        return int(np.random.SeedSequence().generate_state(1)[0])
    return int(check_random_state(random_state).randint(np.iinfo(np.int32).max))
