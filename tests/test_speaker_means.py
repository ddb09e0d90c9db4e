"""Means of test speakers in `evaluate`, skewed test sets, and folds that test one corpus."""

from __future__ import annotations

import warnings

import joblib
import numpy as np
import pandas as pd
import pytest
import sklearn
from sklearn.base import BaseEstimator, ClassifierMixin, TransformerMixin
from sklearn.calibration import CalibratedClassifierCV
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, GroupKFold, LeaveOneGroupOut
from sklearn.pipeline import FeatureUnion, Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils import Bunch

from skser import (
    RejectOption,
    SpeakerNormalizer,
    SpectrogramTransformer,
    evaluate,
    normalize_by_group,
    skew_test_sets,
)
from skser.datasets import make_emotional_speech

# Tests that need no speakers fit without them.
pytestmark = pytest.mark.filterwarnings("ignore:fit of SpeakerNormalizer received no groups")

SPEAKERS = np.repeat(["Ann", "Ben", "Eve", "Ian", "Liz", "Tom"], 12)
SESSIONS = np.repeat([1, 2, 3], 24)
EMOTIONS = np.tile(["angry", "calm", "sad"], 24)

ROUTING = pytest.mark.parametrize("routing", [False, True], ids=["without routing", "with routing"])


@pytest.fixture
def corpus() -> Bunch:
    """Features in which the differences of speakers are larger than those of emotions."""
    rng = np.random.default_rng(0)
    voices = np.repeat(rng.normal(scale=5, size=(6, 4)), 12, axis=0)
    X = rng.normal(size=(72, 4)) + voices + np.unique(EMOTIONS, return_inverse=True)[1][:, None]
    frame = pd.DataFrame({"speaker": SPEAKERS, "session": SESSIONS})
    return Bunch(data=X, target=EMOTIONS, groups=SPEAKERS, frame=frame)


def model(**parameters) -> Pipeline:
    return make_pipeline(SpeakerNormalizer(**parameters), LogisticRegression())


def without_warnings(*args, **kwargs):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return evaluate(*args, **kwargs)


def expected_probabilities(corpus, statistics_of_fold):
    """Probabilities of one speaker after the other, by a loop without pipelines."""
    X, rows = corpus.data, []
    for name in np.unique(SPEAKERS):
        test = name == SPEAKERS
        Z = normalize_by_group(X[~test], SPEAKERS[~test])
        classifier = LogisticRegression().fit(Z, EMOTIONS[~test])
        rows.append(classifier.predict_proba(X[test] - statistics_of_fold(test)))
    return np.concatenate(rows)


def probabilities(evaluation) -> np.ndarray:
    return evaluation.predictions.filter(like="probability_").to_numpy()


# The modes


@ROUTING
def test_none_uses_nothing_of_the_test_speakers(corpus, routing):
    def mean_of_training_speakers(test):
        names = np.unique(SPEAKERS[~test])
        return np.mean([corpus.data[name == SPEAKERS].mean(axis=0) for name in names], axis=0)

    with sklearn.config_context(enable_metadata_routing=routing):
        evaluation = without_warnings(model(), corpus)
    expected = expected_probabilities(corpus, mean_of_training_speakers)
    np.testing.assert_allclose(probabilities(evaluation), expected, atol=1e-12)


@ROUTING
def test_test_uses_the_mean_of_all_test_items_of_each_speaker(corpus, routing):
    with sklearn.config_context(enable_metadata_routing=routing):
        evaluation = without_warnings(model(), corpus, speaker_means="test")
    expected = expected_probabilities(corpus, lambda test: corpus.data[test].mean(axis=0))
    np.testing.assert_allclose(probabilities(evaluation), expected, atol=1e-12)
    plain = without_warnings(model(), corpus)
    assert evaluation.unweighted_accuracy > plain.unweighted_accuracy + 0.1


def test_test_is_the_same_as_normalizing_the_corpus_first_in_folds_of_several_speakers(corpus):
    normalized = Bunch(**{**corpus, "data": normalize_by_group(corpus.data, SPEAKERS)})
    expected = without_warnings(LogisticRegression(), normalized, cv=2)
    found = without_warnings(model(), corpus, cv=2, speaker_means="test")
    np.testing.assert_allclose(probabilities(found), probabilities(expected), atol=1e-12)


