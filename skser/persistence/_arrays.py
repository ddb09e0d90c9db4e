"""Description of estimators whose fitted state is a few arrays, and its checks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler
from sklearn.utils.validation import check_is_fitted
from torch import Tensor

from .._utils import check_number
from ..features import SpeakerNormalizer, check_normalizer_parameters

Shapes = dict[str, tuple[int, ...]]


def _vectors(*names: str) -> Callable[[Any], Shapes]:
    """Make the function for arrays with one number per feature."""
    return lambda estimator: dict.fromkeys(names, (estimator.n_features_in_,))


def _weights(classifier: LogisticRegression) -> Shapes:
    """Shapes of the weights of a linear classifier, which has one row for two classes."""
    n_rows = 1 if len(classifier.classes_) == 2 else len(classifier.classes_)
    return {"coef_": (n_rows, classifier.n_features_in_), "intercept_": (n_rows,)}


# Arrays of each class, all of floating-point numbers, and their shapes.
_ARRAYS: dict[type, Callable[[Any], Shapes]] = {
    LogisticRegression: _weights,
    SpeakerNormalizer: _vectors("mean_", "scale_"),
    StandardScaler: _vectors("mean_", "var_", "scale_"),
}
# Further attributes of each class, which are numbers or one-dimensional arrays of them.
_COUNTS: dict[type, str] = {LogisticRegression: "n_iter_", StandardScaler: "n_samples_seen_"}
_MAY_BE_NONE = StandardScaler  # its arrays, if with_mean or with_std is False
_POSITIVE = "scale_"
_SPEAKERS = "speakers_"


def has_arrays(estimator: Any) -> bool:
    """Whether this file describes the class of an estimator."""
    return type(estimator) in _ARRAYS


def describe_arrays(estimator: Any, *, speakers: bool) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Return the fitted attributes that are not arrays, and the tensors; speakers only on request."""
    check_is_fitted(estimator)
    found = {name: getattr(estimator, name) for name in _ARRAYS[type(estimator)](estimator)}
    tensors = {name: torch.tensor(np.asarray(value)) for name, value in found.items() if value is not None}
    fitted = {}
    if type(estimator) in _COUNTS:
        fitted[_COUNTS[type(estimator)]] = getattr(estimator, _COUNTS[type(estimator)])
    if isinstance(estimator, SpeakerNormalizer) and speakers and estimator.speakers_:
        fitted[_SPEAKERS] = list(estimator.speakers_)
        tensors[_SPEAKERS] = torch.tensor(np.stack([*estimator.speakers_.values()]))
    return fitted, tensors


def restore_arrays(estimator: Any, fitted: dict[str, Any], tensors: dict[str, Tensor], prefix: str) -> None:
    """Set the fitted attributes of an estimator, and remove its tensors from `tensors`."""
    shapes = _ARRAYS[type(estimator)](estimator)
    if isinstance(estimator, SpeakerNormalizer):
        check_normalizer_parameters(estimator.get_params(deep=False))
        estimator.speakers_ = _restore_speakers(fitted, tensors, prefix, estimator.n_features_in_)
    for name, shape in shapes.items():
        is_none = prefix + name not in tensors and isinstance(estimator, _MAY_BE_NONE)
        setattr(estimator, name, None if is_none else _restore_array(tensors, prefix + name, shape))
    if type(estimator) in _COUNTS:
        _restore_counts(estimator, _COUNTS[type(estimator)], fitted)


def _restore_array(tensors: dict[str, Tensor], name: str, shape: tuple[int, ...]) -> np.ndarray:
    """Remove a tensor from `tensors`, check it, and convert it to an array."""
    if name not in tensors:
        raise ValueError(f"its tensor {name!r} is missing.")
    tensor = tensors.pop(name)
    if tensor.dtype not in (torch.float32, torch.float64) or tensor.shape != shape:
        found = f"{tuple(tensor.shape)}, {tensor.dtype}"
        raise ValueError(f"its tensor {name!r} must be of floats and of shape {shape}, got {found}.")
    array: np.ndarray = tensor.numpy()
    if not np.isfinite(array).all() or (name.endswith(_POSITIVE) and not (array > 0).all()):
        raise ValueError(f"its tensor {name!r} holds NaN, infinity, or a value that is too small.")
    return array


def _restore_speakers(
    fitted: dict[str, Any], tensors: dict[str, Tensor], prefix: str, n_features: int
) -> dict[Any, np.ndarray]:
    """Restore the mean and the scale of each speaker."""
    if _SPEAKERS not in fitted:
        return {}
    names = fitted[_SPEAKERS]
    if not isinstance(names, list) or len(set(names)) < len(names):
        raise ValueError("its speakers must be a list of different names.")
    arrays = _restore_array(tensors, prefix + _SPEAKERS, (len(names), 2, n_features))
    if not (arrays[:, 1] > 0).all():
        raise ValueError(f"its tensor {prefix + _SPEAKERS!r} holds a scale that is too small.")
    return dict(zip(names, arrays, strict=True))


def _restore_counts(estimator: Any, name: str, fitted: dict[str, Any]) -> None:
    """Set an attribute that is a number or an array of numbers."""
    value = fitted[name]
    for number in value if isinstance(value, np.ndarray) else [value]:
        check_number(name, number, low=0)
    setattr(estimator, name, value)
