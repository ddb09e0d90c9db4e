"""Description of estimators whose fitted state is a few arrays, and its checks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from sklearn.decomposition import PCA
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler
from sklearn.utils.validation import check_is_fitted
from torch import Tensor

from .._utils import check_choice, check_flag, check_number, plain_labels
from ..features import SpeakerNormalizer, check_normalizer_parameters

Shapes = dict[str, tuple[int | None, ...]]  # None is any length


def _vectors(*names: str) -> Callable[[Any], Shapes]:
    """Make the function for arrays with one number per feature."""
    return lambda estimator: dict.fromkeys(names, (estimator.n_features_in_,))


def _weights(classifier: LogisticRegression | LinearDiscriminantAnalysis) -> Shapes:
    """Shapes of the weights of a linear classifier, which has one row for two classes."""
    n_rows = 1 if len(classifier.classes_) == 2 else len(classifier.classes_)
    return {"coef_": (n_rows, classifier.n_features_in_), "intercept_": (n_rows,)}


def _discriminants(lda: LinearDiscriminantAnalysis) -> Shapes:
    """Shapes of the arrays of a discriminant analysis, which depend on its solver."""
    n_features, n_classes = lda.n_features_in_, len(lda.classes_)
    shapes = _weights(lda) | {"means_": (n_classes, n_features), "priors_": (n_classes,)}
    shapes["covariance_"] = (n_features, n_features)
    if lda.solver == "svd":
        shapes["xbar_"] = (n_features,)
    if lda.solver != "lsqr":
        shapes |= {"scalings_": (n_features, None), "explained_variance_ratio_": (None,)}
    return shapes


def _components(pca: PCA) -> Shapes:
    """Shapes of the arrays of a principal component analysis."""
    n = pca.n_components_
    names = ("explained_variance_", "explained_variance_ratio_", "singular_values_")
    shapes: Shapes = {"mean_": (pca.n_features_in_,), "components_": (n, pca.n_features_in_)}
    return shapes | dict.fromkeys(names, (n,))


# Arrays of each class, all of floating-point numbers, and their shapes.
_ARRAYS: dict[type, Callable[[Any], Shapes]] = {
    LinearDiscriminantAnalysis: _discriminants,
    LogisticRegression: _weights,
    PCA: _components,
    SpeakerNormalizer: _vectors("mean_", "scale_"),
    StandardScaler: _vectors("mean_", "var_", "scale_"),
}
# Further attributes of each class, which are numbers or one-dimensional arrays of them.
COUNTS: dict[type, tuple[str, ...]] = {
    LinearDiscriminantAnalysis: ("_max_components",),
    LogisticRegression: ("n_iter_",),
    PCA: ("n_components_", "n_samples_", "noise_variance_"),
    StandardScaler: ("n_samples_seen_",),
}
_SIZES = ("_max_components", "n_components_")  # single integers, on which the size of the output depends
_POSITIVE, _NOT_NEGATIVE = "scale_", "explained_variance_"  # they are divisors, or their square root is one
_TRANSPOSED = ".T"  # suffix of the names of tensors
_SPEAKERS, _KIND = "speakers_", "of_spectrograms"


def has_arrays(estimator: Any) -> bool:
    """Whether this file describes the class of an estimator."""
    return type(estimator) in _ARRAYS


def describe_arrays(estimator: Any, *, speakers: bool) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Return the fitted attributes that are not arrays, and the tensors; speakers only on request."""
    check_is_fitted(estimator)
    found = {name: vars(estimator).get(name) for name in _ARRAYS[type(estimator)](estimator)}
    tensors = dict(_to_tensor(name, np.asarray(value)) for name, value in found.items() if value is not None)
    fitted = {name: getattr(estimator, name) for name in COUNTS.get(type(estimator), ())}
    if isinstance(estimator, SpeakerNormalizer) and speakers and estimator.speakers_:
        fitted[_SPEAKERS] = list(estimator.speakers_)
        tensors[_SPEAKERS] = torch.tensor(np.stack([*estimator.speakers_.values()]))
    return fitted, tensors


def _to_tensor(name: str, array: np.ndarray) -> tuple[str, Tensor]:
    """Convert an array to a tensor, whose name says whether it is transposed."""
    # A file holds tensors row by row. The rounding of a matrix product depends on the order in memory, so an
    # array that is in memory column by column is stored as its transpose, and comes back in the same order.
    if array.ndim == 2 and array.strides[0] < array.strides[1]:
        name, array = name + _TRANSPOSED, array.T
    return name, torch.tensor(array.copy())


