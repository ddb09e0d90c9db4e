"""The examples run as scripts and print their results."""

from __future__ import annotations

import csv
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"


def run(script: str, *arguments: object) -> str:
    command = [sys.executable, str(EXAMPLES / script), *map(str, arguments)]
    # One process: the start of another takes longer than these trainings.
    environment = os.environ | {"LOKY_MAX_CPU_COUNT": "1"}
    return subprocess.run(command, check=True, capture_output=True, text=True, env=environment).stdout


SMALL = ("--max-epochs", 1, "--folds", 2)


@pytest.mark.parametrize(
    ("script", "options"),
    [
        ("grid_search.py", ("--lambdas", 0, 0.3, "--alphas", 0.5, "--jobs", 1)),
        ("embeddings_to_svm.py", ()),
        ("quickstart.py", ()),
    ],
)
def test_example_runs_on_the_synthetic_corpus_and_on_a_folder(script, options, folder_of_speech, tmp_path):
    if script == "quickstart.py":
        options = ("--output", tmp_path)
    for corpus in ("synthetic", f"files:{folder_of_speech}"):
        output = run(script, "--corpus", corpus, *SMALL, *options)
        assert "UA" in output
        assert "WA" in output


def test_quickstart_prints_both_losses_and_stages_and_draws_a_picture(folder_of_speech, tmp_path):
    output = run("quickstart.py", "--corpus", f"files:{folder_of_speech}", *SMALL, "--output", tmp_path)
    assert len(re.findall(r"^softmax.* UA +\d+\.\d %   WA +\d+\.\d %$", output, flags=re.MULTILINE)) == 2
    for stage in ("corpus", "spectrograms", "training and evaluation: softmax", "picture"):
        assert re.search(rf"^{stage}.* \d+\.\d s$", output, flags=re.MULTILINE), stage
    assert (tmp_path / "embeddings.png").read_bytes().startswith(b"\x89PNG")


def test_probabilities_prints_errors_and_draws_pictures(tmp_path):
    pytest.importorskip("matplotlib", reason="pictures need the extra plot")
    output = run("probabilities.py", "--max-epochs", 1, "--output", tmp_path)
    assert re.search(r"^plain +temperature 1\.00   ECE \d\.\d+   UA", output, flags=re.MULTILINE)
    assert re.search(r"^temperature +temperature \d+\.\d+   ECE \d\.\d+   UA", output, flags=re.MULTILINE)
    for name in ("reliability", "saliency"):
        assert (tmp_path / f"{name}.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.corpus
def test_quickstart_runs_on_real_recordings(ravdess_root, tmp_path):
    output = run("quickstart.py", "--corpus", f"ravdess:{ravdess_root}", *SMALL, "--output", tmp_path)
    assert "720 utterances, 12 speakers" in output
    assert "chance is 12.5 % UA" in output  # eight emotions


@pytest.fixture
def gain(folder_of_speech, tmp_path):
    """Run the comparison with center loss on a folder of recordings."""

    def run_gain(*options: object) -> str:
        return run(
            *("center_loss_gain.py", "--max-epochs", 1, "--folds", 4, "--only", 2, "--features", "mel"),
            *("--corpus", f"files:{folder_of_speech}", "--seeds", 0, "--device", "cpu"),
            *("--output", tmp_path, *options),
        )

    return run_gain


def results(table: Path) -> list[dict[str, str]]:
    """Rows of a table of fits, without the columns that differ between two runs of one fit."""
    with table.open(newline="") as file:
        return [
            {name: value for name, value in row.items() if name not in ("seconds", "version")}
            for row in csv.DictReader(file)
        ]


def test_center_loss_gain_continues_where_it_was_stopped(gain, tmp_path):
    table = tmp_path / "fits.csv"
    output = gain()
    first = results(table)
    assert "2 fits, of which 0" in output
    assert re.search(r"mel +64 +UA +-?\d+\.\d", output)
    written = {"fits.csv", "accuracy.csv", "gain.csv", "embeddings.csv", "recall.csv"}
    assert {path.name for path in tmp_path.glob("*.csv")} == written
    pictures = {"embeddings.png", "confusion.png", "learning_curves.png"}
    assert {path.name for path in tmp_path.glob("*.png")} == pictures
    table.write_text("".join(table.read_text().splitlines(keepends=True)[:2]))  # header and first fit
    again = gain()
    assert "2 fits, of which 1" in again
    assert again.count(" of 1: ") == 1
    assert results(table) == first
    assert "2 fits, of which 1" in gain("--center-lambda", 0.7)  # softmax does not depend on lambda
    for path in tmp_path.glob("*.npz"):
        path.unlink()
    assert "No pictures: the .npz files of the first fits are not in the folder." in gain()
