"""Training and prediction on a GPU give the results of a CPU.

Tests with the marker `gpu` need a GPU. SKSER_TEST_DEVICE=cpu runs them on a CPU to check the tests
themselves, except those about CUDA.
"""

from __future__ import annotations

import gc
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import torch

from skser import (
    CenterLossClassifier,
    Spectrograms,
    SpectrogramTransformer,
    SpeechEncoderTransformer,
    load_model,
    save_model,
)
from skser._utils import check_acceleration, torch_settings
from skser.sequences import BatchIterator, DeviceBatches, SpectrogramDataset
from skser.training import CenterLossNet

DEVICE = os.environ.get("SKSER_TEST_DEVICE", "cuda")
ON_CUDA = pytest.mark.skipif(DEVICE != "cuda", reason="is about CUDA")
SMALL = {
    "channels": (8, 8, 8),
    "rnn_units": 8,
    "embedding_dim": 8,
    "max_epochs": 3,
    "batch_size": 8,
    "random_state": 0,
    "device": DEVICE,
}


# The sizes of other networks than the default one.
NETWORKS = {
    "published": {"channels": (3, 4, 5, 6), "rnn_units": 4},
    "dense": {"hidden_units": 16},
    "pooled": {"hidden_units": 16},
}


@pytest.fixture(scope="module")
def X() -> Spectrograms:
    rng = np.random.default_rng(0)
    lengths = rng.integers(30, 120, size=45)
    return Spectrograms(
        [rng.normal(-60 + 15 * (n % 3), 10, size=(24, length)) for n, length in enumerate(lengths)]
    )


@pytest.fixture(scope="module")
def y() -> np.ndarray:
    return np.array(["calm", "happy", "sad"] * 15)


@pytest.fixture
def bfloat16_anywhere(monkeypatch):
    """Allow bfloat16 on a CPU too."""

    def check(device, precision):
        if device.type != "cpu":
            check_acceleration(device, precision)

    monkeypatch.setattr("skser.classifier._classifier.check_acceleration", check)


def make(**parameters) -> CenterLossClassifier:
    return CenterLossClassifier(**SMALL | parameters)


def make_other(network: str, **parameters) -> CenterLossClassifier:
    """A classifier with another network, whose other parameters are those of `make`."""
    shared = {name: value for name, value in SMALL.items() if name not in ("channels", "rnn_units")}
    network_params = NETWORKS[network]
    return CenterLossClassifier(
        **shared | {"network": network, "network_params": network_params} | parameters
    )


def input_of(network: str, X: Spectrograms) -> Spectrograms | np.ndarray:
    """Enough bins for the published network, and a table for the dense one."""
    if network == "dense":
        return np.stack([item.mean(axis=1) for item in X])
    return Spectrograms([np.tile(item, (3, 1)) for item in X])


def same_bits(first: CenterLossClassifier, second: CenterLossClassifier, X: Spectrograms) -> bool:
    return (
        np.array_equal(first.transform(X), second.transform(X))
        and np.array_equal(first.centers_, second.centers_)
        and first.history_ == second.history_
    )


# ----------------------------------------------------------------------------------------------------
# On any machine


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("shuffle", [False, True])
@pytest.mark.parametrize("items_per_copy", [7, 32])
def test_batches_made_on_a_device_are_those_of_the_loader(X, weighted, shuffle, items_per_copy, monkeypatch):
    monkeypatch.setattr("skser.sequences._gpu_batches._ITEMS_PER_COPY", items_per_copy)
    weight = np.arange(35, dtype=np.float32) if weighted else None
    part = X[10:]  # shares its array with other items
    iterator = BatchIterator(SpectrogramDataset(part, np.arange(35), weight), 4, shuffle=shuffle)
    torch.manual_seed(0)
    loaded = list(iterator)
    torch.manual_seed(0)
    made = list(DeviceBatches(iterator, torch.device("cpu"), resident=True))
    assert len(loaded) == len(made) == 9
    torch.testing.assert_close(made, loaded, rtol=0, atol=0)


@pytest.mark.parametrize("parameters", [{"early_stopping": True, "validation": "random"}, {"lr": 1e20}])
def test_reading_losses_once_per_epoch_changes_nothing(X, y, parameters, monkeypatch):
    """The loop for a GPU on the CPU; if the loss becomes NaN, the error is the same."""

    def outcome():
        try:
            model = make(device="cpu", **parameters).fit(X, y)
        except ValueError as error:
            return str(error)
        rows = [dict(row) | {"dur": 0} for row in model.net_.history]
        return rows, model.transform(X).tolist()

    read_per_batch = outcome()
    monkeypatch.setattr(CenterLossNet, "uses_gpu", True)
    monkeypatch.setattr("skser.training._callbacks.FiniteLoss.on_batch_end", lambda *given, **named: None)
    assert outcome() == read_per_batch


