"""Kill trainings at random moments, start them again, and compare the models.

    python benchmarks/reliability/kills.py --n 20

Half of the moments are random times within a training, the other half are within the write of a random
checkpoint: after some of its bytes, before it replaces the earlier one, or just after that. A right result is
the same model, bit for bit, with or without the kill. Needs an operating system with SIGKILL.
"""

from __future__ import annotations

import builtins
import hashlib
import io
import multiprocessing
import os
import shutil
import signal
import tempfile
import time
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from outcomes import Outcomes, command_line

from skser import CenterLossClassifier, Spectrograms
from skser._utils import write_whole

EPOCHS = 6
# Everything random and everything with a memory takes part.
PARAMETERS: dict[str, Any] = {
    **{"channels": (8, 8), "rnn_units": 8, "embedding_dim": 4, "dropout": 0.2, "augmentation": "moderate"},
    **{"class_weight": "balanced", "max_epochs": EPOCHS, "batch_size": 8, "lr": 5e-3},
    **{"schedule": "one-cycle", "early_stopping": True, "patience": EPOCHS},
    **{"device": "cpu", "random_state": 0},
}
PLACES = ("bytes", "before the rename", "after the rename")


class Moment(NamedTuple):
    """When to kill: after a share of a training, or at a place in a write, the first being number 1."""

    share: float  # of the time, or of the bytes
    write: int = 0
    place: str = ""

    def __str__(self) -> str:
        if not self.write:
            return f"after {self.share:.1%} of the time"
        where = f"after {self.share:.1%} of the bytes" if self.place == "bytes" else self.place
        return f"in write {self.write}, {where}"


def run(n: int, seed: int = 0) -> dict[str, Any]:
    """Kill n trainings and start each again."""
    with tempfile.TemporaryDirectory() as folder:
        expected, seconds = train(Path(folder, "reference"))
        outcomes = Outcomes()
        for number, moment in enumerate(draw_moments(n, seed)):
            call = partial(try_once, Path(folder, str(number)), moment, seconds, expected)
            outcomes.add(call, lambda o: None if o["same"] else "another model", f"killed {moment}")
    return outcomes.summary()


def draw_moments(n: int, seed: int) -> list[Moment]:
    """Draw times and places of writes in turn."""
    rng = np.random.default_rng(seed)
    return [
        Moment(rng.random(), int(rng.integers(1, EPOCHS + 1)), str(rng.choice(PLACES)))
        if index % 2
        else Moment(rng.random())
        for index in range(n)
    ]


def try_once(folder: Path, moment: Moment, seconds: float, expected: str) -> dict[str, bool]:
    """Kill one training, start it again, and compare."""
    while train(folder, moment, seconds)[0] is not None:  # it ended before its time was up
        if moment.write:
            raise RuntimeError(f"a training was not killed {moment}.")
        shutil.rmtree(folder)
        seconds /= 2
    resumed = any(folder.glob("*/checkpoint.pt"))
    return {"resumed": resumed, "same": train(folder)[0] == expected}


def train(folder: Path, moment: Moment | None = None, seconds: float = 0.0) -> tuple[str | None, float]:
    """Train in a process of its own; returns the fingerprint (None if it was killed) and the seconds."""
    context = multiprocessing.get_context("forkserver")  # which imports these once for all processes
    context.set_forkserver_preload(["skser", "torch._dynamo"])
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=train_here, args=(folder, moment, sender))
    process.start()
    sender.close()
    try:
        receiver.recv()  # the training begins
        begin = time.perf_counter()
        if moment is not None and not moment.write:
            time.sleep(moment.share * seconds)
            process.kill()
        return receiver.recv(), time.perf_counter() - begin
    except EOFError:
        process.join()
        if moment is None or process.exitcode != -signal.SIGKILL:
            raise RuntimeError(f"a training ended with status {process.exitcode}.") from None
        return None, 0.0
    finally:
        process.join()


def train_here(folder: Path, moment: Moment | None, sender: Any) -> None:
    """Train, and send a message at the start and the fingerprint at the end."""
    torch.set_num_threads(1)
    X, y, groups = make_data()
    # First calls take longer than the training, which the moments are meant to hit.
    CenterLossClassifier(**PARAMETERS | {"max_epochs": 1}).fit(X, y, groups=groups)
    if moment is not None and moment.write:
        die_in_write(moment)
    sender.send("begin")
    classifier = CenterLossClassifier(**PARAMETERS, checkpoint_dir=folder)
    sender.send(fingerprint(classifier.fit(X, y, groups=groups), X))


def make_data() -> tuple[Spectrograms, np.ndarray, np.ndarray]:
    """Make 30 noisy ramps of unequal length by six speakers, falling, flat or rising."""
    rng = np.random.default_rng(0)
    lengths, slopes = rng.integers(20, 40, 30), np.arange(30) % 3 - 1
    ramps = [slope * np.linspace(-1, 1, n) for n, slope in zip(lengths, slopes, strict=True)]
    X = Spectrograms([rng.normal(size=(6, len(ramp))) + ramp for ramp in ramps])
    return X, np.array(["fall", "level", "rise"])[slopes + 1], np.repeat(np.arange(6), 5)


def die_in_write(moment: Moment) -> None:
    """Replace the file functions of this process so that it dies in the middle of a write."""
    n_opened = 0
    replace = os.replace

    class Dying(io.FileIO):
        def write(self, content: Any) -> int:
            super().write(content[: int(moment.share * len(content))])
            die()
            return 0

    def count_and_open(path: str, mode: str) -> Any:
        nonlocal n_opened
        n_opened += 1
        dies = n_opened == moment.write and moment.place == "bytes"
        return Dying(path, mode) if dies else builtins.open(path, mode)

    def replace_and_die(source: str, target: str) -> None:
        if n_opened == moment.write and moment.place == "before the rename":
            die()
        replace(source, target)
        if n_opened == moment.write and moment.place == "after the rename":
            die()

    write_whole.__globals__["open"] = count_and_open  # only the module that writes whole files
    os.replace = replace_and_die  # type: ignore[assignment]


def die() -> None:
    """Kill this process."""
    os.kill(os.getpid(), signal.SIGKILL)


def fingerprint(classifier: CenterLossClassifier, X: Spectrograms) -> str:
    """Hash everything that a training leaves except the time that it took."""
    net = classifier.net_
    memory = net.optimizer_.state_dict()
    plain = [classifier.history_, classifier.best_epoch_, memory["param_groups"]]
    digest = hashlib.sha256(repr(plain).encode())
    tensors = [*net.module_.state_dict().values(), *net.criterion_.state_dict().values()]
    for state in memory["state"].values():
        tensors += [state[name] for name in sorted(state)]
    for array in [*(value.numpy() for value in tensors), classifier.predict_proba(X)]:
        digest.update(array.tobytes())
    return digest.hexdigest()


if __name__ == "__main__":
    command_line(__doc__, run, n=20)
