"""The tensors of a fitted net by name, and a net made from them."""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping
from typing import Any

import torch
from skorch.history import History
from torch import Tensor

from ..nn import CenterLossCriterion
from ._net import CenterLossNet

CLASS_WEIGHT = "criterion.class_weight"
# Settings of torch's optimizers that choose an implementation and do not change the result.
IMPLEMENTATIONS = ("capturable", "differentiable", "foreach", "fused")

_OPTIMIZER = "optimizer."


def fitted_tensors(net: CenterLossNet) -> dict[str, Tensor]:
    """Name the tensors of the network and the criterion."""
    return _named(net.module_, net.criterion_)


def load_fitted_tensors(net: CenterLossNet, tensors: Mapping[str, Tensor]) -> None:
    """Load the tensors of the network and the criterion by name."""
    for module, prefix in ((net.module_, "network."), (net.criterion_, "criterion.")):
        module.load_state_dict({name: tensors[prefix + name] for name in module.state_dict()})


def optimizer_state(net: CenterLossNet) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Describe the state of the optimizer, and name its tensors."""
    rest: dict[int, dict[str, Any]] = {}
    tensors = {}
    for index, entries in net.optimizer_.state_dict()["state"].items():
        for name, value in entries.items():
            if isinstance(value, Tensor):
                tensors[f"{_OPTIMIZER}{index}.{name}"] = value
            else:
                rest.setdefault(index, {})[name] = value
    return {"class": type(net.optimizer_).__name__, "rest": rest}, tensors


def restore_net(
    net: CenterLossNet, tensors: Mapping[str, Tensor], optimizer: Mapping[str, Any] | None
) -> None:
    """Initialize a net with the tensors of a model file, if they fit its parameters."""
    of_optimizer = {name: value for name, value in tensors.items() if name.startswith(_OPTIMIZER)}
    fitted = {name: value for name, value in tensors.items() if name not in of_optimizer}
    _check_tensors(_expected(net), fitted)
    _check_values(fitted)
    if of_optimizer and optimizer is None:
        raise ValueError("it has tensors of an optimizer, but its description has none.")
    _initialize(net, with_state=bool(of_optimizer or (optimizer and optimizer["rest"])))
    if optimizer is not None:
        _load_optimizer(net, optimizer, of_optimizer)
    load_fitted_tensors(net, fitted)
    net.set_params(train_split=None)


def continue_from(previous: CenterLossNet, net: CenterLossNet) -> None:
    """Copy weights, standardization, centers, the optimizer's state and the history to a new net."""
    try:
        net.module_.load_state_dict(previous.module_.state_dict())
    except RuntimeError as error:
        raise ValueError(
            "the network was made with other channels, rnn, rnn_units, pooling, embedding_dim, network or "
            "network_params: restore them to continue the training, or start a new one with warm_start=False."
        ) from error
    net.criterion_.center_loss.load_state_dict(previous.criterion_.center_loss.state_dict())
    if type(net.optimizer_) is type(previous.optimizer_):
        groups = net.optimizer_.state_dict()["param_groups"]
        for group in groups:  # torch's schedulers need it if the optimizer has taken steps
            group.setdefault("initial_lr", group["lr"])
        state = copy.deepcopy(previous.optimizer_.state_dict()["state"])
        net.optimizer_.load_state_dict({"state": state, "param_groups": groups})
    # An epoch that was interrupted is repeated.
    net.history = type(previous.history)(
        copy.deepcopy(row) for row in previous.history if "train_loss" in row
    )


def check_fitted_tensors(net: CenterLossNet, tensors: Mapping[str, Tensor]) -> None:
    """Raise unless tensors fit the network and the criterion, and can predict."""
    _check_tensors(fitted_tensors(net), tensors)
    _check_values(tensors)


def describe_history(net: CenterLossNet) -> list[dict[str, Any]]:
    """List the epochs of a training run without their batches."""
    return [
        {name: value for name, value in row.items() if name != "batches"}
        for row in net.history
        if "train_loss" in row  # an epoch that was interrupted is repeated
    ]


