"""The option to give no answer, and the risk at each coverage."""

from __future__ import annotations

import re
import warnings
from enum import Enum, StrEnum

import numpy as np
import pandas as pd
import pytest
import sklearn
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import (
    GridSearchCV,
    GroupKFold,
    TunedThresholdClassifierCV,
    cross_val_predict,
    cross_val_score,
    cross_validate,
)
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from skser import (
    CenterLossClassifier,
    RejectOption,
    SpeakerNormalizer,
    SpectrogramTransformer,
    evaluate,
    load_model,
    save_model,
)
from skser._utils import last_step, steps_of
from skser.inference import classify
from skser.metrics import risk_coverage_curve
from skser.training import CenterLossNet


@pytest.fixture
def data():
    """Overlapping classes of six speakers."""
    rng = np.random.default_rng(0)
    y = np.tile(["angry", "calm"], 60)
    X = rng.normal(loc=(y == "calm").astype(float), scale=0.8)[:, np.newaxis]
    return X, y, np.repeat(list("ABCDEF"), 20)


def small_classifier(**parameters):
    return CenterLossClassifier(
        channels=(4,), rnn_units=4, embedding_dim=4, max_epochs=2, random_state=0, **parameters
    )


def unseen(X, y, groups, n_folds=5):
    """Probabilities of speakers that are not in the training set."""
    probabilities = cross_val_predict(
        LogisticRegression(), X, y, groups=groups, cv=GroupKFold(n_folds), method="predict_proba"
    )
    labels = np.array(["angry", "calm"])[probabilities.argmax(axis=1)]
    return labels == y, probabilities.max(axis=1)


def test_items_below_the_threshold_get_the_label(data):
    X, y, _ = data
    model = RejectOption(LogisticRegression(), threshold=0.7).fit(X, y)
    plain = LogisticRegression().fit(X, y)
    sure = plain.predict_proba(X).max(axis=1) >= 0.7
    assert 0 < sure.sum() < len(y)
    assert np.array_equal(model.predict(X), np.where(sure, plain.predict(X), "unknown"))


def test_classes_and_probabilities_are_those_of_the_estimator(data):
    X, y, groups = data
    model = RejectOption(LogisticRegression(), coverage=0.5).fit(X, y, groups=groups)
    plain = LogisticRegression().fit(X, y)
    assert model.classes_.tolist() == ["angry", "calm"]
    assert np.array_equal(model.predict_proba(X), plain.predict_proba(X))


@pytest.mark.parametrize("coverage", [0.1, 0.5, 0.9, 1.0])
def test_threshold_answers_the_share_of_items_of_unseen_speakers(data, coverage):
    _, confidence = unseen(*data)
    model = RejectOption(LogisticRegression(), coverage=coverage).fit(*data[:2], groups=data[2])
    assert model.threshold_ == np.sort(confidence)[::-1][round(coverage * len(confidence)) - 1]


@pytest.mark.parametrize("accuracy", [0.8, 0.9])
def test_threshold_is_the_lowest_that_reaches_the_accuracy_on_unseen_speakers(data, accuracy):
    right, confidence = unseen(*data)
    model = RejectOption(LogisticRegression(), accuracy=accuracy).fit(*data[:2], groups=data[2])
    reaching = [value for value in confidence if right[confidence >= value].mean() >= accuracy]
    assert model.threshold_ == min(reaching)
    assert right.mean() < accuracy


def test_accuracy_that_is_not_reached_raises(data):
    X, y, groups = data
    wrong = np.where(y == "angry", "calm", "angry")
    halves = np.isin(groups, list("ABC"))
    with pytest.raises(
        ValueError, match=r"no threshold reaches accuracy=1 on unseen speakers, the highest is 0"
    ):
        RejectOption(LogisticRegression(), accuracy=1.0).fit(X, np.where(halves, y, wrong), groups=halves)


def test_number_of_folds_is_at_most_that_of_the_speakers(data):
    X, y, groups = data
    pair = np.isin(groups, ["A", "B"])
    _, confidence = unseen(X[pair], y[pair], groups[pair], 2)
    model = RejectOption(LogisticRegression(), coverage=1.0).fit(X[pair], y[pair], groups=groups[pair])
    assert model.threshold_ == confidence.min()


