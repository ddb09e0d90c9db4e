"""The scripts that compare recipes and stems run, and continue where they were stopped."""

from __future__ import annotations

import importlib
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.utils import Bunch
from skorch.callbacks import Callback

from skser import CenterLossClassifier, Spectrograms

BENCHMARKS = Path(__file__).resolve().parents[1] / "benchmarks"


@pytest.fixture
def run(folder_of_speech, tmp_path):
    """Run a script on four of six speakers; returns the printed text and the rows."""

    def call(script, *options):
        output = tmp_path / "rows.csv"
        fixed = ["--corpus", f"files:{folder_of_speech}", "--speakers", 4, "--seeds", 0, "--device", "cpu"]
        command = [sys.executable, BENCHMARKS / script, *fixed, "--output", output, *options]
        done = subprocess.run(list(map(str, command)), check=True, capture_output=True, text=True)
        return done.stdout, pd.read_csv(output), output

    return call


def test_recipe_tries_each_fold_of_the_first_speakers_once(run):
    options = ["--trials", "small", "--set", "max_epochs=1", "channels=[4,4]", "rnn_units=4"]
    _, rows, _ = run("recipe.py", *options)
    assert rows[["fold", "seed"]].to_numpy().tolist() == [[1, 0], [2, 0]]  # two folds of two speakers
    assert '"trim_db": 40' in rows.parameters[0]
    printed, again, _ = run("recipe.py", *options)
    assert "seed 0: UA" not in printed
    assert len(again) == 2


def test_stems_are_compared_in_pairs_and_only_missing_fits_are_made(run):
    printed, rows, output = run("stem.py", "--max-epochs", 1)
    assert "over 2 pairs" in printed
    assert rows[["stem", "fold"]].to_numpy().tolist() == [
        [stem, fold] for fold in (1, 2) for stem in ("cheap", "paper")
    ]
    rows[:-1].to_csv(output, index=False)
    printed, rows, _ = run("stem.py", "--max-epochs", 1)
    assert printed.count("seed 0: UA") == 1
    assert len(rows) == 4


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


@pytest.mark.skipif(find_spec("resemblyzer") is None, reason="reads the weights in resemblyzer")
@pytest.mark.parametrize("n_corpora", [1, 2])
def test_means_of_speakers_are_measured_with_skewed_and_enrolled_recordings(
    folder_of_speech, tmp_path, n_corpora
):
    other = shutil.copytree(folder_of_speech, tmp_path / "other")
    files = sorted(other.rglob("*.wav"))
    labels, speakers = [f.parent.name for f in files], [f"s{n % 3}" for n in range(len(files))]
    manifest = pd.DataFrame({"path": files, "label": labels, "speaker": speakers})
    manifest.to_csv(other / "table.csv", index=False)
    corpora = [f"files:{folder_of_speech}", f"manifest:{other / 'table.csv'}"][:n_corpora]
    table = tmp_path / "means.csv"
    options = ["--speakers-per-fold", 3, "--enroll", 2, "--seeds", 2, "--output", table]
    command = [sys.executable, BENCHMARKS / "speaker_means.py", *corpora, *options]
    done = subprocess.run(list(map(str, command)), check=True, capture_output=True, text=True)
    rows = [line.rsplit(maxsplit=5) for line in done.stdout.splitlines()[-6:]]
    assert [row[0] for row in rows] == [
        "no normalizer",
        "mean of the test recordings",
        "mean of the training speakers",
        "mean of 2 enrolled recordings",
        "no normalizer, skewed",
        "mean of the test recordings, skewed",
    ]
    assert [int(row[1]) for row in rows] == [1, 1, 1, 2, 2, 2]
    assert all(0 <= float(value) <= 100 for row in rows for value in row[2:])
    column = pd.read_csv(table, index_col="row")["files + manifest" if n_corpora == 2 else "files"]
    assert column.tolist() == [row[2] if n < 3 else f"{row[2]} ± {row[3]}" for n, row in enumerate(rows)]


