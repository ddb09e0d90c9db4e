"""How groups and speakers of a training set reach the parts of an estimator that can use them."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn import get_config
from sklearn.base import BaseEstimator

from .._utils import group_parameters, requests_metadata
from ..features import SpeakerNormalizer
from ._corpus import EvaluationCorpus

_SPEAKERS = "speakers"
# Metadata that a SpeakerNormalizer requests in a fold instead of groups, which need not be the speakers.
_INSTEAD_OF_GROUPS = "speakers_instead_of_groups"


def groups_for_fit(
    estimator: Any, corpus: EvaluationCorpus, train: NDArray[np.intp]
) -> dict[str, NDArray[Any]]:
    """Make the parameters of `fit` that pass groups to each part of an estimator that can use them."""
    if corpus.groups is None:
        return {}
    groups, speakers = corpus.groups[train], corpus.speakers[train]
    if get_config()["enable_metadata_routing"]:
        _change_requests(estimator, True, _INSTEAD_OF_GROUPS)
        names = [_SPEAKERS, *_requested_names(estimator)]
        values = {**dict.fromkeys(names, speakers), "groups": groups}
        return {name: values[name] for name in values if requests_metadata(estimator, "fit", name)}
    return {
        name: speakers if isinstance(part, SpeakerNormalizer) else groups
        for name, part in group_parameters(estimator).items()
    }


def restore_requests(estimator: Any) -> None:
    """Restore the requests that `groups_for_fit` changed, also in the estimators that `fit` made."""
    if get_config()["enable_metadata_routing"]:
        _change_requests(estimator, _INSTEAD_OF_GROUPS, True)


def _change_requests(estimator: Any, old: bool | str, new: bool | str) -> None:
    """Change the name under which metadata routing passes groups to each SpeakerNormalizer."""
    for normalizer in _find_normalizers(estimator):
        for method, request in _requests(normalizer).items():
            if request == old:
                getattr(normalizer, f"set_{method}_request")(groups=new)


def _requested_names(estimator: Any) -> list[str]:
    """Names under which metadata routing passes groups to each SpeakerNormalizer, if they differ."""
    requests = [request for part in _find_normalizers(estimator) for request in _requests(part).values()]
    return [request for request in requests if isinstance(request, str)]


def _requests(normalizer: SpeakerNormalizer) -> dict[str, Any]:
    """Return what each method requests as its groups: True, another name, or False or None for nothing."""
    routing = normalizer.get_metadata_routing()
    return {method: getattr(routing, method).requests.get("groups") for method in ("fit", "transform")}


def _find_normalizers(estimator: Any) -> list[SpeakerNormalizer]:
    """Find the normalizers in the parameters and fitted attributes of an estimator and of its parts."""
    found, seen, values = [], set(), [estimator]
    while values:
        value = values.pop()
        if id(value) in seen:
            continue
        seen.add(id(value))
        if isinstance(value, SpeakerNormalizer):
            found.append(value)
        elif isinstance(value, dict):
            values.extend(value.values())
        elif isinstance(value, (list, tuple)):
            values.extend(value)
        elif isinstance(value, BaseEstimator) or type(value).__module__.startswith("sklearn."):
            values.extend(getattr(value, "__dict__", {}).values())
    return found
