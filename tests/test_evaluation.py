"""Tests of evaluation with speakers kept apart."""

from __future__ import annotations

import copy
import dataclasses
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
import soundfile
from sklearn.base import BaseEstimator, ClassifierMixin, TransformerMixin
from sklearn.calibration import CalibratedClassifierCV
from sklearn.cluster import KMeans
from sklearn.dummy import DummyClassifier
from sklearn.ensemble import AdaBoostClassifier
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.metrics import ConfusionMatrixDisplay, log_loss
from sklearn.model_selection import (
    GridSearchCV,
    GroupKFold,
    KFold,
    LeaveOneGroupOut,
    LeavePGroupsOut,
    RepeatedStratifiedKFold,
    StratifiedGroupKFold,
    StratifiedKFold,
    cross_val_predict,
    cross_validate,
)
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC
from sklearn.utils import Bunch
from sklearn.utils.validation import check_is_fitted

import skser.metrics
from skser import (
    CenterLossClassifier,
    Evaluation,
    RejectOption,
    Spectrograms,
    SpectrogramTransformer,
    evaluate,
    unweighted_accuracy,
    weighted_accuracy,
)
from skser.datasets import load_audio_files, load_ravdess, make_emotional_speech
from skser.metrics import expected_calibration_error
from skser.training import CenterLossNet

SPEAKERS = np.repeat(["Ann", "Ben", "Eve", "Ian", "Liz", "Tom"], 10)
SESSIONS = np.repeat([1, 2, 3], 20)
THREE_FOLDS = list(GroupKFold(3).split(SPEAKERS, groups=SPEAKERS))


@pytest.fixture
def features() -> Bunch:
    """Features of six speakers in three sessions; the classes overlap."""
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


def network_pipeline(**parameters) -> Pipeline:
    small = {"channels": (4, 4), "rnn_units": 4, "embedding_dim": 3, "max_epochs": 1, "random_state": 0}
    return make_pipeline(SpectrogramTransformer(n_mels=8), CenterLossClassifier(**small, **parameters))


def without_warnings(*args, **kwargs):
    """Evaluate, and raise if there is a warning."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.filterwarnings("ignore", module="librosa")  # 0.10 warns of itself when it is imported
        return evaluate(*args, **kwargs)


def evaluate_quietly(*args, **kwargs):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return evaluate(*args, **kwargs)


def only_warning(*args, **kwargs) -> str:
    """Sentence of the only warning, which the result keeps and which points to this file."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        evaluation = evaluate(*args, **kwargs)
    (sentence,) = (str(warning.message) for warning in caught)
    assert caught[0].filename == __file__
    assert evaluation.warnings == (sentence,)
    return sentence


# The result


def test_predictions_and_fold_accuracies_are_those_of_scikit_learn(features, svc):
    evaluation = without_warnings(svc, features)
    X, y, table, cv = features.data, features.target, evaluation.predictions, LeaveOneGroupOut()
    assert table.columns.tolist() == ["item", "label", "predicted", "group", "speaker", "fold"]
    expected = {
        "item": np.arange(60),
        "label": y,
        "predicted": cross_val_predict(svc, X, y, groups=SPEAKERS, cv=cv),
        "group": SPEAKERS,
        "speaker": SPEAKERS,
        "fold": np.repeat(np.arange(1, 7), 10),
    }
    for column, values in expected.items():
        np.testing.assert_array_equal(table[column], values)
    assert not np.array_equal(table["predicted"], svc.fit(X, y).predict(X))
    scoring = {"UA": "balanced_accuracy", "WA": "accuracy"}
    scores = cross_validate(svc, X, y, groups=SPEAKERS, cv=cv, scoring=scoring)
    for score in scoring:
        np.testing.assert_allclose(evaluation.folds[score], scores[f"test_{score}"], rtol=0, atol=1e-12)
    assert evaluation.folds["fold"].tolist() == [1, 2, 3, 4, 5, 6]
    assert evaluation.folds["test_groups"].tolist() == [(name,) for name in np.unique(SPEAKERS)]
    assert evaluation.folds["n_train"].tolist() == [50] * 6
    assert evaluation.folds["n_test"].tolist() == [10] * 6


def test_probabilities_are_those_of_cross_val_predict(features):
    model, X, y = LogisticRegression(), features.data, features.target
    table = without_warnings(model, features).predictions
    expected = cross_val_predict(model, X, y, groups=SPEAKERS, cv=LeaveOneGroupOut(), method="predict_proba")
    columns = ["probability_angry", "probability_calm", "probability_sad"]
    assert table.columns.tolist()[-4:] == ["fold", *columns]
    np.testing.assert_array_equal(table[columns], expected)
    assert not hasattr(model, "coef_")  # the estimator itself is not fitted


class Rule(ClassifierMixin, BaseEstimator):
    """Calm for 0, sad for other values."""

    def fit(self, X, y):
        self.classes_ = np.unique(y)
        return self

    def predict(self, X):
        return np.where(np.asarray(X)[:, 0] == 0, "calm", "sad")


