"""The transformer that subtracts the mean of each speaker."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, OneToOneFeatureMixin
from sklearn.utils import Tags
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted, validate_data

from .._utils import check_choice, check_flag, check_number, listed, warn_caller
from ..sequences import Spectrograms, as_spectrograms
from ._set_output import SetOutputMixin, names_columns
from ._speakers import FLOATS, Features, encode_groups, mean_and_scale, standardize

_NO_GROUPS = (
    "fit of SpeakerNormalizer received no groups, so the items of all speakers are normalized with the same "
    "statistics: pass the speakers as groups. In a Pipeline or a cross-validation, call "
    "sklearn.set_config(enable_metadata_routing=True) first, and pass groups=speakers to fit, or "
    "params={'groups': speakers} to cross_val_score."
)


class SpeakerNormalizer(OneToOneFeatureMixin, SetOutputMixin, BaseEstimator):
    """Subtract from each item the mean of its speaker.

    The mean of a speaker's recordings describes the voice, the language and the microphone more than the
    emotions. What remains is easier to compare between speakers. No labels are used, but a speaker who is
    not in the training set needs recordings of mixed emotions, which are passed to `enroll`.

    Parameters
    ----------
    with_mean : bool, default=True
        Whether to subtract the mean.
    with_std : bool, default=False
        Whether to divide by the standard deviation (ddof 0), which is taken as 1 for a feature that is
        constant. It needs more recordings per speaker than the mean. The result is not in dB, so a
        `CenterLossClassifier` after it needs ``augmentation=None``.
    unknown : {"mean", "batch"}, default="mean"
        Mean for a speaker who is neither in the training set nor enrolled: "mean" is `mean_`, so that one
        item never influences another. "batch" is the mean of the speaker's items in this call if there are
        at least `min_items` of them, otherwise `mean_`.
    min_items : int, default=10
        Number of items of a speaker, at least 1, that ``unknown="batch"`` needs.

    Attributes
    ----------
    mean_ : ndarray of shape (n_features,)
        The average of the speakers' means in the training set; the mean of its items if `fit` received no
        groups. `enroll` does not change it.
    scale_ : ndarray of shape (n_features,)
        The same for the standard deviations; 1 without `with_std`.
    speakers_ : dict of ndarray of shape (2, n_features)
        Mean and scale of each speaker in the training set, and of each enrolled speaker, by the speaker's
        name. These are personal data; `save_model` stores them only on request.
    n_features_in_ : int
        Number of features; of bins for spectrograms.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the columns; only after `fit` on a data frame with string column names.

    See Also
    --------
    normalize_by_group : The same for the items of one array, without storing anything.
    evaluate : Cross-validation with or without means of the test speakers.

    Notes
    -----
    Features are tables (n, n_features) or :class:`skser.Spectrograms`, whose means are taken per bin over
    all frames of a speaker. A dense array (n, n_bins, n_frames) and a list of arrays (n_bins, n_frames) are
    converted to Spectrograms.

    `groups` are the speakers. `fit` and `transform` request them from scikit-learn's metadata routing, so
    that with ``sklearn.set_config(enable_metadata_routing=True)`` a pipeline passes them on: write
    ``pipeline.fit(X, y, groups=speakers)`` and ``pipeline.predict(X, groups=speakers)``. Without routing,
    ``pipeline.fit(X, y, speakernormalizer__groups=speakers)`` works, but scikit-learn passes no groups to
    `transform`, so `mean_` is subtracted from every new item.

    Examples
    --------
    >>> from skser import SpeakerNormalizer
    >>> Z, speakers = [[1.0], [3.0], [10.0], [14.0]], ["Ann", "Ann", "Ben", "Ben"]
    >>> normalizer = SpeakerNormalizer()
    >>> normalizer.fit_transform(Z, groups=speakers).ravel().tolist()
    [-1.0, 1.0, -2.0, 2.0]
    >>> normalizer.mean_, normalizer.transform([[8.0]])
    (array([7.]), array([[1.]]))
    >>> normalizer.enroll([[7.0], [9.0]], ["Eve", "Eve"]).transform([[8.0]], ["Eve"])
    array([[0.]])
    """

    speakers_: dict[Any, NDArray[np.float64]]

    # Read by scikit-learn as plain dicts.
    __metadata_request__fit = {"groups": True}  # noqa: RUF012
    __metadata_request__transform = {"groups": True}  # noqa: RUF012

    def __init__(
        self, with_mean: bool = True, with_std: bool = False, unknown: str = "mean", min_items: int = 10
    ) -> None:
        self.with_mean = with_mean
        self.with_std = with_std
        self.unknown = unknown
        self.min_items = min_items

    def fit(self, X: Any, y: Any = None, groups: ArrayLike | None = None) -> SpeakerNormalizer:
        """Store the mean of each speaker and the average of these means.

        Parameters
        ----------
        X : array-like of shape (n, n_features), or Spectrograms of n items
            Features.
        y : object, default=None
            Ignored.
        groups : array-like of shape (n,), default=None
            The speaker of each item. None stores only `mean_`, the mean of the items.

        Returns
        -------
        SpeakerNormalizer
            The normalizer itself, which has no other enrolled speakers.

        Raises
        ------
        TypeError, ValueError
            If a parameter is invalid, `X` is not finite or has a wrong shape, or `groups` does not have one
            value per item.

        Warns
        -----
        UserWarning
            If `groups` is None, so that no mean of a speaker can be subtracted. There is no warning with
            ``unknown="batch"``, or with metadata routing after ``set_fit_request(groups=False)``.
        """
        check_normalizer_parameters(self.get_params(deep=False))
        work = copy.copy(self)  # a fit that fails leaves this normalizer as it was
        X = work._check_features(X, reset=True)
        work.speakers_ = {} if groups is None else work._statistics(X, groups)
        if groups is None:
            work.mean_, work.scale_ = mean_and_scale(X, self.with_std)
        else:
            work.mean_, work.scale_ = np.mean([*work.speakers_.values()], axis=0)
        self.__dict__ = work.__dict__
        refuses_groups = self.get_metadata_routing().fit.requests.get("groups") is False
        if groups is None and self.unknown == "mean" and not refuses_groups:
            warn_caller(_NO_GROUPS)
        return self

    def transform(self, X: Any, groups: ArrayLike | None = None) -> Features:
        """Subtract from each item the mean of its speaker.

        Parameters
        ----------
        X : array-like of shape (n, n_features), or Spectrograms of n items
            Features.
        groups : array-like of shape (n,), default=None
            The speaker of each item. None means unknown speakers: `mean_` is subtracted from every item.

        Returns
        -------
        ndarray of shape (n, n_features), or Spectrograms of n items
            The normalized features; a data frame if `set_output` requests one.

        Raises
        ------
        TypeError, ValueError
            If a parameter is invalid, `X` is not finite, has a wrong shape or differs in kind from that of
            `fit`, or `groups` does not have one value per item.

        Warns
        -----
        UserWarning
            If `mean_` is used for unknown speakers.
        """
        check_is_fitted(self)
        check_normalizer_parameters(self.get_params(deep=False))
        X = self._check_features(X, reset=False)
        if groups is None:
            codes, found = np.zeros(len(X), dtype=np.intp), [np.stack([self.mean_, self.scale_])]
        else:
            names, codes = encode_groups(groups, len(X))
            speakers = {**self._unknown_statistics(X, names, codes), **self.speakers_}
            found = [speakers[name] for name in names]
        means, scales = np.stack(found, axis=1)  # (n_speakers, n_features) each
        return standardize(X, codes, means if self.with_mean else np.zeros_like(means), scales)

    def fit_transform(self, X: Any, y: Any = None, groups: ArrayLike | None = None) -> Features:
        """Store the mean of each speaker, and subtract it from the speaker's items.

        Parameters
        ----------
        X : array-like of shape (n, n_features), or Spectrograms of n items
            Features.
        y : object, default=None
            Ignored.
        groups : array-like of shape (n,), default=None
            The speaker of each item, which `fit` and `transform` receive.

        Returns
        -------
        ndarray of shape (n, n_features), or Spectrograms of n items
            The normalized features; a data frame if `set_output` requests one.
        """
        return self.fit(X, y, groups).transform(X, groups)

    def enroll(self, X: Any, groups: ArrayLike) -> SpeakerNormalizer:
        """Store the means of more speakers, or replace those of known speakers.

        Parameters
        ----------
        X : array-like of shape (n, n_features), or Spectrograms of n items
            Features of the speakers' recordings, without labels: ideally 10 or more recordings per speaker,
            of mixed emotions.
        groups : array-like of shape (n,)
            The speaker of each item.

        Returns
        -------
        SpeakerNormalizer
            The normalizer itself. `mean_` is not changed.

        Raises
        ------
        TypeError, ValueError
            If `X` has paths of recordings, is not finite, has a wrong shape or differs in kind from that of
            `fit`, or `groups` does not have one value per item.
        """
        check_is_fitted(self)
        check_normalizer_parameters(self.get_params(deep=False))
        enrolled = self._statistics(self._check_features(X, reset=False), groups)
        self.speakers_ = {**self.speakers_, **enrolled}
        return self

    @available_if(names_columns)
    def get_feature_names_out(self, input_features: ArrayLike | None = None) -> NDArray[np.object_]:
        """Name the features of a table; normalizers of spectrograms do not have this method.

        Parameters
        ----------
        input_features : array-like of str, default=None
            Names of the features. None means `feature_names_in_`, or x0, x1, ... without it.

        Returns
        -------
        ndarray of str, shape (n_features,)
            The same names.
        """
        return super().get_feature_names_out(input_features)

    def _returns_table(self) -> bool:
        """Whether `fit` received a table, or was not called."""
        return not getattr(self, "_of_spectrograms", False)

    def _check_features(self, X: Any, *, reset: bool) -> Features:
        """Check features, and compare their kind and number with those of `fit`."""
        X = as_spectrograms(X)
        is_container = isinstance(X, Spectrograms)
        # Older model files do not hold the kind, so the first input decides.
        if not reset and is_container != getattr(self, "_of_spectrograms", is_container):
            given, fitted = ("Spectrograms", "a table") if is_container else ("a table", "Spectrograms")
            raise ValueError(f"X is {given}, but fit received {fitted}: pass {fitted}, or fit again.")
        settings = {"skip_check_array": True} if is_container else {"dtype": FLOATS}
        checked: Features = validate_data(self, X, reset=reset, **settings)
        if reset or not hasattr(self, "_of_spectrograms"):
            self._of_spectrograms = is_container
        return checked

    def _statistics(self, X: Features, groups: ArrayLike) -> dict[Any, NDArray[np.float64]]:
        """Mean and scale of each speaker."""
        names, codes = encode_groups(groups, len(X))
        return {name: mean_and_scale(X[codes == i], self.with_std) for i, name in enumerate(names)}

    def _unknown_statistics(
        self, X: Features, names: list[Any], codes: NDArray[np.intp]
    ) -> dict[Any, NDArray[np.float64]]:
        """Mean and scale of each unknown speaker: those of this call, or those of the training speakers."""
        found, strangers = {}, []
        for code, name in enumerate(names):
            if name in self.speakers_:
                continue
            items = codes == code
            if self.unknown == "batch" and items.sum() >= self.min_items:
                found[name] = mean_and_scale(X[items], self.with_std)
            else:
                found[name] = np.stack([self.mean_, self.scale_])
                strangers.append(name)
        if strangers:
            self._warn_of(strangers)
        return found

    def _warn_of(self, strangers: list[Any]) -> None:
        few = f" and have fewer than min_items={self.min_items} items here" if self.unknown == "batch" else ""
        warn_caller(
            f"speakers who are neither in the training set nor enrolled{few} ({listed(strangers)}) get the "
            "mean of the training speakers: enroll them with enroll(X, groups)."
        )

    def __sklearn_tags__(self) -> Tags:
        """Declare that spectrograms are accepted too, and that the data type is kept."""
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags


def check_normalizer_parameters(parameters: Mapping[str, Any]) -> None:
    """Raise unless the parameters of a `SpeakerNormalizer` can be used."""
    check_flag("with_mean", parameters["with_mean"])
    check_flag("with_std", parameters["with_std"])
    check_choice("unknown", parameters["unknown"], ("mean", "batch"))
    check_number("min_items", parameters["min_items"], integer=True, low=1)
