"""Tell where the time of a training step and of a spectrogram goes.

python benchmarks/speed/breakdown.py --output breakdown.csv

A step is that of the row step-flops of bench.py: the default network without augmentation on 32 utterances of
the median length; its parts are told apart by torch's profiler. The transform of a recording is a straight
line over its frames: what a recording costs however short it is, and what each frame adds.
"""

from __future__ import annotations

import argparse
import csv
import os
import sys
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

_ROOT = str(Path(__file__).resolve().parents[2])
sys.path.insert(0, _ROOT)
os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [_ROOT, os.environ.get("PYTHONPATH")]))

import numpy as np  # noqa: E402 - behind the path
import torch  # noqa: E402
from harness import Settings, clock, pinned  # noqa: E402
from steps import default_network  # noqa: E402
from torch.profiler import ProfilerActivity, profile  # noqa: E402
from torch.utils.flop_counter import FlopCounterMode  # noqa: E402
from training import batch_of_median, stepping  # noqa: E402
from workloads import HOP_LENGTH, SR, waveforms  # noqa: E402

from skser import SpectrogramTransformer  # noqa: E402

# Forward and backward of each part of a step, as the profiler names them.
PARTS = {
    "convolutions": ("aten::mkldnn_convolution", "aten::convolution_backward"),
    "batch normalisation and padding": ("_MaskedNormalisation", "_MaskedNormalisationBackward"),
    "pooling": ("aten::max_pool2d_with_indices", "aten::max_pool2d_with_indices_backward"),
    "activation": ("aten::relu", "aten::threshold_backward"),
    "optimizer": ("Optimizer.step#AdamW.step",),
}
REST = "all else: recurrent layer, embedding, loss, Python"
LENGTHS = (1.0, 2.0, 4.0)  # seconds


def parts_of_step(steps: int) -> dict[str, float]:
    """Give the share of each part in the time of steps."""
    step = stepping(default_network(augmentation=None), batch_of_median(Settings()))
    step()
    with profile(activities=[ProfilerActivity.CPU]) as profiler:
        seconds = clock(lambda: [step() for _ in range(steps)])
    total = {event.key: event.cpu_time_total / 1e6 for event in profiler.key_averages()}
    shares = {part: sum(total[name] for name in names) / seconds for part, names in PARTS.items()}
    return shares | {REST: 1 - sum(shares.values())}


def rate_of_convolutions(share: float, rounds: int) -> float:
    """Compare the FLOP/s of the convolutions, which take this share of a step, with a matrix product's."""
    step = stepping(default_network(augmentation=None), batch_of_median(Settings()))
    with FlopCounterMode(display=False) as counter:
        step()
    counts = {str(name): count for name, count in counter.get_flop_counts()["Global"].items()}
    convolved = sum(count for name, count in counts.items() if "convolution" in name)
    n = 2048
    A, B = torch.randn(n, n), torch.randn(n, n)
    A @ B
    return median(
        convolved / (share * clock(step)) / (2 * n**3 / clock(lambda: A @ B)) for _ in range(rounds)
    )


def line_of_transform(rounds: int) -> tuple[float, float]:
    """Give the microseconds of a recording that has no frames, and those that each frame adds."""
    transformer = SpectrogramTransformer(n_jobs=1)
    corpora = [waveforms(np.full(100, seconds)) for seconds in LENGTHS]
    calls: list[Callable[[], Any]] = [lambda Y=Y: transformer.transform(Y) for Y in corpora]
    taken = [[clock(call) for call in calls] for _ in range(rounds + 1)][1:]
    frames = [1 + int(SR * seconds) // HOP_LENGTH for seconds in LENGTHS]
    slope, fixed = np.polyfit(frames, 1e6 * np.median(taken, axis=0) / 100, 1)
    return float(fixed), float(slope)


def main() -> None:
    """Measure, print, and write the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--output", type=Path)
    arguments = parser.parse_args()
    with pinned(1):
        shares = parts_of_step(arguments.rounds)
        rate = rate_of_convolutions(shares["convolutions"], arguments.rounds)
        fixed, slope = line_of_transform(arguments.rounds)
    rows = [(f"{part}, share of a training step", f"{share:.2f}") for part, share in shares.items()]
    rows.append(("FLOP/s of the convolutions over those of a matrix product", f"{rate:.2f}"))
    rows.append(("a recording's fixed cost in the transform, in frames", f"{fixed / slope:.0f}"))
    for row in rows:
        print(f"{row[0]:62} {row[1]}")
    if arguments.output is not None:
        with arguments.output.open("w", newline="", encoding="utf-8") as file:
            csv.writer(file, lineterminator="\n").writerows([("what", "value"), *rows])


if __name__ == "__main__":
    main()
