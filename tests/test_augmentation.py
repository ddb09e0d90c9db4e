"""Random changes of spectrograms: what they keep, what they change, and within which bounds."""

from __future__ import annotations

import warnings
from fractions import Fraction

import numpy as np
import pytest
import torch

from skser import CenterLossClassifier
from skser.nn import SpectrogramAugmentation

LENGTHS = torch.tensor([60, 37, 1])
FILL = torch.linspace(-5.0, 5.0, 12)


def spectrograms() -> torch.Tensor:
    return torch.randn(3, 12, 60, generator=torch.Generator().manual_seed(0))


def changed(
    S: torch.Tensor, lengths: torch.Tensor, fill: torch.Tensor, **parameters: float
) -> tuple[torch.Tensor, torch.Tensor]:
    torch.manual_seed(1)
    return SpectrogramAugmentation(**parameters)(S, lengths, fill)


def test_defaults_and_evaluation_mode_change_nothing():
    strong = dict.fromkeys(("time_stretch", "frequency_warp", "gain", "frequency_mask", "time_mask"), 0.5)
    for augmentation in (SpectrogramAugmentation(), SpectrogramAugmentation(**strong).eval()):
        S, lengths = augmentation(spectrograms(), LENGTHS, FILL)
        assert torch.equal(S, spectrograms())
        assert torch.equal(lengths, LENGTHS)


def test_time_stretch_draws_a_length_within_its_bounds_for_each_item():
    _, lengths = changed(torch.zeros(200, 2, 100), torch.full((200,), 100), torch.zeros(2), time_stretch=0.2)
    assert 80 <= lengths.min() < 85
    assert 115 < lengths.max() <= 120


def test_time_stretch_keeps_first_and_last_frame():
    S, lengths = changed(spectrograms(), LENGTHS, FILL, time_stretch=0.4)
    for before, n_before, after, n_after in zip(spectrograms(), LENGTHS, S, lengths, strict=True):
        torch.testing.assert_close(after[:, 0], before[:, 0], atol=1e-4, rtol=0)
        torch.testing.assert_close(after[:, n_after - 1], before[:, n_before - 1], atol=1e-4, rtol=0)


def test_time_stretch_interpolates_linearly():
    """A ramp in time stays a ramp between the same two values."""
    ramp = torch.arange(50.0).expand(1, 4, 50)
    S, lengths = changed(ramp, torch.tensor([50]), torch.zeros(4), time_stretch=0.3)
    assert int(lengths) != 50
    expected = torch.linspace(0, 49, int(lengths)).expand(1, 4, -1)
    torch.testing.assert_close(S[:, :, : int(lengths)], expected, atol=1e-4, rtol=0)


def test_frequency_warp_scales_the_frequency_axis():
    """A ramp in frequency becomes a ramp of another slope that ends at the last bin's value."""
    ramp = torch.arange(40.0)[:, None].expand(64, 40, 3)
    S, lengths = changed(ramp, torch.full((64,), 3), torch.zeros(40), frequency_warp=0.1)
    slopes = S[:, 10, 0] / 10
    assert torch.equal(lengths, torch.full((64,), 3))
    assert 0.9 <= slopes.min() < 0.92
    assert 1.08 < slopes.max() <= 1.1
    expected = (torch.arange(40.0) * slopes[:, None]).clamp(max=39)
    torch.testing.assert_close(S[:, :, 1], expected, atol=1e-3, rtol=0)


def test_gain_shifts_each_item_by_one_level_within_its_bounds():
    shift = changed(spectrograms(), LENGTHS, FILL, gain=6.0)[0] - spectrograms()
    torch.testing.assert_close(shift, shift[:, :1, :1].expand_as(shift), atol=1e-5, rtol=0)
    assert (shift.abs() <= 6).all()
    assert len(shift[:, 0, 0].round(decimals=3).unique()) == 3


