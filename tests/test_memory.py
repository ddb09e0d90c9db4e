"""Spectrograms stay in memory up to a limit; larger ones are in a file without a name."""

from __future__ import annotations

import gc
import mmap
import os
import pickle
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from joblib import Parallel, delayed, parallel_config
from sklearn.model_selection import GridSearchCV

import skser._utils._parallel
import skser.sequences._buffer
from skser import CenterLossClassifier, RecordingsError, Spectrograms, SpectrogramTransformer
from skser._utils import parallel_map
from skser.sequences import Buffer

REPOSITORY = Path(__file__).resolve().parents[1]
PROC = pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="asks /proc, which Linux alone has")
TINY: dict[str, Any] = {
    **{"channels": (2,), "rnn_units": 2, "embedding_dim": 2, "max_epochs": 1, "device": "cpu"},
    "random_state": 0,
}


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder for temporary files, with nothing in it."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


@pytest.fixture
def waveforms() -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    return [rng.normal(scale=0.1, size=n).astype(np.float32) for n in (4000, 1, 700, 8001, 2500, 1600)]


@pytest.fixture
def paths(waveforms: list[np.ndarray], tmp_path: Path) -> list[str]:
    names = [str(tmp_path / f"{index}.wav") for index in range(len(waveforms))]
    for name, y in zip(names, waveforms, strict=True):
        soundfile.write(name, y, 16000, subtype="FLOAT")
    return names


def is_mapped(X: Spectrograms) -> bool:
    """Whether the frames are those of a file; an array of such an array refers to it."""
    base: Any = X._frames
    while isinstance(base, np.ndarray):
        base = base.base
    return isinstance(getattr(base, "obj", base), mmap.mmap)


def open_files() -> list[str]:
    """Temporary files of this package that this process has open or mapped."""
    gc.collect()
    targets = []
    for name in os.listdir("/proc/self/fd"):
        try:
            targets.append(os.readlink(f"/proc/self/fd/{name}"))
        except FileNotFoundError:  # the descriptor of the listing
            continue
    maps = Path("/proc/self/maps").read_text().splitlines()
    return [line for line in targets + maps if tempfile.gettempdir() in line]


def assert_equal(X: Spectrograms, Y: Spectrograms) -> None:
    assert X.lengths.tolist() == Y.lengths.tolist()
    assert all(a.tobytes() == b.tobytes() for a, b in zip(X, Y, strict=True))


# What is written is what is read


@pytest.mark.parametrize("max_nbytes", [0, 1, 39, 40, 41, 79, 80, 1000, float("inf")])
def test_a_buffer_holds_what_was_appended_bit_for_bit(max_nbytes):
    rng = np.random.default_rng(0)
    parts = [rng.normal(size=shape).astype(np.float32) for shape in [(2, 5), (1, 3), (0, 5), (7,)]]
    buffer = Buffer(max_nbytes)
    for part in parts:
        buffer.append(part.T if part.ndim == 2 else part)
    array = buffer.finish()
    assert array.tobytes() == b"".join(part.T.tobytes("C") for part in parts)
    assert array.flags.writeable == (max_nbytes >= 80)  # a file is not to be changed


@pytest.mark.parametrize("n_jobs", [1, 2])
@pytest.mark.parametrize("max_nbytes", [0, 10_000, "1K"])
def test_mapped_spectrograms_are_those_in_memory(max_nbytes, n_jobs, waveforms, paths):
    expected = SpectrogramTransformer(n_jobs=1, max_nbytes=None).transform(waveforms)
    for X in (waveforms, paths):
        mapped = SpectrogramTransformer(n_jobs=n_jobs, max_nbytes=max_nbytes).transform(X)
        assert_equal(mapped, expected)
        assert is_mapped(mapped)
        with pytest.raises(ValueError, match="read-only"):
            mapped[0][:] = 0
    assert not is_mapped(expected)


def test_the_limit_is_the_largest_size_in_memory_and_not_for_dense_arrays(waveforms):
    n_bytes = (26 + 11) * 64 * 4  # frames, bins, bytes
    for limit in (n_bytes, n_bytes - 1):
        X = SpectrogramTransformer(max_nbytes=limit).transform([waveforms[0], waveforms[-1]])
        assert X.lengths.tolist() == [26, 11]
        assert is_mapped(X) == (limit < n_bytes)
    dense = SpectrogramTransformer(max_nbytes=0).transform(np.ones((3, 1600)))
    assert dense.flags.writeable
    assert dense.flags.c_contiguous
    assert dense.tobytes() == SpectrogramTransformer(max_nbytes=None).transform(np.ones((3, 1600))).tobytes()


# Where results come from


