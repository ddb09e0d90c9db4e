"""The temperature of the classifier, and scores of probabilities."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
import sklearn
import torch
from scipy.optimize import brentq
from scipy.special import log_softmax, softmax
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GroupKFold, LeaveOneGroupOut, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.fixes import parse_version
from skorch.callbacks import Callback

from skser import (
    CenterLossClassifier,
    evaluate,
    load_model,
    save_model,
    to_onnx,
)
from skser.classifier._calibration import fit_temperature

PARAMETERS = {"network": "dense", "network_params": {"hidden_units": 16}, "max_epochs": 4, "random_state": 0}


def make_data(n_speakers, seed):
    """Draw three overlapping classes of speakers, of whom each has an offset."""
    rng = np.random.default_rng(seed)
    y = np.tile(["angry", "calm", "sad"], 10 * n_speakers)
    offsets = np.repeat(rng.normal(size=(n_speakers, 4)), 30, axis=0)
    X = rng.normal(size=(len(y), 4)) + offsets + 1.2 * np.unique(y, return_inverse=True)[1][:, None]
    return X, y, np.repeat(np.arange(n_speakers), 30)


@pytest.fixture
def data():
    return make_data(6, seed=0)


def calibrated(**parameters):
    return CenterLossClassifier(**PARAMETERS | {"calibration": "speakers"} | parameters)


def draw_labels(logits, temperature):
    """Draw labels whose probabilities are those of logits at a temperature."""
    noise = np.random.default_rng(1).gumbel(size=logits.shape)
    return (logits / temperature + noise).argmax(axis=1)


@pytest.mark.parametrize("temperature", [0.3, 1, 4])
def test_temperature_of_drawn_labels_is_found(temperature):
    logits = np.random.default_rng(0).normal(scale=4, size=(20_000, 5))
    found = fit_temperature(logits, draw_labels(logits, temperature), np.ones(20_000))
    assert found == pytest.approx(temperature, rel=0.05)


def test_temperature_is_where_the_slope_of_the_loss_is_zero():
    logits = np.random.default_rng(0).normal(scale=3, size=(200, 4))
    y, weight = draw_labels(logits, 2), np.random.default_rng(2).uniform(size=200)

    def slope(inverse):
        expected = (softmax(inverse * logits, axis=1) * logits).sum(axis=1)
        return np.average(expected - logits[np.arange(200), y], weights=weight)

    assert fit_temperature(logits, y, weight) == pytest.approx(1 / brentq(slope, 0.01, 100), rel=1e-4)


@pytest.mark.parametrize(("y", "low", "high"), [([0, 1, 2], 0.01, 0.1), ([1, 2, 0], 99, 100)])
def test_temperature_has_limits(y, low, high):
    assert low <= fit_temperature(np.eye(3), np.array(y), np.ones(3)) <= high


def test_temperature_is_that_of_networks_without_the_speaker(data):
    X, y, groups = data
    model = calibrated().fit(X, y, groups=groups)
    logits = np.zeros((len(y), 3))
    for train, test in GroupKFold(5).split(X, groups=groups):
        logits[test] = calibrated(calibration=None).fit(X[train], y[train]).decision_function(X[test])
    encoded = np.unique(y, return_inverse=True)[1]
    assert model.temperature_ == pytest.approx(fit_temperature(logits, encoded, np.ones(len(y))), rel=1e-6)
    assert abs(model.temperature_ - 1) > 0.05


def test_calibration_changes_only_the_probabilities(data):
    X, y, groups = data
    plain, model = calibrated(calibration=None).fit(X, y), calibrated().fit(X, y, groups=groups)
    assert plain.temperature_ == 1
    assert np.array_equal(model.predict(X), plain.predict(X))
    assert np.array_equal(model.transform(X), plain.transform(X))
    scores = plain.decision_function(X) / np.float32(model.temperature_)
    assert np.array_equal(model.decision_function(X), scores)
    assert np.array_equal(model.predict_proba(X), softmax(scores, axis=1))
    assert not np.allclose(model.predict_proba(X), plain.predict_proba(X), atol=0.01)


def test_probabilities_without_calibration_are_the_softmax_of_the_network(data):
    X, y, _ = data
    model = calibrated(calibration=None).fit(X, y)
    with torch.no_grad():
        logits, _ = model.net_.module_.eval()(
            torch.tensor(X, dtype=torch.float32)[:, :, None], torch.ones(180)
        )
    assert np.array_equal(model.predict_proba(X), softmax(logits.numpy(), axis=1))


def test_calibration_lowers_the_loss_on_new_speakers(data):
    X, y, groups = data
    X_new, y_new, _ = make_data(20, seed=1)
    losses = []
    for calibration in ("speakers", None):
        overfitted = calibrated(calibration=calibration, center_lambda=0, max_epochs=60, lr=0.02)
        model = overfitted.fit(X, y, groups=groups)
        losses.append(
            -log_softmax(model.decision_function(X_new), axis=1)[y_new[:, None] == model.classes_].mean()
        )
    assert losses[0] < losses[1] - 0.1


def test_spectrograms_and_two_classes_are_calibrated():
    rng = np.random.default_rng(0)
    y, groups = np.tile([False, True], 12), np.repeat([1, 2, 3], 8)
    X = [rng.normal(loc=label, size=(6, 12 + number)) for number, label in enumerate(y)]
    settings = {"channels": (4,), "rnn_units": 4, "embedding_dim": 4, "max_epochs": 2, "random_state": 0}
    model = CenterLossClassifier(calibration="speakers", **settings).fit(X, y, groups=groups)
    plain = CenterLossClassifier(**settings).fit(X, y)
    assert model.temperature_ != 1
    expected = plain.decision_function(X) / model.temperature_
    np.testing.assert_allclose(model.decision_function(X), expected, rtol=1e-5)


def test_items_without_weight_have_no_influence(data):
    X, y, groups = data
    weight = np.where(np.arange(180) % 5 == 0, 0.0, 1.0)
    other = np.where(weight == 0, "sad", y)
    models = [calibrated().fit(X, labels, weight, groups=groups) for labels in (y, other)]
    assert models[0].temperature_ == models[1].temperature_
    assert models[0].temperature_ != calibrated().fit(X, y, groups=groups).temperature_


def test_a_class_of_one_speaker_does_not_count(data):
    X, y, groups = data
    y = np.where((groups == 0) & (y == "sad"), "bored", y)
    found = calibrated().fit(X, y, groups=groups).temperature_
    kept = y != "bored"
    without = calibrated().fit(X[kept], y[kept], groups=groups[kept]).temperature_
    assert found == pytest.approx(without, rel=0.3)


def test_item_of_weight_zero_does_not_count_as_an_item_of_its_class():
    X, y, groups = make_data(4, seed=0)  # as many folds as speakers
    kept = (y != "sad") | (groups == 1)
    found = calibrated().fit(X, y, sample_weight=kept.astype(float), groups=groups).temperature_
    without = calibrated().fit(X[kept], y[kept], groups=groups[kept]).temperature_
    assert found == pytest.approx(without, rel=1e-9)


def test_partial_fit_does_not_calibrate(data):
    X, y, groups = data
    model = calibrated().fit(X, y, groups=groups)
    assert model.partial_fit(X, y).temperature_ == 1


def test_speakers_reach_the_classifier_in_a_pipeline(data):
    X, y, groups = data
    pipeline = make_pipeline(StandardScaler(), calibrated())
    (model, *_) = evaluate(pipeline, (X, y, groups), cv=3, return_estimator=True).estimators
    train, _ = next(GroupKFold(3).split(X, groups=groups))
    direct = make_pipeline(StandardScaler(), calibrated())
    direct.fit(X[train], y[train], centerlossclassifier__groups=groups[train])
    assert model[-1].temperature_ == direct[-1].temperature_ != 1


def test_a_loaded_model_keeps_its_temperature(data, tmp_path):
    X, y, groups = data
    model = calibrated().fit(X, y, groups=groups)
    save_model(model, tmp_path / "model.safetensors")
    for copy in (load_model(tmp_path / "model.safetensors"), pickle.loads(pickle.dumps(model))):
        assert copy.temperature_ == model.temperature_
        assert np.array_equal(copy.predict_proba(X), model.predict_proba(X))


@pytest.mark.parametrize("temperature", [0.0, -1.0, float("nan"), 1000.0, "2"])
def test_a_model_with_a_wrong_temperature_is_not_saved(data, tmp_path, temperature):
    X, y, _ = data
    model = calibrated(calibration=None, max_epochs=1).fit(X, y)
    model.temperature_ = temperature
    with pytest.raises(ValueError, match="temperature_"):
        save_model(model, tmp_path / "model.safetensors")


def test_exported_probabilities_are_calibrated(data, tmp_path):
    pytest.importorskip("onnx")
    runtime = pytest.importorskip("onnxruntime")
    X, y, groups = data
    model = calibrated().fit(X, y, groups=groups)
    to_onnx(model, tmp_path / "model.onnx")
    session = runtime.InferenceSession(tmp_path / "model.onnx", providers=["CPUExecutionProvider"])
    probabilities, _ = session.run(None, {"features": X.astype(np.float32)})
    np.testing.assert_allclose(probabilities, model.predict_proba(X), atol=1e-5)
    model.temperature_ = 1.0
    assert np.abs(probabilities - model.predict_proba(X)).max() > 0.01


@pytest.mark.parametrize("groups", [None, ["A"] * 180])
def test_calibration_needs_two_speakers(data, groups):
    X, y, _ = data
    message = (
        "needs groups of at least 2 speakers, got [01]: pass the speakers to fit, or set calibration=None.$"
    )
    with pytest.raises(ValueError, match=message):
        calibrated().fit(X, y, groups=groups)


def test_calibration_with_early_stopping_needs_three_speakers():
    X, y, groups = make_data(3, seed=0)
    assert calibrated(early_stopping=True).fit(X, y, groups=groups).temperature_ > 0
    message = "with early stopping needs groups of at least 3 speakers, got 2: pass the speakers to fit, or"
    with pytest.raises(ValueError, match=message):
        calibrated(early_stopping=True).fit(X[:60], y[:60], groups=groups[:60])


def test_speaker_of_weight_zero_leaves_nothing_to_train_on():
    X, y, groups = make_data(2, seed=0)
    message = r"zero for the whole training or .*, or hold no groups out \(early_stopping=False, calibration="
    with pytest.raises(ValueError, match=message):
        calibrated().fit(X, y, sample_weight=groups.astype(float), groups=groups)


def test_classes_bound_to_speakers_are_refused(data):
    X, _, groups = data
    with pytest.raises(ValueError, match="needs classes that several speakers have"):
        calibrated().fit(X, groups, groups=groups)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"calibration": "groups"}, r"^calibration must be \"speakers\" or None, got 'groups'.$"),
        ({"calibration": True}, "^calibration must be"),
        ({"warm_start": True}, "^calibration cannot be used with warm_start=True"),
    ],
)
def test_wrong_parameters_are_refused(data, parameters, message):
    X, y, groups = data
    with pytest.raises(ValueError, match=message):
        calibrated(**parameters).fit(X, y, groups=groups)


class InterruptSecond(Callback):
    """Interrupt the second of several training runs in its second epoch."""

    runs = 0

    def on_train_begin(self, net, **kwargs):
        InterruptSecond.runs += 1

    def on_batch_end(self, net, training=False, **kwargs):
        if InterruptSecond.runs == 2 and len(net.history) == 2:
            raise KeyboardInterrupt


@pytest.mark.filterwarnings("error")  # no warning says that the estimator keeps a result
def test_an_interrupted_calibration_changes_nothing(data):
    X, y, groups = data
    model = calibrated(callbacks=[InterruptSecond()])
    InterruptSecond.runs = 0
    with pytest.raises(KeyboardInterrupt):
        model.fit(X, y, groups=groups)
    assert not hasattr(model, "temperature_")
    assert not hasattr(model, "net_")


def test_training_runs_of_a_calibration_have_checkpoints(data, tmp_path):
    X, y, groups = data
    model = calibrated(checkpoint_dir=tmp_path, max_epochs=3).fit(X, y, groups=groups)
    assert model.temperature_ == calibrated(max_epochs=3).fit(X, y, groups=groups).temperature_


# The recipe for other pipelines

HAS_TEMPERATURE = parse_version(sklearn.__version__) >= parse_version("1.8")
needs_temperature = pytest.mark.skipif(not HAS_TEMPERATURE, reason="scikit-learn 1.8 added the temperature")


@needs_temperature
def test_any_pipeline_is_calibrated_by_folds_of_speakers(data):
    X, y, groups = data
    pipeline = make_pipeline(StandardScaler(), LogisticRegression(C=100))
    folds = list(GroupKFold(5).split(X, groups=groups))
    model = CalibratedClassifierCV(pipeline, method="temperature", cv=folds, ensemble=False).fit(X, y)
    logits = cross_val_predict(pipeline, X, y, groups=groups, cv=GroupKFold(5), method="decision_function")
    temperature = fit_temperature(logits, np.unique(y, return_inverse=True)[1], np.ones(len(y)))
    expected = softmax(clone(pipeline).fit(X, y).decision_function(X) / temperature, axis=1)
    np.testing.assert_allclose(model.predict_proba(X), expected, atol=1e-3)


@needs_temperature
def test_evaluate_passes_the_training_speakers_to_the_calibration(data):
    X, y, groups = data
    pipeline = make_pipeline(StandardScaler(), LogisticRegression())
    model = CalibratedClassifierCV(pipeline, method="temperature", cv=LeaveOneGroupOut())
    with sklearn.config_context(enable_metadata_routing=True):
        evaluation = evaluate(model, (X, y, groups), cv=3, return_estimator=True)
    assert [len(fitted.calibrated_classifiers_) for fitted in evaluation.estimators] == [4, 4, 4]
