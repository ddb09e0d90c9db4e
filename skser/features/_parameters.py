"""Checks of the parameters of the transformer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .._utils import check_n_jobs, to_bytes
from ..audio import check_audio_parameters
from ..spectral import Settings, check_db_parameters, check_settings
from ._cache import check_memory


def check_transformer_parameters(parameters: Mapping[str, Any]) -> None:
    """Raise unless the parameters of a transformer can be used."""
    # `device` depends on the machine and is checked where it is used.
    check_audio_parameters(
        parameters["sr"], trim_db=parameters["trim_db"], max_duration=parameters["max_duration"]
    )
    check_settings(settings_of(parameters))
    check_db_parameters(parameters["ref"], parameters["top_db"])
    check_n_jobs(parameters["n_jobs"])
    to_bytes("max_nbytes", parameters["max_nbytes"])
    if parameters["memory"] is not None:
        check_memory(parameters["memory"])


def settings_of(parameters: Mapping[str, Any]) -> Settings:
    """Select the parameters of the power spectrogram from those of a transformer."""
    return Settings(**{name: parameters[name] for name in Settings._fields})
