"""Tests of evaluation with speakers kept apart."""

from __future__ import annotations

import pickle
import warnings
from pathlib import Path
from types import SimpleNamespace

import joblib
import numpy as np
import pandas as pd
import pytest
import scipy.sparse
import sklearn
from sklearn.base import BaseEstimator, ClassifierMixin, TransformerMixin
from sklearn.calibration import CalibratedClassifierCV
from sklearn.dummy import DummyClassifier
from sklearn.ensemble import AdaBoostClassifier
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.metrics import balanced_accuracy_score, confusion_matrix, recall_score
from sklearn.model_selection import (
    GridSearchCV,
    GroupKFold,
    KFold,
    LeaveOneGroupOut,
    RepeatedStratifiedKFold,
    StratifiedGroupKFold,
    StratifiedKFold,
    cross_val_predict,
)
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC
from sklearn.utils import Bunch
from sklearn.utils.validation import check_is_fitted

from skser import (
    CenterLossClassifier,
    Spectrograms,
    SpectrogramTransformer,
    evaluate,
    unweighted_accuracy,
    weighted_accuracy,
)
from skser.datasets import load_audio_files, load_ravdess, make_emotional_speech

SPEAKERS = np.repeat(["Ann", "Ben", "Eve", "Ian", "Liz", "Tom"], 10)
SESSIONS = np.repeat([1, 2, 3], 20)
SMALL = {
    "channels": (4, 4),
    "rnn_units": 4,
    "embedding_dim": 3,
    "max_epochs": 1,
    "random_state": 0,
}


@pytest.fixture
def features() -> Bunch:
    """Features of six speakers in three sessions; a few classes overlap."""
    rng = np.random.default_rng(0)
    y = np.tile(np.repeat(["angry", "calm", "sad"], [5, 3, 2]), 6)
    X = rng.normal(size=(60, 4)) + 1.2 * np.unique(y, return_inverse=True)[1][:, None]
    frame = pd.DataFrame({"session": SESSIONS, "speaker": SPEAKERS, "sex": np.tile(["f", "m"], 30)})
    return Bunch(data=X, target=y, groups=SPEAKERS, frame=frame)


@pytest.fixture(scope="module")
def speech() -> Bunch:
    return make_emotional_speech(
        n_speakers=4, n_per_class=2, emotions=["sad", "angry"], duration=0.5, random_state=0
    )


@pytest.fixture
def svc() -> Pipeline:
    return make_pipeline(StandardScaler(), SVC())


def spoken(**parameters) -> Pipeline:
    classifier = CenterLossClassifier(**{**SMALL, **parameters})
    return Pipeline([("spectrogram", SpectrogramTransformer(n_mels=8)), ("classifier", classifier)])


