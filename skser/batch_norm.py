"""Batch normalisation that leaves padding out of its statistics."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

__all__ = ["MaskedBatchNorm2d"]


class MaskedBatchNorm2d(nn.BatchNorm2d):
    """Batch normalisation [1]_ over the valid frames of padded items; the padding comes out as zero.

    With torch's own, padding is counted like data while training, so that what is learned depends on
    which items share a batch. Without padding both agree; unlike torch's, this one also trains on a
    single value per channel, which it maps to the bias.

    Parameters
    ----------
    num_features : int
        Channels C.
    eps : float, default=1e-5
        Added to the variance.
    momentum : float, default=0.1
        Share of a batch in the running statistics.

    References
    ----------
    .. [1] Ioffe and Szegedy, "Batch normalization: accelerating deep network training by reducing
       internal covariate shift", ICML 2015.

    Examples
    --------
    >>> import torch
    >>> from skser.batch_norm import MaskedBatchNorm2d
    >>> x = torch.tensor([-3.0, -1.0, 100.0]).reshape(1, 1, 3, 1)
    >>> mask = torch.tensor([1.0, 1.0, 0.0]).reshape(1, 1, 3, 1)
    >>> MaskedBatchNorm2d(1)(x, mask).flatten().round().tolist()
    [-1.0, 1.0, 0.0]
    """

    # Always there, unlike in torch's own, where they can be turned off.
    running_mean: Tensor
    running_var: Tensor
    num_batches_tracked: Tensor
    momentum: float

    def __init__(self, num_features: int, eps: float = 1e-5, momentum: float = 0.1) -> None:
        super().__init__(num_features, eps=eps, momentum=momentum)

    def forward(self, input: Tensor, mask: Tensor | None = None, n_frames: int | None = None) -> Tensor:
        """Normalise.

        Parameters
        ----------
        input : Tensor of shape (batch, num_features, n_frames, n_bins)
            Padded activations.
        mask : Tensor of shape (batch, 1, n_frames, 1), default=None
            1 on valid frames and 0 on padding, in the type of `input`; None where there is no padding.
        n_frames : int, default=None
            Ones in `mask`, where they are known: counting them makes the host wait for a GPU.

        Returns
        -------
        Tensor of the shape of `input`
            The normalised activations.
        """
        if not self.training:
            y = functional.batch_norm(
                input, self.running_mean, self.running_var, self.weight, self.bias, eps=self.eps
            )
            return y if mask is None else y * mask
        if torch.compiler.is_compiling():
            return self._normalise_traced(input, mask)
        if mask is None:
            n_frames = input.shape[0] * input.shape[2]
        elif n_frames is None:
            n_frames = int(mask.sum())
        # A plain float serves as the count: it enters products with tensors alone.
        n_valid = float(input.shape[3] * n_frames)
        y, mean, var = _MaskedNormalisation.apply(input, self.weight, self.bias, mask, n_valid, self.eps)
        self._track(mean, var * (n_valid / max(n_valid - 1, 1)))
        return y

    def _normalise_traced(self, x: Tensor, mask: Tensor | None) -> Tensor:
        """Do the same in plain operations and float32, which a compiler joins into few passes."""
        wide = x.float()
        valid = torch.ones_like(wide[:, :1, :, :1]) if mask is None else mask.float()
        count = valid.sum() * x.shape[3]
        mean = (wide * valid).sum(dim=(0, 2, 3)) / count
        centered = (wide - _per_channel(mean)) * valid
        var = centered.square().sum(dim=(0, 2, 3)) / count
        y = centered * _per_channel((var + self.eps).rsqrt() * self.weight) + _per_channel(self.bias) * valid
        self._track(mean.detach(), (var * (count / (count - 1).clamp(min=1))).detach())
        return y.to(x.dtype)

    @torch.no_grad()
    def _track(self, mean: Tensor, var: Tensor) -> None:
        """Move the running statistics towards those of a batch."""
        self.num_batches_tracked += 1
        self.running_mean.lerp_(mean.to(self.running_mean.dtype), self.momentum)
        self.running_var.lerp_(var.to(self.running_var.dtype), self.momentum)


class _MaskedNormalisation(torch.autograd.Function):
    """Normalise by mean and variance of the valid values, in as many passes as torch's own takes."""

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, weight: Tensor, bias: Tensor, mask: Tensor | None, n_valid: float, eps: float
    ) -> tuple[Tensor, Tensor, Tensor]:
        if mask is not None:
            x = x * mask
        # The pass that torch's own layer makes; var_mean is several times slower on channels-last tensors.
        # Of half precision the statistics are taken in the type of the weights.
        mean, var = torch.batch_norm_update_stats(x.to(weight.dtype), None, None, 0.0)
        if mask is not None:
            # Padding is zero by now: sums over everything are sums over the valid values.
            share = x.numel() / x.shape[1] / n_valid
            square = (var + mean.square()) * share
            mean = mean * share
            var = (square - mean.square()).clamp_min(0)
        y = functional.batch_norm(x, mean, var, weight, bias, eps=eps)
        ctx.save_for_backward(x, weight, mean, var, mask)
        ctx.n_valid, ctx.eps = n_valid, eps
        ctx.mark_non_differentiable(mean, var)
        return (y if mask is None else y.mul_(mask)), mean, var

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Tensor) -> tuple[Tensor | None, ...]:
        x, weight, mean, var, mask = ctx.saved_tensors
        dy = grad_outputs[0] if mask is None else grad_outputs[0] * mask
        r = (var + ctx.eps).rsqrt()
        # With constant statistics: dx = w r dy, dw = sum(dy x^), db = sum(dy), where r = 1 / std. A GPU wants
        # mean and r beside the statistics that they come from; the CPU passes over them.
        dx, dw, db = torch.ops.aten.native_batch_norm_backward(
            dy, x, weight, mean, var, mean, r, False, ctx.eps, [True, True, True]
        )
        # The statistics' own gradient: dx -= w r / n (db + x^ dw), where x^ = (x - mean) r.
        scale = -weight * r / ctx.n_valid
        slope = scale * dw * r
        dx.addcmul_(x, _per_channel(slope)).add_(_per_channel(scale * db - slope * mean))
        return (dx if mask is None else dx.mul_(mask)), dw, db, None, None, None


def _per_channel(values: Tensor) -> Tensor:
    """Give (C,) the shape (1, C, 1, 1)."""
    return values[None, :, None, None]
