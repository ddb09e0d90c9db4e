"""Tests of ONNX files; the exported classifier is the oracle."""

from __future__ import annotations

import copy
import json
import os
import pickle
import sys
import warnings
from enum import Enum
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnxruntime import InferenceSession
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.svm import SVC

import skser
from skser import CenterLossClassifier, SpectrogramNetwork, Spectrograms, SpectrogramTransformer, to_onnx

N_BINS = 9
LABELS = ["angry", "calm", "happy"]
VARIANTS = [{"rnn": rnn, "pooling": pooling} for rnn in ("gru", "lstm") for pooling in ("last", "attention")]
BATCHES = {
    "one frame": [1],
    "alone": [3000],
    "every remainder": list(range(1, 65)),
    "mixed": [3000, 1, 2, 1500, 17, 3, 299],
    "many": [3000, *np.random.default_rng(5).integers(1, 800, size=63).tolist()],
}


def draw(lengths, seed: int = 0, n_bins: int = N_BINS) -> Spectrograms:
    """Spectrograms in dB whose bins differ in mean and spread."""
    rng = np.random.default_rng(seed)
    level, spread = np.linspace(-60, -20, n_bins)[:, None], np.linspace(3, 12, n_bins)[:, None]
    return Spectrograms([level + spread * rng.normal(size=(n_bins, length)) for length in lengths])


def fit(y=None, n_bins: int = N_BINS, **parameters) -> CenterLossClassifier:
    """A small network whose sizes all differ, so that no two axes can be mixed up."""
    small = {"channels": (4, 6, 5), "rnn_units": 3, "embedding_dim": 7, "max_epochs": 2, "lr": 0.02}
    classifier = CenterLossClassifier(**{**small, "random_state": 0, **parameters})
    return classifier.fit(draw(range(10, 34), n_bins=n_bins), y or LABELS * 8)


def amplified(classifier: CenterLossClassifier) -> CenterLossClassifier:
    """Enlarge the weights, so that the results depend more on the input and errors show."""
    with torch.no_grad():
        for parameter in classifier.net_.module_.parameters():
            parameter *= 2
    return classifier


def export(classifier, path: Path) -> InferenceSession:
    to_onnx(classifier, path)
    return InferenceSession(path)


def run(session: InferenceSession, X: Spectrograms, padding: float = np.nan, extra_frames: int = 0):
    """Probabilities and embeddings of padded spectrograms."""
    spectrogram, lengths = X.pad(padding)
    spectrogram = np.pad(spectrogram, ((0, 0), (0, 0), (0, extra_frames)), constant_values=padding)
    return session.run(["probabilities", "embedding"], {"spectrogram": spectrogram, "lengths": lengths})


def assert_agrees(session: InferenceSession, classifier: CenterLossClassifier, X: Spectrograms) -> None:
    probabilities, embedding = run(session, X)
    np.testing.assert_allclose(probabilities, classifier.predict_proba(X), rtol=0, atol=1e-5)
    np.testing.assert_allclose(embedding, classifier.transform(X), rtol=0, atol=1e-5)


def metadata_of(session: InferenceSession) -> dict[str, str]:
    return session.get_modelmeta().custom_metadata_map


@pytest.fixture(scope="module", params=VARIANTS, ids=lambda variant: "-".join(variant.values()))
def trained(request):
    return amplified(fit(**request.param))


@pytest.fixture
def classifier(shared_classifier):
    """A trained classifier that a test may change."""
    return copy.deepcopy(shared_classifier)


@pytest.fixture(scope="module")
def shared_classifier():
    return fit()


@pytest.fixture
def path(tmp_path):
    return tmp_path / "model.onnx"


@pytest.mark.parametrize("batch", BATCHES)
def test_onnxruntime_agrees_with_the_classifier(trained, path, batch):
    assert_agrees(export(trained, path), trained, draw(BATCHES[batch], seed=1))


def test_items_differ_so_that_agreement_says_something(trained):
    embedding = trained.transform(draw(BATCHES["mixed"], seed=1))
    assert np.ptp(embedding, axis=0).min() > 0.05


