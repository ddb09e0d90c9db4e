"""Audio files as samples: opened, decoded up to a maximum duration, and checked for missing parts."""

from __future__ import annotations

import mmap
import os
from collections.abc import Iterator
from contextlib import contextmanager
from io import BufferedReader
from typing import Any, NamedTuple

import numpy as np

from .._utils import start_of_relative
from ._errors import with_problem
from ._headers import (
    check_head,
    check_single_stream,
    copy_with_size,
    explain_unreadable,
    find_data,
    ogg_ends,
    read_head,
    share_of_size,
)

# Above any rate in use. A damaged header may state a higher one, from which resampling would leave no sample.
HIGHEST_RATE = 2**20  # Hz
_BLOCK_FRAMES = 2**20  # per read, if the length is not known
BLOCK_SAMPLES = 2**18  # of all channels, per block of a stream

_COMPLETE_SHARE = 0.99  # less than 1, because headers may count padding


class Decoded(NamedTuple):
    """Samples (n_times, n_channels) of a file, its sampling rate, and a sentence about a missing part."""

    samples: np.ndarray
    sr: int
    missing: str | None


def read_mono(path: str, max_duration: float | None) -> tuple[np.ndarray, int]:
    """Mean over the channels (n_times,) of a file and its sampling rate; raise if a part is missing."""
    decoded = decode(path, max_duration)
    _check_complete(decoded.missing)
    return mix(decoded.samples), decoded.sr


def decode(path: str, max_duration: float | None) -> Decoded:
    """Decode a file; raise if it lasts more than `max_duration` seconds, by its header or its samples."""
    with _open(path) as opened:
        file, stated = opened.file, opened.stated
        if stated is not None:
            _check_duration(stated / file.samplerate, max_duration)
        _check_streams(opened)
        with _explained(opened.head):
            samples = _read(file, stated, max_duration)
        _check_duration(len(samples) / file.samplerate, max_duration)
        missing = _missing(opened, len(samples))
        if opened.without_padding is not None:
            samples = samples[: opened.without_padding]
        return Decoded(samples, file.samplerate, missing)


