"""Extreme numbers: a result without NaN or one clear error, and an unchanged estimator."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import torch
from skorch.callbacks import Callback

from skser import CenterLossClassifier, Spectrograms, SpectrogramTransformer

pytestmark = pytest.mark.reliability

TINY = {
    "channels": (4, 4),
    "rnn_units": 4,
    "embedding_dim": 3,
    "batch_size": 8,
    "max_epochs": 3,
    "random_state": 0,
}


def items(n: int = 24, n_bins: int = 8) -> Spectrograms:
    rng = np.random.default_rng(0)
    return Spectrograms([rng.normal(loc=number % 2, size=(n_bins, 10 + number % 7)) for number in range(n)])


def assert_sound(classifier: CenterLossClassifier, X: object) -> None:
    """All results are finite, and probabilities add up to 1."""
    probabilities = classifier.predict_proba(X)
    assert np.isfinite(probabilities).all()
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, rtol=1e-5)
    assert np.isfinite(classifier.centers_).all()
    assert np.isfinite(classifier.transform(X)).all()
    assert set(classifier.predict(X)) <= set(classifier.classes_)


@pytest.mark.parametrize("center_alpha", [0, 1])
@pytest.mark.parametrize("center_lambda", [0, 0.3, 1e6, 1e38])
def test_extreme_center_loss_gives_a_sound_model(center_lambda, center_alpha):
    classifier = CenterLossClassifier(**TINY, center_lambda=center_lambda, center_alpha=center_alpha)
    assert_sound(classifier.fit(items(), ["calm", "angry"] * 12), items())


@pytest.mark.parametrize(
    ("lr", "message"),
    [(1e20, "lower lr"), (1e30, "lower lr"), (1e38, "steps beyond the range of float32: lower it")],
)
def test_training_that_diverges_names_the_parameter_to_lower_and_keeps_the_estimator(lr, message):
    classifier = CenterLossClassifier(**TINY).fit(items(), ["calm", "angry"] * 12)
    before = classifier.predict_proba(items())
    with pytest.raises(ValueError, match=message):
        classifier.set_params(lr=lr).fit(items(), ["calm", "angry"] * 12)
    np.testing.assert_array_equal(classifier.predict_proba(items()), before)


@pytest.mark.parametrize("spoil", ["weight", "center"])
@pytest.mark.parametrize("value", [np.nan, np.inf])
@pytest.mark.parametrize(
    ("batch_size", "message"),
    # Found in the next batch of an epoch, or after its only batch.
    [(8, "The loss became"), (24, "The weights or centers became NaN or infinite")],
)
def test_weight_or_center_that_is_not_finite_ends_the_training(spoil, value, batch_size, message):
    class Spoil(Callback):
        def on_batch_end(self, net, training=False, **kwargs):
            target = net.module_.classes.weight if spoil == "weight" else net.criterion_.center_loss.centers
            with torch.no_grad():
                target[0, 0] = value

    parameters = TINY | {"max_epochs": 1, "batch_size": batch_size, "callbacks": [Spoil()]}
    classifier = CenterLossClassifier(**parameters)
    with pytest.raises(ValueError, match=rf"{message}.*lower lr"):
        classifier.fit(items(), ["calm", "angry"] * 12)
    assert not hasattr(classifier, "net_")


def test_silence_gives_a_sound_model():
    X = SpectrogramTransformer().transform([np.zeros(n) for n in (4000, 5000, 6000, 7000)])
    assert_sound(CenterLossClassifier(**TINY).fit(X, [0, 1, 0, 1]), X)


@pytest.mark.parametrize("value", [0.0, -100.0, 1e6])
@pytest.mark.parametrize("pooling", ["last", "attention"])
def test_constant_spectrograms_give_a_sound_model(value, pooling):
    X = Spectrograms([np.full((8, n), value) for n in range(5, 13)])
    assert_sound(CenterLossClassifier(**TINY, pooling=pooling).fit(X, [0, 1] * 4), X)


def test_single_frames_and_one_bin_give_a_sound_model():
    X = Spectrograms([np.full((1, 1), float(n)) for n in range(8)])
    assert_sound(CenterLossClassifier(**TINY).fit(X, [0, 1] * 4), X)


@pytest.mark.parametrize("augmentation", ["moderate", None])
def test_class_of_one_item_is_learned_with_the_others(augmentation):
    labels = ["calm", "angry"] * 11 + ["calm", "rare"]
    classifier = CenterLossClassifier(**TINY, augmentation=augmentation, class_weight="balanced")
    assert_sound(classifier.fit(items(), labels), items())
    assert classifier.classes_.tolist() == ["angry", "calm", "rare"]


def test_two_hundred_classes_give_a_sound_model():
    X = items(400)
    classifier = CenterLossClassifier(**TINY, class_weight="balanced").fit(X, np.arange(400) // 2)
    assert_sound(classifier, X)
    assert classifier.centers_.shape == (200, 3)


def test_class_weights_of_one_to_ten_thousand_give_a_sound_model():
    weights = {"calm": 1, "angry": 10_000}
    classifier = CenterLossClassifier(**TINY, class_weight=weights).fit(items(), ["calm", "angry"] * 12)
    assert_sound(classifier, items())


@pytest.mark.parametrize("weight", [1e-30, 1e30])
def test_extreme_sample_weights_give_a_sound_model(weight):
    X, weights = items(), np.ones(24)
    weights[0] = weight
    assert_sound(CenterLossClassifier(**TINY).fit(X, ["calm", "angry"] * 12, sample_weight=weights), X)


@pytest.mark.parametrize("scale", [1e-30, 1e15])
def test_scale_of_the_spectrograms_leaves_the_model_sound(scale):
    X = Spectrograms([scale * np.asarray(S) for S in items()])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert_sound(CenterLossClassifier(**TINY, augmentation=None).fit(X, ["calm", "angry"] * 12), X)
