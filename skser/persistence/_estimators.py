"""Conversion of single estimators to a description and tensors, and back, for the classes in a table."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sized
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn import config_context
from sklearn.base import BaseEstimator
from sklearn.decomposition import PCA
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted
from torch import Tensor

from .._utils import (
    check_acceleration,
    check_choice,
    check_number,
    check_verbose,
    decode,
    encode,
    plain_labels,
    resolve_device,
    warn_caller,
)
from ..classifier import (
    HIGHEST_TEMPERATURE,
    LOWEST_TEMPERATURE,
    CenterLossClassifier,
    check_classifier_parameters,
    fitted_attributes,
    make_net,
)
from ..features import (
    SpeakerNormalizer,
    SpectrogramTransformer,
    SpeechEncoderTransformer,
    check_encoder_parameters,
    check_transformer_parameters,
)
from ..training import (
    CLASS_WEIGHT,
    describe_history,
    fitted_tensors,
    optimizer_state,
    restore_history,
    restore_net,
)
from ._arrays import COUNTS, describe_arrays, has_arrays, restore_arrays

# The only classes that a file can create: a class name in a file is looked up only here.
_CLASSES: dict[str, type[BaseEstimator]] = {
    "CenterLossClassifier": CenterLossClassifier,
    "LinearDiscriminantAnalysis": LinearDiscriminantAnalysis,
    "LogisticRegression": LogisticRegression,
    "PCA": PCA,
    "SpeakerNormalizer": SpeakerNormalizer,
    "SpectrogramTransformer": SpectrogramTransformer,
    "SpeechEncoderTransformer": SpeechEncoderTransformer,
    "StandardScaler": StandardScaler,
}
# Other versions of scikit-learn may lack some parameters, so those with their defaults are not stored.
_OF_SCIKIT_LEARN = (LinearDiscriminantAnalysis, LogisticRegression, PCA, StandardScaler)
# Parameters that belong to the machine. A file cannot set them, because a folder could hold anything.
_RUNTIME_PARAMETERS = ("checkpoint_dir", "device", "local_files_only", "max_nbytes", "memory", "n_jobs")
_NET_PARAMS = ("callbacks", "iterator_train", "iterator_valid", "optimizer")
# Fitted attributes in a file, by their names in the file.
_OF_FEATURES = ("n_features_in_", "feature_names_in_")
_FITTED = {
    **{name: name for name in (*_OF_FEATURES, "classes_", "best_epoch_", "temperature_", "digest_")},
    "_seed": "seed_",
    "of_spectrograms": "_of_spectrograms",
}
_DIGEST = re.compile(r"[0-9a-f]{64}")
# Further fitted attributes of each class, by their names in the file; those of `COUNTS` follow.
_OF_CLASS = {
    "CenterLossClassifier": ("classes_", "best_epoch_", "_seed", "temperature_", "history", "optimizer"),
    "LinearDiscriminantAnalysis": ("classes_",),
    "LogisticRegression": ("classes_",),
    "RejectOption": ("threshold_",),
    "SpeakerNormalizer": ("of_spectrograms", "speakers_"),
    "SpeechEncoderTransformer": ("digest_",),
}
_ROUTED_METHODS = ("fit", "partial_fit", "score", "transform")
# Parameters that a composition describes as a model of its own.
_MODELS = ("estimator", "steps")


def describe_estimator(
    estimator: Any, title: str, prefix: str, *, optimizer: bool, speakers: bool
) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Describe one estimator, and name its tensors; `prefix` is that of its parameters in a pipeline."""
    if type(estimator) not in _CLASSES.values():
        what = f"the class {estimator.__name__}" if isinstance(estimator, type) else type(estimator).__name__
        raise ValueError(
            f"{title} is {what}, but a model file can only hold a Pipeline of these classes, or a fitted one "
            f"of them: {', '.join(_CLASSES)}, or a RejectOption around these. Save only a part of the model, "
            "such as pipeline[:-1] or search.best_estimator_."
        )
    if isinstance(getattr(estimator, "network", None), type):
        raise ValueError(
            f"{title} has a network of the class {estimator.network.__name__}, but a model file can only "
            "hold the networks of this package: save its weights with "
            "torch.save(classifier.net_.module_.state_dict(), path)."
        )
    tensors: dict[str, Tensor] = {}
    found = dict(vars(estimator))
    if "classes_" in found:
        found["classes_"] = _storable_labels(found["classes_"])
    fitted = {name: found[attribute] for name, attribute in _FITTED.items() if attribute in found}
    if has_arrays(estimator):
        of_arrays, tensors = describe_arrays(estimator, speakers=speakers)
        fitted |= of_arrays
    if isinstance(estimator, SpeechEncoderTransformer):
        check_is_fitted(estimator, "digest_")
    if isinstance(estimator, CenterLossClassifier):
        check_is_fitted(estimator)
        net = estimator.net_
        tensors |= fitted_tensors(net)
        if optimizer:
            fitted["optimizer"], of_optimizer = optimizer_state(net)
            tensors |= of_optimizer
        fitted["history"] = describe_history(net)
    return describe_settings(estimator, fitted, prefix), tensors


