"""What calls end in, how long they take, and how much memory the process came to need."""

from __future__ import annotations

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

# Whose sentences a user may read: the package's own, and those of scikit-learn's checks that it calls.
SPEAKERS = ("skser", "sklearn")
# What check_random_state of scikit-learn leaves to numpy.
CONVENTIONAL = ("Seed must be between 0 and 2**32 - 1",)
CLEAR = (OSError, TypeError, ValueError)


class Outcomes:
    """Count what calls end in and keep what went wrong."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.wrong: list[dict[str, Any]] = []
        self.worst_s, self.worst_call = 0.0, ""
        self._memory = _peak()

    def add(
        self, call: Callable[[], Any], judge: Callable[[Any], str | None], what: str, name: str = ""
    ) -> str:
        """Call; `judge` gives a sentence where the result is wrong, None where it is right.

        An error must be a sentence that holds `name`.
        """
        start = time.perf_counter()
        try:
            told = judge(call())
            outcome = "right result" if told is None else "wrong result"
        except CLEAR as error:
            told = _unclear(error, name)
            outcome = "clear error" if told is None else "raw error"
        except Exception as error:
            told, outcome = f"{type(error).__name__}: {error}", "raw error"
        lasted = time.perf_counter() - start
        if lasted > self.worst_s:
            self.worst_s, self.worst_call = lasted, what
        self.counts[outcome] += 1
        if told is not None:
            self.wrong.append({"what": what, "outcome": outcome, "told": told[:500]})
        return outcome

    def summary(self, what: str) -> dict[str, Any]:
        """Give everything as plain values."""
        return {
            "what": what,
            "n": self.counts.total(),
            "outcomes": dict(self.counts),
            "wrong": self.wrong,
            "worst_s": round(self.worst_s, 3),
            "worst_call": self.worst_call,
            "grown_mb": round((_peak() - self._memory) / 2**20, 1),
            "peak_mb": round(_peak() / 2**20, 1),
        }


def row(summary: dict[str, Any]) -> str:
    """One line on a run."""
    outcomes = ", ".join(f"{n} {outcome}" for outcome, n in sorted(summary["outcomes"].items()))
    return (
        f"{summary['what']}: {summary['n']} calls: {outcomes}; the longest took {summary['worst_s']} s; "
        f"peak memory {summary['peak_mb']:.0f} MB, of which {summary['grown_mb']:.0f} MB came with them"
    )


def report(summary: dict[str, Any], output: Path | None) -> None:
    """Print a run, write it as JSON where that is asked for, and exit with 1 where something was wrong."""
    print(row(summary))
    print("  the longest:", summary["worst_call"])
    for wrong in summary["wrong"][:20]:
        print(" ", wrong)
    if output:
        output.write_text(json.dumps(summary, indent=1) + "\n")
    raise SystemExit(bool(summary["wrong"]))


@contextlib.contextmanager
def without_stderr() -> Iterator[None]:
    """Keep quiet what C libraries write to the terminal about damaged files."""
    sys.stderr.flush()
    kept = os.dup(2)
    with open(os.devnull, "w") as nowhere:
        os.dup2(nowhere.fileno(), 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)


def _unclear(error: Exception, name: str) -> str | None:
    """Say why an error is not one that tells a user what to do; None if it is."""
    if str(error) in CONVENTIONAL:
        return None
    frame = traceback.extract_tb(error.__traceback__)[-1]
    if not set(Path(frame.filename).parts) & set(SPEAKERS):
        return f"{type(error).__name__} from {frame.filename}:{frame.lineno}: {error}"
    if len(str(error)) < 20 or name not in str(error):
        return f"{type(error).__name__} without a sentence or a name: {error!r}"
    return None


def _peak() -> int:
    """Most bytes that the process has had in memory so far."""
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