def test_folds_can_be_chosen(data):
    _, confidence = unseen(*data, 2)
    model = RejectOption(LogisticRegression(), coverage=1.0, cv=2).fit(*data[:2], groups=data[2])
    assert model.threshold_ == confidence.min()


def test_distance_is_that_of_the_embedding_to_the_predicted_center():
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(12, 5, 9)), np.tile([1, 2, 3], 4)
    plain = small_classifier().fit(X, y)
    predicted = plain.predict_proba(X).argmax(axis=1)
    distances = np.linalg.norm(plain.transform(X) - plain.centers_[predicted], axis=1)
    threshold = float(np.median(distances))
    model = RejectOption(small_classifier(), threshold=threshold, confidence="distance", label=0).fit(X, y)
    assert model.threshold_ == threshold
    expected = np.where(distances <= threshold, plain.classes_[predicted], 0)
    assert model.predict(X).tolist() == expected.tolist()
    assert 0 < (expected == 0).sum() < 12


def test_distance_threshold_is_found_on_unseen_speakers():
    rng = np.random.default_rng(0)
    X, y, groups = rng.normal(size=(12, 5, 9)), np.tile([1, 2], 6), np.repeat([1, 2, 3], 4)
    model = RejectOption(small_classifier(), coverage=1.0, confidence="distance", label=0).fit(
        X, y, groups=groups
    )
    distances = []
    for train, test in GroupKFold(3).split(X, y, groups):
        fold = small_classifier().fit(X[train], y[train])
        centers = fold.centers_[fold.predict_proba(X[test]).argmax(axis=1)]
        distances += np.linalg.norm(fold.transform(X[test]) - centers, axis=1).tolist()
    assert model.threshold_ == pytest.approx(max(distances), rel=1e-6)


@pytest.mark.parametrize(
    "wrap",
    [lambda model: model, lambda model: GridSearchCV(model, {}, cv=2), lambda model: make_pipeline(model)],
    ids=["Pipeline", "search", "nested"],
)
def test_threshold_is_found_with_the_groups_that_predict_receives(wrap):
    # The means of the speakers differ more than the classes, so without them all confidences are high.
    rng = np.random.default_rng(0)
    groups, y = np.repeat(np.arange(12), 40), np.tile(["calm", "angry"], 240)
    X = (rng.normal(0, 4, 12)[groups] + np.where(y == "calm", -1, 1) + rng.normal(0, 0.7, 480))[:, np.newaxis]
    train = groups < 8
    with sklearn.config_context(enable_metadata_routing=True):
        pipe = make_pipeline(SpeakerNormalizer(unknown="batch"), LogisticRegression())
        model = RejectOption(wrap(pipe), coverage=0.5)
        model.fit(X[train], y[train], groups=groups[train])
        predicted = model.predict(X[~train], groups=groups[~train])
        probabilities = model.predict_proba(X[~train], groups=groups[~train])
    centered = X - np.array([X[groups == group].mean() for group in groups])[:, np.newaxis]
    plain = LogisticRegression().fit(centered[train], y[train])
    np.testing.assert_allclose(probabilities, plain.predict_proba(centered[~train]))
    assert (predicted != "unknown").mean() == pytest.approx(0.5, abs=0.1)


def interrupted_training(*_, **__):
    raise KeyboardInterrupt


def test_ctrl_c_in_a_fold_ends_the_search_for_a_threshold(monkeypatch):
    monkeypatch.setattr(CenterLossNet, "train_step", interrupted_training)
    X, y = np.random.default_rng(0).normal(size=(12, 5, 9)), ["calm", "angry"] * 6
    model = RejectOption(small_classifier(), coverage=0.5)
    with pytest.raises(KeyboardInterrupt):
        model.fit(X, y, groups=np.repeat(list("ABC"), 4))
    assert not hasattr(model, "estimator_")


def test_a_warning_that_reads_like_an_interruption_does_not_end_fit(data):
    class Warns(LogisticRegression):
        def fit(self, X, y):
            warnings.warn("training was interrupted by a power cut", UserWarning, stacklevel=2)
            return super().fit(X, y)

    with pytest.warns(UserWarning, match="power cut"):
        assert 0.5 <= RejectOption(Warns(), coverage=0.5).fit(*data[:2], groups=data[2]).threshold_ <= 1