def describe_settings(estimator: BaseEstimator, fitted: Mapping[str, Any], prefix: str) -> dict[str, Any]:
    """Describe an estimator without its tensors."""
    return {
        "class": type(estimator).__name__,
        "parameters": describe_parameters(estimator, prefix),
        "output": _get_output_container(estimator),
        "requests": _get_requests(estimator),
        "fitted": {name: encode(value, f"{prefix}{name}") for name, value in fitted.items()},
    }


def _storable_labels(classes: NDArray[Any]) -> NDArray[Any]:
    """Convert labels to those in a file, which can hold neither members of an Enum nor bytes."""
    plain = plain_labels("classes_", classes)
    if type(plain[0]) is not type(classes[0]):
        warn_caller(
            f"A model file cannot hold labels of type {type(classes[0]).__name__}: the loaded model predicts "
            f"{plain.tolist()} instead of {classes.tolist()}."
        )
    return plain


def describe_parameters(estimator: BaseEstimator, prefix: str) -> dict[str, Any]:
    """Describe the parameters that do not belong to the machine."""
    described = {
        name: encode(os.fspath(value) if isinstance(value, os.PathLike) else value, prefix + name)
        for name, value in estimator.get_params(deep=False).items()
        if name not in (*_RUNTIME_PARAMETERS, *_MODELS)
    }
    if not isinstance(estimator, _OF_SCIKIT_LEARN):
        return described
    usual = type(estimator)().get_params(deep=False)
    return {name: value for name, value in described.items() if value != encode(usual[name], name)}


def _get_output_container(estimator: BaseEstimator) -> str | None:
    """Container chosen by `set_output`; scikit-learn has no public getter for it."""
    chosen: str | None = vars(estimator).get("_sklearn_output_config", {}).get("transform")
    return chosen


def _get_requests(estimator: BaseEstimator) -> dict[str, dict[str, Any]]:
    """Metadata requests that differ from those of the class."""
    usual = type(estimator)(**dict.fromkeys(estimator.get_params(deep=False)))
    # The method of `BaseEstimator` leaves out the requests of an estimator within this one.
    own, usual = (BaseEstimator.get_metadata_routing(one) for one in (estimator, usual))
    requests = {name: dict(getattr(own, name).requests) for name in _ROUTED_METHODS}
    return {name: found for name, found in requests.items() if found != getattr(usual, name).requests}


