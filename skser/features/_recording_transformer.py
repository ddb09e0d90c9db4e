"""The common part of the transformers of recordings."""

from __future__ import annotations

import copy
from abc import ABC, abstractmethod
from typing import Any, Self

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils import Tags

from .._utils import is_path, prefix_errors, to_bytes
from ..audio import check_waveform, warn_of_scale
from ..sequences import Spectrograms
from ._collection import extract_all
from ._extraction import Extraction
from ._recordings import to_recordings


class RecordingTransformer(TransformerMixin, BaseEstimator, ABC):
    """Apply a function from a waveform to frames to each recording, in workers and through a cache."""

    _keeps_arrays = True  # frames of a two-dimensional array are an array as well

    def fit(self, X: Any, y: Any = None) -> Self:
        """Check the parameters and the input; nothing is learned and no recording is read.

        Parameters
        ----------
        X : sequence of path or of array-like of shape (n_times,), or array-like of shape (n, n_times)
            Recordings.
        y : object, default=None
            Ignored.

        Returns
        -------
        object
            The transformer itself.

        Raises
        ------
        TypeError
            If a parameter has a wrong type, or `X` holds anything but recordings, or mixes paths with
            waveforms.
        ValueError
            If a parameter is outside its range, or a waveform is empty, complex or not finite.
        """
        self._check_parameters()
        work = copy.copy(self)  # so that an error does not change this transformer
        for index, audio in enumerate(to_recordings(X, work, reset=True)):
            if not is_path(audio):
                with prefix_errors(f"item {index}"):
                    check_waveform(audio)
        self.__dict__ = work.__dict__
        return self

    def _extract(self, X: Any) -> Spectrograms | np.ndarray:
        """Frames of recordings, or their statistics."""
        self._check_parameters()
        recordings = to_recordings(X, self, reset=False)
        warn_of_scale(recordings)
        recordings = recordings if self._keeps_arrays else list(recordings)
        max_nbytes = to_bytes("max_nbytes", self.max_nbytes)
        return extract_all(self._make_extraction(), recordings, self.n_jobs, max_nbytes, self.verbose)

    @abstractmethod
    def _check_parameters(self) -> None:
        """Raise unless the parameters can be used."""

    @abstractmethod
    def _make_extraction(self) -> Extraction:
        """Make the extraction that the checked parameters describe."""

    def __sklearn_tags__(self) -> Tags:
        """Declare that no fit is needed and that the output is float32."""
        tags = super().__sklearn_tags__()
        tags.requires_fit = False
        tags.transformer_tags.preserves_dtype = ["float32"]
        return tags
