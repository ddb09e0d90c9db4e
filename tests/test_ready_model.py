"""The trained model "speech-emotions": its distribution, its file, and the scripts that made it."""

from __future__ import annotations

import importlib
import re
import shutil
import socket
import subprocess
import sys
from email import message_from_bytes
from importlib.util import find_spec
from pathlib import Path
from zipfile import ZipFile

import numpy as np
import pandas as pd
import pytest
import soundfile
from safetensors import safe_open
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skser import (
    SpeechEncoderTransformer,
    load_model,
    load_pretrained,
    normalize_by_group,
    unweighted_accuracy,
)
from skser.datasets import load_emodb

REPOSITORY = Path(__file__).resolve().parents[1]
SOURCE = REPOSITORY / "models" / "speech_emotions"
EMOTIONS = ["angry", "fearful", "happy", "neutral", "sad", "surprised"]
BUILD = "import sys; from setuptools import build_meta; build_meta.build_wheel(sys.argv[1])"

needs_encoder = pytest.mark.skipif(
    find_spec("resemblyzer") is None, reason="reads the weights in resemblyzer"
)


def build(folder, *sources):
    """Build a wheel from copies of files and folders."""
    ignored = shutil.ignore_patterns("__pycache__", "build", "*.egg-info")
    for source in sources:
        if source.is_dir():
            shutil.copytree(source, folder / source.name, ignore=ignored)
        else:
            shutil.copy(source, folder)
    command = [sys.executable, "-c", BUILD, "dist"]
    subprocess.run(command, check=True, capture_output=True, cwd=folder, timeout=300)
    (wheel,) = (folder / "dist").glob("*.whl")
    return wheel


def names_in(wheel):
    with ZipFile(wheel) as archive:
        return archive.namelist()


def metadata_of(wheel):
    with ZipFile(wheel) as archive:
        (name,) = (name for name in archive.namelist() if name.endswith("METADATA"))
        return message_from_bytes(archive.read(name))


@pytest.fixture(scope="module")
def package_wheel(tmp_path_factory):
    names = ("skser", "models", "pyproject.toml", "README.md", "LICENSE")
    return build(tmp_path_factory.mktemp("package"), *(REPOSITORY / name for name in names))


@pytest.fixture(scope="module")
def model_wheel(tmp_path_factory):
    names = ("skser_speech_emotions", "pyproject.toml", "README.md", "LICENSE")
    return build(tmp_path_factory.mktemp("model"), *(SOURCE / name for name in names))


@pytest.fixture
def installed(model_wheel, tmp_path, monkeypatch):
    """Install the wheel of the model, as pip would."""
    with ZipFile(model_wheel) as archive:
        archive.extractall(tmp_path / "site")
    monkeypatch.syspath_prepend(tmp_path / "site")
    monkeypatch.delitem(sys.modules, "skser_speech_emotions", raising=False)
    return tmp_path / "site" / "skser_speech_emotions" / "model.safetensors"


@pytest.fixture
def speech(folder_of_speech):
    return sorted(map(str, folder_of_speech.rglob("*.wav")))[:12]


@pytest.fixture
def scripts(monkeypatch):
    monkeypatch.syspath_prepend(str(REPOSITORY / "benchmarks"))
    return importlib.import_module("ready_model_trials")


@pytest.fixture
def ready_model(scripts):
    return importlib.import_module("ready_model")


def test_wheel_of_the_package_does_not_contain_the_model(package_wheel):
    assert metadata_of(package_wheel)["License-Expression"] == "BSD-3-Clause"
    names = names_in(package_wheel)
    assert "skser/persistence/_pretrained.py" in names
    assert {Path(name).parts[0].partition("-")[0] for name in names} == {"skser"}
    assert not [name for name in names if name.endswith(".safetensors")]


def test_wheel_of_the_model_contains_only_its_file_and_a_module_that_names_it(model_wheel):
    names = {name for name in names_in(model_wheel) if ".dist-info/" not in name}
    assert names == {"skser_speech_emotions/__init__.py", "skser_speech_emotions/model.safetensors"}
    assert model_wheel.stat().st_size < 1_000_000
    assert metadata_of(model_wheel)["License-Expression"] == "CC-BY-NC-SA-4.0"
    assert "skser_speech_emotions-1.0.0.dist-info/licenses/LICENSE" in names_in(model_wheel)


