"""Parallel map: results of many calls in order, each as soon as it is available."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import contextmanager
from itertools import islice
from types import ModuleType
from typing import Any

import joblib

from ._folder import in_working_directory

_CALLS_PER_JOB = 64  # for back ends that return the results of many calls together


@contextmanager
def parallel_map(
    function: Callable[..., Any],
    calls: Iterable[Any],
    n_jobs: int | None,
    prefer: str | None = None,
    library: ModuleType = joblib,
) -> Iterator[Iterator[Any]]:
    """Call a function with each tuple of arguments, in up to `n_jobs` processes of joblib or scikit-learn."""
    results = _results(function, iter(calls), n_jobs, prefer, library)
    try:
        yield results
    except BaseException as error:
        # If the generator were only closed, joblib would warn about unused results.
        results.throw(error)
        raise


def _results(
    function: Callable[..., Any],
    calls: Iterator[Any],
    n_jobs: int | None,
    prefer: str | None,
    library: ModuleType,
) -> Generator[Any, None, None]:
    """Yield the results one by one."""
    if n_jobs == 1:  # joblib's back end for dask would spread a single job over the cluster
        return (function(*call) for call in calls)
    function = library.delayed(in_working_directory(function))
    tasks = (function(*call) for call in calls)
    try:
        parallel = library.Parallel(n_jobs=n_jobs, prefer=prefer, return_as="generator")
    except ValueError:  # not supported by the back ends of dask, ray and multiprocessing
        return _in_parts(library.Parallel(n_jobs=n_jobs, prefer=prefer), tasks)
    results: Generator[Any, None, None] = parallel(tasks)
    return results


def _in_parts(parallel: joblib.Parallel, tasks: Iterator[Any]) -> Generator[Any, None, None]:
    """Yield results from a back end that returns lists, for a limited number of calls at a time."""
    size = _CALLS_PER_JOB * joblib.effective_n_jobs(parallel.n_jobs)
    with parallel:
        while part := list(islice(tasks, size)):
            yield from parallel(part)
