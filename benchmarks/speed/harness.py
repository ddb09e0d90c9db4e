"""Ratios of two times, measured in turn: what a row is, how it is measured, and how it is described.

The two sides of a row run in turn, A B A B, and the ratio is the median of the ratios of neighbours: what
slows the machine for a while slows both sides. The spread is the range between the quartiles of these ratios.
"""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np
import torch
from threadpoolctl import threadpool_limits

PACKAGES = ("joblib", "librosa", "numpy", "onnxruntime", "scikit-learn", "skorch", "skser", "torch")
SECONDS = 8.0  # that a row takes at least, if its rounds are short
MOST_ROUNDS = 50


@dataclass(frozen=True)
class Settings:
    """How rows are measured: threads of BLAS and torch, the device, and whether sizes are tiny."""

    threads: int = 1
    device: str = "cpu"
    tiny: bool = False

    def size(self, full: int, tiny: int) -> int:
        """Choose the size of a workload."""
        return tiny if self.tiny else full


@dataclass(frozen=True)
class Measurement:
    """The median ratio, the quartiles of the ratios, and the number of rounds."""

    ratio: float
    low: float
    high: float
    rounds: int
    note: str = ""


@dataclass(frozen=True)
class Row:
    """What is measured against what, and the target of the ratio (None: the row only informs)."""

    name: str
    case: str
    against: str
    measure: Callable[[Settings], Measurement]
    target: float | None = None
    higher: bool = False  # the target is a lower bound
    device: str = "cpu"  # "cuda": only measured with --device cuda

    def met(self, ratio: float) -> bool | None:
        """Check a ratio against the target."""
        if self.target is None:
            return None
        return ratio >= self.target if self.higher else ratio <= self.target

    def wanted(self) -> str:
        """Write the target."""
        return "" if self.target is None else f"{'>=' if self.higher else '<='} {self.target:g}"


class NotRunError(Exception):
    """Something that a row needs is missing."""


@contextmanager
def pinned(threads: int) -> Iterator[None]:
    """Limit BLAS, OpenMP and torch to a number of threads."""
    before = torch.get_num_threads()
    with threadpool_limits(threads):
        torch.set_num_threads(threads)
        try:
            yield
        finally:
            torch.set_num_threads(before)


def clock(function: Callable[[], Any]) -> float:
    """Measure the seconds of a call, including its work on a GPU."""
    start = time.perf_counter()
    function()
    if torch.cuda.is_initialized():
        torch.cuda.synchronize()
    return time.perf_counter() - start


def summarise(ratios: Sequence[float], note: str = "") -> Measurement:
    """Reduce the ratios of all rounds to their median and quartiles."""
    low, median, high = np.quantile(ratios, [0.25, 0.5, 0.75]).tolist()
    return Measurement(median, low, high, len(ratios), note)


def compare(
    case: Callable[[], Any],
    against: Callable[[], Any],
    settings: Settings,
    *,
    scale: float = 1.0,
    rounds: int = 5,
    warm_up: bool = True,
    note: str = "",
) -> Measurement:
    """Time two calls in turn, for at least so many rounds; the ratio is multiplied by `scale`."""
    if warm_up:
        clock(case), clock(against)
    ratios: list[float] = []
    least, seconds = (1, 0.0) if settings.tiny else (rounds, SECONDS)
    end = time.perf_counter() + seconds
    while len(ratios) < least or (len(ratios) < MOST_ROUNDS and time.perf_counter() < end):
        ratios.append(scale * clock(case) / clock(against))
    return summarise(ratios, note)


def run_row(row: Row, settings: Settings) -> dict[str, Any]:
    """Measure a row and describe the result, or why it could not be run."""
    described = {"name": row.name, "case": row.case, "against": row.against, "target": row.wanted()}
    start = time.perf_counter()
    try:
        with pinned(settings.threads):
            measurement = row.measure(settings)
    except (NotRunError, ImportError) as error:
        return described | {"ratio": None, "met": None, "note": f"not run: {error}"}
    seconds = round(time.perf_counter() - start, 1)
    return described | asdict(measurement) | {"met": row.met(measurement.ratio), "seconds": seconds}


def environment(settings: Settings) -> dict[str, Any]:
    """Describe versions, threads, processors and GPU; nothing else of the machine."""
    described = {
        "python": platform.python_version(),
        "system": platform.system(),
        "processor": _processor(),
        "processors": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "threads": settings.threads,
        "versions": {},
    }
    for name in PACKAGES:
        with suppress(PackageNotFoundError):
            described["versions"][name] = version(name)
    if settings.device == "cuda":
        described["gpu"] = torch.cuda.get_device_name()
    return described


def _processor() -> str:
    """Find the processor's name, where the system reports it."""
    with suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.machine()
