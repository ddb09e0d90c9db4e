"""What keeps a forked process from waiting for ever.

The threads in which torch computes do not survive a fork, but the OpenMP runtime of the child believes
that they do, and its first parallel loop waits for them. One thread alone has nobody to wait for, and is what
workers want anyway. Processes that are spawned, and joblib's own workers, are not concerned.
"""

from __future__ import annotations

import os

import torch

__all__ = ["compute_in_one_thread_after_a_fork"]


def compute_in_one_thread_after_a_fork() -> None:
    """Let torch use one thread in every process that is forked from this one; call it once."""
    if hasattr(os, "register_at_fork"):  # Windows cannot fork
        os.register_at_fork(after_in_child=_use_one_thread)


def _use_one_thread() -> None:
    torch.set_num_threads(1)
