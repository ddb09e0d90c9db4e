"""Model files of estimators whose fitted state is a few arrays, and what they say about speakers."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
import safetensors
import sklearn
import torch
from model_files import contents, write_signed
from sklearn.covariance import LedoitWolf
from sklearn.decomposition import PCA
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skser import (
    CenterLossClassifier,
    RejectOption,
    SpeakerNormalizer,
    Spectrograms,
    SpectrogramTransformer,
    load_model,
    save_model,
)

# Tests that need no speakers fit without them.
pytestmark = pytest.mark.filterwarnings("ignore:fit of SpeakerNormalizer received no groups")

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


def test_an_older_file_of_a_normalizer_takes_the_kind_of_the_first_input(tmp_path):
    S = Spectrograms([np.random.default_rng(0).normal(size=(4, n)) for n in (3, 7, 5)])
    normalizer = SpeakerNormalizer().set_output(transform="pandas").fit(S, groups=[1, 1, 2])
    del normalizer._of_spectrograms
    loaded = through_file(normalizer, tmp_path)
    assert isinstance(loaded.transform(S), Spectrograms)
    with pytest.raises(ValueError, match="X is a table, but fit received Spectrograms"):
        loaded.transform(np.ones((2, 4)))


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


def assert_same_attributes(one, other):
    assert vars(one).keys() - {"_fit_svd_solver"} == vars(other).keys() - {"_fit_svd_solver"}
    for name, value in vars(other).items():
        if isinstance(value, np.ndarray):
            found = getattr(one, name)
            np.testing.assert_array_equal(found, value)
            assert found.dtype == value.dtype


@pytest.mark.parametrize("y", [EMOTIONS, EMOTIONS == "sad", np.arange(20) % 4, EMOTIONS.astype(object)])
@pytest.mark.parametrize(
    "parameters",
    [
        {},
        {"n_components": 1, "store_covariance": True, "tol": 1e-3},
        {"solver": "lsqr", "shrinkage": 0.5},
        {"solver": "eigen", "shrinkage": "auto"},
    ],
)
def test_a_discriminant_analysis_comes_back(Z, y, parameters, tmp_path):
    model = LinearDiscriminantAnalysis(**parameters).fit(Z, y)
    loaded = through_file(model, tmp_path)
    assert_same_attributes(loaded, model)
    assert repr(loaded) == repr(model)
    assert [type(label) for label in loaded.classes_.tolist()] == [
        type(label) for label in y[:1].tolist()
    ] * len(model.classes_)
    np.testing.assert_array_equal(loaded.predict(Z), model.predict(Z))
    np.testing.assert_array_equal(loaded.predict_proba(Z), model.predict_proba(Z))
    if model.solver != "lsqr":
        np.testing.assert_array_equal(loaded.transform(Z), model.transform(Z))
        assert loaded.get_feature_names_out().tolist() == model.get_feature_names_out().tolist()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(
    "parameters",
    [
        {},
        {"n_components": 2, "whiten": True},
        {"n_components": 0.9, "svd_solver": "full"},
        {"n_components": 2, "svd_solver": "randomized", "random_state": 0},
    ],
)
def test_principal_components_come_back(Z, dtype, parameters, tmp_path):
    Z = Z.astype(dtype)
    model = PCA(**parameters).fit(Z)
    loaded = through_file(model, tmp_path)
    assert_same_attributes(loaded, model)
    assert repr(loaded) == repr(model)
    np.testing.assert_array_equal(loaded.transform(Z), model.transform(Z))
    np.testing.assert_array_equal(
        loaded.inverse_transform(Z[:, : model.n_components_]),
        model.inverse_transform(Z[:, : model.n_components_]),
    )
    assert loaded.get_feature_names_out().tolist() == model.get_feature_names_out().tolist()


@pytest.mark.parametrize(
    "model",
    [LogisticRegression(), LinearDiscriminantAnalysis(solver="eigen", shrinkage=0.5), PCA()],
    ids=lambda model: type(model).__name__,
)
def test_results_are_the_same_bits_whatever_the_order_in_memory(model, tmp_path):
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(300, 100)), np.arange(300) % 6
    model.fit(X, y)
    loaded = through_file(model, tmp_path)
    method = "predict_proba" if isinstance(model, LogisticRegression) else "transform"
    np.testing.assert_array_equal(getattr(loaded, method)(X), getattr(model, method)(X))


def recommended(Z, y=EMOTIONS, **parameters):
    """The pipeline of the page on unseen speakers, after its encoder."""
    model = make_pipeline(
        SpeakerNormalizer(),
        StandardScaler(),
        PCA(2, random_state=0),
        LinearDiscriminantAnalysis(solver="lsqr", shrinkage=0.5),
    )
    return model.set_params(**parameters).fit(Z, y, speakernormalizer__groups=SPEAKERS)


def test_the_recommended_pipeline_comes_back(Z, tmp_path):
    model = recommended(Z)
    loaded = through_file(model, tmp_path)
    assert repr(loaded) == repr(model)
    np.testing.assert_array_equal(loaded.predict_proba(Z), model.predict_proba(Z))


def test_a_covariance_estimator_is_named(Z, tmp_path):
    model = LinearDiscriminantAnalysis(solver="lsqr", covariance_estimator=LedoitWolf()).fit(Z, EMOTIONS)
    with pytest.raises(ValueError, match="is not written: covariance_estimator is of type LedoitWolf, which"):
        save_model(model, tmp_path / "model")


def test_a_solver_changed_after_fit_is_refused(Z, tmp_path):
    model = LinearDiscriminantAnalysis().fit(Z, EMOTIONS).set_params(solver="eigen")
    save_model(model, tmp_path / "model")  # it has what this solver needs
    model = LinearDiscriminantAnalysis(solver="lsqr").fit(Z, EMOTIONS).set_params(solver="svd")
    with pytest.raises(ValueError, match=r"tensor 'xbar_' is missing\. If parameters were changed after fit"):
        save_model(model, tmp_path / "other")


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


@pytest.mark.parametrize(
    "model",
    [SpeakerNormalizer(), StandardScaler(), LogisticRegression(), PCA(), LinearDiscriminantAnalysis()],
)
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
    name = next(key for key in tensors if key.removesuffix(".T") == name)
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
        (0, "fitted", {"speakers_": [["Ann"], [], {}]}, "speakers_ holds .'Ann'. of type list .item 0"),
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


@pytest.mark.parametrize(
    ("name", "change", "error"),
    [
        ("steps.2.components_", lambda t: t[:1], r"must be of floats and of shape \(2, 3\)"),
        ("steps.2.components_", None, "'steps.2.components_' is missing"),
        ("steps.2.mean_", lambda t: t / 0, "holds NaN, infinity"),
        ("steps.2.explained_variance_", lambda t: -t, "or a value that is too small"),
        ("steps.2.singular_values_", lambda t: t[None], r"of shape \(2,\), got \(1, 2\)"),
        ("steps.3.coef_", lambda t: t[:1], r"must be of floats and of shape \(3, 2\)"),
        ("steps.3.priors_", lambda t: t.half(), r"must be of floats"),
        ("steps.3.covariance_", lambda t: t[:, :1], r"of shape \(2, 2\)"),
    ],
)
def test_a_wrong_tensor_of_an_analysis_is_refused(Z, name, change, error, tmp_path):
    save_model(recommended(Z), tmp_path / "model")
    description, tensors = contents(tmp_path / "model")
    stored = next(key for key in tensors if key.removesuffix(".T") == name)
    tensor = tensors.pop(stored)
    if change is not None:
        tensors[stored] = change(tensor).contiguous()
    write_signed(tmp_path / "model", description, tensors)
    with pytest.raises(ValueError, match=f"is not a valid model file: .*{error}"):
        load_model(tmp_path / "model")


def test_a_tensor_that_is_stored_twice_is_refused(Z, tmp_path):
    save_model(PCA(2).fit(Z), tmp_path / "model")
    description, tensors = contents(tmp_path / "model")
    both = {"components_.T": torch.ones(3, 2), "components_": torch.ones(2, 3)}
    write_signed(tmp_path / "model", description, tensors | both)
    with pytest.raises(ValueError, match="'components_' does not belong to any step"):
        load_model(tmp_path / "model")


@pytest.mark.parametrize(
    ("step", "part", "values", "error"),
    [
        (1, "parameters", {"with_mean": 1}, "with_mean must be True or False"),
        (2, "parameters", {"whiten": "x"}, "whiten must be True or False"),
        (2, "fitted", {"n_components_": 10**12}, r"of shape \(1000000000000, 3\)"),
        (2, "fitted", {"n_components_": 2.0}, "n_components_ must be an integer"),
        (2, "fitted", {"n_components_": {"$array": ["<i8", [2]]}}, "n_components_ must be an integer"),
        (2, "fitted", {"noise_variance_": {"$float": "nan"}}, "noise_variance_ must be a number"),
        (3, "parameters", {"solver": "qr"}, "solver must be one of"),
        (3, "parameters", {"solver": "eigen"}, "'steps.3.scalings_' is missing"),
        (3, "fitted", {"_max_components": 10**12}, r"_max_components must be an integer in \[1, 2\]"),
        (3, "fitted", {"classes_": {"$array": ["<U1", ["a"]]}}, "classes_ must hold at least two"),
        (
            3,
            "fitted",
            {"coef_": [1]},
            "a fitted attribute 'coef_', which LinearDiscriminantAnalysis does not",
        ),
    ],
)
def test_a_wrong_entry_of_an_analysis_is_refused(Z, step, part, values, error, tmp_path):
    save_model(recommended(Z), tmp_path / "model")
    description, tensors = contents(tmp_path / "model")
    description["steps"][step][1][part] |= values
    write_signed(tmp_path / "model", description, tensors)
    with pytest.raises(ValueError, match=f"is not a valid model file: .*{error}"):
        load_model(tmp_path / "model")


def test_a_scaler_must_have_the_means_that_it_uses(Z, tmp_path):
    save_model(StandardScaler().fit(Z), tmp_path / "model")
    description, tensors = contents(tmp_path / "model")
    del tensors["mean_"]
    write_signed(tmp_path / "model", description, tensors)
    with pytest.raises(ValueError, match="its tensor 'mean_' is missing"):
        load_model(tmp_path / "model")


@pytest.mark.parametrize("last", [LogisticRegression(), LinearDiscriminantAnalysis(solver="lsqr")])
def test_a_classifier_in_the_middle_is_refused(Z, last, tmp_path):
    model = make_pipeline(last.fit(Z, EMOTIONS), StandardScaler().fit(Z))
    with pytest.raises(ValueError, match=r"its step '.*' cannot transform anything for 'standardscaler'"):
        save_model(model, tmp_path / "model")


# RejectOption


def rejecting(model, **parameters):
    return RejectOption(model, **({"threshold": 0.5} | parameters))


@pytest.mark.parametrize(
    ("y", "label"),
    [
        (EMOTIONS, "?"),
        (EMOTIONS.astype(object), np.str_("?")),
        (np.arange(20) % 3, -1),
        (np.arange(20) % 3, np.int64(-1)),
    ],
)
def test_a_reject_option_comes_back_with_its_label(Z, y, label, tmp_path):
    model = rejecting(LogisticRegression(C=0.1), threshold=0.55, label=label).fit(Z, y)
    assert label in model.predict(Z).tolist()
    loaded = through_file(model, tmp_path)
    assert type(loaded.label) is type(label)
    assert (loaded.label, loaded.threshold, loaded.threshold_) == (label, 0.55, 0.55)
    np.testing.assert_array_equal(loaded.predict_proba(Z), model.predict_proba(Z))
    assert loaded.predict(Z).tolist() == model.predict(Z).tolist()


@pytest.mark.parametrize("target", [{"coverage": 0.7}, {"accuracy": 0.4}])
def test_a_reject_option_around_a_pipeline_comes_back(Z, target, tmp_path):
    inner = make_pipeline(StandardScaler(), PCA(2), LinearDiscriminantAnalysis(solver="lsqr"))
    model = RejectOption(inner, cv=3, **target).fit(Z, EMOTIONS, groups=SPEAKERS)
    loaded = through_file(model, tmp_path)
    assert repr(loaded) == repr(model)
    assert vars(loaded).keys() == vars(model).keys()
    assert loaded.threshold_ == model.threshold_
    assert loaded.classes_.tolist() == model.classes_.tolist()
    np.testing.assert_array_equal(loaded.predict(Z), model.predict(Z))
    again = loaded.fit(Z, EMOTIONS, groups=SPEAKERS)
    np.testing.assert_array_equal(again.predict_proba(Z), model.predict_proba(Z))


def test_a_reject_option_compares_distances_after_loading(Z, tmp_path):
    classifier = CenterLossClassifier(network="dense", embedding_dim=2, max_epochs=1, device="cpu")
    model = rejecting(classifier, confidence="distance", threshold=1.0).fit(Z, EMOTIONS)
    model.threshold_ = float(np.median(np.linalg.norm(model.estimator_.transform(Z), axis=1)))
    loaded = through_file(model, tmp_path)
    np.testing.assert_array_equal(loaded.predict(Z), model.predict(Z))


def test_a_pipeline_can_end_in_a_reject_option_around_a_pipeline(Z, tmp_path):
    inner = make_pipeline("passthrough", PCA(2), LinearDiscriminantAnalysis())
    model = make_pipeline(StandardScaler(), rejecting(inner)).fit(Z, EMOTIONS)
    loaded = through_file(model, tmp_path)
    assert repr(loaded) == repr(model)
    np.testing.assert_array_equal(loaded.predict(Z), model.predict(Z))
    save_model(loaded, tmp_path / "again")
    assert (tmp_path / "again").read_bytes() == (tmp_path / "model").read_bytes()


def test_requests_of_a_reject_option_come_back(Z, tmp_path):
    with sklearn.config_context(enable_metadata_routing=True):
        inner = LinearDiscriminantAnalysis().fit(Z, EMOTIONS)
        model = rejecting(inner).set_fit_request(groups="speakers").fit(Z, EMOTIONS)
    loaded = through_file(model, tmp_path)
    found = sklearn.base.BaseEstimator.get_metadata_routing(loaded)
    assert found.fit.requests == {"groups": "speakers"}


def test_parts_of_a_reject_option_that_cannot_be_saved_are_named(Z, tmp_path):
    model = rejecting(make_pipeline(StandardScaler(), GaussianNB())).fit(Z, EMOTIONS)
    with pytest.raises(ValueError, match="is not written: step 'gaussiannb' is GaussianNB, but"):
        save_model(model, tmp_path / "model")
    model = rejecting(GaussianNB()).fit(Z, EMOTIONS)
    with pytest.raises(ValueError, match="is not written: the estimator of the model is GaussianNB, but"):
        save_model(model, tmp_path / "model")
    with pytest.raises(NotFittedError, match="This RejectOption instance is not fitted yet"):
        save_model(rejecting(LogisticRegression()), tmp_path / "model")


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"fitted": {}}, "its description is not valid: threshold_ must be a number, got None"),
        ({"fitted": {"threshold_": 1.5}}, r"threshold_ must be a number in \[0, 1\], got 1.5"),
        ({"fitted": {"threshold_": "x"}}, r"threshold_ must be a number, got 'x' of type str\.$"),
        ({"fitted": {"threshold_": 0.5, "classes_": 3}}, "'classes_', which RejectOption does not have"),
        ({"parameters": {"threshold": 0.5, "coverage": 0.5}}, "exactly one of threshold, coverage"),
        ({"parameters": {"threshold": 0.5, "label": "sad"}}, "label='sad' is one of the classes"),
        ({"parameters": {"threshold": 0.5, "label": 3}}, "label=3 is a number, but the classes are text"),
        ({"parameters": {"threshold": 0.5, "confidence": "distance"}}, "needs a CenterLossClassifier"),
        ({"parameters": {"threshold": 0.5, "estimator": None}}, "a parameter 'estimator', which a model"),
        ({"parameters": {"threshold": 0.5, "cv": "x"}}, "cv must be an integer"),
        ({"estimator": 3}, "no valid 'estimator'"),
        ({"estimator": {"class": "SVC"}}, "it names a class 'SVC'"),
        ({"requests": {"fit": {"x": True}}}, "its description is not valid"),
        ({"output": "pandas"}, "its description is not one that save_model writes"),
    ],
)
def test_a_wrong_entry_of_a_reject_option_is_refused(Z, changes, error, tmp_path):
    save_model(rejecting(recommended(Z)).fit(Z, EMOTIONS), tmp_path / "model")
    description, tensors = contents(tmp_path / "model")
    write_signed(tmp_path / "model", description | changes, tensors)
    with pytest.raises(ValueError, match=f"is not a valid model file: .*{error}"):
        load_model(tmp_path / "model")


def test_a_reject_option_around_a_transformer_is_refused(Z, tmp_path):
    save_model(rejecting(LogisticRegression()).fit(Z, EMOTIONS), tmp_path / "model")
    description, _ = contents(tmp_path / "model")
    save_model(StandardScaler().fit(Z), tmp_path / "scaler")
    description["estimator"], tensors = contents(tmp_path / "scaler")
    tensors = {f"estimator.{name}": value for name, value in tensors.items()}
    write_signed(tmp_path / "model", description, tensors)
    with pytest.raises(ValueError, match="its RejectOption has no classifier"):
        load_model(tmp_path / "model")


@pytest.mark.parametrize("outer", ["Pipeline", "RejectOption"])
def test_deep_nesting_is_refused(Z, outer, tmp_path):
    save_model(rejecting(LogisticRegression()).fit(Z, EMOTIONS), tmp_path / "model")
    description, tensors = contents(tmp_path / "model")
    for _ in range(300):
        if outer == "RejectOption":
            description = description | {"estimator": description}
        else:
            description = {"class": "Pipeline", "parameters": {}, "steps": [["a", description]]}
    write_signed(tmp_path / "model", description, tensors)
    with pytest.raises(
        ValueError, match=f"it has a {outer} within a {outer}, which a model file cannot hold"
    ):
        load_model(tmp_path / "model")


def test_steps_around_a_reject_option_must_fit(Z, tmp_path):
    inner = make_pipeline(PCA(2), LinearDiscriminantAnalysis())
    model = make_pipeline(StandardScaler(), rejecting(inner)).fit(Z, EMOTIONS)
    model.steps[0] = ("standardscaler", StandardScaler().fit(Z[:, :2]))
    with pytest.raises(ValueError, match="'standardscaler' returns 2 features, but 'pca' was fitted on 3"):
        save_model(model, tmp_path / "model")
    model.steps[0] = ("standardscaler", SpectrogramTransformer())
    model.steps[1][1].estimator_.steps[0] = ("pca", SpectrogramTransformer())
    with pytest.raises(ValueError, match="but only the first one can take recordings"):
        save_model(model, tmp_path / "model")


def test_speakers_without_their_names_are_refused(Z, tmp_path):
    save_model(fitted_pipeline(Z), tmp_path / "model", speakers=True)
    description, tensors = contents(tmp_path / "model")
    del description["steps"][0][1]["fitted"]["speakers_"]
    write_signed(tmp_path / "model", description, tensors)
    with pytest.raises(ValueError, match=r"its tensor 'steps.0.speakers_' does not belong to any step"):
        load_model(tmp_path / "model")
