"""Whatever happens to a cache, a spectrogram is correct or computed again."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import random
import shutil
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import numpy as np
import pytest
import soundfile

import skser.features._cache
import skser.features._extraction
from skser import Spectrograms, SpectrogramTransformer, clear_cache, load_audio, reduce_cache
from skser.features._cache import FORMAT_VERSION, cache_key, read_entry, write_entry
from skser.features._extraction import Extraction
from skser.spectral import checked_spectrogram

pytestmark = pytest.mark.reliability

HOUR = 3600
KEYS = [f"{i:064x}" for i in range(4)]


@pytest.fixture
def waveforms() -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    return [rng.normal(scale=0.1, size=800).astype(np.float32) for _ in range(4)]


@pytest.fixture
def paths(waveforms: list[np.ndarray], tmp_path: Path) -> list[str]:
    names = [str(tmp_path / f"{i}.wav") for i in range(len(waveforms))]
    for name, y in zip(names, waveforms, strict=True):
        soundfile.write(name, y, 16000, subtype="FLOAT")
    return names


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "cache"


@pytest.fixture
def computed(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Lengths of the waveforms whose spectrograms were computed."""
    lengths: list[int] = []

    def counting(y: np.ndarray, *parameters: Any) -> Any:
        lengths.append(len(y))
        return checked_spectrogram(y, *parameters)

    monkeypatch.setattr(skser.features._extraction, "checked_spectrogram", counting)
    return lengths


def assert_equal(X: Spectrograms, expected: Spectrograms) -> None:
    for S, other in zip(X, expected, strict=True):
        np.testing.assert_array_equal(S, other)


# Entries


def flip(place: int) -> Callable[[Path], object]:
    """Function that changes one bit of a file, which NumPy would not notice in the numbers."""

    def damage(path: Path) -> None:
        content = bytearray(path.read_bytes())
        content[place] ^= 1
        path.write_bytes(content)

    return damage


DAMAGE: list[Callable[[Path], object]] = [
    *[flip(place) for place in (0, 7, 100, 130, -33, -32, -1)],
    lambda path: path.write_bytes(path.read_bytes()[:-4]),
    lambda path: path.write_bytes(b""),
    lambda path: path.write_text("something else"),
    lambda path: np.save(path, np.zeros((64, 6), dtype=np.float32)),
    lambda path: np.save(path, np.array([{}], dtype=object), allow_pickle=True),
    lambda path: path.write_bytes(next(p for p in path.parent.iterdir() if p != path).read_bytes()),
]


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_or_exchanged_entry_is_computed_again(damage, paths, folder, computed):
    transformer = SpectrogramTransformer(memory=folder)
    expected = transformer.transform(paths)
    names = sorted(folder.iterdir())
    damage(names[0])
    for _ in range(2):
        assert_equal(transformer.transform(paths), expected)
        assert len(computed) == len(paths) + 1
    assert sorted(folder.iterdir()) == names


def test_an_entry_cut_anywhere_is_no_entry(folder):
    folder.mkdir()
    S = np.random.default_rng(0).normal(size=(3, 4)).astype(np.float32)
    write_entry(str(folder), KEYS[0], S)
    (entry,) = folder.iterdir()
    content = entry.read_bytes()
    for n_bytes in range(len(content)):
        entry.write_bytes(content[:n_bytes])
        assert read_entry(str(folder), KEYS[0], n_bins=3) is None
    entry.write_bytes(content + b"\0")
    assert read_entry(str(folder), KEYS[0], n_bins=3) is None
    entry.write_bytes(content)
    np.testing.assert_array_equal(read_entry(str(folder), KEYS[0], n_bins=3), S)


def test_an_entry_of_another_version_or_of_a_longer_file_is_not_used(paths, folder, computed, monkeypatch):
    transformer = SpectrogramTransformer(memory=folder)
    monkeypatch.setattr(skser.features._cache, "FORMAT_VERSION", FORMAT_VERSION + 1)
    transformer.transform(paths)
    monkeypatch.undo()
    assert_equal(transformer.transform(paths), SpectrogramTransformer().transform(paths))
    assert len(list(folder.iterdir())) == 8
    with pytest.raises(ValueError, match=r"4 of 4 .*\n.*longer than max_duration=0\.02 s"):
        transformer.set_params(max_duration=0.02).transform(paths)


def test_the_numbers_of_this_version_are_these():
    """Where this fails, the same parameters mean other numbers: raise FORMAT_VERSION as well."""
    assert FORMAT_VERSION == 4
    y = np.arange(24000) * 7919 % 10007 / 10007 - 0.5  # like noise
    pcm = (load_audio(y, 16000, orig_sr=24000, trim_db=30) * 2**15).astype(np.int16)
    mel = SpectrogramTransformer(n_mels=4).transform([pcm])[0]
    stft = SpectrogramTransformer("stft", n_fft=8, fmax=6000, ref="mean", top_db=40).transform([pcm])[0]
    assert mel.shape == (4, 101)
    np.testing.assert_allclose(mel[:, 50], MEL, atol=0.01)
    np.testing.assert_allclose(stft[:, 50], STFT, atol=0.01)


