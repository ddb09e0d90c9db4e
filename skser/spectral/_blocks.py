"""Power spectrograms of waveforms, some frames at a time, which stay in the processor's cache.

Done at once, each step of a long waveform goes to memory and back, in pages that are new each time:
that takes longer than the Fourier transforms. Done one by one, short waveforms take as long for the calls
as for the arithmetic: some of them share a call, behind each other with silence between.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch.nn import functional

_SAMPLES = 2**17  # of a block: 256 frames of 512
_FEWEST = 16  # frames of a block, however long they are
_KEPT = threading.local()  # the buffer of the last call, which the next one most likely needs again


def can_use_blocks(y: torch.Tensor) -> bool:
    """Whether a waveform is of the kind that is computed in blocks: one, in memory, and without gradients."""
    return y.ndim == 1 and y.device.type == "cpu" and not (y.requires_grad and torch.is_grad_enabled())


@dataclass(frozen=True)
class Bands:
    """Some neighbouring bands of a filterbank, with the Fourier bins that they weigh and no others."""

    bands: slice
    parts: slice
    weights: torch.Tensor


def split_bands(filters: torch.Tensor) -> tuple[Bands, ...]:
    """Cut a filterbank in two, so that most of the zeros in it are multiplied with nothing."""
    halves: list[Bands] = []
    first = 0
    for bands in filters.chunk(2):
        used = bands.any(dim=0).nonzero().flatten()
        low, high = int(used[0]), int(used[-1]) + 1
        # The weights of a bin's two parts: a product adds them, which saves a pass over the power.
        weights = bands[:, low:high].mT.repeat_interleave(2, dim=0).contiguous()
        halves.append(Bands(slice(first, first + len(bands)), slice(2 * low, 2 * high), weights))
        first += len(bands)
    return tuple(halves)


def power_in_blocks(
    waveforms: Sequence[torch.Tensor],
    n_fft: int,
    hop_length: int,
    window: torch.Tensor,
    bins: slice,
    filterbank: tuple[Bands, ...] | None,
) -> tuple[torch.Tensor, list[slice]]:
    """Compute the power of waveforms in some Fourier bins, or in bands of them."""
    frames, parts = _frames(waveforms, n_fft, hop_length)
    n_rows, win_length = frames.shape[0], window.shape[0]
    if win_length < n_fft:
        left = (n_fft - win_length) // 2
        window = functional.pad(window, (left, n_fft - win_length - left))
    width = bins.stop - bins.start if filterbank is None else filterbank[-1].bands.stop
    # Rows between waveforms are left out below, and hold zeros.
    rows = (frames.new_empty if len(parts) == 1 else frames.new_zeros)(n_rows, width)
    blocks = list(_joined(parts, max(_FEWEST, _SAMPLES // n_fft)))
    windowed = _buffer(max(block[-1].stop - block[0].start for block in blocks), n_fft, rows.dtype)
    for block in blocks:
        first, stop = block[0].start, block[-1].stop
        at_once = torch.mul(frames[first:stop], window, out=windowed[: stop - first])
        # Given a buffer for its result, rfft copies into it.
        squares = torch.view_as_real(torch.fft.rfft(at_once))
        squares.mul_(squares)
        # How a product adds depends on its number of rows: one for each waveform.
        for part in block:
            _sum_squares(squares[part.start - first : part.stop - first], bins, filterbank, rows[part])
    return rows, parts


def _frames(
    waveforms: Sequence[torch.Tensor], n_fft: int, hop_length: int
) -> tuple[torch.Tensor, list[slice]]:
    """Cut waveforms, laid one after another with zeros around each, into frames."""
    # The frames (n_rows, n_fft) share their memory. Each waveform begins at a multiple of the hop.
    n_times, half = [y.shape[0] for y in waveforms], n_fft // 2
    # A longer hop than the longest waveform has one frame of each as well.
    hop_length = min(hop_length, max(n_times) + n_fft)
    starts, parts, n_rows = [], [], 0
    for n in n_times:
        starts.append(n_rows * hop_length + half)
        parts.append(slice(n_rows, n_rows + 1 + (n + 2 * half - n_fft) // hop_length))
        n_rows += -(-(n + half) // hop_length)
    n_rows = parts[-1].stop
    laid = waveforms[0].new_zeros((n_rows - 1) * hop_length + n_fft)
    samples = laid.numpy()  # copies with less ado
    for y, n, start in zip(waveforms, n_times, starts, strict=True):
        samples[start : start + n] = y.detach().resolve_neg().numpy()[: len(laid) - start]
    return laid.unfold(0, n_fft, hop_length), parts


def _sum_squares(
    squares: torch.Tensor, bins: slice, filterbank: tuple[Bands, ...] | None, out: torch.Tensor
) -> None:
    """Add up squared parts (n_frames, n_fft // 2 + 1, 2) to the power in bins or bands (n_frames, width)."""
    # Free of the square root of abs(), which is most of its time.
    if filterbank is None:
        torch.add(squares[:, bins, 0], squares[:, bins, 1], out=out)
        return
    flat = squares.flatten(1)
    for half in filterbank:
        torch.mm(flat[:, half.parts], half.weights, out=out[:, half.bands])


def _joined(parts: Sequence[slice], size: int) -> Iterator[list[slice]]:
    """Cut long parts of the rows into blocks of so many, and join short ones to up to twice as many."""
    block: list[slice] = []
    for part in parts:
        for start, stop in _blocks(part.stop - part.start, size):
            if block and part.start + stop - block[0].start > 2 * size:
                yield block
                block = []
            block.append(slice(part.start + start, part.start + stop))
            if block[-1].stop - block[0].start >= size:
                yield block
                block = []
    if block:
        yield block


def _blocks(n: int, size: int) -> Iterator[tuple[int, int]]:
    """Cut n frames into blocks of so many; the last takes the rest along, since few frames are slow."""
    count = max(1, n // size)
    for index in range(count):
        yield index * size, n if index == count - 1 else (index + 1) * size


def _buffer(rows: int, n_fft: int, dtype: torch.dtype) -> torch.Tensor:
    """Give the thread's buffer for windowed frames, of so many rows or more."""
    kept: torch.Tensor | None = getattr(_KEPT, "buffer", None)
    if kept is None or kept.dtype != dtype or kept.shape[1] != n_fft or kept.shape[0] < rows:
        # Later calls, outside of inference mode, write to it as well.
        with torch.inference_mode(False):
            kept = torch.empty(rows, n_fft, dtype=dtype)
        if kept.numel() <= 2 * _SAMPLES:  # so that no more than two megabytes stay
            _KEPT.buffer = kept
    return kept
