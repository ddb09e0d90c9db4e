"""The picture of a training."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils.validation import check_is_fitted

from .._utils import check_number
from ._estimators import find_embedder
from ._legend import place_legend
from ._style import (
    COLOURS,
    check_axes,
    check_legend,
    fitted,
    height_in_inches,
    import_pyplot,
    new_axes,
    per_cent,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.legend import Legend

# What a curve is called, its colour, marker and width; the joint loss lies under its parts.
_LOSSES = {
    "loss": ("joint loss", "black", "o", 2.2),
    "cross_entropy": ("cross-entropy", COLOURS[0], "s", 1.4),
    "center_loss": ("center loss", COLOURS[1], "^", 1.4),
}
_PARTS: dict[str, tuple[str, Any]] = {"train": ("training", "-"), "valid": ("validation", "--")}
_ACCURACY = "valid_unweighted_accuracy"


class TrainingHistoryDisplay:
    """Picture of a training: the losses and, with early stopping, validation and the best epoch.

    Make it with :meth:`from_estimator` or :meth:`from_predictions`. Parameters are stored as attributes.

    Parameters
    ----------
    history : sequence of dict
        One dictionary an epoch, as `CenterLossClassifier.history_`. What it lacks is not drawn.
    best_epoch : int, default=None
        The epoch whose network was kept, counted from 1. None marks none.
    center_lambda : float, default=None
        Weight of the center loss, at least 0. Above 0 the center loss is drawn times it, so that the
        curves add up to the joint loss. None or 0 draws the center loss unweighted.

    Attributes
    ----------
    ax_ : matplotlib.axes.Axes
        Axes of the losses.
    accuracy_ax_ : matplotlib.axes.Axes or None
        Axes of the unweighted accuracy (UA) below them; None without validation.
    figure_ : matplotlib.figure.Figure
        Figure that holds them.
    lines_ : dict of str to matplotlib.lines.Line2D
        The curves, by their keys in `history`.
    best_epoch_lines_ : list of matplotlib.lines.Line2D
        The marks of the best epoch, one on each axes.
    legend_ : matplotlib.legend.Legend or None
        The legend.

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

    def __init__(
        self, history: Any, *, best_epoch: int | None = None, center_lambda: float | None = None
    ) -> None:
        self.history = history
        self.best_epoch = best_epoch
        self.center_lambda = center_lambda

    def plot(
        self,
        ax: Axes | Sequence[Axes] | None = None,
        *,
        legend: str | None = "auto",
        title: str | None = None,
    ) -> TrainingHistoryDisplay:
        """Draw the curves.

        Parameters
        ----------
        ax : matplotlib.axes.Axes or sequence of two of them, default=None
            Axes to draw on. With validation a single one is divided, losses above and accuracy below; two
            take one each. None makes a new figure.
        legend : {"auto", "right", "below", "inside"} or None, default="auto"
            Place of the legend: beside, below or inside the axes. "auto" is "right" on axes
            of 3.5 inches or more, and otherwise "below". None draws no legend.
        title : str, default=None
            Title of the axes of the losses.

        Returns
        -------
        TrainingHistoryDisplay
            The display itself, with `ax_`, `accuracy_ax_`, `figure_` and what they hold.

        Raises
        ------
        TypeError, ValueError
            If a parameter cannot be used, or the history holds no epoch or no known curve.
        ImportError
            If matplotlib cannot be imported.
        """
        import_pyplot("TrainingHistoryDisplay.plot")
        given = _given_axes(ax)
        check_legend(legend)
        epochs, curves = self._checked_curves()
        axes = _panels(given, with_accuracy=_ACCURACY in curves)
        self.ax_, self.accuracy_ax_ = axes[0], axes[1] if _ACCURACY in curves else None
        self.figure_ = self.ax_.figure
        self._draw_losses(epochs, curves)
        self._draw_accuracy(epochs, curves)
        self._mark_best_epoch(epochs, curves)
        _decorate(self.ax_, self.accuracy_ax_, epochs)
        if title is not None:
            self.ax_.set_title(title)
        self.legend_ = None if legend is None else self._draw_legend(curves, legend)
        return self

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        *,
        ax: Axes | Sequence[Axes] | None = None,
        legend: str | None = "auto",
        title: str | None = None,
    ) -> TrainingHistoryDisplay:
        """Draw the training of a fitted classifier.

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
            If the estimator holds no `CenterLossClassifier`, or a parameter cannot be used.
        sklearn.exceptions.NotFittedError
            If the classifier is not fitted.
        ImportError
            If matplotlib cannot be imported.
        """
        import_pyplot(f"{cls.__name__}.from_estimator")
        _, classifier = find_embedder(estimator)
        check_is_fitted(classifier)
        display = cls(
            classifier.history_,
            best_epoch=getattr(classifier, "best_epoch_", None),
            # Not the parameter, which may have been set to something else since.
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
        ax: Axes | Sequence[Axes] | None = None,
        legend: str | None = "auto",
        title: str | None = None,
    ) -> TrainingHistoryDisplay:
        """Draw a training from what was recorded of it.

        Parameters
        ----------
        history : sequence of dict
            One dictionary an epoch, as `CenterLossClassifier.history_`.
        best_epoch : int, default=None
            The epoch whose network was kept, counted from 1. None marks none.
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
            If a parameter cannot be used, or the history holds no epoch or no known curve.
        ImportError
            If matplotlib cannot be imported.
        """
        import_pyplot(f"{cls.__name__}.from_predictions")
        display = cls(history, best_epoch=best_epoch, center_lambda=center_lambda)
        return display.plot(ax, legend=legend, title=title)

    def _checked_curves(self) -> tuple[NDArray[np.int64], dict[str, NDArray[np.float64]]]:
        """Numbers of the epochs, and the curves by key, NaN in epochs that lack a value."""
        rows = list(self.history) if isinstance(self.history, Iterable) else []
        if not rows or not all(isinstance(row, Mapping) for row in rows):
            raise ValueError(
                "history must be a list with a dictionary for each epoch, one or more, such as history_ of a "
                f"fitted CenterLossClassifier, got {type(self.history).__name__} with {len(rows)} items."
            )
        keys = [f"{part}_{loss}" for part in _PARTS for loss in _LOSSES] + [_ACCURACY]
        curves = {key: np.array([row.get(key, np.nan) for row in rows], dtype=np.float64) for key in keys}
        curves = {key: curve for key, curve in curves.items() if not np.isnan(curve).all()}
        if not curves:
            raise ValueError(f"history has none of the keys {', '.join(keys)}.")
        epochs = np.array([row.get("epoch", number) for number, row in enumerate(rows, start=1)])
        if self.best_epoch is not None:
            check_number("best_epoch", self.best_epoch, integer=True, low=epochs.min(), high=epochs.max())
        if self.center_lambda is not None:
            check_number("center_lambda", self.center_lambda, low=0)
        return epochs, curves

    def _draw_losses(self, epochs: NDArray[np.int64], curves: dict[str, NDArray[np.float64]]) -> None:
        """Draw the losses, training filled and validation hollow."""
        self.lines_ = {}
        for part, (_, linestyle) in _PARTS.items():
            for loss, (_, colour, marker, width) in _LOSSES.items():
                key = f"{part}_{loss}"
                if key in curves:
                    (self.lines_[key],) = self.ax_.plot(
                        epochs,
                        self._weight(loss) * curves[key],
                        color=colour,
                        linestyle=linestyle,
                        linewidth=width,
                        marker=marker,
                        markersize=5,
                        markerfacecolor=colour if part == "train" else "white",
                        markevery=_mark_every(len(epochs)),
                    )

    def _draw_accuracy(self, epochs: NDArray[np.int64], curves: dict[str, NDArray[np.float64]]) -> None:
        """Draw the unweighted accuracy in per cent."""
        if self.accuracy_ax_ is not None:
            (self.lines_[_ACCURACY],) = self.accuracy_ax_.plot(
                epochs,
                100 * curves[_ACCURACY],
                color=COLOURS[2],
                linestyle="--",
                marker="D",
                markersize=4,
                markerfacecolor="white",
                markevery=_mark_every(len(epochs)),
            )

    def _mark_best_epoch(self, epochs: NDArray[np.int64], curves: dict[str, NDArray[np.float64]]) -> None:
        """Draw a line at the best epoch on each axes, and fill the marker of its accuracy."""
        self.best_epoch_lines_ = []
        if self.best_epoch is None:
            return
        look: dict[str, Any] = {"color": "0.35", "linestyle": ":", "linewidth": 1.5, "zorder": 1}
        self.best_epoch_lines_ = [ax.axvline(self.best_epoch, **look) for ax in self._axes()]
        if self.accuracy_ax_ is not None:
            best = 100 * curves[_ACCURACY][epochs == self.best_epoch]
            self.accuracy_ax_.plot([self.best_epoch], best, color=COLOURS[2], marker="D", markersize=7)

    def _axes(self) -> list[Axes]:
        """Axes that were drawn on, from top to bottom."""
        return [self.ax_] if self.accuracy_ax_ is None else [self.ax_, self.accuracy_ax_]

    def _draw_legend(self, curves: dict[str, NDArray[np.float64]], where: str) -> Legend:
        """Draw the legend: losses by colour and marker, parts by line."""
        from matplotlib.lines import Line2D

        entries: list[tuple[Any, str]] = []
        for loss, (name, colour, marker, width) in _LOSSES.items():
            if f"train_{loss}" in curves or f"valid_{loss}" in curves:
                label = f"{self.center_lambda:g} × {name}" if self._weight(loss) != 1 else name
                handle = Line2D([], [], color=colour, marker=marker, linewidth=width, markersize=5)
                entries.append((handle, label))
        if any(key.startswith("valid") for key in curves):
            for name, linestyle in _PARTS.values():
                entries.append((Line2D([], [], color="0.35", linestyle=linestyle), name))
        if self.best_epoch_lines_:
            entries.append((self.best_epoch_lines_[0], f"best epoch: {self.best_epoch}"))
        return place_legend(self._axes(), entries, where)

    def _weight(self, loss: str) -> float:
        """Factor that a loss is drawn with."""
        return (self.center_lambda or 1.0) if loss == "center_loss" else 1.0


