"""A classifier that gives no answer for items of low confidence."""

from __future__ import annotations

import copy
from enum import Enum
from numbers import Real
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn import get_config
from sklearn.base import BaseEstimator, ClassifierMixin, MetaEstimatorMixin, clone
from sklearn.pipeline import make_pipeline
from sklearn.utils import Tags, get_tags
from sklearn.utils.metadata_routing import MetadataRouter, MethodMapping, process_routing
from sklearn.utils.validation import check_is_fitted

from .._utils import (
    check_choice,
    check_number,
    group_parameters,
    join_steps,
    last_step,
    plain_labels,
    steps_of,
)
from ..classifier import (
    CenterLossClassifier,
    check_classes,
    check_groups,
    ended_by_ctrl_c,
    read_targets,
    uses_groups,
)
from ..features import SpeakerNormalizer
from ..metrics import weighted_accuracy
from ._confidence import (
    CONFIDENCES,
    Outputs,
    check_confidence,
    check_probabilities,
    compute_outputs,
)
from ._threshold import find_threshold, predict_unseen

_UNKNOWN = "unknown"
_TARGETS = ("threshold", "coverage", "accuracy")
# Kinds of labels. All numbers are one kind, as in scikit-learn. The order matters: a bool is a number.
_KINDS: dict[Any, tuple[str, str]] = {
    bool | np.bool_: ("a boolean", "booleans"),
    Real: ("a number", "numbers"),
    str: ("text", "text"),
    bytes: ("a bytes object", "bytes"),
}