def test_pipeline_of_recordings_uses_distances():
    rng = np.random.default_rng(0)
    X, y = [rng.normal(size=800) for _ in range(6)], ["calm", "angry"] * 3
    pipe = make_pipeline(SpectrogramTransformer(n_mels=4), small_classifier())
    model = RejectOption(pipe, coverage=1.0, confidence="distance").fit(X, y, groups=[1, 1, 2, 2, 3, 3])
    assert model.threshold_ > 0
    assert set(model.predict(X)) <= {"calm", "angry", "unknown"}


def test_distance_without_centers_raises(data):
    with pytest.raises(TypeError, match='confidence="distance" needs a CenterLossClassifier'):
        RejectOption(LogisticRegression(), coverage=0.5, confidence="distance").fit(*data[:2], groups=data[2])


@pytest.mark.parametrize(
    ("parameters", "error", "message"),
    [
        ({}, ValueError, "exactly one of threshold, coverage and accuracy must be set, got none of them"),
        ({"threshold": 0.5, "coverage": 0.5}, ValueError, "got threshold and coverage: set one"),
        ({"threshold": 1.5}, ValueError, r"threshold must be a number in \[0, 1\]"),
        ({"coverage": 0}, ValueError, r"coverage must be a number in \(0, 1\]"),
        ({"accuracy": "0.9"}, TypeError, "accuracy must be a number"),
        ({"coverage": 0.5, "cv": 1}, ValueError, "cv must be an integer"),
        (
            {"coverage": 0.5, "confidence": "margin"},
            ValueError,
            "confidence must be one of 'distance', 'probability'",
        ),
        (
            {"threshold": 0.5, "label": "calm"},
            ValueError,
            r"label='calm' is one of the classes \['angry', 'calm'\]",
        ),
        (
            {"threshold": 0.5, "label": -1},
            TypeError,
            r"^label=-1 is a number, but the classes are text: set label to text that is not a class\.$",
        ),
        (
            {"threshold": 0.5, "label": None},
            TypeError,
            "label=None is a value of type NoneType, but the classes are text: set label to text",
        ),
    ],
)
def test_invalid_parameters_raise_in_fit(data, parameters, error, message):
    model = RejectOption(LogisticRegression(), **parameters)
    with pytest.raises(error, match=message):
        model.fit(*data[:2], groups=data[2])
    assert not hasattr(model, "estimator_")


@pytest.mark.parametrize(
    ("classes", "message"),
    [
        (
            [0, 1],
            "is text, but the classes are numbers: set label to a number that is not a class, such as -1.",
        ),
        (
            [-1, 1],
            "is text, but the classes are numbers: set label to a number that is not a class, such as -2.",
        ),
        ([False, True], "is text, but the classes are booleans: replace the classes by text or numbers,"),
    ],
)
def test_text_is_no_label_of_other_classes(data, classes, message):
    X, y, _ = data
    labels = np.where(y == "calm", classes[0], classes[1])
    with pytest.raises(TypeError, match=re.escape(f"label='unknown' {message}")):
        RejectOption(LogisticRegression(), threshold=0.5).fit(X, labels)


@pytest.mark.parametrize("groups", [None, np.zeros(120)])
def test_speakers_are_needed_to_find_a_threshold(data, groups):
    with pytest.raises(ValueError, match="need groups of at least 2 speakers"):
        RejectOption(LogisticRegression(), coverage=0.5).fit(*data[:2], groups=groups)


def test_speakers_without_a_name_raise(data):
    groups = ["a", "b", float("nan")] * 40
    with pytest.raises(ValueError, match="groups has no value for item 2, got nan: fill it in"):
        RejectOption(LogisticRegression(), coverage=0.5).fit(*data[:2], groups=groups)


class Emotion(Enum):
    ANGRY = "angry"
    CALM = "calm"
    UNKNOWN = "unknown"


class TextEmotion(StrEnum):
    ANGRY = "angry"
    CALM = "calm"
    UNKNOWN = "unknown"


LABELS = [
    *([kind.ANGRY, kind.CALM, kind.UNKNOWN] for kind in (Emotion, TextEmotion)),
    [b"angry", b"calm", b"unknown"],
]


