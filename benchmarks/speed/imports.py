"""The row of `import skser`."""

from __future__ import annotations

import subprocess
import sys

from harness import Measurement, Row, Settings, compare

BUILT_ON = "import torch, sklearn, skorch"


def fresh(code: str) -> None:
    """Run code in a new interpreter."""
    subprocess.run([sys.executable, "-c", code], check=True)


def against_its_base(settings: Settings) -> Measurement:
    """Compare importing skser with importing what it is built on."""
    return compare(lambda: fresh("import skser"), lambda: fresh(BUILT_ON), settings, rounds=5)


ROWS = [
    Row(
        "import",
        "import skser",
        "importing torch, sklearn and skorch alone",
        against_its_base,
        target=1.1,
    )
]
