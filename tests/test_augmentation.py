"""Random changes of spectrograms: what stays, what moves, and within which bounds."""

from __future__ import annotations

import pytest
import torch

from skser import SpectrogramAugmentation

LENGTHS = torch.tensor([60, 37, 1])
FILL = torch.linspace(-5.0, 5.0, 12)


def spectrograms() -> torch.Tensor:
    return torch.randn(3, 12, 60, generator=torch.Generator().manual_seed(0))


def changed(**parameters: float) -> tuple[torch.Tensor, torch.Tensor]:
    torch.manual_seed(1)
    return SpectrogramAugmentation(**parameters)(spectrograms(), LENGTHS, FILL)


def test_nothing_changes_in_evaluation_mode():
    augmentation = SpectrogramAugmentation(
        time_stretch=0.5, frequency_warp=0.5, frequency_mask=0.5, time_mask=0.5
    ).eval()
    S, lengths = augmentation(spectrograms(), LENGTHS, FILL)
    assert torch.equal(S, spectrograms())
    assert torch.equal(lengths, LENGTHS)


def test_nothing_changes_by_default():
    S, lengths = changed()
    assert torch.equal(S, spectrograms())
    assert torch.equal(lengths, LENGTHS)


def test_time_stretch_keeps_lengths_within_its_bounds_and_draws_each_item_anew():
    augmentation = SpectrogramAugmentation(time_stretch=0.2)
    S = torch.zeros(200, 2, 100)
    torch.manual_seed(0)
    _, lengths = augmentation(S, torch.full((200,), 100), torch.zeros(2))
    assert 80 <= lengths.min() < 85
    assert 115 < lengths.max() <= 120


def test_time_stretch_keeps_first_and_last_frame():
    S, lengths = changed(time_stretch=0.4)
    for before, n_before, after, n_after in zip(spectrograms(), LENGTHS, S, lengths, strict=True):
        torch.testing.assert_close(after[:, 0], before[:, 0], atol=1e-4, rtol=0)
        torch.testing.assert_close(after[:, n_after - 1], before[:, n_before - 1], atol=1e-4, rtol=0)


def test_time_stretch_interpolates_linearly():
    """A ramp in time stays a ramp between the same two values."""
    n = 50
    ramp = torch.arange(float(n)).expand(1, 4, n)
    torch.manual_seed(3)
    S, lengths = SpectrogramAugmentation(time_stretch=0.3)(ramp, torch.tensor([n]), torch.zeros(4))
    assert int(lengths) != n
    expected = torch.linspace(0, n - 1, int(lengths)).expand(1, 4, -1)
    torch.testing.assert_close(S[:, :, : int(lengths)], expected, atol=1e-4, rtol=0)


def test_frequency_warp_scales_the_frequency_axis():
    """A ramp in frequency becomes a ramp of another slope that ends at the last bin's value."""
    n = 40
    ramp = torch.arange(float(n))[:, None].expand(64, n, 3)
    torch.manual_seed(0)
    S, lengths = SpectrogramAugmentation(frequency_warp=0.1)(ramp, torch.full((64,), 3), torch.zeros(n))
    slopes = S[:, 10, 0] / 10
    assert torch.equal(lengths, torch.full((64,), 3))
    assert 0.9 <= slopes.min() < 0.92
    assert 1.08 < slopes.max() <= 1.1
    expected = (torch.arange(float(n)) * slopes[:, None]).clamp(max=n - 1)
    torch.testing.assert_close(S[:, :, 1], expected, atol=1e-3, rtol=0)


def test_gain_shifts_each_item_by_one_level_within_its_bounds():
    S, _ = changed(gain=6.0)
    shift = S - spectrograms()
    torch.testing.assert_close(shift, shift[:, :1, :1].expand_as(shift), atol=1e-5, rtol=0)
    assert (shift.abs() <= 6).all()
    assert len(shift[:, 0, 0].round(decimals=3).unique()) == 3


@pytest.mark.parametrize(("parameter", "axis"), [("frequency_mask", 1), ("time_mask", 2)])
def test_mask_fills_one_span_and_nothing_else(parameter, axis):
    augmentation = SpectrogramAugmentation(**{parameter: 0.5})
    S = torch.randn(300, 20, 40)
    torch.manual_seed(0)
    after, _ = augmentation(S, torch.full((300,), 40), torch.full((20,), 7.0))
    masked = (after == 7).all(dim=3 - axis)  # (items, positions along the axis)
    torch.testing.assert_close(after[after != 7], S[after != 7], atol=0, rtol=0)
    widths = masked.sum(dim=1)
    starts = (masked.int().diff(dim=1) == 1).sum(dim=1) + masked[:, 0]
    assert (starts <= 1).all()
    assert widths.max() == S.shape[axis] // 2
    assert widths.min() == 0


def test_time_mask_lies_within_the_items_own_frames():
    augmentation = SpectrogramAugmentation(time_mask=0.9)
    S, lengths = torch.zeros(100, 2, 50), torch.full((100,), 10)
    torch.manual_seed(0)
    after, _ = augmentation(S, lengths, torch.ones(2))
    assert after[:, :, :10].any()
    assert not after[:, :, 10:].any()


def test_masks_take_the_fill_of_their_bin():
    after, _ = changed(time_mask=0.9)
    moved = (after != spectrograms()).any(dim=1)  # (items, frames)
    assert moved.any()
    for item, frames in zip(after, moved, strict=True):
        torch.testing.assert_close(item[:, frames], FILL[:, None].expand(-1, int(frames.sum())))


def test_padding_has_no_influence():
    """What stands behind an item's end comes into no frame of it."""
    S = spectrograms()
    S[1, :, 37:] = 1e6
    S[2, :, 1:] = torch.nan
    torch.manual_seed(1)
    after, lengths = SpectrogramAugmentation(time_stretch=0.4, frequency_warp=0.2)(S, LENGTHS, FILL)
    assert after[1, :, : int(lengths[1])].abs().max() < 10
    assert after[2, :, : int(lengths[2])].isfinite().all()


def test_random_numbers_are_those_of_torch():
    first, _ = changed(time_stretch=0.2, time_mask=0.3)
    second, _ = changed(time_stretch=0.2, time_mask=0.3)
    assert torch.equal(first, second)


@pytest.mark.parametrize(
    ("parameter", "value"),
    [("time_stretch", 1.0), ("frequency_warp", -0.1), ("gain", -1), ("frequency_mask", 1), ("time_mask", 2)],
)
def test_parameters_out_of_range_are_named(parameter, value):
    with pytest.raises(ValueError, match=parameter):
        SpectrogramAugmentation(**{parameter: value})


def test_text_as_parameter_is_named():
    with pytest.raises(TypeError, match="time_mask"):
        SpectrogramAugmentation(time_mask="wide")
