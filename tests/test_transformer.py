"""The transformer from recordings to spectrograms, and its cache."""

from __future__ import annotations

import errno
import io
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import joblib
import librosa
import numpy as np
import pandas as pd
import pytest
import soundfile
import torch
from sklearn.base import clone
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

import skser.features._spectrogram_function
from skser import Spectrograms, SpectrogramTransformer, load_audio, spectrogram
from skser.features import check_transformer_parameters
from skser.spectral import checked_spectrogram


@pytest.fixture
def one_thread() -> Iterator[None]:
    """One torch thread, as joblib gives its workers."""
    n_threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(n_threads)


@pytest.fixture
def waveforms() -> list[np.ndarray]:
    """Four waveforms of unequal length, float32."""
    rng = np.random.default_rng(0)
    return [rng.normal(scale=0.1, size=n).astype(np.float32) for n in (4000, 1, 700, 8001)]


@pytest.fixture
def paths(waveforms: list[np.ndarray], tmp_path: Path) -> list[str]:
    """The same waveforms as files."""
    (tmp_path / "recordings").mkdir()
    return written(waveforms, tmp_path / "recordings")


def written(waveforms: list[np.ndarray], folder: Path) -> list[str]:
    """Write waveforms to files."""
    names = [str(folder / f"{index}.wav") for index in range(len(waveforms))]
    for name, y in zip(names, waveforms, strict=True):
        soundfile.write(name, y, 16000, subtype="FLOAT")
    return names