def without_warnings(*args, **kwargs):
    """Evaluate where no warning is due."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.filterwarnings("ignore", module="librosa")  # 0.10 warns of itself as it is imported
        return evaluate(*args, **kwargs)


# What comes out


def test_predictions_are_those_of_cross_val_predict(features, svc):
    evaluation = without_warnings(svc, features)
    X, y = features.data, features.target
    expected = cross_val_predict(svc, X, y, groups=SPEAKERS, cv=LeaveOneGroupOut())
    table = evaluation.predictions
    np.testing.assert_array_equal(table["predicted"], expected)
    assert table["item"].tolist() == list(range(60))
    for column, values in {"label": y, "group": SPEAKERS, "speaker": SPEAKERS}.items():
        np.testing.assert_array_equal(table[column], values)
    assert not np.array_equal(expected, svc.fit(X, y).predict(X))


def test_probabilities_are_those_of_cross_val_predict(features):
    model = LogisticRegression()
    table = without_warnings(model, features).predictions
    expected = cross_val_predict(
        model,
        features.data,
        features.target,
        groups=SPEAKERS,
        cv=LeaveOneGroupOut(),
        method="predict_proba",
    )
    columns = ["probability_angry", "probability_calm", "probability_sad"]
    np.testing.assert_array_equal(table[columns], expected)


def test_an_estimator_without_probabilities_gives_none(features, svc):
    columns = without_warnings(svc, features).predictions.columns
    assert columns.tolist() == ["item", "label", "predicted", "group", "speaker", "fold"]


def test_folds_hold_the_accuracies_of_their_test_parts(features, svc):
    evaluation = without_warnings(svc, features)
    assert evaluation.folds["fold"].tolist() == [1, 2, 3, 4, 5, 6]
    assert evaluation.folds["test_groups"].tolist() == [(name,) for name in np.unique(SPEAKERS)]
    assert evaluation.folds["n_train"].tolist() == [50] * 6
    assert evaluation.folds["n_test"].tolist() == [10] * 6
    for row, (train, test) in zip(
        evaluation.folds.itertuples(), LeaveOneGroupOut().split(SPEAKERS, groups=SPEAKERS), strict=True
    ):
        y_test = features.target[test]
        predicted = svc.fit(features.data[train], features.target[train]).predict(features.data[test])
        assert pytest.approx(balanced_accuracy_score(y_test, predicted), abs=1e-12) == row.UA
        assert pytest.approx(np.mean(predicted == y_test), abs=1e-12) == row.WA
        in_fold = evaluation.predictions.query(f"fold == {row.fold}")
        np.testing.assert_array_equal(in_fold["item"], test)
        np.testing.assert_array_equal(in_fold["predicted"], predicted)


def test_pooled_figures_are_over_all_predictions(features, svc):
    evaluation = without_warnings(svc, features)
    y, predicted = evaluation.predictions["label"], evaluation.predictions["predicted"]
    assert evaluation.unweighted_accuracy == pytest.approx(recall_score(y, predicted, average="macro"))
    assert evaluation.weighted_accuracy == pytest.approx(np.mean(y == predicted))
    assert evaluation.labels.tolist() == ["angry", "calm", "sad"]
    np.testing.assert_array_equal(evaluation.confusion_matrix, confusion_matrix(y, predicted))
    np.testing.assert_allclose(evaluation.recall, recall_score(y, predicted, average=None))
    assert evaluation.recall.index.tolist() == ["angry", "calm", "sad"]


def test_figures_by_hand():
    X = np.array([[0], [0], [0], [1], [1], [1], [0], [1]])
    y = ["calm", "calm", "sad", "sad", "sad", "calm", "calm", "sad"]
    memory = Rule()  # calm for 0, sad for 1
    with pytest.warns(UserWarning, match="2 groups"):
        evaluation = evaluate(memory, (X, y, ["Ann"] * 6 + ["Ben"] * 2))
    # Ann: calm 2 of 3, sad 2 of 3; Ben: calm 1 of 1, sad 1 of 1.
    np.testing.assert_allclose(evaluation.folds["UA"], [2 / 3, 1])
    assert evaluation.confusion_matrix.tolist() == [[3, 1], [1, 3]]
    assert evaluation.unweighted_accuracy == evaluation.weighted_accuracy == 0.75
    np.testing.assert_allclose(evaluation.summary["UA"], [0.75, 5 / 6, 1 / 6])
    np.testing.assert_allclose(evaluation.summary["WA"], [0.75, 5 / 6, 1 / 6])
    assert evaluation.summary.index.tolist() == ["pooled", "mean", "std"]


class Rule(ClassifierMixin, BaseEstimator):
    """Calm for 0, sad for the rest."""

    def fit(self, X, y):
        self.classes_ = np.unique(y)
        return self

    def predict(self, X):
        return np.where(np.asarray(X)[:, 0] == 0, "calm", "sad")


def test_pooled_and_mean_accuracy_differ_where_folds_do(features):
    groups = np.repeat(["a", "b", "c", "d"], [30, 10, 10, 10])
    scores = without_warnings(LogisticRegression(), (features.data, features.target, groups)).summary["WA"]
    assert scores["pooled"] != pytest.approx(scores["mean"], abs=1e-6)


def test_confusion_matrix_display_draws_the_predictions(features, svc):
    pytest.importorskip("matplotlib").use("agg")
    from sklearn.metrics import ConfusionMatrixDisplay

    evaluation = without_warnings(svc, features)
    display = ConfusionMatrixDisplay.from_predictions(
        evaluation.predictions["label"], evaluation.predictions["predicted"]
    )
    np.testing.assert_array_equal(display.confusion_matrix, evaluation.confusion_matrix)
    assert list(display.display_labels) == evaluation.labels.tolist()


def test_two_calls_agree_and_so_do_one_worker_and_two(features, svc):
    first, again, shared = (without_warnings(svc, features, n_jobs=n_jobs) for n_jobs in (None, 1, 2))
    for other in (again, shared):
        pd.testing.assert_frame_equal(first.predictions, other.predictions)
        pd.testing.assert_frame_equal(first.folds, other.folds)


def test_estimator_is_left_as_it_is(features):
    model = LogisticRegression()
    without_warnings(model, features)
    assert not hasattr(model, "coef_")


def test_fitted_estimators_are_kept_where_they_are_asked_for(features, svc):
    assert without_warnings(svc, features).estimators is None
    evaluation = without_warnings(svc, features, return_estimator=True)
    for fold, model in enumerate(evaluation.estimators, start=1):
        rows = evaluation.predictions.query(f"fold == {fold}")
        np.testing.assert_array_equal(model.predict(features.data[rows["item"]]), rows["predicted"])


def test_evaluation_survives_pickle(features, svc):
    evaluation = without_warnings(svc, features)
    again = pickle.loads(pickle.dumps(evaluation))
    assert str(again) == str(evaluation)


# How it reads


def test_report_shows_folds_classes_and_warnings(features):
    model = DummyClassifier(strategy="constant", constant="calm")
    features.target[SPEAKERS == "Ann"] = "angry"
    with pytest.warns(UserWarning, match="not every part"):
        evaluation = evaluate(model, features)
    lines = str(evaluation).splitlines()
    words = [line.split() for line in lines]
    assert lines[0].startswith("UA and WA in % (chance is 33.3 % UA")
    assert ["1", "Ann", "50", "10", "0.0", "0.0"] in words
    assert ["2", "Ben", "50", "10", "33.3", "30.0"] in words
    assert ["mean", "27.8", "25.0"] in words
    assert ["pooled", "60", "33.3", "25.0"] in words
    assert ["class", "items", "recall", "as", "angry", "as", "calm", "as", "sad"] in words
    assert ["calm", "15", "100.0", "0", "15", "0"] in words
    assert lines[-1] == f"Note: {evaluation.warnings[0]}"
    assert repr(evaluation) == "Evaluation(UA=33.3 %, WA=25.0 %, folds=6, predictions=60)"


def test_report_names_few_groups_and_leaves_a_large_confusion_matrix_out():
    y = np.tile(np.arange(10), 14)
    groups = np.repeat(np.arange(14), 10)
    evaluation = without_warnings(DummyClassifier(), (y[:, None], y, groups), cv=2)
    assert "0, 2, 4, 6 and 3 more" in str(evaluation)
    assert "as 3" not in str(evaluation)
    assert "Note" not in str(evaluation)


def test_html_shows_the_report_escaped(features):
    features.target = np.char.add(features.target, "<b>")
    page = without_warnings(DummyClassifier(), features)._repr_html_()
    assert "angry&lt;b&gt;" in page
    assert "<b>" not in page


# What goes in


@pytest.mark.parametrize(
    "corpus",
    [
        lambda c: {"data": c.data, "target": c.target, "groups": c.groups},
        lambda c: SimpleNamespace(data=c.data, target=c.target, groups=c.groups),
        lambda c: (c.data, c.target, c.groups),
        lambda c: (pd.DataFrame(c.data), pd.Series(c.target, index=range(60, 0, -1)), pd.Series(c.groups)),
        lambda c: (scipy.sparse.csr_matrix(c.data), c.target, c.groups),
        lambda c: (scipy.sparse.coo_matrix(c.data), c.target, c.groups),
        lambda c: (c.data.tolist(), c.target.tolist(), c.groups.tolist()),
        lambda c: (tuple(c.data.tolist()), pd.Categorical(c.target), c.groups.astype(object)),
    ],
    ids=["mapping", "object", "tuple", "pandas", "csr", "coo", "lists", "categorical"],
)
def test_any_form_of_a_corpus_gives_the_same(features, corpus):
    expected = without_warnings(LogisticRegression(), features).predictions["predicted"]
    evaluation = without_warnings(LogisticRegression(), corpus(features))
    np.testing.assert_array_equal(evaluation.predictions["predicted"], expected)
    for column in ("group", "speaker"):
        np.testing.assert_array_equal(evaluation.predictions[column], SPEAKERS)


@pytest.mark.parametrize("kind", [int, bool, float])
def test_labels_come_back_as_they_went_in(features, kind):
    y = (features.target == "sad").astype(kind)
    evaluation = without_warnings(LogisticRegression(), (features.data, y, SPEAKERS))
    np.testing.assert_array_equal(evaluation.predictions["label"], y)
    assert evaluation.predictions["predicted"].dtype == evaluation.predictions["label"].dtype
    assert evaluation.confusion_matrix.sum() == 60
    assert evaluation.unweighted_accuracy > 0.5
    assert str(evaluation)


def test_groups_are_named_by_a_column_of_the_frame(features, svc):
    evaluation = without_warnings(svc, features, groups="session")
    assert evaluation.folds["test_groups"].tolist() == [(1,), (2,), (3,)]
    np.testing.assert_array_equal(evaluation.predictions["group"], SESSIONS)
    np.testing.assert_array_equal(evaluation.predictions["speaker"], SPEAKERS)


def test_groups_called_speaker_are_the_speakers_whatever_the_frame_calls_them(features, svc):
    features.groups = SESSIONS
    features.frame = features.frame.rename(columns={"speaker": "actor"})
    by_name = without_warnings(svc, features, cv=GroupKFold(2), groups="speaker")
    expected = without_warnings(svc, features, cv=GroupKFold(2), groups="actor")
    pd.testing.assert_frame_equal(by_name.predictions, expected.predictions)
    np.testing.assert_array_equal(by_name.predictions["group"], SPEAKERS)


def test_groups_of_the_corpus_stay_the_speakers_where_something_else_is_left_out(features, svc):
    features.frame = features.frame.drop(columns="speaker")
    evaluation = without_warnings(svc, features, groups="session")
    np.testing.assert_array_equal(evaluation.predictions["group"], SESSIONS)
    np.testing.assert_array_equal(evaluation.predictions["speaker"], SPEAKERS)


def test_groups_are_taken_as_an_array(features, svc):
    by_name, by_value = (without_warnings(svc, features, groups=g) for g in ("session", SESSIONS))
    pd.testing.assert_frame_equal(by_name.predictions, by_value.predictions)


def test_speakers_of_the_frame_stand_in_for_missing_groups(features, svc):
    features.groups = None
    assert len(without_warnings(svc, features).folds) == 6
    features.frame = features.frame.rename(columns={"speaker": "actor"})
    np.testing.assert_array_equal(without_warnings(svc, features).predictions["speaker"], SPEAKERS)


def test_files_are_named_where_items_are_files(tmp_path):
    for name in ["Ann", "Ben", "Eve", "Ian"]:
        for label in ("calm", "sad"):
            path = tmp_path / "ä folder" / label / f"{name}.wav"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
    corpus = load_audio_files(tmp_path / "ä folder", speaker=r"(\w+)\.wav$")
    table = without_warnings(DummyClassifier(), corpus).predictions
    assert table["file"].tolist() == corpus.data
    assert table["speaker"].tolist() == ["Ann", "Ben", "Eve", "Ian"] * 2
    corpus.data = [Path(path) for path in corpus.data]
    assert without_warnings(DummyClassifier(), corpus).predictions["file"].tolist() == table["file"].tolist()


def test_files_are_named_by_the_frame_where_items_are_features(features, svc):
    features.frame["path"] = [f"{index}.wav" for index in range(60)]
    assert without_warnings(svc, features).predictions["file"].tolist() == features.frame["path"].tolist()


@pytest.mark.parametrize(
    "cv",
    [
        GroupKFold(3),
        list(GroupKFold(3).split(SPEAKERS, groups=SPEAKERS)),
        [
            (np.isin(np.arange(60), a), np.isin(np.arange(60), b))
            for a, b in GroupKFold(3).split(SPEAKERS, groups=SPEAKERS)
        ],
        iter(list(GroupKFold(3).split(SPEAKERS, groups=SPEAKERS))),
        np.int64(3),
    ],
    ids=["splitter", "list", "masks", "iterator", "numpy integer"],
)
def test_three_folds_of_whole_groups_are_the_same_however_they_are_given(features, svc, cv):
    expected = without_warnings(svc, features, cv=3)
    assert expected.folds["test_groups"].map(len).tolist() == [2, 2, 2]
    pd.testing.assert_frame_equal(without_warnings(svc, features, cv=cv).predictions, expected.predictions)


# Early stopping and searches inside a fold


class Recorder(ClassifierMixin, BaseEstimator):
    """Keep the groups that fit was given."""

    __metadata_request__fit = {"groups": True}  # noqa: RUF012 - read by scikit-learn as a plain dict

    def fit(self, X, y, groups=None):
        self.classes_, self.groups_, self.n_ = np.unique(y), groups, len(X)
        return self

    def predict(self, X):
        return np.full(len(X), self.classes_[0])


class Passing(TransformerMixin, Recorder):
    """The same as a transformer."""

    def transform(self, X):
        return X


ROUTING = pytest.mark.parametrize("routing", [False, True], ids=["without routing", "with routing"])


def recorders(model) -> list[Recorder]:
    if isinstance(model, Pipeline):
        return [found for _, step in model.steps for found in recorders(step)]
    if isinstance(model, GridSearchCV):
        return recorders(model.best_estimator_)
    return [model] if isinstance(model, Recorder) else []


@ROUTING
@pytest.mark.parametrize(
    ("model", "n_recorders"),
    [
        (Recorder(), 1),
        (make_pipeline(StandardScaler(), Recorder()), 1),
        (make_pipeline("passthrough", Passing(), make_pipeline(StandardScaler(), Recorder())), 2),
        (GridSearchCV(make_pipeline(StandardScaler(), Recorder()), {}, cv=GroupKFold(2)), 1),
        (GridSearchCV(make_pipeline(StandardScaler(), Recorder()), {}, cv=StratifiedKFold(2)), 1),
    ],
    ids=["alone", "pipeline", "nested", "search", "search that splits at random"],
)
def test_training_groups_reach_every_fit_that_can_use_them(features, model, n_recorders, routing):
    with sklearn.config_context(enable_metadata_routing=routing):
        evaluation = without_warnings(model, features, groups="session", return_estimator=True)
    for fold, fitted in enumerate(evaluation.estimators, start=1):
        found = recorders(fitted)
        assert len(found) == n_recorders
        for recorder in found:
            np.testing.assert_array_equal(recorder.groups_, SESSIONS[fold != SESSIONS])


@ROUTING
@pytest.mark.parametrize(
    "model",
    [
        GridSearchCV(LogisticRegression(), {"C": [0.01, 1]}, cv=GroupKFold(2)),
        make_pipeline(StandardScaler(), GridSearchCV(SVC(), {"C": [0.01, 1]}, cv=LeaveOneGroupOut())),
    ],
    ids=["search", "search in a pipeline"],
)
def test_groups_reach_the_splitter_of_a_search(features, model, routing):
    with sklearn.config_context(enable_metadata_routing=routing):
        assert len(without_warnings(model, features).folds) == 6


def test_without_routing_a_search_cannot_hand_groups_to_the_classifier_itself(features):
    for cv in (GroupKFold(2), StratifiedKFold(2)):
        (fitted, *_) = without_warnings(
            GridSearchCV(Recorder(), {}, cv=cv), features, return_estimator=True
        ).estimators
        assert fitted.best_estimator_.groups_ is None


@ROUTING
@pytest.mark.parametrize(
    "model",
    [
        DummyClassifier(),
        AdaBoostClassifier(n_estimators=2),
        make_pipeline(StandardScaler(), AdaBoostClassifier(n_estimators=2)),
        CalibratedClassifierCV(LogisticRegression(), cv=2),
    ],
)
def test_estimators_without_use_for_groups_get_none(features, model, routing):
    with sklearn.config_context(enable_metadata_routing=routing):
        assert len(without_warnings(model, features, groups="session").folds) == 3


@ROUTING
def test_configuration_of_scikit_learn_reaches_the_workers(features, routing):
    model = make_pipeline(StandardScaler(), Recorder())
    # Threads: the configuration is one a thread, and they start at once.
    with sklearn.config_context(enable_metadata_routing=routing), joblib.parallel_config("threading"):
        evaluation = evaluate(model, features, n_jobs=2, return_estimator=True)
    for fitted, name in zip(evaluation.estimators, np.unique(SPEAKERS), strict=True):
        np.testing.assert_array_equal(fitted[-1].groups_, SPEAKERS[name != SPEAKERS])


@ROUTING
def test_early_stopping_inside_a_fold_gets_its_speakers(speech, routing):
    model = spoken(early_stopping=True, validation="groups")  # raises without groups
    with sklearn.config_context(enable_metadata_routing=routing):
        evaluation = without_warnings(model, speech, cv=2)
    assert len(evaluation.predictions) == 16


# Spectrograms are computed once


@pytest.mark.parametrize("as_array", [False, True])
def test_predictions_are_bit_for_bit_those_of_spectrograms_computed_in_each_fold(speech, as_array):
    X = np.stack([y[:3000] for y in speech.data]) if as_array else speech.data
    evaluation = without_warnings(spoken(), (X, speech.target, speech.groups), cv=2)
    expected = cross_val_predict(
        spoken(), X, speech.target, groups=speech.groups, cv=GroupKFold(2), method="predict_proba"
    )
    table = evaluation.predictions[["probability_angry", "probability_sad"]]
    np.testing.assert_array_equal(table, expected.astype(np.float64))


def test_each_spectrogram_is_computed_once(speech, monkeypatch):
    sizes, transform = [], SpectrogramTransformer.transform

    def spy(transformer, X):
        sizes.append(len(X))
        return transform(transformer, X)

    monkeypatch.setattr(SpectrogramTransformer, "transform", spy)
    evaluate(make_pipeline(SpectrogramTransformer(n_mels=8), LastFrame(), SVC()), speech)
    assert sizes == [16]


class LastFrame(TransformerMixin, BaseEstimator):
    """The last frame of each spectrogram as a row."""

    def fit(self, X, y=None):
        self.fitted_ = True
        return self

    def transform(self, X):
        return np.stack([S[:, -1] for S in X])


class Louder(SpectrogramTransformer):
    """Relative to the loudest of the items given, as no stateless step may be."""

    def transform(self, X):
        S = super().transform(X)
        return Spectrograms([item - max(other.max() for other in S) for item in S])


def test_a_subclass_that_might_look_at_other_items_is_left_in_the_folds(speech):
    model = make_pipeline(Louder(n_mels=8), LastFrame(), GaussianNB())
    evaluation = without_warnings(model, speech)
    expected = cross_val_predict(
        model,
        speech.data,
        speech.target,
        groups=speech.groups,
        cv=LeaveOneGroupOut(),
        method="predict_proba",
    )
    np.testing.assert_array_equal(evaluation.predictions[["probability_angry", "probability_sad"]], expected)


def test_kept_pipelines_are_whole(speech):
    model = make_pipeline(SpectrogramTransformer(n_mels=8), LastFrame(), SVC())
    X = np.stack([y[:3000] for y in speech.data])
    evaluation = without_warnings(model, (X, speech.target, speech.groups), return_estimator=True)
    for fold, fitted in enumerate(evaluation.estimators, start=1):
        rows = evaluation.predictions.query(f"fold == {fold}")
        np.testing.assert_array_equal(fitted.predict(X[rows["item"]]), rows["predicted"])
        assert fitted.n_features_in_ == 3000
        assert repr(fitted) == repr(model)
        check_is_fitted(fitted)
    assert isinstance(model.steps[0][1], SpectrogramTransformer)


def test_spectrograms_can_be_the_items(speech):
    X = SpectrogramTransformer(n_mels=8).transform(speech.data)
    given = without_warnings(make_pipeline(LastFrame(), SVC()), (X, speech.target, speech.groups))
    model = make_pipeline(SpectrogramTransformer(n_mels=8), LastFrame(), SVC())
    computed = without_warnings(model, (speech.data, speech.target, speech.groups))
    pd.testing.assert_frame_equal(given.predictions, computed.predictions)


# What it warns of


def only_warning(*args, **kwargs) -> str:
    """Sentence of the one warning, which the result keeps and which points here."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        evaluation = evaluate(*args, **kwargs)
    (sentence,) = (str(warning.message) for warning in caught)
    assert caught[0].filename == __file__
    assert evaluation.warnings == (sentence,)
    return sentence


