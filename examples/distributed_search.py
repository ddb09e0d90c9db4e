r"""A grid search on a cluster
==========================

This script runs the search of ``grid_search.py`` on the workers of `dask.distributed
<https://distributed.dask.org>`_. The search itself does not change: joblib sends its tasks to the backend
that ``parallel_config`` names, and the results agree bit for bit. By default, the workers are two processes
on this machine:

.. code-block:: console

   $ pip install "dask[distributed]"
   $ python examples/distributed_search.py
   $ python examples/distributed_search.py --corpus ravdess:path/to/ravdess --jobs 4

On a cluster, all machines need the same versions of Python, skser and PyTorch, and a shared folder. Start a
scheduler on one machine and workers on each machine, then pass the scheduler's address:

.. code-block:: console

   $ dask scheduler
   $ dask worker tcp://host:8786 --nworkers 8 --nthreads 1
   $ python examples/distributed_search.py --scheduler tcp://host:8786 \
   >     --corpus ravdess:/shared/ravdess --memory /shared/cache

Use absolute paths, because the workers open the recordings and the cache. Use one thread per worker,
because sums of floats depend on the number of threads. dask's supervising process, the nanny, sets
``OMP_NUM_THREADS=1`` for PyTorch and BLAS in each worker; with ``--no-nanny``, set it yourself.

On `ray <https://docs.ray.io>`_, only the code around the search changes:

.. code-block:: python

   import ray
   from joblib import parallel_config
   from ray.util.joblib import register_ray

   ray.init(num_cpus=2)  # or ray.init(address="auto") on a running cluster
   register_ray()
   with parallel_config(backend="ray", n_jobs=2):
       search.fit(corpus.data, corpus.target, groups=corpus.groups)
"""

from __future__ import annotations

import argparse
import tempfile

import numpy as np
import pandas as pd
import torch
from dask.distributed import Client
from joblib import parallel_config
from sklearn.model_selection import GridSearchCV, GroupKFold
from sklearn.pipeline import Pipeline

from skser import (
    CenterLossClassifier,
    SpectrogramTransformer,
    unweighted_accuracy_scorer,
    weighted_accuracy_scorer,
)
from skser.datasets import load_corpus


def parse_arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--corpus", default="synthetic", help="synthetic, or LOADER:PATH, see load_corpus")
    parser.add_argument("--lambdas", type=float, nargs="+", default=[0, 0.1, 0.3], metavar="LAMBDA")
    parser.add_argument("--alphas", type=float, nargs="+", default=[0.1, 0.5], metavar="ALPHA")
    parser.add_argument("--max-epochs", type=int, default=CenterLossClassifier().max_epochs)
    parser.add_argument("--folds", type=int, default=2)
    parser.add_argument("--scheduler", help="address of a running scheduler, such as tcp://host:8786")
    parser.add_argument(
        "--jobs", type=int, default=2, help="worker processes without --scheduler (default: 2)"
    )
    parser.add_argument(
        "--memory",
        help="folder, shared by all workers, that caches the spectrograms "
        "(default: temporary; no cache with --scheduler)",
    )
    return parser.parse_args()


def grid(lambdas: list[float], alphas: list[float]) -> list[dict[str, list[float]]]:
    """Combine lambda and alpha; with lambda 0 alpha makes no difference, so only one is tried."""
    crossed = [value for value in lambdas if value > 0]
    grids = (
        [{"classifier__center_lambda": [0], "classifier__center_alpha": alphas[:1]}] if 0 in lambdas else []
    )
    if crossed:
        grids.append({"classifier__center_lambda": crossed, "classifier__center_alpha": alphas})
    return grids


def connect(arguments: argparse.Namespace) -> Client:
    """Connect to the scheduler, or start one with worker processes on this machine."""
    if arguments.scheduler:
        return Client(arguments.scheduler)
    return Client(n_workers=arguments.jobs, threads_per_worker=1, dashboard_address="127.0.0.1:0")


def main() -> None:
    """Search, and print the table of candidates."""
    arguments = parse_arguments()
    torch.set_num_threads(1)  # as in each worker: the best candidate is trained again here
    corpus = load_corpus(arguments.corpus)
    if corpus.groups is None:
        raise SystemExit("The corpus has no speakers: add a table speakers.csv or a column to the manifest.")
    with tempfile.TemporaryDirectory() as temporary, connect(arguments) as client:
        memory = arguments.memory or (None if arguments.scheduler else temporary)
        pipeline = Pipeline(
            [
                # n_jobs=1: with None, dask would make a task of each recording.
                ("spectrogram", SpectrogramTransformer(memory=memory, n_jobs=1)),
                ("classifier", CenterLossClassifier(max_epochs=arguments.max_epochs, random_state=0)),
            ]
        )
        search = GridSearchCV(
            pipeline,
            grid(arguments.lambdas, arguments.alphas),
            scoring={"UA": unweighted_accuracy_scorer, "WA": weighted_accuracy_scorer},
            refit="UA",
            cv=GroupKFold(arguments.folds),
        )
        # scatter sends the recordings to each worker once instead of with each task.
        with parallel_config(backend="dask", scatter=[corpus.data]):
            search.fit(corpus.data, corpus.target, groups=corpus.groups)
        print(f"{len(client.ncores())} workers")

    columns = ["param_classifier__center_lambda", "param_classifier__center_alpha"]
    table = pd.DataFrame(search.cv_results_)[
        [*columns, "mean_test_UA", "std_test_UA", "mean_test_WA", "std_test_WA"]
    ].sort_values("mean_test_UA", ascending=False, kind="stable")
    print(f"{len(np.unique(corpus.groups))} speakers in {arguments.folds} folds\n")
    print(
        table.to_string(index=False, header=["lambda", "alpha", "UA", "+-", "WA", "+-"], float_format="%.3f")
    )
    print(f"\nbest by UA: {search.best_params_}")


if __name__ == "__main__":
    main()
