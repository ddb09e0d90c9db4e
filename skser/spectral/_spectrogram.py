"""The public functions that compute spectrograms: arrays in, tensors out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike

from .._utils import torch_settings
from ._checks import check_db_parameters, check_settings
from ._power import power, power_of_checked, to_db, to_tensor
from ._settings import Settings, fft_bins, fft_frequencies


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

    Frames are centered, and the waveform is padded with zeros, so one sample is enough. The
    decibels are those of ``librosa.power_to_db`` with ``amin=1e-10``.

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
    ref : {"max", "mean"} or float, default=1.0
        Reference for 0 dB, as in :func:`power_to_db`.
    top_db : float or None, default=None
        Range in dB below the largest value of a waveform, above 0, as in :func:`power_to_db`. None means no
        limit.
    backend : {"torch", "torchaudio"}, default="torch"
        Library that computes the spectrogram. torchaudio must be installed separately.

    Returns
    -------
    torch.Tensor of shape (n_bins, n_frames) or (n, n_bins, n_frames)
        Power in dB, on the device of `y`. There are 1 + n_times // hop_length frames if `n_fft`
        is even, and 1 + (n_times - 1) // hop_length if it is odd.

    Raises
    ------
    TypeError
        If a parameter or the samples have a wrong type.
    ValueError
        If a parameter is outside its range, or `y` is empty, complex, not finite or of another shape.
    ImportError
        If ``backend="torchaudio"`` and torchaudio cannot be imported.

    See Also
    --------
    frequencies : Frequency of each bin in Hz.

    Examples
    --------
    >>> import numpy as np
    >>> from skser import spectrogram
    >>> y = np.sin(2 * np.pi * 1000 * np.arange(16000) / 16000)
    >>> spectrogram(y, n_mels=40).shape
    torch.Size([40, 101])
    >>> S = spectrogram(y, kind="stft")  # bins 16000 / 512 = 31.25 Hz apart
    >>> int(S[:, 50].argmax())  # 1000 / 31.25
    32
    """
    settings = Settings(kind, sr, n_fft, win_length, hop_length, window, n_mels, fmin, fmax, backend)
    plain = check_settings(settings)
    check_db_parameters(ref, top_db)
    return to_db(power(y, plain), ref, top_db)


def checked_spectrogram(
    y: np.ndarray | torch.Tensor, settings: Settings, ref: float | str, top_db: float | None
) -> torch.Tensor:
    """Compute the result of `spectrogram` of a float32 waveform that `load_waveform` has checked."""
    waveform = y if isinstance(y, torch.Tensor) else to_tensor(y)
    with torch_settings(waveform.device):
        return to_db(power_of_checked(waveform, settings), ref, top_db)


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

    The bands are triangles of unit area on Slaney's Mel scale, as in librosa.

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
        As in :func:`skser.spectrogram`.

    References
    ----------
    M. Slaney, "Auditory Toolbox, version 2", Technical Report 1998-010, Interval Research
    Corporation, 1998.

    Examples
    --------
    >>> import numpy as np
    >>> from skser import mel_spectrogram
    >>> mel_spectrogram(np.ones(400), n_mels=20).shape
    torch.Size([20, 3])
    """
    settings = Settings("mel", sr, n_fft, win_length, hop_length, window, n_mels, fmin, fmax, backend)
    return power(y, check_settings(settings))


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
        As in :func:`skser.spectrogram`.

    Examples
    --------
    >>> import numpy as np
    >>> from skser import power_spectrogram
    >>> power_spectrogram(np.ones(400), fmax=4000).shape  # 0, 31.25, ..., 4000 Hz
    torch.Size([129, 3])
    """
    settings = Settings("stft", sr, n_fft, win_length, hop_length, window, 1, fmin, fmax, backend)
    return power(y, check_settings(settings))


def power_to_db(S: torch.Tensor, *, ref: float | str = 1.0, top_db: float | None = None) -> torch.Tensor:
    """Convert power to decibels; powers below 1e-10 are raised to it.

    Parameters
    ----------
    S : torch.Tensor of shape (..., n_bins, n_frames)
        Power of one item or of several. float32 and float64 are kept, other types become float32.
    ref : {"max", "mean"} or float, default=1.0
        Reference for 0 dB: a power above 0, or for each item its largest power ("max") or its mean in dB
        ("mean").
    top_db : float or None, default=None
        Range in dB below the largest value of an item, above 0; lower values are raised to its lower end.
        None means no limit.

    Returns
    -------
    torch.Tensor of the shape of `S`
        ``10 * log10(max(S, 1e-10) / ref)``. With "mean", the mean of each item after `top_db` is 0 dB.

    Raises
    ------
    TypeError, ValueError
        If `S` is not a tensor, complex or empty, or a parameter has a wrong type or is outside its range.

    Examples
    --------
    >>> import torch
    >>> from skser import power_to_db
    >>> power_to_db(torch.tensor([0.0, 0.1, 1.0, 100.0]))
    tensor([-100.,  -10.,    0.,   20.])
    """
    check_db_parameters(ref, top_db)
    if not isinstance(S, torch.Tensor):
        raise TypeError(f"S must be a torch.Tensor, got {type(S).__name__}: use torch.as_tensor(S).")
    if S.is_complex() or 0 in S.shape[-2:]:
        raise ValueError(
            f"S must be real power with at least one bin and one frame, got {S.dtype} of shape "
            f"{tuple(S.shape)}: take the squared magnitude of complex numbers."
        )
    # The floor of 1e-10 would be 0 in float16.
    return to_db(S.to(torch.promote_types(S.dtype, torch.float32)), ref, top_db)


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
        As in :func:`skser.spectrogram`.

    Examples
    --------
    >>> from skser import frequencies
    >>> frequencies(kind="stft", n_fft=8).tolist()
    [0.0, 2000.0, 4000.0, 6000.0, 8000.0]
    >>> frequencies(n_mels=3, fmax=1000).round(1).tolist()
    [250.0, 500.0, 750.0]
    """
    settings = check_settings(Settings(kind, sr, n_fft, n_mels=n_mels, fmin=fmin, fmax=fmax))
    if kind == "stft":
        return fft_frequencies(settings)[fft_bins(settings)]
    from librosa import mel_frequencies

    edges: np.ndarray = mel_frequencies(settings.n_mels + 2, fmin=settings.fmin, fmax=settings.top)
    return edges[1:-1]
