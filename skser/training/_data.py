"""The data of one training."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..sequences import SpectrogramDataset, Spectrograms


class TrainingData(NamedTuple):
    """Checked input of a training run."""

    X: Spectrograms
    y: NDArray[np.int64]
    sample_weight: NDArray[np.float32] | None

    def dataset(self, indices: NDArray[np.intp] | slice) -> SpectrogramDataset:
        """Give some of the items as a dataset, without those of weight zero."""
        if self.sample_weight is None:
            return SpectrogramDataset(self.X[indices], self.y[indices])
        chosen = np.arange(len(self.y))[indices]
        chosen = chosen[self.sample_weight[chosen] > 0]
        if not len(chosen):
            raise ValueError(
                "sample_weight is zero for the whole training or validation part: give items of several "
                "groups a weight above 0, or set early_stopping=False."
            )
        return SpectrogramDataset(self.X[chosen], self.y[chosen], self.sample_weight[chosen])
