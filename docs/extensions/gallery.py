"""Which examples are in the gallery, in which order, and with which command line each is run."""

from __future__ import annotations

import ast
import re
import shlex
from pathlib import Path
from typing import Any

SCRIPTS = ("quickstart", "evaluate_corpus", "center_loss", "grid_search", "embeddings_to_svm")
"""Names of the scripts that are run: they need nothing but the synthetic corpus and a minute."""

SHOWN = ("distributed_search",)
"""Names of those that are shown without being run, since they need packages that the manual does not."""

_SHOWN = re.compile(r"This page shows what ``python examples/\S+ ?([^`]*)``")


def arguments(gallery_conf: dict[str, Any], script_vars: dict[str, Any]) -> list[str]:
    """Read the arguments off the docstring, so that the page shows what made it."""
    source = Path(script_vars["src_file"]).read_text(encoding="utf-8")
    shown = _SHOWN.search(ast.get_docstring(ast.parse(source)) or "")
    return shlex.split(shown[1]) if shown else []


class Order:
    """Key that sorts the pages as `SCRIPTS` and `SHOWN` do."""

    def __init__(self, src_dir: str) -> None:
        self.src_dir = src_dir

    def __call__(self, filename: str) -> int:
        """Give the place of a script."""
        return (*SCRIPTS, *SHOWN).index(Path(filename).stem)
