"""Rows of the features: spectrograms of waveforms and of recordings, one BLAS thread."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import librosa
import numpy as np
import torch
from harness import Measurement, Row, Settings, compare, pinned
from numpy.typing import NDArray
from workloads import HOP_LENGTH, N_BINS, SR, durations, recordings, waveforms

from skser import SpectrogramTransformer, load_audio

N_FFT = 512
LONG = {"n_fft": 1024, "win_length": 640, "n_mels": 40}  # longer frames, fewer bands
Waveforms = Sequence[NDArray[np.float32]]


def by_transformer(Y: Waveforms, **parameters: int) -> None:
    """Compute log-Mel spectrograms with the transformer, including its checks and its container."""
    SpectrogramTransformer(n_jobs=1, **parameters).transform(Y)


def by_librosa(Y: Waveforms, **parameters: int) -> None:
    """Compute Mel spectrograms of the same parameters with librosa, without the logarithm."""
    settings = {"sr": SR, "n_fft": N_FFT, "hop_length": HOP_LENGTH, "n_mels": N_BINS, **parameters}
    for y in Y:
        librosa.feature.melspectrogram(y=y, pad_mode="constant", **settings)


def log_mel(Y: torch.Tensor, filters: torch.Tensor) -> torch.Tensor:
    """Compute log-Mel spectrograms of (..., n_times) in plain PyTorch."""
    window = torch.hann_window(N_FFT)
    S = torch.stft(Y, N_FFT, HOP_LENGTH, window=window, pad_mode="constant", return_complex=True)
    return 10 * torch.log10(torch.clamp(filters @ S.abs() ** 2, min=1e-10))


def by_torch(Y: Waveforms) -> None:
    """Compute log-Mel spectrograms in a plain loop over torch.stft."""
    filters = torch.from_numpy(librosa.filters.mel(sr=SR, n_fft=N_FFT, n_mels=N_BINS))
    for y in Y:
        log_mel(torch.from_numpy(y), filters)


def by_padded_batch(Y: Waveforms) -> None:
    """Compute log-Mel spectrograms of all waveforms in one batch, padded to the longest."""
    filters = torch.from_numpy(librosa.filters.mel(sr=SR, n_fft=N_FFT, n_mels=N_BINS))
    log_mel(torch.nn.utils.rnn.pad_sequence([torch.from_numpy(y) for y in Y], batch_first=True), filters)


def synthetic(settings: Settings) -> Waveforms:
    """Make waveforms as long as IEMOCAP's."""
    return waveforms(durations(settings.size(64, 4)))


def real(settings: Settings) -> Waveforms:
    """Read real recordings."""
    return [load_audio(path, sr=SR) for path in recordings(settings.size(64, 4))]


Way = Callable[[Waveforms], None]


def ways(case: Way, against: Way, load: Callable[[Settings], Waveforms] = synthetic) -> Any:
    """Make the function that compares two ways to the spectrograms."""

    def measure(settings: Settings) -> Measurement:
        Y = load(settings)
        with pinned(1):
            return compare(lambda: case(Y), lambda: against(Y), settings)

    return measure


def from_cache(settings: Settings) -> Measurement:
    """Compare reading the spectrograms of recordings from the cache with computing them."""
    paths = recordings(settings.size(64, 4))
    with tempfile.TemporaryDirectory() as folder:
        cached = SpectrogramTransformer(memory=folder, n_jobs=1)
        plain = SpectrogramTransformer(n_jobs=1)
        return compare(lambda: cached.transform(paths), lambda: plain.transform(paths), settings)


CASE = "log-Mel features, one BLAS thread"
REAL_CASE = "log-Mel features of real recordings, one BLAS thread"
LIBROSA = "librosa.feature.melspectrogram, warm, same parameters"
LOOP = "a plain loop over torch.stft"
LONG_CASE = "log-Mel features, n_fft 1024, win_length 640, 40 bands, one BLAS thread"
LONG_WAYS = ways(partial(by_transformer, **LONG), partial(by_librosa, **LONG))
PADDED_CASE = "features as one padded batch"
ROWS = [
    Row("features-librosa", CASE, LIBROSA, ways(by_transformer, by_librosa), target=0.27),
    Row("features-librosa-real", REAL_CASE, LIBROSA, ways(by_transformer, by_librosa, real), target=0.40),
    Row("features-librosa-long", LONG_CASE, LIBROSA, LONG_WAYS, target=0.35),
    Row("features-torch", CASE, LOOP, ways(by_transformer, by_torch), target=1.0),
    Row("features-padded", PADDED_CASE, "as the transformer does", ways(by_padded_batch, by_transformer)),
    Row("features-cache", "features of recordings, from the cache", "computed", from_cache),
]
