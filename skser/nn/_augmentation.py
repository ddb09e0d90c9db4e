"""Random changes to spectrograms during training, as a layer of the network."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from .._utils import check_number, to_device

_SHARES = ("time_stretch", "frequency_warp", "frequency_mask", "time_mask")
_MODERATE = {  # all parameters
    "time_stretch": 0.2,
    "frequency_warp": 0.1,
    "gain": 6.0,
    "frequency_mask": 0.2,
    "time_mask": 0.1,
}


class SpectrogramAugmentation(nn.Module):
    """Stretch, warp, amplify and mask the spectrograms of a batch, each item differently.

    The changes imitate differences between speakers and recordings that say little about the emotion: the
    speed of speech, the length of the vocal tract [1]_, the level, and missing bands or moments [2]_. In
    evaluation mode nothing changes. Random numbers are always drawn on the CPU, from torch's generator: they
    are the same for a batch on a GPU, and the CPU knows the new lengths without waiting for the GPU.

    Parameters
    ----------
    time_stretch : float, default=0.0
        Durations are multiplied by a factor drawn from [1 - `time_stretch`, 1 + `time_stretch`]; in [0, 1).
    frequency_warp : float, default=0.0
        The frequency axis is multiplied by a factor drawn from [1 - `frequency_warp`,
        1 + `frequency_warp`]; in [0, 1). On Mel bands, which grow less than linearly with the frequency,
        0.05 corresponds to vocal tracts that differ by about a tenth.
    gain : float, default=0.0
        The level is changed by up to this many dB, up or down; at least 0.
    frequency_mask : float, default=0.0
        One band of up to this share of the bins takes the value `fill`; in [0, 1).
    time_mask : float, default=0.0
        One stretch of up to this share of the item's frames takes the value `fill`; in [0, 1).

    References
    ----------
    .. [1] Jaitly and Hinton, "Vocal tract length perturbation (VTLP) improves speech recognition", ICML
       Workshop on Deep Learning for Audio, Speech and Language, 2013.
    .. [2] Park, Chan, Zhang, Chiu, Zoph, Cubuk and Le, "SpecAugment: a simple data augmentation method for
       automatic speech recognition", Interspeech 2019.

    Examples
    --------
    >>> import torch
    >>> from skser.nn import SpectrogramAugmentation
    >>> augmentation = SpectrogramAugmentation(time_stretch=0.2, time_mask=0.1)
    >>> S, lengths = augmentation(torch.zeros(2, 40, 100), torch.tensor([100, 50]), torch.zeros(40))
    >>> bool((lengths >= torch.tensor([80, 40])).all() and (lengths <= torch.tensor([120, 60])).all())
    True
    """

    def __init__(
        self,
        *,
        time_stretch: float = 0.0,
        frequency_warp: float = 0.0,
        gain: float = 0.0,
        frequency_mask: float = 0.0,
        time_mask: float = 0.0,
    ) -> None:
        super().__init__()
        shares = (time_stretch, frequency_warp, frequency_mask, time_mask)
        for name, share in zip(_SHARES, shares, strict=True):
            check_number(name, share, low=0, high=1, closed="left")
        check_number("gain", gain, low=0)
        self.time_stretch, self.frequency_warp, self.frequency_mask, self.time_mask = map(float, shares)
        self.gain = float(gain)

    def forward(self, S: Tensor, lengths: Tensor, fill: Tensor) -> tuple[Tensor, Tensor]:
        """Change a batch in training mode, and return it unchanged in evaluation mode.

        Parameters
        ----------
        S : Tensor of shape (batch, n_bins, n_frames)
            Padded spectrograms in dB; the values after an item's end do not matter.
        lengths : Tensor of shape (batch,)
            Frames of each item; preferably on the CPU, which would otherwise wait for the GPU.
        fill : Tensor of shape (n_bins,)
            Value of masked cells in each bin.

        Returns
        -------
        S : Tensor of shape (batch, n_bins, n_new_frames)
            The changed spectrograms.
        lengths : Tensor of shape (batch,)
            Frames of each changed item, on the CPU.
        """
        if not self.training:
            return S, lengths
        lengths = lengths.cpu()
        if self.time_stretch or self.frequency_warp:
            S, lengths = self._resample(S, lengths)
        if self.gain:
            S = S + to_device(self.gain * _symmetric(len(S)), S)[:, None, None]
        if self.frequency_mask:
            size = torch.full((len(S),), float(S.shape[1]))
            S = torch.where(_random_span(size, self.frequency_mask, S)[:, :, None], fill[:, None], S)
        if self.time_mask:
            S = torch.where(_random_span(lengths, self.time_mask, S, axis=2)[:, None, :], fill[:, None], S)
        return S, lengths

    def _resample(self, S: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """Sample each item at stretched times and warped frequencies, by linear interpolation."""
        n_bins, n_frames = S.shape[1:]
        inside = torch.arange(n_frames, device=S.device) < to_device(lengths, S)[:, None]
        S = torch.where(inside[:, None], S, 0.0)  # padding may be NaN, and NaN times zero is NaN
        stretched = (lengths * (1 + self.time_stretch * _symmetric(len(S)))).round().long().clamp(min=1)
        frames = torch.arange(int(stretched.max()), device=S.device)
        # The first and the last frame stay in place.
        pace = to_device((lengths - 1) / (stretched - 1).clamp(min=1), S)
        times = frames * pace[:, None]  # (batch, n_new_frames)
        times = torch.minimum(times, to_device(lengths - 1, S)[:, None])
        warp = to_device(1 + self.frequency_warp * _symmetric(len(S)), S)
        bins = (torch.arange(n_bins, device=S.device) * warp[:, None]).clamp(max=n_bins - 1)
        grid = torch.stack(
            torch.broadcast_tensors(_scaled(times, n_frames)[:, None, :], _scaled(bins, n_bins)[:, :, None]),
            dim=-1,
        )  # (batch, n_bins, n_new_frames, 2): positions in time and in frequency, each in [-1, 1]
        changed = functional.grid_sample(S[:, None], grid, padding_mode="border", align_corners=True)
        return changed[:, 0], stretched

    def extra_repr(self) -> str:
        """Describe the layer in its printed form.

        Returns
        -------
        str
            The parameters.
        """
        return ", ".join(f"{name}={getattr(self, name)}" for name in _MODERATE)


def make_augmentation(augmentation: str | Mapping[str, Any] | None) -> SpectrogramAugmentation | None:
    """Make the layer from a parameter of the classifier or the network."""
    if augmentation is None:
        return None
    if isinstance(augmentation, str) and augmentation == "moderate":
        augmentation = _MODERATE
    if not isinstance(augmentation, Mapping):
        raise TypeError(f'augmentation must be "moderate", a dict or None, got {augmentation!r}.')
    unknown = sorted(set(augmentation) - set(_MODERATE), key=str)
    if unknown:
        raise ValueError(
            f"augmentation has no {', '.join(map(repr, unknown))}: its keys are {', '.join(_MODERATE)}."
        )
    return SpectrogramAugmentation(**augmentation)


def _symmetric(n: int) -> Tensor:
    """Draw a number from [-1, 1) for each of n items."""
    return 2 * torch.rand(n) - 1


def _random_span(size: Tensor, share: float, S: Tensor, axis: int = 1) -> Tensor:
    """Mark one span of up to a share of the first `size` positions of an axis: (batch, n)."""
    width = (torch.rand(size.shape) * (share * size + 1)).floor()
    first = (torch.rand(size.shape) * (size - width + 1)).floor()
    position = torch.arange(S.shape[axis], device=S.device)
    return (position >= to_device(first, S)[:, None]) & (position < to_device(first + width, S)[:, None])


def _scaled(position: Tensor, n: int) -> Tensor:
    """Map positions 0 ... n - 1 to -1 ... 1."""
    return 2 * position / max(n - 1, 1) - 1