@pytest.mark.parametrize(
    ("classes", "label"),
    [
        (np.array([2**60 + 1, 2**60 + 3]), -0.5),
        (np.array([0, 1]), float("nan")),
        (np.array([0.0, 1.0]), float("nan")),
        (np.array([2**63, 2**63 + 1], dtype=np.uint64), -1),
    ],
    ids=["rounded classes", "NaN among integers", "NaN", "negative and unsigned"],
)
def test_number_that_would_change_the_classes_is_refused(data, classes, label):
    X, y, _ = data
    message = (
        f"label={label!r} cannot be stored in one array with the classes of type {classes.dtype} without"
    )
    with pytest.raises(ValueError, match=re.escape(message)):
        RejectOption(LogisticRegression(), threshold=0.5, label=label).fit(X, classes[(y == "calm") * 1])


@pytest.mark.parametrize(
    ("classes", "label"),
    [
        (np.array([2**63, 2**63 + 1], dtype=np.uint64), 7),
        (np.array([0, 1], dtype=np.uint8), -1),
        (np.array([0.0, 1.0], dtype=np.float32), 0.5),
        (np.array([0.0, 1.0], dtype=np.float16), 1e6),
    ],
    ids=["unsigned", "small unsigned", "float32", "float16"],
)
def test_number_that_fits_comes_back_beside_the_classes(data, classes, label):
    X, y, _ = data
    model = RejectOption(LogisticRegression(), threshold=0.9, label=label).fit(X, classes[(y == "calm") * 1])
    assert set(model.predict(X).tolist()) == {*classes.tolist(), label}


@pytest.mark.parametrize("labels", LABELS, ids=["Enum", "Enum of text", "bytes"])
def test_labels_of_any_kind_come_back_as_they_were_passed(labels):
    rng = np.random.default_rng(0)
    X, groups = rng.normal(size=(12, 5, 9)), np.repeat([1, 2, 3], 4)
    model = RejectOption(small_classifier(), coverage=0.5, label=labels[2]).fit(
        X, labels[:2] * 6, groups=groups
    )
    sure = model.predict_proba(X).max(axis=1) >= model.threshold_
    assert 0 < sure.sum() < 12
    predicted = model.predict(X).tolist()
    expected = np.where(sure, model.estimator_.predict(X), np.array(labels[2:], dtype=object)).tolist()
    assert [*map(repr, predicted)] == [*map(repr, expected)]
    assert set(map(repr, predicted)) > {repr(labels[2])}
    right = [one == other for one, other in zip(predicted, labels[:2] * 6, strict=True)]
    assert model.score(X, labels[:2] * 6) == np.mean(right)


@pytest.mark.parametrize("labels", LABELS, ids=["Enum", "Enum of text", "bytes"])
def test_label_is_saved_like_the_classes(labels, tmp_path):
    X = np.random.default_rng(0).normal(size=(4, 5, 9))
    model = RejectOption(small_classifier(), threshold=0.9, label=labels[2]).fit(X, labels[:2] * 2)
    with pytest.warns(UserWarning, match="A model file cannot hold labels of type"):
        save_model(model, tmp_path / "model")
    assert load_model(tmp_path / "model").predict(X).tolist() == ["unknown"] * 4
    assert model.label is labels[2]


def test_text_is_no_label_of_members_of_an_enum():
    message = (
        "label='unknown' is text, but the classes are members of TextEmotion: set label to a member of Text"
    )
    with pytest.raises(TypeError, match=message):
        RejectOption(small_classifier(), threshold=0.5).fit(np.zeros((2, 5, 9)), list(TextEmotion)[:2])


@pytest.mark.parametrize("labels", LABELS, ids=["Enum", "Enum of text", "bytes"])
def test_evaluate_accepts_labels_of_any_kind(data, labels):
    X, y, groups = data
    model = RejectOption(LogisticRegression(), threshold=0.7, label=labels[2])
    given = [labels[0] if label == "angry" else labels[1] for label in y]
    found = evaluate(model, (X, given, groups)).predictions["predicted"]
    expected = evaluate(clone(model).set_params(label="unknown"), (X, y, groups)).predictions["predicted"]
    assert found.tolist() == expected.tolist()
    assert set(found) == {"angry", "calm", "unknown"}


def test_missing_label_is_named():
    with pytest.raises(ValueError, match="y has no value for item 1, got None"):
        RejectOption(LogisticRegression(), threshold=0.5).fit([[1], [2]], ["a", None])


def in_search(model):
    return GridSearchCV(model, {}, cv=2)


