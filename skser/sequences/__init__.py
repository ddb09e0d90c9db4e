"""Spectrograms of unequal length and their batches."""

from ._batches import Batch, BatchIterator, SpectrogramDataset, batches_by_length
from ._buffer import Buffer, join_frames
from ._forms import as_spectrograms
from ._gpu_batches import DeviceBatches, copy_ahead
from ._spectrograms import Spectrograms
