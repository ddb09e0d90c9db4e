"""What the bytes of an audio file say about its format, its size, its end and further streams."""

from __future__ import annotations

import os
import re
from io import BytesIO
from mmap import mmap
from typing import BinaryIO, Literal

from ._errors import with_problem

CONVERT = "convert it with 'ffmpeg -i FILE out.wav'"

# Programs that write to a pipe do not know the size and state one near the limits of the range.
_OPEN_SIZE = 0x7F000000  # bytes; SoX states this one
_CAF_OPEN = 2**64 - 1

_TEXT = frozenset(b"\t\n\r") | frozenset(range(32, 256))
# Formats that libsndfile cannot read, and their first bytes.
_FORMATS = {
    "MP4 (m4a, mp4)": re.compile(rb".{4}ftyp", re.DOTALL),
    "AAC": re.compile(rb"\xff[\xf0\xf1\xf8\xf9]|ADIF"),
    "WebM or Matroska": re.compile(rb"\x1a\x45\xdf\xa3"),
    "Windows Media (wma)": re.compile(rb"\x30\x26\xb2\x75\x8e\x66\xcf\x11"),
    "AMR": re.compile(rb"#!AMR"),
    "Speex": re.compile(rb"OggS.{24}Speex", re.DOTALL),
    "FLAC in Ogg": re.compile(rb"OggS.{24}\x7fFLAC", re.DOTALL),  # only some streams of it can be read
}
# Codecs that libsndfile cannot read in WAV, by the number in the header.
_WAV_CODECS = {
    **{0x45: "G.726", 0x50: "MPEG layer 2", 0xFF: "AAC", 0x160: "Windows Media", 0x161: "Windows Media"},
    **{0x162: "Windows Media", 0x2000: "AC-3", 0x704F: "Opus"},
}
_FLAC_START = re.compile(rb"fLaC[\0\x80]\0\0\x22")
MPEG_FRAME = re.compile(rb"\xff[\xe2-\xe7\xf2-\xf7\xfa-\xff][\x10-\xef]")
# First frame of an MP3 stream that states its numbers of frames and of bytes.
_MP3_COUNTS = re.compile(rb"\xff[\xe2-\xff]..\0{9,34}(?:Xing|Info)\0\0\0[\3\7\x0b\x0f].{4}(.{4})", re.DOTALL)
_MP3_SLACK = 4096  # bytes, about two of the longest frames, because encoders count differently


def read_head(content: BinaryIO) -> bytes:
    """First bytes of a file."""
    content.seek(0)
    return content.read(256)


def check_head(head: bytes) -> None:
    """Raise if a file is empty or a git-lfs pointer."""
    if not head:
        raise with_problem(OSError("the file is empty (0 bytes): fetch or copy it again."), "empty")
    if head.startswith(b"version https://git-lfs"):
        pointer = "is a git-lfs pointer and not the audio itself: run 'git lfs pull' in its repository."
        raise with_problem(OSError(pointer), "git-lfs pointer")


def explain_unreadable(head: bytes, reason: str) -> str:
    """Sentence about a file that libsndfile cannot read."""
    name = next((name for name, start in _FORMATS.items() if start.match(head)), None)
    tag = head.find(b"fmt ") + 8
    if head.startswith(b"RIFF") and tag > 8:
        name = _WAV_CODECS.get(int.from_bytes(head[tag : tag + 2], "little"))
    if name is not None:
        return f"holds {name}, which libsndfile cannot read: {CONVERT}."
    if _TEXT.issuperset(head):
        return f"holds text instead of audio (it begins with {head[:24]!r}): replace it with the recording."
    if reason == "Unspecified internal error":  # of the MPEG decoder, after the start of a frame
        return f"is cut off or damaged, an MPEG frame is incomplete: fetch or copy it again, or {CONVERT}."
    return (
        f"libsndfile cannot read it ({reason}), it is damaged or has an unknown format: fetch it again or "
        "convert it."
    )


