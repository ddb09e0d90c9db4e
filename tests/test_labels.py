"""Tests of labels, groups, classes and speakers of every kind, as the tables of the manual show them."""

from __future__ import annotations

import re
import warnings
from datetime import UTC, date, datetime
from enum import Enum, IntEnum, StrEnum
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn import config_context
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, cross_val_score

from skser import (
    CenterLossClassifier,
    EmbeddingDisplay,
    SpeakerNormalizer,
    SpectrogramTransformer,
    evaluate,
    intra_inter_ratio,
    load_model,
    normalize_by_group,
    risk_coverage_curve,
    save_model,
    spectrogram,
    unweighted_accuracy,
    unweighted_accuracy_scorer,
    weighted_accuracy,
)

# Two kinds in the table are columns, for which fit gives scikit-learn's warning.
pytestmark = pytest.mark.filterwarnings("ignore:A column-vector y was passed")

PAGE = Path(__file__).resolve().parents[1] / "docs" / "user_guide" / "labels.rst"


class Emotion(str, Enum):  # noqa: UP042 - NumPy cuts its members to text; those of StrEnum stay whole
    CALM = "calm"
    ANGRY = "angry"
    ANXIOUS = "anxious"


class Level(Enum):
    LOW = 1
    HIGH = 2


def rows_of(title: str) -> list[tuple[str, str]]:
    """Second and third cell of each row of a table in the manual."""
    section = PAGE.read_text(encoding="utf-8").partition(f"{title}\n---")[2].partition("\n---")[0]
    rows = re.findall(r"^   \* - .*\n     - (.*)\n     - (.*)$", section, flags=re.MULTILINE)[1:]  # no header
    return [(code.strip("`"), result.strip("`")) for code, result in rows]


KINDS, REFUSED = rows_of("Kinds of labels"), rows_of("What is refused")


def labels(code: str) -> Any:
    """Evaluate a cell of the manual."""
    names = {"np": np, "pd": pd, "torch": torch, "Emotion": Emotion, "Level": Level}
    if "pl." in code:
        names["pl"] = pytest.importorskip("polars")
    return eval(code, names)


def entries(code: str) -> list[Any]:
    """List the labels of a cell one by one, for comparison."""
    y = labels(code)
    if isinstance(y, pd.DataFrame):
        y = y.iloc[:, 0]
    values = y.ravel().tolist() if isinstance(y, np.ndarray) else list(y)
    return [value.item() if isinstance(value, (torch.Tensor, np.generic)) else value for value in values]


def make(**parameters: Any) -> CenterLossClassifier:
    small = {"channels": (4,), "rnn_units": 2, "embedding_dim": 2, "augmentation": None, "max_epochs": 1}
    return CenterLossClassifier(**{**small, "random_state": 0, "schedule": "constant", **parameters})


X = np.array([[[-3.0] * 6] * 4, [[3.0] * 6] * 4], dtype=np.float32)
MANY = np.concatenate([X] * 4)


def test_tables_are_found():
    assert len(KINDS) >= 30
    assert len(REFUSED) >= 10


@pytest.mark.parametrize(("code", "classes"), KINDS)
def test_classes_are_those_of_the_manual(code, classes):
    classifier = make().fit(X, labels(code))
    assert re.sub(r"\s+", " ", repr(classifier.classes_)).replace("[ ", "[") == classes


@pytest.mark.parametrize("code", [code for code, _ in KINDS])
def test_labels_come_back_as_they_went_in(code):
    classifier = make(max_epochs=30, lr=0.05).fit(X, labels(code))
    assert classifier.predict(X).tolist() == (expected := np.asarray(entries(code), dtype=object)).tolist()
    assert [type(value) for value in classifier.predict(X).tolist()] == [type(value) for value in expected]
    assert classifier.score(X, labels(code)) == 1
    assert classifier.score(X[::-1], labels(code)) == 0


@pytest.mark.parametrize("code", [code for code, _ in KINDS])
def test_classes_of_partial_fit_and_groups_follow_the_same_rules(code):
    classifier = make().partial_fit(X, labels(code), classes=labels(code))
    assert classifier.partial_fit(X, labels(code), classes=labels(code)).n_iter_ == 2
    make().fit(X, ["a", "b"], groups=labels(code))
    with pytest.raises(ValueError, match="y holds labels that are not among the classes"):
        classifier.partial_fit(X, ["other", "text"])


