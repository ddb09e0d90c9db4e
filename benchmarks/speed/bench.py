"""Measure how fast skser is, as ratios to the tools that one would use instead.

python benchmarks/speed/bench.py                                 all rows, under fifteen minutes
python benchmarks/speed/bench.py --only features-librosa import  some of them
python benchmarks/speed/bench.py --device cuda                   the rows of a GPU as well

Prints each row as it ends. OUTPUT receives the rows and the environment as JSON, and the file next to it the
table as CSV. With --only nothing is written unless OUTPUT is given; an OUTPUT that exists keeps its other
rows, if they were measured in the same environment.
"""

from __future__ import annotations

import argparse
import csv
import json
from pathlib import Path
from typing import Any

import evaluation
import features
import gpu
import growth
import inference
import training
from harness import Settings, environment, run_row

ROWS = [
    *(*features.ROWS, *training.ROWS, *inference.ROWS),
    *(*evaluation.ROWS, *growth.ROWS, *inference.IMPORT_ROWS, *gpu.ROWS),
]
COLUMNS = ("row", "case", "against", "ratio", "spread", "target", "met")


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
    return f"{what:118} {shown['ratio']:>6} {shown['spread']:>14} {shown['target']:>8} {shown['met']}"


def save(path: Path, described: dict[str, Any]) -> None:
    """Write everything as JSON and the table as CSV."""
    path.write_text(json.dumps(described, indent=1) + "\n", encoding="utf-8")
    with path.with_suffix(".csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(map(cells, described["rows"]))


def other_rows(path: Path, here: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Read the rows of a file by name."""
    if not path.exists():
        return {}
    described = json.loads(path.read_text(encoding="utf-8"))
    if described["environment"] != here:
        raise SystemExit(f"{path} was measured in another environment: name another file or delete it.")
    return {row["name"]: row for row in described["rows"]}


def unmet(rows: list[dict[str, Any]]) -> str:
    """Name the rows that miss their targets."""
    return ", ".join(row["name"] for row in rows if row["met"] is False) or "none"


def main() -> None:
    """Measure the requested rows."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", nargs="+", choices=[row.name for row in ROWS], metavar="NAME")
    parser.add_argument("--threads", type=int, default=1, help="of BLAS and torch, unless a row sets its own")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--tiny", action="store_true", help="tiny sizes, to check that all rows run")
    parser.add_argument("--output", type=Path, help="a JSON file; speed.json if all rows are measured")
    arguments = parser.parse_args()
    settings = Settings(arguments.threads, arguments.device, arguments.tiny)
    here = environment(settings)
    print(json.dumps(here), flush=True)
    output = arguments.output or (None if arguments.only else Path("speed.json"))
    found = other_rows(output, here) if arguments.only and output else {}
    measured = []
    for row in ROWS:
        if row.name not in (arguments.only or [row.name]) or row.device not in ("cpu", settings.device):
            continue
        found[row.name] = run_row(row, settings)
        measured.append(found[row.name])
        print(line(found[row.name]), flush=True)
        if output:  # after each row, so that a run that is stopped keeps its rows
            save(output, {"environment": here, "rows": [found[r.name] for r in ROWS if r.name in found]})
    print(f"not met: {unmet(measured)}")


if __name__ == "__main__":
    main()
