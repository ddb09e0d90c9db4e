"""Mean and scale of each speaker, as pure functions of tables and `Spectrograms`."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils import check_array

from .._utils import check_flag, plain_labels
from ..sequences import Spectrograms, as_spectrograms, join_frames

# A table (n, n_features) or spectrograms, whose features are their bins.
Features = NDArray[Any] | Spectrograms
FLOATS = (np.float64, np.float32)  # types that a table keeps


def normalize_by_group(Z: ArrayLike | Spectrograms, groups: ArrayLike, *, with_std: bool = False) -> Features:
    """Subtract from each item the mean of its group.

    A group is usually a speaker. Only the items in `Z` are used, and no labels: a mean over few items, or
    over items of few emotions, removes a part of the emotion too.

    Parameters
    ----------
    Z : array-like of shape (n, n_features), or Spectrograms of n items
        Features, such as the embeddings of utterances. A dense array (n, n_bins, n_frames) and a list of
        arrays (n_bins, n_frames) are converted to Spectrograms.
    groups : array-like of shape (n,)
        The group of each item.
    with_std : bool, default=False
        Whether to divide by the standard deviation of the group as well, which is taken as 1 for a feature
        that is constant in the group.

    Returns
    -------
    ndarray of shape (n, n_features), or Spectrograms of n items
        The normalized features. Means of spectrograms are taken per bin over all frames of the group.

    Raises
    ------
    ValueError, TypeError
        If `Z` is not finite or not of one of these forms, or `groups` does not have one value per item.

    See Also
    --------
    SpeakerNormalizer : Stores the means of speakers, for items that come later.

    Examples
    --------
    >>> from skser import normalize_by_group
    >>> normalize_by_group([[1.0, 0.0], [3.0, 4.0], [7.0, 7.0]], ["Ann", "Ann", "Ben"])
    array([[-1., -2.],
           [ 1.,  2.],
           [ 0.,  0.]])
    """
    check_flag("with_std", with_std)
    X = as_spectrograms(Z, "Z")
    if not isinstance(X, Spectrograms):
        X = check_array(X, dtype=FLOATS, input_name="Z")
    names, codes = encode_groups(groups, len(X))
    statistics = [mean_and_scale(X[codes == code], with_std) for code in range(len(names))]
    means, scales = np.stack(statistics, axis=1)  # (n_groups, n_features) each
    return standardize(X, codes, means, scales)


def encode_groups(groups: ArrayLike, n_items: int) -> tuple[list[Any], NDArray[np.intp]]:
    """Check the groups of items; return their sorted names and the number of each item's group."""
    names, codes = np.unique(plain_labels("groups", groups, n_items), return_inverse=True)
    return names.tolist(), codes


def mean_and_scale(Z: Features, with_std: bool) -> NDArray[np.float64]:
    """Mean of each feature (row 0), and the number to divide by (row 1): the deviation (ddof 0), or 1."""
    if isinstance(Z, Spectrograms):
        mean, scale = Z.mean_and_std()
    else:
        mean, scale = Z.mean(axis=0, dtype=np.float64), Z.std(axis=0, dtype=np.float64)
        # A deviation below the resolution of the mean is a rounding error; do not divide by it.
        scale[scale <= 10 * np.finfo(Z.dtype).eps * np.abs(mean)] = 1.0
    return np.stack([mean, scale if with_std else np.ones_like(mean)]).astype(np.float64)


def standardize(Z: Features, codes: NDArray[np.intp], means: NDArray[Any], scales: NDArray[Any]) -> Features:
    """Subtract from each item the mean with the number of its group, and divide by the scale."""
    if not isinstance(Z, Spectrograms):
        normalized: NDArray[Any] = ((Z - means[codes]) / scales[codes]).astype(Z.dtype, copy=False)
        return normalized
    items = ((Z.frames_of(index) - means[code]) / scales[code] for index, code in enumerate(codes))
    return Spectrograms.from_frames(join_frames(items, len(Z), Z.n_bins), Z.lengths)
