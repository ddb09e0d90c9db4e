"""The function of the command: arguments in, exit code out."""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Sequence
from io import TextIOWrapper
from typing import Any

from ._parser import make_parser

ANSWERED, FAILED, USAGE = 0, 1, 2
_INTERRUPTED = 130  # 128 + SIGINT, as in shells


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code; wrong options raise SystemExit with code 2."""
    arguments = make_parser().parse_args(argv)
    _prepare_streams()
    try:
        with warnings.catch_warnings():
            warnings.showwarning = _show_warning
            return _run(arguments)
    except KeyboardInterrupt:
        sys.stderr.write("skser: interrupted\n")
        return _INTERRUPTED
    except BrokenPipeError:  # the reader of the output has ended, such as `head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED


def _run(arguments: Any) -> int:
    """Run a subcommand; what it needs is imported only now."""
    from ._corpora import audit, evaluate, train
    from ._messages import UsageError, complain
    from ._predict import predict

    commands = {"predict": predict, "evaluate": evaluate, "train": train, "audit": audit}

    try:
        failed = commands[arguments.command](arguments)
        sys.stdout.flush()
        return FAILED if failed else ANSWERED
    except BrokenPipeError:
        raise
    except UsageError as error:
        complain(error)
        return USAGE
    except (ImportError, OSError, TypeError, ValueError) as error:
        complain(error)
        return FAILED


def _prepare_streams() -> None:
    """Replace closed streams by empty ones, and let the others print every path and label."""
    sys.stdin, sys.stdout, sys.stderr = (
        open(os.devnull, mode) if stream is None else stream  # noqa: SIM115  # until the process ends
        for stream, mode in ((sys.stdin, "r"), (sys.stdout, "w"), (sys.stderr, "w"))
    )
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            # Paths may hold bytes that are not text, and characters that another encoding does not have.
            is_utf8 = stream.encoding.lower().replace("-", "") == "utf8"
            stream.reconfigure(errors="surrogateescape" if is_utf8 else "backslashreplace")


def _show_warning(message: Warning | str, *_: Any, **__: Any) -> None:
    """Print a warning without the line of code that caused it."""
    sys.stderr.write(f"skser: warning: {message}\n")
