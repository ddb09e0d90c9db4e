"""Count how calls end, how long they take and how much memory the process needs, and report it."""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import resource
import sys
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

# An error is clear if one of these packages raised it: this one, or scikit-learn's checks that it calls.
CLEAR_SOURCES = ("skser", "sklearn")
# The one message that scikit-learn's check_random_state leaves to numpy.
NUMPY_MESSAGE = "Seed must be between 0 and 2**32 - 1"
Judge = Callable[[Any], str | None]


class Outcomes:
    """Count the outcomes of calls and keep those that are wrong."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.wrong: list[dict[str, Any]] = []
        self.longest, self.longest_call = 0.0, ""
        self._memory_before = peak_memory()

    def add(self, call: Callable[[], Any], judge: Judge, what: str, name: str = "") -> str:
        """Call; `judge` says what is wrong with the result (None: nothing), and errors must hold `name`."""
        start = time.perf_counter()
        try:
            fault = judge(call())
            outcome = "right result" if fault is None else "wrong result"
        except Exception as error:
            fault = why_unclear(error, name)
            outcome = "clear error" if fault is None else "raw error"
        seconds = time.perf_counter() - start
        if seconds > self.longest:
            self.longest, self.longest_call = seconds, what
        self.counts[outcome] += 1
        if fault is not None:
            self.wrong.append({"what": what, "outcome": outcome, "fault": fault[:500]})
        return outcome

    def summary(self) -> dict[str, Any]:
        """Return everything as plain values."""
        return {
            "n": self.counts.total(),
            "outcomes": dict(self.counts),
            "wrong": self.wrong,
            "worst_s": round(self.longest, 3),
            "worst_call": self.longest_call,
            "grown_mb": round((peak_memory() - self._memory_before) / 2**20, 1),
        }


def why_unclear(error: Exception, name: str) -> str | None:
    """Say why an error does not help a user; None if it does."""
    if str(error) == NUMPY_MESSAGE:
        return None
    frame = traceback.extract_tb(error.__traceback__)[-1]
    ours = set(Path(frame.filename).parts) & set(CLEAR_SOURCES)
    if not ours or not isinstance(error, (OSError, TypeError, ValueError)):
        return f"{type(error).__name__} from {frame.filename}:{frame.lineno}: {error}"
    if len(str(error)) < 20 or name not in str(error):
        return f"{type(error).__name__} without a sentence or a name: {error!r}"
    return None


def peak_memory() -> int:
    """Read the most bytes that the process has had in memory so far."""
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


@contextlib.contextmanager
def without_stderr() -> Iterator[None]:
    """Hide the messages that C libraries write to the terminal about damaged files."""
    sys.stderr.flush()
    kept = os.dup(2)
    with open(os.devnull, "w") as nowhere:
        os.dup2(nowhere.fileno(), 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)


def command_line(doc: str, run: Callable[..., dict[str, Any]], n: int, **options: dict[str, Any]) -> None:
    """Run a script from the command line, print its summary, and end with status 1 if anything was wrong."""
    parser = argparse.ArgumentParser(description=doc.splitlines()[0])
    parser.add_argument("--n", type=int, default=n, help="number of calls (default: %(default)s)")
    for name, settings in options.items():
        parser.add_argument(f"--{name}", **settings)
    parser.add_argument("--output", type=Path, help="a JSON file for the summary")
    arguments = vars(parser.parse_args())
    output = arguments.pop("output")
    summary = run(**arguments)
    if output:
        output.write_text(json.dumps(summary, indent=1) + "\n")
    print(json.dumps(summary | {"wrong": summary["wrong"][:20]}, indent=1))
    raise SystemExit(bool(summary["wrong"]))