@pytest.mark.parametrize("code", [code for code, _ in KINDS])
def test_metrics_take_every_kind(code):
    if "datetime" in code:
        pytest.skip("scikit-learn counts no dates")
    assert weighted_accuracy(labels(code), labels(code)) == 1
    assert unweighted_accuracy(labels(code), entries(code)[::-1]) == 0


@pytest.mark.parametrize(("code", "message"), REFUSED)
def test_wrong_labels_are_named_everywhere(code, message):
    for name, call in {
        "y": lambda values: make().fit(X, values),
        "classes": lambda values: make().partial_fit(X, ["a", "b"], classes=values),
        "groups": lambda values: make().fit(X, ["a", "b"], groups=values),
        "speakers": lambda values: evaluate(make(), (X, ["a", "b"]), speakers=values),
        "y_true": lambda values: unweighted_accuracy(values, ["a", "b"]),
    }.items():
        if name == "speakers" and isinstance(labels(code), str):
            continue  # the name of a column
        with pytest.raises(ValueError, match=re.escape(message.replace("y ", f"{name} ", 1))):
            call(labels(code))


def test_members_of_other_enums_come_back():
    for kind in (IntEnum("Number", ["ONE", "TWO"]), StrEnum("Text", ["ONE", "TWO"])):
        classifier = make(max_epochs=30, lr=0.05).fit(X, [kind.TWO, kind.ONE])
        assert classifier.predict(X).tolist() == [kind.TWO, kind.ONE]
        assert classifier.predict(X)[0] is kind.TWO


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (("a", 1), r"the Enum in y mixes text and integers \(item 0 is 'a', item 1 is 1\)"),
        ((1.0, float("nan")), "the Enum in y has no value for item 1, got nan"),
        ((("a", 1), ("b", 2, 3)), r"the Enum in y holds \('a', 1\) of type tuple \(item 0\)"),
    ],
)
def test_values_of_members_follow_the_rules(values, message):
    kind = Enum("Kind", list(zip(["ONE", "TWO"], values, strict=True)))
    with pytest.raises(ValueError, match=message):
        make().fit(X, [kind.ONE, kind.TWO])


def test_members_whose_text_begins_alike_stay_apart():
    y = [Emotion.ANGRY, Emotion.ANXIOUS, Emotion.CALM] * 2
    assert make().fit(MANY[:6], y).classes_.tolist() == [Emotion.ANGRY, Emotion.ANXIOUS, Emotion.CALM]


@pytest.mark.parametrize(
    "y",
    [
        [date(2024, 5, 2), date(2024, 5, 1)],
        [datetime(2024, 5, 1, 3, 0, 0, 1), datetime(2024, 5, 1, 3)],
        [np.datetime64("2024-05-02"), np.datetime64("2024-05-01")],
        [np.datetime64(2, "ns"), np.datetime64(1, "ns")],
    ],
)
def test_dates_in_a_list_come_back(y):
    classifier = make(max_epochs=30, lr=0.05).fit(X, y)
    predicted = classifier.predict(X)
    assert predicted.tolist() == [value.item() if isinstance(value, np.datetime64) else value for value in y]


def test_dates_that_would_be_rounded_are_named():
    y = [pd.Timestamp("2024-05-01"), pd.Timestamp("2024-05-01") + pd.Timedelta(1, "ns")]
    with pytest.raises(ValueError, match=r"y holds dates with nanoseconds \(item 1\): use an array or text"):
        make().fit(X, y)


def test_a_time_zone_in_a_list_is_named():
    y = [datetime(2024, 5, 2), datetime(2024, 5, 1, tzinfo=UTC)]
    with pytest.raises(
        ValueError, match=r"y holds dates with a time zone \(item 1\), which NumPy cannot keep"
    ):
        make().fit(X, y)


