"""The way of recordings to their spectrograms, through the cache if there is one."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import numpy as np
import torch

from .._utils import all_finite, is_path, plain_error, prefix_errors, torch_settings
from ..audio import load_waveform
from ..exceptions import RecordingFailure
from ..spectral import checked_spectrogram, plain_window, spectrograms_in_rows
from ._cache import cache_key, file_state, read_entry, remove_unfinished, write_entry

_MOST = 2**19  # samples of the frames of a group: 1024 frames of 512
_ATTEMPTS = 3  # at a file that changes while it is read


class CacheFolderError(OSError):
    """The cache cannot be written, which is no fault of a recording."""


@dataclass(frozen=True)
class Extraction:
    """How to go from one recording to its spectrogram, as it travels to the workers."""

    parameters: dict[str, Any]
    trim_db: float | None
    max_duration: float | None
    n_bins: int
    folder: str | None
    device: str | torch.device = "cpu"
    writer: str = field(default_factory=lambda: uuid4().hex[:16], compare=False)

    @contextmanager
    def tidied(self) -> Iterator[None]:
        """Delete what joblib's workers had not finished when an error or Ctrl-C made it kill them."""
        try:
            yield
        except BaseException:
            if self.folder is not None:
                remove_unfinished(self.folder, self.writer)
            raise

    def __call__(self, audio: Any) -> np.ndarray:
        """Spectrogram (n_bins, n_frames), from the cache if it is there."""
        if self.folder is None:
            return self.compute(audio)
        for _ in range(_ATTEMPTS):
            state, key = file_state(audio), cache_key(audio, self.cache_parameters())
            S = read_entry(self.folder, key, self.n_bins)
            if S is not None and not self._is_too_long(audio, S):
                return S
            S = self.compute(audio)
            if not is_path(audio) or (state, key) == (
                file_state(audio),
                cache_key(audio, self.cache_parameters()),
            ):
                self._keep(self.folder, key, S)
                return S
        raise OSError("changes while it is read: wait until it is written, then go on.")

    def _keep(self, folder: str, key: str, S: np.ndarray) -> None:
        """Write an entry; failure is told from that of reading a recording."""
        try:
            write_entry(folder, key, S, self.writer)
        except OSError as error:
            raise CacheFolderError(str(error)) from error

    def _is_too_long(self, audio: Any, S: np.ndarray) -> bool:
        """Whether an entry is of a file that was allowed to be longer."""
        if self.max_duration is None or not is_path(audio):
            return False
        n_times = (S.shape[1] - 1) * self.parameters["hop_length"] - 1  # at least, but for rounding
        return bool(n_times / self.parameters["sr"] > self.max_duration)

    def compute(self, audio: Any) -> np.ndarray:
        """Spectrogram (n_bins, n_frames) of a recording."""
        y = self.load(audio)
        device = torch.device(self.device)
        with torch.no_grad(), torch_settings(device):
            there = torch.as_tensor(y).to(device) if device.type != "cpu" else y
            S = checked_spectrogram(there, **self.parameters).cpu().numpy()
        _check_power(y, S)
        return S

    def load(self, audio: Any) -> np.ndarray:
        """Waveform (n_times,) of a recording."""
        return load_waveform(audio, self.parameters["sr"], None, self.trim_db, self.max_duration)

    def compute_rows(self, waveforms: Sequence[np.ndarray]) -> tuple[np.ndarray, list[slice]]:
        """Spectrograms of several waveforms, as `spectrograms_in_rows` gives them."""
        settings = {name: value for name, value in self.parameters.items() if name != "backend"}
        with torch.no_grad():
            return spectrograms_in_rows(waveforms, **settings)

    def size_in_group(self, audio: Any) -> int | None:
        """Samples of all frames that a recording adds to a group; None if it is to be computed alone."""
        # Groups are computed by torch on a CPU. A cache looks each recording up. Files are decoded, which
        # takes longer than what a group saves. Waveforms of a few frames would add more silence than frames.
        n_fft, hop_length = int(self.parameters["n_fft"]), int(self.parameters["hop_length"])
        plain = self.parameters["backend"] == "torch" and torch.device(self.device).type == "cpu"
        if not plain or self.folder is not None or hop_length > n_fft:
            return None
        if not isinstance(audio, np.ndarray) or audio.ndim != 1 or len(audio) < 2 * n_fft:
            return None
        return (2 + (len(audio) + n_fft // 2) // hop_length) * n_fft

    def cache_parameters(self) -> dict[str, Any]:
        """Parameters that the result depends on, each written in one way only."""
        used = dict(self.parameters)
        used["win_length"] = int(used["win_length"] or used["n_fft"])
        used["fmin"] = float(used["fmin"])
        used["fmax"] = float(used["sr"] / 2 if used["fmax"] is None else used["fmax"])
        used["ref"] = used["ref"] if isinstance(used["ref"], str) else float(used["ref"])
        used["top_db"] = None if used["top_db"] is None else float(used["top_db"])
        used["trim_db"] = None if self.trim_db is None else float(self.trim_db)
        used["window"] = repr(plain_window(used["window"]))
        used.update({name: int(used[name]) for name in ("sr", "n_fft", "hop_length", "n_mels")})
        if used["kind"] == "stft":
            del used["n_mels"]
        return used


def grouped(
    extraction: Extraction, recordings: Sequence[Any] | np.ndarray
) -> Iterator[tuple[Extraction, int, list[Any]]]:
    """Cut recordings into groups that are computed together: short waveforms, others are alone."""
    group: list[Any] = []
    filled = 0
    for index, audio in enumerate(recordings):
        size = extraction.size_in_group(audio) or _MOST
        if group and filled + size > _MOST:
            yield extraction, index - len(group), group
            group, filled = [], 0
        # Rows of an array one by one: joblib turns parts of some memory maps round.
        group.append(audio)
        filled += size
    yield extraction, len(recordings) - len(group), group


def extract(
    extraction: Extraction, first: int, recordings: Sequence[Any]
) -> Sequence[np.ndarray | RecordingFailure]:
    """Compute the spectrograms of a group of recordings among several."""
    if len(recordings) == 1:
        return [_extract_one(extraction, first, recordings[0])]
    named = list(enumerate(recordings, first))
    waveforms = []
    for index, audio in named:
        with prefix_errors(label(index, audio)):
            waveforms.append(extraction.load(audio))
    rows, parts = extraction.compute_rows(waveforms)
    results = [rows[part].T for part in parts]
    if not all_finite(rows):
        for (index, audio), y, S in zip(named, waveforms, results, strict=True):
            with prefix_errors(label(index, audio)):
                _check_power(y, S)
    return results


def _extract_one(extraction: Extraction, index: int, audio: Any) -> np.ndarray | RecordingFailure:
    """Compute the spectrogram of a recording, or say why a file has none."""
    if not is_path(audio):
        with prefix_errors(label(index, audio)):
            return extraction(audio)
    try:
        return extraction(audio)
    except CacheFolderError:
        raise
    except (OSError, TypeError, ValueError) as error:
        # Without its traceback, which holds on to the samples.
        return RecordingFailure(index, os.fspath(audio), plain_error(error, str(error)))


def _check_power(y: np.ndarray, S: np.ndarray) -> None:
    """Raise unless the power of a waveform is finite."""
    if not all_finite(S):
        raise ValueError(
            f"the samples are too large for float32 power (up to {np.abs(y).max():g}): "
            "scale the waveform to [-1, 1]."
        )


def label(index: int, audio: Any) -> str:
    """Name a recording in error messages."""
    return f"item {index} ({os.fspath(audio)})" if is_path(audio) else f"item {index}"