MEL = [-11.786, -9.796, -12.112, -1.044]
STFT = [-1.763, -11.892, 6.624, 5.368]


# Recordings


@pytest.mark.parametrize("same_place", [True, False])
@pytest.mark.parametrize("swap_back", [False, True])
def test_a_recording_replaced_while_it_is_read_is_not_kept(swap_back, same_place, paths, folder, monkeypatch):
    first, second = Path(paths[0]).read_bytes(), Path(paths[1]).read_bytes()
    times = os.stat(paths[0])
    load, swaps = skser.features._extraction.load_waveform, iter([True])

    def replace(content: bytes) -> None:
        if same_place:
            Path(paths[0]).write_bytes(content)
        else:
            Path(f"{paths[0]}.new").write_bytes(content)
            os.replace(f"{paths[0]}.new", paths[0])
        os.utime(paths[0], ns=(times.st_atime_ns, times.st_mtime_ns))

    def load_another(audio: str, *settings: Any) -> np.ndarray:
        if not next(swaps, False):
            return load(audio, *settings)
        replace(second)
        y = load(audio, *settings)
        if swap_back:
            replace(first)
        return y

    monkeypatch.setattr(skser.features._extraction, "load_waveform", load_another)
    transformer = SpectrogramTransformer(memory=folder)
    got = transformer.transform(paths[:1])
    monkeypatch.undo()
    assert_equal(got, SpectrogramTransformer().transform(paths[:1]))
    Path(paths[0]).write_bytes(first)
    assert_equal(transformer.transform(paths[:2]), SpectrogramTransformer().transform(paths[:2]))


def test_a_recording_that_never_comes_to_rest_is_named(paths, folder, monkeypatch):
    load = skser.features._extraction.load_waveform

    def load_and_change(audio: str, *settings: Any) -> np.ndarray:
        y = load(audio, *settings)
        soundfile.write(audio, np.append(y, 0.5), 16000, subtype="FLOAT")
        return y

    monkeypatch.setattr(skser.features._extraction, "load_waveform", load_and_change)
    with pytest.raises(
        OSError, match=r"item 0 \(.*\): changes while it is read: try again after it is completely written"
    ):
        SpectrogramTransformer(memory=folder).transform(paths[:1])
    assert not list(folder.iterdir())


# Several processes


def in_another_process(work: Callable[[random.Random], None], over: Any) -> int:
    """Do something again and again in a process of its own, until it is over."""
    process = os.fork()
    if not process:
        status = 1
        try:
            rng = random.Random(0)
            while not over.is_set():
                work(rng)
            status = 0
        finally:
            os._exit(status)
    return process


def test_others_write_evict_and_damage_the_entries_that_are_used(paths, folder):
    expected = SpectrogramTransformer().transform(paths)
    folder.mkdir()

    def write(rng: random.Random) -> None:
        i = rng.randrange(len(paths))
        write_entry(str(folder), keys[i], expected[i])

    def evict(rng: random.Random) -> None:
        clear_cache(folder) if rng.random() < 0.3 else reduce_cache(folder, bytes_limit=5000)
        time.sleep(0.002)

    def damage(rng: random.Random) -> None:
        for entry in folder.glob("*.npy"):
            with contextlib.suppress(FileNotFoundError):
                os.truncate(entry, rng.randrange(5000))
        time.sleep(0.002)

    transformer = SpectrogramTransformer(memory=folder)
    keys = [Extraction.of(transformer.get_params()).cache_key(path) for path in paths]
    over = multiprocessing.get_context("fork").Event()
    processes = [in_another_process(work, over) for work in (write, evict, damage)]
    try:
        for _ in range(60):
            assert_equal(transformer.transform(paths), expected)
    finally:
        over.set()
        statuses = [os.waitpid(process, 0)[1] for process in processes]
    assert statuses == [0, 0, 0]


def test_a_user_who_may_only_read_is_refused_and_the_entries_stay(waveforms, read_only):
    folder, told = read_only
    transformer = SpectrogramTransformer(memory=folder)
    transformer.transform(waveforms)
    entries = {entry: entry.read_bytes() for entry in folder.iterdir()}
    assert told(lambda: transformer.transform(waveforms)) == (
        f"PermissionError: memory='{folder}' is not writable: give a folder that you can write to."
    )
    assert {entry: entry.read_bytes() for entry in folder.iterdir()} == entries