def test_bfloat16_on_a_cpu_raises(X, y):
    message = r"^precision=\"bfloat16\" needs a GPU and makes training slower on the device 'cpu': set "
    with pytest.raises(ValueError, match=message):
        make(device="cpu", precision="bfloat16").fit(X, y)


def test_bfloat16_on_an_old_gpu_raises(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation: False)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: "An Old One")
    with pytest.raises(ValueError, match="is not supported by An Old One: set precision="):
        check_acceleration(torch.device("cuda"), "bfloat16")


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"precision": "bf16"}, "precision must be one of 'bfloat16', 'float32', got 'bf16'"),
        ({"net_params": {"precision": "x"}}, "net_params cannot set 'precision': use precision"),
    ],
)
def test_wrong_setting_is_named(X, y, setting, message):
    with pytest.raises(ValueError, match=message):
        make(device="cpu", **setting).fit(X, y)


def test_flags_of_cudnn_are_restored_after_the_last_user():
    cudnn = torch.backends.cudnn

    def flags():
        return cudnn.deterministic, cudnn.conv.fp32_precision, cudnn.rnn.fp32_precision

    before, gpu = flags(), torch.device("cuda")
    first, second = torch_settings(gpu), torch_settings(gpu)
    with first:
        second.__enter__()
        assert flags() == (True, "ieee", "ieee") != before
    assert flags() == (True, "ieee", "ieee")
    second.__exit__(None, None, None)
    assert flags() == before
    with torch_settings(torch.device("cpu")):
        assert flags() == before


def test_a_bfloat16_model_has_weights_centers_and_results_in_float32(X, y, tmp_path, bfloat16_anywhere):
    half = make(device="cpu", precision="bfloat16").fit(X, y)
    whole = make(device="cpu").fit(X, y)
    assert {value.dtype for value in half.net_.module_.state_dict().values()} == {torch.float32, torch.int64}
    assert half.centers_.dtype == half.transform(X).dtype == half.predict_proba(X).dtype == np.float32
    assert 0 < np.abs(half.predict_proba(X) - whole.predict_proba(X)).max() < 0.05
    save_model(half, tmp_path / "model")
    loaded = load_model(tmp_path / "model", device="cpu")
    assert loaded.precision == "float32"
    assert np.abs(loaded.predict_proba(X) - half.predict_proba(X)).max() < 0.02


@pytest.mark.parametrize("network", NETWORKS)
def test_results_of_other_networks_are_float32_in_bfloat16(X, y, network, bfloat16_anywhere):
    items = input_of(network, X)
    half = make_other(network, device="cpu", precision="bfloat16").fit(items, y)
    whole = make_other(network, device="cpu").fit(items, y)
    assert {value.dtype for value in half.net_.module_.state_dict().values()} == {torch.float32}
    assert half.centers_.dtype == half.transform(items).dtype == half.predict_proba(items).dtype == np.float32
    difference = np.abs(half.predict_proba(items) - whole.predict_proba(items)).max()
    assert 0 < difference < 0.05 if network == "published" else difference == 0


def test_results_of_a_custom_class_are_float32_in_bfloat16(X, y, bfloat16_anywhere):
    class LastFrame(torch.nn.Module):
        def __init__(self, n_bins, n_classes):
            super().__init__()
            self.embedding = torch.nn.Linear(n_bins, 8)
            self.classes = torch.nn.Linear(8, n_classes)

        def forward(self, spectrogram, lengths):
            z = self.embedding(spectrogram[:, :, 0])
            assert z.dtype == torch.bfloat16
            return self.classes(z), z

    shared = {name: value for name, value in SMALL.items() if name not in ("channels", "rnn_units", "device")}
    half = CenterLossClassifier(**shared, network=LastFrame, device="cpu", precision="bfloat16").fit(X, y)
    assert half.transform(X).dtype == half.predict_proba(X).dtype == np.float32


# ----------------------------------------------------------------------------------------------------
# On a GPU


