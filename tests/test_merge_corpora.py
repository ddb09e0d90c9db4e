"""Several corpora merged into one."""

from __future__ import annotations

import copy
import os

import numpy as np
import pandas as pd
import pytest
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline
from sklearn.utils import Bunch

from skser import SpeakerNormalizer, SpectrogramTransformer, evaluate
from skser.datasets import audit, drop, load_emodb, load_ravdess, make_emotional_speech, merge_corpora

SAME = {name: name for name in ("angry", "sad", "happy")}


@pytest.fixture
def corpora() -> dict[str, Bunch]:
    """Two corpora of files whose labels and columns differ, with a speaker of the same number."""
    one = Bunch(
        data=["a.wav", "b.wav", "c.wav"],
        target=np.array(["anger", "sad", "calm"]),
        groups=np.array(["03", "03", "08"]),
        frame=pd.DataFrame({"path": ["a.wav", "b.wav", "c.wav"], "emotion": ["anger", "sad", "calm"]}),
        target_names=["anger", "calm", "sad"],
        DESCR="One, CC BY.",
    )
    two = Bunch(
        data=["d.wav", "e.wav"],
        target=np.array(["sad", "angry"]),
        groups=np.array([3, 4]),
        frame=pd.DataFrame({"path": ["d.wav", "e.wav"], "actor": [3, 4]}, index=[7, 9]),
        target_names=["angry", "sad"],
        DESCR="Two, CC0.",
    )
    return {"one": one, "two": two}


def merged(corpora, **parameters) -> Bunch:
    return merge_corpora(
        corpora, **{"labels": {**SAME, "anger": "angry"}, "left_out": ["calm"], **parameters}
    )


def test_list_of_labels_to_leave_out_can_be_shared_by_several_merges(corpora):
    assert merged(corpora, left_out=["calm", "bored"]).target_names == ["angry", "sad"]


@pytest.fixture
def mixed(corpora):
    """A corpus of files and one of waveforms."""
    corpora["two"] = Bunch(**{**corpora["two"], "data": [np.ones(8000), np.ones(9000)]}, sr=16000)
    return corpora


def test_paths_and_waveforms_cannot_be_merged(mixed):
    message = (
        "^the corpus 'one' has paths, but the corpus 'two' has waveforms: load the files of 'one' with "
        "load_audio at the sampling rate of 'two', or write the waveforms of 'two' to files.$"
    )
    for order in (["one", "two"], ["two", "one"]):
        with pytest.raises(ValueError, match=message):
            merged({name: mixed[name] for name in order})


def test_a_corpus_of_which_no_item_is_left_has_neither_paths_nor_waveforms(mixed):
    labels = {"anger": "angry", "calm": "calm"}
    corpus = merged(mixed, labels=labels, left_out=["sad", "angry"])
    assert corpus.data == ["a.wav", "c.wav"]


def test_labels_are_mapped_and_left_out_by_name(corpora):
    corpus = merged(corpora)
    assert corpus.data == ["a.wav", "b.wav", "d.wav", "e.wav"]
    assert corpus.target.tolist() == corpus.frame["label"].tolist() == ["angry", "sad", "sad", "angry"]
    assert corpus.frame["original_label"].tolist() == ["anger", "sad", "sad", "angry"]
    assert corpus.target_names == ["angry", "sad"]


def test_labels_and_speakers_follow_the_rules_for_labels(corpora):
    corpora["two"].groups = [1, "1"]
    with pytest.raises(ValueError, match="groups of 'two' mixes integers and text"):
        merged(corpora)
    corpora["two"].target = ["sad", None]
    with pytest.raises(ValueError, match="target has no value for item 1"):
        merged(corpora)


def test_numbers_and_text_may_get_the_same_names(corpora, capsys):
    corpora["two"].target = [1, 2]
    corpus = merged(corpora, labels={"anger": "angry", "sad": "sad", 1: "angry", 2: "sad"})
    assert corpus.target.tolist() == ["angry", "sad", "angry", "sad"]
    assert [line.split() for line in capsys.readouterr().out.splitlines()] == [
        ["label", "merged", "one", "two"],
        ["1", "angry", "0", "1"],
        ["2", "sad", "0", "1"],
        ["anger", "angry", "1", "0"],
        ["calm", "(left", "out)", "1", "0"],
        ["sad", "sad", "1", "0"],
    ]


def test_speakers_are_prefixed_by_their_corpus(corpora):
    corpus = merged(corpora)
    expected = ["one:03", "one:03", "two:3", "two:4"]
    assert corpus.groups.tolist() == corpus.frame["speaker"].tolist() == expected


def test_frame_names_the_corpus_and_keeps_all_columns(corpora):
    frame = merged(corpora).frame
    assert frame["corpus"].tolist() == ["one", "one", "two", "two"]
    assert frame["path"].tolist() == ["a.wav", "b.wav", "d.wav", "e.wav"]
    assert frame["actor"].tolist()[2:] == [3, 4]
    assert frame["actor"].isna().tolist() == [True, True, False, False]
    assert frame.index.tolist() == [0, 1, 2, 3]