@pytest.fixture
def computed(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Lengths of the waveforms whose spectrograms were computed, in their order."""
    lengths: list[int] = []

    def counting(y: np.ndarray, *parameters: Any) -> torch.Tensor:
        lengths.append(len(y))
        return checked_spectrogram(y, *parameters)

    monkeypatch.setattr(skser.features._spectrogram_function, "checked_spectrogram", counting)
    return lengths


def assert_equal(X: Spectrograms, expected: Any) -> None:
    """Equal lengths and equal numbers."""
    assert len(X) == len(expected)
    for index in range(len(X)):
        np.testing.assert_array_equal(X[index], expected[index])


def entries(folder: Path) -> list[str]:
    """Files of a cache."""
    return sorted(os.listdir(folder))


# What goes in and what comes out


@pytest.mark.parametrize(
    "parameters",
    [
        {},
        {"kind": "stft", "fmax": 4000},
        {"sr": 8000, "n_fft": 256, "n_mels": 20},
        {"ref": "mean", "top_db": 20, "trim_db": 3},
    ],
)
def test_spectrograms_are_those_of_the_function_for_files_and_arrays(parameters, waveforms, tmp_path):
    paths = written(waveforms, tmp_path)
    transformer = SpectrogramTransformer(**parameters)
    of_function = {name: value for name, value in parameters.items() if name != "trim_db"} | {
        "top_db": transformer.top_db
    }
    before = [y.copy() for y in waveforms]
    for X, orig_sr in ((waveforms, None), (paths, 16000)):
        found = transformer.fit_transform(X)
        loaded = [
            load_audio(y, transformer.sr, orig_sr=orig_sr, trim_db=transformer.trim_db) for y in waveforms
        ]
        assert_equal(found, [spectrogram(y, **of_function).numpy() for y in loaded])
        assert np.asarray(found).dtype == np.float32
        # A recording does not depend on the others.
        assert_equal(transformer.transform(X[::-1]), [transformer.transform([audio])[0] for audio in X[::-1]])
    assert_equal(before, waveforms)  # the input stays unchanged


class Lazy:
    """Samples of unknown number until they are read."""

    shape = (float("nan"),)

    def __init__(self, y):
        self.y = y

    def __array__(self, dtype=None, copy=None):
        return self.y


def test_every_kind_of_sequence_is_accepted(waveforms, paths):
    expected = SpectrogramTransformer().transform(waveforms)
    assert expected.lengths.tolist() == [26, 1, 5, 51]
    for items in (paths, [Path(path) for path in paths], waveforms, [torch.tensor(y) for y in waveforms]):
        as_object = np.empty(len(items), dtype=object)
        as_object[:] = items
        for X in (items, tuple(items), as_object, pd.Series(as_object, index=[7, 5, 3, 1])):
            assert_equal(SpectrogramTransformer().fit_transform(X), expected)
    for X in (np.array(paths), [y.tolist() for y in waveforms], [Lazy(y) for y in waveforms]):
        assert_equal(SpectrogramTransformer().fit_transform(X), expected)


def test_samples_of_unknown_number_are_cached(waveforms, tmp_path):
    expected = SpectrogramTransformer().transform(waveforms)
    transformer = SpectrogramTransformer(memory=tmp_path / "cache")
    for _ in range(2):
        assert_equal(transformer.transform([Lazy(y) for y in waveforms]), expected)
    assert len(list((tmp_path / "cache").iterdir())) == len(waveforms)


def test_a_two_dimensional_array_gives_a_dense_array():
    rows = np.random.default_rng(1).normal(scale=0.1, size=(3, 1600))
    transformer = SpectrogramTransformer()
    X = transformer.transform(rows)
    assert X.shape == (3, 64, 11)
    assert X.dtype == np.float32
    assert X.flags.c_contiguous
    sequence = transformer.transform(list(rows))
    assert isinstance(sequence, Spectrograms)
    np.testing.assert_array_equal(X, np.asarray(sequence))
    for other in (rows.tolist(), tuple(map(tuple, rows.tolist())), pd.DataFrame(rows), rows.astype(object)):
        np.testing.assert_array_equal(SpectrogramTransformer().transform(other), X)
        np.testing.assert_array_equal(SpectrogramTransformer().fit_transform(other), X)
    # The rows differ, so that a constant would not have passed.
    assert np.abs(X[0] - X[1]).max() > 1


def test_integer_samples_are_pcm_as_in_files():
    rng = np.random.default_rng(2)
    pcm = rng.integers(-(2**15), 2**15, size=(2, 1600), dtype=np.int16)
    transformer = SpectrogramTransformer()
    expected = transformer.transform(pcm / 2**15)
    np.testing.assert_array_equal(transformer.transform(pcm), expected)
    np.testing.assert_array_equal(np.asarray(transformer.transform(list(pcm))), expected)


@pytest.mark.parametrize("other", ["int32", "Int32", "float32"])
def test_columns_of_several_scales_raise(other):
    frame = pd.DataFrame(np.ones((2, 500), dtype=np.int16)).astype({3: other})
    with pytest.raises(TypeError, match=r"X has columns of the types .*int16.*: convert them to one type"):
        SpectrogramTransformer().fit_transform(frame)


@pytest.mark.parametrize("as_table", ["frame", "nullable frame", "object array"])
def test_pcm_in_other_tables_keeps_its_scale(as_table):
    pcm = np.random.default_rng(2).integers(-(2**15), 2**15, size=(2, 600), dtype=np.int16)
    X = pd.DataFrame(pcm)
    if as_table == "nullable frame":
        X = X.astype("Int16")
    if as_table == "object array":
        X = np.array([list(row) for row in pcm], dtype=object)
    expected = SpectrogramTransformer().transform(pcm / 2**15)
    np.testing.assert_array_equal(SpectrogramTransformer().fit_transform(X), expected)


def test_an_object_array_in_which_numpy_lost_the_type_of_integers_raises():
    pcm = np.random.default_rng(2).integers(-(2**15), 2**15, size=(2, 600), dtype=np.int16)
    with pytest.raises(TypeError, match="item 0: samples of type int64 have no known scale"):
        SpectrogramTransformer().transform(np.array(list(pcm), dtype=object))


def test_one_warning_names_the_first_item_far_beyond_1(waveforms):
    X = [waveforms[0], waveforms[3] * 32768, waveforms[3] * 1000, waveforms[3].tolist()]
    peak = np.abs(X[1]).max()
    with pytest.warns(
        UserWarning, match=rf"^item 1 has samples up to {peak:g}, as do 1 more, far beyond 1"
    ) as w:
        SpectrogramTransformer().fit_transform(X)
    assert len(w) == 1


@pytest.mark.parametrize("dtype", [np.int16, np.uint16, np.uint32, np.int64])
def test_integers_of_numpy_as_parameters_do_not_overflow(dtype, waveforms):
    same = SpectrogramTransformer(n_fft=dtype(512), hop_length=dtype(160)).transform(waveforms)
    assert_equal(same, SpectrogramTransformer(n_fft=512, hop_length=160).transform(waveforms))


@pytest.mark.parametrize("shape", [(1, 40 * 4000), (40 * 4000, 1)])
def test_two_processes_take_rows_of_a_reshaped_memory_map(shape, tmp_path):
    Y = np.random.default_rng(0).normal(size=(40, 4000)).astype(np.float32)
    Y.tofile(tmp_path / "samples")
    mapped = np.memmap(tmp_path / "samples", np.float32, "r", shape=shape).reshape(40, 4000)
    expected = SpectrogramTransformer().transform(Y)
    np.testing.assert_array_equal(SpectrogramTransformer(n_jobs=2).transform(mapped), expected)


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (np.array([0.0, np.nan]), r"^item 2: the waveform holds NaN"),
        (np.full(1024, 1e30), r"^item 2: the samples are too large for float32 power \(up to 1e\+30\)"),
        (np.zeros(0), r"^item 2: the waveform is empty"),
    ],
)
def test_a_bad_waveform_among_short_ones_is_named(bad, message):
    good = np.ones(1024)
    with pytest.raises(ValueError, match=message):
        SpectrogramTransformer().transform([good, good, bad, good])


def test_parameters_survive_clone_pickle_and_a_pipeline(waveforms, tmp_path):
    transformer = SpectrogramTransformer(
        "stft", window=("kaiser", 8.0), fmax=3000, ref="max", top_db=60, trim_db=30, memory=tmp_path / "m"
    )
    assert clone(transformer).get_params() == transformer.get_params()
    joblib.dump(transformer, tmp_path / "t.joblib")
    expected = transformer.transform(waveforms)
    assert_equal(joblib.load(tmp_path / "t.joblib").transform(waveforms), expected)
    means = make_pipeline(transformer, FunctionTransformer(lambda X: [S.mean() for S in X]))
    assert means.fit_transform(waveforms) == [S.mean() for S in expected]


def test_fit_reads_no_file_and_forgets_an_earlier_shape(paths):
    transformer = SpectrogramTransformer().fit(pd.DataFrame(np.zeros((2, 3)), columns=["a", "b", "c"]))
    assert transformer.feature_names_in_.tolist() == ["a", "b", "c"]
    transformer.fit(np.zeros((2, 3)))
    assert transformer.n_features_in_ == 3
    with pytest.raises(ValueError, match="4 features, but SpectrogramTransformer is expecting 3 features"):
        transformer.transform(np.zeros((2, 4)))
    transformer.fit(["missing.wav"])
    assert not hasattr(transformer, "n_features_in_")
    assert not hasattr(transformer, "feature_names_in_")
    assert transformer.transform(np.zeros((2, 4))).shape == (2, 64, 1)


def test_a_progress_bar_is_shown_when_asked_for(waveforms, capsys):
    SpectrogramTransformer().transform(waveforms)
    assert capsys.readouterr() == ("", "")
    SpectrogramTransformer(verbose=1).transform(waveforms)
    shown = capsys.readouterr().err
    assert "spectrograms" in shown
    assert "4/4" in shown


def test_two_processes_give_what_one_gives(paths, waveforms, one_thread, tmp_path):
    expected = SpectrogramTransformer().transform(paths)
    shared = SpectrogramTransformer(n_jobs=2, memory=tmp_path / "m")
    assert_equal(shared.transform(paths), expected)
    assert_equal(shared.transform(waveforms), expected)
    dense = np.stack([waveforms[0], waveforms[0][::-1]])
    np.testing.assert_array_equal(shared.transform(dense), SpectrogramTransformer().transform(dense))
    assert_equal(shared.transform(paths * 3), list(expected) * 3)
    Path(paths[2]).write_text("no audio")
    with pytest.raises(OSError, match=r"item 2 \(.*2\.wav\): holds text instead of audio"):
        shared.transform(paths)


def test_a_column_of_waveforms_may_be_called_read():
    X = pd.DataFrame({"read": [0.1, 0.2, 0.3], "b": [0.1, 0.2, 0.3], "c": [0.0, 0.0, 0.0]})
    assert SpectrogramTransformer().fit_transform(X).shape[0] == 3


# Bad input

DATASET_ITEM = {
    "path": None,
    "array": np.zeros(3),
    "sampling_rate": 8000,
}  # as Hugging Face datasets has them
LOAD = r"pass load_audio\(item\['array'\], orig_sr=item\['sampling_rate'\], sr=transformer\.sr\)"
MISSING = "a missing recording: leave out the item with its label and group"
WRITE = "write the content of the file to a temporary file, and pass the path of that file"


@pytest.mark.parametrize("method", ["fit", "transform"])
@pytest.mark.parametrize(
    ("X", "error", "message"),
    [
        ("a.wav", TypeError, "X is a single path, 'a.wav': wrap it in a list"),
        (Path("a.wav"), TypeError, "X is a single path, .*: wrap it in a list"),
        (b"RI\0FF", TypeError, f"X is a single item of type bytes: {WRITE} in a list"),
        (io.BytesIO(b"RIFF"), TypeError, f"X is a single item of type BytesIO: {WRITE} in a list"),
        (DATASET_ITEM, TypeError, f"X is a single item of type dict: {LOAD} in a list"),
        ([b"RI\0FF"], TypeError, f"item 0 of X is of type bytes: {WRITE}"),
        (np.array([b"RI\0FF"]), TypeError, f"item 0 of X is of type bytes: {WRITE}"),
        ([io.BytesIO(b"RIFF")], TypeError, f"item 0 of X is of type BytesIO: {WRITE}"),
        ([DATASET_ITEM], TypeError, f"item 0 of X is of type dict: {LOAD}"),
        ([], ValueError, "X is empty: give at least one recording"),
        (np.array([], dtype=str), ValueError, "X is empty: give at least one recording"),
        (np.zeros(5), ValueError, "X is one-dimensional, a single waveform.*wrap it in a list"),
        ([0.0, 0.5], ValueError, "X is one-dimensional, a single waveform.*wrap it in a list"),
        (np.zeros((1, 2, 3)), ValueError, "Found array with dim 3"),
        (np.zeros((2, 0)), ValueError, r"0 feature\(s\)"),
        (None, TypeError, "X must be a sequence of paths or waveforms.*got NoneType"),
        ({"a.wav"}, TypeError, r"X must be a sequence of paths or waveforms.*got set: pass list\(X\)\.$"),
        (iter(["a.wav"]), TypeError, r"X must be a sequence .*got list_iterator: pass list\(X\)\.$"),
        ((path for path in ["a.wav"]), TypeError, r"X must be a seq.*got generator: pass list\(X\)\.$"),
        (
            ["a.wav", np.zeros(3)],
            TypeError,
            "item 1 of X is a waveform, but item 0 is a path: give either only paths",
        ),
        ([np.zeros(3), np.zeros(3), "a"], TypeError, "item 2 of X is a path, but item 0 is a waveform"),
        (["a.wav", "b.wav", None], TypeError, f"item 2 of X is None, {MISSING}"),
        ([None, "b.wav"], TypeError, f"item 0 of X is None, {MISSING}"),
        (pd.Series(["a.wav", np.nan]), TypeError, f"item 1 of X is nan, {MISSING}"),
        (pd.Series(["a.wav", pd.NA], dtype="string"), TypeError, f"item 1 of X is <NA>, {MISSING}"),
        (["a.wav", pd.NaT], TypeError, f"item 1 of X is NaT, {MISSING}"),
        (["a.wav", np.float32("nan")], TypeError, f"item 1 of X is nan, {MISSING}"),
        ([None, None], TypeError, f"item 0 of X is None, {MISSING}"),
        ([np.zeros(3), None], TypeError, f"item 1 of X is None, {MISSING}"),
        (["a.wav", 0.5], TypeError, "item 1 of X is a number, but item 0 is a path"),
        (["a.wav", DATASET_ITEM], TypeError, f"item 1 of X is of type dict, but item 0 is a path: {LOAD}"),
        ([{}, {}], TypeError, "item 0 of X is of type dict: give paths or waveforms"),
        (
            pd.DataFrame({"path": ["a.wav"]}),
            ValueError,
            r"holds text: give paths in one dim.*frame\['p.*, or 'path' instead of \['path'\] in a C",
        ),
        ([["a.wav"], ["b.wav"]], ValueError, "X has two dimensions but holds text"),
        (pd.DataFrame({"audio": [[0.1, 0.2], [0.3]]}), ValueError, "X has two dimensions but holds arrays"),
        (pd.DataFrame({"audio": [torch.ones(3)]}), ValueError, "X has two dimensions but holds arrays"),
        (np.array([[Path("a.wav")]]), ValueError, "X has two dimensions but holds text"),
        ([[0.0, {}], [1.0, 2.0]], TypeError, "item 0: a waveform must hold real numbers, got object"),
        ([np.zeros(3), np.zeros((2, 3))], ValueError, r"item 1: a waveform must be mono.*got shape \(2, 3\)"),
        ([np.zeros(3), np.zeros(0)], ValueError, "item 1: the waveform is empty"),
        (
            [np.zeros(3), np.array([0, np.nan])],
            ValueError,
            "item 1: the waveform holds NaN or infinite samples",
        ),
        (
            np.array([[0, 1.0], [np.inf, 1]]),
            ValueError,
            "item 1: the waveform holds NaN or .*is inf at sample 0",
        ),
        ([np.zeros(3, dtype=complex)], ValueError, "item 0: Complex data not supported"),
        (np.zeros((2, 3), dtype=complex), ValueError, "Complex data not supported"),
        ([["a", 1.0], [2.0]], TypeError, "item 0: a waveform must hold real numbers"),
        (
            np.zeros((8000, 2)),
            ValueError,
            r"X of shape \(8000, 2\) is a single recording of 2 channels.*average its channels and wrap it",
        ),
        ((16000, np.zeros(9)), TypeError, "item 0: it is a pair of a sampling rate and samples"),
        ([(16000, np.zeros(9))] * 2, TypeError, "item 0: it is a pair of a sampling rate and samples"),
        ([(np.zeros((9, 2)), 16000)], TypeError, "item 0: it is a pair of a sampling rate and samples"),
        (
            pd.DataFrame({"audio": [np.zeros(9), np.zeros(8)]}),
            ValueError,
            r"holds arrays: give one column, such as frame\['audio'\] instead",
        ),
    ],
)
def test_other_things_than_recordings_raise(X, error, message, method):
    with pytest.raises(error, match=message):
        getattr(SpectrogramTransformer(), method)(X)


@pytest.mark.parametrize("n", [2, 399])
def test_short_arrays_of_two_columns_give_a_warning(n):
    X = np.random.default_rng(0).normal(scale=0.1, size=(n, 2))
    sentence = rf"X of shape \({n}, 2\) is read as {n} recordings of 2 samples: if it is one stereo recording"
    for call in (SpectrogramTransformer().fit, SpectrogramTransformer().transform):
        with pytest.warns(UserWarning, match=sentence):
            call(X)


@pytest.mark.parametrize("shape", [(1, 2), (399, 3), (3, 400)])
def test_other_arrays_give_no_warning(shape, recwarn):
    SpectrogramTransformer().fit(np.zeros(shape))
    assert not recwarn.list


@pytest.mark.parametrize(
    ("content", "error", "message"),
    [
        (None, OSError, "no such file"),
        (b"", OSError, "the file is empty"),
        (b"version https://git-lfs.github.com/spec/v1\n", OSError, "git lfs pull"),
        (b"hello", OSError, "holds text instead of audio"),
    ],
)
@pytest.mark.parametrize("cached", [False, True])
def test_a_bad_file_is_named(content, error, message, cached, paths, tmp_path):
    if content is None:
        os.remove(paths[2])
    else:
        Path(paths[2]).write_bytes(content)
    memory = tmp_path / "m" if cached else None
    with pytest.raises(error, match=rf"^item 2 \(.*2\.wav\): .*{message}"):
        SpectrogramTransformer(memory=memory).transform(paths)


PARAMETERS = [
    ({"kind": "mfcc"}, ValueError, "kind must be one of"),
    ({"sr": "16000"}, TypeError, "sr must be an integer"),
    ({"sr": 0}, ValueError, "sr must be an integer"),
    ({"fmax": 9000}, ValueError, "sr/2 = 8000 Hz"),
    ({"n_mels": 500}, ValueError, "empty Mel filters"),
    ({"ref": 0}, ValueError, "ref must be a number"),
    ({"trim_db": -1}, ValueError, "trim_db must be a number"),
    ({"backend": "numpy"}, ValueError, "backend must be one of"),
    ({"memory": 3}, TypeError, "memory must be None or the path of a folder, got 3 of type int"),
    ({"memory": ""}, ValueError, "memory must be None or the path of a folder, got ''"),
    (
        {"max_nbytes": "1 GB"},
        ValueError,
        "max_nbytes must be a number of bytes, or text with the unit K, M, G or T",
    ),
    ({"max_nbytes": -1}, ValueError, r"max_nbytes must be an integer in \[0"),
    ({"max_nbytes": 1.5}, TypeError, "max_nbytes must be an integer"),
    ({"n_jobs": 0}, ValueError, "n_jobs must not be 0"),
    ({"n_jobs": "2"}, TypeError, "n_jobs must be an integer"),
]


@pytest.mark.parametrize(("parameters", "error", "message"), PARAMETERS)
def test_wrong_parameters_raise(parameters, error, message):
    transformer = SpectrogramTransformer(**parameters)
    for check in (transformer.fit, transformer.transform):
        with pytest.raises(error, match=message):
            check([np.zeros(100)])
    with pytest.raises(error, match=message):
        check_transformer_parameters(transformer.get_params())


def test_rows_of_an_array_that_are_trimmed_to_different_lengths_raise():
    X = np.random.default_rng(0).normal(size=(2, 8000))
    X[0, :4000] = 0
    with pytest.raises(
        ValueError, match=r"trim_db leaves 31 to 51 frames .* give a list of waveforms, list\(X\)"
    ):
        SpectrogramTransformer(trim_db=30).transform(X)
    assert SpectrogramTransformer(trim_db=30).transform(list(X)).lengths.tolist() == [31, 51]


# The cache


def test_a_second_run_computes_nothing(paths, waveforms, computed, tmp_path):
    rows = np.random.default_rng(4).normal(size=(4, 800))
    for n, X in enumerate((paths, waveforms, rows), 1):
        expected = np.asarray(SpectrogramTransformer().transform(X))
        transformer = SpectrogramTransformer(memory=tmp_path / "a" / "cache")
        del computed[:]
        for again in (transformer, transformer, clone(transformer).set_params(n_jobs=1, verbose=1)):
            np.testing.assert_array_equal(np.asarray(again.transform(X)), expected)
        assert len(computed) == 4
        assert len(entries(tmp_path / "a" / "cache")) == 4 * n


def test_entries_are_plain_array_files(paths, tmp_path):
    X = SpectrogramTransformer(memory=tmp_path / "m").transform(paths[:1])
    (name,) = entries(tmp_path / "m")
    stored = np.load(tmp_path / "m" / name, allow_pickle=False)
    assert stored.dtype == np.float32
    np.testing.assert_array_equal(stored, X[0])


def test_a_moved_file_is_known_and_a_changed_one_is_not(paths, waveforms, computed, tmp_path):
    transformer = SpectrogramTransformer(memory=tmp_path / "m")
    first = transformer.transform(paths[:1])
    moved = shutil.copy(paths[0], tmp_path / "moved.wav")
    assert_equal(transformer.transform([moved]), first)
    assert len(computed) == 1
    # The same name, length and time of change, another content.
    before = os.stat(paths[0])
    soundfile.write(paths[0], waveforms[0][::-1], 16000, subtype="FLOAT")
    os.utime(paths[0], ns=(before.st_atime_ns, before.st_mtime_ns))
    assert os.path.getsize(paths[0]) == before.st_size
    changed = transformer.transform(paths[:1])
    assert len(computed) == 2
    assert np.abs(changed[0] - first[0]).max() > 1


@pytest.mark.parametrize(
    "other",
    [
        {"kind": "stft"},
        {"sr": 8000, "n_mels": 40},
        {"n_fft": 1024},
        {"win_length": 400},
        {"hop_length": 161},
        {"window": "hamming"},
        {"n_mels": 40},
        {"fmin": 50},
        {"fmax": 7000},
        {"ref": "mean"},
        {"ref": 0.5},
        {"top_db": 40},
        {"trim_db": 30},
    ],
)
def test_other_parameters_compute_again(other, paths, computed, tmp_path):
    transformer = SpectrogramTransformer(memory=tmp_path / "m")
    transformer.transform(paths[:1])
    changed = clone(transformer).set_params(**other)
    assert_equal(changed.transform(paths[:1]), clone(changed).set_params(memory=None).transform(paths[:1]))
    assert len(computed) == 3
    assert len(entries(tmp_path / "m")) == 2


@pytest.mark.parametrize(
    "other",
    [
        {"win_length": 512},
        {"fmax": 8000},
        {"fmin": 0, "sr": np.int64(16000)},
        {"n_mels": 20},
        {"max_nbytes": 0},
    ],
)
def test_other_spellings_of_the_same_parameters_compute_nothing(other, paths, computed, tmp_path):
    transformer = SpectrogramTransformer("stft" if "n_mels" in other else "mel", memory=tmp_path / "m")
    transformer.transform(paths)
    transformer.set_params(**other).transform(paths)
    assert len(computed) == 4


def test_an_interrupted_extraction_goes_on_where_it_stopped(paths, waveforms, computed, tmp_path):
    content = Path(paths[2]).read_bytes()
    Path(paths[2]).write_text("no audio")
    transformer = SpectrogramTransformer(memory=tmp_path / "m")
    with pytest.raises(OSError, match="item 2"):
        transformer.transform(paths)
    assert computed == [4000, 1, 8001]
    assert len(entries(tmp_path / "m")) == 3
    Path(paths[2]).write_bytes(content)
    assert_equal(transformer.transform(paths), SpectrogramTransformer().transform(waveforms))
    assert computed[3] == 700


def test_a_memory_that_is_a_file_or_not_writable_raises(paths, computed, tmp_path, monkeypatch):
    for memory in (paths[0], Path(paths[0]) / "below"):
        with pytest.raises(
            NotADirectoryError,
            match=r"^memory='.*0\.wav.*' cannot be a folder, because '.*0\.wav' is a file: name another",
        ):
            SpectrogramTransformer(memory=memory).transform(paths)
    monkeypatch.setattr(os, "access", lambda *args: False)
    with pytest.raises(PermissionError, match=r"^memory='.*' is not writable: give a folder that you can"):
        SpectrogramTransformer(memory=tmp_path).transform(paths)
    assert not computed


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), r"memory='.*' cannot be written \(No space left"),
        (KeyboardInterrupt(), None),
    ],
)
def test_a_full_disk_and_ctrl_c_leave_nothing_behind(error, message, paths, tmp_path, monkeypatch):
    monkeypatch.setattr(os, "replace", Mock(side_effect=error))
    for X in (paths, [np.zeros(100)]):
        with pytest.raises(type(error), match=message):
            SpectrogramTransformer(memory=tmp_path / "m").transform(X)
    assert entries(tmp_path / "m") == []


# Real recordings


@pytest.fixture
def recordings(ravdess_root: Path) -> list[Path]:
    """Ten recordings of ten speakers."""
    paths = sorted(ravdess_root.glob("Actor_*/*.flac"))
    assert len(paths) == 720
    return paths[::72]


@pytest.mark.corpus
@pytest.mark.parametrize("kind", ["mel", "stft"])
def test_real_recordings_equal_librosa(kind, recordings):
    X = SpectrogramTransformer(kind, win_length=400, fmax=4000, n_mels=40).transform(recordings)
    assert X.shape[:2] == (10, 40 if kind == "mel" else 129)
    frames = {"n_fft": 512, "win_length": 400, "hop_length": 160, "pad_mode": "constant"}
    for path, S in zip(recordings, X, strict=True):
        y = load_audio(path)
        if kind == "mel":
            power = librosa.feature.melspectrogram(y=y, sr=16000, n_mels=40, fmax=4000, **frames)
        else:
            power = np.abs(librosa.stft(y, **frames))[:129] ** 2
        # Down to float32 noise below the loudest, to the floor of the decibels, and to 60 dB of range.
        expected = np.maximum(power, max(1e-10, 1e-6 * power.max()))
        np.testing.assert_allclose(10 ** (S / 10.0), expected, rtol=1e-5, atol=1e-9 * power.max())


@pytest.mark.parametrize("bad", [np.full((3, 7), np.nan), [np.full(7, np.nan)]], ids=["array", "list"])
def test_a_failed_fit_changes_nothing(bad):
    X = np.random.default_rng(0).normal(size=(4, 2000)) * 0.1
    transformer = SpectrogramTransformer(n_mels=8).fit(X)
    before = transformer.transform(X)
    with pytest.raises(ValueError, match="NaN"):
        transformer.fit(bad)
    assert transformer.n_features_in_ == 2000
    assert_equal(transformer.transform(X), before)


@pytest.mark.parametrize("verbose", ["x", None, 1.5])
def test_verbose_must_be_an_integer(waveforms, verbose):
    with pytest.raises(TypeError, match=f"verbose must be an integer, True or False, got {verbose!r}"):
        SpectrogramTransformer(verbose=verbose).fit(waveforms)


@pytest.mark.parametrize(
    ("ref", "kind", "got"), [("x", ValueError, "'x'"), (None, TypeError, "None of type NoneType")]
)
def test_ref_must_be_a_number_or_the_name_of_a_level(waveforms, ref, kind, got):
    with pytest.raises(kind, match=f"ref must be a number, 'max' or 'mean', got {got}"):
        SpectrogramTransformer(ref=ref).fit(waveforms)
