"""Ratios of times, measured interleaved, with what they stand for and what they should be.

A row says what is measured, against what, and the target of the ratio. Its function measures both sides
by turns, A B A B, and gives the median of the ratios of neighbours: what slows the machine for a while
slows both. The spread is that between the quartiles of these ratios.
"""

from __future__ import annotations

import importlib.util
import os
import platform
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch
from threadpoolctl import threadpool_limits

_REPOSITORY = Path(__file__).resolve().parents[2]
PACKAGES = ("joblib", "librosa", "numpy", "onnxruntime", "scikit-learn", "skorch", "skser", "torch")


@dataclass(frozen=True)
class Settings:
    """How the rows are measured: threads of BLAS and torch, the time for each, and whether sizes are tiny."""

    threads: int = 1
    device: str = "cpu"
    seconds: float = 8.0
    tiny: bool = False

    def size(self, full: int, tiny: int) -> int:
        """Give the size of a workload."""
        return tiny if self.tiny else full


@dataclass(frozen=True)
class Measurement:
    """A ratio, the quartiles of what it is the median of, and over how many rounds."""

    ratio: float
    low: float
    high: float
    rounds: int
    note: str = ""


@dataclass(frozen=True)
class Row:
    """What is measured, against what, and what should come out.

    `needs` names modules without which the row is not run, `device` "cuda" a row that is run on request
    alone, and `target` None a row that only informs.
    """

    name: str
    case: str
    against: str
    measure: Callable[[Settings], Measurement]
    target: float | None = None
    higher: bool = False
    device: str = "cpu"
    needs: tuple[str, ...] = ()

    def met(self, ratio: float) -> bool | None:
        """Whether a ratio meets the target; None where there is none."""
        if self.target is None:
            return None
        return bool(ratio >= self.target if self.higher else ratio <= self.target)

    def wanted(self) -> str:
        """Write the target."""
        return "" if self.target is None else f"{'>=' if self.higher else '<='} {self.target:g}"


class NotRunError(Exception):
    """What a row needs is not there."""


@contextmanager
def pinned(threads: int) -> Iterator[None]:
    """Let BLAS, OpenMP and torch use so many threads."""
    before = torch.get_num_threads()
    with threadpool_limits(threads):
        torch.set_num_threads(threads)
        try:
            yield
        finally:
            torch.set_num_threads(before)


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
    most: int = 50,
    note: str = "",
    warm_up: bool = True,
) -> Measurement:
    """Time two things by turns, after a warm-up of both unless they are long, for the settings' seconds.

    The ratio is that of `case` over `against`, times `scale`; there are at least `rounds` and at most
    `most` of it.
    """
    rounds, most = (1, 2) if settings.tiny else (rounds, most)
    if warm_up:
        clock(case), clock(against)
    ratios: list[float] = []
    end = time.perf_counter() + settings.seconds
    while len(ratios) < rounds or (len(ratios) < most and time.perf_counter() < end):
        ratios.append(scale * clock(case) / clock(against))
    return summarise(ratios, note)


def clock(function: Callable[[], Any]) -> float:
    """Give the seconds that a call takes."""
    start = time.perf_counter()
    function()
    return time.perf_counter() - start


def run_row(row: Row, settings: Settings) -> dict[str, Any]:
    """Measure a row and describe the result; what cannot be run says why."""
    described = {"name": row.name, "case": row.case, "against": row.against, "target": row.wanted()}
    start = time.perf_counter()
    try:
        if row.device == "cuda" and settings.device != "cuda":
            raise NotRunError("needs --device cuda")
        for module in row.needs:
            if importlib.util.find_spec(module) is None:
                raise NotRunError(f"needs {module}")
        with pinned(settings.threads):
            measurement = row.measure(settings)
    except NotRunError as error:
        return described | {"ratio": None, "met": None, "note": f"not run: {error}"}
    seconds = round(time.perf_counter() - start, 1)
    return described | asdict(measurement) | {"met": row.met(measurement.ratio), "seconds": seconds}


def environment(settings: Settings) -> dict[str, Any]:
    """Describe versions, threads and processors; of a machine no more than its processors and its GPU."""
    versions = {name: version(name) for name in PACKAGES if _installed(name)}
    described = {
        "python": platform.python_version(),
        "system": platform.system(),
        "processor": _processor(),
        "processors": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "threads": settings.threads,
        "versions": versions,
    }
    if settings.device == "cuda":
        described["gpu"] = torch.cuda.get_device_name()
    return described


def _installed(name: str) -> bool:
    try:
        version(name)
    except ImportError:
        return False
    return True


def _processor() -> str:
    """Give the processor's name, where the system tells it."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def recordings(n: int) -> list[str]:
    """Give paths of n recordings of RAVDESS, spread over the speakers, or raise NotRunError."""
    corpora = Path(os.environ.get("SKSER_CORPORA", _REPOSITORY.parent / "shared" / "corpora"))
    paths = sorted(map(str, (corpora / "ravdess").rglob("*.flac"))) or sorted(
        map(str, (corpora / "ravdess").rglob("*.wav"))
    )
    if len(paths) < n:
        raise NotRunError("needs recordings in ../shared/corpora/ravdess or SKSER_CORPORA")
    return paths[:: len(paths) // n][:n]
