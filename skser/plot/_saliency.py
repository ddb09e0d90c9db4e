"""Picture of the parts of a spectrogram that a prediction depends on."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.utils.validation import check_is_fitted

from .._utils import check_flag, check_number, steps_of, without_mask
from ..classifier import CenterLossClassifier, compute_saliency
from ..features import SpectrogramTransformer
from ._drawing import COLORS, check_drawing, plain
from ._spectrogram import SpectrogramDisplay, compute_spectrogram, settings_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_PALE = ("#ffffff", "#a8a8a8")  # of the spectrogram, so that the marks are darker, also in gray
_QUANTILE = 0.99  # of the positive values that have the strongest color


@dataclass(eq=False, repr=False)
class SaliencyDisplay:  # numpydoc ignore=PR02
    """Picture of the parts of a spectrogram that support a class.

    The spectrogram is gray. Colored parts raise the probability of the class. Make the picture with
    :meth:`from_estimator` or :meth:`from_predictions`. Parameters are stored as attributes.

    Parameters
    ----------
    S : array-like of shape (n_bins, n_frames)
        Power in dB, one spectrogram from `SpectrogramTransformer`.
    saliency : array-like of shape (n_bins, n_frames)
        How much each cell raises the log-probability of the class; negative if it lowers it. Only positive
        values are drawn.
    label : object, default=None
        The class. It is in the title.
    probability : float, default=None
        Probability of the class, in [0, 1]. It is in the title.
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

    Attributes
    ----------
    ax_ : matplotlib.axes.Axes
        Axes of the picture.
    figure_ : matplotlib.figure.Figure
        Figure of these axes.
    spectrogram_ : SpectrogramDisplay
        The picture of the spectrogram.
    mesh_ : matplotlib.collections.QuadMesh
        The colored parts.
    colorbar_ : matplotlib.colorbar.Colorbar or None
        The color bar, None without one.

    See Also
    --------
    SpectrogramDisplay : Draws only the spectrogram.

    Notes
    -----
    The value of a cell is the gradient of the log-probability with respect to its level in dB, times its
    level above the lowest level of the recording [1]_: the change of the log-probability that a linear
    approximation predicts if the cell is silenced. The network is not linear, and other methods mark other
    parts. The picture shows what this network responds to, not what people hear.

    References
    ----------
    .. [1] A. Shrikumar, P. Greenside, A. Shcherbina and A. Kundaje, "Not just a black box: learning
       important features through propagating activation differences", arXiv:1605.01713, 2016.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.pipeline import make_pipeline
    >>> from skser import CenterLossClassifier, SaliencyDisplay, SpectrogramTransformer
    >>> rng = np.random.default_rng(0)
    >>> X, y = [rng.normal(size=8000) for _ in range(8)], ["calm", "angry"] * 4
    >>> classifier = CenterLossClassifier(channels=(4, 4), rnn_units=4, max_epochs=1, random_state=0)
    >>> pipe = make_pipeline(SpectrogramTransformer(), classifier).fit(X, y)
    >>> display = SaliencyDisplay.from_estimator(pipe, X[0], label="calm")
    >>> display.ax_.get_xlabel(), display.saliency.shape
    ('time (s)', (64, 51))
    >>> display.figure_.savefig("saliency.png")  # doctest: +SKIP
    """

    S: Any
    saliency: Any
    _: KW_ONLY
    label: Any = None
    probability: float | None = None
    kind: str = "mel"
    sr: int = 16000
    n_fft: int = 512
    hop_length: int = 160
    fmin: float = 0.0
    fmax: float | None = None

    def plot(
        self, ax: Axes | None = None, *, colorbar: bool = True, title: str | None = None
    ) -> SaliencyDisplay:
        """Draw the spectrogram and the parts that support the class.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, default=None
            Axes to draw on. None makes a new figure, with constrained layout.
        colorbar : bool, default=True
            Whether to draw a color bar.
        title : str, default=None
            Title of the axes. None names the class and its probability.

        Returns
        -------
        SaliencyDisplay
            The display itself, with `ax_`, `figure_`, `spectrogram_`, `mesh_` and `colorbar_`.

        Raises
        ------
        TypeError, ValueError
            If a parameter cannot be used, or shapes do not match.
        ImportError
            If matplotlib cannot be imported.
        """
        check_drawing(ax)
        check_flag("colorbar", colorbar)
        check_number("probability", self.probability, low=0, high=1, optional=True)
        saliency = np.asarray(without_mask("saliency", self.saliency), dtype=float)
        if saliency.shape != np.shape(self.S) or not np.isfinite(saliency).all():
            raise ValueError(
                f"saliency must be finite and of the shape of S, {np.shape(self.S)}, got {saliency.shape}."
            )
        from matplotlib.colors import LinearSegmentedColormap, to_rgba

        pale = LinearSegmentedColormap.from_list("pale", _PALE)
        marks = LinearSegmentedColormap.from_list("marks", [to_rgba(COLORS[0], a) for a in (0, 1)])
        spectrogram = SpectrogramDisplay(self.S, **settings_of(self))
        title = self._make_title() if title is None else title
        self.spectrogram_ = spectrogram.plot(ax, cmap=pale, colorbar=False, title=title)
        self.ax_, self.figure_ = spectrogram.ax_, spectrogram.figure_
        positive = saliency[saliency > 0]
        highest = np.quantile(positive, _QUANTILE) if positive.size else 1.0
        edges = spectrogram.mesh_.get_coordinates()
        shares = np.clip(saliency / highest, 0, 1)
        self.mesh_ = self.ax_.pcolormesh(
            edges[..., 0], edges[..., 1], shares, cmap=marks, vmin=0, vmax=1, rasterized=True
        )
        self.colorbar_ = None
        if colorbar:
            self.colorbar_ = self.figure_.colorbar(
                self.mesh_, ax=self.ax_, label=plain("supports the class"), pad=0.02, ticks=[]
            )
        return self

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        recording: Any,
        *,
        label: Any = None,
        ax: Axes | None = None,
        colorbar: bool = True,
        title: str | None = None,
    ) -> SaliencyDisplay:
        """Predict a recording, and draw the parts that support a class.

        Parameters
        ----------
        estimator : Pipeline or search
            A fitted Pipeline of `SpectrogramTransformer` and `CenterLossClassifier`, or a search over one.
        recording : str, path-like or array-like of shape (n_times,)
            One recording: a path, or a waveform at the transformer's sampling rate.
        label : object, default=None
            The class, one of `classes_`. None means the predicted class.
        ax : matplotlib.axes.Axes, default=None
            Axes to draw on. None makes a new figure.
        colorbar : bool, default=True
            Whether to draw a color bar.
        title : str, default=None
            Title of the axes. None names the class and its probability.

        Returns
        -------
        SaliencyDisplay
            The display.

        Raises
        ------
        TypeError
            If the estimator is not such a Pipeline, because gradients do not pass through other steps.
        ValueError, OSError
            If the recording or a parameter cannot be used.
        ImportError
            If matplotlib cannot be imported.
        """
        check_drawing(ax)
        transformer, classifier = _find_steps(estimator)
        check_is_fitted(classifier)
        classes = classifier.classes_.tolist()
        if label is not None and label not in classes:
            raise ValueError(
                f"label={label!r} is not one of the classes {classes}: name one of them, or None."
            )
        S = compute_spectrogram(transformer, recording)
        probabilities = classifier.predict_proba([S])[0]
        number = int(probabilities.argmax()) if label is None else classes.index(label)
        display = cls(
            S,
            compute_saliency(classifier, S, number),
            label=classes[number],
            probability=float(probabilities[number]),
            **settings_of(transformer),
        )
        return display.plot(ax, colorbar=colorbar, title=title)

    @classmethod
    def from_predictions(
        cls,
        S: Any,
        saliency: Any,
        *,
        label: Any = None,
        probability: float | None = None,
        kind: str = "mel",
        sr: int = 16000,
        n_fft: int = 512,
        hop_length: int = 160,
        fmin: float = 0.0,
        fmax: float | None = None,
        ax: Axes | None = None,
        colorbar: bool = True,
        title: str | None = None,
    ) -> SaliencyDisplay:
        """Draw a saliency that is already computed.

        Parameters
        ----------
        S : array-like of shape (n_bins, n_frames)
            Power in dB, one spectrogram from `SpectrogramTransformer`.
        saliency : array-like of shape (n_bins, n_frames)
            How much each cell raises the log-probability of the class.
        label : object, default=None
            The class.
        probability : float, default=None
            Probability of the class, in [0, 1].
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
        colorbar : bool, default=True
            Whether to draw a color bar.
        title : str, default=None
            Title of the axes. None names the class and its probability.

        Returns
        -------
        SaliencyDisplay
            The display.

        Raises
        ------
        TypeError, ValueError
            If a parameter cannot be used, or shapes do not match.
        ImportError
            If matplotlib cannot be imported.
        """
        display = cls(
            S,
            saliency,
            label=label,
            probability=probability,
            kind=kind,
            sr=sr,
            n_fft=n_fft,
            hop_length=hop_length,
            fmin=fmin,
            fmax=fmax,
        )
        return display.plot(ax, colorbar=colorbar, title=title)

    def _make_title(self) -> str | None:
        """Name the class and its probability."""
        if self.label is None:
            return None
        share = "" if self.probability is None else f" ({100 * self.probability:.0f} %)"
        return plain(f"{self.label}{share}")


def _find_steps(estimator: Any) -> tuple[SpectrogramTransformer, CenterLossClassifier]:
    """Find the two steps of a pipeline that gradients pass through."""
    steps = steps_of(estimator)
    kinds = [SpectrogramTransformer, CenterLossClassifier]
    if len(steps) != 2 or not all(map(isinstance, steps, kinds)):
        names = ", ".join(type(step).__name__ for step in steps)
        raise TypeError(
            "estimator must be a Pipeline of SpectrogramTransformer and CenterLossClassifier, through which "
            f"gradients pass, or a fitted search over one, got {names}: for others use from_predictions."
        )
    return steps[0], steps[1]
