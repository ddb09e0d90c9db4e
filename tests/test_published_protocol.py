"""The paper's protocol in examples/center_loss_published.py: subsets, number of epochs, intervals."""

from __future__ import annotations

import importlib
from collections import Counter
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture
def published(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "examples"))
    return importlib.import_module("center_loss_published")


def make_labels(seed: int = 0, n: int = 317) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return rng.choice(["angry", "calm", "sad"], n, p=[0.6, 0.3, 0.1]), rng.choice(["a", "b"], n)


def test_subsets_of_a_deal_differ_by_at_most_one_item(published):
    sizes = np.bincount(published.deal(*make_labels(), 0), minlength=10)
    assert sizes.max() - sizes.min() <= 1


def test_each_speaker_and_emotion_is_spread_evenly_over_the_subsets(published):
    y, speakers = make_labels()
    subsets = published.deal(y, speakers, 0)
    for cell in set(zip(y, speakers, strict=True)):
        members = subsets[(y == cell[0]) & (speakers == cell[1])]
        counts = np.bincount(members, minlength=10)
        assert counts.max() - counts.min() <= 1


def test_deals_differ_by_seed_and_are_repeatable(published):
    y, speakers = make_labels()
    np.testing.assert_array_equal(published.deal(y, speakers, 0), published.deal(y, speakers, 0))
    assert (published.deal(y, speakers, 0) != published.deal(y, speakers, 1)).mean() > 0.5


def test_corrected_interval_agrees_with_the_formula_of_nadeau_and_bengio(published):
    # Mean 2, variance 1, n = 4: 2 +- t(0.975, 3) * sqrt(1 / 4 + 1 / 8), with t = 3.182446.
    gains = np.array([2 - np.sqrt(1.5), 2, 2, 2 + np.sqrt(1.5)])
    half = 3.182446 * np.sqrt(0.375)
    np.testing.assert_allclose(published.corrected_interval(gains, 1 / 8), (2 - half, 2 + half), atol=1e-6)


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (0.5, 3.1, "reproduced"),
        (0.5, 2.9, "not reproduced"),
        (-4.0, 2.9, "not reproduced"),
        (-0.1, 3.1, "undecided"),
    ],
)
def test_verdict_depends_on_zero_and_on_the_published_gain(published, low, high, expected):
    assert published.verdict(low, high, 3.06) == expected


def test_number_of_epochs_is_where_validation_comes_within_a_point_of_its_best(published):
    rising = np.concatenate([np.linspace(0.2, 0.7, 26), np.full(30, 0.7)])
    # Averages over five epochs: ..., 0.688 up to epoch 28, 0.696 up to epoch 29, ..., 0.7.
    assert published.epochs_from([rising, rising]) == 29


def test_arms_that_are_compared_differ_in_one_parameter(published):
    fits = published.planned("ablation", "ravdess", "mel")
    baseline = published.classifier_for(fits[0], 10, "cpu").get_params()
    changed = {
        fit.variant: {
            name
            for name, value in published.classifier_for(fit, 10, "cpu").get_params().items()
            if value != baseline[name]
        }
        for fit in fits
        if fit.subset == fits[0].subset and fit.center_lambda == 0
    }
    assert changed.pop("batches of 64") == {"batch_size", "max_epochs", "patience"}
    assert changed.pop("published") == set()
    assert {len(names) for names in changed.values()} == {1}


def test_a_row_stays_valid_when_the_classifier_gets_a_parameter(published, monkeypatch):
    class Extended(published.CenterLossClassifier):
        def __init__(self, *, new=None, **parameters):
            super().__init__(**parameters)
            self.new = new

    fit = published.planned("primary", "ravdess", "mel")[0]
    key = published.key_of(fit, 10)
    monkeypatch.setattr(published, "CenterLossClassifier", Extended)
    assert published.key_of(fit, 10) == key
    assert published.key_of(fit, 11) != key


def test_pairs_share_subset_and_seed(published):
    fits = published.planned("primary", "ravdess", "mel")
    pairs = Counter(
        (fit.deal, fit.subset, published.classifier_for(fit, 10, "cpu").random_state) for fit in fits
    )
    assert set(pairs.values()) == {2}
    assert len(pairs) == len(published.DEALS) * len(published.TEST_SUBSETS)


def test_gain_is_the_mean_of_paired_differences(published):
    rows = pd.DataFrame(
        [
            ("ravdess", "mel", weight, 0, subset, ua, ua)
            for weight, scores in ((0.0, [0.5, 0.6]), (0.6, [0.53, 0.65]))
            for subset, ua in enumerate(scores)
        ],
        columns=["corpus", "features", "center_lambda", "deal", "subset", "UA", "WA"],
    )
    table = published.gain_table(rows).set_index("score")
    assert table.gain["UA"] == pytest.approx(4)
    assert (table.softmax["UA"], table.center["UA"]) == pytest.approx((55, 59))


def test_arms_without_all_test_subsets_are_left_out_of_the_table_of_weights(published):
    rows = pd.DataFrame(
        [
            ("primary" if weight == 0.6 else "secondary", "ravdess", "mel", weight, 0.5, 0, subset, 0.5, 0.5)
            for weight, n_subsets in ((0.6, 5), (6.0, 4), (0.06, 5))
            for subset in range(n_subsets)
        ],
        columns=[
            "stage",
            "corpus",
            "features",
            "center_lambda",
            "center_alpha",
            "deal",
            "subset",
            "UA",
            "WA",
        ],
    )
    assert published.complete(rows).center_lambda.unique().tolist() == [0.6, 0.06]


def test_small_weights_are_not_rounded(published):
    rows = pd.DataFrame({"corpus": "ravdess", "features": "mel", "center_lambda": [0.006, 6.0], "UA": 0.5})
    table = published.mean_table(rows, ["center_lambda"], ["UA"])
    assert table.center_lambda.tolist() == ["0.006", "6"]
