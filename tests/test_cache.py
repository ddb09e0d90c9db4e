"""Whatever happens to a cache, a spectrogram is correct or computed again."""

from __future__ import annotations

import contextlib
import hashlib
import io
import multiprocessing
import os
import random
import resource
import shutil
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st

import skser.features._cache
import skser.features._extraction
import skser.features._spectrogram_function
from skser import Spectrograms, SpectrogramTransformer, clear_cache, load_audio, reduce_cache
from skser.features._cache import FORMAT_VERSION, cache_keys, read_entry, write_entry
from skser.spectral import checked_spectrogram

pytestmark = pytest.mark.reliability

HOUR = 3600
NOBODY = 65534
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

    monkeypatch.setattr(skser.features._spectrogram_function, "checked_spectrogram", counting)
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


@given(st.dictionaries(st.integers(0, 127), st.integers(0, 255), min_size=1, max_size=40))
def test_random_damage_to_the_head_of_an_entry_is_noticed(damage):
    S = np.zeros((3, 4), dtype=np.float32)
    with tempfile.TemporaryDirectory() as folder:
        write_entry(folder, KEYS[0], S)
        (entry,) = Path(folder).iterdir()
        content = bytearray(entry.read_bytes())
        for place, value in damage.items():
            content[place] = value
        changed = content != entry.read_bytes()
        entry.write_bytes(content)
        assert (read_entry(folder, KEYS[0], n_bins=3) is None) == changed


def signed(key: str, array: np.ndarray, *, header: str | None = None) -> bytes:
    """Content of an entry with the correct checksum, whatever it holds."""
    file = io.BytesIO()
    if header is None:
        np.save(file, array, allow_pickle=True)
    else:
        text = header.ljust(117).encode() + b"\n"
        file.write(b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text + array.tobytes())
    return file.getvalue() + hashlib.blake2b(key.encode() + file.getvalue(), digest_size=32).digest()


def with_value(value: float) -> np.ndarray:
    S = np.zeros((64, 6), dtype=np.float32)
    S[3, 2] = value
    return S


PLANTED: dict[str, Callable[[Path], object]] = {
    "NaN": lambda path: path.write_bytes(signed(path.stem, with_value(np.nan))),
    "infinity": lambda path: path.write_bytes(signed(path.stem, with_value(-np.inf))),
    "no frames": lambda path: path.write_bytes(signed(path.stem, np.zeros((64, 0), np.float32))),
    "complex": lambda path: path.write_bytes(signed(path.stem, np.zeros((64, 6), np.complex64))),
    "float64": lambda path: path.write_bytes(signed(path.stem, np.zeros((64, 6)))),
    "another byte order": lambda path: path.write_bytes(signed(path.stem, np.zeros((64, 6), ">f4"))),
    "integers": lambda path: path.write_bytes(signed(path.stem, np.zeros((64, 6), np.int32))),
    "objects": lambda path: path.write_bytes(signed(path.stem, np.array([{}], dtype=object))),
    "a scalar": lambda path: path.write_bytes(signed(path.stem, np.float32(1))),
    "one dimension": lambda path: path.write_bytes(signed(path.stem, np.zeros(64, np.float32))),
    "three dimensions": lambda path: path.write_bytes(signed(path.stem, np.zeros((64, 6, 1), np.float32))),
    "other bins": lambda path: path.write_bytes(signed(path.stem, np.zeros((63, 6), np.float32))),
    "too many frames": lambda path: path.write_bytes(signed(path.stem, np.zeros((64, 60_004), np.float32))),
    "a header for 40 GB": lambda path: path.write_bytes(
        signed(
            path.stem,
            with_value(0),
            header="{'descr': '<f4', 'fortran_order': False, 'shape': (64, 160000000), }",
        )
    ),
    "a file of 40 GB": lambda path: os.truncate(path, 40 * 2**30),
    "a pipe": lambda path: (path.unlink(), os.mkfifo(path)),
    "an endless device": lambda path: (path.unlink(), path.symlink_to("/dev/zero")),
    "a folder": lambda path: (path.unlink(), path.mkdir()),
    "a link to itself": lambda path: (path.unlink(), path.symlink_to(path.name)),
}


@pytest.mark.parametrize("kind", PLANTED)
def test_a_planted_entry_that_is_no_spectrogram_is_computed_again(kind, paths, folder):
    transformer = SpectrogramTransformer(memory=folder)
    expected = transformer.transform(paths)
    entry = folder / f"{transformer._make_extraction().cache_keys(paths[0])[0]}.npy"
    PLANTED[kind](entry)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert_equal(transformer.transform(paths), expected)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss < before + 200_000  # KiB on Linux
    if kind != "a folder":
        assert_equal([read_entry(str(folder), entry.stem, n_bins=64)], expected[:1])


def test_a_planted_entry_of_the_right_form_is_used(paths, folder):
    """The other entries are refused for their form, not for their checksum."""
    transformer = SpectrogramTransformer(memory=folder)
    transformer.transform(paths)
    entry = folder / f"{transformer._make_extraction().cache_keys(paths[0])[0]}.npy"
    entry.write_bytes(signed(entry.stem, with_value(7)))
    np.testing.assert_array_equal(transformer.transform(paths)[0], with_value(7))
    in_columns = np.asfortranarray(np.arange(64 * 6, dtype=np.float32).reshape(64, 6))
    entry.write_bytes(signed(entry.stem, in_columns))
    np.testing.assert_array_equal(transformer.transform(paths)[0], in_columns)