@pytest.mark.parametrize(("parameter", "axis"), [("frequency_mask", 1), ("time_mask", 2)])
def test_mask_fills_one_span_and_changes_no_other_cell(parameter, axis):
    S, fill = torch.randn(300, 20, 40), torch.linspace(90, 109, 20)
    after, _ = changed(S, torch.full((300,), 40), fill, **{parameter: 0.5})
    is_filled = after == fill[:, None]
    torch.testing.assert_close(after[~is_filled], S[~is_filled], atol=0, rtol=0)
    masked = is_filled.all(dim=3 - axis)  # (items, positions along the axis)
    starts = (masked.int().diff(dim=1) == 1).sum(dim=1) + masked[:, 0]
    assert torch.equal(is_filled.sum((1, 2)), masked.sum(dim=1) * S.shape[3 - axis])
    assert (starts <= 1).all()
    assert masked.sum(dim=1).max() == S.shape[axis] // 2
    assert masked.sum(dim=1).min() == 0


def test_time_mask_is_within_the_items_own_frames():
    after, _ = changed(torch.zeros(100, 2, 50), torch.full((100,), 10), torch.ones(2), time_mask=0.9)
    assert after[:, :, :10].any()
    assert not after[:, :, 10:].any()


def test_padding_has_no_influence():
    S = spectrograms()
    S[1, :, 37:] = 1e6
    S[2, :, 1:] = torch.nan
    after, lengths = changed(S, LENGTHS, FILL, time_stretch=0.4, frequency_warp=0.2)
    assert after[1, :, : int(lengths[1])].abs().max() < 10
    assert after[2, :, : int(lengths[2])].isfinite().all()


def test_torchs_seed_repeats_the_changes():
    first, second = (changed(spectrograms(), LENGTHS, FILL, time_stretch=0.2, time_mask=0.3) for _ in "ab")
    assert torch.equal(first[0], second[0])
    assert not torch.equal(first[0][:, :, :40], spectrograms()[:, :, :40])


@pytest.mark.parametrize(
    ("parameter", "value", "error"),
    [
        ("time_stretch", 1.0, ValueError),
        ("frequency_warp", -0.1, ValueError),
        ("gain", -1, ValueError),
        ("frequency_mask", 1, ValueError),
        ("time_mask", 2, ValueError),
        ("time_mask", "wide", TypeError),
    ],
)
def test_bad_parameters_are_named(parameter, value, error):
    with pytest.raises(error, match=parameter):
        SpectrogramAugmentation(**{parameter: value})


@pytest.mark.parametrize(("scale", "warned"), [(1.0, True), (10.0, False)])
def test_a_gain_that_hides_the_spectrograms_is_warned_about(scale, warned):
    X = scale * np.random.default_rng(0).normal(size=(8, 5, 40))
    classifier = CenterLossClassifier(channels=(4,), rnn_units=4, max_epochs=1, random_state=0)
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("always")
        classifier.fit(X, ["calm", "sad"] * 4)
    assert [str(warning.message) for warning in found] == [
        "the random gain of the augmentation, up to 6 dB, is more than three times the mean standard "
        "deviation of the bins of X: pass spectrograms in dB, lower the gain, or set augmentation=None."
    ] * warned
    assert not found or found[0].filename == __file__


@pytest.mark.parametrize(
    ("augmentation", "scale"),
    [
        (None, np.ones(5)),
        ({"gain": 3, "time_mask": 0.1}, np.full(5, 1.1)),
        ("moderate", np.array([20.0, 0, 0, 0, 0])),  # constant bins do not count
        ("moderate", np.zeros(5)),
    ],
)
def test_a_gain_that_is_small_for_the_spectrograms_is_not_warned_about(augmentation, scale):
    X = scale[:, np.newaxis] * np.random.default_rng(0).normal(size=(8, 5, 40))
    parameters = {"channels": (4,), "rnn_units": 4, "max_epochs": 1, "random_state": 0}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        CenterLossClassifier(augmentation=augmentation, **parameters).fit(X, ["calm", "sad"] * 4)


def test_numbers_of_any_kind_are_floats():
    augmentation = SpectrogramAugmentation(gain=Fraction(6), time_mask=np.float16(0.5))
    assert (augmentation.gain, augmentation.time_mask) == (6.0, 0.5)
    assert type(augmentation.gain) is type(augmentation.time_mask) is float
