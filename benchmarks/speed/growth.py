"""Measure how time and memory grow with the corpus and with the length of its utterances.

python benchmarks/speed/growth.py                                  up to 8,000 utterances
python benchmarks/speed/growth.py --sizes 500 2000 8000 50000      all sizes; needs 16 GB of memory
python benchmarks/speed/growth.py --sizes --seconds 1 8 32         only lengths

Each corpus goes through transform, a fit of one epoch, and predict, in a process of its own. Its rows are
appended to OUTPUT when it is done; a run that was stopped continues with the missing corpora. Then the fitted
exponents are printed. Corpora of SIZES have utterances as long as IEMOCAP's; those of SECONDS are one hour
each of utterances of that length.
"""

from __future__ import annotations

import argparse
import csv
import ctypes
import gc
import multiprocessing
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from harness import Measurement, NotRunError, Row, Settings, compare, pinned, summarise
from workloads import N_CLASSES, durations, waveforms

from skser import CenterLossClassifier, SpectrogramTransformer

sys.path.append(str(Path(__file__).resolve().parents[1]))
from peak_memory import PeakMemory, anonymous

STAGES = ("transform", "fit", "predict")
STOCK = 500  # different waveforms, so that corpora of all sizes take the same memory as they come in
SMALLEST = 2.0**20  # bytes: less than this is the noise of the allocator
COLUMNS = ("series", "utterances", "seconds", "stage", "frames", "time", "memory")


def corpus(n: int, seconds: float | None) -> tuple[list[np.ndarray], np.ndarray]:
    """Make n waveforms, as long as IEMOCAP's or all of one duration, and their labels."""
    stock = min(n, STOCK)
    made = waveforms(durations(stock) if seconds is None else np.full(stock, seconds))
    return [made[index % stock] for index in range(n)], np.arange(n) % N_CLASSES


def estimators() -> tuple[SpectrogramTransformer, CenterLossClassifier]:
    """Make both estimators."""
    classifier = CenterLossClassifier(max_epochs=1, device="cpu", random_state=0)
    return SpectrogramTransformer(n_jobs=1), classifier


def measured(function: Callable[[], Any]) -> tuple[Any, dict[str, float]]:
    """Call a function; returns its result, and its seconds and its peak of memory over that before it."""
    gc.collect()
    with suppress(AttributeError):  # another C library than glibc
        ctypes.CDLL(None).malloc_trim(0)  # otherwise the call would use freed memory without growing
    before = anonymous()
    with PeakMemory() as memory:
        result = function()
    return result, {"seconds": memory.seconds, "memory": memory.peak - before}


def run_stages(n: int, seconds: float | None, threads: int) -> dict[str, Any]:
    """Measure the stages on a corpus, after all of them have run on a few utterances."""
    with pinned(threads):
        transformer, classifier = estimators()
        few, y = corpus(8, seconds=0.7)
        classifier.fit(transformer.transform(few), y).predict(transformer.transform(few))
        Y, y = corpus(n, seconds)
        X, transform = measured(lambda: transformer.transform(Y))
        _, fit = measured(lambda: classifier.fit(X, y))
        _, predict = measured(lambda: classifier.predict(X))
    return {"frames": int(X.lengths.sum()), "transform": transform, "fit": fit, "predict": predict}


def in_a_process(n: int, seconds: float | None, threads: int) -> dict[str, Any]:
    """Measure the stages in a new process."""
    if not Path("/proc/self/status").exists():
        raise NotRunError("needs /proc")
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        return pool.submit(run_stages, n, seconds, threads).result()


def exponent(sizes: Sequence[float], values: Sequence[float]) -> float:
    """Fit the exponent with which values grow with sizes: the slope between their logarithms."""
    return float(np.polyfit(np.log(sizes), np.log(values), 1)[0])


def rows_of(series: str, n: int, seconds: float | None, threads: int) -> list[dict[str, Any]]:
    """Measure a corpus; a row per stage has its seconds, and the bytes at its peak over those before it."""
    found = in_a_process(n, seconds, threads)
    fixed = {"series": series, "utterances": n, "seconds": seconds or "", "frames": found["frames"]}
    return [
        fixed | {"stage": stage, "time": found[stage]["seconds"], "memory": found[stage]["memory"]}
        for stage in STAGES
    ]


def exponents(table: pd.DataFrame) -> pd.DataFrame:
    """Fit the exponents of time and memory over each series."""
    found = []
    for (series, stage), rows in table.groupby(["series", "stage"], sort=False):
        if len(rows) < 2:
            continue
        # Over lengths: the time per utterance, and the memory of the whole, since a batch holds as many
        # utterances however long they are.
        by_length = series == "length"
        sizes = rows.seconds if by_length else rows.utterances
        time = exponent(sizes, rows.time / rows.utterances if by_length else rows.time)
        memory = exponent(sizes, rows.memory.clip(lower=SMALLEST))
        found.append({"series": series, "stage": stage, "time": time, "memory": memory})
    return pd.DataFrame(found)