def test_padding_makes_no_difference_since_the_model_knows_the_lengths(trained, path):
    session, X = export(trained, path), draw([40, 1, 13, 27, 2], seed=2)
    expected = run(session, X, padding=0.0)
    for parameters in ({}, {"padding": np.inf}, {"padding": 1e6, "extra_frames": 100}):
        for result, values in zip(run(session, X, **parameters), expected, strict=True):
            np.testing.assert_allclose(result, values, rtol=0, atol=1e-6)
    too_long = {"spectrogram": X.pad(0.0)[0], "lengths": np.full(5, 40)}
    wrong = session.run(["embedding"], too_long)[0]
    assert np.abs(expected[1] - wrong)[1:].max(axis=1).min() > 1e-3


@pytest.mark.parametrize(
    "parameters",
    [
        {"channels": (4,)},
        {"channels": (2, 3, 4, 5, 6)},
        {"rnn_units": 1, "embedding_dim": 1},
        {"rnn": "lstm", "dropout": 0.5, "pooling": "attention"},
        {"y": ["no", "yes"] * 12},
        {"n_bins": 1},
        {"n_bins": 2},
        {"n_bins": 3},
    ],
    ids=str,
)
def test_networks_of_other_shapes_agree(path, parameters):
    classifier = fit(**parameters)
    X = draw([50, 1, 7, 18], seed=3, n_bins=parameters.get("n_bins", N_BINS))
    assert_agrees(export(classifier, path), classifier, X)


def test_single_frames_agree(path):
    rng = np.random.default_rng(0)
    classifier = fit(max_epochs=1)
    table = rng.normal(size=(6, N_BINS)).astype(np.float32)
    answers = export(classifier, path).run(
        ["probabilities"], {"spectrogram": table[:, :, None], "lengths": np.ones(6, dtype=np.int64)}
    )
    np.testing.assert_allclose(answers[0], classifier.predict_proba(table), rtol=0, atol=1e-5)


def test_model_follows_the_strides_pools_and_constants_of_the_network(classifier, path):
    first, second, _ = classifier.net_.module_.convolutions
    before = classifier.transform(draw([50], seed=4))
    first.conv.stride = first.conv_stride = (3, 2)  # time, frequency
    second.pool = (3, 2)
    second.norm.eps = 0.3
    X = draw([50, 1, 2, 3, 4, 9, 10], seed=4)
    assert np.abs(classifier.transform(X[:1]) - before).max() > 1e-3
    assert_agrees(export(classifier, path), classifier, X)


def test_parts_that_only_training_uses_are_not_exported(classifier, path):
    classifier.net_.module_.augmentation = torch.nn.Linear(1, 1)
    assert_agrees(export(classifier, path), classifier, draw([20, 3], seed=3))


def test_compiled_network_is_exported(classifier, path):
    session = export(classifier, path)
    classifier.net_.module_ = torch.compile(classifier.net_.module_, backend="eager")
    X = draw([20, 3], seed=3)
    for answer, expected in zip(run(export(classifier, path), X), run(session, X), strict=True):
        np.testing.assert_array_equal(answer, expected)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="torch sees no GPU")
def test_classifier_on_a_gpu_agrees_and_stays_there(path, monkeypatch):
    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", False)
    classifier = fit(device="cuda")
    session = export(classifier, path)
    assert next(classifier.net_.module_.parameters()).device.type == "cuda"
    X = draw([50, 1, 7], seed=3)
    np.testing.assert_allclose(run(session, X)[0], classifier.predict_proba(X), rtol=0, atol=1e-5)


def test_exports_do_not_depend_on_each_other(tmp_path):
    classifiers = [fit(max_epochs=1, random_state=seed, **VARIANTS[seed]) for seed in range(4)]
    for number, classifier in enumerate([*classifiers, classifiers[0]]):
        to_onnx(classifier, tmp_path / f"{number}.onnx")
    for number, classifier in enumerate(classifiers):
        assert_agrees(InferenceSession(tmp_path / f"{number}.onnx"), classifier, draw([30, 2], seed=6))
    assert (tmp_path / "0.onnx").read_bytes() == (tmp_path / "4.onnx").read_bytes()


