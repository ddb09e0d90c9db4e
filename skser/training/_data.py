"""The checked data of a training run."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..sequences import SpectrogramDataset, Spectrograms


class TrainingData(NamedTuple):
    """Spectrograms, encoded labels and weights."""

    X: Spectrograms
    y: NDArray[np.int64]
    sample_weight: NDArray[np.float32] | None

    def take(self, indices: NDArray[np.intp]) -> TrainingData:
        """Select items."""
        weight = None if self.sample_weight is None else self.sample_weight[indices]
        return TrainingData(self.X[indices], self.y[indices], weight)

    def dataset(self, indices: NDArray[np.intp] | slice) -> SpectrogramDataset:
        """Make a dataset of some items, without those of weight zero."""
        if self.sample_weight is None:
            return SpectrogramDataset(self.X[indices], self.y[indices])
        numbers = np.arange(len(self.y))[indices]
        numbers = numbers[self.sample_weight[numbers] > 0]
        if not len(numbers):
            raise ValueError(
                "sample_weight is zero for the whole training or validation set: give items of several "
                "groups a weight above 0, or hold no groups out (early_stopping=False, calibration=None)."
            )
        return SpectrogramDataset(self.X[numbers], self.y[numbers], self.sample_weight[numbers])
