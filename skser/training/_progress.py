"""The complete state of a training run as one dictionary, and its restoration in a new net."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from skorch.callbacks import PassthroughScoring
from torch import Tensor

from .._utils import decode, encode
from ._net import CenterLossNet
from ._state import (
    IMPLEMENTATIONS,
    check_fitted_tensors,
    describe_history,
    fitted_tensors,
    restore_history,
)


def training_state(net: CenterLossNet, callbacks: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Describe a training run by tensors and values of JSON types."""
    # The random generators are not part of it, because `EpochSeed` seeds them for each epoch.
    optimizer = net.optimizer_.state_dict()
    return {
        "module": net.module_.state_dict(),
        "criterion": net.criterion_.state_dict(),
        "optimizer": optimizer["state"],
        "optimizer_settings": encode(optimizer["param_groups"], "the optimizer's settings"),
        "history": encode(describe_history(net), "history"),
        "callbacks": {
            callback: {
                name: value
                if isinstance(value, Tensor)
                else encode(value, f"state_dict()[{name!r}] of the callback {callback!r}")
                for name, value in state.items()
            }
            for callback, state in callbacks.items()
        },
    }


def load_training_state(net: CenterLossNet, state: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Load the state of another net into a new one, and return the states of the callbacks."""
    net.module_.load_state_dict(state["module"])
    net.criterion_.load_state_dict(state["criterion"])
    check_fitted_tensors(net, fitted_tensors(net))
    groups = decode(state["optimizer_settings"])
    for group, own in zip(groups, net.optimizer_.param_groups, strict=True):
        # The optimizer's implementation depends on the device, which may be another one.
        group.update({name: own[name] for name in IMPLEMENTATIONS if name in own})
    net.optimizer_.load_state_dict({"state": state["optimizer"], "param_groups": groups})
    _restore_history(net, decode(state["history"]))
    return {
        callback: {
            name: value if isinstance(value, Tensor) else decode(value) for name, value in values.items()
        }
        for callback, values in state["callbacks"].items()
    }


def _restore_history(net: CenterLossNet, rows: list[dict[str, Any]]) -> None:
    """Set the history, and the lowest losses in it for skorch's marks."""
    restore_history(net, rows)
    for _, callback in net.callbacks_:
        if isinstance(callback, PassthroughScoring):
            found = [row[callback.name] for row in rows if callback.name in row]
            callback.best_score_ = min(found, default=callback.best_score_)
