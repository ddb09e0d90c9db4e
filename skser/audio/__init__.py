"""Audio files and arrays as waveforms."""

from ._decoding import HIGHEST_RATE, decode, mix, open_binary
from ._load import check_audio_parameters, check_waveform, load_audio, load_waveform
from ._stream import stream_waveform
