"""Projections of embeddings to a plane: principal components, discriminants, or any transformer."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.utils import get_tags
from sklearn.utils.validation import check_is_fitted

from .._utils import check_choice, warn_caller
from ._drawing import plain

_COMPONENTS = {"PCA": "principal component", "LinearDiscriminantAnalysis": "discriminant"}


def check_method(method: Any) -> None:
    """Raise unless a method is a known name, a transformer, or None."""
    is_transformer = hasattr(method, "fit_transform") or hasattr(method, "transform")
    if isinstance(method, str):
        check_choice("method", method, ("pca", "lda"))
    elif method is not None and (isinstance(method, type) or not is_transformer):
        raise TypeError(
            'method must be "pca", "lda", None or a transformer such as TSNE(), '
            f"got {method!r} of type {type(method).__name__}."
        )


def project(embeddings: NDArray[np.float64], y: NDArray[Any], centers: Any, method: Any) -> dict[str, Any]:
    """Project embeddings (n_samples, embedding_dim) and centers, and return the fields of their display."""
    dim = embeddings.shape[1]
    if method is None or (isinstance(method, str) and method == "pca" and dim <= 2):
        labels = _axis_labels("embedding dimension", dim)
        return {"points": embeddings, "centers": centers, "axis_labels": labels, "projection": None}
    transformer = _named_transformer(method, embeddings, y) if isinstance(method, str) else method
    fitted_before = _is_fitted(transformer) and hasattr(transformer, "transform")
    if fitted_before:
        points = transformer.transform(embeddings)
    else:
        transformer = clone(transformer, safe=False)
        points = _fit_transform(transformer, embeddings, y)
    if centers is not None:  # t-SNE cannot project them
        centers = transformer.transform(centers) if hasattr(transformer, "transform") else None
    last_step = transformer[-1] if hasattr(transformer, "steps") else transformer
    # The shares of variance are those of the items that the transformer was fitted to.
    shares = None if fitted_before else getattr(last_step, "explained_variance_ratio_", None)
    name = type(last_step).__name__
    labels = _axis_labels(_COMPONENTS.get(name, f"{name} dimension"), np.shape(points)[-1], shares)
    return {"points": points, "centers": centers, "axis_labels": labels, "projection": transformer}


def _named_transformer(method: str, embeddings: NDArray[np.float64], y: NDArray[Any]) -> Any:
    """Make the transformer for "pca" or "lda"."""
    from sklearn.decomposition import PCA
    from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

    if method == "pca":
        return PCA(n_components=2, svd_solver="full")
    (n, dim), n_classes = embeddings.shape, len(np.unique(y))
    if n_classes < 2:
        raise ValueError('method="lda" needs at least two classes, got 1: use method="pca".')
    if n < 3 * dim:
        warn_caller(
            f'method="lda" fits {dim} dimensions to only {n} items, so that classes look separated whatever '
            'the labels: use method="pca", or pass a LinearDiscriminantAnalysis that was fitted on other '
            "embeddings, such as those of the training set."
        )
    return LinearDiscriminantAnalysis(n_components=min(2, dim, n_classes - 1))


def _is_fitted(transformer: Any) -> bool:
    """Whether a transformer has been fitted; one that is not a scikit-learn estimator counts as unfitted."""
    try:
        check_is_fitted(transformer)
    except (NotFittedError, TypeError):
        return False
    return True


def _fit_transform(transformer: Any, embeddings: NDArray[np.float64], y: NDArray[Any]) -> Any:
    """Fit a transformer, with labels only if it requires them."""
    # Some transformers that do not require them, such as UMAP, give other results with labels.
    supervised = hasattr(transformer, "__sklearn_tags__") and get_tags(transformer).target_tags.required
    with np.errstate(invalid="ignore", divide="ignore"):  # shares of variance if all items are equal
        return transformer.fit_transform(embeddings, *([y] if supervised else []))


def _axis_labels(name: str, dim: int, shares: NDArray[np.float64] | None = None) -> list[str]:
    """Label the dimensions by numbers, each with its share of the variance if it is known."""
    labels = [f"{name} {number}" for number in range(1, dim + 1)]
    if shares is None or not np.isfinite(shares).all():
        return labels
    return [plain(f"{label} ({share:.0%})") for label, share in zip(labels, shares, strict=False)]
