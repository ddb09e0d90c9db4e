"""The networks of the estimator: those of this package by name, and classes of users."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn

from ._dense import DenseNetwork, PooledNetwork
from ._network import SpectrogramNetwork
from ._published import PublishedNetwork
from ._standardized import StandardizedNetwork

# The networks that an estimator, and so a model file, can choose by name.
NETWORKS: dict[str, type[StandardizedNetwork]] = {
    "crnn": SpectrogramNetwork,
    "published": PublishedNetwork,
    "dense": DenseNetwork,
    "pooled": PooledNetwork,
}


class CustomNetwork(StandardizedNetwork):
    """Pass augmented, standardized and masked spectrograms to a network of the user's class."""

    def __init__(
        self,
        n_bins: int,
        n_classes: int,
        *,
        network: type[nn.Module],
        network_params: Mapping[str, Any],
        embedding_dim: int,
        augmentation: str | Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(n_bins, n_classes, augmentation)
        self.n_classes = n_classes
        self.embedding_dim = embedding_dim
        self.network = network(n_bins, n_classes, **network_params)

    def _compute(self, x: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """Compute logits and embeddings from standardized frames (B, T, F)."""
        outputs = self.network(x.transpose(1, 2), lengths)
        expected = [(len(x), self.n_classes), (len(x), self.embedding_dim)]
        found = (
            [tuple(getattr(output, "shape", ())) for output in outputs]
            if isinstance(outputs, (tuple, list))
            else None
        )
        if found != expected:
            shown = type(outputs).__name__ if found is None else f"shapes {', '.join(map(str, found))}"
            raise ValueError(
                f"{type(self.network).__name__}.forward must return logits of shape {expected[0]} and "
                f"embeddings of shape {expected[1]}, got {shown}: change it, or set embedding_dim of the "
                "classifier to the size of its embeddings."
            )
        logits, embedding = outputs
        dtype = self.bin_mean.dtype  # outputs may be in half precision
        return logits.to(dtype), embedding.to(dtype)


def keywords_of(network: type[nn.Module]) -> dict[str, Any]:
    """Keywords of a network of this package and their defaults."""
    parameters = inspect.signature(network).parameters.values()
    return {entry.name: entry.default for entry in parameters if entry.kind is entry.KEYWORD_ONLY}
