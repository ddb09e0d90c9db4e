"""The most anonymous memory (RssAnon: all but pages of files) of a process during a call; needs /proc."""

from __future__ import annotations

import os
import threading
import time
from contextlib import suppress
from pathlib import Path


def anonymous(pid: int | str = "self") -> int:
    """Read the bytes of anonymous memory of a process, 0 if it has ended."""
    with suppress(OSError):
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("RssAnon:"):
                return 1024 * int(line.split()[1])
    return 0


def family() -> list[int]:
    """List the ids of this process and of all its descendants."""
    found = [os.getpid()]
    for pid in found:  # the list grows meanwhile
        for task in Path(f"/proc/{pid}/task").glob("*/children"):
            with suppress(OSError):
                found += map(int, task.read_text().split())
    return found


class PeakMemory:
    """Sample memory in a thread during a with block, for `peak` (bytes) and `seconds`."""

    def __init__(self, interval: float = 0.002, with_children: bool = False) -> None:
        self._interval = interval  # seconds
        self._with_children = with_children
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._sample_until_over)
        self.peak = 0

    def _sample(self) -> None:
        now = sum(map(anonymous, family())) if self._with_children else anonymous()
        self.peak = max(self.peak, now)

    def _sample_until_over(self) -> None:
        while not self._over.wait(self._interval):
            self._sample()

    def __enter__(self) -> PeakMemory:
        self._thread.start()
        self._start = time.perf_counter()
        return self

    def __exit__(self, *error: object) -> None:
        self.seconds = time.perf_counter() - self._start
        self._over.set()
        self._thread.join()
        self._sample()
