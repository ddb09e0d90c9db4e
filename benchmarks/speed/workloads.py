"""What the rows work on: utterances as long as those of IEMOCAP, their features, and a prototype network."""

from __future__ import annotations

import math
from statistics import NormalDist

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from skser import Spectrograms

SR = 16000
HOP_LENGTH = 160
N_BINS = 64
N_CLASSES = 4

# Utterances of IEMOCAP: 0.6 to 34 s, median 3.6, 95th percentile 11.
SHORTEST, MEDIAN, PERCENTILE_95, LONGEST = 0.6, 3.6, 11.0, 34.0


def durations(n: int, seed: int = 0) -> NDArray[np.float64]:
    """Give n durations in seconds, of a clipped log-normal distribution, in random order.

    They are its quantiles and no random draw, so that corpora of any two sizes are alike.
    """
    sigma = math.log(PERCENTILE_95 / MEDIAN) / NormalDist().inv_cdf(0.95)
    distribution = NormalDist(math.log(MEDIAN), sigma)
    quantiles = [math.exp(distribution.inv_cdf((i + 0.5) / n)) for i in range(n)]
    return np.random.default_rng(seed).permutation(np.clip(quantiles, SHORTEST, LONGEST))


def waveforms(seconds: NDArray[np.float64], seed: int = 0) -> list[NDArray[np.float32]]:
    """Make noise at 16 kHz of these durations."""
    rng = np.random.default_rng(seed)
    return [0.1 * rng.standard_normal(int(SR * s), dtype=np.float32) for s in seconds]


def spectrograms(seconds: NDArray[np.float64], seed: int = 0) -> tuple[Spectrograms, NDArray[np.int64]]:
    """Make spectrograms of noise, as long as utterances of these durations are, with labels."""
    rng = np.random.default_rng(seed)
    lengths = 1 + (SR * np.asarray(seconds)).astype(int) // HOP_LENGTH
    frames = rng.standard_normal((lengths.sum(), N_BINS), dtype=np.float32)
    y = np.arange(len(lengths)) % N_CLASSES
    frames += np.repeat(y, lengths)[:, None]  # in another mean, so that there is something to learn
    return Spectrograms.from_frames(10 * frames - 60, lengths), y


class Prototype(nn.Module):
    """The paper's network with its full widths, as one would write it down first.

    Convolutions 7 x 7 with strides of 2 and 48 channels, then 3 x 3 with 64, 80 and 96, each with batch
    normalisation and ReLU and, but for the first, pooling of 2 x 2; a bidirectional GRU of 128 units; an
    embedding of 64. Padding is not masked.
    """

    def __init__(self, n_bins: int = N_BINS, n_classes: int = N_CLASSES) -> None:
        super().__init__()
        self.convolutions = nn.Sequential(
            *_block(1, 48, 7, stride=2),
            *_block(48, 64, 3),
            nn.MaxPool2d(2),
            *_block(64, 80, 3),
            nn.MaxPool2d(2),
            *_block(80, 96, 3),
            nn.MaxPool2d(2),
        )
        self.rnn = nn.GRU(96 * (n_bins // 16), 128, batch_first=True, bidirectional=True)
        self.embedding = nn.Linear(256, 64)
        self.classes = nn.Linear(64, n_classes)

    def forward(self, spectrogram: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """Compute class scores and embeddings of (batch, n_bins, n_frames)."""
        x = self.convolutions(spectrogram[:, None])  # (batch, channels, bins, frames)
        x = x.permute(0, 3, 1, 2).flatten(2)
        left = (lengths // 16).clamp(min=1)
        packed = nn.utils.rnn.pack_padded_sequence(x, left.cpu(), batch_first=True, enforce_sorted=False)
        _, state = self.rnn(packed)
        z = self.embedding(torch.cat([state[0], state[1]], dim=1))
        return self.classes(z), z


def _block(n_in: int, n_out: int, kernel_size: int, stride: int = 1) -> tuple[nn.Module, ...]:
    convolution = nn.Conv2d(n_in, n_out, kernel_size, stride, padding=kernel_size // 2)
    return convolution, nn.BatchNorm2d(n_out), nn.ReLU()
