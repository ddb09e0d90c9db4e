"""The gain of center loss on unseen speakers, pooled over corpora."""

from __future__ import annotations

import importlib
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.utils import Bunch

ROOT = Path(__file__).resolve().parents[1]
KEPT = ROOT / "benchmarks" / "results" / "center_loss_apart"
ARMS = [("crnn", "mel"), ("crnn", "stft"), ("published", "mel")]


@pytest.fixture
def script(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    return importlib.import_module("center_loss_apart")


@pytest.fixture
def corpus():
    return Bunch(target=["calm", "sad"] * 4, groups=["a", "a", "b", "b", "c", "c", "d", "d"])


def fit(y, y_pred, folds, fold=2, seed=0, method="center"):
    texts = {"y": json.dumps(y), "y_pred": json.dumps(y_pred), "parameters": json.dumps({"folds": folds})}
    return {"fold": fold, "seed": seed, "method": method} | texts


@pytest.mark.parametrize("folds", [2, ["a,b", "c,d"]])
def test_each_test_speaker_has_a_score(script, corpus, folds):
    fits = pd.DataFrame([fit(["calm", "sad"] * 2, ["calm", "sad", "calm", "calm"], folds)])
    scores = {score["speaker"]: score["UA"] for score in script.speaker_scores("emodb", fits, corpus)}
    assert scores == {"c": 1.0, "d": 0.5}


def test_another_copy_of_the_corpus_is_refused(script, corpus):
    fits = pd.DataFrame([fit(["sad"] * 4, ["sad"] * 4, 2)])
    with pytest.raises(SystemExit, match="Fold 2 of emodb has other labels than this copy"):
        list(script.speaker_scores("emodb", fits, corpus))


def test_seeds_are_averaged_and_single_fits_left_out(script):
    values = [
        (0, "softmax", 0.5),
        (0, "center", 0.6),
        (1, "softmax", 0.7),
        (1, "center", 0.6),
        (2, "center", 0),
    ]
    scores = pd.DataFrame([("emodb", "a", 4, *value) for value in values], columns=script.SCORE)
    assert script.by_speaker(scores).to_numpy().tolist() == [["emodb", "a", 4, 60.0, 60.0, 2]]


def test_corpora_have_equal_weights(script):
    table = pd.DataFrame(
        [("emodb", "a", 1, 50.0, 53.0), ("nemo", "b", 1, 60.0, 61.0), ("nemo", "c", 2, 70.0, 71.0)],
        columns=["corpus", "speaker", "fold", "softmax", "center"],
    )
    summary = script.summarize(table).set_index("corpus")
    assert summary["gain"].to_dict() == {"emodb": 3.0, "nemo": 1.0, "pooled": 2.0}
    assert summary["softmax"].to_dict() == {"emodb": 50.0, "nemo": 65.0, "pooled": 57.5}
    # The gains of the speakers of a corpus do not differ.
    assert summary["low"].tolist() == summary["high"].tolist() == summary["gain"].tolist()


def test_one_corpus_is_not_pooled(script):
    columns = ["corpus", "speaker", "fold", "softmax", "center"]
    table = pd.DataFrame([("emodb", "a", 1, 50.0, 53.0)], columns=columns)
    assert script.summarize(table)["corpus"].tolist() == ["emodb"]


def test_speakers_or_folds_are_resampled(script):
    # The speakers of a fold differ by 2 points, but the folds do not.
    rows = [("emodb", "a", 1, 50.0, 52.0), ("emodb", "b", 1, 50.0, 54.0)]
    rows += [("emodb", "c", 2, 50.0, 52.0), ("emodb", "d", 2, 50.0, 54.0)]
    table = pd.DataFrame(rows, columns=["corpus", "speaker", "fold", "softmax", "center"])
    line = script.summarize(table).iloc[0]
    assert (line["low"], line["high"]) == (2.0, 4.0)  # all four draws are alike in 1 of 16 cases
    assert (line["low, folds"], line["high, folds"]) == (3.0, 3.0)


@pytest.mark.parametrize(
    ("options", "missing"),
    [
        (["nemo:n", "--network", "published"], "published on mel are kept of nemo"),
        (
            ["ravdess:r", "--network", "published", "--features", "stft"],
            "published on stft are kept of ravdess",
        ),
        (["iemocap:i"], "crnn on mel are kept of iemocap"),
    ],
)
def test_fits_that_are_not_kept_are_named(script, monkeypatch, capsys, options, missing):
    monkeypatch.setattr("sys.argv", ["center_loss_apart.py", *options])
    with pytest.raises(SystemExit):
        script.parse_arguments()
    assert f"error: no fits of {missing}" in capsys.readouterr().err


@pytest.mark.parametrize("arms", ARMS)
def test_kept_summary_comes_from_the_kept_scores(script, arms):
    speakers, pooled = (KEPT / name for name in script.OUTPUTS[arms])
    table = pd.read_csv(speakers, dtype={"speaker": str})
    text = script.summarize(table).to_csv(index=False, lineterminator="\n")
    assert pooled.read_text() == text


@pytest.mark.parametrize("arms", ARMS)
def test_kept_fits_are_complete_pairs(script, arms):
    for corpus in script.TABLES[arms]:
        fits = script.read_fits(corpus, *arms)
        parameters = [json.loads(text) for text in fits.parameters]
        # The first rows do not name the features.
        assert {(own.get("network", "crnn"), own.get("kind", arms[1])) for own in parameters} == {arms}
        methods = fits.groupby(["fold", "seed"]).method.apply(lambda names: " ".join(sorted(names)))
        assert set(methods) == {"center softmax"}
        assert np.isfinite(fits.UA).all()
