"""Spectrograms of unequal length and their batches."""

from ._batches import BatchIterator, SpectrogramDataset, batches_by_length
from ._buffer import Buffer
from ._gpu_batches import Batch, DeviceBatches, copied_batches
from ._spectrograms import Spectrograms