def test_license_of_the_model_names_its_terms_and_both_corpora():
    text = (SOURCE / "LICENSE").read_text(encoding="utf-8")
    for part in ("https://creativecommons.org/licenses/by-nc-sa/4.0/", "Livingstone", "Christop"):
        assert part in text


def test_installed_model_has_the_six_emotions_and_no_speakers(installed):
    model = load_pretrained()
    assert model.classes_.tolist() == EMOTIONS
    assert [type(step).__name__ for _, step in model.steps] == [
        "SpeechEncoderTransformer",
        "SpeakerNormalizer",
        "StandardScaler",
        "LogisticRegression",
    ]
    assert model.named_steps["speakernormalizer"].speakers_ == {}
    usual = SpeechEncoderTransformer(local_files_only=True)  # which a loaded model has
    assert model[0].get_params() == usual.get_params()  # it shows no progress bar, for example
    assert (load_pretrained("speech-emotions")[-1].coef_ == model[-1].coef_).all()


def test_model_file_has_only_averages_and_weights(installed):
    with safe_open(installed, framework="numpy") as file:
        names = {name.rpartition(".")[2] for name in file.keys()}  # noqa: SIM118 - it cannot be iterated
        text = str(file.metadata())
    assert names == {"mean_", "scale_", "var_", "coef_", "intercept_"}
    assert not re.search("ravdess|nemo|actor|EB0|shared", text, re.IGNORECASE)


@needs_encoder
def test_installed_model_predicts_files_without_a_network(installed, speech, monkeypatch):
    def refuse(*args, **kwargs):
        raise OSError("the network is unreachable")

    monkeypatch.setattr(socket, "socket", refuse)
    model = load_pretrained()
    assert set(model.predict(speech)) <= set(EMOTIONS)
    together = model.predict_proba(speech)
    np.testing.assert_allclose(together.sum(axis=1), 1, rtol=1e-5)
    np.testing.assert_allclose(together[:1], model.predict_proba(speech[:1]), rtol=1e-4)


@needs_encoder
def test_installed_model_uses_the_mean_of_an_enrolled_speaker(installed, speech):
    model = load_pretrained()
    encoder, normalizer, *head = (step for _, step in model.steps)
    Z, speakers = encoder.transform(speech), ["Eve"] * len(speech)
    normalizer.enroll(Z, speakers)
    expected = make_pipeline(*head).predict_proba(normalize_by_group(Z, speakers))
    found = model[2:].predict_proba(normalizer.transform(Z, speakers))
    np.testing.assert_allclose(found, expected, atol=1e-6)
    assert not np.allclose(found, model.predict_proba(speech), atol=1e-3)


def test_card_has_the_figures_of_the_kept_rows(scripts):
    rows = pd.read_csv(REPOSITORY / "benchmarks" / "results" / "ready_model.csv")
    card = (SOURCE / "README.md").read_text(encoding="utf-8")
    accuracy, errors = scripts.accuracy_table(rows), scripts.calibration_table(rows)
    shown = set(re.findall(r"\d+\.\d", card))
    for table in (accuracy, errors):
        assert {f"{value:.1f}" for value in table.to_numpy().ravel()} <= shown


@needs_encoder
@pytest.mark.corpus
def test_installed_model_has_the_accuracy_of_the_card_on_another_corpus(installed, ravdess_root):
    root = ravdess_root.parent / "emodb"
    if not root.is_dir():
        pytest.skip(f"no recordings in {root}")
    corpus = load_emodb(root, emotions=EMOTIONS[:5])  # it has no surprise
    rows = pd.read_csv(REPOSITORY / "benchmarks" / "results" / "ready_model.csv")
    (row,) = rows.query(
        "protocol == 'corpora' and corpus == 'emodb' and mode == 'none' and chosen"
    ).itertuples()
    found = unweighted_accuracy(corpus.target, load_pretrained().predict(corpus.data))
    assert found == pytest.approx(row.UA, abs=0.01)  # other versions decode and resample slightly differently


def test_page_of_the_manual_has_figures_of_the_kept_rows(scripts):
    rows = pd.read_csv(REPOSITORY / "benchmarks" / "results" / "ready_model.csv")
    page = (REPOSITORY / "docs" / "user_guide" / "ready_model.rst").read_text(encoding="utf-8")
    accuracy = scripts.accuracy_table(rows).loc[:, "corpora"][["ravdess", "nemo", "emodb"]]
    modes = ["none", "enrolled", "test"]
    expected = [f"{accuracy.at[(mode, 'both'), name]:.1f}" for mode in modes for name in accuracy]
    assert re.findall(r"^     - (\d+\.\d)$", page, re.MULTILINE) == expected