def restore_history(net: CenterLossNet, rows: list[Any]) -> None:
    """Set the history; raise unless it has one row per epoch, in order, each with a finite loss."""
    for epoch, row in enumerate(rows, start=1):
        is_row = isinstance(row, dict) and all(isinstance(name, str) for name in row)
        loss = row.get("train_loss") if is_row and row.get("epoch") == epoch else None
        if not isinstance(loss, float) or not math.isfinite(loss):
            raise ValueError("its history is not that of a training run.")
    net.history = History({"batches": [], **row} for row in rows)


def _named(module: torch.nn.Module, criterion: torch.nn.Module) -> dict[str, Tensor]:
    """Name the tensors of a network and a criterion."""
    return {
        **{f"network.{name}": value for name, value in module.state_dict().items()},
        **{f"criterion.{name}": value for name, value in criterion.state_dict().items()},
    }


def _expected(net: CenterLossNet) -> dict[str, Tensor]:
    """Tensors that a net has after initialization; they take no memory here."""
    parameters = net.get_params_for("module")
    try:
        with torch.device("meta"):
            module = net.module(**parameters)
            criterion = CenterLossCriterion(**net.get_params_for("criterion"))
    except (RuntimeError, TypeError) as error:  # sizes beyond any memory
        raise ValueError(f"its parameters cannot make a network: {error}") from error
    expected = _named(module, criterion)
    if CLASS_WEIGHT in expected:  # it comes from the file and may have any shape
        expected[CLASS_WEIGHT] = torch.empty(parameters["n_classes"], device="meta")
    return expected


def _check_tensors(expected: Mapping[str, Tensor], found: Mapping[str, Tensor]) -> None:
    """Raise unless tensors have the expected names, shapes and data types."""
    wanted = {name: _layout(tensor) for name, tensor in expected.items()}
    given = {name: _layout(tensor) for name, tensor in found.items()}
    wrong = [name for name in {**wanted, **given} if wanted.get(name) != given.get(name)]
    if wrong:
        first = (
            f"{wrong[0]!r} is {given.get(wrong[0], 'missing')} instead of {wanted.get(wrong[0], 'missing')}"
        )
        more = f", and {len(wrong) - 1} more tensors do not fit" if len(wrong) > 1 else ""
        raise ValueError(f"its tensors are not those of a classifier with its parameters: {first}{more}.")


def _layout(tensor: Tensor) -> str:
    """Describe data type and shape of a tensor."""
    return f"{str(tensor.dtype).removeprefix('torch.')} of shape {tuple(tensor.shape)}"


def _check_values(tensors: Mapping[str, Tensor]) -> None:
    """Raise if a network could only predict NaN."""
    for name, value in tensors.items():
        if not torch.isfinite(value).all():
            raise ValueError(f"its tensor {name!r} holds NaN or infinity.")
        positive = name.endswith("bin_std") and not (value > 0).all()
        if positive or (name.endswith(("running_var", "class_weight")) and not (value >= 0).all()):
            raise ValueError(f"its tensor {name!r} holds a value that is too small.")


def _initialize(net: CenterLossNet, *, with_state: bool) -> None:
    """Initialize a net whose other parameters come from a file."""
    try:
        net.initialize_empty()
        if with_state:  # otherwise the optimizer may not have taken a step
            _take_empty_step(net.optimizer_)
    except (torch.OutOfMemoryError, MemoryError):
        raise
    except Exception as error:
        raise ValueError(f"its net_params cannot make a net: {error}") from error


def _take_empty_step(optimizer: torch.optim.Optimizer) -> None:
    """Take a step with zero gradients, which creates the state of an optimizer."""
    for group in optimizer.param_groups:
        for parameter in group["params"]:
            parameter.grad = torch.zeros_like(parameter)
    optimizer.step()
    optimizer.zero_grad()


def _load_optimizer(
    net: CenterLossNet, description: Mapping[str, Any], tensors: Mapping[str, Tensor]
) -> None:
    """Fill the state of an optimizer that has taken a step with tensors, if they match it."""
    own, expected = optimizer_state(net)
    if description.get("class") != own["class"]:
        raise ValueError(
            f"it holds the state of an optimizer {description.get('class')!r}, but its parameters make "
            f"{own['class']!r}: was net_params changed after training?"
        )
    _check_tensors(expected, tensors)
    if description != own:
        raise ValueError("its description of the optimizer's state does not fit its optimizer.")
    for name, value in expected.items():
        value.copy_(tensors[name])  # in the optimizer's memory layout, on which rounding may depend
