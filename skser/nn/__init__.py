"""The network, its augmentation and its losses, for training loops of one's own."""

from ._augmentation import SpectrogramAugmentation
from ._augmentation import make_augmentation as make_augmentation
from ._batch_norm import MaskedBatchNorm2d as MaskedBatchNorm2d
from ._losses import CenterLoss, CenterLossCriterion
from ._network import Attention as Attention
from ._network import ConvolutionBlock as ConvolutionBlock
from ._network import SpectrogramNetwork
from ._network import check_network_parameters as check_network_parameters

__all__ = [
    "CenterLoss",
    "CenterLossCriterion",
    "SpectrogramAugmentation",
    "SpectrogramNetwork",
]
