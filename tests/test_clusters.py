"""The same search on several processes, the cache that they share, and the GPUs that they leave alone."""

from __future__ import annotations

import argparse
import errno
import os
import pickle
import random
import re
import resource
import runpy
import signal
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Event, Thread
from typing import Any
from unittest import mock

import numpy as np
import pytest
import torch
from joblib import Parallel, delayed, parallel_config
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV, GroupKFold
from sklearn.pipeline import Pipeline
from skorch.exceptions import DeviceWarning

import skser.features._cache
import skser.features._extraction
from skser import CenterLossClassifier, Spectrograms, SpectrogramTransformer
from skser._utils import resolve_device
from skser.datasets import make_emotional_speech
from skser.features._cache import open_cache, read_entry, write_entry

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"
SMALL: dict[str, Any] = {
    "channels": (4, 4),
    "rnn_units": 4,
    "embedding_dim": 4,
    "max_epochs": 1,
    "random_state": 0,
}
KEY = "0" * 64
DAY = 24 * 3600  # s


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """As many threads here as a worker has: sums of floats depend on it."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def speech() -> Any:
    return make_emotional_speech(n_speakers=2, n_per_class=1, duration=0.5, random_state=0)


@pytest.fixture(scope="module")
def client() -> Iterator[Any]:
    """A client of two worker processes of dask."""
    reason = 'dask.distributed is missing: pip install "dask[distributed]"'
    distributed = pytest.importorskip("dask.distributed", reason=reason)
    with mock.patch.dict(os.environ):  # which dask changes for its workers
        os.environ.pop("OMP_NUM_THREADS", None)
        with (
            distributed.LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=":0") as cluster,
            distributed.Client(cluster) as client,
        ):
            yield client


@pytest.fixture(scope="module")
def ray() -> Iterator[None]:
    """Two worker processes of ray."""
    ray = pytest.importorskip("ray", reason="ray is missing: pip install ray")
    register_ray = pytest.importorskip("ray.util.joblib").register_ray
    ray.init(num_cpus=2, include_dashboard=False)
    register_ray()
    yield
    ray.shutdown()


@pytest.fixture
def workers(request: pytest.FixtureRequest) -> str:
    """Name of a back end of joblib that has two worker processes."""
    if request.param != "loky":
        request.getfixturevalue({"dask": "client"}.get(request.param, request.param))
    return request.param


def entries(folder: Path) -> list[str]:
    """Files of a cache."""
    return sorted(os.listdir(folder))


def assert_equal(X: Spectrograms, expected: Spectrograms) -> None:
    """Equal lengths and equal numbers."""
    for S, other in zip(X, expected, strict=True):
        np.testing.assert_array_equal(S, other)


# One search, anywhere


def make_search(memory: Path) -> GridSearchCV:
    pipeline = Pipeline(
        [
            ("spectrogram", SpectrogramTransformer(n_mels=16, memory=memory)),
            ("classifier", CenterLossClassifier(**SMALL)),
        ]
    )
    grid = {"classifier__center_lambda": [0, 0.3]}
    return GridSearchCV(pipeline, grid, cv=GroupKFold(2), scoring="neg_log_loss", error_score="raise")


@pytest.fixture(scope="module")
def local(speech: Any, tmp_path_factory: pytest.TempPathFactory) -> GridSearchCV:
    """The search in this process alone."""
    search = make_search(tmp_path_factory.mktemp("local"))
    torch.set_num_threads(1)
    return search.fit(speech.data, speech.target, groups=speech.groups)


@pytest.mark.parametrize("workers", ["loky", "dask", "ray"], indirect=True)
def test_search_is_the_same_to_the_bit(workers, local, speech, tmp_path, monkeypatch):
    fits = []
    fit = CenterLossClassifier.fit
    monkeypatch.setattr(CenterLossClassifier, "fit", lambda *args, **kw: fits.append(1) or fit(*args, **kw))
    with parallel_config(workers, n_jobs=2):
        search = make_search(tmp_path).fit(speech.data, speech.target, groups=speech.groups)
    assert len(fits) == 1  # that of the best candidate; those of the folds were elsewhere
    names = [f"split{fold}_test_score" for fold in range(2)]
    expected = np.array([local.cv_results_[name] for name in names])
    assert len(np.unique(expected)) == 4
    np.testing.assert_array_equal([search.cv_results_[name] for name in names], expected)
    np.testing.assert_array_equal(search.predict_proba(speech.data), local.predict_proba(speech.data))
    assert len(entries(tmp_path)) == len(speech.data)


@pytest.fixture(scope="module")
def recordings(speech: Any, write_recordings: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Recordings as files, one folder a class, with a table of speakers."""
    return write_recordings(speech, tmp_path_factory.mktemp("recordings"))


