"""Conversations joined from the recordings of a corpus."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
import soundfile
from sklearn.utils import Bunch

from skser import load_audio
from skser.datasets import make_conversation, make_emotional_speech


@pytest.fixture(scope="module")
def corpus():
    return make_emotional_speech(n_speakers=3, n_per_class=2, duration=0.5, random_state=0)


def test_turns_hold_the_recordings_and_the_rest_is_silent(corpus):
    conversation = make_conversation(corpus, n_turns=6, trim_db=None, random_state=0)
    y, rest = conversation.data, conversation.data.copy()
    for turn in conversation.turns.itertuples():
        first, last = round(turn.start * 16000), round(turn.end * 16000)
        assert np.array_equal(y[first:last], corpus.data[turn.item])
        assert turn.label == corpus.target[turn.item]
        assert turn.speaker == corpus.groups[turn.item]
        rest[first:last] = 0
    assert not rest.any()
    assert len(y) == round(conversation.turns["end"].iloc[-1] * 16000)


def test_pauses_are_within_their_limits(corpus):
    turns = make_conversation(corpus, n_turns=9, pause=(0.2, 0.4), random_state=0).turns
    pauses = turns["start"].to_numpy()[1:] - turns["end"].to_numpy()[:-1]
    assert turns["start"].iloc[0] == 0
    assert ((pauses > 0.1999) & (pauses < 0.4001)).all()
    assert pauses.std() > 0.01


def test_speakers_alternate(corpus):
    speakers = make_conversation(corpus, n_turns=7, n_speakers=2, random_state=1).turns["speaker"].tolist()
    assert len(set(speakers)) == 2
    assert all(first != second for first, second in pairwise(speakers))


def test_recording_repeats_only_after_all_others_of_its_speaker(corpus):
    items = make_conversation(corpus, n_turns=20, n_speakers=1, random_state=0).turns["item"].tolist()
    assert len(set(items[:8])) == len(set(items[8:16])) == 8


def test_same_seed_makes_the_same_conversation(corpus):
    first, second, other = (make_conversation(corpus, random_state=seed) for seed in (0, 0, 1))
    assert np.array_equal(first.data, second.data)
    assert first.turns.equals(second.turns)
    assert not first.turns.equals(other.turns)


def test_recordings_are_trimmed_as_in_load_audio(corpus):
    padded = Bunch(**{**corpus, "data": [np.pad(y, 8000) for y in corpus.data]})
    conversation = make_conversation(padded, n_turns=1, random_state=0)
    item = conversation.turns["item"].iloc[0]
    assert np.array_equal(conversation.data, load_audio(padded.data[item], trim_db=40))
    assert len(conversation.data) < len(padded.data[item])


def test_files_and_waveforms_are_resampled(corpus, tmp_path):
    files = []
    for index, y in enumerate(corpus.data):
        files.append(tmp_path / f"{index}.wav")
        soundfile.write(files[-1], y, 16000, subtype="FLOAT")
    of_files = make_conversation(Bunch(**{**corpus, "data": files}), sr=8000, random_state=0)
    of_arrays = make_conversation(corpus, sr=8000, random_state=0)
    assert of_files.sr == 8000
    assert np.array_equal(of_files.data, of_arrays.data)


@pytest.mark.parametrize(
    ("parameters", "error", "message"),
    [
        ({"n_turns": 0}, ValueError, "n_turns must be an integer"),
        ({"n_speakers": 4}, ValueError, "n_speakers=4, but the corpus has 3"),
        ({"pause": 1.0}, TypeError, "pause must be two numbers"),
        ({"pause": (1, 0.5)}, ValueError, r"pause\[1\] must be a number in \[1, inf\)"),
    ],
)
def test_invalid_parameters_raise(corpus, parameters, error, message):
    with pytest.raises(error, match=message):
        make_conversation(corpus, **parameters)


@pytest.mark.parametrize(
    ("groups", "message"),
    [
        (["x", None], "corpus.groups has no value for item 1, got None"),
        ([1.0, np.nan], "corpus.groups has no value for item 1, got nan"),
        (["x"], "corpus.groups has 1 entries but corpus.data has 2"),
    ],
)
def test_corpus_with_missing_speakers_raises(corpus, groups, message):
    two = Bunch(data=corpus.data[:2], target=["sad", "happy"], groups=groups, sr=16000)
    with pytest.raises(ValueError, match=message):
        make_conversation(two, n_turns=2, n_speakers=1)


def test_corpus_without_speakers_raises(corpus):
    with pytest.raises(TypeError, match="groups"):
        make_conversation(Bunch(**{**corpus, "groups": None}))


def test_waveforms_without_a_sampling_rate_raise(corpus):
    unknown = Bunch(**{name: value for name, value in corpus.items() if name != "sr"})
    with pytest.raises(ValueError, match=r"corpus holds waveforms without a sampling rate: set corpus\.sr"):
        make_conversation(unknown)
