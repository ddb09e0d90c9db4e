"""How many processes share the folds of an evaluation."""

from __future__ import annotations

import multiprocessing
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import numpy as np
from joblib import cpu_count, parallel_config
from joblib.parallel import LokyBackend, get_active_backend

from .._utils import check_n_jobs, is_search, resolve_device
from ..classifier import CenterLossClassifier
from ..features import SpectrogramTransformer, SpeechEncoderTransformer

_MOST_PROCESSES = 8  # each needs about 400 MB for its copy of torch
# Below this number of cells, starting processes takes longer than training dense networks.
_FEWEST_CELLS = 1_000_000


def check_shares(n_jobs: Any) -> None:
    """Raise unless `share_folds` can use a number of processes."""
    if not isinstance(n_jobs, str):
        check_n_jobs(n_jobs)
    elif n_jobs != "auto":
        raise ValueError(f"n_jobs must be an integer, 'auto' or None, got {n_jobs!r}.")


def share_folds(n_jobs: Any, estimator: Any, n_folds: int) -> AbstractContextManager[Any]:
    """Make the context in which parallel loops use `n_jobs` processes, or choose their number."""
    if not isinstance(n_jobs, str):
        return nullcontext() if n_jobs is None else parallel_config(n_jobs=n_jobs)
    backend, of_the_context = get_active_backend()
    # A context may choose another back end without a number of processes, such as that of a Dask cluster.
    is_chosen = of_the_context is not None or not isinstance(backend, LokyBackend)
    is_worker = backend.nesting_level or multiprocessing.parent_process() is not None
    if is_chosen or is_worker or not _trains_on_cpu(estimator):
        return nullcontext()
    n_jobs = min(cpu_count(), n_folds, _MOST_PROCESSES)
    return parallel_config("loky", n_jobs=n_jobs, inner_max_num_threads=1)


def choose_for_recordings(n_jobs: Any, first: Any) -> Any:
    """Return `n_jobs`, or None if "auto" would copy an encoder, or take memory of a GPU, in each process."""
    is_on_gpu = isinstance(first, SpectrogramTransformer) and resolve_device(first.device).type != "cpu"
    is_heavy = isinstance(first, SpeechEncoderTransformer) or is_on_gpu
    return None if isinstance(n_jobs, str) and is_heavy else n_jobs


def choose_for_folds(n_jobs: Any, estimator: Any, X: Any, n_folds: int) -> Any:
    """Return `n_jobs`, or None if "auto" would start processes for dense networks on small tables."""
    parts = _parts(estimator)
    # The cost of a search is not known. The network of a classifier may also be a class.
    is_slow = any(is_search(part) or getattr(part, "network", "dense") != "dense" for part in parts)
    is_table = getattr(X, "ndim", None) == 2 and np.asarray(X).dtype.kind in "biuf"
    is_small = is_table and X.shape[0] * X.shape[1] * n_folds < _FEWEST_CELLS
    return None if isinstance(n_jobs, str) and is_small and not is_slow else n_jobs


def _trains_on_cpu(estimator: Any) -> bool:
    """Whether an estimator trains a network on a CPU, without a search that starts processes of its own."""
    parts = _parts(estimator)
    if any(is_search(part) and getattr(part, "n_jobs", None) not in (None, 1) for part in parts):
        return False
    networks = [part for part in parts if isinstance(part, CenterLossClassifier)]
    return bool(networks) and all(resolve_device(part.device).type == "cpu" for part in networks)


def _parts(estimator: Any) -> list[Any]:
    """List an estimator and the values of its parameters, with those of the estimators in it."""
    return [estimator, *(estimator.get_params().values() if hasattr(estimator, "get_params") else ())]