def test_accuracies_by_hand():
    X = np.array([[0], [0], [0], [1], [1], [1], [0], [1]])
    y = ["calm", "calm", "sad", "sad", "sad", "calm", "calm", "sad"]
    evaluation = evaluate_quietly(Rule(), (X, y, ["Ann"] * 6 + ["Ben"] * 2))
    # Ann: calm 2 of 3, sad 2 of 3; Ben: calm 1 of 1, sad 1 of 1.
    np.testing.assert_allclose(evaluation.folds["UA"], [2 / 3, 1])
    assert evaluation.confusion_matrix.tolist() == [[3, 1], [1, 3]]
    assert evaluation.labels.tolist() == evaluation.recall.index.tolist() == ["calm", "sad"]
    assert evaluation.unweighted_accuracy == evaluation.weighted_accuracy == 0.75
    assert evaluation.recall.tolist() == [0.75, 0.75]
    # The mean of the folds is not the pooled accuracy, because their sizes differ.
    np.testing.assert_allclose(evaluation.summary["UA"], [0.75, 5 / 6, 1 / 6])
    np.testing.assert_allclose(evaluation.summary["WA"], [0.75, 5 / 6, 1 / 6])
    assert evaluation.summary.index.tolist() == ["pooled", "mean", "std"]


def test_confusion_matrix_display_draws_the_predictions(features, svc):
    pytest.importorskip("matplotlib").use("agg")
    evaluation = without_warnings(svc, features)
    display = ConfusionMatrixDisplay.from_predictions(
        evaluation.predictions["label"], evaluation.predictions["predicted"]
    )
    np.testing.assert_array_equal(display.confusion_matrix, evaluation.confusion_matrix)
    assert list(display.display_labels) == evaluation.labels.tolist()


def test_neither_repetition_nor_workers_nor_a_progress_bar_change_the_result(features, svc, capsys):
    first = without_warnings(svc, features)
    assert capsys.readouterr().err == ""
    for parameters in ({"n_jobs": 1}, {"n_jobs": 2}, {"verbose": True}):
        other = without_warnings(svc, features, **parameters)
        pd.testing.assert_frame_equal(first.predictions, other.predictions)
        pd.testing.assert_frame_equal(first.folds, other.folds)
    assert "6/6" in capsys.readouterr().err


def test_fitted_estimators_are_kept_on_request(features, svc):
    assert without_warnings(svc, features).estimators is None
    evaluation = without_warnings(svc, features, return_estimator=True)
    for fold, model in enumerate(evaluation.estimators, start=1):
        rows = evaluation.predictions.query(f"fold == {fold}")
        np.testing.assert_array_equal(model.predict(features.data[rows["item"]]), rows["predicted"])


# The report


def test_report_shows_folds_classes_and_warnings(features):
    model = DummyClassifier(strategy="constant", constant="calm")
    features.target[SPEAKERS == "Ann"] = "angry"
    evaluation = evaluate_quietly(model, features)
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
    assert str(pickle.loads(pickle.dumps(evaluation))) == str(evaluation)


def test_report_names_few_groups_and_omits_a_large_confusion_matrix():
    y = np.tile(np.arange(10), 14)
    groups = np.repeat(np.arange(14), 10)
    evaluation = without_warnings(DummyClassifier(), (y[:, None], y, groups), cv=2)
    assert "0, 2, 4, 6 and 3 more" in str(evaluation)
    assert "as 3" not in str(evaluation)
    assert "Note" not in str(evaluation)


def test_scores_of_probabilities_are_pooled_over_the_folds(features):
    evaluation = without_warnings(LogisticRegression(), features)
    table, y = evaluation.predictions, features.target
    probabilities = table.filter(like="probability_").to_numpy()
    confidence, is_right = probabilities.max(axis=1), (table["predicted"] == y).to_numpy()
    order = np.argsort(confidence)
    parts = [(is_right[part].mean(), confidence[part].mean()) for part in np.array_split(order, 10)]
    scores = evaluation.calibration
    assert scores["ECE"] == pytest.approx(np.mean([abs(right - sure) for right, sure in parts]))
    assert scores["NLL"] == pytest.approx(log_loss(y, probabilities))
    assert scores["accuracy_50"] == is_right[order[30:]].mean()


def test_scores_of_probabilities_are_in_the_report(features):
    evaluation = without_warnings(LogisticRegression(), features)
    line = next(line for line in str(evaluation).splitlines() if line.startswith("probabilities"))
    scores = evaluation.calibration
    assert (
        f"ECE {scores['ECE']:.3f} (95 % interval {scores['ECE_low']:.3f} to {scores['ECE_high']:.3f})" in line
    )
    assert f"NLL {scores['NLL']:.3f}, accuracy at 50 % coverage {100 * scores['accuracy_50']:.1f} %" in line


def test_without_probabilities_there_are_no_scores_of_them(features, svc):
    evaluation = without_warnings(svc, features)
    assert evaluation.calibration is None
    assert "probabilities" not in str(evaluation)


def draw_evaluation(n_speakers, *, gap, random):
    """Draw calibrated probabilities of two classes; each speaker's accuracy is off by up to a gap."""
    speakers = np.repeat(np.arange(n_speakers), 40)
    shift = np.repeat(random.choice([-gap, gap], n_speakers), 40)
    confidence = random.uniform(0.6, 0.8, len(speakers))
    is_right = random.uniform(size=len(speakers)) < confidence + shift
    columns = {"label": np.where(is_right, "sad", "calm"), "predicted": "sad", "speaker": speakers}
    table = pd.DataFrame({**columns, "probability_calm": 1 - confidence, "probability_sad": confidence})
    return Evaluation(table, pd.DataFrame(), np.array(["calm", "sad"]))


