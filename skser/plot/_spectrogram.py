"""Picture of one spectrogram."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import KW_ONLY, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import clone

from .._utils import check_flag, check_number, is_path
from ..audio import check_waveform
from ..features import SpectrogramTransformer
from ._drawing import check_drawing, import_pyplot, open_axes
from ._estimators import find_step
from ._grid import as_spectrogram, bin_edges, color_limits, frame_edges

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.colors import Colormap

# In Hz; closer ticks would overlap in small pictures.
_MEL_TICKS = (0, 500, 1000, 2000, 4000, 8000, 16000, 32000)

_SETTINGS = ("kind", "sr", "n_fft", "hop_length", "fmin", "fmax")


@dataclass(eq=False, repr=False)
class SpectrogramDisplay:  # numpydoc ignore=PR02
    """Picture of a spectrogram: power in decibels over time in seconds and frequency in Hz.

    Make it with :meth:`from_estimator` or :meth:`from_predictions`. Parameters are stored as attributes.

    Parameters
    ----------
    S : array-like or torch.Tensor of shape (n_bins, n_frames)
        Power in dB, one spectrogram from `SpectrogramTransformer` or :func:`skser.spectrogram`.
    kind : {"mel", "stft"}, default="mel"
        Mel bands, or the bins of the short-time Fourier transform from `fmin` to `fmax`.
    sr : int, default=16000
        Sampling rate in Hz, at least 1.
    n_fft : int, default=512
        Length of the Fourier transform in samples, at least 1.
    hop_length : int, default=160
        Distance between frames in samples, at least 1.
    fmin : float, default=0.0
        Lowest frequency in Hz, from 0 to below `fmax`.
    fmax : float or None, default=None
        Highest frequency in Hz, at most `sr` / 2. None means `sr` / 2.

    Attributes
    ----------
    ax_ : matplotlib.axes.Axes
        Axes of the picture.
    figure_ : matplotlib.figure.Figure
        Figure of these axes.
    mesh_ : matplotlib.collections.QuadMesh
        The spectrogram.
    colorbar_ : matplotlib.colorbar.Colorbar or None
        The color bar, None without one.

    See Also
    --------
    SpectrogramTransformer : Makes spectrograms from recordings.
    librosa.display.specshow : Draws other representations of audio.

    Notes
    -----
    A frame is drawn around its center, frame k at k * hop_length / sr seconds. If the transformer trims
    silence, time starts at the first sample that is kept. A Mel band is drawn around the frequency of its
    peak, on Slaney's Mel scale, where all bands have the same height.

    Examples
    --------
    >>> import numpy as np
    >>> from skser import SpectrogramDisplay, SpectrogramTransformer
    >>> y = np.sin(2 * np.pi * 1000 * np.arange(16000) / 16000)
    >>> display = SpectrogramDisplay.from_estimator(SpectrogramTransformer(kind="stft"), y)
    >>> display.ax_.get_xlabel(), display.ax_.get_ylabel()
    ('time (s)', 'frequency (Hz)')
    >>> display.figure_.savefig("spectrogram.png")  # doctest: +SKIP
    """

    S: Any
    _: KW_ONLY
    kind: str = "mel"
    sr: int = 16000
    n_fft: int = 512
    hop_length: int = 160
    fmin: float = 0.0
    fmax: float | None = None

    def plot(
        self,
        ax: Axes | None = None,
        *,
        cmap: str | Colormap = "magma",
        dynamic_range: float | None = 80.0,
        vmin: float | None = None,
        vmax: float | None = None,
        colorbar: bool = True,
        title: str | None = None,
    ) -> SpectrogramDisplay:
        """Draw the spectrogram.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, default=None
            Axes to draw on. None makes a new figure, with constrained layout.
        cmap : str or matplotlib.colors.Colormap, default="magma"
            Color map. "magma" is perceptually uniform and its lightness increases throughout, so that it can
            also be read in gray; "gray_r" saves ink.
        dynamic_range : float or None, default=80.0
            The colors span at most this many dB below `vmax`, above 0, so that digital silence (-100 dB)
            does not take most of the colors. Lower levels have the lowest color. None spans all levels.
        vmin : float, default=None
            Level of the lowest color in dB. None uses `dynamic_range`.
        vmax : float, default=None
            Level of the highest color in dB. None means the peak.
        colorbar : bool, default=True
            Whether to draw a color bar.
        title : str, default=None
            Title of the axes.

        Returns
        -------
        SpectrogramDisplay
            The display itself, with `ax_`, `figure_`, `mesh_` and `colorbar_`.

        Raises
        ------
        TypeError, ValueError
            If a parameter cannot be used, or `S` does not match the other parameters.
        ImportError
            If matplotlib cannot be imported.
        """
        check_drawing(ax)
        check_flag("colorbar", colorbar)
        S, colors = as_spectrogram(self.S), import_pyplot().get_cmap(cmap)
        lowest, highest = color_limits(S, dynamic_range, vmin, vmax)
        bins = bin_edges(len(S), kind=self.kind, sr=self.sr, n_fft=self.n_fft, fmin=self.fmin, fmax=self.fmax)
        check_number("hop_length", self.hop_length, integer=True, low=1)
        frames = frame_edges(S.shape[1], self.sr, self.hop_length)
        self.ax_ = open_axes(ax, title)
        self.figure_ = self.ax_.figure
        self.mesh_ = self.ax_.pcolormesh(
            frames, bins, S, cmap=colors, vmin=lowest, vmax=highest, rasterized=True
        )
        self._label_axes(bins)
        self.colorbar_ = None
        if colorbar:
            below, above = S.min() < lowest, S.max() > highest
            extend = "both" if below and above else "min" if below else "max" if above else "neither"
            self.colorbar_ = self.figure_.colorbar(
                self.mesh_, ax=self.ax_, extend=extend, label="power (dB)", pad=0.02
            )
        return self

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        audio: Any,
        *,
        ax: Axes | None = None,
        cmap: str | Colormap = "magma",
        dynamic_range: float | None = 80.0,
        vmin: float | None = None,
        vmax: float | None = None,
        colorbar: bool = True,
        title: str | None = None,
    ) -> SpectrogramDisplay:
        """Compute the spectrogram of a recording with an estimator, and draw it.

        Parameters
        ----------
        estimator : SpectrogramTransformer, Pipeline or search
            The transformer, a Pipeline that starts with it, or a fitted search over them. The transformer
            need not be fitted.
        audio : str, path-like or array-like of shape (n_times,)
            One recording: a path, or a waveform at the transformer's sampling rate.
        ax : matplotlib.axes.Axes, default=None
            Axes to draw on. None makes a new figure.
        cmap : str or matplotlib.colors.Colormap, default="magma"
            Color map.
        dynamic_range : float or None, default=80.0
            The colors span at most this many dB below `vmax`. None spans all levels.
        vmin : float, default=None
            Level of the lowest color in dB. None uses `dynamic_range`.
        vmax : float, default=None
            Level of the highest color in dB. None means the peak.
        colorbar : bool, default=True
            Whether to draw a color bar.
        title : str, default=None
            Title of the axes.

        Returns
        -------
        SpectrogramDisplay
            The display.

        Raises
        ------
        TypeError, ValueError, OSError
            If the recording or a parameter cannot be used.
        ImportError
            If matplotlib cannot be imported.
        """
        check_drawing(ax)
        _, transformer = find_step(estimator, SpectrogramTransformer, only_first=True)
        S = compute_spectrogram(transformer, audio)
        display = cls(S, **settings_of(transformer))
        return display.plot(
            ax, cmap=cmap, dynamic_range=dynamic_range, vmin=vmin, vmax=vmax, colorbar=colorbar, title=title
        )

    @classmethod
    def from_predictions(
        cls,
        S: Any,
        *,
        kind: str = "mel",
        sr: int = 16000,
        n_fft: int = 512,
        hop_length: int = 160,
        fmin: float = 0.0,
        fmax: float | None = None,
        ax: Axes | None = None,
        cmap: str | Colormap = "magma",
        dynamic_range: float | None = 80.0,
        vmin: float | None = None,
        vmax: float | None = None,
        colorbar: bool = True,
        title: str | None = None,
    ) -> SpectrogramDisplay:
        """Draw a spectrogram that is already computed.

        Parameters
        ----------
        S : array-like or torch.Tensor of shape (n_bins, n_frames)
            Power in dB, one spectrogram from `SpectrogramTransformer` or :func:`skser.spectrogram`.
        kind : {"mel", "stft"}, default="mel"
            Kind of the spectrogram.
        sr : int, default=16000
            Sampling rate in Hz, at least 1.
        n_fft : int, default=512
            Length of the Fourier transform in samples, at least 1.
        hop_length : int, default=160
            Distance between frames in samples, at least 1.
        fmin : float, default=0.0
            Lowest frequency in Hz, from 0 to below `fmax`.
        fmax : float or None, default=None
            Highest frequency in Hz, at most `sr` / 2. None means `sr` / 2.
        ax : matplotlib.axes.Axes, default=None
            Axes to draw on. None makes a new figure.
        cmap : str or matplotlib.colors.Colormap, default="magma"
            Color map.
        dynamic_range : float or None, default=80.0
            The colors span at most this many dB below `vmax`. None spans all levels.
        vmin : float, default=None
            Level of the lowest color in dB. None uses `dynamic_range`.
        vmax : float, default=None
            Level of the highest color in dB. None means the peak.
        colorbar : bool, default=True
            Whether to draw a color bar.
        title : str, default=None
            Title of the axes.

        Returns
        -------
        SpectrogramDisplay
            The display.

        Raises
        ------
        TypeError, ValueError
            If a parameter cannot be used, or `S` does not match the other parameters.
        ImportError
            If matplotlib cannot be imported.
        """
        display = cls(S, kind=kind, sr=sr, n_fft=n_fft, hop_length=hop_length, fmin=fmin, fmax=fmax)
        return display.plot(
            ax, cmap=cmap, dynamic_range=dynamic_range, vmin=vmin, vmax=vmax, colorbar=colorbar, title=title
        )

    def _label_axes(self, bins: NDArray[np.float64]) -> None:
        """Scale and label the axes."""
        self.ax_.set(xlabel="time (s)", ylabel="frequency (Hz)")
        if self.kind == "mel":
            from librosa import hz_to_mel, mel_to_hz

            self.ax_.set_yscale("function", functions=(hz_to_mel, mel_to_hz))
            ticks = [tick for tick in _MEL_TICKS if bins[0] <= tick <= bins[-1]]
            if len(ticks) >= 3:
                self.ax_.set_yticks(ticks)
        self.ax_.set_ylim(bins[0], bins[-1])


def settings_of(source: Any) -> dict[str, Any]:
    """Parameters of a transformer or display that determine time and frequency of the cells."""
    return {name: getattr(source, name) for name in _SETTINGS}


def compute_spectrogram(transformer: SpectrogramTransformer, audio: Any) -> NDArray[np.float32]:
    """Compute the spectrogram of one recording."""
    if not is_path(audio):
        if isinstance(audio, Iterable) and getattr(audio, "ndim", 1) == 1:
            first: Any = next(iter(audio), None)
            if is_path(first) or np.ndim(first):
                raise ValueError("audio must be one recording, got several: pick an item, such as X[0].")
        if getattr(audio, "ndim", None) == 2:
            raise ValueError(
                f"audio must be one recording, got an array of shape {np.shape(audio)}: pick a row, such as "
                "X[0], or take the mean over its channels."
            )
        check_waveform(audio)
    # A copy, so that a previous fit on arrays has no effect; a single item needs no workers.
    S: NDArray[np.float32] = clone(transformer).set_params(n_jobs=1, verbose=0).transform([audio])[0]
    return S
