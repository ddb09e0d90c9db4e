"""Batches on a GPU: taken from items that stay there, or copied while it computes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
import torch
from torch import Tensor

from .._utils import to_device
from ._batches import Batch, BatchIterator, SpectrogramDataset

# Share of a device's free memory that the items of a training or validation set may take.
MAX_SHARE = 0.25
_ITEMS_PER_COPY = 32  # bounds the memory on the CPU while items are copied to the device


class DeviceBatches:
    """The batches of an iterator, bit for bit, on a device."""

    # Items that take up to a quarter of the device's free memory are copied there once, and each batch is
    # selected there. Others are collated into pinned memory and copied while the device computes with the
    # previous batch. Either way the CPU never waits for the device. Lengths stay on the CPU.

    def __init__(self, iterator: BatchIterator, device: torch.device, resident: bool | None = None) -> None:
        self.iterator = iterator
        self.device = device
        if resident is None:
            resident = fits_on_device(iterator.dataset, device)
        self.items = ItemsOnDevice(iterator.dataset, device) if resident else None

    def __iter__(self) -> Iterator[Batch]:
        if self.items is None:
            return copy_ahead(self.iterator, self.device)
        return self.items.select_batches(list(self.iterator.batch_sampler))


def fits_on_device(dataset: SpectrogramDataset, device: torch.device) -> bool:
    """Whether the items of a dataset are small enough to stay on a device."""
    if device.type != "cuda":
        return False
    n_bytes = int(dataset.X.lengths.sum()) * dataset.X.n_bins * dataset.X.dtype.itemsize
    return n_bytes <= MAX_SHARE * torch.cuda.mem_get_info(device)[0]


class ItemsOnDevice:
    """Copies of a dataset's items on a device, where batches are made from them."""

    def __init__(self, dataset: SpectrogramDataset, device: torch.device) -> None:
        X = dataset.X
        self._lengths_on_cpu = X.lengths
        ends = np.cumsum(X.lengths)
        self._frames = torch.zeros(int(X.lengths.sum()) + 1, X.n_bins, device=device)  # the last is padding
        for first in range(0, len(X), _ITEMS_PER_COPY):
            items = range(first, min(first + _ITEMS_PER_COPY, len(X)))
            part = np.concatenate([X.frames_of(index) for index in items])
            end = int(ends[items[-1]])
            self._frames[end - len(part) : end].copy_(torch.from_numpy(part))
        self._starts = torch.from_numpy(ends - X.lengths).to(device)
        self._lengths = torch.from_numpy(X.lengths).to(device)
        self._y = torch.from_numpy(dataset.y).to(device)
        weight = dataset.sample_weight
        self._weight = None if weight is None else torch.from_numpy(weight).to(device)

    def select_batches(self, batches: list[np.ndarray]) -> Iterator[Batch]:
        """Make batches of given items, whose numbers are copied to the device together."""
        if not batches:
            return
        order = to_device(torch.from_numpy(np.concatenate(batches)), self._frames)
        on_device = order.split([len(batch) for batch in batches])
        for on_cpu, indices in zip(batches, on_device, strict=True):
            yield self._select(indices, self._lengths_on_cpu[on_cpu])

    def _select(self, indices: Tensor, lengths: np.ndarray) -> Batch:
        """Make one batch."""
        frame = torch.arange(int(lengths.max()), device=self._frames.device)
        inside = frame < self._lengths[indices][:, None]  # (batch, n_frames)
        row = torch.where(inside, self._starts[indices][:, None] + frame, len(self._frames) - 1)
        spectrogram = self._frames[row].transpose(1, 2)
        inputs = {"spectrogram": spectrogram, "lengths": torch.from_numpy(lengths)}
        if self._weight is not None:
            inputs["sample_weight"] = self._weight[indices]
        return inputs, self._y[indices]


def copy_ahead(batches: Iterable[Batch], device: torch.device) -> Iterator[Batch]:
    """Copy batches to a GPU, each while the device computes with the previous one."""
    if device.type != "cuda":
        yield from batches
        return
    stream = torch.cuda.Stream(device)
    copies = (_begin_copy(batch, device, stream) for batch in batches)
    following = next(copies, None)
    while following is not None:
        current, following = following, next(copies, None)
        yield _finish_copy(*current, device)


def _begin_copy(
    batch: Batch, device: torch.device, stream: torch.cuda.Stream
) -> tuple[Batch, torch.cuda.Event]:
    """Begin to copy a batch on a separate stream; the event marks the end of the copy."""
    inputs, y = batch
    with torch.cuda.stream(stream):
        copied = {
            name: value if name == "lengths" else value.pin_memory().to(device, non_blocking=True)
            for name, value in inputs.items()
        }
        y = y.pin_memory().to(device, non_blocking=True)
        return (copied, y), stream.record_event()


def _finish_copy(batch: Batch, event: torch.cuda.Event, device: torch.device) -> Batch:
    """Let the device, and not the CPU, wait for the end of a copy."""
    stream = torch.cuda.current_stream(device)
    stream.wait_event(event)
    inputs, y = batch
    for value in (*inputs.values(), y):
        if value.is_cuda:
            value.record_stream(stream)  # its memory is not reused before the stream has used it
    return batch