def naive_interval(evaluation):
    """Resample the speakers one by one, and compute the error of each resample from its labels."""
    table, rng = evaluation.predictions, np.random.default_rng(0)
    is_right, sure = (table["label"] == "sad").to_numpy(), table["probability_sad"].to_numpy()
    rows = [np.flatnonzero(table["speaker"] == name) for name in np.unique(table["speaker"])]
    errors = []
    for draw in rng.integers(len(rows), size=(1000, len(rows))):
        items = np.concatenate([rows[number] for number in draw])
        errors.append(expected_calibration_error(is_right[items], [True] * len(items), sure[items]))
    high, low = np.quantile(errors, [0.025, 0.975])
    found = expected_calibration_error(is_right, [True] * len(table), sure)
    return max(2 * found - low, 0), max(2 * found - high, 0)


@pytest.mark.parametrize("is_known", [True, False], ids=["speakers", "items"])
def test_interval_is_that_of_a_naive_loop(is_known):
    evaluation = draw_evaluation(5, gap=0.2, random=np.random.default_rng(0))
    table = evaluation.predictions.sample(frac=0.4, random_state=0, ignore_index=True)  # uneven and mixed
    if not is_known:
        table["speaker"] = np.arange(len(table))
    evaluation = Evaluation(table, pd.DataFrame(), evaluation.labels)
    scores = evaluation.calibration
    assert (scores["ECE_low"], scores["ECE_high"]) == naive_interval(evaluation)


def test_labels_are_not_checked_again_in_each_resample(monkeypatch):
    calls, check = [], skser.metrics._check_predictions
    monkeypatch.setattr(skser.metrics, "_check_predictions", lambda *args: calls.append(1) or check(*args))
    assert draw_evaluation(5, gap=0, random=np.random.default_rng(0)).calibration is not None
    assert len(calls) < 10


def test_scores_of_probabilities_are_computed_once():
    evaluation = draw_evaluation(5, gap=0, random=np.random.default_rng(0))
    scores = evaluation.calibration
    assert evaluation.calibration is scores
    for same in (pickle.loads(pickle.dumps(evaluation)), copy.copy(evaluation), copy.deepcopy(evaluation)):
        assert same.calibration.equals(scores)
    assert evaluation != copy.copy(evaluation)
    half = dataclasses.replace(evaluation, predictions=evaluation.predictions[:100])
    assert not half.calibration.equals(scores)
    with pytest.raises(dataclasses.FrozenInstanceError):
        evaluation.calibration = None


def test_interval_of_calibrated_probabilities_is_near_zero():
    random = np.random.default_rng(0)
    drawn = [draw_evaluation(10, gap=0, random=random).calibration for _ in range(4)]
    assert np.mean([scores["ECE_low"] for scores in drawn]) < 0.03
    assert all(0 <= scores["ECE_low"] < scores["ECE_high"] < 0.1 for scores in drawn)


def test_interval_is_wider_if_speakers_differ():
    random = np.random.default_rng(0)
    evaluation = draw_evaluation(10, gap=0.2, random=random)
    by_item = Evaluation(evaluation.predictions.drop(columns="speaker"), pd.DataFrame(), evaluation.labels)
    widths = [found.calibration["ECE_high"] - found.calibration["ECE_low"] for found in (evaluation, by_item)]
    assert widths[0] > 1.2 * widths[1]


def test_scores_of_a_rejecting_classifier_are_those_of_its_most_probable_classes(features):
    model = RejectOption(LogisticRegression(), threshold=0.6)
    found = without_warnings(model, features).calibration
    assert found.equals(without_warnings(LogisticRegression(), features).calibration)


def test_report_counts_the_rejected_items_and_rates_the_others(features):
    evaluation = without_warnings(RejectOption(LogisticRegression(), threshold=0.8), features)
    answers = evaluation.predictions.query("predicted != 'unknown'")
    n, accuracy = len(answers), (answers["label"] == answers["predicted"]).mean()
    assert 0 < n < 60
    assert str(evaluation).endswith(
        f"Note: predictions of 'unknown' ({60 - n} of 60) count as wrong; the accuracy of the others "
        f"({n}, a coverage of {100 * n / 60:.1f} %) is {100 * accuracy:.1f} %."
    )


def test_report_of_a_classifier_that_rejects_all_items_has_no_accuracy_of_others(features):
    evaluation = without_warnings(RejectOption(LogisticRegression(), threshold=1.0), features)
    assert str(evaluation).endswith("Note: predictions of 'unknown' (60 of 60) count as wrong.")


def test_report_does_not_count_predictions_of_another_type_as_rejected(features):
    class Floats(LogisticRegression):
        def predict(self, X):
            return super().predict(X).astype(float)

    features.target = np.unique(features.target, return_inverse=True)[1]
    assert "count as wrong" not in str(without_warnings(Floats(), features))


@pytest.mark.parametrize(
    "values",
    [[0, 1, 2], [0.0, 1.0, 2.0], ["a", "b", "c"], np.array([1, 2, 3], dtype="datetime64[D]")],
    ids=["int", "float", "text", "dates"],
)
def test_report_does_not_count_classes_as_rejected(features, values):
    names = np.unique(features.target)
    features.target = np.asarray(values)[np.searchsorted(names, features.target)]
    features.target[SPEAKERS == "Ann"] = values[0]
    assert "count as wrong" not in str(evaluate_quietly(LogisticRegression(), features))