@pytest.mark.gpu
@pytest.mark.parametrize("network", NETWORKS)
def test_other_networks_agree_with_the_cpu_and_with_themselves(X, y, network):
    items = input_of(network, X)
    on_gpu, on_cpu = (
        make_other(network, device=device, max_epochs=1).fit(items, y) for device in (DEVICE, "cpu")
    )
    assert on_gpu.history_[0] == pytest.approx(on_cpu.history_[0], rel=1e-3)
    np.testing.assert_allclose(on_gpu.predict_proba(items), on_cpu.predict_proba(items), atol=2e-3)
    assert same_bits(*(make_other(network, dropout=0.2).fit(items, y) for _ in range(2)), items)


@pytest.mark.gpu
def test_training_is_that_of_the_cpu(X, y):
    """One epoch on equal batches with equal random changes gives equal losses and predictions."""
    on_gpu, on_cpu = (make(device=device, max_epochs=1).fit(X, y) for device in (DEVICE, "cpu"))
    assert on_gpu.history_[0] == pytest.approx(on_cpu.history_[0], rel=1e-3)
    np.testing.assert_allclose(on_gpu.predict_proba(X), on_cpu.predict_proba(X), atol=2e-3)
    np.testing.assert_allclose(on_gpu.centers_, on_cpu.centers_, atol=2e-3)


@pytest.mark.gpu
@pytest.mark.parametrize("variant", [{}, {"rnn": "lstm", "pooling": "attention"}], ids=["gru", "attention"])
def test_results_are_those_of_the_cpu_whatever_the_padding_and_the_batch(X, y, variant, tmp_path):
    model = make(**variant).fit(X, y)
    save_model(model, tmp_path / "model", optimizer=True)
    on_cpu = load_model(tmp_path / "model", device="cpu")
    np.testing.assert_allclose(on_cpu.predict_proba(X), model.predict_proba(X), atol=1e-5)
    np.testing.assert_allclose(on_cpu.transform(X), model.transform(X), rtol=1e-4, atol=1e-5)
    assert np.abs(on_cpu.transform(X) - on_cpu.transform(X[1:2])).max() > 1e-2  # not constant
    one_by_one = np.concatenate([model.transform(X[index : index + 1]) for index in range(6)])
    np.testing.assert_allclose(model.transform(X)[:6], one_by_one, rtol=1e-4, atol=1e-5)
    on_cpu.partial_fit(X, y)


@pytest.mark.gpu
@pytest.mark.parametrize("resident", [True, False])
def test_two_fits_agree_bit_for_bit(X, y, resident, monkeypatch):
    """Whether the items are on the GPU or not."""
    first = make(dropout=0.2).fit(X, y)
    monkeypatch.setattr("skser.sequences._gpu_batches.fits_on_device", lambda *given: resident)
    assert same_bits(make(dropout=0.2).fit(X, y), first, X)
    assert not same_bits(make(dropout=0.2, random_state=1).fit(X, y), first, X)


@pytest.mark.gpu
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_autocast_around_a_call_changes_nothing(X, y, dtype):
    expected = CenterLossClassifier(**SMALL).fit(X, y)
    probabilities = expected.predict_proba(X)
    with torch.autocast(torch.device(DEVICE).type, dtype):
        found = CenterLossClassifier(**SMALL).fit(X, y)
        assert same_bits(found, expected, X)
    np.testing.assert_array_equal(found.predict_proba(X), probabilities)


@pytest.mark.gpu
def test_bfloat16_learns_the_same(X, y, bfloat16_anywhere):
    def fits(**parameters):
        return [make(precision=precision, **parameters).fit(X, y) for precision in ("float32", "bfloat16")]

    plain, half = fits(max_epochs=8, lr=1e-2)
    assert plain.score(X, y) > 0.9
    assert half.score(X, y) > plain.score(X, y) - 0.1
    plain, half = fits(max_epochs=1)
    np.testing.assert_allclose(half.predict_proba(X), plain.predict_proba(X), atol=0.03)
    assert half.transform(X).dtype == np.float32


RESUMED = """
import sys
import numpy as np
from skser import CenterLossClassifier, Spectrograms
data = np.load(sys.argv[1])
X = Spectrograms.from_frames(data["frames"], data["lengths"])
CenterLossClassifier(**{settings}, checkpoint_dir=sys.argv[2]).fit(X, data["y"])
"""


