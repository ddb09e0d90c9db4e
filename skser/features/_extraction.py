"""Frames of one recording, through the cache if there is one."""

from __future__ import annotations

import math
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import numpy as np

from .._utils import is_path, plain_error
from ..audio import change_speed, check_waveform, load_waveform, problem_of, with_problem
from ..exceptions import RecordingFailure
from ._cache import CacheFolderError, cache_keys, file_state, open_cache, read_entry, write_entry
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
        frames = self._frames(audio)
        if self.statistics is None:
            return next(iter(frames))
        return np.mean([summarize(S, self.statistics) for S in frames], axis=0)

    def _frames(self, audio: Any) -> Iterable[np.ndarray]:
        """Frames (n_bins, n_frames) at each speed, from the cache if possible."""
        if self.folder is None:
            y = self._load(audio)
            return (self._compute(y, speed) for speed in self.speeds)
        audio = audio if is_path(audio) else check_waveform(audio)  # once, instead of in each step
        for _ in range(_ATTEMPTS):
            state, keys = file_state(audio), self.cache_keys(audio)
            entries = [self._read(audio, key, speed) for key, speed in zip(keys, self.speeds, strict=True)]
            if all(S is not None for S in entries):
                return [S for S in entries if S is not None]
            y = self._load(audio)
            if not is_path(audio) or (state, keys) == (file_state(audio), self.cache_keys(audio)):
                parts = zip(entries, keys, self.speeds, strict=True)
                return [self._compute_and_write(y, key, speed) if S is None else S for S, key, speed in parts]
        raise OSError("changes while it is read: try again after it is completely written.")

    def cache_keys(self, audio: Any) -> list[str]:
        """Names of the cache entries of a recording, one per speed."""
        recipe = self.function.recipe() | {"trim_db": self.trim_db}
        recipes = (recipe if speed == 1 else recipe | {"speed": speed} for speed in self.speeds)
        return cache_keys(audio, recipes)

    def _read(self, audio: Any, key: str, speed: float) -> np.ndarray | None:
        """Read an entry; a recording at this speed has no more frames than it may have."""
        duration = math.inf if self.max_duration is None else self.max_duration
        sr = self.function.sr
        n_times = duration * sr if is_path(audio) else len(audio)
        # As many samples as `change_speed` returns, or one more.
        max_frames = self.function.max_frames(n_times * sr / round(sr * speed) + 1)
        return read_entry(str(self.folder), key, self.function.n_bins, max_frames)

    def _load(self, audio: Any) -> np.ndarray:
        """Waveform of a recording."""
        return load_waveform(audio, self.function.sr, None, self.trim_db, self.max_duration)

    def _compute(self, y: np.ndarray, speed: float) -> np.ndarray:
        """Frames (n_bins, n_frames) of a waveform at one speed."""
        return self.function(change_speed(y, self.function.sr, speed))

    def _compute_and_write(self, y: np.ndarray, key: str, speed: float) -> np.ndarray:
        """Frames (n_bins, n_frames) of a waveform at one speed, which are written to the cache."""
        S = self._compute(y, speed)
        write_entry(str(self.folder), key, S, self.writer)
        return S


def extract(extraction: Extraction, index: int, audio: Any) -> np.ndarray | RecordingFailure:
    """Process one recording among several; for an unusable file, return the reason."""
    try:
        return extraction(audio)
    except CacheFolderError:
        raise
    except (OSError, TypeError, ValueError) as error:
        if is_path(audio):
            # Without its traceback, which would keep the samples in memory.
            cause = with_problem(plain_error(error, str(error)), problem_of(error))
            return RecordingFailure(index, os.fspath(audio), cause)
        raise plain_error(error, f"item {index}: {error}") from error