@ROUTING
def test_enrolled_items_give_the_mean_and_are_not_scored(corpus, routing):
    with sklearn.config_context(enable_metadata_routing=routing):
        evaluation = without_warnings(model(), corpus, speaker_means="enrolled", n_enroll=5, random_state=0)
    items = evaluation.predictions["item"].to_numpy()
    is_enrolled = ~np.isin(np.arange(72), items)
    assert [is_enrolled[name == SPEAKERS].sum() for name in np.unique(SPEAKERS)] == [5] * 6
    assert evaluation.folds["n_test"].tolist() == [7] * 6
    expected = expected_probabilities(corpus, lambda test: corpus.data[test & is_enrolled].mean(axis=0))
    np.testing.assert_allclose(probabilities(evaluation), expected[items], atol=1e-12)


def test_ten_items_of_each_speaker_are_enrolled_by_default(corpus):
    evaluation = evaluate(model(), corpus, speaker_means="enrolled", random_state=0)
    assert evaluation.folds["n_test"].tolist() == [2] * 6
    assert evaluation.n_enroll == 10


def test_the_seed_draws_the_enrolled_items(corpus):
    parameters = {"cv": 3, "speaker_means": "enrolled", "n_enroll": 3}
    with joblib.parallel_config("threading"):
        tables = [
            evaluate(model(), corpus, **parameters, random_state=seed, n_jobs=n_jobs).predictions
            for seed, n_jobs in ((0, None), (0, 2), (1, None))
        ]
    pd.testing.assert_frame_equal(tables[0], tables[1])
    assert tables[0]["item"].tolist() != tables[2]["item"].tolist()


def test_labels_of_enrolled_items_are_not_used(corpus):
    first = evaluate(model(), corpus, speaker_means="enrolled", n_enroll=4, cv=3, random_state=0)
    enrolled = ~np.isin(np.arange(72), first.predictions["item"])
    for fold, rows in first.predictions.groupby("fold"):
        tested = np.unique(rows["speaker"])
        target = np.where(enrolled & np.isin(SPEAKERS, tested), "sad", EMOTIONS)
        changed = Bunch(**{**corpus, "target": target})
        second = evaluate(model(), changed, speaker_means="enrolled", n_enroll=4, cv=3, random_state=0)
        pd.testing.assert_frame_equal(second.predictions.query(f"fold == {fold}"), rows)


def test_kept_estimators_know_only_the_training_speakers(corpus):
    evaluation = evaluate(model(), corpus, speaker_means="test", return_estimator=True)
    for fitted, name in zip(evaluation.estimators, np.unique(SPEAKERS), strict=True):
        assert sorted(fitted[0].speakers_) == sorted(set(SPEAKERS) - {name})


# Forms of models


@ROUTING
@pytest.mark.parametrize(
    "wrapped",
    [
        make_pipeline("passthrough", make_pipeline(SpeakerNormalizer()), make_pipeline(LogisticRegression())),
        GridSearchCV(model(), {"logisticregression__C": [1.0]}, cv=GroupKFold(2)),
        make_pipeline(
            SpeakerNormalizer(), GridSearchCV(LogisticRegression(), {"C": [1.0]}, cv=GroupKFold(2))
        ),
    ],
    ids=["nested", "search over the pipeline", "search within the pipeline"],
)
@pytest.mark.filterwarnings("ignore:speakers who are neither")  # in the inner folds of a search
def test_a_normalizer_is_found_in_nested_pipelines_and_searches(corpus, wrapped, routing):
    expected = evaluate(model(), corpus, speaker_means="test")
    with sklearn.config_context(enable_metadata_routing=routing):
        found = evaluate(wrapped, corpus, speaker_means="test")
    np.testing.assert_allclose(probabilities(found), probabilities(expected), atol=1e-12)


@ROUTING
@pytest.mark.parametrize("speaker_means", ["none", "test"])
def test_a_normalizer_receives_speakers_if_the_groups_are_sessions(corpus, speaker_means, routing):
    expected = evaluate(model(), corpus, cv=GroupKFold(3), speaker_means=speaker_means)
    splits = list(GroupKFold(3).split(corpus.data, groups=SPEAKERS))
    with sklearn.config_context(enable_metadata_routing=routing):
        found = evaluate(
            model(), corpus, groups="session", cv=splits, speaker_means=speaker_means, return_estimator=True
        )
    assert found.estimators[0][0].speakers_.keys() <= set(SPEAKERS)
    np.testing.assert_allclose(probabilities(found), probabilities(expected), atol=1e-12)


