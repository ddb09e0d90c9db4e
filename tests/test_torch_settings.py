"""Torch's settings around a call, such as autocast, change no result."""

from __future__ import annotations

import copy
import os
import signal
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import numpy as np
import pytest
import torch

from skser import (
    CenterLossClassifier,
    SpectrogramTransformer,
    load_model,
    save_model,
    spectrogram,
    to_onnx,
)
from skser._utils import _device, torch_defaults
from skser.classifier import compute_saliency

SMALL = {
    "channels": (4, 4),
    "rnn_units": 4,
    "embedding_dim": 3,
    "max_epochs": 2,
    "batch_size": 8,
    "class_weight": "balanced",
    "random_state": 0,
    "device": "cpu",
}
VARIANTS = {"gru": {}, "attention": {"rnn": "lstm", "pooling": "attention"}}


@contextmanager
def float64_by_default() -> Iterator[None]:
    torch.set_default_dtype(torch.float64)
    try:
        yield
        assert torch.get_default_dtype() == torch.float64  # it is restored
    finally:
        torch.set_default_dtype(torch.float32)


SETTINGS = {
    "autocast to bfloat16": lambda: torch.autocast("cpu", dtype=torch.bfloat16),
    "autocast to float16": lambda: torch.autocast("cpu", dtype=torch.float16),
    "float64 by default": float64_by_default,
    "another default device": lambda: torch.device("meta"),
    "inference mode": torch.inference_mode,
    "without gradients": torch.no_grad,
}


@pytest.fixture(params=SETTINGS)
def setting(request: pytest.FixtureRequest) -> AbstractContextManager[None]:
    return SETTINGS[request.param]()


@pytest.fixture(scope="module")
def X() -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    return [rng.normal(-60 + 20 * (n % 2), 10, size=(8, n)).astype(np.float32) for n in range(20, 36)]


@pytest.fixture(scope="module")
def y() -> list[str]:
    return ["calm", "angry"] * 8


@pytest.fixture(scope="module", params=VARIANTS)
def variant(request: pytest.FixtureRequest) -> dict[str, str]:
    return VARIANTS[request.param]


@pytest.fixture(scope="module")
def fitted(X, y, variant) -> CenterLossClassifier:
    return CenterLossClassifier(**SMALL, **variant).fit(X, y)


def state_of(classifier: CenterLossClassifier) -> dict[str, torch.Tensor]:
    """Everything that a classifier has learned, with the state of its optimizer."""
    net = classifier.net_
    moments = {
        f"{index}.{name}": value
        for index, entries in net.optimizer_.state_dict()["state"].items()
        for name, value in entries.items()
    }
    return {**net.module_.state_dict(), **net.criterion_.state_dict(), **moments}


def assert_same_state(first: CenterLossClassifier, second: CenterLossClassifier) -> None:
    one, other = state_of(first), state_of(second)
    assert one.keys() == other.keys()
    for name, value in one.items():
        assert value.dtype == other[name].dtype, name
        assert torch.equal(value, other[name]), name


def test_fit_is_not_changed(setting, X, y, variant, fitted):
    classifier = CenterLossClassifier(**SMALL, **variant)
    with setting:
        classifier.fit(X, y)
    assert_same_state(classifier, fitted)


def test_augmented_fit_with_weights_is_not_changed(setting, X, y):
    weights = np.linspace(0.5, 1.5, len(y))
    expected = CenterLossClassifier(**SMALL).fit(X, y, sample_weight=weights)
    assert expected.augmentation == "moderate"
    with setting:
        found = CenterLossClassifier(**SMALL).fit(X, y, sample_weight=weights)
    assert_same_state(found, expected)


def test_predictions_are_not_changed(setting, X, fitted):
    expected = fitted.predict_proba(X), fitted.transform(X)
    with setting:
        found = fitted.predict_proba(X), fitted.transform(X)
    np.testing.assert_array_equal(found[0], expected[0])
    np.testing.assert_array_equal(found[1], expected[1])
    assert found[0].dtype == found[1].dtype == np.float32


def test_saliency_is_not_changed(setting, X, fitted):
    expected = compute_saliency(fitted, X[0], 1)
    with setting:
        found = compute_saliency(fitted, X[0], 1)
    np.testing.assert_array_equal(found, expected)


def test_exported_model_is_not_changed(setting, fitted, tmp_path):
    pytest.importorskip("onnxruntime", reason="exports need the extra export")
    to_onnx(fitted, tmp_path / "expected")
    with setting:
        to_onnx(fitted, tmp_path / "found")
    assert (tmp_path / "found").read_bytes() == (tmp_path / "expected").read_bytes()


def test_saved_file_is_not_changed(setting, fitted, tmp_path):
    save_model(fitted, tmp_path / "expected", optimizer=True)
    with setting:
        save_model(fitted, tmp_path / "found", optimizer=True)
    assert (tmp_path / "found").read_bytes() == (tmp_path / "expected").read_bytes()


def test_loaded_model_predicts_and_trains_as_before(setting, X, y, fitted, tmp_path: Path):
    save_model(fitted, tmp_path / "model", optimizer=True)
    with setting:
        loaded = load_model(tmp_path / "model", device="cpu")
    np.testing.assert_array_equal(loaded.predict_proba(X), fitted.predict_proba(X))
    assert_same_state(loaded.partial_fit(X, y), copy.deepcopy(fitted).partial_fit(X, y))


def test_training_goes_on_as_before(setting, X, y, fitted):
    expected = copy.deepcopy(fitted).partial_fit(X, y)
    with setting:
        found = copy.deepcopy(fitted).partial_fit(X, y)
    assert_same_state(found, expected)


def test_spectrograms_are_not_changed(setting):
    y = np.random.default_rng(0).normal(size=4000).astype(np.float32)
    expected = spectrogram(torch.from_numpy(y)), SpectrogramTransformer().transform([y])[0]
    with setting:
        found = spectrogram(torch.from_numpy(y)), SpectrogramTransformer().transform([y])[0]
    assert torch.equal(found[0], expected[0])
    np.testing.assert_array_equal(found[1], expected[1])


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")
def test_process_forked_while_a_thread_changes_the_default_dtype_does_not_hang():
    with torch_defaults(), _device._DEFAULT_DTYPE._users[os.getpid()].lock:
        process = os.fork()
        if not process:
            signal.alarm(10)  # ends a process that hangs
            with torch_defaults():
                os._exit(0)
    assert os.waitpid(process, 0)[1] == 0


def test_default_dtype_is_restored_after_the_last_of_several_users():
    with float64_by_default():
        first, second = torch_defaults(), torch_defaults()
        with first:
            second.__enter__()
            assert torch.get_default_dtype() == torch.float32
        assert torch.get_default_dtype() == torch.float32
        second.__exit__(None, None, None)
        assert torch.get_default_dtype() == torch.float64