@pytest.mark.parametrize("backend", ["loky", "threading", "multiprocessing"])
def test_every_back_end_gives_the_same(backend, waveforms):
    many = waveforms * 30  # more than a part of those that give all at once
    assert len(many) > skser._utils._parallel._CALLS_PER_JOB * 2
    with parallel_config(backend, n_jobs=2):
        X = SpectrogramTransformer(max_nbytes=0).transform(many)
    assert_equal(X, SpectrogramTransformer(n_jobs=1).transform(many))


def _double(number: int) -> int:
    if number < 0:
        raise ValueError(f"{number} is negative")
    return 2 * number


@pytest.mark.parametrize("backend", ["sequential", "loky", "threading", "multiprocessing"])
def test_results_come_in_order_while_calls_are_still_taken(backend):
    taken, first = 0, None

    def calls() -> Iterator[tuple[int]]:
        nonlocal taken
        for taken in range(3000):
            if taken > 300 and first is None:
                time.sleep(0.01)  # time for the first result to come, half a minute in all
            yield (taken,)

    with parallel_config(backend, n_jobs=2), parallel_map(_double, calls(), None) as results:
        first = next(results)
        assert taken < 2999  # a list would have taken them all
        assert [first, *results] == [2 * number for number in range(3000)]


@pytest.mark.parametrize("backend", ["sequential", "loky", "threading", "multiprocessing"])
@pytest.mark.filterwarnings("error")
def test_errors_in_a_call_and_in_the_block_come_through_alone(backend):
    with parallel_config(backend, n_jobs=2):
        with pytest.raises(ValueError, match="-1 is negative"):
            _consume([(1,), (-1,), *[(2,)] * 99])
        with pytest.raises(OSError, match="full"):
            _consume([(2,)] * 99, OSError("full"))


def _consume(calls: list[tuple[int]], error: OSError | None = None) -> None:
    """Take all results, or one before an error."""
    with parallel_map(_double, calls, None) as results:
        if error is not None:
            next(results)
            raise error
        list(results)


# Selections, workers, pickles


def total(X: Spectrograms) -> tuple[float, str]:
    """Sum of all items, and what file they lie in here."""
    base: Any = X._frames
    while not isinstance(base, np.memmap) and isinstance(base.base, np.ndarray):
        base = base.base
    return float(sum(item.sum(dtype=float) for item in X)), str(getattr(base, "filename", None))


@pytest.mark.parametrize("backend", ["loky", "multiprocessing"])
@PROC
def test_workers_map_the_same_file(backend, folder):
    X = SpectrogramTransformer(max_nbytes=0).transform([np.full(400_000, 0.1), np.ones(90_000)])
    with parallel_config(backend):
        found = Parallel(n_jobs=2)(delayed(total)(X) for _ in range(2))
    assert found == [total(X)] * 2
    assert found[0][1].startswith(f"/proc/{os.getpid()}/fd/")


@pytest.mark.parametrize("backend", ["loky", "multiprocessing"])
def test_workers_get_a_copy_where_they_cannot_map_the_file(backend, monkeypatch):
    monkeypatch.setattr(skser.sequences._buffer.os.path, "exists", lambda path: False)
    X = SpectrogramTransformer(max_nbytes=0).transform([np.full(400_000, 0.1), np.ones(90_000)])
    monkeypatch.undo()
    assert is_mapped(X)
    with parallel_config(backend):
        found = Parallel(n_jobs=2)(delayed(total)(X) for _ in range(2))
    assert [sum_ for sum_, _ in found] == [total(X)[0]] * 2
    assert not any(name.startswith("/proc") for _, name in found)


def test_selections_share_the_file_and_pickles_hold_their_numbers(waveforms):
    X = SpectrogramTransformer(max_nbytes=0).transform(waveforms)
    part = X[[3, 0]]
    assert np.shares_memory(part[0], X[3])
    for Y in (X, part):
        assert_equal(pickle.loads(pickle.dumps(Y)), Y)


@pytest.mark.parametrize(("limit", "mapped"), [(0, True), (2**30, False)])
def test_a_large_selection_that_is_pickled_goes_to_a_file_as_well(limit, mapped, waveforms, monkeypatch):
    monkeypatch.setattr(Buffer.__init__, "__defaults__", (limit, 0, "", ""))
    part = SpectrogramTransformer(max_nbytes=None).transform(waveforms)[[3, 0]]
    assert is_mapped(part.compact()) == mapped
    assert_equal(part.compact(), part)


