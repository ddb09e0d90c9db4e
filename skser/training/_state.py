"""What a classifier has learnt, as named tensors and back: network, criterion, optimizer."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from ..nn import CenterLossCriterion, SpectrogramNetwork
from ._net import CenterLossNet

CLASS_WEIGHT = "criterion.class_weight"
OPTIMIZER = "optimizer."


def learnt_tensors(net: CenterLossNet) -> dict[str, Tensor]:
    """Name what network and criterion hold."""
    return _named(net.module_, net.criterion_)


def optimizer_memory(net: CenterLossNet) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Name what the optimizer remembers."""
    rest, tensors = _sorted_apart(net.optimizer_.state_dict()["state"])
    return {"class": type(net.optimizer_).__name__, "rest": rest}, tensors


def restore_net(net: CenterLossNet, tensors: Mapping[str, Tensor], memory: Mapping[str, Any] | None) -> None:
    """Initialise a net and give it the tensors of a model file, if they fit its parameters."""
    of_optimizer = {name: value for name, value in tensors.items() if name.startswith(OPTIMIZER)}
    learnt = {name: value for name, value in tensors.items() if name not in of_optimizer}
    check_alike(_expected(net), learnt)
    _check_values(learnt)
    _initialise(net)
    if memory is not None:
        restore_optimizer(net, memory, of_optimizer)
    elif of_optimizer:
        raise ValueError("it has tensors of an optimizer that its description does not have.")
    restore_learnt(net, learnt)
    net.set_params(train_split=None)


def restore_learnt(net: CenterLossNet, learnt: Mapping[str, Tensor]) -> None:
    """Give network and criterion what they hold back."""
    for module, prefix in ((net.module_, "network."), (net.criterion_, "criterion.")):
        module.load_state_dict({name: learnt[prefix + name] for name in module.state_dict()})


def check_alike(expected: Mapping[str, Tensor], found: Mapping[str, Tensor]) -> None:
    """Raise unless tensors have the names, shapes and types that they should."""
    problems = {
        **{name: "is missing" for name in expected if name not in found},
        **{name: "should not be there" for name in found if name not in expected},
    }
    for name, like in expected.items():
        if name in found and (like.shape, like.dtype) != (found[name].shape, found[name].dtype):
            problems[name] = f"is {_kind(found[name])} instead of {_kind(like)}"
    if problems:
        name, problem = next(iter(problems.items()))
        more = f", and {len(problems) - 1} more tensors do not fit" if len(problems) > 1 else ""
        raise ValueError(
            f"its tensors are not those of a classifier with its parameters: {name!r} {problem}{more}."
        )


def _named(module: torch.nn.Module, criterion: torch.nn.Module) -> dict[str, Tensor]:
    """Name the tensors of network and criterion."""
    return {
        **{f"network.{name}": value for name, value in module.state_dict().items()},
        **{f"criterion.{name}": value for name, value in criterion.state_dict().items()},
    }


def _expected(net: CenterLossNet) -> dict[str, Tensor]:
    """Tensors that a net which is not initialised will have, without any memory for them."""
    parameters = net.get_params_for("module")
    try:
        with torch.device("meta"):
            module = SpectrogramNetwork(**parameters)
            criterion = CenterLossCriterion(**net.get_params_for("criterion"))
    except (RuntimeError, TypeError) as error:  # sizes beyond any memory
        raise ValueError(f"its parameters cannot make a network: {error}") from error
    expected = _named(module, criterion)
    if CLASS_WEIGHT in expected:  # which was handed in, and so fits itself
        expected[CLASS_WEIGHT] = torch.empty(parameters["n_classes"], device="meta")
    return expected


def _check_values(tensors: Mapping[str, Tensor]) -> None:
    """Raise where a network could only answer with NaN."""
    for name, value in tensors.items():
        if not torch.isfinite(value).all():
            raise ValueError(f"its tensor {name!r} holds NaN or infinity.")
        positive = name.endswith("bin_std") and not (value > 0).all()
        if positive or (name.endswith(("running_var", "class_weight")) and not (value >= 0).all()):
            raise ValueError(f"its tensor {name!r} holds a value that is too small.")


