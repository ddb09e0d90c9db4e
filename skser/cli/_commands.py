"""Functions of the subcommands, by name. Each returns whether something failed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ._corpora import audit, evaluate, train
from ._predict import predict

COMMANDS: dict[str, Callable[[Any], bool]] = {
    "predict": predict,
    "evaluate": evaluate,
    "train": train,
    "audit": audit,
}