def test_values_and_members_are_the_same_labels_later():
    classifier = make().fit(X, [Emotion.CALM, Emotion.ANGRY])
    assert classifier.partial_fit(X, ["calm", "angry"]).predict(X)[0] in list(Emotion)


def test_number_of_groups_and_their_order_do_not_depend_on_their_kind():
    groups = [[5, 5, 6, 6, 7, 7, 8, 8], pd.array([5, 5, 6, 6, 7, 7, 8, 8], dtype="Int64"), list("aabbccdd")]
    states = [
        make(early_stopping=True, max_epochs=3).fit(MANY, ["a", "b"] * 4, groups=values).predict_proba(MANY)
        for values in groups
    ]
    np.testing.assert_array_equal(states[0], states[1])
    np.testing.assert_array_equal(states[0], states[2])


class TestSearch:
    def test_search_and_cross_validation_take_members(self):
        y = [Emotion.CALM, Emotion.ANGRY] * 4
        search = GridSearchCV(make(lr=0.05), {"max_epochs": [1, 30]}, cv=2).fit(MANY, y)
        assert search.best_score_ == 1
        assert search.predict(X).tolist() == y[:2]
        scores = cross_val_score(
            make(lr=0.05, max_epochs=30), MANY, y, cv=2, scoring=unweighted_accuracy_scorer
        )
        assert scores.tolist() == [1, 1]


class TestEvaluate:
    SPEAKERS = ("Ann", "Ann", "Ben", "Ben", "Eve", "Eve", "Ian", "Ian")
    FRAMES = MANY[:, :, 0]

    @pytest.mark.parametrize(
        ("y", "shown"),
        [
            ([Level.HIGH, Level.LOW] * 4, [2, 1]),
            ([Emotion.CALM, Emotion.ANGRY] * 4, ["calm", "angry"]),
            (pd.array([2**53 + 1, 2**53] * 4, dtype="Int64"), [2**53 + 1, 2**53]),
            (pd.array([True, False] * 4, dtype="boolean"), [True, False]),
            ([b"calm", b"angry"] * 4, ["calm", "angry"]),
        ],
        ids=["Enum", "str Enum", "Int64", "boolean", "bytes"],
    )
    def test_any_classifier_can_be_evaluated(self, y, shown):
        evaluation = evaluate(LogisticRegression(), (self.FRAMES, y, self.SPEAKERS))
        assert (
            evaluation.predictions["label"].tolist()
            == evaluation.predictions["predicted"].tolist()
            == shown * 4
        )
        assert evaluation.labels.tolist() == sorted(shown)
        assert evaluation.unweighted_accuracy == 1

    def test_speakers_of_any_kind_are_kept_apart(self):
        speakers = pd.array([2**53, 2**53, 2**53 + 1, 2**53 + 1, 3, 3, 4, 4], dtype="Int64")
        evaluation = evaluate(LogisticRegression(), (self.FRAMES, ["a", "b"] * 4, speakers))
        assert evaluation.folds["test_groups"].tolist() == [(3,), (4,), (2**53,), (2**53 + 1,)]


