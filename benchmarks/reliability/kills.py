"""Kill trainings at random moments, start them again, and compare what comes out.

python benchmarks/reliability/kills.py --n 20 --seed 0

Half of the moments are random times within a training, the other half lie within the write of a random
checkpoint: after some of its bytes, before it replaces the one before, or just after that. Prints one row:
what was tried, how often, and with what outcome; ends with status 1 if a training ended with another model.
A right result is one model, bit for bit, with or without the kill.
Needs an operating system with SIGKILL.
"""

from __future__ import annotations

import argparse
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
from _outcomes import Outcomes, report

from skser import CenterLossClassifier, Spectrograms
from skser._utils import _files

EPOCHS = 6
# Everything random and everything with a memory takes part.
PARAMETERS = {
    "channels": (8, 8),
    "rnn_units": 8,
    "embedding_dim": 4,
    "dropout": 0.2,
    "augmentation": "moderate",
    "class_weight": "balanced",
    "max_epochs": EPOCHS,
    "batch_size": 8,
    "lr": 5e-3,
    "schedule": "one-cycle",
    "early_stopping": True,
    "patience": EPOCHS,
    "device": "cpu",
    "random_state": 0,
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


def run(n: int = 20, seed: int = 0) -> dict[str, Any]:
    """Kill n trainings and start each again.

    Parameters
    ----------
    n : int, default=20
        How many.
    seed : int, default=0
        Seed of the moments.

    Returns
    -------
    dict
        "what", "n", "outcomes" (counts), "wrong" (a dictionary for each training that ended with another
        model or did not end), "worst_s", "worst_call", "grown_mb" and "peak_mb" of this process, and
        "resumed", how many went on from a checkpoint, the others having been killed before the first.
    """
    moments, resumed = draw_moments(n, seed), []
    with tempfile.TemporaryDirectory() as folder:
        expected, seconds = train(Path(folder, "reference"))
        outcomes = Outcomes()

        def judge(outcome: dict[str, bool]) -> str | None:
            resumed.append(outcome["resumed"])
            return None if outcome["same"] else "another model"

        for number, moment in enumerate(moments):
            own = Path(folder, str(number))
            try_it = partial(try_once, own, moment, seconds, expected)
            outcomes.add(try_it, judge, f"killed {moment}")
    return outcomes.summary("SIGKILL while training") | {"resumed": sum(resumed)}


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
    while train(folder, moment, seconds)[0] is not None:  # faster than the training that was timed
        if moment.write:
            raise RuntimeError(f"a training was not killed {moment}.")
        shutil.rmtree(folder)
        seconds /= 2
    resumed = any(folder.glob("*/checkpoint.pt"))
    return {"resumed": resumed, "same": train(folder)[0] == expected}


def train(folder: Path, moment: Moment | None = None, seconds: float = 0.0) -> tuple[str | None, float]:
    """Train in a process of its own; give the fingerprint, None if it was killed, and the time it took."""
    context = multiprocessing.get_context("forkserver")  # which imports these once for all of them
    context.set_forkserver_preload(["skser", "torch._dynamo"])
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_train, args=(folder, moment, sender))
    process.start()
    sender.close()
    try:
        receiver.recv()  # it begins
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


def _train(folder: Path, moment: Moment | None, sender: Any) -> None:
    """Train, and send word at the begin and the fingerprint at the end."""
    torch.set_num_threads(1)
    X, y, groups = make_data()
    # What a process does for the first time takes longer than the training, which the moments are to hit.
    CenterLossClassifier(**PARAMETERS | {"max_epochs": 1}).fit(X, y, groups=groups)
    if moment is not None and moment.write:
        die_in_write(moment)
    sender.send("begin")
    classifier = CenterLossClassifier(**PARAMETERS, checkpoint_dir=folder)
    sender.send(fingerprint(classifier.fit(X, y, groups=groups), X))


def make_data() -> tuple[Spectrograms, np.ndarray, np.ndarray]:
    """30 noisy ramps of unequal length by six speakers, falling, flat or rising."""
    rng = np.random.default_rng(0)
    lengths = rng.integers(20, 40, 30)
    slopes = np.arange(30) % 3 - 1
    X = [
        rng.normal(size=(6, n)) + slope * np.linspace(-1, 1, n)
        for n, slope in zip(lengths, slopes, strict=True)
    ]
    return Spectrograms(X), np.array(["fall", "level", "rise"])[slopes + 1], np.repeat(np.arange(6), 5)


def die_in_write(moment: Moment) -> None:
    """Make the files of this process end it in the middle of a write."""
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

    _files.open = count_and_open  # type: ignore[attr-defined]
    os.replace = replace_and_die  # type: ignore[assignment]


def die() -> None:
    """Kill this process, which can do nothing about it."""
    os.kill(os.getpid(), signal.SIGKILL)


def fingerprint(classifier: CenterLossClassifier, X: Spectrograms) -> str:
    """SHA-256 of all that a training leaves behind but the time that it took."""
    net = classifier.net_
    tensors = [*net.module_.state_dict().values(), *net.criterion_.state_dict().values()]
    memory = net.optimizer_.state_dict()
    digest = hashlib.sha256(
        repr([classifier.history_, classifier.best_epoch_, memory["param_groups"]]).encode()
    )
    for state in memory["state"].values():
        tensors += [state[name] for name in sorted(state)]
    for array in [*(value.numpy() for value in tensors), classifier.predict_proba(X)]:
        digest.update(array.tobytes())
    return digest.hexdigest()


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--n", type=int, default=20, help="how many trainings to kill (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="seed of the moments (default: %(default)s)")
    parser.add_argument("--output", type=Path, help="file for the outcomes as JSON")
    options = parser.parse_args()
    found = run(options.n, options.seed)
    print(f"{found['resumed']} of {found['n']} went on from a checkpoint, the others anew")
    report(found, options.output)


if __name__ == "__main__":
    main()
