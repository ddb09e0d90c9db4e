"""Show where the time of a training step and of a spectrogram goes.

python benchmarks/speed/breakdown.py --output breakdown.csv

The step is that of the row step-flops of bench.py: the default network without augmentation on 32 utterances
of the median length. Its parts, and those of the transform of waveforms, are separated by torch's profiler.
"""

from __future__ import annotations

import argparse
import csv
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from harness import Settings, clock, pinned
from torch.profiler import ProfilerActivity, profile
from training import flops, matrix_product, plain_network, stepping
from workloads import batch_of_median, waveforms

from skser import SpectrogramTransformer

# Forward and backward of each part of a step, as the profiler names them.
PARTS = {
    "convolutions": ("aten::mkldnn_convolution", "aten::convolution_backward"),
    "batch normalization and padding": ("_MaskedNormalization", "_MaskedNormalizationBackward"),
    "pooling": ("aten::max_pool2d_with_indices", "aten::max_pool2d_with_indices_backward"),
    "activation": ("aten::relu", "aten::threshold_backward"),
    "optimizer": ("Optimizer.step#AdamW.step",),
}
REST = "everything else: recurrent layer, embedding, loss, Python"
ARITHMETIC = ("aten::_fft_r2c", "aten::mm")
LENGTHS = (1, 4, 32)  # seconds of a recording


def shares_of(function: Callable[[], Any], rounds: int, names: Sequence[Sequence[str]]) -> list[float]:
    """Measure the shares of operations in the time of some calls, after one to warm up."""
    function()
    with profile(activities=[ProfilerActivity.CPU]) as profiler:
        seconds = clock(lambda: [function() for _ in range(rounds)])
    total = {event.key: event.cpu_time_total / 1e6 for event in profiler.key_averages()}
    return [sum(total[name] for name in part) / seconds for part in names]


def parts_of_step(rounds: int) -> dict[str, float]:
    """Measure the share of each part in the time of training steps."""
    step = stepping(plain_network(), batch_of_median(Settings()))
    shares = shares_of(step, rounds, list(PARTS.values()))
    return dict(zip(PARTS, shares, strict=True)) | {REST: 1 - sum(shares)}


def rate_of_convolutions(share: float, rounds: int) -> float:
    """Compare the FLOP/s of the convolutions, which take this share of a step, with a matrix product's."""
    step = stepping(plain_network(), batch_of_median(Settings()))
    convolved = sum(count for name, count in flops(step).items() if "convolution" in name)
    product, n_product = matrix_product(2048)
    product()
    return median(convolved / (share * clock(step)) / (n_product / clock(product)) for _ in range(rounds))


def arithmetic_of_transform(seconds: float, rounds: int) -> float:
    """Measure the share of Fourier transforms and filterbank products in the transform of recordings."""
    transformer, Y = SpectrogramTransformer(n_jobs=1), waveforms(np.full(round(64 / seconds), seconds))
    return shares_of(lambda: transformer.transform(Y), rounds, [ARITHMETIC])[0]


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
    rows = [(f"{part}, share of a training step", share) for part, share in shares.items()]
    rows.append(("FLOP/s of the convolutions relative to those of a matrix product", rate))
    rows += [
        (f"Fourier transforms and products, share of the transform of {seconds} s", share)
        for seconds, share in arithmetic.items()
    ]
    lines = [("quantity", "value"), *((what, f"{value:.2f}") for what, value in rows)]
    for what, value in lines:
        print(f"{what:76} {value}")
    if arguments.output is not None:
        with arguments.output.open("w", newline="", encoding="utf-8") as file:
            csv.writer(file, lineterminator="\n").writerows(lines)


if __name__ == "__main__":
    main()
