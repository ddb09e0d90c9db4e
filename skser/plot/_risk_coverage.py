"""Picture of the errors among the answers over the share of answered items."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.utils.validation import check_is_fitted

from .._utils import check_number
from ..inference import find_outputs, lowest_confidence
from ..metrics import risk_coverage_curve
from ._drawing import as_percentages, check_drawing, draw_curve, line_arguments, open_axes, plain

if TYPE_CHECKING:
    from matplotlib.axes import Axes


@dataclass(eq=False, repr=False)
class RiskCoverageDisplay:  # numpydoc ignore=PR02
    """Picture of the share of wrong answers over the share of answered items.

    A classifier that answers only where it is sure makes fewer errors. Make the picture with
    :meth:`from_estimator` or :meth:`from_predictions`. Parameters are stored as attributes.

    Parameters
    ----------
    risks : array-like of shape (n_thresholds,)
        Share of wrong predictions among the answered items, in [0, 1].
    coverages : array-like of shape (n_thresholds,)
        Share of answered items, in (0, 1], increasing.
    thresholds : array-like of shape (n_thresholds,), default=None
        Lowest confidence of an answered item. It is needed to draw `threshold`.
    threshold : float, default=None
        Confidence whose point is marked. None marks no point.
    name : str, default=None
        Name of the classifier in the legend. None draws no legend.

    Attributes
    ----------
    ax_ : matplotlib.axes.Axes
        Axes of the picture.
    figure_ : matplotlib.figure.Figure
        Figure of these axes.
    line_ : matplotlib.lines.Line2D
        The curve.
    point_ : matplotlib.lines.Line2D or None
        The mark of the threshold, None without one.

    See Also
    --------
    risk_coverage_curve : Computes the curve.
    RejectOption : Answers only where a classifier is sure enough.

    Examples
    --------
    >>> from skser import RiskCoverageDisplay
    >>> y_true, y_pred = ["sad", "sad", "calm", "calm"], ["sad", "sad", "calm", "sad"]
    >>> display = RiskCoverageDisplay.from_predictions(y_true, y_pred, [0.9, 0.8, 0.7, 0.6])
    >>> display.line_.get_ydata().tolist()
    [0.0, 0.0, 0.0, 25.0]
    >>> display.figure_.savefig("risk.png")  # doctest: +SKIP
    """

    risks: Any
    coverages: Any
    _: KW_ONLY
    thresholds: Any = None
    threshold: float | None = None
    name: str | None = None

    def plot(
        self, ax: Axes | None = None, *, title: str | None = None, **line_kw: Any
    ) -> RiskCoverageDisplay:
        """Draw the curve.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, default=None
            Axes to draw on. None makes a new figure. Curves of several classifiers can share axes: they
            differ in color and line style.
        title : str, default=None
            Title of the axes.
        **line_kw : dict
            Arguments of `Axes.plot` for the curve, such as ``linestyle="--"``.

        Returns
        -------
        RiskCoverageDisplay
            The display itself, with `ax_`, `figure_`, `line_` and `point_`.

        Raises
        ------
        TypeError, ValueError
            If a parameter cannot be used, or shapes do not match.
        ImportError
            If matplotlib cannot be imported.
        """
        check_drawing(ax)
        risks, coverages = as_percentages("n_thresholds", risks=self.risks, coverages=self.coverages)
        check_number("threshold", self.threshold, optional=True)
        if self.threshold is not None and np.shape(self.thresholds) != risks.shape:
            raise ValueError(
                f"threshold can only be drawn with thresholds of the shape of risks, {risks.shape}, got "
                f"{np.shape(self.thresholds)}."
            )
        look = line_arguments(line_kw)
        self.ax_ = open_axes(ax, title)
        self.figure_ = self.ax_.figure
        self.line_ = draw_curve(self.ax_, coverages, risks, self.name, look)
        self.point_ = self._mark(risks, coverages)
        self.ax_.set(xlabel=plain("answered items (%)"), ylabel=plain("wrong answers (%)"), xlim=(0, 100))
        self.ax_.set_ylim(bottom=0)
        return self

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: Any,
        y: Any,
        *,
        name: str | None = None,
        ax: Axes | None = None,
        title: str | None = None,
        **line_kw: Any,
    ) -> RiskCoverageDisplay:
        """Predict items with a classifier, and draw the curve.

        Parameters
        ----------
        estimator : classifier
            A fitted classifier with `predict_proba`, or a fitted search over one. If it is a `RejectOption`
            or ends with one, its measure of confidence is used, and the point of its threshold is marked.
        X : object
            Input of the estimator, of speakers that are not in its training set.
        y : array-like of shape (n_samples,)
            Labels.
        name : str, default=None
            Name of the classifier in the legend. None draws no legend.
        ax : matplotlib.axes.Axes, default=None
            Axes to draw on. None makes a new figure.
        title : str, default=None
            Title of the axes.
        **line_kw : dict
            Arguments of `Axes.plot` for the curve.

        Returns
        -------
        RiskCoverageDisplay
            The display.

        Raises
        ------
        TypeError, ValueError
            If the input or a parameter cannot be used.
        ImportError
            If matplotlib cannot be imported.
        """
        check_drawing(ax)
        check_is_fitted(estimator)
        rejecter, outputs = find_outputs(estimator, X)
        threshold = None if rejecter is None else lowest_confidence(rejecter)
        return cls.from_predictions(
            y,
            outputs.labels,
            outputs.confidence,
            threshold=threshold,
            name=name,
            ax=ax,
            title=title,
            **line_kw,
        )

    @classmethod
    def from_predictions(
        cls,
        y_true: Any,
        y_pred: Any,
        confidence: Any,
        *,
        threshold: float | None = None,
        name: str | None = None,
        ax: Axes | None = None,
        title: str | None = None,
        **line_kw: Any,
    ) -> RiskCoverageDisplay:
        """Draw the curve of predictions.

        Parameters
        ----------
        y_true : array-like of shape (n_samples,)
            True labels.
        y_pred : array-like of shape (n_samples,)
            Predicted labels.
        confidence : array-like of shape (n_samples,)
            How sure the classifier is of each prediction, such as the highest probability.
        threshold : float, default=None
            Confidence whose point is marked. None marks no point.
        name : str, default=None
            Name of the classifier in the legend. None draws no legend.
        ax : matplotlib.axes.Axes, default=None
            Axes to draw on. None makes a new figure.
        title : str, default=None
            Title of the axes.
        **line_kw : dict
            Arguments of `Axes.plot` for the curve.

        Returns
        -------
        RiskCoverageDisplay
            The display.

        Raises
        ------
        TypeError, ValueError
            If the input or a parameter cannot be used.
        ImportError
            If matplotlib cannot be imported.
        """
        risks, coverages, thresholds = risk_coverage_curve(y_true, y_pred, confidence)
        display = cls(risks, coverages, thresholds=thresholds, threshold=threshold, name=name)
        return display.plot(ax, title=title, **line_kw)

    def _mark(self, risks: Any, coverages: Any) -> Any:
        """Mark the point of the threshold, if it answers any items."""
        if self.threshold is None:
            return None
        n_answered = int((np.asarray(self.thresholds) >= self.threshold).sum())
        if not n_answered:
            return None
        point = (coverages[n_answered - 1], risks[n_answered - 1])
        return self.ax_.plot(*point, marker="o", color=self.line_.get_color(), clip_on=False)[0]
