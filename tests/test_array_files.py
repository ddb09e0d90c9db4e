"""Model files of estimators whose fitted state is a few arrays, and what they say about speakers."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
import safetensors
import sklearn
from model_files import contents, write_signed
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skser import CenterLossClassifier, SpeakerNormalizer, Spectrograms, load_model, save_model

SPEAKERS = np.repeat(["Ann", "Ben", "Eve"], [4, 9, 7])
EMOTIONS = np.array(["angry", "calm", "sad", "sad"] * 5)


@pytest.fixture
def Z() -> np.ndarray:
    return np.random.default_rng(0).normal(size=(20, 3)) * [1, 10, 0.1] + 5


def through_file(model, folder, **parameters):
    """Save a model and load it."""
    save_model(model, folder / "model", **parameters)
    return load_model(folder / "model", device="cpu")


def fitted_pipeline(Z, **parameters):
    model = make_pipeline(SpeakerNormalizer(), StandardScaler(), LogisticRegression(C=0.1, **parameters))
    return model.fit(Z, EMOTIONS, speakernormalizer__groups=SPEAKERS)


# Speakers


@pytest.mark.parametrize("with_std", [False, True])
def test_a_file_holds_no_speakers_by_default(Z, with_std, tmp_path):
    normalizer = SpeakerNormalizer(with_std=with_std, min_items=3).fit(Z, groups=SPEAKERS)
    loaded = through_file(normalizer, tmp_path)
    assert loaded.speakers_ == {}
    assert loaded.get_params() == normalizer.get_params()
    np.testing.assert_array_equal(loaded.transform(Z), normalizer.transform(Z))
    content = (tmp_path / "model").read_bytes()
    for name, (mean, _) in normalizer.speakers_.items():
        assert name.encode() not in content
        assert mean.tobytes() not in content
    assert normalizer.mean_.tobytes() in content


@pytest.mark.parametrize("names", [["Ann", "Ben", "Eve"], [7, 1, 3]])
def test_speakers_are_stored_on_request(Z, names, tmp_path):
    speakers = np.repeat(names, [4, 9, 7])
    normalizer = SpeakerNormalizer(with_std=True).fit(Z[:13], groups=speakers[:13])
    normalizer.enroll(Z[13:], speakers[13:])
    loaded = through_file(normalizer, tmp_path, speakers=True)
    assert list(loaded.speakers_) == list(normalizer.speakers_)
    np.testing.assert_array_equal(loaded.transform(Z, speakers), normalizer.transform(Z, speakers))
    assert set(loaded.enroll(Z, ["Tom"] * 20).speakers_) == {*names, "Tom"}


def test_a_normalizer_without_speakers_can_be_saved_with_speakers(Z, tmp_path):
    assert through_file(SpeakerNormalizer().fit(Z), tmp_path, speakers=True).speakers_ == {}


def test_a_loaded_normalizer_can_enroll_speakers(Z, tmp_path):
    loaded = through_file(SpeakerNormalizer().fit(Z, groups=SPEAKERS), tmp_path)
    found = loaded.enroll(Z[:6], ["Tom"] * 6).transform(Z[:1], ["Tom"])
    np.testing.assert_allclose(found, Z[:1] - Z[:6].mean(axis=0))


def test_a_normalizer_of_spectrograms_comes_back(tmp_path):
    S = Spectrograms([np.random.default_rng(0).normal(size=(4, n)) for n in (3, 7, 5)])
    normalizer = SpeakerNormalizer().fit(S, groups=[1, 1, 2])
    loaded = through_file(normalizer, tmp_path, speakers=True)
    for one, other in zip(loaded.transform(S, [1, 2, 2]), normalizer.transform(S, [1, 2, 2]), strict=True):
        np.testing.assert_array_equal(one, other)


def test_requests_of_a_normalizer_come_back(Z, tmp_path):
    with sklearn.config_context(enable_metadata_routing=True):
        normalizer = SpeakerNormalizer().set_transform_request(groups="agents").fit(Z)
    found = through_file(normalizer, tmp_path).get_metadata_routing()
    assert found.transform.requests == {"groups": "agents"}
    assert found.fit.requests == {"groups": True}


def test_speakers_must_be_true_or_false(Z, tmp_path):
    with pytest.raises(TypeError, match="speakers must be True or False"):
        save_model(SpeakerNormalizer().fit(Z), tmp_path / "model", speakers="all")


def test_a_speaker_whose_name_cannot_be_stored_is_named(Z, tmp_path):
    normalizer = SpeakerNormalizer().fit(Z, groups=SPEAKERS)
    normalizer.speakers_[b"Tom"] = normalizer.speakers_["Ann"]
    with pytest.raises(ValueError, match=r"is not written: speakers_\[3\] is of type bytes, which cannot be"):
        save_model(normalizer, tmp_path / "model", speakers=True)


# Estimators of scikit-learn


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("y", [EMOTIONS, EMOTIONS == "sad", np.arange(20) % 4])
def test_a_pipeline_with_a_linear_classifier_comes_back(Z, dtype, y, tmp_path):
    Z = Z.astype(dtype)
    model = make_pipeline(
        SpeakerNormalizer(), StandardScaler(), LogisticRegression(C=0.1, class_weight="balanced")
    )
    model.fit(Z, y, speakernormalizer__groups=SPEAKERS)
    loaded = through_file(model, tmp_path)
    np.testing.assert_array_equal(loaded.predict(Z), model.predict(Z))
    np.testing.assert_allclose(
        loaded.predict_proba(Z), model.predict_proba(Z), atol=1e-6 if dtype == np.float32 else 1e-12
    )
    assert loaded.classes_.dtype == model.classes_.dtype
    assert repr(loaded) == repr(model)
    assert loaded[2].n_iter_.tolist() == model[2].n_iter_.tolist()


def test_a_pipeline_with_the_network_comes_back(Z, tmp_path):
    classifier = CenterLossClassifier(
        channels=(4,), rnn_units=4, embedding_dim=4, max_epochs=1, random_state=0, device="cpu"
    )
    model = make_pipeline(SpeakerNormalizer(), StandardScaler(), classifier)
    model.fit(Z, EMOTIONS, speakernormalizer__groups=SPEAKERS)
    loaded = through_file(model, tmp_path)
    np.testing.assert_array_equal(loaded.predict_proba(Z), model.predict_proba(Z))


@pytest.mark.parametrize("parameters", [{}, {"with_mean": False}, {"with_std": False}])
def test_a_scaler_comes_back_and_learns_on(Z, parameters, tmp_path):
    table = pd.DataFrame(Z, columns=["a", "b", "c"])
    scaler = StandardScaler(**parameters).fit(table)
    loaded = through_file(scaler, tmp_path)
    np.testing.assert_array_equal(loaded.transform(table), scaler.transform(table))
    assert loaded.feature_names_in_.tolist() == ["a", "b", "c"]
    for one in (loaded, scaler):
        one.partial_fit(table + 3)
    np.testing.assert_array_equal(loaded.transform(table), scaler.transform(table))
    assert loaded.n_samples_seen_ == 40


def test_only_parameters_that_were_set_are_stored(Z, tmp_path):
    save_model(fitted_pipeline(Z), tmp_path / "model")
    with safetensors.safe_open(tmp_path / "model", framework="pt") as file:
        steps = json.loads(file.metadata()["model"])["steps"]
    assert steps[1][1]["parameters"] == {}
    assert steps[2][1]["parameters"] == {"C": 0.1}


def test_equal_models_make_equal_files(Z, tmp_path):
    save_model(fitted_pipeline(Z), tmp_path / "one", speakers=True)
    save_model(load_model(tmp_path / "one"), tmp_path / "two", speakers=True)
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()


@pytest.mark.parametrize("model", [SpeakerNormalizer(), StandardScaler(), LogisticRegression()])
def test_an_unfitted_model_is_refused(model, tmp_path):
    with pytest.raises(NotFittedError, match=r"is not written: This .* is not fitted yet"):
        save_model(model, tmp_path / "model")
    assert not (tmp_path / "model").exists()


# Files that `save_model` does not write


@pytest.mark.parametrize(
    ("name", "change", "error"),
    [
        ("steps.0.mean_", lambda t: t[:2], r"'steps.0.mean_' must be of floats and of shape \(3,\)"),
        ("steps.0.mean_", lambda t: t.int(), "'steps.0.mean_' must be of floats"),
        ("steps.0.mean_", lambda t: t / 0, "'steps.0.mean_' holds NaN, infinity"),
        (
            "steps.0.scale_",
            lambda t: 0 * t,
            "'steps.0.scale_' holds NaN, infinity, or a value that is too sm",
        ),
        ("steps.0.speakers_", lambda t: t[:2], r"'steps.0.speakers_' must be of floats .* \(3, 2, 3\)"),
        ("steps.0.speakers_", lambda t: -t, "'steps.0.speakers_' holds a scale that is too small"),
        (
            "steps.1.scale_",
            lambda t: -t,
            "'steps.1.scale_' holds NaN, infinity, or a value that is too small",
        ),
        ("steps.2.coef_", lambda t: t[:, :2], r"'steps.2.coef_' must be of floats and of shape \(3, 3\)"),
        ("steps.2.intercept_", lambda t: t[:1], r"'steps.2.intercept_' must be of floats .* \(3,\)"),
        ("steps.2.intercept_", None, "its tensor 'steps.2.intercept_' is missing"),
        ("steps.0.mean_", None, "its tensor 'steps.0.mean_' is missing"),
    ],
)
def test_a_wrong_tensor_is_refused(Z, name, change, error, tmp_path):
    save_model(fitted_pipeline(Z), tmp_path / "model", speakers=True)
    description, tensors = contents(tmp_path / "model")
    tensor = tensors.pop(name)
    write_signed(
        tmp_path / "model",
        description,
        tensors | ({} if change is None else {name: change(tensor).contiguous()}),
    )
    with pytest.raises(ValueError, match=f"is not a valid model file: .*{error}"):
        load_model(tmp_path / "model")


@pytest.mark.parametrize(
    ("step", "part", "values", "error"),
    [
        (0, "fitted", {"speakers_": ["Ann", "Ann", "Eve"]}, "speakers must be a list of different names"),
        (0, "fitted", {"speakers_": "Ann"}, "speakers must be a list of different names"),
        (0, "fitted", {"speakers_": [["Ann"], [], {}]}, "its description is not valid: unhashable"),
        (0, "fitted", {"n_features_in_": 4}, "of shape .3, 2, 4., got .3, 2, 3."),
        (0, "parameters", {"unknown": "zero"}, "unknown must be one of"),
        (0, "parameters", {"memory": "folder"}, "a parameter 'memory', which a model file cannot set"),
        (1, "fitted", {"n_samples_seen_": -1}, "n_samples_seen_ must be a number in"),
        (2, "fitted", {"n_iter_": "x"}, "is not valid"),
        (
            2,
            "fitted",
            {"classes_": {"$array": ["<U1", ["b", "a", "c"]]}},
            "classes_ must hold at least two la",
        ),
        (2, "parameters", {"n_jobs": 2}, "a parameter 'n_jobs', which a model file cannot set"),
        (2, "parameters", {"verbose": "x"}, "verbose must be an integer"),
    ],
)
def test_a_wrong_entry_is_refused(Z, step, part, values, error, tmp_path):
    save_model(fitted_pipeline(Z), tmp_path / "model", speakers=True)
    description, tensors = contents(tmp_path / "model")
    description["steps"][step][1][part] |= values
    write_signed(tmp_path / "model", description, tensors)
    with pytest.raises(ValueError, match=f"is not a valid model file: .*{error}"):
        load_model(tmp_path / "model")


def test_speakers_without_their_names_are_refused(Z, tmp_path):
    save_model(fitted_pipeline(Z), tmp_path / "model", speakers=True)
    description, tensors = contents(tmp_path / "model")
    del description["steps"][0][1]["fitted"]["speakers_"]
    write_signed(tmp_path / "model", description, tensors)
    with pytest.raises(ValueError, match=r"its tensor 'steps.0.speakers_' does not belong to any step"):
        load_model(tmp_path / "model")