def test_a_search_in_two_processes_over_a_mapped_corpus_gives_what_one_gives():
    rng = np.random.default_rng(0)
    waveforms = [rng.normal(scale=0.1 * (1 + n % 2), size=20_000 + n) for n in range(40)]
    y = np.arange(40) % 2
    X = SpectrogramTransformer(max_nbytes=None).transform(waveforms)
    mapped = SpectrogramTransformer(max_nbytes=0).transform(waveforms)
    assert mapped._frames.nbytes > 2**20  # joblib maps what is larger

    def scores(X: Spectrograms, n_jobs: int) -> list[np.ndarray]:
        grid = {"center_lambda": [0.0, 1.0]}
        search = GridSearchCV(CenterLossClassifier(**TINY), grid, scoring="neg_log_loss", cv=2, n_jobs=n_jobs)
        with parallel_config("loky", inner_max_num_threads=1):
            search.fit(X, y)
        return [search.cv_results_["mean_test_score"], search.best_estimator_.predict_proba(X)]

    expected, found = scores(X, 2), scores(mapped, 2)
    np.testing.assert_array_equal(found[0], expected[0])
    np.testing.assert_array_equal(found[1], expected[1])
    assert expected[0][0] != expected[0][1]


# What is left behind


@PROC
def test_file_and_handles_go_with_the_last_selection(waveforms, folder):
    n_handles = len(os.listdir("/proc/self/fd"))
    X = SpectrogramTransformer(max_nbytes=0, n_jobs=1).transform(waveforms)
    item = X[[2, 3]][1]
    expected = item.copy()
    del X
    assert open_files()  # the item keeps it
    np.testing.assert_array_equal(item, expected)
    assert os.listdir(folder) == []  # it never had a name
    del item
    assert open_files() == []
    assert len(os.listdir("/proc/self/fd")) <= n_handles  # of others, some may go at any time


@PROC
@pytest.mark.parametrize("n_jobs", [1, 2])
def test_nothing_is_left_after_an_error(n_jobs, paths, folder):
    Path(paths[4]).write_bytes(b"no audio")
    with pytest.raises(RecordingsError, match=r"4\.wav"):
        SpectrogramTransformer(max_nbytes=0, n_jobs=n_jobs).transform(paths)
    with pytest.raises(ValueError, match="item 1"):
        SpectrogramTransformer(max_nbytes=0, n_jobs=n_jobs).transform([np.ones(400), np.full(400, np.nan)])
    assert open_files() == []
    assert os.listdir(folder) == []


KILLED = """
import sys, tempfile, time
import numpy as np
from skser import SpectrogramTransformer
X = SpectrogramTransformer(max_nbytes=0, n_jobs=1).transform([np.ones(400_000)])
print("mapped", flush=True)
time.sleep(600)
"""


@PROC
def test_nothing_is_left_of_a_killed_process(folder):
    process = subprocess.Popen(
        [sys.executable, "-c", KILLED],
        env=os.environ | {"TMPDIR": str(folder), "PYTHONPATH": str(REPOSITORY)},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "mapped\n"
    assert str(folder) in Path(f"/proc/{process.pid}/maps").read_text()  # it was there
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert os.listdir(folder) == []


# A folder that takes nothing

FULL = """
import resource, sys
import numpy as np
from skser import SpectrogramTransformer
resource.setrlimit(resource.RLIMIT_FSIZE, (2**20, resource.RLIM_INFINITY))
n_jobs, *sizes = map(int, sys.argv[1:])
for n, n_times in zip(sizes[::2], sizes[1::2]):
    try:
        SpectrogramTransformer(max_nbytes="100K", n_jobs=n_jobs).transform([np.ones(n_times)] * n)
    except OSError as error:
        print(type(error).__name__, error)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="has no resource limits")
@pytest.mark.parametrize("n_jobs", [1, 2])
def test_a_disk_without_room_is_one_clear_error(n_jobs, folder):
    sizes = [(20, 80_000), (1000, 1600)]  # written at once, or buffered
    done = subprocess.run(
        [sys.executable, "-c", FULL, str(n_jobs), *[str(number) for size in sizes for number in size]],
        env=os.environ | {"TMPDIR": str(folder), "PYTHONPATH": str(REPOSITORY)},
        capture_output=True,
        text=True,
        timeout=300,
    )
    mib = [n * (1 + n_times // 160) * 64 * 4 / 2**20 for n, n_times in sizes]  # frames, bins, bytes
    assert done.stdout == "".join(
        f"OSError {str(folder)!r} cannot hold the spectrograms, about {size:.0f} MiB (File too large): set "
        "TMPDIR to a folder with enough room, or keep them in memory with max_nbytes=None.\n"
        for size in mib
    )
    assert done.stderr == ""
    assert os.listdir(folder) == []


def test_what_was_computed_before_the_disk_was_full_is_in_the_cache(waveforms, tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "missing"))
    transformer = SpectrogramTransformer(max_nbytes=10_000, n_jobs=1, memory=tmp_path / "cache")
    with pytest.raises(OSError, match=r"missing' cannot hold the spectrograms, about 0 MiB \(No such file"):
        transformer.transform(waveforms)
    assert len(os.listdir(tmp_path / "cache")) == 4  # the fourth does not fit any more
    assert_equal(
        transformer.set_params(max_nbytes=None).transform(waveforms),
        SpectrogramTransformer().transform(waveforms),
    )
