"""Measure how fast skser is, as ratios to what one would use instead.

python benchmarks/speed/bench.py                                 all rows, under fifteen minutes
python benchmarks/speed/bench.py --only features-librosa import  some of them
python benchmarks/speed/bench.py --device cuda                   the rows of a GPU as well
python benchmarks/speed/bench.py --list

Prints a row as each ends. OUTPUT gets them with the environment as JSON, and the table as CSV beside it. With
--only nothing is written unless OUTPUT is given; one that is there keeps its other rows, if they were
measured in the same environment.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import sys
import time
from pathlib import Path
from typing import Any

# A repository's own package counts, installed or not; the processes that rows start look there as well.
_ROOT = str(Path(__file__).resolve().parents[2])
sys.path.insert(0, _ROOT)
os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [_ROOT, os.environ.get("PYTHONPATH")]))

from harness import Row, Settings, environment, run_row  # noqa: E402 - behind the path
from registry import all_rows  # noqa: E402

COLUMNS = ("row", "case", "against", "ratio", "spread", "target", "met")


def parse_arguments(rows: list[Row], arguments: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", nargs="+", choices=[row.name for row in rows], metavar="NAME")
    parser.add_argument("--list", action="store_true", help="print the names of the rows and end")
    parser.add_argument("--threads", type=int, default=1, help="of BLAS and torch, where a row says no other")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--seconds", type=float, default=8.0, help="for a row, at least; sizes are the same")
    parser.add_argument("--tiny", action="store_true", help="tiny sizes, to see that all rows run")
    parser.add_argument("--output", type=Path, help="a JSON file; speed.json if all rows are run")
    return parser.parse_args(arguments)


def cells(row: dict[str, Any]) -> dict[str, str]:
    """Write a described row as the cells of the table."""
    shown = {"row": row["name"]} | {name: row[name] for name in ("case", "against", "target")}
    if row["ratio"] is None:
        return shown | {"ratio": "", "spread": "", "met": row["note"]}
    if row["note"]:
        shown["case"] += f" ({row['note']})"
    met = {True: "yes", False: "no", None: ""}[row["met"]]
    return shown | {
        "ratio": f"{row['ratio']:.2f}",
        "spread": f"{row['low']:.2f} to {row['high']:.2f}",
        "met": met,
    }


def line(row: dict[str, Any]) -> str:
    """Write a described row as a line of the printed table."""
    shown = cells(row)
    what = f"{row['name']:22} {shown['case']}" + (f" | {shown['against']}" if shown["against"] else "")
    ratio = f"{shown['ratio']:>6} {shown['spread']:>14} {shown['target']:>8}"
    return f"{what:118} {ratio} {shown['met']}"


def save(path: Path, described: dict[str, Any]) -> None:
    """Write everything as JSON and the table as CSV."""
    path.write_text(json.dumps(described, indent=1) + "\n", encoding="utf-8")
    with path.with_suffix(".csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(map(cells, described["rows"]))


def main() -> None:
    """Measure the rows that are asked for."""
    rows = all_rows()
    arguments = parse_arguments(rows)
    if arguments.list:
        print("\n".join(row.name for row in rows))
        return
    settings = Settings(arguments.threads, arguments.device, arguments.seconds, arguments.tiny)
    chosen = [row for row in rows if arguments.only is None or row.name in arguments.only]
    chosen = [row for row in chosen if row.device == "cpu" or settings.device == "cuda"]
    here = environment(settings)
    print(json.dumps(here), flush=True)
    output = arguments.output or (None if arguments.only else Path("speed.json"))
    kept = others(output, here) if arguments.only and output is not None else {}
    measured: dict[str, dict[str, Any]] = {}
    start = time.perf_counter()
    for row in chosen:
        measured[row.name] = run_row(row, settings)
        print(line(measured[row.name]), flush=True)
        if output is not None:  # as rows end, so that one that is stopped leaves them behind
            found = kept | measured
            save(output, {"environment": here, "rows": [found[r.name] for r in rows if r.name in found]})
    print(f"{time.perf_counter() - start:.0f} s; not met: {unmet(list(measured.values()))}")


def others(path: Path, here: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Give the rows that a file holds already, by name."""
    if not path.exists():
        return {}
    described = json.loads(path.read_text(encoding="utf-8"))
    if described["environment"] != here:
        raise SystemExit(f"{path} was measured in another environment: name another file or delete it.")
    return {row["name"]: row for row in described["rows"]}


def unmet(rows: list[dict[str, Any]]) -> str:
    """Name the rows that fail their targets."""
    return ", ".join(row["name"] for row in rows if row["met"] is False) or "none"


if __name__ == "__main__":
    main()