@pytest.mark.gpu
def test_killed_training_resumes_bit_for_bit(X, y, tmp_path):
    settings = SMALL | {"max_epochs": 8}
    data, folder = tmp_path / "data.npz", tmp_path / "checkpoints"
    np.savez(data, frames=np.concatenate([item.T for item in X]), lengths=X.lengths, y=y)
    code = RESUMED.replace("{settings}", repr(settings))
    process = subprocess.Popen([sys.executable, "-c", code, str(data), str(folder)])
    end = time.monotonic() + 60
    while not list(folder.glob("*/checkpoint.pt")) and time.monotonic() < end:
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL  # and not at its end
    (file,) = folder.glob("*/checkpoint.pt")
    assert not torch.load(file, weights_only=True)["finished"]
    resumed = CenterLossClassifier(**settings, checkpoint_dir=folder).fit(X, y)
    assert len(list(folder.iterdir())) == 1
    assert same_bits(resumed, CenterLossClassifier(**settings).fit(X, y), X)


@pytest.mark.gpu
@pytest.mark.parametrize("kind", ["mel", "stft"])
def test_spectrograms_are_those_of_the_cpu(kind):
    rng = np.random.default_rng(0)
    recordings = [0.1 * rng.standard_normal(n).astype(np.float32) for n in (400, 16000, 50000)]
    on_gpu, on_cpu = (
        SpectrogramTransformer(kind=kind, device=device, n_jobs=2).transform(recordings)
        for device in (DEVICE, "cpu")
    )
    assert on_gpu.lengths.tolist() == on_cpu.lengths.tolist()
    np.testing.assert_allclose(on_gpu.pad()[0], on_cpu.pad()[0], atol=0.01)  # dB


@pytest.mark.gpu
@pytest.mark.parametrize("layer", [1, 3])
def test_frames_of_an_encoder_are_those_of_the_cpu(write_ge2e, tmp_path, layer):
    encoder = write_ge2e(tmp_path / "weights.pt", 0)
    rng = np.random.default_rng(0)
    recordings = [0.1 * rng.standard_normal(n).astype(np.float32) for n in (400, 16000, 50000)]
    on_gpu, again, on_cpu = (
        SpeechEncoderTransformer(encoder, layer=layer, device=device, n_jobs=2).transform(recordings)
        for device in (DEVICE, DEVICE, "cpu")
    )
    np.testing.assert_array_equal(on_gpu, again)
    np.testing.assert_allclose(on_gpu, on_cpu, atol=1e-4)


@ON_CUDA
@pytest.mark.gpu
@pytest.mark.parametrize("pooling", ["last", "attention"])
@pytest.mark.parametrize("resident", [True, False])
def test_nothing_waits_for_the_device_within_an_epoch(X, y, pooling, resident, monkeypatch):
    """Torch raises at each wait during training and validation, from the second epoch on."""
    seen = []
    read_losses, notify = CenterLossNet._read_losses, CenterLossNet.notify

    def read_and_allow_waits(net):
        torch.cuda.set_sync_debug_mode("default")
        seen.append(len(net.history))
        read_losses(net)

    def notify_and_forbid_waits(net, name, **given):
        result = notify(net, name, **given)
        if name == "on_batch_begin" and len(net.history) > 1:
            torch.cuda.set_sync_debug_mode("error")
        return result

    monkeypatch.setattr(CenterLossNet, "_read_losses", read_and_allow_waits)
    monkeypatch.setattr(CenterLossNet, "notify", notify_and_forbid_waits)
    monkeypatch.setattr("skser.sequences._gpu_batches.fits_on_device", lambda *given: resident)
    try:
        make(pooling=pooling, early_stopping=True, validation="random").fit(X, y)
        assert seen[-1] == 3
        torch.cuda.set_sync_debug_mode("error")
        with pytest.raises(RuntimeError, match="synchroniz"):
            torch.ones(1, device="cuda").item()
    finally:
        torch.cuda.set_sync_debug_mode("default")


@ON_CUDA
@pytest.mark.gpu
def test_memory_does_not_grow_with_the_epochs(X, y):
    def peak(epochs):
        torch.cuda.reset_peak_memory_stats()
        make(max_epochs=epochs).fit(X, y)
        return torch.cuda.max_memory_allocated()

    peak(2)
    assert peak(40) <= 1.2 * peak(4)


@ON_CUDA
@pytest.mark.gpu
def test_memory_is_released(X, y):
    def held():
        make(max_epochs=1).fit(X, y)
        gc.collect()
        return torch.cuda.memory_allocated()

    first = held()
    for _ in range(3):
        last = held()
    assert last <= first + 2**20
