"""Pictures of spectrograms, embeddings, training and predictions, after scikit-learn's Display convention."""

from ._embedding import EmbeddingDisplay
from ._history import TrainingHistoryDisplay
from ._reliability import ReliabilityDisplay
from ._risk_coverage import RiskCoverageDisplay
from ._saliency import SaliencyDisplay
from ._spectrogram import SpectrogramDisplay
from ._timeline import TimelineDisplay