class TestModelFiles:
    @pytest.mark.parametrize("code", [code for code, _ in KINDS])
    @pytest.mark.filterwarnings("ignore:A model file cannot hold labels")
    def test_labels_survive(self, code, tmp_path):
        if "datetime" in code:
            pytest.skip("model files hold no dates")
        classifier = make().fit(X, labels(code))
        save_model(classifier, tmp_path / "model")
        loaded = load_model(tmp_path / "model", device="cpu")
        plain = [getattr(value, "value", value) for value in classifier.classes_.tolist()]
        plain = [value.decode() if isinstance(value, bytes) else value for value in plain]
        assert loaded.classes_.tolist() == plain
        assert [type(value) for value in loaded.classes_.tolist()] == [type(value) for value in plain]
        assert loaded.partial_fit(X, labels(code)).n_iter_ == 2

    def test_values_of_members_are_announced(self, tmp_path):
        classifier = make().fit(X, [Level.HIGH, Level.LOW])
        message = (
            r"cannot hold labels of type Level: the loaded model predicts \[1, 2\] instead of \[<Level.LOW"
        )
        with pytest.warns(UserWarning, match=message):
            save_model(classifier, tmp_path / "model")
        assert classifier.classes_.tolist() == [Level.LOW, Level.HIGH]

    @pytest.mark.parametrize("y", [["a", "b"], [1, 2], np.array(["a", "b"], dtype=object), [True, False]])
    def test_other_labels_give_no_warning(self, y, tmp_path):
        with warnings.catch_warnings(action="error"):
            save_model(make().fit(X, y), tmp_path / "model")

    def test_dates_cannot_be_saved(self, tmp_path):
        classifier = make().fit(X, np.array(["2024-05-02", "2024-05-01"], dtype="datetime64[D]"))
        with pytest.raises(
            ValueError, match=r"is not written: classes_ is an array of shape \(2,\) and dtype datetime64"
        ):
            save_model(classifier, tmp_path / "model")

    def test_training_with_members_can_be_continued(self, tmp_path):
        first = make(checkpoint_dir=tmp_path).fit(X, [Level.HIGH, Level.LOW])
        again = make(checkpoint_dir=tmp_path).fit(X, [Level.HIGH, Level.LOW])
        np.testing.assert_array_equal(first.predict_proba(X), again.predict_proba(X))
        assert again.classes_.tolist() == [Level.LOW, Level.HIGH]


class TestClassWeight:
    @pytest.mark.parametrize(
        ("y", "weights"),
        [
            ([Emotion.CALM, Emotion.ANGRY], {Emotion.CALM: 2, Emotion.ANGRY: 3}),
            ([Emotion.CALM, Emotion.ANGRY], {"calm": 2, "angry": 3}),
            (pd.array([7, -3], dtype="Int64"), {7: 2, -3: 3}),
            (np.array([7, -3]), {np.int64(7): 2, np.int64(-3): 3}),
            ([b"calm", b"angry"], {b"calm": 2, b"angry": 3}),
        ],
    )
    def test_keys_are_labels_of_any_kind(self, y, weights):
        assert make(class_weight=weights).fit(X, y).net_.criterion_.class_weight.tolist() == [3, 2]

    def test_balanced_weights_do_not_depend_on_the_kind_of_labels(self):
        for one, other in ((Level.LOW, Level.HIGH), ("a", "b"), (1, 2)):
            classifier = make(class_weight="balanced").fit(MANY, [one] * 2 + [other] * 6)
            np.testing.assert_allclose(classifier.net_.criterion_.class_weight, [8 / 2 / 2, 8 / 2 / 6])

    def calls(self, **parameters):
        """Calls that train, each with two of the classes angry and calm in its training set."""
        y, groups = ["calm", "angry"] * 4, [1, 1, 2, 2, 3, 3, 4, 4]
        yield lambda: make(**parameters).fit(MANY, y)
        yield lambda: make(**parameters).partial_fit(MANY[:1], y[:1], classes=y)
        yield lambda: evaluate(make(**parameters), (MANY, y, groups), n_jobs=1)

    def test_label_without_a_weight_is_named(self):
        message = r"class_weight lacks the labels \['angry'\], it has \['calm'\]: give every class a weight"
        for call in self.calls(class_weight={"calm": 2}):
            with pytest.raises(ValueError, match=message):
                call()

    def test_weight_of_a_label_that_does_not_occur_has_no_effect_and_is_named(self):
        message = (
            r"class_weight has weights for \['sad'\], which are not among the classes \['angry', 'calm'\]"
        )
        for call in self.calls(class_weight={"calm": 2, "sad": 1, "angry": 1}):
            with pytest.warns(UserWarning, match=message):
                call()

    @pytest.mark.filterwarnings("ignore:some training or test sets lack classes")
    def test_fold_without_a_class_can_have_its_weight(self):
        y = ["calm", "angry", "calm", "angry", "calm", "angry", "sad", "angry"]
        with pytest.warns(UserWarning, match=r"class_weight has weights for \['sad'\]"):
            evaluation = evaluate(
                make(class_weight={"calm": 1, "angry": 2, "sad": 3}),
                (MANY, y, [1, 1, 2, 2, 3, 3, 4, 4]),
                n_jobs=1,  # other processes print their warnings
            )
        assert len(evaluation.folds) == 4

    @pytest.mark.parametrize("weight", [1e38, 1e-38, 1e-45, 1e300, 1e-300, 2e15, np.inf, -1, "2", None])
    def test_weights_beyond_float32_are_named_and_not_the_learning_rate(self, weight):
        message = (
            f"class_weight of 'calm' is {weight!r}: weights must be finite and at least 0, and those above 0"
        )
        for call in self.calls(class_weight={"calm": weight, "angry": 1}):
            with pytest.raises(ValueError, match=re.escape(message)):
                call()

    @pytest.mark.parametrize("scale", [1e-300, 1e-45, 1e-38, 1, 1e38, 1e300])
    def test_only_ratios_of_the_weights_of_items_matter(self, scale):
        y, weight = ["a", "b"] * 4, np.arange(1, 9)
        plain = make(max_epochs=3).fit(MANY, y, sample_weight=weight)
        scaled = make(max_epochs=3).fit(MANY, y, sample_weight=scale * weight)
        np.testing.assert_allclose(scaled.predict_proba(MANY), plain.predict_proba(MANY), rtol=1e-4)

    @pytest.mark.parametrize("of_class", [1e-15, 1, 1e15])
    @pytest.mark.parametrize("of_item", [1e-300, 1e-30, 1e-25, 1e30])
    def test_products_of_extreme_weights_give_a_sound_model(self, of_class, of_item):
        weights = {"class_weight": {"a": of_class, "b": 1}, "batch_size": 2}
        classifier = make(max_epochs=3, **weights).fit(
            MANY, list("aaaaaabb"), sample_weight=[of_item] * 7 + [1]
        )
        assert np.isfinite(classifier.predict_proba(MANY)).all()

    def test_zero_is_a_weight(self):
        weights = make(class_weight={"a": 0, "b": 1}).fit(X, ["a", "b"]).net_.criterion_.class_weight
        assert weights.tolist() == [0, 1]