class RejectOption(MetaEstimatorMixin, ClassifierMixin, BaseEstimator):
    """Predict an extra label, such as "unknown", where a classifier is not sure enough.

    The threshold is either set or found. It is found on predictions for speakers that are not in the training
    set, so that a given share of the items is answered, or the answers reach a given accuracy.

    Parameters
    ----------
    estimator : classifier
        A classifier with `predict_proba`, such as a Pipeline of `SpectrogramTransformer` and
        `CenterLossClassifier`. It is cloned.
    threshold : float, default=None
        An item is answered if its probability is at least this value, in [0, 1]; with
        ``confidence="distance"``, if its distance is at most this value, 0 or more.
    coverage : float, default=None
        Share of the items to answer, in (0, 1].
    accuracy : float, default=None
        Share of correct answers among the answered items, in (0, 1]. As many items as possible are answered.
    label : object, default="unknown"
        Label of the items that are not answered. It must have the type of the classes (text, numbers,
        booleans, members of the same Enum, or bytes) and not be one of them. Among integers, it must be an
        integer. If the classes are the values of an Enum, a member means its value; if they are text, bytes
        are decoded.
    confidence : {"probability", "distance"}, default="probability"
        How sure the classifier is: the highest probability, or the Euclidean distance of the embedding to the
        center of the predicted class. "distance" needs a `CenterLossClassifier`, on its own, at the end of a
        Pipeline, or in a search over one of these.
    cv : int, default=5
        Number of folds of whole speakers, at least 2, with which the threshold is found; one fold per speaker
        if there are fewer speakers. Not used with `threshold`.

    Attributes
    ----------
    estimator_ : classifier
        The classifier, fitted on all items.
    classes_ : ndarray of shape (n_classes,)
        The labels of `estimator_`, without `label`.
    threshold_ : float
        Lowest probability, or largest distance, of an item that is answered.
    n_features_in_ : int
        Number of features, if `estimator_` has it.
    feature_names_in_ : ndarray of shape (n_features,)
        Names of the features, if `estimator_` has them.

    See Also
    --------
    RiskCoverageDisplay : Draws the errors among the answers over the share of answered items.
    predict_timeline : Emotions over time; it uses the threshold of a `RejectOption`.

    Notes
    -----
    Exactly one of `threshold`, `coverage` and `accuracy` must be set.

    The predicted class is the one with the highest probability, also where `predict` of the estimator decides
    differently, as with another threshold between two classes.

    The share and the accuracy hold for the speakers in `fit`. On other speakers, microphones or languages
    they differ, so measure them there.

    `fit` requests `groups`. Without metadata routing, it also passes them to the estimator, the steps of a
    Pipeline and the group splitter of a search, if these have a parameter `groups`. Its other parameters are
    passed on to the estimator, with metadata routing or by the names of steps. `score` counts `label` as a
    wrong answer.

    References
    ----------
    .. [1] C. K. Chow, "On optimum recognition error and reject tradeoff", IEEE Transactions on Information
       Theory 16(1), 1970, 41-46.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.linear_model import LogisticRegression
    >>> from skser import RejectOption
    >>> X, y = np.array([[-2.0], [-1.0], [1.0], [2.0]]), ["calm", "calm", "angry", "angry"]
    >>> model = RejectOption(LogisticRegression(), threshold=0.6).fit(X, y)
    >>> model.predict([[-1.5], [0.1], [1.5]]).tolist()
    ['calm', 'unknown', 'angry']
    >>> model.classes_.tolist()
    ['angry', 'calm']
    """

    # With metadata routing, groups are passed to fit without a request by the user.
    __metadata_request__fit = {"groups": True}  # noqa: RUF012 - read by scikit-learn as a plain dict

    def __init__(
        self,
        estimator: Any,
        *,
        threshold: float | None = None,
        coverage: float | None = None,
        accuracy: float | None = None,
        label: Any = _UNKNOWN,
        confidence: str = "probability",
        cv: int = 5,
    ) -> None:
        self.estimator = estimator
        self.threshold = threshold
        self.coverage = coverage
        self.accuracy = accuracy
        self.label = label
        self.confidence = confidence
        self.cv = cv

    def fit(self, X: Any, y: ArrayLike, *, groups: ArrayLike | None = None, **params: Any) -> RejectOption:
        """Find the threshold, and fit the classifier on all items.

        Parameters
        ----------
        X : object
            Input of the estimator, such as a list of paths.
        y : array-like of shape (n_samples,)
            Labels of two or more classes, of any kind that the estimator takes. See
            :doc:`/user_guide/labels`.
        groups : array-like of shape (n_samples,), default=None
            Speaker of each item; needed unless `threshold` is set and the estimator needs no groups.
        **params : dict
            Further parameters for `fit` of the estimator.

        Returns
        -------
        RejectOption
            This estimator.

        Raises
        ------
        TypeError
            If a parameter has a wrong type, `label` has another type than the labels, or the estimator has no
            `predict_proba` or does not have what `confidence` needs.
        ValueError
            If not exactly one of `threshold`, `coverage` and `accuracy` is set, a parameter is outside its
            range, `estimator` is or ends with a `RejectOption`, the labels or `groups` are invalid, `label`
            is one of the labels or cannot be stored with them, there are fewer than two speakers, or no
            threshold reaches `accuracy`; if a part of the estimator is a `SpeakerNormalizer`, to which only
            metadata routing passes the groups.
        """
        check_reject_parameters(self)
        labels = read_targets(self, y).given
        check_reject_label(self.label, check_classes(labels).given)
        check_groups(groups, len(labels))
        routed = get_config()["enable_metadata_routing"]
        if groups is not None and not routed:
            params = _groups_of_parts(self, groups, params) | params
        threshold = self.threshold
        if threshold is None:
            with ended_by_ctrl_c():
                predictions = predict_unseen(
                    self.estimator, self.confidence, X, labels, groups, self.cv, params
                )
            threshold = find_threshold(*predictions, coverage=self.coverage, accuracy=self.accuracy)
            threshold = threshold if self.confidence == "probability" else -threshold
        fit_params = params
        if routed:
            fit_params = process_routing(self, "fit", groups=groups, **params).estimator.fit
        estimator = clone(self.estimator).fit(X, labels, **fit_params)
        check_probabilities(estimator)
        self.estimator_, self.classes_ = estimator, estimator.classes_
        self.threshold_ = float(threshold)
        return self

    def predict(self, X: Any, **params: Any) -> NDArray[Any]:
        """Predict the labels, and `label` where the classifier is not sure enough.

        Parameters
        ----------
        X : object
            Input of the estimator.
        **params : dict
            Further parameters for `predict_proba` of the estimator.

        Returns
        -------
        ndarray of shape (n_samples,)
            Labels.
        """
        return classify(self, X, **params)[0]

    def predict_proba(self, X: Any, **params: Any) -> NDArray[Any]:
        """Compute the probabilities of the classes, which are those of the estimator.

        Parameters
        ----------
        X : object
            Input of the estimator.
        **params : dict
            Further parameters for `predict_proba` of the estimator.

        Returns
        -------
        ndarray of shape (n_samples, n_classes)
            Probabilities in the order of `classes_`.
        """
        check_is_fitted(self)
        return compute_outputs(self.estimator_, "probability", X, **params).probabilities

    def score(self, X: Any, y: ArrayLike, sample_weight: ArrayLike | None = None, **params: Any) -> float:
        """Compute the share of correct predictions; an item without an answer counts as wrong.

        Parameters
        ----------
        X : object
            Input of the estimator.
        y : array-like of shape (n_samples,)
            The true labels.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the items.
        **params : dict
            Further parameters for `predict_proba` of the estimator.

        Returns
        -------
        float
            Accuracy (WA), see `weighted_accuracy`.
        """
        return weighted_accuracy(y, self.predict(X, **params), sample_weight=sample_weight)

    @property
    def n_features_in_(self) -> int:
        """Number of features, if `estimator_` has it."""
        return int(self.estimator_.n_features_in_)

    @property
    def feature_names_in_(self) -> NDArray[Any]:
        """Names of the features, if `estimator_` has them."""
        names: NDArray[Any] = self.estimator_.feature_names_in_
        return names

    def get_metadata_routing(self) -> MetadataRouter:
        """Describe which metadata the estimator receives.

        Returns
        -------
        MetadataRouter
            The routing, for scikit-learn.
        """
        fitting, predicting = MethodMapping().add(caller="fit", callee="fit"), MethodMapping()
        for caller in ("predict", "predict_proba", "score"):
            predicting = predicting.add(caller=caller, callee="predict_proba")
        router = MetadataRouter(owner=type(self).__name__).add_self_request(self)
        router = router.add(estimator=self.estimator, method_mapping=fitting)
        # A search routes nothing to the predictions of the estimator that it fitted.
        steps = join_steps(getattr(self, "estimator_", self.estimator))
        return router.add(steps=steps, method_mapping=predicting)

    def __sklearn_tags__(self) -> Tags:
        """Declare that the input is that of the estimator."""
        tags = super().__sklearn_tags__()
        tags.input_tags = get_tags(self.estimator).input_tags
        return tags


