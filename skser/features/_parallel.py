"""Parallel map: results of many calls in order, each as soon as it is available."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import contextmanager
from itertools import islice
from typing import Any

from joblib import Parallel, delayed, effective_n_jobs

from .._utils import in_working_directory

_CALLS_PER_JOB = 64  # for back ends that return the results of many calls together


@contextmanager
def parallel_map(
    function: Callable[..., Any], calls: Iterable[Any], n_jobs: int | None, prefer: str | None = None
) -> Iterator[Iterator[Any]]:
    """Call a function with each tuple of arguments, in up to `n_jobs` processes."""
    results = _results(function, iter(calls), n_jobs, prefer)
    try:
        yield results
    except BaseException as error:
        # If the generator were only closed, joblib would warn about unused results.
        results.throw(error)
        raise


def _results(
    function: Callable[..., Any], calls: Iterator[Any], n_jobs: int | None, prefer: str | None
) -> Generator[Any, None, None]:
    """Yield the results one by one."""
    if n_jobs == 1:  # joblib's back end for dask would spread a single job over the cluster
        return (function(*call) for call in calls)
    function = in_working_directory(function)
    try:
        parallel = Parallel(n_jobs=n_jobs, prefer=prefer, return_as="generator")
    except ValueError:  # not supported by the back ends of dask, ray and multiprocessing
        return _in_parts(Parallel(n_jobs=n_jobs, prefer=prefer), function, calls)
    results: Generator[Any, None, None] = parallel(delayed(function)(*call) for call in calls)
    return results


def _in_parts(
    parallel: Parallel, function: Callable[..., Any], calls: Iterator[Any]
) -> Generator[Any, None, None]:
    """Yield results from a back end that returns lists, for a limited number of calls at a time."""
    size = _CALLS_PER_JOB * effective_n_jobs(parallel.n_jobs)
    with parallel:
        while part := list(islice(calls, size)):
            yield from parallel(delayed(function)(*call) for call in part)
