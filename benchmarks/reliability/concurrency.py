"""Use one fitted model in many threads and processes: each call gives the sequential answer.

    python benchmarks/reliability/concurrency.py --n 200 [--ways threads fork loky]

Each way is asked for the same mixture: probabilities and embeddings of a fitted model, spectrograms of
waveforms, and one more training. What comes back is compared with what the calls gave one after the other. A
call that has not come back after two minutes counts as one that never will.
"""

from __future__ import annotations

import argparse
import faulthandler
import multiprocessing
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import torch
from _outcomes import Outcomes, report

from skser import CenterLossClassifier, Spectrograms, SpectrogramTransformer

N_THREADS = 8
N_PROCESSES = 2
SECONDS = 120  # far more than any of these takes; a deadlock would take for ever
TINY: dict[str, Any] = {
    **{"channels": (4, 4), "rnn_units": 4, "embedding_dim": 3, "max_epochs": 2},
    **{"device": "cpu", "random_state": 0},
}
LABELS = ["calm", "angry"] * 12


class Work:
    """What the workers are asked for, and what it gives one call after the other.

    Attributes
    ----------
    calls : list of callable
        Calls without arguments that can be pickled, each giving arrays.
    expected : list of list of ndarray
        Their sequential answers.
    """

    def __init__(self) -> None:
        rng = np.random.default_rng(0)
        # Large enough for torch to share the work among its threads, which a fork does not copy.
        X = Spectrograms([rng.normal(loc=n % 2, size=(64, 200 + 3 * n)) for n in range(24)])
        waveforms = [rng.normal(size=n) for n in range(20000, 100000, 20000)]
        classifier = CenterLossClassifier(**TINY).fit(X, LABELS)
        self.calls: list[Callable[[], list[np.ndarray]]] = [
            *(partial(answers, classifier, X[start::3]) for start in range(3)),
            partial(spectrograms, waveforms),
            partial(trained_answers, X),
        ]
        self.expected = [call() for call in self.calls]


def answers(classifier: CenterLossClassifier, X: Spectrograms) -> list[np.ndarray]:
    """Give what a fitted model says.

    Parameters
    ----------
    classifier : CenterLossClassifier
        The model.
    X : Spectrograms
        Of what.

    Returns
    -------
    list of ndarray
        Probabilities and embeddings.
    """
    return [classifier.predict_proba(X), classifier.transform(X)]


def spectrograms(waveforms: list[np.ndarray]) -> list[np.ndarray]:
    """Compute spectrograms in this thread.

    Parameters
    ----------
    waveforms : list of ndarray
        Of what.

    Returns
    -------
    list of ndarray
        Tenths of their decibels, to be compared as answers are.
    """
    return [S / 10 for S in SpectrogramTransformer(n_jobs=1).transform(waveforms)]


def trained_answers(X: Spectrograms) -> list[np.ndarray]:
    """Train a model and ask it.

    Parameters
    ----------
    X : Spectrograms
        Of what.

    Returns
    -------
    list of ndarray
        As `answers` gives them.
    """
    return answers(CenterLossClassifier(**TINY).fit(X, LABELS), X)


Answers = list[np.ndarray]
Tasks = Sequence[Callable[[], Answers]]
Results = Iterator[Callable[[], list[Answers]]]


def in_pool(make: Callable[[], Executor], tasks: Tasks) -> Results:
    """Let a pool of concurrent.futures work; give what waits for the answers to each task."""
    with make() as pool:
        for future in [pool.submit(task) for task in tasks]:
            yield lambda: [future.result(SECONDS)]  # noqa: B023 - called before the next


def processes(method: str) -> Executor:
    """Make a pool of processes that are started in a certain way."""
    return ProcessPoolExecutor(N_PROCESSES, mp_context=multiprocessing.get_context(method))


def in_joblib(backend: str, tasks: Tasks) -> Results:
    """Let joblib work; give what lets all workers do each task at once."""
    with joblib.Parallel(n_jobs=N_PROCESSES, backend=backend, timeout=SECONDS, batch_size=1) as workers:
        for task in tasks:
            yield lambda: workers([joblib.delayed(task)()] * N_PROCESSES)  # noqa: B023


WAYS: dict[str, Callable[[Tasks], Results]] = {
    "threads": partial(in_pool, partial(ThreadPoolExecutor, N_THREADS)),
    **{method: partial(in_pool, partial(processes, method)) for method in ("fork", "spawn", "forkserver")},
    **{backend: partial(in_joblib, backend) for backend in ("loky", "multiprocessing", "threading")},
}


def run(n: int = 200, seed: int = 0, ways: Sequence[str] = tuple(WAYS)) -> dict[str, Any]:
    """Make `n` calls in each way.

    Parameters
    ----------
    n : int, default=200
        How many, a way.
    seed : int, default=0
        Seed of the order of the calls.
    ways : sequence of str, default=all that this system has
        Names of `WAYS`.

    Returns
    -------
    dict
        "what", "n", "outcomes" (counts), "wrong" (a dictionary for each call that ended in anything else than
        the sequential answer), "worst_s", "worst_call", "grown_mb" and "peak_mb".
    """
    before = torch.get_num_threads()
    torch.set_num_threads(max(before, 4))
    rng = np.random.default_rng(seed)
    try:
        work = Work()
        outcomes = Outcomes()
        for way in [way for way in ways if is_there(way)]:
            drawn = rng.integers(len(work.calls), size=n)
            _try(outcomes, work, way, drawn)
    finally:
        torch.set_num_threads(before)
    return outcomes.summary(f"calls in workers ({', '.join(ways)})")


def is_there(way: str) -> bool:
    """Tell whether this system has a way.

    Parameters
    ----------
    way : str
        A name of `WAYS`.

    Returns
    -------
    bool
        False for what has to fork, or its like, where that cannot be.
    """
    return way in (
        "threads",
        "threading",
        "loky",
        "multiprocessing",
        *multiprocessing.get_all_start_methods(),
    )


def _try(outcomes: Outcomes, work: Work, way: str, drawn: np.ndarray) -> None:
    """Make calls in one way."""
    results = WAYS[way]([work.calls[index] for index in drawn])
    for number, index in enumerate(drawn):
        # What waits for a lock or for a thread that is no more cannot be told to stop.
        faulthandler.dump_traceback_later(2 * SECONDS, exit=True)
        result = next(results)
        outcomes.add(result, partial(_judge, work.expected[index]), f"{way}, call {number} of kind {index}")
    faulthandler.dump_traceback_later(2 * SECONDS, exit=True)  # the pool ends
    next(results, None)
    faulthandler.cancel_dump_traceback_later()


def _judge(expected: Answers, given: list[Answers]) -> str | None:
    """Say what differs from the sequential answer; None if nothing.

    Another number of threads adds up in another order, which a training of two epochs carries on.
    """
    for answer in given:
        for one, other in zip(answer, expected, strict=True):
            if one.shape != other.shape or not np.allclose(one, other, rtol=0, atol=1e-5):
                return f"not the sequential answer: off by {np.abs(one - other).max():.2g}"
    return None


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--n", type=int, default=200, help="calls, a way (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="seed of their order (default: %(default)s)")
    parser.add_argument("--ways", nargs="+", choices=WAYS, default=list(WAYS), help="which (default: all)")
    parser.add_argument("--output", type=Path, help="file for the outcomes as JSON")
    arguments = parser.parse_args()
    report(run(arguments.n, arguments.seed, arguments.ways), arguments.output)


if __name__ == "__main__":
    main()
