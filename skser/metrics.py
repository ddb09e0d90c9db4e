"""Scores of speech emotion recognition: accuracies, probabilities, and the spread of an embedding."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import accuracy_score, make_scorer, recall_score
from sklearn.utils import check_array, column_or_1d
from sklearn.utils.multiclass import check_classification_targets, unique_labels

from ._utils import check_number, check_weights, plain_labels, without_mask

__all__ = [
    "accuracy_at_coverage",
    "expected_calibration_error",
    "intra_inter_ratio",
    "reliability_curve",
    "risk_coverage_curve",
    "unweighted_accuracy",
    "unweighted_accuracy_scorer",
    "weighted_accuracy",
    "weighted_accuracy_scorer",
]

ROUNDING = 1e-12  # of shares such as 0.3 * 10 / 10
_EXCESS = 1e-6  # of probabilities that are a mean of float32


def unweighted_accuracy(y_true: Any, y_pred: Any, *, sample_weight: Any = None) -> float:
    """Mean recall of the classes, known in the field as unweighted accuracy (UA).

    Every class counts the same, however many items it has. Chance level is one over the number of classes.

    Parameters
    ----------
    y_true : array-like of shape (n_samples,)
        True labels; the mean is over the classes in them.
    y_pred : array-like of shape (n_samples,)
        Predicted labels.
    sample_weight : array-like of shape (n_samples,), default=None
        Weights of the items within their classes, finite and at least 0. A class whose weights are all
        zero does not count.

    Returns
    -------
    float
        Score in [0, 1].

    Raises
    ------
    ValueError
        If the inputs differ in length, are empty or are not class labels, or a weight is not valid.

    See Also
    --------
    weighted_accuracy : The share of correct predictions.
    sklearn.metrics.balanced_accuracy_score : The same value.

    Examples
    --------
    >>> from skser.metrics import unweighted_accuracy
    >>> unweighted_accuracy(["sad", "sad", "sad", "angry"], ["sad", "sad", "sad", "sad"])
    0.5
    """
    y_true, y_pred = _labels(y_true, y_pred)
    score = recall_score(
        y_true,
        y_pred,
        labels=np.unique(y_true),
        average="macro",
        sample_weight=check_weights(sample_weight, len(y_true)),
        zero_division=np.nan,  # scikit-learn then leaves a class without weight out of the mean
    )
    return float(score)


def weighted_accuracy(y_true: Any, y_pred: Any, *, sample_weight: Any = None) -> float:
    """Share of correct predictions, known in the field as weighted accuracy (WA).

    Every item counts the same, so frequent classes have more weight.

    Parameters
    ----------
    y_true : array-like of shape (n_samples,)
        True labels.
    y_pred : array-like of shape (n_samples,)
        Predicted labels.
    sample_weight : array-like of shape (n_samples,), default=None
        Weights of the items, finite and at least 0.

    Returns
    -------
    float
        Score in [0, 1].

    Raises
    ------
    ValueError
        If the inputs differ in length, are empty or are not class labels, or a weight is not valid.

    See Also
    --------
    unweighted_accuracy : The mean recall of the classes.
    sklearn.metrics.accuracy_score : The same value.

    Examples
    --------
    >>> from skser.metrics import weighted_accuracy
    >>> weighted_accuracy(["sad", "sad", "sad", "angry"], ["sad", "sad", "sad", "sad"])
    0.75
    """
    y_true, y_pred = _labels(y_true, y_pred)
    return float(accuracy_score(y_true, y_pred, sample_weight=check_weights(sample_weight, len(y_true))))


unweighted_accuracy_scorer = make_scorer(unweighted_accuracy)
"""Scorer of `unweighted_accuracy`, for the parameter ``scoring`` of scikit-learn's searches."""

weighted_accuracy_scorer = make_scorer(weighted_accuracy)
"""Scorer of `weighted_accuracy`, for the parameter ``scoring`` of scikit-learn's searches."""


