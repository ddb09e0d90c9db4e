"""Means of speakers: what is subtracted from whom, stored and requested."""

from __future__ import annotations

import pickle
import warnings

import numpy as np
import pandas as pd
import pytest
import sklearn
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GroupKFold, cross_val_score
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from skser import SpeakerNormalizer, Spectrograms, load_model, normalize_by_group, save_model

# Tests that need no speakers fit without them.
pytestmark = pytest.mark.filterwarnings("ignore:fit of SpeakerNormalizer received no groups")

SPEAKERS = np.repeat(["Ann", "Ben", "Eve"], [4, 9, 7])


@pytest.fixture
def Z() -> np.ndarray:
    """Features of three speakers whose means differ."""
    rng = np.random.default_rng(0)
    offsets = np.repeat([[5, -3, 0], [-40, 2, 7], [1, 1, 90]], [4, 9, 7], axis=0)
    return rng.normal(size=(20, 3)) * [1, 10, 0.1] + offsets


@pytest.fixture
def S() -> Spectrograms:
    rng = np.random.default_rng(1)
    return Spectrograms([rng.normal(size=(3, n)) + index for index, n in enumerate(rng.integers(2, 9, 20))])


def naive(Z, speakers, with_std=False):
    """Normalize item by item."""
    frame = pd.DataFrame(Z).groupby(np.asarray(speakers))
    centered = Z - frame.transform("mean").to_numpy()
    return centered / frame.transform("std", ddof=0).to_numpy() if with_std else centered


def without_warnings(call, *args, **kwargs):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return call(*args, **kwargs)


# The means


def test_fit_without_groups_warns_unless_means_of_a_call_are_used(Z):
    with pytest.warns(UserWarning, match=r"received no groups.*pass the speakers as groups") as caught:
        SpeakerNormalizer().fit(Z)
    assert caught[0].filename == __file__
    without_warnings(SpeakerNormalizer(unknown="batch").fit, Z)
    without_warnings(SpeakerNormalizer().fit, Z, groups=SPEAKERS)
    with sklearn.config_context(enable_metadata_routing=True):
        without_warnings(SpeakerNormalizer().set_fit_request(groups=False).fit, Z)


def test_cross_validation_passes_the_speakers_only_with_routing(Z):
    y = np.tile(["calm", "sad"], 10)
    model = make_pipeline(SpeakerNormalizer(), SVC())
    with pytest.warns(UserWarning, match="enable_metadata_routing=True"):
        cross_val_score(model, Z, y, groups=SPEAKERS, cv=GroupKFold(2))
    with sklearn.config_context(enable_metadata_routing=True), warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        cross_val_score(model, Z, y, params={"groups": SPEAKERS}, cv=GroupKFold(2), error_score="raise")
    assert not [warning for warning in caught if "received no groups" in str(warning.message)]


@pytest.mark.parametrize("with_std", [False, True])
def test_each_item_loses_the_statistics_of_its_speaker(Z, with_std):
    expected = naive(Z, SPEAKERS, with_std)
    normalizer = SpeakerNormalizer(with_std=with_std)
    np.testing.assert_allclose(normalizer.fit_transform(Z, groups=SPEAKERS), expected, atol=1e-12)
    np.testing.assert_allclose(normalizer.transform(Z, SPEAKERS), expected, atol=1e-12)
    np.testing.assert_allclose(normalize_by_group(Z, SPEAKERS, with_std=with_std), expected, atol=1e-12)


def test_mean_is_the_average_of_the_speakers_means_and_not_of_the_items(Z):
    normalizer = SpeakerNormalizer().fit(Z, groups=SPEAKERS)
    means = [Z[name == SPEAKERS].mean(axis=0) for name in ("Ann", "Ben", "Eve")]
    np.testing.assert_allclose(normalizer.mean_, np.mean(means, axis=0))
    assert not np.allclose(normalizer.mean_, Z.mean(axis=0))
    for name, mean in zip(("Ann", "Ben", "Eve"), means, strict=True):
        np.testing.assert_allclose(normalizer.speakers_[name][0], mean)


