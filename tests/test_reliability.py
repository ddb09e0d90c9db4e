"""The command that tries everything: its rows, its status, and the table that is kept."""

from __future__ import annotations

import csv
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
SCRIPT = ROOT / "benchmarks" / "reliability" / "run.py"
sys.path.append(str(SCRIPT.parent))

import run as reliability  # noqa: E402 - a script is no package

pytestmark = pytest.mark.reliability


def read(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def start(*options: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(SCRIPT), *map(str, options)], capture_output=True, text=True, timeout=600
    )


def summary(**values: object) -> dict[str, object]:
    return {"n": 3, "wrong": [], "outcomes": {"right result": 1, "clear error": 2}, **values}


def test_a_part_is_run_again_and_leaves_the_rows_of_others(tmp_path):
    table = tmp_path / "folder" / "reliability.csv"
    reliability.keep(reliability.to_row("threads", reliability.PARTS["threads"], summary()), table)
    reliability.keep(reliability.to_row("files", reliability.PARTS["files"], summary(n=99)), table)
    done = start("--only", "files", "--n", 4, "--output", table)
    assert done.returncode == 0, done.stdout + done.stderr
    assert [(row["part"], row["calls"]) for row in read(table)] == [("files", "8"), ("threads", "3")]
    assert "files of six formats, damaged at random" in done.stdout
    assert list(table.parent.iterdir()) == [table]


def test_recordings_that_are_not_there_are_left_out_with_a_word(tmp_path):
    done = start("--only", "recordings", "--corpora", tmp_path, "--output", tmp_path / "table.csv")
    assert done.returncode == 0
    assert f"recordings: left out, there are no recordings in {tmp_path}" in done.stdout
    assert not (tmp_path / "table.csv").exists()


@pytest.mark.parametrize(
    ("found", "cells"),
    [
        (summary(worst_s=0.5, grown_mb=7), ["3", "1", "2", "0", "0", "0.5", "7"]),
        (summary(outcomes={"raw error": 1, "wrong result": 2}), ["3", "0", "0", "2", "1", "", ""]),
        ({"n": 4, "wrong": ["too much memory"]}, ["4", "3", "0", "1", "0", "", ""]),
    ],
)
def test_row_holds_counts_of_each_outcome(found, cells):
    row = reliability.to_row("kills", reliability.PARTS["kills"], found)
    assert list(row) == reliability.COLUMNS
    assert [str(value) for value in row.values()][2:] == cells


def test_a_part_that_dies_has_gone_wrong(tmp_path, monkeypatch):
    monkeypatch.setattr(reliability, "__file__", str(tmp_path / "run.py"))
    (tmp_path / "dies.py").write_text("import os; os.abort()")
    found = reliability.run_apart(reliability.Part("a script", "dies.py"), ["dies.py"])
    assert found["outcomes"] == {"raw error": 1}
    assert "ended with status -6" in found["wrong"][0]["told"]


def test_what_goes_wrong_ends_with_status_1(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(reliability, "run_apart", lambda part, arguments: summary(wrong=["another model"]))
    monkeypatch.setattr(sys, "argv", ["run.py", "--only", "kills", "--output", str(tmp_path / "table.csv")])
    with pytest.raises(SystemExit) as ended:
        reliability.main()
    assert ended.value.code == 1
    assert "another model" in capsys.readouterr().out
    assert [row["part"] for row in read(tmp_path / "table.csv")] == ["kills"]


# The table that is kept


def test_table_that_is_kept_has_a_row_for_each_part_in_its_words():
    rows = {row["part"]: row for row in read(reliability.RESULTS)}
    assert list(rows) == list(reliability.PARTS)
    for name, part in reliability.PARTS.items():
        assert rows[name]["tried"] == part.tried


def test_table_that_is_kept_has_full_counts_and_nothing_wrong():
    for row in read(reliability.RESULTS):
        words = reliability.PARTS[row["part"]].command.split()
        asked = int(words[words.index("--n") + 1])
        assert int(row["calls"]) >= asked
        assert int(row["right results"]) + int(row["clear errors"]) == int(row["calls"])
        assert row["wrong results"] == row["raw errors"] == "0"


def test_page_shows_the_table_and_the_command_of_each_row():
    page = (ROOT / "docs" / "user_guide" / "reliability.rst").read_text(encoding="utf-8")
    assert ":file: ../../benchmarks/results/reliability.csv" in page
    for part in reliability.PARTS.values():
        assert part.command.format(corpora="path/to", results="../results") in page
