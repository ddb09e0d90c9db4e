"""Checks, devices, files and other helpers of all subpackages."""

from ._arrays import check_weights, to_array, without_mask
from ._container import pack, unpack
from ._device import (
    PRECISIONS,
    check_acceleration,
    one_thread,
    resolve_device,
    to_device,
    torch_defaults,
    torch_settings,
)
from ._extras import import_extra
from ._files import (
    check_path,
    is_path,
    open_existing,
    open_regular,
    remove_abandoned,
    start_of_relative,
    with_message,
    write_whole,
)
from ._frames import make_frame
from ._json_values import check_array_sizes, decode, encode
from ._labels import Labels, find_similar, labels_or_none, plain_labels, read_labels
from ._parallel import parallel_map
from ._routing import group_parameters, requests_metadata
from ._steps import is_search, is_skipped, join_steps, last_step, steps_of
from ._validation import (
    all_finite,
    check_choice,
    check_flag,
    check_n_jobs,
    check_number,
    check_verbose,
    counted,
    listed,
    plain_error,
    prefix_errors,
    printable,
    to_bytes,
    warn_caller,
)
