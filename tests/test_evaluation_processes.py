"""How many processes share the folds of `evaluate` by default."""

from __future__ import annotations

import os

import joblib
import numpy as np
import pandas as pd
import pytest
import soundfile
import torch
from joblib.parallel import ThreadingBackend, get_active_backend
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from skser import (
    CenterLossClassifier,
    RejectOption,
    Spectrograms,
    SpectrogramTransformer,
    SpeechEncoderTransformer,
    evaluate,
)
from skser.evaluation import _evaluate, _processes
from skser.evaluation._processes import choose_for_folds, share_folds

CPU = CenterLossClassifier(device="cpu")


@pytest.fixture
def processors(monkeypatch):
    """Set the number of processors, and let tests in worker processes look like the main process."""
    monkeypatch.setattr(_processes.multiprocessing, "parent_process", lambda: None)
    return lambda n: monkeypatch.setattr(_processes, "cpu_count", lambda: n)


def number_of_processes(estimator, n_folds=6, n_jobs="auto"):
    with share_folds(n_jobs, estimator, n_folds):
        return get_active_backend()[1]


@pytest.mark.parametrize(
    "estimator",
    [
        CPU,
        make_pipeline(SpectrogramTransformer(n_jobs=2), CPU),
        make_pipeline(SpectrogramTransformer(), CPU, SVC()),
        GridSearchCV(CPU, {"center_lambda": [0.0]}),
    ],
)
def test_each_processor_takes_folds_of_a_network_on_a_cpu(processors, estimator):
    processors(4)
    assert number_of_processes(estimator) == 4


@pytest.mark.parametrize(("n_processors", "n_folds", "expected"), [(4, 3, 3), (64, 91, 8), (1, 6, 1)])
def test_there_are_no_more_processes_than_folds_or_eight(processors, n_processors, n_folds, expected):
    processors(n_processors)
    assert number_of_processes(CPU, n_folds) == expected


@pytest.mark.parametrize(
    "estimator",
    [
        SVC(),
        make_pipeline(SpectrogramTransformer(), SVC()),
        GridSearchCV(CPU, {"center_lambda": [0.0]}, n_jobs=2),
    ],
)
def test_other_estimators_follow_joblib(processors, estimator):
    processors(4)
    assert number_of_processes(estimator) is None


def test_a_network_on_a_gpu_follows_joblib(processors, monkeypatch):
    processors(4)
    monkeypatch.setattr(_processes, "resolve_device", torch.device)
    assert number_of_processes(CenterLossClassifier(device="cuda")) is None


@pytest.mark.parametrize(("n_jobs", "expected"), [("auto", 3), (None, 3), (2, 2)])
def test_the_number_of_a_context_holds_unless_n_jobs_gives_another(processors, n_jobs, expected):
    processors(4)
    with joblib.parallel_config(n_jobs=3):
        assert number_of_processes(CPU, n_jobs=n_jobs) == expected


def test_the_back_end_of_a_context_is_kept(processors):
    processors(4)
    with joblib.parallel_config("threading"):
        assert number_of_processes(CPU) is None
        with share_folds("auto", CPU, n_folds=2):
            assert isinstance(get_active_backend()[0], ThreadingBackend)


def test_a_search_may_lack_a_number_of_processes(processors):
    processors(4)

    class Search(BaseEstimator):
        estimator, cv, refit = CPU, 2, True

        def get_params(self, deep=True):
            return {"estimator": self.estimator}

    assert number_of_processes(Search()) == 4


def test_workers_start_no_processes(processors, monkeypatch):
    processors(4)
    with joblib.parallel_config("threading", n_jobs=2):
        numbers = joblib.Parallel()(joblib.delayed(number_of_processes)(CPU) for _ in range(2))
    assert 4 not in numbers
    monkeypatch.setattr(_processes.multiprocessing, "parent_process", object)
    assert number_of_processes(CPU) is None


@pytest.mark.parametrize(
    ("transformer", "n_jobs", "expected"),
    [
        (SpectrogramTransformer(device="cpu"), "auto", 2),
        (SpectrogramTransformer(device="cuda"), "auto", None),
        (SpeechEncoderTransformer(), "auto", None),
        (SpeechEncoderTransformer(), 3, 3),
    ],
)
def test_no_process_copies_an_encoder_by_default(processors, monkeypatch, transformer, n_jobs, expected):
    processors(2)
    numbers = []

    def compute(estimator, first, X):
        numbers.append(get_active_backend()[1])
        return Process(device="cpu"), Spectrograms([np.zeros((2, 3))] * 8)

    monkeypatch.setattr(_processes, "resolve_device", torch.device)
    monkeypatch.setattr(_evaluate, "_compute_features", compute)
    monkeypatch.setattr(_evaluate, "_put_first_step_back", lambda fitted, *_: fitted)
    corpus = [np.zeros(8)] * 8, list("ab" * 4), list("wwxxyyzz")
    evaluate(make_pipeline(transformer, CPU), corpus, n_jobs=n_jobs)
    assert numbers == [expected]


