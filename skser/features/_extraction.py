"""Spectrogram of one recording, through the cache if there is one."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import numpy as np
import torch

from .._utils import all_finite, is_path, plain_error, resolve_device
from ..audio import load_waveform
from ..exceptions import RecordingFailure
from ..spectral import Settings, checked_spectrogram
from ._cache import CacheFolderError, cache_key, file_state, open_cache, read_entry, write_entry
from ._parameters import settings_of

_ATTEMPTS = 3  # to read a file that changes while it is read


@dataclass(frozen=True)
class Extraction:
    """Settings with which a worker computes the spectrogram of a recording."""

    settings: Settings
    ref: float | str
    top_db: float | None
    trim_db: float | None
    max_duration: float | None
    folder: str | None
    device: torch.device
    # Prefix of the names of unfinished files.
    writer: str = field(default_factory=lambda: uuid4().hex[:16], compare=False)

    @classmethod
    def of(cls, parameters: Mapping[str, Any]) -> Extraction:
        """Make an extraction from the checked parameters of a transformer."""
        settings, memory = settings_of(parameters).plain(), parameters["memory"]
        ref, top_db, trim_db = (_plain_number(parameters[name]) for name in ("ref", "top_db", "trim_db"))
        folder = None if memory is None else open_cache(memory)
        device = resolve_device(parameters["device"])
        return cls(settings, ref, top_db, trim_db, parameters["max_duration"], folder, device)

    def __call__(self, audio: Any) -> np.ndarray:
        """Spectrogram (n_bins, n_frames), from the cache if possible."""
        if self.folder is None:
            return self._compute(audio)
        for _ in range(_ATTEMPTS):
            state, key = file_state(audio), self.cache_key(audio)
            S = read_entry(self.folder, key, self.settings.n_bins, self._max_frames(audio))
            if S is not None:
                return S
            S = self._compute(audio)
            if not is_path(audio) or (state, key) == (file_state(audio), self.cache_key(audio)):
                write_entry(self.folder, key, S, self.writer)
                return S
        raise OSError("changes while it is read: try again after it is completely written.")

    def cache_key(self, audio: Any) -> str:
        """Name of the cache entry of a recording."""
        used = self.settings._asdict() | {"ref": self.ref, "top_db": self.top_db, "trim_db": self.trim_db}
        used["window"] = repr(self.settings.window)
        if self.settings.kind == "stft":
            del used["n_mels"]
        return cache_key(audio, used)

    def _max_frames(self, audio: Any) -> float:
        """Maximum number of frames of a recording: longer files exceed `max_duration`."""
        duration = math.inf if self.max_duration is None else self.max_duration
        n_times = duration * self.settings.sr if is_path(audio) else len(audio)
        return 1 + (n_times + 1) / self.settings.hop_length  # one more because of rounding

    def _compute(self, audio: Any) -> np.ndarray:
        """Spectrogram (n_bins, n_frames) of a recording."""
        y = load_waveform(audio, self.settings.sr, None, self.trim_db, self.max_duration)
        on_device = y if self.device.type == "cpu" else torch.tensor(y, device=self.device)
        with torch.no_grad():
            S: np.ndarray = checked_spectrogram(on_device, self.settings, self.ref, self.top_db).cpu().numpy()
        if not all_finite(S):
            raise ValueError(
                f"the samples are too large for float32 power (up to {np.abs(y).max():g}): "
                "scale the waveform to [-1, 1]."
            )
        return S


def extract(extraction: Extraction, index: int, audio: Any) -> np.ndarray | RecordingFailure:
    """Compute the spectrogram of one recording among several; for an unusable file, return the reason."""
    try:
        return extraction(audio)
    except CacheFolderError:
        raise
    except (OSError, TypeError, ValueError) as error:
        if is_path(audio):
            # Without its traceback, which would keep the samples in memory.
            return RecordingFailure(index, os.fspath(audio), plain_error(error, str(error)))
        raise plain_error(error, f"item {index}: {error}") from error


def _plain_number(value: Any) -> Any:
    """Convert a number to Python's float, for the names of cache entries."""
    return value if value is None or isinstance(value, str) else float(value)
