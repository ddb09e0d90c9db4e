"""Checks of the classifier's parameters, and their conversion to settings of the skorch net."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from inspect import signature
from numbers import Real
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.utils import compute_class_weight
from skorch import NeuralNet, NeuralNetClassifier
from skorch.callbacks import Callback

from .._utils import (
    PRECISIONS,
    check_choice,
    check_flag,
    check_number,
    check_verbose,
    plain_labels,
    warn_caller,
)
from ..nn import CenterLossCriterion, make_augmentation
from ..sequences import BatchIterator
from ..training import IMPLEMENTATIONS, SCHEDULES, CenterRamp, CenterWarmup, OneCycle
from ._network import check_network

# Weights of classes for which float32 can hold a sum of weighted losses.
_LOWEST_WEIGHT, _HIGHEST_WEIGHT = 1e-15, 1e15

# Parameters of the net that the classifier sets, and the parameters or input that determine them.
_SET_BY = {
    "batch_size": "batch_size",
    "callbacks": "callbacks",
    "classes": "y",
    "criterion__center_alpha": "center_alpha",
    "criterion__center_lambda": "center_lambda",
    "criterion__class_weight": "class_weight",
    "criterion__embedding_dim": "embedding_dim",
    "criterion__n_classes": "y",
    "dataset": "X and y",
    "device": "device",
    "iterator_train__by_length": "batching",
    "lr": "lr",
    "max_epochs": "max_epochs",
    "module": "network and network_params",
    "optimizer__lr": "lr",
    "optimizer__weight_decay": "weight_decay",
    "precision": "precision",
    "train_split": "early_stopping and validation",
    "verbose": "verbose",
    "warm_start": "warm_start",
}

# The part of a name in `net_params` before two underscores must be one of these.
_NET_PARAMETERS = {*signature(NeuralNet).parameters, *signature(NeuralNetClassifier).parameters} - {
    "args",
    "kwargs",
}


def check_classifier_parameters(parameters: Mapping[str, Any]) -> None:
    """Raise unless the parameters of a classifier can be used."""
    # Parameters that depend on the data or the machine (the labels of `class_weight`, `random_state`,
    # `device`) are checked where they are used.
    check_number("center_lambda", parameters["center_lambda"], low=0)
    check_number("center_alpha", parameters["center_alpha"], low=0, high=1)
    _check_center_ramp(parameters["center_ramp"])
    _check_center_warmup(parameters["center_warmup"], parameters["center_ramp"])
    check_network(parameters)
    make_augmentation(parameters["augmentation"])
    _check_kind_of_class_weight(parameters["class_weight"])
    check_number("max_epochs", parameters["max_epochs"], integer=True, low=1)
    check_number("batch_size", parameters["batch_size"], integer=True, low=1)
    check_choice("batching", parameters["batching"], ("length", "random"))
    check_number("lr", parameters["lr"], low=0, closed="neither")
    check_choice("schedule", parameters["schedule"], SCHEDULES)
    check_number("weight_decay", parameters["weight_decay"], low=0)
    check_choice("validation", parameters["validation"], ("auto", "groups", "random"))
    check_number("validation_fraction", parameters["validation_fraction"], low=0, high=1, closed="neither")
    check_number("patience", parameters["patience"], integer=True, low=1)
    check_flag("early_stopping", parameters["early_stopping"])
    check_flag("warm_start", parameters["warm_start"])
    _check_calibration(parameters["calibration"], parameters["warm_start"])
    check_choice("precision", parameters["precision"], PRECISIONS)
    check_verbose(parameters["verbose"])
    _check_callbacks(parameters["callbacks"])
    _check_net_params(parameters["net_params"], parameters)


def uses_groups(parameters: Mapping[str, Any]) -> bool:
    """Whether `fit` uses the speakers that it receives."""
    return parameters["calibration"] is not None or holds_out_groups(parameters)


def holds_out_groups(parameters: Mapping[str, Any]) -> bool:
    """Whether early stopping holds out speakers, if they are known."""
    return bool(parameters["early_stopping"]) and parameters["validation"] != "random"


def plain_numbers(value: Any) -> Any:
    """Convert numbers that tensors do not take, or whose arithmetic may overflow, also in a sequence."""
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, Real) and not isinstance(value, int | float):  # such as a Fraction
        return float(value)
    return [plain_numbers(item) for item in value] if isinstance(value, (list, tuple)) else value


def net_settings(
    parameters: Mapping[str, Any],
    n_bins: int,
    n_classes: int,
    class_weight: torch.Tensor | None,
    device: torch.device,
) -> dict[str, Any]:
    """Convert a classifier's parameters to skorch's settings, without network, callbacks and `net_params`."""
    return {
        "module__n_bins": n_bins,
        "module__n_classes": n_classes,
        "criterion": CenterLossCriterion,
        "criterion__n_classes": n_classes,
        "criterion__embedding_dim": parameters["embedding_dim"],
        "criterion__center_lambda": parameters["center_lambda"],
        "criterion__center_alpha": parameters["center_alpha"],
        "criterion__class_weight": class_weight,
        "optimizer": torch.optim.AdamW,
        "optimizer__weight_decay": parameters["weight_decay"],
        **_fused(parameters["net_params"] or {}, device),
        "lr": parameters["lr"],
        "batch_size": parameters["batch_size"],
        "iterator_train": BatchIterator,
        "iterator_train__shuffle": True,
        "iterator_train__by_length": parameters["batching"] == "length",
        "iterator_valid": BatchIterator,
        "classes": list(range(n_classes)),
        "device": device,
        "precision": parameters["precision"],
        "predict_nonlinearity": partial(torch.softmax, dim=-1),
        "verbose": parameters["verbose"],
    }


def _fused(net_params: Mapping[str, Any], device: torch.device) -> dict[str, bool]:
    """Let AdamW update all weights in one kernel on a GPU, unless `net_params` chooses an optimizer."""
    chosen = {"optimizer", *(f"optimizer__{name}" for name in IMPLEMENTATIONS)}
    return {} if device.type != "cuda" or chosen & net_params.keys() else {"optimizer__fused": True}


def class_weights(class_weight: Any, classes: NDArray[Any], y: NDArray[np.int64]) -> torch.Tensor | None:
    """Compute the weight of each class; "balanced" gives 0 to classes that do not occur."""
    if class_weight is None:
        return None
    weights = np.zeros(len(classes))
    if isinstance(class_weight, Mapping):
        weights[:] = _weights_by_label(class_weight, plain_labels("classes_", classes).tolist())
    else:
        present = np.unique(y)
        weights[present] = compute_class_weight(class_weight, classes=present, y=y)
    return torch.as_tensor(weights, dtype=torch.float32, device="cpu")


def _weights_by_label(class_weight: Mapping[Any, Any], classes: list[Any]) -> list[float]:
    """Look up the weight of each class; warn about labels that do not occur."""
    labels = plain_labels("class_weight", list(class_weight)).tolist()
    weights = dict(zip(labels, class_weight.values(), strict=True))
    missing = [label for label in classes if label not in weights]
    if missing:
        raise ValueError(
            f"class_weight lacks the labels {missing}, it has {labels}: give every class a weight, such as 1."
        )
    unused = [label for label in labels if label not in classes]
    if unused:
        warn_caller(
            f"class_weight has weights for {unused}, which are not among the classes {classes}: they have no "
            "effect."
        )
    for label in classes:
        _check_class_weight(label, weights[label])
    if not any(weights[label] for label in classes):
        raise ValueError("class_weight is zero for every class: give at least one class a weight above 0.")
    return [weights[label] for label in classes]


def _check_kind_of_class_weight(class_weight: Any) -> None:
    """Raise unless the weights of the classes are None, "balanced" or a mapping."""
    is_known = class_weight is None or isinstance(class_weight, Mapping)
    if not is_known and not (isinstance(class_weight, str) and class_weight == "balanced"):
        raise ValueError(
            f'class_weight must be "balanced", None or a dict of labels and weights, got {class_weight!r}.'
        )


def _check_class_weight(label: Any, weight: Any) -> None:
    """Raise unless the weight of a class is zero or within its limits."""
    is_number = isinstance(weight, Real)
    if not is_number or not (weight == 0 or _LOWEST_WEIGHT <= float(weight) <= _HIGHEST_WEIGHT):
        raise ValueError(
            f"class_weight of {label!r} is {weight!r}: weights must be finite and at least 0, and those "
            f"above 0 between {_LOWEST_WEIGHT:g} and {_HIGHEST_WEIGHT:g}."
        )


def make_schedules(parameters: Mapping[str, Any], first_epoch: int) -> list[tuple[str, Callback]]:
    """Make the callbacks that change lambda, alpha and the learning rate during the training."""
    callbacks: list[tuple[str, Callback]] = []
    if parameters["center_ramp"] is not None:
        first, last = parameters["center_ramp"]
        ramp = CenterRamp(parameters["center_lambda"], first, last, parameters["max_epochs"], first_epoch)
        callbacks.append(("center_ramp", ramp))
    if parameters["center_warmup"]:
        warmup = CenterWarmup(
            parameters["center_warmup"], parameters["center_lambda"], parameters["center_alpha"]
        )
        callbacks.append(("center_warmup", warmup))
    if parameters["schedule"] == "one-cycle":
        callbacks.append(("schedule", OneCycle(parameters["lr"], parameters["max_epochs"], first_epoch)))
    return callbacks


def _check_center_ramp(center_ramp: Any) -> None:
    """Raise unless the ramp of lambda is None or two fractions in ascending order."""
    if center_ramp is None:
        return
    if isinstance(center_ramp, str) or not isinstance(center_ramp, Sequence) or len(center_ramp) != 2:
        raise TypeError(f"center_ramp must be a pair of numbers or None, got {center_ramp!r}.")
    first, last = center_ramp
    check_number("center_ramp[0]", first, low=0, high=1)
    check_number("center_ramp[1]", last, low=0, high=1)
    if first > last:
        raise ValueError(f"center_ramp must have its smaller fraction first, got {center_ramp!r}.")


def _check_center_warmup(center_warmup: Any, center_ramp: Any) -> None:
    """Raise unless the steps of the warm-up can be used, without a ramp of lambda."""
    check_number("center_warmup", center_warmup, integer=True, low=0)
    if center_warmup and center_ramp is not None:
        raise ValueError(
            f"center_warmup={center_warmup} cannot be used with center_ramp={center_ramp!r}, because both "
            "set the weight of the center loss: leave one of them at its default."
        )


def _check_calibration(calibration: Any, warm_start: bool) -> None:
    """Raise unless the calibration is known and can be used."""
    if calibration is None:
        return
    if calibration != "speakers":
        raise ValueError(f'calibration must be "speakers" or None, got {calibration!r}.')
    if warm_start:
        raise ValueError(
            "calibration cannot be used with warm_start=True, whose network has learned from all speakers: "
            "set one of them to its default."
        )


def _check_callbacks(callbacks: Any) -> None:
    """Raise unless callbacks are None or a list of skorch's callbacks, each with or without a name."""
    if callbacks is None:
        return
    if not isinstance(callbacks, (list, tuple)):
        raise TypeError(f"callbacks must be a list of skorch callbacks or None, got {callbacks!r}.")
    for index, item in enumerate(callbacks):
        callback = item[1] if isinstance(item, (tuple, list)) and len(item) == 2 else item
        if callback is not None and not hasattr(callback, "on_train_begin"):
            raise TypeError(
                f"callbacks[{index}] is {item!r}: each must be a skorch callback, such as "
                "skorch.callbacks.GradientNormClipping(1.0), or a pair of a name and a callback."
            )


def _check_net_params(net_params: Any, parameters: Mapping[str, Any]) -> None:
    """Raise unless `net_params` is a mapping that sets no parameter of the classifier."""
    if net_params is None:
        return
    if not isinstance(net_params, Mapping):
        raise TypeError(f"net_params must be a dict or None, got {net_params!r}.")
    for name in net_params:
        if not isinstance(name, str):
            raise TypeError(f"the names in net_params must be str, got {name!r}.")
        prefix, _, inner = name.partition("__")
        own = prefix if prefix in ("dataset", "module") else name
        if own in _SET_BY:
            cure = inner if own != name and inner in parameters else _SET_BY[own]
            raise ValueError(f"net_params cannot set {name!r}: use {cure} instead.")
        if prefix not in _NET_PARAMETERS:
            raise ValueError(
                f"net_params[{name!r}] is not a parameter of skorch's NeuralNetClassifier: correct its name."
            )
    optimizer = net_params.get("optimizer", torch.optim.AdamW)
    if not callable(optimizer):
        raise TypeError(
            f"net_params['optimizer'] must be a class, such as torch.optim.SGD, got {optimizer!r}."
        )
