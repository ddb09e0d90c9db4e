"""The network, its augmentation and its losses, for training loops of one's own."""

from ._augmentation import SpectrogramAugmentation, make_augmentation
from ._batch_norm import MaskedBatchNorm2d
from ._losses import CenterLoss, CenterLossCriterion
from ._network import Attention, ConvolutionBlock, SpectrogramNetwork, check_network_parameters

__all__ = [
    "CenterLoss",
    "CenterLossCriterion",
    "SpectrogramAugmentation",
    "SpectrogramNetwork",
]
