"""Trained models that are installed as distributions of their own."""

from __future__ import annotations

from importlib.metadata import EntryPoint, entry_points
from typing import Any

import torch

from .._utils import listed
from ._model_files import load_model

_GROUP = "skser.models"
_OWN_MODEL = "speech-emotions"  # it is in the repository of this package


def load_pretrained(name: str = _OWN_MODEL, device: str | torch.device = "auto") -> Any:
    """Load a trained model that is installed as a Python distribution.

    Parameters
    ----------
    name : str, default="speech-emotions"
        Name of the model. "speech-emotions" is in the folder models/speech_emotions of the repository and is
        installed separately, because its license differs from that of this package (CC BY-NC-SA 4.0). It
        needs the extra ``encoder``, and recognizes six emotions; see :doc:`/user_guide/ready_model`.
    device : str or torch.device, default="auto"
        Device of the classifier and of the speech encoder, as in :func:`load_model`.

    Returns
    -------
    estimator or Pipeline
        The fitted model.

    Raises
    ------
    ValueError
        If no installed model has this name, or its file is not a valid model file.
    TypeError
        If `name` is not text.
    ImportError, OSError
        If the distribution of the model is damaged.

    See Also
    --------
    load_model : Loads a model from a file.

    Notes
    -----
    A distribution provides a model with an entry point in the group ``skser.models``. The name of the entry
    point is that of the model. Its value names an attribute of a module, which is the path of a file that
    :func:`save_model` wrote. In the ``pyproject.toml`` of the distribution::

        [project.entry-points."skser.models"]
        speech-emotions = "skser_speech_emotions:MODEL"

    and in ``skser_speech_emotions/__init__.py``::

        from pathlib import Path

        MODEL = Path(__file__).with_name("model.safetensors")

    The module is imported, so it can run code like any other installed package. The model file cannot.

    Examples
    --------
    >>> from skser import load_pretrained
    >>> load_pretrained().predict(["a.wav"])  # doctest: +SKIP
    array(['happy'], dtype='<U9')
    """
    if not isinstance(name, str):
        raise TypeError(f"name must be the name of an installed model, got {name!r}.")
    installed = _entry_points()
    if name not in installed:
        source = (
            "./models/speech_emotions in a checkout of skser" if name == _OWN_MODEL else "its distribution"
        )
        raise ValueError(
            f"no installed model has the name {name!r} (installed: {listed(installed_models()) or 'none'}): "
            f"install {source} with pip, or load a file with load_model."
        )
    return load_model(_find_file(installed[name]), device)


def installed_models() -> list[str]:
    """Names of the installed models, sorted."""
    return sorted(_entry_points())


def _entry_points() -> dict[str, EntryPoint]:
    """Entry points of the installed models, by name."""
    return {point.name: point for point in entry_points(group=_GROUP)}


def _find_file(point: EntryPoint) -> Any:
    """Path of the model file that an entry point names."""
    try:
        return point.load()
    except (AttributeError, ImportError) as error:
        raise ImportError(
            f"the installed model {point.name!r} cannot be found at {point.value!r} ({error}): install its "
            "distribution again."
        ) from error
