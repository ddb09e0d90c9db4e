"""Arrays that NumPy would convert with a loss or not at all."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray


def without_mask(name: str, values: Any) -> Any:
    """Raise if a value is masked, and convert a tensor; anything else is returned unchanged."""
    # NumPy would ignore the mask. Nullable arrays of pandas have a mask as well, but their own missing value.
    if isinstance(values, np.ma.MaskedArray) and np.ma.is_masked(values):
        index = np.argwhere(np.ma.getmaskarray(values))[0].tolist()
        where = index[0] if len(index) == 1 else tuple(index)
        raise ValueError(f"{name} has a masked value at index {where}: fill it in or leave the item out.")
    if not isinstance(values, torch.Tensor):
        return values
    # NumPy has no bfloat16, and refuses tensors that require a gradient or are on a GPU.
    return (values.float() if values.dtype == torch.bfloat16 else values).numpy(force=True)


def to_array(name: str, values: Any) -> np.ndarray:
    """Convert values to an array of any data type; raise if one is masked, or parts differ in length."""
    values = without_mask(name, values)
    try:
        return np.asarray(values)
    except ValueError as error:
        raise ValueError(
            f"{name} must be an array, but its parts differ in length: pass parts of equal length."
        ) from error


def check_weights(sample_weight: Any, n_samples: int) -> NDArray[np.float64] | None:
    """Check the weights of items."""
    if sample_weight is None:
        return None
    sample_weight = without_mask("sample_weight", sample_weight)
    try:
        weight = np.asarray(sample_weight)
        if weight.dtype.kind in "cSTU":  # text would be read as numbers, and imaginary parts be ignored
            raise TypeError(f"got dtype {weight.dtype}")
        weight = weight.astype(np.float64)
    except (OverflowError, TypeError, ValueError) as error:
        raise ValueError(f"sample_weight must hold one number per item ({error}).") from error
    if weight.shape != (n_samples,):
        raise ValueError(
            f"sample_weight must be of shape ({n_samples},), one weight per item, got {weight.shape}."
        )
    wrong = ~(np.isfinite(weight) & (weight >= 0))
    if wrong.any():
        index = int(np.argmax(wrong))
        raise ValueError(
            f"sample_weight of item {index} is {weight[index]}: weights must be finite and at least 0."
        )
    if not weight.any():
        raise ValueError("sample_weight is zero for every item: give at least one item a weight above 0.")
    return weight
