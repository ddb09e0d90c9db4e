"""The skorch net that trains with center loss, and how it goes on."""

from __future__ import annotations

import copy
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from skorch import NeuralNetClassifier
from skorch.callbacks import Callback, EpochTimer, PassthroughScoring, PrintLog
from torch import Tensor

from ._device import PRECISIONS
from ._device_batches import Batch, DeviceBatches, copied_batches
from .batches import BatchIterator, SpectrogramDataset
from .network import SpectrogramNetwork

__all__ = [
    "CenterLossNet",
    "continue_from",
    "isolated_generators",
    "losses_by_epoch",
    "seed_generators",
]


_GENERATORS = threading.RLock()


class CenterLossNet(NeuralNetClassifier):
    """A skorch net over batches of padded spectrograms whose criterion takes logits and embeddings.

    It differs from skorch's classifier in these seams: sample weights travel in the batch, to the
    criterion and not to the module; both parts of the loss are recorded; accuracy is not scored on
    the training set; on a GPU nothing waits for it within an epoch, and losses are read at its end.

    Parameters
    ----------
    *args : tuple
        Those of `skorch.NeuralNetClassifier`.
    precision : {"float32", "bfloat16"}, default="float32"
        Type of the numbers in the convolutions. Weights, statistics of the normalisation, and all that
        follows the convolutions are float32.
    **kwargs : dict
        Those of `skorch.NeuralNetClassifier`; `compile` compiles the convolutions alone, in place, so that
        names of weights and files stay as they are.
    """

    def __init__(self, *args: Any, precision: str = "float32", **kwargs: Any) -> None:
        self.precision = precision
        super().__init__(*args, **kwargs)

    @property
    def _on_gpu(self) -> bool:
        """Whether to let the host run ahead of the device."""
        return torch.device(self.device).type == "cuda"

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
        # The lengths stay where they are: the network needs them on the CPU.
        inputs["spectrogram"] = inputs["spectrogram"].to(self.device, non_blocking=True)
        device, dtype = torch.device(self.device).type, PRECISIONS[self.precision]
        with torch.autocast(device, dtype) if dtype != torch.float32 else nullcontext():
            outputs: tuple[Tensor, Tensor] = self.module_(**inputs, **fit_params)
        return outputs

    def torch_compile(self, module: Any, name: str) -> Any:
        """Compile the convolutions of a network, if that is wanted.

        Parameters
        ----------
        module : torch.nn.Module
            Module or criterion.
        name : str
            Not used.

        Returns
        -------
        torch.nn.Module
            The same module.
        """
        if self.compile and isinstance(module, SpectrogramNetwork):
            # Lengths differ from batch to batch: one compilation does for all.
            module.convolutions.compile(**{"dynamic": True, **self.get_params_for("compile")})
        return module

    def get_iterator(self, dataset: Any, training: bool = False) -> Any:
        """Make the iterator over the batches of a dataset; on a GPU the batches are there.

        Parameters
        ----------
        dataset : SpectrogramDataset
            The items.
        training : bool, default=False
            Whether it is the training part.

        Returns
        -------
        iterable
            The batches.
        """
        iterator = super().get_iterator(dataset, training=training)
        if self._on_gpu and isinstance(iterator, BatchIterator):
            return DeviceBatches(iterator, torch.device(self.device))
        return iterator

    def run_single_epoch(
        self, iterator: Iterable[Batch] | None, training: bool, prefix: str, step_fn: Any, **fit_params: Any
    ) -> None:
        """Go through the batches once; on a GPU read the losses when all are on their way.

        Parameters
        ----------
        iterator : iterable or None
            The batches; there is nothing to do for None.
        training : bool
            Whether it is the training part.
        prefix : {"train", "valid"}
            Beginning of the names in the history.
        step_fn : callable
            What is done with a batch.
        **fit_params : dict
            Passed on to `step_fn`.
        """
        if iterator is None or not self._on_gpu:
            super().run_single_epoch(iterator, training, prefix, step_fn, **fit_params)
            return
        count = 0
        try:
            for batch in iterator:  # as skorch's own loop, which asks for each loss at once
                self.notify("on_batch_begin", batch=batch, training=training)
                step = step_fn(batch, **fit_params)
                self.history.record_batch(f"{prefix}_loss", step["loss"].detach())
                self.history.record_batch(f"{prefix}_batch_size", len(batch[1]))
                self.notify("on_batch_end", batch=batch, training=training, **step)
                count += 1
        finally:
            self._read_losses()
        self.history.record(f"{prefix}_batch_count", count)

    def _read_losses(self) -> None:
        """Replace losses of the epoch that are still on the device by numbers, all in one copy."""
        rows = self.history[-1]["batches"]
        places = [
            (row, name) for row in rows for name, value in row.items() if isinstance(value, torch.Tensor)
        ]
        if places:
            numbers = torch.stack([row[name] for row, name in places]).tolist()
            for (row, name), number in zip(places, numbers, strict=True):
                row[name] = number

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
        return _finite(*super().evaluation_step(batch, training=training))

    def answer(self, dataset: SpectrogramDataset, batches: list[NDArray[Any]]) -> tuple[Tensor, Tensor]:
        """Compute the outputs of a dataset.

        Parameters
        ----------
        dataset : SpectrogramDataset
            The items.
        batches : list of ndarray
            Numbers of the items of each batch, which name each item once.

        Returns
        -------
        logits : Tensor of shape (n, n_classes)
            Class scores, on the CPU.
        embedding : Tensor of shape (n, embedding_dim)
            Embeddings, on the CPU.

        Raises
        ------
        ValueError
            If one of them is NaN or infinite.
        """
        collated = (dataset.batch(indices) for indices in batches)
        outputs = [
            super(CenterLossNet, self).evaluation_step(batch)
            for batch in copied_batches(collated, torch.device(self.device))
        ]
        where = torch.from_numpy(np.concatenate(batches))
        in_order = []
        for parts in zip(*outputs, strict=True):
            values = torch.cat(parts).cpu()
            in_order.append(torch.empty_like(values).index_copy_(0, where, values))
        return _finite(*in_order)

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
        weight = None if weight is None else weight.to(self.device, non_blocking=True)
        cross_entropy, center = self.criterion_.parts(
            y_pred, y_true.to(self.device, non_blocking=True), weight
        )
        prefix = "train" if training else "valid"
        for name, part in (("cross_entropy", cross_entropy), ("center_loss", center)):
            self.history.record_batch(f"{prefix}_{name}", part.detach() if self._on_gpu else part.item())
        return self.criterion_.join(cross_entropy, center)


def _finite(logits: Tensor, embedding: Tensor) -> tuple[Tensor, Tensor]:
    """Give outputs back, or raise if one is not finite."""
    if not (torch.isfinite(logits).all() and torch.isfinite(embedding).all()):
        raise ValueError(
            "the network's answers are NaN or infinite: train it with a lower lr or weight_decay, and "
            "scale spectrograms that reach far beyond those of training."
        )
    return logits, embedding


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