def test_table_of_labels_is_printed_and_described(corpora, capsys):
    corpus = merged(corpora)
    printed = capsys.readouterr().out
    words = [line.split() for line in printed.splitlines()]
    assert words == [
        ["label", "merged", "one", "two"],
        ["anger", "angry", "1", "0"],
        ["angry", "angry", "0", "1"],
        ["calm", "(left", "out)", "1", "0"],
        ["sad", "sad", "1", "1"],
    ]
    assert printed.strip() in corpus.DESCR
    for text in ("One, CC BY.", "Two, CC0.", "Items: 4", "Speakers: 3"):
        assert text in corpus.DESCR


def test_without_a_table_labels_keep_their_names(corpora, capsys):
    corpus = merge_corpora(corpora)
    assert corpus.target.tolist() == ["anger", "sad", "calm", "sad", "angry"]
    assert merge_corpora(corpora, left_out=["calm"]).target.tolist() == ["anger", "sad", "sad", "angry"]


def test_corpora_are_not_changed(corpora):
    before = copy.deepcopy(corpora)
    merged(corpora)
    for name, corpus in corpora.items():
        assert corpus.data == before[name].data
        assert corpus.target.tolist() == before[name].target.tolist()
        pd.testing.assert_frame_equal(corpus.frame, before[name].frame)


def test_numbers_can_be_labels(corpora):
    corpora["one"].target, corpora["two"].target = np.array([0, 1, 2]), np.array([1, 5])
    corpus = merge_corpora(corpora, labels={0: 10, 1: 11, 5: 10}, left_out=[2])
    assert corpus.target.tolist() == [10, 11, 11, 10]
    assert corpus.target.dtype.kind == "i"


def test_groups_that_are_sessions_stay_the_groups(corpora):
    corpora["one"].groups = np.array([1, 1, 2])
    corpora["one"].frame["speaker"] = ["Ann", "Ben", "Eve"]
    corpus = merged(corpora)
    assert corpus.groups.tolist() == ["one:1", "one:1", "two:3", "two:4"]
    assert corpus.frame["speaker"].tolist() == ["one:Ann", "one:Ben", "two:3", "two:4"]


def test_a_corpus_without_a_frame_can_be_merged(corpora):
    del corpora["two"]["frame"]
    assert merged(corpora).frame["speaker"].tolist() == ["one:03", "one:03", "two:3", "two:4"]


def test_a_merged_corpus_can_be_audited_and_merged_again(corpora):
    corpus = merged(corpora)
    table = pd.DataFrame({"item": [0], "path": ["a.wav"], "problem": ["silent"], "severity": ["error"]})
    table = table.assign(detail="", same_as=np.nan)
    assert drop(corpus, table).groups.tolist() == ["one:03", "two:3", "two:4"]
    assert merge_corpora({"both": corpus}).groups[0] == "both:one:03"


def test_loaders_give_corpora_that_can_be_merged(tmp_path):
    for name in ("03a01Wa", "08b10Tb"):
        (tmp_path / "emodb").mkdir(exist_ok=True)
        (tmp_path / "emodb" / f"{name}.wav").touch()
    for name in ("03-01-05-01-02-01-01", "03-01-02-01-02-01-02"):
        (tmp_path / "ravdess").mkdir(exist_ok=True)
        (tmp_path / "ravdess" / f"{name}.wav").touch()
    with pytest.warns(UserWarning, match="EmoDB"):
        emodb = load_emodb(tmp_path / "emodb")
    ravdess = load_ravdess(tmp_path / "ravdess")
    corpus = merge_corpora({"emodb": emodb, "ravdess": ravdess}, labels=SAME, left_out=["calm"])
    assert corpus.groups.tolist() == ["emodb:03", "emodb:08", "ravdess:1"]
    assert corpus.target.tolist() == ["angry", "sad", "angry"]


def test_speakers_set_afterwards_replace_missing_ones_of_the_frame():
    frame = pd.DataFrame({"path": ["a.wav", "b.wav"], "speaker": [None, None]})
    corpus = Bunch(data=["a.wav", "b.wav"], target=["sad", "calm"], groups=("Ann", "Ben"), frame=frame)
    merged_corpus = merge_corpora({"one": corpus})
    assert merged_corpus.groups.tolist() == merged_corpus.frame["speaker"].tolist() == ["one:Ann", "one:Ben"]


def test_a_missing_speaker_is_named():
    corpus = Bunch(data=["a.wav", "b.wav"], target=["sad", "calm"], groups=["Ann", None])
    with pytest.raises(ValueError, match="groups of 'one' has no value for item 1, got None: fill it in"):
        merge_corpora({"one": corpus})


def test_drop_keeps_the_licenses_of_all_corpora(corpora):
    corpora["one"].DESCR = "One, CC BY.\n\nItems: 3\n  anger: 1\nSpeakers: 2\n"
    corpus = merged(corpora)
    kept, counts = drop(corpus, audit(corpus), problems=["silent"]).DESCR.rsplit("\n\nLeft out after", 1)
    assert kept == corpus.DESCR.rsplit("\n\nItems: ", 1)[0]
    assert "One, CC BY." in kept
    assert "Two, CC0." in kept
    assert counts.startswith(" an audit: none of 4 items.\n\nItems: 4\n")


