"""`skser predict`."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tqdm import tqdm

from .._utils import listed, make_frame, plain_error
from ..audio import problem_of, stream_waveform
from ..datasets import find_files, is_recording
from ..exceptions import RecordingsError
from ..inference import (
    check_model,
    classify,
    find_sampling_rate,
    is_silent,
    predict_timeline,
    with_reject,
)
from ..persistence import installed_models, load_model, load_pretrained
from ._messages import UsageError, complain, report, say, usage_errors
from ._output import check_target, write_table

if TYPE_CHECKING:
    import pandas as pd

_SILENT = "(silent)"


def predict(arguments: Any) -> bool:
    """Predict recordings one by one, and print each answer; return whether something failed."""
    lengths = {name: getattr(arguments, name) for name in ("window", "hop")}
    lengths = {name: value for name, value in lengths.items() if value is not None}
    if lengths and not arguments.timeline:
        raise UsageError("--window and --hop describe the windows of --timeline: add --timeline.")
    check_target(arguments.csv, [arguments.model, *arguments.files])
    with usage_errors():
        model = _load(arguments.model)
        check_model(model)
        model = with_reject(model, arguments.reject)
    paths, failed = _find_recordings(arguments.files)
    width = max(len(_SILENT), *(len(str(label)) for label in model.classes_))
    tables = []
    for path in tqdm(paths, unit="recording", disable=None if len(paths) > 1 else True):
        try:
            table = (
                predict_timeline(model, [path], **lengths) if arguments.timeline else _predict(model, path)
            )
            silent = not arguments.timeline and _is_silent(model, path)
        except (OSError, ValueError) as error:
            complain(error)
            failed = True
            continue
        tables.append(table)
        for row in table.itertuples():
            say(_line(row, width))
        if silent:
            report(f"warning: {path!r} is silent, so its label means nothing.")
    if arguments.csv and tables:
        write_table(tables, arguments.csv)
    elif arguments.csv:
        report(f"{arguments.csv!r} was not written, because no recording was predicted.")
    return failed


def _load(name: str) -> Any:
    """Load a model from a file, or an installed one."""
    if os.path.exists(name):
        return load_model(name)
    names = installed_models()
    if name not in names:
        raise UsageError(
            f"MODEL {name!r} is neither a file nor an installed model (installed: {listed(names) or 'none'})."
        )
    return load_pretrained(name)


def _find_recordings(arguments: list[str]) -> tuple[list[str], bool]:
    """Paths of recordings, with those in folders and on standard input, and whether a folder has none."""
    paths: list[str] = []
    failed = False
    for name in _expand(arguments):
        try:
            found = _walk(name) if os.path.isdir(name) else [name]
        except OSError as error:
            complain(error)
            failed = True
            continue
        paths += found
    if not paths and not failed:
        raise UsageError("no recordings were named: name files or folders.")
    return paths, failed


def _expand(arguments: list[str]) -> Iterator[str]:
    """Names of files and folders, with those on standard input in place of "-"."""
    for argument in arguments:
        if argument == "-":
            yield from (os.fsdecode(line) for line in sys.stdin.buffer.read().splitlines() if line)
        else:
            yield argument


def _walk(folder: str) -> list[str]:
    """Recordings in a folder, at any depth; those in unreadable formats are refused one by one."""
    found = sorted(str(path) for path in find_files(Path(folder)) if is_recording(path))
    if not found:
        raise FileNotFoundError(f"the folder {folder!r} has no audio files.")
    return found


def _predict(model: Any, path: str) -> pd.DataFrame:
    """Table of one recording, with one row."""
    import pandas as pd

    try:
        labels, probabilities = classify(model, [path])
    except RecordingsError as error:
        cause = error.failures[0].error
        reason, _, cure = str(cause).partition(": ")
        if problem_of(cause) == "too long":
            cure = "add --timeline, which has no limit of length."
        raise plain_error(cause, f"{path!r}: {reason}: {cure}" if cure else f"{path!r}: {reason}") from error
    table = make_frame({"file": [path], "label": labels, "probability": probabilities.max(axis=1)})
    return table.join(pd.DataFrame(probabilities, columns=model.classes_).add_prefix("probability_"))


def _is_silent(model: Any, path: str) -> bool:
    """Whether a recording is silent; decodes only its beginning if it is not."""
    sr = find_sampling_rate(model)
    return is_silent(stream_waveform(path, sr), sr)


def _line(row: Any, width: int) -> str:
    """Line of one row: time, label, probability and file."""
    time = f"{row.start:9.2f} {row.end:9.2f}  " if hasattr(row, "start") else ""
    if getattr(row, "silent", False):
        return f"{time}{_SILENT:<{width}}        {row.file}"
    return f"{time}{row.label!s:<{width}}  {row.probability:4.2f}  {row.file}"