class Recorder(ClassifierMixin, BaseEstimator):
    """Keep the groups that `fit` received."""

    __metadata_request__fit = {"groups": True}  # noqa: RUF012 - scikit-learn reads it as a plain dict

    def fit(self, X, y, groups=None):
        self.classes_, self.groups_ = np.unique(y), groups
        return self

    def predict(self, X):
        return np.full(len(X), self.classes_[0])


@ROUTING
def test_other_steps_still_receive_the_groups(corpus, routing):
    with sklearn.config_context(enable_metadata_routing=routing):
        pipeline = make_pipeline(SpeakerNormalizer(), Recorder())
        evaluation = evaluate(pipeline, corpus, groups="session", return_estimator=True)
    for fold, fitted in enumerate(evaluation.estimators, start=1):
        np.testing.assert_array_equal(fitted[1].groups_, SESSIONS[fold != SESSIONS])
        assert len(fitted[0].speakers_) == 4


BATCH = model(unknown="batch", min_items=2)


@pytest.mark.parametrize("groups", ["speaker", "session"])
@pytest.mark.parametrize(
    ("routed", "part"),
    [
        (BATCH, lambda fitted: fitted),
        (RejectOption(BATCH, threshold=0.1), lambda fitted: fitted),
        # These do not pass groups to predictions.
        (GridSearchCV(BATCH, {}, cv=GroupKFold(2)), lambda fitted: fitted.best_estimator_),
        (CalibratedClassifierCV(BATCH, cv=2), lambda fitted: fitted.calibrated_classifiers_[0].estimator),
    ],
    ids=["pipeline", "reject option", "search", "calibrated"],
)
@pytest.mark.filterwarnings("ignore:speakers who are neither")  # in the inner folds
def test_kept_estimators_request_groups_as_before(corpus, routed, part, groups):
    X = corpus.data[:4]
    with sklearn.config_context(enable_metadata_routing=True):
        (fitted, *_) = evaluate(routed, corpus, groups=groups, return_estimator=True).estimators
        normalized = part(fitted).predict_proba(X, groups=["Zoe"] * 4)
        assert not np.allclose(normalized, part(fitted).predict_proba(X))
        fitted.fit(corpus.data, EMOTIONS, groups=SPEAKERS)


def test_requests_of_the_user_are_served_and_kept(corpus):
    expected = evaluate(model(), corpus, groups="session")
    with sklearn.config_context(enable_metadata_routing=True):
        named = SpeakerNormalizer().set_fit_request(groups="voice").set_transform_request(groups="voice")
        pipeline = make_pipeline(named, LogisticRegression())
        evaluation = evaluate(pipeline, corpus, groups="session", return_estimator=True)
        for fitted in (*evaluation.estimators, pipeline):
            requests = fitted[0].get_metadata_routing()
            assert requests.fit.requests == requests.transform.requests == {"groups": "voice"}
    assert evaluation.predictions.equals(expected.predictions)


def test_a_normalizer_that_requests_no_groups_receives_no_speakers(corpus):
    with sklearn.config_context(enable_metadata_routing=True):
        normalizer = SpeakerNormalizer().set_fit_request(groups=False).set_transform_request(groups=False)
        evaluation = evaluate(make_pipeline(normalizer, Recorder()), corpus, return_estimator=True)
    for fitted, name in zip(evaluation.estimators, np.unique(SPEAKERS), strict=True):
        assert fitted[0].speakers_ == {}
        np.testing.assert_array_equal(fitted[1].groups_, SPEAKERS[name != SPEAKERS])


@pytest.mark.filterwarnings("ignore:speakers who are neither")  # in the inner folds
def test_a_normalizer_among_the_candidates_of_a_search_receives_the_speakers(corpus):
    candidates = {"speakernormalizer": [SpeakerNormalizer(min_items=3)]}
    search = GridSearchCV(model(), candidates, cv=GroupKFold(2))
    with sklearn.config_context(enable_metadata_routing=True):
        evaluation = evaluate(search, corpus, groups="session", return_estimator=True)
    for fitted in evaluation.estimators:
        assert len(fitted.best_estimator_[0].speakers_) == 4


