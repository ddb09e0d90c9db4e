"""The transformer from recordings to spectrograms."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import starmap
from numbers import Number
from typing import Any
from uuid import uuid4

import numpy as np
import torch
from joblib import Parallel, delayed
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils import Tags, check_array
from sklearn.utils.validation import validate_data

from ._validation import check_number
from .audio import _load, check_audio_parameters, check_waveform, errors_named, is_path
from .cache import cache_key, check_memory, open_cache, read_entry, remove_unfinished, write_entry
from .sequences import Spectrograms
from .spectrogram import check_db_parameters, check_parameters, frequencies, spectrogram


class SpectrogramTransformer(TransformerMixin, BaseEstimator):
    """Turn recordings into spectrograms in decibels.

    Each recording is read, mixed down to one channel, resampled to `sr`, optionally trimmed, and
    turned into a spectrogram by :func:`skser.spectrogram.spectrogram`.

    Parameters
    ----------
    kind : {"mel", "stft"}, default="mel"
        Mel bands, or the bins of the short-time Fourier transform from `fmin` to `fmax`.
    sr : int, default=16000
        Sampling rate in Hz, at least 1. Files of another rate are resampled; arrays are taken to have it.
    n_fft : int, default=512
        Length of the Fourier transform in samples, at least 1.
    win_length : int or None, default=None
        Length of the window in samples, 1 to `n_fft`. None means `n_fft`.
    hop_length : int, default=160
        Distance between frames in samples, at least 1.
    window : str or tuple, default="hann"
        Window, as ``scipy.signal.get_window`` names it.
    n_mels : int, default=64
        Number of Mel bands, at least 1; not used with ``kind="stft"``.
    fmin : float, default=0.0
        Lowest frequency in Hz, from 0 to below `fmax`.
    fmax : float or None, default=None
        Highest frequency in Hz, at most `sr` / 2. None means `sr` / 2.
    ref : {"max", "mean"} or float, default=1.0
        What 0 dB stands for: a power above 0, or for each recording the largest of its powers, or its mean
        in dB. "max" and "mean" leave the level of a recording out.
    top_db : float or None, default=60
        Cells more than this below the recording's largest are raised to that, above 0. None raises none.
        What lies deeper is noise of the room and of the recorder, from which a network learns speakers.
    trim_db : float or None, default=None
        Cut both ends of a recording where they lie this many dB or more below its loudest part, above 0.
        None cuts nothing.
    backend : {"torch", "torchaudio"}, default="torch"
        Library that computes the spectrograms. torchaudio is an extra of its own.
    memory : str, path-like or None, default=None
        Folder that keeps each spectrogram as a plain array file, named after the content of its recording
        and the parameters above, so that each is computed once, and that an interrupted run goes on where
        it stopped. It is made if it is missing. None keeps nothing.
    n_jobs : int or None, default=None
        Processes among which joblib shares the recordings; -1 means one a processor. None means 1, or
        what a ``joblib.parallel_config`` context says; 1 stays in this process in every context.
    verbose : bool or int, default=0
        Whether to show a progress bar.

    Attributes
    ----------
    n_features_in_ : int
        Samples per waveform. Only after `fit` on a two-dimensional array.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the columns. Only after `fit` on a data frame with string column names.

    See Also
    --------
    skser.spectrogram.spectrogram : The computation itself.
    skser.Spectrograms : The container of the result.

    Notes
    -----
    What goes in is one of

    - a sequence of paths (list, tuple, array, pandas Series), of anything that libsndfile reads;
    - a sequence of waveforms (n_times,) that may differ in length;
    - a two-dimensional array, nested list or data frame (n, n_times) of waveforms of equal length.

    What comes out is a :class:`skser.Spectrograms` of n items (n_bins, n_frames) for a sequence, and a
    dense float32 array (n, n_bins, n_frames) for a two-dimensional array. int16, int32 and uint8 samples are
    PCM and scaled to [-1, 1); other numbers are taken as they are.

    The transformer is stateless: `fit` checks parameters and input, and `transform` works without it. One
    recording never has an influence on the spectrogram of another.

    Examples
    --------
    >>> import numpy as np
    >>> from skser import SpectrogramTransformer
    >>> times = np.arange(16000) / 16000
    >>> waveforms = [np.sin(2 * np.pi * 220 * times), np.sin(2 * np.pi * 440 * times[:8000])]
    >>> X = SpectrogramTransformer(n_mels=40).transform(waveforms)
    >>> X.shape, X.lengths.tolist()
    ((2, 40, 101), [101, 51])
    >>> SpectrogramTransformer(kind="stft", fmax=4000).fit_transform(np.zeros((3, 400))).shape
    (3, 129, 3)
    """

    def __init__(
        self,
        kind: str = "mel",
        *,
        sr: int = 16000,
        n_fft: int = 512,
        win_length: int | None = None,
        hop_length: int = 160,
        window: str | tuple[Any, ...] = "hann",
        n_mels: int = 64,
        fmin: float = 0.0,
        fmax: float | None = None,
        ref: float | str = 1.0,
        top_db: float | None = 60,
        trim_db: float | None = None,
        backend: str = "torch",
        memory: str | os.PathLike[str] | None = None,
        n_jobs: int | None = None,
        verbose: bool | int = 0,
    ) -> None:
        self.kind = kind
        self.sr = sr
        self.n_fft = n_fft
        self.win_length = win_length
        self.hop_length = hop_length
        self.window = window
        self.n_mels = n_mels
        self.fmin = fmin
        self.fmax = fmax
        self.ref = ref
        self.top_db = top_db
        self.trim_db = trim_db
        self.backend = backend
        self.memory = memory
        self.n_jobs = n_jobs
        self.verbose = verbose

    def fit(self, X: Any, y: Any = None) -> SpectrogramTransformer:
        """Check the parameters and the input; nothing is learnt and no file is read.

        Parameters
        ----------
        X : sequence of path or of array-like of shape (n_times,), or array-like of shape (n, n_times)
            Recordings.
        y : object, default=None
            Ignored.

        Returns
        -------
        SpectrogramTransformer
            The transformer itself.

        Raises
        ------
        TypeError
            If a parameter is of a wrong type, or `X` holds something else than recordings or mixes paths
            with waveforms.
        ValueError
            If a parameter is out of its range, or a waveform is empty, complex or not finite.
        """
        self._check_parameters()
        for index, audio in enumerate(self._recordings(X, reset=True)):
            if not is_path(audio):
                with errors_named(_label(index, audio)):
                    check_waveform(audio)
        return self

    def transform(self, X: Any) -> Spectrograms | np.ndarray:
        """Compute the spectrograms of recordings.

        Parameters
        ----------
        X : sequence of path or of array-like of shape (n_times,), or array-like of shape (n, n_times)
            Recordings.

        Returns
        -------
        Spectrograms of n items (n_bins, n_frames), or ndarray of shape (n, n_bins, n_frames)
            Power in dB: the container for a sequence, the float32 array for a two-dimensional array.

        Raises
        ------
        OSError
            If a file is missing, unreadable or no audio, or `memory` cannot be written.
        TypeError
            If a parameter is of a wrong type, or `X` holds something else than recordings or mixes paths
            with waveforms.
        ValueError
            If a parameter is out of its range, or a waveform is empty, complex or not finite.
        ImportError
            If ``backend="torchaudio"`` and torchaudio cannot be imported.
        """
        self._check_parameters()
        recordings = self._recordings(X, reset=False)
        extraction = self._extraction()
        calls = ((extraction, index, audio) for index, audio in enumerate(recordings))
        with extraction.tidied():
            items = list(self._shown(self._shared(calls), len(recordings)))
        return np.array(items) if isinstance(recordings, np.ndarray) else Spectrograms(items)

    def __sklearn_tags__(self) -> Tags:
        """Declare that nothing is learnt and that float32 comes out."""
        tags = super().__sklearn_tags__()
        tags.requires_fit = False
        tags.transformer_tags.preserves_dtype = ["float32"]
        return tags

    def _spectrogram_parameters(self) -> dict[str, Any]:
        """Parameters of the spectrogram itself."""
        names = (
            "kind",
            "sr",
            "n_fft",
            "win_length",
            "hop_length",
            "window",
            "n_mels",
            "fmin",
            "fmax",
            "backend",
        )
        return {name: getattr(self, name) for name in names}

    def _db_parameters(self) -> dict[str, Any]:
        """Parameters of the decibels."""
        return {"ref": self.ref, "top_db": self.top_db}

    def _check_parameters(self) -> None:
        """Raise unless the parameters are valid."""
        check_audio_parameters(self.sr, trim_db=self.trim_db)
        check_parameters(**self._spectrogram_parameters())
        check_db_parameters(**self._db_parameters())
        if self.n_jobs is not None:
            check_number("n_jobs", self.n_jobs, integer=True)
        if self.n_jobs == 0:
            raise ValueError("n_jobs must not be 0: give None, 1 or more, or -1 for one process a processor.")
        if self.memory is not None:
            check_memory(self.memory)

    def _recordings(self, X: Any, *, reset: bool) -> Sequence[Any] | np.ndarray:
        """Sort X into a list of recordings of one kind, or a two-dimensional array."""
        recordings = _as_list(X)
        if recordings is None:
            return self._dense(X, reset=reset)
        _check_kinds(recordings)
        if reset:  # what an earlier fit on a two-dimensional array left
            for name in ("n_features_in_", "feature_names_in_"):
                if hasattr(self, name):
                    delattr(self, name)
        return recordings

    def _dense(self, X: Any, *, reset: bool) -> np.ndarray:
        """Waveforms of equal length as an array (n, n_times); whether they are finite is checked later."""
        try:
            # scikit-learn's own comparison with what fit saw, where there was a fit.
            if reset or hasattr(self, "n_features_in_"):
                dense: np.ndarray = validate_data(self, X, ensure_all_finite=False, reset=reset)
            else:
                dense = check_array(X, ensure_all_finite=False, estimator=self)
        except (TypeError, ValueError) as error:
            if not _holds_paths(X):
                raise
            raise ValueError(
                "X has two dimensions but holds text: give paths in one dimension, such as frame['path'] "
                "and not frame[['path']]."
            ) from error
        return dense

    def _extraction(self) -> _Extraction:
        """Compute how to go from a recording to its spectrogram."""
        parameters = self._spectrogram_parameters()
        of_bins = {name: parameters[name] for name in ("kind", "sr", "n_fft", "n_mels", "fmin", "fmax")}
        folder = None if self.memory is None else open_cache(self.memory)
        n_bins = len(frequencies(**of_bins))
        return _Extraction(parameters | self._db_parameters(), self.trim_db, n_bins, folder)

    def _shared(self, calls: Iterable[tuple[_Extraction, int, Any]]) -> Iterable[np.ndarray]:
        """Results of `_extract`, computed in as many processes as are wanted."""
        if self.n_jobs == 1:  # joblib's back end for dask would spread a single job over the cluster
            return starmap(_extract, calls)
        # Not every back end of joblib can hand results over one by one; only the bar needs it.
        parallel = Parallel(n_jobs=self.n_jobs, return_as="generator" if self.verbose else "list")
        results: Iterable[np.ndarray] = parallel(delayed(_extract)(*call) for call in calls)
        return results

    def _shown(self, results: Iterable[np.ndarray], n: int) -> Iterable[np.ndarray]:
        """Results, with a progress bar if one is wanted."""
        if not self.verbose:
            return results
        from tqdm import tqdm

        bar: Iterable[np.ndarray] = tqdm(results, total=n, desc="spectrograms", unit="recording")
        return bar


@dataclass(frozen=True)
class _Extraction:
    """How to go from one recording to its spectrogram, as it travels to the workers."""

    parameters: dict[str, Any]
    trim_db: float | None
    n_bins: int
    folder: str | None
    writer: str = field(default_factory=lambda: uuid4().hex[:16], compare=False)

    @contextmanager
    def tidied(self) -> Iterator[None]:
        """Delete what joblib's workers had not finished when an error or Ctrl-C made it kill them."""
        try:
            yield
        except BaseException:
            if self.folder is not None:
                remove_unfinished(self.folder, self.writer)
            raise

    def __call__(self, audio: Any) -> np.ndarray:
        """Spectrogram (n_bins, n_frames), from the cache if it is there."""
        if self.folder is None:
            return self.compute(audio)
        key = cache_key(audio, self.identity())
        S = read_entry(self.folder, key, self.n_bins)
        if S is None:
            S = self.compute(audio)
            write_entry(self.folder, key, S, self.writer)
        return S

    def compute(self, audio: Any) -> np.ndarray:
        """Spectrogram (n_bins, n_frames) of a recording."""
        y = _load(audio, self.parameters["sr"], None, self.trim_db)
        with torch.no_grad():
            S = spectrogram(y, **self.parameters).numpy()
        if not np.isfinite(S).all():
            raise ValueError(
                f"the samples are too large for float32 power (up to {np.abs(y).max():g}): "
                "scale the waveform to [-1, 1]."
            )
        return S

    def identity(self) -> dict[str, Any]:
        """Parameters that the result depends on, each written in one way only."""
        used = dict(self.parameters)
        used["win_length"] = int(used["win_length"] or used["n_fft"])
        used["fmin"] = float(used["fmin"])
        used["fmax"] = float(used["sr"] / 2 if used["fmax"] is None else used["fmax"])
        used["ref"] = used["ref"] if isinstance(used["ref"], str) else float(used["ref"])
        used["top_db"] = None if used["top_db"] is None else float(used["top_db"])
        used["trim_db"] = None if self.trim_db is None else float(self.trim_db)
        used["window"] = repr(used["window"])
        used.update({name: int(used[name]) for name in ("sr", "n_fft", "hop_length", "n_mels")})
        if used["kind"] == "stft":
            del used["n_mels"]
        return used


