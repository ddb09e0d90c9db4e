"""Estimators as a description and tensors, and back, by a closed table of classes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from sklearn import config_context
from sklearn.base import BaseEstimator
from sklearn.pipeline import Pipeline
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted
from skorch.history import History
from torch import Tensor

from .._utils import (
    check_acceleration,
    check_choice,
    check_flag,
    check_number,
    decode,
    encode,
    resolve_device,
)
from ..classifier import CenterLossClassifier, check_classifier_parameters, fitted_attributes, make_net
from ..features import SpectrogramTransformer
from ..training import CLASS_WEIGHT, learnt_tensors, optimizer_memory, restore_net

# The only classes that a file can make: a name in it is looked up here, and nowhere else.
_CLASSES: dict[str, type[BaseEstimator]] = {
    "CenterLossClassifier": CenterLossClassifier,
    "SpectrogramTransformer": SpectrogramTransformer,
}
# Parameters that belong to the machine, on which a file has no say: a folder could hold anything.
_RUNTIME_PARAMETERS = ("checkpoint_dir", "device", "max_nbytes", "memory", "n_jobs")
_NET_PARAMS = ("callbacks", "iterator_train", "iterator_valid", "optimizer")
# Fitted attributes that a file holds, by their names there.
_FITTED = {
    "n_features_in_": "n_features_in_",
    "feature_names_in_": "feature_names_in_",
    "classes_": "classes_",
    "best_epoch_": "best_epoch_",
    "_seed": "seed_",
}
_SPELT = {"history": "net_.history"}
_ROUTED = ("fit", "partial_fit", "score")


def describe(model: Any, *, optimizer: bool) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Describe a model."""
    tensors: dict[str, Tensor] = {}
    if type(model) is not Pipeline:
        return _describe_step(model, "the model", "", tensors, "", optimizer), tensors
    steps = []
    for index, (name, step) in enumerate(model.steps):
        if step not in (None, "passthrough"):
            where, of_tensors = f"step {name!r}", f"steps.{index}."
            step = _describe_step(step, where, f"{name}__", tensors, of_tensors, optimizer)
        steps.append([encode(name, "the name of a step"), step])
    return {"class": "Pipeline", "parameters": _describe_parameters(model, ""), "steps": steps}, tensors


def restore(description: Any, tensors: Mapping[str, Tensor], device: str | torch.device) -> Any:
    """Make the model that a description and tensors are of."""
    left = dict(tensors)
    try:
        if _get(description, "class", str) == "Pipeline":
            model = _restore_pipeline(description, left, device)
        else:
            model = _restore_step(description, left, "", device)
    except (ArithmeticError, AttributeError, LookupError, TypeError) as error:
        raise ValueError(f"its description holds what cannot be: {error}") from error
    if left:
        raise ValueError(f"it has a tensor {next(iter(left))!r}, which belongs to no part of it.")
    return model


def _describe_step(
    estimator: Any, where: str, before: str, tensors: dict[str, Tensor], of_tensors: str, optimizer: bool
) -> dict[str, Any]:
    """Describe one estimator and add its tensors to those of the model."""
    if type(estimator) not in _CLASSES.values():
        raise ValueError(_explain_foreign(estimator, where))
    found = vars(estimator)
    fitted = {name: found[attribute] for name, attribute in _FITTED.items() if attribute in found}
    if isinstance(estimator, CenterLossClassifier):
        check_is_fitted(estimator)
        net = estimator.net_
        own = learnt_tensors(net)
        if optimizer:
            fitted["optimizer"], memory = optimizer_memory(net)
            own |= memory
        tensors.update({of_tensors + name: value for name, value in own.items()})
        fitted["history"] = [
            {name: value for name, value in row.items() if name != "batches"}
            for row in net.history
            if "train_loss" in row  # an epoch that was interrupted is begun again
        ]
    return {
        "class": type(estimator).__name__,
        "parameters": _describe_parameters(estimator, before),
        "output": _output(estimator),
        "requests": _requests(estimator),
        "fitted": {name: encode(value, before + _SPELT.get(name, name)) for name, value in fitted.items()},
    }


