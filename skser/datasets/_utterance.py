"""Synthesis of one utterance: syllables, tracks of pitch, level and formants, and sound."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.random import Generator

from ._prosody import Speaker
from ._voice import (
    TRACK_RATE,
    frame_spectra,
    friction_gain,
    glottal_pulses,
    overlap_add,
    resonators,
    tilt_gain,
    transform_length,
)

_SYLLABLE_RATE = 4.6  # syllables per second at which the lengths below apply
_SYLLABLE = 0.235  # s, mean length of a syllable at that rate, including stress and final lengthening
_EDGES = (0.06, 0.1)  # s of silence before and after the speech
_BANDWIDTHS = (90.0, 110.0, 170.0)  # Hz, of the first three formants
_TREMOR_RATE = 6.0  # Hz
_LEVEL_FALL = 3.0  # dB per second during an utterance
_FRICTION_ATTACK = 0.01  # s
_COARTICULATION = 0.06  # s over which the formants move from one target to the next
_APART = 250.0  # Hz, minimum distance of the first two formants; closer ones would merge into one resonance
_OFF = -80.0  # dB, silence


class Segment(NamedTuple):
    """A stretch of speech with constant targets."""

    seconds: float
    formants: tuple[float, float, float]  # Hz, of a man
    voice: float = _OFF  # dB
    friction: float = _OFF  # dB
    center: float = 1000.0  # Hz, of the friction
    width: float = 1000.0  # Hz, half of it
    accented: bool = False


# Formants of men's vowels, rounded from G. E. Peterson, H. L. Barney, "Control methods used in a
# study of the vowels", J. Acoust. Soc. Am. 24(2), 1952. Vowels fill the syllable after the onset.
_VOWELS = (
    Segment(0.0, (270, 2290, 3010), 0.0),
    Segment(0.0, (530, 1840, 2480), 0.0),
    Segment(0.0, (730, 1090, 2440), 0.0),
    Segment(0.0, (570, 840, 2410), 0.0),
    Segment(0.0, (300, 870, 2240), 0.0),
    Segment(0.0, (640, 1190, 2390), 0.0),
)
_ONSETS = (
    (Segment(0.050, (300, 900, 2200)), Segment(0.012, (300, 900, 2200), _OFF, -24, 900, 900)),  # p
    (Segment(0.050, (300, 1800, 2700)), Segment(0.015, (300, 1800, 2700), _OFF, -22, 4200, 1200)),  # t
    (Segment(0.050, (300, 1900, 2300)), Segment(0.020, (300, 1900, 2300), _OFF, -23, 2200, 600)),  # k
    (Segment(0.045, (250, 1800, 2700), -22), Segment(0.010, (250, 1800, 2700), -15, -28, 4000, 1200)),  # d
    (Segment(0.090, (320, 1700, 2600), _OFF, -26, 6000, 1200),),  # s
    (Segment(0.080, (320, 1000, 2200), _OFF, -36, 4000, 3000),),  # f
    (Segment(0.075, (300, 1700, 2600), -16, -32, 6000, 1200),),  # z
    (Segment(0.070, (250, 1100, 2200), -10),),  # m
    (Segment(0.065, (250, 1600, 2600), -10),),  # n
    (Segment(0.060, (350, 1200, 2700), -5),),  # l
)
_SILENCE = Segment(0.0, (500, 1500, 2500))  # formants of a neutral tube


class Tracks(NamedTuple):
    """Controls over time, one value per frame of 5 ms."""

    f0: np.ndarray  # Hz
    voice: np.ndarray  # amplitude
    friction: np.ndarray  # amplitude
    center: np.ndarray  # Hz
    width: np.ndarray  # Hz
    formants: np.ndarray  # Hz, (n_frames, 3)
    tilt: np.ndarray  # dB per octave


def make_utterance(
    speaker: Speaker, cues: dict[str, float], duration: float, sr: int, rng: Generator
) -> tuple[np.ndarray, float]:
    """Make the waveform of random syllables with the given cues, and its mean f0."""
    segments = _words(cues, duration, rng)
    tracks = _tracks(segments, speaker, cues, rng)
    y = _render(tracks, speaker, cues, sr, rng)
    y *= 10 ** (cues["level"] / 20) / np.sqrt(np.mean(y**2))
    y += 10 ** (speaker.noise / 20) * rng.standard_normal(len(y))
    y /= max(1.0, np.abs(y).max() / 0.99)
    return y.astype(np.float32), float(np.average(tracks.f0, weights=tracks.voice))


def _words(cues: dict[str, float], duration: float, rng: Generator) -> list[Segment]:
    """Make meaningless words: silence, the syllables with pauses between some of them, silence."""
    n_syllables = max(2, round((duration - sum(_EDGES)) / _SYLLABLE * rng.uniform(0.75, 1.25)))
    accented = rng.random(n_syllables) < 0.4
    accented[rng.integers(n_syllables)] = True
    segments = [_SILENCE._replace(seconds=_EDGES[0])]
    for i, accent in enumerate(accented.tolist()):
        last = i == n_syllables - 1
        segments += _syllable(accent, last, cues, rng)
        if not last and rng.random() < cues["pauses"]:
            segments.append(_SILENCE._replace(seconds=rng.uniform(0.12, 0.3)))
    return [*segments, _SILENCE._replace(seconds=_EDGES[1])]


def _syllable(accent: bool, last: bool, cues: dict[str, float], rng: Generator) -> list[Segment]:
    """Draw onset and vowel, which are longer under an accent and at the end."""
    onset, vowel = _ONSETS[rng.integers(len(_ONSETS))], _VOWELS[rng.integers(len(_VOWELS))]
    stretch = _SYLLABLE_RATE / cues["rate"]
    parts = [part._replace(seconds=part.seconds * stretch) for part in onset]
    length = rng.uniform(0.85, 1.15) * (1.2 if accent else 0.9) * (1.4 if last else 1.0) / cues["rate"]
    rest = max(0.05, length - sum(part.seconds for part in parts))
    return [*parts, vowel._replace(seconds=rest, voice=cues["stress"] * accent, accented=accent)]


def _tracks(segments: list[Segment], speaker: Speaker, cues: dict[str, float], rng: Generator) -> Tracks:
    """Convert the targets of the segments to smooth tracks."""
    ends = np.cumsum([segment.seconds for segment in segments])
    time = np.arange(int(np.ceil(ends[-1] * TRACK_RATE))) / TRACK_RATE
    index = np.minimum(np.searchsorted(ends, time, side="right"), len(segments) - 1)
    _, formants, voice, friction, center, width, _ = zip(*segments, strict=True)
    level = np.array(voice)[index] - _LEVEL_FALL * time
    amplitude = _smooth(10 ** (level / 20), cues["attack"] / 1000)
    contour = _contour(segments, time, cues, rng)
    contour += cues["pitch"] - np.average(contour, weights=amplitude)
    effort = np.clip(20 * np.log10(amplitude + 1e-4), -20, 20)
    return Tracks(
        f0=np.clip(speaker.f0 * 2 ** (contour / 12), 65, 700),
        voice=amplitude,
        friction=_smooth(10 ** (np.array(friction)[index] / 20), _FRICTION_ATTACK),
        center=np.array(center)[index],
        width=np.array(width)[index],
        formants=_formants(np.array(formants)[index], cues) * speaker.tract,
        tilt=np.maximum(cues["tilt"] - 0.15 * effort, 0.5),  # a louder voice is brighter
    )


def _contour(segments: list[Segment], time: np.ndarray, cues: dict[str, float], rng: Generator) -> np.ndarray:
    """Pitch contour in semitones: declination, accents, final movement, tremor and drift."""
    ends = np.cumsum([segment.seconds for segment in segments])
    contour = cues["slope"] * time
    spread = 0.07 * _SYLLABLE_RATE / cues["rate"]
    for segment, end in zip(segments, ends, strict=True):
        if segment.accented:
            peak = end - segment.seconds * (1 - cues["lateness"])
            contour += cues["accent"] * np.exp(-(((time - peak) / spread) ** 2))
    x = np.clip(1 + (time - ends[-2]) / segments[-2].seconds, 0, 1)  # 0 to 1 in the last vowel
    contour += cues["ending"] * x**2 * (3 - 2 * x)
    contour += cues["tremor"] * np.sin(2 * np.pi * (_TREMOR_RATE * time + rng.random()))
    return contour + 1.5 * _smooth(rng.standard_normal(len(time)), 0.3)


def _formants(targets: np.ndarray, cues: dict[str, float]) -> np.ndarray:
    """Tracks of the formants in Hz: undershoot towards the neutral tube, smile and coarticulation."""
    neutral = np.array(_SILENCE.formants)
    targets = (neutral + cues["opening"] * (targets - neutral)) * (1 + cues["smile"] / 100)
    targets[:, 1] = np.maximum(targets[:, 1], targets[:, 0] + _APART)
    seconds = _COARTICULATION * _SYLLABLE_RATE / cues["rate"]
    return np.stack([_smooth(course, seconds) for course in targets.T], axis=1)


def _smooth(values: np.ndarray, seconds: float) -> np.ndarray:
    """Moving average of a track under a Hann window of the given length."""
    n = max(1, round(seconds * TRACK_RATE))
    kernel = np.hanning(n + 2)[1:-1]
    padded = np.pad(values, (n // 2, n - 1 - n // 2), mode="edge")
    return np.convolve(padded, kernel / kernel.sum(), mode="valid")


def _render(tracks: Tracks, speaker: Speaker, cues: dict[str, float], sr: int, rng: Generator) -> np.ndarray:
    """Filter pulses by tilt and formants, and noise by formants and friction band."""
    hop_length, n_fft = round(sr / TRACK_RATE), transform_length(sr)
    n_frames = len(tracks.f0)
    frequencies = np.arange(n_fft // 2 + 1) * sr / n_fft
    f0 = np.interp(np.arange(n_frames * hop_length) / hop_length, np.arange(n_frames), tracks.f0)
    pulses = glottal_pulses(f0, sr, speaker.open_quotient, cues["jitter"] / 100, rng)
    voiced = tracks.voice[:, None] * tilt_gain(tracks.tilt, frequencies)
    voiced = voiced * _tract(tracks.formants, speaker.tract, sr, n_fft)
    unvoiced = 10 ** (cues["breath"] / 20) * voiced
    unvoiced += tracks.friction[:, None] * friction_gain(tracks.center, tracks.width, frequencies)
    spectra = frame_spectra(pulses, n_frames, hop_length, n_fft) * voiced
    spectra += frame_spectra(rng.standard_normal(len(pulses)), n_frames, hop_length, n_fft) * unvoiced
    return overlap_add(np.fft.irfft(spectra, n_fft), hop_length)[: n_frames * hop_length]


def _tract(formants: np.ndarray, tract: float, sr: int, n_fft: int) -> np.ndarray:
    """Response (n_frames, n_fft // 2 + 1) of the moving formants and of fixed higher ones, up to sr/2."""
    fixed = np.arange(3500.0, sr / 2 / tract, 1000.0) * tract
    formants = np.hstack([formants, np.broadcast_to(fixed, (len(formants), len(fixed)))])
    bandwidths = np.hstack([_BANDWIDTHS, 0.06 * fixed])
    audible = formants.max(axis=0) < sr / 2
    return resonators(formants[:, audible], bandwidths[audible], sr, n_fft)
