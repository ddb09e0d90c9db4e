"""Recordings to spectrograms: the transformer, its workers and its cache."""

from ._eviction import clear_cache, reduce_cache
from ._spectrogram_transformer import SpectrogramTransformer
