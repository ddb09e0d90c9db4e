"""Features of recordings: the transformers with their workers and cache, and means of speakers."""

from ._eviction import clear_cache, reduce_cache
from ._parameters import check_encoder_parameters, check_transformer_parameters
from ._speaker_normalizer import SpeakerNormalizer, check_normalizer_parameters
from ._speakers import normalize_by_group
from ._spectrogram_transformer import SpectrogramTransformer
from ._speech_encoder_transformer import SpeechEncoderTransformer