# Rows of the table


def with_corpus_size(settings: Settings) -> Measurement:
    """Find the largest exponent of time and memory against the number of utterances."""
    sizes = (8, 16) if settings.tiny else (150, 300, 600, 1200)
    rows = [row for n in sizes for row in rows_of("size", n, None, settings.threads)]
    found = exponents(pd.DataFrame(rows)).set_index("stage")[["time", "memory"]].stack()
    stage, result = found.idxmax()
    what = "seconds" if result == "time" else result
    note = f"that of {what} of {stage}, {sizes[0]} to {sizes[-1]} utterances; spread: range of all six"
    low, high = float(found.min()), float(found.max())
    return Measurement(high, low, high, len(sizes), note)


def with_length(stage: str) -> Callable[[Settings], Measurement]:
    """Make the function that compares the costs per frame of utterances of 32 s and 1 s."""

    def measure(settings: Settings) -> Measurement:
        total, longest = settings.size(512, 8), settings.size(32, 4)
        transformer, classifier = estimators()
        corpora = [corpus(total // seconds, seconds) for seconds in (longest, 1)]
        X = [transformer.transform(Y) for Y, _ in corpora]
        fitted = classifier.fit(X[1], corpora[1][1])
        calls: dict[str, list[Callable[[], Any]]] = {
            "transform": [lambda Y=Y: transformer.transform(Y) for Y, _ in corpora],
            "fit": [lambda x=x, y=y: classifier.fit(x, y) for x, (_, y) in zip(X, corpora, strict=True)],
            "predict": [lambda x=x: fitted.predict(x) for x in X],
        }
        scale = X[1].lengths.sum() / X[0].lengths.sum()
        return above_one(compare(*calls[stage], settings, scale=float(scale)))

    return measure


def above_one(measured: Measurement) -> Measurement:
    """Invert a ratio below one, and name the length that costs more."""
    if measured.ratio >= 1:
        return replace(measured, note="32 s costs more")
    low, high = 1 / measured.high, 1 / measured.low
    return replace(measured, ratio=1 / measured.ratio, low=low, high=high, note="1 s costs more")


def memory_of_fit(settings: Settings) -> Measurement:
    """Measure the KiB that a fit takes at its peak per frame of the one batch that it trains on."""
    n, seconds = settings.size(32, 4), settings.size(20, 2)
    found = [in_a_process(n, seconds, settings.threads) for _ in range(settings.size(3, 1))]
    ratios = [rows["fit"]["memory"] / rows["frames"] / 1024 for rows in found]
    return summarise(ratios, f"KiB, one batch of {n} utterances of {seconds} s")


GROWTH = "time and memory against corpus size, exponent"
COST = "cost per frame between utterances of 1 and 32 s"
ROWS = [
    *(Row(f"length-{stage}", f"{COST}: {stage}", "", with_length(stage), target=1.3) for stage in STAGES),
    Row("corpus-size", GROWTH, "linear", with_corpus_size, target=1.05),
    Row("memory", "peak memory of fit per frame of the batch", "", memory_of_fit, target=12),
]


# The script


def missing(sizes: list[int], lengths: list[float], output: Path) -> list[tuple[str, int, float | None]]:
    """List series, number and length (None: as IEMOCAP's) of the corpora without rows in the output."""
    corpora: list[tuple[str, int, float | None]] = [("size", n, None) for n in sizes]
    corpora += [("length", round(3600 / seconds), seconds) for seconds in lengths]
    done = set()
    if output.exists():
        rows = pd.read_csv(output)
        done = set(zip(rows.series, rows.utterances, strict=True))
    return [each for each in corpora if each[:2] not in done]


def main() -> None:
    """Measure the missing corpora, then print the exponents and write them next to the rows."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    sizes, seconds = [500, 2000, 8000], [1, 2, 4, 8, 16, 32]
    parser.add_argument("--sizes", type=int, nargs="*", default=sizes, help="numbers of utterances")
    parser.add_argument("--seconds", type=float, nargs="*", default=seconds, help="lengths of utterances")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--output", type=Path, default=Path("growth.csv"))
    arguments = parser.parse_args()
    for series, n, length in missing(arguments.sizes, arguments.seconds, arguments.output):
        rows = rows_of(series, n, length, arguments.threads)
        with arguments.output.open("a", newline="") as file:
            writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
            if not file.tell():
                writer.writeheader()
            writer.writerows(rows)
        print(f"{n} utterances of {length or 'mixed'} s: {rows[0]['frames']} frames", flush=True)
    table = exponents(pd.read_csv(arguments.output))
    print(table.to_string(index=False, float_format="%.2f"))
    path = arguments.output.with_name(f"{arguments.output.stem}_exponents.csv")
    table.to_csv(path, index=False, float_format="%.2f", lineterminator="\n")


if __name__ == "__main__":
    main()