def intra_inter_ratio(embedding: Any, y: Any) -> float:
    """Ratio of the spread within classes to the distance between classes.

    The mean Euclidean distance of the items to the mean of their class, divided by the mean Euclidean
    distance between the means of two classes. Center loss makes it smaller.

    Parameters
    ----------
    embedding : array-like of shape (n_samples, embedding_dim)
        Embeddings, finite.
    y : array-like of shape (n_samples,)
        Labels of two classes or more.

    Returns
    -------
    float
        Ratio, 0 or more, independent of the scale of the embedding; inf if all class means are equal.

    Raises
    ------
    ValueError
        If the embedding is not finite or not two-dimensional, if the lengths differ, or if there is
        only one class.

    Examples
    --------
    >>> from skser.metrics import intra_inter_ratio
    >>> intra_inter_ratio([[0.0], [2.0], [8.0], [10.0]], ["sad", "sad", "angry", "angry"])
    0.125
    """
    z = check_array(without_mask("embedding", embedding), dtype=np.float64, input_name="embedding")
    labels = plain_labels("y", y)
    if len(z) != len(labels):
        raise ValueError(
            f"embedding has {len(z)} rows but y has {len(labels)} labels: pass one label per row."
        )
    check_classification_targets(labels)
    classes, codes = np.unique(labels, return_inverse=True)
    if len(classes) < 2:
        raise ValueError(f"intra_inter_ratio needs at least two classes, got only {classes.tolist()} in y.")
    # Scaled by a power of two, which is exact, so that the squares of large values do not overflow.
    z = np.ldexp(z, -np.frexp(np.abs(z).max())[1])
    means = np.stack([z[codes == i].mean(axis=0) for i in range(len(classes))])
    first, second = np.triu_indices(len(classes), k=1)
    intra = np.linalg.norm(z - means[codes], axis=1).mean()
    inter = np.linalg.norm(means[first] - means[second], axis=1).mean()
    return float(intra / inter) if inter > 0 else float("inf")


def risk_coverage_curve(
    y_true: Any, y_pred: Any, confidence: Any
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[Any]]:
    """Share of wrong answers over the share of answered items, if the least confident get no answer.

    Parameters
    ----------
    y_true : array-like of shape (n_samples,)
        True labels.
    y_pred : array-like of shape (n_samples,)
        Predicted labels.
    confidence : array-like of shape (n_samples,)
        Confidence of the classifier in each prediction, finite; higher is more confident. Usually the
        highest probability.

    Returns
    -------
    risks : ndarray of shape (n_thresholds,)
        Share of wrong predictions among the answered items, in [0, 1].
    coverages : ndarray of shape (n_thresholds,)
        Share of answered items, in (0, 1], increasing; the last one is 1.
    thresholds : ndarray of shape (n_thresholds,)
        Lowest confidence of an answered item, decreasing: the different values of `confidence`.

    Raises
    ------
    ValueError
        If the inputs differ in length, are empty, or are not labels and finite numbers.

    See Also
    --------
    RiskCoverageDisplay : Draws the curve.
    RejectOption : Chooses a point on it.

    References
    ----------
    .. [1] R. El-Yaniv and Y. Wiener, "On the foundations of noise-free selective classification", Journal
       of Machine Learning Research 11, 2010, 1605-1641.

    Examples
    --------
    >>> from skser.metrics import risk_coverage_curve
    >>> y_true, y_pred = ["sad", "sad", "calm", "calm"], ["sad", "sad", "calm", "sad"]
    >>> risks, coverages, thresholds = risk_coverage_curve(y_true, y_pred, [0.9, 0.6, 0.6, 0.5])
    >>> risks.tolist(), coverages.tolist(), thresholds.tolist()
    ([0.0, 0.0, 0.25], [0.25, 0.75, 1.0], [0.9, 0.6, 0.5])
    """
    is_right, values = _check_predictions(y_true, y_pred, confidence)
    order = np.argsort(-values, kind="stable")
    values, n_wrong = values[order], np.cumsum(~is_right[order])
    # Items of equal confidence are answered together, so that only the last of them is a point.
    last = np.append(np.flatnonzero(np.diff(values)), len(values) - 1)
    return n_wrong[last] / (last + 1), (last + 1) / len(values), values[last]


