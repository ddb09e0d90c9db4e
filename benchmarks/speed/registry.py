"""All rows of the table, theme by theme.

To add a row, write a function of `harness.Settings` that returns a `harness.Measurement` (most return
`harness.compare(case, against, settings)`) and list a `harness.Row` in the ROWS of its module. A new module
is named in THEMES. Rows of a GPU have ``device="cuda"`` and are run with ``--device cuda`` alone; they stand
in gpu.py.
"""

from __future__ import annotations

import importlib
import importlib.util

from harness import Row

THEMES = ("features", "padding", "training", "inference", "search", "growing", "imports", "gpu")


def all_rows() -> list[Row]:
    """Give the rows of all themes that are there."""
    modules = [importlib.import_module(name) for name in THEMES if importlib.util.find_spec(name)]
    return [row for module in modules for row in module.ROWS]
