"""Callbacks of the training loop: centers, seeds, schedules, guards, early stopping."""

from __future__ import annotations

import copy
import math
from typing import Any

import numpy as np
import torch
from skorch.callbacks import Callback
from torch import Tensor

from ..metrics import unweighted_accuracy
from ._generators import seed_generators
from ._net import CenterLossNet
from ._state import fitted_tensors, load_fitted_tensors

SCHEDULES = ("constant", "one-cycle")


class CenterUpdate(Callback):
    """Move the centers after each training step, toward the embeddings computed before the step."""

    def on_batch_end(
        self, net: CenterLossNet, batch: Any = None, training: bool = False, y_pred: Any = None, **kwargs: Any
    ) -> None:
        """Update the centers of the net's criterion."""
        if training:
            net.criterion_.center_loss.update(y_pred[1], batch[1].to(net.device, non_blocking=True))


def _progress(net: CenterLossNet, max_epochs: int, first_epoch: int) -> float:
    """Share of `max_epochs` completed in the middle of the current epoch, counted from `first_epoch`."""
    return (len(net.history) - 1 - first_epoch + 0.5) / max_epochs


class CenterRamp(Callback):
    """Raise the weight of the center loss from zero to lambda during training, linearly by epoch."""

    # Early centers do not represent their classes yet, and pulling embeddings to them slows learning down.
    # The centers follow the embeddings from the first epoch, whatever the weight.

    def __init__(
        self, center_lambda: float, first: float, last: float, max_epochs: int, first_epoch: int = 0
    ) -> None:
        self.center_lambda = center_lambda
        self.first = first
        self.last = last
        self.max_epochs = max_epochs
        self.first_epoch = first_epoch

    def on_epoch_begin(self, net: CenterLossNet, **kwargs: Any) -> None:
        """Set the weight of the epoch."""
        progress = _progress(net, self.max_epochs, self.first_epoch)
        net.criterion_.center_lambda = self.center_lambda * self.share(progress)

    def on_train_end(self, net: CenterLossNet, **kwargs: Any) -> None:
        """Reset the weight to the parameter of the criterion."""
        net.criterion_.center_lambda = self.center_lambda

    def share(self, progress: float) -> float:
        """Compute the weight as a share of lambda."""
        if progress >= self.last:
            return 1.0
        if progress <= self.first:
            return 0.0
        return (progress - self.first) / (self.last - self.first)


class CenterWarmup(Callback):
    """Train the first steps at lambda 0 and alpha 1."""

    # The centers start at zero. In these steps they reach the means of their classes, before they attract
    # embeddings. Steps are counted in the history, which is part of model files, checkpoints and continued
    # training. The loss of a validation set always has the full weight.

    def __init__(self, n_steps: int, center_lambda: float, center_alpha: float) -> None:
        self.n_steps = n_steps
        self.center_lambda = center_lambda
        self.center_alpha = center_alpha

    def on_batch_begin(self, net: CenterLossNet, training: bool = False, **kwargs: Any) -> None:
        """Set the weight and the rate of a step."""
        self._set(net, warm=training and self._steps_before(net) < self.n_steps)

    def on_train_end(self, net: CenterLossNet, **kwargs: Any) -> None:
        """Reset the weight and the rate to the parameters of the criterion."""
        self._set(net, warm=False)

    def _set(self, net: CenterLossNet, warm: bool) -> None:
        net.criterion_.center_lambda = 0.0 if warm else self.center_lambda
        net.criterion_.center_loss.alpha = 1.0 if warm else self.center_alpha

    @staticmethod
    def _steps_before(net: CenterLossNet) -> int:
        """Count the steps before the one that begins, which the history already holds."""
        earlier = sum(row["train_batch_count"] for row in net.history[:-1])
        return earlier + len(net.history[-1]["batches"]) - 1


class EpochSeed(Callback):
    """Seed torch's generators at the start of each epoch, from the seed and the number of the epoch."""

    # Then the shuffling and dropout of an epoch do not depend on earlier epochs: training that was
    # interrupted and resumed gives the same network as training in one run.

    def __init__(self, seed: int) -> None:
        self.seed = seed

    def on_epoch_begin(self, net: CenterLossNet, **kwargs: Any) -> None:
        """Seed the generators for the epoch that begins."""
        self.seed_epoch(len(net.history), torch.device(net.device))

    def seed_epoch(self, number: int, device: torch.device) -> None:
        """Seed the generators for an epoch of a given number."""
        state = np.random.SeedSequence([self.seed, number]).generate_state(1, np.uint64)
        seed_generators(int(state[0]), device)


