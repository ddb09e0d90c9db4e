"""Choices inside the training part, and the tables of the accuracy on unseen speakers."""

from __future__ import annotations

import functools
import importlib
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils import Bunch

from skser import SpeakerNormalizer, Spectrograms, SpeechEncoderTransformer, evaluate

BENCHMARKS = Path(__file__).resolve().parents[1] / "benchmarks"
RESULTS = BENCHMARKS / "results"
MEMBER = {
    "features": {"trim_db": None, "layers": (2,), "statistics": 2},
    "head": "logistic",
    "parameters": {"C": 0.01},
    "weight": 1,
}


@pytest.fixture
def script(monkeypatch):
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    return importlib.import_module("unseen_speakers")


@pytest.fixture
def parts(script):
    return importlib.import_module("unseen_data")


@pytest.fixture
def data(parts):
    """EmoDB's speakers with 12 items each, whose voices differ more than their emotions."""
    rng = np.random.default_rng(0)
    names = [name for fold in parts.folds_of("emodb") for name in fold]
    groups, y = np.repeat(names, 12), np.tile(["angry", "happy", "sad"], 40)
    voices = np.repeat(rng.normal(scale=3, size=(10, 4 * parts.N_UNITS)), 12, axis=0)
    Z = voices + rng.normal(size=voices.shape) + 0.1 * (y == "sad")[:, None] - 0.1 * (y == "angry")[:, None]
    tests = [np.isin(groups, fold) for fold in parts.folds_of("emodb")]
    splits = [(np.flatnonzero(~test), np.flatnonzero(test)) for test in tests]
    frames = Spectrograms([np.tile(row[:, None], 3) for row in Z[:, : parts.N_UNITS]])
    return parts.Data(("emodb",), np.arange(120), y, groups, groups, splits, lambda *_: Z, lambda: frames)


def score(script, data, mode, test="all"):
    rows = list(script.tested(data, mode, 0, "logistic", [MEMBER]))
    return np.mean([row["UA"] for row in rows if row["test"] == test])


def test_inner_folds_leave_out_pairs_of_training_speakers(parts, data):
    train = data.splits[1][0]
    inner = parts.inner_splits(data, train)
    assert [sorted(set(data.groups[part])) for _, part in inner] == [
        fold for index, fold in enumerate(parts.folds_of("emodb")) if index != 1
    ]
    for part_of_train, part in inner:
        assert sorted([*part_of_train, *part]) == train.tolist()


def test_inner_folds_leave_out_one_training_corpus(parts, data):
    units = np.repeat(["emodb", "nemo", "ravdess"], 40)
    several = data._replace(corpora=("ravdess", "emodb", "nemo"), units=units)
    inner = parts.inner_splits(several, np.arange(80))
    assert [test.tolist() for _, test in inner] == [list(range(40)), list(range(40, 80))]


@pytest.mark.filterwarnings("ignore:.*in no test set")  # a single fold
@pytest.mark.parametrize("mode", ["plain", "mean removed"])
def test_accuracy_is_that_of_evaluate(script, data, mode):
    steps = [StandardScaler(), LogisticRegression(C=0.01, max_iter=1000)]
    Z = data.tables()[:, :512]
    corpus = Bunch(data=Z, target=data.y, groups=data.groups)
    if mode == "plain":
        expected = evaluate(make_pipeline(*steps), corpus, cv=data.splits[:1])
    else:
        model = make_pipeline(SpeakerNormalizer(), *steps)
        expected = evaluate(model, corpus, cv=data.splits[:1], speaker_means="test")
    assert score(script, data, mode) == pytest.approx(expected.unweighted_accuracy, abs=1e-4)


def test_features_of_several_speeds_are_those_of_the_transformer(parts, tmp_path, monkeypatch, write_ge2e):
    encoder = write_ge2e(tmp_path / "weights.pt", 0)
    monkeypatch.setattr(
        parts, "SpeechEncoderTransformer", functools.partial(SpeechEncoderTransformer, encoder)
    )
    recordings = [np.random.default_rng(0).normal(scale=0.1, size=8000)]
    speeds = (0.8, 1.0, 1.25)
    expected = SpeechEncoderTransformer(encoder, statistics=parts.STATISTICS, speeds=speeds, layer=3)
    for _ in range(2):  # computed, then read
        found = parts.read_table(tmp_path, "ravdess", recordings, 40.0, 3, *speeds)
        np.testing.assert_allclose(found, expected.transform(recordings), atol=1e-6)


