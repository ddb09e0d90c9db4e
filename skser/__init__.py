"""Speech emotion recognition with center loss, as scikit-learn estimators."""

from ._version import __version__ as __version__
from .audio import load_audio
from .classifier import CenterLossClassifier, make_published_pipeline
from .evaluation import Evaluation, evaluate, skew_test_sets
from .exceptions import RecordingsError
from .export import to_onnx
from .features import (
    SpeakerNormalizer,
    SpectrogramTransformer,
    SpeechEncoderTransformer,
    clear_cache,
    normalize_by_group,
    reduce_cache,
)
from .inference import RejectOption, predict_timeline
from .metrics import (
    accuracy_at_coverage,
    expected_calibration_error,
    intra_inter_ratio,
    reliability_curve,
    risk_coverage_curve,
    unweighted_accuracy,
    unweighted_accuracy_scorer,
    weighted_accuracy,
    weighted_accuracy_scorer,
)
from .nn import (
    CenterLoss,
    CenterLossCriterion,
    DenseNetwork,
    PooledNetwork,
    PublishedNetwork,
    SpectrogramAugmentation,
    SpectrogramNetwork,
)
from .persistence import load_model, load_pretrained, save_model
from .plot import (
    EmbeddingDisplay,
    ReliabilityDisplay,
    RiskCoverageDisplay,
    SaliencyDisplay,
    SpectrogramDisplay,
    TimelineDisplay,
    TrainingHistoryDisplay,
)
from .sequences import Spectrograms
from .spectral import frequencies, mel_spectrogram, power_spectrogram, power_to_db, spectrogram

__all__ = [
    "CenterLoss",
    "CenterLossClassifier",
    "CenterLossCriterion",
    "DenseNetwork",
    "EmbeddingDisplay",
    "Evaluation",
    "PooledNetwork",
    "PublishedNetwork",
    "RecordingsError",
    "RejectOption",
    "ReliabilityDisplay",
    "RiskCoverageDisplay",
    "SaliencyDisplay",
    "SpeakerNormalizer",
    "SpectrogramAugmentation",
    "SpectrogramDisplay",
    "SpectrogramNetwork",
    "SpectrogramTransformer",
    "Spectrograms",
    "SpeechEncoderTransformer",
    "TimelineDisplay",
    "TrainingHistoryDisplay",
    "accuracy_at_coverage",
    "clear_cache",
    "evaluate",
    "expected_calibration_error",
    "frequencies",
    "intra_inter_ratio",
    "load_audio",
    "load_model",
    "load_pretrained",
    "make_published_pipeline",
    "mel_spectrogram",
    "normalize_by_group",
    "power_spectrogram",
    "power_to_db",
    "predict_timeline",
    "reduce_cache",
    "reliability_curve",
    "risk_coverage_curve",
    "save_model",
    "skew_test_sets",
    "spectrogram",
    "to_onnx",
    "unweighted_accuracy",
    "unweighted_accuracy_scorer",
    "weighted_accuracy",
    "weighted_accuracy_scorer",
]
