"""The course of a training: learning rate, ramp, augmentation, and the arms of a comparison."""

from __future__ import annotations

import ast
import re

import numpy as np
import pytest
import torch
from skorch.callbacks import Callback

from skser import CenterLossClassifier
from skser.training import OneCycle

TINY = {"channels": (4, 4), "rnn_units": 4, "embedding_dim": 3, "batch_size": 8, "random_state": 0}
AUGMENTATION = {"time_stretch": 0.2, "frequency_warp": 0.1, "frequency_mask": 0.3, "time_mask": 0.3}


class Rates(Callback):
    """Collect the learning rate of each epoch."""

    rates: list[float] = []  # noqa: RUF012 - on the class, since fit copies callbacks

    def on_epoch_end(self, net, **kwargs):
        Rates.rates.append(net.optimizer_.param_groups[0]["lr"])


@pytest.fixture
def rates():
    Rates.rates = []
    return Rates.rates


@pytest.fixture
def data():
    rng = np.random.default_rng(0)
    X = [rng.normal(loc=n % 2, size=(8, 10 + n)) for n in range(24)]
    return X, ["calm", "angry"] * 12


def weights(classifier: CenterLossClassifier) -> torch.Tensor:
    return torch.cat([p.detach().flatten() for p in classifier.net_.module_.parameters()])


@pytest.mark.parametrize(
    ("position", "share"), [(0, 0), (0.15, 0.5), (0.3, 1), (0.65, 0.5), (1, 0), (1.01, 0.1), (5, 0.1)]
)
def test_one_cycle_rises_falls_and_continues_at_a_tenth(position, share):
    assert OneCycle(lr=1.0, max_epochs=1).share(position) == pytest.approx(share, abs=1e-12)


def test_learning_rate_of_each_epoch_is_that_of_its_middle(data, rates):
    CenterLossClassifier(**TINY, schedule="one-cycle", max_epochs=5, lr=0.01, callbacks=[Rates()]).fit(*data)
    expected = [0.01 * OneCycle(1.0, 5).share(position) for position in (0.1, 0.3, 0.5, 0.7, 0.9)]
    assert rates == pytest.approx(expected)


def test_constant_schedule_leaves_the_learning_rate(data, rates):
    CenterLossClassifier(**TINY, schedule="constant", max_epochs=3, lr=0.01, callbacks=[Rates()]).fit(*data)
    assert rates == [0.01] * 3


def test_warm_start_begins_a_new_cycle(data, rates):
    classifier = CenterLossClassifier(
        **TINY, schedule="one-cycle", max_epochs=4, warm_start=True, callbacks=[Rates()]
    )
    classifier.fit(*data).fit(*data)
    assert rates[:4] == rates[4:]


def test_partial_fit_takes_the_steps_of_fit_and_continues_at_a_tenth(data, rates):
    parameters = {**TINY, "schedule": "one-cycle", "max_epochs": 3, "augmentation": AUGMENTATION}
    whole = CenterLossClassifier(**parameters).fit(*data)
    parts = CenterLossClassifier(**parameters, callbacks=[Rates()])
    for _ in range(3):
        parts.partial_fit(*data)
    assert torch.equal(weights(whole), weights(parts))
    parts.partial_fit(*data)
    assert rates[-1] == pytest.approx(parts.lr / 10)


def shares_of_lambda(classifier: CenterLossClassifier) -> list[float]:
    """The factor of each epoch's center loss, as a share of lambda."""
    return [
        (row["train_loss"] - row["train_cross_entropy"])
        / (classifier.center_lambda * row["train_center_loss"])
        for row in classifier.history_
    ]


@pytest.mark.parametrize(
    ("center_ramp", "shares"),
    [
        (None, [1, 1, 1, 1, 1]),
        ((0, 0), [1, 1, 1, 1, 1]),
        ((0, 0.5), [0.2, 0.6, 1, 1, 1]),
        ((0.4, 0.8), [0, 0, 0.25, 0.75, 1]),  # each epoch by its middle: 0.1, 0.3, 0.5, 0.7, 0.9
        ((0.5, 0.5), [0, 0, 1, 1, 1]),
        ((1, 1), [0, 0, 0, 0, 0]),
    ],
)
def test_lambda_rises_between_the_two_shares_of_the_epochs(data, center_ramp, shares):
    classifier = CenterLossClassifier(**TINY, center_lambda=0.5, center_ramp=center_ramp, max_epochs=5)
    assert shares_of_lambda(classifier.fit(*data)) == pytest.approx(shares, abs=1e-5)
    assert classifier.net_.criterion_.center_lambda == 0.5


