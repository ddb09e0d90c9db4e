"""The benchmark of the network that is trained from scratch."""

from __future__ import annotations

import importlib
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

ROOT = Path(__file__).resolve().parents[1]
KEPT = ROOT / "benchmarks" / "results" / "from_scratch.csv"


@pytest.fixture
def script(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    return importlib.import_module("from_scratch")


@pytest.fixture
def data(script):
    """Twelve speakers with two items of each emotion."""
    return script.Data([None] * 48, np.tile(["calm", "sad"], 24), np.repeat(range(1, 13), 4))


def row(stage, recipe, seed, mode, classifier, UA):
    values = {"stage": stage, "recipe": recipe, "seed": seed, "mode": mode, "classifier": classifier}
    return {"date": "2026-01-01", "fold": 1, "UA": UA} | values


def test_settings_are_chosen_on_other_speakers_than_those_of_the_test(script, data):
    for fold in (1, 2, 3):
        train, test = script.split(data, "choose", fold)
        assert sorted(set(data.groups[[*train, *test]])) == [1, 2, 3, 4, 5, 6]
        train, test = script.split(data, "test", fold)
        assert min(data.groups[test]) >= 7
        assert sorted([*train, *test]) == list(range(48))


def test_embeddings_lose_the_mean_of_each_speaker(script, data):
    train, test = script.split(data, "test", 1)
    voices = np.random.default_rng(0).normal(scale=100, size=(13, 3))
    Z = voices[data.groups] + (data.y == "sad")[:, None]
    part = {
        "train": Z[train],
        "test": Z[test],
        "probabilities": np.eye(2)[(data.y[test] == "sad").astype(int)],
    }
    found = {
        (mode, name): y_pred for mode, name, y_pred in script.scores([part], data, train, test, "default")
    }
    assert found["mean removed", "SVC"].tolist() == data.y[test].tolist()
    assert found["plain", "SVC"].tolist() != data.y[test].tolist()
    assert found["plain", "output layer"].tolist() == data.y[test].tolist()


def test_networks_without_the_mean_of_bins_have_no_plain_result(script, data):
    train, test = script.split(data, "test", 1)
    part = {"train": np.eye(48)[train], "test": np.eye(48)[test], "probabilities": np.ones((len(test), 2))}
    modes = {mode for mode, *_ in script.scores([part] * 2, data, train, test, "trimmed, bins")}
    assert modes == {"mean removed"}


def test_the_choice_ignores_test_speakers_and_several_networks(script):
    rows = pd.DataFrame(
        [
            row("choose", "default", "0", "plain", "SVC", 0.6),
            row("choose", "trimmed", "0", "plain", "SVC", 0.5),
            row("choose", "trimmed", "all", "plain", "SVC", 0.9),
            row("test", "trimmed", "0", "plain", "SVC", 0.9),
        ]
    )
    assert script.chosen(rows) == {"plain": ("default", "SVC")}
    table = script.summarize(rows).set_index(["stage", "recipe"])
    assert table.loc[("choose", "default"), "chosen"] == "yes"
    assert table.loc[("choose", "trimmed"), ["UA", "all seeds"]].tolist() == [50, 90]


def test_kept_summary_comes_from_the_kept_rows(script):
    rows = script.read_rows(KEPT)
    text = script.summarize(rows).to_csv(index=False, lineterminator="\n")
    assert KEPT.with_name("from_scratch_summary.csv").read_text() == text
    assert not rows.duplicated([*script.KEY, "mode", "classifier"]).any()
