"""Networks without convolutions, for tables of features and for frames of features."""

from __future__ import annotations

from abc import abstractmethod

import torch
from torch import Tensor, nn
from torch.nn import functional

from .._utils import to_device
from ._frames import mask_frames
from ._standardized import StandardizedNetwork, check_layers


class HeadNetwork(StandardizedNetwork):
    """A linear layer, ReLU, dropout, a linear embedding and class scores; a subclass computes the input."""

    _inputs_per_bin: int

    def __init__(
        self,
        n_bins: int,
        n_classes: int,
        *,
        hidden_units: int = 256,
        dropout: float = 0.0,
        embedding_dim: int = 64,
    ) -> None:
        super().__init__(n_bins, n_classes)
        check_layers(dropout, embedding_dim, hidden_units=hidden_units)
        self.hidden = nn.Linear(self._inputs_per_bin * n_bins, hidden_units)
        self.dropout = nn.Dropout(dropout)
        self.embedding = nn.Linear(hidden_units, embedding_dim)
        self.classes = nn.Linear(embedding_dim, n_classes)

    def _compute(self, x: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """Compute logits and embeddings from standardized frames (batch, n_frames, n_bins)."""
        with torch.autocast(x.device.type, enabled=False):
            hidden = functional.relu(self.hidden(self._features(x, lengths)))
            z = self.embedding(self.dropout(hidden))
            return self.classes(z), z

    @abstractmethod
    def _features(self, x: Tensor, lengths: Tensor) -> Tensor:
        """Compute the input of the first layer: (batch, inputs_per_bin * n_bins)."""


# The parameters are those of the inherited __init__, which numpydoc does not see.
class DenseNetwork(HeadNetwork):  # numpydoc ignore=PR02
    """Compute embeddings and logits from a table of features by two linear layers.

    A linear layer with ReLU and dropout is followed by a linear layer, whose output is the embedding, and by
    the layer of the class scores. The table may hold statistics of an utterance, openSMILE functionals or any
    other features.

    Parameters
    ----------
    n_bins : int
        Features per item, 1 or more.
    n_classes : int
        Number of classes, 2 or more.
    hidden_units : int, default=256
        Units of the first layer.
    dropout : float, default=0.0
        Probability, in [0, 1), with which outputs of the first layer are dropped in training.
    embedding_dim : int, default=64
        Size of the embedding.

    Attributes
    ----------
    bin_mean, bin_std : Tensor of shape (n_bins,)
        Mean and standard deviation of each feature, with which the table is standardized.

    See Also
    --------
    PooledNetwork : For items of several frames.

    Notes
    -----
    As for other networks, the input has an axis of frames, which here has one entry: a table of shape
    (batch, n_bins) is passed as ``table[:, :, None]`` with lengths of one. `CenterLossClassifier` does this.

    Examples
    --------
    >>> import torch
    >>> from skser.nn import DenseNetwork
    >>> network, table = DenseNetwork(n_bins=88, n_classes=4), torch.randn(5, 88)
    >>> logits, embedding = network(table[:, :, None], torch.ones(5, dtype=torch.long))
    >>> logits.shape, embedding.shape
    (torch.Size([5, 4]), torch.Size([5, 64]))
    """

    _inputs_per_bin = 1

    def _features(self, x: Tensor, lengths: Tensor) -> Tensor:
        """Remove the axis of frames."""
        if x.shape[1] != 1:
            raise ValueError(
                f"DenseNetwork takes one frame per item, got {x.shape[1]}: use PooledNetwork for several."
            )
        return x[:, 0]


# The parameters are those of the inherited __init__, which numpydoc does not see.
class PooledNetwork(HeadNetwork):  # numpydoc ignore=PR02
    """Compute embeddings and logits from the mean and the deviation of an item's frames.

    The mean and the standard deviation of each bin over the valid frames are the input of the layers of
    `DenseNetwork`. The frames may come from a pretrained encoder, or be a spectrogram.

    Parameters
    ----------
    n_bins : int
        Features per frame, 1 or more.
    n_classes : int
        Number of classes, 2 or more.
    hidden_units : int, default=256
        Units of the first layer.
    dropout : float, default=0.0
        Probability, in [0, 1), with which outputs of the first layer are dropped in training.
    embedding_dim : int, default=64
        Size of the embedding.

    Attributes
    ----------
    bin_mean, bin_std : Tensor of shape (n_bins,)
        Mean and standard deviation of each bin over all frames, with which frames are standardized.

    See Also
    --------
    DenseNetwork : For tables.

    Notes
    -----
    The deviation has no correction for few frames (``ddof=0``): it is 0 for a single frame. An item's output
    depends neither on its padding nor on the other items of its batch.

    Examples
    --------
    >>> import torch
    >>> from skser.nn import PooledNetwork
    >>> network = PooledNetwork(n_bins=40, n_classes=4)
    >>> logits, embedding = network(torch.randn(2, 40, 300), torch.tensor([300, 1]))
    >>> logits.shape, embedding.shape
    (torch.Size([2, 4]), torch.Size([2, 64]))
    """

    _inputs_per_bin = 2

    def _features(self, x: Tensor, lengths: Tensor) -> Tensor:
        """Mean and deviation over the valid frames; x is zero after an item's end."""
        n_frames = to_device(lengths, x)
        count = n_frames.to(x.dtype)[:, None]
        mean = x.sum(dim=1) / count
        inside = mask_frames(n_frames, x.shape[1])[:, :, None]
        difference = torch.where(inside, x - mean[:, None], 0.0)
        # A norm, because the gradient of a square root at 0 would be NaN.
        deviation = torch.linalg.vector_norm(difference, dim=1) / count.sqrt()
        return torch.cat([mean, deviation], dim=1)