def test_scale_is_the_average_of_the_speakers_deviations(Z):
    normalizer = SpeakerNormalizer(with_std=True).fit(Z, groups=SPEAKERS)
    expected = np.mean([Z[name == SPEAKERS].std(axis=0) for name in ("Ann", "Ben", "Eve")], axis=0)
    np.testing.assert_allclose(normalizer.scale_, expected)


def test_without_groups_fit_stores_the_mean_of_the_items_only(Z):
    normalizer = SpeakerNormalizer().fit(Z)
    np.testing.assert_allclose(normalizer.mean_, Z.mean(axis=0))
    assert normalizer.speakers_ == {}


@pytest.mark.parametrize("groups", [None, SPEAKERS])
def test_without_groups_every_item_loses_the_same_mean(Z, groups):
    normalizer = SpeakerNormalizer().fit(Z, groups=groups)
    found = without_warnings(normalizer.transform, Z)
    np.testing.assert_allclose(found, Z - normalizer.mean_)


def test_without_mean_only_the_scale_changes(Z):
    normalizer = SpeakerNormalizer(with_mean=False, with_std=True).fit(Z, groups=SPEAKERS)
    scales = np.stack([Z[name == SPEAKERS].std(axis=0) for name in SPEAKERS])
    np.testing.assert_allclose(normalizer.transform(Z, SPEAKERS), Z / scales)
    plain = SpeakerNormalizer(with_mean=False)
    np.testing.assert_array_equal(plain.fit_transform(Z, groups=SPEAKERS), Z)


def test_a_constant_feature_and_a_speaker_of_one_item_are_not_divided_by_zero():
    Z = np.array([[0.1, 1.0], [0.1, 3.0], [0.1, 5.0], [7.0, 7.0]])
    found = normalize_by_group(Z, ["Ann", "Ann", "Ann", "Ben"], with_std=True)
    np.testing.assert_allclose(found[:, 0], 0, atol=1e-15)
    np.testing.assert_allclose(found[:, 1], [-np.sqrt(1.5), 0, np.sqrt(1.5), 0])


def test_fit_forgets_earlier_speakers(Z):
    normalizer = SpeakerNormalizer().fit(Z, groups=SPEAKERS).fit(Z[:4], groups=["Tom"] * 4)
    assert list(normalizer.speakers_) == ["Tom"]


@pytest.mark.parametrize(
    ("wrong", "groups"),
    [(np.zeros((4, 2)), ["Ann"]), (np.full((4, 2), np.nan), None), (pd.DataFrame({"a": [np.inf] * 4}), None)],
    ids=["groups", "not a number", "infinite frame"],
)
def test_a_fit_that_fails_changes_nothing(Z, wrong, groups):
    normalizer = SpeakerNormalizer().fit(pd.DataFrame(Z, columns=["a", "b", "c"]), groups=SPEAKERS)
    before = dict(vars(normalizer))
    with pytest.raises(ValueError, match=r"groups has 1 values|contains NaN|contains infinity"):
        normalizer.fit(wrong, groups=groups)
    assert vars(normalizer) == before


# Unknown speakers


@pytest.mark.parametrize("unknown", ["mean", "batch"])
def test_an_unknown_speaker_loses_the_mean_of_the_training_speakers_with_one_warning(Z, unknown):
    normalizer = SpeakerNormalizer(unknown=unknown).fit(Z, groups=SPEAKERS)
    with pytest.warns(UserWarning, match=r"\(Ian, Tom\) get the mean of the training speakers") as caught:
        found = normalizer.transform(Z[:4], ["Ann", "Tom", "Ian", "Tom"])
    assert len(caught) == 1
    np.testing.assert_allclose(found[0], Z[0] - normalizer.speakers_["Ann"][0])
    np.testing.assert_allclose(found[1:], Z[1:4] - normalizer.mean_)


