"""The fingerprint of a training run: everything that determines its result, except for the machine."""

from __future__ import annotations

from collections.abc import Mapping
from numbers import Integral
from typing import Any

import joblib
import numpy as np
from numpy.typing import NDArray

from .._utils import check_path, encode
from .._version import __version__
from ._data import TrainingData

# Increase it when the same parameters lead to another result, or the content of a checkpoint changes.
FORMAT_VERSION = 2

# They change the place, speed and printed output of a training run, but its result only by rounding. The
# calibration follows from training runs that have checkpoints of their own.
_WITHOUT_EFFECT = ("calibration", "callbacks", "checkpoint_dir", "device", "verbose")


def check_resumable(checkpoint_dir: Any, random_state: Any, warm_start: bool) -> None:
    """Raise unless a training run with these parameters can be continued by another call."""
    check_path(checkpoint_dir, "checkpoint_dir", "None or the path of a folder")
    if not isinstance(random_state, Integral):
        raise ValueError(
            f"checkpoint_dir needs an integer as random_state, got {random_state!r}, which gives each call "
            "a different seed: set random_state=0, or checkpoint_dir=None."
        )
    if warm_start:
        raise ValueError(
            "checkpoint_dir cannot be used with warm_start=True, whose result depends on earlier calls of "
            "fit: set one of them to its default."
        )


def fingerprint(
    parameters: Mapping[str, Any],
    classes: NDArray[Any],
    data: TrainingData,
    groups: NDArray[Any] | None,
) -> dict[str, Any]:
    """Describe everything that determines the result of a training run, except for the machine."""
    X, y, sample_weight = data
    parameters = {**parameters, "network": _describe_network(parameters["network"])}
    try:
        plain = {name: encode(parameters[name], name) for name in parameters if name not in _WITHOUT_EFFECT}
        callbacks = [describe_callback(callback) for callback in parameters.get("callbacks") or ()]
        labels = encode(classes, "classes_")
    except ValueError as error:
        raise ValueError(f"checkpoint_dir cannot be used: {error}") from error
    return {
        "skser": __version__,
        "format_version": FORMAT_VERSION,
        **plain,
        "callbacks": callbacks,
        "classes_": labels,
        "X": joblib.hash([X.lengths, *(X.frames_of(index) for index in range(len(X)))]),
        "y": joblib.hash(y),
        "sample_weight": joblib.hash(sample_weight),
        # The split depends on which items share a group and on the order of the groups, not on their names.
        "groups": None if groups is None else joblib.hash(np.unique(groups, return_inverse=True)[1]),
    }


def _describe_network(network: Any) -> Any:
    """Describe the class of a custom network by its name, like that of a callback."""
    return f"{network.__module__}.{network.__qualname__}" if isinstance(network, type) else network


def describe_callback(callback: Any) -> Any:
    """Describe a callback by its class and parameters."""
    if isinstance(callback, (tuple, list)):
        return [callback[0], describe_callback(callback[1])]
    if callback is None:  # which turns off a callback of skorch
        return None
    if isinstance(callback, type):
        callback = callback()
    kind = type(callback)
    parameters = callback.get_params(deep=False)
    encoded = {name: encode(value, f"{name} of {kind.__name__}") for name, value in parameters.items()}
    return [f"{kind.__module__}.{kind.__qualname__}", encoded]
