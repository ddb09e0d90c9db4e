"""Ctrl-C while spectrograms are computed keeps the computed ones, and nothing else."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from skser import SpectrogramTransformer

REPOSITORY = Path(__file__).resolve().parents[1]
pytestmark = [
    pytest.mark.reliability,
    pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="needs /proc"),
]

COMPUTE = """
import signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored in background jobs
import test_interruption
test_interruption.compute(sys.argv[1], int(sys.argv[2]))
"""
# Read by each Python process as it starts: gives a signal time to arrive in the middle of a write.
SLOW = """
import os, time

def slow(source, target, replace=os.replace):
    if str(source).endswith(".tmp"):
        time.sleep(0.05)
    replace(source, target)

os.replace = slow
"""


def recordings() -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    return [rng.normal(size=4000 + index) for index in range(200)]


def compute(memory: str | None, n_jobs: int):
    return SpectrogramTransformer(memory=memory, n_jobs=n_jobs).transform(recordings())


def processes_of(session: int) -> list[str]:
    """Processes of a session that are alive or not yet collected."""
    found = []
    for path in Path("/proc").glob("[0-9]*"):
        try:
            fields = (path / "stat").read_text().rpartition(")")[2].split()
            if int(fields[3]) == session:
                found.append((path / "cmdline").read_text().replace("\0", " ") or "zombie")
        except OSError:  # ended in the meantime
            continue
    return found


def wait_until(condition, seconds=120.0):
    end = time.monotonic() + seconds
    while not condition() and time.monotonic() < end:
        time.sleep(0.01)
    assert condition()


# A terminal sends the signal to all processes of the group; `kill -INT` sends it to one process.
@pytest.mark.parametrize(("n_jobs", "send"), [(1, os.kill), (2, os.killpg), (2, os.kill)])
def test_the_next_run_uses_the_results_of_an_interrupted_one(tmp_path, n_jobs, send):
    memory = tmp_path / "memory"
    (tmp_path / "sitecustomize.py").write_text(SLOW)
    path = [str(tmp_path), str(REPOSITORY / "tests"), str(REPOSITORY)]
    process = subprocess.Popen(
        [sys.executable, "-c", COMPUTE, str(memory), str(n_jobs)],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(path), "OMP_NUM_THREADS": "1"},
        start_new_session=True,
        stderr=subprocess.PIPE,
        text=True,
    )
    wait_until(lambda: process.poll() is not None or len(list(memory.glob("*.npy"))) >= 10)
    send(process.pid, signal.SIGINT)
    errors = process.communicate(timeout=120)[1]
    assert errors.rstrip().endswith("KeyboardInterrupt")
    wait_until(lambda: not processes_of(process.pid))
    kept = {entry: entry.stat().st_mtime_ns for entry in memory.iterdir()}
    assert 10 <= len(kept) < 200
    assert {entry.suffix for entry in kept} == {".npy"}  # and no .tmp

    items = compute(str(memory), n_jobs=1)
    assert len(list(memory.iterdir())) == 200
    assert {entry: entry.stat().st_mtime_ns for entry in kept} == kept
    for item, expected in zip(items, compute(None, n_jobs=1), strict=True):
        np.testing.assert_array_equal(item, expected)


def test_files_of_other_writers_are_left_alone(tmp_path):
    memory = tmp_path / "memory"
    memory.mkdir()
    foreign = memory / f"{64 * 'a'}.{32 * 'b'}.tmp"
    foreign.touch()
    with pytest.raises(ValueError, match="item 1"):
        SpectrogramTransformer(memory=memory).transform([np.ones(4000), np.full(4000, np.nan)])
    assert foreign.exists()
