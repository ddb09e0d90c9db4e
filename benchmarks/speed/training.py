"""Rows of the training: batches, the estimator against a bare loop, and the network's step against others."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from harness import Measurement, Row, Settings, compare, pinned, summarise
from sklearn.utils import check_random_state
from torch import nn
from torch.utils.flop_counter import FlopCounterMode
from workloads import (
    LR,
    Prototype,
    batch_of_median,
    default_network,
    durations,
    spectrograms,
    training_step,
    use_strides_of_the_paper,
)

from skser import CenterLossClassifier, Spectrograms
from skser._utils import torch_settings
from skser.nn import make_augmentation
from skser.sequences import Batch, BatchIterator, DeviceBatches, SpectrogramDataset
from skser.training import EpochSeed

IEMOCAP = 5531  # utterances of the four emotions that are usually compared
BATCH_SIZE = 32
TINY = {"channels": (4, 8), "rnn_units": 8, "embedding_dim": 64}

# Batches


def padded_over_real(augmentation: str | None) -> Callable[[Settings], Measurement]:
    """Make the function that counts the frames of padded batches over real frames."""
    changed = make_augmentation(augmentation)

    def measure(settings: Settings) -> Measurement:
        lengths = (100 * durations(settings.size(IEMOCAP, 200))).astype(int) + 1
        X = Spectrograms.from_frames(np.zeros((lengths.sum(), 1), dtype=np.float32), lengths)
        batches, ratios = BatchIterator(SpectrogramDataset(X), BATCH_SIZE, shuffle=True), []
        for seed in range(settings.size(10, 1)):
            torch.manual_seed(seed)
            counts = np.zeros(2)
            for inputs, _ in batches:
                n = inputs["lengths"]
                if changed is not None:  # each item of a batch is stretched by another factor
                    n = changed(inputs["spectrogram"], n, torch.zeros(1))[1]
                counts += [len(n) * int(n.max()), int(n.sum())]
            ratios.append(counts[0] / counts[1])
        return summarise(ratios, "an exact count")

    return measure


def epoch(batches: Callable[[], Iterable[Batch]]) -> Callable[[], None]:
    """Make the function that trains the default network on all batches once."""
    step = training_step(default_network())

    def call() -> None:
        for batch in batches():
            step(batch)

    return call


def epoch_bucketed(settings: Settings) -> Measurement:
    """Compare an epoch of length-bucketed batches with one of random batches."""
    dataset = SpectrogramDataset(*spectrograms(durations(settings.size(192, 64))))
    bucketed = list(BatchIterator(dataset, BATCH_SIZE, shuffle=True).batch_sampler)
    order = np.random.default_rng(0).permutation(len(dataset))
    random = np.array_split(order, len(order) // BATCH_SIZE)
    calls = (epoch(lambda chosen=chosen: map(dataset.batch, chosen)) for chosen in (bucketed, random))
    return compare(*calls, settings, rounds=3)


def epoch_of_size(batch_size: int) -> Callable[[Settings], Measurement]:
    """Make the function that compares an epoch of another batch size with one of the default size."""

    def measure(settings: Settings) -> Measurement:
        dataset = SpectrogramDataset(*spectrograms(durations(settings.size(384, 64))))
        other, default = (BatchIterator(dataset, size, shuffle=True) for size in (batch_size, BATCH_SIZE))
        return compare(epoch(lambda: other), epoch(lambda: default), settings, rounds=2, warm_up=False)

    return measure


# The estimator against a bare loop


def bare_loop(
    X: Spectrograms,
    y: np.ndarray,
    classifier: CenterLossClassifier,
    device: torch.device,
    resident: bool = False,
    **network: Any,
) -> None:
    """Train as `fit` does, with the same module, batches and optimizer, without skorch."""
    module = default_network(**network).to(device)
    module.standardize_with(*X.mean_and_std())
    step = training_step(module)
    seeds = EpochSeed(int(check_random_state(classifier.random_state).randint(np.iinfo(np.int32).max)))
    iterator = BatchIterator(SpectrogramDataset(X, y), classifier.batch_size, shuffle=True)
    batches = DeviceBatches(iterator, device, resident=True) if resident else iterator
    with torch_settings(device):
        for number in range(classifier.max_epochs):
            seeds.seed_epoch(1 + number, device)
            for batch in batches:
                step(batch)


def plain_classifier(device: torch.device, max_epochs: int, **parameters: Any) -> CenterLossClassifier:
    """Make a classifier that trains as the bare loop does."""
    fixed = {"lr": LR, "schedule": "constant", "random_state": 0}
    return CenterLossClassifier(device=device, max_epochs=max_epochs, **fixed, **parameters)


def against_bare_loop(n: int, **network: Any) -> Callable[[Settings], Measurement]:
    """Make the function that compares a fit with the bare loop; both draw and stretch the same batches."""

    def measure(settings: Settings) -> Measurement:
        X, y = spectrograms(durations(settings.size(n, 16)))
        device = torch.device("cpu")
        classifier = plain_classifier(device, 2, **network)
        return compare(
            lambda: classifier.fit(X, y), lambda: bare_loop(X, y, classifier, device, **network), settings
        )

    return measure


# The network's training step


def stepping(network: nn.Module, batch: Batch) -> Callable[[], Any]:
    """Make the function that takes one training step on a batch."""
    step = training_step(network)
    return lambda: step(batch)


def paper_network() -> nn.Module:
    """Make the default network with the paper's strides."""
    network = default_network()
    use_strides_of_the_paper(network)
    return network