@pytest.mark.parametrize("routing", [False, True], ids=["one step", "a pipeline"])
def test_the_warning_names_the_line_of_the_user(Z, routing):
    with sklearn.config_context(enable_metadata_routing=routing):
        model = make_pipeline(SpeakerNormalizer(), StandardScaler()) if routing else SpeakerNormalizer()
        model.fit(Z, groups=SPEAKERS)
        with pytest.warns(UserWarning, match="get the mean of the training speakers") as caught:
            model.transform(Z[:1], groups=["Tom"])
    assert [warning.filename for warning in caught] == [__file__]


@pytest.mark.parametrize("with_std", [False, True])
@pytest.mark.filterwarnings("ignore:speakers who are neither")
def test_by_default_one_item_never_influences_another(Z, with_std):
    normalizer = SpeakerNormalizer(with_std=with_std).fit(Z, groups=SPEAKERS)
    new, speakers = 3 * Z + 7, np.where(SPEAKERS == "Eve", "Tom", SPEAKERS)
    together = normalizer.transform(new, speakers)
    one_by_one = [normalizer.transform(new[[i]], speakers[[i]])[0] for i in range(20)]
    np.testing.assert_array_equal(together, one_by_one)
    batch = SpeakerNormalizer(with_std=with_std, unknown="batch", min_items=1).fit(Z, groups=SPEAKERS)
    assert not np.allclose(batch.transform(new, speakers), together)


def test_batch_uses_the_items_of_an_unknown_speaker_if_there_are_enough(Z):
    normalizer = SpeakerNormalizer(unknown="batch", min_items=7).fit(Z[:4], groups=SPEAKERS[:4])
    found = without_warnings(normalizer.transform, Z, SPEAKERS)
    np.testing.assert_allclose(found, naive(Z, SPEAKERS), atol=1e-12)
    assert list(normalizer.speakers_) == ["Ann"]
    normalizer.set_params(min_items=8)
    with pytest.warns(UserWarning, match=r"fewer than min_items=8 items here \(Eve\)"):
        found = normalizer.transform(Z, SPEAKERS)
    np.testing.assert_allclose(found[:13], naive(Z, SPEAKERS)[:13], atol=1e-12)
    np.testing.assert_allclose(found[13:], Z[13:] - normalizer.mean_)


def test_ten_items_are_enough_for_batch_by_default(Z):
    normalizer = SpeakerNormalizer(unknown="batch").fit(Z)
    found = without_warnings(normalizer.transform, Z[:10], ["Tom"] * 10)
    np.testing.assert_allclose(found, Z[:10] - Z[:10].mean(axis=0))
    with pytest.warns(UserWarning, match="min_items=10"):
        normalizer.transform(Z[:9], ["Tom"] * 9)


# Enrollment


def test_enroll_adds_and_replaces_speakers_and_keeps_the_mean(Z):
    normalizer = SpeakerNormalizer().fit(Z[:13], groups=SPEAKERS[:13])
    before = normalizer.mean_.copy()
    new = np.concatenate([Z[13:], Z[:2]])
    assert normalizer.enroll(new, [*SPEAKERS[13:], "Ben", "Ben"]) is normalizer
    np.testing.assert_array_equal(normalizer.mean_, before)
    found = without_warnings(normalizer.transform, Z[[0, 4, 19]], ["Ann", "Ben", "Eve"])
    expected = [Z[0] - Z[:4].mean(0), Z[4] - Z[:2].mean(0), Z[19] - Z[13:].mean(0)]
    np.testing.assert_allclose(found, expected, atol=1e-12)


def test_enroll_does_not_change_a_copy(Z):
    normalizer = SpeakerNormalizer().fit(Z, groups=SPEAKERS)
    twin = pickle.loads(pickle.dumps(normalizer))
    shallow = SpeakerNormalizer()
    shallow.__dict__.update(normalizer.__dict__)
    normalizer.enroll(Z, ["Tom"] * 20)
    assert "Tom" not in twin.speakers_
    assert "Tom" not in shallow.speakers_


