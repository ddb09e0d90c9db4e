"""Spectrograms of recordings: the transformer, its worker processes and its cache."""

from ._eviction import clear_cache, reduce_cache
from ._parameters import check_transformer_parameters
from ._spectrogram_transformer import SpectrogramTransformer