class MeanFrame(TransformerMixin, BaseEstimator):
    """The mean over the frames of each spectrogram as a row."""

    def fit(self, X, y=None):
        self.fitted_ = True
        return self

    def transform(self, X):
        return np.stack([S.mean(axis=1) for S in X])


def test_spectrograms_can_be_normalized_within_a_pipeline():
    speech = make_emotional_speech(n_speakers=4, n_per_class=3, duration=0.5, random_state=0)
    spectrogram, tail = SpectrogramTransformer(n_mels=8), (MeanFrame(), LogisticRegression(max_iter=1000))
    found = evaluate(
        make_pipeline(spectrogram, SpeakerNormalizer(), *tail), speech, speaker_means="test", cv=2
    )
    S = normalize_by_group(spectrogram.transform(speech.data), speech.groups)
    expected = evaluate(make_pipeline(*tail), (S, speech.target, speech.groups), cv=2)
    np.testing.assert_allclose(probabilities(found), probabilities(expected), atol=1e-6)


# The report


@pytest.mark.parametrize(
    ("speaker_means", "heading", "note"),
    [
        ("none", "UA and WA in %, speaker_means='none' (chance", "of the training speakers is subtracted"),
        ("test", "UA and WA in %, speaker_means='test' (chance", "all test items of the speaker .*transduct"),
        (
            "enrolled",
            "UA and WA in %, speaker_means='enrolled', n_enroll=4 (chance",
            "over 4 test items of the speaker .*not scored",
        ),
    ],
)
def test_report_and_heading_name_the_mode(corpus, speaker_means, heading, note):
    evaluation = evaluate(model(), corpus, speaker_means=speaker_means, n_enroll=4, random_state=0)
    assert str(evaluation).startswith(heading)
    assert pd.Series(str(evaluation)).str.contains(f"Note: the mean .*{note}").all()
    assert f"speaker_means={speaker_means!r}" in repr(evaluation)
    assert evaluation.speaker_means == speaker_means
    assert evaluation.n_enroll == (4 if speaker_means == "enrolled" else None)


def test_report_of_a_model_without_normalizer_names_no_mode(corpus):
    evaluation = evaluate(LogisticRegression(), corpus)
    assert evaluation.speaker_means is None
    assert "speaker_means" not in str(evaluation) + repr(evaluation)


# Errors


@pytest.mark.parametrize(
    "other",
    [
        LogisticRegression(),
        make_pipeline(StandardScaler(), LogisticRegression()),
        CalibratedClassifierCV(model(), cv=2),
        RejectOption(model(), threshold=0.5),
        make_pipeline(FeatureUnion([("speakers", SpeakerNormalizer())]), LogisticRegression()),
    ],
    ids=["classifier", "pipeline", "calibrated", "reject option", "union"],
)
@pytest.mark.parametrize("speaker_means", ["test", "enrolled"])
def test_a_model_without_normalizer_is_refused(corpus, other, speaker_means):
    with pytest.raises(
        ValueError, match=f"'{speaker_means}' needs a SpeakerNormalizer as a step of the Pipe"
    ):
        evaluate(other, corpus, speaker_means=speaker_means)


def test_a_normalizer_within_a_reject_option_needs_routing(corpus):
    wrapped = RejectOption(model(), threshold=0.5)
    with pytest.raises(
        ValueError, match=r"SpeakerNormalizer needs the speakers, .* only with metadata routing"
    ):
        evaluate(wrapped, corpus, n_jobs=1)
    with sklearn.config_context(enable_metadata_routing=True):
        routed = evaluate(wrapped, corpus)
    outside = make_pipeline(SpeakerNormalizer(), RejectOption(LogisticRegression(), threshold=0.5))
    assert routed.predictions.equals(evaluate(outside, corpus).predictions)


@pytest.mark.parametrize(
    ("parameters", "kind", "error"),
    [
        ({"speaker_means": "all"}, ValueError, "speaker_means must be one of 'enrolled', 'none', 'test'"),
        ({"speaker_means": None}, ValueError, "speaker_means must be one of"),
        ({"n_enroll": 0}, ValueError, "n_enroll must be an integer in"),
        ({"n_enroll": 2.5}, TypeError, "n_enroll must be an integer"),
        ({"speaker_means": "enrolled", "random_state": "x"}, ValueError, "'x' cannot be used to seed"),
        (
            {"speaker_means": "enrolled", "n_enroll": 12},
            ValueError,
            "the speaker Ann has 12 items in the test set of fold 1, so none is left to score after n_enroll",
        ),
    ],
)
def test_refuses_a_wrong_parameter(corpus, parameters, kind, error):
    with pytest.raises(kind, match=error):
        evaluate(model(), corpus, **parameters)