def decode_blocks(path: str) -> Iterator[tuple[np.ndarray, int]]:
    """Decode a file of any length: blocks of samples (n_times, n_channels), each with the sampling rate."""
    with _open(path) as opened:
        file, n_read = opened.file, 0
        _check_streams(opened)
        if opened.stated is not None:
            _check_complete(_missing(opened, opened.stated))  # before hours are decoded, not after
        while True:
            with _explained(opened.head):
                block = file.read(max(1, BLOCK_SAMPLES // file.channels), dtype="float32", always_2d=True)
            if not len(block):
                break
            n_left = None if opened.without_padding is None else max(0, opened.without_padding - n_read)
            n_read += len(block)
            yield block[:n_left], file.samplerate
        _check_complete(_missing(opened, n_read))


class _Opened(NamedTuple):
    """An open file, the bytes it is made of, and what its header states."""

    file: Any
    content: BufferedReader
    head: bytes
    stated: int | None  # frames
    data: tuple[int, int]  # position and size of the audio in bytes
    without_padding: int | None  # frames of which libsndfile decodes more


@contextmanager
def _open(path: str) -> Iterator[_Opened]:
    """Open a file of audio, and read what its header states."""
    from ._sound_file import open_sound, stated_frames

    path = os.path.expanduser(path)
    with open_binary(path) as content:
        head = read_head(content)
        check_head(head)
        position, size = find_data(content)
        with _explained(head):
            file = open_sound(path, content, copy_with_size(content, position, size))
        with file:
            _check_rate(file.samplerate)
            is_gsm = file.subtype == "GSM610" and file.format == "WAV"
            held = content.seek(0, os.SEEK_END) - position
            n_bytes = min(size or held, held)  # an odd number is followed by a zero byte
            without_padding = n_bytes // 65 * 320 if is_gsm else None
            yield _Opened(file, content, head, stated_frames(file), (position, size), without_padding)


def _check_rate(sr: int) -> None:
    """Raise if no recording can have this sampling rate."""
    if not 0 < sr <= HIGHEST_RATE:
        raise OSError(
            f"its header states a sampling rate of {sr} Hz, not one from 1 to {HIGHEST_RATE}: it is damaged. "
            "Fetch or convert it."
        )


def _check_complete(missing: str | None) -> None:
    """Raise if a sentence describes a missing part."""
    if missing:
        raise OSError(f"is cut off, {missing}: fetch or copy it again, or convert the existing part to WAV.")


def _check_duration(duration: float, max_duration: float | None) -> None:
    """Raise if a file is longer than the limit."""
    if max_duration is not None and duration > max_duration:
        lengths = f"lasts {duration:.4g} s, longer than max_duration={max_duration:g} s"
        cure = "cut it into utterances, raise max_duration, or set it to None for no limit"
        raise with_problem(ValueError(f"{lengths}: {cure}."), "too long")


def _read(file: Any, stated: int | None, max_duration: float | None) -> np.ndarray:
    """Samples (n_times, n_channels) of an open file; of unknown length, up to one block beyond the limit."""
    if stated is not None:
        samples: np.ndarray = file.read(frames=stated, dtype="float32", always_2d=True)
        return samples
    most = np.inf if max_duration is None else max_duration * file.samplerate
    blocks, n_read = [np.empty((0, file.channels), np.float32)], 0
    while n_read <= most:
        block = file.read(frames=_BLOCK_FRAMES, dtype="float32", always_2d=True)
        blocks.append(block)
        n_read += len(block)
        if not len(block):
            break
    return np.concatenate(blocks)


def _missing(opened: _Opened, n_frames: int) -> str | None:
    """Sentence about the missing part of a file that holds this number of frames."""
    of_stated = n_frames / opened.stated if opened.stated else 1.0
    held = min(share_of_size(opened.content, *opened.data), of_stated)
    if held < _COMPLETE_SHARE:
        return f"it holds {held:.0%} of what its header states"
    if opened.file.format == "OGG":
        with _mapped(opened.content) as whole:
            return None if ogg_ends(whole) else "it lacks the page that ends an Ogg stream"
    return None


def _check_streams(opened: _Opened) -> None:
    """Raise if a file holds several streams, before they are decoded."""
    if opened.file.format in ("OGG", "FLAC", "MP3"):
        with _mapped(opened.content) as whole:
            check_single_stream(opened.file.format, whole)


def _mapped(content: BufferedReader) -> mmap.mmap:
    """Content of a file, mapped instead of read, so that its size does not matter."""
    return mmap.mmap(content.fileno(), 0, access=mmap.ACCESS_READ)


def mix(samples: np.ndarray) -> np.ndarray:
    """Mean (n_times,) over the channels of samples (n_times, n_channels)."""
    with np.errstate(over="ignore", invalid="ignore"):  # check_waveform raises for infinite samples
        return samples[:, 0] if samples.shape[1] == 1 else samples.mean(axis=1)


def open_binary(path: str | os.PathLike[str]) -> BufferedReader:
    """Open a regular file for reading; error messages do not contain the path."""
    path = os.path.expanduser(os.fspath(path))
    if os.path.isdir(path):
        raise IsADirectoryError("is a folder: give the path of an audio file in it.")
    if os.path.exists(path) and not os.path.isfile(path):  # a pipe would wait, a device might never end
        raise OSError("is a pipe or a device, not a file: write the recording to a file first.")
    try:
        return open(path, "rb")
    except FileNotFoundError as error:
        missing = f"no such file: check the path{start_of_relative(path)}."
        raise with_problem(FileNotFoundError(missing), "missing") from error
    except OSError as error:
        raise type(error)(f"cannot be opened ({error.strerror}): check its permissions.") from error
    except ValueError as error:  # null characters, or characters that the file system cannot encode
        raise ValueError(f"is not a valid path ({error}): correct it.") from error


@contextmanager
def _explained(head: bytes) -> Iterator[None]:
    """Turn errors of libsndfile into clear ones, for a file that begins with these bytes."""
    from soundfile import SoundFileError

    try:
        yield
    # Besides its own errors, soundfile raises the other types if a header states an impossible length.
    except (SoundFileError, TypeError, ValueError, MemoryError, OverflowError) as error:
        reason = getattr(error, "error_string", str(error)).strip().rstrip(".")
        raise OSError(explain_unreadable(head, reason)) from error
