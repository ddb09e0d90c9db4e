"""Try everything at its full count and write one row each: what was tried, how often, with what outcome.

    python benchmarks/reliability/run.py [--only kills threads] [--corpora ../shared/corpora]

Each part runs in a process of its own, so that its memory is its own, and its row is written to
benchmarks/results/reliability.csv as it ends: `--only` runs parts again and leaves the other rows alone. A
part that needs real recordings is left out, with a word, where there are none. Ends with status 1 if a call
ended in anything else than a right result or a clear error.
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
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

REPOSITORY = Path(__file__).resolve().parents[2]
RESULTS = REPOSITORY / "benchmarks" / "results" / "reliability.csv"
CORPORA = Path(os.environ.get("SKSER_CORPORA", REPOSITORY.parent / "shared" / "corpora"))


class Part(NamedTuple):
    """A script of this folder with its full counts, and in words what it tries.

    It writes JSON to the file that `--output` names: "n", "wrong" (whatever was neither a right result nor a
    clear error), and, where they mean something, "outcomes" (counts), "worst_s" and "grown_mb".
    {corpora} stands for the folder of the folders of recordings, {results} for that of the kept tables.
    """

    tried: str
    command: str


PARTS = {
    "kills": Part("SIGKILL while training, then the same call again", "kills.py --n 20"),
    "files": Part("files of six formats, damaged at random", "damaged_files.py --n 5000"),
    "recordings": Part(
        "real recordings, damaged at random", "damaged_files.py --n 2000 --real {corpora}/ravdess"
    ),
    "input": Part("random input to both estimators", "random_inputs.py --n 2500"),
    "threads": Part("one model in eight threads", "concurrency.py --n 1000 --ways threads"),
    "processes": Part(
        "one model in two processes",
        "concurrency.py --n 200 --ways fork spawn forkserver loky multiprocessing",
    ),
    "memory": Part(
        "utterances of 3 s through transform, fit and predict",
        "memory.py --n 50000 --table {results}/memory.csv",
    ),
}
OUTCOMES = {
    "right result": "right results",
    "clear error": "clear errors",
    "wrong result": "wrong results",
    "raw error": "raw errors",
}
MEASURED = {"worst_s": "longest call (s)", "grown_mb": "memory growth (MB)"}
COLUMNS = ["part", "tried", "calls", *OUTCOMES.values(), *MEASURED.values()]


def run_apart(part: Part, arguments: Sequence[str]) -> dict[str, Any]:
    """Run a part in a process of its own; one that ends without a word has gone wrong as a whole.

    Parameters
    ----------
    part : Part
        The part.
    arguments : sequence of str
        Script and arguments.

    Returns
    -------
    dict
        What the script wrote, or the same with one raw error.
    """
    script, *options = arguments
    with tempfile.TemporaryDirectory() as folder:
        output = Path(folder, "outcomes.json")
        command = [sys.executable, str(Path(__file__).with_name(script)), *options, "--output", str(output)]
        done = subprocess.run(command, capture_output=True, text=True)
        if output.exists():
            summary: dict[str, Any] = json.loads(output.read_text())
            return summary
    told = f"ended with status {done.returncode}: {done.stderr[-500:]}"
    wrong = {"what": part.tried, "outcome": "raw error", "told": told}
    return {"n": 1, "outcomes": {"raw error": 1}, "wrong": [wrong]}


def to_row(name: str, part: Part, summary: dict[str, Any]) -> dict[str, Any]:
    """Lay out what a part gave.

    Parameters
    ----------
    name : str
        Name of the part.
    part : Part
        The part.
    summary : dict
        What its script wrote.

    Returns
    -------
    dict
        A value for each of `COLUMNS`.
    """
    n_wrong = len(summary["wrong"])
    outcomes = summary.get("outcomes", {"right result": summary["n"] - n_wrong, "wrong result": n_wrong})
    counts = [outcomes.get(outcome, 0) for outcome in OUTCOMES]
    measured = [summary.get(name, "") for name in MEASURED]
    return dict(zip(COLUMNS, [name, part.tried, summary["n"], *counts, *measured], strict=True))


def keep(row: dict[str, Any], output: Path) -> list[dict[str, Any]]:
    """Put a row in the place of the part's former one.

    Parameters
    ----------
    row : dict
        The row.
    output : Path
        The table, made where it is missing.

    Returns
    -------
    list of dict
        All rows, in the order of `PARTS`.
    """
    rows = {}
    if output.exists():
        with output.open(newline="") as file:
            rows = {former["part"]: former for former in csv.DictReader(file)}
    rows[row["part"]] = row
    ordered = [rows[name] for name in PARTS if name in rows]
    output.parent.mkdir(parents=True, exist_ok=True)
    unfinished = output.with_suffix(".tmp")
    with unfinished.open("w", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(ordered)
    unfinished.replace(output)
    return ordered


def arguments_of(part: Part, corpora: Path) -> list[str] | None:
    """Complete the command of a part.

    Parameters
    ----------
    part : Part
        The part.
    corpora : Path
        Folder of the folders of recordings.

    Returns
    -------
    list of str or None
        Script and arguments; None where the recordings are not there.
    """
    arguments = [word.format(corpora=corpora, results=RESULTS.parent) for word in part.command.split()]
    return None if "--real" in arguments and not Path(arguments[-1]).is_dir() else arguments


def show(rows: list[dict[str, Any]]) -> None:
    """Print a table.

    Parameters
    ----------
    rows : list of dict
        Its rows.
    """
    cells = [COLUMNS, *([str(row[column]) for column in COLUMNS] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    for line in cells:
        print("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", nargs="+", choices=PARTS, default=list(PARTS), help="parts (default: all)")
    parser.add_argument("--n", type=int, help="count of each part instead of its own, to try the script")
    parser.add_argument("--corpora", type=Path, default=CORPORA, help="default: %(default)s")
    parser.add_argument("--output", type=Path, default=RESULTS, help="table (default: %(default)s)")
    options = parser.parse_args()
    n_wrong, rows = 0, []
    for name in options.only:
        begin = time.perf_counter()
        arguments = arguments_of(PARTS[name], options.corpora)
        if arguments is None:
            print(f"{name}: left out, there are no recordings in {options.corpora}")
            continue
        if options.n is not None:
            arguments += ["--n", str(options.n)]
        summary = run_apart(PARTS[name], arguments)
        n_wrong += len(summary["wrong"])
        for wrong in summary["wrong"][:20]:
            print(" ", wrong)
        rows = keep(to_row(name, PARTS[name], summary), options.output)
        print(f"{name}: {summary['n']} calls in {time.perf_counter() - begin:.0f} s", flush=True)
        if "worst_call" in summary:
            print(f"  the longest: {summary['worst_call']}", flush=True)
    show(rows)
    raise SystemExit(bool(n_wrong))


if __name__ == "__main__":
    main()
