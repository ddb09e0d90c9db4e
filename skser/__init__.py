"""Speech emotion recognition inside scikit-learn, with center loss."""

from ._fork import compute_in_one_thread_after_a_fork
from .audio import load_audio
from .augmentation import SpectrogramAugmentation
from .classifier import CenterLossClassifier
from .evaluation import Evaluation, evaluate
from .eviction import clear_cache, reduce_cache
from .exceptions import RecordingsError
from .export import to_onnx
from .losses import CenterLoss, CenterLossCriterion
from .metrics import (
    intra_inter_ratio,
    unweighted_accuracy,
    unweighted_accuracy_scorer,
    weighted_accuracy,
    weighted_accuracy_scorer,
)
from .network import SpectrogramNetwork
from .persistence import load_model, save_model
from .plot import EmbeddingDisplay, SpectrogramDisplay, TrainingHistoryDisplay
from .sequences import Spectrograms
from .spectrogram import frequencies, mel_spectrogram, power_spectrogram, power_to_db, spectrogram
from .transformer import SpectrogramTransformer

compute_in_one_thread_after_a_fork()

__version__ = "0.1.0"

__all__ = [
    "CenterLoss",
    "CenterLossClassifier",
    "CenterLossCriterion",
    "EmbeddingDisplay",
    "Evaluation",
    "RecordingsError",
    "SpectrogramAugmentation",
    "SpectrogramDisplay",
    "SpectrogramNetwork",
    "SpectrogramTransformer",
    "Spectrograms",
    "TrainingHistoryDisplay",
    "clear_cache",
    "evaluate",
    "frequencies",
    "intra_inter_ratio",
    "load_audio",
    "load_model",
    "mel_spectrogram",
    "power_spectrogram",
    "power_to_db",
    "reduce_cache",
    "save_model",
    "spectrogram",
    "to_onnx",
    "unweighted_accuracy",
    "unweighted_accuracy_scorer",
    "weighted_accuracy",
    "weighted_accuracy_scorer",
]
