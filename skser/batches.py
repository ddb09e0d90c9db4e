"""Items of unequal length as padded batches: which items share a batch, and how they are padded."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ._validation import check_number
from .sequences import Spectrograms

__all__ = ["BatchIterator", "SpectrogramDataset", "batches_by_length", "shuffled_batches"]


class SpectrogramDataset(torch.utils.data.Dataset):
    """Spectrograms with their encoded labels and weights, as torch and skorch expect a dataset.

    Parameters
    ----------
    X : Spectrograms
        The items.
    y : ndarray of shape (n,), default=None
        Class numbers from 0; zeros where there are none.
    sample_weight : ndarray of shape (n,), default=None
        Weights of the items.

    Examples
    --------
    >>> import numpy as np
    >>> from skser import Spectrograms
    >>> from skser.batches import SpectrogramDataset
    >>> dataset = SpectrogramDataset(Spectrograms([np.ones((4, 2)), np.ones((4, 3))]), np.array([0, 1]))
    >>> batch, y = dataset.batch(np.array([0, 1]))
    >>> batch["spectrogram"].shape, batch["lengths"].tolist(), y.tolist()
    (torch.Size([2, 4, 3]), [2, 3], [0, 1])
    """

    def __init__(
        self,
        X: Spectrograms,
        y: NDArray[np.int64] | None = None,
        sample_weight: NDArray[np.float32] | None = None,
    ) -> None:
        self.X = X
        self.y = np.zeros(len(X), dtype=np.int64) if y is None else y
        self.sample_weight = sample_weight

    def __len__(self) -> int:
        return len(self.X)

    def __getitem__(self, index: int) -> tuple[dict[str, torch.Tensor], torch.Tensor]:
        inputs, y = self.batch(np.array([index]))
        return {name: value[0] for name, value in inputs.items()}, y[0]

    def batch(self, indices: NDArray[Any]) -> tuple[dict[str, torch.Tensor], torch.Tensor]:
        """Collate some items.

        Parameters
        ----------
        indices : ndarray of shape (batch,)
            Numbers of the items.

        Returns
        -------
        inputs : dict
            "spectrogram" (batch, n_bins, n_frames) padded with zeros, "lengths" (batch,), and
            "sample_weight" (batch,) if there are weights.
        y : Tensor of shape (batch,)
            Class numbers.
        """
        padded = torch.from_numpy(self.X.pad_frames(indices, 0.0))
        inputs = {
            "spectrogram": padded.transpose(1, 2),
            "lengths": torch.from_numpy(self.X.lengths[indices]),
        }
        if self.sample_weight is not None:
            inputs["sample_weight"] = torch.from_numpy(self.sample_weight[indices])
        return inputs, torch.from_numpy(self.y[indices])


class BatchIterator:
    """Batches of items of similar length, in the place of a torch DataLoader.

    Parameters
    ----------
    dataset : SpectrogramDataset
        The items.
    batch_size : int
        Items a batch, see `shuffled_batches`.
    shuffle : bool, default=False
        Whether each pass draws new batches from torch's generator; otherwise items come sorted by length.

    Examples
    --------
    >>> import numpy as np
    >>> from skser import Spectrograms
    >>> from skser.batches import BatchIterator, SpectrogramDataset
    >>> X = Spectrograms([np.ones((4, n)) for n in (5, 2, 5, 2)])
    >>> [inputs["lengths"].tolist() for inputs, y in BatchIterator(SpectrogramDataset(X), batch_size=2)]
    [[2, 2], [5, 5]]
    """

    def __init__(self, dataset: SpectrogramDataset, batch_size: int, shuffle: bool = False) -> None:
        self.dataset = dataset
        self.batch_size = batch_size
        self.shuffle = shuffle

    def __iter__(self) -> Iterator[tuple[dict[str, torch.Tensor], torch.Tensor]]:
        return (self.dataset.batch(indices) for indices in self.batches())

    def batches(self) -> list[NDArray[np.intp]]:
        """Choose the items of each batch of one pass.

        Returns
        -------
        list of ndarray
            Numbers of the items of each batch.
        """
        lengths = self.dataset.X.lengths
        if not self.shuffle:
            return batches_by_length(lengths, self.batch_size)
        seed = int(torch.randint(2**62, ()))
        return shuffled_batches(lengths, self.batch_size, np.random.default_rng(seed))


def shuffled_batches(
    lengths: NDArray[Any], batch_size: int, rng: np.random.Generator, spread: float = 0.05
) -> list[NDArray[np.intp]]:
    """Draw batches of items of similar length in random order.

    Items are sorted by their length times a random factor and cut into batches of nearly equal size,
    none of which holds a single item unless there is only one: batch statistics and distances to a
    center mean little for one item.

    Parameters
    ----------
    lengths : ndarray of shape (n,)
        Frames of each item.
    batch_size : int
        Items a batch, at most; one more where a single item would remain.
    rng : numpy.random.Generator
        Source of the random factors and of the order.
    spread : float, default=0.05
        The factors lie in [1 - spread, 1 + spread]: more of it mixes batches better and pads more.

    Returns
    -------
    list of ndarray
        Indices of the items of each batch.

    Examples
    --------
    >>> import numpy as np
    >>> from skser.batches import shuffled_batches
    >>> batches = shuffled_batches(np.array([10, 50, 11, 51, 52]), 2, np.random.default_rng(0))
    >>> sorted(sorted(batch.tolist()) for batch in batches)
    [[0, 2, 3], [1, 4]]
    """
    order = np.argsort(lengths * rng.uniform(1 - spread, 1 + spread, len(lengths)))
    batches = _cut(order, batch_size)
    return [batches[index] for index in rng.permutation(len(batches))]


def batches_by_length(
    lengths: NDArray[Any], batch_size: int, max_frames: int | None = None
) -> list[NDArray[np.intp]]:
    """Cut items, sorted by length, into batches.

    Parameters
    ----------
    lengths : ndarray of shape (n,)
        Frames of each item.
    batch_size : int
        Items a batch, at most; one more where a single item would remain.
    max_frames : int, default=None
        Most padded frames a batch may hold; longer batches are cut, down to single items.

    Returns
    -------
    list of ndarray
        Indices of the items of each batch.

    Examples
    --------
    >>> import numpy as np
    >>> from skser.batches import batches_by_length
    >>> [batch.tolist() for batch in batches_by_length(np.array([3, 9, 1, 2]), 2, max_frames=8)]
    [[2, 3], [0], [1]]
    """
    batches = _cut(np.argsort(lengths, kind="stable"), batch_size)
    if max_frames is None:
        return batches
    return [part for batch in batches for part in _cut_frames(lengths, batch, max_frames)]


def _cut(order: NDArray[np.intp], batch_size: int) -> list[NDArray[np.intp]]:
    """Cut into batches of nearly equal size, none of one item where that can be."""
    check_number("batch_size", batch_size, integer=True, low=1)
    if not len(order):
        return []
    n_batches = -(-len(order) // batch_size)
    if batch_size > 1:
        n_batches = max(1, min(n_batches, len(order) // 2))
    return np.array_split(order, n_batches)


def _cut_frames(
    lengths: NDArray[Any], batch: NDArray[np.intp], max_frames: int
) -> Iterator[NDArray[np.intp]]:
    """Cut a batch, sorted by length, where its padded frames would pass the limit."""
    first = 0
    for position in range(1, len(batch) + 1):
        if position == len(batch) or (position + 1 - first) * lengths[batch[position]] > max_frames:
            yield batch[first:position]
            first = position
