"""Frames of one recording, through the cache if there is one."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import numpy as np

from .._utils import is_path, plain_error
from ..audio import change_speed, check_waveform, load_waveform
from ..exceptions import RecordingFailure
from ._cache import CacheFolderError, cache_key, file_state, open_cache, read_entry, write_entry
from ._encoder_function import EncoderFunction
from ._parameters import plain_number
from ._spectrogram_function import SpectrogramFunction
from ._statistics import summarize

_ATTEMPTS = 3  # to read a file that changes while it is read


@dataclass(frozen=True)
class Extraction:
    """Settings with which a worker computes the frames, or their statistics, of a recording."""

    function: SpectrogramFunction | EncoderFunction  # the part in which the transformers differ
    trim_db: float | None
    max_duration: float | None
    folder: str | None
    statistics: tuple[str, ...] | None = None
    speeds: tuple[float, ...] = (1.0,)  # only one without statistics
    # Prefix of the names of unfinished files.
    writer: str = field(default_factory=lambda: uuid4().hex[:16], compare=False)

    @classmethod
    def of(
        cls,
        function: SpectrogramFunction | EncoderFunction,
        parameters: Mapping[str, Any],
        statistics: tuple[str, ...] | None = None,
        speeds: tuple[float, ...] = (1.0,),
    ) -> Extraction:
        """Make an extraction from the checked parameters of a transformer."""
        memory, trim_db = parameters["memory"], plain_number(parameters["trim_db"])
        folder = None if memory is None else open_cache(memory)
        return cls(function, trim_db, parameters["max_duration"], folder, statistics, speeds)

    def __call__(self, audio: Any) -> np.ndarray:
        """Frames (n_bins, n_frames), from the cache if possible, or their statistics (n_columns,)."""
        frames = (self._frames(audio, speed) for speed in self.speeds)
        if self.statistics is None:
            return next(frames)
        return np.mean([summarize(S, self.statistics) for S in frames], axis=0)

    def _frames(self, audio: Any, speed: float) -> np.ndarray:
        """Frames (n_bins, n_frames) at one speed, from the cache if possible."""
        if self.folder is None:
            return self._compute(audio, speed)
        audio = audio if is_path(audio) else check_waveform(audio)  # once, instead of in each step
        for _ in range(_ATTEMPTS):
            state, key = file_state(audio), self.cache_key(audio, speed)
            S = read_entry(self.folder, key, self.function.n_bins, self._max_frames(audio, speed))
            if S is not None:
                return S
            S = self._compute(audio, speed)
            if not is_path(audio) or (state, key) == (file_state(audio), self.cache_key(audio, speed)):
                write_entry(self.folder, key, S, self.writer)
                return S
        raise OSError("changes while it is read: try again after it is completely written.")

    def cache_key(self, audio: Any, speed: float = 1.0) -> str:
        """Name of the cache entry of a recording at one speed."""
        recipe = self.function.recipe() | {"trim_db": self.trim_db}
        return cache_key(audio, recipe if speed == 1 else recipe | {"speed": speed})

    def _max_frames(self, audio: Any, speed: float) -> float:
        """Maximum number of frames of a recording: longer files exceed `max_duration`."""
        duration = math.inf if self.max_duration is None else self.max_duration
        n_times = duration * self.function.sr if is_path(audio) else len(audio)
        return self.function.max_frames(n_times / speed + 1)  # rounded up

    def _compute(self, audio: Any, speed: float) -> np.ndarray:
        """Frames (n_bins, n_frames) of a recording at one speed."""
        sr = self.function.sr
        y = load_waveform(audio, sr, None, self.trim_db, self.max_duration)
        return self.function(change_speed(y, sr, speed))


def extract(extraction: Extraction, index: int, audio: Any) -> np.ndarray | RecordingFailure:
    """Process one recording among several; for an unusable file, return the reason."""
    try:
        return extraction(audio)
    except CacheFolderError:
        raise
    except (OSError, TypeError, ValueError) as error:
        if is_path(audio):
            # Without its traceback, which would keep the samples in memory.
            return RecordingFailure(index, os.fspath(audio), plain_error(error, str(error)))
        raise plain_error(error, f"item {index}: {error}") from error
