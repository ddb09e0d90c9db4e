"""How fast a GPU is, in utterances a second, beside its name.

python benchmarks/speed/gpu.py --device cuda --output gpu.json

Utterances are as long as those of IEMOCAP (0.6 to 34 s, median 3.6, 95th percentile 11), of noise. A fit
is timed whole: copies to the device and the making of the network included, the first fit of a kind not,
which loads kernels. The bare loops train the same module by the same optimizer and the same
batches, without skorch, callbacks or records; one has the items on the device as well, one copies each
batch as one would write it down first. Fits and loops are timed by turns.

The share of time that the GPU is busy is the time in which a kernel or a copy ran, by torch's profiler,
over the time that the same fit takes without the profiler.
"""

from __future__ import annotations

import argparse
import json
import math
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import torch
from harness import Measurement, Row, Settings, compare
from numpy.typing import NDArray
from workloads import N_CLASSES, durations, spectrograms, waveforms

from skser import (
    CenterLossClassifier,
    CenterLossCriterion,
    SpectrogramNetwork,
    Spectrograms,
    SpectrogramTransformer,
)
from skser._utils._device import torch_settings
from skser.sequences import BatchIterator, DeviceBatches, SpectrogramDataset

LR = 1e-3
KINDS: dict[str, dict[str, Any]] = {
    "float32": {},
    "bfloat16": {"precision": "bfloat16"},
}


def clock(function: Callable[[], Any], device: torch.device) -> float:
    """Give the seconds until all that a call asks of the device is done."""
    start = time.perf_counter()
    function()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter() - start


def bare_loop(
    X: Spectrograms, y: NDArray[np.int64], epochs: int, batch_size: int, device: torch.device, resident: bool
) -> None:
    """Train as `fit` does, without skorch."""
    network = SpectrogramNetwork(X.n_bins, N_CLASSES, augmentation="moderate").to(device)
    network.standardise_with(*X.mean_and_std())
    criterion = CenterLossCriterion(N_CLASSES, 64).to(device)
    optimizer = torch.optim.AdamW(network.parameters(), lr=LR, fused=device.type == "cuda")
    iterator = BatchIterator(SpectrogramDataset(X, y), batch_size, shuffle=True)
    batches: Iterable[Any] = DeviceBatches(iterator, device, resident=True) if resident else iterator
    with torch_settings(device):
        for _ in range(epochs):
            for inputs, numbers in batches:
                labels = numbers.to(device)
                outputs = network(inputs["spectrogram"].to(device), inputs["lengths"])
                optimizer.zero_grad()
                criterion(outputs, labels).backward()
                optimizer.step()
                criterion.center_loss.update(outputs[1], labels)


def busy_seconds(function: Callable[[], Any], device: torch.device) -> float | None:
    """Give the seconds in which at least one kernel or copy ran on a GPU."""
    if device.type != "cuda":
        return None
    activities = [torch.profiler.ProfilerActivity.CUDA, torch.profiler.ProfilerActivity.CPU]
    with torch.profiler.profile(activities=activities, acc_events=True) as profiler:
        clock(function, device)
    of_device = torch.autograd.DeviceType.CUDA
    spans = sorted(
        (event.time_range.start, event.time_range.end)
        for event in profiler.events()
        if event.device_type == of_device
    )
    total, end = 0.0, -math.inf
    for first, last in spans:
        total += max(0.0, last - max(first, end))
        end = max(end, last)
    return total / 1e6


def time_fits(
    X: Spectrograms, y: NDArray[np.int64], batch_size: int, arguments: argparse.Namespace
) -> dict[str, Any]:
    """Time fits of each kind and the bare loops, by turns."""
    device, epochs = torch.device(arguments.device), arguments.epochs
    kinds = {name: kind for name, kind in KINDS.items() if device.type == "cuda" or not kind}

    def fit(kind: dict[str, Any]) -> Callable[[], Any]:
        settings = {"max_epochs": epochs, "batch_size": batch_size, "lr": LR, "schedule": "constant"}
        return lambda: CenterLossClassifier(device=device, random_state=0, **settings, **kind).fit(X, y)

    runs = {name: fit(kind) for name, kind in kinds.items()}
    runs["bare loop"] = lambda: bare_loop(X, y, epochs, batch_size, device, resident=True)
    runs["bare loop, copying"] = lambda: bare_loop(X, y, epochs, batch_size, device, resident=False)
    warm_up = {name: clock(run, device) for name, run in runs.items()}
    seconds: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(arguments.rounds):
        for name, run in runs.items():
            seconds[name].append(clock(run, device))
    rows = {}
    for name, run in runs.items():
        middle = median(seconds[name])
        busy = busy_seconds(run, device) if name in ("float32", "bfloat16") else None
        rows[name] = {
            "utterances_per_second": len(X) * epochs / middle,
            "seconds": seconds[name],
            "first_seconds": warm_up[name],
            "over_bare_loop": median(np.divide(seconds[name], seconds["bare loop"]).tolist()),
            "over_copying_loop": median(np.divide(seconds[name], seconds["bare loop, copying"]).tolist()),
            "busy": None if busy is None else busy / middle,
        }
    return rows


