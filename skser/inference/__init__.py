"""Answers beyond one label per recording: emotions over time, and the option to give no answer."""

from ._model import find_sampling_rate
from ._reject_option import RejectOption, classify, find_outputs
from ._timeline import predict_timeline
