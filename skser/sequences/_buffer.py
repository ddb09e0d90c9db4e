"""A flat array that grows by one array at a time, in memory or, beyond a limit, in a temporary file."""

from __future__ import annotations

import mmap
import os
import tempfile
import weakref
from collections.abc import Iterable
from contextlib import closing, suppress
from io import BytesIO
from typing import IO

import numpy as np
from numpy.typing import NDArray

MAX_NBYTES = 2**30  # default limit of the bytes in memory


class Buffer:
    """Append arrays to one flat float32 array that is never held twice."""

    # On POSIX the file never has a name, and Windows deletes it when it is closed: no file is left, however
    # the process ends.

    def __init__(
        self, max_nbytes: float = MAX_NBYTES, n_items: int = 0, or_else: str = "", noun: str = "spectrograms"
    ) -> None:
        self._max_nbytes = max_nbytes
        self._n_items = n_items  # expected, for the message of an error
        self._or_else = or_else
        self._noun = noun
        self._n_appended = 0
        self._nbytes = 0
        self._n_columns = 1  # of the last array
        self._stream: IO[bytes] = BytesIO()

    def append(self, array: NDArray[np.float32]) -> None:
        """Append the numbers of an array, row by row."""
        rows = np.ascontiguousarray(array, dtype=np.float32)
        if isinstance(self._stream, BytesIO) and self._nbytes + rows.nbytes > self._max_nbytes:
            self._move_to_file(self._stream)
        self._write(rows.data)
        self._nbytes += rows.nbytes
        self._n_columns = rows.shape[-1]
        self._n_appended += 1

    def finish(self) -> NDArray[np.float32]:
        """Return the array; the buffer cannot be used afterwards."""
        stream, self._stream = self._stream, BytesIO()
        if isinstance(stream, BytesIO):
            return np.frombuffer(stream.getbuffer(), dtype=np.float32)
        try:
            stream.flush()
            return _map(stream, self._n_columns if self._is_table() else 1)
        except OSError as error:
            raise self._no_room(error) from error

    def close(self) -> None:
        """Release the memory and the file, unless `finish` has returned them."""
        with suppress(OSError):  # a full disk fails again
            self._stream.close()
        self._stream = BytesIO()

    def _is_table(self) -> bool:
        """Whether the numbers fill rows as wide as the last array."""
        return self._n_columns > 0 and self._nbytes % (4 * self._n_columns) == 0

    def _move_to_file(self, memory: BytesIO) -> None:
        """Copy the numbers to a temporary file and continue there."""
        try:
            self._stream = tempfile.TemporaryFile(prefix="skser-")  # noqa: SIM115 - open while it is mapped
        except OSError as error:
            raise self._no_room(error) from error
        self._write(memory.getbuffer())

    def _write(self, values: memoryview) -> None:
        try:
            self._stream.write(values)
        except OSError as error:
            raise self._no_room(error) from error

    def _no_room(self, error: OSError) -> OSError:
        """Make the error that names the folder, the size and the cure."""
        try:
            folder = tempfile.gettempdir()
        except OSError:
            folder = "no folder for temporary files"
        known = self._n_items and self._n_appended
        size = self._nbytes / self._n_appended * self._n_items if known else self._nbytes
        return OSError(
            f"{folder!r} cannot hold the {self._noun}, {'about ' if known else ''}{size / 2**20:.0f} MiB "
            f"({error.strerror or error}): set TMPDIR to a folder with enough room{self._or_else}."
        )


def join_frames(items: Iterable[NDArray[np.float32]], n_items: int, n_bins: int) -> NDArray[np.float32]:
    """Join the frames (n_frames, n_bins) of items, without holding them twice in memory."""
    with closing(Buffer(n_items=n_items)) as buffer:
        for item in items:
            buffer.append(item)
        return np.asarray(buffer.finish()).reshape(-1, n_bins)


def _map(file: IO[bytes], n_columns: int) -> NDArray[np.float32]:
    """Map a file without a name; it stays open as long as the array or a view of it exists."""
    # joblib passes a memory map to its workers by the name of its file. On Linux a file without a name can be
    # opened through the process that has it open. On other systems joblib gets a plain array and writes
    # another file, because its workers could not open a `numpy.memmap` without a name.
    # The map has rows and columns because joblib 1.4 treats a two-dimensional view of a flat map as an array
    # in Fortran order, so that its workers would read the numbers in the wrong order.
    path = f"/proc/{os.getpid()}/fd/{file.fileno()}"
    # The path belongs to root if other processes may not read this one.
    if os.path.exists(path) and os.stat(os.path.dirname(path)).st_uid == os.geteuid():
        n_rows = os.fstat(file.fileno()).st_size // (4 * n_columns)
        array = np.memmap(path, dtype=np.float32, mode="r", shape=(n_rows, n_columns))
        weakref.finalize(array.base, file.close)  # the map, to which all views refer
        return array.reshape(-1)
    with file:
        mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    return np.frombuffer(mapped, dtype=np.float32)