def test_means_need_speakers(corpus):
    with pytest.raises(ValueError, match="'test' needs the speakers of the items: pass speakers="):
        evaluate(model(), (corpus.data, corpus.target), cv=3, speaker_means="test")
    with pytest.warns(UserWarning, match="the speakers are not known") as caught:
        evaluate(model(), (corpus.data, corpus.target), cv=3)
    # One warning is enough.
    assert not any("received no groups" in str(warning.message) for warning in caught)


# Skewed test sets


def splits_of(corpus):
    return list(LeaveOneGroupOut().split(corpus.data, groups=SPEAKERS))


def test_skewed_test_sets_keep_speakers_sizes_and_training_sets(corpus):
    splits = list(GroupKFold(3).split(corpus.data, groups=SPEAKERS))
    skewed = skew_test_sets(splits, EMOTIONS, SPEAKERS, random_state=0)
    for (train, test), (same, resampled) in zip(splits, skewed, strict=True):
        np.testing.assert_array_equal(train, same)
        assert sorted(SPEAKERS[test]) == sorted(SPEAKERS[resampled])


@pytest.mark.parametrize(
    "splits",
    [[([0], [1000])], [(["a"], ["b"])], [(1,)], [([0], [])], None],
    ids=["range", "text", "one", "none", "None"],
)
def test_splits_that_cannot_be_skewed_are_named(splits):
    with pytest.raises(
        ValueError, match=r"splits must hold pairs \(train, test\) of indices of the .* items"
    ):
        skew_test_sets(splits, EMOTIONS, SPEAKERS)


def test_skewed_shares_have_the_variance_of_the_dirichlet_distribution():
    y, speakers = np.tile(["angry", "calm", "sad", "happy"], 250), np.zeros(1000)
    splits = [([0], np.arange(1000))] * 400
    for concentration in (0.5, 5):
        drawn = skew_test_sets(splits, y, speakers, concentration=concentration, random_state=0)
        shares = np.array([[np.mean(y[test] == name) for name in np.unique(y)] for _, test in drawn])
        np.testing.assert_allclose(shares.mean(axis=0), 0.25, atol=0.05)
        variance = 0.25 * 0.75 / (4 * concentration + 1)  # of a share, for four labels
        np.testing.assert_allclose(shares.var(axis=0).mean(), variance, rtol=0.1)


def test_the_seed_draws_the_skewed_test_sets(corpus):
    drawn = [skew_test_sets(splits_of(corpus), EMOTIONS, SPEAKERS, random_state=seed) for seed in (0, 0, 1)]
    tests = [np.concatenate([test for _, test in splits]).tolist() for splits in drawn]
    assert tests[0] == tests[1]
    assert tests[0] != tests[2]


def test_masks_of_folds_are_resampled_as_indices(corpus):
    splits = splits_of(corpus)
    masks = [tuple(np.isin(np.arange(72), part) for part in split) for split in splits]
    expected = skew_test_sets(splits, EMOTIONS, SPEAKERS, random_state=0)
    found = skew_test_sets(masks, EMOTIONS, SPEAKERS, random_state=0)
    for one, other in zip(expected, found, strict=True):
        np.testing.assert_array_equal(one[0], other[0])
        np.testing.assert_array_equal(one[1], other[1])


@pytest.mark.filterwarnings("ignore")
def test_evaluate_takes_means_over_the_resampled_items(corpus):
    skewed = skew_test_sets(splits_of(corpus), EMOTIONS, SPEAKERS, random_state=0)
    evaluation = evaluate(model(), corpus, cv=skewed, speaker_means="test")
    X, rows = corpus.data, []
    for train, test in skewed:
        classifier = LogisticRegression().fit(normalize_by_group(X[train], SPEAKERS[train]), EMOTIONS[train])
        rows.append(classifier.predict_proba(X[np.sort(test)] - X[test].mean(axis=0)))
    assert len(evaluation.predictions) == 72
    np.testing.assert_allclose(probabilities(evaluation), np.concatenate(rows), atol=1e-12)


