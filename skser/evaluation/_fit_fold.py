"""Fit and predict in a fold: groups handed on, spectrograms computed once, errors that name the fold."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from joblib import parallel_config
from numpy.typing import NDArray
from sklearn import get_config
from sklearn.base import clone
from sklearn.model_selection import check_cv
from sklearn.pipeline import Pipeline
from sklearn.utils import column_or_1d
from sklearn.utils.metadata_routing import get_routing_for_object
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import has_fit_parameter

from .._utils import listed
from ..features import SpectrogramTransformer
from ._corpus import Subjects, take
from ._folds import Split


class FoldResult(NamedTuple):
    """What comes out of a fold; estimator and probabilities where they are wanted or there are any."""

    estimator: Any
    predicted: NDArray[Any]
    classes: NDArray[Any] | None
    probabilities: NDArray[Any] | None


def precompute_spectrograms(estimator: Any, subjects: Subjects, n_jobs: int | None) -> tuple[Subjects, Any]:
    """Take spectrograms as the first step of a Pipeline out of the folds."""
    # A subclass may do otherwise, so only the class itself; so may other steps that need no fit.
    if not (isinstance(estimator, Pipeline) and type(estimator.steps[0][1]) is SpectrogramTransformer):
        return subjects, estimator
    name, transformer = estimator.steps[0]
    with parallel_config(**({} if n_jobs is None else {"n_jobs": n_jobs})):
        X = clone(transformer).fit_transform(subjects.X)
    return subjects._replace(X=X), clone(estimator).set_params(**{name: "passthrough"})


def restore_first_step(fitted: Pipeline, first_step: tuple[str, Any], X_train: Any) -> None:
    """Make a fitted Pipeline whole again with the step that `precompute_spectrograms` took out."""
    name, transformer = first_step
    fitted.set_params(**{name: clone(transformer).fit(X_train)})


def name_fold(subjects: Subjects, splits: list[Split], fold: int) -> str:
    """Name a fold in messages."""
    name = f"fold {fold + 1} of {len(splits)}"
    if subjects.groups is None:
        return name
    return f"{name} (test groups: {listed(np.unique(subjects.groups[splits[fold][1]]), 4)})"


def fit_fold(estimator: Any, subjects: Subjects, split: Split, name: str, keep: bool) -> FoldResult:
    """Fit on the training part of a fold and predict its test part."""
    train, test = split
    groups = None if subjects.groups is None else subjects.groups[train]
    try:
        fit_params = _groups_for_fit(estimator, groups)
        estimator.fit(take(subjects.X, train), subjects.y[train], **fit_params)
        X_test, classes, probabilities = take(subjects.X, test), None, None
        if hasattr(estimator, "predict_proba") and hasattr(estimator, "classes_"):
            classes, probabilities = estimator.classes_, np.asarray(estimator.predict_proba(X_test))
        predicted = _checked_labels(estimator.predict(X_test), subjects.y[test])
        return FoldResult(estimator if keep else None, predicted, classes, probabilities)
    except (OSError, TypeError, ValueError) as error:
        kind = next(kind for kind in (OSError, TypeError, ValueError) if isinstance(error, kind))
        raise kind(f"{name}: {error}") from error
    except Exception as error:
        raise RuntimeError(f"{name}: {type(error).__name__}: {error}") from error


def _checked_labels(predicted: Any, y: NDArray[Any]) -> NDArray[Any]:
    """Predictions as a vector; raise unless there is one for each label, text for text."""
    labels = column_or_1d(predicted)
    if len(labels) != len(y):
        raise ValueError(f"the estimator gave {len(labels)} predictions for {len(y)} items.")
    if isinstance(labels[0], str) != isinstance(y[0], str):
        raise ValueError(
            f"the estimator predicts {labels[0]!r} where labels are like {y[0]!r}: encode the labels "
            "before, or use an estimator that gives them back."
        )
    check_classification_targets(labels)
    return labels


def _groups_for_fit(estimator: Any, groups: NDArray[Any] | None) -> dict[str, NDArray[Any]]:
    """Parameters of fit that hand groups to whatever in an estimator can use them."""
    if groups is None:
        return {}
    if get_config()["enable_metadata_routing"]:
        return {"groups": groups} if _requests_groups(estimator, "fit") else {}
    return dict.fromkeys(_group_parameters(estimator), groups)


def _requests_groups(consumer: Any, method: str) -> bool:
    """Whether metadata routing brings groups to a method, or to what it calls."""
    try:
        return "groups" in get_routing_for_object(consumer).consumes(method, ["groups"])
    except NotImplementedError:  # scikit-learn's word for estimators that do not route
        return False


def _group_parameters(estimator: Any) -> list[str]:
    """Names under which fit takes groups without metadata routing."""
    if isinstance(estimator, Pipeline):
        return [f"{name}__{inner}" for name, step in estimator.steps for inner in _group_parameters(step)]
    if all(hasattr(estimator, name) for name in ("estimator", "cv", "refit")):  # a search
        # Its own parameter groups goes to its splitter alone, and no further.
        own = ["groups"] if _requests_groups(check_cv(estimator.cv), "split") else []
        return own + [name for name in _group_parameters(estimator.estimator) if name != "groups"]
    return ["groups"] if has_fit_parameter(estimator, "groups") else []
