"""Audio files as samples: opened, decoded up to a maximum duration, and checked for missing parts."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from io import BufferedReader
from typing import Any, BinaryIO, NamedTuple

import numpy as np

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

_COMPLETE_SHARE = 0.99  # less than 1, because headers may count padding


class Decoded(NamedTuple):
    """Samples (n_times, n_channels) of a file, its sampling rate, and a sentence about a missing part."""

    samples: np.ndarray
    sr: int
    missing: str | None


def read_mono(path: str, max_duration: float | None) -> tuple[np.ndarray, int]:
    """Mean over the channels (n_times,) of a file and its sampling rate; raise if a part is missing."""
    decoded = decode(path, max_duration)
    if decoded.missing:
        raise OSError(
            f"is cut off, {decoded.missing}: fetch or copy it again, or convert the existing part to WAV."
        )
    return mix(decoded.samples), decoded.sr


def decode(path: str, max_duration: float | None) -> Decoded:
    """Decode a file; raise if it lasts more than `max_duration` seconds, by its header or its samples."""
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
            stated = stated_frames(file)
            if stated is not None:
                _check_duration(stated / file.samplerate, max_duration)
            with _explained(head):
                samples = _read(file, stated, max_duration)
            _check_duration(len(samples) / file.samplerate, max_duration)
            held = min(share_of_size(content, position, size), len(samples) / stated if stated else 1.0)
            if file.subtype == "GSM610" and file.format == "WAV" and size:
                samples = samples[: size // 65 * 320]  # libsndfile decodes the byte of padding, too
            return Decoded(samples, file.samplerate, _missing(content, file.format, held))


def _check_rate(sr: int) -> None:
    """Raise if no recording can have this sampling rate."""
    if not 0 < sr <= HIGHEST_RATE:
        raise OSError(
            f"its header states a sampling rate of {sr} Hz, not one from 1 to {HIGHEST_RATE}: it is damaged. "
            "Fetch or convert it."
        )


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


def _missing(content: BinaryIO, file_format: str, held: float) -> str | None:
    """Sentence about the missing part of a file that holds this share of its stated length."""
    if held < _COMPLETE_SHARE:
        return f"it holds {held:.0%} of what its header states"
    if file_format in ("OGG", "FLAC", "MP3"):
        content.seek(0)
        whole = content.read()
        check_single_stream(file_format, whole)
        if file_format == "OGG" and not ogg_ends(whole):
            return "it lacks the page that ends an Ogg stream"
    return None


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
        missing = f"no such file: check the path, relative paths start at {os.getcwd()!r}."
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