def check_reject_parameters(rejecter: RejectOption) -> None:
    """Raise unless the parameters can be used."""
    if isinstance(last_step(rejecter.estimator), RejectOption):
        raise ValueError(
            "estimator is a RejectOption or ends with one, whose threshold would have no effect: use only "
            "one RejectOption."
        )
    check_choice("confidence", rejecter.confidence, CONFIDENCES)
    check_number("cv", rejecter.cv, integer=True, low=2)
    found = [name for name in _TARGETS if getattr(rejecter, name) is not None]
    if len(found) != 1:
        raise ValueError(
            "exactly one of threshold, coverage and accuracy must be set, got "
            f"{' and '.join(found) or 'none of them'}: set one, and leave the others None."
        )
    if found == ["threshold"]:
        check_threshold("threshold", rejecter.threshold, rejecter.confidence)
    else:
        check_number(found[0], getattr(rejecter, found[0]), low=0, high=1, closed="right")
    check_confidence(rejecter.confidence, rejecter.estimator)


def _groups_of_parts(rejecter: RejectOption, groups: Any, params: dict[str, Any]) -> dict[str, Any]:
    """Parameters of `fit` that pass the groups to the parts of an estimator without metadata routing."""
    names = group_parameters(rejecter.estimator)
    given = [part for name, part in names.items() if name in params]
    for part in rejecter.get_params().values():
        # Groups of `evaluate`, such as sessions, need not be the speakers.
        if isinstance(part, SpeakerNormalizer) and not any(part is other for other in given):
            raise ValueError(
                "SpeakerNormalizer needs the speakers, which RejectOption passes to it only with metadata "
                "routing: call sklearn.set_config(enable_metadata_routing=True) first, or pass them to fit "
                "by the name of the step, as in speakernormalizer__groups=speakers."
            )
    return {
        name: groups
        for name, part in names.items()
        if not isinstance(part, CenterLossClassifier) or uses_groups(part.get_params(deep=False))
    }


def check_threshold(name: str, threshold: Any, confidence: str) -> None:
    """Raise unless a threshold is a probability or, if distances are compared, a distance."""
    check_number(name, threshold, low=0, high=1 if confidence == "probability" else None)


def classify(model: Any, X: Any, **params: Any) -> tuple[NDArray[Any], NDArray[Any]]:
    """Compute labels and probabilities; items that a `RejectOption` does not answer get its label."""
    rejecter, outputs = find_outputs(model, X, **params)
    if rejecter is None:
        return outputs.labels, outputs.probabilities
    labels, is_answered = outputs.labels, outputs.confidence >= lowest_confidence(rejecter)
    other = _as_array(_like_classes(rejecter.label, rejecter.classes_), rejecter.classes_)
    return np.where(is_answered, labels, other), outputs.probabilities