@pytest.mark.parametrize("training", [True, False])
def test_export_does_not_change_the_classifier(classifier, path, training):
    module = classifier.net_.module_.train(training)
    module.rnn.eval()  # parts have modes of their own
    before = pickle.dumps(classifier)
    modes = [part.training for part in module.modules()]
    parameters = list(module.parameters())
    to_onnx(classifier, path)
    assert [part.training for part in module.modules()] == modes
    assert all(a is b for a, b in zip(module.parameters(), parameters, strict=True))
    assert all(parameter.requires_grad for parameter in parameters)
    assert pickle.dumps(classifier) == before


def test_training_continues_as_without_the_export(classifier, path):
    X, y = draw(range(10, 34)), LABELS * 8
    other = copy.deepcopy(classifier)
    session = export(classifier, path)
    classifier.partial_fit(X, y)
    np.testing.assert_array_equal(classifier.transform(X), other.partial_fit(X, y).transform(X))
    assert np.abs(run(session, X)[1] - classifier.transform(X)).max() > 1e-3  # of the earlier weights


def test_export_neither_prints_nor_warns_nor_draws_random_numbers(shared_classifier, path, capfd):
    before = torch.get_rng_state(), np.random.get_state()[1].copy()  # noqa: NPY002 - the global generator
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert to_onnx(shared_classifier, path) is None
    assert capfd.readouterr() == ("", "")
    assert torch.equal(torch.get_rng_state(), before[0])
    np.testing.assert_array_equal(np.random.get_state()[1], before[1])  # noqa: NPY002


def test_inputs_and_outputs_are_the_documented_ones(shared_classifier, path):
    session = export(shared_classifier, path)
    inputs = {value.name: (value.type, value.shape) for value in session.get_inputs()}
    outputs = {value.name: (value.type, value.shape) for value in session.get_outputs()}
    assert inputs == {
        "spectrogram": ("tensor(float)", ["batch", N_BINS, "time"]),
        "lengths": ("tensor(int64)", ["batch"]),
    }
    assert outputs == {
        "probabilities": ("tensor(float)", ["batch", 3]),
        "embedding": ("tensor(float)", ["batch", 7]),
    }


def test_file_is_one_valid_model_of_the_stated_opset(trained, path):
    to_onnx(trained, path)
    model = onnx.load(path, load_external_data=False)
    onnx.checker.check_model(model, full_check=True)
    assert [(opset.domain, opset.version) for opset in model.opset_import] == [("", 17)]
    assert {tensor.data_location for tensor in model.graph.initializer} == {onnx.TensorProto.DEFAULT}
    assert os.listdir(path.parent) == ["model.onnx"]
    assert (model.producer_name, model.producer_version) == ("skser", skser.__version__)


@pytest.mark.parametrize(
    "labels", [["Ärger", "日本", "a b"], [3, 1, -2], [1.0, 2.0, 4.0], [True, False, False]], ids=str
)
def test_labels_are_in_the_metadata(path, labels):
    metadata = metadata_of(export(fit(y=[*labels] * 8, max_epochs=1), path))
    assert metadata["classes"] == json.dumps(sorted(set(labels)))
    assert metadata["skser_version"] == skser.__version__
    assert "spectrogram" not in metadata


def test_refuses_a_label_that_json_cannot_hold(classifier, path):
    classifier.classes_ = np.array(["2024-05-01", "2024-05-02", "2024-05-03"], dtype="datetime64[D]")
    with pytest.raises(TypeError, match=r"classes_ cannot be stored .*date\(2024, 5, 1\).*: use text"):
        to_onnx(classifier, path)