def restore_estimator(
    description: Any, tensors: dict[str, Tensor], prefix: str, device: str | torch.device
) -> BaseEstimator:
    """Make one estimator, and remove its tensors, whose names start with `prefix`, from `tensors`."""
    name = read_entry(description, "class", str)
    if name not in _CLASSES:
        raise ValueError(f"it names a class {name!r}, which a model file cannot hold.")
    estimator = _CLASSES[name]()
    estimator.set_params(**restore_parameters(description, estimator))
    check_verbose(getattr(estimator, "verbose", False))  # also of classes of scikit-learn
    fitted = read_values(description, "fitted")
    check_fitted_names(name, fitted)
    if isinstance(estimator, CenterLossClassifier):
        estimator.set_params(device=device)
        own = [key for key in tensors if key.startswith(prefix)]
        _restore_classifier(estimator, fitted, {key.removeprefix(prefix): tensors.pop(key) for key in own})
    elif has_arrays(estimator):
        _restore_features(estimator, fitted)
        if "classes_" in _OF_CLASS.get(name, ()):
            _restore_classes(estimator, fitted)
        restore_arrays(estimator, fitted, tensors, prefix)
    else:
        if isinstance(estimator, SpeechEncoderTransformer):
            _restore_encoder(estimator, fitted)
            estimator.set_params(device="cpu" if device == "auto" else device)
        else:
            check_transformer_parameters(estimator.get_params(deep=False))  # before sizes are used
        if "n_features_in_" in fitted:
            _restore_features(estimator, fitted)
    restore_output(estimator, description)
    return estimator


def check_fitted_names(class_name: str, fitted: Mapping[str, Any]) -> None:
    """Raise for fitted attributes that a class does not have."""
    counts = COUNTS.get(_CLASSES.get(class_name, BaseEstimator), ())
    known = (*_OF_FEATURES, *_OF_CLASS.get(class_name, ()), *counts)
    for name in fitted:
        if name not in known:
            raise ValueError(f"it has a fitted attribute {name!r}, which {class_name} does not have.")


def restore_parameters(description: Any, estimator: BaseEstimator) -> dict[str, Any]:
    """Read parameters; those that are missing in the file have their defaults."""
    parameters = read_values(description, "parameters")
    known = estimator.get_params(deep=False).keys() - {*_RUNTIME_PARAMETERS, *_MODELS}
    for name in parameters:
        if name not in known:
            raise ValueError(f"it has a parameter {name!r}, which a model file cannot set for its class.")
    return parameters


def _restore_encoder(transformer: SpeechEncoderTransformer, fitted: dict[str, Any]) -> None:
    """Set the digest of the encoder, which is neither in the file nor read here."""
    check_encoder_parameters(transformer.get_params(deep=False))
    digest = read_entry(fitted, "digest_", str)
    if not _DIGEST.fullmatch(digest):
        raise ValueError(f"digest_ must be a SHA-256 in hexadecimal digits, got {digest!r}.")
    # A file must not cause a download: it may name an encoder from any source.
    transformer.set_params(local_files_only=True)
    transformer.digest_ = digest


def _check_classifier(classifier: CenterLossClassifier, n_tensors: int) -> None:
    """Check parameters as `fit` does, and raise for settings that a file must not make."""
    channels = classifier.channels
    if isinstance(channels, Sized) and len(channels) > n_tensors:  # checking each of them would take too long
        raise ValueError(f"it has {len(channels)} channels for {n_tensors} tensors.")
    if classifier.callbacks:
        raise ValueError("it has callbacks, which a model file cannot hold.")
    check_classifier_parameters(classifier.get_params(deep=False))
    check_random_state(classifier.random_state)
    for name in classifier.net_params or ():
        if name.partition("__")[0] not in _NET_PARAMS:
            raise ValueError(
                f"net_params[{name!r}] cannot be saved, only settings of {', '.join(_NET_PARAMS)} can: fit "
                "without it."
            )


