"""What a GPU gives: the answers of a CPU, sooner.

The tests under the marker `gpu` need one. SKSER_TEST_DEVICE=cpu runs them on a CPU, to see that they can
run at all; those that ask about CUDA itself are left out there.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import torch

from skser import CenterLossClassifier, Spectrograms, SpectrogramTransformer, load_model, save_model
from skser._utils import check_acceleration
from skser._utils._device import torch_settings
from skser.sequences import BatchIterator, DeviceBatches, SpectrogramDataset

DEVICE = os.environ.get("SKSER_TEST_DEVICE", "cuda")
ON_CUDA = pytest.mark.skipif(DEVICE != "cuda", reason="asks about CUDA itself")
SMALL = {
    "channels": (8, 8, 8),
    "rnn_units": 8,
    "embedding_dim": 8,
    "max_epochs": 3,
    "batch_size": 8,
    "random_state": 0,
    "device": DEVICE,
}


BFLOAT16 = {"precision": "bfloat16"}


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
def anywhere(monkeypatch):
    """Let bfloat16 and compilation be tried where they do not pay."""
    if DEVICE != "cuda":
        monkeypatch.setattr("skser.classifier._classifier.check_acceleration", lambda *given: None)


def make(**parameters) -> CenterLossClassifier:
    return CenterLossClassifier(**SMALL | parameters)


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
def test_batches_gathered_on_a_device_are_those_collated(X, weighted, shuffle):
    weight = np.arange(1, 46, dtype=np.float32) if weighted else None
    part = X[10:]  # shares a buffer that holds other items as well
    dataset = SpectrogramDataset(part, np.arange(35), None if weight is None else weight[10:])
    iterator = BatchIterator(dataset, 4, shuffle=shuffle)
    torch.manual_seed(0)
    collated = list(iterator)
    torch.manual_seed(0)
    gathered = list(DeviceBatches(iterator, torch.device("cpu"), resident=True))
    assert len(collated) == len(gathered) == 9
    for (inputs, y), (expected, y_expected) in zip(gathered, collated, strict=True):
        assert inputs.keys() == expected.keys()
        for name, value in inputs.items():
            assert torch.equal(value, expected[name])
            assert value.dtype == expected[name].dtype
        assert torch.equal(y, y_expected)


def test_items_are_copied_to_a_device_in_parts(X, monkeypatch):
    monkeypatch.setattr("skser.sequences._gpu_batches._CHUNK_BYTES", 24 * 4 * 100)  # about one item
    iterator = BatchIterator(SpectrogramDataset(X), 50)
    ((inputs, _),) = DeviceBatches(iterator, torch.device("cpu"), resident=True)
    ((expected, _),) = iterator
    assert torch.equal(inputs["spectrogram"], expected["spectrogram"])


@pytest.mark.parametrize("parameters", [{"early_stopping": True, "validation": "random"}, {"lr": 1e20}])
def test_reading_losses_once_an_epoch_changes_nothing(X, y, parameters, monkeypatch):
    """What is done on a GPU, on the CPU; where the loss becomes NaN, the error is the same."""

    def outcome():
        try:
            model = make(device="cpu", **parameters).fit(X, y)
        except ValueError as error:
            return str(error)
        rows = [dict(row) | {"dur": 0} for row in model.net_.history]
        return rows, model.transform(X).tolist()

    at_once = outcome()
    monkeypatch.setattr("skser.training._net.CenterLossNet._on_gpu", True)
    monkeypatch.setattr("skser.training._callbacks.FiniteLoss.on_batch_end", lambda *given, **named: None)
    assert outcome() == at_once


def test_a_cpu_is_told_what_does_not_pay_there(X, y):
    with pytest.raises(
        ValueError, match=r'^precision="bfloat16" needs a GPU and the device is \'cpu\', .* set '
    ):
        make(device="cpu", precision="bfloat16").fit(X, y)


def test_bfloat16_that_a_gpu_does_not_know_is_named(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation: False)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: "An Old One")
    with pytest.raises(ValueError, match="nothing that An Old One computes in: set precision="):
        check_acceleration(torch.device("cuda"), "bfloat16")


@pytest.mark.parametrize(
    ("setting", "error", "match"),
    [
        ({"precision": "bf16"}, ValueError, "precision must be one of 'bfloat16', 'float32', got 'bf16'"),
        ({"net_params": {"precision": "x"}}, ValueError, "net_params cannot set 'precision': use precision"),
    ],
)
def test_wrong_setting_is_named(X, y, setting, error, match):
    with pytest.raises(error, match=match):
        make(device="cpu", **setting).fit(X, y)


def test_flags_of_cudnn_come_back_when_the_last_user_leaves():
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


def test_bfloat16_leaves_weights_centers_and_answers_in_float32(X, y, monkeypatch):
    monkeypatch.setattr("skser.classifier._classifier.check_acceleration", lambda *given: None)
    half = make(device="cpu", precision="bfloat16").fit(X, y)
    whole = make(device="cpu").fit(X, y)
    assert {value.dtype for value in half.net_.module_.state_dict().values()} == {torch.float32, torch.int64}
    assert half.centers_.dtype == half.transform(X).dtype == half.predict_proba(X).dtype == np.float32
    error = np.abs(half.predict_proba(X) - whole.predict_proba(X)).max()
    assert 0 < error < 0.05


def test_model_of_a_gpu_is_loaded_on_a_cpu_in_float32(X, y, tmp_path, monkeypatch):
    monkeypatch.setattr("skser.classifier._classifier.check_acceleration", lambda *given: None)
    model = make(device="cpu", precision="bfloat16").fit(X, y)
    save_model(model, tmp_path / "model")
    loaded = load_model(tmp_path / "model", device="cpu")
    assert loaded.precision == "float32"
    assert np.abs(loaded.predict_proba(X) - model.predict_proba(X)).max() < 0.02


# ----------------------------------------------------------------------------------------------------
# On a GPU


@pytest.mark.gpu
def test_training_follows_that_of_the_cpu(X, y):
    """An epoch on equal batches with equal random changes ends at equal losses and answers."""
    there, here = (make(device=device, max_epochs=1).fit(X, y) for device in (DEVICE, "cpu"))
    for name, value in here.history_[0].items():
        assert there.history_[0][name] == pytest.approx(value, rel=1e-3)
    np.testing.assert_allclose(there.predict_proba(X), here.predict_proba(X), atol=2e-3)
    np.testing.assert_allclose(there.centers_, here.centers_, atol=2e-3)


@pytest.mark.gpu
@pytest.mark.parametrize("variant", [{}, {"rnn": "lstm", "pooling": "attention"}], ids=["gru", "attention"])
def test_answers_are_those_of_the_cpu(X, y, variant, tmp_path):
    model = make(**variant).fit(X, y)
    save_model(model, tmp_path / "model", optimizer=True)
    on_cpu = load_model(tmp_path / "model", device="cpu")
    np.testing.assert_allclose(on_cpu.predict_proba(X), model.predict_proba(X), atol=1e-5)
    np.testing.assert_allclose(on_cpu.transform(X), model.transform(X), rtol=1e-4, atol=1e-5)
    assert np.abs(on_cpu.transform(X) - on_cpu.transform(X[1:2])).max() > 1e-2  # not constant
    on_cpu.partial_fit(X, y)


@pytest.mark.gpu
@pytest.mark.parametrize("resident", [True, False])
def test_two_fits_agree_bit_for_bit(X, y, resident, monkeypatch):
    """Wherever the items are."""
    first = make(dropout=0.2).fit(X, y)
    monkeypatch.setattr("skser.sequences._gpu_batches.fits", lambda *given: resident)
    assert same_bits(make(dropout=0.2).fit(X, y), first, X)
    assert not same_bits(make(dropout=0.2, random_state=1).fit(X, y), first, X)


@pytest.mark.gpu
def test_answers_do_not_depend_on_padding_or_batch(X, y):
    model = make().fit(X, y)
    alone = np.concatenate([model.transform(X[index : index + 1]) for index in range(6)])
    np.testing.assert_allclose(model.transform(X)[:6], alone, rtol=1e-4, atol=1e-5)


@pytest.mark.gpu
def test_bfloat16_learns_the_same(X, y, anywhere):
    plain, half = (make(max_epochs=8, lr=1e-2, **more).fit(X, y) for more in ({}, BFLOAT16))
    assert plain.score(X, y) > 0.9
    assert half.score(X, y) > plain.score(X, y) - 0.1
    once, quick = (make(max_epochs=1, **more).fit(X, y) for more in ({}, BFLOAT16))
    np.testing.assert_allclose(quick.predict_proba(X), once.predict_proba(X), atol=0.03)
    assert quick.transform(X).dtype == np.float32


RESUMED = """
import sys
import numpy as np
from skser import CenterLossClassifier, Spectrograms
data = np.load(sys.argv[1])
X = Spectrograms.from_frames(data["frames"], data["lengths"])
CenterLossClassifier(**{settings}, checkpoint_dir=sys.argv[2]).fit(X, data["y"])
"""


@pytest.mark.gpu
def test_killed_training_goes_on_bit_for_bit(X, y, tmp_path):
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
    there, here = (
        SpectrogramTransformer(kind=kind, device=device, n_jobs=2).transform(recordings)
        for device in (DEVICE, "cpu")
    )
    assert there.lengths.tolist() == here.lengths.tolist()
    for first, second in zip(there, here, strict=True):
        np.testing.assert_allclose(first, second, atol=0.01)  # dB


@ON_CUDA
@pytest.mark.gpu
@pytest.mark.parametrize("pooling", ["last", "attention"])
@pytest.mark.parametrize("resident", [True, False])
def test_nothing_waits_for_the_device_within_an_epoch(X, y, pooling, resident, monkeypatch):
    """Torch raises at each wait while the steps of training and validation are taken, all but the first."""
    from skser.training import CenterLossNet

    seen = []
    plain = CenterLossNet._read_losses

    def read(net):
        torch.cuda.set_sync_debug_mode("default")
        seen.append(len(net.history))
        plain(net)

    def notify(net, name, **given):
        result = original(net, name, **given)
        if name == "on_batch_begin" and len(net.history) > 1:
            torch.cuda.set_sync_debug_mode("error")
        return result

    original = CenterLossNet.notify
    monkeypatch.setattr(CenterLossNet, "_read_losses", read)
    monkeypatch.setattr(CenterLossNet, "notify", notify)
    monkeypatch.setattr("skser.sequences._gpu_batches.fits", lambda *given: resident)
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
def test_memory_is_given_back(X, y):
    def held():
        make(max_epochs=1).fit(X, y)
        import gc

        gc.collect()
        return torch.cuda.memory_allocated()

    first = held()
    for _ in range(3):
        last = held()
    assert last <= first + 2**20