def _explain_foreign(estimator: Any, where: str) -> str:
    """Say why an estimator cannot be stored, and what can."""
    if isinstance(estimator, Pipeline):
        cure = "Make one Pipeline of scikit-learn's own of all steps"
    elif hasattr(estimator, "best_estimator_"):
        cure = "Save its best_estimator_"
    elif where.startswith("step"):
        cure = "Save the pipeline without it, such as pipeline[:-1], and keep the rest by its own means"
    else:
        cure = "Keep others by their own means"
    kind = estimator if isinstance(estimator, type) else type(estimator)
    return (
        f"{where} is {'the class ' if kind is estimator else 'of class '}{kind.__name__}, which a model file "
        f"cannot hold: it holds a fitted {' or '.join(_CLASSES)}, or a Pipeline of these. {cure}."
    )


def _describe_parameters(estimator: BaseEstimator, before: str) -> dict[str, Any]:
    """Describe the parameters that do not belong to the machine."""
    described = {}
    for name, value in estimator.get_params(deep=False).items():
        if name == "callbacks" and value:
            raise ValueError(
                f"{before}callbacks are code, which a model file cannot hold: take them out by "
                f"set_params({before}callbacks=None) first, and give them again after load_model."
            )
        if name == "random_state" and isinstance(value, np.random.RandomState):
            raise ValueError(
                f"{before}random_state is a generator, which a model file cannot hold: give an integer by "
                f"set_params({before}random_state=0) first. The fitted model keeps the seed that it drew."
            )
        if name not in (*_RUNTIME_PARAMETERS, "steps"):
            described[name] = encode(value, before + name)
    return described


def _output(estimator: BaseEstimator) -> str | None:
    """Container that `set_output` asked for, which scikit-learn lets nobody ask back."""
    chosen: str | None = vars(estimator).get("_sklearn_output_config", {}).get("transform")
    return chosen


def _requests(estimator: BaseEstimator) -> dict[str, dict[str, Any]]:
    """Metadata requests, where they are not those of the class."""
    own, usual = estimator.get_metadata_routing(), type(estimator)().get_metadata_routing()
    requests = {name: dict(getattr(own, name).requests) for name in _ROUTED}
    return {name: found for name, found in requests.items() if found != getattr(usual, name).requests}


def _restore_pipeline(description: Any, tensors: dict[str, Tensor], device: str | torch.device) -> Pipeline:
    """Make a pipeline, and take its tensors out of those given."""
    steps = []
    for index, (name, step) in enumerate(_get(description, "steps", list)):
        if step not in (None, "passthrough"):
            step = _restore_step(step, tensors, f"steps.{index}.", device)
        steps.append((decode(name), step))
    names = [name for name, _ in steps]
    if not names or len(set(names)) < len(names) or any("__" in name for name in names):
        raise ValueError(f"its steps cannot be named {names}.")
    pipeline = Pipeline(steps, **_restore_parameters(description, Pipeline(steps)))
    check_flag("verbose", pipeline.verbose)
    routed = pipeline.transform_input
    if routed is not None and not all(isinstance(name, str) for name in routed):
        raise ValueError(f"transform_input must be a list of str or None, got {routed!r}.")
    return pipeline


def _restore_step(
    description: Any, tensors: dict[str, Tensor], of_tensors: str, device: str | torch.device
) -> BaseEstimator:
    """Make one estimator, and take its tensors out of those given."""
    name = _get(description, "class", str)
    if name not in _CLASSES:
        raise ValueError(f"it names a class {name!r}, which no model file holds.")
    estimator = _CLASSES[name]()
    estimator.set_params(**_restore_parameters(description, estimator))
    if not isinstance(estimator.verbose, (int, np.integer, np.bool_)):
        raise ValueError(f"verbose must be an integer, True or False, got {estimator.verbose!r}.")
    fitted = decode(_get(description, "fitted", dict))
    if isinstance(estimator, CenterLossClassifier):
        own = {key: tensors.pop(key) for key in list(tensors) if key.startswith(of_tensors)}
        estimator.set_params(device=device)
        named = {key.removeprefix(of_tensors): value for key, value in own.items()}
        _restore_classifier(estimator, fitted, named)
    else:
        estimator._check_parameters()  # sizes come first in it, before anything is made of them
        if "n_features_in_" in fitted:
            _restore_features(estimator, fitted)
    _restore_output_config(estimator, description)
    return estimator


def _restore_parameters(description: Any, estimator: BaseEstimator) -> dict[str, Any]:
    """Read parameters; those that a file lacks have their defaults."""
    parameters: dict[str, Any] = decode(_get(description, "parameters", dict))
    known = estimator.get_params(deep=False).keys() - {*_RUNTIME_PARAMETERS, "steps"}
    for name in parameters:
        if name not in known:
            raise ValueError(f"it has a parameter {name!r}, which no model file has for its class.")
    return parameters


