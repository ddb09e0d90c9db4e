"""Features of recordings: the transformers, their worker processes and their cache."""

from ._eviction import clear_cache, reduce_cache
from ._parameters import check_encoder_parameters, check_transformer_parameters
from ._spectrogram_transformer import SpectrogramTransformer
from ._speech_encoder_transformer import SpeechEncoderTransformer