NESTED = {
    "itself": lambda model: model,
    "Pipeline": make_pipeline,
    "search": in_search,
    "Pipeline in a Pipeline": lambda model: make_pipeline(StandardScaler(), make_pipeline(model)),
    "search in a Pipeline": lambda model: make_pipeline(StandardScaler(), in_search(model)),
    "Pipeline in a search": lambda model: in_search(make_pipeline(StandardScaler(), model)),
}


@pytest.mark.parametrize("wrap", NESTED.values(), ids=NESTED)
def test_threshold_applies_wherever_the_model_ends_with_a_reject_option(data, wrap):
    X, y, _ = data
    model = wrap(RejectOption(LogisticRegression(), threshold=0.7)).fit(X, y)
    labels, probabilities = classify(model, X)
    assert 0 < (labels == "unknown").sum() < len(y)
    assert labels.tolist() == model.predict(X).tolist()
    assert np.array_equal(probabilities, model.predict_proba(X))


@pytest.mark.parametrize("wrap", NESTED.values(), ids=NESTED)
def test_distance_is_found_wherever_the_classifier_is(wrap):
    X, y = np.random.default_rng(0).normal(size=(12, 3)), [1, 2] * 6
    classifier = CenterLossClassifier(network="dense", max_epochs=1, augmentation=None, random_state=0)
    plain = wrap(classifier).fit(X, y)
    Z = np.asarray(plain.transform(X))
    network = last_step(plain)
    predicted = plain.predict_proba(X).argmax(axis=1)
    distances = np.linalg.norm(Z - network.centers_[predicted], axis=1)
    threshold = float(np.median(distances))
    option = RejectOption(wrap(classifier), threshold=threshold, confidence="distance", label=0).fit(X, y)
    expected = np.where(distances <= threshold, network.classes_[predicted], 0)
    assert option.predict(X).tolist() == expected.tolist()
    assert 0 < (expected == 0).sum() < 12


def test_classifier_with_a_tuned_threshold_is_not_a_search(data):
    X, y, _ = data
    tuned = TunedThresholdClassifierCV(LogisticRegression(), cv=2).fit(X, y)
    assert steps_of(make_pipeline(tuned)) == [tuned]
    assert [*map(type, steps_of(in_search(tuned)))] == [type(tuned)]


def test_search_of_another_library_has_the_steps_of_its_best_estimator():
    class Search(BaseEstimator):
        best_estimator_ = LogisticRegression()

    assert steps_of(Search()) == [Search.best_estimator_]


@pytest.mark.parametrize("wrap", NESTED.values(), ids=NESTED)
def test_reject_option_within_another_is_refused(data, wrap):
    inner = wrap(RejectOption(LogisticRegression(), threshold=0.6))
    with pytest.raises(
        ValueError, match="estimator is a RejectOption or ends with one, whose threshold would"
    ):
        RejectOption(inner, threshold=0.7).fit(*data[:2])


@pytest.mark.parametrize("target", ["threshold", "coverage"])
def test_estimator_without_probabilities_is_named(data, target):
    model = RejectOption(SVC(), **{target: 0.5})
    with pytest.raises(TypeError, match="the model must have predict_proba, but SVC does not: end it with"):
        model.fit(*data[:2], groups=data[2])
    assert not hasattr(model, "estimator_")


def test_features_have_the_names_of_the_columns(data):
    X, y, _ = data
    model = RejectOption(LogisticRegression(), threshold=0.5)
    assert not hasattr(model, "feature_names_in_")
    assert model.fit(pd.DataFrame(X, columns=["level"]), y).feature_names_in_.tolist() == ["level"]
    assert not hasattr(model.fit(X, y), "feature_names_in_")


def test_prediction_before_fit_raises(data):
    with pytest.raises(NotFittedError):
        RejectOption(LogisticRegression(), threshold=0.5).predict(data[0])


def test_score_counts_the_label_as_wrong(data):
    X, y, _ = data
    model = RejectOption(LogisticRegression(), threshold=0.7).fit(X, y)
    assert model.score(X, y) == (model.predict(X) == y).mean() < LogisticRegression().fit(X, y).score(X, y)


def test_clone_and_parameters_reach_the_estimator():
    model = clone(RejectOption(LogisticRegression(), coverage=0.5)).set_params(estimator__C=0.1, coverage=0.4)
    assert model.get_params()["estimator__C"] == 0.1
    assert model.coverage == 0.4
    assert model.estimator.C == 0.1


