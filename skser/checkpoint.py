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

from ._identity import FORMAT_VERSION, check_resumable, describe_callback, differences, identify
from ._inputs import TrainingData
from ._validation import warn_caller
from .cache import remove_abandoned
from .callbacks import CenterRamp, CenterUpdate, EarlyStopping, EpochSeed, FiniteLoss, OneCycle
from .persistence._container import Kind, pack, unpack
from .persistence._files import write_whole
from .persistence._progress import describe_progress, restore_progress
from .training import CenterLossNet

__all__ = ["Checkpoint", "checkpoint_of"]

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
    """Keep on disk what a training needs to go on, and go on from what is there.

    It comes last of all callbacks: what the others do at the end of an epoch belongs to the epoch.

    Parameters
    ----------
    checkpoint_dir : str or path-like
        Folder of all checkpoints, in which each training has a folder of its own.
    identity : dict
        What the training depends on, as `identify` gives it.

    Attributes
    ----------
    path_ : str
        The file.
    max_epochs_ : int
        Epochs of the whole training, of which the net in training knows those that are left.

    Examples
    --------
    >>> import tempfile
    >>> import numpy as np
    >>> from skser import CenterLossClassifier
    >>> X, y = np.random.default_rng(0).normal(size=(8, 5, 12)), ["calm", "angry"] * 4
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     classifier = CenterLossClassifier(
    ...         channels=(4, 4), rnn_units=4, max_epochs=2, random_state=0, checkpoint_dir=folder
    ...     )
    ...     first, again = (classifier.fit(X, y).transform(X) for _ in range(2))
    >>> bool((first == again).all())
    True
    """

    def __init__(self, checkpoint_dir: str | os.PathLike[str], identity: Mapping[str, Any]) -> None:
        self.checkpoint_dir = checkpoint_dir
        self.identity = identity

    @contextmanager
    def attached(self, net: CenterLossNet) -> Iterator[None]:
        """Keep checkpoints of a net while it is trained, and not of what is done with it later.

        Parameters
        ----------
        net : CenterLossNet
            The net, initialised.

        Yields
        ------
        None
            While the net has this callback.
        """
        before = net.callbacks_
        net.callbacks_ = [*before, ("checkpoint", self)]
        try:
            yield
        finally:
            net.callbacks_ = before

    def on_train_begin(self, net: CenterLossNet, **kwargs: Any) -> None:
        """Make the folder; bring the net and its callbacks to where the checkpoint was, if there is one.

        Parameters
        ----------
        net : CenterLossNet
            The net in training, with as many epochs to go as a whole training has.
        **kwargs : dict
            Not used.

        Raises
        ------
        OSError
            If the folder cannot be made or written to, or the checkpoint cannot be read.
        ValueError
            If the checkpoint is damaged or of another training, or a callback cannot be resumed.
        """
        self.max_epochs_ = net.max_epochs
        self.stateless_ = {name: describe_callback(callback) for name, callback in self._unasked(net)}
        self._states(net)  # before any time is spent on a training that cannot be stored
        digest = hashlib.sha256(json.dumps(self.identity, sort_keys=True).encode()).hexdigest()
        self.path_ = os.path.join(_make_folder(self.checkpoint_dir, digest), _FILE)
        if os.path.lexists(self.path_):
            self._restore(net, *_read(self.path_, self.identity))

    def on_epoch_end(self, net: CenterLossNet, **kwargs: Any) -> None:
        """Write the checkpoint.

        Parameters
        ----------
        net : CenterLossNet
            The net in training.
        **kwargs : dict
            Not used.

        Raises
        ------
        OSError
            If it cannot be written. The one of the epoch before is then still there.
        KeyboardInterrupt
            If writing is interrupted, with a warning: to skorch this is the end of a training.
        """
        self._write(net, finished=len(net.history) == self.max_epochs_)

    def on_train_end(self, net: CenterLossNet, **kwargs: Any) -> None:
        """Write the result where early stopping has ended the training in the middle of `on_epoch_end`.

        Parameters
        ----------
        net : CenterLossNet
            The net, with the best epoch's network.
        **kwargs : dict
            Not used.

        Raises
        ------
        OSError
            If it cannot be written. The one of the epoch before is then still there.
        """
        net.max_epochs = self.max_epochs_
        if any(isinstance(callback, EarlyStopping) and callback.stopped_ for _, callback in net.callbacks_):
            self._write(net, finished=True)

    def _write(self, net: CenterLossNet, finished: bool) -> None:
        """Write the state of net and callbacks."""
        epoch = len(net.history)
        try:
            progress, tensors = describe_progress(net, self._states(net))
            content = {"identity": self.identity, "finished": finished, "progress": progress}
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


def checkpoint_of(
    parameters: Mapping[str, Any], classes: NDArray[Any], data: TrainingData, groups: NDArray[Any] | None
) -> Checkpoint:
    """Make the callback that keeps the checkpoints of a training.

    Parameters
    ----------
    parameters : mapping of str to object
        Parameters of a classifier.
    classes : ndarray of shape (n_classes,)
        Its labels.
    data : TrainingData
        What it is trained on.
    groups : ndarray of shape (n_samples,) or None
        Speakers or sessions.

    Returns
    -------
    Checkpoint
        The callback.

    Raises
    ------
    TypeError, ValueError
        If such a training cannot have checkpoints.
    """
    checkpoint_dir = parameters["checkpoint_dir"]
    check_resumable(checkpoint_dir, parameters["random_state"], parameters["warm_start"])
    return Checkpoint(checkpoint_dir, identify(parameters, classes, data, groups))


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


def _read(path: str, identity: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Read a checkpoint and compare its identity."""
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
    found = content.get("identity") if isinstance(content, dict) else None
    different = differences(identity, found if isinstance(found, dict) else {})
    if different:
        raise ValueError(
            f"{path} is the checkpoint of another training, with {different}: delete it, and training begins "
            "anew."
        )
    return content, tensors