def test_a_clone_knows_no_speakers(Z):
    twin = clone(SpeakerNormalizer(min_items=3).fit(Z, groups=SPEAKERS))
    assert twin.min_items == 3
    for call in (twin.transform, twin.enroll):
        with pytest.raises(NotFittedError):
            call(Z, SPEAKERS)


# Forms of features


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_table_keeps_its_data_type_and_is_not_changed(Z, dtype):
    table = Z.astype(dtype)
    before = table.copy()
    assert SpeakerNormalizer().fit_transform(table, groups=SPEAKERS).dtype == dtype
    assert normalize_by_group(table, SPEAKERS).dtype == dtype
    np.testing.assert_array_equal(table, before)


def test_a_data_frame_keeps_the_names_of_its_columns(Z):
    table = pd.DataFrame(Z, columns=["a", "b", "c"])
    normalizer = SpeakerNormalizer().set_output(transform="pandas").fit(table, groups=pd.Series(SPEAKERS))
    found = normalizer.transform(table, groups=pd.Series(SPEAKERS))
    assert found.columns.tolist() == normalizer.get_feature_names_out().tolist() == ["a", "b", "c"]
    np.testing.assert_allclose(found, naive(Z, SPEAKERS), atol=1e-12)


def test_spectrograms_stay_spectrograms_if_tables_become_data_frames():
    X = Spectrograms([np.ones((2, 3)), np.zeros((2, 4))])
    normalizer = SpeakerNormalizer().set_output(transform="pandas")
    assert isinstance(normalizer.fit_transform(X), Spectrograms)
    assert not hasattr(normalizer, "get_feature_names_out")
    assert isinstance(normalizer.fit_transform(np.eye(3)), pd.DataFrame)


@pytest.mark.parametrize("is_fitted", [False, True])
def test_a_pipeline_can_set_the_output_whatever_the_normalizer_received(S, is_fitted):
    model = make_pipeline(SpeakerNormalizer(), StandardScaler())
    if is_fitted:
        model[0].fit(S)
    model.set_output(transform="pandas")
    assert isinstance(model[0].fit_transform(S), Spectrograms)
    assert isinstance(model[0].fit_transform(np.eye(3)), pd.DataFrame)
    assert model[0].set_output() is model[0]


def test_a_normalizer_of_spectrograms_names_no_columns(S):
    normalizer = SpeakerNormalizer().fit(S).set_output(transform="pandas")
    assert not hasattr(normalizer, "get_feature_names_out")


@pytest.mark.parametrize("kind", ["table", "spectrograms"])
def test_a_loaded_normalizer_takes_the_kind_of_its_first_input(Z, S, tmp_path, kind):
    first, other = (Z, S) if kind == "table" else (S, Z)
    save_model(SpeakerNormalizer().fit(first), tmp_path / "normalizer")
    loaded = load_model(tmp_path / "normalizer")
    with sklearn.config_context(transform_output="pandas"):
        found = loaded.transform(first)
    assert isinstance(found, pd.DataFrame if kind == "table" else Spectrograms)
    with pytest.raises(ValueError, match="but fit received"):
        loaded.transform(other)


@pytest.mark.parametrize("output", ["default", "pandas"])
def test_refuses_another_kind_of_features_than_that_of_fit(Z, S, output):
    of_table = SpeakerNormalizer().set_output(transform=output).fit(Z)
    of_spectrograms = SpeakerNormalizer().set_output(transform=output).fit(S)
    for name in ("transform", "enroll"):
        with pytest.raises(
            ValueError, match=r"X is Spectrograms, but fit received a table: pass a table, or"
        ):
            getattr(of_table, name)(S, SPEAKERS)
        with pytest.raises(ValueError, match=r"X is a table, but fit received Spectrograms: pass Spectrog"):
            getattr(of_spectrograms, name)(Z, SPEAKERS)
    assert isinstance(of_table.fit(S).transform(S), Spectrograms)