def time_answers(X: Spectrograms, y: NDArray[np.int64], arguments: argparse.Namespace) -> dict[str, Any]:
    """Time predictions."""
    device = torch.device(arguments.device)
    classifier = CenterLossClassifier(device=device, max_epochs=1, random_state=0).fit(X, y)
    rows = {}
    for batch_size in arguments.batch_sizes:
        classifier.set_params(batch_size=batch_size)
        clock(lambda: classifier.predict(X), device)
        seconds = [clock(lambda: classifier.predict(X), device) for _ in range(arguments.rounds)]
        rows[str(batch_size)] = {"utterances_per_second": len(X) / median(seconds), "seconds": seconds}
    return rows


def time_features(recordings: list[NDArray[np.float32]], arguments: argparse.Namespace) -> dict[str, Any]:
    """Time spectrograms on the device and on one thread of the CPU, by turns."""
    device = torch.device(arguments.device)
    transformers = {
        arguments.device: SpectrogramTransformer(device=arguments.device),
        "cpu, one thread": SpectrogramTransformer(device="cpu"),
    }
    seconds: dict[str, list[float]] = {name: [] for name in transformers}
    for round_number in range(arguments.rounds + 1):
        for name, transformer in transformers.items():
            took = clock(lambda chosen=transformer: chosen.transform(recordings), device)
            if round_number:  # the first warms up
                seconds[name].append(took)
    return {
        name: {"utterances_per_second": len(recordings) / median(took), "seconds": took}
        for name, took in seconds.items()
    }


def against_bare_loop(resident: bool, **kind: Any) -> Callable[[Settings], Measurement]:
    """Make the function that compares a fit with a bare loop."""

    def measure(settings: Settings) -> Measurement:
        device, batch_size = torch.device(settings.device), 256
        X, y = spectrograms(durations(settings.size(400, 16)))
        epochs = settings.size(10, 1)
        fit = CenterLossClassifier(
            max_epochs=epochs, batch_size=batch_size, lr=LR, schedule="constant", device=device, **kind
        ).fit
        return compare(
            lambda: clock(lambda: fit(X, y), device),
            lambda: clock(lambda: bare_loop(X, y, epochs, batch_size, device, resident), device),
            settings,
        )

    return measure


def features_on_device(settings: Settings) -> Measurement:
    """Compare spectrograms of waveforms at hand with those of one thread of the CPU."""
    recordings = waveforms(durations(settings.size(100, 4)))
    there, here = (SpectrogramTransformer(device=device) for device in (settings.device, "cpu"))
    return compare(lambda: there.transform(recordings), lambda: here.transform(recordings), settings)


BARE_LOOP = "a bare PyTorch loop, same module, batches and optimizer"
ROWS = [
    Row(
        "gpu-fit",
        "fit on a GPU",
        f"{BARE_LOOP}, items on the GPU",
        against_bare_loop(resident=True),
        target=1.05,
        device="cuda",
    ),
    Row(
        "gpu-fit-copying",
        "fit on a GPU",
        f"{BARE_LOOP}, each batch copied",
        against_bare_loop(resident=False),
        device="cuda",
    ),
    Row(
        "gpu-fit-bfloat16",
        "fit on a GPU in bfloat16",
        f"{BARE_LOOP}, items on the GPU, in float32",
        against_bare_loop(resident=True, precision="bfloat16"),
        device="cuda",
    ),
    Row(
        "gpu-features",
        "log-Mel features on a GPU",
        "one thread of the CPU",
        features_on_device,
        device="cuda",
    ),
]


def parse_arguments(arguments: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cuda")
    parser.add_argument("--utterances", type=int, default=600)
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--batch-sizes", type=int, nargs="+", default=[32, 256])
    parser.add_argument("--output", type=Path, help="a JSON file, written anew as each part ends")
    return parser.parse_args(arguments)


def main() -> None:
    """Measure and print."""
    arguments = parse_arguments()
    torch.set_num_threads(1)
    X, y = spectrograms(durations(arguments.utterances))
    found: dict[str, Any] = {
        "device": torch.cuda.get_device_name() if arguments.device == "cuda" else "cpu",
        "torch": torch.__version__,
        "utterances": len(X),
        "frames": int(X.lengths.sum()),
        "epochs": arguments.epochs,
    }
    parts: dict[str, Callable[[], Any]] = {
        "predict": lambda: time_answers(X, y, arguments),
        "features": lambda: time_features(waveforms(durations(max(arguments.utterances // 4, 1))), arguments),
        **{
            f"fit, batches of {size}": lambda size=size: time_fits(X, y, size, arguments)
            for size in reversed(arguments.batch_sizes)
        },
    }
    for name, part in parts.items():
        found[name] = part()
        print(json.dumps({name: found[name]}), flush=True)
        if arguments.output:
            arguments.output.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
