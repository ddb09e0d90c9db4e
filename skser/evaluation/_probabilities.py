"""Scores of the probabilities of an evaluation."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..metrics import accuracy_at_coverage, expected_calibration_error, mean_gap, mean_in_bins

if TYPE_CHECKING:
    import pandas as pd

_N_RESAMPLES = 1000
_LEVEL = 0.95
_N_BINS = 10
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
    found = expected_calibration_error(true, top, confidence, n_bins=_N_BINS)
    low, high = _bootstrap_ece(found, true == top, confidence, _speakers(predictions))
    return {
        "ECE": found,
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
    found: float, is_right: NDArray[np.bool_], confidence: NDArray[np.float64], speakers: NDArray[Any]
) -> tuple[float, float]:
    """Interval of the ECE under resampling of speakers, because recordings of a speaker are alike."""
    random = np.random.default_rng(0)
    numbers, counts = np.unique(speakers, return_inverse=True, return_counts=True)[1:]
    by_speaker, starts = np.argsort(numbers, kind="stable"), np.cumsum(counts) - counts
    resampled = []
    for draw in random.integers(len(counts), size=(_N_RESAMPLES, len(counts))):
        lengths = counts[draw]
        # The items of one drawn speaker after the other, without a loop over thousands of speakers.
        offsets = np.repeat(starts[draw] - (np.cumsum(lengths) - lengths), lengths)
        items = by_speaker[np.arange(len(offsets)) + offsets]
        resampled.append(mean_gap(*mean_in_bins(is_right[items], confidence[items], _N_BINS)))
    tails = np.quantile(resampled, [(1 + _LEVEL) / 2, (1 - _LEVEL) / 2])
    # The basic interval: resampling raises the ECE as much as the sample of items had raised it before.
    low, high = np.maximum(2 * found - tails, 0)
    return float(low), float(high)
