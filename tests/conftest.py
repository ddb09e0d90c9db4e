"""Fixtures shared by the tests."""

from __future__ import annotations

import os
from pathlib import Path

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


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Leave tests of GPUs out where torch sees none, unless SKSER_TEST_DEVICE names another device."""
    if item.get_closest_marker("gpu") and os.environ.get("SKSER_TEST_DEVICE", "cuda") == "cuda":
        import torch

        if not torch.cuda.is_available():
            pytest.skip("needs a CUDA device, and torch sees none")
