"""Spectrograms of unequal length in one container."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .._utils import all_finite, to_array
from ._buffer import join_frames

# Rows per step of the check for non-finite values, which bounds its memory on memory-mapped buffers.
_CHECK_ROWS = 65_536


class Spectrograms:
    """Spectrograms of unequal length in one flat buffer.

    A sequence of items of shape (n_bins, n_frames) that share `n_bins`. One float32 array holds the frames of
    all items, so that joblib passes a corpus to its workers as one memory map. Selections share the array,
    and a pickle of a selection holds only the frames of its items.

    Parameters
    ----------
    items : sequence of array-like of shape (n_bins, n_frames)
        Real, finite spectrograms with at least one frame each. They are copied as float32.

    Attributes
    ----------
    lengths : ndarray of shape (n,)
        Frames of each item.
    shape : tuple of int
        (n, n_bins, longest), the shape of the padded dense array.

    Raises
    ------
    TypeError
        If an item is not numeric.
    ValueError
        If the sequence is empty, or an item is complex, not two-dimensional, without frames, not finite,
        or has another number of bins than the first.

    See Also
    --------
    SpectrogramTransformer : Compute them from recordings.

    Examples
    --------
    >>> import numpy as np
    >>> from skser import Spectrograms
    >>> X = Spectrograms([np.zeros((40, 3)), np.ones((40, 5))])
    >>> X.shape, X.lengths.tolist(), X[1].shape
    ((2, 40, 5), [3, 5], (40, 5))
    >>> X[[1]]
    Spectrograms(n=1, n_bins=40, n_frames=5 to 5)
    """

    ndim = 3
    dtype = np.dtype(np.float32)

    def __init__(self, items: Sequence[ArrayLike]) -> None:
        arrays = [_check_item(index, item) for index, item in enumerate(items)]
        if not arrays:
            raise ValueError("Spectrograms need at least one item, got an empty sequence.")
        n_bins = len(arrays[0])
        for index, array in enumerate(arrays):
            if len(array) != n_bins:
                raise ValueError(
                    f"item {index} has {len(array)} bins but item 0 has {n_bins}: compute all spectrograms "
                    "with the same parameters."
                )
        lengths = np.array([array.shape[1] for array in arrays], dtype=np.int64)
        frames = np.concatenate([array.T for array in arrays], dtype=np.float32, casting="same_kind")
        self._set(frames, _starts_of(lengths), lengths)
        self._check_finite()

    @classmethod
    def from_frames(cls, frames: NDArray[np.float32], lengths: ArrayLike) -> Spectrograms:
        """Wrap one array of the frames of all items, without copying it.

        Parameters
        ----------
        frames : ndarray of shape (sum of lengths, n_bins)
            The frames of all items, float32, in memory or memory-mapped.
        lengths : array-like of shape (n,)
            Frames of each item, 1 or more.

        Returns
        -------
        Spectrograms
            The items, as views of `frames`.

        Raises
        ------
        TypeError
            If the frames are not numeric.
        ValueError
            If the shapes do not match, or a value is complex or not finite.
        """
        lengths = _check_lengths(lengths)
        frames = to_array("frames", frames)
        _check_real("frames", frames)
        with np.errstate(over="ignore"):  # infinity is refused
            frames = frames.astype(np.float32, copy=False)
        if frames.ndim != 2 or len(frames) != lengths.sum():
            raise ValueError(
                f"frames must be of shape ({lengths.sum()}, n_bins), the sum of lengths in "
                f"rows, got {frames.shape}."
            )
        spectrograms = cls._of(frames, _starts_of(lengths), lengths)
        spectrograms._check_finite()
        return spectrograms

    @classmethod
    def from_padded(cls, S: ArrayLike, lengths: ArrayLike | None = None) -> Spectrograms:
        """Extract the items from a padded dense array.

        Parameters
        ----------
        S : array-like of shape (n, n_bins, n_frames)
            Padded spectrograms.
        lengths : array-like of shape (n,), default=None
            Frames of each item; later frames are ignored. If None, frames at an item's end whose values are
            all NaN are padding.

        Returns
        -------
        Spectrograms
            The items without their padding.

        Raises
        ------
        ValueError
            If `S` is not three-dimensional, or an item has no frames, more frames than `S`, or values
            that are not finite.
        """
        dense = to_array("S", S)
        if dense.dtype == object:
            dense = dense.astype(np.float64)
        _check_real("S", dense)
        if dense.ndim != 3:
            raise ValueError(f"S must be of shape (n, n_bins, n_frames), got {dense.shape}.")
        if not dense.shape[1]:
            raise ValueError(f"S of shape {dense.shape} has no bins: pass spectrograms of one bin or more.")
        if lengths is None:
            lengths = _lengths_before_nan(dense)
        n_frames = _check_lengths(lengths, n=len(dense), longest=dense.shape[2])
        return cls([item[:, :length] for item, length in zip(dense, n_frames, strict=True)])

    @classmethod
    def _of(cls, frames: NDArray[Any], starts: NDArray[Any], lengths: NDArray[Any]) -> Spectrograms:
        spectrograms = cls.__new__(cls)
        spectrograms._set(frames, starts, lengths)
        return spectrograms

    def _set(self, frames: NDArray[Any], starts: NDArray[Any], lengths: NDArray[Any]) -> None:
        self._frames = frames
        self._starts = starts
        self.lengths = lengths
        self._compacted: Spectrograms | None = None

    def _check_finite(self) -> None:
        for first in range(0, len(self._frames), _CHECK_ROWS):
            rows = self._frames[first : first + _CHECK_ROWS]
            if not all_finite(rows):
                finite = np.isfinite(rows).all(axis=1)
                index = int(np.searchsorted(self._starts, first + np.argmin(finite), side="right")) - 1
                raise ValueError(
                    f"item {index} contains NaN or infinity as float32: repair its recording, or leave the "
                    "item out."
                )

    @property
    def n_bins(self) -> int:
        """Frequency bins of every item."""
        return int(self._frames.shape[1])

    @property
    def shape(self) -> tuple[int, int, int]:
        """Shape (n, n_bins, longest) of the padded dense array."""
        return len(self), self.n_bins, int(self.lengths.max(initial=0))

    def __len__(self) -> int:
        return len(self.lengths)

    def __iter__(self) -> Iterator[NDArray[np.float32]]:
        return (self.frames_of(index).T for index in range(len(self)))

    def __repr__(self) -> str:
        extent = f"{self.lengths.min()} to {self.lengths.max()}" if len(self) else "0"
        return f"Spectrograms(n={len(self)}, n_bins={self.n_bins}, n_frames={extent})"

    def __getitem__(self, key: Any) -> Any:
        if isinstance(key, tuple):
            key = _first_axis_key(key)
        if isinstance(key, (int, np.integer)) and not isinstance(key, bool):
            return self.frames_of(range(len(self))[key]).T
        if not isinstance(key, slice):
            key = np.asarray(key)
            key = key.astype(np.intp) if key.size == 0 and key.dtype != bool else key
        chosen = np.arange(len(self))[key]
        if chosen.ndim != 1:
            raise IndexError(
                "Spectrograms are indexed by an integer, a slice, or a one-dimensional array of integers or "
                "booleans."
            )
        return self._of(self._frames, self._starts[chosen], self.lengths[chosen])

    def frames_of(self, index: int) -> NDArray[np.float32]:
        """Return the frames of one item.

        Parameters
        ----------
        index : int
            Index of the item, 0 or more.

        Returns
        -------
        ndarray of shape (n_frames, n_bins)
            A view, not a copy.
        """
        return self._frames[self._starts[index] : self._starts[index] + self.lengths[index]]

    def pad(self, value: float = np.nan) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """Copy the items into one dense array.

        Parameters
        ----------
        value : float, default=nan
            Value of the padding after the end of shorter items.

        Returns
        -------
        S : ndarray of shape (n, n_bins, longest)
            The padded spectrograms, float32.
        lengths : ndarray of shape (n,)
            Frames of each item.
        """
        padded = self.pad_frames(np.arange(len(self)), value)
        return np.ascontiguousarray(padded.transpose(0, 2, 1)), self.lengths.copy()

    def pad_frames(self, indices: NDArray[Any], value: float) -> NDArray[np.float32]:
        """Copy some items, frame by frame, into one dense array.

        Parameters
        ----------
        indices : ndarray of shape (n,)
            Indices of the items.
        value : float
            Value of the padding after the end of shorter items.

        Returns
        -------
        ndarray of shape (n, longest among them, n_bins)
            The padded frames, float32.
        """
        longest = int(self.lengths[indices].max(initial=0))
        padded = np.full((len(indices), longest, self.n_bins), value, dtype=np.float32)
        for row, index in zip(padded, indices, strict=True):
            row[: self.lengths[index]] = self.frames_of(index)
        return padded

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        if copy is False:
            raise ValueError("Spectrograms have no dense array to share: leave out copy=False.")
        return self.pad()[0].astype(dtype or self.dtype, copy=False)

    def compact(self) -> Spectrograms:
        """Return the same items in an array that holds no other frames.

        Returns
        -------
        Spectrograms
            This object if its array holds exactly its items, in order. Otherwise a copy, which is made only
            once, and stored in a temporary file if it exceeds 1 GiB.
        """
        if len(self._frames) == self.lengths.sum() and np.array_equal(self._starts, _starts_of(self.lengths)):
            return self
        if self._compacted is None:
            frames = join_frames(map(self.frames_of, range(len(self))), len(self), self.n_bins)
            self._compacted = self._of(frames, _starts_of(self.lengths), self.lengths)
        return self._compacted

    def __reduce__(self) -> tuple[Any, ...]:
        compact = self.compact()
        return Spectrograms._of, (compact._frames, compact._starts, compact.lengths)

    def mean_and_std(self) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Compute the mean and the standard deviation of each bin over all frames.

        Returns
        -------
        mean : ndarray of shape (n_bins,)
            Mean.
        std : ndarray of shape (n_bins,)
            Standard deviation; 1 for bins that are constant up to rounding.

        Raises
        ------
        ValueError
            If the container is empty.
        """
        if not len(self):
            raise ValueError(
                "the Spectrograms are empty: the mean and the standard deviation need one item or more."
            )
        count = int(self.lengths.sum())
        mean = sum(self.frames_of(i).sum(axis=0, dtype=np.float64) for i in range(len(self))) / count
        square = sum(((self.frames_of(i) - mean) ** 2).sum(axis=0) for i in range(len(self))) / count
        std = np.sqrt(square)
        # A deviation below float32's resolution of the mean is a rounding error; do not divide by it.
        constant = std <= 1e-6 * np.maximum(np.abs(mean), 1e-30)
        return mean.astype(np.float32), np.where(constant, 1.0, std).astype(np.float32)


