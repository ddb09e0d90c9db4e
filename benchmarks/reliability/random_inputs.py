"""Call both estimators with random input: each call must end in a right result or in a clear error.

    python benchmarks/reliability/random_inputs.py --n 2500

Hypothesis draws recordings, labels, groups, weights and parameters, good and bad ones (strategies.py), for
`n` calls of each estimator.
"""

from __future__ import annotations

import contextlib
import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from hypothesis import HealthCheck, Phase, given, seed, settings
from outcomes import Outcomes, command_line, without_stderr
from strategies import CLASSIFIER, TRANSFORMER, make_files, parameters, recordings, training_data

from skser import CenterLossClassifier, SpectrogramTransformer

SMALL: dict[str, Any] = {
    **{"channels": (2,), "rnn_units": 2, "embedding_dim": 2, "max_epochs": 1, "device": "cpu"},
}


def run(n: int, random_state: int = 0) -> dict[str, Any]:
    """Call the transformer `n` times and the classifier as often."""
    with (
        tempfile.TemporaryDirectory() as folder,
        contextlib.chdir(folder),
        without_stderr(),
        warnings.catch_warnings(),
    ):
        warnings.simplefilter("ignore")
        S = SpectrogramTransformer().transform([np.ones(8000)] * 4)  # first calls take longer
        CenterLossClassifier(**SMALL).fit(S, ["a", "b"] * 2)
        outcomes = Outcomes()
        call_often(n, random_state, transform, outcomes, recordings(make_files(Path(folder))), TRANSFORMER)
        call_often(n, random_state, classify, outcomes, training_data(), CLASSIFIER)
    return outcomes.summary()


def call_often(
    n: int, random_state: int, call: Callable[..., None], outcomes: Outcomes, data: Any, known: Any
) -> None:
    """Call with `n` draws of data and parameters."""

    @seed(random_state)
    @settings(
        max_examples=n,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(data, parameters(known))
    def once(data: Any, parameters: dict[str, Any]) -> None:
        call(outcomes, data, parameters)

    once()


def transform(outcomes: Outcomes, X: Any, parameters: dict[str, Any]) -> None:
    """Transform recordings."""

    def fault(S: Any) -> str | None:
        if len(S) != len(X):
            return f"{len(S)} items of {len(X)} recordings"
        right = all(np.isfinite(item).all() and item.dtype == np.float32 for item in S)
        return None if right else "not finite"

    what = f"SpectrogramTransformer(**{shown(parameters)}).fit_transform({shown(X)})"
    outcomes.add(lambda: SpectrogramTransformer(**parameters).fit_transform(X), fault, what)


def classify(outcomes: Outcomes, data: tuple[Any, Any, Any, Any], parameters: dict[str, Any]) -> None:
    """Fit a classifier and predict."""
    X, y, groups, weight = data

    def fit() -> tuple[CenterLossClassifier, np.ndarray, np.ndarray]:
        classifier = CenterLossClassifier(**SMALL | parameters)
        classifier.fit(X, y, groups=groups, sample_weight=weight)
        return classifier, classifier.predict_proba(X), classifier.predict(X)

    def fault(result: Any) -> str | None:
        classifier, probabilities, labels = result
        if probabilities.shape != (len(X), len(classifier.classes_)) or not np.isfinite(probabilities).all():
            return f"probabilities of shape {probabilities.shape}, finite: {np.isfinite(probabilities).all()}"
        if not np.allclose(probabilities.sum(axis=1), 1, atol=1e-4):
            return "probabilities that do not sum to 1"
        return None if set(labels.tolist()) <= set(np.asarray(y).tolist()) else f"labels {labels.tolist()}"

    outcomes.add(fit, fault, f"CenterLossClassifier(**{shown(parameters)}).fit of {shown(data)}")


def shown(value: Any) -> str:
    """Show the beginning of a value; Python refuses to write the longest integers."""
    try:
        return repr(value)[:300]
    except ValueError:
        return "..."


if __name__ == "__main__":
    command_line(__doc__, run, n=2500)
