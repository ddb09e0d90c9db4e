"""The transformer from recordings to spectrograms."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from sklearn.base import ClassNamePrefixFeaturesOutMixin

from ..sequences import Spectrograms
from ._extraction import Extraction
from ._parameters import check_transformer_parameters, settings_of
from ._recording_transformer import RecordingTransformer
from ._spectrogram_function import SpectrogramFunction


# scikit-learn must not wrap the result in a table, which has two dimensions.
class SpectrogramTransformer(  # type: ignore[call-arg]  # scikit-learn has no type hints
    ClassNamePrefixFeaturesOutMixin, RecordingTransformer, auto_wrap_output_keys=None
):
    """Compute the spectrograms of recordings in decibels.

    Each recording is read, mixed down to one channel, resampled to `sr`, optionally trimmed, and
    turned into a spectrogram by :func:`skser.spectrogram`.

    Parameters
    ----------
    kind : {"mel", "stft"}, default="mel"
        Mel bands, or the bins of the short-time Fourier transform from `fmin` to `fmax`.
    sr : int, default=16000
        Sampling rate in Hz, 1 to 1,048,576. Files of another rate are resampled; arrays must have this rate.
    n_fft : int, default=512
        Length of the Fourier transform in samples, 1 to 1,048,576.
    win_length : int or None, default=None
        Length of the window in samples, 1 to `n_fft`. None means `n_fft`.
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
        Reference for 0 dB: a power above 0, or for each recording its largest power ("max") or its mean in
        dB ("mean"). "max" and "mean" make the result independent of the level of a recording.
    top_db : float or None, default=60
        Range in dB below the largest value of a recording, above 0; lower values are raised to its lower
        end. Below it is room and recorder noise, which lets the network recognize speakers instead of
        emotions. None means no limit.
    trim_db : float or None, default=None
        Cut both ends of a recording where they are at least this many dB below its loudest part, above 0.
        None cuts nothing.
    max_duration : float or None, default=600.0
        Maximum length of a file in seconds, above 0. Longer files raise an error: before decoding if their
        header states the length, otherwise while decoding. None reads files of any length. Arrays have no
        limit.
    backend : {"torch", "torchaudio"}, default="torch"
        Library that computes the spectrograms. torchaudio must be installed separately.
    device : str or torch.device, default="cpu"
        Device that computes the spectrograms: "cpu", a device such as "cuda", or "auto" for a CUDA device if
        there is one. Recordings are decoded and resampled on the CPU. Results of a GPU differ from those of
        the CPU only by rounding, a few thousandths of a dB above the floor; a cache does not distinguish
        them.
    memory : str, path-like or None, default=None
        Cache folder, which is made if it is missing. It keeps each spectrogram as a plain array file whose
        name is derived from the content of the recording and the parameters above. So each spectrogram is
        computed only once, and an interrupted run continues where it stopped. `reduce_cache` and
        `clear_cache` make it smaller. None means no cache.
    max_nbytes : int, str or None, default="1G"
        Maximum size in bytes of a result that is kept in memory, 0 or more. Text may have a unit, a power of
        1024: "500M". Larger results are written to a file without a name in the folder for temporary files
        (TMPDIR). It is mapped into memory, read-only, and deleted together with the result; the values are
        the same. None means no limit. A dense array is always kept in memory.
    n_jobs : int or None, default=None
        Number of processes to which joblib distributes the recordings; -1 means one per processor. None
        means 1, or the number set by a ``joblib.parallel_config`` context; 1 uses only this process in every
        context. With a GPU as `device`, threads of this process are used instead, which decode while the GPU
        computes.
    verbose : bool or int, default=0
        Whether to show a progress bar.

    Attributes
    ----------
    n_features_in_ : int
        Samples per waveform; only after `fit` on a two-dimensional array.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the columns; only after `fit` on a data frame with string column names.

    See Also
    --------
    skser.spectrogram : Spectrogram of one waveform.
    skser.Spectrograms : Container of the result.

    Notes
    -----
    The input is one of

    - a sequence of paths (list, tuple, array, pandas Series) of files that libsndfile can read; a leading
      ``~`` is the home folder of the user;
    - a sequence of waveforms (n_times,) that may differ in length;
    - a two-dimensional array, nested list or data frame (n, n_times) of waveforms of equal length.

    The output is a :class:`skser.Spectrograms` of n items (n_bins, n_frames) for a sequence, and a dense
    float32 array (n, n_bins, n_frames) for a two-dimensional array. int16, int32 and uint8 samples are PCM
    and scaled to [-1, 1); other numbers are kept unchanged.

    `fit` only checks parameters and input, and `transform` works without it. A recording never influences the
    spectrogram of another one, and no recording is left out: after all other files were processed, a single
    error names all files that cannot be used.

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
        window: str | Sequence[Any] = "hann",
        n_mels: int = 64,
        fmin: float = 0.0,
        fmax: float | None = None,
        ref: float | str = 1.0,
        top_db: float | None = 60,
        trim_db: float | None = None,
        max_duration: float | None = 600.0,
        backend: str = "torch",
        device: str | torch.device = "cpu",
        memory: str | os.PathLike[str] | None = None,
        max_nbytes: int | str | None = "1G",
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
        self.max_duration = max_duration
        self.backend = backend
        self.device = device
        self.memory = memory
        self.max_nbytes = max_nbytes
        self.n_jobs = n_jobs
        self.verbose = verbose

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
        RecordingsError
            If files are missing, unreadable, cut off, too long, not audio, or hold NaN or infinite samples.
            The error is an OSError and a ValueError. It is raised after the other files were computed and
            cached, and names all files that cannot be used.
        OSError
            If `memory`, or the file for results larger than `max_nbytes`, cannot be written.
        TypeError
            If a parameter has a wrong type, or `X` holds anything but recordings, or mixes paths with
            waveforms.
        ValueError
            If a parameter is outside its range, or a waveform is empty, complex or not finite.
        ImportError
            If ``backend="torchaudio"`` and torchaudio cannot be imported.
        """
        return self._extract(X)

    def set_output(self, *, transform: str | None = None) -> SpectrogramTransformer:
        """Change nothing: spectrograms have three dimensions and cannot be a table.

        A `Pipeline` calls this method for all its steps, of which later ones may return tables.

        Parameters
        ----------
        transform : {"default", "pandas", "polars"}, default=None
            Ignored.

        Returns
        -------
        SpectrogramTransformer
            The transformer itself.
        """
        return self

    def _check_parameters(self) -> None:
        """Raise unless the parameters can be used."""
        check_transformer_parameters(self.get_params(deep=False))

    def _make_extraction(self) -> Extraction:
        """Make the extraction that the checked parameters describe."""
        parameters = self.get_params(deep=False)
        return Extraction.of(SpectrogramFunction.of(parameters), parameters)

    @property
    def _n_features_out(self) -> int:
        """Number of frequency bins, for `get_feature_names_out`."""
        parameters = self.get_params(deep=False)
        check_transformer_parameters(parameters)
        return settings_of(parameters).plain().n_bins