@pytest.mark.filterwarnings("ignore")
def test_an_enrolled_item_that_is_repeated_in_a_test_set_is_never_scored(corpus):
    skewed = skew_test_sets(splits_of(corpus), EMOTIONS, SPEAKERS, random_state=0)
    evaluation = evaluate(model(), corpus, cv=skewed, speaker_means="enrolled", n_enroll=3, random_state=0)
    scored = evaluation.predictions.groupby("fold")["item"].value_counts()
    for (fold, item), n in scored.items():
        assert n == np.sum(skewed[fold - 1][1] == item)  # an item is scored each time, or never
    assert len(evaluation.predictions) < 72 - 6 * 3


@pytest.mark.parametrize(
    ("parameters", "error"),
    [
        ({"concentration": 0}, "concentration must be a number in .0, inf., got 0"),
        ({"groups": ["Ann"]}, "groups has 1 values for 72 items: pass one per item"),
    ],
)
def test_skew_refuses_a_wrong_parameter(corpus, parameters, error):
    arguments = {"splits": splits_of(corpus), "y": EMOTIONS, "groups": SPEAKERS, **parameters}
    with pytest.raises(ValueError, match=error):
        skew_test_sets(**arguments)


# Folds that test one corpus


@pytest.fixture
def merged(corpus) -> Bunch:
    """Two corpora, each with an emotion that the other lacks."""
    corpora = np.where(SESSIONS == 3, "nemo", "emodb")
    target = np.where((corpora == "nemo") & (EMOTIONS == "calm"), "surprised", EMOTIONS).astype(object)
    frame = corpus.frame.assign(corpus=corpora)
    return Bunch(data=corpus.data, target=target, groups=SPEAKERS, frame=frame)


@pytest.mark.filterwarnings("ignore")
def test_each_corpus_is_tested_on_the_emotions_that_it_shares(merged):
    evaluation = evaluate(model(), merged, cv="corpus", speaker_means="test", return_estimator=True)
    assert evaluation.folds["test_groups"].tolist() == [("emodb",), ("nemo",)]
    assert evaluation.folds["n_train"].tolist() == [24, 48]
    assert evaluation.folds["n_test"].tolist() == [32, 16]
    table = evaluation.predictions
    assert set(table["label"]) == {"angry", "sad"}
    np.testing.assert_array_equal(table["corpus"], np.where(table["fold"] == 1, "emodb", "nemo"))
    np.testing.assert_array_equal(table["group"], SPEAKERS[table["item"]])
    # Training sets keep the emotions of their own corpora.
    assert [fitted.classes_.tolist() for fitted in evaluation.estimators] == [
        ["angry", "sad", "surprised"],
        ["angry", "calm", "sad"],
    ]


@pytest.mark.filterwarnings("ignore")
def test_within_a_corpus_fold_groups_are_the_speakers(merged):
    pipeline = make_pipeline(SpeakerNormalizer(), Recorder())
    evaluation = evaluate(pipeline, merged, cv="corpus", return_estimator=True)
    assert np.unique(evaluation.estimators[1][1].groups_).tolist() == ["Ann", "Ben", "Eve", "Ian"]


@pytest.mark.filterwarnings("ignore:some training or test sets")
def test_items_that_no_fold_scores_are_reported(merged):
    with pytest.warns(UserWarning, match="24 of 72 items are in no test set"):
        evaluate(model(), merged, cv="corpus")


def test_a_corpus_fold_needs_corpora_that_share_emotions(corpus, merged):
    with pytest.raises(ValueError, match=r'cv="corpus" needs two or more corpora in the column "corpus"'):
        evaluate(model(), corpus, cv="corpus")
    corpus.frame["corpus"] = "emodb"
    with pytest.raises(ValueError, match="needs two or more corpora"):
        evaluate(model(), corpus, cv="corpus")
    merged.target = np.where((SESSIONS == 3) & (EMOTIONS == "sad"), "sorrow", merged.target)
    with pytest.raises(
        ValueError, match="the corpus 'emodb' shares 1 label with the others, but a test needs"
    ):
        evaluate(model(), merged, cv="corpus")


def test_a_column_with_unknown_corpora_does_not_disturb_other_folds(corpus):
    corpus.frame["corpus"] = ["emodb"] * 40 + [None] * 32
    assert "corpus" not in evaluate(model(), corpus).predictions
