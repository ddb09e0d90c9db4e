"""Measure the memory of a corpus and of many fits, and check that nothing is left open.

    python benchmarks/reliability/memory.py --n 50000 [--table memory.csv]

Utterances of 3 s go through transform, a fit of one epoch and predict, each corpus in a process of its own
whose anonymous memory (all but pages of files) is sampled, including its workers; a corpus of half the size
shows the memory per utterance. Then come 30 fits in one process. Open files, mapped files, temporary files
and processes that remain are faults, as is memory beyond the bounds. Needs /proc, and space for the
spectrograms in the folder for temporary files.
"""

from __future__ import annotations

import csv
import gc
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
from joblib.externals.loky import get_reusable_executor
from outcomes import command_line

from skser import CenterLossClassifier, SpectrogramTransformer

HERE = Path(__file__).resolve().parent
sys.path.append(str(HERE.parent))
from peak_memory import PeakMemory, anonymous  # noqa: E402 - needs the path

SR = 16000
MB = 2**20
N_FILES = 200  # different ones; the others are links to them
MOST_MB = 4000.0  # of anonymous memory, for a corpus of any size
# Beyond the limit in memory: paths, lengths and answers. A spectrogram has 77,000 bytes. Corpora differ by
# some 50 MB by chance, which hides the slope of small ones.
MOST_BYTES_PER_UTTERANCE = 6000.0
LEAST_FOR_SLOPE = 10_000
N_FITS = 30
MOST_GROWTH_MB = 10.0  # over the last two thirds of the fits
SMALL: dict[str, Any] = {"channels": (2,), "rnn_units": 2, "embedding_dim": 2, "device": "cpu"}


