"""The scripts of benchmarks/ run, and go on where they were stopped."""

from __future__ import annotations

import csv
import subprocess
import sys
from pathlib import Path

BENCHMARKS = Path(__file__).resolve().parents[1] / "benchmarks"


def run(script: str, *arguments: object) -> str:
    command = [sys.executable, str(BENCHMARKS / script), *map(str, arguments)]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def test_recipe_tries_each_fold_of_the_first_speakers_once(tmp_path):
    options = ["--speakers", 4, "--trials", "small", "--seeds", 0, "--device", "cpu"]
    options += ["--set", "max_epochs=1", "channels=[4,4]", "rnn_units=4", "--output", tmp_path / "recipe.csv"]
    first = run("recipe.py", *options)
    assert first.count("seed 0: UA") == 2  # two folds of two speakers
    with (tmp_path / "recipe.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["fold"], row["seed"]) for row in rows] == [("1", "0"), ("2", "0")]
    assert '"trim_db": 40' in rows[0]["parameters"]
    again = run("recipe.py", *options)
    assert again.count("seed 0: UA") == 0
