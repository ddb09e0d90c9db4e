"""Checkpoints: a training that is killed and started again ends as if it had not been."""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from numpy.typing import NDArray
from skorch.callbacks import Callback, EpochTimer, PassthroughScoring, PrintLog
from torch import Tensor

from .._utils import Kind, pack, remove_abandoned, unpack, warn_caller, write_whole
from ._callbacks import CenterRamp, CenterUpdate, EarlyStopping, EpochSeed, FiniteLoss, OneCycle
from ._data import TrainingData
from ._fingerprint import FORMAT_VERSION, check_resumable, describe_callback, differences, fingerprint
from ._net import CenterLossNet
from ._progress import describe_progress, restore_progress

_KIND = Kind("checkpoint", "checkpoint", "a fit with checkpoint_dir", FORMAT_VERSION)
_FILE = "checkpoint.safetensors"
_UNFINISHED = re.compile(r"\.[0-9a-f]{32}\.tmp")
# What these know at the end of an epoch follows from their parameters and the history.
_WITHOUT_STATE = (
    CenterRamp,
    CenterUpdate,
    EpochSeed,
    EpochTimer,
    FiniteLoss,
    OneCycle,
    PassthroughScoring,
    PrintLog,
)


class Checkpoint(Callback):
    """Keep on disk what a training needs to go on, and go on from what is there."""

    # It comes last of all callbacks: what the others do at the end of an epoch belongs to the epoch.

    def __init__(self, checkpoint_dir: str | os.PathLike[str], fingerprint: Mapping[str, Any]) -> None:
        self.checkpoint_dir = checkpoint_dir
        self.fingerprint = fingerprint

    @contextmanager
    def attached(self, net: CenterLossNet) -> Iterator[None]:
        """Keep checkpoints of a net while it is trained, and not of what is done with it later."""
        before = net.callbacks_
        net.callbacks_ = [*before, ("checkpoint", self)]
        try:
            yield
        finally:
            net.callbacks_ = before

    def on_train_begin(self, net: CenterLossNet, **kwargs: Any) -> None:
        """Make the folder; bring the net and its callbacks to where the checkpoint was, if there is one."""
        self.max_epochs_ = net.max_epochs
        self.stateless_ = {name: describe_callback(callback) for name, callback in self._unasked(net)}
        self._states(net)  # before any time is spent on a training that cannot be stored
        digest = hashlib.sha256(json.dumps(self.fingerprint, sort_keys=True).encode()).hexdigest()
        self.path_ = os.path.join(_make_folder(self.checkpoint_dir, digest), _FILE)
        if os.path.lexists(self.path_):
            self._restore(net, *_read(self.path_, self.fingerprint))

    def on_epoch_end(self, net: CenterLossNet, **kwargs: Any) -> None:
        """Write the checkpoint."""
        self._write(net, finished=len(net.history) == self.max_epochs_)

    def on_train_end(self, net: CenterLossNet, **kwargs: Any) -> None:
        """Write the result where early stopping has ended the training in the middle of `on_epoch_end`."""
        net.max_epochs = self.max_epochs_
        if any(isinstance(callback, EarlyStopping) and callback.stopped_ for _, callback in net.callbacks_):
            self._write(net, finished=True)

    def _write(self, net: CenterLossNet, finished: bool) -> None:
        """Write the state of net and callbacks."""
        epoch = len(net.history)
        try:
            progress, tensors = describe_progress(net, self._states(net))
            content = {"fingerprint": self.fingerprint, "finished": finished, "progress": progress}
            write_whole(self.path_, pack(content, tensors, _KIND))
        except KeyboardInterrupt:
            warn_caller(
                f"training was interrupted while the checkpoint of epoch {epoch} was written; the estimator "
                "is fitted with what it had learned until then."
            )
            raise
        except OSError as error:
            raise _folder_error(self.path_, error, f" after epoch {epoch}") from error

    def _restore(self, net: CenterLossNet, content: dict[str, Any], tensors: dict[str, Tensor]) -> None:
        """Bring net and callbacks to where they were."""
        try:
            states = restore_progress(net, content["progress"], tensors)
            for name, callback in self._asked(net):
                callback.load_state_dict(states[name])
            net.max_epochs = 0 if content["finished"] else self.max_epochs_ - len(net.history)
        except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
            raise ValueError(
                f"{self.path_} is no valid checkpoint ({error}): delete it, and training begins anew."
            ) from error

    def _states(self, net: CenterLossNet) -> dict[str, dict[str, Any]]:
        """States of the callbacks that give theirs; raise where another one remembers something."""
        for name, callback in self._unasked(net):
            self._check_stateless(name, callback)
        return {name: callback.state_dict() for name, callback in self._asked(net)}

    @staticmethod
    def _asked(net: CenterLossNet) -> list[tuple[str, Any]]:
        """Callbacks that give their state and take it back."""
        return [entry for entry in net.callbacks_ if _gives_state(entry[1])]

    @staticmethod
    def _unasked(net: CenterLossNet) -> list[tuple[str, Any]]:
        """Callbacks of others that do not."""
        own = (Checkpoint, *_WITHOUT_STATE)
        return [(n, c) for n, c in net.callbacks_ if not _gives_state(c) and not isinstance(c, own)]

    def _check_stateless(self, name: str, callback: Any) -> None:
        """Raise unless a callback holds nothing but its parameters, as they were."""
        own = sorted(vars(callback).keys() - callback.get_params(deep=False).keys())
        if own or describe_callback(callback) != self.stateless_[name]:
            what = f"{own[0]!r}" if own else "changes of its parameters"
            raise ValueError(
                f"checkpoint_dir cannot be used with the callback {name!r}, which remembers {what}: give it "
                "the methods state_dict() and load_state_dict(state), leave it out, or set "
                "checkpoint_dir=None."
            )


def make_checkpoint(
    parameters: Mapping[str, Any], classes: NDArray[Any], data: TrainingData, groups: NDArray[Any] | None
) -> Checkpoint:
    """Make the callback that keeps the checkpoints of a training."""
    checkpoint_dir = parameters["checkpoint_dir"]
    check_resumable(checkpoint_dir, parameters["random_state"], parameters["warm_start"])
    return Checkpoint(checkpoint_dir, fingerprint(parameters, classes, data, groups))


def _gives_state(callback: Any) -> bool:
    """Whether a callback can be asked for what it remembers, and told."""
    return hasattr(callback, "state_dict") and hasattr(callback, "load_state_dict")


def _make_folder(checkpoint_dir: str | os.PathLike[str], name: str) -> str:
    """Make the folder of a training, and clear it of what killed writers left in it."""
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
    clear = type(error)(
        f"checkpoint_dir: {path} cannot be written{when} ({reason}): make room there, or let this user "
        "write there. The same call then goes on from the checkpoint before, if there is one."
    )
    clear.errno = error.errno
    return clear


def _read(path: str, fingerprint: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Read a checkpoint and compare its fingerprint."""
    try:
        with open(path, "rb") as file:
            content, tensors = unpack(file, _KIND)
    except OSError as error:
        raise type(error)(
            f"checkpoint_dir: {path} cannot be read ({error.strerror}): let this user read it, or delete it, "
            "and training begins anew."
        ) from error
    except ValueError as error:
        raise ValueError(f"{path} {error} Or delete it, and training begins anew.") from error
    found = content.get("fingerprint") if isinstance(content, dict) else None
    different = differences(fingerprint, found if isinstance(found, dict) else {})
    if different:
        raise ValueError(
            f"{path} is the checkpoint of another training, with {different}: delete it, and training begins "
            "anew."
        )
    return content, tensors