class OneCycle(Callback):
    """Raise the learning rate to its highest value and lower it again, in one cycle over all epochs."""

    # It rises linearly over the first 30 % of the epochs and falls toward zero along half a cosine, with one
    # step per epoch. Epochs after the end of the cycle use a tenth of the highest rate.
    # Smith and Topin, "Super-convergence: very fast training of neural networks using large learning rates",
    # SPIE Artificial Intelligence and Machine Learning for Multi-Domain Operations Applications, 2019.

    _RISE = 0.3
    _AFTER = 0.1

    def __init__(self, lr: float, max_epochs: int, first_epoch: int = 0) -> None:
        self.lr = lr
        self.max_epochs = max_epochs
        self.first_epoch = first_epoch

    def on_epoch_begin(self, net: CenterLossNet, **kwargs: Any) -> None:
        """Set the learning rate of the epoch."""
        share = self.share(_progress(net, self.max_epochs, self.first_epoch))
        for group in net.optimizer_.param_groups:
            group["lr"] = self.lr * share

    def share(self, progress: float) -> float:
        """Compute the rate as a share of the highest one."""
        if progress > 1:
            return self._AFTER
        if progress < self._RISE:
            return progress / self._RISE
        return (1 + math.cos(math.pi * (progress - self._RISE) / (1 - self._RISE))) / 2


class FiniteLoss(Callback):
    """Raise if the loss, a weight or a center is not finite."""

    def on_batch_end(
        self, net: CenterLossNet, training: bool = False, loss: Any = None, **kwargs: Any
    ) -> None:
        """Check the loss of a training step, unless it is on a GPU, for which the CPU would have to wait."""
        if training and loss.device.type == "cpu":
            self._check_loss(net, loss.item())

    def on_epoch_end(self, net: CenterLossNet, **kwargs: Any) -> None:
        """Check all losses of the epoch, and the weights and centers after its last step."""
        for loss in net.history[-1, "batches", :, "train_loss"]:
            self._check_loss(net, loss)
        state = [*net.module_.state_dict().values(), net.criterion_.center_loss.centers]
        if not bool(torch.stack([torch.isfinite(value).all() for value in state]).all()):
            self._fail(net, "The weights or centers became NaN or infinite")

    def _check_loss(self, net: CenterLossNet, loss: float) -> None:
        if not np.isfinite(loss):
            self._fail(net, f"The loss became {loss}")

    @staticmethod
    def _fail(net: CenterLossNet, what: str) -> None:
        raise ValueError(
            f"{what} in epoch {len(net.history)}: lower lr (now {net.lr}) or center_lambda (now "
            f"{net.criterion_.center_lambda}), or clip gradients with "
            "callbacks=[skorch.callbacks.GradientNormClipping(1.0)]."
        )


class EarlyStopping(Callback):
    """Stop when the unweighted accuracy on the validation set no longer rises; restore the best epoch."""

    # Of two epochs with equal accuracy, the one with the lower validation loss is better.

    def __init__(self, patience: int) -> None:
        self.patience = patience

    def on_train_begin(self, net: CenterLossNet, **kwargs: Any) -> None:
        """Forget the best epoch of an earlier training run."""
        self.best_score_ = (-np.inf, -np.inf)
        self.best_epoch_ = 0
        self.stopped_ = False
        self.best_tensors_: dict[str, Tensor] = {}

    def on_epoch_begin(self, net: CenterLossNet, **kwargs: Any) -> None:
        """Discard the predictions of the previous epoch."""
        self.y_true_: list[Tensor] = []
        self.y_pred_: list[Tensor] = []

    def on_batch_end(
        self, net: CenterLossNet, batch: Any = None, training: bool = False, y_pred: Any = None, **kwargs: Any
    ) -> None:
        """Collect the predictions of a validation batch."""
        if not training:
            self.y_true_.append(batch[1])
            self.y_pred_.append(y_pred[0].argmax(dim=1))

    def on_epoch_end(self, net: CenterLossNet, **kwargs: Any) -> None:
        """Score the epoch, keep its state if it is the best, and stop when the patience is exhausted."""
        if not self.y_true_:  # without a validation set
            return
        y_true, y_pred = (torch.cat(batches).cpu().numpy() for batches in (self.y_true_, self.y_pred_))
        accuracy = unweighted_accuracy(y_true, y_pred)
        score = (accuracy, -net.history[-1, "valid_loss"])
        better = score > self.best_score_
        net.history.record("valid_unweighted_accuracy", accuracy)
        net.history.record("valid_unweighted_accuracy_best", better)
        if better:
            self.best_score_, self.best_epoch_ = score, len(net.history)
            self.best_tensors_ = copy.deepcopy(fitted_tensors(net))
        elif len(net.history) - self.best_epoch_ >= self.patience:
            self.stopped_ = True
            raise KeyboardInterrupt

    def on_train_end(self, net: CenterLossNet, **kwargs: Any) -> None:
        """Restore network and centers of the best epoch."""
        if self.best_tensors_:
            load_fitted_tensors(net, self.best_tensors_)
            self.best_tensors_ = {}

    def state_dict(self) -> dict[str, Any]:
        """Return the best score, epoch and tensors so far, for a checkpoint."""
        return {"best_score": self.best_score_, "best_epoch": self.best_epoch_, **self.best_tensors_}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore the values that `state_dict` returned."""
        self.best_score_, self.best_epoch_ = state["best_score"], state["best_epoch"]
        self.best_tensors_ = {name: value for name, value in state.items() if isinstance(value, Tensor)}
