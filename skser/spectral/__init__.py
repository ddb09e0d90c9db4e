"""Spectrograms as pure functions of waveforms."""

from ._filters import check_parameters, frequencies, plain_window
from ._spectrogram import (
    check_db_parameters,
    checked_spectrogram,
    mel_spectrogram,
    power_spectrogram,
    power_to_db,
    spectrogram,
    spectrograms_in_rows,
)
