"""Torch's random number generators, used by one training at a time."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch

# One lock per process: after a fork, the lock may be held by a thread that the child does not have.
_LOCKS: dict[int, Any] = {}


@contextmanager
def isolated_generators(seed: int, device: torch.device) -> Iterator[None]:
    """Seed torch's generators for a training run, and restore them afterwards."""
    # torch draws dropout from generators that all threads share, so only one training may use them at a time.
    lock = _LOCKS.setdefault(os.getpid(), threading.RLock())
    with lock, torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        seed_generators(seed, device)
        yield


def seed_generators(seed: int, device: torch.device) -> None:
    """Seed only the generator of the CPU and that of one device."""
    torch.default_generator.manual_seed(seed)
    if device.type == "cuda":
        with torch.cuda.device(device):
            torch.cuda.manual_seed(seed)