def test_networks_on_frames_are_fitted_with_each_seed(script, data):
    members = [script.FIXED["pooled, softmax"]]
    rows = list(script.tested(data, "mean removed", 0, "pooled, softmax", members))
    assert [row["draw"] for row in rows] == list(script.NETWORK_SEEDS)
    (model, _), *_ = script.fit_members(data, "mean removed", data.splits[0][0], members, 0)
    assert model.network == "pooled"
    assert model.center_lambda == 0


def test_enrolled_items_are_not_scored(parts, data):
    sets = [one for one in parts.test_sets(data, "mean removed", 0) if one[0] == "10 enrolled"]
    assert len(sets) == parts.N_DRAWS
    for _, _, scored, enrolled in sets:
        assert len(enrolled) == 20  # two speakers
        assert sorted([*scored, *enrolled]) == data.splits[0][1].tolist()


def test_equal_members_agree_with_one_of_them(script, data):
    train, test = data.splits[0]
    half = MEMBER | {"weight": 0.5}
    one = script.fit_members(data, "plain", train, [MEMBER], 0)
    expected = script.predict(data, [MEMBER], one, test, test)
    found = script.predict(data, [half, half], one * 2, test, test)
    assert found.tolist() == expected.tolist()


def test_accuracy_of_a_draw_is_pooled_over_folds(script):
    rows = pd.DataFrame(
        {
            **{"line": "nemo", "draw": draw},
            "hits": json.dumps({"sad": sad, "calm": calm}),
            "counts": json.dumps({"sad": 4, "calm": 2}),
        }
        for draw, sad, calm in [(0, 4, 2), (0, 2, 0), (1, 4, 2), (1, 4, 2)]
    )
    first = 100 * (6 / 8 + 2 / 4) / 2
    assert script.pooled(rows, ["line"]).to_dict() == pytest.approx({("nemo", 0): first, ("nemo", 1): 100})


def test_kept_tables_come_from_the_kept_rows(script, tmp_path, capsys):
    script.write_tables(pd.read_csv(RESULTS / "unseen_speakers.csv"), tmp_path)
    names = [f"unseen_speakers_{table}.csv" for table in ("fixed", "chosen", "heads", "samples")]
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(names)
    for name in names:
        assert (RESULTS / name).read_text() == (tmp_path / name).read_text()


def test_unfinished_results_are_not_in_the_table(script):
    rows = pd.DataFrame(
        {
            **{"line": "nemo", "mode": "plain", "test": "all", "draw": 0, "head": head, "fold": fold},
            **{"hits": json.dumps({"sad": 1, "calm": 2}), "counts": json.dumps({"sad": 2, "calm": 2})},
        }
        for head, fold in [("logistic", 1), ("logistic", 2), ("logistic", 3), ("SVC", 1), ("SVC", 2)]
    )
    assert script.summary(rows).to_dict() == {"logistic": {("nemo", "plain", "all"): "75.0"}}


def test_kept_rows_have_each_result_once(script):
    rows = pd.read_csv(RESULTS / "unseen_speakers.csv")
    assert not rows.duplicated([*script.KEY, "test", "draw"]).any()


def test_kept_choices_are_in_the_grid(script):
    rows = pd.read_csv(RESULTS / "unseen_speakers.csv")
    grid = json.loads(json.dumps(script.ENCODER))
    for choice in rows[rows["head"] == "logistic"].choice.dropna():
        (member,) = json.loads(choice)
        assert member["features"] in grid
        assert member["parameters"] in script.LOGISTIC


def test_seven_to_twelve_are_the_last_three_folds_of_ravdess(script):
    rows = pd.read_csv(RESULTS / "unseen_speakers.csv")
    last = rows[
        (rows.line == "ravdess") & (rows.fold > 3) & (rows.test == "all") & (rows["head"] == "defaults")
    ]
    last = last[last["mode"] == "plain"]
    hits, counts = (pd.DataFrame(map(json.loads, last[name])).sum() for name in ("hits", "counts"))
    found = script.make_tables(rows)["fixed"].loc[("ravdess 7 to 12", "plain"), "defaults"]
    assert found == f"{100 * (hits / counts).mean():.1f}"
