"""Memory of whole runs, in processes of their own: it does not grow with the corpus, nor with fits."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

sys.path.append(str(Path(__file__).resolve().parents[1] / "benchmarks" / "reliability"))

import memory
from peak_memory import PeakMemory, anonymous

pytestmark = pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="needs /proc of Linux")
# Chance among processes; the spectrograms of the largest corpora below have more than twice as much.
CHANCE_MB = 25.0


def measure(n: int, max_nbytes: int | None) -> dict[str, Any]:
    return memory.measure(n, max_nbytes, 1, **memory.SMALL, batch_size=8)


def test_memory_does_not_grow_with_a_corpus_in_a_file_and_nothing_is_left() -> None:
    few, many, in_memory = measure(50, 0), measure(800, 0), measure(800, None)
    assert many["mb"] > 2 * CHANCE_MB
    assert (many["mapped"], in_memory["mapped"]) == (True, False)
    for stage in ("transform", "fit", "predict"):
        low, mapped, held = (found["stages"][stage] for found in (few, many, in_memory))
        assert mapped - low < CHANCE_MB, stage
        assert held - low > many["mb"] - few["mb"] - CHANCE_MB, stage  # growth would be seen
    assert few["left"] + many["left"] + in_memory["left"] == []


def test_thirty_fits_do_not_grow_and_a_leak_is_seen() -> None:
    fits = memory.in_a_process("many_fits", 30)
    assert len(fits["mb"]) == 30
    assert memory.faults([], None, fits) == []
    leaking = memory.faults([], None, memory.in_a_process("many_fits", 12, 3))
    assert "fits made the process grow by" in leaking[0]
    assert any("mapped" in fault for fault in leaking)


def test_values_beyond_their_bounds_are_named() -> None:
    half, whole = ({"n": n, "peak_mb": 500.0, "mapped": True, "left": []} for n in (20_000, 40_000))
    fits: dict[str, Any] = {"grown_mb": 0.0, "left": []}
    assert memory.slope_of(half, whole) == 0
    assert memory.faults([half, whole], 0.0, fits) == []
    whole |= {"peak_mb": 4500.0, "left": ["open: /tmp/a"]}
    slope = memory.slope_of(half, whole)
    assert slope == pytest.approx(4000 * 2**20 / 20_000, abs=0.1)
    assert memory.faults([half, whole], slope, fits) == [
        "40000 utterances took 4500.0 MB of anonymous memory, more than 4000",
        "each utterance takes 209715 bytes, more than 6000",
        "40000 utterances left open: /tmp/a",
    ]
    assert memory.slope_of(half | {"mapped": False}, whole) is None


def test_peak_is_that_of_this_process_and_its_children() -> None:
    before = anonymous(os.getpid())
    with PeakMemory() as alone:
        block = np.ones(2**24)  # 128 MiB
        assert block[-1] == 1
    assert 0.9 * block.nbytes < alone.peak - before < 1.5 * block.nbytes
    with PeakMemory(0.05, with_children=True) as family:
        memory.in_a_process("many_fits", 1)
    assert family.peak > anonymous() + 50 * 2**20
