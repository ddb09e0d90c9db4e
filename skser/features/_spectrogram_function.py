"""The function from a waveform to its spectrogram."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch

from .._utils import resolve_device
from ..audio import check_overflow
from ..spectral import Settings, checked_spectrogram
from ._parameters import plain_number, settings_of


@dataclass(frozen=True)
class SpectrogramFunction:
    """Spectrogram in dB with these settings."""

    settings: Settings
    ref: float | str
    top_db: float | None
    device: torch.device

    noun: ClassVar[str] = "spectrograms"

    @classmethod
    def of(cls, parameters: Mapping[str, Any]) -> SpectrogramFunction:
        """Make the function from the checked parameters of the transformer."""
        ref, top_db = plain_number(parameters["ref"]), plain_number(parameters["top_db"])
        return cls(settings_of(parameters).plain(), ref, top_db, resolve_device(parameters["device"]))

    @property
    def sr(self) -> int:
        """Sampling rate of the waveforms in Hz."""
        return self.settings.sr

    @property
    def n_bins(self) -> int:
        """Mel bands or Fourier bins."""
        return self.settings.n_bins

    def recipe(self) -> dict[str, Any]:
        """Everything that the spectrogram of a waveform depends on."""
        used = self.settings._asdict() | {"ref": self.ref, "top_db": self.top_db}
        used["window"] = repr(self.settings.window)
        if self.settings.kind == "stft":
            del used["n_mels"]
        return used

    def max_frames(self, n_times: float) -> float:
        """Maximum number of frames of a waveform (n_times,)."""
        return 1 + (n_times + 1) / self.settings.hop_length  # one more because of rounding

    def __call__(self, y: np.ndarray) -> np.ndarray:
        """Spectrogram (n_bins, n_frames) of a waveform."""
        on_device = y if self.device.type == "cpu" else torch.tensor(y, device=self.device)
        with torch.no_grad():
            S: np.ndarray = checked_spectrogram(on_device, self.settings, self.ref, self.top_db).cpu().numpy()
        check_overflow(S, y, "for float32 power")
        return S
