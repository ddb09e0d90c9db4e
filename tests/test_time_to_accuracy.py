"""The pairs of fits that compare the default with faster settings."""

from __future__ import annotations

import importlib
from pathlib import Path

import pandas as pd
import pytest

from skser.datasets import make_emotional_speech

ROOT = Path(__file__).resolve().parents[1]
KEPT = ROOT / "benchmarks" / "results" / "time_to_accuracy.csv"


@pytest.fixture
def script(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    return importlib.import_module("time_to_accuracy")


def rows_of(*values) -> pd.DataFrame:
    """Rows (corpus, fold, settings, UA, core-seconds) with seed 0."""
    rows = pd.DataFrame(values, columns=["corpus", "fold", "settings", "UA", "core_seconds"])
    return rows.assign(seed=0)


def test_differences_and_ratios_are_those_of_complete_pairs(script):
    rows = rows_of(
        *(("emodb", 1, "default", 0.5, 100.0), ("emodb", 1, "faster", 0.6, 40.0)),
        *(("nemo", 1, "default", 0.5, 100.0), ("nemo", 1, "faster", 0.4, 60.0)),
        ("nemo", 2, "default", 0.9, 100.0),
    )
    table = script.summarize(rows).set_index("corpus")
    assert table["pairs"].to_dict() == {"emodb": 1, "nemo": 1, "all": 2}
    assert table["difference"].to_dict() == {"emodb": 10.0, "nemo": -10.0, "all": 0.0}
    assert table["core-seconds"].to_dict() == {"emodb": 0.4, "nemo": 0.6, "all": 0.5}
    assert table.loc["all", ["low", "high"]].tolist() == [-10.0, 10.0]
    assert table.loc["emodb", ["low", "high"]].isna().all()  # a single pair


def test_the_settings_differ_as_named(script):
    default, faster = (
        script.model_of(script.Fit("emodb", 1, 0, name)).get_params() for name in script.SETTINGS
    )
    changed = {name for name in default if not name.endswith("er") and name != "steps"}
    changed = {name.partition("__")[2] for name in changed if default[name] != faster[name]}
    assert changed == {"hop_length", "trim_db", "max_epochs", "batch_size"}


def test_a_stopped_run_continues(script, monkeypatch, tmp_path, capsys):
    corpus = make_emotional_speech(n_speakers=4, n_per_class=2, random_state=0)
    speakers = sorted(set(corpus.groups))
    monkeypatch.setattr(script, "FOLDS", {"synthetic": [(speakers[0],), (speakers[1],)]})
    monkeypatch.setattr(script, "load_corpus", lambda address: corpus)
    short = {
        name: (features, training | {"max_epochs": 1})
        for name, (features, training) in script.SETTINGS.items()
    }
    monkeypatch.setattr(script, "SETTINGS", short)
    output = tmp_path / "fits.csv"
    monkeypatch.setattr("sys.argv", ["", "synthetic", "--seeds", "0", "--output", str(output)])
    script.main()
    rows = pd.read_csv(output)
    assert rows["settings"].tolist() == ["default", "faster"] * 2
    assert rows["fold"].tolist() == [1, 1, 2, 2]
    rows[:3].to_csv(output, index=False)
    capsys.readouterr()
    script.main()
    assert capsys.readouterr().out.splitlines()[0] == "synthetic 2 0 faster"
    assert pd.read_csv(output)["UA"].tolist() == rows["UA"].tolist()


def test_kept_summary_comes_from_the_kept_rows(script):
    text = script.summarize(pd.read_csv(KEPT)).to_csv(index=False, lineterminator="\n")
    assert KEPT.with_name("time_to_accuracy_summary.csv").read_text() == text