def test_a_corpus_is_a_column_that_is_replaced(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    add_column = importlib.import_module("speaker_means").add_column
    table = pd.DataFrame({"draws": [1, 50], "UA": [70.0, 65.5], "std": [0.0, 1.2]}, index=["plain", "skewed"])
    for name, shift in (("emodb", 1), ("nemo", 2), ("emodb", 0)):
        add_column(tmp_path / "means.csv", name, table.assign(UA=table.UA + shift))
    assert (tmp_path / "means.csv").read_text().splitlines() == [
        "row,emodb,nemo",
        "plain,70.0,72.0",
        "skewed,65.5 ± 1.2,67.5 ± 1.2",
    ]
    with pytest.raises(SystemExit, match="has other rows than plain: give another --output"):
        add_column(tmp_path / "means.csv", "ravdess", table[:1])


@pytest.fixture
def parts(monkeypatch):
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    return importlib.import_module("recipe_parts")


def fit(parts, chosen, **parameters):
    rng = np.random.default_rng(0)
    X = [rng.normal(loc=n % 2, size=(8, 10 + n)) for n in range(24)]
    fixed = {"channels": (4, 4), "rnn_units": 4, "embedding_dim": 3, "max_epochs": 3, "random_state": 0}
    recipe = {"callbacks": parts.callbacks(chosen), "net_params": parts.net_params(chosen)}
    return CenterLossClassifier(**fixed | recipe | parameters).fit(X, ["calm", "angry"] * 12)


@pytest.mark.parametrize(
    ("part", "value", "parameters"),
    [("label_smoothing", 0.1, {}), ("normalise", 1.0, {"center_lambda": 1.0})],
)
def test_each_part_of_the_criterion_changes_the_training_and_none_does_not(parts, part, value, parameters):
    assert parts.callbacks({}) is parts.net_params({}) is None
    plain, zero, changed = (
        fit(parts, chosen, **parameters).history_[-1]
        for chosen in ({}, {"criterion": {"label_smoothing": 0.0}}, {"criterion": {part: value}})
    )
    assert zero == pytest.approx(plain)
    assert changed["train_loss"] != plain["train_loss"]


def test_label_smoothing_spreads_a_share_of_the_label(parts):
    criterion = parts.TriedCriterion(2, 1, label_smoothing=0.1)
    logits, y = torch.tensor([[2.0, 0.0]]), torch.tensor([0])
    log_p = logits.log_softmax(1)[0]
    expected = -(0.95 * log_p[0] + 0.05 * log_p[1])
    torch.testing.assert_close(criterion.parts((logits, torch.zeros(1, 1)), y)[0], expected)


def test_centers_on_a_sphere_follow_embeddings_on_it(parts):
    norms = [
        np.linalg.norm(fit(parts, chosen, center_lambda=0).centers_, axis=1)
        for chosen in ({}, {"criterion": {"normalise": 100.0}})
    ]
    assert (norms[0] < 1).all()
    assert ((norms[1] > 10) & (norms[1] < 100)).all()


def test_weights_are_averaged_over_the_last_epochs(parts):
    class Keep(Callback):
        states: list = []  # noqa: RUF012 - on the class, since fit copies callbacks

        def on_epoch_end(self, net, **kwargs):
            Keep.states.append({name: value.clone() for name, value in net.module_.state_dict().items()})

    final = fit(parts, {}, callbacks=[Keep(), parts.WeightAverage(2 / 3)]).net_.module_.state_dict()
    for name, value in final.items():
        if value.is_floating_point():
            torch.testing.assert_close(value, (Keep.states[1][name] + Keep.states[2][name]) / 2)


def test_calibration_tests_the_listed_speakers_and_refuses_unknown_ones(monkeypatch):
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    calibration = importlib.import_module("calibration")
    corpus = Bunch(groups=np.array([7, 8, 9, 9]))
    splits = calibration.make_splits(corpus, ["9", "7 8"], 2)
    assert [(train.tolist(), test.tolist()) for train, test in splits] == [([0, 1], [2, 3]), ([2, 3], [0, 1])]
    with pytest.raises(SystemExit, match="--folds has 07, but the speakers of the corpus are 7, 8, 9"):
        calibration.make_splits(corpus, ["07 8", "9"], 2)