def lowest_confidence(rejecter: RejectOption) -> float:
    """Lowest confidence of an item that is answered: a probability, or a negative distance."""
    return rejecter.threshold_ if rejecter.confidence == "probability" else -rejecter.threshold_


def find_outputs(model: Any, X: Any, **params: Any) -> tuple[RejectOption | None, Outputs]:
    """Outputs of a fitted classifier, and the `RejectOption` that it is or ends with."""
    *first, last = steps_of(model)
    if not isinstance(last, RejectOption):
        return None, compute_outputs(model, "probability", X, **params)
    check_is_fitted(last)
    model = make_pipeline(*first, last.estimator_)
    return last, compute_outputs(model, last.confidence, X, **params)


def with_reject(model: Any, reject: float | None) -> Any:
    """Wrap a fitted model, so that it rejects below a probability."""
    if reject is None:
        return model
    check_number("reject", reject, low=0, high=1)
    if isinstance(last_step(model), RejectOption):
        raise ValueError(
            "model is a RejectOption or ends with one, which has its own threshold: leave reject out."
        )
    try:
        check_reject_label(_UNKNOWN, np.asarray(model.classes_))
    except (TypeError, ValueError) as error:
        cause = str(error).rpartition(":")[0]
        cure = "train the model with other labels, of text, or use a RejectOption with another label"
        raise type(error)(f"reject cannot add the label {_UNKNOWN!r} ({cause}): {cure}.") from error
    wrapped = RejectOption(model, threshold=reject, label=_UNKNOWN)
    wrapped.estimator_, wrapped.classes_, wrapped.threshold_ = model, model.classes_, reject
    return wrapped


def split_first_step(model: Any) -> tuple[Any, Any]:
    """First step of a fitted Pipeline, or of the Pipeline in a `RejectOption`, and the model without it."""
    first, *others = steps_of(model)
    if others:
        return first, make_pipeline(*others)
    rest = copy.copy(first)
    first, rest.estimator_ = split_first_step(rest.estimator_)
    return first, rest


def check_reject_label(label: Any, classes: NDArray[Any]) -> None:
    """Raise unless a label has the type of the classes and is not one of them."""
    known = classes.tolist()
    label = _like_classes(label, classes)
    if known and _kind_of(label) != _kind_of(known[0]):
        _, kinds = _kind_of(known[0])
        raise TypeError(
            f"label={label!r} is {_kind_of(label)[0]}, but the classes are {kinds}: {_find_cure(known)}."
        )
    if label in known:
        raise ValueError(f"label={label!r} is one of the classes {known}: choose another label.")
    joined = np.concatenate([classes, _as_array(label, classes)])
    # The values do not show that integers became floats, because 0.0 equals 0.
    if joined.tolist() != [*known, label] or joined.dtype.kind == "f" != classes.dtype.kind:
        raise ValueError(
            f"label={label!r} cannot be stored in one array with the classes of type {classes.dtype} without "
            "changing them: choose a label of this type."
        )


def _like_classes(label: Any, classes: NDArray[Any]) -> Any:
    """Convert a member of an Enum to its value, and bytes to text, unless the classes are of its type."""
    if isinstance(label, Enum | bytes) and not any(isinstance(one, type(label)) for one in classes.tolist()):
        (label,) = plain_labels("label", [label]).tolist()
    return label


def _as_array(label: Any, classes: NDArray[Any]) -> NDArray[Any]:
    """Make an array of a label, of the data type of the classes if that can hold it."""
    try:
        with np.errstate(over="ignore"):
            array = np.array([label], dtype=classes.dtype)
    except (OverflowError, ValueError):
        return np.array([label])
    return array if array.tolist() == [label] else np.array([label])


def _kind_of(label: Any) -> tuple[str, str]:
    """Name the kind of a label, in the singular and the plural."""
    name = type(label).__name__
    if isinstance(label, Enum):  # before numbers and text, which its members may be as well
        return f"a member of {name}", f"members of {name}"
    words = (words for kind, words in _KINDS.items() if isinstance(label, kind))
    return next(words, (f"a value of type {name}", f"values of type {name}"))


def _find_cure(classes: list[Any]) -> str:
    """Name a label that the classes allow."""
    one, kinds = _kind_of(classes[0])
    if kinds == "booleans":
        return "replace the classes by text or numbers, because no boolean is left for label"
    example = f", such as {min(classes) - 1}" if kinds == "numbers" else ""
    return f"set label to {one} that is not a class{example}"