def test_fit_does_not_change_the_estimator_passed_in(data):
    inner = LogisticRegression()
    RejectOption(inner, coverage=0.5).fit(*data[:2], groups=data[2])
    assert not hasattr(inner, "coef_")


class Groups(ClassifierMixin, BaseEstimator):
    """Remembers the groups that it received."""

    __metadata_request__fit = {"groups": True}  # noqa: RUF012
    received: list = []  # noqa: RUF012 - shared by clones

    def fit(self, X, y, groups=None):
        self.classes_ = np.unique(y)
        Groups.received.append(None if groups is None else np.unique(groups).tolist())
        return self

    def predict_proba(self, X):
        return np.tile([0.6, 0.4], (len(X), 1))


def test_routing_passes_the_groups_of_the_training_set(data, monkeypatch):
    monkeypatch.setattr(Groups, "received", [])
    with sklearn.config_context(enable_metadata_routing=True):
        RejectOption(make_pipeline(StandardScaler(), Groups()), coverage=0.5, cv=2).fit(
            *data[:2], groups=data[2]
        )
    *folds, last = Groups.received
    assert sorted(folds[0] + folds[1]) == last == list("ABCDEF")
    assert [len(fold) for fold in folds] == [3, 3]


WITH_GROUPS = {
    "itself": Groups,
    "Pipeline": lambda: make_pipeline(StandardScaler(), Groups()),
    "nested": lambda: make_pipeline("passthrough", make_pipeline(StandardScaler(), Groups())),
}


@pytest.mark.parametrize("make", WITH_GROUPS.values(), ids=WITH_GROUPS)
def test_without_routing_groups_reach_the_steps_that_take_them(data, monkeypatch, make):
    monkeypatch.setattr(Groups, "received", [])
    RejectOption(make(), coverage=0.5, cv=2).fit(*data[:2], groups=data[2])
    *folds, last = Groups.received
    assert sorted(folds[0] + folds[1]) == last == list("ABCDEF")
    assert [len(fold) for fold in folds] == [3, 3]


def test_without_routing_groups_can_be_passed_by_the_name_of_the_step(data, monkeypatch):
    monkeypatch.setattr(Groups, "received", [])
    X, y, groups = data
    model = RejectOption(make_pipeline(StandardScaler(), Groups()), coverage=0.5, cv=2)
    model.fit(X, y, groups=groups, groups__groups=np.repeat(["x", "y"], 60))
    assert Groups.received[-1] == ["x", "y"]


class Repeating(Pipeline):
    """Doubles the training set, as a step that draws samples may do."""

    def fit(self, X, y, **params):
        return super().fit(np.repeat(X, 2, axis=0), np.repeat(y, 2), **params)


def test_without_routing_a_classifier_receives_groups_only_if_it_uses_them(data):
    classifier = CenterLossClassifier(network="dense", max_epochs=1, random_state=0)
    RejectOption(Repeating([("net", classifier)]), coverage=0.5).fit(*data[:2], groups=data[2])
    classifier.set_params(early_stopping=True)
    with pytest.raises(ValueError, match="groups has 80 values for 160 items"):
        RejectOption(Repeating([("net", classifier)]), coverage=0.5).fit(*data[:2], groups=data[2])


def test_without_routing_a_pipeline_in_a_search_receives_the_groups(data, monkeypatch):
    monkeypatch.setattr(Groups, "received", [])
    search = GridSearchCV(WITH_GROUPS["Pipeline"](), {}, cv=2, scoring=lambda *_: 0.0)
    RejectOption(search, threshold=0.5).fit(*data[:2], groups=data[2])
    assert Groups.received[-1] == list("ABCDEF")


def test_calibration_by_speakers_needs_no_routing():
    rng = np.random.default_rng(0)
    X, y, groups = rng.normal(size=(12, 5, 9)), ["calm", "angry"] * 6, np.repeat(list("ABCDEF"), 2)
    classifier = small_classifier(calibration="speakers")
    model = RejectOption(classifier, coverage=0.5, cv=2).fit(X, y, groups=groups)
    assert model.estimator_.temperature_ == classifier.fit(X, y, groups=groups).temperature_