def plain_network() -> nn.Module:
    """Make the default network without augmentation."""
    return default_network(augmentation=None)


def steps(
    case: Callable[[], nn.Module], against: Callable[[], nn.Module]
) -> Callable[[Settings], Measurement]:
    """Make the function that compares the training steps of two networks."""

    def measure(settings: Settings) -> Measurement:
        batch = batch_of_median(settings)
        return compare(stepping(case(), batch), stepping(against(), batch), settings)

    return measure


def two_threads(settings: Settings) -> Measurement:
    """Compare a training step in two threads with one in a single thread."""
    step = stepping(default_network(), batch_of_median(settings))

    def in_threads(threads: int) -> Callable[[], None]:
        def call() -> None:
            with pinned(threads):
                step()

        return call

    return compare(in_threads(2), in_threads(1), settings)


def flops(function: Callable[[], Any]) -> dict[str, int]:
    """Count the floating-point operations of convolutions and matrix products, by operation."""
    with FlopCounterMode(display=False) as counter:
        function()
    return {str(name): count for name, count in counter.get_flop_counts()["Global"].items()}


def matrix_product(n: int) -> tuple[Callable[[], Any], int]:
    """Make a large matrix product; also returns its floating-point operations."""
    A, B = torch.randn(n, n), torch.randn(n, n)
    return lambda: A @ B, 2 * n**3


def rate(network: Callable[[], nn.Module]) -> Callable[[Settings], Measurement]:
    """Make the function that compares the FLOP/s of a training step with those of a matrix product."""

    def measure(settings: Settings) -> Measurement:
        step = stepping(network(), batch_of_median(settings))
        product, n_product = matrix_product(settings.size(2048, 256))
        n_step = sum(flops(step).values())
        measured = compare(product, step, settings, scale=n_step / n_product)
        return replace(measured, note=f"{n_step / 1e9:.2f} GFLOP per step")

    return measure


BUCKETED = "epoch, bucketed batches"
PADDED = "padded over real frames, whole corpus"
AUGMENTED_PADDED = "the same after the default augmentation"
AUGMENTED = "training step with augmentation"
BARE_LOOP = "a bare PyTorch loop, same module, batches and optimizer"
STEP = "default network, training step"
RATE = "training step, FLOP/s (higher is better)"
PROTOTYPE_RATE = "the prototype's training step, FLOP/s"
PRODUCT = "a large matrix product in the same run"
PAPER = "the same with the paper's strides"
ROWS = [
    Row("epoch-bucketed", BUCKETED, "the same with random batches", epoch_bucketed, target=0.70),
    Row("padding", PADDED, "", padded_over_real(None), target=1.08),
    Row("padding-augmented", AUGMENTED_PADDED, "", padded_over_real("moderate")),
    Row("batch-8", "epoch of 384 utterances, batches of 8", "batches of 32", epoch_of_size(8)),
    Row("batch-128", "epoch of 384 utterances, batches of 128", "batches of 32", epoch_of_size(128)),
    Row("fit-default", "fit of the default network", BARE_LOOP, against_bare_loop(48), target=1.05),
    Row("fit-tiny", "fit of a tiny network", BARE_LOOP, against_bare_loop(64, **TINY), target=1.4),
    Row("step-prototype", STEP, "the prototype", steps(default_network, Prototype), target=0.45),
    Row("step-flops", RATE, PRODUCT, rate(plain_network), target=0.55, higher=True),
    Row("step-flops-prototype", PROTOTYPE_RATE, PRODUCT, rate(Prototype), higher=True),
    Row("step-stem", STEP, PAPER, steps(default_network, paper_network)),
    Row("step-augmented", AUGMENTED, "without", steps(default_network, plain_network)),
    Row("step-threads", "training step, 2 threads", "1 thread", two_threads),
]
