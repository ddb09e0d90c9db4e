"""Pipelines, grid searches and metadata routing, on synthetic speech and on real recordings."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import sklearn
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, GroupKFold, cross_validate
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from skser import (
    CenterLossClassifier,
    Spectrograms,
    SpectrogramTransformer,
    unweighted_accuracy,
    unweighted_accuracy_scorer,
    weighted_accuracy_scorer,
)
from skser.datasets import load_ravdess, make_emotional_speech
from skser.training import CenterLossNet

SMALL = {
    "channels": (8, 8, 8),
    "rnn_units": 8,
    "embedding_dim": 8,
    "max_epochs": 2,
    "lr": 1e-2,
    "random_state": 0,
}
GRID = {"classifier__center_lambda": [0, 0.3], "classifier__center_alpha": [0.1, 0.5]}


@pytest.fixture(scope="module")
def speech():
    return make_emotional_speech(n_speakers=4, n_per_class=2, duration=0.5, random_state=0)


def test_network_hears_more_in_synthetic_speech_than_mean_pitch_and_level_tell():
    corpus = make_emotional_speech(random_state=0)
    y, means = corpus.target, corpus.frame[["f0", "level"]].assign(f0=np.log(corpus.frame["f0"])).to_numpy()
    train, test = next(GroupKFold(4).split(y, groups=corpus.groups))
    linear = make_pipeline(StandardScaler(), LogisticRegression()).fit(means[train], y[train])
    X = SpectrogramTransformer().transform(corpus.data)
    network = CenterLossClassifier(max_epochs=15, random_state=0).fit(X[train], y[train])
    by_means = unweighted_accuracy(y[test], linear.predict(means[test]))
    by_network = unweighted_accuracy(y[test], network.predict(X[test]))
    assert by_network > by_means + 0.15
    assert 0.25 < by_means < 0.7


def make(memory=None, **parameters) -> Pipeline:
    return Pipeline(
        [
            ("spectrogram", SpectrogramTransformer(n_mels=20, memory=memory)),
            ("classifier", CenterLossClassifier(**{**SMALL, **parameters})),
        ]
    )


def search(pipeline: Pipeline, n_jobs: int | None = None) -> GridSearchCV:
    scorer = unweighted_accuracy_scorer
    return GridSearchCV(pipeline, GRID, cv=GroupKFold(2), scoring=scorer, n_jobs=n_jobs, error_score="raise")


def test_pipeline_fits_waveforms_and_gives_labels_or_embeddings_to_an_svc(speech):
    pipeline = make(max_epochs=30).fit(speech.data, speech.target)
    assert set(pipeline.predict(speech.data)) <= set(speech.target)
    assert pipeline.score(speech.data, speech.target) > 0.5
    with_svc = make_pipeline(SpectrogramTransformer(), CenterLossClassifier(**SMALL), SVC())
    assert with_svc.fit(speech.data, speech.target).predict(speech.data[:3]).shape == (3,)
    scoring = {"UA": unweighted_accuracy_scorer, "WA": weighted_accuracy_scorer}
    scores = cross_validate(
        make(), speech.data, speech.target, groups=speech.groups, cv=GroupKFold(2), scoring=scoring
    )
    assert scores["test_UA"].shape == scores["test_WA"].shape == (2,)


@pytest.fixture(scope="module")
def fitted(speech):
    return make().fit(speech.data, speech.target)


@pytest.mark.parametrize("when", ["before fit", "after fit", "in the configuration"])
def test_embeddings_of_a_pipeline_become_a_named_table(when, fitted, speech):
    before, after = ("pandas", None) if when == "before fit" else (None, "pandas")
    pipeline = make().set_output(transform=before).fit(speech.data, speech.target)
    if when == "in the configuration":
        with sklearn.config_context(transform_output="pandas"):
            table = pipeline.transform(speech.data)
    else:
        table = pipeline.set_output(transform=after).transform(speech.data)
    assert isinstance(table, pd.DataFrame)
    assert table.columns.tolist() == [f"centerlossclassifier{index}" for index in range(8)]
    assert table.columns.tolist() == pipeline.get_feature_names_out().tolist()
    np.testing.assert_array_equal(table, fitted.transform(speech.data))
    np.testing.assert_array_equal(pipeline.predict(speech.data), fitted.predict(speech.data))


def test_spectrograms_are_left_alone_where_a_table_is_requested(speech):
    transformer = SpectrogramTransformer(n_mels=20).set_output(transform="pandas")
    X = transformer.fit_transform(speech.data[:2])
    assert isinstance(X, Spectrograms)
    assert isinstance(transformer.transform(np.zeros((2, 400))), np.ndarray)
    with sklearn.config_context(transform_output="pandas"):
        assert isinstance(SpectrogramTransformer().transform(speech.data[:2]), Spectrograms)


@pytest.mark.parametrize("parameters", [{"n_mels": 20}, {"kind": "stft", "n_fft": 64, "fmax": 4000}])
def test_spectrograms_have_a_name_per_bin(parameters, speech):
    transformer = SpectrogramTransformer(**parameters)
    names = transformer.get_feature_names_out()
    n_bins = transformer.transform(speech.data[:1]).n_bins
    assert names.tolist() == [f"spectrogramtransformer{index}" for index in range(n_bins)]
    with pytest.raises(ValueError, match="n_mels must be an integer"):
        SpectrogramTransformer(n_mels=0).get_feature_names_out()


def test_next_step_gets_the_names_of_the_embedding(speech):
    pipeline = make_pipeline(*make().named_steps.values(), SVC()).set_output(transform="pandas")
    svc = pipeline.fit(speech.data, speech.target)[-1]
    assert svc.feature_names_in_.tolist() == [f"centerlossclassifier{index}" for index in range(8)]


@pytest.fixture
def held_out(monkeypatch) -> list[tuple[Spectrograms, Spectrograms]]:
    """Training and validation part of every fit."""
    parts: list[tuple[Spectrograms, Spectrograms]] = []
    fit_loop = CenterLossNet.fit_loop

    def spy(net, dataset, *args, **kwargs):
        parts.append((dataset.X, net.train_split.keywords["valid_ds"].X))
        return fit_loop(net, dataset, *args, **kwargs)

    monkeypatch.setattr(CenterLossNet, "fit_loop", spy)
    return parts


def assert_speakers_apart(parts, speech) -> None:
    """Find the speaker of each item by its first frame, and compare the two parts."""
    spectrograms = SpectrogramTransformer(n_mels=20).transform(speech.data)
    speaker_of = {item.tobytes(): speaker for item, speaker in zip(spectrograms, speech.groups, strict=True)}
    for train, valid in parts:
        inside, outside = ({speaker_of[item.tobytes()] for item in part} for part in (train, valid))
        assert outside
        assert inside.isdisjoint(outside)


EARLY = {"early_stopping": True, "validation": "groups", "validation_fraction": 0.3}


def test_groups_reach_early_stopping_through_a_pipeline_and_a_grid_search(speech, held_out):
    make(**EARLY).fit(speech.data, speech.target, classifier__groups=speech.groups)
    search(make(**EARLY)).fit(
        speech.data, speech.target, groups=speech.groups, classifier__groups=speech.groups
    )
    assert len(held_out) == 1 + 4 * 2 + 1
    assert_speakers_apart(held_out, speech)


def test_groups_are_routed_without_a_word_from_the_user(speech, held_out):
    with sklearn.config_context(enable_metadata_routing=True):
        make(**EARLY).fit(speech.data, speech.target, groups=speech.groups)
        search(make(**EARLY)).fit(speech.data, speech.target, groups=speech.groups)
    assert len(held_out) == 1 + 4 * 2 + 1
    assert_speakers_apart(held_out, speech)


def test_without_routing_groups_of_the_search_alone_do_not_reach_it(speech):
    with pytest.raises(ValueError, match=r'validation="groups" needs groups.*classifier__groups=speakers'):
        search(make(**EARLY)).fit(speech.data, speech.target, groups=speech.groups)


def test_sample_weights_are_routed_where_they_are_asked_for(speech):
    weight = np.linspace(0.5, 1.5, len(speech.target))
    with sklearn.config_context(enable_metadata_routing=True):
        pipeline = make()
        pipeline.named_steps["classifier"].set_fit_request(sample_weight=True)
        pipeline.fit(speech.data, speech.target, sample_weight=weight, groups=speech.groups)
    assert not np.array_equal(
        pipeline.predict_proba(speech.data), make().fit(speech.data, speech.target).predict_proba(speech.data)
    )


@pytest.fixture(scope="module")
def ravdess(ravdess_root):
    return load_ravdess(ravdess_root, actors=[1, 2, 3, 4])


@pytest.mark.corpus
def test_grid_search_on_recordings_keeps_speakers_apart(ravdess, tmp_path):
    found = search(make(memory=tmp_path), n_jobs=2).fit(ravdess.data, ravdess.target, groups=ravdess.groups)
    assert len(found.cv_results_["params"]) == 4
    assert np.isfinite(found.cv_results_["mean_test_score"]).all()
    for train, test in found.cv.split(ravdess.data, groups=ravdess.groups):
        assert set(ravdess.groups[train]).isdisjoint(ravdess.groups[test])
    assert len(list(tmp_path.rglob("*.npy"))) == len({Path(path).read_bytes() for path in ravdess.data})
    refit = found.best_estimator_
    assert refit.transform(ravdess.data).shape == (240, 8)
    svc = make_pipeline(FrozenEstimator(refit), SVC()).fit(ravdess.data, ravdess.target)
    np.testing.assert_array_equal(svc[:-1].transform(ravdess.data), refit.transform(ravdess.data))
    assert set(svc.predict(ravdess.data)) <= set(ravdess.target)


@pytest.mark.corpus
def test_answers_on_recordings_do_not_depend_on_padding_batch_or_order(ravdess):
    X = SpectrogramTransformer().transform(ravdess.data[::2][:100])
    y = ravdess.target[::2][:100]
    classifier = CenterLossClassifier(max_epochs=2, random_state=0).fit(X, y)
    expected = classifier.predict_proba(X)
    rng = np.random.default_rng(0)
    order = rng.permutation(100)
    dense, lengths = X.pad(np.nan)
    garbage = np.where(np.isnan(dense), rng.normal(scale=100, size=dense.shape), dense)
    small = CenterLossClassifier(**classifier.get_params())
    small.__dict__.update({**classifier.__dict__, "batch_size": 3})
    ways = {
        "alone": np.concatenate([classifier.predict_proba(X[[index]]) for index in range(100)]),
        "as items": classifier.predict_proba(list(X)),
        "in another order": classifier.predict_proba(X[order])[np.argsort(order)],
        "in other batches": small.predict_proba(X),
        "behind NaN": classifier.predict_proba(dense),
        "behind garbage": classifier.predict_proba(Spectrograms.from_padded(garbage, lengths)),
        "one long row": classifier.predict_proba(
            np.concatenate([dense, np.full((100, 64, 500), np.nan)], axis=2)
        ),
    }
    for way, proba in ways.items():
        np.testing.assert_allclose(proba, expected, rtol=0, atol=1e-6, err_msg=way)
        np.testing.assert_array_equal(proba.argmax(axis=1), expected.argmax(axis=1), err_msg=way)
    without_lengths = classifier.predict_proba(np.nan_to_num(dense))
    assert np.abs(without_lengths - expected).max() > 1e-3
