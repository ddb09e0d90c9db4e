"""Speech emotion recognition inside scikit-learn, with center loss."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from ._version import __version__ as __version__

if TYPE_CHECKING:
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
    from .plot import (
        EmbeddingDisplay,
        RiskCoverageDisplay,
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
    "EmbeddingDisplay",
    "Evaluation",
    "RecordingsError",
    "RejectOption",
    "RiskCoverageDisplay",
    "SpectrogramAugmentation",
    "SpectrogramDisplay",
    "SpectrogramNetwork",
    "SpectrogramTransformer",
    "Spectrograms",
    "TimelineDisplay",
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

# In these rooms the names are found.
_ROOMS = (
    "audio",
    "classifier",
    "evaluation",
    "exceptions",
    "export",
    "features",
    "inference",
    "metrics",
    "nn",
    "persistence",
    "plot",
    "sequences",
    "spectral",
)


# Importing torch takes seconds, for which `skser --help` and `skser.__version__` should not wait.
def __getattr__(name: str) -> Any:
    """Import a name or a room when it is first used."""
    if name in _ROOMS:
        return import_module(f"{__name__}.{name}")
    if name in __all__:
        rooms = (import_module(f"{__name__}.{room}") for room in _ROOMS)
        globals()[name] = value = next(getattr(room, name) for room in rooms if hasattr(room, name))
        return value
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    """List the public names, also those that are not imported yet."""
    return sorted({*globals(), *__all__})
