"""Use one fitted model in many threads and processes: each call must give the sequential answer.

    python benchmarks/reliability/concurrency.py --n 200 [--ways threads fork loky]

The calls are a mixture: probabilities and embeddings of a fitted model, spectrograms of waveforms, and
another training. Their answers are compared with those of the same calls one after the other. A call that has
not returned after two minutes counts as a deadlock.
"""

from __future__ import annotations

import faulthandler
import multiprocessing
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from functools import partial
from typing import Any

import joblib
import numpy as np
import torch
from outcomes import Outcomes, command_line

from skser import CenterLossClassifier, Spectrograms, SpectrogramTransformer

N_THREADS = 8
N_PROCESSES = 2
SECONDS = 120  # far more than any of these calls takes
TINY: dict[str, Any] = {
    **{"channels": (4, 4), "rnn_units": 4, "embedding_dim": 3, "max_epochs": 2},
    **{"device": "cpu", "random_state": 0},
}
LABELS = ["calm", "angry"] * 12

Answers = list[np.ndarray]
Calls = Sequence[Callable[[], Answers]]


def answers(classifier: CenterLossClassifier, X: Spectrograms) -> Answers:
    """Compute probabilities and embeddings."""
    return [classifier.predict_proba(X), classifier.transform(X)]


def spectrograms(waveforms: list[np.ndarray]) -> Answers:
    """Compute spectrograms, in tenths of decibels so that they can be compared as the answers are."""
    return [S / 10 for S in SpectrogramTransformer(n_jobs=1).transform(waveforms)]


def trained_answers(X: Spectrograms) -> Answers:
    """Train a model and compute its answers."""
    return answers(CenterLossClassifier(**TINY).fit(X, LABELS), X)


def make_calls() -> Calls:
    """Make the calls of the mixture; they can be pickled."""
    rng = np.random.default_rng(0)
    # Large enough for torch to share the work among its threads, which a fork does not copy.
    X = Spectrograms([rng.normal(loc=n % 2, size=(64, 200 + 3 * n)) for n in range(24)])
    waveforms = [rng.normal(size=n) for n in range(20000, 100000, 20000)]
    classifier = CenterLossClassifier(**TINY).fit(X, LABELS)
    return [
        *(partial(answers, classifier, X[start::3]) for start in range(3)),
        *(partial(spectrograms, waveforms), partial(trained_answers, X)),
    ]


Results = Iterator[Callable[[], list[Answers]]]


def in_pool(make: Callable[[], Executor], calls: Calls) -> Results:
    """Submit all calls to a pool of concurrent.futures; yields functions that wait for the answers."""
    with make() as pool:
        for future in [pool.submit(call) for call in calls]:
            yield lambda: [future.result(SECONDS)]  # noqa: B023 - called before the next


def processes(method: str) -> Executor:
    """Make a pool of processes with a start method."""
    return ProcessPoolExecutor(N_PROCESSES, mp_context=multiprocessing.get_context(method))


def in_joblib(backend: str, calls: Calls) -> Results:
    """Let all workers of joblib make each call together; yields functions that wait for the answers."""
    with joblib.Parallel(n_jobs=N_PROCESSES, backend=backend, timeout=SECONDS, batch_size=1) as workers:
        for call in calls:
            yield lambda: workers([joblib.delayed(call)()] * N_PROCESSES)  # noqa: B023


START_METHODS = ("fork", "spawn", "forkserver")
# Processes that are forked come first: a fork while threads that computed are ending can hang in MKL.
WAYS: dict[str, Callable[[Calls], Results]] = {
    "multiprocessing": partial(in_joblib, "multiprocessing"),
    **{method: partial(in_pool, partial(processes, method)) for method in START_METHODS},
    **{backend: partial(in_joblib, backend) for backend in ("loky", "threading")},
    "threads": partial(in_pool, partial(ThreadPoolExecutor, N_THREADS)),
}


def is_available(way: str) -> bool:
    """Whether this system has a start method; all other ways are everywhere."""
    return way not in START_METHODS or way in multiprocessing.get_all_start_methods()


def run(n: int, ways: Sequence[str] = tuple(WAYS), seed: int = 0) -> dict[str, Any]:
    """Make `n` calls in each way."""
    torch.set_num_threads(max(torch.get_num_threads(), 4))
    rng = np.random.default_rng(seed)
    calls = make_calls()
    expected = [call() for call in calls]
    outcomes = Outcomes()
    for way in filter(is_available, ways):
        drawn = rng.integers(len(calls), size=n)
        results = WAYS[way]([calls[index] for index in drawn])
        for number, index in enumerate(drawn):
            # A call that waits for a lock, or for a thread that has ended, cannot be stopped.
            faulthandler.dump_traceback_later(2 * SECONDS, exit=True)
            fault = partial(fault_of, expected[index])
            outcomes.add(next(results), fault, f"{way}, call {number} of kind {index}")
        faulthandler.dump_traceback_later(2 * SECONDS, exit=True)  # the pool ends
        next(results, None)
        faulthandler.cancel_dump_traceback_later()
    return outcomes.summary()


def fault_of(expected: Answers, given: list[Answers]) -> str | None:
    """Say how answers differ from the sequential ones; None if they do not."""
    # Another number of threads adds in another order, and a training of two epochs amplifies that.
    for answer in given:
        for one, other in zip(answer, expected, strict=True):
            if one.shape != other.shape or not np.allclose(one, other, rtol=0, atol=1e-5):
                return f"not the sequential answer: off by {np.abs(one - other).max():.2g}"
    return None


if __name__ == "__main__":
    command_line(__doc__, run, n=200, ways={"nargs": "+", "choices": list(WAYS), "default": list(WAYS)})
