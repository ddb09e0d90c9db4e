"""Batches: which items share one, and how they are padded."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from skser import Spectrograms
from skser.sequences import BatchIterator, SpectrogramDataset, batches_by_length
from skser.sequences._batches import shuffled_batches


@pytest.fixture
def items() -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    return [rng.normal(size=(4, n)).astype(np.float32) for n in (3, 7, 1, 5, 2)]


@pytest.fixture
def X(items) -> Spectrograms:
    return Spectrograms(items)


def iemocap_like_lengths(n: int) -> np.ndarray:
    """Frames a hundredth of a second apart: median 3.6 s, 95th percentile 11 s, 0.6 to 34 s."""
    seconds = np.exp(np.random.default_rng(0).normal(np.log(3.6), 0.68, n)).clip(0.6, 34)
    return (100 * seconds).astype(int)


@pytest.mark.parametrize("n", [2, 3, 5, 33, 64, 65, 100])
@pytest.mark.parametrize("batch_size", [2, 8, 32])
def test_batches_hold_each_item_once_and_never_one_alone(n, batch_size):
    batches = shuffled_batches(np.arange(1, n + 1), batch_size, np.random.default_rng(0))
    assert sorted(np.concatenate(batches).tolist()) == list(range(n))
    assert min(map(len, batches)) >= 2
    assert max(map(len, batches)) <= batch_size + 1


def test_batches_of_one_where_they_are_asked_for():
    assert [len(batch) for batch in shuffled_batches(np.arange(1, 4), 1, np.random.default_rng(0))] == [
        1,
        1,
        1,
    ]


def test_one_item_makes_one_batch():
    assert [batch.tolist() for batch in batches_by_length(np.array([7]), 32)] == [[0]]


def test_batches_pad_little_and_random_ones_would_pad_much():
    lengths = iemocap_like_lengths(3000)
    rng = np.random.default_rng(0)

    def padded_over_real(batches):
        return sum(len(batch) * lengths[batch].max() for batch in batches) / lengths.sum()

    assert padded_over_real(shuffled_batches(lengths, 32, rng)) <= 1.08
    assert padded_over_real(np.array_split(rng.permutation(3000), 100)) > 2


def test_batches_change_from_pass_to_pass_and_follow_the_seed():
    X = Spectrograms([np.zeros((1, n)) for n in range(1, 41)])

    def passes():
        iterator = BatchIterator(SpectrogramDataset(X), 8, shuffle=True)
        torch.manual_seed(0)
        return [[inputs["lengths"].tolist() for inputs, _ in iterator] for _ in range(2)]

    first = passes()
    assert first == passes()
    assert first[0] != first[1]


def test_batches_of_inference_respect_the_limit_of_frames():
    lengths = np.array([5, 50, 7, 6, 49, 8])
    batches = batches_by_length(lengths, 4, max_frames=60)
    assert sorted(np.concatenate(batches).tolist()) == list(range(6))
    assert all(len(batch) == 1 or len(batch) * lengths[batch].max() <= 60 for batch in batches)


def test_batch_size_must_be_positive():
    with pytest.raises(ValueError, match="batch_size must be an integer in"):
        batches_by_length(np.array([1, 2]), 0)


def test_batch_holds_padded_items_lengths_weights_and_labels(X, items):
    dataset = SpectrogramDataset(X, np.array([0, 1, 2, 3, 4]), np.array([1, 2, 3, 4, 5], dtype=np.float32))
    inputs, y = dataset.batch(np.array([0, 3]))
    np.testing.assert_array_equal(inputs["spectrogram"][1], items[3])
    np.testing.assert_array_equal(inputs["spectrogram"][0, :, :3], items[0])
    assert (inputs["spectrogram"][0, :, 3:] == 0).all()
    assert inputs["lengths"].tolist() == [3, 5]
    assert inputs["sample_weight"].tolist() == [1, 4]
    assert y.tolist() == [0, 3]


def test_dataset_gives_single_items_as_torch_expects(X, items):
    inputs, y = SpectrogramDataset(X)[1]
    np.testing.assert_array_equal(inputs["spectrogram"], items[1])
    assert inputs["lengths"] == 7
    assert y == 0