def test_warns_of_more_folds_than_groups(features, svc):
    sentence = only_warning(svc, features, cv=10)
    assert "cv=10 asks for more folds than there are groups, 6" in sentence


@pytest.mark.parametrize("splitter", [GroupKFold, StratifiedGroupKFold])
def test_warns_of_a_splitter_of_more_folds_than_groups(features, svc, splitter):
    sentence = only_warning(svc, features, cv=splitter(10))
    assert "asks for more folds than there are groups, 6: each group is a fold" in sentence
    assert evaluate_quietly(svc, features, cv=splitter(10)).folds["n_test"].tolist() == [10] * 6
    assert len(without_warnings(svc, features, cv=splitter(6)).folds) == 6


def test_warns_of_speakers_in_both_parts(features, svc):
    halves = [(np.arange(30, 60), np.arange(25)), (np.arange(25), np.arange(25, 60))]
    sentence = only_warning(svc, features, cv=halves)
    assert "speakers are in the training and in the test part of 1 of 2 folds (fold 2: Eve)" in sentence


def test_shared_speakers_are_judged_by_speakers_where_groups_are_something_else(features, svc):
    texts = np.random.default_rng(0).integers(5, size=60)
    sentence = only_warning(svc, features, groups=texts)
    assert "part of 5 of 5 folds (fold 1: Ann, Eve, Ian, Liz; fold 2: " in sentence
    assert "; fold 3: Ann, Ben, Eve, Ian, Liz and 1 more; 2 more)" in sentence
    assert not without_warnings(svc, features, groups=texts, speakers=texts).warnings