def _mark_every(n_epochs: int) -> int:
    """Epochs from one marker to the next."""
    return max(1, n_epochs // 10)


def _given_axes(ax: Any) -> list[Axes]:
    """One or two axes, or none."""
    if ax is None:
        return []
    given = list(np.ravel(ax)) if isinstance(ax, (list, tuple, np.ndarray)) else [ax]
    if len(given) not in (1, 2):
        raise ValueError(f"ax must be one matplotlib Axes, two of them, or None, got {len(given)}.")
    for each in given:
        check_axes(each)
    return given


def _panels(given: list[Axes], *, with_accuracy: bool) -> list[Axes]:
    """Axes of the losses and, where there is one, of the accuracy."""
    if len(given) == 2:
        return given
    aspect, narrow_aspect = (0.8, 1.3) if with_accuracy else (0.6, 0.95)
    ax = given[0] if given else new_axes(aspect=aspect, narrow_aspect=narrow_aspect)
    return [ax, _lower_part(ax)] if with_accuracy else [ax]


def _lower_part(ax: Axes, share: float = 0.36) -> Axes:
    """Give the lower part of the room of some axes to new ones that share their epochs."""
    figure, spec = ax.figure, ax.get_subplotspec()
    if spec is not None:
        parts = spec.subgridspec(2, 1, height_ratios=(1 - share, share))
        ax.set_subplotspec(parts[0])
        return figure.add_subplot(parts[1], sharex=ax)
    x, y, width, height = ax.get_position().bounds
    ax.set_position((x, y + height * (share + 0.04), width, height * (0.96 - share)))
    return figure.add_axes((x, y, width, height * (share - 0.04)), sharex=ax)


def _decorate(ax: Axes, accuracy_ax: Axes | None, epochs: NDArray[np.int64]) -> None:
    """Label the axes."""
    from matplotlib.ticker import MaxNLocator

    ax.set_ylabel("loss")
    lowest = ax if accuracy_ax is None else accuracy_ax
    lowest.set_xlabel("epoch")
    if accuracy_ax is not None:
        accuracy_ax.margins(y=0.1)  # room for the mark of the best epoch
        accuracy_ax.set_ylabel(fitted(per_cent("validation UA (%)"), height_in_inches(accuracy_ax)))
        if accuracy_ax in ax.get_shared_x_axes().get_siblings(ax):
            ax.tick_params(labelbottom=False)
    margin = max(0.5, 0.02 * np.ptp(epochs))
    for each in (ax, lowest):
        each.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
        each.set_xlim(epochs.min() - margin, epochs.max() + margin)