def accuracy_at_coverage(y_true: Any, y_pred: Any, confidence: Any, coverage: float = 0.5) -> float:
    """Share of correct answers, if only the most confident items are answered.

    Parameters
    ----------
    y_true : array-like of shape (n_samples,)
        True labels.
    y_pred : array-like of shape (n_samples,)
        Predicted labels.
    confidence : array-like of shape (n_samples,)
        Confidence of the classifier in each prediction, finite; higher is more confident. Usually the
        highest probability.
    coverage : float, default=0.5
        Lowest share of the items to answer, in (0, 1]. Items of equal confidence are answered together, so
        more may be answered.

    Returns
    -------
    float
        Accuracy (WA) of the answered items, in [0, 1].

    Raises
    ------
    TypeError, ValueError
        If the inputs differ in length, are empty, or are not labels and finite numbers, or `coverage` is
        outside its range.

    See Also
    --------
    risk_coverage_curve : The errors at each coverage.

    Examples
    --------
    >>> from skser.metrics import accuracy_at_coverage
    >>> y_true, y_pred = ["sad", "sad", "calm", "calm"], ["sad", "sad", "calm", "sad"]
    >>> accuracy_at_coverage(y_true, y_pred, [0.9, 0.6, 0.6, 0.5])
    1.0
    """
    check_number("coverage", coverage, low=0, high=1, closed="right")
    risks, coverages, _ = risk_coverage_curve(y_true, y_pred, confidence)
    return float(1 - risks[point_of_coverage(coverages, coverage)])


def point_of_coverage(coverages: NDArray[np.float64], coverage: float) -> int:
    """Find the first point of a curve that answers a share of the items."""
    return int(np.argmax(coverages >= coverage - ROUNDING))


def reliability_curve(
    y_true: Any, y_pred: Any, confidence: Any, *, n_bins: int = 10
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.int64]]:
    """Accuracy and mean confidence of items with similar confidence.

    The items are sorted by confidence and divided into bins of equal size. If probabilities are calibrated,
    the accuracy of each bin equals its mean confidence.

    Parameters
    ----------
    y_true : array-like of shape (n_samples,)
        True labels.
    y_pred : array-like of shape (n_samples,)
        Predicted labels.
    confidence : array-like of shape (n_samples,)
        Probability of each predicted label, in [0, 1].
    n_bins : int, default=10
        Number of bins, 1 or more. Items of equal confidence are in the same bin, so there may be fewer
        bins, of different sizes.

    Returns
    -------
    accuracies : ndarray of shape (n_found_bins,)
        Share of correct predictions in each bin, in [0, 1].
    confidences : ndarray of shape (n_found_bins,)
        Mean confidence of each bin, in [0, 1], increasing.
    counts : ndarray of shape (n_found_bins,)
        Number of items in each bin.

    Raises
    ------
    TypeError, ValueError
        If the inputs differ in length, are empty, or are not labels and numbers in [0, 1], or `n_bins` is
        outside its range.

    See Also
    --------
    expected_calibration_error : The mean difference between the two.
    ReliabilityDisplay : Draws the curve.
    sklearn.calibration.calibration_curve : The same for two classes.

    Examples
    --------
    >>> from skser.metrics import reliability_curve
    >>> y_true, y_pred = ["sad", "sad", "calm", "calm"], ["sad", "sad", "calm", "sad"]
    >>> accuracies, confidences, counts = reliability_curve(y_true, y_pred, [0.5, 1, 0.75, 0.25], n_bins=2)
    >>> accuracies.tolist(), confidences.tolist(), counts.tolist()
    ([0.5, 1.0], [0.375, 0.875], [2, 2])
    """
    check_number("n_bins", n_bins, integer=True, low=1)
    is_right, values = _check_predictions(y_true, y_pred, confidence)
    if values.min() < 0 or values.max() > 1 + _EXCESS:
        raise ValueError("confidence holds values outside [0, 1]: pass the highest probability of each item.")
    return mean_in_bins(is_right, values, n_bins)


