"""Batches on a GPU: gathered there where the items fit, or else copied while it computes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ._batches import BatchIterator, SpectrogramDataset

# Share of a device's free memory that the items of a training or validation part may take.
RESIDENT_SHARE = 0.25
_CHUNK_BYTES = 2**26  # copied to the device at once, which bounds the memory of the copy

Batch = tuple[dict[str, Tensor], Tensor]


class DeviceBatches:
    """The batches of an iterator, on a device."""

    # Items that take up to a quarter of the device's free memory are copied there once, and batches are
    # gathered from them there; others are collated into pinned memory, and copied while the device computes
    # with the batch before. Either way batches are those of the iterator, bit for bit, and nothing waits for
    # the device. Lengths stay on the CPU.

    def __init__(self, iterator: BatchIterator, device: torch.device, resident: bool | None = None) -> None:
        self.iterator = iterator
        self.device = device
        if resident is None:
            resident = fits(iterator.dataset, device)
        self.items = ResidentItems(iterator.dataset, device) if resident else None

    def __iter__(self) -> Iterator[Batch]:
        batches = self.iterator.batches()
        if self.items is None:
            return copied_batches((self.iterator.dataset.batch(indices) for indices in batches), self.device)
        return self.items.gather_each(batches)


def fits(dataset: SpectrogramDataset, device: torch.device) -> bool:
    """Tell whether the items of a dataset may stay on a device."""
    if device.type != "cuda":
        return False
    n_bytes = int(dataset.X.lengths.sum()) * dataset.X.n_bins * dataset.X.dtype.itemsize
    return n_bytes <= RESIDENT_SHARE * torch.cuda.mem_get_info(device)[0]


class ResidentItems:
    """Items of a dataset on a device, from which batches are gathered without their frames' leaving it."""

    def __init__(self, dataset: SpectrogramDataset, device: torch.device) -> None:
        self.device = device
        self.lengths = dataset.X.lengths
        n_frames = np.cumsum(self.lengths)
        self._frames = torch.empty(int(self.lengths.sum()), dataset.X.n_bins, device=device)
        for items in _chunks(n_frames * dataset.X.n_bins * dataset.X.dtype.itemsize):
            part = np.concatenate([dataset.X.frames_of(index) for index in items])
            end = int(n_frames[items[-1]])
            self._frames[end - len(part) : end].copy_(torch.from_numpy(part))
        self._starts = torch.from_numpy(n_frames - self.lengths).to(device)
        self._lengths = torch.from_numpy(self.lengths).to(device)
        self._y = torch.from_numpy(dataset.y).to(device)
        weight = dataset.sample_weight
        self._weight = None if weight is None else torch.from_numpy(weight).to(device)

    def gather_each(self, batches: list[NDArray[Any]]) -> Iterator[Batch]:
        """Gather several batches."""
        if not batches:
            return
        order = torch.from_numpy(np.concatenate(batches))
        # One copy for all batches; its memory is pinned, so that nothing waits for it.
        order = _pinned(order, self.device).to(self.device, non_blocking=True)
        parts = order.split([len(batch) for batch in batches])
        for indices, there in zip(batches, parts, strict=True):
            yield self._gather(indices, there)

    def _gather(self, indices: NDArray[Any], there: Tensor) -> Batch:
        """Gather the items of one batch, whose numbers are given on the CPU and on the device."""
        lengths = self.lengths[indices]
        position = torch.arange(int(lengths.max()), device=self.device)
        inside = position < self._lengths[there][:, None]  # (batch, n_frames)
        # Positions behind an item's end read its first frame, which is then replaced.
        rows = self._starts[there][:, None] + torch.where(inside, position, 0)
        padded = torch.where(inside[:, :, None], self._frames[rows], 0.0)
        inputs = {"spectrogram": padded.transpose(1, 2), "lengths": torch.from_numpy(lengths)}
        if self._weight is not None:
            inputs["sample_weight"] = self._weight[there]
        return inputs, self._y[there]


def copied_batches(batches: Iterable[Batch], device: torch.device) -> Iterator[Batch]:
    """Copy collated batches to a device, one ahead of the one in use."""
    if device.type != "cuda":
        yield from batches
        return
    stream = torch.cuda.Stream(device)
    ahead: tuple[Batch, torch.cuda.Event] | None = None
    for batch in batches:
        following = _copy(batch, device, stream)
        if ahead is not None:
            yield _arrived(*ahead, device)
        ahead = following
    if ahead is not None:
        yield _arrived(*ahead, device)


def _copy(batch: Batch, device: torch.device, stream: torch.cuda.Stream) -> tuple[Batch, torch.cuda.Event]:
    """Begin to copy a batch on a stream of its own; the event says when it is there."""
    inputs, y = batch
    with torch.cuda.stream(stream):
        there = {
            name: value if name == "lengths" else value.pin_memory().to(device, non_blocking=True)
            for name, value in inputs.items()
        }
        y = y.pin_memory().to(device, non_blocking=True)
        return (there, y), stream.record_event()


def _arrived(batch: Batch, event: torch.cuda.Event, device: torch.device) -> Batch:
    """Let the device, and not the host, wait until a batch is there."""
    stream = torch.cuda.current_stream(device)
    stream.wait_event(event)
    inputs, y = batch
    for value in (*inputs.values(), y):
        if value.is_cuda:
            value.record_stream(stream)  # its memory is not given away before the stream has used it
    return batch


def _pinned(values: Tensor, device: torch.device) -> Tensor:
    """Move values to memory that a GPU reads by itself."""
    return values.pin_memory() if device.type == "cuda" else values


def _chunks(ends: NDArray[Any]) -> Iterator[range]:
    """Cut items, that end at given bytes, into runs of about the size of a chunk, of one item or more."""
    first = 0
    while first < len(ends):
        begin = ends[first - 1] if first else 0
        last = max(first + 1, int(np.searchsorted(ends, begin + _CHUNK_BYTES, side="right")))
        yield range(first, last)
        first = last
