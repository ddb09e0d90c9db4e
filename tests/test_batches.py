"""Batches: which items share one, and how they are padded."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from skser import Spectrograms
from skser.sequences import BatchIterator, SpectrogramDataset, batches_by_length


def batches_of_lengths(lengths: np.ndarray, batch_size: int, shuffle: bool = True) -> list[np.ndarray]:
    """Lengths of the items of each batch."""
    X = Spectrograms.from_frames(np.zeros((int(np.sum(lengths)), 1), dtype=np.float32), lengths)
    iterator = BatchIterator(SpectrogramDataset(X), batch_size, shuffle=shuffle)
    return [inputs["lengths"].numpy() for inputs, _ in iterator]


@pytest.mark.parametrize("shuffle", [True, False])
@pytest.mark.parametrize("n", [1, 2, 3, 5, 33, 64, 65, 100])
@pytest.mark.parametrize("batch_size", [1, 2, 8, 32])
def test_batches_hold_each_item_once_and_two_or_more_where_possible(n, batch_size, shuffle):
    lengths = np.arange(1, n + 1)
    batches = batches_of_lengths(lengths, batch_size, shuffle)
    assert sorted(np.concatenate(batches).tolist()) == lengths.tolist()
    sizes = [len(batch) for batch in batches]
    assert min(sizes) >= min(n, batch_size, 2)
    assert max(sizes) <= batch_size + (batch_size > 1)


def test_batches_have_little_padding_and_random_ones_would_have_much():
    # Like IEMOCAP, 10 ms per frame: median 3.6 s, 95th percentile 11 s, 0.6 to 34 s.
    rng = np.random.default_rng(0)
    lengths = (100 * np.exp(rng.normal(np.log(3.6), 0.68, 3000)).clip(0.6, 34)).astype(int)

    def padded_over_real(batches):
        return sum(len(batch) * batch.max() for batch in batches) / lengths.sum()

    assert padded_over_real(batches_of_lengths(lengths, 32)) <= 1.08
    assert padded_over_real(np.array_split(rng.permutation(lengths), 100)) > 2


def test_batches_change_with_each_pass_and_follow_the_seed():
    iterator = BatchIterator(
        SpectrogramDataset(Spectrograms([np.zeros((1, n)) for n in range(1, 41)])), 8, True
    )

    def passes():
        torch.manual_seed(0)
        return [[inputs["lengths"].tolist() for inputs, _ in iterator] for _ in range(2)]

    first = passes()
    assert first == passes()
    assert first[0] != first[1]


def test_a_pass_in_order_of_length_draws_no_random_number():
    state = torch.get_rng_state()
    batches_of_lengths(np.arange(1, 9), 4, shuffle=False)
    assert torch.equal(torch.get_rng_state(), state)
    batches_of_lengths(np.arange(1, 9), 4)
    assert not torch.equal(torch.get_rng_state(), state)


def test_batches_of_inference_respect_the_limit_of_frames():
    lengths = np.array([5, 50, 7, 6, 49, 8])
    batches = batches_by_length(lengths, 4, max_frames=60)
    assert sorted(np.concatenate(batches).tolist()) == list(range(6))
    assert all(len(batch) == 1 or len(batch) * lengths[batch].max() <= 60 for batch in batches)


def test_batch_size_must_be_positive():
    with pytest.raises(ValueError, match="batch_size must be an integer in"):
        batches_by_length(np.array([1, 2]), 0)


def test_batch_holds_padded_items_lengths_weights_and_labels():
    rng = np.random.default_rng(0)
    items = [rng.normal(size=(4, n)).astype(np.float32) for n in (3, 7, 1, 5, 2)]
    dataset = SpectrogramDataset(Spectrograms(items), np.arange(5), np.arange(1, 6, dtype=np.float32))
    inputs, y = dataset.batch(np.array([0, 3]))
    np.testing.assert_array_equal(inputs["spectrogram"][1], items[3])
    np.testing.assert_array_equal(inputs["spectrogram"][0, :, :3], items[0])
    assert (inputs["spectrogram"][0, :, 3:] == 0).all()
    assert inputs["lengths"].tolist() == [3, 5]
    assert inputs["sample_weight"].tolist() == [1, 4]
    assert y.tolist() == [0, 3]
    inputs, y = dataset.batch(np.array([1]))
    np.testing.assert_array_equal(inputs["spectrogram"][0], items[1])
    assert (inputs["lengths"].tolist(), y.tolist()) == ([7], [1])


def test_random_batches_hold_each_item_once_and_mix_lengths():
    lengths = np.arange(1, 101)
    X = Spectrograms.from_frames(np.zeros((int(lengths.sum()), 1), dtype=np.float32), lengths)
    torch.manual_seed(0)
    iterator = BatchIterator(SpectrogramDataset(X), 10, shuffle=True, by_length=False)
    first, second = ([inputs["lengths"].numpy() for inputs, _ in iterator] for _ in range(2))
    assert sorted(np.concatenate(first).tolist()) == lengths.tolist()
    assert [len(batch) for batch in first] == [10] * 10
    spans = [np.ptp(batch) for batch in first]
    assert min(spans) > 40
    assert [batch.tolist() for batch in first] != [batch.tolist() for batch in second]
    assert max(np.ptp(batch) for batch in batches_of_lengths(lengths, 10)) < 30
