"""Tests of the synthetic speech: its parts, its reproducibility, its emotions and its speakers."""

from __future__ import annotations

import itertools
import random

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from scipy.signal import freqz
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GroupKFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skser.datasets import make_emotional_speech
from skser.datasets._prosody import CUES, EMOTIONS, draw_cues, draw_speaker
from skser.datasets._voice import (
    frame_spectra,
    friction_gain,
    glottal_pulses,
    overlap_add,
    resonators,
    tilt_gain,
    transform_length,
)
from skser.metrics import unweighted_accuracy

FIELDS = ["label", "speaker", "sex", "repetition", "seconds", "f0", "level"]


@pytest.fixture(scope="module")
def corpus():
    return make_emotional_speech(random_state=0)


def small(**parameters):
    return make_emotional_speech(2, 1, duration=0.6, **{"random_state": 3, **parameters})


def equal(first, second) -> bool:
    return len(first) == len(second) and all(map(np.array_equal, first, second))


# The parts of the voice


def test_pulses_have_one_closure_per_cycle_and_return_to_zero():
    for f0, sr, open_quotient in ((100.0, 16000, 0.6), (10.0, 4000, 0.5)):
        y = glottal_pulses(np.full(sr, f0), sr, open_quotient, jitter=0.0, rng=np.random.default_rng(0))
        assert np.sum((y[:-1] < -0.8) & (y[1:] == 0)) == f0
        assert y.min() == pytest.approx(-1.0, abs=0.05)
        assert np.mean(y == 0) == pytest.approx(1 - open_quotient, abs=0.01)
        # The derivative of a flow that is zero at both ends of the cycle.
        assert abs(y.mean()) < (1e-3 if sr == 4000 else 0.02)


def test_pulses_are_exactly_periodic_only_without_jitter():
    f0 = np.full(8000, 125.0)  # cycles of 128 samples
    for jitter, periodic in ((0.0, True), (0.02, False)):
        y = glottal_pulses(f0, 16000, open_quotient=0.6, jitter=jitter, rng=np.random.default_rng(0))
        assert np.allclose(y[128:], y[:-128]) == periodic


def test_resonators_equal_a_cascade_of_second_order_filters():
    formants = np.array([[500.0, 1500.0, 3500.0], [300.0, 2200.0, 3600.0]])
    bandwidths = np.array([80.0, 100, 200])
    found = resonators(formants, bandwidths, sr=16000, n_fft=512)
    for row, response in zip(formants, found, strict=True):
        expected = np.ones(257, complex)
        for f, b in zip(row, bandwidths, strict=True):
            pole = np.exp(np.pi / 16000 * (-b + 2j * f))
            a = np.poly([pole, pole.conj()]).real
            expected *= freqz([sum(a)], a, worN=257, include_nyquist=True)[1]
        assert_allclose(response, expected, rtol=1e-9)
        assert response[0] == pytest.approx(1.0)


def test_many_resonators_at_a_high_rate_keep_their_precision():
    formants, bandwidths = np.arange(500.0, 95_000, 1000), np.linspace(80, 5000, 95)
    found = resonators(formants[None], bandwidths, sr=192_000, n_fft=512)[0]
    poles = np.exp(np.pi / 192_000 * (-bandwidths + 2j * formants))
    delay = np.exp(-2j * np.pi * np.arange(257) / 512)[:, None]
    factors = np.abs(1 - poles) ** 2 / ((1 - poles * delay) * (1 - poles.conj() * delay))
    assert_allclose(found, factors.prod(axis=1), rtol=1e-6)


def test_gains_have_the_given_tilt_center_and_width():
    gain = tilt_gain(np.array([6.0, 12.0]), np.array([0.0, 9600.0, 19200.0]))
    assert_allclose(gain[:, 0], 1.0)
    assert_allclose(20 * np.log10(gain[:, 1] / gain[:, 2]), [6.0, 12.0], rtol=0.03)
    gain = friction_gain(np.array([4000.0]), np.array([1000.0]), np.array([3000.0, 4000.0, 5000.0]))
    assert_allclose(gain, [[0.5, 1.0, 0.5]])


def test_frames_add_up_to_the_waveform():
    y = np.random.default_rng(0).normal(size=1600)
    spectra = frame_spectra(y, n_frames=20, hop_length=80, n_fft=512)
    assert_allclose(overlap_add(np.fft.irfft(spectra, 512), 80)[80:1600], y[80:], atol=1e-12)


