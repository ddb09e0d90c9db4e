"""Run all reliability trials at their full counts and write a row for each.

    python benchmarks/reliability/run.py [--only kills threads] [--corpora ../shared/corpora]

Each part runs in a process of its own, so that its memory is its own. Its row is written to
benchmarks/results/reliability.csv as it ends: `--only` runs some parts again and keeps the other rows. A part
that needs real recordings is skipped, with a message, where there are none. Ends with status 1 if a call
ended neither in a right result nor in a clear error.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, NamedTuple

REPOSITORY = Path(__file__).resolve().parents[2]
RESULTS = REPOSITORY / "benchmarks" / "results" / "reliability.csv"
CORPORA = Path(os.environ.get("SKSER_CORPORA", REPOSITORY.parent / "shared" / "corpora"))


class Part(NamedTuple):
    """What is tried, and the command: a script of this folder with its full count."""

    tried: str
    command: str


PROCESSES = "concurrency.py --n 200 --ways fork spawn forkserver loky multiprocessing"
PARTS = {
    "kills": Part("SIGKILL while training, then the same call again", "kills.py --n 20"),
    "files": Part("files of six formats, damaged at random", "damaged_files.py --n 5000"),
    "recordings": Part(
        "real recordings, damaged at random", "damaged_files.py --n 2000 --real {corpora}/ravdess"
    ),
    "input": Part("random input to both estimators", "random_inputs.py --n 2500"),
    "threads": Part("one model in eight threads", "concurrency.py --n 1000 --ways threads"),
    "processes": Part("one model in two processes", PROCESSES),
    "memory": Part(
        "utterances of 3 s through transform, fit and predict",
        "memory.py --n 50000 --table {results}/memory.csv",
    ),
}
OUTCOMES = {name: f"{name}s" for name in ("right result", "clear error", "wrong result", "raw error")}
MEASURED = {"worst_s": "longest call (s)", "grown_mb": "memory growth (MB)"}
COLUMNS = ["part", "tried", "calls", *OUTCOMES.values(), *MEASURED.values()]


def run_part(part: Part, arguments: list[str]) -> dict[str, Any]:
    """Run a script in a process of its own; one that ends without a summary counts as a raw error."""
    script, *options = arguments
    with tempfile.TemporaryDirectory() as folder:
        output = Path(folder, "summary.json")
        command = [sys.executable, str(Path(__file__).with_name(script)), *options, "--output", str(output)]
        done = subprocess.run(command, capture_output=True, text=True)
        if output.exists():
            summary: dict[str, Any] = json.loads(output.read_text())
            return summary
    fault = f"{part.tried}: ended with status {done.returncode}: {done.stderr[-500:]}"
    return {"n": 1, "outcomes": {"raw error": 1}, "wrong": [fault]}


def to_row(name: str, summary: dict[str, Any]) -> dict[str, Any]:
    """Lay out the summary of a part as a row."""
    counts = {column: summary["outcomes"].get(outcome, 0) for outcome, column in OUTCOMES.items()}
    measured = {column: summary.get(key, "") for key, column in MEASURED.items()}
    return {"part": name, "tried": PARTS[name].tried, "calls": summary["n"]} | counts | measured


def keep(row: dict[str, Any], output: Path) -> None:
    """Replace the earlier row of a part."""
    rows = {}
    if output.exists():
        with output.open(newline="") as file:
            rows = {earlier["part"]: earlier for earlier in csv.DictReader(file)}
    rows[row["part"]] = row
    with output.open("w", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows[name] for name in PARTS if name in rows)


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", nargs="+", choices=PARTS, default=list(PARTS), help="parts (default: all)")
    parser.add_argument("--n", type=int, help="count of each part, to try the script on a small scale")
    parser.add_argument("--corpora", type=Path, default=CORPORA, help="default: %(default)s")
    parser.add_argument("--output", type=Path, default=RESULTS, help="table (default: %(default)s)")
    options = parser.parse_args()
    n_wrong = 0
    for name in options.only:
        command = PARTS[name].command.split()
        arguments = [word.format(corpora=options.corpora, results=options.output.parent) for word in command]
        if "--real" in arguments and not Path(arguments[-1]).is_dir():
            print(f"{name}: skipped, there are no recordings in {options.corpora}")
            continue
        if options.n is not None:
            arguments += ["--n", str(options.n)]
        start = time.perf_counter()
        summary = run_part(PARTS[name], arguments)
        n_wrong += len(summary["wrong"])
        row = to_row(name, summary)
        keep(row, options.output)
        print(*(f"{column}: {value}" for column, value in row.items()), sep="; ")
        seconds, longest = time.perf_counter() - start, summary.get("worst_call", "")
        print(
            f"  took {seconds:.0f} s; longest call: {longest}", *summary["wrong"][:20], sep="\n", flush=True
        )
    raise SystemExit(bool(n_wrong))


if __name__ == "__main__":
    main()
