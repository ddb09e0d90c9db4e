"""Labels, groups and speakers of any kind, as arrays that NumPy can sort and compare."""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Iterable
from datetime import date
from enum import Enum
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from ._arrays import without_mask

# The kinds of labels and their types. The order matters: a bool is an int.
_KINDS: dict[str, tuple[type, ...]] = {
    "booleans": (bool, np.bool_),
    "integers": (int, np.integer),
    "floats": (float, np.floating),
    "text": (str,),
    "bytes": (bytes,),
    "dates": (date, np.datetime64),
}
_CURE = "use text, integers, booleans, or members of one Enum"


class Labels(NamedTuple):
    """Labels in two forms, which are the same array unless NumPy cannot sort what was passed in."""

    plain: NDArray[Any]  # booleans, numbers, text or dates
    given: NDArray[Any]  # with members of an Enum, and bytes, as they were passed in


def plain_labels(name: str, values: Any, n_samples: int | None = None) -> NDArray[Any]:
    """Convert labels of any kind to an array; members of an Enum become their values, and bytes text."""
    return read_labels(name, values, n_samples).plain


def read_labels(name: str, values: Any, n_samples: int | None = None) -> Labels:
    """Check labels of any kind, and convert them to arrays."""
    given = _to_vector(name, values)
    if n_samples is not None and len(given) != n_samples:
        raise ValueError(f"{name} has {len(given)} values for {n_samples} items: pass one per item.")
    if given.dtype.kind not in "OST":
        _check_present(name, given)
        return Labels(given, given)
    entries = [_scalar(entry) for entry in given.tolist()]
    kind = _common_kind(name, entries)
    if isinstance(kind, type):
        return Labels(plain_labels(f"the Enum in {name}", [member.value for member in entries]), given)
    if kind == "bytes":
        return Labels(_to_text([entry.decode(errors="surrogateescape") for entry in entries]), given)
    if kind == "text" and isinstance(values, np.ndarray) and values.dtype == object:
        return Labels(given, given)
    plain = _CONVERSIONS[kind](name, entries)
    return Labels(plain, plain)


def labels_or_none(name: str, values: Any) -> list[Any]:
    """List labels as `plain_labels` returns them, with None for each entry without a value."""
    array = _to_vector(name, values)
    if array.dtype.kind in "OST":
        is_missing = np.array([_is_missing(_scalar(entry)) for entry in array], dtype=bool)
    else:
        is_missing = array != array
    if is_missing.all():
        return [None] * len(array)
    filled, first = array.copy(), array[~is_missing][0]
    for index in np.flatnonzero(is_missing):
        filled[index] = first  # keeps the positions of the others for errors
    labels = plain_labels(name, filled).tolist()
    return [None if missing else label for missing, label in zip(is_missing, labels, strict=True)]


def find_similar(values: Iterable[Any]) -> dict[str, str]:
    """Map each text to the most frequent one that differs from it only in case, spaces or form of accents."""
    counts = Counter(value for value in values if isinstance(value, str))
    usual: dict[str, str] = {}
    for text in sorted(counts, key=lambda text: (-counts[text], text)):
        usual.setdefault(_without_case_and_spaces(text), text)
    others = {text: usual[_without_case_and_spaces(text)] for text in counts}
    return {text: other for text, other in others.items() if text != other}


def _without_case_and_spaces(text: str) -> str:
    """Reduce a text to what remains if case, spaces and the encoding of accents do not count."""
    return "".join(unicodedata.normalize("NFC", text).casefold().split())


def _to_vector(name: str, values: Any) -> NDArray[Any]:
    """Convert values to an array of one dimension without changing any of them."""
    values = without_mask(name, values)
    dtype = getattr(values, "dtype", None)
    if isinstance(dtype, np.dtype):
        array = np.asarray(values)
    elif dtype is None:  # a list, a tuple or a table, from which NumPy would make numbers or text
        array = np.asarray(values, dtype=object)
    else:  # a Series or an array of pandas or polars, whose conversion to NumPy may change its values
        array = np.asarray([*values], dtype=object)
    if array.ndim == 2 and array.shape[1] == 1:
        array = array.ravel()
    if array.ndim != 1:
        what = (
            f"an array of shape {array.shape}" if array.ndim else f"a value of type {type(values).__name__}"
        )
        raise ValueError(f"{name} should be a 1d array, got {what}: pass one value per item.")
    if array.dtype.kind not in "biufUMOST":
        # scikit-learn's checks of estimators expect these words.
        start = "Complex data not supported: " if array.dtype.kind == "c" else ""
        raise ValueError(f"{start}{name} holds values of dtype {array.dtype}: {_CURE}.")
    return array


