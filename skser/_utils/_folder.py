"""The working directory of worker processes."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any


def in_working_directory(function: Callable[..., Any]) -> Callable[..., Any]:
    """Let worker processes call a function in this working directory, to which paths may be relative."""
    # joblib reuses its processes, which stay in the directory where they were started.
    try:
        folder = os.getcwd()
    except FileNotFoundError:  # it was deleted
        return function
    return partial(_call, folder, os.getpid(), function)


def _call(folder: str, process: int, function: Callable[..., Any], *args: Any) -> Any:
    """Call a function; other processes change to the folder, if their machine has it."""
    if os.getpid() != process:
        with suppress(OSError):
            os.chdir(folder)
    return function(*args)