def test_a_class_without_probability_has_a_finite_loss(features):
    features.target[SPEAKERS == "Ann"] = "bored"
    evaluation = evaluate_quietly(LogisticRegression(), features)
    probabilities = evaluation.predictions.filter(like="probability_").to_numpy()
    expected = log_loss(features.target, probabilities, labels=np.unique(features.target))
    assert evaluation.calibration["NLL"] == pytest.approx(expected)


def test_html_shows_the_report_escaped(features):
    features.target = np.char.add(features.target, "<b>")
    page = without_warnings(DummyClassifier(), features)._repr_html_()
    assert "angry&lt;b&gt;" in page
    assert "<b>" not in page


# The corpus


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
def test_labels_keep_their_type(features, kind):
    y = (features.target == "sad").astype(kind)
    evaluation = without_warnings(LogisticRegression(), (features.data, y, SPEAKERS))
    np.testing.assert_array_equal(evaluation.predictions["label"], y)
    assert evaluation.predictions["predicted"].dtype == evaluation.predictions["label"].dtype
    assert evaluation.labels.dtype == y.dtype
    assert evaluation.confusion_matrix.sum() == 60
    assert evaluation.unweighted_accuracy > 0.5
    assert str(evaluation)


@pytest.mark.parametrize("named", [True, False], ids=["by name", "as values"])
@pytest.mark.parametrize("has_speakers", [True, False])
def test_groups_and_speakers_can_differ(features, svc, named, has_speakers):
    if not has_speakers:  # then the groups of the corpus are the speakers
        features.frame = features.frame.drop(columns="speaker")
    evaluation = without_warnings(svc, features, groups="session" if named else SESSIONS)
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


@pytest.mark.parametrize("column", ["speaker", "actor"])
def test_speakers_of_the_frame_replace_missing_groups(features, svc, column):
    features.groups = None
    features.frame = features.frame.rename(columns={"speaker": column})
    evaluation = without_warnings(svc, features)
    assert len(evaluation.folds) == 6
    np.testing.assert_array_equal(evaluation.predictions["speaker"], SPEAKERS)


def test_predictions_name_the_files(features, svc, tmp_path):
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
    features.frame["path"] = [f"{index}.wav" for index in range(60)]  # of items that are not files
    assert without_warnings(svc, features).predictions["file"].tolist() == features.frame["path"].tolist()


@pytest.mark.parametrize(
    "cv",
    [
        GroupKFold(3),
        THREE_FOLDS,
        [tuple(np.isin(np.arange(60), part) for part in split) for split in THREE_FOLDS],
        iter(THREE_FOLDS),
        np.int64(3),
    ],
    ids=["splitter", "list", "masks", "iterator", "numpy integer"],
)
def test_any_form_of_three_folds_gives_the_same(features, svc, cv):
    expected = without_warnings(svc, features, cv=3)
    assert expected.folds["test_groups"].map(len).tolist() == [2, 2, 2]
    pd.testing.assert_frame_equal(without_warnings(svc, features, cv=cv).predictions, expected.predictions)


# Early stopping and searches within a fold


class Recorder(ClassifierMixin, BaseEstimator):
    """Keep the groups that `fit` received."""

    __metadata_request__fit = {"groups": True}  # noqa: RUF012 - scikit-learn reads it as a plain dict

    def fit(self, X, y, groups=None):
        self.classes_, self.groups_, self.n_ = np.unique(y), groups, len(X)
        return self

    def predict(self, X):
        return np.full(len(X), self.classes_[0])


class RecordingTransformer(TransformerMixin, Recorder):
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
        (
            make_pipeline("passthrough", RecordingTransformer(), make_pipeline(StandardScaler(), Recorder())),
            2,
        ),
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
        DummyClassifier(),
        AdaBoostClassifier(n_estimators=2),
        make_pipeline(StandardScaler(), AdaBoostClassifier(n_estimators=2)),
        CalibratedClassifierCV(LogisticRegression(), cv=2),
    ],
    ids=["search", "search in a pipeline", "dummy", "boosting", "boosting in a pipeline", "calibrated"],
)
def test_groups_reach_splitters_of_searches_and_no_estimator_that_cannot_use_them(features, model, routing):
    with sklearn.config_context(enable_metadata_routing=routing):
        assert len(without_warnings(model, features, groups="session").folds) == 3


@pytest.mark.parametrize("cv", [GroupKFold(2), StratifiedKFold(2)])
def test_without_routing_a_search_cannot_pass_groups_to_its_classifier(features, cv):
    search = GridSearchCV(Recorder(), {}, cv=cv)
    (fitted, *_) = without_warnings(search, features, return_estimator=True).estimators
    assert fitted.best_estimator_.groups_ is None


@ROUTING
def test_configuration_of_scikit_learn_reaches_the_workers(features, routing):
    model = make_pipeline(StandardScaler(), Recorder())
    # Threads, because each of them has its own configuration and they start immediately.
    with sklearn.config_context(enable_metadata_routing=routing), joblib.parallel_config("threading"):
        evaluation = evaluate(model, features, n_jobs=2, return_estimator=True)
    for fitted, name in zip(evaluation.estimators, np.unique(SPEAKERS), strict=True):
        np.testing.assert_array_equal(fitted[-1].groups_, SPEAKERS[name != SPEAKERS])


