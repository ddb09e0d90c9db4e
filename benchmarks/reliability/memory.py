"""Measure the memory of a corpus, of many fits, and what is left behind.

    python benchmarks/reliability/memory.py --n 50000

Utterances of 3 s go through transform, a fit of one epoch and predict, each corpus in a process of its own,
whose anonymous memory (RssAnon: all but pages of files) is sampled, that of its workers included; half as
many go before, to show what comes with each. Then 30 fits in one process, and the handles, temporary files
and workers that are there afterwards. Prints one row for each; ends with status 1 where a bound is not kept.
Needs /proc, and room for the spectrograms in the folder for temporary files.
"""

from __future__ import annotations

import argparse
import csv
import gc
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

from skser import CenterLossClassifier, SpectrogramTransformer

SR = 16000
N_FILES = 200  # that differ; the others are links to them
MOST_MB = 4000.0  # of anonymous memory, for a corpus of any size
# Beyond the limit in memory: paths, lengths and answers. A spectrogram has 77,000. Corpora differ by some
# 50 MB by chance, which tells nothing where they are small.
MOST_BYTES_AN_UTTERANCE = 6000.0
LEAST_FOR_SLOPE = 10_000
N_FITS = 30
MOST_GROWTH_MB = 10.0  # over the last two thirds of the fits
ONE_EPOCH: dict[str, Any] = {"max_epochs": 1, "random_state": 0, "device": "cpu"}
SMALL: dict[str, Any] = {"channels": (2,), "rnn_units": 2, "embedding_dim": 2, "device": "cpu"}
EVERY_S = 0.05