@pytest.mark.parametrize("form", [list, tuple])
def test_a_list_of_spectrograms_of_different_lengths_is_converted(S, form):
    items, normalizer = form(S), SpeakerNormalizer()
    expected = normalize_by_group(S, SPEAKERS)
    for found in (
        normalizer.fit_transform(items, groups=SPEAKERS),
        normalizer.enroll(items, SPEAKERS).transform(items, SPEAKERS),
        normalize_by_group(items, SPEAKERS),
    ):
        assert isinstance(found, Spectrograms)
        for item, other in zip(found, expected, strict=True):
            np.testing.assert_array_equal(item, other)


def test_rows_of_different_lengths_are_named():
    rows = [[1.0, 2.0], [3.0]]
    for call in (SpeakerNormalizer().fit, lambda Z: normalize_by_group(Z, ["Ann", "Ben"])):
        with pytest.raises(ValueError, match=r"item 0 must be a spectrogram of shape \(n_bins, n_frames\)"):
            call(rows)


@pytest.mark.parametrize("with_std", [False, True])
def test_spectrograms_lose_the_statistics_of_each_bin_over_all_frames_of_a_speaker(S, with_std):
    frames = np.concatenate([item.T for item in S])
    speakers = np.repeat(SPEAKERS, S.lengths)
    expected = naive(frames, speakers, with_std)
    normalizer = SpeakerNormalizer(with_std=with_std)
    for found in (
        normalizer.fit_transform(S, groups=SPEAKERS),
        normalizer.transform(S, SPEAKERS),
        normalize_by_group(S, SPEAKERS, with_std=with_std),
        normalize_by_group(S.pad()[0], SPEAKERS, with_std=with_std),
    ):
        assert isinstance(found, Spectrograms)
        assert found.lengths.tolist() == S.lengths.tolist()
        np.testing.assert_allclose(np.concatenate([item.T for item in found]), expected, atol=1e-5)


def test_selected_spectrograms_are_normalized_in_their_order(S):
    chosen = S[[7, 2, 15]]
    found = normalize_by_group(chosen, ["Ann", "Ben", "Ben"])
    np.testing.assert_allclose(found[0], chosen[0] - chosen[0].mean(axis=1, keepdims=True), atol=1e-5)


def test_normalize_by_group_uses_only_the_items_passed_in(Z):
    part = [0, 1, 5, 6]
    np.testing.assert_allclose(normalize_by_group(Z[part], SPEAKERS[part]), naive(Z[part], SPEAKERS[part]))


@pytest.mark.parametrize("names", [[3, 1, 2], [True, False, True], [2.5, 1.0, 0.0]])
def test_speakers_can_be_numbers(Z, names):
    speakers = np.repeat(names, [4, 9, 7])
    normalizer = SpeakerNormalizer().fit(Z, groups=speakers)
    found = without_warnings(normalizer.transform, Z[::-1], speakers[::-1].tolist())
    np.testing.assert_allclose(found[::-1], naive(Z, speakers), atol=1e-12)


# Pipelines


def pipeline() -> Pipeline:
    return Pipeline([("scale", StandardScaler()), ("speakers", SpeakerNormalizer()), ("svc", SVC())])


def labels() -> np.ndarray:
    return np.array(["calm", "sad"] * 10)


def test_metadata_routing_passes_groups_without_a_request(Z):
    y, scaled = labels(), StandardScaler().fit_transform(Z)
    with sklearn.config_context(enable_metadata_routing=True):
        model = pipeline().fit(Z, y, groups=SPEAKERS)
        found = model.predict(Z, groups=SPEAKERS)
    expected = SVC().fit(naive(scaled, SPEAKERS), y)
    np.testing.assert_allclose(model["svc"].dual_coef_, expected.dual_coef_)
    np.testing.assert_array_equal(found, expected.predict(naive(scaled, SPEAKERS)))