def test_overlap_add_equals_a_naive_loop():
    frames = np.random.default_rng(0).normal(size=(7, 50))
    expected = np.zeros(7 * 16 + 64)
    for i, frame in enumerate(frames):
        expected[16 * i : 16 * i + 50] += frame
    found = overlap_add(frames, 16)
    assert_allclose(found, expected[: len(found)], atol=1e-12)
    assert not expected[len(found) :].any()


@pytest.mark.parametrize("sr", [4000, 16000, 44100])
def test_a_transform_has_room_for_a_frame_and_its_ringing(sr):
    n_fft = transform_length(sr)
    assert n_fft >= 0.03 * sr > n_fft / 4
    assert n_fft & (n_fft - 1) == 0


def test_cues_are_drawn_around_the_values_of_the_emotion_and_within_their_range():
    rng = np.random.default_rng(1)
    speaker = draw_speaker(0, seed=0)._replace(habits=np.zeros(len(CUES)), strengths=np.ones(len(CUES)))
    for emotion in ("neutral", "happy"):
        drawn = [draw_cues(speaker, emotion, rng) for _ in range(400)]
        for name in ("level", "slope", "tilt"):
            expected = CUES[name].neutral + (0 if emotion == "neutral" else CUES[name].happy)
            assert np.mean([cues[name] for cues in drawn]) == pytest.approx(expected, abs=0.4)
    for i, emotion in itertools.product(range(20), EMOTIONS):
        for name, value in draw_cues(draw_speaker(i, seed=0), emotion, rng).items():
            assert CUES[name].low <= value <= CUES[name].high


# The corpus


def test_entries_agree_with_each_other(corpus):
    assert len(corpus.data) == len(corpus.target) == len(corpus.groups) == len(corpus.frame) == 160
    assert list(corpus.frame.columns) == FIELDS
    assert corpus.frame.label.tolist() == corpus.target.tolist()
    assert corpus.frame.speaker.tolist() == corpus.groups.tolist()
    assert corpus.target_names == ["angry", "happy", "neutral", "sad"]
    assert corpus.sr == 16000
    counts = corpus.frame.groupby(["speaker", "label"]).size()
    assert counts.tolist() == [5] * 32
    words = ("Scherer", "Juslin", "Banse", "License", "Items: 160", "Speakers: 8", "Speech Communication 40")
    assert all(word in corpus.DESCR for word in words)


def test_items_are_sorted_by_speaker_emotion_and_repetition():
    frame = small(emotions=["sad", "angry"]).frame
    assert frame.speaker.tolist() == ["speaker_01"] * 2 + ["speaker_02"] * 2
    assert frame.label.tolist() == ["sad", "angry"] * 2
    assert frame.repetition.tolist() == [1] * 4
    assert set(frame.sex[:2]) | set(frame.sex[2:]) == {"male", "female"}


def test_waveforms_are_float32_of_unequal_length_without_clipping(corpus):
    for y, seconds, level in zip(corpus.data, corpus.frame.seconds, corpus.frame.level, strict=True):
        assert y.dtype == np.float32
        assert y.ndim == 1
        assert len(y) == round(seconds * 16000)
        assert np.all(np.isfinite(y))
        assert 0.001 < np.abs(y).max() < 1
        assert 20 * np.log10(np.sqrt(np.mean(y.astype(float) ** 2))) == pytest.approx(level, abs=1e-6)
    assert len({len(y) for y in corpus.data}) > 50
    assert 0.5 < corpus.frame.seconds.min() < 1.2
    assert 2.5 < corpus.frame.seconds.max() < 5


def test_duration_is_that_of_neutral_speech(corpus):
    seconds = corpus.frame.seconds[corpus.frame.label == "neutral"]
    assert seconds.mean() == pytest.approx(1.5, rel=0.12)
    longer = make_emotional_speech(12, 2, emotions=["neutral"], duration=4, random_state=0)
    assert longer.frame.seconds.mean() == pytest.approx(4, rel=0.12)