def run(
    n: int = 50_000,
    *,
    max_nbytes: int | str | None = "1G",
    n_jobs: int = 2,
    n_fits: int = N_FITS,
    classifier: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """Measure corpora of a half and all of `n` utterances, then many fits.

    Parameters
    ----------
    n : int, default=50_000
        Utterances of the largest corpus.
    max_nbytes : int, str or None, default="1G"
        Of the transformer.
    n_jobs : int, default=2
        Of the transformer.
    n_fits : int, default=30
        Fits in one process.
    classifier : dict or None, default=None
        Parameters of the classifier beside its defaults.

    Returns
    -------
    dict
        "what"; "n"; "corpora", for each what `measure` gives; "slope", bytes of anonymous memory that come
        with an utterance, None where the corpora are too small to tell or not beyond `max_nbytes`; "fits",
        what `many_fits` gives; "wrong", sentences on bounds that are not kept; "grown_mb", what the larger
        corpus took more than the smaller; "seconds".
    """
    begin = time.perf_counter()
    corpora = [measure(size, max_nbytes, n_jobs, classifier or {}) for size in (n // 2, n)]
    slope = slope_of(*corpora)
    fits = in_a_process("many_fits", n_fits)
    return {
        "what": "utterances of 3 s: transform, fit of one epoch, predict",
        "n": n,
        "corpora": corpora,
        "slope": slope,
        "fits": fits,
        "wrong": wrong(corpora, slope, fits),
        "grown_mb": round(corpora[1]["peak_mb"] - corpora[0]["peak_mb"], 1),
        "seconds": round(time.perf_counter() - begin, 1),
    }


def wrong(corpora: list[dict[str, Any]], slope: float | None, fits: dict[str, Any]) -> list[str]:
    """Say which bounds are not kept."""
    told = [
        f"{corpus['n']} utterances took {corpus['peak_mb']} MB of anonymous memory, more than {MOST_MB:.0f}"
        for corpus in corpora
        if corpus["peak_mb"] > MOST_MB
    ]
    if slope is not None and slope > MOST_BYTES_AN_UTTERANCE:
        told.append(f"each utterance takes {slope:.0f} bytes, more than {MOST_BYTES_AN_UTTERANCE:.0f}")
    if fits["grown_mb"] > MOST_GROWTH_MB:
        told.append(f"fits made the process grow by {fits['grown_mb']} MB, more than {MOST_GROWTH_MB:.0f}")
    for name, value in [(f"{corpus['n']} utterances", corpus["left"]) for corpus in corpora] + [
        ("fits", fits["left"])
    ]:
        told += [f"{name}: left behind: {thing}" for thing in value]
    return told


def slope_of(half: dict[str, Any], whole: dict[str, Any]) -> float | None:
    """Bytes of anonymous memory that come with an utterance."""
    if not half["mapped"] or half["n"] < LEAST_FOR_SLOPE:
        return None
    return round((whole["peak_mb"] - half["peak_mb"]) * 2**20 / (whole["n"] - half["n"]), 1)


def measure(
    n: int, max_nbytes: int | str | None = "1G", n_jobs: int = 2, classifier: dict[str, Any] | None = None
) -> dict[str, Any]:
    """Take a corpus through everything in a process of its own.

    Returns
    -------
    dict
        "n"; "mapped", whether the spectrograms are in a file; "mb", their size; "peak_mb", the most anonymous
        memory of the process and its workers together; "stages", the same and the seconds for each of
        "transform", "fit" and "predict"; "left", what was there afterwards.
    """
    with tempfile.TemporaryDirectory() as folder:
        paths = make_files(Path(folder), n)
        (Path(folder) / "paths.json").write_text(json.dumps(paths))
        # Beside the recordings, so that nothing else comes and goes there.
        temporary = Path(folder) / "temporary"
        temporary.mkdir()
        found = in_a_process("one_corpus", folder, max_nbytes, n_jobs, classifier or {}, temporary=temporary)
        found["left"] += [f"the file {path}" for path in temporary.iterdir()]
        found["left"] += [f"the process {line}" for line in processes_that_know(str(temporary))]
    return found


def make_files(folder: Path, n: int) -> list[str]:
    """Write utterances: noise whose loudness tells the class. Most are further names of a few files."""
    rng = np.random.default_rng(0)
    paths = []
    for index in range(n):
        paths.append(folder / f"{index:06d}.wav")
        if index < N_FILES:
            y = rng.normal(scale=0.02 * (1 + index % 4), size=3 * SR)
            soundfile.write(paths[-1], y, SR)
        else:
            os.link(paths[index % N_FILES], paths[-1])
    return [str(path) for path in paths]


def in_a_process(function: str, *arguments: Any, temporary: Path | None = None) -> Any:
    """Call a function of this file in a new interpreter; give what it prints as JSON."""
    environment = dict(os.environ)
    if temporary is not None:
        environment |= {"TMPDIR": str(temporary), "JOBLIB_TEMP_FOLDER": str(temporary)}
        environment["TORCHINDUCTOR_CACHE_DIR"] = str(temporary.parent / "torch")  # which torch keeps
    command = [sys.executable, __file__, "--call", function, json.dumps(arguments)]
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    if done.returncode:
        raise RuntimeError(f"{function}{arguments} ended with {done.returncode}: {done.stderr[-2000:]}")
    return json.loads(done.stdout.splitlines()[-1])


def one_corpus(
    folder: str, max_nbytes: int | str | None, n_jobs: int, classifier: dict[str, Any]
) -> dict[str, Any]:
    """Transform, fit and predict here."""
    paths = json.loads((Path(folder) / "paths.json").read_text())
    y = np.arange(len(paths)) % N_FILES % 4
    stages: dict[str, dict[str, float]] = {}
    handles = open_handles()
    with Watch(stages, "transform"):
        X = SpectrogramTransformer(max_nbytes=max_nbytes, n_jobs=n_jobs).transform(paths)
    with Watch(stages, "fit"):
        fitted = CenterLossClassifier(**ONE_EPOCH | classifier).fit(X, y)
    with Watch(stages, "predict"):
        labels = fitted.predict(X)
    if labels.shape != y.shape:
        raise RuntimeError(f"{len(labels)} labels for {len(y)} utterances.")
    mapped, size = not X[0].flags.writeable, int(X.lengths.sum()) * X.n_bins * 4
    del X, fitted
    return {
        "n": len(paths),
        "mapped": mapped,
        "mb": round(size / 2**20, 1),
        "peak_mb": max(stage["peak_mb"] for stage in stages.values()),
        "stages": stages,
        "left": left_open(handles),
    }


def many_fits(n_fits: int, leak_mb: int = 0) -> dict[str, Any]:
    """Transform, fit and predict again and again; `leak_mb` a fit, and its spectrograms, are never let go.

    Returns
    -------
    dict
        "n"; "mb", the anonymous memory after each fit; "grown_mb", how much of it came with the last two
        thirds; "left", what was there afterwards.
    """
    rng = np.random.default_rng(0)
    waveforms = [rng.normal(scale=0.1 * (1 + n % 2), size=SR // 2) for n in range(8)]
    mb: list[float] = []
    kept: list[Any] = []
    handles: list[str] = []
    for number in range(n_fits):
        X = SpectrogramTransformer(max_nbytes=0, n_jobs=1).transform(waveforms)
        fitted = CenterLossClassifier(max_epochs=1, random_state=number, **SMALL).fit(X, np.arange(8) % 2)
        fitted.predict(X)
        if leak_mb:
            kept.append((X, np.ones(leak_mb * 2**17)))
        del X, fitted
        gc.collect()
        mb.append(round(anonymous(os.getpid()) / 2**20, 1))
        handles = handles or open_handles()
    grown = mb[-1] - mb[len(mb) // 3]
    return {"n": n_fits, "mb": mb, "grown_mb": round(grown, 1), "left": left_open(handles)}


class Watch:
    """Sample the anonymous memory of this process and those below it, in a thread."""

    def __init__(self, stages: dict[str, dict[str, float]], name: str) -> None:
        self._stages, self._name = stages, name
        self._over = threading.Event()
        self._peak = 0
        self._thread = threading.Thread(target=self._sample)

    def _sample(self) -> None:
        while not self._over.wait(EVERY_S):
            self._peak = max(self._peak, sum(map(anonymous, family())))

    def __enter__(self) -> None:
        self._begin = time.perf_counter()
        self._thread.start()

    def __exit__(self, *error: object) -> None:
        self._over.set()
        self._thread.join()
        self._peak = max(self._peak, sum(map(anonymous, family())))
        seconds = time.perf_counter() - self._begin
        self._stages[self._name] = {"peak_mb": round(self._peak / 2**20, 1), "seconds": round(seconds, 1)}


def anonymous(pid: int) -> int:
    """Bytes of anonymous memory of a process; none if it is gone."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0
    lines = [line for line in status.splitlines() if line.startswith("RssAnon:")]
    return 1024 * int(lines[0].split()[1]) if lines else 0


def family() -> list[int]:
    """Number of this process, and those of all that descend from it."""
    found = [os.getpid()]
    for pid in found:  # which grows meanwhile
        for task in Path(f"/proc/{pid}/task").glob("*/children"):
            try:
                found += map(int, task.read_text().split())
            except OSError:
                continue
    return found


def open_handles() -> list[str]:
    """What this process has open."""
    gc.collect()
    found = []
    for name in os.listdir("/proc/self/fd"):
        try:
            found.append(os.readlink(f"/proc/self/fd/{name}"))
        except OSError:  # that of the listing
            continue
    return found


def left_open(before: list[str]) -> list[str]:
    """Files that are open, or mapped, and were not."""
    from joblib.externals.loky import get_reusable_executor

    # joblib keeps its workers for the next call, for five minutes.
    get_reusable_executor().shutdown(wait=True)
    files = [name for name in open_handles() if name.startswith("/") and name not in before]
    maps = [line for line in Path("/proc/self/maps").read_text().splitlines() if line.endswith("(deleted)")]
    temporary = [line for line in maps if tempfile.gettempdir() in line]
    return [f"open: {name}" for name in files] + [f"mapped: {line}" for line in temporary]


def processes_that_know(folder: str) -> list[str]:
    """Processes that were started with a folder for temporary files."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and folder.encode() in (entry / "environ").read_bytes():
                found.append(entry.name)
        except OSError:
            continue
    return found


def rows(summary: dict[str, Any]) -> list[str]:
    """Lines on a run."""
    lines = []
    for corpus in summary["corpora"]:
        stages = ", ".join(
            f"{name} {stage['peak_mb']:.0f} MB in {stage['seconds']:.0f} s"
            for name, stage in corpus["stages"].items()
        )
        where = "in a file" if corpus["mapped"] else "in memory"
        lines.append(
            f"{corpus['n']} utterances of 3 s, {corpus['mb']:.0f} MB of spectrograms {where}: "
            f"{corpus['peak_mb']:.0f} MB of anonymous memory ({stages}); {len(corpus['left'])} left behind"
        )
    if summary["slope"] is not None:
        lines.append(f"anonymous memory an utterance, beyond the limit: {summary['slope']:.0f} bytes")
    fits = summary["fits"]
    lines.append(
        f"{fits['n']} fits in one process: {fits['mb'][0]:.0f} MB after the first, {fits['mb'][-1]:.0f} "
        f"after the last, {fits['grown_mb']:.1f} of it in the last two thirds; {len(fits['left'])} left"
    )
    return lines


def table(summary: dict[str, Any]) -> list[dict[str, Any]]:
    """Lay a run out as rows: what was done, on how many utterances, in how much anonymous memory."""
    made = [
        {"what": name, "n": corpus["n"], "spectrograms (MB)": corpus["mb"], "memory (MB)": stage["peak_mb"]}
        for corpus in summary["corpora"]
        for name, stage in corpus["stages"].items()
    ]
    mb = summary["fits"]["mb"]
    counts = sorted({1, len(mb) // 3 + 1, len(mb)})
    return made + [
        {"what": "fits in one process", "n": n, "spectrograms (MB)": "", "memory (MB)": mb[n - 1]}
        for n in counts
    ]


def keep(summary: dict[str, Any], path: Path) -> None:
    """Write the table."""
    lines = table(summary)
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(lines[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(lines)


def main() -> int:
    """Print the rows.

    Returns
    -------
    int
        Status of the program.
    """
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--n", type=int, default=50_000, help="utterances (default: %(default)s)")
    parser.add_argument("--max-nbytes", default="1G", help="of the transformer (default: %(default)s)")
    parser.add_argument("--jobs", type=int, default=2, help="of the transformer (default: %(default)s)")
    parser.add_argument("--output", type=Path, help="file for the outcomes as JSON")
    parser.add_argument("--table", type=Path, help="file for them as a table")
    parser.add_argument("--call", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.call:
        function = {"one_corpus": one_corpus, "many_fits": many_fits}[options.call[0]]
        print(json.dumps(function(*json.loads(options.call[1]))))
        return 0
    summary = run(options.n, max_nbytes=options.max_nbytes, n_jobs=options.jobs)
    print(*rows(summary), sep="\n")
    for sentence in summary["wrong"]:
        print("  wrong:", sentence)
    if options.table:
        keep(summary, options.table)
    if options.output:
        options.output.write_text(json.dumps(summary, indent=1) + "\n")
    return 1 if summary["wrong"] else 0


if __name__ == "__main__":
    sys.exit(main())