def test_warns_of_folds_that_share_groups(features, svc):
    sentences = " ".join(evaluate_quietly(svc, features, cv=StratifiedKFold(10)).warnings)
    assert "there are fewer groups (6) than folds (10)" in sentences
    assert "speakers are in the training and in the test part of 10 of 10 folds" in sentences


def test_warns_of_too_few_speakers_for_a_claim(features, svc):
    features.frame["speaker"] = features.groups = np.repeat(["OAF", "YAF"], 30)
    sentence = only_warning(svc, features)
    assert (
        "has 2 speakers (OAF, YAF): a claim of speaker independence cannot rest on fewer than 4" in sentence
    )


def test_four_speakers_can_carry_a_claim(features, svc):
    features.frame["speaker"] = features.groups = np.repeat(["DC", "JE", "JK", "KL"], 15)
    assert not [w for w in evaluate_quietly(svc, features).warnings if "claim" in w]
    features.frame["speaker"] = features.groups = np.repeat(["DC", "JE", "JK"], 20)
    assert [w for w in evaluate_quietly(svc, features).warnings if "claim" in w]


def evaluate_quietly(*args, **kwargs):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return evaluate(*args, **kwargs)


def test_warns_of_items_that_no_fold_tests(features, svc):
    train, test = next(GroupKFold(3).split(SPEAKERS, groups=SPEAKERS))
    sentence = only_warning(svc, features, cv=[(train, test)])
    assert "40 items of 60 are in no test part" in sentence


