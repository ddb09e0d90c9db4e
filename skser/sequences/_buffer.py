"""A flat array that grows item by item, in memory or, beyond a limit, in a file without a name."""

from __future__ import annotations

import mmap
import os
import tempfile
import weakref
from contextlib import suppress
from typing import IO

import numpy as np
from numpy.typing import NDArray

# Bytes up to which an array stays in memory where nobody says otherwise.
MAX_NBYTES = 2**30
_GROWTH = 1.125  # realloc moves pages and copies nothing, so that little room in reserve is enough


class Buffer:
    """Collect arrays behind each other in one flat float32 array, without ever holding them twice."""

    # The file has no name from the start (on Windows, it goes when it is closed): nothing is left behind
    # however the process ends.

    def __init__(self, max_nbytes: float = MAX_NBYTES, n_items: int = 0, or_else: str = "") -> None:
        self._max_nbytes = max_nbytes
        self._n_items = n_items
        self._or_else = or_else
        self._n_appended = 0
        self._size = 0
        self._n_columns = 1  # of the last array
        self._memory = np.empty(0, dtype=np.float32)
        self._file: IO[bytes] | None = None

    @property
    def nbytes(self) -> int:
        """Bytes so far."""
        return self._size * self._memory.itemsize

    def append(self, array: NDArray[np.float32]) -> None:
        """Put the numbers of an array, row by row, behind those that are there."""
        flat = np.ascontiguousarray(array, dtype=np.float32).reshape(-1)
        if self._file is None and self.nbytes + flat.nbytes > self._max_nbytes:
            self._open()
        if self._file is None:
            self._grow(self._size + flat.size)
            self._memory[self._size : self._size + flat.size] = flat
        else:
            self._write(self._file, flat)
        self._size += flat.size
        self._n_columns = array.shape[-1]
        self._n_appended += 1

    def finish(self) -> NDArray[np.float32]:
        """Give the array; the buffer is of no use afterwards."""
        if self._file is None:
            self._memory.resize(self._size, refcheck=False)
            return self._memory
        try:
            self._file.flush()
            array = _mapped(self._file, self._n_columns if self._is_table() else 1)
        except OSError as error:
            raise self._error(error) from error
        self._file = None  # now the array's
        return array

    def close(self) -> None:
        """Let go of what `finish` has not given away."""
        if self._file is not None:
            with suppress(OSError):  # what a full disk did not take it does not take now
                self._file.close()
            self._file = None
        self._memory = np.empty(0, dtype=np.float32)

    def _is_table(self) -> bool:
        """Whether the numbers fill rows as wide as the last array."""
        return self._n_columns > 0 and self._size % self._n_columns == 0

    def _grow(self, size: int) -> None:
        """Make room for so many numbers."""
        if size > len(self._memory):
            most = int(min(self._max_nbytes / self._memory.itemsize, size * _GROWTH))
            self._memory.resize(max(size, most), refcheck=False)  # no view of it leaves this object

    def _open(self) -> None:
        """Go on in a file."""
        try:
            self._file = tempfile.TemporaryFile(prefix="skser-")  # noqa: SIM115 - open while it is mapped
        except OSError as error:
            raise self._error(error) from error
        self._write(self._file, self._memory[: self._size])
        self._memory = np.empty(0, dtype=np.float32)

    def _write(self, file: IO[bytes], flat: NDArray[np.float32]) -> None:
        """Append to the file."""
        try:
            file.write(flat.data)
        except OSError as error:
            raise self._error(error) from error

    def _error(self, error: OSError) -> OSError:
        """Say which folder has no room for how much, and what to do."""
        try:
            folder = tempfile.gettempdir()
        except OSError:
            folder = "no folder for temporary files"
        known = self._n_items and self._n_appended
        size = self.nbytes / self._n_appended * self._n_items if known else self.nbytes
        return OSError(
            f"{folder!r} cannot take the spectrograms, {'about ' if known else ''}{size / 2**20:.0f} MiB "
            f"({error.strerror or error}): set TMPDIR to a folder with so much room{self._or_else}."
        )


def _mapped(file: IO[bytes], n_columns: int) -> NDArray[np.float32]:
    """Map a file that has no name; it lives as long as the array, and views of it, do."""
    # joblib hands a memory map to its workers by the name of its file. On Linux a file without one can be
    # opened through the process that has it open. Elsewhere joblib gets an array like any other, of which it
    # makes a file of its own: it must not see a `numpy.memmap` without a name, which its workers cannot open.
    # The map has rows and columns: joblib 1.4 takes one of a single dimension, of which a view with rows and
    # columns is handed over, for one in Fortran's order, and its workers get the numbers in disorder.
    path = f"/proc/{os.getpid()}/fd/{file.fileno()}"
    # Of a process that others may not look into, these belong to root.
    if os.path.exists(path) and os.stat(os.path.dirname(path)).st_uid == os.geteuid():
        n_rows = os.fstat(file.fileno()).st_size // (4 * n_columns)
        array = np.memmap(path, dtype=np.float32, mode="r", shape=(n_rows, n_columns))
        weakref.finalize(array.base, file.close)  # the map itself, to which views refer however deep
        return array.reshape(-1)
    with file:
        mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    return np.frombuffer(mapped, dtype=np.float32)
