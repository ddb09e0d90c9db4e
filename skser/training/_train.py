"""Train a net: the one place where epochs run."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from skorch.exceptions import SkorchException
from skorch.helper import predefined_split

from .._utils import torch_defaults, torch_settings
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
    with isolated_generators(seed, device), torch_settings(device), torch_defaults():
        net.initialize()
        net.module_.standardise_with(*train.X.mean_and_std())
        if previous is not None:
            continue_from(previous, net)
        net.set_params(train_split=None if valid is None else predefined_split(valid), max_epochs=max_epochs)
        own_callbacks = net.callbacks_
        if checkpoint is not None:
            net.callbacks_ = [*own_callbacks, ("checkpoint", checkpoint)]
        with _explain_missing_validation(valid):
            net.partial_fit(train, None)
    # A fitted model keeps neither the validation set nor the checkpoint.
    net.callbacks_ = own_callbacks
    net.set_params(train_split=None)


@contextmanager
def _explain_missing_validation(valid: SpectrogramDataset | None) -> Iterator[None]:
    """Name the cure if a callback of the user looks for a validation loss that does not exist."""
    try:
        yield
    except (KeyError, SkorchException) as error:
        if valid is not None or "'valid_" not in str(error):
            raise
        cause = str(error.args[0]).rstrip(".")
        raise ValueError(
            f"a callback needs the results of a validation set ({cause}): let fit hold one out with "
            'early_stopping=True, or let the callback monitor "train_loss".'
        ) from error