def test_warns_of_items_that_several_folds_test_and_counts_each_prediction(features, svc):
    splits = list(GroupKFold(3).split(SPEAKERS, groups=SPEAKERS))
    sentence = only_warning(svc, features, cv=[*splits, splits[0]])
    assert "20 items of 60 are tested on more than once" in sentence
    evaluation = evaluate_quietly(svc, features, cv=[*splits, splits[0]])
    assert len(evaluation.predictions) == evaluation.confusion_matrix.sum() == 80
    assert evaluation.predictions["item"].is_monotonic_increasing


def test_warns_of_classes_that_a_part_lacks(features, svc):
    features.target[SPEAKERS == "Ben"] = "angry"
    features.target[SPEAKERS == "Tom"] = "bored"
    sentence = only_warning(svc, features)
    assert "fold 1: test part without bored, fold 2: test part without bored, calm, sad, fold 3" in sentence
    evaluation = evaluate_quietly(LogisticRegression(), features)
    assert "fold 6: training part without bored" in sentence or "and 4 more" in sentence
    assert evaluation.folds["UA"].tolist()[5] == 0
    table = evaluation.predictions
    assert (table.query("fold == 6")["probability_bored"] == 0).all()
    assert (table.query("fold == 5")["probability_bored"] > 0).all()
    np.testing.assert_allclose(table.filter(like="probability").sum(axis=1), 1)


