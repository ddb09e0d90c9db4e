"""Problems of one recording, independent of the others."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from .._utils import is_path
from ..audio import LEVEL_SECONDS, SILENT_DB, check_waveform, decode, level_of, mix, problem_of

_FULL_SCALE, _CLIPPED_SHARE = 0.999, 0.001
_HIGHEST_PEAK = 2.0  # well above the overshoot of MP3 and other lossy formats
_EQUAL_CHANNELS = 0.01  # -40 dB, above the differences between equal channels that lossy coding causes


class Finding(NamedTuple):
    """A problem of an item, and a sentence that describes it."""

    problem: str
    detail: str
    same_as: int | None = None  # position of the other copy of a duplicate


class Examined(NamedTuple):
    """Results of reading a recording; sr and digest are None if it cannot be used."""

    findings: list[Finding]
    sr: int | None = None
    digest: bytes | None = None


def examine_recording(
    audio: Any, sr: int | None, min_duration: float, max_duration: float | None, silence_db: float
) -> Examined:
    """Read a recording and find its problems."""
    try:
        samples, rate, missing = _read(audio, sr, max_duration)
        y = check_waveform(mix(samples))
    except (OSError, TypeError, ValueError) as error:
        return Examined([Finding(problem_of(error), str(error))])
    findings = [
        *_check_length(len(y), rate, missing, min_duration),
        *_check_loudness(y, rate, silence_db),
        *_check_scale(samples),
        *_check_channels(samples),
    ]
    if any(finding.problem == "silent" for finding in findings):  # silent recordings are not copies
        return Examined(findings, rate)
    return Examined(findings, rate, hashlib.sha256(str(rate).encode() + y.tobytes()).digest())


def _read(audio: Any, sr: int | None, max_duration: float | None) -> tuple[np.ndarray, int, str | None]:
    """Return samples (n_times, n_channels), the sampling rate, and a sentence about a missing part."""
    if is_path(audio):
        return decode(os.fspath(audio), max_duration)
    if sr is None:
        raise TypeError("it is a waveform without a sampling rate: pass sr.")
    return check_waveform(audio)[:, np.newaxis], sr, None


def _check_length(n_times: int, sr: int, missing: str | None, min_duration: float) -> Iterator[Finding]:
    """Find recordings that are cut off or too short."""
    if missing:
        yield Finding("truncated", f"{missing}: fetch or copy the file again.")
    if n_times / sr < min_duration:
        lengths = f"{1000 * n_times / sr:.3g} ms, below the {1000 * min_duration:g} ms needed"
        yield Finding("too short", f"it lasts {lengths}.")


def _check_loudness(y: np.ndarray, sr: int, silence_db: float) -> Iterator[Finding]:
    """Find silence in a waveform (n_times,)."""
    level = level_of(y - y.mean(dtype=np.float64), sr)
    loudest = f"the level of its loudest {1000 * LEVEL_SECONDS:g} ms is {level:.1f} dB re full scale"
    n_zeros = np.count_nonzero(y == 0)
    if y.min() == y.max():
        yield Finding("silent", f"each of its {len(y)} samples is {y[0]:g}.")
    elif level < SILENT_DB:
        yield Finding("silent", f"{loudest}, below one step of 16 bits.")
    elif level < silence_db:
        yield Finding("nearly silent", f"{loudest}, below silence_db={silence_db:g}.")
    elif 2 * n_zeros > len(y):
        yield Finding("mostly zeros", f"{n_zeros / len(y):.0%} of its samples are exactly zero.")


def _check_scale(samples: np.ndarray) -> Iterator[Finding]:
    """Find samples (n_times, n_channels) that are too large or clipped."""
    sizes = np.abs(samples)
    clipped = np.count_nonzero(sizes >= _FULL_SCALE) / sizes.size
    if sizes.max() > _HIGHEST_PEAK:
        yield Finding("out of range", f"its samples reach {sizes.max():g}: scale them to [-1, 1].")
    elif clipped >= _CLIPPED_SHARE:
        yield Finding("clipped", f"{clipped:.2%} of its samples are at full scale.")


def _check_channels(samples: np.ndarray) -> Iterator[Finding]:
    """Find differences between channels (n_times, n_channels)."""
    if samples.shape[1] == 1:
        return
    apart = samples - samples.mean(axis=1, keepdims=True, dtype=np.float64)
    share = np.sqrt(np.mean(apart**2)) / max(np.sqrt(np.mean(samples.astype(np.float64) ** 2)), 1e-30)
    if share > _EQUAL_CHANNELS:
        apart_db = f"{20 * np.log10(share):.1f} dB re their level"
        channels = f"its {samples.shape[1]} channels differ from their mean, which is used"
        yield Finding("channels differ", f"{channels}, by {apart_db}.")
