"""The container of spectrograms."""

from __future__ import annotations

import pickle

import joblib
import numpy as np
import pytest
import torch
from sklearn.model_selection import GroupKFold
from sklearn.utils import _safe_indexing

from skser import Spectrograms


@pytest.fixture
def items() -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    return [rng.normal(size=(4, n)).astype(np.float32) for n in (3, 7, 1, 5, 2)]


@pytest.fixture
def X(items) -> Spectrograms:
    return Spectrograms(items)


def test_items_do_not_change(X, items):
    assert len(X) == 5
    assert X.shape == (5, 4, 7)
    assert X.lengths.tolist() == [3, 7, 1, 5, 2]
    for got, item in zip(X, items, strict=True):
        np.testing.assert_array_equal(got, item)
    for key, index in ((-1, 4), (np.int64(2), 2), ((1, ...), 1)):
        np.testing.assert_array_equal(X[key], items[index])


@pytest.mark.parametrize(
    ("key", "chosen"),
    [
        (slice(1, 4), [1, 2, 3]),
        (slice(None, None, -2), [4, 2, 0]),
        ([3, 0], [3, 0]),
        (np.array([3, 3]), [3, 3]),
        (np.array([-1]), [4]),
        ([True, False, False, True, False], [0, 3]),
        (np.array([False, True, False, False, False]), [1]),
        ([], []),
        (np.array([], dtype=int), []),
        ((np.array([2, 1]), ...), [2, 1]),
        ((slice(0, 1), ...), [0]),
    ],
)
def test_selections_hold_the_chosen_items_and_share_the_buffer(X, items, key, chosen):
    selected = X[key]
    assert isinstance(selected, Spectrograms)
    assert len(selected) == len(chosen)
    for got, index in zip(selected, chosen, strict=True):
        np.testing.assert_array_equal(got, items[index])
        assert np.shares_memory(got, X[index])


@pytest.mark.parametrize(
    ("key", "message"),
    [
        (5, "out of range"),
        (-6, "out of range"),
        ((0, 1), "only along their items"),
        (np.array([[0, 1]]), "indexed by an integer, a slice"),
        (True, "indexed by an integer, a slice"),
        (np.array(3), "indexed by an integer, a slice"),
    ],
)
def test_other_keys_raise(X, key, message):
    with pytest.raises(IndexError, match=message):
        X[key]


def test_scikit_learn_indexes_and_splits_it(X, items):
    np.testing.assert_array_equal(_safe_indexing(X, [4, 0])[0], items[4])
    train, test = next(GroupKFold(2).split(X, groups=[0, 0, 1, 1, 1]))
    assert len(X[train]) + len(X[test]) == 5


def test_dense_array_is_a_copy_padded_with_nan(X, items):
    dense = np.asarray(X)
    assert dense.shape == (5, 4, 7)
    assert dense.dtype == np.float32
    np.testing.assert_array_equal(dense[0, :, :3], items[0])
    assert np.isnan(dense[0, :, 3:]).all()
    assert np.asarray(X, dtype=np.float64).dtype == np.float64
    with pytest.raises(ValueError, match="no dense array to share"):
        np.asarray(X, copy=False)


def test_from_padded_is_the_inverse_of_padding(X, items):
    dense, lengths = X.pad(1e9)
    assert (dense[2, :, 1:] == 1e9).all()
    for back in (
        Spectrograms.from_padded(dense, lengths),
        Spectrograms.from_padded(np.asarray(X)),
        Spectrograms.from_padded(np.asarray(X).astype(object)),
    ):
        for got, item in zip(back, items, strict=True):
            np.testing.assert_array_equal(got, item)


@pytest.mark.parametrize("mapped", [False, True], ids=["array", "read-only map"])
def test_from_frames_keeps_the_buffer(items, mapped, tmp_path):
    frames = np.concatenate([item.T for item in items])
    if mapped:
        np.save(tmp_path / "frames.npy", frames)
        frames = np.load(tmp_path / "frames.npy", mmap_mode="r")
    X = Spectrograms.from_frames(frames, [item.shape[1] for item in items])
    assert np.shares_memory(X[0], frames)
    np.testing.assert_array_equal(X[[3]].pad()[0][0], items[3])


def test_pickle_holds_only_the_selected_frames():
    X = Spectrograms([np.zeros((10, 1000)) for _ in range(50)])
    whole, part = len(pickle.dumps(X)), len(pickle.dumps(X[:1]))
    assert part < whole / 40
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(X[[7, 3]])).lengths, [1000, 1000])


def test_items_are_compacted_once(X):
    part = X[[3, 1]]
    assert part.compact() is part.compact()
    assert part.compact().compact() is part.compact()
    assert X.compact() is X


def test_joblib_maps_the_buffer_into_workers():
    X = Spectrograms([np.full((64, 5000), index) for index in range(4)])
    is_mapped, total = joblib.Parallel(n_jobs=2)([joblib.delayed(_describe)(X) for _ in range(2)])[0]
    assert is_mapped
    assert total == float(np.asarray(X).sum())


