"""The scripts of benchmarks/ run, and go on where they were stopped."""

from __future__ import annotations

import csv
import importlib
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import scipy.stats
import torch
from skorch.callbacks import Callback

from skser import CenterLossClassifier, Spectrograms

BENCHMARKS = Path(__file__).resolve().parents[1] / "benchmarks"


def run(script: str, *arguments: object) -> str:
    command = [sys.executable, str(BENCHMARKS / script), *map(str, arguments)]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


@pytest.fixture
def four_of_six(folder_of_speech):
    """Options that name a corpus and the speakers to take of it."""
    return ["--corpus", f"files:{folder_of_speech}", "--speakers", 4]


def test_recipe_tries_each_fold_of_the_first_speakers_once(four_of_six, tmp_path):
    options = [*four_of_six, "--trials", "small", "--seeds", 0, "--device", "cpu"]
    options += ["--set", "max_epochs=1", "channels=[4,4]", "rnn_units=4", "--output", tmp_path / "recipe.csv"]
    first = run("recipe.py", *options)
    assert first.count("seed 0: UA") == 2  # two folds of two speakers
    with (tmp_path / "recipe.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["fold"], row["seed"]) for row in rows] == [("1", "0"), ("2", "0")]
    assert '"trim_db": 40' in rows[0]["parameters"]
    again = run("recipe.py", *options)
    assert again.count("seed 0: UA") == 0


def test_stems_are_compared_in_pairs_and_fits_with_a_row_are_not_made_again(four_of_six, tmp_path):
    options = [*four_of_six, "--seeds", 0, "--max-epochs", 1, "--device", "cpu"]
    options += ["--output", tmp_path / "stem.csv"]
    assert "over 2 pairs" in run("stem.py", *options)
    kept = (tmp_path / "stem.csv").read_text().splitlines()
    assert [line.split(",")[:3] for line in kept] == [
        ["stem", "fold", "seed"],
        *([stem, fold, "0"] for fold in "12" for stem in ("cheap", "paper")),
    ]
    (tmp_path / "stem.csv").write_text("\n".join(kept[:-1]) + "\n")
    assert run("stem.py", *options).count("seed 0: UA") == 1


def test_paper_stem_has_twice_the_frames_until_the_last_pooling(parts):
    stem = importlib.import_module("stem")
    X = Spectrograms([np.random.default_rng(n).normal(size=(8, 64)) for n in range(4)])
    frames = []
    for callbacks in (None, [stem.PaperStem()]):
        classifier = CenterLossClassifier(max_epochs=1, random_state=0, callbacks=callbacks)
        x, lengths = torch.zeros(1, 1, 64, 8), torch.tensor([64])
        for block in classifier.fit(X, [0, 1, 0, 1]).net_.module_.convolutions:
            x, lengths = block(x, lengths)
            frames.append(x.shape[2])
        assert lengths.item() == frames[-1]
    assert frames == [16, 8, 4, 4, 32, 16, 8, 4]


@pytest.fixture
def parts(monkeypatch):
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    return importlib.import_module("recipe_parts")


def fit(parts, asked, **parameters):
    rng = np.random.default_rng(0)
    X = [rng.normal(loc=n % 2, size=(8, 10 + n)) for n in range(24)]
    classifier = CenterLossClassifier(
        channels=(4, 4),
        rnn_units=4,
        embedding_dim=3,
        max_epochs=3,
        random_state=0,
        callbacks=parts.callbacks(asked),
        net_params=parts.net_params(asked),
        **parameters,
    )
    return classifier.fit(X, ["calm", "angry"] * 12)


@pytest.mark.parametrize(
    ("asked", "parameters"),
    [
        ({"colour": {"equaliser": 6}}, {}),
        ({"colour": {"noise": True}}, {}),
        ({"criterion": {"label_smoothing": 0.1}}, {}),
        ({"criterion": {"mixup": 0.3}}, {}),
        ({"criterion": {"normalise": 1.0}}, {"center_lambda": 1.0}),
    ],
)
def test_each_part_of_a_recipe_changes_the_training(parts, asked, parameters):
    losses = [fit(parts, part, **parameters).history_[-1]["train_loss"] for part in ({}, asked)]
    assert losses[0] != losses[1]


def test_parts_that_are_not_asked_for_change_nothing(parts):
    assert parts.callbacks({}) is parts.net_params({}) is None
    none = {"label_smoothing": 0.0, "mixup": 0.0}
    assert fit(parts, {"criterion": none}).history_[-1] == pytest.approx(fit(parts, {}).history_[-1])


def test_label_smoothing_spreads_a_share_of_the_label(parts):
    criterion = parts.TriedCriterion(2, 1, label_smoothing=0.1)
    logits, y = torch.tensor([[2.0, 0.0]]), torch.tensor([0])
    log_p = logits.log_softmax(1)[0]
    expected = -(0.95 * log_p[0] + 0.05 * log_p[1])
    torch.testing.assert_close(criterion.parts((logits, torch.zeros(1, 1)), y)[0], expected)


def test_centers_on_a_sphere_follow_embeddings_on_it(parts):
    norms = [
        np.linalg.norm(fit(parts, asked, center_lambda=0).centers_, axis=1)
        for asked in ({}, {"criterion": {"normalise": 100.0}})
    ]
    assert (norms[0] < 1).all()
    assert ((norms[1] > 10) & (norms[1] < 100)).all()


def test_weights_are_averaged_over_the_last_epochs(parts):
    class Keep(Callback):
        states: list = []  # noqa: RUF012 - on the class, since fit copies callbacks

        def on_epoch_end(self, net, **kwargs):
            Keep.states.append({name: value.clone() for name, value in net.module_.state_dict().items()})

    average = parts.WeightAverage(2 / 3)
    parts.callbacks = lambda asked: [Keep(), average]
    final = fit(parts, {}).net_.module_.state_dict()
    for name, value in final.items():
        if value.is_floating_point():
            torch.testing.assert_close(value, (Keep.states[1][name] + Keep.states[2][name]) / 2)


def test_normalised_is_half_by_the_item_and_half_by_its_bins(parts):
    rng = np.random.default_rng(0)
    S = rng.normal(size=(5, 30), loc=[[-60], [-50], [-40], [-30], [-20]], scale=3).astype(np.float32)
    whole, bins = 10 * (S - S.mean()) / S.std(), 10 * scipy.stats.zscore(S, axis=1)
    np.testing.assert_allclose(parts.normalised(Spectrograms([S]))[0], whole + bins, rtol=1e-2, atol=1e-2)
