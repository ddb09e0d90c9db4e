"""Audio files and arrays as waveforms."""

from ._decoding import HIGHEST_RATE, decode, mix, open_binary
from ._errors import problem_of, with_problem
from ._headers import CONVERT
from ._level import LEVEL_SECONDS, SILENT_DB, level_of
from ._load import (
    change_speed,
    check_audio_parameters,
    check_overflow,
    check_waveform,
    find_cure,
    is_pair,
    load_audio,
    load_waveform,
    warn_of_scale,
)
from ._stream import stream_waveform
