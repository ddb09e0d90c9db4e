"""The published network, warm-up and pipeline."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from onnxruntime import InferenceSession
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV, GroupKFold
from torch import nn

from skser import (
    CenterLossClassifier,
    Spectrograms,
    load_model,
    make_published_pipeline,
    save_model,
    to_onnx,
    unweighted_accuracy_scorer,
)
from skser.datasets import make_emotional_speech
from skser.nn import CenterLoss, PublishedNetwork
from skser.training import CenterLossNet, Checkpoint

SMALL = {"network": "published", "network_params": {"channels": (3, 4, 5, 6), "rnn_units": 4}}
TINY = {**SMALL, "embedding_dim": 5, "max_epochs": 2, "device": "cpu", "random_state": 0}
N_BINS = 50
VARIANTS = [{}, {"prelu": False}, {"batch_norm": True}, {"dropout": 0.5}]


def make(**parameters) -> PublishedNetwork:
    """A small network with weights, slopes and statistics as after training."""
    torch.manual_seed(0)
    small = {"channels": (3, 4, 5, 6), "rnn_units": 4, "embedding_dim": 5}
    network = PublishedNetwork(N_BINS, 3, **{**small, **parameters})
    with torch.no_grad():
        for name, value in network.named_parameters():
            if name.endswith("bias") or name.startswith("activation"):
                value.uniform_(-0.5, 0.5)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.uniform_(-1, 1)
            module.running_var.uniform_(0.5, 2)
    return network.eval()


def draw(lengths) -> Spectrograms:
    rng = np.random.default_rng(0)
    return Spectrograms([rng.normal(-40 + 10 * (n % 3), 10, size=(N_BINS, n)) for n in lengths])


@pytest.fixture(scope="module")
def X() -> Spectrograms:
    return draw(range(40, 64))


@pytest.fixture(scope="module")
def y() -> list[str]:
    return ["calm", "angry", "sad"] * 8


@pytest.fixture(scope="module")
def speech():
    return make_emotional_speech(n_speakers=4, n_per_class=2, duration=0.8, random_state=0)


@pytest.mark.parametrize(("n_bins", "bins_left"), [(128, 5), (513, 30), (49, 1)])
def test_layers_and_parameters_are_those_counted_by_hand(n_bins, bins_left):
    # Bins: 128, 61 after 7 x 7 with stride 2, 59, 29, 27, 13, 11, 5; or 513, 254, 252, 126, 124, 62, 60, 30.
    n_features = 96 * bins_left
    expected = {
        "convolutions.0.conv.weight": (48, 1, 7, 7),
        "convolutions.0.conv.bias": (48,),
        "convolutions.1.conv.weight": (64, 48, 3, 3),
        "convolutions.1.conv.bias": (64,),
        "convolutions.2.conv.weight": (80, 64, 3, 3),
        "convolutions.2.conv.bias": (80,),
        "convolutions.3.conv.weight": (96, 80, 3, 3),
        "convolutions.3.conv.bias": (96,),
        "rnn.weight_ih_l0": (384, n_features),  # three gates of 128 units
        "rnn.weight_hh_l0": (384, 128),
        "rnn.bias_ih_l0": (384,),
        "rnn.bias_hh_l0": (384,),
        "rnn.weight_ih_l0_reverse": (384, n_features),
        "rnn.weight_hh_l0_reverse": (384, 128),
        "rnn.bias_ih_l0_reverse": (384,),
        "rnn.bias_hh_l0_reverse": (384,),
        "embedding.weight": (64, 256),
        "embedding.bias": (64,),
        "activation.weight": (64,),
        "classes.weight": (4, 64),
        "classes.bias": (4,),
    }
    network = PublishedNetwork(n_bins, 4)
    assert {name: tuple(value.shape) for name, value in network.named_parameters()} == expected
    # 2,400 + 27,712 + 46,160 + 69,216 of the convolutions; 16,448 + 64 + 260 after the recurrent layer.
    recurrent = 2 * 384 * (n_features + 128 + 2)
    total = 145_488 + recurrent + 16_772
    assert sum(value.numel() for value in network.parameters()) == total
    if n_bins == 128:
        assert total == 630_740


def test_strides_and_poolings_are_those_of_the_paper():
    network = PublishedNetwork(128, 4)
    layers = [(block.conv.stride, block.conv.padding, block.pool) for block in network.convolutions]
    assert layers == [((2, 2), (0, 0), 1)] + 3 * [((1, 1), (0, 0), 2)]
    others = [module for module in network.modules() if isinstance(module, (nn.BatchNorm2d, nn.LSTM))]
    assert others == []


def test_each_output_of_the_convolutions_sees_49_frames_and_the_next_begins_16_later():
    # One output sees 2 values before the last pooling, 4 before the last convolution, then 8, 10, 20 and 22,
    # and (22 - 1) * 2 + 7 = 49 frames. The stride and three poolings double the step: 16.
    network = make().double()
    for block in network.convolutions:
        nn.init.constant_(block.conv.weight, 0.1)
        nn.init.constant_(block.conv.bias, 0.0)
    h, lengths = (
        torch.eye(97, dtype=torch.double)[:, None, :, None].expand(-1, 1, -1, N_BINS),
        torch.tensor([97]),
    )
    for block in network.convolutions:
        h, lengths = block(h, lengths)
    reached = h.sum(dim=(1, 3)) > 0  # (frame that is not zero, output)
    assert reached.shape == (97, 4)
    assert lengths.tolist() == [4]
    for output in range(4):
        assert reached[:, output].nonzero().flatten().tolist() == list(range(16 * output, 16 * output + 49))


@pytest.mark.parametrize("n_frames", [48, 49, 64, 65])
def test_length_follows_from_49_frames_and_a_step_of_16(n_frames):
    h, lengths = torch.zeros(1, 1, max(n_frames, 49), N_BINS), torch.tensor([max(n_frames, 49)])
    for block in make().convolutions:
        h, lengths = block(h, lengths)
    assert h.shape[2] == lengths.item() == 1 + (max(n_frames, 49) - 49) // 16


@pytest.mark.parametrize("variant", VARIANTS)
def test_output_does_not_depend_on_padding_or_batch(variant):
    lengths = torch.tensor([130, 97, 65, 64, 49, 20, 1])
    S = torch.randn(7, N_BINS, 130, generator=torch.Generator().manual_seed(1))
    network = make(**variant)
    with_nan = S.clone()
    for item, length in zip(with_nan, lengths, strict=True):
        item[:, length:] = torch.nan
    with torch.no_grad():
        together = network(S, lengths)
        one_by_one = [network(S[i : i + 1, :, :n], lengths[i : i + 1]) for i, n in enumerate(lengths)]
        one_by_one = tuple(torch.cat(outputs) for outputs in zip(*one_by_one, strict=True))
        torch.testing.assert_close(network(with_nan, lengths), together, rtol=0, atol=0)
        torch.testing.assert_close(one_by_one, together, rtol=0, atol=1e-6)
        without_lengths = network(S, torch.full((7,), 130))
    assert (without_lengths[1] - together[1])[1:].abs().max() > 1e-3


def test_short_items_are_padded_to_49_frames_with_the_mean_of_each_bin():
    network = make()
    mean, std = torch.linspace(-3, 3, N_BINS), torch.linspace(0.5, 2, N_BINS)
    network.standardize_with(mean, std)
    short = torch.randn(1, N_BINS, 20)
    padded = torch.cat([short, mean[None, :, None].expand(1, N_BINS, 29)], dim=2)
    with torch.no_grad():
        first = network(short, torch.tensor([20]))
        second = network(padded, torch.tensor([49]))
    torch.testing.assert_close(first, second, rtol=0, atol=1e-6)


@pytest.mark.parametrize("batch_norm", [False, True])
def test_training_does_not_depend_on_padding(batch_norm):
    S, lengths = torch.randn(4, N_BINS, 80, dtype=torch.double), torch.tensor([80, 66, 49, 12])
    longer = torch.cat([S, torch.randn(4, N_BINS, 60)], dim=2)
    gradients = []
    for batch in (S, longer):
        network = make(batch_norm=batch_norm).double().train()
        network(batch, lengths)[0].square().sum().backward()
        gradients.append(network.convolutions[0].conv.weight.grad)
    torch.testing.assert_close(*gradients, rtol=1e-9, atol=1e-12)


def test_weights_start_from_glorots_distribution_and_biases_and_slopes_from_zero():
    network = PublishedNetwork(128, 4)
    for layer in (*(block.conv for block in network.convolutions), network.embedding, network.classes):
        area = layer.weight[0, 0].numel()
        limit = (6 / (area * (layer.weight.shape[0] + layer.weight.shape[1]))) ** 0.5
        assert 0.9 * limit < layer.weight.abs().max() <= limit
        assert not layer.bias.any()
    assert not network.activation.weight.any()


def test_embedding_is_the_output_of_the_prelu():
    linear, curved = make(prelu=False), make()
    linear.load_state_dict(curved.state_dict(), strict=False)
    S, lengths = torch.randn(5, N_BINS, 60), torch.full((5,), 60)
    with torch.no_grad():
        before, after = linear(S, lengths)[1], curved(S, lengths)[1]
    assert (before < 0).any()
    expected = torch.where(before > 0, before, before * curved.activation.weight)
    torch.testing.assert_close(after, expected)


@pytest.mark.parametrize(
    ("parameters", "error", "message"),
    [
        ({"n_bins": 48}, ValueError, "at least 49 bins, got 48.*n_mels=128"),
        ({"channels": (8, 8, 8)}, TypeError, "channels must be a sequence of 4 integers"),
        ({"channels": (8, 8, 8, 0)}, ValueError, r"channels\[3\] must be an integer"),
        ({"rnn_units": 0}, ValueError, "rnn_units must be"),
        ({"prelu": 1}, TypeError, "prelu must be True or False"),
        ({"batch_norm": "yes"}, TypeError, "batch_norm must be True or False"),
        ({"dropout": 1.0}, ValueError, "dropout must be"),
        ({"embedding_dim": 0}, ValueError, "embedding_dim must be"),
    ],
)
def test_bad_parameters_are_named(parameters, error, message):
    with pytest.raises(error, match=message):
        PublishedNetwork(**{"n_bins": N_BINS, "n_classes": 2, **parameters})


def test_sizes_may_be_integers_of_numpy():
    network = make(channels=tuple(np.array([3, 4, 5, 6])), rnn_units=np.int64(4), embedding_dim=np.int64(5))
    assert network(torch.zeros(1, N_BINS, 60), torch.tensor([60]))[1].shape == (1, 5)


@pytest.mark.parametrize("variant", [{}, {"prelu": False}, {"batch_norm": True}])
def test_model_file_and_onnx_agree_with_the_classifier(variant, X, y, tmp_path):
    network_params = {**SMALL["network_params"], **variant}
    classifier = CenterLossClassifier(**{**TINY, "network_params": network_params, "lr": 0.03}).fit(X, y)
    save_model(classifier, tmp_path / "model.safetensors", optimizer=True)
    loaded = load_model(tmp_path / "model.safetensors", device="cpu")
    np.testing.assert_array_equal(loaded.predict_proba(X), classifier.predict_proba(X))
    assert loaded.network_params == network_params
    np.testing.assert_array_equal(
        loaded.partial_fit(X, y).predict_proba(X),
        copy.deepcopy(classifier).partial_fit(X, y).predict_proba(X),
    )
    to_onnx(classifier, tmp_path / "model.onnx")
    session = InferenceSession(tmp_path / "model.onnx")
    for lengths in ([1], [48, 20], [49, 130, 5, 97]):
        items = draw(lengths)
        spectrogram, n_frames = items.pad(np.nan)
        inputs = {"spectrogram": spectrogram, "lengths": n_frames}
        probabilities, embedding = session.run(["probabilities", "embedding"], inputs)
        np.testing.assert_allclose(probabilities, classifier.predict_proba(items), rtol=0, atol=1e-5)
        np.testing.assert_allclose(embedding, classifier.transform(items), rtol=0, atol=1e-5)


class TestWarmUp:
    """Steps at lambda 0 and alpha 1."""

    def fit(self, X, y, **parameters) -> CenterLossClassifier:
        return CenterLossClassifier(**{**TINY, "batch_size": 8, **parameters}).fit(X, y)  # 3 steps per epoch

    def settings_of_steps(self, monkeypatch) -> list[tuple[float, float]]:
        """Collect lambda and alpha in each training step."""
        seen, train_step = [], CenterLossNet.train_step

        def watched(net, batch, **kwargs):
            seen.append((net.criterion_.center_lambda, net.criterion_.center_loss.alpha))
            return train_step(net, batch, **kwargs)

        monkeypatch.setattr(CenterLossNet, "train_step", watched)
        return seen

    def test_first_steps_have_lambda_0_and_alpha_1(self, X, y, monkeypatch):
        seen = self.settings_of_steps(monkeypatch)
        fitted = self.fit(X, y, center_lambda=0.6, center_alpha=0.4, center_warmup=4)
        assert seen == [(0, 1)] * 4 + [(0.6, 0.4)] * 2
        assert (fitted.net_.criterion_.center_lambda, fitted.net_.criterion_.center_loss.alpha) == (0.6, 0.4)

    def test_steps_are_counted_across_partial_fit_and_warm_starts(self, X, y, monkeypatch):
        seen = self.settings_of_steps(monkeypatch)
        settings = {**TINY, "batch_size": 8, "center_lambda": 0.6, "center_warmup": 5}
        parts = CenterLossClassifier(**settings).partial_fit(X, y).partial_fit(X, y)
        assert seen == [(0, 1)] * 5 + [(0.6, 0.5)]
        seen.clear()
        CenterLossClassifier(**settings, warm_start=True).fit(X, y).fit(X, y)
        assert seen == [(0, 1)] * 5 + [(0.6, 0.5)] * 7
        assert parts.net_.criterion_.center_loss.alpha == 0.5

    def test_steps_are_counted_across_a_model_file(self, X, y, tmp_path, monkeypatch):
        seen = self.settings_of_steps(monkeypatch)
        parts = CenterLossClassifier(**{**TINY, "batch_size": 8, "center_warmup": 4}).partial_fit(X, y)
        save_model(parts, tmp_path / "model")
        seen.clear()
        load_model(tmp_path / "model", device="cpu").partial_fit(X, y)
        assert seen == [(0, 1)] + [(0.3, 0.5)] * 2

    def test_interrupted_fit_continues_in_the_warm_up(self, X, y, tmp_path, monkeypatch):
        settings = {"center_warmup": 8, "max_epochs": 4, "center_lambda": 3}
        whole = self.fit(X, y, **settings)
        write, epochs = Checkpoint._write, []

        def write_and_stop(checkpoint, net, finished):
            write(checkpoint, net, finished)
            epochs.append(finished)
            if len(epochs) == 2:
                raise RuntimeError("killed")

        monkeypatch.setattr(Checkpoint, "_write", write_and_stop)
        with pytest.raises(RuntimeError, match="killed"):
            self.fit(X, y, **settings, checkpoint_dir=tmp_path)
        seen = self.settings_of_steps(monkeypatch)
        continued = self.fit(X, y, **settings, checkpoint_dir=tmp_path)
        assert seen == [(0, 1)] * 2 + [(3, 0.5)] * 4
        np.testing.assert_array_equal(continued.centers_, whole.centers_)
        np.testing.assert_array_equal(continued.predict_proba(X), whole.predict_proba(X))

    def test_centers_follow_the_formula_with_one_plus_n(self, X, y, monkeypatch):
        centers, update = np.zeros((3, 5)), CenterLoss.update
        alphas = iter([1.0] * 4 + [0.3] * 2)

        def watched(center_loss, embedding, labels):
            update(center_loss, embedding, labels)
            alpha = next(alphas)
            z, numbers = embedding.detach().double().numpy(), labels.numpy()
            for number in range(3):
                own = z[numbers == number]
                centers[number] -= alpha * (centers[number] - own).sum(axis=0) / (1 + len(own))

        monkeypatch.setattr(CenterLoss, "update", watched)
        fitted = self.fit(X, y, center_alpha=0.3, center_warmup=4)
        assert next(alphas, None) is None
        np.testing.assert_allclose(fitted.centers_, centers, rtol=1e-4, atol=1e-6)

    def test_validation_loss_always_has_the_full_weight(self, X, y):
        fitted = self.fit(
            X, y, center_lambda=0.6, center_warmup=100, early_stopping=True, validation="random"
        )
        for row in fitted.history_:
            expected = row["valid_cross_entropy"] + 0.6 * row["valid_center_loss"]
            assert row["valid_loss"] == pytest.approx(expected, rel=1e-5)
            assert row["train_loss"] == pytest.approx(row["train_cross_entropy"], rel=1e-6)

    def test_warm_up_of_all_steps_is_softmax_bit_for_bit(self, X, y):
        warm = self.fit(X, y, center_lambda=5, center_warmup=6)
        softmax = self.fit(X, y, center_lambda=0)
        np.testing.assert_array_equal(warm.predict_proba(X), softmax.predict_proba(X))

    @pytest.mark.parametrize(
        ("parameters", "error", "message"),
        [
            ({"center_warmup": -1}, ValueError, r"center_warmup must be an integer in \[0, inf\)"),
            ({"center_warmup": 2.5}, TypeError, "center_warmup must be an integer"),
            (
                {"center_warmup": 20, "center_ramp": (0, 0.5)},
                ValueError,
                r"center_warmup=20 cannot be used with center_ramp=\(0, 0.5\)",
            ),
        ],
    )
    def test_bad_parameters_are_named(self, X, y, parameters, error, message):
        with pytest.raises(error, match=message):
            self.fit(X, y, **parameters)

    def test_ramp_can_be_used_without_warm_up(self, X, y):
        self.fit(X, y, center_ramp=(0, 0.5), center_warmup=0, max_epochs=1)


class TestPipeline:
    """make_published_pipeline."""

    @pytest.mark.parametrize(("kind", "n_bins"), [("mel", 128), ("stft", 513)])
    def test_settings_are_those_of_the_paper(self, kind, n_bins):
        pipeline = make_published_pipeline(kind)
        assert list(pipeline.named_steps) == ["spectrogram", "classifier"]
        features, classifier = (step.get_params() for step in pipeline.named_steps.values())
        names = (
            "kind",
            "sr",
            "win_length",
            "hop_length",
            "n_fft",
            "window",
            "n_mels",
            "ref",
            "top_db",
            "trim_db",
        )
        expected = [kind, 16000, 640, 160, 1024, "hamming", 128, 1.0, 80, None]
        assert [features[name] for name in names] == expected
        paper = {
            "network": "published",
            "network_params": None,
            "augmentation": None,
            "dropout": 0,
            "weight_decay": 0,
            "schedule": "constant",
            "lr": 3e-4,
            "batch_size": 32,
            "batching": "random",
            "class_weight": "balanced",
            "center_lambda": 0.6,
            "center_alpha": 0.5,
            "center_warmup": 20,
            "center_ramp": None,
            "embedding_dim": 64,
        }
        assert {name: classifier[name] for name in paper} == paper
        (S,) = pipeline["spectrogram"].transform([np.sin(np.arange(8000) / 7)])
        assert S.shape == (n_bins, 51)

    def test_parameters_replace_the_published_ones(self):
        classifier = make_published_pipeline(lr=1e-3, max_epochs=7, center_lambda=0)["classifier"]
        assert (classifier.lr, classifier.max_epochs, classifier.center_lambda) == (1e-3, 7, 0)

    def test_unknown_arguments_are_named(self):
        with pytest.raises(ValueError, match="kind must be one of 'mel', 'stft', got 'mfcc'"):
            make_published_pipeline("mfcc")
        with pytest.raises(TypeError, match="epochs"):
            make_published_pipeline(epochs=3)

    def test_full_size_learns_from_a_small_corpus(self, speech):
        pipeline = make_published_pipeline(max_epochs=2, random_state=0, device="cpu")
        pipeline.fit(speech.data, speech.target)
        assert pipeline[-1].transform(pipeline[0].transform(speech.data)).shape == (len(speech.data), 64)
        losses = [row["train_cross_entropy"] for row in pipeline["classifier"].history_]
        assert losses[1] < losses[0]

    @pytest.mark.parametrize("kind", ["mel", "stft"])
    def test_files_agree_with_the_pipeline(self, speech, kind, tmp_path):
        pipeline = make_published_pipeline(kind, **TINY).fit(speech.data, speech.target)
        save_model(pipeline, tmp_path / "model.safetensors")
        loaded = load_model(tmp_path / "model.safetensors", device="cpu")
        probabilities = pipeline.predict_proba(speech.data)
        np.testing.assert_array_equal(loaded.predict_proba(speech.data), probabilities)
        to_onnx(pipeline, tmp_path / "model.onnx")
        spectrogram, lengths = pipeline[0].transform(speech.data).pad()
        inputs = {"spectrogram": spectrogram, "lengths": lengths}
        (exported,) = InferenceSession(tmp_path / "model.onnx").run(["probabilities"], inputs)
        np.testing.assert_allclose(exported, probabilities, rtol=0, atol=1e-5)

    def test_grid_search_over_lambda_and_alpha_with_speakers_apart(self, speech):
        grid = {"classifier__center_lambda": [0, 0.6], "classifier__center_alpha": [0.1, 0.5]}
        pipeline = make_published_pipeline(**{**TINY, "center_warmup": 1})
        search = GridSearchCV(
            pipeline, grid, cv=GroupKFold(2), scoring=unweighted_accuracy_scorer, error_score="raise"
        )
        search.fit(speech.data, speech.target, groups=speech.groups)
        assert len(search.cv_results_["params"]) == 4
        assert search.best_estimator_["classifier"].network == "published"

    def test_clone_and_set_params(self):
        pipeline = clone(make_published_pipeline(random_state=3))
        assert pipeline["classifier"].get_params() == make_published_pipeline(random_state=3)[1].get_params()
        pipeline.set_params(classifier__network_params={"batch_norm": True}, classifier__center_warmup=0)
        assert pipeline["classifier"].network_params == {"batch_norm": True}
