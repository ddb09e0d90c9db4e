"""The skorch net that trains with center loss, where it computes, and how it goes on."""

from __future__ import annotations

import copy
import multiprocessing
import os
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from skorch import NeuralNetClassifier
from skorch.callbacks import Callback, EpochTimer, PassthroughScoring, PrintLog
from torch import Tensor

from ._validation import warn_caller

__all__ = [
    "CenterLossNet",
    "continue_from",
    "isolated_generators",
    "losses_by_epoch",
    "resolve_device",
    "seed_generators",
]


_GENERATORS = threading.RLock()


class CenterLossNet(NeuralNetClassifier):
    """A skorch net over batches of padded spectrograms whose criterion takes logits and embeddings.

    It differs from skorch's classifier in three seams: sample weights travel in the batch, to the
    criterion and not to the module; both parts of the loss are recorded; accuracy is not scored on
    the training set. Parameters are those of `skorch.NeuralNetClassifier`.
    """

    @property
    def _default_callbacks(self) -> list[tuple[str, Callback]]:
        names = [
            f"{part}_{loss}"
            for part in ("train", "valid")
            for loss in ("loss", "cross_entropy", "center_loss")
        ]
        scores = [(name, PassthroughScoring(name, on_train=name.startswith("train"))) for name in names]
        return [("epoch_timer", EpochTimer()), *scores, ("print_log", PrintLog())]

    def infer(self, x: Mapping[str, Tensor], **fit_params: Any) -> tuple[Tensor, Tensor]:
        """Run the module on a batch without its sample weights.

        Parameters
        ----------
        x : mapping of str to Tensor
            "spectrogram", "lengths" and, possibly, "sample_weight".
        **fit_params : dict
            Passed on to the module.

        Returns
        -------
        logits : Tensor of shape (batch, n_classes)
            Class scores.
        embedding : Tensor of shape (batch, embedding_dim)
            Embeddings.
        """
        inputs = {name: value for name, value in x.items() if name != "sample_weight"}
        return super().infer(inputs, **fit_params)

    def initialize(self) -> CenterLossNet:
        """Make the module, the criterion and the optimizer.

        Returns
        -------
        CenterLossNet
            The net itself.

        Raises
        ------
        ValueError
            If there is not enough memory for a network of this size.
        """
        try:
            return super().initialize()
        except (RuntimeError, MemoryError) as error:
            if "memory" not in str(error):
                raise
            raise ValueError(
                f"there is no memory for a network of this size ({error}): lower channels, rnn_units or "
                "embedding_dim."
            ) from error

    def train_step(self, batch: Any, **fit_params: Any) -> dict[str, Any]:
        """Take one step of the optimizer.

        Parameters
        ----------
        batch : tuple
            Spectrograms and class numbers.
        **fit_params : dict
            Passed on to the module.

        Returns
        -------
        dict
            "loss" and "y_pred" of the batch.

        Raises
        ------
        ValueError
            If the step is larger than float32 can express.
        """
        try:
            step: dict[str, Any] = super().train_step(batch, **fit_params)
        except RuntimeError as error:
            if "without overflow" not in str(error):
                raise
            raise ValueError(f"lr={self.lr!r} makes steps beyond float32: lower it.") from error
        return step

    def evaluation_step(self, batch: Any, training: bool = False) -> tuple[Tensor, Tensor]:
        """Compute the outputs of a batch.

        Parameters
        ----------
        batch : tuple
            Spectrograms and class numbers.
        training : bool, default=False
            Whether the module behaves as in training.

        Returns
        -------
        logits : Tensor of shape (batch, n_classes)
            Class scores.
        embedding : Tensor of shape (batch, embedding_dim)
            Embeddings.

        Raises
        ------
        ValueError
            If one of them is NaN or infinite.
        """
        logits, embedding = super().evaluation_step(batch, training=training)
        if not (torch.isfinite(logits).all() and torch.isfinite(embedding).all()):
            raise ValueError(
                "the network's answers are NaN or infinite: train it with a lower lr or weight_decay, and "
                "scale spectrograms that reach far beyond those of training."
            )
        return logits, embedding

    def get_loss(self, y_pred: Any, y_true: Any, X: Any = None, training: bool = False) -> Tensor:
        """Compute the joint loss and record its parts.

        Parameters
        ----------
        y_pred : tuple of Tensor
            Logits and embeddings.
        y_true : Tensor of shape (batch,)
            Class numbers.
        X : mapping of str to Tensor, default=None
            The batch, with or without "sample_weight".
        training : bool, default=False
            Whether the batch belongs to the training part.

        Returns
        -------
        Tensor
            The loss, a scalar.
        """
        weight = (X or {}).get("sample_weight")
        weight = None if weight is None else weight.to(self.device)
        cross_entropy, center = self.criterion_.parts(y_pred, y_true.to(self.device), weight)
        prefix = "train" if training else "valid"
        self.history.record_batch(f"{prefix}_cross_entropy", cross_entropy.item())
        self.history.record_batch(f"{prefix}_center_loss", center.item())
        return self.criterion_.join(cross_entropy, center)


