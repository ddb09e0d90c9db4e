"""The part that all networks share: augmentation, standardization and the mask of the input."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor, nn

from .._utils import check_number, to_device
from ._augmentation import SpectrogramAugmentation, make_augmentation
from ._frames import mask_frames


class StandardizedNetwork(nn.Module, ABC):
    """Augment, standardize and mask spectrograms; a subclass computes logits and embeddings from them."""

    bin_mean: Tensor
    bin_std: Tensor
    augmentation: SpectrogramAugmentation | None
    embedding: nn.Linear
    classes: nn.Linear

    def __init__(
        self, n_bins: int, n_classes: int, augmentation: str | Mapping[str, Any] | None = None
    ) -> None:
        super().__init__()
        check_number("n_bins", n_bins, integer=True, low=1)
        check_number("n_classes", n_classes, integer=True, low=2)
        self.register_buffer("bin_mean", torch.zeros(n_bins))
        self.register_buffer("bin_std", torch.ones(n_bins))
        self.augmentation = make_augmentation(augmentation)

    def standardise_with(self, mean: ArrayLike, std: ArrayLike) -> None:
        """Set the mean and the standard deviation of each bin.

        Parameters
        ----------
        mean, std : array-like of shape (n_bins,)
            Statistics of the training frames; `std` above zero.
        """
        self.bin_mean.copy_(torch.as_tensor(np.asarray(mean)))
        self.bin_std.copy_(torch.as_tensor(np.asarray(std)))

    def forward(self, spectrogram: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """Compute class scores and embeddings.

        Parameters
        ----------
        spectrogram : Tensor of shape (batch, n_bins, n_frames)
            Padded spectrograms; the values after an item's end do not matter.
        lengths : Tensor of shape (batch,)
            Frames of each item, from 1 to n_frames; best on the CPU, which would otherwise wait for the GPU.

        Returns
        -------
        logits : Tensor of shape (batch, n_classes)
            Class scores before the softmax.
        embedding : Tensor of shape (batch, embedding_dim)
            Embeddings.
        """
        if self.augmentation is not None and self.training:
            spectrogram, lengths = self.augmentation(spectrogram, lengths, self.bin_mean)
        lengths = lengths.cpu()
        x = (spectrogram.transpose(1, 2) - self.bin_mean) / self.bin_std  # (batch, n_frames, n_bins)
        if bool((lengths < x.shape[1]).any()):
            # Not a product with a mask: padding may be NaN, and 0 * NaN is NaN.
            x = torch.where(mask_frames(to_device(lengths, x), x.shape[1])[:, :, None], x, 0.0)
        return self._compute(x, lengths)

    @abstractmethod
    def _compute(self, x: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """Compute logits and embeddings from standardized frames (batch, n_frames, n_bins)."""
