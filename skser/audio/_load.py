"""Audio files and arrays as mono float32 waveforms at one sampling rate."""

from __future__ import annotations

import math
import os
from collections.abc import Iterable, Mapping
from numbers import Number
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from .._utils import all_finite, check_number, is_path, prefix_errors, to_array, warn_caller
from ._decoding import HIGHEST_RATE, read_mono
from ._errors import with_problem

# Offset and scale of integer samples, as in libsndfile.
_PCM = {"uint8": (128.0, 2.0**7), "int16": (0.0, 2.0**15), "int32": (0.0, 2.0**31)}

_LONGEST_PATH = 4096  # bytes
_FAR_BEYOND = 100.0  # above the peaks of samples that are normalized to unit variance

_WIDEST_DB = 1e4  # beyond the range of float32
_TRIM_HOP = 512  # samples
_TRIM_AMIN = 1e-10  # lowest mean square


def load_audio(
    audio: str | os.PathLike[str] | ArrayLike,
    sr: int = 16000,
    *,
    orig_sr: int | None = None,
    trim_db: float | None = None,
    max_duration: float | None = 600.0,
) -> np.ndarray:
    """Load a recording as a mono waveform at a given sampling rate.

    Channels are averaged; another sampling rate is converted by soxr at high quality.

    Parameters
    ----------
    audio : str, path-like or array-like of shape (n_times,)
        A file that libsndfile can read (WAV, FLAC, OGG, MP3, ...), or the samples themselves. A leading
        ``~`` is the home folder of the user. int16, int32 and uint8 arrays are PCM and scaled to [-1, 1);
        floating-point numbers are kept unchanged. Other integers raise an error, because their scale is not
        known.
    sr : int, default=16000
        Sampling rate of the result in Hz, 1 to 1,048,576.
    orig_sr : int or None, default=None
        Sampling rate of an array in Hz, 1 to 1,048,576. None means `sr`. Leave it out for files.
    trim_db : float or None, default=None
        Cut both ends where they are at least this many dB below the loudest part, above 0. None cuts
        nothing. A recording that is completely silent is not cut.
    max_duration : float or None, default=600.0
        Maximum length of a file in seconds, above 0. Longer files raise an error: before decoding if
        their header states the length, otherwise while decoding. None loads files of any length. Arrays
        have no limit.

    Returns
    -------
    ndarray of shape (n_times,)
        Finite float32 samples, at least one.

    Raises
    ------
    OSError
        If the file is missing, unreadable, damaged, cut off, or not audio.
    TypeError
        If `audio` is neither a path nor numbers, or a parameter has a wrong type.
    ValueError
        If the waveform is empty, complex, not one-dimensional or not finite, the file is too long, or a
        parameter is outside its range.

    See Also
    --------
    SpectrogramTransformer : Spectrograms of many recordings.

    Notes
    -----
    A file counts as cut off if 1 % or more of the length stated in its header is missing, or if an Ogg stream
    has no end. In an MP3 without a frame count, a missing part cannot be detected.

    Examples
    --------
    >>> import numpy as np
    >>> from skser import load_audio
    >>> tone = np.sin(2 * np.pi * 440 * np.arange(48000) / 48000)
    >>> y = load_audio(tone, orig_sr=48000)
    >>> y.shape, y.dtype
    ((16000,), dtype('float32'))
    >>> load_audio(np.array([-32768, 0, 16384], dtype=np.int16)).tolist()
    [-1.0, 0.0, 0.5]
    """
    check_audio_parameters(sr, orig_sr=orig_sr, trim_db=trim_db, max_duration=max_duration)
    if not is_path(audio):
        warn_of_scale([audio])
        return load_waveform(audio, sr, orig_sr, trim_db, max_duration)
    if orig_sr is not None:
        raise ValueError(
            f"orig_sr is for arrays, but {os.fspath(audio)!r} is a file, whose header states the rate: leave "
            "orig_sr out."
        )
    with prefix_errors(repr(os.fspath(audio))):
        return load_waveform(audio, sr, None, trim_db, max_duration)


