"""Time and memory of transform, fit and predict, each corpus in a process of its own.

python benchmarks/speed/stages.py --utterances 1000
python benchmarks/speed/stages.py --utterances 64 --seconds 32 --stages fit

Prints JSON: for each stage its seconds, and the peak of the memory that belongs to no file (RssAnon) over
that before the stage. Waveforms are taken in turn from a stock of 500, so that the corpus as it comes in
takes the same memory whatever its size.
"""

from __future__ import annotations

import argparse
import ctypes
import gc
import json
import re
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import torch
from threadpoolctl import threadpool_limits
from workloads import N_CLASSES, durations, waveforms

from skser import CenterLossClassifier, SpectrogramTransformer

STAGES = ("transform", "fit", "predict")
_STOCK = 500
STATUS = Path("/proc/self/status")


def anonymous_memory() -> int:
    """Give the bytes in memory that belong to no file."""
    return 1024 * int(re.search(r"RssAnon:\s+(\d+) kB", STATUS.read_text())[1])


def measured(function: Callable[[], Any]) -> tuple[Any, dict[str, float]]:
    """Call a function; give what it returned, its seconds, and its peak of memory over that before it."""
    gc.collect()
    _give_back_freed_memory()
    before, peak, done = anonymous_memory(), 0, threading.Event()

    def watch() -> None:
        nonlocal peak
        while not done.wait(0.002):
            peak = max(peak, anonymous_memory())

    watcher = threading.Thread(target=watch)
    watcher.start()
    start = time.perf_counter()
    try:
        result = function()
    finally:
        seconds = time.perf_counter() - start
        done.set()
        watcher.join()
    return result, {"seconds": seconds, "memory": max(peak, anonymous_memory()) - before}


def _give_back_freed_memory() -> None:
    """Let go of what earlier calls freed, which the next call would use without growing."""
    with suppress(AttributeError):  # another C library than glibc
        ctypes.CDLL(None).malloc_trim(0)


def corpus(n: int, seconds: float | None) -> tuple[list[np.ndarray], np.ndarray]:
    """Make n waveforms, as long as IEMOCAP's or all of one duration."""
    stock = min(n, _STOCK)
    each = durations(stock) if seconds is None else np.full(stock, seconds)
    made = waveforms(each)
    return [made[index % stock] for index in range(n)], np.arange(n) % N_CLASSES


def run_stages(n: int, seconds: float | None, stages: list[str]) -> dict[str, Any]:
    """Measure the stages on a corpus, after a warm-up of all of them on a few utterances."""
    transformer = SpectrogramTransformer(n_jobs=1)
    classifier = CenterLossClassifier(max_epochs=1, device="cpu", random_state=0)
    few, y = corpus(8, seconds=0.7)
    classifier.fit(transformer.transform(few), y).predict(transformer.transform(few))
    Y, y = corpus(n, seconds)
    rows: dict[str, Any] = {}
    X, rows["transform"] = measured(lambda: transformer.transform(Y))
    rows["frames"] = int(X.lengths.sum())
    if "fit" in stages:
        _, rows["fit"] = measured(lambda: classifier.fit(X, y))
    if "predict" in stages:
        _, rows["predict"] = measured(lambda: classifier.predict(X))
    return rows


def in_a_process(n: int, threads: int, seconds: float | None = None) -> dict[str, Any]:
    """Run this script on a corpus and read what it printed."""
    command = [sys.executable, __file__, "--utterances", str(n), "--threads", str(threads)]
    if seconds is not None:
        command += ["--seconds", str(seconds)]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def main() -> None:
    """Measure one corpus."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--utterances", type=int, required=True)
    parser.add_argument("--seconds", type=float, help="duration of each, instead of IEMOCAP's")
    parser.add_argument("--stages", nargs="+", default=list(STAGES), choices=STAGES)
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    with threadpool_limits(arguments.threads):
        print(json.dumps(run_stages(arguments.utterances, arguments.seconds, arguments.stages)))


if __name__ == "__main__":
    main()
