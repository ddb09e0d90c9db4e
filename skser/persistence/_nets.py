"""What a classifier has learnt, as named tensors and back: network, criterion, optimizer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from .._device import resolve_device
from ..classifier import CenterLossClassifier
from ..losses import CenterLossCriterion
from ..network import SpectrogramNetwork
from ..training import CenterLossNet, isolated_generators

CLASS_WEIGHT = "criterion.class_weight"
OPTIMIZER = "optimizer."


def learnt_tensors(net: CenterLossNet) -> dict[str, Tensor]:
    """Name what network and criterion hold.

    Parameters
    ----------
    net : CenterLossNet
        A trained net.

    Returns
    -------
    dict of str to Tensor
        Weights, statistics of the normalisation, standardisation, centers and, possibly, class weights.
    """
    return _named(net.module_, net.criterion_)


def optimizer_memory(net: CenterLossNet) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Name what the optimizer remembers.

    Parameters
    ----------
    net : CenterLossNet
        A trained net.

    Returns
    -------
    description : dict
        Name of its class, and what is no tensor, by parameter and name.
    tensors : dict of str to Tensor
        What is one.
    """
    rest, tensors = _sorted_apart(net.optimizer_.state_dict()["state"])
    return {"class": type(net.optimizer_).__name__, "rest": rest}, tensors


def rebuild_net(
    classifier: CenterLossClassifier,
    n_bins: int,
    tensors: Mapping[str, Tensor],
    memory: Mapping[str, Any] | None,
) -> CenterLossNet:
    """Build a net with the parameters of a classifier that holds given tensors.

    Parameters
    ----------
    classifier : CenterLossClassifier
        Parameters, checked, `classes_` and seed.
    n_bins : int
        Frequency bins.
    tensors : mapping of str to Tensor
        As `learnt_tensors` and `optimizer_memory` name them, and no others.
    memory : mapping or None
        The description of the optimizer's memory, if it was stored.

    Returns
    -------
    CenterLossNet
        The net, ready to predict and to go on training.

    Raises
    ------
    ValueError
        If names, shapes, types or values of the tensors do not fit the parameters.
    """
    of_optimizer = {name: value for name, value in tensors.items() if name.startswith(OPTIMIZER)}
    learnt = {name: value for name, value in tensors.items() if name not in of_optimizer}
    device = resolve_device(classifier.device)
    net = classifier._make_net(n_bins, learnt.get(CLASS_WEIGHT), device)
    check_alike(_expected(net), learnt)
    _check_values(learnt)
    with isolated_generators(classifier._seed, device):
        _initialise(net)
        if memory is not None:
            restore_optimizer(net, memory, of_optimizer)
        elif of_optimizer:
            raise ValueError("it has tensors of an optimizer that its description does not have.")
    restore_learnt(net, learnt)
    net.set_params(train_split=None, max_epochs=classifier.max_epochs)
    return net


def restore_learnt(net: CenterLossNet, learnt: Mapping[str, Tensor]) -> None:
    """Give network and criterion what they hold back.

    Parameters
    ----------
    net : CenterLossNet
        A net, initialised.
    learnt : mapping of str to Tensor
        Tensors as `learnt_tensors` names them.
    """
    for module, prefix in ((net.module_, "network."), (net.criterion_, "criterion.")):
        module.load_state_dict({name: learnt[prefix + name] for name in module.state_dict()})


def check_alike(expected: Mapping[str, Tensor], found: Mapping[str, Tensor]) -> None:
    """Raise unless tensors have the names, shapes and types that they should.

    Parameters
    ----------
    expected : mapping of str to Tensor
        Tensors of any content, on any device.
    found : mapping of str to Tensor
        Tensors of a file.

    Raises
    ------
    ValueError
        If they differ.
    """
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
    """Give an optimizer its memory back; this spoils the weights, which come after it.

    Parameters
    ----------
    net : CenterLossNet
        A net, initialised.
    memory : mapping
        The description that `optimizer_memory` gave.
    found : mapping of str to Tensor
        The tensors that it gave.

    Raises
    ------
    ValueError
        If they are of another optimizer or network.
    """
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
