"""The means of the test speakers within a fold of `evaluate`."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils import check_random_state

from .._utils import check_choice, check_number, steps_of
from ..features import SpeakerNormalizer
from ._corpus import EvaluationCorpus, take
from ._folds import Split

MODES = ("none", "test", "enrolled")


def has_normalizer(estimator: Any) -> bool:
    """Whether a step of a pipeline subtracts means of speakers."""
    return any(isinstance(step, SpeakerNormalizer) for step in steps_of(estimator))


def check_speaker_means(speaker_means: Any, n_enroll: Any, estimator: Any, corpus: EvaluationCorpus) -> None:
    """Raise unless the estimator and the corpus have what a mode needs."""
    check_choice("speaker_means", speaker_means, MODES)
    check_number("n_enroll", n_enroll, integer=True, low=1)
    if speaker_means == "none":
        return
    if not has_normalizer(estimator):
        raise ValueError(
            f"speaker_means={speaker_means!r} needs a SpeakerNormalizer as a step of the Pipeline, not "
            "within a RejectOption or another estimator: add one before it."
        )
    if corpus.speakers is None:
        raise ValueError(f"speaker_means={speaker_means!r} needs the speakers of the items: pass speakers=.")


def choose_enrolled(
    speaker_means: str, speakers: Any, splits: list[Split], n_enroll: int, random_state: Any
) -> list[NDArray[np.bool_] | None]:
    """Choose the items of each test set whose mean is that of their speaker, as masks; None without means."""
    if speaker_means == "none":
        return [None] * len(splits)
    if speaker_means == "test":
        return [np.ones(len(test), dtype=bool) for _, test in splits]
    rng = check_random_state(random_state)
    return [_draw(speakers[test], n_enroll, rng, fold) for fold, (_, test) in enumerate(splits, start=1)]


def _draw(speakers: NDArray[Any], n_enroll: int, rng: np.random.RandomState, fold: int) -> NDArray[np.bool_]:
    """Draw items of each speaker."""
    drawn = np.zeros(len(speakers), dtype=bool)
    for name in np.unique(speakers):
        items = np.flatnonzero(speakers == name)
        if len(items) <= n_enroll:
            raise ValueError(
                f"the speaker {name} has {len(items)} items in the test set of fold {fold}, so none is left "
                f"to score after n_enroll={n_enroll}: enroll fewer items, or leave the speaker out."
            )
        drawn[rng.choice(items, n_enroll, replace=False)] = True
    return drawn


def transform_test_items(
    estimator: Any, X: Any, speakers: NDArray[Any], enrolled: NDArray[np.bool_]
) -> tuple[Any, Any]:
    """Return the classifier of a fitted pipeline and its input, for which test speakers are enrolled."""
    # Without the pipeline, because scikit-learn passes groups to `transform` only with metadata routing.
    *transformers, classifier = steps_of(estimator)
    for transformer in transformers:
        if isinstance(transformer, SpeakerNormalizer):
            # A copy, so that the fitted estimator knows only the training speakers.
            of_fold = copy.copy(transformer).enroll(take(X, np.flatnonzero(enrolled)), speakers[enrolled])
            X = of_fold.transform(X, speakers)
        else:
            X = transformer.transform(X)
    return classifier, X
