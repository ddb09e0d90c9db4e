"""Checks of the parameters of the transformers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .._utils import check_choice, check_n_jobs, check_number, check_verbose, to_bytes
from ..audio import check_audio_parameters
from ..encoders import check_source_parameters
from ..spectral import Settings, check_db_parameters, check_settings
from ._cache import check_memory
from ._statistics import STATISTICS


def check_transformer_parameters(parameters: Mapping[str, Any]) -> None:
    """Raise unless the parameters of a transformer can be used."""
    _check_extraction_parameters(parameters, parameters["sr"])
    check_settings(settings_of(parameters))
    check_db_parameters(parameters["ref"], parameters["top_db"])


def check_encoder_parameters(parameters: Mapping[str, Any]) -> None:
    """Raise unless the parameters of a `SpeechEncoderTransformer` can be used; nothing is read."""
    _check_extraction_parameters(parameters)
    check_source_parameters(**source_parameters(parameters))
    layers = layers_of(parameters["layer"])
    if not layers:
        raise ValueError("layer is an empty list: give one layer or more.")
    for layer in layers:
        check_number("layer", layer, integer=True, low=0)
    _check_statistics(parameters["statistics"])
    _check_speeds(parameters["speeds"], parameters["statistics"])


def layers_of(layer: Any) -> tuple[int, ...]:
    """List the layers of the parameter `layer`."""
    return tuple(layer) if isinstance(layer, (list, tuple)) else (layer,)


def _check_statistics(statistics: Any) -> None:
    """Raise unless statistics is None or names of statistics, each one once."""
    if statistics is None:
        return
    if not isinstance(statistics, (list, tuple)) or not statistics:
        raise TypeError(
            f"statistics must be None or a tuple of some of {', '.join(STATISTICS)}, got {statistics!r}."
        )
    for name in statistics:
        check_choice("statistics", name, STATISTICS)
    if len(set(statistics)) < len(statistics):
        raise ValueError(f"statistics={statistics!r} names one statistic twice: leave it out.")


def _check_speeds(speeds: Any, statistics: Any) -> None:
    """Raise unless speeds are one or more numbers whose features can be averaged."""
    if not isinstance(speeds, (list, tuple)) or not speeds:
        raise TypeError(f"speeds must be a tuple of numbers, such as (0.86, 1.0, 1.16), got {speeds!r}.")
    for speed in speeds:
        check_number("each of speeds", speed, low=0.5, high=2)
    if len(set(speeds)) < len(speeds):
        raise ValueError(f"speeds={speeds!r} has one speed twice: leave it out.")
    if statistics is None and len(speeds) > 1:
        raise ValueError(
            f"speeds={speeds!r} needs statistics, because frames at several speeds cannot be averaged: set "
            "statistics, or give one speed."
        )


def _check_extraction_parameters(parameters: Mapping[str, Any], sr: int = 16000) -> None:
    """Raise unless the parameters that all transformers have can be used."""
    # `device` depends on the machine and is checked where it is used.
    check_audio_parameters(sr, trim_db=parameters["trim_db"], max_duration=parameters["max_duration"])
    check_n_jobs(parameters["n_jobs"])
    check_verbose(parameters["verbose"])
    to_bytes("max_nbytes", parameters["max_nbytes"])
    if parameters["memory"] is not None:
        check_memory(parameters["memory"])


def source_parameters(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Select the parameters that say where the weights of an encoder are."""
    return {name: parameters[name] for name in ("encoder", "revision", "local_files_only")}


def settings_of(parameters: Mapping[str, Any]) -> Settings:
    """Select the parameters of the power spectrogram from those of a transformer."""
    return Settings(**{name: parameters[name] for name in Settings._fields})


def plain_number(value: Any) -> Any:
    """Convert a number to Python's float, for the names of cache entries."""
    return value if value is None or isinstance(value, str) else float(value)