class MeanFrame(TransformerMixin, BaseEstimator):
    """The mean over the frames of each spectrogram as a row."""

    def fit(self, X, y=None):
        self.fitted_ = True
        return self

    def transform(self, X):
        return np.stack([S.mean(axis=1) for S in X])


def test_a_model_is_tested_on_each_corpus_in_turn():
    parts = {
        name: make_emotional_speech(n_speakers=2, n_per_class=2, duration=0.5, random_state=seed)
        for seed, name in enumerate(("one", "two"))
    }
    corpus = merge_corpora(parts)
    assert corpus.sr == 16000
    model = make_pipeline(SpectrogramTransformer(n_mels=8), MeanFrame(), SpeakerNormalizer(), GaussianNB())
    evaluation = evaluate(model, corpus, cv="corpus", speaker_means="test")
    assert evaluation.folds["test_groups"].tolist() == [("one",), ("two",)]
    assert len(evaluation.predictions) == 32


# Errors


def test_a_file_in_two_corpora_is_refused(corpora, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    corpora["two"].data = ["d.wav", str(tmp_path / "x" / ".." / "b.wav")]
    message = (
        r"the corpora 'one' and 'two' both have 1 file \(.*b\.wav\): keep each in only one of them, so that "
        "it is not in both training and test set"
    )
    with pytest.raises(ValueError, match=message):
        merged(corpora)


@pytest.mark.skipif(os.name == "nt", reason="links need rights there")
def test_a_linked_file_in_two_corpora_is_refused(corpora, tmp_path):
    (tmp_path / "link.wav").symlink_to(tmp_path / "file.wav")
    corpora["one"].data[0], corpora["two"].data[0] = tmp_path / "link.wav", tmp_path / "file.wav"
    with pytest.raises(ValueError, match=r"both have 1 file \(.*file\.wav\)"):
        merged(corpora)


def test_a_file_that_is_left_out_may_be_in_two_corpora(corpora):
    corpora["two"].data[0] = "c.wav"  # of the label calm in the first corpus
    assert merged(corpora).data == ["a.wav", "b.wav", "c.wav", "e.wav"]


def test_a_corpus_may_have_a_file_twice(corpora):
    corpora["one"].data[1] = "a.wav"
    assert merged(corpora).data == ["a.wav", "a.wav", "d.wav", "e.wav"]


def test_labels_that_are_neither_mapped_nor_left_out_are_named(corpora):
    with pytest.raises(ValueError, match="labels has no name for 'calm' of one: add these labels to it, or"):
        merged(corpora, left_out=[])
    with pytest.raises(ValueError, match="no name for 'anger' of one, 'calm' of one, 'angry' of two: add"):
        merge_corpora(corpora, labels={"sad": "sad"})


@pytest.mark.parametrize(
    ("parameters", "kind", "error"),
    [
        ({"left_out": "calm"}, TypeError, r"left_out must be a list, got 'calm': write \['calm'\]"),
        (
            {"left_out": ["calm", "sad"]},
            ValueError,
            "labels and left_out both have sad: remove them from one",
        ),
        (
            {"labels": None, "left_out": ["clam"]},
            ValueError,
            "left_out has clam, which no corpus has: the labels are anger, angry, calm, sad",
        ),
        ({"labels": ["angry"]}, TypeError, "labels must map labels to names, as a dict does, got list"),
        ({"labels": {}, "left_out": ["anger", "angry", "calm", "sad"]}, ValueError, "No item is left"),
    ],
)
def test_refuses_a_wrong_parameter(corpora, parameters, kind, error):
    with pytest.raises(kind, match=error):
        merged(corpora, **parameters)


@pytest.mark.parametrize(
    ("change", "kind", "error"),
    [
        (lambda c: [*c.values()], TypeError, "corpora must be a dict of names and corpora, .* got list"),
        (lambda c: {}, TypeError, "corpora must be a dict of names and corpora"),
        (lambda c: {1: c["one"]}, TypeError, "the name of a corpus must be a str, got 1 of type int"),
        (lambda c: {"one": [1, 2]}, TypeError, "the corpus 'one' must be the Bunch of a loader, got list"),
        (lambda c: {"one": Bunch(data=["a.wav"])}, TypeError, "'one' must be the Bunch of a loader"),
        (
            lambda c: {"one": Bunch(data=["a.wav"], target=["angry"], groups=None)},
            ValueError,
            "the speakers of the corpus 'one' are not known: give its loader speaker=, or set its groups",
        ),
        (lambda c: {"one": Bunch(**{**c["one"], "groups": ["Ann"]})}, ValueError, "groups"),
        (
            lambda c: {"one": Bunch(**c["one"], sr=16000), "two": Bunch(**c["two"], sr=8000)},
            ValueError,
            r"different sampling rates \(one: 16000 Hz, two: 8000 Hz\): resample their waveforms",
        ),
    ],
)
def test_refuses_corpora_that_cannot_be_merged(corpora, change, kind, error):
    with pytest.raises(kind, match=error):
        merged(change(corpora))
