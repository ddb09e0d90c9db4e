"""Audio files and arrays as mono float32 waveforms at one sampling rate."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from io import BufferedReader
from typing import Any, TypeGuard

import numpy as np
from numpy.typing import ArrayLike

from ._validation import check_number

# Offset and scale of integer samples, as libsndfile has them.
_PCM = {"uint8": (128.0, 2.0**7), "int16": (0.0, 2.0**15), "int32": (0.0, 2.0**31)}

_TEXT = frozenset(b"\t\n\r") | frozenset(range(32, 256))
_RERAISED = (FileNotFoundError, IsADirectoryError, PermissionError, OSError, TypeError, ValueError)


def load_audio(
    audio: str | os.PathLike[str] | ArrayLike,
    sr: int = 16000,
    *,
    orig_sr: int | None = None,
    trim_db: float | None = None,
) -> np.ndarray:
    """Load a recording as a mono waveform at a given sampling rate.

    Channels are averaged; another sampling rate is converted by soxr at high quality.

    Parameters
    ----------
    audio : str, path-like or array-like of shape (n_times,)
        A file that libsndfile can read (WAV, FLAC, OGG, MP3, ...), or the samples themselves. int16,
        int32 and uint8 arrays are PCM and scaled to [-1, 1); other real numbers are taken as they are.
    sr : int, default=16000
        Sampling rate of the result in Hz, at least 1.
    orig_sr : int or None, default=None
        Sampling rate of an array in Hz, at least 1. None means `sr`. A file tells its own.
    trim_db : float or None, default=None
        Cut both ends where they lie this many dB or more below the loudest part, above 0. None cuts
        nothing. A recording that is silent throughout stays whole.

    Returns
    -------
    ndarray of shape (n_times,)
        Finite float32 samples, one at least.

    Raises
    ------
    OSError
        If the file is missing, unreadable, damaged, or no audio.
    TypeError
        If `audio` is neither a path nor numbers, or a parameter is of a wrong type.
    ValueError
        If the waveform is empty, complex, not one-dimensional or not finite, or a parameter is out of
        its range.

    See Also
    --------
    SpectrogramTransformer : Spectrograms of many recordings.

    Examples
    --------
    >>> import numpy as np
    >>> from skser.audio import load_audio
    >>> tone = np.sin(2 * np.pi * 440 * np.arange(48000) / 48000)
    >>> y = load_audio(tone, orig_sr=48000)
    >>> y.shape, y.dtype
    ((16000,), dtype('float32'))
    >>> load_audio(np.array([-32768, 0, 16384], dtype=np.int16)).tolist()
    [-1.0, 0.0, 0.5]
    """
    check_audio_parameters(sr, orig_sr=orig_sr, trim_db=trim_db)
    if not is_path(audio):
        return _load(audio, sr, orig_sr, trim_db)
    if orig_sr is not None:
        raise ValueError(
            f"orig_sr is for arrays, but {os.fspath(audio)!r} is a file, which tells its own: leave it out."
        )
    with errors_named(repr(os.fspath(audio))):
        return _load(audio, sr, None, trim_db)


def check_waveform(y: ArrayLike) -> np.ndarray:
    """Convert the samples of one waveform to float32, or say what is wrong with them.

    Parameters
    ----------
    y : array-like of shape (n_times,)
        Samples. int16, int32 and uint8 arrays are PCM and scaled to [-1, 1); other real numbers are
        taken as they are.

    Returns
    -------
    ndarray of shape (n_times,)
        Finite float32 samples, one at least; `y` itself where it is so already.

    Raises
    ------
    TypeError
        If `y` does not hold numbers.
    ValueError
        If `y` is empty, complex, not one-dimensional, or holds NaN or infinite samples.

    Examples
    --------
    >>> from skser.audio import check_waveform
    >>> check_waveform([0.0, 0.5])
    array([0. , 0.5], dtype=float32)
    """
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
        raise ValueError("the waveform is empty: it needs at least one sample.")
    samples = _to_float32(array)
    _check_finite(array, samples)
    return samples


def check_audio_parameters(sr: int, *, orig_sr: int | None = None, trim_db: float | None = None) -> None:
    """Raise unless the parameters of :func:`load_audio` are valid.

    Parameters
    ----------
    sr : int
        Sampling rate of the result in Hz, at least 1.
    orig_sr : int or None, default=None
        Sampling rate of an array in Hz, at least 1.
    trim_db : float or None, default=None
        Threshold of silence in dB below the loudest part, above 0.

    Raises
    ------
    TypeError
        If a parameter is of a wrong type.
    ValueError
        If a parameter is out of its range.

    Examples
    --------
    >>> from skser.audio import check_audio_parameters
    >>> check_audio_parameters(16000, trim_db=30)
    """
    check_number("sr", sr, integer=True, low=1)
    if orig_sr is not None:
        check_number("orig_sr", orig_sr, integer=True, low=1)
    if trim_db is not None:
        check_number("trim_db", trim_db, low=0.0, closed="neither")


def is_path(audio: Any) -> TypeGuard[str | os.PathLike[str]]:
    """Whether an object names a file.

    Parameters
    ----------
    audio : object
        A path or samples.

    Returns
    -------
    bool
        True for str and path-like objects.

    Examples
    --------
    >>> from skser.audio import is_path
    >>> is_path("a.wav"), is_path([0.0, 0.5])
    (True, False)
    """
    return isinstance(audio, (str, os.PathLike))


@contextmanager
def errors_named(label: str) -> Iterator[None]:
    """Put the name of an item before the message of an error that it causes.

    Parameters
    ----------
    label : str
        Name of the item, its index or path.

    Yields
    ------
    None
        Runs the body of the with statement.

    Raises
    ------
    OSError, TypeError, ValueError
        What the body raised, its message preceded by `label`.

    Examples
    --------
    >>> from skser.audio import errors_named
    >>> with errors_named("item 3"):
    ...     raise ValueError("the waveform is empty.")
    Traceback (most recent call last):
        ...
    ValueError: item 3: the waveform is empty.
    """
    try:
        yield
    except _RERAISED as error:
        kind = next(kind for kind in _RERAISED if isinstance(error, kind))
        raise kind(f"{label}: {error}") from error


def open_binary(path: str | os.PathLike[str]) -> BufferedReader:
    """Open a file for reading, with errors that say what to do.

    Parameters
    ----------
    path : str or path-like
        The file.

    Returns
    -------
    file object
        The open file.

    Raises
    ------
    OSError
        If the file is missing, a folder, or may not be read. The message leaves out the path.

    Examples
    --------
    >>> from skser.audio import open_binary
    >>> open_binary("/")
    Traceback (most recent call last):
        ...
    IsADirectoryError: is a folder: give the path of an audio file in it.
    """
    try:
        return open(path, "rb")
    except FileNotFoundError as error:
        raise FileNotFoundError(
            f"no such file: check the path, relative ones start at {os.getcwd()!r}."
        ) from error
    except IsADirectoryError as error:
        raise IsADirectoryError("is a folder: give the path of an audio file in it.") from error
    except OSError as error:
        raise type(error)(f"cannot be opened ({error.strerror}): check its permissions.") from error


def _load(audio: Any, sr: int, orig_sr: int | None, trim_db: float | None) -> np.ndarray:
    """Waveform of a path or of samples; parameters are valid and errors do not name the item."""
    if is_path(audio):
        samples, rate = _read(os.fspath(audio))
        y = check_waveform(samples)
    else:
        y, rate = check_waveform(audio), orig_sr or sr
    return _trim(_resample(y, rate, sr), trim_db)


def _read(path: str) -> tuple[np.ndarray, int]:
    """Mean over the channels (n_times,) of a file and its sampling rate."""
    with _open_audio(path) as file:
        return _mix(file.read(dtype="float32", always_2d=True)), file.samplerate


@contextmanager
def _open_audio(path: str) -> Iterator[Any]:
    """Yield the open soundfile.SoundFile of a path; what opening and reading raise says what to do."""
    import soundfile

    head = _read_head(path)
    try:
        with soundfile.SoundFile(path) as file:
            yield file
    # Beside its own errors soundfile raises TypeError for files named .raw, the others where a header
    # states an absurd length.
    except (soundfile.SoundFileError, TypeError, ValueError, MemoryError) as error:
        raise OSError(_explain(head, error)) from error


def _mix(samples: np.ndarray) -> np.ndarray:
    """Mean (n_times,) over the channels of samples (n_times, n_channels)."""
    return samples[:, 0] if samples.shape[1] == 1 else samples.mean(axis=1)


def _read_head(path: str) -> bytes:
    """First bytes of a file; raise if there are none, or if they say that there is no audio."""
    with open_binary(path) as file:
        head = file.read(256)
    if not head:
        raise OSError("the file is empty (0 bytes): fetch or copy it again.")
    if head.startswith(b"version https://git-lfs"):
        raise OSError(
            "is a git-lfs pointer and not the audio itself: run 'git lfs pull' where it comes from."
        )
    return head


def _explain(head: bytes, error: Exception) -> str:
    """Why libsndfile cannot read a file that begins with these bytes."""
    if _TEXT.issuperset(head):
        return f"holds text and no audio, it begins with {head[:24]!r}: replace it with the recording."
    reason = getattr(error, "error_string", str(error)).strip().rstrip(".")
    return (
        f"libsndfile cannot read it ({reason}): it is damaged or of an unknown format. Fetch or convert it."
    )


def _to_array(y: Any) -> np.ndarray:
    """Convert samples to an array of any dtype; raise where they are none."""
    try:
        array = np.asarray(y)
    except ValueError as error:
        raise ValueError(
            "a waveform must be one-dimensional, of shape (n_times,), but its parts differ in length."
        ) from error
    if not array.ndim:
        raise TypeError(f"expected a path or a waveform of shape (n_times,), got {type(y).__name__}.")
    return array


def _to_float32(array: np.ndarray) -> np.ndarray:
    """Real samples as float32, integer PCM scaled to [-1, 1)."""
    with np.errstate(over="ignore"):
        samples = array.astype(np.float32, copy=False)
    if array.dtype.name in _PCM:
        offset, scale = _PCM[array.dtype.name]
        return (samples - np.float32(offset)) / np.float32(scale)
    return samples


def _check_finite(array: np.ndarray, samples: np.ndarray) -> None:
    """Raise unless all samples are finite in float32."""
    finite = np.isfinite(samples)
    if not finite.all():
        first = int(np.argmin(finite))
        raise ValueError(
            f"the waveform holds NaN or infinite samples ({np.count_nonzero(~finite)} of {finite.size} as "
            f"float32, the first is {array[first]} at sample {first}): repair it or leave it out."
        )


def _resample(y: np.ndarray, orig_sr: int, sr: int) -> np.ndarray:
    """Waveform at another sampling rate."""
    if orig_sr == sr:
        return y
    from librosa import resample

    resampled: np.ndarray = resample(y, orig_sr=orig_sr, target_sr=sr, res_type="soxr_hq")
    return resampled


def _trim(y: np.ndarray, trim_db: float | None) -> np.ndarray:
    """Waveform without the silence at its ends."""
    if trim_db is None:
        return y
    from librosa.effects import trim

    # The threshold is relative to the loudest frame, which therefore always stays.
    trimmed: np.ndarray = trim(y, top_db=trim_db)[0]
    return trimmed