def _describe(X: Spectrograms) -> tuple[bool, float]:
    owner = X[0]
    while isinstance(owner, np.ndarray) and not isinstance(owner, np.memmap) and owner.base is not None:
        owner = owner.base
    return isinstance(owner, np.memmap), float(sum(item.sum(dtype=float) for item in X))


def test_mean_and_std_are_those_of_all_frames(X, items):
    frames = np.concatenate(items, axis=1).astype(np.float64)
    mean, std = X.mean_and_std()
    np.testing.assert_allclose(mean, frames.mean(axis=1), rtol=1e-5)
    np.testing.assert_allclose(std, frames.std(axis=1), rtol=1e-5)


def test_standard_deviation_of_a_constant_bin_is_one():
    mean, std = Spectrograms([np.full((2, 1000), -99.7)]).mean_and_std()
    np.testing.assert_allclose(mean, -99.7, rtol=1e-6)
    assert std.tolist() == [1, 1]


@pytest.mark.parametrize(
    ("items", "error", "message"),
    [
        ([], ValueError, "at least one item"),
        ([np.zeros((3, 2)), np.zeros(5)], ValueError, r"item 1 must be a spectrogram .* of shape \(5,\)"),
        ([np.zeros((3, 2)), np.zeros((4, 2))], ValueError, "item 1 has 4 bins but item 0 has 3"),
        ([np.zeros((3, 0))], ValueError, "item 0 is empty"),
        ([np.zeros((3, 2)), np.array([[1, np.nan]] * 3)], ValueError, "item 1 contains NaN or infinity"),
        ([np.zeros((3, 2)), np.array([[1, -np.inf]] * 3)], ValueError, "item 1 contains NaN or infinity"),
        # Beyond the rows that are checked in one step.
        ([np.zeros((1, 99_999)), np.full((1, 1), np.nan)], ValueError, "item 1 contains NaN"),
        ([np.zeros((3, 2), dtype=complex)], ValueError, "Complex data not supported: item 0"),
        ([np.zeros((1, 2)), [[1, 2], [1]]], ValueError, "item 1 must be an array, but its parts differ"),
        ([np.array([["a", "b"]])], TypeError, "item 0 must be a numeric array"),
    ],
)
def test_bad_items_are_named(items, error, message):
    with pytest.raises(error, match=message):
        Spectrograms(items)


@pytest.mark.parametrize(
    ("lengths", "message"),
    [
        ([2, 3], "frames must be of shape"),
        ([1.0, 2.0], "lengths must be integers"),
        ([0, 5], "item 0 has a length of 0 frames"),
    ],
)
def test_from_frames_rejects_lengths_that_do_not_fit(lengths, message):
    with pytest.raises(ValueError, match=message):
        Spectrograms.from_frames(np.zeros((6, 2), dtype=np.float32), lengths)


@pytest.mark.parametrize(
    ("frames", "error", "message"),
    [
        (np.ones((3, 2), dtype=complex), ValueError, "Complex data not supported: frames"),
        (np.ma.masked_equal([[1.0, 2.0]] * 3, 2), ValueError, r"frames has a masked value at index \(0, 1\)"),
        ([["a"], ["b"], ["c"]], TypeError, "frames must be a numeric array"),
        ([[1, 2], [1], [1]], ValueError, "frames must be an array, but its parts differ in length"),
    ],
)
def test_from_frames_rejects_anything_but_real_numbers(frames, error, message):
    with pytest.raises(error, match=message):
        Spectrograms.from_frames(frames, [3])


def test_from_frames_accepts_tensors_that_require_a_gradient():
    X = Spectrograms.from_frames(torch.ones((3, 2), requires_grad=True), [1, 2])
    assert X.lengths.tolist() == [1, 2]


def test_from_padded_rejects_masked_lengths():
    with pytest.raises(ValueError, match="lengths has a masked value at index 0"):
        Spectrograms.from_padded(np.ones((1, 2, 3)), np.ma.masked_equal([2], 2))


@pytest.mark.parametrize(
    ("nan_at", "lengths", "message"),
    [
        (1, None, "item 1 has a length of 0 frames"),
        ((1, 0, 1), None, "item 1 contains NaN"),
        ((), [4, 5, 4], "item 1 has a length of 5 frames: it must be from 1 to 4"),
        ((), [4, 4], r"lengths must be integers of shape \(3,\)"),
    ],
)
def test_from_padded_names_the_bad_item(nan_at, lengths, message):
    dense = np.zeros((3, 2, 4))
    if nan_at != ():
        dense[nan_at] = np.nan
    with pytest.raises(ValueError, match=message):
        Spectrograms.from_padded(dense, lengths)


def test_statistics_of_no_items_are_refused(X):
    with pytest.raises(
        ValueError, match="the Spectrograms are empty: the mean and the standard deviation need"
    ):
        X[[]].mean_and_std()


def test_from_padded_refuses_items_without_bins():
    with pytest.raises(ValueError, match=r"S of shape \(2, 0, 4\) has no bins"):
        Spectrograms.from_padded(np.zeros((2, 0, 4)))
