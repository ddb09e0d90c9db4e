"""The parts of a spectrogram that a prediction depends on."""

from __future__ import annotations

import copy

import numpy as np
import torch
from numpy.typing import NDArray

from .._utils import torch_defaults, torch_settings
from ._classifier import CenterLossClassifier


def compute_saliency(
    classifier: CenterLossClassifier, S: NDArray[np.float32], number: int
) -> NDArray[np.float32]:
    """Gradient of the log-probability of a class times the level above silence: (n_bins, n_frames)."""
    with torch_settings(torch.device("cpu")), torch_defaults(), torch.enable_grad():
        # On a copy on the CPU, because cuDNN has no gradient of a recurrent layer in evaluation mode.
        network = copy.deepcopy(classifier.net_.module_).cpu().eval()
        spectrogram = torch.tensor(S)[None].requires_grad_()
        logits, _ = network(spectrogram, torch.tensor([S.shape[1]]))
        score = torch.log_softmax(logits / classifier.temperature_, dim=1)[0, number]
        (gradient,) = torch.autograd.grad(score, spectrogram)
    # Silence is the lowest level of the item; decibels have no zero of their own.
    saliency: NDArray[np.float32] = gradient[0].numpy() * (S - S.min())
    return saliency
