"""The examples of the gallery, their order, and the command line of each."""

from __future__ import annotations

import ast
import re
import shlex
from pathlib import Path
from typing import Any

SCRIPTS = (
    "quickstart",
    "evaluate_corpus",
    "center_loss",
    "grid_search",
    "embeddings_to_svm",
    "timeline",
    "probabilities",
)
"""Names of the scripts that are run: they only need the synthetic corpus and a minute."""

SHOWN = ("distributed_search",)
"""Names of the scripts that are shown but not run, since they need further packages."""

_SHOWN = re.compile(r"This page shows the output of ``python examples/\S+ ?([^`]*)``")


def arguments(gallery_conf: dict[str, Any], script_vars: dict[str, Any]) -> list[str]:
    """Read the arguments from the docstring, so that the page shows the command that made it."""
    source = Path(script_vars["src_file"]).read_text(encoding="utf-8")
    shown = _SHOWN.search(ast.get_docstring(ast.parse(source)) or "")
    return shlex.split(shown[1]) if shown else []


class Order:
    """Key that sorts the pages in the order of `SCRIPTS` and `SHOWN`."""

    def __init__(self, src_dir: str) -> None:
        self.src_dir = src_dir

    def __call__(self, filename: str) -> int:
        """Position of a script."""
        return (*SCRIPTS, *SHOWN).index(Path(filename).stem)
