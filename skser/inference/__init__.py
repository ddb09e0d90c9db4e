"""Answers beyond one label per recording: emotions over time, and the option to give no answer."""

from ._model import check_model, find_sampling_rate
from ._reject_option import (
    RejectOption,
    check_reject_label,
    check_reject_parameters,
    check_threshold,
    classify,
    find_outputs,
    lowest_confidence,
    with_reject,
)
from ._silence import is_silent
from ._timeline import predict_timeline
