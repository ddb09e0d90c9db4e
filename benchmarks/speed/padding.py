"""Rows of the batches: how much of them is padding, and what an epoch of random ones costs."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np
import torch
from harness import Measurement, Row, Settings, compare, summarise
from numpy.typing import NDArray
from steps import Batch, default_network, training_step
from workloads import durations, spectrograms

from skser.nn._augmentation import make_augmentation
from skser.sequences import BatchIterator, SpectrogramDataset
from skser.sequences._batches import shuffled_batches

IEMOCAP = 5531  # utterances of the four emotions that are usually compared
_BATCH_SIZE = 32


def padded_over_real(settings: Settings) -> Measurement:
    """Count the frames of the batches of an epoch, over those of the corpus."""
    lengths = (100 * durations(settings.size(IEMOCAP, 200))).astype(int) + 1
    epochs = (shuffled_batches(lengths, _BATCH_SIZE, np.random.default_rng(seed)) for seed in range(10))
    ratios = [sum(len(b) * lengths[b].max() for b in batches) / lengths.sum() for batches in epochs]
    return summarise(ratios, "an exact count")


def stretched(settings: Settings) -> Measurement:
    """Count the same behind the default augmentation, which stretches each item of a batch differently."""
    augmentation = make_augmentation("moderate")
    lengths = (100 * durations(settings.size(IEMOCAP, 200))).astype(int) + 1
    ratios = []
    for seed in range(3):
        torch.manual_seed(seed)
        padded = real = 0
        for batch in shuffled_batches(lengths, _BATCH_SIZE, np.random.default_rng(seed)):
            S = torch.zeros(len(batch), 1, int(lengths[batch].max()))
            _, new = augmentation(S, torch.from_numpy(lengths[batch]), torch.zeros(1))
            padded, real = padded + len(new) * int(new.max()), real + int(new.sum())
        ratios.append(padded / real)
    return summarise(ratios, "an exact count")


def random_batches(
    lengths: NDArray[np.int64], batch_size: int, rng: np.random.Generator
) -> list[NDArray[np.intp]]:
    """Draw batches of any items, as a shuffling data loader does."""
    return np.array_split(rng.permutation(len(lengths)), -(-len(lengths) // batch_size))


def epoch(batches: Callable[[], Iterable[Batch]]) -> Callable[[], None]:
    """Make the function that trains the default network for one pass over batches."""
    step = training_step(default_network())

    def call() -> None:
        for inputs, y in batches():
            step(inputs["spectrogram"], inputs["lengths"], y)

    return call


def epoch_bucketed(settings: Settings) -> Measurement:
    """Compare an epoch of length-bucketed batches with one of random ones."""
    dataset = SpectrogramDataset(*spectrograms(durations(settings.size(192, 64))))
    lengths, rng = dataset.X.lengths, np.random.default_rng(0)
    bucketed, random = (draw(lengths, _BATCH_SIZE, rng) for draw in (shuffled_batches, random_batches))
    return compare(
        epoch(lambda: map(dataset.batch, bucketed)),
        epoch(lambda: map(dataset.batch, random)),
        settings,
        rounds=3,
    )


def epoch_of_size(batch_size: int) -> Callable[[Settings], Measurement]:
    """Make the function that compares an epoch of another batch size with one of the default.

    In a larger corpus large batches hold less padding than in this one.
    """

    def measure(settings: Settings) -> Measurement:
        dataset = SpectrogramDataset(*spectrograms(durations(settings.size(384, 64))))
        other, default = (BatchIterator(dataset, size, shuffle=True) for size in (batch_size, _BATCH_SIZE))
        return compare(epoch(lambda: other), epoch(lambda: default), settings, rounds=2, warm_up=False)

    return measure


ROWS = [
    Row(
        "epoch-bucketed",
        "epoch, bucketed batches",
        "the same with random batches",
        epoch_bucketed,
        target=0.70,
    ),
    Row("padding", "padded over real frames, whole corpus", "", padded_over_real, target=1.08),
    Row("padding-augmented", "the same behind the default augmentation", "", stretched),
    Row("batch-8", "epoch of 384 utterances, batches of 8", "batches of 32", epoch_of_size(8)),
    Row("batch-128", "epoch of 384 utterances, batches of 128", "batches of 32", epoch_of_size(128)),
]
