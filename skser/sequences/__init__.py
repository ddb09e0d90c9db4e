"""Spectrograms of unequal length and their batches."""

from ._batches import BatchIterator, SpectrogramDataset, batches_by_length
from ._buffer import Buffer
from ._gpu_batches import Batch, DeviceBatches, copied_batches
from ._spectrograms import Spectrograms

__all__ = [
    "Batch",
    "BatchIterator",
    "Buffer",
    "DeviceBatches",
    "SpectrogramDataset",
    "Spectrograms",
    "batches_by_length",
    "copied_batches",
]
