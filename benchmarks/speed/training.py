"""Rows of the training: the estimator against the bare loop, and the network's step against others."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from harness import Measurement, Row, Settings, clock, compare, pinned
from steps import Batch, default_network, training_step, use_strides_of_the_paper
from torch.utils.flop_counter import FlopCounterMode
from workloads import MEDIAN, Prototype, durations, spectrograms

from skser import CenterLossClassifier, Spectrograms
from skser.sequences import BatchIterator, SpectrogramDataset
from skser.training import EpochSeed

LR = 1e-3
TINY = {"channels": (4, 8), "rnn_units": 8, "embedding_dim": 64}


def bare_loop(X: Spectrograms, y: np.ndarray, epochs: int, seeds: EpochSeed, **parameters: Any) -> None:
    """Train as `CenterLossClassifier.fit` does, by the same module, batches and optimizer, without skorch."""
    network = default_network(**parameters)
    network.standardise_with(*X.mean_and_std())
    step = training_step(network, LR)
    for epoch in range(epochs):
        seeds.seed_epoch(1 + epoch, torch.device("cpu"))
        for inputs, labels in BatchIterator(SpectrogramDataset(X, y), 32, shuffle=True):
            step(inputs["spectrogram"], inputs["lengths"], labels)


def against_bare_loop(n: int, epochs: int, **parameters: Any) -> Callable[[Settings], Measurement]:
    """Make the function that compares a fit with the bare loop.

    Both draw the same batches, and stretch them alike: one long batch makes an epoch long.
    """

    def measure(settings: Settings) -> Measurement:
        X, y = spectrograms(durations(settings.size(n, 16)))
        classifier = CenterLossClassifier(
            max_epochs=epochs, lr=LR, schedule="constant", device="cpu", random_state=0, **parameters
        )
        seeds = EpochSeed(classifier.fit(X, y).seed_)
        return compare(
            lambda: classifier.fit(X, y), lambda: bare_loop(X, y, epochs, seeds, **parameters), settings
        )

    return measure


def batch_of_median(settings: Settings) -> Batch:
    """Give the batch of 32 utterances around the median length."""
    X, y = spectrograms(np.linspace(0.97, 1.03, settings.size(32, 4)) * MEDIAN)
    return SpectrogramDataset(X, y).batch(np.arange(len(X)))


def stepping(network: torch.nn.Module, batch: Batch) -> Callable[[], Any]:
    """Make the function that takes one training step on a batch."""
    step, (inputs, y) = training_step(network), batch
    return lambda: step(inputs["spectrogram"], inputs["lengths"], y)


def against_prototype(settings: Settings) -> Measurement:
    """Compare the training step of the default network, its augmentation included, with the prototype's."""
    batch = batch_of_median(settings)
    return compare(stepping(default_network(), batch), stepping(Prototype(), batch), settings)


def against_stem(settings: Settings) -> Measurement:
    """Compare the training step of the default network with that with the paper's strides."""
    batch, other = batch_of_median(settings), default_network()
    use_strides_of_the_paper(other)
    return compare(stepping(default_network(), batch), stepping(other, batch), settings)


def flops(function: Callable[[], Any]) -> int:
    """Count the floating-point operations of convolutions and matrix products."""
    with FlopCounterMode(display=False) as counter:
        function()
    return counter.get_total_flops()


def rate(network: torch.nn.Module, settings: Settings) -> Measurement:
    """Compare the FLOP/s of a network's training step with those of a large matrix product."""
    step = stepping(network, batch_of_median(settings))
    n = settings.size(2048, 256)
    A, B = torch.randn(n, n), torch.randn(n, n)
    done = flops(step)
    measured = compare(lambda: A @ B, step, settings, scale=done / (2 * n**3))
    return Measurement(**{**vars(measured), "note": f"{done / 1e9:.2f} GFLOP a step"})


def rate_of_default(settings: Settings) -> Measurement:
    """Measure the default network; augmentation, which counts no FLOP, is left out."""
    return rate(default_network(augmentation=None), settings)


def rate_of_prototype(settings: Settings) -> Measurement:
    """Measure the prototype."""
    return rate(Prototype(), settings)


def augmented(settings: Settings) -> Measurement:
    """Compare a training step with augmentation with one without."""
    batch = batch_of_median(settings)
    return compare(
        stepping(default_network(), batch), stepping(default_network(augmentation=None), batch), settings
    )


def two_threads(settings: Settings) -> Measurement:
    """Compare a training step in two threads with one in a single thread."""
    step = stepping(default_network(), batch_of_median(settings))

    def in_threads(threads: int) -> Callable[[], float]:
        def call() -> float:
            with pinned(threads):
                return clock(step)

        return call

    return compare(in_threads(2), in_threads(1), settings)


ROWS = [
    Row(
        "fit-default",
        "fit of the default network",
        "a bare PyTorch loop, same module, batches and optimizer",
        against_bare_loop(48, 2),
        target=1.05,
    ),
    Row(
        "fit-tiny",
        "fit of a tiny network",
        "a bare PyTorch loop, same module, batches and optimizer",
        against_bare_loop(64, 2, **TINY),
        target=1.4,
    ),
    Row(
        "step-prototype",
        "default network, training step",
        "the prototype",
        against_prototype,
        target=0.45,
    ),
    Row(
        "step-flops",
        "training step, FLOP/s (higher is better)",
        "a large matrix product in the same run",
        rate_of_default,
        target=0.60,
        higher=True,
    ),
    Row(
        "step-flops-prototype",
        "the prototype's training step, FLOP/s",
        "a large matrix product in the same run",
        rate_of_prototype,
        higher=True,
    ),
    Row("step-stem", "default network, training step", "the same with the paper's strides", against_stem),
    Row("step-augmented", "training step with augmentation", "without", augmented),
    Row("step-threads", "training step, 2 threads", "1 thread", two_threads),
]
