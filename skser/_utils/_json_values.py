"""Conversion of plain values to JSON and back that keeps their types."""

from __future__ import annotations

import math
import re
from types import FunctionType
from typing import Any

import numpy as np
import torch

# The optimizers that a file may name. Each has a weight decay, and a state of numbers and tensors only.
OPTIMIZERS = {
    optimizer.__name__: optimizer
    for optimizer in (
        torch.optim.Adadelta,
        torch.optim.Adagrad,
        torch.optim.Adam,
        torch.optim.Adamax,
        torch.optim.AdamW,
        torch.optim.ASGD,
        torch.optim.NAdam,
        torch.optim.RAdam,
        torch.optim.RMSprop,
        torch.optim.SGD,
    )
}

_NUMBERS = ("bool", *(f"{kind}{8 * size}" for kind in ("int", "uint") for size in (1, 2, 4, 8)))
_SCALARS = {name: np.dtype(name).type for name in (*_NUMBERS, "float16", "float32", "float64")}
_DTYPE = re.compile(r"object|\|b1|\|[iu]1|[<>][iu][248]|[<>]f[248]|[<>]U[0-9]{1,7}")
_MAX_ARRAY_BYTES = 2**24


def encode(value: Any, name: str) -> Any:
    """Convert a value to the types of JSON; the name of the value is for error messages."""
    # A value of another type becomes an object whose only key starts with "$" and names the type.
    try:
        return _encode(value, name)
    except RecursionError as error:
        raise ValueError(f"{name} is nested too deeply, or contains itself: make it flatter.") from error


def _encode(value: Any, name: str) -> Any:
    """Convert a value that may be nested in another."""
    kind = type(value)  # not isinstance: a subclass would be read back as its base class
    if value is None or kind in (bool, int, str):
        return value
    if kind is float:
        return value if math.isfinite(value) else {"$float": repr(value)}
    if kind is list:
        return [_encode(item, f"{name}[{index}]") for index, item in enumerate(value)]
    if kind is tuple:
        return {"$tuple": _encode(list(value), name)}
    if kind is dict:
        return _encode_dict(value, name)
    if kind is np.ndarray:
        return _encode_array(value, name)
    if kind is np.str_:
        return {"$str": str(value)}
    if isinstance(value, np.generic) and value.dtype.name in _SCALARS:
        return {f"${value.dtype.name}": _encode(value.item(), name)}
    for optimizer, named in OPTIMIZERS.items():
        if value is named:
            return {"$optimizer": optimizer}
    raise ValueError(
        f"{name} is {_type_of(value)}, which cannot be saved: use None, a number, text, or a list, tuple, "
        "dict or one-dimensional array of these instead."
    )


def decode(written: Any) -> Any:
    """Convert a value from the form that `encode` returned."""
    cause: Exception | None = None
    try:
        with np.errstate(all="ignore"):
            value = _decode(written)
        # This comparison detects all values that numpy would truncate, wrap or parse.
        if encode(value, "a value") == written:
            return value
    except (ArithmeticError, LookupError, RecursionError, TypeError, ValueError) as error:
        cause = error
    raise ValueError("it describes a value in a form that save_model does not write.") from cause


def check_array_sizes(written: Any) -> None:
    """Raise if the arrays of a description would take too much memory together."""
    total, rest = 0, [written]
    while rest:
        value = rest.pop()
        if isinstance(value, (list, dict)):
            rest.extend(value.values() if isinstance(value, dict) else value)
        if isinstance(value, dict) and "$array" in value:
            total += _array_bytes(value["$array"])
    if total > _MAX_ARRAY_BYTES:
        raise ValueError(f"its arrays take {total:,} bytes, more than {_MAX_ARRAY_BYTES:,}.")


def _encode_dict(value: dict[Any, Any], name: str) -> dict[str, Any]:
    """Convert a dict to an object if all its keys are text, otherwise to pairs."""
    if all(type(key) is str and not key.startswith("$") for key in value):
        return {key: _encode(item, f"{name}[{key!r}]") for key, item in value.items()}
    pairs = [
        [_encode(key, f"a key of {name}"), _encode(item, f"{name}[{key!r}]")] for key, item in value.items()
    ]
    return {"$dict": pairs}


def _encode_array(array: np.ndarray, name: str) -> dict[str, Any]:
    """Convert a one-dimensional array, together with its data type."""
    dtype = "object" if array.dtype == object else array.dtype.str
    if array.ndim != 1 or not _DTYPE.fullmatch(dtype) or array.nbytes > _MAX_ARRAY_BYTES:
        raise ValueError(
            f"{name} is an array of shape {array.shape} and dtype {array.dtype}, but only short "
            "one-dimensional arrays of numbers or text can be saved: use a list."
        )
    for index, item in enumerate(array if dtype == "object" else ()):
        if isinstance(item, (list, tuple, dict, np.ndarray)):
            raise ValueError(
                f"{name}[{index}] is {_type_of(item)}, but only arrays of numbers or text can be saved: "
                "use a list."
            )
    return {"$array": [dtype, _encode(array.tolist(), name)]}


def _type_of(value: Any) -> str:
    """Name the type of an object without running its code."""
    if isinstance(value, type):
        return f"the class {value.__name__}"
    if isinstance(value, FunctionType):
        return f"the function {value.__name__}"
    return f"of type {type(value).__name__}"


def _decode(written: Any) -> Any:
    """Convert a value back; the caller checks that `encode` would write it in the same form."""
    if isinstance(written, list):
        return [_decode(item) for item in written]
    if not isinstance(written, dict):
        return written
    tag = next(iter(written), "")
    if not tag.startswith("$"):
        return {key: _decode(item) for key, item in written.items()}
    return _decode_tagged(tag[1:], written[tag])


def _decode_tagged(tag: str, content: Any) -> Any:
    """Convert a value of a type that JSON does not have."""
    if tag == "float":
        return float(content)
    if tag == "str":
        return np.str_(content)
    if tag == "tuple":
        return tuple(_decode(content))
    if tag == "dict":
        return {_decode(key): _decode(item) for key, item in content}
    if tag == "array":
        return _decode_array(content)
    if tag == "optimizer":
        return OPTIMIZERS[content]
    return _SCALARS[tag](_decode(content))


def _array_bytes(written: Any) -> int:
    """Size of an array, which `encode` writes as a list of its data type and its items."""
    dtype, content = written if isinstance(written, list) and len(written) == 2 else (None, None)
    if not (isinstance(dtype, str) and _DTYPE.fullmatch(dtype) and isinstance(content, list)):
        raise ValueError("it describes an array in a form that save_model does not write.")
    return len(content) * np.dtype(dtype).itemsize


def _decode_array(written: Any) -> np.ndarray:
    """Convert an array; its size is checked before memory is allocated."""
    if _array_bytes(written) > _MAX_ARRAY_BYTES:
        raise ValueError("an array is too large.")
    dtype, content = written
    values = _decode(content)
    if dtype != "object":
        return np.array(values, dtype=dtype)
    array = np.empty(len(values), dtype=object)
    for index, item in enumerate(values):
        array[index] = item
    return array
