"""The network that the parameters of a classifier choose."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import nn

from ..nn import NETWORKS, CustomNetwork, StandardizedNetwork, check_network_parameters, keywords_of

# Parameters of the classifier that belong to "crnn", and those that other networks take as well.
_CRNN_ONLY = ("channels", "rnn", "rnn_units", "pooling")
_SHARED = ("dropout", "embedding_dim", "augmentation")


def choose_network(parameters: Mapping[str, Any]) -> tuple[type[StandardizedNetwork], dict[str, Any]]:
    """Return the class of the network and its keywords."""
    network, network_params = parameters["network"], dict(parameters["network_params"] or {})
    own = {name: parameters[name] for name in _own_names(network)}
    if isinstance(network, type):
        return CustomNetwork, {"network": network, "network_params": network_params, **own}
    return NETWORKS[network], {**own, **network_params}


def check_network(parameters: Mapping[str, Any]) -> None:
    """Raise unless the network, and the parameters that belong to it, can be used."""
    network, network_params = parameters["network"], parameters["network_params"]
    is_custom = isinstance(network, type) and issubclass(network, nn.Module)
    if not is_custom and not (isinstance(network, str) and network in NETWORKS):
        names = ", ".join(repr(name) for name in sorted(NETWORKS))
        raise ValueError(f"network must be one of {names} or a subclass of torch.nn.Module, got {network!r}.")
    if network_params is not None and not isinstance(network_params, Mapping):
        raise TypeError(f"network_params must be a dict or None, got {network_params!r}.")
    check_network_parameters(**{name: parameters[name] for name in (*_CRNN_ONLY, "dropout", "embedding_dim")})
    _check_unused(parameters)
    if not is_custom:
        _check_keys(network, network_params or {})


def _own_names(network: str | type) -> list[str]:
    """Parameters of the classifier that a network takes."""
    keywords = keywords_of(CustomNetwork if isinstance(network, type) else NETWORKS[network])
    names = (*_CRNN_ONLY, *_SHARED) if network == "crnn" else _SHARED
    return [name for name in names if name in keywords]


def _check_unused(parameters: Mapping[str, Any]) -> None:
    """Raise if a parameter that the network does not take differs from its default."""
    network = parameters["network"]
    defaults = {**keywords_of(NETWORKS["crnn"]), "augmentation": "moderate"}
    for name, default in defaults.items():
        value = parameters[name]
        if (
            name not in _own_names(network)
            and value is not None
            and (tuple(value) if name == "channels" else value) != default
        ):
            raise ValueError(
                f"{name}={value!r} has no effect on network={network!r}: leave it at its default, "
                f"{default!r}, and use network_params for the settings of this network."
            )


def _check_keys(network: str, network_params: Mapping[str, Any]) -> None:
    """Raise unless a network of this package takes these keys in addition to the classifier's parameters."""
    own = _own_names(network)
    keys = [name for name in keywords_of(NETWORKS[network]) if name not in own]
    for name in network_params:
        if name in own:
            raise ValueError(f"network_params cannot set {name!r}: use the parameter {name} instead.")
        if name not in keys:
            takes = f"only {', '.join(keys)} in network_params" if keys else "no network_params"
            raise ValueError(f"network={network!r} takes {takes}, got {name!r}.")
