"""Conversion of a classifier's parameters to its net, and of a trained net to the fitted attributes."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from skorch.callbacks import Callback

from ..training import CenterLossNet, CenterUpdate, EpochSeed, FiniteLoss, losses_by_epoch
from ._network import choose_network
from ._parameters import net_settings, plain_numbers


def make_net(
    parameters: Mapping[str, Any],
    seed: int,
    device: torch.device,
    *,
    n_bins: int,
    n_classes: int,
    class_weight: torch.Tensor | None,
    callbacks: Sequence[tuple[str, Callback]] = (),
) -> CenterLossNet:
    """Make a net with the parameters of a classifier, without initializing it."""
    all_callbacks = [
        ("epoch_seed", EpochSeed(seed)),
        ("finite_loss", FiniteLoss()),
        ("center_update", CenterUpdate()),
        *copy.deepcopy(list(parameters["callbacks"] or [])),
        *callbacks,
    ]
    plain = {name: plain_numbers(value) for name, value in parameters.items()}
    network, keywords = choose_network(plain)
    settings = {
        **{f"module__{name}": value for name, value in keywords.items()},
        **net_settings(plain, n_bins, n_classes, class_weight, device),
        **(parameters["net_params"] or {}),
    }
    return CenterLossNet(network, callbacks=all_callbacks, **settings)


def fitted_attributes(net: CenterLossNet) -> dict[str, Any]:
    """Compute the fitted attributes of a classifier from its trained net."""
    history = losses_by_epoch(net.history)
    centers = net.criterion_.center_loss.centers.cpu().numpy().copy()
    return {"net_": net, "history_": history, "n_iter_": len(history), "centers_": centers}
