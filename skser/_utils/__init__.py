"""Checks, devices, files and other helpers of all rooms."""

from ._container import pack, unpack
from ._device import PRECISIONS, check_acceleration, resolve_device, to_device, torch_settings
from ._files import check_path, is_path, open_existing, remove_abandoned, with_message, write_whole
from ._json_values import decode, encode
from ._validation import (
    all_finite,
    check_choice,
    check_flag,
    check_number,
    counted,
    listed,
    plain_error,
    prefix_errors,
    to_bytes,
    warn_caller,
)

__all__ = [
    "PRECISIONS",
    "all_finite",
    "check_acceleration",
    "check_choice",
    "check_flag",
    "check_number",
    "check_path",
    "counted",
    "decode",
    "encode",
    "is_path",
    "listed",
    "open_existing",
    "pack",
    "plain_error",
    "prefix_errors",
    "remove_abandoned",
    "resolve_device",
    "to_bytes",
    "to_device",
    "torch_settings",
    "unpack",
    "warn_caller",
    "with_message",
    "write_whole",
]
