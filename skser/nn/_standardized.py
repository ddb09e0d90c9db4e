"""The part that all networks share: augmentation, standardization and the mask of the input."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor, nn

from .._utils import check_number, to_device, without_mask
from ._augmentation import SpectrogramAugmentation, make_augmentation
from ._frames import mask_frames


def check_channels(channels: Any, n_layers: int | None = None) -> None:
    """Raise unless there are channels for a number of convolutions, or for any number of them."""
    is_sequence = isinstance(channels, Sequence) and not isinstance(channels, str)
    if not is_sequence or not channels or len(channels) != (n_layers or len(channels)):
        raise TypeError(
            f"channels must be a sequence of {n_layers or 'one or more'} integers, got {channels!r}."
        )
    for index, width in enumerate(channels):
        check_number(f"channels[{index}]", width, integer=True, low=1)


def check_layers(dropout: float, embedding_dim: int, **units: int) -> None:
    """Raise unless the sizes of layers and the probability of dropout can be used."""
    for name, size in {**units, "embedding_dim": embedding_dim}.items():
        check_number(name, size, integer=True, low=1)
    check_number("dropout", dropout, low=0, high=1, closed="left")


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

    def standardize_with(self, mean: ArrayLike, std: ArrayLike) -> None:
        """Set the mean and the standard deviation of each bin.

        Parameters
        ----------
        mean, std : array-like of shape (n_bins,)
            Statistics of the training frames; `std` above zero.

        Raises
        ------
        ValueError
            If a shape is wrong, a value is not finite, or a standard deviation is not above zero.
        """
        found = [np.asarray(without_mask(name, values)) for name, values in (("mean", mean), ("std", std))]
        shape = (len(self.bin_mean),)
        are_valid = all(values.shape == shape and np.isfinite(values).all() for values in found)
        if not (are_valid and (found[1] > 0).all()):
            raise ValueError(
                f"mean and std must be finite and of shape {shape}, and std above zero, got the shapes "
                f"{found[0].shape} and {found[1].shape}: a bin that never changes can have a std of 1."
            )
        self.bin_mean.copy_(torch.as_tensor(found[0]))
        self.bin_std.copy_(torch.as_tensor(found[1]))

    def forward(self, spectrogram: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """Compute class scores and embeddings.

        Parameters
        ----------
        spectrogram : Tensor of shape (batch, n_bins, n_frames)
            Padded spectrograms; the values after an item's end do not matter.
        lengths : Tensor of shape (batch,)
            Frames of each item, from 1 to n_frames; preferably on the CPU, which would otherwise wait for the
            GPU.

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
