"""The plain PyTorch of a training, which the rows of batches, training and GPU share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from workloads import N_BINS, N_CLASSES

from skser import CenterLossCriterion, SpectrogramNetwork

Batch = tuple[dict[str, Tensor], Tensor]


def default_network(**parameters: Any) -> SpectrogramNetwork:
    """Make the network of the estimator's defaults, its augmentation included."""
    torch.manual_seed(0)
    return SpectrogramNetwork(N_BINS, N_CLASSES, **({"augmentation": "moderate"} | parameters)).train()


def use_strides_of_the_paper(network: SpectrogramNetwork) -> None:
    """Give the first convolution strides of 2, and all poolings 2 x 2; weights keep their shapes."""
    first, *_, last = network.convolutions
    first.conv.stride = first.conv_stride = first.stride = (2, 2)
    last.pool = last.stride = (2, 2)


def training_step(network: nn.Module, lr: float = 1e-3) -> Callable[[Tensor, Tensor, Tensor], Tensor]:
    """Make the function that takes one step: loss, gradients, AdamW, centers."""
    device = next(network.parameters()).device
    criterion = CenterLossCriterion(N_CLASSES, network.embedding.out_features).to(device)
    optimizer = torch.optim.AdamW(network.parameters(), lr=lr)

    def step(spectrogram: Tensor, lengths: Tensor, y: Tensor) -> Tensor:
        optimizer.zero_grad(set_to_none=True)
        outputs = network(spectrogram, lengths)
        loss = criterion(outputs, y)
        loss.backward()
        optimizer.step()
        criterion.center_loss.update(outputs[1].detach(), y)
        return loss.detach()

    return step
