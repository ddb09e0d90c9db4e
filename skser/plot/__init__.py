"""Pictures of spectrograms, embeddings and training runs, after scikit-learn's Display convention."""

from ._embedding import EmbeddingDisplay
from ._history import TrainingHistoryDisplay
from ._spectrogram import SpectrogramDisplay
