"""Picture of emotions over time."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from .._utils import check_flag
from ..audio import check_audio_parameters, stream_waveform
from ..inference import find_sampling_rate, predict_timeline
from ._cells import cell_edges, envelope
from ._drawing import check_drawing, import_pyplot, open_axes, plain, split_axes

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.colors import Colormap

_COLUMNS = ("start", "end", "silent", "label")
_PREFIX = "probability_"


@dataclass(eq=False, repr=False)
class TimelineDisplay:  # numpydoc ignore=PR02
    """Picture of emotions over time: the probability of each class below the waveform.

    Make it with :meth:`from_estimator` or :meth:`from_predictions`. Parameters are stored as attributes.

    Parameters
    ----------
    timeline : pandas.DataFrame
        The table of :func:`skser.predict_timeline` for one recording.
    recording : str, path-like or array-like of shape (n_times,), default=None
        The recording: a path, or a waveform. None draws no waveform.
    sr : int, default=16000
        Sampling rate of a waveform in Hz, 1 to 1,048,576; files are resampled to it.

    Attributes
    ----------
    ax_ : matplotlib.axes.Axes
        Axes of the probabilities.
    waveform_ax_ : matplotlib.axes.Axes or None
        Axes of the waveform above them; None without a recording.
    figure_ : matplotlib.figure.Figure
        Figure of these axes.
    mesh_ : matplotlib.collections.QuadMesh
        The probabilities.
    colorbar_ : matplotlib.colorbar.Colorbar or None
        The color bar, None without one.

    See Also
    --------
    skser.predict_timeline : Predicts the table.

    Notes
    -----
    Each class has a row, which is darker where the class is more probable, so that the picture can be read
    in gray. Labels that are not classes, such as "unknown", have a row below. Silent parts are hatched.
    Parts without a window or turn are white.

    Where windows or turns overlap, the one with the nearest center is drawn.

    Examples
    --------
    >>> import pandas as pd
    >>> from skser import TimelineDisplay
    >>> timeline = pd.DataFrame(
    ...     {
    ...         "start": [0.0, 1.0],
    ...         "end": [1.0, 2.0],
    ...         "silent": [False, False],
    ...         "label": ["calm", "angry"],
    ...         "probability_angry": [0.1, 0.8],
    ...         "probability_calm": [0.9, 0.2],
    ...     }
    ... )
    >>> display = TimelineDisplay.from_predictions(timeline)
    >>> [label.get_text() for label in display.ax_.get_yticklabels()]
    ['angry', 'calm']
    >>> display.figure_.savefig("timeline.png")  # doctest: +SKIP
    """

    timeline: Any
    _: KW_ONLY
    recording: Any = None
    sr: int = 16000

    def plot(
        self,
        ax: Axes | None = None,
        *,
        cmap: str | Colormap = "Blues",
        colorbar: bool = True,
        title: str | None = None,
    ) -> TimelineDisplay:
        """Draw the timeline.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, default=None
            Axes to draw on, which are divided into waveform and probabilities. None makes a new figure, with
            constrained layout.
        cmap : str or matplotlib.colors.Colormap, default="Blues"
            Color map of the probabilities, from 0 to 1. Its lightness should change in one direction, so that
            it can be read in gray.
        colorbar : bool, default=True
            Whether to draw a color bar.
        title : str, default=None
            Title of the axes.

        Returns
        -------
        TimelineDisplay
            The display itself, with `ax_`, `waveform_ax_`, `figure_`, `mesh_` and `colorbar_`.

        Raises
        ------
        TypeError, ValueError
            If a parameter cannot be used, or the table is not that of one recording.
        OSError
            If the recording cannot be read.
        ImportError
            If matplotlib cannot be imported.
        """
        check_drawing(ax)
        check_flag("colorbar", colorbar)
        table = _check_timeline(self.timeline)
        colors = import_pyplot().get_cmap(cmap)
        check_audio_parameters(self.sr)
        waveform = None
        if self.recording is not None:
            waveform = envelope(stream_waveform(self.recording, self.sr), self.sr)
        self.ax_, self.waveform_ax_ = open_axes(ax, title), None
        self.figure_ = self.ax_.figure
        if waveform is not None:
            self.waveform_ax_ = self.ax_
            self.ax_ = split_axes(self.waveform_ax_, 0.3)
            self.waveform_ax_.fill_between(*waveform, color="0.35", linewidth=0.5)
            self.waveform_ax_.set_ylabel("amplitude")
        self.mesh_ = _draw_cells(self.ax_, table, colors)
        self.colorbar_ = None
        if colorbar:
            axes = [each for each in (self.waveform_ax_, self.ax_) if each is not None]
            self.colorbar_ = self.figure_.colorbar(self.mesh_, ax=axes, label="probability", pad=0.02)
        return self

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        recording: Any,
        *,
        window: float = 3.0,
        hop: float = 1.0,
        turns: pd.DataFrame | None = None,
        reject: float | None = None,
        silence_db: float | None = 40.0,
        ax: Axes | None = None,
        cmap: str | Colormap = "Blues",
        colorbar: bool = True,
        title: str | None = None,
    ) -> TimelineDisplay:
        """Predict the timeline of a recording, and draw it below the waveform.

        Parameters
        ----------
        estimator : Pipeline
            A fitted classifier whose first step takes recordings, as in :func:`skser.predict_timeline`.
        recording : str, path-like or array-like of shape (n_times,)
            A file, or a waveform at the sampling rate of the estimator.
        window : float, default=3.0
            Length of the windows in seconds, above 0.
        hop : float, default=1.0
            Distance between the starts of two windows in seconds, above 0.
        turns : pandas.DataFrame, default=None
            Turns of speakers, which are predicted instead of windows; `window` and `hop` must then have their
            defaults.
        reject : float, default=None
            Probability below which the label is "unknown", in [0, 1].
        silence_db : float or None, default=40.0
            Level below the loudest window at which a window is silent, in dB, above 0.
        ax : matplotlib.axes.Axes, default=None
            Axes to draw on. None makes a new figure.
        cmap : str or matplotlib.colors.Colormap, default="Blues"
            Color map of the probabilities.
        colorbar : bool, default=True
            Whether to draw a color bar.
        title : str, default=None
            Title of the axes.

        Returns
        -------
        TimelineDisplay
            The display.

        Raises
        ------
        TypeError, ValueError, OSError
            If the estimator, the recording or a parameter cannot be used.
        ImportError
            If matplotlib cannot be imported.
        """
        check_drawing(ax)
        timeline = predict_timeline(
            estimator, recording, window=window, hop=hop, turns=turns, reject=reject, silence_db=silence_db
        )
        display = cls(timeline, recording=recording, sr=find_sampling_rate(estimator))
        return display.plot(ax, cmap=cmap, colorbar=colorbar, title=title)

    @classmethod
    def from_predictions(
        cls,
        timeline: pd.DataFrame,
        *,
        recording: Any = None,
        sr: int = 16000,
        ax: Axes | None = None,
        cmap: str | Colormap = "Blues",
        colorbar: bool = True,
        title: str | None = None,
    ) -> TimelineDisplay:
        """Draw a timeline that is already predicted.

        Parameters
        ----------
        timeline : pandas.DataFrame
            The table of :func:`skser.predict_timeline` for one recording.
        recording : str, path-like or array-like of shape (n_times,), default=None
            The recording. None draws no waveform.
        sr : int, default=16000
            Sampling rate of a waveform in Hz, 1 to 1,048,576.
        ax : matplotlib.axes.Axes, default=None
            Axes to draw on. None makes a new figure.
        cmap : str or matplotlib.colors.Colormap, default="Blues"
            Color map of the probabilities.
        colorbar : bool, default=True
            Whether to draw a color bar.
        title : str, default=None
            Title of the axes.

        Returns
        -------
        TimelineDisplay
            The display.

        Raises
        ------
        TypeError, ValueError, OSError
            If the table, the recording or a parameter cannot be used.
        ImportError
            If matplotlib cannot be imported.
        """
        display = cls(timeline, recording=recording, sr=sr)
        return display.plot(ax, cmap=cmap, colorbar=colorbar, title=title)


def _check_timeline(table: Any) -> pd.DataFrame:
    """Check a timeline, and sort its rows by the centers."""
    names = [str(name) for name in getattr(table, "columns", ())]
    missing = [name for name in _COLUMNS if name not in names]
    if missing or not any(name.startswith(_PREFIX) for name in names) or not len(table):
        raise TypeError(
            "timeline must be the DataFrame of predict_timeline with at least one row, got "
            f"{type(table).__name__} with the columns {names}."
        )
    if "file" in names and table["file"].nunique() > 1:
        raise ValueError(
            "timeline covers several files: select one, such as timeline[timeline.file == path]."
        )
    times = table[["start", "end"]]
    are_numbers = all(dtype.kind in "fiu" for dtype in times.dtypes)
    if not are_numbers or not np.isfinite(_to_floats(times)).all():
        raise ValueError("start and end of timeline must be finite numbers, the times in seconds.")
    start, end = _to_floats(times).T
    if not (start < end).all():
        raise ValueError("end must be greater than start in each row of timeline: remove the other rows.")
    return table.iloc[np.argsort(start + end, kind="stable")]


def _to_floats(columns: pd.Series | pd.DataFrame) -> NDArray[np.float64]:
    """Convert columns of numbers, which may be of pandas' nullable types or PyArrow's."""
    return columns.to_numpy(dtype=np.float64, na_value=np.nan)


def _draw_cells(ax: Any, table: pd.DataFrame, cmap: Any) -> Any:
    """Draw a row per class, a row per other label, and hatches over silent parts."""
    start, end = (_to_floats(table[name]) for name in ("start", "end"))
    values = table.filter(regex=f"^{_PREFIX}")
    classes = [str(name).removeprefix(_PREFIX) for name in values.columns]
    labels = table["label"].astype(str).astype(object).where(table["label"].notna(), None)
    others = [label for label in labels.dropna().unique() if label not in classes]
    chosen = [np.where(labels == label, 1.0, np.nan) for label in others]
    edges, rows = cell_edges(start, end)
    cells = np.full((len(classes) + len(others), len(rows)), np.nan)
    filled = np.array(rows) >= 0
    cells[:, filled] = np.vstack([_to_floats(values).T, *chosen])[:, np.array(rows)[filled]]
    mesh = ax.pcolormesh(edges, np.arange(len(cells) + 1), cells, cmap=cmap, vmin=0, vmax=1, rasterized=True)
    silent = table["silent"].to_numpy(dtype=bool)
    spans = [(edges[i], edges[i + 1] - edges[i]) for i, row in enumerate(rows) if row >= 0 and silent[row]]
    ax.broken_barh(spans, (0, len(cells)), facecolor="none", edgecolor="0.6", hatch="///", lw=0)
    for line in range(1, len(cells)):
        ax.axhline(line, color="0.8", lw=0.5)
    ax.set_yticks(np.arange(len(cells)) + 0.5, [plain(name) for name in (*classes, *others)])
    ax.tick_params(axis="y", length=0)
    ax.set(xlabel="time (s)", xlim=(min(0.0, edges[0]), edges[-1]), ylim=(len(cells), 0))
    return mesh