def test_a_folder_deleted_while_it_is_used_is_made_again(paths, folder, monkeypatch):
    load = skser.features._extraction.load_waveform

    def load_and_delete(*arguments: Any) -> np.ndarray:
        shutil.rmtree(folder, ignore_errors=True)
        return load(*arguments)

    monkeypatch.setattr(skser.features._extraction, "load_waveform", load_and_delete)
    X = SpectrogramTransformer(memory=folder).transform(paths)
    assert len(list(folder.iterdir())) == 1
    monkeypatch.undo()
    assert_equal(X, SpectrogramTransformer().transform(paths))


# Its size


@pytest.fixture
def filled(folder: Path) -> Path:
    """Four entries of 1,000 numbers, the first used longest ago."""
    folder.mkdir()
    for i, key in enumerate(KEYS):
        write_entry(str(folder), key, np.zeros((10, 100), dtype=np.float32))
        used = time.time() - (4 - i) * 24 * HOUR
        os.utime(folder / f"{key}.npy", (used, used))
    return folder


def left(folder: Path) -> list[int]:
    """Numbers of the entries that are there."""
    return [i for i, key in enumerate(KEYS) if (folder / f"{key}.npy").exists()]


@pytest.mark.parametrize(
    ("limits", "stay"),
    [
        ({}, [0, 1, 2, 3]),
        ({"bytes_limit": 10**6}, [0, 1, 2, 3]),
        ({"bytes_limit": 9000}, [2, 3]),
        ({"bytes_limit": "9K"}, [2, 3]),
        ({"bytes_limit": "0.009 M"}, [2, 3]),
        ({"bytes_limit": 0}, []),
        ({"age_limit": timedelta(days=2.5)}, [2, 3]),
        ({"age_limit": timedelta(days=9)}, [0, 1, 2, 3]),
        ({"age_limit": timedelta(days=2.5), "bytes_limit": 5000}, [3]),
    ],
)
def test_the_least_recently_used_entries_go_first(limits, stay, filled):
    before = sum(path.stat().st_size for path in filled.iterdir())
    freed = reduce_cache(filled, **limits)
    assert left(filled) == stay
    assert freed == before - sum(path.stat().st_size for path in filled.iterdir())


def test_reading_counts_as_use(filled):
    assert read_entry(str(filled), KEYS[0], n_bins=10) is not None
    reduce_cache(filled, bytes_limit="9K")
    assert left(filled) == [0, 3]


def test_clear_deletes_entries_and_nothing_else(filled):
    (filled / "mine.npy").write_text("mine")
    (filled / "sub").mkdir()
    (filled / "sub" / f"{KEYS[0]}.npy").write_text("mine")
    being_written = filled / f"{KEYS[0]}.{'0' * 32}.tmp"
    being_written.write_text("another process is at it")
    assert clear_cache(filled) > 0
    assert sorted(path.name for path in filled.iterdir()) == [being_written.name, "mine.npy", "sub"]
    assert (filled / "sub" / f"{KEYS[0]}.npy").exists()


def test_eviction_meets_entries_and_folders_that_are_gone_or_belong_to_others(filled, tmp_path, monkeypatch):
    monkeypatch.setattr(os, "remove", Mock(side_effect=PermissionError(1, "Operation not permitted")))
    assert clear_cache(filled) == 0
    assert left(filled) == [0, 1, 2, 3]
    assert clear_cache(tmp_path / "none") == 0
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (
            lambda f: reduce_cache(f, bytes_limit="5 apples"),
            ValueError,
            "bytes_limit must be a number of bytes, or text",
        ),
        (lambda f: reduce_cache(f, bytes_limit=-1), ValueError, "bytes_limit must be an integer"),
        (lambda f: reduce_cache(f, bytes_limit=1.5), TypeError, "bytes_limit must be an integer"),
        (lambda f: reduce_cache(f, age_limit=7), TypeError, "age_limit must be a datetime.timedelta or None"),
        (lambda f: reduce_cache(f, age_limit=timedelta(-1)), ValueError, "age_limit must be 0 or more"),
        (lambda f: clear_cache(None), TypeError, "memory must be None or the path of a folder"),
        (lambda f: clear_cache("a\0b"), ValueError, "holds a null character"),
        (lambda f: clear_cache(f / f"{KEYS[0]}.npy"), NotADirectoryError, "is a file: name the folder"),
    ],
)
def test_wrong_limits_raise_and_delete_nothing(call, error, message, filled):
    with pytest.raises(error, match=message):
        call(filled)
    assert left(filled) == [0, 1, 2, 3]


def test_a_home_folder_is_one_recording_and_one_cache(paths, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    assert_equal(
        SpectrogramTransformer(memory="~/cache").transform(["~/0.wav"]),
        SpectrogramTransformer().transform(paths[:1]),
    )
    assert cache_key("~/0.wav", {}) == cache_key(paths[0], {})
    assert clear_cache("~/cache") > 0
