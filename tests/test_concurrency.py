"""One fitted model in many threads and processes: the sequential answers, and no deadlock."""

from __future__ import annotations

import multiprocessing
import subprocess
import sys
import textwrap
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor

import numpy as np
import pytest
from joblib import Parallel, delayed

from skser import CenterLossClassifier, Spectrograms, SpectrogramTransformer

TINY = {"channels": (4, 4), "rnn_units": 4, "embedding_dim": 3, "max_epochs": 2, "random_state": 0}
SECONDS = 120  # far more than any of these takes; a deadlock would take for ever


@pytest.fixture(scope="module")
def X() -> Spectrograms:
    rng = np.random.default_rng(0)
    return Spectrograms([rng.normal(loc=n % 2, size=(8, 10 + 3 * n)) for n in range(24)])


@pytest.fixture(scope="module")
def classifier(X) -> CenterLossClassifier:
    return CenterLossClassifier(**TINY).fit(X, ["calm", "angry"] * 12)


def answers(classifier: CenterLossClassifier, X: Spectrograms) -> tuple[np.ndarray, np.ndarray]:
    return classifier.predict_proba(X), classifier.transform(X)


def assert_same(results, expected) -> None:
    """Equal but for rounding: a thread of another's may share its sums among another number of threads."""
    for result in results:
        for given, sequential in zip(result, expected, strict=True):
            np.testing.assert_allclose(given, sequential, rtol=0, atol=1e-6)


def test_eight_threads_get_the_sequential_answers(classifier, X):
    parts = [X[start::3] for start in range(3)]
    expected = [answers(classifier, part) for part in parts]
    with ThreadPoolExecutor(8) as pool:
        tasks = [
            (part, pool.submit(answers, classifier, parts[part])) for _ in range(16) for part in range(3)
        ]
        for part, task in tasks:
            assert_same([task.result(SECONDS)], expected[part])


def test_threads_predict_while_another_model_is_trained(classifier, X):
    expected = answers(classifier, X)
    with ThreadPoolExecutor(4) as pool:
        training = pool.submit(CenterLossClassifier(**TINY).fit, X, ["calm", "angry"] * 12)
        results = [pool.submit(answers, classifier, X) for _ in range(12)]
        assert_same([task.result(SECONDS) for task in results], expected)
        trained = training.result(SECONDS)
    assert_same([answers(trained, X)], expected)  # the same parameters and data: the same model


def test_threads_extract_the_same_spectrograms():
    rng = np.random.default_rng(0)
    waveforms = [rng.normal(size=n) for n in range(1000, 5000, 500)]
    transformer = SpectrogramTransformer()
    expected = transformer.transform(waveforms)
    with ThreadPoolExecutor(8) as pool:
        for result in pool.map(lambda _: transformer.transform(waveforms), range(16), timeout=SECONDS):
            for S, sequential in zip(result, expected, strict=True):
                np.testing.assert_allclose(S, sequential, rtol=0, atol=1e-5)  # dB


@pytest.mark.parametrize("method", ["spawn", "forkserver"])
def test_processes_of_a_pool_get_the_sequential_answers(classifier, X, method):
    if method not in multiprocessing.get_all_start_methods():
        pytest.skip(f"{method} is not there on this system")
    context = multiprocessing.get_context(method)
    with ProcessPoolExecutor(2, mp_context=context) as pool:
        results = [pool.submit(answers, classifier, X) for _ in range(2)]
        assert_same([task.result(SECONDS) for task in results], answers(classifier, X))


@pytest.mark.parametrize("backend", ["loky", "multiprocessing", "threading"])
def test_workers_of_joblib_get_the_sequential_answers(classifier, X, backend):
    expected = answers(classifier, X)
    results = Parallel(n_jobs=2, backend=backend, timeout=SECONDS)(
        delayed(answers)(classifier, X) for _ in range(4)
    )
    assert_same(results, expected)


@pytest.mark.skipif("fork" not in multiprocessing.get_all_start_methods(), reason="this system cannot fork")
def test_forked_process_answers_after_the_parent_has_used_its_threads():
    """Torch's threads do not survive a fork; what waits for them would wait for ever."""
    code = """
        import os
        import sys

        import numpy as np
        import torch

        torch.set_num_threads(4)
        from skser import CenterLossClassifier, Spectrograms, SpectrogramTransformer

        rng = np.random.default_rng(0)
        X = Spectrograms([rng.normal(loc=n % 2, size=(64, 400)) for n in range(24)])
        y = ["calm", "angry"] * 12
        classifier = CenterLossClassifier(max_epochs=1, random_state=0).fit(X, y)
        expected = classifier.predict_proba(X)
        SpectrogramTransformer().transform([rng.normal(size=160000)])
        child = os.fork()
        if not child:
            same = np.allclose(classifier.predict_proba(X), expected, rtol=0, atol=1e-5)
            SpectrogramTransformer().transform([rng.normal(size=160000)])
            CenterLossClassifier(max_epochs=1, random_state=0).fit(X, y)
            os._exit(0 if same else 1)
        sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
    """
    subprocess.run([sys.executable, "-c", textwrap.dedent(code)], check=True, timeout=SECONDS)