def find_data(content: BinaryIO) -> tuple[int, int]:
    """Position and stated size in bytes of the audio in WAV, AIFF, CAF, AU and W64; zeros otherwise."""
    head = read_head(content)
    kind = head[:4]
    order: Literal["little", "big"] = "little" if kind in (b"RIFF", b"RF64", b"dns.") else "big"
    if kind in (b".snd", b"dns."):
        return int.from_bytes(head[4:8], order), int.from_bytes(head[8:12], order)
    if kind == b"riff":  # W64 states the size of the whole file
        return 0, int.from_bytes(head[16:24], "little")
    if kind not in (b"RIFF", b"RIFX", b"RF64", b"FORM", b"caff"):
        return 0, 0
    position, n_bytes = (8, 12) if kind == b"caff" else (12, 8)
    # Zeros end the search, which would take long in a large file of them.
    while (chunk := _read_at(content, position, n_bytes)).strip(b"\0"):
        position, size = position + n_bytes, int.from_bytes(chunk[4:], order)
        if chunk[:4] in (b"data", b"SSND"):
            return position, int.from_bytes(head[28:36], order) if kind == b"RF64" else size
        position += size + (size % 2 if kind != b"caff" else 0)
    return 0, 0


def _read_at(content: BinaryIO, position: int, n_bytes: int) -> bytes:
    """Bytes of a file at a position; none after its end."""
    if position > content.seek(0, os.SEEK_END):
        return b""
    content.seek(position)
    return content.read(n_bytes)


def share_of_size(content: BinaryIO, position: int, size: int) -> float:
    """Share of the stated bytes of audio that a file holds; 1 if the header leaves their number open."""
    if not 0 < size < _OPEN_SIZE:
        return 1.0
    return (content.seek(0, os.SEEK_END) - position) / size


def copy_with_size(content: BinaryIO, position: int, size: int) -> BinaryIO | None:
    """Copy of a WAV, RF64 or CAF file with its size, if its header leaves it open in an unreadable way."""
    head, following = read_head(content), _read_at(content, position, 4)
    is_chunk = following.strip().isalnum()  # the next chunk, by its name: the audio is empty
    places = {b"RIFF": (position - 4, 4), b"RF64": (28, 8), b"caff": (position - 8, 8)}
    is_open = size == (_CAF_OPEN if head.startswith(b"caff") else 0)
    if not is_open or not position or not following or is_chunk or head[:4] not in places:
        return None
    content.seek(0)
    whole = content.read()
    place, n_bytes = places[head[:4]]
    held = min(len(whole) - position, 2 ** (8 * n_bytes) - 1)
    stated = held.to_bytes(n_bytes, "big" if head.startswith(b"caff") else "little")
    return BytesIO(whole[:place] + stated + whole[place + n_bytes :])


def states_count(content: BinaryIO) -> bool:
    """Whether an MP3 file begins with a frame that states the number of frames, after ID3 tags."""
    position = 0
    while (head := _read_at(content, position, 256)).startswith(b"ID3"):
        position += _id3_size(head)
    return _MP3_COUNTS.match(head) is not None


def _id3_size(tag: bytes) -> int:
    """Size in bytes of an ID3 tag, of which each byte holds 7 bits."""
    return 10 + sum(byte << 7 * (3 - place) for place, byte in enumerate(tag[6:10]))


def check_single_stream(kind: str, content: mmap) -> None:
    """Raise if a file of the format OGG, FLAC or MP3 holds two streams, of which only one would be read."""
    if kind == "OGG":  # streams that are played at the same time begin together
        is_chained = content.rfind(b"OggS\0\2") > content.find(b"OggS\0\0") >= 0
    elif kind == "FLAC":
        is_chained = len(_FLAC_START.findall(content)) > 1
    else:
        is_chained = _mp3_continues(content)
    if is_chained:
        several = f"several {kind} streams one after the other, of which only the first would be read"
        raise with_problem(OSError(f"holds {several}: {CONVERT}, or split it."), "chained")


def _mp3_continues(content: mmap) -> bool:
    """Whether an MP3 stream that states its size is followed by another one; any other is read to its end."""
    counts = [*_MP3_COUNTS.finditer(content)]
    if not counts:
        return False
    end = counts[0].start() + int.from_bytes(counts[0][1])
    follows = content[end : end + 3] if len(content) - end > _MP3_SLACK else b""
    return len(counts) > 1 or follows == b"ID3" or MPEG_FRAME.match(follows) is not None


def ogg_ends(content: mmap) -> bool:
    """Whether the last page of an Ogg file is complete and ends its stream."""
    page = content[content.rfind(b"OggS") :]
    n_segments = sum(page[26:27])  # the header may be incomplete
    size = 27 + n_segments + sum(page[27 : 27 + n_segments])
    return len(page) >= size and bool(page[5] & 4)
