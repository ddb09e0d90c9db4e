"""The transformer from recordings to spectrograms, and its cache."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

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

import skser.features._extraction
from skser import Spectrograms, SpectrogramTransformer, load_audio, spectrogram
from skser.features._cache import cache_key, open_cache, read_entry, write_entry
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
    folder = tmp_path / "recordings"
    folder.mkdir()
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

    monkeypatch.setattr(skser.features._extraction, "checked_spectrogram", counting)
    return lengths


def assert_equal(X: Spectrograms, expected: Any) -> None:
    """Equal lengths and equal numbers."""
    assert isinstance(X, Spectrograms)
    assert len(X) == len(expected)
    for index in range(len(X)):
        np.testing.assert_array_equal(X[index], expected[index])


def entries(folder: Path) -> list[str]:
    """Files of a cache."""
    return sorted(os.listdir(folder))


# What goes in and what comes out


@pytest.mark.parametrize(
    "parameters", [{}, {"kind": "stft", "fmax": 4000}, {"sr": 8000, "n_fft": 256, "n_mels": 20}]
)
def test_spectrograms_are_those_of_the_function(parameters, waveforms):
    X = SpectrogramTransformer(**parameters).fit_transform(waveforms)
    assert_equal(X, [spectrogram(y, **parameters).numpy() for y in waveforms])


def test_paths_equal_arrays(paths, waveforms):
    expected = SpectrogramTransformer().transform(waveforms)
    assert expected.lengths.tolist() == [26, 1, 5, 51]
    assert np.asarray(expected).dtype == np.float32
    assert_equal(SpectrogramTransformer().transform(paths), expected)


def test_every_kind_of_sequence_of_paths_is_accepted(paths):
    transformer = SpectrogramTransformer()
    expected = transformer.transform(paths)
    as_object = np.empty(len(paths), dtype=object)
    as_object[:] = [Path(path) for path in paths]
    for X in (tuple(paths), np.array(paths), as_object, pd.Series(paths, index=[7, 5, 3, 1])):
        assert_equal(transformer.fit_transform(X), expected)


def test_every_kind_of_sequence_of_waveforms_is_accepted(waveforms):
    transformer = SpectrogramTransformer()
    expected = transformer.transform(waveforms)
    as_object = np.empty(len(waveforms), dtype=object)
    as_object[:] = waveforms
    tensors = [torch.tensor(y) for y in waveforms]
    numbers = [y.tolist() for y in waveforms]
    for X in (tuple(waveforms), as_object, pd.Series(waveforms), tensors, numbers):
        assert_equal(transformer.fit_transform(X), expected)


def test_waveforms_of_equal_length_in_a_list_stay_a_list(waveforms):
    X = SpectrogramTransformer().transform([waveforms[0], waveforms[0]])
    assert isinstance(X, Spectrograms)
    assert X.lengths.tolist() == [26, 26]


def test_a_two_dimensional_array_gives_a_dense_array():
    rows = np.random.default_rng(1).normal(scale=0.1, size=(3, 1600))
    transformer = SpectrogramTransformer()
    X = transformer.transform(rows)
    assert X.shape == (3, 64, 11)
    assert X.dtype == np.float32
    assert X.flags.c_contiguous
    np.testing.assert_array_equal(X, np.asarray(transformer.transform(list(rows))))
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


def test_recordings_are_resampled_and_trimmed(tmp_path):
    rng = np.random.default_rng(3)
    y = np.concatenate([np.zeros(24000), rng.normal(scale=0.1, size=24000), np.zeros(24000)])
    soundfile.write(tmp_path / "a.wav", y, 48000, subtype="FLOAT")
    X = SpectrogramTransformer(trim_db=30).transform([tmp_path / "a.wav"])
    expected = load_audio(tmp_path / "a.wav", 16000, trim_db=30)
    assert len(expected) < 16000
    assert_equal(X, [spectrogram(expected, top_db=60).numpy()])


@pytest.mark.parametrize("kind", ["mel", "stft"])
def test_silence_and_one_sample_and_two_minutes(kind):
    X = SpectrogramTransformer(kind=kind).transform([np.zeros(1), np.zeros(120 * 16000)])
    assert X.lengths.tolist() == [1, 12001]
    assert (X[1] == -100).all()


def test_a_recording_does_not_depend_on_the_others(waveforms):
    transformer = SpectrogramTransformer()
    together = transformer.transform(waveforms[::-1])
    for y, S in zip(waveforms[::-1], together, strict=True):
        np.testing.assert_array_equal(transformer.transform([y])[0], S)


@pytest.mark.parametrize(
    "parameters",
    [
        {},
        {"ref": "max", "top_db": None},
        {"ref": "mean", "kind": "stft"},
        {"ref": 0.5, "top_db": 20, "n_fft": 400, "win_length": 300, "hop_length": 77},
        {"n_fft": 511, "n_mels": 30},
        {"n_fft": 2, "kind": "stft"},
        {"n_fft": 64, "hop_length": 1000, "n_mels": 8},
        {"hop_length": 2**31 - 1},
    ],
)
def test_short_waveforms_that_share_a_call_are_what_each_is_alone(parameters):
    rng = np.random.default_rng(0)
    lengths = [1, 2, 160, 30000, 159, 161, 200_000, 320, 60_000, 70_000, *rng.integers(1, 20000, 30)]
    # Of unlike loudness, so that what belongs to a neighbour would show in the range.
    Y = [(rng.normal(size=n) * 10 ** rng.uniform(-4, 0)).astype(np.float32) for n in lengths]
    transformer = SpectrogramTransformer(**parameters)
    for y, S in zip(Y, transformer.transform(Y), strict=True):
        np.testing.assert_array_equal(S, transformer.transform([y])[0])


class _OfUnknownShape:
    """Samples that say nothing of their number, as those of a lazy array."""

    shape = (float("nan"),)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return np.ones(16000, dtype=np.float32)


def test_samples_of_unknown_number_are_computed():
    X = SpectrogramTransformer().transform([_OfUnknownShape(), np.ones(16000, np.float32)])
    np.testing.assert_array_equal(X[0], X[1])


@pytest.mark.parametrize("dtype", [np.int16, np.uint16, np.uint32, np.int64])
def test_integers_of_numpy_as_parameters_do_not_overflow(dtype, waveforms):
    parameters = {"n_fft": 512, "hop_length": 160}
    expected = SpectrogramTransformer(**parameters).transform(waveforms)
    same = SpectrogramTransformer(n_fft=512, hop_length=dtype(160)).transform(waveforms)
    assert_equal(same, expected)


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


def test_the_input_stays_unchanged(waveforms):
    before = [y.copy() for y in waveforms]
    SpectrogramTransformer(trim_db=20).fit_transform(waveforms)
    for y, old in zip(waveforms, before, strict=True):
        np.testing.assert_array_equal(y, old)


def test_a_pipeline_takes_paths(paths):
    means = make_pipeline(SpectrogramTransformer(), FunctionTransformer(lambda X: [S.mean() for S in X]))
    expected = [S.mean() for S in SpectrogramTransformer().transform(paths)]
    assert means.fit_transform(paths) == expected


def test_parameters_survive_clone_and_pickle(waveforms, tmp_path):
    transformer = SpectrogramTransformer(
        "stft", window=("kaiser", 8.0), fmax=3000, ref="max", top_db=60, trim_db=30, memory=tmp_path / "m"
    )
    assert clone(transformer).get_params() == transformer.get_params()
    joblib.dump(transformer, tmp_path / "t.joblib")
    assert_equal(joblib.load(tmp_path / "t.joblib").transform(waveforms), transformer.transform(waveforms))


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


# Bad input


@pytest.mark.parametrize("method", ["fit", "transform"])
@pytest.mark.parametrize(
    ("X", "error", "message"),
    [
        ("a.wav", TypeError, "X is a single path, 'a.wav': wrap it in a list"),
        (Path("a.wav"), TypeError, "X is a single path, .*: wrap it in a list"),
        (b"a.wav", TypeError, "X is a single path, b'a.wav': wrap it in a list"),
        ([], ValueError, "X is empty: give at least one recording"),
        (np.array([], dtype=str), ValueError, "X is empty: give at least one recording"),
        (np.zeros(5), ValueError, "X is one-dimensional, a single waveform.*wrap it in a list"),
        ([0.0, 0.5], ValueError, "X is one-dimensional, a single waveform.*wrap it in a list"),
        (np.zeros((1, 2, 3)), ValueError, "Found array with dim 3"),
        (np.zeros((2, 0)), ValueError, r"0 feature\(s\)"),
        (None, TypeError, "X must be a sequence of paths or waveforms.*got NoneType"),
        ({"a.wav"}, TypeError, "X must be a sequence of paths or waveforms.*got set"),
        (iter(["a.wav"]), TypeError, "X must be a sequence of paths or waveforms.*got list_iterator"),
        (
            ["a.wav", np.zeros(3)],
            TypeError,
            "item 1 of X is a waveform, but item 0 is a path: give either only paths",
        ),
        ([np.zeros(3), np.zeros(3), "a"], TypeError, "item 2 of X is a path, but item 0 is a waveform"),
        (["a.wav", "b.wav", None], TypeError, "item 2 of X is of type NoneType, but item 0 is a path"),
        (pd.Series(["a.wav", np.nan]), TypeError, "item 1 of X is a number, but item 0 is a path"),
        ([{}, {}], TypeError, "item 0 of X is of type dict: give paths or waveforms"),
        (
            pd.DataFrame({"path": ["a.wav"]}),
            ValueError,
            r"holds text: give paths in one dimension, such as frame\['p",
        ),
        ([["a.wav"], ["b.wav"]], ValueError, "X has two dimensions but holds text"),
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
    ],
)
def test_what_is_no_collection_of_recordings_raises(X, error, message, method):
    with pytest.raises(error, match=message):
        getattr(SpectrogramTransformer(), method)(X)


@pytest.mark.parametrize(
    ("content", "error", "message"),
    [
        (None, OSError, "no such file"),
        (b"", OSError, "the file is empty"),
        (b"version https://git-lfs.github.com/spec/v1\n", OSError, "git lfs pull"),
        (b"hello", OSError, "holds text and no audio"),
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


def test_samples_whose_power_overflows_raise():
    with pytest.raises(
        ValueError, match=r"item 0: the samples are too large .*\(up to 1e\+30\): scale the waveform"
    ):
        SpectrogramTransformer().transform([np.full(100, 1e30)])


@pytest.mark.parametrize(
    ("parameters", "error", "message"),
    [
        ({"kind": "mfcc"}, ValueError, "kind must be one of"),
        ({"sr": "16000"}, TypeError, "sr must be an integer"),
        ({"sr": 0}, ValueError, "sr must be an integer"),
        ({"fmax": 9000}, ValueError, "sr/2 = 8000 Hz"),
        ({"n_mels": 500}, ValueError, "empty Mel filters"),
        ({"trim_db": -1}, ValueError, "trim_db must be a number"),
        ({"backend": "numpy"}, ValueError, "backend must be one of"),
        ({"memory": 3}, TypeError, "memory must be None or the path of a folder, got int"),
        ({"n_jobs": 0}, ValueError, "n_jobs must not be 0"),
        ({"n_jobs": "2"}, TypeError, "n_jobs must be an integer"),
    ],
)
@pytest.mark.parametrize("method", ["fit", "transform"])
def test_wrong_parameters_raise(parameters, error, message, method):
    transformer = SpectrogramTransformer(**parameters)
    with pytest.raises(error, match=message):
        getattr(transformer, method)([np.zeros(100)])


# The cache


@pytest.mark.parametrize("of_files", [True, False])
def test_a_second_run_computes_nothing(of_files, paths, waveforms, computed, tmp_path):
    X = paths if of_files else waveforms
    expected = SpectrogramTransformer().transform(X)
    transformer = SpectrogramTransformer(memory=tmp_path / "a" / "cache")
    del computed[:]
    assert_equal(transformer.transform(X), expected)
    assert len(computed) == 4
    assert_equal(transformer.transform(X), expected)
    assert_equal(
        clone(transformer).set_params(n_jobs=1, verbose=0, memory=str(transformer.memory)).transform(X),
        expected,
    )
    assert len(computed) == 4


def test_rows_of_an_array_are_cached(computed, tmp_path):
    rows = np.random.default_rng(4).normal(size=(3, 800))
    transformer = SpectrogramTransformer(memory=tmp_path / "m")
    np.testing.assert_array_equal(transformer.transform(rows), transformer.transform(rows))
    assert len(computed) == 3


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
def test_other_parameters_compute_anew(other, paths, computed, tmp_path):
    transformer = SpectrogramTransformer(memory=tmp_path / "m")
    transformer.transform(paths[:1])
    changed = clone(transformer).set_params(**other)
    assert_equal(changed.transform(paths[:1]), clone(changed).set_params(memory=None).transform(paths[:1]))
    assert len(computed) == 3
    assert len(entries(tmp_path / "m")) == 2


@pytest.mark.parametrize("other", [{"win_length": 512}, {"fmax": 8000}, {"fmin": 0, "sr": np.int64(16000)}])
def test_other_spellings_of_the_same_parameters_compute_nothing(other, paths, computed, tmp_path):
    transformer = SpectrogramTransformer(memory=tmp_path / "m")
    transformer.transform(paths)
    transformer.set_params(**other).transform(paths)
    assert len(computed) == 4


def test_n_mels_does_not_matter_to_stft(paths, computed, tmp_path):
    for n_mels in (20, 40):
        SpectrogramTransformer("stft", n_mels=n_mels, memory=tmp_path / "m").transform(paths)
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


def _write_pickle(path: Path) -> None:
    np.save(path, np.array([{}], dtype=object), allow_pickle=True)


@pytest.mark.parametrize(
    "damage",
    [
        lambda path: path.write_bytes(path.read_bytes()[:-4]),
        lambda path: path.write_bytes(path.read_bytes()[:20]),
        lambda path: path.write_bytes(b""),
        lambda path: path.write_text("something else"),
        lambda path: np.save(path, np.zeros((63, 26), dtype=np.float32)),
        lambda path: np.save(path, np.zeros((64, 0), dtype=np.float32)),
        lambda path: np.save(path, np.zeros((64, 26))),
        lambda path: np.save(path, np.zeros(64, dtype=np.float32)),
        lambda path: np.save(path, np.full((64, 26), np.nan, dtype=np.float32)),
        _write_pickle,
    ],
)
def test_damaged_entries_are_computed_anew(damage, paths, computed, tmp_path):
    transformer = SpectrogramTransformer(memory=tmp_path / "m")
    expected = transformer.transform(paths[:1])
    (name,) = entries(tmp_path / "m")
    damage(tmp_path / "m" / name)
    assert_equal(transformer.transform(paths[:1]), expected)
    assert len(computed) == 2
    assert_equal(transformer.transform(paths[:1]), expected)
    assert len(computed) == 2
    assert entries(tmp_path / "m") == [name]


def test_the_home_folder_is_understood(waveforms, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    SpectrogramTransformer(memory="~/cache").transform(waveforms)
    assert len(entries(tmp_path / "cache")) == 4


def test_a_memory_that_is_a_file_raises(paths, computed):
    for memory in (paths[0], Path(paths[0]) / "below"):
        with pytest.raises(
            NotADirectoryError,
            match=r"^memory='.*0\.wav.*' cannot be a folder, '.*0\.wav' is a file: name another folder",
        ):
            SpectrogramTransformer(memory=memory).transform(paths)
    assert not computed


def test_a_memory_without_permission_raises(paths, computed, tmp_path, monkeypatch):
    monkeypatch.setattr(os, "access", lambda *args: False)
    with pytest.raises(
        PermissionError, match=r"^memory='.*' is not writable: give a folder that you may write to"
    ):
        SpectrogramTransformer(memory=tmp_path).transform(paths)
    assert not computed


def test_a_full_disk_raises_and_leaves_nothing_behind(paths, tmp_path, monkeypatch):
    def full(*args: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(
        OSError, match=r"memory='.*' cannot be written \(No space left on device\): give a folder"
    ):
        SpectrogramTransformer(memory=tmp_path / "m").transform(paths)
    assert entries(tmp_path / "m") == []


def test_an_interrupted_write_leaves_nothing_behind(tmp_path, monkeypatch):
    def interrupt(*args: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "replace", interrupt)
    with pytest.raises(KeyboardInterrupt):
        write_entry(str(tmp_path), "0", np.zeros((2, 3), dtype=np.float32))
    assert entries(tmp_path) == []


def test_many_writers_and_readers_of_one_entry_never_see_a_part(tmp_path):
    folder = open_cache(tmp_path / "m")
    candidates = [np.full((64, 5000), value, dtype=np.float32) for value in (1, 2)]
    write_entry(folder, "0", candidates[0])

    def write_and_read(index: int) -> bool:
        write_entry(folder, "0", candidates[index % 2])
        S = read_entry(folder, "0", n_bins=64)
        return S is not None and S.shape == (64, 5000) and bool((S[0, 0] == S).all())

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(write_and_read, range(64)))
    assert entries(tmp_path / "m") == ["0.npy"]


def test_keys_tell_samples_files_and_parameters_apart(tmp_path):
    y = np.array([0.0, 0.5], dtype=np.float32)
    path = tmp_path / "raw"
    path.write_bytes(y.tobytes())
    keys = [
        cache_key(y, {"sr": 1}),
        cache_key(y, {"sr": 2}),
        cache_key(y[::-1], {"sr": 1}),
        cache_key(path, {"sr": 1}),
    ]
    assert len(set(keys)) == 4
    assert keys[0] == cache_key([0.0, 0.5], {"sr": 1})


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
        y, _ = librosa.load(path, sr=16000)
        if kind == "mel":
            power = librosa.feature.melspectrogram(y=y, sr=16000, n_mels=40, fmax=4000, **frames)
        else:
            power = np.abs(librosa.stft(y, **frames))[:129] ** 2
        # Down to float32 noise below the loudest, to the floor of the decibels, and to 60 dB of range.
        expected = np.maximum(power, max(1e-10, 1e-6 * power.max()))
        np.testing.assert_allclose(10 ** (S / 10.0), expected, rtol=1e-5, atol=1e-9 * power.max())


@pytest.mark.corpus
def test_real_recordings_in_two_processes_and_from_the_cache(recordings, one_thread, computed, tmp_path):
    expected = SpectrogramTransformer().transform(recordings)
    assert len(computed) == 10
    cached = SpectrogramTransformer(n_jobs=2, memory=tmp_path / "m")
    assert_equal(cached.transform(recordings), expected)
    assert_equal(cached.set_params(n_jobs=None).transform(recordings), expected)
    assert len(computed) == 10
    assert len(entries(tmp_path / "m")) == 10


# Last, since joblib ends its workers on an error.


def test_an_error_in_another_process_names_the_item(paths):
    Path(paths[2]).write_text("no audio")
    with pytest.raises(OSError, match=r"item 2 \(.*2\.wav\): holds text and no audio"):
        SpectrogramTransformer(n_jobs=2).transform(paths)