def _check_item(index: int, item: ArrayLike) -> NDArray[Any]:
    """Check one spectrogram of a sequence and convert it to an array (n_bins, n_frames)."""
    array = to_array(f"item {index}", item)
    _check_real(f"item {index}", array)
    if array.ndim != 2:
        raise ValueError(
            f"item {index} must be a spectrogram of shape (n_bins, n_frames), got an array "
            f"of shape {array.shape}."
        )
    if 0 in array.shape:
        raise ValueError(
            f"item {index} is empty, of shape {array.shape}: it needs at least one bin and one frame."
        )
    with np.errstate(over="ignore"):  # infinity is refused
        return array.astype(np.float32, copy=False)


def _check_real(name: str, array: NDArray[Any]) -> None:
    """Raise unless an array holds real numbers."""
    if array.dtype.kind == "c":
        raise ValueError(f"Complex data not supported: {name} is complex, take its magnitude or power first.")
    if array.dtype.kind not in "fiub":
        raise TypeError(f"{name} must be a numeric array, got dtype {array.dtype}.")


def _check_lengths(lengths: ArrayLike, n: int | None = None, longest: int | None = None) -> NDArray[np.int64]:
    """Check the frames of each item and convert them to integers."""
    array = to_array("lengths", lengths)
    if array.ndim != 1 or array.dtype.kind not in "iu" or (n is not None and len(array) != n):
        expected = "(n,)" if n is None else f"({n},)"
        raise ValueError(
            f"lengths must be integers of shape {expected}, got shape {array.shape}, dtype {array.dtype}."
        )
    wrong = (array < 1) | (array > (np.inf if longest is None else longest))
    if wrong.any():
        index = int(np.argmax(wrong))
        limit = "1 or more" if longest is None else f"from 1 to {longest}"
        raise ValueError(f"item {index} has a length of {array[index]} frames: it must be {limit}.")
    return array.astype(np.int64)


def _lengths_before_nan(dense: NDArray[Any]) -> NDArray[np.int64]:
    """Count each item's frames up to the last one that holds a number."""
    is_padding = (dense != dense).all(axis=1)  # (n, n_frames); only NaN differs from itself
    n_trailing = np.cumprod(is_padding[:, ::-1], axis=1, dtype=np.int64).sum(axis=1)
    return dense.shape[2] - n_trailing


def _starts_of(lengths: NDArray[np.int64]) -> NDArray[np.int64]:
    """Compute the first row of each item in an array without gaps."""
    return np.concatenate([[0], np.cumsum(lengths)[:-1]]).astype(np.int64)[: len(lengths)]


def _first_axis_key(key: tuple[Any, ...]) -> Any:
    """Reduce ``X[key, ...]``, which scikit-learn uses for objects with a shape, to ``X[key]``."""
    if len(key) == 2 and key[1] is Ellipsis:
        return key[0]
    raise IndexError(f"Spectrograms are indexed only along their items, got {key!r}: take X[i] first.")