def test_speakers_that_are_not_known_are_warned_of(features, svc):
    sentence = only_warning(svc, (features.data, features.target), cv=5)
    assert "the speakers are not known" in sentence
    evaluation = evaluate_quietly(svc, (features.data, features.target), cv=5)
    expected = cross_val_predict(svc, features.data, features.target, cv=StratifiedKFold(5))
    np.testing.assert_array_equal(evaluation.predictions["predicted"], expected)
    assert evaluation.folds["test_groups"].tolist() == [()] * 5
    assert "not known" in str(evaluation)
    assert not {"group", "speaker"} & set(evaluation.predictions)


@pytest.mark.parametrize("cv", [KFold(3, shuffle=True, random_state=0), StratifiedKFold(4)])
def test_splitters_without_use_for_groups_give_no_further_warning(features, svc, cv):
    assert "speakers are in the training and" in only_warning(svc, features, cv=cv)


def test_repeated_splits_are_taken(features, svc):
    evaluation = evaluate_quietly(svc, features, cv=RepeatedStratifiedKFold(n_splits=3, n_repeats=2))
    assert len(evaluation.predictions) == 120


# What it refuses


@pytest.mark.parametrize(
    ("estimator", "error"),
    [(SVC, "pass an instance"), (StandardScaler(), "with fit and predict"), (None, "with fit and predict")],
)
def test_refuses_what_is_no_classifier(features, estimator, error):
    with pytest.raises(TypeError, match=error):
        evaluate(estimator, features)


