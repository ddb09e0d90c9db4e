"""The picture of embeddings and centers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils.validation import check_is_fitted

from ._estimators import find_embedder
from ._items import checked_classes, checked_items
from ._legend import place_legend
from ._projection import check_method, project
from ._style import (
    check_axes,
    check_legend,
    class_area,
    class_style,
    fitted,
    height_in_inches,
    import_pyplot,
    is_wide,
    new_axes,
    per_cent,
    plain,
    width_in_inches,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.legend import Legend


class EmbeddingDisplay:
    """Picture of embeddings in one or two dimensions, with the centers of their classes.

    Make it with :meth:`from_estimator` or :meth:`from_predictions`, which project embeddings of any
    dimension. Parameters are stored as attributes.

    Parameters
    ----------
    points : array-like of shape (n_samples, 1) or (n_samples, 2)
        The embeddings as they are drawn.
    y : array-like of shape (n_samples,)
        Labels: strings, integers or booleans.
    classes : array-like of shape (n_classes,), default=None
        The labels in the order of colours, markers and legend; None takes those in `y`, sorted. Labels of
        `y` that are not among them come after them.
    centers : array-like of shape (n_classes, 1) or (n_classes, 2), default=None
        The centers of `classes`, on the plane of `points`. None draws none.
    axis_labels : sequence of str, default=None
        A label for each dimension, in which matplotlib reads formulas. None draws none.
    projection : transformer, default=None
        What made `points` from the embeddings, fitted; only stored.

    Attributes
    ----------
    ax_ : matplotlib.axes.Axes
        Axes of the picture.
    figure_ : matplotlib.figure.Figure
        Figure that holds it.
    classes_ : ndarray of shape (n_drawn,)
        The labels that are drawn, in order.
    points_ : list of matplotlib.collections.PathCollection
        The items of each of `classes_`.
    centers_ : list of matplotlib.collections.PathCollection
        The center of each of `classes`; empty without centers.
    legend_ : matplotlib.legend.Legend or None
        The legend.

    See Also
    --------
    CenterLossClassifier : Learns the embeddings.
    intra_inter_ratio : A number for what the picture shows.

    Notes
    -----
    Each class has a colour of Okabe and Ito's palette, which all kinds of colour vision tell apart, and
    a marker, which print without colour keeps: 8 colours, 12 markers, 96 different pairs. Centers are
    larger and framed.

    Two dimensions are drawn to one scale, so that distances on the paper compare in all directions.
    A single dimension is drawn with a row for each class, in which the height of an item has no meaning.

    The plane is that of the items shown, unless `method` is a fitted transformer. Discriminants of few
    items in many dimensions look separated whatever the labels; ``method=display.projection`` draws other
    items on the plane of an earlier display.

    Examples
    --------
    >>> import numpy as np
    >>> from skser import EmbeddingDisplay
    >>> rng = np.random.default_rng(0)
    >>> y = np.repeat(["angry", "calm", "sad"], 20)
    >>> embeddings = np.eye(3)[np.repeat([0, 1, 2], 20)] + rng.normal(scale=0.1, size=(60, 3))
    >>> display = EmbeddingDisplay.from_predictions(embeddings, y, centers=np.eye(3))
    >>> display.ax_.get_xlabel()
    'first principal component (53 % of variance)'
    >>> display.figure_.savefig("embeddings.png")  # doctest: +SKIP
    """

    def __init__(
        self,
        points: Any,
        y: Any,
        *,
        classes: Any = None,
        centers: Any = None,
        axis_labels: Any = None,
        projection: Any = None,
    ) -> None:
        self.points = points
        self.y = y
        self.classes = classes
        self.centers = centers
        self.axis_labels = axis_labels
        self.projection = projection

    def plot(
        self,
        ax: Axes | None = None,
        *,
        legend: str | None = "auto",
        title: str | None = None,
        scatter_kw: dict[str, Any] | None = None,
        center_kw: dict[str, Any] | None = None,
    ) -> EmbeddingDisplay:
        """Draw the embeddings.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, default=None
            Axes to draw on. None makes a new figure.
        legend : {"auto", "right", "below", "inside"} or None, default="auto"
            Place of the legend: beside, below or inside the axes. "auto" is "right" on axes
            of 3.5 inches or more, and otherwise "below". None draws no legend.
        title : str, default=None
            Title of the axes.
        scatter_kw : dict, default=None
            What to pass on to `Axes.scatter` for the items, such as ``{"s": 9, "alpha": 0.5}``.
        center_kw : dict, default=None
            What to pass on to `Axes.scatter` for the centers.

        Returns
        -------
        EmbeddingDisplay
            The display itself, with `ax_`, `figure_` and what they hold.

        Raises
        ------
        TypeError, ValueError
            If a parameter cannot be used, or shapes do not go together.
        ImportError
            If matplotlib cannot be imported.
        """
        import_pyplot("EmbeddingDisplay.plot")
        if ax is not None:
            check_axes(ax)
        check_legend(legend)
        points, y = checked_items(self.points, self.y, "points")
        if points.shape[1] > 2:
            raise ValueError(
                f"points must have 1 or 2 dimensions, got {points.shape[1]}: from_predictions projects them."
            )
        if self.axis_labels is not None and len(self.axis_labels) != points.shape[1]:
            raise ValueError(
                f"axis_labels must be {points.shape[1]}, one for each dimension, got {len(self.axis_labels)}."
            )
        classes, centers = checked_classes(y, self.classes, self.centers, points.shape[1])
        ax = new_axes(aspect=0.75, narrow_aspect=1.2) if ax is None else ax
        self.classes_ = classes
        self._draw_items(ax, points, y, scatter_kw or {})
        self._draw_centers(ax, centers, center_kw or {})
        self._decorate(ax, points.shape[1], title)
        self.legend_ = None if legend is None else self._draw_legend(ax, points.shape[1], legend)
        self.ax_, self.figure_ = ax, ax.figure
        return self

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: Any,
        y: Any,
        *,
        method: Any = "pca",
        ax: Axes | None = None,
        legend: str | None = "auto",
        title: str | None = None,
        scatter_kw: dict[str, Any] | None = None,
        center_kw: dict[str, Any] | None = None,
    ) -> EmbeddingDisplay:
        """Embed items by a classifier, project them and its centers to a plane, and draw both.

        Parameters
        ----------
        estimator : CenterLossClassifier, Pipeline or search
            The fitted classifier, a fitted Pipeline that holds one (at its end or before other
            steps), or a fitted search over them.
        X : Spectrograms, list, or array-like
            Items as the estimator takes them: spectrograms, or recordings for a Pipeline that begins with
            `SpectrogramTransformer`.
        y : array-like of shape (n_samples,)
            Labels.
        method : {"pca", "lda"}, transformer or None, default="pca"
            How embeddings become points, as in :meth:`from_predictions`.
        ax : matplotlib.axes.Axes, default=None
            Axes to draw on. None makes a new figure.
        legend : {"auto", "right", "below", "inside"} or None, default="auto"
            Place of the legend.
        title : str, default=None
            Title of the axes.
        scatter_kw : dict, default=None
            What to pass on to `Axes.scatter` for the items.
        center_kw : dict, default=None
            What to pass on to `Axes.scatter` for the centers.

        Returns
        -------
        EmbeddingDisplay
            The display.

        Raises
        ------
        TypeError, ValueError
            If the input or a parameter cannot be used.
        sklearn.exceptions.NotFittedError
            If the classifier is not fitted.
        ImportError
            If matplotlib cannot be imported.

        Warns
        -----
        UserWarning
            With ``method="lda"``, if there are too few items for the dimension of the embedding.
        """
        import_pyplot(f"{cls.__name__}.from_estimator")
        _check_options(ax, legend, method)
        embedder, classifier = find_embedder(estimator)
        check_is_fitted(classifier)
        return cls.from_predictions(
            np.asarray(embedder.transform(X)),
            y,
            centers=classifier.centers_,
            classes=classifier.classes_,
            method=method,
            ax=ax,
            legend=legend,
            title=title,
            scatter_kw=scatter_kw,
            center_kw=center_kw,
        )

    @classmethod
    def from_predictions(
        cls,
        embeddings: Any,
        y: Any,
        *,
        centers: Any = None,
        classes: Any = None,
        method: Any = "pca",
        ax: Axes | None = None,
        legend: str | None = "auto",
        title: str | None = None,
        scatter_kw: dict[str, Any] | None = None,
        center_kw: dict[str, Any] | None = None,
    ) -> EmbeddingDisplay:
        """Project embeddings that have been computed already to a plane, and draw them.

        Parameters
        ----------
        embeddings : array-like of shape (n_samples, embedding_dim)
            What `CenterLossClassifier.transform` gave, or any other vectors.
        y : array-like of shape (n_samples,)
            Labels.
        centers : array-like of shape (n_classes, embedding_dim), default=None
            The centers, as `CenterLossClassifier.centers_`. None draws none.
        classes : array-like of shape (n_classes,), default=None
            The labels in the order of `centers` and of the legend; None takes those in `y`, sorted.
        method : {"pca", "lda"}, transformer or None, default="pca"
            How embeddings become points. "pca" draws the first two principal components, and embeddings of
            1 or 2 dimensions as they are; "lda" the first two discriminants. Any other transformer that
            gives 1 or 2 dimensions, such as ``TSNE()`` or ``make_pipeline(StandardScaler(), PCA(2))``, is
            copied and fitted to the embeddings (and to `y` where it says that it needs labels), or taken as
            it is where it is fitted already. Centers are left out where it has no `transform`, as
            t-SNE. None draws embeddings of 1 or 2 dimensions as they are.
        ax : matplotlib.axes.Axes, default=None
            Axes to draw on. None makes a new figure.
        legend : {"auto", "right", "below", "inside"} or None, default="auto"
            Place of the legend.
        title : str, default=None
            Title of the axes.
        scatter_kw : dict, default=None
            What to pass on to `Axes.scatter` for the items.
        center_kw : dict, default=None
            What to pass on to `Axes.scatter` for the centers.

        Returns
        -------
        EmbeddingDisplay
            The display.

        Raises
        ------
        TypeError, ValueError
            If the input or a parameter cannot be used.
        ImportError
            If matplotlib cannot be imported.

        Warns
        -----
        UserWarning
            With ``method="lda"``, if there are too few items for the dimension of the embedding.
        """
        import_pyplot(f"{cls.__name__}.from_predictions")
        _check_options(ax, legend, method)
        embeddings, y = checked_items(embeddings, y, "embeddings")
        _, centers = checked_classes(y, classes, centers, embeddings.shape[1])
        projection = project(embeddings, y, method)
        display = cls(
            projection.points,
            y,
            classes=classes,
            centers=None if centers is None else projection.of_centers(centers),
            axis_labels=projection.axis_labels,
            projection=projection.transformer,
        )
        return display.plot(ax, legend=legend, title=title, scatter_kw=scatter_kw, center_kw=center_kw)

    def _draw_items(
        self, ax: Axes, points: NDArray[np.float64], y: NDArray[Any], scatter_kw: dict[str, Any]
    ) -> None:
        """Draw the items of each class, smaller and paler where they are many."""
        many = np.interp(np.log(len(points)), np.log([200, 5000]), [0, 1])
        area = _scale(ax) * (26 - 18 * many)
        style = {"alpha": 0.85 - 0.3 * many, "edgecolors": "black", "linewidths": 0.4 - 0.2 * many}
        self.points_ = []
        for index, label in enumerate(self.classes_):
            x, height = _coordinates(points[y == label], index)
            self.points_.append(
                ax.scatter(
                    x, height, **{"s": area * class_area(index), **style, **class_style(index), **scatter_kw}
                )
            )

    def _draw_centers(self, ax: Axes, centers: NDArray[np.float64] | None, center_kw: dict[str, Any]) -> None:
        """Draw the centers above all items, with a white rim that parts them."""
        from matplotlib.patheffects import withStroke

        area, linewidth = 130 * _scale(ax), 1.5 * _scale(ax) ** 0.5
        rim = [withStroke(linewidth=linewidth + 2.5, foreground="white")]
        style = {"edgecolors": "black", "linewidths": linewidth, "zorder": 5, "path_effects": rim}
        self.centers_ = []
        for index, center in enumerate([] if centers is None else centers):
            x, height = center if len(center) == 2 else (center[0], index)
            look = {"s": area * class_area(index), **style, **class_style(index), **center_kw}
            self.centers_.append(ax.scatter([x], [height], **look))

    def _draw_legend(self, ax: Axes, dim: int, where: str) -> Legend | None:
        """Draw the legend; rows of a single dimension have their names at the axis."""
        from matplotlib.lines import Line2D

        entries: list[tuple[Any, str]] = []
        if dim == 2:
            entries = [
                (items, plain(label)) for items, label in zip(self.points_, self.classes_, strict=True)
            ]
        if self.centers_:
            entries.append((Line2D([], [], **_CENTER_IN_LEGEND), "center"))
        if not entries:
            return None
        legend = place_legend([ax], entries, where)
        for index, handle in enumerate(legend.legend_handles[: len(self.points_) if dim == 2 else 0]):
            if handle is not None:  # to be seen, however small the items are
                handle.set(sizes=[26 * class_area(index)], alpha=1)
        return legend

    def _decorate(self, ax: Axes, dim: int, title: str | None) -> None:
        """Scale and label the axes."""
        labels = [""] * dim if self.axis_labels is None else [per_cent(label) for label in self.axis_labels]
        ax.set_xlabel(fitted(labels[0], width_in_inches(ax)))
        if title is not None:
            ax.set_title(title)
        if dim == 1:
            ax.set_yticks(range(len(self.classes_)), [plain(label) for label in self.classes_])
            ax.set_ylim(len(self.classes_) - 0.5, -0.5)
            return
        # A legend below takes away from the height.
        ax.set_ylabel(fitted(labels[1], height_in_inches(ax) if is_wide(ax) else 0))
        both_shared = all(
            len(group.get_siblings(ax)) > 1 for group in (ax.get_shared_x_axes(), ax.get_shared_y_axes())
        )
        # matplotlib widens no limits that are shared both ways.
        ax.set_aspect("equal", adjustable="box" if both_shared else "datalim")


_CENTER_IN_LEGEND: dict[str, Any] = {
    "linestyle": "none",
    "marker": "o",
    "markersize": 8,
    "markerfacecolor": "none",
    "markeredgecolor": "black",
    "markeredgewidth": 1.5,
}


def _scale(ax: Axes) -> float:
    """Area of markers, relative to that on axes of 5 inches."""
    return float(np.clip(width_in_inches(ax) / 5, 0.6, 1) ** 2)


def _check_options(ax: Any, legend: Any, method: Any) -> None:
    """Raise before anything is computed where it could not be drawn."""
    if ax is not None:
        check_axes(ax)
    check_legend(legend)
    check_method(method)


def _coordinates(points: NDArray[np.float64], index: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Give x and y of the items of a class; those of a single dimension lie scattered in a row."""
    if points.shape[1] == 2:
        return points[:, 0], points[:, 1]
    return points[:, 0], index + np.random.default_rng(index).uniform(-0.3, 0.3, len(points))
