"""Ctrl-C in `fit`, which keeps the result of the training so far unless its caller prefers to end."""

from __future__ import annotations

import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager


class InterruptedTraining(UserWarning):
    """Warning of `fit` that it keeps the result of the training before Ctrl-C."""


@contextmanager
def ended_by_ctrl_c() -> Iterator[None]:
    """Let Ctrl-C during a `fit` in this block end the block with KeyboardInterrupt."""
    # Only the main thread receives Ctrl-C, and filters of warnings are shared by all threads.
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    with warnings.catch_warnings():
        warnings.simplefilter("error", InterruptedTraining)
        try:
            yield
        except InterruptedTraining as warning:
            raise KeyboardInterrupt from warning
