"""Windows, Fourier bins and Mel filters, and the checks of the parameters that they come from."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from functools import lru_cache
from types import ModuleType
from typing import Any

import numpy as np
import torch

from .._utils import check_choice, check_number
from ..audio import HIGHEST_RATE
from ._blocks import Bands, split_bands

KINDS = ("mel", "stft")
BACKENDS = ("torch", "torchaudio")

# What windows and filterbanks may allocate: samples of a window, its parameters, values of a filterbank.
_MAX_FFT = 2**20
_MAX_HOP = 2**31 - 1
_MAX_WINDOW_PARAMETER = 10_000
_MAX_FILTER_VALUES = 2**24


def check_parameters(
    *,
    kind: str = "mel",
    sr: int = 16000,
    n_fft: int = 512,
    win_length: int | None = None,
    hop_length: int = 160,
    window: str | Sequence[Any] = "hann",
    n_mels: int = 64,
    fmin: float = 0.0,
    fmax: float | None = None,
    backend: str = "torch",
) -> None:
    """Raise unless the parameters of a spectrogram fit each other."""
    check_choice("kind", kind, KINDS)
    check_choice("backend", backend, BACKENDS)
    check_number("sr", sr, integer=True, low=1, high=HIGHEST_RATE)
    check_number("n_fft", n_fft, integer=True, low=1, high=_MAX_FFT)
    if win_length is not None:
        check_number("win_length", win_length, integer=True, low=1)
        if win_length > n_fft:
            raise ValueError(
                f"win_length={win_length} must be at most n_fft={n_fft}: raise n_fft or lower win_length."
            )
    check_number("hop_length", hop_length, integer=True, low=1, high=_MAX_HOP)
    most = _MAX_FILTER_VALUES // (n_fft // 2 + 1) if kind == "mel" else None
    check_number("n_mels", n_mels, integer=True, low=1, high=most)
    _check_range(sr, fmin, fmax)
    _check_window(window, win_length or n_fft)
    if kind == "mel":
        _check_filters(sr, n_fft, n_mels, fmin, top_frequency(sr, fmax), backend)
    else:
        _check_bins(sr, n_fft, fmin, fmax)


def _check_range(sr: int, fmin: float, fmax: float | None) -> None:
    """Raise unless 0 <= fmin < fmax <= sr / 2."""
    check_number("fmin", fmin, low=0.0)
    if fmax is not None:
        check_number("fmax", fmax, low=0.0, closed="neither")
        if fmax > sr / 2:
            raise ValueError(
                f"fmax must be at most sr/2 = {sr / 2:g} Hz, got {fmax!r}: lower fmax or raise sr."
            )
    if fmin >= top_frequency(sr, fmax):
        raise ValueError(f"fmin must be below fmax = {top_frequency(sr, fmax):g} Hz, got {fmin!r}.")


def _check_window(window: Any, win_length: int) -> None:
    """Raise unless scipy makes a window of numbers of it."""
    expected = (
        "window must be a name that scipy.signal.get_window knows, or a tuple of one and its parameters"
    )
    if not isinstance(window, (str, tuple, list)):
        raise TypeError(f"{expected}, got {window!r} of type {type(window).__name__}.")
    known = plain_window(window)
    _check_window_parameters(known, win_length)
    try:
        weights = _window(known, win_length)
    except Exception as error:  # scipy checks nothing, so that it may be of any kind
        raise ValueError(f"{expected}, got {window!r}: {error}") from error
    if not (np.isfinite(weights).all() and weights.any()):
        raise ValueError(f"{expected}, got {window!r}, of which scipy makes no window but NaN or zeros.")


def _check_window_parameters(window: Any, win_length: int) -> None:
    """Raise for parameters of which scipy would make a window that does not fit into memory."""
    numbers = [np.asarray(part) for part in window[1:]] if isinstance(window, tuple) else []
    if any(part.dtype.kind in "iuf" and (part > _MAX_WINDOW_PARAMETER).any() for part in numbers):
        raise ValueError(f"window must have parameters up to {_MAX_WINDOW_PARAMETER}, got {window!r}.")
    if numbers and window[0] in ("taylor", "taylorwin"):  # scipy makes a table of nbar times n_fft
        check_number("nbar of a Taylor window", window[1], high=_MAX_FILTER_VALUES // win_length)


def plain_window(window: Any) -> Any:
    """Window by its name, or by a tuple of its name and parameters as Python has them, at any depth."""
    if isinstance(window, (np.ndarray, np.generic)):
        window = window.tolist()
    return tuple(map(plain_window, window)) if isinstance(window, (list, tuple)) else window


def _check_filters(sr: int, n_fft: int, n_mels: int, fmin: float, fmax: float, backend: str) -> None:
    """Raise if a Mel filter catches no bin, or torchaudio would put the bins elsewhere."""
    if not np.isfinite(_mel_filters(sr, n_fft, n_mels, fmin, fmax)).all():
        raise ValueError(f"no Mel filters fit between fmin={fmin:g} and fmax={fmax:g} Hz: widen the range.")
    empty = _empty_filters(sr, n_fft, n_mels, fmin, fmax)
    if empty:
        raise ValueError(
            f"n_mels={n_mels} leaves {len(empty)} empty Mel filters (the first is number {empty[0]}): "
            f"they are narrower than the {sr / n_fft:g} Hz between the bins of n_fft={n_fft}. "
            f"Lower n_mels, raise n_fft, or widen {fmin:g} to {fmax:g} Hz (fmin to fmax)."
        )
    # torchaudio spaces the bins evenly from 0 to sr // 2, which is right for even numbers only.
    if backend == "torchaudio" and (n_fft % 2 or sr % 2):
        raise ValueError(
            f"backend='torchaudio' computes Mel filters for even n_fft and sr only, got n_fft={n_fft} and "
            f"sr={sr}: use backend='torch'."
        )


def _check_bins(sr: int, n_fft: int, fmin: float, fmax: float | None) -> None:
    """Raise if no Fourier bin lies between fmin and fmax."""
    bins = fft_bins(sr, n_fft, fmin, fmax)
    if bins.start >= bins.stop:
        raise ValueError(
            f"no bin lies between fmin = {fmin:g} and fmax = {top_frequency(sr, fmax):g} Hz: bins are "
            f"{sr / n_fft:g} Hz apart. Raise n_fft={n_fft} or widen the range."
        )


def frequencies(
    *,
    kind: str = "mel",
    sr: int = 16000,
    n_fft: int = 512,
    n_mels: int = 64,
    fmin: float = 0.0,
    fmax: float | None = None,
) -> np.ndarray:
    """Frequency of each bin of a spectrogram.

    Parameters
    ----------
    kind : {"mel", "stft"}, default="mel"
        Kind of the spectrogram.
    sr : int, default=16000
        Sampling rate in Hz, at least 1.
    n_fft : int, default=512
        Length of the Fourier transform in samples, at least 1.
    n_mels : int, default=64
        Number of Mel bands, at least 1; not used with ``kind="stft"``.
    fmin : float, default=0.0
        Lowest frequency in Hz, from 0 to below `fmax`.
    fmax : float or None, default=None
        Highest frequency in Hz, at most `sr` / 2. None means `sr` / 2.

    Returns
    -------
    ndarray of shape (n_bins,)
        Frequency in Hz, of the peak of each Mel band or of each Fourier bin.

    Raises
    ------
    TypeError, ValueError
        As in :func:`spectrogram`.

    Examples
    --------
    >>> from skser.spectrogram import frequencies
    >>> frequencies(kind="stft", n_fft=8).tolist()
    [0.0, 2000.0, 4000.0, 6000.0, 8000.0]
    >>> frequencies(n_mels=3, fmax=1000).round(1).tolist()
    [250.0, 500.0, 750.0]
    """
    check_parameters(kind=kind, sr=sr, n_fft=n_fft, n_mels=n_mels, fmin=fmin, fmax=fmax)
    if kind == "stft":
        return _fft_frequencies(sr, n_fft)[fft_bins(sr, n_fft, fmin, fmax)]
    from librosa import mel_frequencies

    edges: np.ndarray = mel_frequencies(n_mels + 2, fmin=fmin, fmax=top_frequency(sr, fmax))
    return edges[1:-1]


def top_frequency(sr: int, fmax: float | None) -> float:
    """Highest frequency in Hz."""
    return sr / 2 if fmax is None else float(fmax)


def _fft_frequencies(sr: int, n_fft: int) -> np.ndarray:
    """Frequencies (n_fft // 2 + 1,) of the Fourier bins in Hz."""
    # Multiplied first: so the last one is exactly sr / 2 and not a rounding error above it.
    return np.arange(n_fft // 2 + 1) * sr / n_fft


@lru_cache(maxsize=32)
def fft_bins(sr: int, n_fft: int, fmin: float, fmax: float | None) -> slice:
    """Fourier bins from fmin to fmax."""
    centers = _fft_frequencies(sr, n_fft)
    start = np.searchsorted(centers, fmin, side="left")
    return slice(int(start), int(np.searchsorted(centers, top_frequency(sr, fmax), side="right")))


@lru_cache(maxsize=32)
def _window(window: str | tuple[Any, ...], win_length: int) -> np.ndarray:
    """Periodic window (win_length,)."""
    from scipy.signal import get_window

    weights: np.ndarray = get_window(window, win_length, fftbins=True)
    return weights


@lru_cache(maxsize=32)
def _mel_filters(sr: int, n_fft: int, n_mels: int, fmin: float, fmax: float) -> np.ndarray:
    """Mel filterbank (n_mels, n_fft // 2 + 1); empty filters make no warning here."""
    from librosa.filters import mel

    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.filterwarnings("ignore", message="Empty filters detected")
        filters: np.ndarray = mel(sr=sr, n_fft=n_fft, n_mels=n_mels, fmin=fmin, fmax=fmax)
    return filters


@lru_cache(maxsize=32)
def _empty_filters(sr: int, n_fft: int, n_mels: int, fmin: float, fmax: float) -> tuple[int, ...]:
    """Numbers of the Mel filters that catch no bin."""
    filters = _mel_filters(sr, n_fft, n_mels, fmin, fmax)
    return tuple(np.flatnonzero(filters.max(axis=1) == 0).tolist())


def window_like(y: torch.Tensor, window: str | Sequence[Any], win_length: int) -> torch.Tensor:
    """Window (win_length,) of the dtype and on the device of a tensor."""
    return _window_tensor(plain_window(window), win_length, y.dtype, y.device)


def mel_filters_like(
    y: torch.Tensor, sr: int, n_fft: int, n_mels: int, fmin: float, fmax: float, backend: str
) -> torch.Tensor:
    """Mel filterbank (n_mels, n_fft // 2 + 1) of the dtype and on the device of a tensor."""
    return _mel_filters_tensor(sr, n_fft, n_mels, fmin, fmax, backend, y.dtype, y.device)


def mel_bands_like(
    y: torch.Tensor, sr: int, n_fft: int, n_mels: int, fmin: float, fmax: float
) -> tuple[Bands, ...]:
    """Mel filterbank of the dtype of a tensor, cut for `power_in_blocks`."""
    return _mel_bands(sr, n_fft, n_mels, fmin, fmax, y.dtype)


# The tensors are kept for later calls, some of which may need gradients: hence inference mode is
# left while they are made.


@lru_cache(maxsize=32)
def _window_tensor(
    window: str | tuple[Any, ...], win_length: int, dtype: torch.dtype, device: torch.device
) -> torch.Tensor:
    """Window (win_length,) on a device."""
    with torch.inference_mode(False):
        return torch.tensor(_window(window, win_length), dtype=dtype, device=device)


@lru_cache(maxsize=32)
def _mel_filters_tensor(
    sr: int,
    n_fft: int,
    n_mels: int,
    fmin: float,
    fmax: float,
    backend: str,
    dtype: torch.dtype,
    device: torch.device,
) -> torch.Tensor:
    """Mel filterbank (n_mels, n_fft // 2 + 1) on a device."""
    with torch.inference_mode(False):
        if backend == "torch":
            return torch.tensor(_mel_filters(sr, n_fft, n_mels, fmin, fmax), dtype=dtype, device=device)
        filters: torch.Tensor = import_torchaudio().functional.melscale_fbanks(
            n_fft // 2 + 1, fmin, fmax, n_mels, sr, norm="slaney", mel_scale="slaney"
        )
        return filters.T.to(dtype=dtype, device=device).contiguous()


@lru_cache(maxsize=32)
def _mel_bands(
    sr: int, n_fft: int, n_mels: int, fmin: float, fmax: float, dtype: torch.dtype
) -> tuple[Bands, ...]:
    """Mel filterbank, cut in two."""
    with torch.inference_mode(False):
        return split_bands(torch.tensor(_mel_filters(sr, n_fft, n_mels, fmin, fmax), dtype=dtype))


def import_torchaudio() -> ModuleType:
    """Import torchaudio, or say how to get it."""
    try:
        import torchaudio
    except (ImportError, OSError, RuntimeError) as error:
        # Beside a missing package: a missing CUDA library (OSError), another CUDA version (RuntimeError).
        raise ImportError(
            f"backend='torchaudio' cannot import torchaudio ({error}): install it with "
            '`pip install "skser[torchaudio]"` in the version of the installed torch, or use backend="torch".'
        ) from error
    module: ModuleType = torchaudio
    return module
