"""Errors that `skser.datasets.audit` tells apart; users see the built-in types."""


class PointerError(OSError):
    """The file is a git-lfs pointer."""


class EmptyFileError(OSError):
    """The file has no bytes."""


class ChainedStreamsError(OSError):
    """The file holds several streams one after the other."""


class TooLongError(ValueError):
    """The file is longer than `max_duration`."""


class EmptyWaveformError(ValueError):
    """The waveform has no samples."""


class NonFiniteError(ValueError):
    """The waveform holds NaN or infinite samples."""