@pytest.mark.parametrize("routing", [False, True], ids=["without routing", "with routing"])
@pytest.mark.parametrize("wrap", [lambda model: model, make_pipeline], ids=["itself", "Pipeline"])
def test_a_search_by_groups_receives_them(data, routing, wrap):
    X, y, groups = data
    search = GridSearchCV(LogisticRegression(), {"C": [1.0]}, cv=GroupKFold(2))
    with sklearn.config_context(enable_metadata_routing=routing):
        found = RejectOption(wrap(search), coverage=0.5).fit(X, y, groups=groups).threshold_
    assert found == RejectOption(LogisticRegression(), coverage=0.5).fit(X, y, groups=groups).threshold_


@pytest.mark.parametrize(
    "wrap", [lambda model: model, in_search, CalibratedClassifierCV], ids=["itself", "search", "calibrated"]
)
def test_a_speaker_normalizer_needs_routing_or_speakers_by_name(data, wrap):
    X, y, groups = data
    model = RejectOption(wrap(make_pipeline(SpeakerNormalizer(), LogisticRegression())), threshold=0.5)
    with pytest.raises(
        ValueError, match=r"SpeakerNormalizer needs the speakers, .*: call sklearn\.set_config"
    ):
        model.fit(X, y, groups=groups)
    if wrap is not CalibratedClassifierCV:
        model.fit(X, y, groups=groups, speakernormalizer__groups=groups)


def test_splits_of_a_search_may_be_an_iterator(data):
    X, y, groups = data
    splits = iter(list(GroupKFold(2).split(X, y, groups)))
    model = RejectOption(GridSearchCV(LogisticRegression(), {"C": [1.0]}, cv=splits), threshold=0.5)
    assert model.fit(X, y, groups=groups).estimator_.n_splits_ == 2


def test_outer_routing_reaches_fit(data):
    X, y, groups = data
    pipe = make_pipeline(StandardScaler(), RejectOption(LogisticRegression(), coverage=0.5))
    with sklearn.config_context(enable_metadata_routing=True):
        pipe.fit(X, y, groups=groups)
        scores = cross_val_score(pipe, X, y, params={"groups": groups}, cv=GroupKFold(2))
    assert (scores > 0.2).all()


def test_evaluate_passes_the_speakers(data):
    X, y, groups = data
    evaluation = evaluate(RejectOption(LogisticRegression(), coverage=0.5), (X, y, groups), cv=3)
    share = (evaluation.predictions["predicted"] != "unknown").mean()
    assert share == pytest.approx(0.5, abs=0.15)


def test_curve_equals_a_loop_over_the_thresholds():
    rng = np.random.default_rng(0)
    y_true, y_pred = rng.integers(3, size=(2, 50))
    confidence = rng.integers(10, size=50) / 10
    risks, coverages, thresholds = risk_coverage_curve(y_true, y_pred, confidence)
    expected = sorted(set(confidence.tolist()), reverse=True)
    assert thresholds.tolist() == expected
    for risk, coverage, threshold in zip(risks, coverages, expected, strict=True):
        answered = confidence >= threshold
        assert coverage == pytest.approx(answered.mean())
        assert risk == pytest.approx((y_true != y_pred)[answered].mean())


@pytest.mark.parametrize(
    ("confidence", "message"),
    [
        ([0.5], "confidence has 1 values but y_true has 2 labels"),
        ([0.5, np.nan], "Input confidence contains NaN"),
    ],
)
def test_curve_of_invalid_confidences_raises(confidence, message):
    with pytest.raises(ValueError, match=message):
        risk_coverage_curve([0, 1], [0, 1], confidence)


def test_score_passes_the_speakers_on(data):
    X, y, groups = data
    offset = np.repeat(np.random.default_rng(0).normal(scale=5, size=(6, 1)), len(X) // 6, axis=0)
    plain = make_pipeline(SpeakerNormalizer(unknown="batch", min_items=2), LogisticRegression())
    options = {"cv": GroupKFold(3), "params": {"groups": groups}}
    with sklearn.config_context(enable_metadata_routing=True):
        expected = cross_validate(plain, X + offset, y, **options)["test_score"]
        model = RejectOption(plain, threshold=0.0)
        assert cross_validate(model, X + offset, y, **options)["test_score"].tolist() == expected.tolist()


def test_groups_of_another_length_are_refused_with_a_threshold_too(data):
    with pytest.raises(ValueError, match="groups has 1 values for 120 items"):
        RejectOption(LogisticRegression(), threshold=0.5).fit(*data[:2], groups=["A"])
