"""Prosody of each emotion, and its differences between speakers.

The sound of an utterance is described by a vector of cues. Each cue is the sum of the neutral value, the
habit of the speaker, the deviation of the emotion times the strength with which the speaker expresses it,
and a random part.

The directions of the deviations are from the reviews that `make_emotional_speech` cites. Anger and joy are
loud, fast and wide in pitch; joy is rising, anger is falling and sharp. Sadness is low, soft, slow, narrow in
pitch, breathy and full of pauses. Fear is high, fast, narrow in pitch and trembling. The sizes are chosen so
that mean pitch and mean level, which differ widely between speakers, separate the emotions less well than
the contours of pitch and level, the rate and the spectrum.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

EMOTIONS = ("neutral", "happy", "sad", "angry", "fearful")


class Cue(NamedTuple):
    """Value of one cue in neutral speech, its spread, and the deviation of each emotion."""

    neutral: float
    low: float
    high: float
    between_speakers: float  # standard deviations
    between_utterances: float
    between_strengths: float  # standard deviation of the factor, with mean one, for a speaker's deviations
    happy: float
    sad: float
    angry: float
    fearful: float


# One row per cue, with its unit in the comment (st semitones, syll syllable). Lateness is the position of the
# accent's peak in its vowel, opening is the size of the vowel space, smile is a shift of all formants.
# fmt: off
CUES: dict[str, Cue] = {
    #              neutral   low   high  speakers utterances strengths happy   sad  angry  fearful
    "pitch":    Cue(   0.0,  -9.0,  14.0,    0.0,    1.3,      0.5,    2.8,  -1.5,   2.2,    4.0),  # st
    "level":    Cue( -34.0, -60.0, -20.0,    2.0,    2.0,      0.5,    3.0,  -4.5,   5.0,   -1.0),  # dB
    "rate":     Cue(   4.6,   2.5,   8.0,    0.4,   0.45,     0.3,    0.6,  -1.0,   1.0,    1.4),  # 1/s
    "accent":   Cue(   3.0,   0.3,  12.0,    0.4,    0.8,     0.3,    4.0,  -2.0,   3.5,   -1.5),  # st
    "lateness": Cue(   0.4,  -0.3,   1.3,   0.05,   0.14,     0.3,    0.5,   0.1,  -0.5,    0.2),  # 1
    "slope":    Cue(  -2.0,  -8.0,   8.0,    0.5,    1.1,     0.3,    4.0,   0.8,  -2.5,    1.5),  # st/s
    "ending":   Cue(  -2.5,  -8.0,  10.0,    0.6,    1.3,     0.3,    6.5,   1.5,  -2.5,    3.0),  # st
    "tremor":   Cue(   0.0,   0.0,   2.0,   0.05,   0.10,     0.3,    0.0,   0.4,   0.0,    1.0),  # st
    "stress":   Cue(   3.0,   0.0,  15.0,    0.5,    1.1,     0.3,    2.0,  -2.0,   5.0,    1.0),  # dB
    "attack":   Cue(  45.0,  12.0, 120.0,    4.0,    7.0,     0.3,    0.0,  35.0, -25.0,   -5.0),  # ms
    "pauses":   Cue(  0.06,   0.0,   0.6,   0.01,   0.03,     0.3,  -0.03,  0.18, -0.03,   0.15),  # 1/syll
    "tilt":     Cue(   4.0,   0.5,  10.0,    0.6,    0.9,     0.3,   -0.4,   2.0,  -2.5,    0.7),  # dB/oct
    "breath":   Cue( -30.0, -45.0, -12.0,    2.5,    2.8,     0.3,    0.0,   8.0,  -4.0,    7.0),  # dB
    "jitter":   Cue(   0.6,   0.1,   2.5,   0.15,    0.2,     0.3,    0.0,   0.3,   0.7,    0.9),  # %
    "opening":  Cue(   1.0,   0.5,   1.4,   0.05,   0.07,     0.3,   0.08, -0.30,  0.18,    0.0),  # 1
    "smile":    Cue(   0.0,  -8.0,   8.0,    0.5,    0.9,     0.3,    4.5,  -1.5,   0.0,    0.0),  # %
}
# fmt: on


class Speaker(NamedTuple):
    """Properties that all utterances of a speaker share."""

    name: str
    sex: str
    f0: float  # Hz, mean
    tract: float  # factor of all formants: mean length of men's vocal tracts divided by that of the speaker
    open_quotient: float
    noise: float  # dB re full scale, level of the room
    habits: np.ndarray  # (n_cues,), added to the neutral values
    strengths: np.ndarray  # (n_cues,), factors of the deviations of the emotions


def draw_speaker(index: int, seed: int) -> Speaker:
    """Draw speaker number `index` (from 0) of the corpus with this seed."""
    # Speakers 1 and 2, 3 and 4, and so on are a man and a woman in random order. With a fixed order,
    # GroupKFold, which assigns equal groups to folds in turn, would make folds of only men or only women.
    man_first = np.random.default_rng((seed, 0, index // 2, 1)).random() < 0.5
    woman = bool(index % 2) == bool(man_first)
    rng = np.random.default_rng((seed, 0, index, 0))
    habits = rng.standard_normal(len(CUES)) * _column("between_speakers")
    strengths = 1 + rng.standard_normal(len(CUES)) * _column("between_strengths")
    return Speaker(
        name=f"speaker_{index + 1:02d}",
        sex="female" if woman else "male",
        f0=(205.0 if woman else 115.0) * 2 ** (rng.normal(0, 2.0) / 12),
        tract=(1.16 if woman else 1.0) * float(np.exp(rng.normal(0, 0.03))),
        open_quotient=float(np.clip(rng.normal(0.65 if woman else 0.55, 0.05), 0.4, 0.8)),
        noise=rng.normal(-64.0, 2.0),
        habits=habits,
        strengths=strengths,
    )


def draw_cues(speaker: Speaker, emotion: str, rng: np.random.Generator) -> dict[str, float]:
    """Draw the cues of one utterance."""
    chance = rng.standard_normal(len(CUES)) * _column("between_utterances")
    deviations = 0.0 if emotion == "neutral" else speaker.strengths * _column(emotion)
    values = _column("neutral") + speaker.habits + deviations + chance
    values = np.clip(values, _column("low"), _column("high"))
    return dict(zip(CUES, values.tolist(), strict=True))


def _column(field: str) -> np.ndarray:
    """Return one field of every cue, (n_cues,)."""
    return np.array([getattr(cue, field) for cue in CUES.values()])
