"""Spectrograms as pure functions of waveforms."""

from ._checks import check_db_parameters, check_settings
from ._settings import Settings
from ._spectrogram import (
    checked_spectrogram,
    frequencies,
    mel_spectrogram,
    power_spectrogram,
    power_to_db,
    spectrogram,
)
