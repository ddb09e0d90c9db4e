"""Pretrained speech encoders as functions from a waveform to frames."""

from ._encoding import check_layers, encode_waveform
from ._source import EncoderSource, check_source_parameters, find_encoder, load_encoder
