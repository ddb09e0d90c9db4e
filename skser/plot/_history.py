"""Picture of a training run."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import KW_ONLY, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils.validation import check_is_fitted

from .._utils import check_number
from ..classifier import CenterLossClassifier
from ._drawing import COLORS, check_drawing, draw_legend, open_axes, plain, split_axes
from ._estimators import find_step

_PARTS: dict[str, dict[str, Any]] = {
    "train": {"label": "training", "linestyle": "-"},
    "valid": {"label": "validation", "linestyle": "--", "markerfacecolor": "white"},
}
_CURVES: dict[str, dict[str, Any]] = {
    "loss": {"label": "joint loss", "color": "black", "marker": "o", "linewidth": 2.2},
    "cross_entropy": {"label": "cross-entropy", "color": COLORS[0], "marker": "s"},
    "center_loss": {"label": "center loss", "color": COLORS[1], "marker": "^"},
    "unweighted_accuracy": {"label": "UA", "color": COLORS[2], "marker": "D"},
}
_ACCURACY = "valid_unweighted_accuracy"
_KEYS = [*(f"{part}_{loss}" for part in _PARTS for loss in list(_CURVES)[:3]), _ACCURACY]


@dataclass(eq=False, repr=False)
class TrainingHistoryDisplay:  # numpydoc ignore=PR02
    """Picture of a training run: the losses and, with early stopping, validation and the best epoch.

    Make it with :meth:`from_estimator` or :meth:`from_predictions`. Parameters are stored as attributes.

    Parameters
    ----------
    history : sequence of dict
        One dictionary per epoch, such as `CenterLossClassifier.history_`. Missing curves are not drawn.
    best_epoch : int, default=None
        The epoch whose network was kept, counted from 1. None marks no epoch.
    center_lambda : float, default=None
        Weight of the center loss, at least 0. Above 0 the center loss is multiplied by it, so that the
        curves add up to the joint loss. None or 0 draws the center loss unweighted.

    Attributes
    ----------
    ax_ : matplotlib.axes.Axes
        Axes of the losses.
    accuracy_ax_ : matplotlib.axes.Axes or None
        Axes of the unweighted accuracy (UA) below them; None without validation.
    figure_ : matplotlib.figure.Figure
        Figure of these axes.
    lines_ : dict of str to matplotlib.lines.Line2D
        The curves, by their keys in `history`.
    best_epoch_lines_ : list of matplotlib.lines.Line2D
        The marks of the best epoch, one on each axes.
    legend_ : matplotlib.legend.Legend or None
        The legend, None without one.

    See Also
    --------
    CenterLossClassifier : Writes the history.

    Examples
    --------
    >>> from skser import TrainingHistoryDisplay
    >>> history = [
    ...     {"epoch": 1, "train_loss": 2.5, "train_cross_entropy": 1.9, "train_center_loss": 2.0},
    ...     {"epoch": 2, "train_loss": 1.7, "train_cross_entropy": 1.4, "train_center_loss": 1.0},
    ... ]
    >>> display = TrainingHistoryDisplay.from_predictions(history, center_lambda=0.3)
    >>> display.lines_["train_center_loss"].get_ydata().tolist()
    [0.6, 0.3]
    >>> display.figure_.savefig("training.png")  # doctest: +SKIP
    """

    history: Any
    _: KW_ONLY
    best_epoch: int | None = None
    center_lambda: float | None = None

    def plot(
        self, ax: Any = None, *, legend: str | None = "auto", title: str | None = None
    ) -> TrainingHistoryDisplay:
        """Draw the curves.

        Parameters
        ----------
        ax : matplotlib.axes.Axes or sequence of two of them, default=None
            Axes to draw on. With validation, single axes are divided into losses above and accuracy below; of
            two axes, the first is for the losses. None makes a new figure, with constrained layout.
        legend : {"auto", "right", "below", "inside"} or None, default="auto"
            Place of the legend: beside, below or inside the axes. "auto" is "right" on axes of at least 3.5
            inches, otherwise "below". In a figure without a layout engine, which does not make room for a
            legend outside the axes, "auto" is "inside". None draws no legend.
        title : str, default=None
            Title of the axes of the losses.

        Returns
        -------
        TrainingHistoryDisplay
            The display itself, with `ax_`, `accuracy_ax_`, `figure_` and the artists on them.

        Raises
        ------
        TypeError, ValueError
            If a parameter cannot be used, or the history has no epoch or no known curve.
        ImportError
            If matplotlib cannot be imported.
        """
        given = list(np.array(ax, dtype=object).ravel())  # [None] for a new figure
        if len(given) not in (1, 2):
            raise ValueError(f"ax must be one matplotlib Axes, two of them, or None, got {len(given)}.")
        for each in given:
            check_drawing(each, legend)
        epochs, curves = self._check_curves()
        axes = [open_axes(given[0], title)]
        if _ACCURACY in curves:
            axes.append(given[1] if len(given) == 2 else split_axes(axes[0], 0.64))
        self.ax_, self.figure_ = axes[0], axes[0].figure
        self.accuracy_ax_ = axes[1] if len(axes) == 2 else None
        self._draw_curves(epochs, curves)
        self.best_epoch_lines_ = []
        if self.best_epoch is not None:
            self.best_epoch_lines_ = [each.axvline(self.best_epoch, color="0.35", ls=":") for each in axes]
        _label_axes(axes)
        entries = self._legend_entries()
        self.legend_ = legend and draw_legend(axes, [*entries.values()], [*entries], legend)
        return self

    @classmethod
    def from_estimator(
        cls, estimator: Any, *, ax: Any = None, legend: str | None = "auto", title: str | None = None
    ) -> TrainingHistoryDisplay:
        """Draw the training history of a fitted classifier.

        Parameters
        ----------
        estimator : CenterLossClassifier, Pipeline or search
            The fitted classifier, a fitted Pipeline that holds one, or a fitted search over them.
        ax : matplotlib.axes.Axes or sequence of two of them, default=None
            Axes to draw on. None makes a new figure.
        legend : {"auto", "right", "below", "inside"} or None, default="auto"
            Place of the legend.
        title : str, default=None
            Title of the axes of the losses.

        Returns
        -------
        TrainingHistoryDisplay
            The display.

        Raises
        ------
        TypeError, ValueError
            If the estimator does not contain a `CenterLossClassifier`, or a parameter cannot be used.
        sklearn.exceptions.NotFittedError
            If the classifier is not fitted.
        ImportError
            If matplotlib cannot be imported.
        """
        _, classifier = find_step(estimator, CenterLossClassifier)
        check_is_fitted(classifier)
        display = cls(
            classifier.history_,
            best_epoch=getattr(classifier, "best_epoch_", None),
            # Not the parameter, which may have changed after the fit.
            center_lambda=classifier.net_.criterion_.center_lambda,
        )
        return display.plot(ax, legend=legend, title=title)

    @classmethod
    def from_predictions(
        cls,
        history: Any,
        *,
        best_epoch: int | None = None,
        center_lambda: float | None = None,
        ax: Any = None,
        legend: str | None = "auto",
        title: str | None = None,
    ) -> TrainingHistoryDisplay:
        """Draw a training run from its history.

        Parameters
        ----------
        history : sequence of dict
            One dictionary per epoch, such as `CenterLossClassifier.history_`.
        best_epoch : int, default=None
            The epoch whose network was kept, counted from 1. None marks no epoch.
        center_lambda : float, default=None
            Weight of the center loss, at least 0. None or 0 draws the center loss unweighted.
        ax : matplotlib.axes.Axes or sequence of two of them, default=None
            Axes to draw on. None makes a new figure.
        legend : {"auto", "right", "below", "inside"} or None, default="auto"
            Place of the legend.
        title : str, default=None
            Title of the axes of the losses.

        Returns
        -------
        TrainingHistoryDisplay
            The display.

        Raises
        ------
        TypeError, ValueError
            If a parameter cannot be used, or the history has no epoch or no known curve.
        ImportError
            If matplotlib cannot be imported.
        """
        display = cls(history, best_epoch=best_epoch, center_lambda=center_lambda)
        return display.plot(ax, legend=legend, title=title)

    def _check_curves(self) -> tuple[NDArray[np.int64], dict[str, NDArray[np.float64]]]:
        """Return the numbers of the epochs, and the curves by key, with NaN for missing values."""
        rows = list(self.history) if isinstance(self.history, Iterable) else []
        if not rows or not all(isinstance(row, Mapping) for row in rows):
            raise ValueError(
                "history must be a list of at least one dictionary, one per epoch, such as history_ of a "
                f"fitted CenterLossClassifier, got {type(self.history).__name__} with {len(rows)} items."
            )
        curves = {key: np.array([row.get(key, np.nan) for row in rows], dtype=np.float64) for key in _KEYS}
        curves = {key: curve for key, curve in curves.items() if not np.isnan(curve).all()}
        if not curves:
            raise ValueError(f"history has none of the keys {', '.join(_KEYS)}.")
        epochs = np.array([row.get("epoch", number) for number, row in enumerate(rows, start=1)])
        if self.best_epoch is not None:
            check_number("best_epoch", self.best_epoch, integer=True, low=epochs.min(), high=epochs.max())
        check_number("center_lambda", self.center_lambda, low=0, optional=True)
        return epochs, curves

    def _draw_curves(self, epochs: NDArray[np.int64], curves: dict[str, NDArray[np.float64]]) -> None:
        """Draw the losses, and the accuracy in percent."""
        self.lines_ = {}
        # About ten markers per curve, so that the curves of many epochs stay readable.
        every = max(1, len(epochs) // 10)
        for key, curve in curves.items():
            part, name = key.split("_", 1)
            ax: Any = self.accuracy_ax_ if key == _ACCURACY else self.ax_
            factor = {"unweighted_accuracy": 100, "center_loss": self.center_lambda or 1}.get(name, 1)
            look = {**_PARTS[part], **_CURVES[name]}
            if name == "center_loss" and factor != 1:
                look["label"] = f"{factor:g} × center loss"
            (self.lines_[key],) = ax.plot(epochs, factor * curve, ms=5, markevery=every, **look)

    def _legend_entries(self) -> dict[str, Any]:
        """Artists of the legend by label: losses by color and marker, training and validation by line."""
        from matplotlib.lines import Line2D

        entries: dict[str, Any] = {}
        for key, line in self.lines_.items():
            if key != _ACCURACY:
                entries.setdefault(line.get_label(), line)
        if any(key.startswith("valid") for key in self.lines_):
            entries |= {look["label"]: Line2D([], [], color="0.35", **look) for look in _PARTS.values()}
        if self.best_epoch_lines_:
            entries[f"best epoch: {self.best_epoch}"] = self.best_epoch_lines_[0]
        return entries


def _label_axes(axes: list[Any]) -> None:
    """Label the axes of the losses, and those of the accuracy below them."""
    from matplotlib.ticker import MaxNLocator

    axes[0].set_ylabel("loss")
    for accuracy_ax in axes[1:]:
        accuracy_ax.set_ylabel(plain("validation UA (%)"))
    axes[-1].set_xlabel("epoch")
    for ax in axes:
        ax.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