def test_released_settings_are_those_that_the_training_corpora_chose(scripts, ready_model):
    rows = pd.read_csv(REPOSITORY / "benchmarks" / "results" / "ready_model.csv")
    # Tested on EmoDB, the training set is that of the model: RAVDESS and nEMO.
    of_model = rows[(rows["protocol"] == "corpora") & (rows["corpus"] == "emodb") & rows["chosen"]]
    (way,), (C,) = of_model["way"].unique(), of_model["C"].unique()
    assert (scripts.WAYS[way], C) == (ready_model.VERSIONS, ready_model.C)
    assert load_model(SOURCE / "skser_speech_emotions" / "model.safetensors")[-1].C == C


@pytest.fixture
def data(scripts):
    """Three corpora of six speakers, whose emotions, voices and rooms add up."""
    rng = np.random.default_rng(0)
    labels = np.repeat(EMOTIONS[:3], 4)
    corpora = np.repeat(["ravdess", "nemo", "emodb"], 6 * len(labels))
    speakers = np.repeat([f"{name}:{n}" for name in ("ravdess", "nemo", "emodb") for n in range(6)], 12)
    y = np.tile(labels, 18)
    emotions, voices = rng.normal(size=(3, 6)), rng.normal(size=(18, 6))
    noise = rng.normal(scale=0.5, size=(len(y), 6))
    Z = emotions[np.searchsorted(EMOTIONS[:3], y)] + np.repeat(voices, 12, axis=0) + noise
    return scripts.Data(Z, y, speakers, corpora)


def test_model_with_both_means_is_fitted_on_each_item_twice(scripts, data):
    Z, y, speakers, _ = data
    model = scripts.fit(Z, y, speakers, ("own", "overall"), 0.1)
    mean = np.mean([Z[speakers == name].mean(axis=0) for name in np.unique(speakers)], axis=0)
    twice = np.concatenate([normalize_by_group(Z, speakers), Z - mean])
    expected = make_pipeline(StandardScaler(), LogisticRegression(C=0.1, max_iter=2000))
    expected.fit(twice, np.concatenate([y, y]))
    np.testing.assert_allclose(model.predict_proba(Z), expected.predict_proba(Z - mean), atol=1e-6)


def test_plain_model_is_one_without_a_normalizer(scripts, data):
    Z, y, speakers, _ = data
    expected = make_pipeline(StandardScaler(), LogisticRegression(C=0.1, max_iter=2000)).fit(Z, y)
    found = scripts.fit(Z, y, speakers, ("overall",), 0.1).predict_proba(Z)
    np.testing.assert_allclose(found, expected.predict_proba(Z), atol=1e-4)


def test_temperature_has_the_lowest_log_loss_on_corpora_left_out(ready_model, data):
    Z, y, speakers, corpora = data
    settings = {"versions": ("overall",), "C": 10.0}
    found = ready_model.find_temperature(*data, **settings)

    def loss(temperature):
        total = 0.0
        for name in np.unique(corpora):
            train = corpora != name
            model = ready_model.fit(Z[train], y[train], speakers[train], **settings)
            ready_model.cool(model, temperature)
            total += log_loss(y[~train], model.predict_proba(Z[~train]))
        return total

    assert found > 1.1  # voices of other corpora are new, so that the classifier is too sure
    assert loss(found) < min(loss(0.9 * found), loss(1.1 * found), loss(1.0))


def test_cooled_model_predicts_the_same_labels_and_is_less_sure(ready_model, data):
    Z, y, speakers, _ = data
    model, cooled = (ready_model.fit(Z, y, speakers) for _ in range(2))
    ready_model.cool(cooled, 2.0)
    np.testing.assert_array_equal(cooled.predict(Z), model.predict(Z))
    halved = np.sqrt(model.predict_proba(Z))  # half of the logits
    np.testing.assert_allclose(cooled.predict_proba(Z), halved / halved.sum(axis=1, keepdims=True))


def test_calibration_error_without_cooling_is_that_of_the_model_before(scripts, ready_model, data):
    every = np.ones(len(data.y), dtype=bool)
    model = ready_model.fit(*data[:3], C=10.0)
    expected = scripts.score(model, data, None, every)["ECE"]
    ready_model.cool(model, 2.0)
    found = scripts.score(model, data, None, every, 2.0)
    assert found["ECE uncooled"] == pytest.approx(expected)
    assert found["ECE"] != pytest.approx(expected)


