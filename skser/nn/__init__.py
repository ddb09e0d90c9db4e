"""Network, augmentation and losses as PyTorch modules, for training without the estimator.

The network takes padded spectrograms and the frames of each item, and returns logits and embeddings. The
centers are not parameters of the optimizer: `update` moves them after each step.

>>> import torch
>>> from skser.nn import CenterLossCriterion, SpectrogramNetwork
>>> network = SpectrogramNetwork(n_bins=40, n_classes=4, augmentation="moderate")
>>> criterion = CenterLossCriterion(n_classes=4, embedding_dim=64)
>>> optimizer = torch.optim.AdamW(network.parameters())
>>> S, lengths = torch.randn(8, 40, 120), torch.randint(60, 121, (8,))  # dB; lengths stay on the CPU
>>> y = torch.arange(8) % 4
>>> for epoch in range(2):
...     logits, embedding = network(S, lengths)
...     optimizer.zero_grad()
...     criterion((logits, embedding), y).backward()
...     optimizer.step()
...     criterion.center_loss.update(embedding, y)
>>> embedding.shape
torch.Size([8, 64])

`SpectrogramNetwork.standardize_with` sets the mean and the standard deviation of each bin; compute them on
the training set. `network.eval()` turns augmentation and dropout off.
"""

from ._augmentation import SpectrogramAugmentation, make_augmentation
from ._batch_norm import MaskedBatchNorm2d
from ._dense import DenseNetwork, HeadNetwork, PooledNetwork
from ._losses import CenterLoss, CenterLossCriterion
from ._network import Attention, ConvolutionBlock, SpectrogramNetwork, check_network_parameters
from ._networks import NETWORKS, CustomNetwork, keywords_of
from ._published import MIN_FRAMES, PublishedBlock, PublishedNetwork
from ._standardized import StandardizedNetwork

__all__ = [
    "CenterLoss",
    "CenterLossCriterion",
    "DenseNetwork",
    "PooledNetwork",
    "PublishedNetwork",
    "SpectrogramAugmentation",
    "SpectrogramNetwork",
]
