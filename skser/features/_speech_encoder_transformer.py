"""The transformer from recordings to the features of a pretrained speech encoder."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from sklearn.utils.metaestimators import available_if

from ..sequences import Spectrograms
from ._encoder_function import EncoderFunction
from ._extraction import Extraction
from ._parameters import check_encoder_parameters
from ._recording_transformer import RecordingTransformer
from ._set_output import SetOutputMixin, names_columns
from ._statistics import feature_names


class SpeechEncoderTransformer(SetOutputMixin, RecordingTransformer):
    """Compute the features of a pretrained speech encoder from recordings.

    Each recording is read, mixed down to one channel, resampled to the rate of the encoder (16 kHz), trimmed,
    and passed through the encoder. The result is the frames of one of its layers or, by default, their mean
    and standard deviation over time. The encoder is not trained further.

    Parameters
    ----------
    encoder : str or path-like, default="ge2e"
        - "ge2e": the GE2E speaker encoder in the package resemblyzer, see Notes.
        - The path of a file with weights of the same kind, such as a copy of ``resemblyzer/pretrained.pt``.
        - A folder in which transformers has saved a speech encoder with its feature extractor, or its name on
          the Hugging Face Hub, such as "microsoft/wavlm-base-plus": wav2vec 2.0, HuBERT, WavLM, the encoder
          of Whisper, and others with the input of one of these. The package transformers must be installed.
    layer : int or sequence of int, default=2
        Layer whose output is used, or several layers whose mean is used. "ge2e" has the layers 1 to 3, other
        encoders 0 (the input of their first layer) to the number of their layers.
    statistics : sequence of {"mean", "std", "max", "min"} or None, default=("mean", "std")
        Statistics over time that describe a recording. "std" is the square root of the mean squared
        deviation (``ddof=0``). None returns the frames themselves.
    speeds : sequence of float, default=(1.0,)
        Speeds at which a recording is encoded, each in [0.5, 2] and only once; 2 halves its duration and
        raises its pitch by an octave. The statistics are the mean over these versions, which is meant to make
        them depend less on the pitch and the tempo of a voice. Each speed is encoded by itself.
        Without `statistics`, only one speed is possible.
    trim_db : float or None, default=40.0
        Cut both ends of a recording where they are at least this many dB below its loudest part, above 0.
        None cuts nothing.
    max_duration : float or None, default=600.0
        Maximum length of a file in seconds, above 0. Longer files raise an error. None reads files of any
        length. Arrays have no limit.
    revision : str or None, default=None
        Branch, tag or commit of an encoder on the Hub. None means its main branch. A commit makes sure that
        the weights stay the same.
    local_files_only : bool, default=False
        Whether to use only files of an encoder that are already on this machine, without a network. "ge2e",
        files and folders never use a network.
    device : str or torch.device, default="cpu"
        Device of the encoder: "cpu", a device such as "cuda", or "auto" for a CUDA device if there is one.
        Recordings are decoded and resampled on the CPU. Results of a GPU differ from those of the CPU by
        rounding; a cache does not distinguish them.
    memory : str, path-like or None, default=None
        Cache folder, as in :class:`SpectrogramTransformer`; both can use the same one. It keeps the frames
        of each recording at each speed. The names of its files are derived from the content of the
        recording, the speed, `layer`, `trim_db`, and the digest of the encoder. None means no cache.
    max_nbytes : int, str or None, default="1G"
        Maximum size in bytes of frames that are kept in memory, as in :class:`SpectrogramTransformer`. A
        table is always kept in memory.
    n_jobs : int or None, default=None
        Number of processes to which joblib distributes the recordings; -1 means one per processor. None
        means 1, or the number set by a ``joblib.parallel_config`` context. Each process loads the encoder
        once and computes with one thread. With a GPU as `device`, threads of this process are used instead.
    verbose : bool or int, default=0
        Whether to show a progress bar.

    Attributes
    ----------
    digest_ : str
        SHA-256 of the weights of the encoder (of all its files if there are several), set by `fit`.
        `transform` then refuses other weights.
    n_features_in_ : int
        Samples per waveform; only after `fit` on a two-dimensional array.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the columns; only after `fit` on a data frame with string column names.

    See Also
    --------
    SpectrogramTransformer : Spectrograms instead of learned features.

    Notes
    -----
    "ge2e" [1]_ scales each trimmed recording to a root mean square of -30 dBFS (silence is not changed),
    computes its power in 40 Mel bands (window 400, hop 160 samples; not in dB), and passes all its frames
    through three LSTM layers of 256 units. Its weights are found in the installed package resemblyzer, whose
    code is not used, and their SHA-256 is checked. The last layer is closest to the task of distinguishing
    speakers.

    Encoders of transformers get each recording from their own feature extractor. Recordings longer than 30 s
    are cut into parts of equal length of at most 30 s, which are encoded one after the other. Whisper pads
    each part to 30 s, and only the frames of the recording are kept. Weights must be in the safetensors
    format, and code that comes with an encoder is never run.

    The input is that of :class:`SpectrogramTransformer`. `fit` learns nothing from the recordings, and
    `transform` works without it. A recording never influences the features of another one. Weights are loaded
    when they are first needed, once per process. They are not part of a pickle or a model file.

    References
    ----------
    .. [1] L. Wan, Q. Wang, A. Papir and I. Lopez Moreno, "Generalized end-to-end loss for speaker
       verification", ICASSP, pp. 4879-4883, 2018.

    Examples
    --------
    >>> import numpy as np
    >>> from skser import SpeechEncoderTransformer
    >>> times = np.arange(16000) / 16000
    >>> waveforms = [np.sin(2 * np.pi * 220 * times), np.sin(2 * np.pi * 440 * times[:8000])]
    >>> transformer = SpeechEncoderTransformer("ge2e", layer=2)
    >>> transformer.transform(waveforms).shape
    (2, 512)
    >>> transformer.set_params(statistics=None).transform(waveforms)
    Spectrograms(n=2, n_bins=256, n_frames=51 to 101)
    """

    digest_: str
    _keeps_arrays = False  # `trim_db` makes the lengths differ

    def __init__(
        self,
        encoder: str | os.PathLike[str] = "ge2e",
        *,
        layer: int | Sequence[int] = 2,
        statistics: Sequence[str] | None = ("mean", "std"),
        speeds: Sequence[float] = (1.0,),
        trim_db: float | None = 40.0,
        max_duration: float | None = 600.0,
        revision: str | None = None,
        local_files_only: bool = False,
        device: str | torch.device = "cpu",
        memory: str | os.PathLike[str] | None = None,
        max_nbytes: int | str | None = "1G",
        n_jobs: int | None = None,
        verbose: bool | int = 0,
    ) -> None:
        self.encoder = encoder
        self.layer = layer
        self.statistics = statistics
        self.speeds = speeds
        self.trim_db = trim_db
        self.max_duration = max_duration
        self.revision = revision
        self.local_files_only = local_files_only
        self.device = device
        self.memory = memory
        self.max_nbytes = max_nbytes
        self.n_jobs = n_jobs
        self.verbose = verbose

    def fit(self, X: Any, y: Any = None) -> SpeechEncoderTransformer:
        """Check the parameters, the input and the encoder; nothing is learned and no recording is read.

        Parameters
        ----------
        X : sequence of path or of array-like of shape (n_times,), or array-like of shape (n, n_times)
            Recordings.
        y : object, default=None
            Ignored.

        Returns
        -------
        SpeechEncoderTransformer
            The transformer itself.

        Raises
        ------
        TypeError, ValueError
            As in :class:`SpectrogramTransformer`, or if the encoder has no such `layer`, or its weights are
            damaged, not in the safetensors format, or of another kind.
        ImportError
            If the package that the encoder needs is not installed.
        OSError
            If the encoder is not found or cannot be read.
        """
        self._check_parameters()
        digest = EncoderFunction.of(self.get_params(deep=False), None).source.digest
        super().fit(X, y)
        self.digest_ = digest
        return self

    def transform(self, X: Any) -> np.ndarray | Spectrograms:
        """Compute the features of recordings.

        Parameters
        ----------
        X : sequence of path or of array-like of shape (n_times,), or array-like of shape (n, n_times)
            Recordings.

        Returns
        -------
        ndarray of shape (n, n_statistics * n_features), or Spectrograms of n items (n_features, n_frames)
            The float32 table of statistics, all features of the first statistic before those of the next; or,
            with ``statistics=None``, the frames.

        Raises
        ------
        RecordingsError
            If files are missing, unreadable, cut off, too long, not audio, or hold NaN or infinite samples.
            It names all of them, after the other files were computed and cached.
        TypeError, ValueError, ImportError, OSError
            As in `fit`, or if the weights of the encoder differ from those in `fit`, or `memory` cannot be
            written.
        """
        return self._extract(X)

    @available_if(names_columns)
    def get_feature_names_out(self, input_features: Any = None) -> np.ndarray:
        """Return the names of the columns of the table: "mean_0", "mean_1", ...

        Parameters
        ----------
        input_features : object, default=None
            Ignored.

        Returns
        -------
        ndarray of shape (n_statistics * n_features,)
            Names of type str, in an array of objects.
        """
        return feature_names(self._make_function().n_bins, self.statistics or ())

    def _returns_table(self) -> bool:
        """Whether the result is a table."""
        return self.statistics is not None

    def _check_parameters(self) -> None:
        """Raise unless the parameters can be used."""
        check_encoder_parameters(self.get_params(deep=False))

    def _make_extraction(self) -> Extraction:
        """Make the extraction that the checked parameters describe."""
        statistics = None if self.statistics is None else tuple(self.statistics)
        speeds = tuple(map(float, self.speeds))
        return Extraction.of(self._make_function(), self.get_params(deep=False), statistics, speeds)

    def _make_function(self) -> EncoderFunction:
        """Load the encoder, which must be that of `fit`."""
        return EncoderFunction.of(self.get_params(deep=False), vars(self).get("digest_"))
