"""Embeddings on a plane: principal components, discriminants, or any transformer."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.utils import get_tags
from sklearn.utils.validation import check_is_fitted

from .._utils import check_choice, warn_caller

METHODS = ("pca", "lda")
_ORDINALS = ("first", "second")


class Projection(NamedTuple):
    """Embeddings as they are drawn."""

    points: NDArray[np.float64]  # (n_samples, 1 or 2)
    axis_labels: tuple[str, ...]
    transformer: Any  # fitted, or None where embeddings are drawn as they are

    def of_centers(self, centers: NDArray[np.float64]) -> NDArray[np.float64] | None:
        """Project centers likewise; None where the projection is of the items alone, as t-SNE's is."""
        if self.transformer is None:
            return centers
        if not hasattr(self.transformer, "transform"):
            return None
        return np.asarray(self.transformer.transform(centers), dtype=np.float64)


def check_method(method: Any) -> None:
    """Raise unless a method is a known name, a transformer, or None."""
    if isinstance(method, str):
        check_choice("method", method, METHODS)
    elif method is not None and (
        isinstance(method, type) or not (hasattr(method, "fit_transform") or hasattr(method, "transform"))
    ):
        raise TypeError(
            'method must be "pca", "lda", None or a transformer such as TSNE(), '
            f"got {method!r} of type {type(method).__name__}."
        )


def project(embeddings: NDArray[np.float64], y: NDArray[Any], method: Any) -> Projection:
    """Project embeddings (n_samples, embedding_dim) to one or two dimensions."""
    dim = embeddings.shape[1]
    if method is None and dim > 2:
        raise ValueError(f'method=None draws 1 or 2 dimensions as they are, got {dim}: use method="pca".')
    if method is None or (isinstance(method, str) and method == "pca" and dim <= 2):
        labels = tuple(f"{_ORDINALS[axis]} dimension of the embedding" for axis in range(dim))
        return Projection(embeddings, labels, None)
    transformer = _named(method, embeddings, y) if isinstance(method, str) else method
    if _is_fitted(transformer) and hasattr(transformer, "transform"):
        points, made_here = transformer.transform(embeddings), False
    else:
        transformer, made_here = clone(transformer, safe=False), True
        points = _fit_transform(transformer, embeddings, y)
    points = np.asarray(points, dtype=np.float64)
    if points.ndim != 2 or points.shape[1] not in (1, 2):
        raise ValueError(
            f"method={type(transformer).__name__} must give 1 or 2 dimensions, got shape {points.shape}: "
            "set its n_components=2."
        )
    return Projection(points, _axis_labels(transformer, points.shape[1], made_here), transformer)


def _named(method: str, embeddings: NDArray[np.float64], y: NDArray[Any]) -> Any:
    """Make the transformer that a name stands for."""
    (n, dim), n_classes = embeddings.shape, len(np.unique(y))
    if method == "pca":
        from sklearn.decomposition import PCA

        if n < 2:
            raise ValueError('method="pca" needs two items or more, got 1.')
        return PCA(n_components=min(2, n, dim), svd_solver="full")
    from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

    if not 2 <= n_classes < n:
        raise ValueError(
            f'method="lda" needs two classes or more and more items than classes, got {n} items of '
            f'{n_classes} classes: use method="pca".'
        )
    if n < 3 * dim:
        warn_caller(
            f'method="lda" fits {dim} dimensions to {n} items, so few that they look separated whatever '
            'their labels: use method="pca", or pass a LinearDiscriminantAnalysis that was fitted on other '
            "embeddings, such as those of the training part."
        )
    return LinearDiscriminantAnalysis(n_components=min(2, dim, n_classes - 1))


def _is_fitted(transformer: Any) -> bool:
    """Whether a transformer has been fitted; what is no estimator counts as unfitted."""
    try:
        check_is_fitted(transformer)
    except (NotFittedError, TypeError):
        return False
    return True


def _fit_transform(transformer: Any, embeddings: NDArray[np.float64], y: NDArray[Any]) -> Any:
    """Fit a transformer; labels go to supervised ones alone, for some (UMAP) change with them."""
    labels = (y,) if _needs_labels(transformer) else ()
    with np.errstate(invalid="ignore", divide="ignore"):  # shares of variance where all items coincide
        if hasattr(transformer, "fit_transform"):
            return transformer.fit_transform(embeddings, *labels)
        return transformer.fit(embeddings, *labels).transform(embeddings)


def _needs_labels(transformer: Any) -> bool:
    """Whether a transformer says that it learns from labels."""
    return hasattr(transformer, "__sklearn_tags__") and bool(get_tags(transformer).target_tags.required)


def _axis_labels(transformer: Any, n: int, made_here: bool) -> tuple[str, ...]:
    """Name the axes, with the share of variance of each where the items shown are those it is of."""
    last = transformer[-1] if hasattr(transformer, "steps") else transformer
    name = type(last).__name__
    noun, of = {
        "PCA": ("principal component", "of variance"),
        "LinearDiscriminantAnalysis": ("discriminant", "of variance between classes"),
    }.get(name, (f"dimension of {name}", ""))
    shares = getattr(last, "explained_variance_ratio_", None) if made_here and of else None
    return tuple(
        f"{_ORDINALS[axis]} {noun}" + ("" if shares is None else _share(shares[axis], of))
        for axis in range(n)
    )


def _share(share: float, of: str) -> str:
    """Say a share in per cent, nothing where it is unknown."""
    return f" ({100 * share:.0f} % {of})" if np.isfinite(share) else ""
