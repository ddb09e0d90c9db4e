"""The skorch net that trains with center loss, and how it goes on."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import nullcontext
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from skorch import NeuralNetClassifier
from skorch.callbacks import Callback, EpochTimer, PassthroughScoring, PrintLog
from torch import Tensor

from .._utils import PRECISIONS
from ..sequences import Batch, BatchIterator, DeviceBatches, SpectrogramDataset, copied_batches


class CenterLossNet(NeuralNetClassifier):
    """A skorch net over batches of padded spectrograms whose criterion takes logits and embeddings."""

    # It differs from skorch's classifier in these seams: sample weights travel in the batch, to the criterion
    # and not to the module; both parts of the loss are recorded; accuracy is not scored on the training set;
    # on a GPU nothing waits for it within an epoch, and losses are read at its end.

    module: Any

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
        """Run the module on a batch without its sample weights."""
        inputs = {name: value for name, value in x.items() if name != "sample_weight"}
        # The lengths stay where they are: the network needs them on the CPU.
        inputs["spectrogram"] = inputs["spectrogram"].to(self.device, non_blocking=True)
        device, dtype = torch.device(self.device).type, PRECISIONS[self.precision]
        with torch.autocast(device, dtype) if dtype != torch.float32 else nullcontext():
            outputs: tuple[Tensor, Tensor] = self.module_(**inputs, **fit_params)
        return outputs

    def get_iterator(self, dataset: Any, training: bool = False) -> Any:
        """Make the iterator over the batches of a dataset; on a GPU the batches are there."""
        iterator = super().get_iterator(dataset, training=training)
        if self._on_gpu and isinstance(iterator, BatchIterator):
            return DeviceBatches(iterator, torch.device(self.device))
        return iterator

    def run_single_epoch(
        self, iterator: Iterable[Batch] | None, training: bool, prefix: str, step_fn: Any, **fit_params: Any
    ) -> None:
        """Go through the batches once; on a GPU read the losses when all are on their way."""
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
        """Make the module, the criterion and the optimizer."""
        try:
            return super().initialize()
        except (RuntimeError, MemoryError) as error:
            if "memory" not in str(error):
                raise
            raise ValueError(
                f"there is no memory for a network of this size ({error}): lower channels, rnn_units or "
                "embedding_dim."
            ) from error

    def initialize_empty(self) -> CenterLossNet:
        """Initialize without random weights, all of which the caller must load."""
        module = self.module

        def make_empty(**parameters: Any) -> torch.nn.Module:
            with torch.device("meta"):
                empty = module(**parameters)
            return empty.to_empty(device="cpu")

        self.module = make_empty
        try:
            return self.initialize()
        finally:
            self.module = module

    def train_step(self, batch: Any, **fit_params: Any) -> dict[str, Any]:
        """Take one step of the optimizer."""
        try:
            step: dict[str, Any] = super().train_step(batch, **fit_params)
        except RuntimeError as error:
            if "without overflow" not in str(error):
                raise
            raise ValueError(f"lr={self.lr!r} makes steps beyond float32: lower it.") from error
        return step

    def evaluation_step(self, batch: Any, training: bool = False) -> tuple[Tensor, Tensor]:
        """Compute the outputs of a batch."""
        return _finite(*super().evaluation_step(batch, training=training))

    def predict_outputs(
        self, dataset: SpectrogramDataset, batches: list[NDArray[Any]]
    ) -> tuple[Tensor, Tensor]:
        """Compute the outputs of a dataset."""
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
        """Compute the joint loss and record its parts."""
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


def losses_by_epoch(history: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Read the losses and scores of whole epochs off a history."""
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
