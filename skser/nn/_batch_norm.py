"""Batch normalization that excludes padding from its statistics."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional

Padding = tuple[Tensor, Tensor]  # items and frames


class MaskedBatchNorm2d(nn.BatchNorm2d):
    """Batch normalization over the valid frames of padded items; padding becomes zero."""

    # torch's layer treats padding as data, so that training depends on which items share a batch. Without
    # padding both layers agree, except that this one also accepts a single value per channel in training,
    # which it maps to the bias.
    # Ioffe and Szegedy, "Batch normalization: accelerating deep network training by reducing internal
    # covariate shift", ICML 2015.

    # In torch's layer these may be None.
    running_mean: Tensor
    running_var: Tensor
    num_batches_tracked: Tensor
    momentum: float

    def forward(self, input: Tensor, padding: Padding | None = None) -> Tensor:
        """Normalize."""
        if not self.training:
            y = functional.batch_norm(
                input, self.running_mean, self.running_var, self.weight, self.bias, eps=self.eps
            )
            return y if padding is None else _clear(y, padding)
        n_frames = input.shape[0] * input.shape[2] - (0 if padding is None else len(padding[0]))
        n_valid = float(input.shape[3] * n_frames)
        y, mean, var = _MaskedNormalization.apply(
            input, self.weight, self.bias, *(padding or (None, None)), n_valid, self.eps
        )
        self._track(mean, var * (n_valid / max(n_valid - 1, 1)))
        return y

    @torch.no_grad()
    def _track(self, mean: Tensor, var: Tensor) -> None:
        """Move the running statistics toward those of a batch."""
        self.num_batches_tracked += 1
        self.running_mean.lerp_(mean.to(self.running_mean.dtype), self.momentum)
        self.running_var.lerp_(var.to(self.running_var.dtype), self.momentum)


class _MaskedNormalization(torch.autograd.Function):
    """Normalize by mean and variance of the valid values, in as many passes as torch's layer."""

    # Padding is set to zero by its indices: multiplying all values by a mask would take as long as one pass
    # of the normalization.

    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        weight: Tensor,
        bias: Tensor,
        items: Tensor | None,
        frames: Tensor | None,
        n_valid: float,
        eps: float,
    ) -> tuple[Tensor, Tensor, Tensor]:
        padding = None if items is None or frames is None else (items, frames)
        x = x.detach()  # a hook may have made x a view that must not be written to
        if padding is not None:
            _clear(x, padding)
        # As in torch's layer; var_mean is several times slower on channels-last tensors. For inputs in half
        # precision, statistics are computed in the data type of the weights.
        mean, var = torch.batch_norm_update_stats(x.to(weight.dtype), None, None, 0.0)
        if padding is not None:
            # Padding is zero: a sum over all values equals the sum over the valid ones.
            share = x.numel() / x.shape[1] / n_valid
            square = (var + mean.square()) * share
            mean = mean * share
            var = (square - mean.square()).clamp_min(0)
        y = functional.batch_norm(x, mean, var, weight, bias, eps=eps)
        ctx.save_for_backward(x, weight, mean, var, items, frames)
        ctx.n_valid, ctx.eps = n_valid, eps
        ctx.mark_non_differentiable(mean, var)
        return (y if padding is None else _clear(y, padding)), mean, var

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grad_outputs: Tensor) -> tuple[Tensor | None, ...]:
        x, weight, mean, var, items, frames = ctx.saved_tensors
        padding = None if items is None else (items, frames)
        dy = grad_outputs[0]
        r = (var + ctx.eps).rsqrt()
        # dw = sum(dy x^), db = sum(dy), where x^ = (x - mean) r and r = 1 / std. On a GPU torch needs mean
        # and r in addition to the running statistics.
        _, dw, db = torch.ops.aten.native_batch_norm_backward(
            dy, x, weight, mean, var, mean, r, False, ctx.eps, [False, True, True]
        )
        if padding is not None:  # subtract its share of the sums; x is zero there
            outside = dy.transpose(1, 2)[padding].sum((0, 2), dtype=weight.dtype)
            dw, db = dw + outside * mean * r, db - outside
        # dx = w r (dy - (db + x^ dw) / n) in two passes: first all terms without dy.
        scale = -weight * r / ctx.n_valid
        slope = scale * dw * r
        dx = torch.addcmul(
            _per_channel(scale * db - slope * mean), x, _per_channel(slope), out=torch.empty_like(x)
        )
        dx.addcmul_(dy, _per_channel(weight * r))
        return (dx if padding is None else _clear(dx, padding)), dw, db, None, None, None, None


def _clear(x: Tensor, padding: Padding) -> Tensor:
    """Set the padding of (B, C, T, F) to zero in place."""
    x.transpose(1, 2).index_put_(padding, x.new_zeros(()))  # a Python 0 would be copied to a GPU
    return x


def _per_channel(values: Tensor) -> Tensor:
    """Reshape (C,) to (1, C, 1, 1)."""
    return values[None, :, None, None]
