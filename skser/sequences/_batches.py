"""Padded batches of items of unequal length: which items share a batch, and how they are padded."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from .._utils import check_number
from ._spectrograms import Spectrograms

Batch = tuple[dict[str, torch.Tensor], torch.Tensor]  # inputs of the network, and labels


class SpectrogramDataset(torch.utils.data.Dataset):
    """Dataset of spectrograms with encoded labels and weights, for torch and skorch."""

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

    def batch(self, indices: NDArray[Any]) -> Batch:
        """Collate some items into one padded batch."""
        padded = torch.from_numpy(self.X.pad_frames(indices, 0.0))
        inputs = {
            "spectrogram": padded.transpose(1, 2),
            "lengths": torch.from_numpy(self.X.lengths[indices]),
        }
        if self.sample_weight is not None:
            inputs["sample_weight"] = torch.from_numpy(self.sample_weight[indices])
        return inputs, torch.from_numpy(self.y[indices])

    __getitems__ = batch  # a DataLoader calls it once per batch


class BatchSampler(torch.utils.data.Sampler[list[Any]]):
    """Indices of the items of each batch: sorted by length, or shuffled with similar or any lengths."""

    def __init__(self, lengths: NDArray[Any], batch_size: int, shuffle: bool, by_length: bool) -> None:
        self.lengths = lengths
        self.batch_size = batch_size
        self.shuffle = shuffle
        self.by_length = by_length

    def __iter__(self) -> Iterator[Any]:
        if not self.shuffle:
            return iter(batches_by_length(self.lengths, self.batch_size))
        seed = int(torch.randint(2**62, ()))
        make_batches = shuffled_batches if self.by_length else random_batches
        return iter(make_batches(self.lengths, self.batch_size, np.random.default_rng(seed)))


class BatchIterator(torch.utils.data.DataLoader):
    """A loader of padded batches, of items of similar length by default, with the parameters of skorch."""

    # A loader draws a seed for worker processes in each pass. A separate generator is used for it, so that
    # the draw does not change the numbers of torch's global generator.

    dataset: SpectrogramDataset
    batch_sampler: BatchSampler

    def __init__(
        self, dataset: SpectrogramDataset, batch_size: int, shuffle: bool = False, by_length: bool = True
    ) -> None:
        super().__init__(
            dataset,
            batch_sampler=BatchSampler(dataset.X.lengths, batch_size, shuffle, by_length),
            collate_fn=tuple,  # the dataset collates
            generator=torch.Generator(),
        )


def shuffled_batches(
    lengths: NDArray[Any], batch_size: int, rng: np.random.Generator
) -> list[NDArray[np.intp]]:
    """Draw batches of items of similar length in random order."""
    # Items are sorted by their length times a random factor, so that batches differ between epochs.
    order = np.argsort(lengths * rng.uniform(0.95, 1.05, len(lengths)))
    batches = _cut_evenly(order, batch_size)
    return [batches[index] for index in rng.permutation(len(batches))]


def random_batches(
    lengths: NDArray[Any], batch_size: int, rng: np.random.Generator
) -> list[NDArray[np.intp]]:
    """Draw batches of random items, whatever their lengths."""
    return _cut_evenly(rng.permutation(len(lengths)), batch_size)


def batches_by_length(
    lengths: NDArray[Any], batch_size: int, max_frames: int | None = None
) -> list[NDArray[np.intp]]:
    """Sort items by length and cut them into batches of at most `max_frames` padded frames."""
    batches = _cut_evenly(np.argsort(lengths, kind="stable"), batch_size)
    if max_frames is None:
        return batches
    return [part for batch in batches for part in _cut_by_frames(lengths, batch, max_frames)]


def _cut_evenly(order: NDArray[np.intp], batch_size: int) -> list[NDArray[np.intp]]:
    """Cut into batches of nearly equal size, with at least two items if possible."""
    # One item is too few for the statistics of batch normalization and for the distances to the centers.
    check_number("batch_size", batch_size, integer=True, low=1)
    if not len(order):
        return []
    n_batches = -(-len(order) // int(batch_size))  # NumPy's unsigned integers have no negatives
    if batch_size > 1:
        n_batches = max(1, min(n_batches, len(order) // 2))
    return np.array_split(order, n_batches)


def _cut_by_frames(
    lengths: NDArray[Any], batch: NDArray[np.intp], max_frames: int
) -> Iterator[NDArray[np.intp]]:
    """Cut a batch, sorted by length, where its padded frames would exceed the limit."""
    first = 0
    for position in range(1, len(batch) + 1):
        if position == len(batch) or (position + 1 - first) * lengths[batch[position]] > max_frames:
            yield batch[first:position]
            first = position
