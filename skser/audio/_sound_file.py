"""Audio files opened with soundfile, which is imported with this module and not with the package."""

from __future__ import annotations

import os
import sys
from typing import BinaryIO

import soundfile

from ._headers import MPEG_FRAME, states_count

_EXTRA = 2**40  # bytes
_MOST_FRAMES = 2**39  # less than any estimate for a file of that size, more than any header states
_ID3 = b"ID3\3\0\0\0\0\0\x0a" + bytes(10)  # an empty tag


def open_sound(path: str, content: BinaryIO, copy: BinaryIO | None) -> soundfile.SoundFile:
    """Open an audio file, which is also open as `content`, or its corrected copy, to read it to its end."""
    # As bytes, because a name may hold bytes that are not UTF-8.
    name = path if sys.platform == "win32" else os.fsencode(path)
    file = soundfile.SoundFile(name if copy is None else copy)
    # libsndfile stops at the number of frames. Only for MPEG, it is an estimate unless the header states it.
    if file.subtype.startswith("MPEG"):
        if states_count(content):  # the decoder would print a warning about the size of an endless file
            return file
        endless = _OneWayFile(_EndlessFile(content, file.format))
        return file if stated_frames(endless) is not None else endless
    return file if stated_frames(file) is not None else _OneWayFile(name)


def stated_frames(file: soundfile.SoundFile) -> int | None:
    """Number of frames that the header of a file states; None if it is unknown, or only an estimate."""
    return file.frames if file.frames < _MOST_FRAMES else None


class _OneWayFile(soundfile.SoundFile):
    """Audio file of unknown length, in which soundfile cannot seek after each read."""

    def seekable(self) -> bool:
        """Return False."""
        return False


class _EndlessFile:
    """MPEG file that claims to be longer, so that no estimate of its length is too short."""

    def __init__(self, content: BinaryIO, file_format: str) -> None:
        self._content, self._prefix, self._start, self._position = content, b"", 0, 0
        content.seek(0)
        head = content.read(2**16)
        self._end = content.seek(0, os.SEEK_END) + _EXTRA
        if file_format == "MP3" and not head.startswith(b"ID3"):
            # libsndfile recognizes MP3 by the file extension, which is not known here, or by a tag.
            first = MPEG_FRAME.search(head)
            self._prefix, self._start = _ID3, first.start() if first else 0

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> None:
        """Change the position, also relative to the claimed end."""
        self._position = offset + {os.SEEK_CUR: self._position, os.SEEK_END: self._end}.get(whence, 0)

    def tell(self) -> int:
        """Return the position."""
        return self._position

    def read(self, n_bytes: int) -> bytes:
        """Read bytes of the prefix, of the file, and zeros at the claimed end, where MP3 may have a tag."""
        data = self._prefix[self._position :][:n_bytes]
        if self._position >= self._end - 128:
            data = bytes(n_bytes)
        self._content.seek(max(self._start, self._position + self._start - len(self._prefix)))
        data += self._content.read(n_bytes - len(data))
        self._position += len(data)
        return data