@pytest.fixture
def table(
    recordings: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., str]:
    """What an example prints from the number of speakers on."""

    def run(script: str, *arguments: str) -> str:
        short = ["--max-epochs", "1", "--lambdas", "0", "0.3", "--alphas", "0.5", *arguments]
        monkeypatch.setattr(sys, "argv", [script, "--corpus", f"files:{recordings}", *short])
        runpy.run_path(str(EXAMPLES / script), run_name="__main__")
        return re.search(r"^\d+ speakers in.*", capsys.readouterr().out, re.MULTILINE | re.DOTALL)[0]

    return run


def test_example_prints_the_table_of_the_local_search(table, client):
    expected = table("grid_search.py", "--jobs", "1")
    assert re.search(r"^ 0.300 0.500( 0\.\d{3}){4}$", expected, flags=re.MULTILINE)
    assert table("distributed_search.py", "--scheduler", client.scheduler.address) == expected


def test_example_starts_two_workers_of_one_thread_by_itself(client):
    connect = runpy.run_path(str(EXAMPLES / "distributed_search.py"))["connect"]
    with connect(argparse.Namespace(scheduler=None, jobs=2)) as own:
        assert own.scheduler.address != client.scheduler.address
        assert list(own.ncores().values()) == [1, 1]
        assert set(own.run(torch.get_num_threads).values()) == {1}
        assert len({os.getpid(), *own.run(os.getpid).values()}) == 3


@pytest.mark.parametrize(("n_jobs", "here"), [(1, 4), (None, 0)])
def test_one_job_stays_in_its_process_on_dask(n_jobs, here, speech, client, monkeypatch):
    loaded, load = [], skser.features._extraction.load_waveform
    monkeypatch.setattr(
        skser.features._extraction, "load_waveform", lambda *args: loaded.append(args) or load(*args)
    )
    transformer = SpectrogramTransformer(n_mels=16, n_jobs=n_jobs)
    with parallel_config("dask"):
        X = transformer.transform(speech.data[:4])
    assert len(loaded) == here
    assert_equal(X, transformer.set_params(n_jobs=1).transform(speech.data[:4]))


# A cache of many writers

CONTENTS = [np.full((64, 4000), value, dtype=np.float32) for value in (1, 2)]


def write_and_read(folder: str, seed: int, n_rounds: int) -> tuple[int, int]:
    """Write and read a few entries; count the whole ones and those that held anything else."""
    rng = random.Random(seed)
    whole = parts = 0
    for _ in range(n_rounds):
        write_entry(folder, rng.choice("ab") * 64, rng.choice(CONTENTS))
        S = read_entry(folder, rng.choice("ab") * 64, n_bins=64)
        if S is not None:
            good = any(np.array_equal(S, content) for content in CONTENTS)
            whole, parts = whole + good, parts + (not good)
    return whole, parts


def harm(folder: Path, over: Event) -> None:
    """Cut entries off and delete them, again and again, as others do who know of no cache."""
    rng = random.Random(0)
    while not over.is_set():
        for path in folder.glob("*.npy"):
            try:
                os.truncate(path, rng.randrange(200_000)) if rng.random() < 0.7 else path.unlink()
            except FileNotFoundError:
                continue
        time.sleep(0.002)


@pytest.mark.parametrize("harmed", [False, True])
def test_processes_write_and_read_the_same_entries_and_never_see_a_part(harmed, tmp_path):
    over = Event()
    vandal = Thread(target=harm, args=(tmp_path, over))
    if harmed:
        vandal.start()
    try:
        rounds = Parallel(n_jobs=2)(
            delayed(write_and_read)(str(tmp_path), seed, n_rounds=50) for seed in range(4)
        )
    finally:
        over.set()
        if harmed:
            vandal.join()
    whole, parts = np.sum(rounds, axis=0)
    assert parts == 0
    assert 0 < whole < 200 if harmed else whole > 190
    assert set(entries(tmp_path)) <= {f"{key * 64}.npy" for key in "ab"}


def test_processes_fill_one_cache_together(speech, tmp_path):
    transformer = SpectrogramTransformer(n_mels=16)
    expected = transformer.transform(speech.data)
    cached = clone(transformer).set_params(memory=tmp_path / "new" / "cache")
    results = Parallel(n_jobs=2)(delayed(cached.transform)(speech.data) for _ in range(4))
    for X in results:
        assert_equal(X, expected)
    assert len(entries(tmp_path / "new" / "cache")) == len(speech.data)