DENSE = CenterLossClassifier(network="dense", device="cpu")
TABLE = np.zeros((40, 3))


@pytest.mark.parametrize(
    ("estimator", "X", "n_folds", "is_shared"),
    [
        (DENSE, TABLE, 4, False),
        (make_pipeline(StandardScaler(), DENSE), pd.DataFrame(TABLE), 4, False),
        (RejectOption(DENSE, threshold=0.5), TABLE, 4, False),
        (DENSE, np.zeros((40, 6250)), 4, True),
        (DENSE, TABLE.astype(object), 4, True),
        (DENSE, ["a.wav"] * 40, 4, True),
        (CPU, TABLE, 4, True),
        (GridSearchCV(DENSE, {"center_lambda": [0.0]}), TABLE, 4, True),
    ],
    ids=["table", "frame", "reject", "many cells", "objects", "files", "spectrogram network", "search"],
)
def test_dense_networks_on_small_tables_start_no_processes(estimator, X, n_folds, is_shared):
    assert choose_for_folds("auto", estimator, X, n_folds) == ("auto" if is_shared else None)
    assert choose_for_folds(2, estimator, X, n_folds) == 2


def test_small_tables_have_the_same_result_with_and_without_processes(processors):
    processors(2)
    X = np.random.default_rng(0).normal(size=(16, 3)).astype(np.float32)
    corpus = X, list("ab" * 8), list("wwwwxxxxyyyyzzzz")
    model = CenterLossClassifier(network="dense", device="cpu", max_epochs=2, random_state=0)
    found = [evaluate(model, corpus, n_jobs=n_jobs) for n_jobs in ("auto", 2)]
    pd.testing.assert_frame_equal(found[0].predictions, found[1].predictions)


def test_folds_of_small_tables_are_fitted_in_this_process(processors):
    processors(2)
    corpus = np.zeros((8, 3), np.float32), list("ab" * 4), list("wwxxyyzz")
    model = Process(network="dense", device="cpu")
    estimators = evaluate(model, corpus, return_estimator=True).estimators
    assert {estimator.process_ for estimator in estimators} == {os.getpid()}


class Process(CenterLossClassifier, ClassifierMixin):
    """Keep the process and the number of torch's threads instead of training."""

    def fit(self, X, y, groups=None):
        self.classes_ = np.unique(y)
        self.process_ = os.getpid()
        return self

    def predict(self, X):
        return np.full(len(X), self.classes_[0])

    def predict_proba(self, X):
        return np.tile([1.0, 0.0], (len(X), 1))


def test_folds_are_fitted_in_other_processes(processors):
    processors(2)
    corpus = Spectrograms([np.zeros((2, 3))] * 8), list("ab" * 4), list("wwxxyyzz")
    estimators = evaluate(Process(device="cpu"), corpus, return_estimator=True).estimators
    assert os.getpid() not in [estimator.process_ for estimator in estimators]


@pytest.mark.parametrize("backend", ["sequential", "loky", "threading", "multiprocessing"])
def test_every_back_end_can_show_a_progress_bar(backend, capsys):
    corpus = np.eye(8), list("ab" * 4), list("wwxxyyzz")
    expected = evaluate(SVC(), corpus)
    with joblib.parallel_config(backend, n_jobs=2):
        found = evaluate(SVC(), corpus, verbose=1)
    assert found.predictions.equals(expected.predictions)
    assert "4/4" in capsys.readouterr().err


def test_each_process_has_one_thread(processors):
    processors(4)
    with share_folds("auto", CPU, n_folds=2):
        assert get_active_backend()[0].inner_max_num_threads == 1


def test_reused_processes_follow_the_working_directory(processors, tmp_path, monkeypatch):
    processors(2)
    pipe = make_pipeline(SpectrogramTransformer(n_mels=8), Process(device="cpu"))
    search = GridSearchCV(pipe, {}, cv=2)  # reads the files in the processes
    for name in ("first", "second"):
        folder = tmp_path / name
        folder.mkdir()
        monkeypatch.chdir(folder)
        for number in range(8):
            soundfile.write(f"{name}_{number}.wav", np.full(1600, 0.1), 16000)
        files = [f"{name}_{number}.wav" for number in range(8)]
        assert len(SpectrogramTransformer(n_mels=8, n_jobs=2).transform(files)) == 8
        evaluation = evaluate(search, (files, list("ab" * 4), list("wwxxyyzz")))
        assert len(evaluation.predictions) == 8
