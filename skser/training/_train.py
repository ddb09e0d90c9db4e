"""Train a net: the one place where epochs run."""

from __future__ import annotations

import torch
from skorch.helper import predefined_split

from .._utils import torch_settings
from ..sequences import SpectrogramDataset
from ._checkpoint import Checkpoint
from ._generators import isolated_generators
from ._net import CenterLossNet
from ._state import continue_from


def train_net(
    net: CenterLossNet,
    train: SpectrogramDataset,
    valid: SpectrogramDataset | None,
    seed: int,
    max_epochs: int,
    *,
    previous: CenterLossNet | None = None,
    checkpoint: Checkpoint | None = None,
) -> None:
    """Initialize a net and train it, or continue from a previous net or a checkpoint."""
    device = torch.device(net.device)
    with isolated_generators(seed, device), torch_settings(device):
        net.initialize()
        net.module_.standardise_with(*train.X.mean_and_std())
        if previous is not None:
            continue_from(previous, net)
        net.set_params(train_split=None if valid is None else predefined_split(valid), max_epochs=max_epochs)
        own_callbacks = net.callbacks_
        if checkpoint is not None:
            net.callbacks_ = [*own_callbacks, ("checkpoint", checkpoint)]
        net.partial_fit(train, None)
    # A fitted model keeps neither the validation set nor the checkpoint.
    net.callbacks_ = own_callbacks
    net.set_params(train_split=None)
