"""The parameters of a power spectrogram, and the Fourier bins that follow from them."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np


class Settings(NamedTuple):
    """Parameters of a power spectrogram, with the names and defaults of `spectrogram`."""

    kind: str = "mel"
    sr: int = 16000
    n_fft: int = 512
    win_length: int | None = None
    hop_length: int = 160
    window: str | Sequence[Any] = "hann"
    n_mels: int = 64
    fmin: float = 0.0
    fmax: float | None = None
    backend: str = "torch"

    @property
    def top(self) -> float:
        """Highest frequency in Hz."""
        return self.sr / 2 if self.fmax is None else float(self.fmax)

    @property
    def n_bins(self) -> int:
        """Number of Mel bands, or of Fourier bins from fmin to fmax."""
        bins = fft_bins(self)
        return self.n_mels if self.kind == "mel" else bins.stop - bins.start

    def plain(self) -> Settings:
        """Convert valid parameters to Python's types, so that settings can be hashed and compared."""
        # NumPy's integers would also overflow in arithmetic.
        numbers: dict[str, Any] = {
            name: int(getattr(self, name)) for name in ("sr", "n_fft", "hop_length", "n_mels")
        }
        win_length, window = int(self.win_length or self.n_fft), _plain_window(self.window)
        return self._replace(
            **numbers, win_length=win_length, window=window, fmin=float(self.fmin), fmax=float(self.top)
        )


def _plain_window(window: Any) -> Any:
    """Window by its name, or by a tuple of its name and its parameters, at any depth."""
    if isinstance(window, (np.ndarray, np.generic)):
        window = window.tolist()
    return tuple(map(_plain_window, window)) if isinstance(window, (list, tuple)) else window


def fft_frequencies(settings: Settings) -> np.ndarray:
    """Frequencies (n_fft // 2 + 1,) of the Fourier bins in Hz."""
    # Multiplied first, so that the last one is exactly sr / 2, without a rounding error.
    return np.arange(settings.n_fft // 2 + 1) * settings.sr / settings.n_fft


@lru_cache(maxsize=32)
def fft_bins(settings: Settings) -> slice:
    """Fourier bins from fmin to fmax."""
    centers = fft_frequencies(settings)
    start = np.searchsorted(centers, settings.fmin, side="left")
    return slice(int(start), int(np.searchsorted(centers, settings.top, side="right")))
