"""Arrays that NumPy would convert with a loss or not at all."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch


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
