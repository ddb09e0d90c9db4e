"""The metrics against scikit-learn and naive loops."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.calibration import calibration_curve
from sklearn.dummy import DummyClassifier
from sklearn.metrics import accuracy_score, balanced_accuracy_score, recall_score
from sklearn.model_selection import cross_val_score

from skser.metrics import (
    accuracy_at_coverage,
    expected_calibration_error,
    intra_inter_ratio,
    reliability_curve,
    risk_coverage_curve,
    unweighted_accuracy,
    unweighted_accuracy_scorer,
    weighted_accuracy,
    weighted_accuracy_scorer,
)

LABELS = np.array(["angry", "happy", "neutral", "sad"])


@pytest.fixture(params=range(5))
def drawn(request):
    rng = np.random.default_rng(request.param)
    y_true = LABELS[rng.choice(4, size=60, p=[0.6, 0.2, 0.15, 0.05])]
    y_pred = np.where(rng.random(60) < 0.6, y_true, LABELS[rng.integers(0, 4, 60)])
    return y_true, y_pred, rng.uniform(0.1, 3, 60)


def recall_by_loop(y_true, y_pred, weight):
    recalls = []
    for label in sorted(set(y_true)):
        hit = sum(w for t, p, w in zip(y_true, y_pred, weight, strict=True) if t == label == p)
        recalls.append(hit / sum(w for t, w in zip(y_true, weight, strict=True) if t == label))
    return sum(recalls) / len(recalls)


def ratio_by_loop(embedding, y):
    classes = sorted(set(y))
    means = {
        c: np.mean([z for z, label in zip(embedding, y, strict=True) if label == c], axis=0) for c in classes
    }
    intra = [np.sqrt(sum((z - means[label]) ** 2)) for z, label in zip(embedding, y, strict=True)]
    inter = []
    for i, a in enumerate(classes):
        for b in classes[:i]:
            inter.append(np.sqrt(sum((means[a] - means[b]) ** 2)))
    return np.mean(intra) / np.mean(inter)


def test_unweighted_accuracy_is_the_mean_recall(drawn):
    y_true, y_pred, weight = drawn
    plain = unweighted_accuracy(y_true, y_pred)
    assert isinstance(plain, float)
    assert plain == pytest.approx(recall_score(y_true, y_pred, average="macro"), abs=1e-12)
    for given in (None, weight):
        score = unweighted_accuracy(y_true, y_pred, sample_weight=given)
        expected = recall_by_loop(y_true, y_pred, np.ones(60) if given is None else given)
        assert score == pytest.approx(expected, abs=1e-12)
        assert score == pytest.approx(balanced_accuracy_score(y_true, y_pred, sample_weight=given), abs=1e-12)
    assert score != pytest.approx(plain, abs=1e-6)


def test_weighted_accuracy_is_the_share_of_correct_predictions(drawn):
    y_true, y_pred, weight = drawn
    assert weighted_accuracy(y_true, y_pred) == pytest.approx(np.mean(y_true == y_pred), abs=1e-12)
    expected = accuracy_score(y_true, y_pred, sample_weight=weight)
    assert weighted_accuracy(y_true, y_pred, sample_weight=weight) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("labels", [[0, 1, 1, 1], [True, False, False, False], ["a", "b", "b", "b"]])
def test_accuracies_of_any_labels_differ_where_classes_are_unequal(labels):
    assert unweighted_accuracy(labels, labels) == weighted_accuracy(labels, labels) == 1.0
    wrong = [labels[1]] * 4
    assert (unweighted_accuracy(labels, wrong), weighted_accuracy(labels, wrong)) == (0.5, 0.75)


@pytest.mark.parametrize(
    ("y_true", "y_pred", "weight", "expected"),
    [
        (["sad", "sad", "angry"], ["sad", "calm", "angry"], None, 0.75),  # only predicted
        (["sad", "sad", "angry"], ["sad", "angry", "sad"], [1, 1, 0], 0.5),  # without weight
        (["sad"] * 4, ["sad", "sad", "sad", "calm"], None, 0.75),  # the only class
    ],
)
def test_only_true_classes_with_weight_count(y_true, y_pred, weight, expected):
    assert unweighted_accuracy(y_true, y_pred, sample_weight=weight) == expected


@pytest.mark.parametrize("metric", [unweighted_accuracy, weighted_accuracy])
@pytest.mark.parametrize(
    ("y_true", "y_pred", "message"),
    [
        (["sad", "calm"], ["sad"], "y_true has 2 labels but y_pred has 1"),
        ([], [], "y_true is empty"),
        ([0.1, 0.7], [0.1, 0.7], "Unknown label type: continuous"),
        ([[0, 1], [1, 0]], [[0, 1], [1, 0]], "should be a 1d array"),
    ],
)
def test_accuracies_reject_other_input(metric, y_true, y_pred, message):
    with pytest.raises(ValueError, match=message):
        metric(y_true, y_pred)


def test_scorers_work_in_cross_validation():
    X, y = np.zeros((40, 1)), np.array(["sad"] * 30 + ["calm"] * 10)
    model = DummyClassifier(strategy="most_frequent")
    assert np.all(cross_val_score(model, X, y, cv=5, scoring=unweighted_accuracy_scorer) == 0.5)
    assert np.all(cross_val_score(model, X, y, cv=5, scoring=weighted_accuracy_scorer) == 0.75)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("scale", [1.0, 1e-200, 1e-3, 7.0, 1e200])
def test_ratio_equals_a_naive_loop_at_any_scale_and_place(seed, scale):
    rng = np.random.default_rng(seed)
    embedding, y = rng.normal(size=(50, 6)), LABELS[rng.integers(0, 4, 50)]
    kept = embedding.copy()
    expected = ratio_by_loop(embedding, y)
    assert intra_inter_ratio(scale * embedding, y) == pytest.approx(expected, rel=1e-12)
    assert intra_inter_ratio(embedding - rng.normal(size=6), y) == pytest.approx(expected, rel=1e-12)
    np.testing.assert_array_equal(embedding, kept)


def test_ratio_falls_with_tighter_and_more_distant_classes():
    rng = np.random.default_rng(0)
    y = np.repeat([0, 1, 2], 20)
    noise, centers = rng.normal(size=(60, 4)), rng.normal(size=(3, 4))
    loose = intra_inter_ratio(centers[y] + noise, y)
    assert intra_inter_ratio(centers[y] + 0.5 * noise, y) < loose
    assert intra_inter_ratio(3 * centers[y] + noise, y) < loose


@pytest.mark.parametrize(
    ("embedding", "expected"),
    [
        ([[1.0], [1.0], [4.0], [4.0]], 0.0),  # each item at its class mean
        ([[-1.0], [1.0], [-2.0], [2.0]], np.inf),  # equal class means
        ([[3.0]] * 4, np.inf),
        ([[0.0]] * 4, np.inf),
    ],
)
def test_ratio_of_degenerate_embeddings(embedding, expected):
    assert intra_inter_ratio(embedding, [0, 0, 1, 1]) == expected


@pytest.mark.parametrize(
    ("embedding", "y", "message"),
    [
        ([[0.0], [1.0]], ["sad", "sad"], r"needs at least two classes, got only \['sad'\] in y"),
        ([[0.0], [1.0]], ["sad", "sad", "calm"], "embedding has 2 rows but y has 3 labels"),
        ([[0.0], [np.nan]], ["sad", "calm"], "embedding contains NaN"),
        ([[0.0], [np.inf]], ["sad", "calm"], "embedding contains infinity"),
        ([0.0, 1.0], ["sad", "calm"], "Expected 2D array"),
        ([[0.0], [1.0]], [0.2, 0.7], "Unknown label type: continuous"),
    ],
)
def test_ratio_rejects_other_input(embedding, y, message):
    with pytest.raises(ValueError, match=message):
        intra_inter_ratio(embedding, y)


def naive_bins(confidence, n_bins):
    """Positions of the items of each bin of equal size, for confidences that all differ."""
    return np.array_split(np.argsort(confidence), n_bins)


@pytest.mark.parametrize("n_bins", [1, 4, 10])
def test_calibration_error_equals_a_naive_loop(n_bins):
    random = np.random.default_rng(0)
    y_true, y_pred, confidence = (
        random.integers(3, size=200),
        random.integers(3, size=200),
        random.uniform(size=200),
    )
    bins = naive_bins(confidence, n_bins)
    accuracies = [np.mean(y_true[items] == y_pred[items]) for items in bins]
    means = [confidence[items].mean() for items in bins]
    found = reliability_curve(y_true, y_pred, confidence, n_bins=n_bins)
    np.testing.assert_allclose(found, [accuracies, means, [200 // n_bins] * n_bins])
    error = expected_calibration_error(y_true, y_pred, confidence, n_bins=n_bins)
    assert error == pytest.approx(np.mean(np.abs(np.subtract(accuracies, means))))


def test_reliability_curve_of_two_classes_is_that_of_scikit_learn():
    random = np.random.default_rng(0)
    is_right, confidence = random.integers(2, size=137), random.uniform(size=137)
    accuracies, means, _ = reliability_curve(is_right, np.ones(137, int), confidence, n_bins=6)
    expected = calibration_curve(is_right, confidence, n_bins=6, strategy="quantile")
    np.testing.assert_allclose((accuracies, means), expected)


def test_items_of_equal_confidence_share_a_bin_in_any_order():
    y_true, confidence = np.array([1, 1, 0, 0, 1, 1]), np.array([1, 1, 1, 1, 0.5, 0.5])
    for order in (slice(None), slice(None, None, -1)):
        accuracies, means, counts = reliability_curve(y_true[order], [1] * 6, confidence[order], n_bins=3)
        assert (accuracies.tolist(), means.tolist(), counts.tolist()) == ([1, 0.5], [0.5, 1], [2, 4])


def test_calibration_error_of_one_item():
    assert expected_calibration_error(["sad"], ["sad"], [0.7]) == pytest.approx(0.3)


@pytest.mark.parametrize(("coverage", "expected"), [(0.25, 1), (0.5, 2 / 3), (0.75, 2 / 3), (1, 0.5)])
def test_accuracy_at_coverage_answers_at_least_that_share(coverage, expected):
    y_true, y_pred = ["sad", "sad", "calm", "calm"], ["sad"] * 4
    assert accuracy_at_coverage(y_true, y_pred, [0.9, 0.6, 0.6, 0.5], coverage) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("metric", "confidence", "parameters", "message"),
    [
        (expected_calibration_error, [0.5, 1.2], {}, r"^confidence holds values outside \[0, 1\]"),
        (expected_calibration_error, [0.5, np.nan], {}, "^Input confidence contains NaN"),
        (expected_calibration_error, [0.5], {}, "^confidence has 1 values but y_true has 2 labels"),
        (reliability_curve, [0.5, 0.6], {"n_bins": 0}, r"^n_bins must be an integer in \[1, inf\), got 0"),
        (accuracy_at_coverage, [0.5, 0.6], {"coverage": 0}, r"^coverage must be a number in \(0, 1\], got 0"),
    ],
)
def test_scores_of_probabilities_reject_other_input(metric, confidence, parameters, message):
    with pytest.raises(ValueError, match=message):
        metric(["sad", "calm"], ["sad", "sad"], confidence, **parameters)


@pytest.mark.parametrize("dtype", [np.uint8, np.int64, np.float16, np.float32, object])
def test_confidence_may_be_of_any_type_of_number(dtype):
    risks, coverages, thresholds = risk_coverage_curve(["sad"] * 3, ["calm", "sad", "sad"], [0, 1, 2])
    found = risk_coverage_curve(["sad"] * 3, ["calm", "sad", "sad"], np.array([0, 1, 2], dtype=dtype))
    assert thresholds.tolist() == found[2].tolist() == [2, 1, 0]
    np.testing.assert_array_equal(found[:2], (risks, coverages))


def test_boolean_confidence_is_read_as_numbers():
    assert risk_coverage_curve([1, 1, 0], [1, 0, 0], [True, False, True])[2].tolist() == [1, 0]


@pytest.mark.parametrize("y_pred", [["1", "2"], [0.5, 0.6]], ids=["text", "no labels"])
@pytest.mark.parametrize("metric", [risk_coverage_curve, expected_calibration_error, accuracy_at_coverage])
def test_predictions_of_another_kind_raise(metric, y_pred):
    with pytest.raises(ValueError, match=r"^Mix (of label input|type of y not allowed)"):
        metric([1, 2], y_pred, [0.5, 0.6])


@pytest.mark.parametrize("score", [unweighted_accuracy, weighted_accuracy])
@pytest.mark.parametrize(
    ("weight", "message"),
    [
        ([1.0, -0.5], "sample_weight of item 1 is -0.5: weights must be finite and at least 0"),
        ([0.0, 0.0], "sample_weight is zero for every item"),
        (["3", "1"], r"sample_weight must hold one number per item \(got dtype <U1\)"),
        (np.array([1j, 1.0]), r"sample_weight must hold one number per item \(got dtype complex128\)"),
        ([1.0], r"sample_weight must be of shape \(2,\), one weight per item, got \(1,\)"),
        (np.ma.masked_equal([1.0, 2.0], 2.0), "sample_weight has a masked value at index 1"),
    ],
)
def test_weights_follow_the_rules_of_fit(score, weight, message):
    with pytest.raises(ValueError, match=message):
        score(["sad", "calm"], ["sad", "sad"], sample_weight=weight)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_weights_may_be_a_tensor_with_a_gradient(dtype):
    weight = torch.tensor([3.0, 1.0], dtype=dtype, requires_grad=True)
    assert weighted_accuracy(["sad", "calm"], ["sad", "sad"], sample_weight=weight) == 0.75
