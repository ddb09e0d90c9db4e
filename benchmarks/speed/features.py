"""Rows of the features: spectrograms of waveforms and of recordings, one BLAS thread."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from typing import Any

import librosa
import numpy as np
import torch
from harness import Measurement, Row, Settings, compare, pinned, recordings
from numpy.typing import NDArray
from workloads import HOP_LENGTH, N_BINS, SR, durations, waveforms

from skser import SpectrogramTransformer, load_audio

N_FFT = 512
Waveforms = Sequence[NDArray[np.float32]]


def ours(Y: Waveforms) -> None:
    """Compute log-Mel spectrograms by the transformer, its checks and its container included."""
    SpectrogramTransformer(n_jobs=1).transform(Y)


def by_librosa(Y: Waveforms) -> None:
    """Compute Mel spectrograms of the same parameters by librosa, without the logarithm."""
    for y in Y:
        librosa.feature.melspectrogram(
            y=y, sr=SR, n_fft=N_FFT, hop_length=HOP_LENGTH, n_mels=N_BINS, pad_mode="constant"
        )


def by_torch(Y: Waveforms) -> None:
    """Compute log-Mel spectrograms by a loop over torch.stft, as one would write it down first."""
    filters = torch.from_numpy(librosa.filters.mel(sr=SR, n_fft=N_FFT, n_mels=N_BINS))
    window = torch.hann_window(N_FFT)
    for y in Y:
        S = torch.stft(
            torch.from_numpy(y), N_FFT, HOP_LENGTH, window=window, pad_mode="constant", return_complex=True
        )
        10 * torch.log10(torch.clamp(filters @ S.abs() ** 2, min=1e-10))


def one_padded_batch(Y: Waveforms) -> None:
    """Compute log-Mel spectrograms of all waveforms at once, padded to the longest."""
    filters = torch.from_numpy(librosa.filters.mel(sr=SR, n_fft=N_FFT, n_mels=N_BINS))
    padded = torch.nn.utils.rnn.pad_sequence([torch.from_numpy(y) for y in Y], batch_first=True)
    window = torch.hann_window(N_FFT)
    S = torch.stft(padded, N_FFT, HOP_LENGTH, window=window, pad_mode="constant", return_complex=True)
    10 * torch.log10(torch.clamp(filters @ S.abs() ** 2, min=1e-10))


def synthetic(settings: Settings) -> Waveforms:
    """Make waveforms as long as IEMOCAP's."""
    return waveforms(durations(settings.size(64, 4)))


def real(settings: Settings) -> Waveforms:
    """Read real recordings."""
    return [load_audio(path, sr=SR) for path in recordings(settings.size(64, 4))]


def against(
    other: Callable[[Waveforms], Any], read: Callable[[Settings], Waveforms] = synthetic
) -> Callable[[Settings], Measurement]:
    """Make the function that compares with another way to the features."""

    def measure(settings: Settings) -> Measurement:
        Y = read(settings)
        with pinned(1):
            return compare(lambda: ours(Y), lambda: other(Y), settings)

    return measure


def padded_batch(settings: Settings) -> Measurement:
    """Compare one padded batch with the transformer, which computes a few short waveforms at a time."""
    Y = synthetic(settings)
    with pinned(1):
        return compare(lambda: one_padded_batch(Y), lambda: ours(Y), settings, rounds=3)


def from_cache(settings: Settings) -> Measurement:
    """Compare reading the spectrograms of recordings from the cache with computing them."""
    paths = recordings(settings.size(64, 4))
    with tempfile.TemporaryDirectory() as folder:
        cached = SpectrogramTransformer(memory=folder, n_jobs=1)
        plain = SpectrogramTransformer(n_jobs=1)
        return compare(lambda: cached.transform(paths), lambda: plain.transform(paths), settings, most=10)


ROWS = [
    Row(
        "features-librosa",
        "log-Mel features, one BLAS thread",
        "librosa.feature.melspectrogram, warm, same parameters",
        against(by_librosa),
        target=0.40,
    ),
    Row(
        "features-librosa-real",
        "log-Mel features of real recordings, one BLAS thread",
        "librosa.feature.melspectrogram, warm, same parameters",
        against(by_librosa, real),
        target=0.40,
    ),
    Row(
        "features-torch",
        "log-Mel features, one BLAS thread",
        "a plain loop over torch.stft",
        against(by_torch),
        target=1.0,
    ),
    Row("features-padded", "features as one padded batch", "as the transformer does", padded_batch),
    Row("features-cache", "features of recordings, from the cache", "computed", from_cache),
]