def is_pair(audio: Any) -> bool:
    """Whether an object is a sampling rate with samples, in either order, as readers of audio return it."""
    if not isinstance(audio, (list, tuple)) or len(audio) != 2:
        return False
    samples = [part for part in audio if not isinstance(part, Number) and getattr(part, "ndim", 1) != 0]
    return len(samples) == 1 and (isinstance(samples[0], list) or hasattr(samples[0], "__array__"))


def find_cure(audio: Any) -> str | None:
    """Name the conversion of a recording in another common form; None if its form is not known."""
    if isinstance(audio, Mapping) and {"array", "sampling_rate"} <= audio.keys():  # Hugging Face datasets
        return "pass load_audio(item['array'], orig_sr=item['sampling_rate'], sr=transformer.sr)"
    write = "write the content of the file to a temporary file, and pass the path of that file"
    if isinstance(audio, bytes) and len(audio) < _LONGEST_PATH and b"\0" not in audio:
        return f"decode it with os.fsdecode if it is a path, or {write}"
    is_array = hasattr(audio, "__array__")  # some arrays in files have a method `read`, too
    if isinstance(audio, (bytes, bytearray)) or (hasattr(audio, "read") and not is_array):
        return write
    return None


def warn_of_scale(recordings: Iterable[Any]) -> None:
    """Warn if arrays are so far beyond [-1, 1] that they are probably PCM numbers."""
    arrays = ((i, _samples_or_none(y)) for i, y in enumerate(recordings) if not is_path(y))
    peaks = [(i, max(y.max(), -y.min())) for i, y in arrays if y is not None and y.size]
    found = [(i, peak) for i, peak in peaks if _FAR_BEYOND < peak < np.inf]
    if found:
        more = f", as do {len(found) - 1} more" if len(found) > 1 else ""
        warn_caller(
            f"item {found[0][0]} has samples up to {found[0][1]:g}{more}, far beyond 1: divide them by the "
            "full scale, 32768 for 16 bits."
        )


def _samples_or_none(y: Any) -> np.ndarray | None:
    """Floating-point samples of an item; None for anything else, also if `check_waveform` would refuse it."""
    try:
        array = _to_array(y)
    except (TypeError, ValueError):
        return None
    return array if array.dtype.kind == "f" else None


def check_waveform(y: ArrayLike) -> np.ndarray:
    """Convert the samples of one waveform to float32, or raise an error with the reason."""
    array = _to_array(y)
    if array.dtype.kind == "c":
        raise ValueError(f"Complex data not supported: a waveform must be real, got {array.dtype}.")
    if array.dtype.kind not in "fiub":
        raise TypeError(f"a waveform must hold real numbers, got {array.dtype} of shape {array.shape}.")
    if array.ndim != 1:
        raise ValueError(
            f"a waveform must be mono, of shape (n_times,), got shape {array.shape}: "
            "take the mean over its channels."
        )
    if not array.size:
        raise with_problem(ValueError("the waveform is empty: it needs at least one sample."), "empty")
    samples = _to_float32(array)
    if not all_finite(samples):
        finite = np.isfinite(samples)
        first = int(np.argmin(finite))
        held = f"{np.count_nonzero(~finite)} of {finite.size} as float32, the first is {array[first]}"
        fault = f"the waveform holds NaN or infinite samples ({held} at sample {first})"
        raise with_problem(ValueError(f"{fault}: repair it or leave it out."), "non-finite")
    return samples


def check_audio_parameters(
    sr: int, *, orig_sr: int | None = None, trim_db: float | None = None, max_duration: float | None = None
) -> None:
    """Raise unless the parameters of :func:`load_audio` are valid."""
    check_number("sr", sr, integer=True, low=1, high=HIGHEST_RATE)
    check_number("orig_sr", orig_sr, integer=True, low=1, high=HIGHEST_RATE, optional=True)
    check_number("trim_db", trim_db, low=0.0, closed="neither", optional=True)
    check_number("max_duration", max_duration, low=0.0, closed="neither", optional=True)