@pytest.fixture
def killed(tmp_path: Path) -> Path:
    """What a writer leaves in a cache that is killed before its entry is in place."""

    def die(*paths: str) -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    process = os.fork()
    if not process:
        try:
            with mock.patch("os.replace", die):
                write_entry(str(tmp_path), KEY, CONTENTS[0])
        finally:
            os._exit(0)
    assert os.WTERMSIG(os.waitpid(process, 0)[1]) == signal.SIGKILL
    (name,) = entries(tmp_path)
    assert name.endswith(".tmp")
    return tmp_path / name


def grow_old(path: Path, age: float) -> None:
    """Set the time of the last change to some seconds ago."""
    os.utime(path, times=(time.time() - age,) * 2)


@pytest.mark.parametrize(("age", "stays"), [(2 * DAY, False), (DAY / 2, True), (-DAY, True)])
def test_only_unfinished_files_of_killed_writers_go_and_only_after_a_day(age, stays, killed):
    folder = killed.parent
    assert read_entry(str(folder), KEY, n_bins=64) is None
    write_entry(str(folder), KEY, CONTENTS[0])
    assert killed.exists()
    unfinished = f"{KEY}.{'0' * 32}.tmp"
    others = [folder / name for name in ("notes.tmp", f"{KEY}.tmp", f"{unfinished}.wav", f"x{unfinished}")]
    for path in others:
        path.write_text("mine")
    for path in (folder / f"{KEY}.npy", *others):
        grow_old(path, 9 * DAY)
    grow_old(killed, age)
    open_cache(folder)
    assert killed.exists() == stays
    assert all(path.exists() for path in others)
    np.testing.assert_array_equal(read_entry(str(folder), KEY, n_bins=64), CONTENTS[0])


def test_a_cache_is_listed_once_per_process_where_old_files_cannot_be_deleted(killed, monkeypatch):
    grow_old(killed, 2 * DAY)
    monkeypatch.setattr(os, "remove", mock.Mock(side_effect=PermissionError(errno.EPERM, "not permitted")))
    listing = mock.Mock(side_effect=os.scandir)
    monkeypatch.setattr(os, "scandir", listing)
    for _ in range(3):
        assert open_cache(killed.parent) == str(killed.parent)
    listing.assert_called_once_with(str(killed.parent))
    assert killed.exists()


def test_an_entry_that_a_network_cannot_read_is_computed_again(speech, tmp_path, monkeypatch):
    transformer = SpectrogramTransformer(n_mels=16, memory=tmp_path)
    expected = transformer.transform(speech.data[:2])

    stale = mock.Mock(side_effect=OSError(errno.ESTALE, "Stale file handle"))
    monkeypatch.setattr(np.lib.format, "read_magic", stale)  # the first read
    assert read_entry(str(tmp_path), entries(tmp_path)[0][:64], n_bins=16) is None
    assert_equal(transformer.transform(speech.data[:2]), expected)


@pytest.mark.parametrize("renamed", [True, False])
def test_an_entry_that_cannot_be_replaced_stays_and_stops_nobody(renamed, tmp_path, monkeypatch):
    """A network may report failure of a rename that it carried out, a folder may protect files of others."""
    replace = os.replace

    def fail(*paths: str) -> None:
        if renamed:
            replace(*paths)
        raise PermissionError(errno.EPERM, "Operation not permitted")

    write_entry(str(tmp_path), KEY, CONTENTS[0])
    monkeypatch.setattr(os, "replace", fail)
    write_entry(str(tmp_path), KEY, CONTENTS[0])
    assert entries(tmp_path) == [f"{KEY}.npy"]
    if not renamed:
        (tmp_path / f"{KEY}.npy").write_text("something else")
        write_entry(str(tmp_path), KEY, CONTENTS[0])
        assert entries(tmp_path) == [f"{KEY}.npy"]
        (tmp_path / f"{KEY}.npy").unlink()
        with pytest.raises(OSError, match=r"cannot be written \(Operation not permitted\)"):
            write_entry(str(tmp_path), KEY, CONTENTS[0])
        assert entries(tmp_path) == []


def test_a_full_disk_is_named_and_left_as_it_was(tmp_path):
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, limits[1]))
    try:
        with pytest.raises(OSError, match=r"cannot be written \(File too large\): give a folder"):
            write_entry(str(tmp_path), KEY, CONTENTS[0])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert entries(tmp_path) == []


# GPUs


