"""Speech emotion recognition inside scikit-learn, with center loss."""

from .audio import load_audio
from .losses import CenterLoss, CenterLossCriterion
from .network import SpectrogramNetwork
from .sequences import Spectrograms
from .spectrogram import mel_spectrogram, power_spectrogram, power_to_db, spectrogram
from .transformer import SpectrogramTransformer

__version__ = "0.1.0"
