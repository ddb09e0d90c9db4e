"""Measure the rates of a GPU, in utterances per second.

python benchmarks/speed/gpu.py --device cuda --output gpu.json

Utterances are noise, as long as those of IEMOCAP. A fit is timed from call to return, so that making the
network and copying to the device count; the first fit of each kind, which loads kernels, does not. One bare
loop has the items on the device, the other copies each batch. Fits and loops are timed in turn. The
"busy" share is the time in which a kernel or a copy ran, by torch's profiler, over the time that the same fit
takes without the profiler.
"""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import torch
from harness import Measurement, Row, Settings, clock, compare
from training import BARE_LOOP, bare_loop, plain_classifier
from workloads import durations, spectrograms, waveforms

from skser import Spectrograms, SpectrogramTransformer

BATCH_SIZES = (32, 256)


def against_bare_loop(resident: bool) -> Callable[[Settings], Measurement]:
    """Make the function that compares a fit with a bare loop."""

    def measure(settings: Settings) -> Measurement:
        device = torch.device(settings.device)
        X, y = spectrograms(durations(settings.size(400, 16)))
        classifier = plain_classifier(device, settings.size(10, 1), batch_size=256)
        loop = lambda: bare_loop(X, y, classifier, device, resident)  # noqa: E731
        return compare(lambda: classifier.fit(X, y), loop, settings)

    return measure


RESIDENT, COPYING = f"{BARE_LOOP}, items on the GPU", f"{BARE_LOOP}, each batch copied"
ROWS = [
    Row("gpu-fit", "fit on a GPU", RESIDENT, against_bare_loop(True), target=1.05, device="cuda"),
    Row("gpu-fit-copying", "fit on a GPU", COPYING, against_bare_loop(False), device="cuda"),
]


def seconds_in_turn(calls: dict[str, Callable[[], Any]], rounds: int) -> dict[str, list[float]]:
    """Time calls in turn, after one round to warm up."""
    found: dict[str, list[float]] = {name: [] for name in calls}
    for number in range(rounds + 1):
        for name, call in calls.items():
            seconds = clock(call)
            if number:
                found[name].append(seconds)
    return found


def rate(n: int, seconds: list[float]) -> dict[str, Any]:
    """Describe the rate of a call on n utterances."""
    return {"utterances_per_second": n / median(seconds), "seconds": seconds}


def busy_seconds(function: Callable[[], Any]) -> float:
    """Measure the seconds in which at least one kernel or copy ran on the GPU."""
    activities = [torch.profiler.ProfilerActivity.CUDA, torch.profiler.ProfilerActivity.CPU]
    with torch.profiler.profile(activities=activities, acc_events=True) as profiler:
        clock(function)
    spans = sorted(
        (event.time_range.start, event.time_range.end)
        for event in profiler.events()
        if event.device_type == torch.autograd.DeviceType.CUDA
    )
    total, end = 0.0, -math.inf
    for first, last in spans:
        total += max(0.0, last - max(first, end))
        end = max(end, last)
    return total / 1e6


def time_fits(
    X: Spectrograms, y: np.ndarray, batch_size: int, epochs: int, rounds: int, device: torch.device
) -> dict[str, Any]:
    """Time fits in both precisions and the bare loops."""
    plain = plain_classifier(device, epochs, batch_size=batch_size)
    calls: dict[str, Callable[[], Any]] = {
        "float32": lambda: plain.fit(X, y),
        "bare loop": lambda: bare_loop(X, y, plain, device, resident=True),
        "bare loop, copying": lambda: bare_loop(X, y, plain, device, resident=False),
    }
    if device.type == "cuda":
        half = plain_classifier(device, epochs, batch_size=batch_size, precision="bfloat16")
        calls["bfloat16"] = lambda: half.fit(X, y)
    seconds = seconds_in_turn(calls, rounds)
    rows = {}
    for name in calls:
        rows[name] = rate(len(X) * epochs, seconds[name])
        ratios = np.divide(seconds[name], seconds["bare loop"])
        rows[name]["over_bare_loop"] = float(np.median(ratios))
    if device.type == "cuda":
        rows["float32"]["busy"] = busy_seconds(calls["float32"]) / median(seconds["float32"])
    return rows


def time_predictions(X: Spectrograms, y: np.ndarray, rounds: int, device: torch.device) -> dict[str, Any]:
    """Time predictions in batches of each size."""
    classifiers = {str(n): plain_classifier(device, 1, batch_size=n).fit(X, y) for n in BATCH_SIZES}
    calls = {name: lambda fitted=fitted: fitted.predict(X) for name, fitted in classifiers.items()}
    return {name: rate(len(X), seconds) for name, seconds in seconds_in_turn(calls, rounds).items()}


def time_features(n: int, rounds: int, device: str) -> dict[str, Any]:
    """Time spectrograms on the device and on one thread of the CPU."""
    Y = waveforms(durations(n))
    devices = {device: device, "cpu, one thread": "cpu"}
    transformers = {name: SpectrogramTransformer(device=chosen) for name, chosen in devices.items()}
    calls = {name: lambda chosen=chosen: chosen.transform(Y) for name, chosen in transformers.items()}
    return {name: rate(n, seconds) for name, seconds in seconds_in_turn(calls, rounds).items()}


def main() -> None:
    """Measure, print, and write the rates."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cuda")
    parser.add_argument("--utterances", type=int, default=400)
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--output", type=Path, help="a JSON file, rewritten when each part ends")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    n, epochs, rounds, device = arguments.utterances, arguments.epochs, arguments.rounds, arguments.device
    there = torch.device(device)
    X, y = spectrograms(durations(n))
    found: dict[str, Any] = {
        "device": torch.cuda.get_device_name() if device == "cuda" else "cpu",
        **{"torch": torch.__version__, "utterances": n, "frames": int(X.lengths.sum()), "epochs": epochs},
    }
    parts: dict[str, Callable[[], Any]] = {
        "predict": lambda: time_predictions(X, y, rounds, there),
        "features": lambda: time_features(max(n // 4, 1), rounds, device),
        **{
            f"fit, batches of {size}": lambda size=size: time_fits(X, y, size, epochs, rounds, there)
            for size in BATCH_SIZES
        },
    }
    for name, part in parts.items():
        found[name] = part()
        print(json.dumps({name: found[name]}), flush=True)
        if arguments.output:
            arguments.output.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