def _check_present(name: str, array: NDArray[Any]) -> None:
    """Raise if a number is NaN or a date is NaT; nothing else differs from itself."""
    missing = array != array
    if missing.any():
        index = int(np.argmax(missing))
        raise _missing(name, index, array[index])


def _missing(name: str, index: int, value: Any) -> ValueError:
    """Make the error for an entry without a value."""
    return ValueError(f"{name} has no value for item {index}, got {value}: fill it in or leave the item out.")


def _is_missing(entry: Any) -> bool:
    """Whether an entry is None, NaN, NaT, NA or masked."""
    if isinstance(entry, (float, np.floating, *_KINDS["dates"])):
        return bool(entry != entry)
    return entry is None or entry is np.ma.masked or type(entry).__name__ == "NAType"  # of pandas


def _scalar(entry: Any) -> Any:
    """Convert an array or tensor without dimensions to its value."""
    is_array = isinstance(entry, (np.ndarray, torch.Tensor)) and entry.ndim == 0
    return entry.item() if is_array and entry is not np.ma.masked else entry


def _common_kind(name: str, entries: list[Any]) -> Any:
    """Return the kind of all entries: a name, or the class of an Enum; raise if they differ in kind."""
    first = _kind(type(entries[0])) if entries else "floats"
    for index, entry in enumerate(entries):
        if _is_missing(entry):
            raise _missing(name, index, entry)
        kind = _kind(type(entry))
        if kind is None:
            raise ValueError(
                f"{name} holds {entry!r} of type {type(entry).__name__} (item {index}): {_CURE}."
            )
        if kind != first:
            raise ValueError(
                f"{name} mixes {_name(first)} and {_name(kind)} (item 0 is {entries[0]!r}, item {index} is "
                f"{entry!r}): use one kind of value."
            )
    return first


def _kind(cls: type) -> Any:
    """Name of the kind of a type, the type itself if it is an Enum, or None for anything else."""
    if issubclass(cls, Enum):
        return cls
    return next((name for name, types in _KINDS.items() if issubclass(cls, types)), None)


def _name(kind: Any) -> str:
    """Name of a kind for messages."""
    return f"members of {kind.__name__}" if isinstance(kind, type) else str(kind)


def _to_text(entries: list[str]) -> NDArray[Any]:
    """Convert text to an array, whose fixed width would cut off zero bytes at the end."""
    is_cut = any(entry.endswith("\0") for entry in entries)
    return np.array(entries, dtype=object if is_cut else str)


def _to_integers(name: str, entries: list[Any]) -> NDArray[Any]:
    """Convert integers to 64 bits, unsigned if they need it."""
    numbers = [int(entry) for entry in entries]
    lowest, dtype = (0, np.uint64) if max(numbers) >= 2**63 else (-(2**63), np.int64)
    for index, number in enumerate(numbers):
        if not lowest <= number < 2**64:
            raise ValueError(f"{name} holds integers that do not fit into 64 bits (item {index}): use text.")
    return np.array(numbers, dtype=dtype)


def _to_dates(name: str, entries: list[Any]) -> NDArray[Any]:
    """Convert dates in the coarsest unit that all of them need; raise if NumPy would change one."""
    for index, entry in enumerate(entries):
        if getattr(entry, "tzinfo", None) is not None:
            raise ValueError(
                f"{name} holds dates with a time zone (item {index}), which NumPy cannot keep: use text."
            )
        if getattr(entry, "nanosecond", 0):  # of pandas
            raise ValueError(f"{name} holds dates with nanoseconds (item {index}): use an array or text.")
    return np.array(entries, dtype="datetime64")


_CONVERSIONS: dict[str, Any] = {
    "booleans": lambda _, entries: np.array(entries, dtype=bool),
    "integers": _to_integers,
    "floats": lambda _, entries: np.array(entries, dtype=np.float64),
    "text": lambda _, entries: _to_text(entries),
    "dates": _to_dates,
}
