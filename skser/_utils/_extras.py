"""Import of packages that are not installed with skser."""

from __future__ import annotations

from importlib import import_module
from types import ModuleType


def import_extra(name: str, needed_by: str, extra: str, hint: str = "") -> ModuleType:
    """Import a module, or raise an error that explains how to install it."""
    try:
        return import_module(name)
    except (ImportError, OSError, RuntimeError) as error:  # OSError or RuntimeError: another version of CUDA
        package = name.partition(".")[0]
        raise ImportError(
            f"{needed_by} needs {package}, which cannot be imported ({error}): install it with "
            f'`pip install "skser[{extra}]"`{hint}.'
        ) from error