@pytest.mark.parametrize(
    "classes",
    [Enum("Emotion", {"A": "angry", "B": "calm", "C": "happy"}), [b"angry", b"calm", b"happy"]],
    ids=["Enum", "bytes"],
)
def test_labels_that_json_cannot_hold_are_stored_as_text(classifier, path, classes):
    classifier.classes_ = np.array(list(classes), dtype=object)
    to_onnx(classifier, path)
    assert json.loads(metadata_of(InferenceSession(path))["classes"]) == ["angry", "calm", "happy"]


@pytest.fixture(scope="module")
def waveforms():
    rng = np.random.default_rng(0)
    return [rng.normal(scale=0.1, size=length) for length in (1600, 2000, 2400, 1800)]


@pytest.mark.parametrize(
    "parameters",
    [
        {},
        {"kind": "stft", "fmax": 3000},
        {"sr": np.int64(8000), "n_fft": 256, "win_length": 200, "fmin": np.float32(50), "memory": "cache"},
        {"window": ("kaiser", np.float64(8.0)), "n_mels": 20, "n_jobs": 1},
    ],
    ids=str,
)
def test_spectrograms_can_be_computed_from_the_metadata(waveforms, path, parameters, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    classifier = CenterLossClassifier(channels=(2,), rnn_units=2, max_epochs=1, random_state=0)
    pipeline = make_pipeline(SpectrogramTransformer(**parameters), classifier).fit(waveforms, [0, 1, 0, 1])
    session = export(pipeline, path)
    settings = json.loads(metadata_of(session)["spectrogram"])
    assert set(settings) == set(SpectrogramTransformer().get_params()) - {
        "backend",
        "device",
        "max_duration",
        "max_nbytes",
        "memory",
        "n_jobs",
        "verbose",
    }
    assert None not in (settings["win_length"], settings["fmax"])
    if isinstance(settings["window"], list):
        settings["window"] = tuple(settings["window"])
    X = SpectrogramTransformer(**settings).transform(waveforms)
    np.testing.assert_allclose(run(session, X)[0], pipeline.predict_proba(waveforms), rtol=0, atol=1e-5)


def test_classifier_is_found_in_nested_pipelines(shared_classifier, path):
    front = Pipeline(
        [("nothing", "passthrough"), ("none", None), ("spectrogram", SpectrogramTransformer(sr=8000))]
    )
    session = export(make_pipeline(front, shared_classifier), path)
    assert json.loads(metadata_of(session)["spectrogram"])["fmax"] == 4000
    assert_agrees(session, shared_classifier, draw([12, 3]))


def test_warns_of_steps_that_are_not_exported(shared_classifier, path):
    pipeline = make_pipeline(FunctionTransformer(), shared_classifier, SVC())
    with pytest.warns(UserWarning, match="does not include FunctionTransformer, SVC of") as warned:
        to_onnx(pipeline, path)
    assert warned[0].filename == __file__
    assert_agrees(InferenceSession(path), shared_classifier, draw([12, 3]))


def test_a_search_at_the_end_of_a_pipeline_is_the_classifier_that_it_found(shared_classifier, path):
    to_onnx(shared_classifier, path)
    expected = path.read_bytes()
    search = GridSearchCV(CenterLossClassifier(), {})
    search.best_estimator_ = shared_classifier
    to_onnx(make_pipeline("passthrough", search), path)
    assert path.read_bytes() == expected


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (
            lambda c: SVC(),
            TypeError,
            "must be a CenterLossClassifier or a Pipeline that contains one, got SVC",
        ),
        (
            lambda c: GridSearchCV(c, {}),
            TypeError,
            "got GridSearchCV: pass .*for a search its best_estimator_",
        ),
        (lambda c: None, TypeError, "got None"),
        (lambda c: make_pipeline(SpectrogramTransformer(), SVC()), ValueError, r"got 0 .*Transformer, SVC\)"),
        (lambda c: make_pipeline(c, c), ValueError, "must contain one CenterLossClassifier, got 2"),
        (lambda c: CenterLossClassifier(), NotFittedError, "not fitted"),
        (lambda c: make_pipeline(SpectrogramTransformer(), CenterLossClassifier()), NotFittedError, "Class"),
    ],
)
def test_refuses_an_estimator_without_one_fitted_classifier(shared_classifier, path, make, error, message):
    with pytest.raises(error, match=message):
        to_onnx(make(shared_classifier), path)
    assert not path.exists()


