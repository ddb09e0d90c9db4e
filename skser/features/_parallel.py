"""Results of many calls, in their order, as they come, and what is gathered of them."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import closing, contextmanager
from itertools import islice
from typing import Any

import numpy as np
from joblib import Parallel, delayed, effective_n_jobs
from numpy.typing import NDArray

from ..exceptions import RecordingFailure
from ..sequences import Buffer

_PER_JOB = 64  # calls a worker at once, where results come at once


@contextmanager
def parallel_map(
    function: Callable[..., Any],
    calls: Iterable[tuple[Any, ...]],
    n_jobs: int | None,
    prefer: str | None = None,
) -> Iterator[Iterator[Any]]:
    """Call a function many times, in as many processes as are wanted."""
    results = _results(function, iter(calls), n_jobs, prefer)
    try:
        yield results
    except BaseException as error:
        # Closed by anything else than the error, joblib would warn of results that nobody took.
        results.throw(error)
        raise


def _results(
    function: Callable[..., Any], calls: Iterator[tuple[Any, ...]], n_jobs: int | None, prefer: str | None
) -> Generator[Any, None, None]:
    """Results one by one."""
    if n_jobs == 1:  # joblib's back end for dask would spread a single job over the cluster
        return (function(*call) for call in calls)
    try:
        parallel = Parallel(n_jobs=n_jobs, prefer=prefer, return_as="generator")
    except ValueError:  # a back end that cannot: dask, ray, multiprocessing
        return _by_parts(function, calls, n_jobs, prefer)
    results: Generator[Any, None, None] = parallel(delayed(function)(*call) for call in calls)
    return results


def _by_parts(
    function: Callable[..., Any], calls: Iterator[tuple[Any, ...]], n_jobs: int | None, prefer: str | None
) -> Generator[Any, None, None]:
    """Results from a back end that gives them all at once: a few calls at a time."""
    with Parallel(n_jobs=n_jobs, prefer=prefer) as parallel:
        while part := list(islice(calls, _PER_JOB * effective_n_jobs(n_jobs))):
            yield from parallel(delayed(function)(*call) for call in part)


def gather(
    results: Iterable[np.ndarray | RecordingFailure], n: int, max_nbytes: float, *, dense: bool = False
) -> tuple[NDArray[np.float32], list[int], list[RecordingFailure]]:
    """Put spectrograms behind each other in one buffer."""
    lengths: list[int] = []
    failures: list[RecordingFailure] = []
    with closing(Buffer(max_nbytes, n, ", or keep them in memory with max_nbytes=None")) as buffer:
        for result in results:
            if isinstance(result, RecordingFailure):
                failures.append(result)
                buffer.close()  # the others are computed for the cache alone
            elif not failures:
                buffer.append(result if dense else result.T)
                lengths.append(result.shape[1])
        return np.empty(0, dtype=np.float32) if failures else buffer.finish(), lengths, failures
