"""The skorch net that trains with center loss."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from skorch import NeuralNetClassifier
from skorch.callbacks import Callback, EpochTimer, PassthroughScoring, PrintLog
from torch import Tensor

from .._utils import PRECISIONS
from ..sequences import Batch, BatchIterator, DeviceBatches, SpectrogramDataset, copy_ahead

_LOSSES = ("loss", "cross_entropy", "center_loss")


class CenterLossNet(NeuralNetClassifier):
    """A skorch net over batches of padded spectrograms whose criterion takes logits and embeddings."""

    # It differs from skorch's classifier in four points. Sample weights are part of a batch and go to the
    # criterion, not to the module. Both terms of the loss are recorded. Accuracy on the training set is not.
    # On a GPU the losses of an epoch are read at its end, so that the CPU never waits within an epoch.

    module: Any

    def __init__(self, *args: Any, precision: str = "float32", **kwargs: Any) -> None:
        self.precision = precision
        super().__init__(*args, **kwargs)

    @property
    def uses_gpu(self) -> bool:
        """Whether the net computes on a GPU, while the CPU prepares the next steps."""
        return torch.device(self.device).type == "cuda"

    @property
    def _default_callbacks(self) -> list[tuple[str, Callback]]:
        names = [f"{part}_{loss}" for part in ("train", "valid") for loss in _LOSSES]
        scores = [(name, PassthroughScoring(name, on_train=name.startswith("train"))) for name in names]
        return [("epoch_timer", EpochTimer()), *scores, ("print_log", PrintLog())]

    def initialize(self) -> CenterLossNet:
        """Make the module, the criterion and the optimizer."""
        try:
            with _explain_settings():
                return super().initialize()
        except (RuntimeError, MemoryError) as error:
            if "memory" not in str(error):
                raise
            raise ValueError(
                f"the network does not fit into memory ({error}): lower channels, rnn_units, "
                "embedding_dim or network_params."
            ) from error

    def initialize_empty(self) -> CenterLossNet:
        """Initialize without random weights; the caller must load all weights."""
        module = self.module

        def make_empty(**parameters: Any) -> torch.nn.Module:
            """Make the module without drawing random numbers."""
            with torch.device("meta"):
                empty = module(**parameters)
            return empty.to_empty(device="cpu")

        self.module = make_empty
        try:
            return self.initialize()
        finally:
            self.module = module

    def get_iterator(self, dataset: Any, training: bool = False) -> Any:
        """Make the iterator over the batches of a dataset, which are on the GPU if there is one."""
        with _explain_settings():
            iterator = super().get_iterator(dataset, training=training)
        if self.uses_gpu and isinstance(iterator, BatchIterator):
            return DeviceBatches(iterator, torch.device(self.device))
        return iterator

    def run_single_epoch(
        self, iterator: Iterable[Batch] | None, training: bool, prefix: str, step_fn: Any, **fit_params: Any
    ) -> None:
        """Go through the batches once."""
        if iterator is None or not self.uses_gpu:
            super().run_single_epoch(iterator, training, prefix, step_fn, **fit_params)
            return
        # A copy of skorch's loop except for one line: skorch reads each loss with `.item()`, which makes the
        # CPU wait for the GPU once per batch. This loop reads all losses at the end.
        count = 0
        try:
            for batch in iterator:
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
        """Replace losses of the epoch that are still on the device with numbers, in a single copy."""
        places = [
            (row, name)
            for row in self.history[-1]["batches"]
            for name, value in row.items()
            if isinstance(value, Tensor)
        ]
        if places:
            numbers = torch.stack([row[name] for row, name in places]).tolist()
            for (row, name), number in zip(places, numbers, strict=True):
                row[name] = number

    def train_step(self, batch: Any, **fit_params: Any) -> dict[str, Any]:
        """Take one step of the optimizer."""
        try:
            step: dict[str, Any] = super().train_step(batch, **fit_params)
        except RuntimeError as error:
            if "without overflow" not in str(error):
                raise
            raise ValueError(
                f"lr={self.lr!r} leads to steps beyond the range of float32: lower it."
            ) from error
        return step

    def infer(self, x: Mapping[str, Tensor], **fit_params: Any) -> tuple[Tensor, Tensor]:
        """Run the module on a batch without its sample weights."""
        inputs = {name: value for name, value in x.items() if name != "sample_weight"}
        # Lengths stay on the CPU, where the network needs them.
        inputs["spectrogram"] = inputs["spectrogram"].to(self.device, non_blocking=True)
        device, dtype = torch.device(self.device).type, PRECISIONS[self.precision]
        with torch.autocast(device, dtype) if dtype != torch.float32 else nullcontext():
            outputs: tuple[Tensor, Tensor] = self.module_(**inputs, **fit_params)
        return outputs

    def get_loss(self, y_pred: Any, y_true: Any, X: Any = None, training: bool = False) -> Tensor:
        """Compute the joint loss and record its terms."""
        y = y_true.to(self.device, non_blocking=True)
        weight = (X or {}).get("sample_weight")
        weight = None if weight is None else weight.to(self.device, non_blocking=True)
        cross_entropy, center = self.criterion_.parts(y_pred, y, weight)
        prefix = "train" if training else "valid"
        for name, part in (("cross_entropy", cross_entropy), ("center_loss", center)):
            self.history.record_batch(f"{prefix}_{name}", part.detach() if self.uses_gpu else part.item())
        return self.criterion_.join(cross_entropy, center)

    def predict_outputs(
        self, dataset: SpectrogramDataset, batches: list[NDArray[Any]]
    ) -> tuple[Tensor, Tensor]:
        """Compute logits and embeddings of a dataset, in its order and on the CPU."""
        collated = (dataset.batch(indices) for indices in batches)
        outputs = [self.evaluation_step(batch) for batch in copy_ahead(collated, torch.device(self.device))]
        position = np.argsort(np.concatenate(batches))
        logits, embedding = (torch.cat(parts).cpu()[position] for parts in zip(*outputs, strict=True))
        return _check_finite(logits, embedding)


@contextmanager
def _explain_settings() -> Iterator[None]:
    """Add the cure to the error for a setting that a part of the net does not take."""
    try:
        yield
    except TypeError as error:
        if "unexpected keyword argument" not in str(error):
            raise
        raise TypeError(f"{error}: correct net_params or network_params.") from error


def _check_finite(logits: Tensor, embedding: Tensor) -> tuple[Tensor, Tensor]:
    """Return the outputs, or raise unless all are finite."""
    if not (torch.isfinite(logits).all() and torch.isfinite(embedding).all()):
        raise ValueError(
            "the network's outputs are NaN or infinite: train it with a lower lr or weight_decay, and "
            "scale spectrograms whose values are far outside the range of the training data."
        )
    return logits, embedding


def losses_by_epoch(history: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Collect the losses and scores of complete epochs from a history."""
    rows = [row for row in history if "train_loss" in row]
    return [{"epoch": number} | _losses(row) for number, row in enumerate(rows, start=1)]


def _losses(row: Mapping[str, Any]) -> dict[str, Any]:
    """Select the losses and scores of one epoch."""
    return {
        name: value
        for name, value in row.items()
        if name.startswith(("train_", "valid_")) and not name.endswith(("_best", "_batch_count"))
    }
