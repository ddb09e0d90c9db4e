"""Parts of a recipe that were tried and are no parameters of the estimator; recipe.py puts them in."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from skorch.callbacks import Callback
from torch import Tensor
from torch.nn import functional

from skser import CenterLossCriterion, SpectrogramAugmentation, Spectrograms


class TriedCriterion(CenterLossCriterion):
    """Cross-entropy and center loss, with what one may add to either.

    `label_smoothing` spreads that share of each label over all classes. `mixup` mixes the logits of
    pairs, which is manifold mixup at the embedding since the classes are a linear layer of it.
    `normalise` puts the embeddings on a sphere of that radius before the center loss sees them.
    """

    def __init__(
        self, *args: Any, label_smoothing: float = 0, mixup: float = 0, normalise: float = 0, **kwargs: Any
    ) -> None:
        super().__init__(*args, **kwargs)
        self.label_smoothing = label_smoothing
        self.mixup = mixup
        self.normalise = normalise

    def parts(
        self, outputs: tuple[Tensor, Tensor], y: Tensor, sample_weight: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Compute the two losses; weights of samples and classes are not part of these trials."""
        logits, z = outputs
        return self.cross_entropy(logits, y), self.center_loss(self.seen(z), y)

    def cross_entropy(self, logits: Tensor, y: Tensor) -> Tensor:
        """Compute cross-entropy, of mixed pairs where the net is in training."""
        if not (self.mixup and self.training):
            return functional.cross_entropy(logits, y, label_smoothing=self.label_smoothing)
        concentration = torch.tensor(float(self.mixup))
        share = torch.distributions.Beta(concentration, concentration).sample()
        other = torch.randperm(len(y), device=y.device)
        mixed = share * logits + (1 - share) * logits[other]
        losses = [
            functional.cross_entropy(mixed, target, label_smoothing=self.label_smoothing)
            for target in (y, y[other])
        ]
        return share * losses[0] + (1 - share) * losses[1]

    def seen(self, z: Tensor) -> Tensor:
        """Give the embeddings as the center loss sees them."""
        return self.normalise * functional.normalize(z, dim=1) if self.normalise else z


class NormalisedCenters(Callback):
    """Let the centers follow the embeddings that the center loss sees, instead of the plain ones."""

    def on_train_begin(self, net: Any, **kwargs: Any) -> None:
        """Put the seam in, once."""
        update, seen = net.criterion_.center_loss.update, net.criterion_.seen
        net.criterion_.center_loss.update = lambda z, y: update(seen(z), y)

    def on_train_end(self, net: Any, **kwargs: Any) -> None:
        """Take it out again, so that the net can be copied and stored."""
        del net.criterion_.center_loss.update


class WeightAverage(Callback):
    """Keep the mean of the network's state over the last share of the epochs."""

    def __init__(self, share: float) -> None:
        self.share = share

    def on_train_begin(self, net: Any, **kwargs: Any) -> None:
        """Start with nothing."""
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
        """Put the mean in."""
        state = net.module_.state_dict()
        means = {name: (value / self.n).to(state[name].dtype) for name, value in self.sums.items()}
        net.module_.load_state_dict(means)


class Coloured(SpectrogramAugmentation):
    """Augmentation with a random equaliser of so many dB, or with noise 30 to 60 dB below the peak."""

    def __init__(self, equaliser: float = 0, noise: bool = False, **parameters: float) -> None:
        super().__init__(**parameters)
        self.equaliser = equaliser
        self.noise = noise

    def forward(self, S: Tensor, lengths: Tensor, fill: Tensor) -> tuple[Tensor, Tensor]:
        """Change a batch, in training mode."""
        if self.training and self.noise:
            S = self._add_noise(S, lengths)
        if self.training and self.equaliser:
            nodes = 2 * torch.rand(len(S), 1, 4, device=S.device) - 1
            curve = functional.interpolate(nodes, size=S.shape[1], mode="linear", align_corners=True)[:, 0]
            S = S + self.equaliser * curve[:, :, None]
        return super().forward(S, lengths, fill)

    @staticmethod
    def _add_noise(S: Tensor, lengths: Tensor) -> Tensor:
        inside = torch.arange(S.shape[2], device=S.device) < lengths[:, None, None]
        peak = torch.where(inside, S, -200.0).amax((1, 2))
        level = peak - 30 - 30 * torch.rand(len(S), device=S.device)
        noise = level[:, None, None] + 4 * torch.randn_like(S)
        return 10 * torch.log10(10 ** (S / 10) + 10 ** (noise / 10))


class Colour(Callback):
    """Replace the network's augmentation by a coloured one with the same parameters."""

    def __init__(self, **parameters: Any) -> None:
        self.parameters = parameters

    def on_train_begin(self, net: Any, **kwargs: Any) -> None:
        """Replace it."""
        own = net.module_.augmentation
        names = ("time_stretch", "frequency_warp", "gain", "frequency_mask", "time_mask")
        values = {name: getattr(own, name) for name in names}
        net.module_.augmentation = Coloured(**self.parameters, **values).train()


def callbacks(parts: dict[str, Any]) -> list[Callback] | None:
    """Make the callbacks that some parts are."""
    made: list[Callback] = []
    if "average" in parts:
        made.append(WeightAverage(parts["average"]))
    if "colour" in parts:
        made.append(Colour(**parts["colour"]))
    if "normalise" in parts.get("criterion", {}):
        made.append(NormalisedCenters())
    return made or None


def net_params(parts: dict[str, Any]) -> dict[str, Any] | None:
    """Give the net's parameters that change the criterion."""
    if "criterion" not in parts:
        return None
    own = {f"criterion__{name}": value for name, value in parts["criterion"].items()}
    return {"criterion": TriedCriterion} | own


def normalised(X: Spectrograms) -> Spectrograms:
    """Relaxed instance frequency-wise normalisation, by 20 dB: half by the item, half by each of its bins."""
    items = []
    for S in X:
        whole = (S - S.mean()) / (S.std() + 1e-3)
        bins = (S - S.mean(axis=1, keepdims=True)) / (S.std(axis=1, keepdims=True) + 1e-3)
        items.append((10 * (whole + bins)).astype(np.float32))
    return Spectrograms(items)