def mean_in_bins(
    is_right: NDArray[np.bool_], confidence: NDArray[np.float64], n_bins: int
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.int64]]:
    """Share of correct predictions, mean confidence and number of items in each bin."""
    edges = np.quantile(confidence, np.arange(1, n_bins) / n_bins)
    bins = np.unique(np.searchsorted(edges, confidence), return_inverse=True)[1]
    counts = np.bincount(bins)
    return np.bincount(bins, is_right) / counts, np.bincount(bins, confidence) / counts, counts


def mean_gap(
    accuracies: NDArray[np.float64], confidences: NDArray[np.float64], counts: NDArray[np.int64]
) -> float:
    """Mean over the items of the difference between the accuracy and the confidence of their bin."""
    return float(np.average(np.abs(accuracies - confidences), weights=counts))


def expected_calibration_error(y_true: Any, y_pred: Any, confidence: Any, *, n_bins: int = 10) -> float:
    r"""Mean difference between confidence and accuracy (ECE), in bins of equal size.

    .. math:: \mathrm{ECE} = \sum_b \frac{n_b}{n} |\mathrm{accuracy}_b - \mathrm{confidence}_b|

    Parameters
    ----------
    y_true : array-like of shape (n_samples,)
        True labels.
    y_pred : array-like of shape (n_samples,)
        Predicted labels.
    confidence : array-like of shape (n_samples,)
        Probability of each predicted label, in [0, 1].
    n_bins : int, default=10
        Number of bins, 1 or more, see `reliability_curve`.

    Returns
    -------
    float
        Error in [0, 1]. 0 is best.

    Raises
    ------
    TypeError, ValueError
        If the inputs differ in length, are empty, or are not labels and numbers in [0, 1], or `n_bins` is
        outside its range.

    See Also
    --------
    reliability_curve : Accuracy and confidence of each bin.

    Notes
    -----
    The error of few items is too high: accuracies of small bins differ from the confidence by chance. With
    calibrated probabilities and 500 items, it is about 0.05 instead of 0.

    References
    ----------
    .. [1] Guo, Pleiss, Sun and Weinberger, "On calibration of modern neural networks", ICML 2017.
    .. [2] Nixon, Dusenberry, Zhang, Jerfel and Tran, "Measuring calibration in deep learning", CVPR
       Workshops 2019, for bins of equal size.

    Examples
    --------
    >>> from skser.metrics import expected_calibration_error
    >>> y_true, y_pred = ["sad", "sad", "calm", "calm"], ["sad", "sad", "calm", "sad"]
    >>> expected_calibration_error(y_true, y_pred, [0.5, 1, 0.75, 0.25], n_bins=2)
    0.125
    """
    return mean_gap(*reliability_curve(y_true, y_pred, confidence, n_bins=n_bins))


def _check_predictions(
    y_true: Any, y_pred: Any, confidence: Any
) -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
    """Check predictions and their confidence; return which are correct, and the confidence."""
    y_true, y_pred = _labels(y_true, y_pred)
    confidence = without_mask("confidence", confidence)
    # Integers become floats, because the curves sort negated numbers, which would wrap if they are unsigned.
    values = check_array(confidence, dtype=(np.float64, np.float32), ensure_2d=False, input_name="confidence")
    values = column_or_1d(values)
    if len(values) != len(y_true):
        raise ValueError(
            f"confidence has {len(values)} values but y_true has {len(y_true)} labels: pass one per label."
        )
    return y_true == y_pred, values


def _labels(y_true: Any, y_pred: Any) -> tuple[np.ndarray, np.ndarray]:
    """Check true and predicted labels, and convert them to vectors."""
    y_true, y_pred = plain_labels("y_true", y_true), plain_labels("y_pred", y_pred)
    if len(y_true) != len(y_pred):
        raise ValueError(
            f"y_true has {len(y_true)} labels but y_pred has {len(y_pred)}: pass one prediction per label."
        )
    if not len(y_true):
        raise ValueError("y_true is empty: pass at least one label.")
    check_classification_targets(y_true)
    unique_labels(y_true, y_pred)  # raises if only one of them is text, which would never equal a number
    return y_true, y_pred
