"""Rows of growth: cost against the length of utterances and the size of the corpus, and memory."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from harness import Measurement, NotRunError, Row, Settings, compare, summarise
from stages import STAGES, STATUS, corpus, in_a_process

from skser import CenterLossClassifier, SpectrogramTransformer

SMALLEST = 2.0**20  # bytes: less than this is the noise of the allocator
_RESULTS = ("seconds", "memory")


def exponent(sizes: Sequence[float], values: Sequence[float]) -> float:
    """Fit the exponent with which values grow with sizes: the slope between their logarithms."""
    return float(np.polyfit(np.log(sizes), np.log(values), 1)[0])


def exponents(rows: Mapping[int, Mapping[str, Any]]) -> dict[str, float]:
    """Fit the exponents of time and memory of each stage over the rows of corpora of several sizes."""
    found = {}
    for stage in STAGES:
        for result in _RESULTS:
            values = [row[stage][result] for row in rows.values()]
            if result == "memory":
                values = [max(value, SMALLEST) for value in values]
            found[f"{result} of {stage}"] = exponent(list(rows), values)
    return found


def _require_linux() -> None:
    if not STATUS.exists():
        raise NotRunError("needs /proc")


def with_corpus_size(settings: Settings) -> Measurement:
    """Give the largest exponent of time and memory against the number of utterances."""
    _require_linux()
    sizes = (8, 16) if settings.tiny else (150, 300, 600, 1200)
    found = exponents({size: in_a_process(size, settings.threads) for size in sizes})
    worst = max(found, key=lambda name: found[name])
    note = f"that of {worst}, {sizes[0]} to {sizes[-1]} utterances; spread: smallest to largest of six"
    return Measurement(found[worst], min(found.values()), found[worst], len(sizes), note)


def with_length(stage: str) -> Callable[[Settings], Measurement]:
    """Make the function that compares the cost a frame of utterances of 32 s and 1 s, the dearer on top."""

    def measure(settings: Settings) -> Measurement:
        total, longest = settings.size(512, 8), settings.size(32, 4)
        transformer = SpectrogramTransformer(n_jobs=1)
        classifier = CenterLossClassifier(max_epochs=1, device="cpu", random_state=0)
        corpora = [corpus(total // seconds, seconds) for seconds in (longest, 1)]
        X = [transformer.transform(Y) for Y, _ in corpora]
        frames = [int(x.lengths.sum()) for x in X]
        fitted = classifier.fit(X[1], corpora[1][1])
        calls: dict[str, list[Callable[[], Any]]] = {
            "transform": [lambda Y=Y: transformer.transform(Y) for Y, _ in corpora],
            "fit": [lambda x=x, y=y: classifier.fit(x, y) for x, (_, y) in zip(X, corpora, strict=True)],
            "predict": [lambda x=x: fitted.predict(x) for x in X],
        }
        return _above_one(compare(*calls[stage], settings, scale=frames[1] / frames[0], most=15))

    return measure


def _above_one(measured: Measurement) -> Measurement:
    """Turn a ratio round where it is below one, and say which length is dearer."""
    if measured.ratio >= 1:
        return replace(measured, note="32 s is dearer")
    low, high = 1 / measured.high, 1 / measured.low
    return replace(measured, ratio=1 / measured.ratio, low=low, high=high, note="1 s is dearer")


def memory_of_fit(settings: Settings) -> Measurement:
    """Give the KiB that fit takes at its peak, a frame of the one batch that it trains on."""
    _require_linux()
    n, seconds = settings.size(32, 4), settings.size(20, 2)
    ratios = []
    for _ in range(settings.size(3, 1)):
        rows = in_a_process(n, settings.threads, seconds)
        ratios.append(rows["fit"]["memory"] / rows["frames"] / 1024)
    return summarise(ratios, f"KiB, one batch of {n} utterances of {seconds} s")


ROWS = [
    *(
        Row(
            f"length-{stage}",
            f"cost a frame between utterances of 1 and 32 s: {stage}",
            "",
            with_length(stage),
            target=1.3,
        )
        for stage in STAGES
    ),
    Row(
        "corpus-size",
        "time and memory against corpus size, exponent",
        "linear",
        with_corpus_size,
        target=1.05,
    ),
    Row("memory", "peak memory of fit a frame in the batch", "", memory_of_fit, target=12),
]