def test_without_routing_a_pipeline_takes_groups_of_the_step(Z):
    model = pipeline().fit(Z, labels(), speakers__groups=SPEAKERS)
    with sklearn.config_context(enable_metadata_routing=True):
        routed = pipeline().fit(Z, labels(), groups=SPEAKERS)
    np.testing.assert_array_equal(model["svc"].dual_coef_, routed["svc"].dual_coef_)
    np.testing.assert_array_equal(model.predict(Z), routed.predict(Z))  # every item loses mean_
    assert list(model["speakers"].speakers_) == ["Ann", "Ben", "Eve"]


# Errors


@pytest.mark.parametrize(
    ("parameters", "kind", "error"),
    [
        ({"with_mean": 1}, TypeError, "with_mean must be True or False"),
        ({"with_std": "yes"}, TypeError, "with_std must be True or False"),
        ({"unknown": "zero"}, ValueError, "unknown must be one of 'batch', 'mean', got 'zero'"),
        ({"min_items": 0}, ValueError, "min_items must be an integer in"),
        ({"min_items": 2.0}, TypeError, "min_items must be an integer"),
    ],
)
def test_refuses_a_wrong_parameter(Z, parameters, kind, error):
    with pytest.raises(kind, match=error):
        SpeakerNormalizer(**parameters).fit(Z)
    fitted = SpeakerNormalizer().fit(Z).set_params(**parameters)
    for call in (fitted.transform, fitted.enroll):
        with pytest.raises(kind, match=error):
            call(Z, SPEAKERS)


def test_refuses_features_and_groups_that_do_not_match(Z, S):
    normalizer = SpeakerNormalizer().fit(Z, groups=SPEAKERS)
    for call in (normalizer.transform, normalizer.enroll, normalize_by_group):
        with pytest.raises(ValueError, match="groups has 2 values for 20 items: pass one per item"):
            call(Z, ["Ann", "Ben"])
        with pytest.raises(ValueError, match="groups has no value for item 1, got None"):
            call(Z, ["Ann", None, *SPEAKERS[2:]])
        with pytest.raises(ValueError, match="contains NaN"):
            call(np.full((20, 3), np.nan), SPEAKERS)
        with pytest.raises(ValueError, match="0 sample"):
            call(S[:0], [])
    with pytest.raises(ValueError, match="expecting 3 features"):
        normalizer.transform(Z[:, :2])


@pytest.mark.parametrize("form", [list, tuple, np.array, pd.Series])
def test_enroll_refuses_paths_of_recordings_with_the_cure(S, form):
    normalizer = SpeakerNormalizer().fit(S, groups=SPEAKERS)
    message = r"item 0 is the path 'a.wav', not a spectrogram or features: .* of pipeline\[:1\]\.transform"
    with pytest.raises(TypeError, match=message):
        normalizer.enroll(form(["a.wav", "b.wav"]), ["Tom", "Tom"])


@pytest.mark.parametrize(
    "call", [lambda loaded, Z: loaded.transform(Z), lambda loaded, Z: loaded.enroll(Z, [])]
)
def test_a_normalizer_from_a_file_takes_only_the_kind_of_its_fit(Z, S, tmp_path, call):
    save_model(SpeakerNormalizer().fit(S, groups=SPEAKERS), tmp_path / "m.safetensors")
    loaded = load_model(tmp_path / "m.safetensors")
    with pytest.raises(ValueError, match="X is a table, but fit received Spectrograms"):
        call(loaded, np.ones((2, S.n_bins)))
    loaded.transform(S)
    assert not hasattr(loaded, "get_feature_names_out")


@pytest.mark.parametrize("with_std", ["x", 1, None])
def test_normalize_by_group_refuses_flags_that_are_not_bool(Z, with_std):
    with pytest.raises(TypeError, match="with_std must be True or False"):
        normalize_by_group(Z, SPEAKERS, with_std=with_std)
