"""The error that names all recordings that cannot be used."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from ._utils import counted

_SHOWN = 5
_CURE = (
    "To continue without such files, list them with skser.datasets.audit(corpus) and remove them, with their "
    "labels and groups, with skser.datasets.drop(corpus, findings)."
)


class RecordingFailure(NamedTuple):
    """One recording that cannot be used, and the reason."""

    item: int  # its position, as in the tables of `audit`
    path: str
    error: Exception  # OSError, TypeError or ValueError

    def __str__(self) -> str:
        return f"item {self.item} ({self.path}): {self.error}"


class RecordingsError(OSError, ValueError):
    """Error that names all recordings that cannot be used, each with its cause.

    The message shows the first few; the attribute `failures` has all of them. The error is both an OSError
    and a ValueError, because one file may be missing and another may contain NaN.

    Parameters
    ----------
    failures : sequence of RecordingFailure
        The recordings that cannot be used, one or more.
    n_recordings : int
        Number of all recordings.
    memory : str or None, default=None
        Folder of the cache that holds the results of the other recordings; None without a cache.
    noun : str, default="spectrograms"
        Name of these results in the message, such as "spectrograms" or "features".

    Attributes
    ----------
    failures : list of RecordingFailure
        Named tuples of `item`, the position among the recordings, `path`, and `error`, the cause.
    n_recordings : int
        Number of all recordings.
    memory : str or None
        Folder of the cache.
    noun : str
        Name of the results.

    See Also
    --------
    skser.datasets.audit : List the problems of all recordings of a corpus.
    skser.datasets.drop : Remove recordings from a corpus.

    Examples
    --------
    >>> from skser import RecordingsError, SpectrogramTransformer
    >>> try:
    ...     SpectrogramTransformer().transform(["none.wav", "neither.wav"])
    ... except RecordingsError as error:
    ...     [(failure.item, failure.path) for failure in error.failures]
    [(0, 'none.wav'), (1, 'neither.wav')]
    """

    def __init__(
        self,
        failures: Sequence[RecordingFailure],
        n_recordings: int,
        memory: str | None = None,
        noun: str = "spectrograms",
    ) -> None:
        self.failures = list(failures)
        self.n_recordings = n_recordings
        self.memory = memory
        self.noun = noun
        super().__init__(_message(self.failures, n_recordings, memory, noun))

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.failures, self.n_recordings, self.memory, self.noun)


def _message(failures: list[RecordingFailure], n_recordings: int, memory: str | None, noun: str) -> str:
    """Name the failures, the cache that holds the other results, and the cure."""
    message = [_causes(failures, n_recordings), _CURE]
    n_good = n_recordings - len(failures)
    if memory is not None and n_good:
        message.insert(1, f"The {noun} of the other {n_good} are kept in memory={memory!r}.")
    return " ".join(message)


def _causes(failures: list[RecordingFailure], n_recordings: int) -> str:
    """Name one failure, or list several, one per line."""
    if len(failures) == 1:
        return str(failures[0])
    more = len(failures) - _SHOWN
    return "\n".join(
        [
            f"{len(failures)} of {counted(n_recordings, 'recording')} cannot be used:",
            *(f"- {failure}" for failure in failures[:_SHOWN]),
            *([f"- and {more} more, all in the attribute `failures` of this error."] if more > 0 else []),
            "",
        ]
    )
