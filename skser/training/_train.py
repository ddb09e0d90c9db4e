"""Train a net: the one place where epochs run."""

from __future__ import annotations

import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from skorch.exceptions import SkorchException
from skorch.helper import predefined_split

from .._utils import torch_defaults, torch_settings, warn_caller
from ..sequences import SpectrogramDataset
from ._callbacks import EarlyStopping
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
) -> bool:
    """Initialize a net and train it, or continue; return whether Ctrl-C ended the training."""
    device = torch.device(net.device)
    with isolated_generators(seed, device), torch_settings(device), torch_defaults():
        net.initialize()
        mean, std = train.X.mean_and_std()
        net.module_.standardize_with(mean, std)
        if previous is not None:
            continue_from(previous, net)
        else:
            _warn_of_gain(getattr(net.module_.augmentation, "gain", 0.0), std)
        net.set_params(train_split=None if valid is None else predefined_split(valid), max_epochs=max_epochs)
        own_callbacks = net.callbacks_
        if checkpoint is not None:
            net.callbacks_ = [*own_callbacks, ("checkpoint", checkpoint)]
        with _explain_missing_validation(valid):
            was_interrupted = _run(net, train, own_callbacks)
    # A fitted model keeps neither the validation set nor the checkpoint.
    net.callbacks_ = own_callbacks
    net.set_params(train_split=None)
    return was_interrupted


def _run(net: CenterLossNet, train: SpectrogramDataset, callbacks: list[tuple[str, Any]]) -> bool:
    """Train like `partial_fit` of skorch, which does not say whether Ctrl-C or a callback ended the loop."""
    was_interrupted = False
    net.notify("on_train_begin", X=train, y=None)
    try:
        net.fit_loop(train, None)
    except KeyboardInterrupt as error:
        is_incomplete = bool(net.history) and "train_loss" not in net.history[-1]
        was_interrupted = is_incomplete or not _is_stop(error, callbacks)
    net.notify("on_train_end", X=train, y=None)
    return was_interrupted


def _is_stop(error: KeyboardInterrupt, callbacks: list[tuple[str, Any]]) -> bool:
    """Whether a callback itself raised an error, which is how skorch's callbacks end a training run."""
    *_, (frame, _) = traceback.walk_tb(error.__traceback__)
    raised_by = frame.f_locals.get("self")
    if isinstance(raised_by, EarlyStopping):
        return raised_by.stopped_
    return any(raised_by is callback for _, callback in callbacks)


def _warn_of_gain(gain: float, std: NDArray[np.float32]) -> None:
    """Warn if the random gain of the augmentation, in dB, hides the differences within the spectrograms."""
    varying = std[std != 1]  # constant bins have 1
    if varying.size and varying.mean() < gain / 3:
        warn_caller(
            f"the random gain of the augmentation, up to {gain:g} dB, is more than three times the mean "
            "standard deviation of the bins of X: pass spectrograms in dB, lower the gain, or set "
            "augmentation=None."
        )


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