@pytest.mark.parametrize(
    ("corpus", "kind", "error"),
    [
        ([[1, 2], [3, 4]], TypeError, "got list without data or target"),
        (np.zeros((3, 2)), TypeError, "got ndarray without data or target"),
        ({"data": [1]}, TypeError, "got dict without data or target"),
        (([1],), TypeError, "got tuple without data or target"),
        (("one.wav", ["sad"]), TypeError, "must be a sequence of recordings"),
        ((iter([1, 2]), ["sad", "calm"]), TypeError, "got list_iterator: put the items into a list"),
        (([1, 2, 3], ["sad", "calm"]), ValueError, "y has 2 labels but X has 3 items"),
        (
            ([1, 2, 3], ["sad", None, "calm"]),
            ValueError,
            r"target .* no value for item 1 \(missing: 1 of 3\)",
        ),
        (([1, 2], [0.5, 0.7]), ValueError, "Unknown label type"),
        (([1, 2], ["sad", "sad"]), ValueError, "2 classes or more"),
        (([], []), ValueError, "2 classes or more"),
        (([1, 2], ["sad", "calm"], ["Ann"]), ValueError, "groups has 1 entries but there are 2 items"),
        (
            ([1, 2], ["sad", "calm"], np.array(["Ann", 3], object)),
            ValueError,
            "groups mixes values of int and",
        ),
        (([1, 2], ["sad", "calm"], [1.0, np.nan]), ValueError, "groups has no value for item 1"),
        (([1, 2], ["sad", "calm"], ["Ann", pd.NA]), ValueError, "groups has no value for item 1"),
        (([1, 2], ["sad", "calm"], [["Ann"], ["Ben"], ["Eve"]]), ValueError, "groups has 3"),
    ],
)
def test_refuses_what_is_no_corpus(corpus, kind, error):
    with pytest.raises(kind, match=error):
        evaluate_quietly(DummyClassifier(), corpus)


def test_refuses_a_column_that_is_not_there(features, svc):
    with pytest.raises(ValueError, match=r"groups='Session' names no column.*'session', 'speaker', 'sex'"):
        evaluate(svc, features, groups="Session")
    with pytest.raises(ValueError, match=r"speakers='who' names no column: the corpus has no frame"):
        evaluate(svc, (features.data, features.target), speakers="who")
    with pytest.raises(ValueError, match="speakers has 3 entries but there are 60 items"):
        evaluate(svc, features, speakers=[1, 2, 3])


def test_refuses_to_leave_out_groups_that_are_not_there(features, svc):
    with pytest.raises(ValueError, match=r"does not tell groups.*pass groups= .*or cv=5"):
        evaluate(svc, (features.data, features.target))
    for cv in (None, 5):
        with pytest.raises(ValueError, match="all items are of one group, Ann"):
            evaluate(svc, (features.data, features.target, ["Ann"] * 60), cv=cv)


