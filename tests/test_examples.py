"""The examples run, as scripts, and print what they promise."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
import soundfile

from skser.datasets import make_emotional_speech

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"


def run(script: str, *arguments: object) -> str:
    command = [sys.executable, str(EXAMPLES / script), *map(str, arguments)]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """A few recordings, one folder a class, with a table of speakers."""
    root = tmp_path_factory.mktemp("recordings")
    corpus = make_emotional_speech(n_speakers=2, n_per_class=2, duration=0.5, random_state=0)
    rows = ["file,speaker"]
    for index, (y, label, speaker) in enumerate(zip(corpus.data, corpus.target, corpus.groups, strict=True)):
        (root / label).mkdir(exist_ok=True)
        soundfile.write(root / label / f"{index}.wav", y, corpus.sr)
        rows.append(f"{label}/{index}.wav,{speaker}")
    (root / "speakers.csv").write_text("\n".join(rows))
    return root


@pytest.mark.parametrize("script", ["quickstart.py", "grid_search.py", "embeddings_to_svm.py"])
def test_example_runs_on_the_synthetic_corpus_and_on_a_folder(script, folder, tmp_path):
    options = ["--max-epochs", 1, "--folds", 2]
    extra = {
        "quickstart.py": ["--output", tmp_path],
        "grid_search.py": ["--lambdas", 0, 0.3, "--alphas", 0.5, "--jobs", 1],
    }.get(script, [])
    for corpus in ("synthetic", f"files:{folder}"):
        output = run(script, "--corpus", corpus, *options, *extra)
        assert "UA" in output
        assert "WA" in output


def test_quickstart_reports_both_arms_stages_and_picture(folder, tmp_path):
    output = run(
        "quickstart.py", "--corpus", f"files:{folder}", "--max-epochs", 1, "--folds", 2, "--output", tmp_path
    )
    assert len(re.findall(r"^softmax.* UA +\d+\.\d %   WA +\d+\.\d %$", output, flags=re.MULTILINE)) == 2
    for stage in ("corpus", "spectrograms", "training and evaluation: softmax", "picture"):
        assert re.search(rf"^{stage}.* \d+\.\d s$", output, flags=re.MULTILINE), stage
    assert (tmp_path / "embeddings.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.corpus
def test_quickstart_runs_on_real_recordings(ravdess_root, tmp_path):
    output = run(
        "quickstart.py",
        "--corpus",
        f"ravdess:{ravdess_root}",
        "--max-epochs",
        1,
        "--folds",
        2,
        "--output",
        tmp_path,
    )
    assert "720 utterances, 12 speakers" in output