def _restore_classifier(
    classifier: CenterLossClassifier, fitted: dict[str, Any], tensors: Mapping[str, Tensor]
) -> None:
    """Set the fitted attributes of a classifier that has its parameters."""
    _check_classifier(classifier, len(tensors))
    _choose_precision(classifier)
    _restore_features(classifier, fitted)
    _restore_classes(classifier, fitted)
    check_number("_seed", fitted.get("_seed"), integer=True, low=0, high=np.iinfo(np.int32).max)
    classifier.seed_ = fitted["_seed"]
    net = make_net(
        classifier.get_params(deep=False),
        classifier.seed_,
        resolve_device(classifier.device),
        n_bins=classifier.n_features_in_,
        n_classes=len(classifier.classes_),
        class_weight=tensors.get(CLASS_WEIGHT),
    )
    optimizer = read_entry(fitted, "optimizer", dict) if "optimizer" in fitted else None
    if optimizer is not None:
        read_entry(optimizer, "rest", dict)
    restore_net(net, tensors, optimizer)
    restore_history(net, read_entry(fitted, "history", list))
    net.set_params(max_epochs=int(classifier.max_epochs))
    classifier.__dict__.update(fitted_attributes(net))
    classifier.temperature_ = fitted.get("temperature_", 1.0)  # files of 0.1.0 have none
    check_number("temperature_", classifier.temperature_, low=LOWEST_TEMPERATURE, high=HIGHEST_TEMPERATURE)
    if "best_epoch_" in fitted:
        check_number("best_epoch_", fitted["best_epoch_"], integer=True, low=0, high=len(net.history))
        classifier.best_epoch_ = fitted["best_epoch_"]


def _choose_precision(classifier: CenterLossClassifier) -> None:
    """Let a classifier compute in float32 if its device does not support another precision."""
    try:
        check_acceleration(resolve_device(classifier.device), classifier.precision)
    except ValueError:
        classifier.set_params(precision="float32")


def _restore_features(estimator: Any, fitted: dict[str, Any]) -> None:
    """Set the number and the names of the columns."""
    check_number("n_features_in_", fitted.get("n_features_in_"), integer=True, low=1)
    estimator.n_features_in_ = fitted["n_features_in_"]
    if "feature_names_in_" in fitted:
        names = read_entry(fitted, "feature_names_in_", np.ndarray)
        if names.shape != (estimator.n_features_in_,) or not all(isinstance(name, str) for name in names):
            raise ValueError(f"feature_names_in_ must hold {estimator.n_features_in_} names.")
        estimator.feature_names_in_ = names


def _restore_classes(estimator: Any, fitted: dict[str, Any]) -> None:
    """Set the labels; raise unless there are at least two, sorted and without repetition."""
    classes = plain_labels("classes_", read_entry(fitted, "classes_", np.ndarray))
    if len(classes) < 2 or not (classes[:-1] < classes[1:]).all():
        raise ValueError(f"classes_ must hold at least two labels in sorted order, got {classes!r}.")
    estimator.classes_ = classes


def restore_output(estimator: Any, description: Any) -> None:
    """Set the container of the output and the metadata requests."""
    output, requests = description.get("output"), read_entry(description, "requests", dict)
    if output is not None:
        check_choice("output", output, ("default", "pandas", "polars"))
        estimator.set_output(transform=output)
    if not set(requests) <= set(_ROUTED_METHODS) or not all(isinstance(v, dict) for v in requests.values()):
        raise ValueError(f"it has metadata requests for {sorted(requests)} that are not valid.")
    with config_context(enable_metadata_routing=True):  # requests cannot be set without it
        for name, values in requests.items():
            getattr(estimator, f"set_{name}_request")(**values)


def read_entry(description: Any, name: str, kind: type) -> Any:
    """Read an entry of a description and check its type."""
    value = description.get(name) if isinstance(description, dict) else None
    if not isinstance(value, kind):
        raise ValueError(f"its description has no valid {name!r}.")
    return value


def read_values(description: Any, name: str) -> dict[str, Any]:
    """Read an entry of a description that holds values by name, and decode them."""
    values: dict[str, Any] = read_entry({name: decode(read_entry(description, name, dict))}, name, dict)
    return values
