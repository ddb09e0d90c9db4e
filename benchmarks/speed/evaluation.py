"""Rows of complete evaluations: folds in two processes, and the kept times to the same accuracy."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
from harness import Measurement, NotRunError, Row, Settings, compare, pinned, summarise
from workloads import durations, spectrograms

from skser import CenterLossClassifier, evaluate

KEPT = Path(__file__).resolve().parents[1] / "results" / "time_to_accuracy.csv"
N_FOLDS = 6


def folds_in_two_processes(settings: Settings) -> Measurement:
    """Compare an evaluation in two processes of one thread with one in a single thread."""
    X, y = spectrograms(durations(settings.size(96, 12)))
    corpus = X, y, np.arange(len(X)) * N_FOLDS // len(X)
    classifier = CenterLossClassifier(max_epochs=settings.size(4, 1), device="cpu", random_state=0)

    def evaluating(n_jobs: int) -> Callable[[], None]:
        def call() -> None:
            with pinned(1):
                evaluate(classifier, corpus, n_jobs=n_jobs)

        return call

    return compare(evaluating(2), evaluating(1), settings, rounds=3)


def kept_times(corpus: str) -> Callable[[Settings], Measurement]:
    """Make the function that reads the kept ratios of core-seconds, which take hours to measure."""

    def measure(settings: Settings) -> Measurement:
        rows = pd.read_csv(KEPT)
        seconds = rows[rows.corpus == corpus].pivot(
            index=["fold", "seed"], columns="settings", values="core_seconds"
        )
        if "faster" not in seconds:
            raise NotRunError(f"{KEPT.name} has no pairs of {corpus}")
        ratios = (seconds["faster"] / seconds["default"]).dropna()
        return summarise(ratios.tolist(), f"kept pairs: {len(ratios)}, from benchmarks/time_to_accuracy.py")

    return measure


FITS = "core-seconds of a complete fit, the faster settings of time_to_accuracy.py"
ROWS = [
    Row(
        "evaluate-folds",
        "cross-validation of six folds, 2 processes of one thread, once they have started",
        "the same in one thread",
        folds_in_two_processes,
        target=0.62,
    ),
    Row("time-to-accuracy-ravdess", FITS, "the default settings", kept_times("ravdess"), target=0.5),
    Row("time-to-accuracy-emodb", FITS, "the default settings", kept_times("emodb"), target=0.5),
    Row("time-to-accuracy-nemo", FITS, "the default settings", kept_times("nemo"), target=0.5),
]