def touches_cuda(action: Callable[[], Any]) -> bool:
    """Whether something asks CUDA for more than if it is there; where it is not, torch then raises."""
    try:
        action()
    except (AssertionError, RuntimeError) as error:
        if not re.search("CUDA|NVIDIA", str(error)):
            raise
        return True
    return torch.cuda.is_initialized()


@pytest.fixture
def gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """A GPU in sight, whether it is there or not."""
    if torch.cuda.is_initialized():
        pytest.skip("a test before this one has used the GPU in this process")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    # Optimizers ask for this before each step where there is a GPU: it needs a driver and makes no context.
    monkeypatch.setattr(torch.cuda, "is_current_stream_capturing", lambda: False)


@pytest.fixture(scope="module")
def spectrograms(speech: Any) -> Spectrograms:
    return SpectrogramTransformer(n_mels=16).transform(speech.data)


def test_a_gpu_is_left_alone_by_all_but_a_fit_that_wants_it(gpu, speech, tmp_path):
    def compute() -> None:
        pipeline = clone(make_search(tmp_path).estimator)
        pipeline.named_steps["spectrogram"].fit_transform(speech.data)
        pipeline.set_params(classifier__device="cpu", classifier__early_stopping=True)
        pipeline.fit(speech.data, speech.target, classifier__groups=speech.groups)
        again = pickle.loads(pickle.dumps(pipeline.set_params(classifier__device="auto")))
        np.testing.assert_array_equal(again.predict_proba(speech.data), pipeline.predict_proba(speech.data))

    assert not touches_cuda(compute)
    spectrograms = SpectrogramTransformer(n_mels=16).transform(speech.data)
    assert touches_cuda(lambda: CenterLossClassifier(**SMALL).fit(spectrograms, speech.target))


def warnings_of_auto(environment: dict[str, str]) -> tuple[str, list[str]]:
    """Device that "auto" means where there is a GPU, and what is said about it."""
    with (
        mock.patch.object(torch.cuda, "is_available", return_value=True),
        mock.patch.dict(os.environ, environment),
        warnings.catch_warnings(record=True) as caught,
    ):
        warnings.simplefilter("always")
        if not environment:
            os.environ.pop("CUDA_VISIBLE_DEVICES", None)
        return resolve_device("auto").type, [str(warning.message) for warning in caught]


def test_auto_warns_only_in_workers_that_share_a_gpu():
    environments = [{}, {"CUDA_VISIBLE_DEVICES": "1"}]
    shared, pinned = Parallel(n_jobs=2)(delayed(warnings_of_auto)(each) for each in environments)
    assert shared[0] == "cuda"
    assert re.match(
        r'device="auto" uses the same GPU in every worker process.* set "cuda" if it', shared[1][0]
    )
    assert [pinned, warnings_of_auto({})] == [("cuda", [])] * 2


@pytest.fixture
def on_gpu() -> Iterator[set[int]]:
    """Addresses of numbers that are pickled as if they lay on a GPU."""
    addresses: set[int] = set()

    def tag(storage: Any) -> str | None:
        return "cuda:0" if storage.data_ptr() in addresses else None

    torch.serialization.register_package(1, tag, lambda storage, location: None)  # before the CPU's, the 10th
    yield addresses
    addresses.clear()


def test_a_model_from_a_gpu_is_unpickled_without_one(on_gpu, spectrograms, speech, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    classifier = CenterLossClassifier(
        **SMALL, early_stopping=True, validation="random", validation_fraction=0.5, class_weight="balanced"
    ).fit(spectrograms, speech.target)
    expected = classifier.predict_proba(spectrograms)
    net = classifier.net_
    net.device = torch.device("cuda")
    moments = [value for state in net.optimizer_.state.values() for value in state.values()]
    tensors = [*net.module_.state_dict().values(), *net.criterion_.state_dict().values(), *moments]
    on_gpu.update(tensor.untyped_storage().data_ptr() for tensor in tensors)
    content, tensor = pickle.dumps(classifier), pickle.dumps(tensors[0])
    on_gpu.clear()
    with pytest.raises(RuntimeError, match="deserialize object on a CUDA device"):
        pickle.loads(tensor)
    with (
        pytest.warns(DeviceWarning, match="no CUDA devices are available"),
        pytest.warns(DeviceWarning, match="Setting self.device = cpu"),
    ):
        again = pickle.loads(content)
    np.testing.assert_array_equal(again.predict_proba(spectrograms), expected)
    again.partial_fit(spectrograms, speech.target)
    assert again.n_iter_ == classifier.n_iter_ + 1
