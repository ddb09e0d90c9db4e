"""Power of one waveform on the CPU, without gradients, computed in blocks of frames.

The frames of a block stay in the processor's cache. With all frames together, each step on a long
waveform would read from and write to memory, which takes longer than the Fourier transforms.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch.nn import functional

from ._settings import Settings, fft_bins

_BLOCK_SAMPLES = 2**17  # 256 frames of 512 samples
_FEWEST_FRAMES = 16  # per block, however long they are
_GROUP = 16  # bands: a vector register of float32, for which matrix products are fastest


class Bands(NamedTuple):
    """Some neighboring bands of a filterbank, with only the Fourier bins that they weight."""

    bands: slice
    parts: slice  # real and imaginary parts of the bins
    weights: torch.Tensor  # (n_parts, n_bands)


def split_bands(filters: torch.Tensor) -> tuple[Bands, ...]:
    """Split a filterbank (n_bands, n_bins) in groups, which leaves most of its zeros out of the products."""
    # The first bands have the fewest bins and take the remainder, because smaller groups are slow.
    n_first = len(filters) % _GROUP or _GROUP
    groups: list[Bands] = []
    first = 0
    for bands in filters.tensor_split(tuple(range(n_first, len(filters), _GROUP))):
        used = bands.any(dim=0).nonzero().flatten()
        low, high = int(used[0]), int(used[-1]) + 1
        # One weight for each of a bin's two parts: the product then also adds them. The weights of a band
        # are next to each other in memory, which makes products with few bands up to twice as fast.
        weights = bands[:, low:high].repeat_interleave(2, dim=1).mT
        groups.append(Bands(slice(first, first + len(bands)), slice(2 * low, 2 * high), weights))
        first += len(bands)
    return tuple(groups)


def power_in_blocks(
    y: torch.Tensor, window: torch.Tensor, settings: Settings, filterbank: tuple[Bands, ...] | None
) -> torch.Tensor:
    """Compute the power (n_frames, n_bins) of a waveform in Fourier bins or in the bands of a filterbank."""
    n_fft, half = settings.n_fft, settings.n_fft // 2
    frames = functional.pad(y, (half, half)).unfold(0, n_fft, settings.hop_length)
    power = frames.new_empty(len(frames), settings.n_bins)
    # The last block also takes the remainder, because short blocks are slow.
    size = max(_FEWEST_FRAMES, _BLOCK_SAMPLES // n_fft)
    starts = range(0, max(1, len(frames) // size) * size, size)
    blocks = list(zip(starts, [*starts[1:], len(frames)], strict=True))
    buffer = frames.new_empty(max(stop - start for start, stop in blocks), n_fft)
    for start, stop in blocks:
        windowed = torch.mul(frames[start:stop], window, out=buffer[: stop - start])
        squares = torch.view_as_real(torch.fft.rfft(windowed))
        squares.mul_(squares)  # the square root of abs() would take most of the time
        _sum_squares(squares, fft_bins(settings), filterbank, power[start:stop])
    return power


def _sum_squares(
    squares: torch.Tensor, bins: slice, filterbank: tuple[Bands, ...] | None, out: torch.Tensor
) -> None:
    """Add up squared parts (n_frames, n_fft // 2 + 1, 2) to the power (n_frames, n_bins)."""
    if filterbank is None:
        torch.add(squares[:, bins, 0], squares[:, bins, 1], out=out)
        return
    flat = squares.flatten(1)
    for group in filterbank:
        torch.mm(flat[:, group.parts], group.weights, out=out[:, group.bands])
