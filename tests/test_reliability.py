"""The command that runs all reliability trials: its rows, its status, and the table that is kept."""

from __future__ import annotations

import csv
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
SCRIPT = ROOT / "benchmarks" / "reliability" / "run.py"
sys.path.append(str(SCRIPT.parent))

import run as reliability  # noqa: E402 - needs the path

pytestmark = pytest.mark.reliability

SUMMARY = {"n": 3, "wrong": [], "outcomes": {"right result": 1, "clear error": 2}}


def read(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def start(*options: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(SCRIPT), *map(str, options)]
    return subprocess.run(command, capture_output=True, text=True, timeout=600)


def test_a_part_is_run_again_and_keeps_the_rows_of_others(tmp_path):
    table = tmp_path / "reliability.csv"
    reliability.keep(reliability.to_row("threads", SUMMARY), table)
    reliability.keep(reliability.to_row("files", SUMMARY | {"n": 99}), table)
    done = start("--only", "files", "--n", 4, "--output", table)
    assert done.returncode == 0, done.stdout + done.stderr
    assert [(row["part"], row["calls"]) for row in read(table)] == [("files", "8"), ("threads", "3")]
    assert "files of six formats, damaged at random" in done.stdout


def test_a_part_without_its_recordings_is_skipped_with_a_message(tmp_path):
    done = start("--only", "recordings", "--corpora", tmp_path, "--output", tmp_path / "table.csv")
    assert done.returncode == 0
    assert f"recordings: skipped, there are no recordings in {tmp_path}" in done.stdout
    assert not (tmp_path / "table.csv").exists()


@pytest.mark.parametrize(
    ("summary", "cells"),
    [
        (SUMMARY | {"worst_s": 0.5, "grown_mb": 7}, ["3", "1", "2", "0", "0", "0.5", "7"]),
        (SUMMARY | {"outcomes": {"raw error": 1, "wrong result": 2}}, ["3", "0", "0", "2", "1", "", ""]),
    ],
)
def test_row_holds_counts_of_each_outcome(summary, cells):
    row = reliability.to_row("kills", summary)
    assert list(row) == reliability.COLUMNS
    assert [str(value) for value in row.values()][2:] == cells


def test_a_part_that_dies_counts_as_a_raw_error(tmp_path, monkeypatch):
    monkeypatch.setattr(reliability, "__file__", str(tmp_path / "run.py"))
    (tmp_path / "dies.py").write_text("import os; os.abort()")
    found = reliability.run_part(reliability.PARTS["kills"], ["dies.py"])
    assert found["outcomes"] == {"raw error": 1}
    assert "ended with status -6" in found["wrong"][0]


def test_a_wrong_outcome_ends_with_status_1(tmp_path, monkeypatch, capsys):
    wrong = SUMMARY | {"wrong": ["another model"]}
    monkeypatch.setattr(reliability, "run_part", lambda part, arguments: wrong)
    monkeypatch.setattr(sys, "argv", ["run.py", "--only", "kills", "--output", str(tmp_path / "table.csv")])
    with pytest.raises(SystemExit) as ended:
        reliability.main()
    assert ended.value.code == 1
    assert "another model" in capsys.readouterr().out
    assert [row["part"] for row in read(tmp_path / "table.csv")] == ["kills"]


def test_kept_table_has_each_part_at_its_full_count_and_nothing_wrong():
    rows = {row["part"]: row for row in read(reliability.RESULTS)}
    assert list(rows) == list(reliability.PARTS)
    for name, part in reliability.PARTS.items():
        row, words = rows[name], part.command.split()
        assert row["tried"] == part.tried
        assert int(row["calls"]) >= int(words[words.index("--n") + 1])
        assert int(row["right results"]) + int(row["clear errors"]) == int(row["calls"])
        assert row["wrong results"] == row["raw errors"] == "0"


def test_page_shows_the_table_and_the_command_of_each_row():
    page = (ROOT / "docs" / "user_guide" / "reliability.rst").read_text(encoding="utf-8")
    assert ":file: ../../benchmarks/results/reliability.csv" in page
    for part in reliability.PARTS.values():
        assert part.command.format(corpora="path/to", results="../results") in page
