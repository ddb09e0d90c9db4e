"""The temperature that fits probabilities to labels."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax

# Folds of whole speakers whose predictions give the temperature.
N_FOLDS = 5

# Without limits, labels that are all predicted correctly would give 0, and random ones infinity.
LOWEST_TEMPERATURE, HIGHEST_TEMPERATURE = 0.01, 100.0


def fit_temperature(logits: NDArray[Any], y: NDArray[np.integer], weight: NDArray[Any]) -> float:
    """Find the temperature with the lowest negative log-likelihood of labels."""
    if not weight.any():
        raise ValueError(
            'calibration="speakers" needs classes that several speakers have, but each class is only in one '
            "fold of speakers: add speakers, or set calibration=None."
        )
    items = np.arange(len(y))

    def loss(log_temperature: float) -> float:
        """Mean negative log-likelihood, which has a single minimum."""
        scores = log_softmax(logits * np.exp(-log_temperature), axis=1)
        return -float(np.average(scores[items, y], weights=weight))

    bounds = np.log([LOWEST_TEMPERATURE, HIGHEST_TEMPERATURE])
    found = minimize_scalar(loss, bounds=bounds, method="bounded")
    return float(np.exp(found.x))
