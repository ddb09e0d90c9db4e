"""Windows and Mel filters of checked settings, each computed once."""

from __future__ import annotations

import warnings
from functools import lru_cache
from types import ModuleType

import numpy as np
import torch

from .._utils import import_extra
from ._blocks import Bands, split_bands
from ._settings import Settings


@lru_cache(maxsize=32)
def window_weights(settings: Settings) -> np.ndarray:
    """Periodic window (win_length,)."""
    from scipy.signal import get_window

    weights: np.ndarray = get_window(settings.window, settings.win_length, fftbins=True)
    return weights


@lru_cache(maxsize=32)
def mel_filters(settings: Settings) -> np.ndarray:
    """Mel filterbank (n_mels, n_fft // 2 + 1)."""
    from librosa.filters import mel

    names = ("sr", "n_fft", "n_mels", "fmin", "fmax")
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        # `check_settings` raises for empty filters.
        warnings.filterwarnings("ignore", message="Empty filters detected")
        filters: np.ndarray = mel(**{name: getattr(settings, name) for name in names})
    return filters


# The tensors are kept for later calls, which may need gradients: they must not be made in inference mode.


@lru_cache(maxsize=32)
@torch.inference_mode(False)
def window_tensor(settings: Settings, dtype: torch.dtype, device: torch.device) -> torch.Tensor:
    """Window (n_fft,) on a device, centered between zeros."""
    weights = window_weights(settings)
    n_zeros = settings.n_fft - len(weights)
    padded = np.pad(weights, (n_zeros // 2, n_zeros - n_zeros // 2))
    return torch.tensor(padded, dtype=dtype, device=device)


@lru_cache(maxsize=32)
@torch.inference_mode(False)
def mel_filters_tensor(settings: Settings, dtype: torch.dtype, device: torch.device) -> torch.Tensor:
    """Mel filterbank (n_mels, n_fft // 2 + 1) on a device, computed by the library of the settings."""
    if settings.backend == "torch":
        return torch.tensor(mel_filters(settings), dtype=dtype, device=device)
    scale = {"norm": "slaney", "mel_scale": "slaney"}
    make, n_freqs = import_torchaudio().functional.melscale_fbanks, settings.n_fft // 2 + 1
    filters: torch.Tensor = make(n_freqs, settings.fmin, settings.top, settings.n_mels, settings.sr, **scale)
    return filters.T.to(dtype=dtype, device=device).contiguous()


@lru_cache(maxsize=32)
@torch.inference_mode(False)
def mel_bands(settings: Settings, dtype: torch.dtype) -> tuple[Bands, ...]:
    """Mel filterbank in the form that `power_in_blocks` expects."""
    return split_bands(torch.tensor(mel_filters(settings), dtype=dtype))


def import_torchaudio() -> ModuleType:
    """Import torchaudio, or raise an error that explains how to install it."""
    hint = ' in the version of the installed torch, or use backend="torch"'
    return import_extra("torchaudio", "backend='torchaudio'", "torchaudio", hint)
