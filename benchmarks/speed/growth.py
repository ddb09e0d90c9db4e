"""Measure how time and memory grow with the corpus and with the length of its utterances.

python benchmarks/speed/growth.py                                          up to 8,000 utterances
python benchmarks/speed/growth.py --sizes 500 2000 8000 50000              the whole; needs 16 GB of memory
python benchmarks/speed/growth.py --sizes --seconds 1 8 32                 lengths alone

Each corpus is transformed, trained on for one epoch, and predicted, in a process of its own (stages.py). A
row goes to OUTPUT when its corpus is done, and a run that was stopped goes on where it was; then the fitted
exponents are printed. Corpora of SIZES have utterances as long as IEMOCAP's; those of SECONDS are one hour
each of utterances of that length, with which the time of an utterance and the memory of the whole grow.
"""

from __future__ import annotations

import argparse
import csv
import os
import sys
from pathlib import Path
from typing import Any

_ROOT = str(Path(__file__).resolve().parents[2])
sys.path.insert(0, _ROOT)
os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [_ROOT, os.environ.get("PYTHONPATH")]))

import pandas as pd  # noqa: E402 - behind the path
from growing import SMALLEST, exponent  # noqa: E402
from stages import STAGES, in_a_process  # noqa: E402

COLUMNS = ("series", "utterances", "seconds", "stage", "frames", "time", "memory")


def parse_arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--sizes", type=int, nargs="*", default=[500, 2000, 8000], help="numbers of utterances"
    )
    parser.add_argument(
        "--seconds", type=float, nargs="*", default=[1, 2, 4, 8, 16, 32], help="their lengths"
    )
    parser.add_argument("--hours", type=float, default=1.0, help="of each corpus of utterances of one length")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--output", type=Path, default=Path("growth.csv"))
    return parser.parse_args()


def corpora(arguments: argparse.Namespace) -> list[tuple[str, int, float | None]]:
    """List series, number and length of the corpora; None stands for IEMOCAP's lengths."""
    by_size = [("size", n, None) for n in arguments.sizes]
    per_corpus = 3600 * arguments.hours
    return by_size + [("length", max(1, round(per_corpus / s)), s) for s in arguments.seconds]


def rows_of(series: str, n: int, seconds: float | None, threads: int) -> list[dict[str, Any]]:
    """Measure a corpus and give a row for each stage: seconds, and bytes at the peak over those before."""
    measured = in_a_process(n, threads, seconds)
    fixed = {"series": series, "utterances": n, "seconds": seconds or "", "frames": measured["frames"]}
    return [
        fixed | {"stage": stage, "time": measured[stage]["seconds"], "memory": measured[stage]["memory"]}
        for stage in STAGES
    ]


def missing(arguments: argparse.Namespace) -> list[tuple[str, int, float | None]]:
    """List the corpora that have no rows yet."""
    done = set()
    if arguments.output.exists():
        with arguments.output.open(newline="") as file:
            done = {(r["series"], r["utterances"], r["seconds"]) for r in csv.DictReader(file)}
    return [
        (series, n, seconds)
        for series, n, seconds in corpora(arguments)
        if (series, str(n), str(seconds or "")) not in done
    ]


def run(arguments: argparse.Namespace) -> None:
    """Measure what is missing and append its rows."""
    for series, n, seconds in missing(arguments):
        rows = rows_of(series, n, seconds, arguments.threads)
        with arguments.output.open("a", newline="") as file:
            writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
            if not file.tell():
                writer.writeheader()
            writer.writerows(rows)
        print(f"{n} utterances of {seconds or 'mixed'} s: {rows[0]['frames']} frames", flush=True)


def exponents(table: pd.DataFrame) -> pd.DataFrame:
    """Fit the exponents of time and memory over each series.

    Over lengths the time is that of an utterance, and the memory that of the whole: a batch holds as many
    utterances, however long they are.
    """
    found = []
    for (series, stage), rows in table.groupby(["series", "stage"], sort=False):
        if len(rows) < 2:
            continue
        sizes, time = rows.utterances, rows.time
        if series == "length":
            sizes, time = rows.seconds, rows.time / rows.utterances
        memory = rows.memory.clip(lower=SMALLEST)
        values = {"time": exponent(sizes, time), "memory": exponent(sizes, memory)}
        found.append({"series": series, "stage": stage} | values)
    return pd.DataFrame(found)


def main() -> None:
    """Run the corpora, then print the exponents, and write them beside the rows."""
    arguments = parse_arguments()
    run(arguments)
    table = exponents(pd.read_csv(arguments.output))
    print(table.to_string(index=False, float_format="%.2f"))
    table.to_csv(
        arguments.output.with_name(f"{arguments.output.stem}_exponents.csv"),
        index=False,
        float_format="%.2f",
        lineterminator="\n",
    )


if __name__ == "__main__":
    main()