@contextmanager
def isolated_generators(seed: int, device: torch.device) -> Iterator[None]:
    """Seed torch's generators for a training run, and give them back as they were.

    torch draws dropout from generators that all threads share, so that one run at a time can have them.

    Parameters
    ----------
    seed : int
        The seed, 0 or more.
    device : torch.device
        Where the run computes.

    Yields
    ------
    None
        While the generators belong to the run.
    """
    with _GENERATORS, torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        seed_generators(seed, device)
        yield


def seed_generators(seed: int, device: torch.device) -> None:
    """Seed the generator of the CPU and that of one device, and no other.

    Parameters
    ----------
    seed : int
        The seed, 0 or more.
    device : torch.device
        The device.
    """
    torch.default_generator.manual_seed(seed)
    if device.type == "cuda":
        with torch.cuda.device(device):
            torch.cuda.manual_seed(seed)


def resolve_device(device: str | torch.device) -> torch.device:
    """Find the torch device that is meant, and check that it is there.

    Parameters
    ----------
    device : str or torch.device
        A device, or "auto" for a CUDA device if there is one and otherwise the CPU.

    Returns
    -------
    torch.device
        The device.

    Raises
    ------
    ValueError
        If torch does not know the device or sees no GPU where one is asked for.

    Warns
    -----
    UserWarning
        If "auto" finds a GPU from a worker process to which none was assigned.
    """
    if device == "auto":
        return _find_device()
    try:
        found = torch.device(device)
    except (RuntimeError, TypeError) as error:
        raise ValueError(
            f'device must be "auto" or a device that torch knows, such as "cpu" or "cuda:0", got {device!r}.'
        ) from error
    if found.type == "cuda" and not torch.cuda.is_available():
        raise ValueError(
            f'device={device!r} needs a GPU, which torch does not see: set device="auto" or "cpu".'
        )
    try:
        torch.empty(1, device=found).item()
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        raise ValueError(
            f'device={device!r} cannot compute here ({error}): set device="auto" or "cpu".'
        ) from error
    return found


def _find_device() -> torch.device:
    """Take a GPU if there is one; what torch asks the driver here takes no memory of it."""
    if not torch.cuda.is_available():
        return torch.device("cpu")
    if multiprocessing.parent_process() is not None and "CUDA_VISIBLE_DEVICES" not in os.environ:
        warn_caller(
            'device="auto" takes the same GPU in each worker process, with memory for each: set "cuda" if it '
            'has room for all of them, "cpu" if not, or CUDA_VISIBLE_DEVICES for each worker.'
        )
    return torch.device("cuda")


def continue_from(previous: CenterLossNet, net: CenterLossNet) -> None:
    """Carry weights, standardisation, centers, the optimizer's memory and the history over to a new net.

    Parameters
    ----------
    previous : CenterLossNet
        The net that was trained before.
    net : CenterLossNet
        The net that goes on, with settings of its own.

    Raises
    ------
    ValueError
        If the two networks differ in shape.
    """
    try:
        net.module_.load_state_dict(previous.module_.state_dict())
    except RuntimeError as error:
        raise ValueError(
            "the network was made with other channels, rnn, rnn_units, pooling or embedding_dim: training "
            "goes on with the same ones alone; restore them, or begin anew with warm_start=False."
        ) from error
    net.criterion_.center_loss.load_state_dict(previous.criterion_.center_loss.state_dict())
    if type(net.optimizer_) is type(previous.optimizer_):
        groups = net.optimizer_.state_dict()["param_groups"]
        for group in groups:  # as a schedule of the learning rate expects of an optimizer that goes on
            group.setdefault("initial_lr", group["lr"])
        state = copy.deepcopy(previous.optimizer_.state_dict()["state"])
        net.optimizer_.load_state_dict({"state": state, "param_groups": groups})
    # An epoch that was interrupted is begun again.
    net.history = type(previous.history)(
        copy.deepcopy(row) for row in previous.history if "train_loss" in row
    )


def losses_by_epoch(history: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Read the losses and scores of whole epochs off a history.

    Parameters
    ----------
    history : sequence of mapping
        The history of a net.

    Returns
    -------
    list of dict
        One dictionary an epoch, with its number from 1 and what was measured in training and validation.
    """
    rows = [row for row in history if "train_loss" in row]
    return [
        {"epoch": number}
        | {
            name: value
            for name, value in row.items()
            if name.startswith(("train_", "valid_")) and not name.endswith(("_best", "_batch_count"))
        }
        for number, row in enumerate(rows, start=1)
    ]
