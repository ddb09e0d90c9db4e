"""Call both estimators with random input: each call ends in a right result or in a clear error.

    python benchmarks/reliability/random_inputs.py --n 5000

Hypothesis draws recordings (arrays, paths, collections of them), labels, groups, weights and parameters, good
and bad ones (strategies.py). An error is clear if it is an OSError, TypeError or ValueError with a sentence
that this package, or scikit-learn's checks, wrote for its user.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from _outcomes import Outcomes, report, without_stderr
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import seed as seeded
from strategies import CLASSIFIER, TRANSFORMER, make_files, parameters, recordings, training_data

from skser import CenterLossClassifier, SpectrogramTransformer

SMALL: dict[str, Any] = {
    **{"channels": (2,), "rnn_units": 2, "embedding_dim": 2, "max_epochs": 1, "device": "cpu"},
}


def run(n: int = 1000, seed: int = 0) -> dict[str, Any]:
    """Call the transformer `n` times and the classifier as often.

    Parameters
    ----------
    n : int, default=1000
        How often.
    seed : int, default=0
        Seed of the input.

    Returns
    -------
    dict
        "what", "n", "outcomes" (counts), "wrong" (a dictionary for each call that ended in anything else than
        a right result or a clear error), "worst_s", "worst_call", "grown_mb" and "peak_mb".
    """
    before = os.getcwd()
    with tempfile.TemporaryDirectory() as name, without_stderr(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        files = make_files(Path(name))
        # What is made once comes before the clock.
        S = SpectrogramTransformer().transform([np.ones(8000)] * 4)
        CenterLossClassifier(**SMALL).fit(S, ["a", "b"] * 2)
        outcomes = Outcomes()
        os.chdir(name)
        try:
            _try(n, seed, recordings(files), parameters(TRANSFORMER), _transform(outcomes))
            _try(n, seed, training_data(), parameters(CLASSIFIER), _classify(outcomes))
        finally:
            os.chdir(before)
    return outcomes.summary("random inputs")


def _try(n: int, seed: int, data: Any, parameters: Any, call: Callable[[Any, dict[str, Any]], None]) -> None:
    """Call with `n` draws of data and parameters; nothing is kept between runs."""

    @seeded(seed)
    @settings(
        max_examples=n,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(data, parameters)
    def once(data: Any, parameters: dict[str, Any]) -> None:
        call(data, parameters)

    once()


def _transform(outcomes: Outcomes) -> Callable[[Any, dict[str, Any]], None]:
    """Transform recordings and judge."""

    def call(X: Any, parameters: dict[str, Any]) -> None:
        outcomes.add(
            lambda: SpectrogramTransformer(**parameters).fit_transform(X),
            lambda S: _judge_spectrograms(S, X),
            f"SpectrogramTransformer(**{_with_progress(parameters)}).fit_transform({_with_progress(X)})",
        )

    return call


def _judge_spectrograms(S: Any, X: Any) -> str | None:
    """Say what is wrong with spectrograms; None if nothing."""
    if len(S) != len(X):
        return f"{len(S)} items of {len(X)} recordings"
    return None if all(np.isfinite(item).all() and item.dtype == np.float32 for item in S) else "not finite"


def _classify(outcomes: Outcomes) -> Callable[[Any, dict[str, Any]], None]:
    """Fit and predict, and judge."""

    def call(data: tuple[Any, Any, Any, Any], parameters: dict[str, Any]) -> None:
        X, y, groups, weight = data
        outcomes.add(
            lambda: _fit(X, y, groups, weight, parameters),
            lambda fitted: _judge_answers(fitted, X, y),
            f"CenterLossClassifier(**{_with_progress(parameters)}).fit of {_with_progress(data)}",
        )

    return call


def _fit(X: Any, y: Any, groups: Any, weight: Any, parameters: dict[str, Any]) -> tuple[Any, Any, Any]:
    """Fitted classifier, its probabilities and its labels."""
    classifier = CenterLossClassifier(**{**SMALL, **parameters})
    classifier.fit(X, y, groups=groups, sample_weight=weight)
    return classifier, classifier.predict_proba(X), classifier.predict(X)


def _judge_answers(fitted: tuple[Any, Any, Any], X: Any, y: Any) -> str | None:
    """Say what is wrong with answers; None if nothing."""
    classifier, probabilities, labels = fitted
    if probabilities.shape != (len(X), len(classifier.classes_)) or not np.isfinite(probabilities).all():
        return f"probabilities of shape {probabilities.shape}, finite: {np.isfinite(probabilities).all()}"
    if not np.allclose(probabilities.sum(axis=1), 1, atol=1e-4):
        return "probabilities that do not sum to 1"
    return None if set(labels.tolist()) <= set(np.asarray(y).tolist()) else f"labels {labels.tolist()}"


def _with_progress(value: Any) -> str:
    """Beginning of a value's text; Python refuses to write the longest integers."""
    try:
        return repr(value)[:300]
    except ValueError:
        return "..."


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--n", type=int, default=2000, help="calls of each estimator (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="seed of the input (default: %(default)s)")
    parser.add_argument("--output", type=Path, help="file for the outcomes as JSON")
    arguments = parser.parse_args()
    summary = run(arguments.n, arguments.seed)
    report(summary, arguments.output)


if __name__ == "__main__":
    main()
