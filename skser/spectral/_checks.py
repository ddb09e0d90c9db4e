"""Checks of the parameters of a spectrogram."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from numbers import Real
from typing import Any

import numpy as np

from .._utils import check_choice, check_number
from ..audio import HIGHEST_RATE
from ._filters import mel_filters, window_weights
from ._settings import Settings

# Limits of the memory that windows and filterbanks take.
_MAX_FFT = 2**20  # samples
_MAX_HOP = 2**31 - 1  # samples
_MAX_WINDOW_PARAMETER = 10_000
_MAX_FILTER_VALUES = 2**24


def check_settings(settings: Settings) -> Settings:
    """Raise unless the parameters are consistent; return them in the form that the computation expects."""
    check_choice("kind", settings.kind, ("mel", "stft"))
    check_choice("backend", settings.backend, ("torch", "torchaudio"))
    check_number("sr", settings.sr, integer=True, low=1, high=HIGHEST_RATE)
    check_number("n_fft", settings.n_fft, integer=True, low=1, high=_MAX_FFT)
    _check_win_length(settings)
    check_number("hop_length", settings.hop_length, integer=True, low=1, high=_MAX_HOP)
    most = _MAX_FILTER_VALUES // (int(settings.n_fft) // 2 + 1) if settings.kind == "mel" else None
    check_number("n_mels", settings.n_mels, integer=True, low=1, high=most)
    _check_range(settings)
    _check_window(settings)
    plain = settings.plain()
    if plain.kind == "mel":
        _check_filters(plain)
    elif plain.n_bins < 1:
        raise ValueError(
            f"no Fourier bin is between fmin = {plain.fmin:g} and fmax = {plain.fmax:g} Hz, because bins are "
            f"{plain.sr / plain.n_fft:g} Hz apart: raise n_fft={plain.n_fft} or widen the range."
        )
    return plain


def check_db_parameters(ref: float | str, top_db: float | None) -> None:
    """Raise unless the parameters of the decibels can be used."""
    if not isinstance(ref, Real | str):
        raise TypeError(f"ref must be a number, 'max' or 'mean', got {ref!r} of type {type(ref).__name__}.")
    if not isinstance(ref, str):
        check_number("ref", ref, low=0, closed="neither")
    elif ref not in ("max", "mean"):
        raise ValueError(f"ref must be a number, 'max' or 'mean', got {ref!r}.")
    check_number("top_db", top_db, low=0, closed="neither", optional=True)


def _check_win_length(settings: Settings) -> None:
    """Raise unless the window fits into the Fourier transform."""
    win_length, n_fft = settings.win_length, settings.n_fft
    check_number("win_length", win_length, integer=True, low=1, optional=True)
    if win_length is not None and win_length > n_fft:
        raise ValueError(
            f"win_length={win_length} must be at most n_fft={n_fft}: raise n_fft or lower win_length."
        )


def _check_range(settings: Settings) -> None:
    """Raise unless 0 <= fmin < fmax <= sr / 2."""
    check_number("fmin", settings.fmin, low=0.0)
    check_number("fmax", settings.fmax, low=0.0, closed="neither", optional=True)
    if settings.top > settings.sr / 2:
        raise ValueError(
            f"fmax must be at most sr/2 = {settings.sr / 2:g} Hz, got {settings.fmax!r}: "
            "lower fmax or raise sr."
        )
    if settings.fmin >= settings.top:
        raise ValueError(f"fmin must be below fmax = {settings.top:g} Hz, got {settings.fmin!r}.")


def _check_window(settings: Settings) -> None:
    """Raise unless scipy makes a window of finite numbers."""
    window = settings.window
    expected = (
        "window must be a name that scipy.signal.get_window knows, or a tuple of a name and its parameters"
    )
    if not isinstance(window, (str, tuple, list)):
        raise TypeError(f"{expected}, got {window!r} of type {type(window).__name__}.")
    plain = settings.plain()
    _check_window_size(plain)
    try:
        weights = window_weights(plain)
    except Exception as error:  # scipy does not check parameters: it may raise any type of error
        raise ValueError(f"{expected}, got {window!r}: {error}") from error
    if not (np.isfinite(weights).all() and weights.any()):
        raise ValueError(f"{expected}, got {window!r}, for which scipy returns only NaN or zeros.")


def _check_window_size(plain: Settings) -> None:
    """Raise for parameters with which scipy would use up the memory."""
    window: Any = plain.window
    numbers = list(_numbers_in(window[1:])) if isinstance(window, tuple) else []
    if any(number > _MAX_WINDOW_PARAMETER for number in numbers):
        raise ValueError(f"window must have parameters up to {_MAX_WINDOW_PARAMETER}, got {window!r}.")
    # scipy adds a cosine per coefficient, and makes a table of nbar x win_length for a Taylor window.
    most = _MAX_FILTER_VALUES // (plain.win_length or plain.n_fft)
    if len(numbers) > most:
        raise ValueError(f"window must have at most {most} parameters at this length, got {len(numbers)}.")
    if numbers and window[0] in ("taylor", "taylorwin"):
        check_number("nbar of a Taylor window", window[1], high=most)


def _numbers_in(value: Any) -> Iterator[float]:
    """Yield the numbers in a tuple, at any depth."""
    if isinstance(value, tuple):
        for item in value:
            yield from _numbers_in(item)
    elif isinstance(value, (int, float)):
        yield value


# Computed once: on a short waveform it would take a noticeable share of the time. Errors are not stored.
@lru_cache(maxsize=32)
def _check_filters(plain: Settings) -> None:
    """Raise if a Mel filter contains no Fourier bin, or torchaudio would assume wrong frequencies."""
    filters = mel_filters(plain)
    if not np.isfinite(filters).all():
        raise ValueError(
            f"no Mel filters fit between fmin={plain.fmin:g} and fmax={plain.fmax:g} Hz: widen the range."
        )
    empty = np.flatnonzero(filters.max(axis=1) == 0)
    if empty.size:
        raise ValueError(
            f"n_mels={plain.n_mels} leaves {empty.size} empty Mel filters (the first is number {empty[0]}), "
            f"which are narrower than the {plain.sr / plain.n_fft:g} Hz between the bins of "
            f"n_fft={plain.n_fft}: lower n_mels, raise n_fft, or widen the range from fmin={plain.fmin:g} to "
            f"fmax={plain.fmax:g} Hz."
        )
    # torchaudio spaces the bins evenly from 0 to sr // 2, which is correct only for even n_fft and sr.
    if plain.backend == "torchaudio" and (plain.n_fft % 2 or plain.sr % 2):
        raise ValueError(
            f"backend='torchaudio' computes Mel filters for even n_fft and sr only, got n_fft={plain.n_fft} "
            f"and sr={plain.sr}: use backend='torch'."
        )
