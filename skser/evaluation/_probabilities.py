"""Scores of the probabilities of an evaluation."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..metrics import accuracy_at_coverage, expected_calibration_error

if TYPE_CHECKING:
    import pandas as pd

_N_RESAMPLES = 1000
_LEVEL = 0.95
_COVERAGE = 0.5


def score_probabilities(predictions: pd.DataFrame, labels: NDArray[Any]) -> dict[str, float] | None:
    """Compute the scores over all predictions pooled; None without probabilities."""
    columns = {f"probability_{label}": label for label in labels}
    columns = {name: label for name, label in columns.items() if name in predictions}
    probabilities = predictions[[*columns]].to_numpy()
    if not columns or not np.isfinite(probabilities).all():
        return None
    classes = np.array([*columns.values()], dtype=labels.dtype)
    true, confidence = predictions["label"].to_numpy(), probabilities.max(axis=1)
    top = classes[probabilities.argmax(axis=1)]  # not `predicted`, which may be the label of a RejectOption
    of_true = probabilities[true[:, np.newaxis] == classes]
    low, high = _bootstrap_ece(true == top, confidence, _speakers(predictions))
    return {
        "ECE": expected_calibration_error(true, top, confidence),
        "ECE_low": low,
        "ECE_high": high,
        "NLL": -float(np.log(np.maximum(of_true, np.finfo(float).eps)).mean()),
        "accuracy_50": accuracy_at_coverage(true, top, confidence, _COVERAGE),
    }


def _speakers(predictions: pd.DataFrame) -> NDArray[Any]:
    """Speaker of each prediction; if there are not several, each prediction is its own speaker."""
    if "speaker" in predictions and predictions["speaker"].nunique() > 1:
        return predictions["speaker"].to_numpy()
    return np.arange(len(predictions))


def _bootstrap_ece(
    is_right: NDArray[np.bool_], confidence: NDArray[np.float64], speakers: NDArray[Any]
) -> tuple[float, float]:
    """Interval of the ECE under resampling of speakers, because recordings of a speaker are alike."""
    random = np.random.default_rng(0)
    numbers = np.unique(speakers, return_inverse=True)[1]
    rows = [np.flatnonzero(numbers == number) for number in range(numbers.max() + 1)]
    always = np.ones(len(is_right), dtype=bool)

    def compute(items: NDArray[np.intp]) -> float:
        return expected_calibration_error(is_right[items], always[items], confidence[items])

    found = compute(np.arange(len(is_right)))
    draws = random.integers(len(rows), size=(_N_RESAMPLES, len(rows)))
    resampled = [compute(np.concatenate([rows[number] for number in draw])) for draw in draws]
    tails = np.quantile(resampled, [(1 + _LEVEL) / 2, (1 - _LEVEL) / 2])
    # The basic interval: resampling raises the ECE as much as the sample of items had raised it before.
    low, high = np.maximum(2 * found - tails, 0)
    return float(low), float(high)
