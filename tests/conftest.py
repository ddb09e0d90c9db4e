"""Fixtures shared by the tests."""

from __future__ import annotations

import importlib
import os
import signal
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

# Each worker of pytest-xdist has a processor for itself, and so has what its tests start: threads
# beyond that would wait for each other. Said before numpy and torch are imported, which read it once.
if "PYTEST_XDIST_WORKER" in os.environ:
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ[name] = "1"

import pytest
from hypothesis import settings

# The same examples in each run, however slow the machine.
settings.register_profile("stable", derandomize=True, deadline=None)
settings.load_profile("stable")

# scikit-learn skips its array API check unless scipy was told so before its import.
os.environ.setdefault("SCIPY_ARRAY_API", "1")

# A shell ignores Ctrl-C in what it runs in the background.
signal.signal(signal.SIGINT, signal.default_int_handler)

NOBODY = 65534

REPOSITORY = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session")
def ravdess_root() -> Path:
    """Folder of the RAVDESS recordings: $SKSER_CORPORA/ravdess or ../shared/corpora/ravdess."""
    corpora = Path(os.environ.get("SKSER_CORPORA", REPOSITORY.parent / "shared" / "corpora"))
    root = corpora / "ravdess"
    if not root.is_dir():
        pytest.skip(f"no recordings in {root}: set SKSER_CORPORA to the folder that holds ravdess/")
    return root


@pytest.fixture
def pretend_files(monkeypatch: pytest.MonkeyPatch) -> Callable[[Path, list[str]], Path]:
    """Make os.walk find files that do not exist; thousands of real ones would take long."""

    def with_files(root: Path, files: list[str]) -> Path:
        folders: dict[str, list[str]] = {}
        for file in files:
            folders.setdefault(os.path.dirname(file), []).append(os.path.basename(file))
        usual = os.walk

        def walk(top, *args, **more):
            yield from usual(top, *args, **more)
            if Path(top) == root:
                yield from ((str(root / folder), [], list(names)) for folder, names in folders.items())

        monkeypatch.setattr(os, "walk", walk)
        return root

    return with_files


@pytest.fixture(scope="session")
def folder_of_speech(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Synthetic recordings of six speakers, one in each class."""
    from skser.datasets import make_emotional_speech

    corpus = make_emotional_speech(n_speakers=6, n_per_class=1, duration=0.5, random_state=0)
    return written(corpus, tmp_path_factory.mktemp("recordings"))


@pytest.fixture(scope="session")
def write_recordings() -> Callable[[Any, Path], Path]:
    """Give the function that writes a corpus as files."""
    return written


@pytest.fixture(scope="session")
def write_ge2e() -> Callable[[Path, int], str]:
    """Give the function that writes random weights in the form of those of resemblyzer."""
    return random_ge2e


def random_ge2e(path: Path, seed: int) -> str:
    """Write random weights of a GE2E encoder to a file."""
    import torch
    from torch import nn

    torch.manual_seed(seed)
    lstm, linear = nn.LSTM(40, 256, 3), nn.Linear(256, 256)
    tensors = {f"lstm.{name}": value for name, value in lstm.state_dict().items()}
    tensors |= {f"linear.{name}": value for name, value in linear.state_dict().items()}
    torch.save({"model_state": tensors}, path)
    return str(path)


def written(corpus: Any, root: Path) -> Path:
    """Write recordings, one folder a class, with a table of speakers."""
    import soundfile

    rows = ["file,speaker"]
    for index, (y, label, speaker) in enumerate(zip(corpus.data, corpus.target, corpus.groups, strict=True)):
        (root / label).mkdir(exist_ok=True)
        soundfile.write(root / label / f"{index}.wav", y, corpus.sr)
        rows.append(f"{label}/{index}.wav,{speaker}")
    (root / "speakers.csv").write_text("\n".join(rows))
    return root


def pytest_configure(config: pytest.Config) -> None:
    """Have librosa compile its functions before workers start.

    Workers that compile them at the same time leave a cache behind that crashes Python at the first call
    (https://github.com/numba/numba/issues/10128).
    """
    if getattr(config.option, "numprocesses", None):
        importlib.import_module("librosa.core.pitch")  # and what it imports: all that the tests use


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Leave tests of GPUs out where torch sees none, unless SKSER_TEST_DEVICE names another device."""
    if item.get_closest_marker("gpu") and os.environ.get("SKSER_TEST_DEVICE", "cuda") == "cuda":
        import torch

        if not torch.cuda.is_available():
            pytest.skip("needs a CUDA device, and torch sees none")


@pytest.fixture
def read_only() -> Iterator[tuple[Path, Callable[[Callable[[], object]], str]]]:
    """A folder to fill, and what makes a call as a user who may then only read it and gives the error's text.

    To root nothing is read-only, so that a process forked for the call gives its rights up; it must load
    nothing, since the interpreter may lie where others cannot look.
    """
    if not hasattr(os, "fork"):
        pytest.skip("this system cannot fork")

    def told(call: Callable[[], object]) -> str:
        for path in (folder, *folder.rglob("*")):
            path.chmod(0o555 if path.is_dir() else 0o444)
        reader, writer = os.pipe()
        child = os.fork()
        if not child:
            try:
                if os.geteuid() == 0:
                    os.setgid(NOBODY)
                    os.setuid(NOBODY)
                call()
            except BaseException as error:
                os.write(writer, f"{type(error).__name__}: {error}".encode())
            finally:
                os._exit(0)
        os.close(writer)
        with open(reader, encoding="utf-8") as pipe:
            text = pipe.read()
        os.waitpid(child, 0)
        for path in (folder, *folder.rglob("*")):
            path.chmod(0o755 if path.is_dir() else 0o644)
        return text

    # pytest's own folders are closed to others.
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        yield folder, told
