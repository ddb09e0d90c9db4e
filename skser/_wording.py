"""Numbers and lists in messages."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any


def listed(values: Iterable[Any], most: int = 5) -> str:
    """Name the first few values for a message, and say how many more there are: "1, 2 and 4 more"."""
    texts = [str(value) for value in values]
    more = f" and {len(texts) - most} more" if len(texts) > most else ""
    return ", ".join(texts[:most]) + more


def counted(n: int, noun: str, plural: str | None = None) -> str:
    """Number with its noun in the right form."""
    return f"{n} {noun if n == 1 else plural or noun + 's'}"