def load_waveform(
    audio: Any, sr: int, orig_sr: int | None, trim_db: float | None, max_duration: float | None
) -> np.ndarray:
    """Waveform of a path or of samples, with checked parameters; error messages do not name the item."""
    if is_path(audio):
        samples, rate = read_mono(os.fspath(audio), max_duration)
        y = check_waveform(samples)
    else:
        y, rate = check_waveform(audio), orig_sr or sr
    return _trim(_resample(y, rate, sr), trim_db)


def check_overflow(result: np.ndarray, y: np.ndarray, purpose: str) -> None:
    """Raise if the samples of a waveform were so large that a result is not finite."""
    if not all_finite(result):
        raise ValueError(
            f"the samples are too large {purpose} (up to {np.abs(y).max():g}): scale the waveform to [-1, 1]."
        )


def change_speed(y: np.ndarray, sr: int, speed: float) -> np.ndarray:
    """Waveform as if it were played `speed` times as fast, which raises its pitch by the same factor."""
    return _resample(y, round(sr * speed), sr)


def _to_array(y: Any) -> np.ndarray:
    """Convert samples to an array of any data type, or raise if that is not possible."""
    if is_pair(y):
        raise TypeError(
            "it is a pair of a sampling rate and samples, as scipy.io.wavfile.read and soundfile.read return "
            "them: pass only the samples with their rate, such as load_audio(samples, orig_sr=rate)."
        )
    expected = f"expected a path or a waveform of shape (n_times,), got {type(y).__name__}"
    if cure := find_cure(y):
        raise TypeError(f"{expected}: {cure}.")
    array = to_array("the waveform", y)
    if not array.ndim:
        raise TypeError(f"{expected}.")
    return array


def _to_float32(array: np.ndarray) -> np.ndarray:
    """Real samples as float32, integer PCM scaled to [-1, 1)."""
    with np.errstate(over="ignore"):
        samples = array.astype(np.float32, copy=False)
    if array.dtype.name in _PCM:
        offset, scale = _PCM[array.dtype.name]
        return (samples - np.float32(offset)) / np.float32(scale)
    if array.dtype.kind in "iu":
        raise TypeError(
            f"samples of type {array.dtype} have no known scale: convert them to int16, int32 or uint8 if "
            "they are such PCM, or divide them by their full scale."
        )
    return samples


# librosa is not used here: its modules compile code when they are imported. If several workers do so at the
# same time, numba's cache is broken afterwards (numba issue 10128) and Python crashes when it is used.


def _resample(y: np.ndarray, orig_sr: int, sr: int) -> np.ndarray:
    """Waveform at another sampling rate, equal to librosa's `resample`."""
    if orig_sr == sr:
        return y
    import soxr

    resampled: np.ndarray = soxr.resample(y, orig_sr, sr, quality="HQ")
    check_overflow(resampled, y, "to resample in float32")
    n_times = math.ceil(len(y) * (sr / orig_sr))
    return np.pad(resampled[:n_times], (0, max(0, n_times - len(resampled))))


def _trim(y: np.ndarray, trim_db: float | None) -> np.ndarray:
    """Waveform without the silence at its ends, equal to librosa's `effects.trim`."""
    if trim_db is None:
        return y
    # A frame is four hops long. Half of the first and half of the last frame are outside the waveform.
    hops = np.pad(y, 2 * _TRIM_HOP)[: (len(y) // _TRIM_HOP + 4) * _TRIM_HOP].reshape(-1, _TRIM_HOP)
    sums = np.square(hops, dtype=np.float64).sum(axis=1)
    power = np.lib.stride_tricks.sliding_window_view(sums, 4).mean(axis=1) / _TRIM_HOP
    level = 10 * np.log10(np.maximum(power, _TRIM_AMIN))
    # The threshold is relative to the loudest frame, which is therefore kept, apart from rounding.
    loud = np.flatnonzero(level - level.max() > -min(trim_db, _WIDEST_DB))
    trimmed = y[loud[0] * _TRIM_HOP : (loud[-1] + 1) * _TRIM_HOP]
    return trimmed if len(trimmed) else y