@ROUTING
def test_early_stopping_within_a_fold_gets_its_speakers(speech, routing):
    model = network_pipeline(early_stopping=True, validation="groups")  # raises without groups
    with sklearn.config_context(enable_metadata_routing=routing):
        evaluation = without_warnings(model, speech, cv=2)
    assert len(evaluation.predictions) == 16


# Spectrograms are computed once


class LastFrame(TransformerMixin, BaseEstimator):
    """The last frame of each spectrogram as a row."""

    def fit(self, X, y=None):
        self.fitted_ = True
        return self

    def transform(self, X):
        return np.stack([S[:, -1] for S in X])


class RelativeToLoudest(SpectrogramTransformer):
    """Spectrograms relative to the loudest of the passed items."""

    def transform(self, X):
        S = super().transform(X)
        return Spectrograms([item - max(other.max() for other in S) for item in S])


@pytest.mark.parametrize(
    "model",
    [network_pipeline(), make_pipeline(RelativeToLoudest(n_mels=8), LastFrame(), GaussianNB())],
    ids=["transformer", "subclass that depends on other items"],
)
@pytest.mark.parametrize("as_array", [False, True])
def test_predictions_are_those_of_spectrograms_computed_in_each_fold(speech, model, as_array):
    X = np.stack([y[:3000] for y in speech.data]) if as_array else speech.data
    evaluation = without_warnings(model, (X, speech.target, speech.groups), cv=2, n_jobs=1)
    expected = cross_val_predict(
        model, X, speech.target, groups=speech.groups, cv=GroupKFold(2), method="predict_proba"
    )
    table = evaluation.predictions[["probability_angry", "probability_sad"]]
    np.testing.assert_array_equal(table, expected.astype(np.float64))


def test_each_spectrogram_is_computed_once_and_kept_pipelines_are_complete(speech, monkeypatch):
    sizes, transform = [], SpectrogramTransformer.transform

    def spy(transformer, X):
        sizes.append(len(X))
        return transform(transformer, X)

    monkeypatch.setattr(SpectrogramTransformer, "transform", spy)
    model = make_pipeline(SpectrogramTransformer(n_mels=8), LastFrame(), SVC())
    X = np.stack([y[:3000] for y in speech.data])
    evaluation = without_warnings(model, (X, speech.target, speech.groups), return_estimator=True)
    assert sizes == [16]
    assert isinstance(model.steps[0][1], SpectrogramTransformer)
    for fold, fitted in enumerate(evaluation.estimators, start=1):
        rows = evaluation.predictions.query(f"fold == {fold}")
        np.testing.assert_array_equal(fitted.predict(X[rows["item"]]), rows["predicted"])
        assert fitted.n_features_in_ == 3000
        assert repr(fitted) == repr(model)
        check_is_fitted(fitted)


def test_spectrograms_can_be_the_items(speech):
    X = SpectrogramTransformer(n_mels=8).transform(speech.data)
    given = without_warnings(make_pipeline(LastFrame(), SVC()), (X, speech.target, speech.groups))
    model = make_pipeline(SpectrogramTransformer(n_mels=8), LastFrame(), SVC())
    computed = without_warnings(model, (speech.data, speech.target, speech.groups))
    pd.testing.assert_frame_equal(given.predictions, computed.predictions)


# Warnings


FEWER_GROUPS = "there are fewer groups (6) than requested folds (10): each group is a fold."
IN_BOTH_PARTS = "speakers are in the training and in the test set of "
TEXTS = np.random.default_rng(0).integers(5, size=60)


@pytest.mark.parametrize(
    ("parameters", "expected"),
    [
        ({"cv": 10}, FEWER_GROUPS),
        ({"cv": GroupKFold(10)}, FEWER_GROUPS),
        ({"cv": StratifiedGroupKFold(10)}, FEWER_GROUPS),
        ({"cv": KFold(3, shuffle=True, random_state=0)}, IN_BOTH_PARTS + "3 of 3 folds"),
        ({"cv": StratifiedKFold(4)}, IN_BOTH_PARTS + "4 of 4 folds"),
        ({"cv": [(np.arange(25), np.arange(25, 60)), (np.arange(30, 60), np.arange(25))]}, "(fold 1: Eve)"),
        ({"groups": TEXTS}, IN_BOTH_PARTS + "5 of 5 folds (fold 1: Ann, Eve, Ian, Liz, fold 2: "),
        ({"groups": TEXTS}, ", fold 3: Ann, Ben, Eve, Ian, Liz and 1 more and 2 more)"),
        ({"cv": THREE_FOLDS[:1]}, "40 of 60 items are in no test set, so they are never predicted."),
        (
            {"cv": [*THREE_FOLDS[:2], (THREE_FOLDS[2][0], THREE_FOLDS[2][1][1:])]},
            "1 of 60 items is in no test set, so it is never predicted.",
        ),
        (
            {"cv": [*THREE_FOLDS, THREE_FOLDS[0]]},
            "20 of 60 items are in several test sets; all their predictions are counted.",
        ),
    ],
)
def test_warns_of_doubtful_folds(features, svc, parameters, expected):
    assert expected in only_warning(svc, features, **parameters)


@pytest.mark.parametrize("cv", [GroupKFold(6), StratifiedGroupKFold(6)])
def test_as_many_folds_as_groups_give_no_warning(features, svc, cv):
    assert len(without_warnings(svc, features, cv=cv).folds) == 6