GRADIENT = {"requires_grad": True}


@pytest.fixture(params=[False, True], ids=["plain", "array API"])
def dispatch(request):
    """Let scikit-learn work with and without its support for other arrays, if it is installed."""
    try:
        with config_context(array_api_dispatch=request.param):
            yield
    except ImportError:
        pytest.skip("scikit-learn needs array_api_compat")


class TestTensors:
    @pytest.mark.parametrize("form", ["3-D", "2-D", "list"])
    @pytest.mark.usefixtures("dispatch")
    def test_tensors_give_the_results_of_arrays(self, form):
        items = MANY[:, :, 0] if form == "2-D" else MANY
        y, groups, weight = np.arange(8) % 2, np.arange(8) // 2, np.linspace(1, 2, 8)
        expected = make(early_stopping=True, max_epochs=3).fit(items, y, weight, groups)
        tensors = torch.tensor(items, **GRADIENT)
        tensors = list(tensors) if form == "list" else tensors
        found = make(early_stopping=True, max_epochs=3)
        found.fit(tensors, torch.tensor(y), torch.tensor(weight, **GRADIENT), torch.tensor(groups))
        np.testing.assert_array_equal(found.predict_proba(tensors), expected.predict_proba(items))
        assert found.predict(tensors).tolist() == expected.predict(items).tolist()
        assert found.score(tensors, torch.tensor(y)) == expected.score(items, y)
        found.partial_fit(tensors, torch.tensor(y), classes=torch.tensor([0, 1]))

    @pytest.mark.usefixtures("dispatch")
    def test_waveforms_can_be_tensors(self):
        waveforms = np.random.default_rng(0).normal(size=(2, 900)).astype(np.float32)
        transformer = SpectrogramTransformer(n_mels=4, n_fft=128, hop_length=64)
        expected = transformer.fit_transform(waveforms)
        for tensors in (torch.tensor(waveforms, **GRADIENT), list(torch.tensor(waveforms, **GRADIENT))):
            found = transformer.fit_transform(tensors)
            np.testing.assert_array_equal(np.asarray(found), expected)

    @pytest.mark.usefixtures("dispatch")
    def test_features_can_be_tensors(self):
        table, speakers = MANY[:, :, 0], np.arange(8) // 4
        tensor = torch.tensor(table, **GRADIENT)
        expected = SpeakerNormalizer().fit_transform(table, groups=speakers)
        np.testing.assert_array_equal(SpeakerNormalizer().fit_transform(tensor, groups=speakers), expected)
        np.testing.assert_array_equal(normalize_by_group(tensor, torch.tensor(speakers)), expected)
        assert intra_inter_ratio(tensor, speakers) == intra_inter_ratio(table, speakers)

    def test_numbers_of_16_bits_are_converted(self):
        half = torch.tensor(MANY).bfloat16()
        expected = make().fit(half.float(), [0, 1] * 4).predict_proba(half.float())
        np.testing.assert_array_equal(make().fit(half, [0, 1] * 4).predict_proba(half), expected)

    @pytest.mark.usefixtures("dispatch")
    def test_evaluate_takes_tensors(self):
        y, groups = torch.tensor([0, 1] * 4), torch.tensor([1, 1, 2, 2, 3, 3, 4, 4])
        evaluation = evaluate(make(), (MANY, y, groups))
        assert evaluation.folds["test_groups"].tolist() == [(1,), (2,), (3,), (4,)]


