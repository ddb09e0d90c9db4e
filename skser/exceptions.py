"""The error that names all recordings which cannot be used."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from ._utils import counted

_SHOWN = 5


class RecordingFailure(NamedTuple):
    """Why one recording of several cannot be used.

    Attributes
    ----------
    item : int
        Position of the recording, as the tables of `audit` name it.
    path : str
        Its file.
    error : OSError, TypeError or ValueError
        The cause.
    """

    item: int
    path: str
    error: Exception

    def __str__(self) -> str:
        return f"item {self.item} ({self.path}): {self.error}"


class RecordingsError(OSError, ValueError):
    """Some files cannot be turned into spectrograms, and why each of them.

    The message names the first few, the attribute all. It is both an OSError and a ValueError, since a file
    can be missing as well as hold NaN.

    Parameters
    ----------
    failures : sequence of RecordingFailure
        The recordings that cannot be used, one at least.
    n_recordings : int
        How many there were together with the good ones.
    memory : str or None, default=None
        Folder of the cache that holds the good ones; None where there is none.

    Attributes
    ----------
    failures : list of RecordingFailure
        Named tuples of `item`, the position among the recordings, `path`, and `error`, the cause.
    n_recordings : int
        How many recordings there were.
    memory : str or None
        Folder of the cache that holds the good ones.

    See Also
    --------
    skser.datasets.audit : What is wrong with which recording, as a table.
    skser.datasets.drop : The corpus without them.

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
        self, failures: Sequence[RecordingFailure], n_recordings: int, memory: str | None = None
    ) -> None:
        self.failures = list(failures)
        self.n_recordings = n_recordings
        self.memory = memory
        super().__init__(_message(self.failures, n_recordings, memory))

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.failures, self.n_recordings, self.memory)


def _message(failures: list[RecordingFailure], n_recordings: int, memory: str | None) -> str:
    """Say what is wrong with which, what is kept of the others, and what to do."""
    return " ".join([_causes(failures, n_recordings), *_kept(n_recordings - len(failures), memory), _CURE])


_CURE = (
    "To go on without such files, look at skser.datasets.audit(corpus) and take skser.datasets.drop(corpus, "
    "findings), which leaves their labels and groups out as well."
)


def _causes(failures: list[RecordingFailure], n_recordings: int) -> str:
    """Name a single bad recording in its line, several in a line each."""
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


def _kept(n_good: int, memory: str | None) -> list[str]:
    """Say where the good recordings are, if they are kept."""
    if memory is None or not n_good:
        return []
    return [f"The spectrograms of the other {n_good} are kept in memory={memory!r}."]