@pytest.mark.parametrize("sr", [4000, 8000, 11025, 22050, 48000])
def test_every_sampling_rate_gives_the_same_speech(sr):
    usual, other = small().frame, small(sr=sr)
    assert other.sr == sr
    assert all(np.all(np.isfinite(y)) for y in other.data)
    assert_allclose(other.frame.seconds, usual.seconds, rtol=0.01)
    assert_allclose(other.frame.f0, usual.f0, rtol=1e-9)


@pytest.mark.parametrize("duration", [0.5, 30])
def test_the_shortest_and_the_longest_utterances_are_made(duration):
    corpus = make_emotional_speech(1, 1, duration=duration, random_state=0)
    assert all(np.all(np.isfinite(y)) and np.abs(y).max() > 0.001 for y in corpus.data)


# Reproducibility


def test_the_corpus_depends_on_the_random_state():
    assert equal(small().data, small().data)
    assert not equal(small().data, small(random_state=4).data)
    assert not equal(small(random_state=None).data, small(random_state=None).data)
    first, second = np.random.RandomState(5), np.random.RandomState(5)
    assert equal(small(random_state=first).data, small(random_state=second).data)
    assert not equal(small(random_state=first).data, small(random_state=np.random.RandomState(5)).data)


@pytest.mark.parametrize("random_state", [None, 0])
def test_global_generators_are_untouched(random_state):
    np.random.seed(7)  # noqa: NPY002
    torch.manual_seed(7)
    before = np.random.get_state()[1].copy(), random.getstate(), torch.get_rng_state()  # noqa: NPY002
    small(random_state=random_state)
    assert_array_equal(before[0], np.random.get_state()[1])  # noqa: NPY002
    assert before[1] == random.getstate()
    assert torch.equal(before[2], torch.get_rng_state())


def test_an_utterance_does_not_depend_on_how_many_are_made():
    few = make_emotional_speech(1, 1, emotions=["angry"], duration=0.6, random_state=3)
    more = make_emotional_speech(2, 3, emotions=EMOTIONS, duration=0.6, random_state=3)
    first = more.frame.index[(more.frame.label == "angry") & (more.frame.repetition == 1)][0]
    assert_array_equal(few.data[0], more.data[first])
    assert sum(np.array_equal(few.data[0], y) for y in more.data) == 1


# Emotions and speakers


def test_mean_pitch_and_level_separate_the_emotions_a_little(corpus):
    X = np.column_stack([12 * np.log2(corpus.frame.f0), corpus.frame.level])
    for model in (LinearDiscriminantAnalysis(), make_pipeline(StandardScaler(), LogisticRegression(C=10))):
        assert 0.3 < _score_apart(model, X, corpus) < 0.6  # chance is 0.25


def test_the_course_of_the_spectrum_separates_them_better(corpus):
    model = LinearDiscriminantAnalysis(solver="lsqr", shrinkage="auto")
    X = np.stack([_course(y) for y in corpus.data])
    assert 0.62 < _score_apart(model, X, corpus) < 0.95


def test_measured_pitch_is_the_pitch_in_the_frame(corpus):
    errors = [12 * np.log2(_pitch(y).mean() / f0) for y, f0 in zip(corpus.data, corpus.frame.f0, strict=True)]
    assert np.median(np.abs(errors)) < 1.5  # semitones
    assert np.ptp(12 * np.log2(corpus.frame.f0)) > 12


def test_speakers_differ_in_pitch_level_and_tract(corpus):
    neutral = corpus.frame[corpus.frame.label == "neutral"]
    women = neutral.f0[neutral.sex == "female"]
    men = neutral.f0[neutral.sex == "male"]
    assert women.mean() > 1.4 * men.mean()
    assert 80 < men.mean() < 150 < women.mean() < 280
    for field in ("f0", "level"):
        per_speaker = neutral.groupby("speaker")[field]
        assert per_speaker.mean().std() > 0.7 * per_speaker.std().mean()
    speakers = [draw_speaker(i, seed=0) for i in range(20)]
    assert len({speaker.tract for speaker in speakers}) == 20
    tracts = {sex: np.mean([s.tract for s in speakers if s.sex == sex]) for sex in ("female", "male")}
    assert tracts["female"] > 1.1 * tracts["male"]


def test_sexes_are_balanced_and_in_random_order():
    sexes = [draw_speaker(i, seed=0).sex for i in range(40)]
    assert all({a, b} == {"female", "male"} for a, b in zip(sexes[::2], sexes[1::2], strict=True))
    assert 4 < sexes[::2].count("male") < 16


