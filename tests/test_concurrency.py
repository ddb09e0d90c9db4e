"""One fitted model in many threads and processes: the sequential answers, and no deadlock."""

from __future__ import annotations

import json
import multiprocessing
import subprocess
import sys
import textwrap
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from skser import CenterLossClassifier, Spectrograms

sys.path.append(str(Path(__file__).resolve().parents[1] / "benchmarks" / "reliability"))

import concurrency

pytestmark = pytest.mark.reliability

SECONDS = concurrency.SECONDS


@pytest.fixture(scope="module")
def X() -> Spectrograms:
    rng = np.random.default_rng(0)
    return Spectrograms([rng.normal(loc=n % 2, size=(8, 10 + 3 * n)) for n in range(24)])


@pytest.fixture(scope="module")
def classifier(X) -> CenterLossClassifier:
    return CenterLossClassifier(**concurrency.TINY).fit(X, concurrency.LABELS)


def assert_same(results, expected) -> None:
    """Equal except for rounding: threads of torch may share their sums in another way."""
    for result in results:
        for given, sequential in zip(result, expected, strict=True):
            np.testing.assert_allclose(given, sequential, rtol=0, atol=1e-6)


@pytest.fixture(scope="module")
def summary(tmp_path_factory) -> dict[str, object]:
    """Outcomes of workers of all kinds, in a process that a deadlock would end."""
    output = tmp_path_factory.mktemp("concurrency") / "outcomes.json"
    command = [sys.executable, concurrency.__file__, "--n", "6", "--output", str(output)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=10 * concurrency.SECONDS)
    assert output.exists(), done.stderr
    return json.loads(output.read_text())


@pytest.mark.parametrize("way", list(concurrency.WAYS))
def test_workers_get_the_sequential_answers(summary, way):
    if not concurrency.is_available(way):
        pytest.skip(f"this system has no {way}")
    assert [wrong for wrong in summary["wrong"] if wrong["what"].startswith(f"{way},")] == []
    assert summary["outcomes"]["right result"] == 6 * sum(map(concurrency.is_available, concurrency.WAYS))


def test_an_answer_that_differs_from_the_sequential_one_is_a_fault():
    answer = [np.array([0.5, 0.5]), np.zeros((1, 3))]
    assert concurrency.fault_of(answer, [answer, [answer[0] + 1e-7, answer[1]]]) is None
    assert "off by 0.1" in concurrency.fault_of(answer, [answer, [answer[0] + 0.1, answer[1]]])
    assert "not the sequential answer" in concurrency.fault_of(answer, [[answer[0][:1], answer[1]]])


def test_threads_predict_while_another_model_is_trained(classifier, X):
    expected = concurrency.answers(classifier, X)
    with ThreadPoolExecutor(4) as pool:
        training = pool.submit(CenterLossClassifier(**concurrency.TINY).fit, X, concurrency.LABELS)
        results = [pool.submit(concurrency.answers, classifier, X) for _ in range(12)]
        assert_same([task.result(SECONDS) for task in results], expected)
        trained = training.result(SECONDS)
    assert_same([concurrency.answers(trained, X)], expected)  # the same parameters and data: the same model


@pytest.mark.skipif("fork" not in multiprocessing.get_all_start_methods(), reason="this system cannot fork")
def test_forked_process_answers_after_the_parent_has_used_its_threads():
    """Torch's threads do not survive a fork; a call that waits for them would wait forever."""
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
