"""Picture of the accuracy over the probability of the predictions."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from typing import TYPE_CHECKING, Any

from sklearn.utils.validation import check_is_fitted

from ..inference import find_outputs
from ..metrics import reliability_curve
from ._drawing import as_percentages, check_drawing, draw_curve, line_arguments, open_axes, plain

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_CALIBRATED = "calibrated"  # label of the diagonal in the legend


@dataclass(eq=False, repr=False)
class ReliabilityDisplay:  # numpydoc ignore=PR02
    """Reliability diagram: the share of correct predictions over their mean probability.

    Where the curve is below the diagonal, the classifier is overconfident. Make the picture with
    :meth:`from_estimator` or :meth:`from_predictions`. Parameters are stored as attributes.

    Parameters
    ----------
    accuracies : array-like of shape (n_bins,)
        Share of correct predictions in each bin, in [0, 1].
    confidences : array-like of shape (n_bins,)
        Mean probability of the predictions in each bin, in [0, 1].
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

    See Also
    --------
    reliability_curve : Computes the curve.
    expected_calibration_error : The mean distance of the curve to the diagonal.
    sklearn.calibration.CalibrationDisplay : The same for two classes.

    Examples
    --------
    >>> from skser import ReliabilityDisplay
    >>> y_true, y_pred = ["sad", "sad", "calm", "calm"], ["sad", "sad", "calm", "sad"]
    >>> display = ReliabilityDisplay.from_predictions(y_true, y_pred, [0.5, 1, 0.75, 0.25], n_bins=2)
    >>> display.line_.get_xdata().tolist(), display.line_.get_ydata().tolist()
    ([37.5, 87.5], [50.0, 100.0])
    >>> display.figure_.savefig("reliability.png")  # doctest: +SKIP
    """

    accuracies: Any
    confidences: Any
    _: KW_ONLY
    name: str | None = None

    def plot(self, ax: Axes | None = None, *, title: str | None = None, **line_kw: Any) -> ReliabilityDisplay:
        """Draw the curve and the diagonal.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, default=None
            Axes to draw on. None makes a new figure. Curves of several classifiers can share axes: they
            differ in color and line style.
        title : str, default=None
            Title of the axes.
        **line_kw : dict
            Arguments of `Axes.plot` for the curve, such as ``marker="s"``.

        Returns
        -------
        ReliabilityDisplay
            The display itself, with `ax_`, `figure_` and `line_`.

        Raises
        ------
        TypeError, ValueError
            If a parameter cannot be used, or shapes do not match.
        ImportError
            If matplotlib cannot be imported.
        """
        check_drawing(ax)
        curve = as_percentages("n_bins", accuracies=self.accuracies, confidences=self.confidences)
        accuracies, confidences = curve
        look = {"marker": "o", "clip_on": False} | line_arguments(line_kw)
        self.ax_ = open_axes(ax, title)
        self.figure_ = self.ax_.figure
        if _CALIBRATED not in self.ax_.get_legend_handles_labels()[1]:
            self.ax_.plot([0, 100], [0, 100], linestyle=":", color="0.4", label=_CALIBRATED)
        self.line_ = draw_curve(self.ax_, confidences, accuracies, self.name, look)
        self.ax_.set(xlabel=plain("mean probability (%)"), ylabel=plain("correct predictions (%)"))
        self.ax_.set(xlim=(0, 100), ylim=(0, 100), aspect="equal")
        return self

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: Any,
        y: Any,
        *,
        n_bins: int = 10,
        name: str | None = None,
        ax: Axes | None = None,
        title: str | None = None,
        **line_kw: Any,
    ) -> ReliabilityDisplay:
        """Predict items with a classifier, and draw the curve.

        Parameters
        ----------
        estimator : classifier
            A fitted classifier with `predict_proba`.
        X : object
            Input of the estimator, of speakers that are not in its training set.
        y : array-like of shape (n_samples,)
            Labels.
        n_bins : int, default=10
            Number of bins of equal size, 1 or more.
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
        ReliabilityDisplay
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
        _, outputs = find_outputs(estimator, X)
        confidence = outputs.probabilities.max(axis=1)
        return cls.from_predictions(
            y, outputs.labels, confidence, n_bins=n_bins, name=name, ax=ax, title=title, **line_kw
        )

    @classmethod
    def from_predictions(
        cls,
        y_true: Any,
        y_pred: Any,
        confidence: Any,
        *,
        n_bins: int = 10,
        name: str | None = None,
        ax: Axes | None = None,
        title: str | None = None,
        **line_kw: Any,
    ) -> ReliabilityDisplay:
        """Draw the curve of predictions.

        Parameters
        ----------
        y_true : array-like of shape (n_samples,)
            True labels.
        y_pred : array-like of shape (n_samples,)
            Predicted labels.
        confidence : array-like of shape (n_samples,)
            Probability of each predicted label, in [0, 1].
        n_bins : int, default=10
            Number of bins of equal size, 1 or more.
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
        ReliabilityDisplay
            The display.

        Raises
        ------
        TypeError, ValueError
            If the input or a parameter cannot be used.
        ImportError
            If matplotlib cannot be imported.
        """
        accuracies, confidences, _ = reliability_curve(y_true, y_pred, confidence, n_bins=n_bins)
        return cls(accuracies, confidences, name=name).plot(ax, title=title, **line_kw)