def test_an_entry_is_at_most_as_long_as_its_waveform_allows(waveforms, folder):
    transformer = SpectrogramTransformer(memory=folder, max_duration=None)
    expected = transformer.transform(waveforms)
    entry = folder / f"{transformer._make_extraction().cache_keys(waveforms[0])[0]}.npy"
    entry.write_bytes(signed(entry.stem, np.zeros((64, 8), np.float32)))  # 6 frames at most
    assert_equal(transformer.transform(waveforms), expected)


SETTINGS: dict[str, Any] = {
    "kind": "stft",
    "sr": 8000,
    "n_fft": 256,
    "win_length": 300,
    "hop_length": 80,
    "window": "hamming",
    "n_mels": 32,
    "fmin": 50.0,
    "fmax": 4000.0,
    "ref": "max",
    "top_db": 40,
    "trim_db": 30,
    "backend": "torchaudio",
}
WITHOUT_EFFECT: dict[str, Any] = {
    "memory": "another",
    "max_duration": 5.0,
    "max_nbytes": None,
    "n_jobs": 2,
    "verbose": 1,
    "device": "cpu",
}


def key_of(audio: Any, **parameters: Any) -> str:
    return SpectrogramTransformer(**parameters)._make_extraction().cache_keys(audio)[0]


def test_every_parameter_of_the_transformer_is_in_one_of_the_two_tables():
    assert {*SETTINGS, *WITHOUT_EFFECT} == set(SpectrogramTransformer().get_params())


@pytest.mark.parametrize("name", SETTINGS)
def test_key_changes_with_each_setting_that_changes_the_spectrogram(name, paths):
    assert key_of(paths[0], **{name: SETTINGS[name]}) != key_of(paths[0])


@pytest.mark.parametrize("name", WITHOUT_EFFECT)
def test_key_does_not_change_with_anything_else(name, paths, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert key_of(paths[0], **{name: WITHOUT_EFFECT[name]}) == key_of(paths[0])


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"win_length": 512}, {}),
        ({"fmax": 8000}, {}),
        ({"fmin": np.float32(0), "n_fft": np.int16(512)}, {}),
        ({"window": ["tukey", 0.25]}, {"window": ("tukey", 0.25)}),
        ({"kind": "stft", "n_mels": 32}, {"kind": "stft"}),
    ],
)
def test_key_is_the_same_for_other_spellings_of_the_same_settings(one, other, paths):
    assert key_of(paths[0], **one) == key_of(paths[0], **other)


def test_key_depends_on_the_content_of_a_recording_and_not_on_its_name(paths, waveforms):
    copy = f"{paths[0]}.copy.wav"
    shutil.copy(paths[0], copy)
    assert key_of(copy) == key_of(paths[0]) != key_of(paths[1])
    assert key_of(waveforms[0]) != key_of(waveforms[1])
    assert key_of(waveforms[0].tolist()) == key_of(waveforms[0])


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
    extraction = transformer._make_extraction()
    keys = [extraction.cache_keys(path)[0] for path in paths]
    over = multiprocessing.get_context("fork").Event()
    processes = [in_another_process(work, over) for work in (write, evict, damage)]
    try:
        for _ in range(60):
            assert_equal(transformer.transform(paths), expected)
    finally:
        over.set()
        statuses = [os.waitpid(process, 0)[1] for process in processes]
    assert statuses == [0, 0, 0]


def test_many_threads_write_and_read_one_entry(folder):
    folder.mkdir()
    contents = [np.full((8, 500), value, dtype=np.float32) for value in range(8)]

    def write_and_read(n: int) -> np.ndarray | None:
        write_entry(str(folder), KEYS[0], contents[n % 8])
        return read_entry(str(folder), KEYS[0], n_bins=8)

    with ThreadPoolExecutor(16) as pool:
        found = list(pool.map(write_and_read, range(400)))
    assert all(S is not None and (S[0, 0] == S).all() and S[0, 0] in range(8) for S in found)
    assert [path.name for path in folder.iterdir()] == [f"{KEYS[0]}.npy"]


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root can be two users")
def test_a_damaged_entry_of_another_user_in_a_sticky_folder_stops_nobody(waveforms):
    # pytest's own folders are closed to others.
    with tempfile.TemporaryDirectory() as name:
        transformer = SpectrogramTransformer(memory=name)
        expected = transformer.transform(waveforms)
        os.chmod(name, 0o1777)
        for entry in Path(name).iterdir():
            entry.write_bytes(entry.read_bytes()[:-1])
        process = os.fork()
        if not process:
            status = 1
            try:
                os.setgid(NOBODY)
                os.setuid(NOBODY)
                assert_equal(transformer.transform(waveforms), expected)
                status = 0
            finally:
                os._exit(status)
        assert os.waitpid(process, 0)[1] == 0
        assert all(entry.suffix == ".npy" for entry in Path(name).iterdir())


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


def test_a_folder_deleted_while_an_entry_is_put_in_place_stops_nobody(paths, folder, monkeypatch):
    replace = os.replace

    def delete_and_replace(*arguments: str) -> None:
        shutil.rmtree(folder)
        replace(*arguments)

    monkeypatch.setattr(os, "replace", delete_and_replace)
    X = SpectrogramTransformer(memory=folder).transform(paths)
    assert not folder.exists()
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
        (
            lambda f: clear_cache("a\0b"),
            ValueError,
            r"memory must be None or the path of a folder, got 'a\\x00b'",
        ),
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
    assert cache_keys("~/0.wav", [{}]) == cache_keys(paths[0], [{}])
    assert clear_cache("~/cache") > 0
