"""Picture of embeddings and centers."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import KW_ONLY, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils.validation import check_is_fitted

from ..classifier import CenterLossClassifier
from ._drawing import check_drawing, class_style, draw_legend, open_axes, plain, scatter_arguments
from ._estimators import find_step
from ._labels import check_classes, check_labelled
from ._projection import check_method, project

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_CENTER_LOOK: dict[str, Any] = {"s": 80, "edgecolor": "black", "linewidth": 1.5}


@dataclass(eq=False, repr=False)
class EmbeddingDisplay:  # numpydoc ignore=PR02
    """Picture of embeddings in one or two dimensions, with the centers of their classes.

    Make it with :meth:`from_estimator` or :meth:`from_predictions`, which project embeddings of any
    dimension. Parameters are stored as attributes.

    Parameters
    ----------
    points : array-like of shape (n_samples, 1) or (n_samples, 2)
        The projected embeddings.
    y : array-like of shape (n_samples,)
        Labels: strings, integers or booleans.
    classes : array-like of shape (n_classes,), default=None
        The labels in the order of colors, markers and legend. None means those in `y`, sorted. Labels in
        `y` that are not among `classes` follow after them.
    centers : array-like of shape (n_classes, 1) or (n_classes, 2), default=None
        The centers of `classes`, projected like `points`. None draws no centers.
    axis_labels : sequence of str, default=None
        One label per dimension, which may contain formulas for matplotlib. None draws no labels.
    projection : transformer, default=None
        The fitted transformer that made `points` from the embeddings. It is only stored.

    Attributes
    ----------
    ax_ : matplotlib.axes.Axes
        Axes of the picture.
    figure_ : matplotlib.figure.Figure
        Figure of these axes.
    classes_ : ndarray of shape (n_drawn,)
        The labels in the order in which they are drawn.
    points_ : list of matplotlib.collections.PathCollection
        The items of each of `classes_`.
    centers_ : list of matplotlib.collections.PathCollection
        The center of each of `classes`, empty without centers.
    legend_ : matplotlib.legend.Legend or None
        The legend, None without one.

    See Also
    --------
    CenterLossClassifier : Learns the embeddings.
    intra_inter_ratio : Measures how well the classes are separated.

    Notes
    -----
    Each class has a color of Okabe and Ito's palette, whose colors can be distinguished with any kind of
    color vision, and a marker, which is also visible in print without color: 8 colors and 12 markers make 96
    different pairs. Centers are larger and have a thicker edge.

    Two dimensions are drawn to the same scale, so that distances can be compared in all directions. A single
    dimension is drawn with one row per class, in which the height of an item has no meaning.

    The percentage in an axis label is the share of the variance in this direction: of the variance of all
    items for principal components, and of the variance between the classes for discriminants.

    The plane is fitted to the items shown, unless `method` is a fitted transformer. With few items in many
    dimensions, discriminants look separated whatever the labels. ``method=display.projection`` draws other
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
    'principal component 1 (53%)'
    >>> display.figure_.savefig("embeddings.png")  # doctest: +SKIP
    """

    points: Any
    y: Any
    _: KW_ONLY
    classes: Any = None
    centers: Any = None
    axis_labels: Any = None
    projection: Any = None

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
            Axes to draw on. None makes a new figure, with constrained layout.
        legend : {"auto", "right", "below", "inside"} or None, default="auto"
            Place of the legend: beside, below or inside the axes. "auto" is "right" on axes of at least 3.5
            inches, otherwise "below". In a figure without a layout engine, which does not make room for a
            legend outside the axes, "auto" is "inside". None draws no legend.
        title : str, default=None
            Title of the axes.
        scatter_kw : dict, default=None
            Arguments of `Axes.scatter` for the items, such as ``{"s": 9, "alpha": 0.5}``.
        center_kw : dict, default=None
            Arguments of `Axes.scatter` for the centers.

        Returns
        -------
        EmbeddingDisplay
            The display itself, with `ax_`, `figure_` and the artists on them.

        Raises
        ------
        TypeError, ValueError
            If a parameter cannot be used, or shapes do not match.
        ImportError
            If matplotlib cannot be imported.
        """
        check_drawing(ax, legend)
        points, y = check_labelled(self.points, self.y, "points")
        dim = points.shape[1]
        if dim > 2:
            raise ValueError(
                f"points must have 1 or 2 dimensions, got {dim}: project them with from_predictions and a "
                'method such as "pca" or PCA(n_components=2).'
            )
        self.classes_, centers = check_classes(y, self.classes, self.centers, dim)
        looks = scatter_arguments(scatter_kw), scatter_arguments(center_kw)
        self.ax_ = open_axes(ax, title)
        self.figure_ = self.ax_.figure
        if dim == 1:
            rows = (y[:, np.newaxis] == self.classes_).argmax(axis=1)
            points = np.column_stack([points, rows + np.random.default_rng(0).uniform(-0.3, 0.3, len(y))])
            centers = None if centers is None else np.column_stack([centers, range(len(centers))])
        self._draw_items(points, y, looks[0])
        self._draw_centers(centers, looks[1])
        self._label_axes(dim)
        self.legend_ = None if legend is None else self._draw_legend(dim, legend)
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
        """Embed items with a classifier, project them and its centers to a plane, and draw both.

        Parameters
        ----------
        estimator : CenterLossClassifier, Pipeline or search
            The fitted classifier, a fitted Pipeline that holds one (at its end or before other
            steps), or a fitted search over them.
        X : Spectrograms, list, or array-like
            Input of the estimator: spectrograms, or recordings for a Pipeline that starts with
            `SpectrogramTransformer`.
        y : array-like of shape (n_samples,)
            Labels.
        method : {"pca", "lda"}, transformer or None, default="pca"
            Projection of embeddings to points, as in :meth:`from_predictions`.
        ax : matplotlib.axes.Axes, default=None
            Axes to draw on. None makes a new figure.
        legend : {"auto", "right", "below", "inside"} or None, default="auto"
            Place of the legend.
        title : str, default=None
            Title of the axes.
        scatter_kw : dict, default=None
            Arguments of `Axes.scatter` for the items.
        center_kw : dict, default=None
            Arguments of `Axes.scatter` for the centers.

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
        check_drawing(ax, legend)
        check_method(method)
        embedder, classifier = find_step(estimator, CenterLossClassifier)
        check_is_fitted(classifier)
        return cls.from_predictions(
            embedder.transform(X),
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
        """Project embeddings that are already computed to a plane, and draw them.

        Parameters
        ----------
        embeddings : array-like of shape (n_samples, embedding_dim)
            Embeddings from `CenterLossClassifier.transform`, or any other vectors.
        y : array-like of shape (n_samples,)
            Labels.
        centers : array-like of shape (n_classes, embedding_dim), default=None
            The centers, such as `CenterLossClassifier.centers_`. None draws no centers.
        classes : array-like of shape (n_classes,), default=None
            The labels in the order of `centers` and of the legend. None means those in `y`, sorted.
        method : {"pca", "lda"}, transformer or None, default="pca"
            Projection to points. "pca" draws the first two principal components, "lda" the first two
            discriminants. Embeddings of 1 or 2 dimensions are drawn unchanged with "pca" and with None. Any
            other transformer to 1 or 2 dimensions, such as ``TSNE()`` or
            ``make_pipeline(StandardScaler(), PCA(2))``, is used unchanged if it is fitted; otherwise a copy
            is fitted to the embeddings, and to `y` if its tags state that it requires labels. Centers are not
            drawn if it has no `transform`, as in the case of t-SNE.
        ax : matplotlib.axes.Axes, default=None
            Axes to draw on. None makes a new figure.
        legend : {"auto", "right", "below", "inside"} or None, default="auto"
            Place of the legend.
        title : str, default=None
            Title of the axes.
        scatter_kw : dict, default=None
            Arguments of `Axes.scatter` for the items.
        center_kw : dict, default=None
            Arguments of `Axes.scatter` for the centers.

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
        check_drawing(ax, legend)
        check_method(method)
        embeddings, y = check_labelled(embeddings, y, "embeddings")
        _, centers = check_classes(y, classes, centers, embeddings.shape[1])
        display = cls(y=y, classes=classes, **project(embeddings, y, centers, method))
        return display.plot(ax, legend=legend, title=title, scatter_kw=scatter_kw, center_kw=center_kw)

    def _draw_items(self, points: NDArray[np.float64], y: NDArray[Any], scatter_kw: dict[str, Any]) -> None:
        """Draw the items of each class; many items are drawn smaller and paler."""
        many = np.interp(np.log(len(points)), np.log([200, 5000]), [0, 1])
        look = {"s": 20 - 12 * many, "alpha": 0.85 - 0.3 * many, "edgecolor": "black", "linewidth": 0.3}
        self.points_ = self._scatter([points[y == label] for label in self.classes_], look | scatter_kw)

    def _draw_centers(self, centers: NDArray[np.float64] | None, center_kw: dict[str, Any]) -> None:
        """Draw the centers above all items, with a white rim that separates them."""
        from matplotlib.patheffects import withStroke

        look = {**_CENTER_LOOK, "zorder": 5, "path_effects": [withStroke(linewidth=4, foreground="white")]}
        self.centers_ = self._scatter([] if centers is None else centers, look | center_kw)

    def _scatter(self, parts: Iterable[NDArray[np.float64]], look: dict[str, Any]) -> list[Any]:
        """Draw the points of each class in its color and with its marker, unless `look` has its own."""
        drawn = []
        for index, points in enumerate(parts):
            style = class_style(index)
            if "c" in look:  # another name of the color in `Axes.scatter`, which refuses both
                del style["color"]
            drawn.append(self.ax_.scatter(*points.T, **(style | look)))
        return drawn

    def _label_axes(self, dim: int) -> None:
        """Scale and label the axes."""
        ax = self.ax_
        if self.axis_labels is not None:
            ax.set(**dict(zip(("xlabel", "ylabel"), self.axis_labels, strict=False)))
        if dim == 1:
            ax.set_yticks(range(len(self.classes_)), [plain(label) for label in self.classes_])
            ax.set_ylim(len(self.classes_) - 0.5, -0.5)
        else:  # matplotlib does not widen limits that both axes share
            shared = len(ax.get_shared_x_axes().get_siblings(ax)) > 1
            ax.set_aspect("equal", adjustable="box" if shared else "datalim")

    def _draw_legend(self, dim: int, where: str) -> Any:
        """Draw the legend; with a single dimension, the names of the classes are at the axis instead."""
        items = self.points_ if dim == 2 else []
        handles = [*items]
        labels = [plain(label) for label in self.classes_[: len(items)]]
        if self.centers_:
            handles.append(self.ax_.scatter([], [], color="none", **_CENTER_LOOK))
            labels.append("center")
        if not handles:
            return None
        legend = draw_legend([self.ax_], handles, labels, where)
        for handle in legend.legend_handles[: len(items)]:
            handle.set(sizes=[20], alpha=1)  # visible even if the items are small and pale
        return legend