def run(n: int, table: Path | None = None) -> dict[str, Any]:
    """Measure corpora of a half and all of `n` utterances, then many fits."""
    half, whole = (measure(size) for size in (n // 2, n))
    fits = in_a_process("many_fits", N_FITS)
    wrong = faults([half, whole], slope_of(half, whole), fits)
    if table:
        write_table([half, whole], fits["mb"], table)
    return {
        "n": n,
        "outcomes": {"right result": n - len(wrong), "wrong result": len(wrong)},
        "wrong": wrong,
        "grown_mb": round(whole["peak_mb"] - half["peak_mb"], 1),
    }


def faults(corpora: list[dict[str, Any]], slope: float | None, fits: dict[str, Any]) -> list[str]:
    """Say which bounds are exceeded and what was left."""
    found = [
        f"{corpus['n']} utterances took {corpus['peak_mb']} MB of anonymous memory, more than {MOST_MB:.0f}"
        for corpus in corpora
        if corpus["peak_mb"] > MOST_MB
    ]
    if slope is not None and slope > MOST_BYTES_PER_UTTERANCE:
        found.append(f"each utterance takes {slope:.0f} bytes, more than {MOST_BYTES_PER_UTTERANCE:.0f}")
    if fits["grown_mb"] > MOST_GROWTH_MB:
        found.append(f"fits made the process grow by {fits['grown_mb']} MB, more than {MOST_GROWTH_MB:.0f}")
    for corpus in corpora:
        found += [f"{corpus['n']} utterances left {thing}" for thing in corpus["left"]]
    return found + [f"fits left {thing}" for thing in fits["left"]]


def slope_of(half: dict[str, Any], whole: dict[str, Any]) -> float | None:
    """Compute the bytes of anonymous memory per utterance; None where it cannot be known."""
    if not half["mapped"] or half["n"] < LEAST_FOR_SLOPE:
        return None
    return round((whole["peak_mb"] - half["peak_mb"]) * MB / (whole["n"] - half["n"]), 1)


def write_table(corpora: list[dict[str, Any]], fits_mb: list[float], path: Path) -> None:
    """Write what was done, on how many utterances, in how much anonymous memory."""
    rows: list[tuple[Any, ...]] = [("what", "n", "spectrograms (MB)", "memory (MB)")]
    for corpus in corpora:
        rows += [(name, corpus["n"], corpus["mb"], peak) for name, peak in corpus["stages"].items()]
    counts = (1, len(fits_mb) // 3 + 1, len(fits_mb))
    rows += [("fits in one process", n, "", fits_mb[n - 1]) for n in counts]
    with path.open("w", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows(rows)


def measure(
    n: int, max_nbytes: int | str | None = "1G", n_jobs: int = 2, **classifier: Any
) -> dict[str, Any]:
    """Take a corpus through all stages in a process of its own."""
    with tempfile.TemporaryDirectory() as folder:
        paths = make_files(Path(folder), n)
        (Path(folder) / "paths.json").write_text(json.dumps(paths))
        temporary = Path(folder) / "temporary"  # only for this process
        temporary.mkdir()
        found = in_a_process("one_corpus", folder, max_nbytes, n_jobs, classifier, temporary=temporary)
        found["left"] += [f"the file {path}" for path in temporary.iterdir()]
        found["left"] += [f"the process {number}" for number in processes_that_know(str(temporary))]
        return found


def make_files(folder: Path, n: int) -> list[str]:
    """Write utterances: noise whose loudness depends on the class. Most are links to a few files."""
    rng = np.random.default_rng(0)
    paths = [folder / f"{index:06d}.wav" for index in range(n)]
    for index, path in enumerate(paths):
        if index < N_FILES:
            soundfile.write(path, rng.normal(scale=0.02 * (1 + index % 4), size=3 * SR), SR)
        else:
            os.link(paths[index % N_FILES], path)
    return [str(path) for path in paths]


def in_a_process(function: str, *arguments: Any, temporary: Path | None = None) -> Any:
    """Call a function of this file in a new interpreter, which prints its result as JSON."""
    environment = dict(os.environ)
    if temporary is not None:
        environment |= {"TMPDIR": str(temporary), "JOBLIB_TEMP_FOLDER": str(temporary)}
        environment["TORCHINDUCTOR_CACHE_DIR"] = str(temporary.parent / "torch")  # which torch keeps
    code = f"sys.path.insert(0, {str(HERE)!r}); import memory; result = memory.{function}"
    code = f"import json, sys; {code}(*json.loads(sys.argv[1])); print(json.dumps(result))"
    command = [sys.executable, "-c", code, json.dumps(arguments)]
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    if done.returncode:
        raise RuntimeError(f"{function}{arguments} ended with {done.returncode}: {done.stderr[-2000:]}")
    return json.loads(done.stdout.splitlines()[-1])


def one_corpus(
    folder: str, max_nbytes: int | str | None, n_jobs: int, parameters: dict[str, Any]
) -> dict[str, Any]:
    """Transform, fit and predict in this process, and describe the memory of each stage."""
    paths = json.loads((Path(folder) / "paths.json").read_text())
    y = np.arange(len(paths)) % N_FILES % 4
    handles = open_files()
    transformer = SpectrogramTransformer(max_nbytes=max_nbytes, n_jobs=n_jobs)
    fixed = {"max_epochs": 1, "random_state": 0, "device": "cpu"}
    classifier = CenterLossClassifier(**fixed | parameters)
    watches = {name: PeakMemory(0.05, with_children=True) for name in ("transform", "fit", "predict")}
    with watches["transform"]:
        X = transformer.transform(paths)
    with watches["fit"]:
        classifier.fit(X, y)
    with watches["predict"]:
        classifier.predict(X)
    mapped, size = not X[0].flags.writeable, int(X.lengths.sum()) * X.n_bins * 4
    stages = {name: round(watch.peak / MB, 1) for name, watch in watches.items()}
    del X, classifier
    return {
        **{"n": len(paths), "mapped": mapped, "mb": round(size / MB, 1)},  # in a file; size
        **{"stages": stages, "peak_mb": max(stages.values()), "left": left_open(handles)},
    }


def many_fits(n_fits: int, leak_mb: int = 0) -> dict[str, Any]:
    """Transform, fit and predict many times; `leak_mb` per fit, and its spectrograms, are never freed."""
    rng = np.random.default_rng(0)
    waveforms = [rng.normal(scale=0.1 * (1 + n % 2), size=SR // 2) for n in range(8)]
    mb: list[float] = []
    leaked: list[Any] = []
    handles: list[str] = []
    for number in range(n_fits):
        X = SpectrogramTransformer(max_nbytes=0, n_jobs=1).transform(waveforms)
        fitted = CenterLossClassifier(max_epochs=1, random_state=number, **SMALL).fit(X, np.arange(8) % 2)
        fitted.predict(X)
        if leak_mb:
            leaked.append((X, np.ones(leak_mb * MB // 8)))
        del X, fitted
        gc.collect()
        mb.append(round(anonymous() / MB, 1))
        handles = handles or open_files()
    return {"mb": mb, "grown_mb": round(mb[-1] - mb[len(mb) // 3], 1), "left": left_open(handles)}


def open_files() -> list[str]:
    """List the files that this process has open."""
    gc.collect()
    found = []
    for name in os.listdir("/proc/self/fd"):
        try:
            found.append(os.readlink(f"/proc/self/fd/{name}"))
        except OSError:  # the handle of the listing
            continue
    return found


def left_open(before: list[str]) -> list[str]:
    """List files that are open, or deleted and still mapped, and were not before."""
    get_reusable_executor().shutdown(wait=True)  # joblib keeps its workers for five minutes
    files = [name for name in open_files() if name.startswith("/") and name not in before]
    maps = [line for line in Path("/proc/self/maps").read_text().splitlines() if line.endswith("(deleted)")]
    temporary = [line for line in maps if tempfile.gettempdir() in line]
    return [f"open: {name}" for name in files] + [f"mapped: {line}" for line in temporary]


def processes_that_know(folder: str) -> list[str]:
    """List processes that were started with a folder for temporary files."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            if folder.encode() in (entry / "environ").read_bytes():
                found.append(entry.name)
        except OSError:
            continue
    return found


if __name__ == "__main__":
    command_line(
        __doc__, run, n=50_000, table={"type": Path, "help": "a CSV file for the memory of each stage"}
    )