def restore_arrays(estimator: Any, fitted: dict[str, Any], tensors: dict[str, Tensor], prefix: str) -> None:
    """Set the fitted attributes of an estimator, and remove its tensors from `tensors`."""
    if isinstance(estimator, SpeakerNormalizer):
        check_normalizer_parameters(estimator.get_params(deep=False))
        estimator.speakers_ = _restore_speakers(fitted, tensors, prefix, estimator.n_features_in_)
        if _KIND in fitted:
            check_flag(_KIND, fitted[_KIND])
            estimator._of_spectrograms = fitted[_KIND]
    for name in COUNTS.get(type(estimator), ()):
        setattr(estimator, name, _check_count(name, fitted.get(name)))
    _check_used_parameters(estimator)
    optional = _optional_arrays(estimator)
    for name, shape in _ARRAYS[type(estimator)](estimator).items():
        is_missing = not {prefix + name, prefix + name + _TRANSPOSED} & tensors.keys()
        if not is_missing or name not in optional:
            setattr(estimator, name, _restore_array(tensors, prefix + name, shape))
        elif isinstance(estimator, StandardScaler):  # other classes do not have the attribute then
            setattr(estimator, name, None)


def _check_used_parameters(estimator: Any) -> None:
    """Raise unless the parameters and the sizes that the methods of a fitted estimator use are possible."""
    if isinstance(estimator, LinearDiscriminantAnalysis):
        check_choice("solver", estimator.solver, ("eigen", "lsqr", "svd"))
        most = min(estimator.n_features_in_, len(estimator.classes_) - 1)
        check_number("_max_components", estimator._max_components, integer=True, low=1, high=most)
        estimator._n_features_out = estimator._max_components
    if isinstance(estimator, PCA):
        check_flag("whiten", estimator.whiten)
    if isinstance(estimator, StandardScaler):
        check_flag("with_mean", estimator.with_mean)
        check_flag("with_std", estimator.with_std)


def _optional_arrays(estimator: Any) -> tuple[str, ...]:
    """Names of the arrays that an estimator may lack."""
    if isinstance(estimator, LinearDiscriminantAnalysis):
        return ("covariance_",)
    if isinstance(estimator, StandardScaler):
        used = {"mean_": estimator.with_mean, "scale_": estimator.with_std, "var_": False}
        return tuple(name for name in used if not used[name])
    return ()


def _restore_array(tensors: dict[str, Tensor], name: str, shape: tuple[int | None, ...]) -> np.ndarray:
    """Remove a tensor from `tensors`, check it, and convert it to an array."""
    is_transposed = name + _TRANSPOSED in tensors
    tensor = tensors.pop(name + _TRANSPOSED if is_transposed else name, None)
    if tensor is None:
        raise ValueError(f"its tensor {name!r} is missing.")
    found = tuple(tensor.shape)[:: -1 if is_transposed else 1]
    is_shape = len(found) == len(shape) and all(n in (None, m) for n, m in zip(shape, found, strict=True))
    if tensor.dtype not in (torch.float32, torch.float64) or not is_shape:
        raise ValueError(
            f"its tensor {name!r} must be of floats and of shape {shape}, got {found}, {tensor.dtype}."
        )
    array: np.ndarray = tensor.numpy().T if is_transposed else tensor.numpy()
    is_too_small = (name.endswith(_POSITIVE) and not (array > 0).all()) or (
        name.endswith(_NOT_NEGATIVE) and (array < 0).any()
    )
    if not np.isfinite(array).all() or is_too_small:
        raise ValueError(f"its tensor {name!r} holds NaN, infinity, or a value that is too small.")
    return array


def _restore_speakers(
    fitted: dict[str, Any], tensors: dict[str, Tensor], prefix: str, n_features: int
) -> dict[Any, np.ndarray]:
    """Restore the mean and the scale of each speaker."""
    if _SPEAKERS not in fitted:
        return {}
    names = fitted[_SPEAKERS]
    if not isinstance(names, list) or len(np.unique(plain_labels(_SPEAKERS, names))) < len(names):
        raise ValueError("its speakers must be a list of different names.")
    arrays = _restore_array(tensors, prefix + _SPEAKERS, (len(names), 2, n_features))
    if not (arrays[:, 1] > 0).all():
        raise ValueError(f"its tensor {prefix + _SPEAKERS!r} holds a scale that is too small.")
    return dict(zip(names, arrays, strict=True))


def _check_count(name: str, value: Any) -> Any:
    """Return an attribute that is a number or an array of numbers; raise for anything else."""
    is_array = isinstance(value, np.ndarray) and name not in _SIZES
    for number in value if is_array else [value]:
        check_number(name, number, integer=name in _SIZES, low=0)
    return value