def test_emotions_differ_as_the_reviews_report(corpus):
    frame = corpus.frame.copy()
    frame["bright"] = [_brightness(y) for y in corpus.data]
    pitch = [_pitch(y) for y in corpus.data]
    frame["spread"] = [np.std(12 * np.log2(f0)) for f0 in pitch]
    frame["ending"] = [12 * np.log2(np.median(f0[-8:]) / np.median(f0)) for f0 in pitch]
    mean = frame.groupby("label")[["seconds", "level", "bright", "spread", "ending"]].mean()
    assert mean.seconds.angry < mean.seconds.neutral < mean.seconds.sad
    assert mean.level.sad < mean.level.neutral < mean.level.happy < mean.level.angry
    assert mean.bright.sad < mean.bright.neutral < mean.bright.angry
    assert mean.spread.sad < mean.spread.neutral < mean.spread.happy
    assert max(mean.ending.angry, mean.ending.neutral, mean.ending.sad) < -1 < 1 < mean.ending.happy


def test_fear_is_high_and_fast():
    frame = make_emotional_speech(8, 3, emotions=["neutral", "fearful"], random_state=0).frame
    mean = frame.groupby("label")[["f0", "seconds"]].mean()
    assert mean.f0.fearful > 1.1 * mean.f0.neutral
    assert mean.seconds.fearful < mean.seconds.neutral


def _score_apart(model, X, corpus):
    """Unweighted accuracy of models trained without the two speakers that they predict."""
    predicted = cross_val_predict(model, X, corpus.target, groups=corpus.groups, cv=GroupKFold(4))
    return unweighted_accuracy(corpus.target, predicted)


def _mel(y):
    import librosa

    S = librosa.feature.melspectrogram(y=y, sr=16000, n_mels=20, n_fft=512, hop_length=160)
    return librosa.power_to_db(S)


def _course(y):
    """Mean and spread over time, and mean step, of 20 Mel bands."""
    S = _mel(y)
    return np.concatenate([S.mean(axis=1), S.std(axis=1), np.abs(np.diff(S[:, ::5])).mean(axis=1)])


def _pitch(y):
    """Fundamental frequency in Hz of the loud frames, by an estimator independent of the model."""
    import librosa

    f0 = librosa.yin(y, fmin=60, fmax=600, sr=16000, frame_length=1024, hop_length=160)
    rms = librosa.feature.rms(y=y, frame_length=1024, hop_length=160)[0]
    loud = rms > 0.3 * rms.max()
    return f0[loud]


def _brightness(y):
    """Level above 1 kHz over the level below, in dB."""
    power = np.abs(np.fft.rfft(y)) ** 2
    edge = 1000 * len(y) // 16000
    return 10 * np.log10(power[edge:].sum() / power[:edge].sum())


@pytest.mark.parametrize(
    ("parameters", "error", "message"),
    [
        ({"n_speakers": 0}, ValueError, r"n_speakers must be an integer in \[1, inf\), got 0"),
        ({"n_speakers": 2.0}, TypeError, "n_speakers must be an integer, got 2.0 of type float"),
        ({"n_per_class": 0}, ValueError, r"n_per_class must be an integer in \[1, inf\), got 0"),
        ({"n_per_class": True}, TypeError, "n_per_class must be an integer, got True of type bool"),
        ({"duration": 0.1}, ValueError, r"duration must be a number in \[0.5, 30\], got 0.1"),
        ({"duration": np.nan}, ValueError, "duration must be a number in .*, got nan"),
        ({"sr": 2000}, ValueError, r"sr must be an integer in \[4000, 192000\], got 2000"),
        ({"emotions": "sad"}, TypeError, r"emotions must be a list, got 'sad': write \['sad'\]"),
        ({"emotions": ["joy"]}, ValueError, "each of emotions must be one of 'angry', .*, got 'joy'"),
        ({"emotions": ["sad", "sad"]}, ValueError, "emotions must be one or more different names"),
        ({"emotions": []}, ValueError, r"emotions must be one or more different names, got \[\]"),
        ({"random_state": "x"}, ValueError, "'x' cannot be used to seed"),
    ],
)
def test_parameters_are_checked(parameters, error, message):
    with pytest.raises(error, match=message):
        make_emotional_speech(**parameters)
