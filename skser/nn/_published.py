"""The network of the paper as published, without any regularization of its own.

Shapes in comments: B items in a batch, T frames, F frequency bins, C channels.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeVar, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from .._utils import check_flag
from ._batch_norm import MaskedBatchNorm2d
from ._frames import pack_by_length, padding_of
from ._standardized import StandardizedNetwork, check_channels, check_layers

_Count = TypeVar("_Count", int, Tensor)  # a number of bins, or the frames of several items

# Kernel size, stride and pooling of each convolution, the same in time and frequency.
_LAYERS = ((7, 2, 1), (3, 1, 2), (3, 1, 2), (3, 1, 2))
# Frames and bins that lead to one output of these layers:
# 1 <- 2 (pooling) <- 4 (3 x 3) <- 8 <- 10 <- 20 <- 22 <- 49 = 21 * 2 + 7.
MIN_FRAMES = 49


class PublishedNetwork(StandardizedNetwork):
    """Compute embeddings and logits by the layers of Dai et al., as published.

    A convolution of 7 x 7 with a stride of 2 and three of 3 x 3, each of these followed by max-pooling of
    2 x 2, all with bias and ReLU and without padding; a bidirectional GRU, of which the last state in each
    direction is used; a fully connected layer with PReLU, the embedding; and a fully connected layer, the
    class scores [1]_. The published network has no normalization, dropout or other regularization besides
    center loss. `SpectrogramNetwork` is faster and has batch normalization.

    Parameters
    ----------
    n_bins : int
        Frequency bins of the spectrograms, 49 or more.
    n_classes : int
        Number of classes, 2 or more.
    channels : sequence of 4 int, default=(48, 64, 80, 96)
        Channels of each convolution.
    rnn_units : int, default=128
        Units of the recurrent layer in each direction.
    prelu : bool, default=True
        Whether the embedding is the output of a PReLU, with one slope per unit. Otherwise it is linear.
    batch_norm : bool, default=False
        Whether the outputs of the convolutions are normalized, over the valid frames of the batch. The
        convolutions then have no bias.
    dropout : float, default=0.0
        Probability, in [0, 1), with which inputs of the recurrent layer, of the embedding and of the
        class scores are dropped in training.
    embedding_dim : int, default=64
        Size of the embedding.
    augmentation : "moderate", dict or None, default=None
        Random changes in training by `SpectrogramAugmentation`, as in `SpectrogramNetwork`.

    Attributes
    ----------
    bin_mean, bin_std : Tensor of shape (n_bins,)
        Mean and standard deviation of each bin, with which spectrograms are standardized.

    Notes
    -----
    Items of fewer than 49 frames are padded to 49 with the mean of each bin, because convolutions without
    padding need that many. In evaluation mode an item's output depends neither on its padding nor on the
    other items of its batch.

    Convolutions and fully connected layers start from Glorot's uniform distribution, their biases and the
    slopes of the PReLU from zero, as in the authors' program. The GRU starts from torch's defaults.

    References
    ----------
    .. [1] Dai, Wu, Li, Wu, Jia and Meng, "Learning discriminative features from spectrograms using
       center loss for speech emotion recognition", ICASSP 2019.

    Examples
    --------
    >>> import torch
    >>> from skser.nn import PublishedNetwork
    >>> network = PublishedNetwork(n_bins=128, n_classes=4).eval()
    >>> logits, embedding = network(torch.zeros(2, 128, 300), torch.tensor([300, 20]))
    >>> logits.shape, embedding.shape
    (torch.Size([2, 4]), torch.Size([2, 64]))
    """

    def __init__(
        self,
        n_bins: int,
        n_classes: int,
        *,
        channels: Sequence[int] = (48, 64, 80, 96),
        rnn_units: int = 128,
        prelu: bool = True,
        batch_norm: bool = False,
        dropout: float = 0.0,
        embedding_dim: int = 64,
        augmentation: str | Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(n_bins, n_classes, augmentation)
        if n_bins < MIN_FRAMES:
            raise ValueError(
                f"the published network needs spectrograms of at least {MIN_FRAMES} bins, got {n_bins}: its "
                'convolutions have no padding; use more bins (n_mels=128), or network="crnn".'
            )
        check_channels(channels, len(_LAYERS))
        check_layers(dropout, embedding_dim, rnn_units=rnn_units)
        check_flag("prelu", prelu)
        check_flag("batch_norm", batch_norm)
        sizes = zip((1, *channels[:-1]), channels, _LAYERS, strict=True)
        blocks = [PublishedBlock(int(n_in), int(n_out), *layer, batch_norm) for n_in, n_out, layer in sizes]
        self.convolutions = nn.ModuleList(blocks)
        for block in blocks:
            n_bins = block.pooled(block.convolved(n_bins))
        # torch's recurrent layers reject NumPy integers, which a search may pass.
        n_features = int(channels[-1]) * n_bins
        self.rnn = nn.GRU(n_features, int(rnn_units), batch_first=True, bidirectional=True)
        self.dropout = nn.Dropout(dropout)
        self.embedding = nn.Linear(2 * rnn_units, embedding_dim)
        self.activation = nn.PReLU(int(embedding_dim), init=0.0) if prelu else nn.Identity()
        self.classes = nn.Linear(embedding_dim, n_classes)
        self._start_as_published()
        for block in blocks:
            block.conv.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # missing in torch's stubs

    def _start_as_published(self) -> None:
        """Draw the weights of convolutions and linear layers from Glorot's distribution; zero the biases."""
        for layer in self.modules():
            if isinstance(layer, (nn.Conv2d, nn.Linear)):
                nn.init.xavier_uniform_(layer.weight)
                if layer.bias is not None:
                    nn.init.zeros_(layer.bias)

    def _compute(self, x: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """Compute logits and embeddings from standardized frames (B, T, F)."""
        x = functional.pad(x, (0, 0, 0, max(MIN_FRAMES - x.shape[1], 0)))[:, None]  # (B, 1, T, F)
        lengths = lengths.clamp_min(MIN_FRAMES)
        for block in cast("Iterable[PublishedBlock]", self.convolutions):
            x, lengths = block(x, lengths)
        # The remaining layers take little time, and compute in the data type of the weights.
        with torch.autocast(x.device.type, enabled=False):
            x = x.to(self.bin_mean.dtype).permute(0, 2, 3, 1).flatten(2)  # (B, C, T, F) -> (B, T, F * C)
            _, last = self.rnn(pack_by_length(self.dropout(x), lengths)[0])  # (2, B, rnn_units)
            states = torch.cat([last[0], last[1]], dim=1)
            z = self.activation(self.embedding(self.dropout(states)))
            return self.classes(self.dropout(z)), z


class PublishedBlock(nn.Module):
    """Convolution without padding, batch normalization if requested, pooling and ReLU."""

    # Without padding, an output within an item's new length depends only on the item itself, so that padding
    # needs no mask. ReLU follows the pooling, which does not change the result and leaves fewer values.

    def __init__(
        self, n_in: int, n_out: int, kernel_size: int, stride: int, pool: int, batch_norm: bool
    ) -> None:
        super().__init__()
        self.conv = nn.Conv2d(n_in, n_out, kernel_size, stride, bias=not batch_norm)
        self.batch_norm = MaskedBatchNorm2d(n_out) if batch_norm else None
        self.kernel_size = kernel_size
        self.stride = stride
        self.pool = pool

    def forward(self, x: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """Apply the block to (B, C, T, F), and shorten the lengths, which are on the CPU."""
        x, lengths = self.conv(x), self.convolved(lengths)
        if self.batch_norm is not None:
            x = self.batch_norm(x, padding_of(lengths, x))
        if self.pool > 1:
            x = functional.max_pool2d(x, self.pool)
        return functional.relu(x), self.pooled(lengths)

    def convolved(self, n: _Count) -> _Count:
        """Count frames or bins after the convolution."""
        return (n - self.kernel_size) // self.stride + 1

    def pooled(self, n: _Count) -> _Count:
        """Count frames or bins after the pooling."""
        return n // self.pool
