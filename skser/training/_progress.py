"""How far a training has come, as a description and tensors, and back into a new net."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from skorch.callbacks import PassthroughScoring
from skorch.history import History
from torch import Tensor

from .._utils import decode, encode
from ._net import CenterLossNet
from ._state import (
    IMPLEMENTATIONS,
    OPTIMIZER,
    check_alike,
    learnt_tensors,
    optimizer_memory,
    restore_learnt,
    restore_optimizer,
)

_CALLBACKS = "callbacks."


def describe_progress(
    net: CenterLossNet, states: Mapping[str, Mapping[str, Any]]
) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Describe all that the next epoch of a training depends on."""
    # Generators are not among it, since `EpochSeed` seeds them anew for each epoch.
    memory, tensors = optimizer_memory(net)
    plain: dict[str, dict[str, Any]] = {}
    for callback, state in states.items():
        plain[callback] = {}
        for name, value in state.items():
            if isinstance(value, Tensor):
                # A copy, because a file cannot hold two names of the same memory.
                tensors[f"{_CALLBACKS}{callback}.{name}"] = value.detach().clone()
            else:
                plain[callback][name] = encode(value, f"state_dict()[{name!r}] of the callback {callback!r}")
    rows = [{name: value for name, value in row.items() if name != "batches"} for row in net.history]
    description = {
        "optimizer": encode(memory, "the optimizer's memory"),
        "rates": encode(_rates(net), "the optimizer's settings"),
        "history": encode(rows, "history"),
        "callbacks": plain,
    }
    return description, learnt_tensors(net) | tensors


def restore_progress(
    net: CenterLossNet, description: Mapping[str, Any], tensors: Mapping[str, Tensor]
) -> dict[str, dict[str, Any]]:
    """Bring a new net to where another one was."""
    of_optimizer = _starting_with(OPTIMIZER, tensors)
    of_callbacks = _starting_with(_CALLBACKS, tensors)
    learnt = {name: tensors[name] for name in tensors.keys() - of_optimizer.keys() - of_callbacks.keys()}
    check_alike(learnt_tensors(net), learnt)
    restore_optimizer(net, decode(description["optimizer"]), of_optimizer)
    restore_learnt(net, learnt)
    for group, saved in zip(net.optimizer_.param_groups, decode(description["rates"]), strict=True):
        # How the optimizer computes is the device's, which may be another one.
        group.update({name: value for name, value in saved.items() if name not in IMPLEMENTATIONS})
    _restore_history(net, decode(description["history"]))
    states = {}
    for callback, plain in description["callbacks"].items():
        start = f"{_CALLBACKS}{callback}."
        own = _starting_with(start, of_callbacks)
        states[callback] = decode(plain) | {name.removeprefix(start): own[name] for name in own}
    return states


def _starting_with(start: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Choose tensors by name."""
    return {name: value for name, value in tensors.items() if name.startswith(start)}


def _rates(net: CenterLossNet) -> list[dict[str, Any]]:
    """Settings of the optimizer, which a schedule may have changed."""
    groups = net.optimizer_.param_groups
    return [{name: value for name, value in group.items() if name != "params"} for group in groups]


def _restore_history(net: CenterLossNet, rows: list[dict[str, Any]]) -> None:
    """Set the history, and the lowest losses in it, which skorch marks."""
    net.history = History({"batches": [], **row} for row in rows)
    for _, callback in net.callbacks_:
        if isinstance(callback, PassthroughScoring):
            found = [row[callback.name] for row in rows if callback.name in row]
            callback.best_score_ = min(found, default=callback.best_score_)
