"""Workloads of the rows: utterances as long as those of IEMOCAP, recordings, networks and training steps."""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from pathlib import Path
from statistics import NormalDist
from typing import Any

import numpy as np
import torch
from harness import NotRunError, Settings
from numpy.typing import NDArray
from torch import Tensor, nn

from skser import CenterLossCriterion, SpectrogramNetwork, Spectrograms
from skser.sequences import Batch, SpectrogramDataset

SR = 16000
HOP_LENGTH = 160
N_BINS = 64
N_CLASSES = 4
LR = 1e-3

# Seconds of IEMOCAP's utterances.
SHORTEST, MEDIAN, PERCENTILE_95, LONGEST = 0.6, 3.6, 11.0, 34.0


def durations(n: int) -> NDArray[np.float64]:
    """Make n durations in seconds, of a clipped log-normal distribution, in random order."""
    # Quantiles instead of random draws, so that corpora of any two sizes are alike.
    sigma = math.log(PERCENTILE_95 / MEDIAN) / NormalDist().inv_cdf(0.95)
    distribution = NormalDist(math.log(MEDIAN), sigma)
    quantiles = [math.exp(distribution.inv_cdf((i + 0.5) / n)) for i in range(n)]
    return np.random.default_rng(0).permutation(np.clip(quantiles, SHORTEST, LONGEST))


def waveforms(seconds: NDArray[np.float64]) -> list[NDArray[np.float32]]:
    """Make noise at 16 kHz of these durations."""
    rng = np.random.default_rng(0)
    return [0.1 * rng.standard_normal(int(SR * s), dtype=np.float32) for s in seconds]


def spectrograms(seconds: NDArray[np.float64]) -> tuple[Spectrograms, NDArray[np.int64]]:
    """Make spectrograms of noise, as long as those of utterances of these durations, and labels."""
    lengths = 1 + (SR * np.asarray(seconds)).astype(int) // HOP_LENGTH
    frames = np.random.default_rng(0).standard_normal((lengths.sum(), N_BINS), dtype=np.float32)
    y = np.arange(len(lengths)) % N_CLASSES
    frames += np.repeat(y, lengths)[:, None]  # classes differ in their mean
    return Spectrograms.from_frames(10 * frames - 60, lengths), y


def recordings(n: int) -> list[str]:
    """Find n recordings of RAVDESS, spread over the speakers."""
    shared = Path(__file__).resolve().parents[3] / "shared" / "corpora"
    folder = Path(os.environ.get("SKSER_CORPORA", shared), "ravdess")
    paths = sorted(str(path) for path in folder.rglob("*.*") if path.suffix in (".flac", ".wav"))
    if len(paths) < n:
        raise NotRunError("needs recordings in ../shared/corpora/ravdess or SKSER_CORPORA")
    return paths[:: len(paths) // n][:n]


def batch_of_median(settings: Settings) -> Batch:
    """Make a batch of 32 utterances around the median length."""
    X, y = spectrograms(np.linspace(0.97, 1.03, settings.size(32, 4)) * MEDIAN)
    return SpectrogramDataset(X, y).batch(np.arange(len(X)))


def default_network(**parameters: Any) -> SpectrogramNetwork:
    """Make the estimator's default network, including its augmentation."""
    torch.manual_seed(0)
    return SpectrogramNetwork(N_BINS, N_CLASSES, **({"augmentation": "moderate"} | parameters)).train()


def use_strides_of_the_paper(network: SpectrogramNetwork) -> None:
    """Set strides of 2 in the first convolution, and all poolings to 2 x 2; weights keep their shapes."""
    first, *_, last = network.convolutions
    first.conv.stride = first.conv_stride = first.stride = (2, 2)
    last.pool = last.stride = (2, 2)


def training_step(network: nn.Module) -> Callable[[Batch], None]:
    """Make the plain PyTorch function that takes one step: loss, gradients, AdamW, centers."""
    device = next(network.parameters()).device
    criterion = CenterLossCriterion(N_CLASSES, network.embedding.out_features).to(device)
    optimizer = torch.optim.AdamW(network.parameters(), lr=LR, fused=device.type == "cuda" or None)

    def step(batch: Batch) -> None:
        inputs, y = batch
        y = y.to(device)
        optimizer.zero_grad(set_to_none=True)
        outputs = network(inputs["spectrogram"].to(device), inputs["lengths"])
        criterion(outputs, y).backward()
        optimizer.step()
        criterion.center_loss.update(outputs[1].detach(), y)

    return step


class Prototype(nn.Module):
    """The paper's network with its full widths, in a plain first version: padding is not masked."""

    def __init__(self) -> None:
        super().__init__()
        self.convolutions = nn.Sequential(
            *_block(1, 48, 7, stride=2),
            *(*_block(48, 64, 3), nn.MaxPool2d(2)),
            *(*_block(64, 80, 3), nn.MaxPool2d(2)),
            *(*_block(80, 96, 3), nn.MaxPool2d(2)),
        )
        self.rnn = nn.GRU(96 * (N_BINS // 16), 128, batch_first=True, bidirectional=True)
        self.embedding = nn.Linear(256, 64)
        self.classes = nn.Linear(64, N_CLASSES)

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