def _check_classifier(classifier: CenterLossClassifier, n_tensors: int) -> None:
    """Check parameters as `fit` does, and that there are no settings which a file must not make."""
    if len(classifier.channels) > n_tensors:  # before each of them is looked at
        raise ValueError(f"it has {len(classifier.channels)} channels for {n_tensors} tensors.")
    check_classifier_parameters(classifier.get_params(deep=False))
    check_random_state(classifier.random_state)
    if classifier.class_weight not in (None, "balanced") and not isinstance(classifier.class_weight, dict):
        raise ValueError(f"class_weight must be a dict, 'balanced' or None, got {classifier.class_weight!r}.")
    if classifier.callbacks:
        raise ValueError("it has callbacks, which no model file holds.")
    for name in classifier.net_params or ():
        if name.partition("__")[0] not in _NET_PARAMS:
            raise ValueError(
                f"net_params[{name!r}] is a setting that a model file cannot hold: it holds those of "
                f"{', '.join(_NET_PARAMS)}. Fit without it."
            )


def _restore_classifier(
    classifier: CenterLossClassifier, fitted: dict[str, Any], tensors: Mapping[str, Tensor]
) -> None:
    """Give a classifier with parameters what it had learnt."""
    _check_classifier(classifier, len(tensors))
    _settle_precision(classifier)
    _restore_features(classifier, fitted)
    _check_classes(fitted["classes_"])
    check_number("_seed", fitted["_seed"], integer=True, low=0, high=np.iinfo(np.int32).max)
    classifier.classes_, classifier.seed_ = fitted["classes_"], fitted["_seed"]
    history = _get(fitted, "history", list)
    if not all("train_loss" in row and all(isinstance(name, str) for name in row) for row in history):
        raise ValueError("its history is none of training.")
    device = resolve_device(classifier.device)
    net = make_net(
        classifier.get_params(deep=False),
        seed=classifier.seed_,
        n_bins=classifier.n_features_in_,
        n_classes=len(classifier.classes_),
        class_weight=tensors.get(CLASS_WEIGHT),
        device=device,
    )
    restore_net(net, tensors, fitted.get("optimizer"))
    net.set_params(max_epochs=classifier.max_epochs)
    net.history = History({"batches": [], **row} for row in history)
    classifier.__dict__.update(fitted_attributes(net))
    if "best_epoch_" in fitted:
        check_number("best_epoch_", fitted["best_epoch_"], integer=True, low=0, high=len(history))
        classifier.best_epoch_ = fitted["best_epoch_"]


def _settle_precision(classifier: CenterLossClassifier) -> None:
    """Let a classifier compute in float32 where its device pays or can do nothing else."""
    try:
        check_acceleration(resolve_device(classifier.device), classifier.precision)
    except ValueError:
        classifier.set_params(precision="float32")


def _restore_features(estimator: Any, fitted: dict[str, Any]) -> None:
    """Set number and names of the columns."""
    check_number("n_features_in_", fitted["n_features_in_"], integer=True, low=1)
    estimator.n_features_in_ = fitted["n_features_in_"]
    if "feature_names_in_" in fitted:
        names = fitted["feature_names_in_"]
        if names.shape != (estimator.n_features_in_,) or not all(isinstance(name, str) for name in names):
            raise ValueError(f"feature_names_in_ must be {estimator.n_features_in_} names.")
        estimator.feature_names_in_ = names


def _check_classes(classes: np.ndarray) -> None:
    """Raise unless labels are two or more, sorted and each once."""
    if not isinstance(classes, np.ndarray) or len(classes) < 2 or not (classes[:-1] < classes[1:]).all():
        raise ValueError(f"classes_ must be two labels or more in their order, got {classes!r}.")


def _restore_output_config(estimator: Any, description: Any) -> None:
    """Set the container of the output and the metadata requests."""
    output, requests = description.get("output"), _get(description, "requests", dict)
    if output is not None:
        check_choice("output", output, ("default", "pandas", "polars"))
        estimator.set_output(transform=output)
    if not set(requests) <= set(_ROUTED):
        raise ValueError(f"it has metadata requests of {sorted(requests)}.")
    with config_context(enable_metadata_routing=True):  # without it requests cannot be set
        for name, values in requests.items():
            getattr(estimator, f"set_{name}_request")(**values)


def _get(description: Any, name: str, kind: type) -> Any:
    """Take an entry of a description."""
    value = description.get(name) if isinstance(description, dict) else None
    if not isinstance(value, kind):
        raise ValueError(f"its description has no proper {name!r}.")
    return value
