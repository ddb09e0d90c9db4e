"""Messages of the command: lines on standard output, errors on standard error."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from skorch.callbacks import Callback
from tqdm import tqdm

from ..exceptions import RecordingsError


class UsageError(Exception):
    """The arguments cannot be used."""


@contextmanager
def usage_errors() -> Iterator[None]:
    """Raise the errors of this block as errors of the arguments."""
    try:
        yield
    except (ImportError, OSError, TypeError, ValueError) as error:
        raise UsageError(str(error)) from error


def say(line: str) -> None:
    """Print a line of the result immediately, above the progress bar if there is one."""
    tqdm.write(line, file=sys.stdout)
    sys.stdout.flush()


def report(line: str) -> None:
    """Print a line about the work on standard error, above the progress bar if there is one."""
    tqdm.write(f"skser: {line}", file=sys.stderr)


def complain(error: Exception) -> None:
    """Print an error; one line per recording if it names several."""
    if not isinstance(error, RecordingsError):
        report(str(error))
        return
    for failure in error.failures:
        report(f"{failure.path!r}: {failure.error}")
    if error.n_recordings > 1:
        n = f"{len(error.failures)} of {error.n_recordings} recordings cannot be used"
        report(f"{n}: repair or remove them, or leave them out with --drop.")


class EpochBar(Callback):
    """Progress bar of the epochs of a training."""

    def on_train_begin(self, net: Any, **_: Any) -> None:
        """Show the bar."""
        self.bar_ = tqdm(total=net.max_epochs, desc="training", unit="epoch")

    def on_epoch_end(self, net: Any, **_: Any) -> None:
        """Count an epoch."""
        self.bar_.update()

    def on_train_end(self, net: Any, **_: Any) -> None:
        """Leave the bar on the screen."""
        self.bar_.close()