def _initialise(net: CenterLossNet) -> None:
    """Initialise a net whose further parameters come from a file."""
    try:
        net.initialize()
    except (torch.OutOfMemoryError, MemoryError):
        raise
    except Exception as error:
        raise ValueError(f"its net_params cannot make a net: {error}") from error


def restore_optimizer(net: CenterLossNet, memory: Mapping[str, Any], found: Mapping[str, Tensor]) -> None:
    """Give an optimizer its memory back; this spoils the weights, which come after it."""
    optimizer = net.optimizer_
    if memory.get("class") != type(optimizer).__name__:
        raise ValueError(
            f"it holds the memory of an optimizer {memory.get('class')!r}, but its parameters make "
            f"{type(optimizer).__name__!r}: was net_params changed after training?"
        )
    rest: dict[int, dict[str, Any]] = memory.get("rest", {})
    blank = _blank_memory(net) if found or rest else {}  # it may not have made a step
    blank_rest, like = _sorted_apart(blank)
    check_alike(like, found)
    if _types(rest) != _types(blank_rest):
        raise ValueError("its description of the optimizer's memory is not that of its optimizer.")
    state = {
        index: {
            # In the layout that the optimizer itself chose, on which rounding may depend.
            name: torch.empty_like(value).copy_(found[_tensor_name(index, name)])
            if isinstance(value, Tensor)
            else rest[index][name]
            for name, value in entries.items()
        }
        for index, entries in blank.items()
    }
    optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})


def _blank_memory(net: CenterLossNet) -> dict[int, dict[str, Any]]:
    """Take one step with zero gradients, so that the optimizer makes room for all that it remembers."""
    for group in net.optimizer_.param_groups:
        for parameter in group["params"]:
            parameter.grad = torch.zeros_like(parameter)
    net.optimizer_.step()
    net.optimizer_.zero_grad(set_to_none=True)
    state: dict[int, dict[str, Any]] = net.optimizer_.state_dict()["state"]
    return state


def _sorted_apart(
    state: Mapping[int, Mapping[str, Any]],
) -> tuple[dict[int, dict[str, Any]], dict[str, Tensor]]:
    """Part an optimizer's memory into what is no tensor and what is one."""
    rest: dict[int, dict[str, Any]] = {}
    tensors = {}
    for index, entries in state.items():
        for name, value in entries.items():
            if isinstance(value, Tensor):
                tensors[_tensor_name(index, name)] = value
            else:
                rest.setdefault(index, {})[name] = value
    return rest, tensors


def _types(rest: Any) -> Any:
    """Reduce what is no tensor to its types."""
    if not isinstance(rest, dict):
        return type(rest)
    return {name: _types(value) for name, value in rest.items()}


def _tensor_name(index: int, name: str) -> str:
    return f"{OPTIMIZER}{index}.{name}"


def _kind(tensor: Tensor) -> str:
    """Say what a tensor is."""
    return f"{str(tensor.dtype).removeprefix('torch.')} of shape {tuple(tensor.shape)}"


def continue_from(previous: CenterLossNet, net: CenterLossNet) -> None:
    """Carry weights, standardisation, centers, the optimizer's memory and the history over to a new net."""
    try:
        net.module_.load_state_dict(previous.module_.state_dict())
    except RuntimeError as error:
        raise ValueError(
            "the network was made with other channels, rnn, rnn_units, pooling or embedding_dim: training "
            "goes on with the same ones alone; restore them, or begin anew with warm_start=False."
        ) from error
    net.criterion_.center_loss.load_state_dict(previous.criterion_.center_loss.state_dict())
    if type(net.optimizer_) is type(previous.optimizer_):
        groups = net.optimizer_.state_dict()["param_groups"]
        for group in groups:  # as a schedule of the learning rate expects of an optimizer that goes on
            group.setdefault("initial_lr", group["lr"])
        state = copy.deepcopy(previous.optimizer_.state_dict()["state"])
        net.optimizer_.load_state_dict({"state": state, "param_groups": groups})
    # An epoch that was interrupted is begun again.
    net.history = type(previous.history)(
        copy.deepcopy(row) for row in previous.history if "train_loss" in row
    )


# Settings of torch's optimizers that say how they compute, and not what.
IMPLEMENTATIONS = ("capturable", "differentiable", "foreach", "fused")
