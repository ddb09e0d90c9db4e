"""Parts of a recipe that were tried and are not parameters of the estimator; recipe.py adds them."""

from __future__ import annotations

from typing import Any

from skorch.callbacks import Callback
from torch import Tensor
from torch.nn import functional

from skser import CenterLossCriterion


class TriedCriterion(CenterLossCriterion):
    """The joint loss with label smoothing, or with center loss on a sphere of the radius `normalise`."""

    def __init__(self, *args: Any, label_smoothing: float = 0, normalise: float = 0, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.label_smoothing = label_smoothing
        self.normalise = normalise

    def parts(
        self, outputs: tuple[Tensor, Tensor], y: Tensor, sample_weight: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Compute the two losses; weights of samples and classes are not part of these trials."""
        logits, z = outputs
        cross_entropy = functional.cross_entropy(logits, y, label_smoothing=self.label_smoothing)
        return cross_entropy, self.center_loss(self.on_sphere(z), y)

    def on_sphere(self, z: Tensor) -> Tensor:
        """Project embeddings onto the sphere, if there is one."""
        return self.normalise * functional.normalize(z, dim=1) if self.normalise else z


class CentersOnSphere(Callback):
    """Let the centers follow the embeddings on the sphere instead of the plain ones."""

    def on_train_begin(self, net: Any, **kwargs: Any) -> None:
        """Replace the update of the centers."""
        update, on_sphere = net.criterion_.center_loss.update, net.criterion_.on_sphere
        net.criterion_.center_loss.update = lambda z, y: update(on_sphere(z), y)

    def on_train_end(self, net: Any, **kwargs: Any) -> None:
        """Restore it, so that the net can be copied and stored."""
        del net.criterion_.center_loss.update


class WeightAverage(Callback):
    """Keep the mean of the network's state over the last share of the epochs."""

    def __init__(self, share: float) -> None:
        self.share = share

    def on_train_begin(self, net: Any, **kwargs: Any) -> None:
        """Start with an empty sum."""
        self.sums: dict[str, Tensor] = {}
        self.n = 0

    def on_epoch_end(self, net: Any, **kwargs: Any) -> None:
        """Add the state of an epoch."""
        if len(net.history) <= net.max_epochs * (1 - self.share):
            return
        self.n += 1
        for name, value in net.module_.state_dict().items():
            self.sums[name] = self.sums.get(name, 0) + value.double()

    def on_train_end(self, net: Any, **kwargs: Any) -> None:
        """Load the mean into the network."""
        state = net.module_.state_dict()
        means = {name: (value / self.n).to(state[name].dtype) for name, value in self.sums.items()}
        net.module_.load_state_dict(means)


def callbacks(parts: dict[str, Any]) -> list[Callback] | None:
    """Make the callbacks of some parts."""
    made: list[Callback] = []
    if "average" in parts:
        made.append(WeightAverage(parts["average"]))
    if "normalise" in parts.get("criterion", {}):
        made.append(CentersOnSphere())
    return made or None


def net_params(parts: dict[str, Any]) -> dict[str, Any] | None:
    """Make the net's parameters that change the criterion."""
    if "criterion" not in parts:
        return None
    own = {f"criterion__{name}": value for name, value in parts["criterion"].items()}
    return {"criterion": TriedCriterion} | own
