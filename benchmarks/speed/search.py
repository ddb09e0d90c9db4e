"""Rows of the grid search: spectrograms computed once, and workers that share them."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from typing import Any

import numpy as np
from harness import Measurement, Row, Settings, compare, pinned
from joblib import parallel_config
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV, GroupKFold, ParameterGrid
from sklearn.pipeline import Pipeline
from workloads import N_CLASSES, durations, spectrograms, waveforms

from skser import CenterLossClassifier, SpectrogramTransformer, unweighted_accuracy_scorer

GRID = {"center_lambda": [0.03, 0.1, 0.3, 1], "center_alpha": [0.1, 0.5]}


def folds(settings: Settings) -> int:
    """Give the number of folds."""
    return settings.size(5, 2)


def features_included(settings: Settings) -> Measurement:
    """Compare a search over pipelines, its cache cold, with as many fits on features at hand."""
    n = settings.size(10, 8)
    Y, y, groups = waveforms(durations(n)), np.arange(n) % N_CLASSES, np.arange(n) // (n // folds(settings))
    classifier = CenterLossClassifier(max_epochs=settings.size(3, 1), device="cpu", random_state=0)
    X = SpectrogramTransformer(n_jobs=1).fit_transform(Y)
    cv = GroupKFold(folds(settings))
    grid = {f"classifier__{name}": values for name, values in GRID.items()}

    def searched() -> None:
        with tempfile.TemporaryDirectory() as folder:
            features = SpectrogramTransformer(memory=folder, n_jobs=1)
            pipe = Pipeline([("spectrogram", features), ("classifier", classifier)])
            GridSearchCV(pipe, grid, scoring=unweighted_accuracy_scorer, cv=cv, refit=False, n_jobs=1).fit(
                Y, y, groups=groups
            )

    def by_hand() -> None:
        for parameters in ParameterGrid(GRID):
            for train, test in cv.split(X, y, groups):
                fitted = clone(classifier).set_params(**parameters).fit(X[train], y[train])
                unweighted_accuracy_scorer(fitted, X[test], y[test])

    return compare(searched, by_hand, settings, rounds=3, most=3, warm_up=False)


def two_workers(settings: Settings) -> Measurement:
    """Compare a search in two workers of one thread with one in a single worker of one thread."""
    n = settings.size(20, 8)
    X, y = spectrograms(durations(n))
    classifier = CenterLossClassifier(max_epochs=1, device="cpu", random_state=0)

    def searching(n_jobs: int) -> Callable[[], Any]:
        cv = GroupKFold(folds(settings))
        search = GridSearchCV(
            classifier, GRID, scoring=unweighted_accuracy_scorer, cv=cv, refit=False, n_jobs=n_jobs
        )

        def call() -> None:
            with pinned(1), parallel_config("loky", inner_max_num_threads=1):
                search.fit(X, y, groups=np.arange(n) // N_CLASSES)

        return call

    return compare(searching(2), searching(1), settings, rounds=3, most=3, warm_up=False)


ROWS = [
    Row(
        "search-features",
        "8 candidates x 5 folds, features included",
        "40 fits on features at hand",
        features_included,
        target=1.05,
    ),
    Row(
        "search-workers",
        "grid search, 2 workers of one thread",
        "1 worker of one thread",
        two_workers,
        target=0.60,
    ),
]
