"""Memory of whole runs, in processes of their own: it does not grow with the corpus, nor with fits."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

RELIABILITY = Path(__file__).resolve().parents[1] / "benchmarks" / "reliability"
pytestmark = pytest.mark.skipif(
    not os.path.isdir("/proc/self/task"), reason="asks /proc, which Linux alone has"
)
# Chance among processes; the spectrograms of the largest corpora below have more than twice as much.
CHANCE_MB = 25.0


@pytest.fixture(scope="module", autouse=True)
def scripts() -> Any:
    """Let the script be imported; `make reliability` runs it with 50,000 utterances."""
    sys.path.insert(0, str(RELIABILITY))
    yield
    sys.path.remove(str(RELIABILITY))


def measure(n: int, max_nbytes: int | None) -> dict[str, Any]:
    import memory

    return memory.measure(n, max_nbytes, 1, memory.SMALL | {"batch_size": 8})


def test_memory_does_not_grow_with_a_corpus_in_a_file_and_nothing_is_left() -> None:
    few, many, in_memory = measure(50, 0), measure(800, 0), measure(800, None)
    assert many["mb"] > 2 * CHANCE_MB
    assert (many["mapped"], in_memory["mapped"]) == (True, False)
    for stage in ("transform", "fit", "predict"):
        peaks = [found["stages"][stage]["peak_mb"] for found in (few, many, in_memory)]
        assert peaks[1] - peaks[0] < CHANCE_MB, (stage, peaks)
        assert peaks[2] - peaks[0] > many["mb"] - few["mb"] - CHANCE_MB, (
            stage,
            peaks,
        )  # what is seen otherwise
    assert few["left"] + many["left"] + in_memory["left"] == []


def test_thirty_fits_do_not_grow_and_a_leak_is_seen() -> None:
    import memory

    fits = memory.in_a_process("many_fits", 30)
    assert len(fits["mb"]) == 30
    assert fits["left"] == []
    assert memory.wrong([], None, fits) == []
    leaking = memory.in_a_process("many_fits", 12, 3)
    (told,) = [sentence for sentence in memory.wrong([], None, leaking) if "grow" in sentence]
    assert "fits made the process grow by" in told
    assert any("mapped" in thing for thing in leaking["left"])


def test_what_is_beyond_its_bound_is_told() -> None:
    import memory

    half, whole = ({"n": n, "peak_mb": 500.0, "mapped": True, "left": []} for n in (20_000, 40_000))
    fits: dict[str, Any] = {"grown_mb": 0.0, "left": []}
    assert memory.slope_of(half, whole) == 0
    assert memory.wrong([half, whole], 0.0, fits) == []
    whole |= {"peak_mb": 4500.0, "left": ["open: /tmp/a"]}
    slope = memory.slope_of(half, whole)
    assert slope == pytest.approx(4000 * 2**20 / 20_000, abs=0.1)
    assert memory.wrong([half, whole], slope, fits) == [
        "40000 utterances took 4500.0 MB of anonymous memory, more than 4000",
        "each utterance takes 209715 bytes, more than 6000",
        "40000 utterances: left behind: open: /tmp/a",
    ]
    assert memory.slope_of(half | {"mapped": False}, whole) is None


def test_memory_is_that_of_this_process_and_its_children() -> None:
    import memory

    before = memory.anonymous(os.getpid())
    block = np.ones(2**24)  # 128 MiB
    assert memory.anonymous(os.getpid()) - before > 0.9 * block.nbytes
    stages: dict[str, Any] = {}
    with memory.Watch(stages, "a"):
        block = np.ones(2**24)
        del block
        memory.in_a_process("many_fits", 1)
    assert stages["a"]["peak_mb"] * 2**20 > memory.anonymous(os.getpid()) + 50 * 2**20
