"""Power spectrograms of a waveform, some frames at a time, in buffers that stay in the processor's cache.

Done at once, each step of a long waveform goes to memory and back, in pages that are new each time:
that takes longer than the Fourier transforms. The numbers are the same, bit for bit.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator

import torch
from torch.nn import functional

_SAMPLES = 2**17  # of a block: 256 frames of 512
_FEWEST = 16  # frames of a block, however long they are
_KEPT = threading.local()  # buffers of the last call, which the next one most likely needs again


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


def power_in_blocks(
    y: torch.Tensor,
    n_fft: int,
    hop_length: int,
    window: torch.Tensor,
    bins: slice,
    filters: torch.Tensor | None,
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
    filters : torch.Tensor of shape (n_bands, n_bins) or None
        Weights of the bins in each band; None gives the bins themselves.

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
    n_bins = bins.stop - bins.start
    result = y.new_empty(n_frames, n_bins if filters is None else filters.shape[0])
    blocks = list(_blocks(n_frames, max(_FEWEST, _SAMPLES // n_fft)))
    longest = max(stop - start for start, stop in blocks)
    windowed, spectrum, squares, power = _buffers(longest, n_fft, n_bins, y.dtype)
    for start, stop in blocks:
        n = stop - start
        torch.fft.rfft(torch.mul(frames[start:stop], window, out=windowed[:n]), out=spectrum[:n])
        parts = torch.view_as_real(spectrum[:n, bins])
        square = torch.mul(parts, parts, out=squares[:n])
        # Free of the square root of abs(), which is most of its time.
        total = torch.add(
            square[..., 0], square[..., 1], out=power[:n] if filters is not None else result[start:stop]
        )
        if filters is not None:
            torch.matmul(total, filters.mT, out=result[start:stop])
    return result.mT


def _blocks(n: int, size: int) -> Iterator[tuple[int, int]]:
    """Cut n frames into blocks of so many; the last takes the rest along, since few frames are slow."""
    count = max(1, n // size)
    for index in range(count):
        yield index * size, n if index == count - 1 else (index + 1) * size


def _buffers(rows: int, n_fft: int, n_bins: int, dtype: torch.dtype) -> tuple[torch.Tensor, ...]:
    """Give the thread's buffers for frames, spectrum, squares and power, of so many rows or more."""
    kind = (n_fft, n_bins, dtype)
    kept: tuple[torch.Tensor, ...] | None = getattr(_KEPT, "buffers", None)
    if kept is None or getattr(_KEPT, "kind", None) != kind or kept[0].shape[0] < rows:
        # Later calls, outside of inference mode, write to them as well.
        with torch.inference_mode(False):
            kept = (
                torch.empty(rows, n_fft, dtype=dtype),
                torch.empty(rows, n_fft // 2 + 1, dtype=dtype.to_complex()),
                torch.empty(rows, n_bins, 2, dtype=dtype),
                torch.empty(rows, n_bins, dtype=dtype),
            )
        if rows * n_fft <= 2 * _SAMPLES:  # so that no more than a few megabytes stay
            _KEPT.buffers, _KEPT.kind = kept, kind
    return kept
