"""Measure what compiling the convolutions would give on a GPU, and how long it takes.

python benchmarks/speed/compiled.py --device cuda

The blocks are written as plain operations here, which torch.compile can fuse, and compiled for batches of
any shape. Prints JSON: the seconds of the first step, those until batches of all sizes were compiled for, and
the time of a compiled epoch over that of an eager one, by turns. Their losses after the first step show that
both compute the same.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

_ROOT = str(Path(__file__).resolve().parents[2])
sys.path.insert(0, _ROOT)
os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [_ROOT, os.environ.get("PYTHONPATH")]))

import torch  # noqa: E402 - behind the path
from gpu import clock  # noqa: E402
from harness import Settings, compare  # noqa: E402
from steps import default_network, training_step  # noqa: E402
from torch import Tensor, nn  # noqa: E402
from torch.nn import functional  # noqa: E402
from workloads import durations, spectrograms  # noqa: E402

from skser.sequences import BatchIterator, SpectrogramDataset  # noqa: E402


def shorten(lengths: Tensor, stride: int) -> Tensor:
    """Give the frames left by a stride in time."""
    return (lengths + stride - 1) // stride


def normalise(norm: nn.BatchNorm2d, x: Tensor, mask: Tensor) -> Tensor:
    """Normalise over the frames of a mask, as `MaskedBatchNorm2d` does while training."""
    n = mask.sum() * x.shape[3]
    x = x * mask
    mean = x.sum((0, 2, 3)) / n
    var = ((x - mean[:, None, None]) * mask).square().sum((0, 2, 3)) / n
    with torch.no_grad():
        norm.num_batches_tracked += 1
        norm.running_mean.lerp_(mean, norm.momentum)
        norm.running_var.lerp_(var * n / (n - 1), norm.momentum)
    scale = norm.weight * (var + norm.eps).rsqrt()
    return (x * scale[:, None, None] + (norm.bias - mean * scale)[:, None, None]) * mask


class FusedBlocks(nn.Module):
    """All blocks of a network as one, compiled."""

    def __init__(self, blocks: nn.ModuleList, backend: str) -> None:
        super().__init__()
        self.blocks = blocks
        self._stride = math.prod(block.stride[0] for block in blocks)
        self._compiled = torch.compile(self._plain, dynamic=True, backend=backend)

    def _plain(self, x: Tensor, lengths: Tensor) -> Tensor:
        for block in self.blocks:
            x = block.conv(x)
            lengths = shorten(lengths, block.conv_stride[0])
            mask = torch.arange(x.shape[2], device=x.device) < lengths[:, None]
            x = normalise(block.norm, x, mask[:, None, :, None].to(x.dtype))
            if block.pool != (1, 1):
                x = functional.max_pool2d(x, block.pool, ceil_mode=True)
            x, lengths = functional.relu(x), shorten(lengths, block.pool[0])
        return x

    def forward(self, x: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """Map (B, 1, T, F) and the lengths, which are on the CPU, to those behind the blocks."""
        # Else each remainder of T would be compiled for: inductor takes for granted whether a pool overhangs.
        x = functional.pad(x, (0, 0, 0, -x.shape[2] % self._stride))
        x = self._compiled(x, lengths.to(x.device))
        for block in self.blocks:
            lengths = shorten(shorten(lengths, block.conv_stride[0]), block.pool[0])
        return x, lengths


def stepping(device: torch.device, backend: str | None) -> Callable[..., Tensor]:
    """Make the function that takes a step of the default network, compiled or not."""
    network = default_network(augmentation=None).to(device)
    if backend is not None:
        network.convolutions = nn.ModuleList([FusedBlocks(network.convolutions, backend)])
    return training_step(network)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--backend", default="inductor", help="of torch.compile")
    parser.add_argument("--utterances", type=int, default=1024)
    parser.add_argument("--batch-size", type=int, default=256)
    parser.add_argument("--seconds", type=float, default=15.0, help="of epochs, by turns")
    arguments = parser.parse_args()
    device = torch.device(arguments.device)
    dataset = SpectrogramDataset(*spectrograms(durations(arguments.utterances)))
    batches = [
        (inputs["spectrogram"].to(device), inputs["lengths"], y.to(device))
        for inputs, y in BatchIterator(dataset, arguments.batch_size)
    ]
    eager, compiled = stepping(device, None), stepping(device, arguments.backend)

    def epoch(step: Callable[..., Tensor]) -> Callable[[], float]:
        return lambda: clock(lambda: [step(*batch) for batch in batches], device)

    found: dict[str, Any] = {"gpu": torch.cuda.get_device_name() if device.type == "cuda" else None}
    losses: list[float] = []
    found["first step"] = clock(lambda: losses.append(float(compiled(*batches[0]))), device)
    found["losses"] = [*losses, float(eager(*batches[0]))]
    print(json.dumps(found), flush=True)
    found["first epoch"] = epoch(compiled)()
    print(json.dumps(found), flush=True)
    found["compiled over eager"] = vars(
        compare(epoch(compiled), epoch(eager), Settings(seconds=arguments.seconds))
    )
    print(json.dumps(found), flush=True)


if __name__ == "__main__":
    main()
