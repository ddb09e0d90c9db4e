"""Power spectrograms in decibels, as pure functions of arrays on torch."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import ArrayLike

from .._utils import check_choice, check_number
from ._blocks import can_use_blocks, power_in_blocks
from ._filters import (
    KINDS,
    check_parameters,
    fft_bins,
    import_torchaudio,
    mel_bands_like,
    mel_filters_like,
    top_frequency,
    window_like,
)

AMIN = 1e-10  # floor of the power: silence lies at -100 dB


class _Settings(NamedTuple):
    """Checked parameters of a power spectrogram, as `spectrogram` has them, and what follows from them."""

    kind: str
    sr: int
    n_fft: int
    win_length: int | None
    hop_length: int
    window: str | Sequence[Any]
    n_mels: int
    fmin: float
    fmax: float | None

    def bins(self) -> slice:
        """Fourier bins from `fmin` to `fmax`."""
        return fft_bins(self.sr, self.n_fft, self.fmin, self.fmax)

    def weights(self, y: torch.Tensor) -> torch.Tensor:
        """Window (win_length,), of the dtype and on the device of a waveform."""
        return window_like(y, self.window, self.win_length or self.n_fft)

    def filterbank(self) -> tuple[int, int, int, float, float]:
        """Sampling rate, length of the transform, number of Mel bands, their lowest and highest frequency."""
        return self.sr, self.n_fft, self.n_mels, self.fmin, top_frequency(self.sr, self.fmax)


def spectrogram(
    y: ArrayLike | torch.Tensor,
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
    ref: float | str = 1.0,
    top_db: float | None = None,
    backend: str = "torch",
) -> torch.Tensor:
    """Compute the power of waveforms over frequency and time, in decibels.

    Frames are centered and the waveform counts as zero beyond its ends, so that one sample is
    enough. The decibels are those of ``librosa.power_to_db`` with ``amin=1e-10``.

    Parameters
    ----------
    y : array-like or torch.Tensor of shape (n_times,) or (n, n_times)
        One waveform or a batch of equal length, with samples between -1 and 1. float32 and float64
        are kept, half precision becomes float32.
    kind : {"mel", "stft"}, default="mel"
        Mel bands, or the bins of the short-time Fourier transform from `fmin` to `fmax`.
    sr : int, default=16000
        Sampling rate in Hz, 1 to 1,048,576.
    n_fft : int, default=512
        Length of the Fourier transform in samples, 1 to 1,048,576.
    win_length : int or None, default=None
        Length of the window in samples, 1 to `n_fft`; it is centered in the `n_fft` samples.
        None means `n_fft`.
    hop_length : int, default=160
        Distance between frames in samples, at least 1.
    window : str, tuple or list, default="hann"
        Window, as ``scipy.signal.get_window`` names it: its name, or name and parameters.
    n_mels : int, default=64
        Number of Mel bands, at least 1; not used with ``kind="stft"``.
    fmin : float, default=0.0
        Lowest frequency in Hz, from 0 to below `fmax`.
    fmax : float or None, default=None
        Highest frequency in Hz, at most `sr` / 2. None means `sr` / 2.
    ref, top_db : object
        As in :func:`power_to_db`.
    backend : {"torch", "torchaudio"}, default="torch"
        Library that computes it. torchaudio is an extra of its own.

    Returns
    -------
    torch.Tensor of shape (n_bins, n_frames) or (n, n_bins, n_frames)
        Power in dB, on the device of `y`. There are 1 + n_times // hop_length frames where `n_fft`
        is even, 1 + (n_times - 1) // hop_length where it is odd.

    Raises
    ------
    TypeError
        If a parameter or the samples are of a wrong type.
    ValueError
        If a parameter is out of its range, or `y` is empty, complex, of another shape or not
        finite.
    ImportError
        If ``backend="torchaudio"`` and torchaudio cannot be imported.

    See Also
    --------
    frequencies : Frequency of each bin in Hz.

    Examples
    --------
    >>> import numpy as np
    >>> from skser.spectrogram import spectrogram
    >>> y = np.sin(2 * np.pi * 1000 * np.arange(16000) / 16000)
    >>> spectrogram(y, n_mels=40).shape
    torch.Size([40, 101])
    >>> S = spectrogram(y, kind="stft")  # bins 16000 / 512 = 31.25 Hz apart
    >>> int(S[:, 50].argmax())  # 1000 / 31.25
    32
    """
    settings: dict[str, Any] = {
        "sr": sr,
        "n_fft": n_fft,
        "win_length": win_length,
        "hop_length": hop_length,
        "window": window,
        "fmin": fmin,
        "fmax": fmax,
        "backend": backend,
    }
    check_choice("kind", kind, KINDS)
    check_db_parameters(ref, top_db)
    check_parameters(kind=kind, n_mels=n_mels, **settings)
    return checked_spectrogram(y, kind=kind, n_mels=n_mels, ref=ref, top_db=top_db, **settings)


def checked_spectrogram(
    y: ArrayLike | torch.Tensor, *, ref: float | str, top_db: float | None, backend: str, **settings: Any
) -> torch.Tensor:
    """Compute what `spectrogram` does, by parameters that were checked before."""
    S = _power(y, _Settings(**settings), backend)
    return _to_db(S.clamp(min=AMIN) if S.requires_grad else S.clamp_(min=AMIN), ref, top_db)


def spectrograms_in_rows(
    waveforms: Sequence[np.ndarray], *, ref: float | str, top_db: float | None, **settings: Any
) -> tuple[np.ndarray, list[slice]]:
    """Compute what `checked_spectrogram` does for several waveforms on torch."""
    # On processors with AVX2 the results are the same bit for bit, elsewhere but for rounding. Short
    # waveforms share each call: of a second each, they take two thirds of the time.
    rows, parts = _power_in_rows([_array_to_tensor(y) for y in waveforms], _Settings(**settings))
    rows.clamp_(min=AMIN).log10_().mul_(10.0)
    if top_db is not None:
        rows = torch.maximum(rows, _peaks(rows, parts) - top_db, out=rows)
    if ref == "mean":
        for part in parts:
            rows[part] -= rows[part].mT.mean((-2, -1))
    elif ref == "max":
        rows -= _peaks(rows, parts)
    elif ref != 1:
        rows -= _in_db(ref)
    return rows.numpy(), parts


def _peaks(rows: torch.Tensor, parts: Sequence[slice]) -> torch.Tensor:
    """Highest level of the waveform to which each row belongs, (n_rows, 1)."""
    bounds = np.array([bound for part in parts for bound in (part.start, part.stop)])
    bounds = bounds[bounds < len(rows)]  # rows between two waveforms are parts of their own
    peaks = np.maximum.reduceat(rows.numpy(), bounds).max(axis=1)
    return torch.from_numpy(np.repeat(peaks, np.diff(bounds, append=len(rows))))[:, None]


def mel_spectrogram(
    y: ArrayLike | torch.Tensor,
    *,
    sr: int = 16000,
    n_fft: int = 512,
    win_length: int | None = None,
    hop_length: int = 160,
    window: str | Sequence[Any] = "hann",
    n_mels: int = 64,
    fmin: float = 0.0,
    fmax: float | None = None,
    backend: str = "torch",
) -> torch.Tensor:
    """Compute the power of waveforms in Mel bands, before the logarithm.

    The bands are triangles on Slaney's Mel scale, each of unit area, as librosa has them.

    Parameters
    ----------
    y : array-like or torch.Tensor of shape (n_times,) or (n, n_times)
        One waveform or a batch of equal length, with samples between -1 and 1.
    sr : int, default=16000
        Sampling rate in Hz, 1 to 1,048,576.
    n_fft : int, default=512
        Length of the Fourier transform in samples, 1 to 1,048,576.
    win_length : int or None, default=None
        Length of the window in samples, 1 to `n_fft`. None means `n_fft`.
    hop_length : int, default=160
        Distance between frames in samples, at least 1.
    window : str, tuple or list, default="hann"
        Window, as ``scipy.signal.get_window`` names it: its name, or name and parameters.
    n_mels : int, default=64
        Number of Mel bands, at least 1.
    fmin : float, default=0.0
        Lowest frequency in Hz, from 0 to below `fmax`.
    fmax : float or None, default=None
        Highest frequency in Hz, at most `sr` / 2. None means `sr` / 2.
    backend : {"torch", "torchaudio"}, default="torch"
        Library that computes it.

    Returns
    -------
    torch.Tensor of shape (n_mels, n_frames) or (n, n_mels, n_frames)
        Power in each band.

    Raises
    ------
    TypeError, ValueError, ImportError
        As in :func:`spectrogram`.

    References
    ----------
    M. Slaney, "Auditory Toolbox, version 2", Technical Report 1998-010, Interval Research
    Corporation, 1998.

    Examples
    --------
    >>> import numpy as np
    >>> from skser.spectrogram import mel_spectrogram
    >>> mel_spectrogram(np.ones(400), n_mels=20).shape
    torch.Size([20, 3])
    """
    check_parameters(
        kind="mel",
        sr=sr,
        n_fft=n_fft,
        win_length=win_length,
        hop_length=hop_length,
        window=window,
        n_mels=n_mels,
        fmin=fmin,
        fmax=fmax,
        backend=backend,
    )
    return _power(y, _Settings("mel", sr, n_fft, win_length, hop_length, window, n_mels, fmin, fmax), backend)


def power_spectrogram(
    y: ArrayLike | torch.Tensor,
    *,
    sr: int = 16000,
    n_fft: int = 512,
    win_length: int | None = None,
    hop_length: int = 160,
    window: str | Sequence[Any] = "hann",
    fmin: float = 0.0,
    fmax: float | None = None,
    backend: str = "torch",
) -> torch.Tensor:
    """Compute the squared magnitude of the short-time Fourier transform from `fmin` to `fmax`.

    Parameters
    ----------
    y : array-like or torch.Tensor of shape (n_times,) or (n, n_times)
        One waveform or a batch of equal length, with samples between -1 and 1.
    sr : int, default=16000
        Sampling rate in Hz, 1 to 1,048,576.
    n_fft : int, default=512
        Length of the Fourier transform in samples, 1 to 1,048,576.
    win_length : int or None, default=None
        Length of the window in samples, 1 to `n_fft`. None means `n_fft`.
    hop_length : int, default=160
        Distance between frames in samples, at least 1.
    window : str, tuple or list, default="hann"
        Window, as ``scipy.signal.get_window`` names it: its name, or name and parameters.
    fmin : float, default=0.0
        Lowest frequency in Hz, from 0 to below `fmax`.
    fmax : float or None, default=None
        Highest frequency in Hz, at most `sr` / 2. None means `sr` / 2.
    backend : {"torch", "torchaudio"}, default="torch"
        Library that computes it.

    Returns
    -------
    torch.Tensor of shape (n_bins, n_frames) or (n, n_bins, n_frames)
        Power in each bin.

    Raises
    ------
    TypeError, ValueError, ImportError
        As in :func:`spectrogram`.

    Examples
    --------
    >>> import numpy as np
    >>> from skser.spectrogram import power_spectrogram
    >>> power_spectrogram(np.ones(400), fmax=4000).shape  # 0, 31.25, ..., 4000 Hz
    torch.Size([129, 3])
    """
    check_parameters(
        kind="stft",
        sr=sr,
        n_fft=n_fft,
        win_length=win_length,
        hop_length=hop_length,
        window=window,
        fmin=fmin,
        fmax=fmax,
        backend=backend,
    )
    return _power(y, _Settings("stft", sr, n_fft, win_length, hop_length, window, 0, fmin, fmax), backend)


def power_to_db(S: torch.Tensor, *, ref: float | str = 1.0, top_db: float | None = None) -> torch.Tensor:
    """Convert power to decibels, with a floor at a power of 1e-10.

    Parameters
    ----------
    S : torch.Tensor of shape (..., n_bins, n_frames)
        Power of one item or of several.
    ref : {"max", "mean"} or float, default=1.0
        What 0 dB stands for: a power above 0, or for each item the largest of its powers, or its mean in dB.
    top_db : float or None, default=None
        Cells more than this below the item's largest are raised to that, above 0. None raises none.

    Returns
    -------
    torch.Tensor of the shape of `S`
        ``10 * log10(max(S, 1e-10) / ref)``. With "mean" the mean over the item, after `top_db`, is 0 dB.

    Raises
    ------
    TypeError, ValueError
        If a parameter is of a wrong type or out of its range.

    Examples
    --------
    >>> import torch
    >>> from skser.spectrogram import power_to_db
    >>> power_to_db(torch.tensor([0.0, 0.1, 1.0, 100.0]))
    tensor([-100.,  -10.,    0.,   20.])
    """
    check_db_parameters(ref, top_db)
    return _to_db(torch.clamp(S, min=AMIN), ref, top_db)


def _to_db(S: torch.Tensor, ref: float | str, top_db: float | None) -> torch.Tensor:
    """Power from the floor on in decibels, by checked parameters; in place unless gradients are needed."""
    in_place = not S.requires_grad
    S = S.log10_().mul_(10.0) if in_place else S.log10().mul(10.0)
    item = (-2, -1)[-S.ndim :] if S.ndim else ()
    if top_db is not None:
        S = torch.maximum(S, S.amax(item, keepdim=True) - top_db, out=S if in_place else None)
    if ref == "max":
        return S - S.amax(item, keepdim=True)
    if ref == "mean":
        return S - S.mean(item, keepdim=True)
    return S if ref == 1 else S - _in_db(ref)


def _in_db(power: float | str) -> float:
    """Decibels of a reference power, from the floor on."""
    return 10.0 * math.log10(max(float(power), AMIN))


def check_db_parameters(ref: float | str, top_db: float | None) -> None:
    """Raise unless the parameters of `power_to_db` can be used."""
    if isinstance(ref, str):
        check_choice("ref", ref, ("max", "mean"))
    else:
        check_number("ref", ref, low=0, closed="neither")
    if top_db is not None:
        check_number("top_db", top_db, low=0, closed="neither")


def _as_tensor(y: ArrayLike | torch.Tensor) -> torch.Tensor:
    """Waveforms as float32 or float64 of one or two dimensions, without a copy where possible."""
    y = y if isinstance(y, torch.Tensor) else _array_to_tensor(np.asarray(y))
    if y.is_complex():
        raise ValueError(f"Complex data not supported: y must be real, got {y.dtype}.")
    if not y.is_floating_point():
        raise TypeError(
            f"y must hold floating-point samples, got {y.dtype}: scale it to [-1, 1] as load_audio does."
        )
    if y.ndim not in (1, 2) or 0 in y.shape:
        raise ValueError(
            f"y must be one waveform (n_times,) or a batch (n, n_times) of at least one sample, "
            f"got shape {tuple(y.shape)}."
        )
    y = y if y.dtype in (torch.float32, torch.float64) else y.float()
    # A sum is finite where all samples are, unless it overflows, and ten times faster than a look at each.
    if not y.is_meta and not math.isfinite(y.detach().sum()) and not torch.isfinite(y).all():
        first = torch.argwhere(~torch.isfinite(y))[0].tolist()
        raise ValueError(
            f"y holds NaN or infinite samples, the first at index {', '.join(map(str, first))}: repair the "
            "waveform or leave it out."
        )
    return y


def _array_to_tensor(array: np.ndarray) -> torch.Tensor:
    """Tensor of an array, which torch can share unless it is read-only, reversed or foreign-endian."""
    try:
        return torch.from_numpy(np.require(array, array.dtype.newbyteorder("="), ["C", "W"]))
    except TypeError as error:  # text, objects, long doubles
        raise TypeError(f"y must hold floating-point samples, got {array.dtype}.") from error


def _power_in_rows(
    waveforms: Sequence[torch.Tensor], settings: _Settings
) -> tuple[torch.Tensor, list[slice]]:
    """Power (n_rows, n_bins) of frames, and the rows of each waveform, as `power_in_blocks` gives them."""
    # No integers of NumPy, which would overflow.
    n_fft, hop_length = int(settings.n_fft), int(settings.hop_length)
    halves = mel_bands_like(waveforms[0], *settings.filterbank()) if settings.kind == "mel" else None
    return power_in_blocks(
        waveforms, n_fft, hop_length, settings.weights(waveforms[0]), settings.bins(), halves
    )


def _power(y: ArrayLike | torch.Tensor, settings: _Settings, backend: str) -> torch.Tensor:
    """Power (..., n_bins, n_frames) in Fourier bins or in Mel bands, by parameters that were checked."""
    y = _as_tensor(y)
    if backend == "torch" and can_use_blocks(y):
        rows, (part,) = _power_in_rows([y], settings)
        return rows[part].mT
    bins, weights, filters = settings.bins(), settings.weights(y), None
    lengths = (settings.n_fft, settings.hop_length, settings.win_length or settings.n_fft)
    if settings.kind == "mel":
        filters = mel_filters_like(y, *settings.filterbank(), backend)[:, bins]
    if backend == "torchaudio":
        functional = import_torchaudio().functional
        S = functional.spectrogram(y, 0, weights, *lengths, 2.0, False, center=True, pad_mode="constant")
        power = S[..., bins, :]
    else:
        S = torch.stft(y, *lengths, weights, pad_mode="constant", return_complex=True)
        # Twice as fast as abs() and free of its square root; view_as_real copies nothing.
        parts = torch.view_as_real(S[..., bins, :]).square()
        power = parts[..., 0] + parts[..., 1]
    # Frame after frame, as stft leaves them: a third faster than filters @ power.
    return power if filters is None else (power.mT @ filters.mT).mT