def test_ramp_counts_the_epochs_of_partial_fit_and_restarts_with_each_fit(data):
    ramp = {**TINY, "center_ramp": (0, 1), "max_epochs": 2, "schedule": "constant"}
    parts = CenterLossClassifier(**ramp)
    for _ in range(3):
        parts.partial_fit(*data)
    assert shares_of_lambda(parts) == pytest.approx([0.25, 0.75, 1], abs=1e-5)
    warm = CenterLossClassifier(**ramp, warm_start=True).fit(*data).fit(*data)
    assert shares_of_lambda(warm) == pytest.approx([0.25, 0.75] * 2, abs=1e-5)


def test_ramp_without_center_loss_is_softmax_bit_for_bit(data):
    first, second = (
        CenterLossClassifier(**TINY, center_lambda=0, center_ramp=ramp, max_epochs=3).fit(*data)
        for ramp in (None, (0, 0.5))
    )
    assert torch.equal(weights(first), weights(second))


def test_augmentation_changes_training_and_not_prediction(data):
    plain = CenterLossClassifier(**TINY, augmentation=None, max_epochs=2).fit(*data)
    changed = CenterLossClassifier(**TINY, augmentation=AUGMENTATION, max_epochs=2).fit(*data)
    again = CenterLossClassifier(**TINY, augmentation=AUGMENTATION, max_epochs=2).fit(*data)
    assert not torch.allclose(weights(plain), weights(changed))
    assert torch.equal(weights(changed), weights(again))
    np.testing.assert_array_equal(changed.predict_proba(data[0]), changed.predict_proba(data[0]))


def test_moderate_augmentation_is_that_of_the_docstring(data):
    (shown,) = re.findall(r'"moderate" is\s+``({.*?})``', CenterLossClassifier.__doc__)
    named, written = (
        CenterLossClassifier(**TINY, augmentation=value, max_epochs=1).fit(*data)
        for value in ("moderate", ast.literal_eval(shown))
    )
    assert torch.equal(weights(named), weights(written))
    assert all(value > 0 for value in ast.literal_eval(shown).values())


def test_both_arms_of_a_comparison_see_the_same_first_batch(data):
    """Initial weights, batches and random changes are shared, which only the first step can show."""
    one_batch = {**TINY, "batch_size": 24, "max_epochs": 1, "augmentation": AUGMENTATION}
    losses = [
        CenterLossClassifier(**one_batch, center_lambda=value).fit(*data).history_[0]["train_cross_entropy"]
        for value in (0.0, 1.0)
    ]
    other = CenterLossClassifier(**{**one_batch, "random_state": 1}).fit(*data).history_[0]
    assert losses[0] == losses[1] != other["train_cross_entropy"]


@pytest.mark.parametrize(
    ("parameters", "error", "message"),
    [
        ({"schedule": "cosine"}, ValueError, "schedule"),
        ({"center_ramp": 0.5}, TypeError, r"center_ramp must be a pair of numbers or None, got 0\.5"),
        ({"center_ramp": "up"}, TypeError, "center_ramp must be a pair"),
        ({"center_ramp": (0, 0.5, 1)}, TypeError, "center_ramp must be a pair"),
        ({"center_ramp": (0, 2)}, ValueError, r"center_ramp\[1\]"),
        ({"center_ramp": (0.8, 0.4)}, ValueError, "center_ramp must have its smaller fraction first"),
        ({"augmentation": "strong"}, TypeError, 'augmentation must be "moderate", a dict or None'),
        ({"augmentation": {"speed": 0.1}}, ValueError, "augmentation has no 'speed'"),
        ({"augmentation": {"time_mask": 2}}, ValueError, "time_mask"),
    ],
)
def test_unusable_parameters_are_named(data, parameters, error, message):
    with pytest.raises(error, match=message):
        CenterLossClassifier(**TINY, **parameters).fit(*data)
