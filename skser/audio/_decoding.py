"""Audio files as samples: opened, decoded up to a maximum duration, and checked for missing parts."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from io import BufferedReader
from typing import Any, NamedTuple

import numpy as np

# Above any rate in use. A damaged header may state a higher one, from which resampling would leave no sample.
HIGHEST_RATE = 2**20  # Hz
_UNKNOWN_FRAMES = 2**62  # libsndfile returns 2**63 - 1 frames for a header without a length
_BLOCK_FRAMES = 2**20  # per read, if the length is not known
BLOCK_SAMPLES = 2**18  # of all channels, per block of a stream

_TEXT = frozenset(b"\t\n\r") | frozenset(range(32, 256))

_COMPLETE_SHARE = 0.99  # less than 1, because headers may count padding
# libsndfile logs such a line if a header of WAV, AIFF, CAF, AU or W64 states more bytes than the file has.
# Programs that write to a pipe do not know the length and state a size near the limits of the range.
_STATED = re.compile(r"(?:data|SSND|Data Size|riff)\s*: (\d+) \(should be (\d+)\)")
_OPEN_SIZE = 0x7FFF0000
_OGG_PAGE = 27 + 255 + 255 * 255  # bytes of the longest page: header, segment table, segments


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
    import soundfile

    path = os.path.expanduser(path)
    head = _read_head(path)
    with _explained(head):
        file = soundfile.SoundFile(path)
    with file:
        _check_rate(file.samplerate)
        known = file.frames < _UNKNOWN_FRAMES
        if known:
            _check_duration(file.frames / file.samplerate, max_duration)
        with _explained(head):
            samples = file.read(dtype="float32", always_2d=True) if known else _in_blocks(file, max_duration)
        _check_duration(len(samples) / file.samplerate, max_duration)
        return Decoded(samples, file.samplerate, _missing(path, file, len(samples)))


def decode_blocks(path: str) -> Iterator[tuple[np.ndarray, int]]:
    """Decode a file of any length: blocks of samples (n_times, n_channels), each with the sampling rate."""
    import soundfile

    path = os.path.expanduser(path)
    head = _read_head(path)
    with _explained(head):
        file = soundfile.SoundFile(path)
    with file:
        _check_rate(file.samplerate)
        _check_complete(_missing(path, file, file.frames))  # before hours are decoded, not after
        n_read = 0
        while True:
            with _explained(head):
                block = file.read(max(1, BLOCK_SAMPLES // file.channels), dtype="float32", always_2d=True)
            if not len(block):
                break
            n_read += len(block)
            yield block, file.samplerate
        _check_complete(_missing(path, file, n_read))


def _check_rate(sr: int) -> None:
    """Raise unless a sampling rate is possible."""
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
        raise ValueError(
            f"lasts {duration:.4g} s, longer than max_duration={max_duration:g} s: cut it into utterances, "
            "raise max_duration, or set it to None for no limit."
        )


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
        raise FileNotFoundError(
            f"no such file: check the path, relative paths start at {os.getcwd()!r}."
        ) from error
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
    # Besides its own errors, soundfile raises TypeError for files named .raw, and the other types if a
    # header states an impossible length.
    except (SoundFileError, TypeError, ValueError, MemoryError, OverflowError) as error:
        if _TEXT.issuperset(head):
            raise OSError(
                f"holds text instead of audio (it begins with {head[:24]!r}): replace it with the recording."
            ) from error
        reason = getattr(error, "error_string", str(error)).strip().rstrip(".")
        raise OSError(
            f"libsndfile cannot read it ({reason}), it is damaged or has an unknown format: fetch it again "
            "or convert it."
        ) from error


def _read_head(path: str) -> bytes:
    """First bytes of a file; raise if it is empty or a git-lfs pointer."""
    with open_binary(path) as file:
        head = file.read(256)
    if not head:
        raise OSError("the file is empty (0 bytes): fetch or copy it again.")
    if head.startswith(b"version https://git-lfs"):
        raise OSError("is a git-lfs pointer and not the audio itself: run 'git lfs pull' in its repository.")
    return head


def _in_blocks(file: Any, max_duration: float | None) -> np.ndarray:
    """Samples (n_times, n_channels) of an open file of unknown length, up to one block beyond the limit."""
    most = np.inf if max_duration is None else max_duration * file.samplerate
    blocks, n_read = [np.empty((0, file.channels), np.float32)], 0
    while n_read <= most:
        block = file.read(_BLOCK_FRAMES, dtype="float32", always_2d=True)
        blocks.append(block)
        n_read += len(block)
        if not len(block):
            break
    return np.concatenate(blocks)


def _missing(path: str, file: Any, n_read: int) -> str | None:
    """Sentence about the missing part of an open SoundFile; None if nothing is missing."""
    held = _share_held(file, n_read)
    if held < _COMPLETE_SHARE:
        return f"it holds {held:.0%} of what its header states"
    if file.format == "OGG":
        with open(path, "rb") as content:
            size = content.seek(0, os.SEEK_END)
            content.seek(max(0, size - _OGG_PAGE))
            if not _ogg_ends(content.read()):
                return "it lacks the page that ends an Ogg stream"
    return None


def _share_held(file: Any, n_read: int) -> float:
    """Share of the length stated in the header that an open SoundFile actually contains."""
    stated = _STATED.search(file.extra_info)
    if stated and 0 < int(stated[1]) < _OPEN_SIZE:
        return int(stated[2]) / int(stated[1])
    return n_read / file.frames if 0 < file.frames < _UNKNOWN_FRAMES else 1.0


def _ogg_ends(tail: bytes) -> bool:
    """Whether the last page in the last bytes of an Ogg file is complete and ends its stream."""
    # If these bytes contain no page, other data follow the stream, and its end cannot be checked.
    start = tail.rfind(b"OggS")
    if start < 0:
        return True
    page = tail[start:]
    if len(page) < 27 or len(page) < 27 + page[26]:
        return False
    n_bytes = 27 + page[26] + sum(page[27 : 27 + page[26]])
    return bool(page[5] & 4) and len(page) >= n_bytes