@pytest.mark.parametrize(
    ("path", "error"), [(3, TypeError), (None, TypeError), (b"model.onnx", TypeError), ("", ValueError)]
)
def test_refuses_a_path_that_does_not_name_a_file(shared_classifier, path, error):
    with pytest.raises(error, match="path must be the path of a file, got"):
        to_onnx(shared_classifier, path)


@pytest.mark.parametrize("package", ["onnx", "onnxruntime"])
def test_missing_package_names_the_extra(shared_classifier, path, monkeypatch, package):
    monkeypatch.setitem(sys.modules, package, None)
    message = rf'needs {package}, .*: install it with `pip install "skser\[export\]"`'
    with pytest.raises(ImportError, match=message):
        to_onnx(shared_classifier, path)
    assert not path.exists()


def test_relative_path_with_spaces_and_umlauts_replaces_a_file(shared_classifier, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "mein großes Modell"
    path.write_bytes(b"old")
    to_onnx(shared_classifier, "mein großes Modell")
    assert_agrees(InferenceSession(path), shared_classifier, draw([12, 3]))


def test_tilde_is_the_home_folder(shared_classifier, tmp_path, monkeypatch):
    for variable in ("HOME", "USERPROFILE"):
        monkeypatch.setenv(variable, str(tmp_path))
    to_onnx(shared_classifier, "~/model.onnx")
    assert [file.name for file in tmp_path.iterdir()] == ["model.onnx"]


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt()], ids=repr)
def test_interrupted_export_keeps_the_old_file(shared_classifier, path, monkeypatch, error):
    def fail(*args):
        raise error

    path.write_bytes(b"old")
    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(type(error)):
        to_onnx(shared_classifier, path)
    assert os.listdir(path.parent) == ["model.onnx"]
    assert path.read_bytes() == b"old"


def test_file_that_cannot_be_written_is_named(shared_classifier, tmp_path):
    with pytest.raises(FileNotFoundError, match=r"missing/model\.onnx cannot be written \(No such file"):
        to_onnx(shared_classifier, tmp_path / "missing" / "model.onnx")
    with pytest.raises(IsADirectoryError, match="cannot be written"):
        to_onnx(shared_classifier, tmp_path)
    assert os.listdir(tmp_path) == []


def add_module(network):
    network.convolutions[1].squeeze = torch.nn.Linear(2, 2)


def add_attribute(network):
    network.floor = -80.0


def change_type(network):
    network.attention.score[1] = torch.nn.Sigmoid()


def add_layer(network):
    network.rnn = torch.nn.GRU(network.rnn.input_size, 3, num_layers=2, batch_first=True, bidirectional=True)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            add_module,
            r"the network's convolutions\.1 has added or missing parts \(squeeze\), which to_onnx",
        ),
        (add_attribute, r"the network has added or missing parts \(floor\), which to_onnx does not support"),
        (change_type, r"the network's attention\.score\.1 is a Sigmoid, which to_onnx does not support"),
        (add_layer, r"the network's rnn has added or missing parts \(.* bias_hh_l1"),
    ],
)
def test_refuses_an_unknown_part_of_the_network(path, change, message):
    classifier = fit(pooling="attention", max_epochs=1)
    change(classifier.net_.module_)
    with pytest.raises(TypeError, match=message):
        to_onnx(classifier, path)
    assert not path.exists()


def test_model_with_other_results_is_not_written(shared_classifier, path, monkeypatch):
    forward = SpectrogramNetwork.forward

    def normalised(self, spectrogram, lengths):
        logits, embedding = forward(self, spectrogram, lengths)
        return logits, torch.nn.functional.normalize(embedding)

    monkeypatch.setattr(SpectrogramNetwork, "forward", normalised)
    with pytest.raises(RuntimeError, match="results of onnxruntime differ from those of the classifier"):
        to_onnx(shared_classifier, path)
    assert not path.exists()