def test_more_folds_than_groups_make_each_group_a_fold(features, svc):
    assert evaluate_quietly(svc, features, cv=10).folds["n_test"].tolist() == [10] * 6


def test_folds_of_several_groups_may_outnumber_the_groups(features, svc):
    several = "60 of 60 items are in several test sets; all their predictions are counted."
    assert evaluate_quietly(svc, features, cv=LeavePGroupsOut(2)).warnings == (several,)


def test_groups_that_are_the_speakers_are_not_shared(features, svc):
    assert not without_warnings(svc, features, groups=TEXTS, speakers=TEXTS).warnings


def test_warns_of_fewer_than_four_speakers(features, svc):
    features.frame["speaker"] = features.groups = np.repeat(["OAF", "YAF"], 30)
    claim = "2 speakers (OAF, YAF): a claim of speaker independence needs at least 4."
    assert claim in only_warning(svc, features)
    assert "has 2 groups (OAF" in only_warning(svc, (features.data, features.target, features.groups))
    for names, n_warnings in ((["DC", "JE", "JK"], 1), (["DC", "JE", "JK", "KL"], 0)):
        features.frame["speaker"] = features.groups = np.repeat(names, 60 // len(names))
        sentences = evaluate_quietly(svc, features).warnings
        assert sum("claim" in sentence for sentence in sentences) == n_warnings


@pytest.mark.parametrize("other", ["Sad", "sad ", " SAD"])
def test_a_class_that_a_part_lacks_is_compared_with_the_others(features, svc, other):
    features.target[np.flatnonzero(features.target == "sad")[0]] = other
    hint = f"in its test set; {other!r} resembles 'sad': give one emotion one name."
    assert only_warning(svc, features).endswith(hint)


def test_accents_in_two_forms_are_compared(features, svc):
    features.target = features.target.astype("U9")
    features.target[features.target == "sad"] = "sad\u00e9"
    features.target[np.flatnonzero(features.target == "sad\u00e9")[0]] = "sade\u0301"
    assert "'sade\u0301' resembles 'sad\u00e9'" in only_warning(svc, features)


def test_classes_that_differ_are_not_compared(features, svc):
    features.target[np.flatnonzero(features.target == "sad")[0]] = "bored"
    assert "resembles" not in only_warning(svc, features)


def test_each_prediction_of_an_item_counts(features, svc):
    cv = RepeatedStratifiedKFold(n_splits=3, n_repeats=2, random_state=0)
    evaluation = evaluate_quietly(svc, features, cv=cv)
    assert len(evaluation.predictions) == evaluation.confusion_matrix.sum() == 120
    assert evaluation.predictions["item"].is_monotonic_increasing


def test_warns_of_classes_that_a_part_lacks(features, svc):
    features.target[SPEAKERS == "Ben"] = "angry"
    features.target[SPEAKERS == "Tom"] = "bored"
    sentence = only_warning(svc, features)
    assert "fold 1: test set without bored, fold 2: test set without bored, calm, sad, fold 3" in sentence
    assert "and 4 more" in sentence
    evaluation = evaluate_quietly(LogisticRegression(), features)
    assert evaluation.folds["UA"].tolist()[5] == 0
    table = evaluation.predictions
    assert (table.query("fold == 6")["probability_bored"] == 0).all()
    assert (table.query("fold == 5")["probability_bored"] > 0).all()
    np.testing.assert_allclose(table.filter(like="probability").sum(axis=1), 1)


def test_warns_of_unknown_speakers(features, svc):
    sentence = only_warning(svc, (features.data, features.target), cv=5)
    assert "the speakers are not known" in sentence
    evaluation = evaluate_quietly(svc, (features.data, features.target), cv=5)
    expected = cross_val_predict(svc, features.data, features.target, cv=StratifiedKFold(5))
    np.testing.assert_array_equal(evaluation.predictions["predicted"], expected)
    assert evaluation.folds["test_groups"].tolist() == [()] * 5
    assert "not known" in str(evaluation)
    assert not {"group", "speaker"} & set(evaluation.predictions)


def test_evaluates_paths_in_a_column_of_pyarrow(speech, tmp_path):
    pa = pytest.importorskip("pyarrow", reason="reads a column of PyArrow")
    paths = [str(tmp_path / f"{index}.wav") for index in range(len(speech.data))]
    for path, y in zip(paths, speech.data, strict=True):
        soundfile.write(path, y, 16000)
    model = RejectOption(network_pipeline(), threshold=0.3)
    found = evaluate_quietly(model, (pa.array(paths), speech.target, speech.groups), cv=2)
    expected = evaluate_quietly(model, (paths, speech.target, speech.groups), cv=2)
    pd.testing.assert_frame_equal(found.predictions, expected.predictions)


# Errors


@pytest.mark.parametrize(
    ("estimator", "error"),
    [(SVC, "pass an instance"), (StandardScaler(), "with fit and predict"), (None, "with fit and predict")],
)
def test_refuses_an_estimator_that_is_not_a_classifier(features, estimator, error):
    with pytest.raises(TypeError, match=error):
        evaluate(estimator, features)


@pytest.mark.parametrize(
    ("estimator", "kind"),
    [
        (LinearRegression(), "LinearRegression is a regressor"),
        (KMeans(3, random_state=0), "KMeans is a clusterer"),
        (make_pipeline(StandardScaler(), KMeans(3, random_state=0)), "Pipeline is a clusterer"),
        (GridSearchCV(make_pipeline(LinearRegression()), {}), "GridSearchCV is a regressor"),
    ],
    ids=["regressor", "clusterer", "pipeline", "search"],
)
def test_refuses_a_regressor_and_a_clusterer(features, estimator, kind):
    features.target = np.unique(features.target, return_inverse=True)[1]
    with pytest.raises(TypeError, match=f"estimator must be a classifier, but {kind}: pass a classifier, or"):
        evaluate(estimator, features)


class Untagged:
    """A classifier that only follows scikit-learn's conventions."""

    def get_params(self, deep=True):
        return {}

    def set_params(self):
        return self

    def fit(self, X, y):
        self.classes_ = np.unique(y)
        return self

    def predict(self, X):
        return np.full(len(X), self.classes_[0])


class Mixed(ClassifierMixin, Untagged):
    """A classifier without scikit-learn's BaseEstimator."""


class Untyped(Untagged, BaseEstimator):
    """A classifier without scikit-learn's ClassifierMixin."""


@pytest.mark.parametrize("classifier", [Untagged(), Mixed(), Untyped()], ids=lambda it: type(it).__name__)
def test_a_classifier_need_not_say_that_it_is_one(features, classifier):
    assert (without_warnings(classifier, features).predictions["predicted"] == "angry").all()


TWO = ["sad", "calm"]


@pytest.mark.parametrize(
    ("corpus", "kind", "error"),
    [
        ([[1, 2], [3, 4]], TypeError, "got list, data of type NoneType"),
        (np.zeros((3, 2)), TypeError, "got ndarray, data of type memoryview and target of type NoneType"),
        ({"data": [1]}, TypeError, "got dict, data of type list and target of type NoneType"),
        (([1],), TypeError, "got tuple, data of type list and target of type NoneType"),
        (([1, 2], TWO, None, None), TypeError, "got tuple, data of type NoneType"),
        (("one.wav", ["sad"]), TypeError, r"data \(a sequence of items\) .* data of type str"),
        ((iter([1, 2]), TWO), TypeError, r"data \(a sequence of items\) .* data of type list_iterator"),
        (([1, 2, 3], TWO), ValueError, "y has 2 values for 3 items"),
        (([1, 2, 3], ["sad", None, "calm"]), ValueError, "y has no value for item 1"),
        (([1, 2], [0.5, 0.7]), ValueError, "Unknown label type"),
        (([1, 2], ["sad", "sad"]), ValueError, "at least 2 classes"),
        (([], []), ValueError, "at least 2 classes"),
        (([1, 2], TWO, ["Ann"]), ValueError, "groups has 1 values for 2 items"),
        (([1, 2], TWO, np.array(["Ann", 3], object)), ValueError, "groups mixes text and integers"),
        (([1, 2], TWO, [1.0, np.nan]), ValueError, "groups has no value for item 1"),
        (([1, 2], TWO, ["Ann", pd.NA]), ValueError, "groups has no value for item 1"),
        (([1, 2], TWO, [["Ann"], ["Ben"], ["Eve"]]), ValueError, "groups has 3"),
    ],
)
def test_refuses_a_corpus_of_a_wrong_form(corpus, kind, error):
    with pytest.raises(kind, match=error):
        evaluate_quietly(DummyClassifier(), corpus)


@pytest.mark.parametrize(
    ("parameters", "kind", "error"),
    [
        (
            {"groups": "Session"},
            ValueError,
            r"groups='Session' is not a column .*'session', 'speaker', 'sex'",
        ),
        ({"speakers": "who"}, ValueError, r"speakers='who' is not a column of the corpus"),
        ({"verbose": "x"}, TypeError, "verbose must be an integer, True or False, got 'x'"),
        ({"speakers": [1, 2, 3]}, ValueError, "speakers has 3 values for 60 items"),
        ({"return_estimator": "yes"}, TypeError, "return_estimator must be True or False"),
        ({"n_jobs": 0}, ValueError, "n_jobs must not be 0: give None, 1 or more, or -1 for one per proc"),
        ({"n_jobs": "AUTO"}, ValueError, "n_jobs must be an integer, 'auto' or None, got 'AUTO'"),
        ({"n_jobs": 1.5}, TypeError, "n_jobs must be an integer, got 1.5 of type float"),
        (
            {"cv": None, "groups": ["Ann"] * 60},
            ValueError,
            r"\['Ann'\].* expects at least 2.*: give .*groups=",
        ),
        (
            {"cv": 5, "groups": ["Ann"] * 60},
            ValueError,
            "n_splits=2 or more, .*: give .*groups= of two or more",
        ),
        ({"cv": 1}, ValueError, "cv cannot split the corpus .*n_splits=2 or more, got n_splits=1"),
        ({"cv": True}, ValueError, "cv cannot split the corpus .*n_splits=2 or more"),
        ({"cv": "speaker"}, ValueError, r"cv cannot split the corpus \(Expected `?cv`? as an integer"),
        ({"cv": []}, ValueError, "it makes no folds"),
        ({"cv": StratifiedKFold(31)}, ValueError, "cv cannot split the corpus .n_splits=31"),
        ({"cv": [([0, 1], [1, 2])]}, ValueError, "fold 1 has items in both training and test set: 1"),
        ({"cv": [([0], [1]), ([0, 1], [])]}, ValueError, "fold 2 has 2 training and 0 test items"),
        ({"cv": [([0], [60])]}, ValueError, "cv cannot split the corpus .index 60 is out of bounds"),
        ({"cv": [([0.5], [3])]}, ValueError, "cv cannot split the corpus .only integers"),
        ({"cv": [([True], [3])]}, ValueError, "cv cannot split the corpus .boolean index did not match"),
        ({"cv": [[0, 1, 2]]}, ValueError, "cv cannot split the corpus .too many values"),
        ({"cv": [5]}, ValueError, "cv cannot split the corpus .cannot unpack"),
    ],
)
def test_refuses_a_wrong_parameter(features, svc, parameters, kind, error):
    with pytest.raises(kind, match=error):
        evaluate_quietly(svc, features, **parameters)


def test_groups_are_needed_unless_cv_is_given(features, svc):
    with pytest.raises(ValueError, match=r"'groups' parameter should not be None.*: give .*groups="):
        evaluate(svc, (features.data, features.target))


class Failing(Recorder):
    """Fail if the training set lacks a session."""

    def __init__(self, session, error=ValueError):
        self.session = session
        self.error = error

    def fit(self, X, y, groups=None):
        if self.session not in groups:
            raise self.error("no such session")
        return super().fit(X, y)


@pytest.mark.parametrize(
    ("error", "n_jobs"), [(ValueError, 1), (ValueError, 2), (FileNotFoundError, 1), (MemoryError, 1)]
)
def test_an_error_in_a_fold_keeps_its_type_and_names_the_fold(features, error, n_jobs):
    with pytest.raises(error, match="no such session") as caught:
        evaluate(Failing(2, error), features, groups="session", n_jobs=n_jobs)
    assert caught.value.__notes__ == ["This happened in fold 2 (test groups: 2)."]


def interrupted_training(*_, **__):
    raise KeyboardInterrupt


def test_ctrl_c_in_a_fold_ends_the_evaluation(speech, monkeypatch):
    monkeypatch.setattr(CenterLossNet, "train_step", interrupted_training)
    with pytest.raises(KeyboardInterrupt):
        evaluate_quietly(network_pipeline(), speech, cv=2, n_jobs=1)


def test_another_warning_that_is_an_error_is_no_ctrl_c(features):
    class Warns(Recorder):
        def fit(self, X, y, groups=None):
            warnings.warn("the data look odd", UserWarning, stacklevel=2)
            return super().fit(X, y)

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(UserWarning, match="the data look odd"):
            evaluate(Warns(), features)


class Numbering(Recorder):
    """Predict a number instead of labels, or too few of them."""

    def __init__(self, number=0, n_missing=0):
        self.number = number
        self.n_missing = n_missing

    def predict(self, X):
        return np.full((len(X) - self.n_missing, 1), self.number)


@pytest.mark.parametrize(
    ("model", "error"),
    [
        (Numbering(), r"string and number"),
        (Numbering(n_missing=1), r"Length of values \(9\) does not match length of index \(10\)"),
        (Numbering(0.5), "Mix type of y not allowed"),
    ],
    ids=str,
)
def test_refuses_predictions_that_are_not_labels(features, model, error):
    if model.number == 0.5:
        features.target = np.unique(features.target, return_inverse=True)[1]
    with pytest.raises((TypeError, ValueError), match=error) as caught:
        evaluate(model, features)
    assert caught.value.__notes__ == ["This happened in fold 1 (test groups: Ann)."]


def test_an_error_in_a_recording_names_the_item(speech):
    data = [*speech.data[:3], np.array([0.1, np.nan]), *speech.data[4:]]
    with pytest.raises(ValueError, match="item 3"):
        evaluate(network_pipeline(), (data, speech.target, speech.groups))


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


@pytest.mark.parametrize(
    ("frame", "error", "message"),
    [
        ([1, 2], TypeError, "frame of the corpus must be a DataFrame or None, got list"),
        (pd.DataFrame({"file": ["a.wav"] * 5}), ValueError, "has 5 rows but there are 60 items"),
    ],
)
def test_a_frame_that_does_not_describe_the_items_is_named(features, svc, frame, error, message):
    features.frame = frame
    with pytest.raises(error, match=message):
        evaluate(svc, features)


def test_names_of_files_need_not_be_utf_8(features):
    files = [f"caf\udce9_{index}.wav" for index in range(60)]
    corpus = Bunch(data=files, target=features.target, groups=features.groups)
    assert without_warnings(DummyClassifier(), corpus).predictions["file"].tolist() == files


def test_a_missing_file_name_stays_missing(features, svc):
    features.frame["path"] = [None, *(f"{index}.wav" for index in range(1, 60))]
    files = without_warnings(svc, features).predictions["file"]
    assert files.isna().tolist() == [True] + [False] * 59


def test_labels_that_are_dates_stay_dates(features, svc):
    days = np.array(["2020-01-01", "2020-01-02", "2020-01-03"], dtype="datetime64[D]")
    features.target = days[np.unique(features.target, return_inverse=True)[1] % 3]
    evaluation = without_warnings(svc, features)
    assert evaluation.labels.dtype.kind == "M"
    np.testing.assert_array_equal(evaluation.labels, days)
    assert evaluation.confusion_matrix.sum() == 60