def _extract(extraction: _Extraction, index: int, audio: Any) -> np.ndarray:
    """Spectrogram of one recording; errors name it."""
    with errors_named(_label(index, audio)):
        return extraction(audio)


def _label(index: int, audio: Any) -> str:
    """Name of a recording in error messages."""
    return f"item {index} ({os.fspath(audio)})" if is_path(audio) else f"item {index}"


def _as_list(X: Any) -> list[Any] | None:
    """List the recordings of a sequence; None where X should be a two-dimensional array."""
    if is_path(X) or isinstance(X, bytes):
        raise TypeError(f"X is a single path, {X!r}: wrap it in a list.")
    if isinstance(X, (list, tuple)):
        return None if _is_rectangle(X) else list(X)
    if hasattr(X, "__array__") or hasattr(X, "ndim"):
        ndim = X.ndim if hasattr(X, "ndim") else np.asarray(X).ndim
        return list(np.asarray(X)) if ndim == 1 else None
    if isinstance(X, Sequence):
        return list(X)
    raise TypeError(
        "X must be a sequence of paths or waveforms, or a two-dimensional array of waveforms, "
        f"got {type(X).__name__}."
    )


def _is_rectangle(X: Sequence[Any]) -> bool:
    """Whether a nested list has rows of one length."""
    return len(X) > 0 and all(isinstance(row, (list, tuple)) and len(row) == len(X[0]) for row in X)


