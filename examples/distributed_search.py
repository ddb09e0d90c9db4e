r"""A grid search on a cluster
==========================

The search of ``grid_search.py`` on the workers of `dask.distributed <https://distributed.dask.org>`_. Nothing
in the search knows of the cluster: joblib hands the same tasks to whatever ``parallel_config`` names, and the
results are the same to the bit. By default the workers are two processes of this machine:

.. code-block:: console

   $ pip install "dask[distributed]"
   $ python examples/distributed_search.py
   $ python examples/distributed_search.py --corpus ravdess:../shared/corpora/ravdess --jobs 4

On a real cluster, each machine needs the same versions of Python, skser and PyTorch, and a folder that all of
them share. Start a scheduler on one machine and workers on each, and name the scheduler:

.. code-block:: console

   $ dask scheduler
   $ dask worker tcp://host:8786 --nworkers 8 --nthreads 1
   $ python examples/distributed_search.py --scheduler tcp://host:8786 \
   >     --corpus ravdess:/shared/ravdess --memory /shared/cache

The workers open the recordings and the cache, so that paths have to be absolute. Keep one thread a worker:
sums of floats depend on how threads share them. For PyTorch and BLAS the nanny of each worker sees to that by
``OMP_NUM_THREADS=1``; where ``--no-nanny`` starts workers without one, set it yourself.

On `ray <https://docs.ray.io>`_, what surrounds the search differs and the search stays as it is:

.. code-block:: python

   import ray
   from joblib import parallel_config
   from ray.util.joblib import register_ray

   ray.init(num_cpus=2)  # or ray.init(address="auto") on a machine of a running cluster
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
        help="folder, shared by all workers, that keeps the spectrograms "
        "(default: a temporary one; none with --scheduler)",
    )
    return parser.parse_args()


def grid(lambdas: list[float], alphas: list[float]) -> list[dict[str, list[float]]]:
    """Cross lambda with alpha; at lambda 0 alpha makes no difference and is tried once."""
    crossed = [value for value in lambdas if value > 0]
    grids = (
        [{"classifier__center_lambda": [0], "classifier__center_alpha": alphas[:1]}] if 0 in lambdas else []
    )
    if crossed:
        grids.append({"classifier__center_lambda": crossed, "classifier__center_alpha": alphas})
    return grids


def connect(arguments: argparse.Namespace) -> Client:
    """Reach the scheduler, or start one with worker processes on this machine."""
    if arguments.scheduler:
        return Client(arguments.scheduler)
    return Client(n_workers=arguments.jobs, threads_per_worker=1, dashboard_address="127.0.0.1:0")


def main() -> None:
    """Search, and print the table of candidates."""
    arguments = parse_arguments()
    torch.set_num_threads(1)  # as in each worker: the best candidate is fitted again here
    corpus = load_corpus(arguments.corpus)
    if corpus.groups is None:
        raise SystemExit("The speakers are not known: add a table speakers.csv, or a column to the manifest.")
    with tempfile.TemporaryDirectory() as temporary, connect(arguments) as client:
        memory = arguments.memory or (None if arguments.scheduler else temporary)
        pipeline = Pipeline(
            [
                # n_jobs=1: each task makes its own spectrograms, rather than a task of each recording.
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
        # scatter: the recordings go to each worker once, and not with each task.
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
