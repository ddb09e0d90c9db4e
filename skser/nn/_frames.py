"""Frames of items of unequal length: masks, padding, and packing for recurrent layers."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence

from .._utils import to_device
from ._batch_norm import Padding


def mask_frames(lengths: Tensor, n_frames: int) -> Tensor:
    """Mark the frames before each item's end: (B,) -> (B, T)."""
    return torch.arange(n_frames, device=lengths.device) < lengths[:, None]


def padding_of(lengths: Tensor, x: Tensor) -> Padding | None:
    """Find items and frames of the padding of (B, C, T, F); None without padding."""
    # On the CPU, because `nonzero` on a GPU makes the CPU wait.
    items, frames = (~mask_frames(lengths, x.shape[2])).nonzero(as_tuple=True)
    return (to_device(items, x), to_device(frames, x)) if len(items) else None


def pack_by_length(x: Tensor, lengths: Tensor) -> tuple[PackedSequence, Tensor]:
    """Pack (B, T, F), and also return the place of each item in the order of length."""
    # Like `pack_padded_sequence` with enforce_sorted=False, which would make the CPU wait for a GPU.
    by_length, order = lengths.sort(descending=True)
    order, place = to_device(order, x), to_device(order.argsort(), x)
    data, batch_sizes, *_ = pack_padded_sequence(x.index_select(0, order), by_length, batch_first=True)
    return PackedSequence(data, batch_sizes, order, place), place
