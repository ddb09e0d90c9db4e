"""Checkpoints: training that was interrupted continues, with the same result as in one run."""

from __future__ import annotations

import hashlib
import io
import json
import os
import re
import zipfile
from collections.abc import Mapping
from typing import Any

import torch
from skorch.callbacks import Callback, EpochTimer, PassthroughScoring, PrintLog

from .._utils import check_number, open_regular, remove_abandoned, with_message, write_whole
from ._callbacks import EarlyStopping
from ._fingerprint import describe_callback
from ._net import CenterLossNet
from ._progress import load_training_state, training_state
from ._state import check_fitted_tensors

_FILE = "checkpoint.pt"
_UNFINISHED = re.compile(r"\.[0-9a-f]{32}\.tmp")
_CURE = "delete it, and training starts again from the first epoch."
# The state of these callbacks at the end of an epoch follows from the history.
_OF_SKORCH = (EpochTimer, PassthroughScoring, PrintLog)


class Checkpoint(Callback):
    """Write the state of the training after each epoch, and continue from the last state written."""

    # It is the last of all callbacks, so that the state includes the changes by the others after an epoch.

    def __init__(self, checkpoint_dir: str | os.PathLike[str], fingerprint: Mapping[str, Any]) -> None:
        self.checkpoint_dir = checkpoint_dir
        self.fingerprint = fingerprint

    def on_train_begin(self, net: CenterLossNet, **kwargs: Any) -> None:
        """Make the folder; if it has a checkpoint, load it into the net and its callbacks."""
        self.max_epochs_ = net.max_epochs
        self.descriptions_ = {name: describe_callback(callback) for name, callback in _without_state(net)}
        self._callback_states(net)  # raises before any epoch if a state cannot be stored
        digest = hashlib.sha256(json.dumps(self.fingerprint, sort_keys=True).encode()).hexdigest()
        self.path_ = os.path.join(_make_folder(self.checkpoint_dir, digest), _FILE)
        if os.path.lexists(self.path_):
            self._restore(net)

    def on_epoch_end(self, net: CenterLossNet, **kwargs: Any) -> None:
        """Write the checkpoint."""
        self._write(net, finished=len(net.history) == self.max_epochs_)

    def on_train_end(self, net: CenterLossNet, **kwargs: Any) -> None:
        """Write the result if early stopping has ended the training in the middle of `on_epoch_end`."""
        net.max_epochs = self.max_epochs_
        if any(isinstance(callback, EarlyStopping) and callback.stopped_ for _, callback in net.callbacks_):
            self._write(net, finished=True)

    def _write(self, net: CenterLossNet, finished: bool) -> None:
        """Write the state of net and callbacks."""
        epoch = len(net.history)
        try:
            state = training_state(net, self._callback_states(net))
            content = io.BytesIO()
            torch.save({"fingerprint": self.fingerprint, "finished": finished, **state}, content)
            write_whole(self.path_, content.getvalue())
        except OSError as error:
            raise _folder_error(self.path_, error, f" after epoch {epoch}") from error

    def _restore(self, net: CenterLossNet) -> None:
        """Load the checkpoint into net and callbacks."""
        found, saved = _read(self.path_)
        if found != self.fingerprint:
            raise ValueError(f"{self.path_} belongs to another training run: {_CURE}")
        try:
            states = load_training_state(net, saved)
            for name, callback in _with_state(net):
                callback.load_state_dict(states[name])
            _check_restored(net, saved["finished"], self.max_epochs_)
            net.max_epochs = 0 if saved["finished"] else self.max_epochs_ - len(net.history)
        except Exception as error:
            raise _damaged(self.path_) from error

    def _callback_states(self, net: CenterLossNet) -> dict[str, dict[str, Any]]:
        """Collect the states of callbacks; raise if one has a state but no method that returns it."""
        for name, callback in _without_state(net):
            added = sorted(vars(callback).keys() - callback.get_params(deep=False).keys())
            if added or describe_callback(callback) != self.descriptions_[name]:
                what = f"{added[0]!r}" if added else "changes of its parameters"
                raise ValueError(
                    f"checkpoint_dir cannot be used with the callback {name!r}, which keeps {what} as its "
                    "state: add the methods state_dict() and load_state_dict(state) to it, leave it out, or "
                    "set checkpoint_dir=None."
                )
        return {name: callback.state_dict() for name, callback in _with_state(net)}


def _check_restored(net: CenterLossNet, finished: bool, max_epochs: int) -> None:
    """Raise unless a training run can be in the state that was loaded."""
    n_epochs, exhausted = len(net.history), False
    for _, callback in net.callbacks_:
        if isinstance(callback, EarlyStopping):
            check_number("best_epoch", callback.best_epoch_, integer=True, low=1, high=n_epochs)
            exhausted = n_epochs - callback.best_epoch_ >= callback.patience
            if callback.best_tensors_ or not finished:  # the last write follows `on_train_end`
                check_fitted_tensors(net, callback.best_tensors_)
    if not 0 < n_epochs <= max_epochs or finished != (exhausted or n_epochs == max_epochs):
        raise ValueError("the number of epochs is not one after which it is written.")


def _with_state(net: CenterLossNet) -> list[tuple[str, Any]]:
    """Callbacks with methods that return and load their state."""
    return [(name, callback) for name, callback in net.callbacks_ if hasattr(callback, "load_state_dict")]


def _without_state(net: CenterLossNet) -> list[tuple[str, Any]]:
    """Callbacks that must not have a state."""
    others = [entry for entry in net.callbacks_ if not isinstance(entry[1], (Checkpoint, *_OF_SKORCH))]
    return [(name, callback) for name, callback in others if not hasattr(callback, "load_state_dict")]


def _make_folder(checkpoint_dir: str | os.PathLike[str], name: str) -> str:
    """Make the folder of a training run, and delete the unfinished files of killed processes in it."""
    folder = os.path.join(os.path.abspath(os.path.expanduser(os.fspath(checkpoint_dir))), name)
    try:
        os.makedirs(folder, exist_ok=True)
        if not os.access(folder, os.W_OK | os.X_OK):
            raise PermissionError(None, "it is read-only")
    except OSError as error:
        raise _folder_error(folder, error, "") from error
    remove_abandoned(folder, _UNFINISHED)
    return folder


def _folder_error(path: str, error: OSError, when: str) -> OSError:
    """Error of a checkpoint that cannot be written."""
    reason = os.strerror(error.errno) if error.errno else error.strerror or error
    return with_message(
        error,
        f"checkpoint_dir: {path} cannot be written{when} ({reason}): free space there or grant write "
        "permission, and the same call continues from the last checkpoint.",
    )


def _read(path: str) -> tuple[Any, dict[str, Any]]:
    """Read a checkpoint and its fingerprint without running code from the file."""
    try:
        with open_regular(path) as file:
            with zipfile.ZipFile(file) as archive:  # torch.load does not compare the checksums
                n_bytes = sum(entry.file_size for entry in archive.infolist())  # more if it was compressed
                if n_bytes > os.fstat(file.fileno()).st_size or archive.testzip() is not None:
                    raise zipfile.BadZipFile(path)
            file.seek(0)
            saved: dict[str, Any] = torch.load(file, map_location="cpu", weights_only=True)
        return saved["fingerprint"], saved
    except OSError as error:
        raise with_message(
            error,
            f"checkpoint_dir: {path} cannot be read ({error.strerror}): grant read permission, or {_CURE}",
        ) from error
    except Exception as error:
        raise _damaged(path) from error


def _damaged(path: str) -> ValueError:
    return ValueError(f"{path} is damaged, or is not a checkpoint of skser: {_CURE}")