def _holds_paths(X: Any) -> bool:
    """Whether any cell of an array or data frame is a path."""
    return any(is_path(cell) for cell in np.asarray(X, dtype=object).flat)


def _check_kinds(recordings: list[Any]) -> None:
    """Raise unless there are recordings, all of them paths or all of them waveforms."""
    if not recordings:
        raise ValueError("X is empty: give at least one recording.")
    kinds = [_kind(audio) for audio in recordings]
    for index, kind in enumerate(kinds):
        if kind != kinds[0]:
            raise TypeError(
                f"item {index} of X is {kind}, but item 0 is {kinds[0]}: give paths alone or waveforms alone."
            )
    if kinds[0] == "a number":
        raise ValueError(
            "X is one-dimensional, a single waveform. Reshape your data: wrap it in a list, [X]."
        )
    if kinds[0] not in ("a path", "a waveform"):
        raise TypeError(f"item 0 of X is {kinds[0]}: give paths or waveforms of shape (n_times,).")


def _kind(audio: Any) -> str:
    """Say what an item of X is."""
    if is_path(audio):
        return "a path"
    if isinstance(audio, (Number, np.generic)):
        return "a number"
    if isinstance(audio, (list, tuple)) or hasattr(audio, "__array__"):
        return "a waveform"
    return f"of type {type(audio).__name__}"
