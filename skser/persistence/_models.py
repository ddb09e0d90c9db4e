"""Conversion of models to a description and tensors, and back: estimators, Pipelines, and RejectOption."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from enum import Enum
from itertools import pairwise
from typing import Any

import torch
from sklearn.base import clone
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.pipeline import Pipeline
from sklearn.utils.validation import check_is_fitted
from torch import Tensor

from .._utils import check_array_sizes, check_flag, decode, encode, is_skipped, listed, plain_labels
from ..features import SpeechEncoderTransformer
from ..inference import RejectOption, check_reject_label, check_reject_parameters, check_threshold
from ._estimators import (
    check_fitted_names,
    describe_estimator,
    describe_parameters,
    describe_settings,
    read_entry,
    read_values,
    restore_estimator,
    restore_output,
    restore_parameters,
)

_PIPELINE, _REJECT = Pipeline.__name__, RejectOption.__name__

Described = tuple[dict[str, Any], dict[str, Tensor]]


def describe(model: Any, **wanted: bool) -> Described:
    """Describe a model, and name its tensors."""
    return _describe(model, "the model", "", **wanted)


def restore(description: Any, tensors: Mapping[str, Tensor], device: str | torch.device) -> Any:
    """Make a model from its description and tensors."""
    unused = dict(tensors)
    try:
        check_array_sizes(description)
        _check_order([*_classes_in(description)])
        model = _restore(description, unused, "", device)
        _check_sizes([*_estimators_in("model", model)])
    except TypeError as error:  # mostly of checks that name a parameter
        raise ValueError(f"its description is not valid: {str(error).rstrip('.')}.") from error
    except (ArithmeticError, AttributeError, LookupError) as error:
        raise ValueError("its description is not one that save_model writes.") from error
    if unused:
        raise ValueError(f"its tensor {next(iter(unused))!r} does not belong to any step.")
    return model


def _describe(model: Any, title: str, prefix: str, **wanted: bool) -> Described:
    """Describe a Pipeline or one of its steps; `prefix` is that of its parameters in the whole model."""
    if type(model) is Pipeline:
        return _describe_pipeline(model, prefix, **wanted)
    if type(model) is RejectOption:
        return _describe_rejecter(model, title, prefix, **wanted)
    return describe_estimator(model, title, prefix, **wanted)


def _describe_pipeline(pipeline: Pipeline, prefix: str, **wanted: bool) -> Described:
    """Describe the steps of a pipeline; one that is a pipeline itself raises an error."""
    tensors: dict[str, Tensor] = {}
    steps = []
    for index, (name, step) in enumerate(pipeline.steps):
        if not is_skipped(step):
            make = describe_estimator if type(step) is Pipeline else _describe
            step, of_step = make(step, f"step {name!r}", f"{prefix}{name}__", **wanted)
            tensors |= {f"steps.{index}.{key}": value for key, value in of_step.items()}
        steps.append([encode(name, "the name of a step"), step])
    return {"class": _PIPELINE, "parameters": describe_parameters(pipeline, prefix), "steps": steps}, tensors


def _describe_rejecter(rejecter: RejectOption, title: str, prefix: str, **wanted: bool) -> Described:
    """Describe a RejectOption and its fitted estimator."""
    check_is_fitted(rejecter)
    if isinstance(rejecter.label, (Enum, bytes)):  # converted like the classes
        (label,) = plain_labels("label", [rejecter.label]).tolist()
        rejecter = copy.copy(rejecter).set_params(label=label)
    inner, of_inner = _describe(
        rejecter.estimator_, f"the estimator of {title}", f"{prefix}estimator__", **wanted
    )
    description = describe_settings(rejecter, {"threshold_": rejecter.threshold_}, prefix)
    return description | {"estimator": inner}, {f"estimator.{key}": value for key, value in of_inner.items()}


def _classes_in(description: Any, *outer: str) -> Iterator[str]:
    """Classes of the estimators in a description, in the order of the data."""
    name = read_entry(description, "class", str)
    if name == _PIPELINE and _PIPELINE not in outer[-1:]:
        for _, step in _read_steps(description):
            if not is_skipped(step):
                yield from _classes_in(step, *outer, name)
    elif name == _REJECT and _REJECT not in outer:
        yield from _classes_in(read_entry(description, "estimator", dict), *outer, name)
    elif name in outer:
        raise ValueError(f"it has a {name} within a {name}, which a model file cannot hold.")
    else:
        yield name


def _check_order(classes: list[str]) -> None:
    """Raise unless each step can take the output of the one before it."""
    if {"SpectrogramTransformer", "SpeechEncoderTransformer"} & set(classes[1:]):
        raise ValueError(f"its steps are {listed(classes)}, but only the first one can take recordings.")


def _restore(description: Any, tensors: dict[str, Tensor], prefix: str, device: str | torch.device) -> Any:
    """Make a model, and remove its tensors, whose names start with `prefix`, from `tensors`."""
    name = read_entry(description, "class", str)
    make = {_PIPELINE: _restore_pipeline, _REJECT: _restore_rejecter}.get(name, restore_estimator)
    return make(description, tensors, prefix, device)


def _restore_pipeline(
    description: Any, tensors: dict[str, Tensor], prefix: str, device: str | torch.device
) -> Pipeline:
    """Make a pipeline from its description."""
    entries = _read_steps(description)
    _check_names([name for name, _ in entries])
    steps = [
        (name, step if is_skipped(step) else _restore(step, tensors, f"{prefix}steps.{index}.", device))
        for index, (name, step) in enumerate(entries)
    ]
    pipeline = Pipeline(steps, **restore_parameters(description, Pipeline(steps)))
    check_flag("verbose", pipeline.verbose)
    transformed = pipeline.transform_input
    is_list = isinstance(transformed, (list, tuple)) and all(isinstance(name, str) for name in transformed)
    if transformed is not None and not is_list:
        raise ValueError(f"transform_input must be a list of str or None, got {transformed!r}.")
    return pipeline


def _restore_rejecter(
    description: Any, tensors: dict[str, Tensor], prefix: str, device: str | torch.device
) -> RejectOption:
    """Make a RejectOption and its fitted estimator from their descriptions."""
    inner = _restore(description["estimator"], tensors, f"{prefix}estimator.", device)
    if not hasattr(inner, "classes_"):
        raise ValueError(f"its {_REJECT} has no classifier.")
    rejecter = RejectOption(clone(inner))
    rejecter.set_params(**restore_parameters(description, rejecter))
    check_reject_parameters(rejecter)
    check_reject_label(rejecter.label, inner.classes_)
    fitted = read_values(description, "fitted")
    check_fitted_names(_REJECT, fitted)
    check_threshold("threshold_", fitted.get("threshold_"), rejecter.confidence)
    rejecter.estimator_, rejecter.classes_, rejecter.threshold_ = inner, inner.classes_, fitted["threshold_"]
    restore_output(rejecter, description)
    return rejecter


def _read_steps(description: Any) -> list[tuple[Any, Any]]:
    """Read the names and the descriptions of the steps of a pipeline."""
    entries = read_entry(description, "steps", list)
    if not all(isinstance(entry, list) and len(entry) == 2 for entry in entries):
        raise ValueError("its steps are not pairs of a name and a description.")
    return [(decode(name), step) for name, step in entries]


def _check_names(names: list[Any]) -> None:
    """Raise for names of steps that a `Pipeline` refuses when it is fitted."""
    reserved = Pipeline([]).get_params(deep=False).keys()
    are_names = all(isinstance(name, str) and "__" not in name and name not in reserved for name in names)
    if not names or not are_names or len(set(names)) < len(names):
        raise ValueError(f"its steps cannot have the names {names}.")


def _estimators_in(name: str, model: Any) -> Iterator[tuple[str, Any]]:
    """Names of steps and estimators of a model, in the order of the data."""
    if isinstance(model, RejectOption):
        yield from _estimators_in(name, model.estimator_)
    elif isinstance(model, Pipeline):
        for of_step, step in model.steps:
            if not is_skipped(step):
                yield from _estimators_in(of_step, step)
    else:
        yield name, model


def _check_sizes(steps: list[tuple[str, Any]]) -> None:
    """Raise unless each step was fitted on as many features as the one before it returns."""
    for (name, step), (next_name, next_step) in pairwise(steps):
        if isinstance(step, SpeechEncoderTransformer):
            continue  # only its encoder, which is not in the file, knows the number
        if not hasattr(step, "transform") or (
            isinstance(step, LinearDiscriminantAnalysis) and step.solver == "lsqr"
        ):
            raise ValueError(f"its step {name!r} cannot transform anything for {next_name!r}.")
        n_features = len(step.get_feature_names_out())
        if n_features != next_step.n_features_in_:
            raise ValueError(
                f"its step {name!r} returns {n_features} features, but {next_name!r} was fitted on "
                f"{next_step.n_features_in_}."
            )
