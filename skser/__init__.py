"""Speech emotion recognition inside scikit-learn, with center loss."""

from ._version import __version__ as __version__
from .audio import load_audio
from .classifier import CenterLossClassifier
from .evaluation import Evaluation, evaluate
from .exceptions import RecordingsError
from .export import to_onnx
from .features import SpectrogramTransformer, clear_cache, reduce_cache
from .inference import RejectOption, predict_timeline
from .metrics import (
    intra_inter_ratio,
    risk_coverage_curve,
    unweighted_accuracy,
    unweighted_accuracy_scorer,
    weighted_accuracy,
    weighted_accuracy_scorer,
)
from .nn import CenterLoss, CenterLossCriterion, SpectrogramAugmentation, SpectrogramNetwork
from .persistence import load_model, load_pretrained, save_model
from .plot import EmbeddingDisplay, SpectrogramDisplay, TrainingHistoryDisplay
from .sequences import Spectrograms
from .spectral import frequencies, mel_spectrogram, power_spectrogram, power_to_db, spectrogram

__all__ = [
    "CenterLoss",
    "CenterLossClassifier",
    "CenterLossCriterion",
    "EmbeddingDisplay",
    "Evaluation",
    "RecordingsError",
    "RejectOption",
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
    "load_pretrained",
    "mel_spectrogram",
    "power_spectrogram",
    "power_to_db",
    "predict_timeline",
    "reduce_cache",
    "risk_coverage_curve",
    "save_model",
    "spectrogram",
    "to_onnx",
    "unweighted_accuracy",
    "unweighted_accuracy_scorer",
    "weighted_accuracy",
    "weighted_accuracy_scorer",
]
