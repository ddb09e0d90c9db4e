"""Power spectrograms of a waveform, some frames at a time, which stay in the processor's cache.

Done at once, each step of a long waveform goes to memory and back, in pages that are new each time:
that takes longer than the Fourier transforms.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch.nn import functional

_SAMPLES = 2**17  # of a block: 256 frames of 512
_FEWEST = 16  # frames of a block, however long they are
_KEPT = threading.local()  # the buffer of the last call, which the next one most likely needs again


def can_use_blocks(y: torch.Tensor) -> bool:
    """Whether a waveform is of the kind that is computed in blocks: one, in memory, and without gradients.

    Parameters
    ----------
    y : torch.Tensor
        The waveform.

    Returns
    -------
    bool
        Whether `power_in_blocks` takes it.
    """
    return y.ndim == 1 and y.device.type == "cpu" and not (y.requires_grad and torch.is_grad_enabled())


@dataclass(frozen=True)
class Bands:
    """Some neighbouring bands of a filterbank, with the Fourier bins that they weigh and no others.

    Parameters
    ----------
    bands : slice
        Which bands.
    parts : slice
        Where the squared real and imaginary parts of their bins lie, which take turns.
    weights : torch.Tensor of shape (2 * n_bins, n_bands)
        Weight of each part.
    """

    bands: slice
    parts: slice
    weights: torch.Tensor


def split_bands(filters: torch.Tensor) -> tuple[Bands, ...]:
    """Cut a filterbank in two, so that most of the zeros in it are multiplied with nothing.

    Parameters
    ----------
    filters : torch.Tensor of shape (n_bands, n_fft // 2 + 1)
        Weights of the Fourier bins in each band.

    Returns
    -------
    tuple of Bands
        The lower and the upper half of the bands; one part where there is a single band.
    """
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
    y: torch.Tensor,
    n_fft: int,
    hop_length: int,
    window: torch.Tensor,
    bins: slice,
    filterbank: tuple[Bands, ...] | None,
) -> torch.Tensor:
    """Compute the power of a waveform in some Fourier bins, or in bands of them.

    Parameters
    ----------
    y : torch.Tensor of shape (n_times,)
        Waveform.
    n_fft : int
        Length of the Fourier transform in samples.
    hop_length : int
        Distance between frames in samples.
    window : torch.Tensor of shape (win_length,)
        Window, of the dtype of `y`.
    bins : slice
        The Fourier bins.
    filterbank : tuple of Bands or None
        What `split_bands` gives; None gives the bins themselves.

    Returns
    -------
    torch.Tensor of shape (n_bands or n_bins, n_frames)
        Power.
    """
    frames = functional.pad(y, (n_fft // 2, n_fft // 2)).unfold(0, n_fft, hop_length)
    n_frames, win_length = frames.shape[0], window.shape[0]
    if win_length < n_fft:
        left = (n_fft - win_length) // 2
        window = functional.pad(window, (left, n_fft - win_length - left))
    width = bins.stop - bins.start if filterbank is None else filterbank[-1].bands.stop
    result = y.new_empty(n_frames, width)
    blocks = list(_blocks(n_frames, max(_FEWEST, _SAMPLES // n_fft)))
    windowed = _buffer(max(stop - start for start, stop in blocks), n_fft, y.dtype)
    for start, stop in blocks:
        block = torch.mul(frames[start:stop], window, out=windowed[: stop - start])
        # Given a buffer for its result, rfft copies into it.
        parts = torch.view_as_real(torch.fft.rfft(block))
        _sum_squares(parts.mul_(parts), bins, filterbank, result[start:stop])
    return result.mT


def _sum_squares(
    squares: torch.Tensor, bins: slice, filterbank: tuple[Bands, ...] | None, out: torch.Tensor
) -> None:
    """Add up the squared parts (n_frames, n_fft // 2 + 1, 2) to the power in bins or bands (n_frames, width).

    Free of the square root of abs(), which is most of its time.
    """
    if filterbank is None:
        torch.add(squares[:, bins, 0], squares[:, bins, 1], out=out)
        return
    flat = squares.flatten(1)
    for half in filterbank:
        torch.mm(flat[:, half.parts], half.weights, out=out[:, half.bands])


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