class TestMaskedArrays:
    def test_masked_values_are_named(self):
        hidden = np.ma.array(X, mask=False)
        hidden[1, 2, 3] = np.ma.masked
        y = ["a", "b"]
        with pytest.raises(
            ValueError, match=r"X has a masked value at index \(1, 2, 3\): fill it in or leave"
        ):
            make().fit(hidden, y)
        with pytest.raises(ValueError, match=r"X has a masked value at index \(1, 3\)"):
            make().fit(hidden[:, 2], y)
        with pytest.raises(ValueError, match=r"item 1 has a masked value at index \(2, 3\)"):
            make().fit(list(hidden), y)
        with pytest.raises(ValueError, match="sample_weight has a masked value at index 0"):
            make().fit(X, y, sample_weight=np.ma.array([1.0, 2.0], mask=[True, False]))

    def test_masked_samples_are_named(self):
        waveforms = np.ma.array(np.ones((2, 900)), mask=False)
        waveforms[1, 5] = np.ma.masked
        transformer = SpectrogramTransformer(n_mels=4, n_fft=128, hop_length=64)
        with pytest.raises(ValueError, match=r"X has a masked value at index \(1, 5\)"):
            transformer.fit_transform(waveforms)
        with pytest.raises(ValueError, match="item 1: the waveform has a masked value at index 5"):
            transformer.fit_transform(list(waveforms))

    def test_masked_features_are_named(self):
        table = np.ma.array(MANY[:, :, 0], mask=False)
        table[2, 1] = np.ma.masked
        y = [0, 1] * 4
        for name, call in {
            "X": lambda: SpeakerNormalizer().fit(table, groups=y),
            "embedding": lambda: intra_inter_ratio(table, y),
            "y": lambda: spectrogram(table),
            "Z": lambda: normalize_by_group(table, y),
        }.items():
            with pytest.raises(ValueError, match=rf"^{name} has a masked value at index \(2, 1\)"):
                call()
        with pytest.raises(ValueError, match="confidence has a masked value at index 2"):
            risk_coverage_curve(y, y, table[:, 1])

    def test_without_masked_values_they_are_arrays(self):
        plain = make().fit(X, ["a", "b"]).predict_proba(X)
        np.testing.assert_array_equal(
            make().fit(np.ma.array(X), ["a", "b"]).predict_proba(np.ma.array(X)), plain
        )


def test_displays_take_every_kind():
    pytest.importorskip("matplotlib")
    y = pd.array([True, False] * 4, dtype="boolean")
    display = EmbeddingDisplay.from_estimator(make(embedding_dim=3).fit(MANY, y), MANY, y)
    assert display.classes_.tolist() == [False, True]
    y = [Level.LOW, Level.HIGH] * 4
    display = EmbeddingDisplay.from_estimator(make(embedding_dim=3).fit(MANY, y), MANY, y)
    assert display.classes_.tolist() == [1, 2]
