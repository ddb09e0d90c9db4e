"""The picture of one spectrogram."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import clone

from .._utils import check_flag, check_number, is_path
from ..spectral import frequencies
from ._estimators import find_spectrogram_transformer
from ._grid import as_spectrogram, bin_edges, colour_limits, frame_edges
from ._style import check_axes, import_pyplot, new_axes

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.colors import Colormap

# Hz; closer ones would overlap in small pictures.
_MEL_TICKS = (0, 500, 1000, 2000, 4000, 8000, 16000, 32000)


class SpectrogramDisplay:
    """Picture of a spectrogram: power in decibels over time in seconds and frequency in Hz.

    Make it with :meth:`from_estimator` or :meth:`from_predictions`. Parameters are stored as attributes.

    Parameters
    ----------
    S : array-like or torch.Tensor of shape (n_bins, n_frames)
        Power in dB, one item of what `SpectrogramTransformer` or :func:`skser.spectrogram` gives.
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
        Figure that holds it.
    mesh_ : matplotlib.collections.QuadMesh
        The spectrogram.
    colorbar_ : matplotlib.colorbar.Colorbar or None
        The colour bar.

    See Also
    --------
    SpectrogramTransformer : Makes spectrograms from recordings.
    librosa.display.specshow : What draws them.

    Notes
    -----
    A frame is drawn around its center, frame k at k * hop_length / sr seconds. Where the transformer
    trims silence, time counts from the first sample that is left. A Mel band is drawn around
    the frequency of its peak, on Slaney's Mel scale, on which all are equally high.

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

    def __init__(
        self,
        S: Any,
        *,
        kind: str = "mel",
        sr: int = 16000,
        n_fft: int = 512,
        hop_length: int = 160,
        fmin: float = 0.0,
        fmax: float | None = None,
    ) -> None:
        self.S = S
        self.kind = kind
        self.sr = sr
        self.n_fft = n_fft
        self.hop_length = hop_length
        self.fmin = fmin
        self.fmax = fmax

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
            Axes to draw on. None makes a new figure.
        cmap : str or matplotlib.colors.Colormap, default="magma"
            Colour map. "magma" is perceptually uniform and grows lighter throughout, so that it can be read
            in grey; "gray_r" saves ink.
        dynamic_range : float or None, default=80.0
            Colours span at most this many dB below `vmax`, above 0, so that digital silence (-100 dB) does
            not use them up; what lies lower has the lowest one. None spans all.
        vmin : float, default=None
            Level of the lowest colour in dB. None takes what `dynamic_range` says.
        vmax : float, default=None
            Level of the highest colour in dB. None takes the peak.
        colorbar : bool, default=True
            Whether to draw a colour bar.
        title : str, default=None
            Title of the axes.

        Returns
        -------
        SpectrogramDisplay
            The display itself, with `ax_`, `figure_`, `mesh_` and `colorbar_`.

        Raises
        ------
        TypeError, ValueError
            If a parameter cannot be used, or `S` does not go with the parameters of its axes.
        ImportError
            If matplotlib cannot be imported.
        """
        plt = import_pyplot("SpectrogramDisplay.plot")
        if ax is not None:
            check_axes(ax)
        check_flag("colorbar", colorbar)
        S, colours = self._checked_spectrogram(), plt.get_cmap(cmap)
        lowest, highest = colour_limits(S, dynamic_range, vmin, vmax)
        bins = bin_edges(len(S), **self._bins())
        from librosa.display import specshow

        ax = new_axes(aspect=0.5, narrow_aspect=0.75) if ax is None else ax
        self.mesh_ = specshow(
            S,
            x_coords=frame_edges(S.shape[1], self.sr, self.hop_length),
            y_coords=bins,
            x_axis="s",
            y_axis="hz",
            auto_aspect=False,
            ax=ax,
            cmap=colours,
            vmin=lowest,
            vmax=highest,
        )
        self._decorate(ax, bins, title)
        self.colorbar_ = None
        if colorbar:
            extend = _EXTEND[bool(S.min() < lowest), bool(S.max() > highest)]
            self.colorbar_ = ax.figure.colorbar(
                self.mesh_, ax=ax, extend=extend, label="power (dB)", pad=0.02
            )
        self.ax_, self.figure_ = ax, ax.figure
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
        """Compute the spectrogram of a recording as an estimator does, and draw it.

        Parameters
        ----------
        estimator : SpectrogramTransformer, Pipeline or search
            The transformer, a Pipeline whose first step it is, or a fitted search over them. It need not be
            fitted.
        audio : str, path-like or array-like of shape (n_times,)
            One recording: a path, or a waveform at the transformer's sampling rate.
        ax : matplotlib.axes.Axes, default=None
            Axes to draw on. None makes a new figure.
        cmap : str or matplotlib.colors.Colormap, default="magma"
            Colour map.
        dynamic_range : float or None, default=80.0
            Colours span at most this many dB below `vmax`. None spans all.
        vmin : float, default=None
            Level of the lowest colour in dB. None takes what `dynamic_range` says.
        vmax : float, default=None
            Level of the highest colour in dB. None takes the peak.
        colorbar : bool, default=True
            Whether to draw a colour bar.
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
        import_pyplot(f"{cls.__name__}.from_estimator")
        transformer = find_spectrogram_transformer(estimator)
        _check_recording(audio)
        # A copy without what a fit on arrays left behind, and without workers for a single item.
        S = clone(transformer).set_params(n_jobs=1, verbose=0).transform([audio])[0]
        names = ("kind", "sr", "n_fft", "hop_length", "fmin", "fmax")
        display = cls(S, **{name: getattr(transformer, name) for name in names})
        return display.plot(
            ax,
            cmap=cmap,
            dynamic_range=dynamic_range,
            vmin=vmin,
            vmax=vmax,
            colorbar=colorbar,
            title=title,
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
        """Draw a spectrogram that has been computed already.

        Parameters
        ----------
        S : array-like or torch.Tensor of shape (n_bins, n_frames)
            Power in dB, one item of what `SpectrogramTransformer` or :func:`skser.spectrogram` gave.
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
            Colour map.
        dynamic_range : float or None, default=80.0
            Colours span at most this many dB below `vmax`. None spans all.
        vmin : float, default=None
            Level of the lowest colour in dB. None takes what `dynamic_range` says.
        vmax : float, default=None
            Level of the highest colour in dB. None takes the peak.
        colorbar : bool, default=True
            Whether to draw a colour bar.
        title : str, default=None
            Title of the axes.

        Returns
        -------
        SpectrogramDisplay
            The display.

        Raises
        ------
        TypeError, ValueError
            If a parameter cannot be used, or `S` does not go with the parameters of its axes.
        ImportError
            If matplotlib cannot be imported.
        """
        import_pyplot(f"{cls.__name__}.from_predictions")
        display = cls(S, kind=kind, sr=sr, n_fft=n_fft, hop_length=hop_length, fmin=fmin, fmax=fmax)
        return display.plot(
            ax,
            cmap=cmap,
            dynamic_range=dynamic_range,
            vmin=vmin,
            vmax=vmax,
            colorbar=colorbar,
            title=title,
        )

    def _checked_spectrogram(self) -> NDArray[np.float64]:
        """Spectrogram as an array, with the bins that its parameters promise."""
        S = as_spectrogram(self.S)
        check_number("hop_length", self.hop_length, integer=True, low=1)
        n_bins = len(frequencies(n_mels=len(S), **self._bins()))
        if len(S) != n_bins:
            raise ValueError(
                f"S has {len(S)} bins where kind={self.kind!r}, sr={self.sr}, n_fft={self.n_fft}, "
                f"fmin={self.fmin} and fmax={self.fmax} make {n_bins}: pass what it was computed with."
            )
        return S

    def _bins(self) -> dict[str, Any]:
        """Parameters that the frequencies of the bins follow from."""
        return {name: getattr(self, name) for name in ("kind", "sr", "n_fft", "fmin", "fmax")}

    def _decorate(self, ax: Axes, edges: NDArray[np.float64], title: str | None) -> None:
        """Scale and label the axes."""
        from matplotlib.ticker import AutoLocator, ScalarFormatter

        ax.xaxis.set_major_locator(AutoLocator())
        ax.xaxis.set_major_formatter(ScalarFormatter())
        ax.set(xlabel="time (s)", ylabel="frequency (Hz)")
        if title is not None:
            ax.set_title(title)
        if self.kind == "mel":
            from librosa import hz_to_mel, mel_to_hz

            ax.set_yscale("function", functions=(hz_to_mel, mel_to_hz))
            shown = [tick for tick in _MEL_TICKS if edges[0] <= tick <= edges[-1]]
            if len(shown) >= 3:
                ax.set_yticks(shown)
        ax.set_ylim(edges[0], edges[-1])


# Ends of the colour bar, by whether something lies below and above its colours.
_EXTEND = {(False, False): "neither", (True, False): "min", (False, True): "max", (True, True): "both"}


def _check_recording(audio: Any) -> None:
    """Raise unless something is a path or one waveform."""
    if is_path(audio):
        return
    try:
        samples = np.asarray(audio)
    except ValueError:  # lists of unequal length
        samples = np.empty((0, 0))
    if samples.ndim != 1 or samples.dtype.kind not in "iuf":
        raise ValueError(
            "audio must be one recording, a path or a waveform (n_times,), "
            f"got {type(audio).__name__}: pick an item, such as X[0]."
        )