@pytest.mark.parametrize(
    ("cv", "kind", "error"),
    [
        (1, ValueError, r"cv must be an integer in \[2, inf\), got 1"),
        (True, TypeError, "cv must be an integer, got True"),
        ("speaker", ValueError, "Expected `?cv`? as an integer"),
        ([], ValueError, r"cv=\[\] gives no folds"),
        (StratifiedKFold(31), ValueError, r"cv=StratifiedKFold\(.*cannot split the corpus: n_splits=31"),
        ([([0, 1], [1, 2])], ValueError, r"fold 1 of cv tests on items it trains with \(1\)"),
        ([([0], [1]), ([0, 1], [])], ValueError, "fold 2 of cv has 2 training and 0 test items"),
        ([([0], [60])], ValueError, "fold 1 of cv is no pair.*indices from 60 to 60"),
        ([([-1], [3])], ValueError, "fold 1 of cv is no pair.*indices from -1 to -1"),
        ([([0.5], [3])], ValueError, "fold 1 of cv is no pair.*dtype float64"),
        ([([True], [3])], ValueError, r"fold 1 of cv is no pair.*shape \(1,\)"),
        ([[0, 1, 2]], ValueError, "cannot split the corpus: too many values"),
        ([5], ValueError, "cannot split the corpus: cannot unpack"),
    ],
)
def test_refuses_what_is_no_cross_validation(features, svc, cv, kind, error):
    with pytest.raises(kind, match=error):
        evaluate_quietly(svc, features, cv=cv)


def test_refuses_parameters_without_a_meaning(features, svc):
    with pytest.raises(TypeError, match="return_estimator must be True or False"):
        evaluate(svc, features, return_estimator="yes")
    with pytest.raises(ValueError, match="n_jobs must not be 0"):
        evaluate(svc, features, n_jobs=0)
    with pytest.raises(TypeError, match="n_jobs must be an integer"):
        evaluate(svc, features, n_jobs=1.5)


class Failing(Recorder):
    """Fail where the training part lacks a session."""

    def __init__(self, session, error=ValueError):
        self.session = session
        self.error = error

    def fit(self, X, y, groups=None):
        if self.session not in groups:
            raise self.error("no such session")
        return super().fit(X, y)


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_a_failing_fit_names_its_fold(features, n_jobs):
    with pytest.raises(ValueError, match=r"^fold 2 of 3 \(test groups: 2\): no such session$"):
        evaluate(Failing(2), features, groups="session", n_jobs=n_jobs)


@pytest.mark.parametrize(
    ("raised", "kind", "text"),
    [
        (FileNotFoundError, OSError, "no such session"),
        (TypeError, TypeError, "no such session"),
        (MemoryError, RuntimeError, "MemoryError: no such session"),
    ],
)
def test_a_failing_fit_keeps_its_kind_where_that_can_be(features, raised, kind, text):
    with pytest.raises(kind, match=rf"^fold 3 of 3 \(test groups: 3\): {text}$") as caught:
        evaluate(Failing(3, raised), features, groups="session")
    assert isinstance(caught.value.__cause__, raised)


class Numbering(Recorder):
    """Predict numbers of classes, or too few."""

    def __init__(self, n_missing=0):
        self.n_missing = n_missing

    def predict(self, X):
        return np.zeros((len(X) - self.n_missing, 1), dtype=int)


def test_predictions_that_are_no_labels_are_refused(features):
    with pytest.raises(ValueError, match=r"fold 1 of 6 .*predicts .*0.* where labels are like .*angry"):
        evaluate(Numbering(), features)
    with pytest.raises(ValueError, match=r"fold 1 of 6 .*gave 9 predictions for 10 items"):
        evaluate(Numbering(n_missing=1), features)
    numbers = np.unique(features.target, return_inverse=True)[1]
    with pytest.raises(ValueError, match=r"fold 1 of 6 .*Unknown label type: continuous"):
        evaluate(LinearRegression(), (features.data, numbers, SPEAKERS))


def test_an_error_in_a_recording_names_the_item(speech):
    data = [*speech.data[:3], np.array([0.1, np.nan]), *speech.data[4:]]
    with pytest.raises(ValueError, match="item 3"):
        evaluate(spoken(), (data, speech.target, speech.groups))


def test_progress_is_shown_where_it_is_wanted(features, svc, capsys):
    quiet = without_warnings(svc, features)
    assert capsys.readouterr().err == ""
    shown = without_warnings(svc, features, verbose=True)
    assert "6/6" in capsys.readouterr().err
    pd.testing.assert_frame_equal(quiet.predictions, shown.predictions)


@pytest.mark.corpus
def test_ravdess_is_evaluated_by_actor(ravdess_root):
    corpus = load_ravdess(ravdess_root, actors=[1, 2, 3, 4], emotions=["sad", "angry"], statements=["kids"])
    model = make_pipeline(SpectrogramTransformer(n_mels=20), LastFrame(), StandardScaler(), SVC())
    evaluation = without_warnings(model, corpus)
    table = evaluation.predictions
    assert evaluation.folds["test_groups"].tolist() == [(1,), (2,), (3,), (4,)]
    assert table["file"].tolist() == corpus.data
    np.testing.assert_array_equal(table["speaker"], corpus.groups)
    assert evaluation.unweighted_accuracy == unweighted_accuracy(table["label"], table["predicted"])
    assert evaluation.weighted_accuracy == weighted_accuracy(table["label"], table["predicted"])
