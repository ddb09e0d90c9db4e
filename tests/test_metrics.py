"""Tests of the metrics."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.dummy import DummyClassifier
from sklearn.metrics import accuracy_score, balanced_accuracy_score, recall_score
from sklearn.model_selection import cross_val_score

from skser.metrics import (
    intra_inter_ratio,
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
    y_true, y_pred, _ = drawn
    score = unweighted_accuracy(y_true, y_pred)
    assert isinstance(score, float)
    assert score == pytest.approx(recall_by_loop(y_true, y_pred, np.ones(60)), abs=1e-12)
    assert score == pytest.approx(balanced_accuracy_score(y_true, y_pred), abs=1e-12)
    assert score == pytest.approx(recall_score(y_true, y_pred, average="macro"), abs=1e-12)


def test_unweighted_accuracy_takes_sample_weights(drawn):
    y_true, y_pred, weight = drawn
    score = unweighted_accuracy(y_true, y_pred, sample_weight=weight)
    assert score == pytest.approx(recall_by_loop(y_true, y_pred, weight), abs=1e-12)
    assert score == pytest.approx(balanced_accuracy_score(y_true, y_pred, sample_weight=weight), abs=1e-12)
    assert score != pytest.approx(unweighted_accuracy(y_true, y_pred), abs=1e-6)


def test_weighted_accuracy_is_the_share_of_correct_predictions(drawn):
    y_true, y_pred, weight = drawn
    assert weighted_accuracy(y_true, y_pred) == pytest.approx(np.mean(y_true == y_pred), abs=1e-12)
    assert weighted_accuracy(y_true, y_pred, sample_weight=weight) == pytest.approx(
        accuracy_score(y_true, y_pred, sample_weight=weight), abs=1e-12
    )


def test_accuracies_differ_where_classes_are_unequal():
    y_true, y_pred = ["sad"] * 9 + ["angry"], ["sad"] * 10
    assert unweighted_accuracy(y_true, y_pred) == 0.5
    assert weighted_accuracy(y_true, y_pred) == 0.9


@pytest.mark.parametrize("labels", [[0, 1, 1, 0], [True, False, False, True], ["a", "b", "b", "a"]])
def test_every_kind_of_label_is_taken(labels):
    wrong = [labels[0]] * 4
    assert unweighted_accuracy(labels, labels) == weighted_accuracy(labels, labels) == 1.0
    assert unweighted_accuracy(labels, wrong) == weighted_accuracy(labels, wrong) == 0.5


def test_a_class_that_is_predicted_only_does_not_count():
    assert unweighted_accuracy(["sad", "sad", "angry"], ["sad", "calm", "angry"]) == 0.75


def test_a_class_without_weight_does_not_count():
    y_true, y_pred = ["sad", "sad", "angry"], ["sad", "angry", "sad"]
    assert unweighted_accuracy(y_true, y_pred, sample_weight=[1, 1, 0]) == 0.5


def test_a_single_class_is_scored_by_its_recall():
    assert unweighted_accuracy(["sad"] * 4, ["sad", "sad", "sad", "calm"]) == 0.75


@pytest.mark.parametrize("metric", [unweighted_accuracy, weighted_accuracy])
def test_accuracies_reject_what_is_no_pair_of_label_vectors(metric):
    with pytest.raises(ValueError, match="y_true has 2 labels but y_pred has 1"):
        metric(["sad", "calm"], ["sad"])
    with pytest.raises(ValueError, match="y_true is empty"):
        metric([], [])
    with pytest.raises(ValueError, match="Unknown label type: continuous"):
        metric([0.1, 0.7], [0.1, 0.7])
    with pytest.raises(ValueError, match="should be a 1d array"):
        metric([[0, 1], [1, 0]], [[0, 1], [1, 0]])


def test_scorers_work_in_cross_validation():
    X, y = np.zeros((40, 1)), np.array(["sad"] * 30 + ["calm"] * 10)
    model = DummyClassifier(strategy="most_frequent")
    assert np.all(cross_val_score(model, X, y, cv=5, scoring=unweighted_accuracy_scorer) == 0.5)
    assert np.all(cross_val_score(model, X, y, cv=5, scoring=weighted_accuracy_scorer) == 0.75)


@pytest.mark.parametrize("seed", range(3))
def test_ratio_equals_a_naive_loop(seed):
    rng = np.random.default_rng(seed)
    embedding, y = rng.normal(size=(50, 6)), LABELS[rng.integers(0, 4, 50)]
    assert intra_inter_ratio(embedding, y) == pytest.approx(ratio_by_loop(embedding, y), rel=1e-12)


def test_ratio_falls_as_classes_tighten_and_part():
    rng = np.random.default_rng(0)
    y = np.repeat([0, 1, 2], 20)
    noise, centers = rng.normal(size=(60, 4)), rng.normal(size=(3, 4))
    loose = intra_inter_ratio(centers[y] + noise, y)
    assert intra_inter_ratio(centers[y] + 0.5 * noise, y) < loose
    assert intra_inter_ratio(3 * centers[y] + noise, y) < loose


@pytest.mark.parametrize("scale", [1e-200, 1e-3, 7.0, 1e200])
def test_ratio_does_not_depend_on_scale_or_place(scale):
    embedding = np.array([[0.0, 1.0], [2.0, 0.0], [8.0, 3.0], [9.0, 9.0], [5.0, -4.0]])
    y = ["sad", "sad", "calm", "calm", "calm"]
    expected = ratio_by_loop(embedding, y)
    assert intra_inter_ratio(scale * embedding, y) == pytest.approx(expected, rel=1e-12)
    assert intra_inter_ratio(embedding - [4.0, 5.0], y) == pytest.approx(expected, rel=1e-12)


def test_ratio_of_points_on_their_means_is_zero():
    assert intra_inter_ratio([[1.0], [1.0], [4.0], [4.0]], [0, 0, 1, 1]) == 0.0


@pytest.mark.parametrize("embedding", [[[-1.0], [1.0], [-2.0], [2.0]], [[3.0]] * 4, [[0.0]] * 4])
def test_ratio_of_coinciding_means_is_infinite(embedding):
    assert intra_inter_ratio(embedding, [0, 0, 1, 1]) == np.inf


def test_ratio_leaves_its_input_alone():
    embedding = np.array([[0.0], [2.0], [8.0], [10.0]])
    kept = embedding.copy()
    assert intra_inter_ratio(embedding, [0, 0, 1, 1]) == 0.125
    np.testing.assert_array_equal(embedding, kept)


def test_ratio_rejects_what_has_no_meaning():
    with pytest.raises(ValueError, match=r"needs two classes or more, got \['sad'\] in y"):
        intra_inter_ratio([[0.0], [1.0]], ["sad", "sad"])
    with pytest.raises(ValueError, match="embedding has 2 rows but y has 3 labels"):
        intra_inter_ratio([[0.0], [1.0]], ["sad", "sad", "calm"])
    with pytest.raises(ValueError, match="embedding contains NaN"):
        intra_inter_ratio([[0.0], [np.nan]], ["sad", "calm"])
    with pytest.raises(ValueError, match="embedding contains infinity"):
        intra_inter_ratio([[0.0], [np.inf]], ["sad", "calm"])
    with pytest.raises(ValueError, match="Expected 2D array"):
        intra_inter_ratio([0.0, 1.0], ["sad", "calm"])
    with pytest.raises(ValueError, match="Unknown label type: continuous"):
        intra_inter_ratio([[0.0], [1.0]], [0.2, 0.7])
