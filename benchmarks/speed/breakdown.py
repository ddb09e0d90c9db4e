"""Tell where the time of a training step and of a spectrogram goes.

python benchmarks/speed/breakdown.py --output breakdown.csv

A step is that of the row step-flops of bench.py: the default network without augmentation on 32 utterances of
the median length; its parts are told apart by torch's profiler, as are those of the transform of waveforms.
"""

from __future__ import annotations

import argparse
import csv
import os
import sys
from pathlib import Path
from statistics import median

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
from workloads import waveforms  # noqa: E402

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
ARITHMETIC = ("aten::_fft_r2c", "aten::mm")
LENGTHS = (1, 4, 32)  # seconds of a recording


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


def arithmetic_of_transform(seconds: float, rounds: int) -> float:
    """Give the share of Fourier transforms and filterbank products in the transform of such recordings."""
    transformer, Y = SpectrogramTransformer(n_jobs=1), waveforms(np.full(round(64 / seconds), seconds))
    transformer.transform(Y)
    with profile(activities=[ProfilerActivity.CPU]) as profiler:
        taken = clock(lambda: [transformer.transform(Y) for _ in range(rounds)])
    total = {event.key: event.cpu_time_total / 1e6 for event in profiler.key_averages()}
    return sum(total[name] for name in ARITHMETIC) / taken


def main() -> None:
    """Measure, print, and write the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--output", type=Path)
    arguments = parser.parse_args()
    with pinned(1):
        shares = parts_of_step(arguments.rounds)
        rate = rate_of_convolutions(shares["convolutions"], arguments.rounds)
        arithmetic = {seconds: arithmetic_of_transform(seconds, arguments.rounds) for seconds in LENGTHS}
    rows = [(f"{part}, share of a training step", f"{share:.2f}") for part, share in shares.items()]
    rows.append(("FLOP/s of the convolutions over those of a matrix product", f"{rate:.2f}"))
    rows += [
        (f"Fourier transforms and products, share of the transform of {seconds} s", f"{share:.2f}")
        for seconds, share in arithmetic.items()
    ]
    for row in rows:
        print(f"{row[0]:62} {row[1]}")
    if arguments.output is not None:
        with arguments.output.open("w", newline="", encoding="utf-8") as file:
            csv.writer(file, lineterminator="\n").writerows([("what", "value"), *rows])


if __name__ == "__main__":
    main()