def test_calibration_error_is_that_of_a_loop_over_bins(scripts):
    rng = np.random.default_rng(0)
    probabilities = rng.dirichlet(np.ones(3), size=40)
    is_correct = rng.random(40) < 0.5
    pairs = sorted(zip(probabilities.max(axis=1), is_correct, strict=True))
    expected = 0.0
    for first in range(0, 40, 4):  # ten bins of four
        confidences, correct = zip(*pairs[first : first + 4], strict=True)
        expected += abs(sum(confidences) / 4 - sum(correct) / 4) * 4 / 40
    assert scripts.calibration_error(probabilities, is_correct) == pytest.approx(expected)


def test_speakers_and_corpora_of_a_fold_are_apart(scripts, data):
    folds = list(scripts.make_folds(data))
    assert [(fold.protocol, fold.corpus) for fold in folds].count(("speakers", "ravdess")) == 3
    assert len([fold for fold in folds if fold.protocol == "corpora"]) == 3
    for fold in folds:
        assert not set(data.speakers[fold.train]) & set(data.speakers[fold.test])
        crossed = set(data.corpora[fold.train]) & set(data.corpora[fold.test])
        assert crossed == ({fold.corpus} if fold.protocol == "speakers" else set())


def test_enrolled_recordings_are_not_scored(scripts, data):
    drawn = scripts.draw(data, 0)
    counts = pd.Series(drawn).groupby(data.speakers).sum()
    assert (counts == scripts.N_ENROLLED).all()
    model = scripts.fit(*data[:3], ("own",), 0.1)
    found = scripts.score(model, data, drawn, ~drawn)["WA"]
    means = {name: data.Z[drawn & (data.speakers == name)].mean(axis=0) for name in np.unique(data.speakers)}
    Z = data.Z - np.array([means[name] for name in data.speakers])
    assert found == np.mean((model[1:].predict(Z) == data.y)[~drawn])


def test_each_fold_is_tried_once_and_its_rows_are_kept(scripts, data, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(scripts, "CS", (0.1,))
    monkeypatch.setattr(scripts, "SEEDS", (0,))
    monkeypatch.setattr(scripts, "SPEAKERS_PER_FOLD", dict.fromkeys(scripts.SPEAKERS_PER_FOLD, 3))
    monkeypatch.setattr(scripts, "read_data", lambda *arguments: data)
    monkeypatch.setattr(sys, "argv", ["trials", "corpora", str(tmp_path / "rows.csv")])
    monkeypatch.setattr(scripts, "N_INNER_FOLDS", 2)
    scripts.main()
    rows = pd.read_csv(tmp_path / "rows.csv")
    assert len(rows) == 3 * 5 * len(list(scripts.make_folds(data)))  # ways, modes
    plain = rows[rows["way"] == "plain"].set_index("mode")["UA"]
    assert (plain["none"].to_numpy() == plain["test"].to_numpy()).all()
    rows[rows["protocol"] == "speakers"].to_csv(tmp_path / "rows.csv", index=False)
    capsys.readouterr()
    scripts.main()
    printed = capsys.readouterr().out
    assert len(re.findall(r"^corpora: \w+, fold 1$", printed, re.MULTILINE)) == 3
    assert "speakers: ravdess" not in printed
    assert "UA in %" in printed
    assert len(pd.read_csv(tmp_path / "rows.csv")) == len(rows)


@needs_encoder
def test_script_trains_a_model_from_folders_of_the_corpora(ready_model, tmp_path, monkeypatch):
    rng = np.random.default_rng(0)
    names = [f"ravdess/03-01-0{emotion}-01-01-01-0{actor}.wav" for emotion in range(1, 9) for actor in (1, 2)]
    emotions = ("anger", "fear", "happiness", "neutral", "sadness", "surprised")
    names += [f"nemo/{speaker}_{emotion}_1.wav" for emotion in emotions for speaker in ("EB0", "WR0")]
    for name in names:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        soundfile.write(tmp_path / name, 0.1 * rng.normal(size=8000), 16000)
    output = tmp_path / "model.safetensors"
    monkeypatch.setattr(sys, "argv", ["train", str(tmp_path), str(output)])
    with pytest.warns(UserWarning, match="is not as published"):
        ready_model.main()
    model = load_model(output)
    assert model.classes_.tolist() == EMOTIONS
    assert model[1].speakers_ == {}
