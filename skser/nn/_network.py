"""The network: masked convolutions, a bidirectional recurrent layer, an embedding and class scores.

Shapes in comments: B items in a batch, T frames, F frequency bins, C channels.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.rnn import PackedSequence

from .._utils import check_choice, to_device
from ._batch_norm import MaskedBatchNorm2d
from ._frames import mask_frames, pack_by_length, padding_of
from ._standardized import StandardizedNetwork, check_channels, check_layers

_RNN = {"gru": nn.GRU, "lstm": nn.LSTM}


class SpectrogramNetwork(StandardizedNetwork):
    """Compute embeddings and logits from spectrograms by convolutions and a bidirectional recurrent layer.

    The layers are those of Dai et al. [1]_: a first convolution of 7 x 7, further ones of 3 x 3, each with
    max-pooling, one bidirectional recurrent layer, a fully connected embedding and the class scores. The
    first convolution has strides of 2 in frequency and 4 in time, and the last pooling is over frequency
    only. This is faster than strides of 2 and pooling over both axes. In evaluation mode an item's output
    depends neither on its padding nor on the other items of its batch.

    Parameters
    ----------
    n_bins : int
        Frequency bins of the spectrograms, 1 or more.
    n_classes : int
        Number of classes, 2 or more.
    channels : sequence of int, default=(24, 32, 48, 64)
        Channels of each convolution.
    rnn : {"gru", "lstm"}, default="gru"
        Recurrent cell.
    rnn_units : int, default=64
        Units of the recurrent layer in each direction.
    pooling : {"last", "attention"}, default="last"
        How the recurrent outputs become one vector: the last output of each direction, or their
        mean weighted by attention over the frames.
    dropout : float, default=0.0
        Probability, in [0, 1), with which inputs of the recurrent layer, of the embedding and of the
        class scores are dropped in training.
    embedding_dim : int, default=64
        Size of the embedding.
    augmentation : "moderate", dict or None, default=None
        Random changes in training by `SpectrogramAugmentation`: moderate ones (see
        `CenterLossClassifier`), those with the parameters in the dictionary, or none.

    Attributes
    ----------
    bin_mean, bin_std : Tensor of shape (n_bins,)
        Mean and standard deviation of each bin, with which spectrograms are standardized.

    References
    ----------
    .. [1] Dai, Wu, Li, Wu, Jia and Meng, "Learning discriminative features from spectrograms using
       center loss for speech emotion recognition", ICASSP 2019.

    Examples
    --------
    >>> import torch
    >>> from skser.nn import SpectrogramNetwork
    >>> network = SpectrogramNetwork(n_bins=40, n_classes=4).eval()
    >>> logits, embedding = network(torch.zeros(2, 40, 300), torch.tensor([300, 120]))
    >>> logits.shape, embedding.shape
    (torch.Size([2, 4]), torch.Size([2, 64]))
    """

    def __init__(
        self,
        n_bins: int,
        n_classes: int,
        *,
        channels: Sequence[int] = (24, 32, 48, 64),
        rnn: str = "gru",
        rnn_units: int = 64,
        pooling: str = "last",
        dropout: float = 0.0,
        embedding_dim: int = 64,
        augmentation: str | Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(n_bins, n_classes, augmentation)
        check_network_parameters(channels, rnn, rnn_units, pooling, dropout, embedding_dim)
        blocks = _convolution_blocks(channels)
        self.convolutions = nn.ModuleList(blocks)
        rnn_units = int(rnn_units)  # torch's recurrent layers reject NumPy integers, and these may overflow
        n_features = int(channels[-1]) * _bins_left(int(n_bins), blocks)
        self.rnn = _RNN[rnn](n_features, rnn_units, batch_first=True, bidirectional=True)
        self.attention = Attention(2 * rnn_units) if pooling == "attention" else None
        self.dropout = nn.Dropout(dropout)
        self.embedding = nn.Linear(2 * rnn_units, embedding_dim)
        self.classes = nn.Linear(embedding_dim, n_classes)
        for block in blocks:
            block.conv.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # missing in torch's stubs

    def _compute(self, x: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """Compute logits and embeddings from standardized frames (B, T, F)."""
        x = x[:, None]  # (B, 1, T, F)
        for block in cast("Iterable[ConvolutionBlock]", self.convolutions):
            x, lengths = block(x, lengths)
        # The remaining layers take little time, and compute in the data type of the weights.
        with torch.autocast(x.device.type, enabled=False):
            x = x.to(self.bin_mean.dtype).permute(0, 2, 3, 1).flatten(2)  # (B, C, T, F) -> (B, T, F * C)
            z = self.embedding(self.dropout(self._summarize(self.dropout(x), lengths)))
            return self.classes(self.dropout(z)), z

    def _summarize(self, x: Tensor, lengths: Tensor) -> Tensor:
        """Run the recurrent layer over (B, T, F * C) and reduce its outputs to (B, 2 * rnn_units)."""
        packed, place = pack_by_length(x, lengths)
        outputs, state = self.rnn(packed)
        if self.attention is not None:
            by_length, _ = nn.utils.rnn.pad_packed_sequence(
                PackedSequence(outputs.data, outputs.batch_sizes), batch_first=True
            )
            return self.attention(by_length.index_select(0, place), to_device(lengths, x))
        last = state[0] if isinstance(state, tuple) else state  # (2, B, rnn_units)
        return torch.cat([last[0], last[1]], dim=1)


class ConvolutionBlock(nn.Module):
    """Convolution, batch normalization, pooling and activation, in this order."""

    # The activation follows the pooling: both are monotonic, so the order does not change the result, but
    # fewer values are left to compute. This holds for zero padding too.

    def __init__(
        self,
        n_in: int,
        n_out: int,
        kernel_size: int,
        stride: tuple[int, int],
        pool: tuple[int, int],
    ) -> None:
        super().__init__()
        self.conv = nn.Conv2d(n_in, n_out, kernel_size, stride, padding=kernel_size // 2, bias=False)
        self.norm = MaskedBatchNorm2d(n_out)
        self.pool = pool
        self.conv_stride = stride
        self.stride = (stride[0] * pool[0], stride[1] * pool[1])  # of the whole block, in time and frequency

    def forward(self, x: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """Apply the block to (B, C, T, F), and shorten the lengths, which are on the CPU."""
        x = self.conv(x)
        lengths = _shorten(lengths, self.conv_stride[0])
        x = self.norm(x, padding_of(lengths, x))
        if self.pool != (1, 1):
            # With ceil_mode a window may extend beyond the end, so that one frame or one bin is enough.
            x = functional.max_pool2d(x, self.pool, ceil_mode=True)
        return functional.relu(x), _shorten(lengths, self.pool[0])


class Attention(nn.Module):
    """Mean of the outputs of a recurrent layer, weighted by a learned score of each."""

    def __init__(self, n_features: int) -> None:
        super().__init__()
        self.score = nn.Sequential(nn.Linear(n_features, n_features), nn.Tanh(), nn.Linear(n_features, 1))

    def forward(self, x: Tensor, lengths: Tensor) -> Tensor:
        """Reduce (B, T, n_features) to (B, n_features)."""
        score = self.score(x).squeeze(2).masked_fill(~mask_frames(lengths, x.shape[1]), -torch.inf)
        return torch.einsum("bt,btf->bf", score.softmax(dim=1), x)


def check_network_parameters(
    channels: Sequence[int], rnn: str, rnn_units: int, pooling: str, dropout: float, embedding_dim: int
) -> None:
    """Raise unless the parameters of the network can be used."""
    check_channels(channels)
    check_choice("rnn", rnn, _RNN)
    check_choice("pooling", pooling, ("last", "attention"))
    check_layers(dropout, embedding_dim, rnn_units=rnn_units)


def _convolution_blocks(channels: Sequence[int]) -> list[ConvolutionBlock]:
    """Make all convolution blocks; strides and pools are (time, frequency)."""
    blocks = [ConvolutionBlock(1, channels[0], 7, stride=(4, 2), pool=(1, 1))]
    for number, (n_in, n_out) in enumerate(pairwise(channels), start=2):
        pool = (1, 2) if number == len(channels) else (2, 2)
        blocks.append(ConvolutionBlock(n_in, n_out, 3, stride=(1, 1), pool=pool))
    return blocks


def _bins_left(n_bins: int, blocks: Sequence[ConvolutionBlock]) -> int:
    """Count the bins after the blocks."""
    for block in blocks:
        n_bins = -(-n_bins // block.stride[1])
    return n_bins


def _shorten(lengths: Tensor, stride: int) -> Tensor:
    """Divide frames by a stride in time, rounded up."""
    return (lengths + stride - 1) // stride
