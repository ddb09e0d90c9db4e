"""Thresholds from predictions for speakers that a classifier was not trained on."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn import get_config
from sklearn.model_selection import cross_validate

from .._utils import join_steps, plain_labels, requests_metadata
from ..metrics import ROUNDING, point_of_coverage, risk_coverage_curve
from ..training import make_speaker_folds
from ._confidence import compute_outputs


def predict_unseen(
    estimator: Any,
    kind: str,
    X: Any,
    y: NDArray[Any],
    groups: Any,
    n_folds: int,
    params: dict[str, Any],
) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    """Predict each item without its speaker in the training set: labels, predictions and confidences."""
    groups = None if groups is None else plain_labels("groups", groups, len(y))
    splitter = make_speaker_folds(groups, n_folds, "coverage and accuracy need", "threshold")
    splits = splitter.split(X, y, groups)  # the same in each call
    routed = get_config()["enable_metadata_routing"]
    uses_groups = routed and requests_metadata(join_steps(estimator), "predict_proba", "groups")
    folds: list[tuple[NDArray[Any], NDArray[Any], NDArray[Any]]] = []

    def keep(model: Any, X_test: Any, y_test: NDArray[Any]) -> float:
        """Keep the predictions; scikit-learn expects a score."""
        _, test = next(splits)
        predict_params = {"groups": groups[test]} if uses_groups else {}
        outputs = compute_outputs(model, kind, X_test, **predict_params)
        folds.append((y_test, outputs.labels, outputs.confidence))
        return 0.0

    given = {"params": {"groups": groups, **params}} if routed else {"groups": groups, "params": params}
    # scikit-learn selects the items and passes the parameters; the predictions are kept by the scorer, in
    # this process, because `cross_val_predict` returns no centers.
    cross_validate(estimator, X, y, cv=splitter, scoring=keep, n_jobs=1, error_score="raise", **given)
    labels, predicted, confidence = (np.concatenate(parts) for parts in zip(*folds, strict=True))
    return labels, predicted, confidence


def find_threshold(
    y_true: NDArray[Any],
    y_pred: NDArray[Any],
    confidence: NDArray[Any],
    *,
    coverage: float | None = None,
    accuracy: float | None = None,
) -> float:
    """Find the highest threshold that reaches a coverage, or the lowest that reaches an accuracy."""
    risks, coverages, thresholds = risk_coverage_curve(y_true, y_pred, confidence)
    if coverage is not None:
        return float(thresholds[point_of_coverage(coverages, coverage)])
    if accuracy is not None:
        reached = np.flatnonzero(1 - risks >= accuracy - ROUNDING)
        if reached.size:
            return float(thresholds[reached[-1]])
    raise ValueError(
        f"no threshold reaches accuracy={accuracy:g} on unseen speakers, the highest is "
        f"{1 - risks.min():.3g}: set a lower accuracy."
    )
