"""Fixtures shared by the tests."""

from __future__ import annotations

import os
from pathlib import Path

# Each worker of pytest-xdist has a processor for itself, and so has what its tests start: threads
# beyond that would wait for each other. Said before numpy and torch are imported, which read it once.
if "PYTEST_XDIST_WORKER" in os.environ:
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ[name] = "1"

import pytest
from hypothesis import settings

# The same examples in each run, however slow the machine.
settings.register_profile("stable", derandomize=True, deadline=None)
settings.load_profile("stable")

# scikit-learn skips its array API check unless scipy was told so before its import.
os.environ.setdefault("SCIPY_ARRAY_API", "1")

REPOSITORY = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session")
def ravdess_root() -> Path:
    """Folder of the RAVDESS recordings: $SKSER_CORPORA/ravdess or ../shared/corpora/ravdess."""
    corpora = Path(os.environ.get("SKSER_CORPORA", REPOSITORY.parent / "shared" / "corpora"))
    root = corpora / "ravdess"
    if not root.is_dir():
        pytest.skip(f"no recordings in {root}: set SKSER_CORPORA to the folder that holds ravdess/")
    return root
