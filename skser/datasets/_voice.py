"""Source and filter of a voice: glottal pulses and noise through formant resonators."""

from __future__ import annotations

import numpy as np

TRACK_RATE = 200  # control values per second: one every 5 ms
_TAIL = 0.02  # s after a frame for the decay of the resonators, 44 dB at a bandwidth of 80 Hz
_JOINED_RATE = 160_000  # Hz; ten resonators at 16 kHz are computed together, one at 96 kHz
_TILT_CORNER = 300.0  # Hz; the spectrum is tilted only above it


def glottal_pulses(
    f0: np.ndarray, sr: int, open_quotient: float, jitter: float, rng: np.random.Generator
) -> np.ndarray:
    """Derivative of the glottal flow, one pulse per cycle."""
    # D. H. Klatt, L. C. Klatt, "Analysis, synthesis, and perception of voice quality variations among female
    # and male talkers", J. Acoust. Soc. Am. 87(2), 1990: flow a t^2 - b t^3 while open.
    cycle = np.cumsum(f0 / sr).astype(int)
    deviation = np.clip(rng.standard_normal((2, cycle[-1] + 2)), -2.5, 2.5)
    phase = np.cumsum(f0 / sr * (1 + jitter * deviation[0, cycle]))
    cycle = np.minimum(phase.astype(int), deviation.shape[1] - 1)
    x = (phase % 1.0) / open_quotient
    return np.where(x < 1, 2 * x - 3 * x**2, 0.0) * (1 + 3 * jitter * deviation[1, cycle])


def resonators(formants: np.ndarray, bandwidths: np.ndarray, sr: int, n_fft: int) -> np.ndarray:
    """Frequency response of a cascade of second-order resonators, each of gain one at 0 Hz."""
    # D. H. Klatt, "Software for a cascade/parallel formant synthesizer", J. Acoust. Soc. Am. 67(3), 1980,
    # equations 1 and 2.
    radius = np.exp(-np.pi * bandwidths / sr)
    first, second = -2 * radius * np.cos(2 * np.pi * formants / sr), radius**2
    response = np.ones(1)
    # One polynomial for all would lose its precision, because low formants are close to 0 at a high rate.
    n_joined = max(1, _JOINED_RATE // sr)
    for start in range(0, len(bandwidths), n_joined):
        joined = slice(start, start + n_joined)
        response = response * _joint_response(first[:, joined], second[joined], n_fft)
    return response


def _joint_response(first: np.ndarray, second: np.ndarray, n_fft: int) -> np.ndarray:
    """Frequency response of a few resonators with the coefficients (n_frames, n) and (n,)."""
    polynomial = np.ones((len(first), 1))
    for b, c in zip(first.T[..., None], second[..., None], strict=True):
        padded = np.pad(polynomial, ((0, 0), (0, 2)))
        padded[:, 1:-1] += b * polynomial
        padded[:, 2:] += c * polynomial
        polynomial = padded
    gain = polynomial.sum(axis=1, keepdims=True)
    return gain / np.fft.rfft(polynomial, n_fft)


def tilt_gain(tilt: np.ndarray, frequencies: np.ndarray) -> np.ndarray:
    """Gain that falls by `tilt` dB (n_frames,) per octave above about 300 Hz, (n_frames, n_frequencies)."""
    octaves = np.log2(1 + frequencies / _TILT_CORNER)
    return np.exp(-np.log(10) / 20 * tilt[:, None] * octaves)


def friction_gain(center: np.ndarray, width: np.ndarray, frequencies: np.ndarray) -> np.ndarray:
    """Gain of a broad band around `center` Hz (n_frames,), half as high `width` Hz (n_frames,) away."""
    return 1 / (1 + ((frequencies - center[:, None]) / width[:, None]) ** 2)


def frame_spectra(y: np.ndarray, n_frames: int, hop_length: int, n_fft: int) -> np.ndarray:
    """Spectra (n_frames, n_fft // 2 + 1) of overlapping Hann frames whose sum is the waveform."""
    window = np.sin(np.pi * np.arange(2 * hop_length) / (2 * hop_length)) ** 2
    frames = np.lib.stride_tricks.sliding_window_view(np.pad(y, (0, 2 * hop_length)), 2 * hop_length)
    return np.fft.rfft(frames[: n_frames * hop_length : hop_length] * window, n_fft)


def overlap_add(frames: np.ndarray, hop_length: int) -> np.ndarray:
    """Sum of frames (n_frames, n_fft), each `hop_length` samples after the previous one."""
    n_frames, n_fft = frames.shape
    n_blocks = -(-n_fft // hop_length)
    blocks = np.pad(frames, ((0, 0), (0, n_blocks * hop_length - n_fft))).reshape(n_frames, n_blocks, -1)
    y = np.zeros((n_frames + n_blocks, hop_length))
    for i in range(n_blocks):
        y[i : i + n_frames] += blocks[:, i]
    return y.ravel()


def transform_length(sr: int) -> int:
    """Length in samples of a Fourier transform for a frame and the decay after it."""
    needed = 2 * sr / TRACK_RATE + _TAIL * sr
    return 2 ** int(np.ceil(np.log2(needed)))
