"""Networks for tables and for frames of features."""

from __future__ import annotations

import copy
import json

import numpy as np
import pandas as pd
import pytest
import torch
from onnxruntime import InferenceSession
from sklearn.datasets import make_classification
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import nn

from skser import CenterLossClassifier, Spectrograms, load_model, save_model, to_onnx
from skser.nn import DenseNetwork, PooledNetwork

TINY = {
    "network_params": {"hidden_units": 9},
    "embedding_dim": 5,
    "max_epochs": 2,
    "batch_size": 8,
    "device": "cpu",
    "random_state": 0,
}


@pytest.fixture(scope="module")
def table() -> np.ndarray:
    """Columns of very different levels and spreads."""
    rng = np.random.default_rng(0)
    levels, spreads = np.array([0, 1e4, -3e-6, 40, 7]), np.array([1, 300, 1e-7, 2, 0])
    return (levels + spreads * rng.normal(size=(40, 5))).astype(np.float32)


@pytest.fixture(scope="module")
def labels(table) -> np.ndarray:
    return np.array(["low", "high"])[(table[:, 2] > np.median(table[:, 2])).astype(int)]


@pytest.fixture(scope="module")
def frames() -> Spectrograms:
    rng = np.random.default_rng(0)
    spreads = np.array([1, 2, 3])
    return Spectrograms([rng.normal(5, spreads[n % 3], size=(6, n)) for n in range(20, 50)])


@pytest.fixture(scope="module")
def emotions(frames) -> list[str]:
    return ["calm", "sad", "angry"] * 10


def dense(**parameters) -> CenterLossClassifier:
    return CenterLossClassifier(**{**TINY, "network": "dense", **parameters})


def pooled(**parameters) -> CenterLossClassifier:
    return CenterLossClassifier(**{**TINY, "network": "pooled", **parameters})


class TestDenseNetwork:
    """The network for tables."""

    def test_output_is_that_of_two_linear_layers(self):
        torch.manual_seed(0)
        network, table = DenseNetwork(4, 3, hidden_units=6, embedding_dim=2).eval(), torch.randn(7, 4)
        mean, std = torch.tensor([1.0, -2, 0, 3]), torch.tensor([0.5, 1, 2, 4])
        network.standardize_with(mean, std)
        logits, z = network(table[:, :, None], torch.ones(7, dtype=torch.long))
        w = {name: value.detach().double().numpy() for name, value in network.named_parameters()}
        x = ((table - mean) / std).double().numpy()
        hidden = np.maximum(x @ w["hidden.weight"].T + w["hidden.bias"], 0)
        expected = hidden @ w["embedding.weight"].T + w["embedding.bias"]
        np.testing.assert_allclose(z.detach(), expected, rtol=1e-5, atol=1e-6)
        scores = expected @ w["classes.weight"].T + w["classes.bias"]
        np.testing.assert_allclose(logits.detach(), scores, rtol=1e-5, atol=1e-6)

    def test_number_of_parameters_is_that_counted_by_hand(self):
        network = DenseNetwork(512, 8)
        expected = 512 * 256 + 256 + 256 * 64 + 64 + 64 * 8 + 8
        assert sum(value.numel() for value in network.parameters()) == expected

    def test_dropout_drops_outputs_of_the_first_layer_in_training_only(self):
        network = DenseNetwork(4, 2, dropout=0.5)
        x, ones = torch.randn(3, 4, 1), torch.ones(3, dtype=torch.long)
        assert not torch.equal(network(x, ones)[1], network(x, ones)[1])
        network.eval()
        assert torch.equal(network(x, ones)[1], network(x, ones)[1])

    def test_several_frames_are_refused(self):
        with pytest.raises(ValueError, match="one frame per item, got 3: use PooledNetwork"):
            DenseNetwork(4, 2)(torch.zeros(2, 4, 3), torch.tensor([3, 1]))


class TestPooledNetwork:
    """The network that pools frames."""

    def test_features_are_mean_and_deviation_of_the_valid_frames(self):
        network = PooledNetwork(4, 3)
        rng, lengths = np.random.default_rng(0), [9, 5, 2]
        items = [rng.normal(3, 2, size=(4, n)) for n in lengths]
        S, _ = Spectrograms(items).pad(np.nan)
        seen = []
        network.hidden.register_forward_hook(lambda module, inputs, output: seen.append(inputs[0]))
        network(torch.from_numpy(S), torch.tensor(lengths))
        expected = [np.concatenate([item.mean(axis=1), item.std(axis=1)]) for item in items]
        np.testing.assert_allclose(seen[0], expected, rtol=1e-5)

    @pytest.mark.parametrize("training", [True, False])
    def test_output_does_not_depend_on_padding_or_batch(self, training):
        torch.manual_seed(0)
        network, lengths = PooledNetwork(6, 3).train(training), torch.tensor([97, 64, 33, 2, 1])
        S = torch.randn(5, 6, 97)
        with_nan = S.clone()
        for item, length in zip(with_nan, lengths, strict=True):
            item[:, length:] = torch.nan
        together = network(S, lengths)
        torch.testing.assert_close(network(with_nan, lengths), together, rtol=0, atol=0)
        one_by_one = [network(S[i : i + 1, :, :n], lengths[i : i + 1]) for i, n in enumerate(lengths)]
        joined = tuple(torch.cat(outputs) for outputs in zip(*one_by_one, strict=True))
        torch.testing.assert_close(joined, together, rtol=0, atol=1e-6)
        without_lengths = network(S, torch.full((5,), 97))[1]
        assert (without_lengths - together[1])[1:].abs().max() > 1e-3

    def test_single_frame_has_deviation_0_and_finite_gradients(self):
        network = PooledNetwork(6, 3)
        seen = []
        network.hidden.register_forward_hook(lambda module, inputs, output: seen.append(inputs[0]))
        S = torch.randn(2, 6, 1, requires_grad=True)
        network(S, torch.ones(2, dtype=torch.long))[0].square().sum().backward()
        assert not seen[0][:, 6:].any()
        gradients = [S.grad, *(value.grad for value in network.parameters())]
        assert all(bool(torch.isfinite(gradient).all()) for gradient in gradients)

    def test_number_of_parameters_is_that_counted_by_hand(self):
        network = PooledNetwork(40, 4)
        expected = 80 * 256 + 256 + 256 * 64 + 64 + 64 * 4 + 4
        assert sum(value.numel() for value in network.parameters()) == expected


@pytest.mark.parametrize("network", [DenseNetwork, PooledNetwork])
@pytest.mark.parametrize(
    ("parameters", "error", "message"),
    [
        ({"hidden_units": 0}, ValueError, r"hidden_units must be an integer in \[1, inf\)"),
        ({"hidden_units": (8, 8)}, TypeError, "hidden_units must be an integer"),
        ({"dropout": 1}, ValueError, "dropout must be"),
        ({"embedding_dim": 0}, ValueError, "embedding_dim must be"),
        ({"n_bins": 0}, ValueError, "n_bins must be"),
    ],
)
def test_bad_parameters_are_named(network, parameters, error, message):
    with pytest.raises(error, match=message):
        network(**{"n_bins": 4, "n_classes": 2, **parameters})


def test_columns_of_a_table_are_standardized(table, labels):
    fitted = dense().fit(table, labels)
    scaler = StandardScaler().fit(table[:, :4].astype(np.float64))
    network = fitted.net_.module_
    np.testing.assert_allclose(network.bin_mean[:4], scaler.mean_, rtol=1e-5)
    np.testing.assert_allclose(network.bin_std[:4], scaler.scale_, rtol=1e-5)
    assert (network.bin_mean[4], network.bin_std[4]) == (7, 1)  # a constant column


def test_scale_of_the_columns_does_not_matter(table, labels):
    scaled = table * np.array([1024, 2**-20, 2**30, 1, 8], dtype=np.float32)
    first, second = dense().fit(table, labels), dense().fit(scaled, labels)
    np.testing.assert_allclose(first.predict_proba(table), second.predict_proba(scaled), atol=1e-5)


def test_dense_learns_a_column_of_tiny_numbers(table, labels):
    assert dense(max_epochs=40, lr=0.02).fit(table, labels).score(table, labels) > 0.95


def test_dense_is_about_as_good_as_a_linear_model():
    X, y = make_classification(400, 20, n_informative=5, class_sep=1.5, random_state=0)
    linear = make_pipeline(StandardScaler(), LogisticRegression())
    ours, theirs = (
        cross_val_score(model, X, y, cv=3).mean() for model in (dense(max_epochs=15, lr=0.01), linear)
    )
    assert ours > theirs - 0.02
    assert theirs > 0.8


def test_predictions_for_a_table_do_not_depend_on_the_other_rows(table, labels):
    fitted = dense().fit(table, labels)
    one_by_one = np.concatenate([fitted.predict_proba(row[None]) for row in table])
    np.testing.assert_allclose(one_by_one, fitted.predict_proba(table), atol=1e-6)


def test_data_frame_keeps_its_names(table, labels):
    frame = pd.DataFrame(table, columns=list("abcde"))
    fitted = dense().fit(frame, labels)
    assert fitted.feature_names_in_.tolist() == list("abcde")
    assert fitted.transform(frame).shape == (40, 5)
    with pytest.raises(ValueError, match="feature names should match"):
        fitted.predict(frame.rename(columns={"a": "z"}))


def test_table_of_another_width_is_named_without_spectrograms(table, labels):
    with pytest.raises(
        ValueError, match="X has 4 features, but CenterLossClassifier is expecting 5"
    ) as caught:
        dense().fit(table, labels).predict(table[:, :4])
    assert "bins" not in str(caught.value)


@pytest.mark.parametrize("make_items", [list, lambda X: X, lambda X: X.pad()[0]])
def test_dense_refuses_spectrograms(frames, emotions, make_items):
    with pytest.raises(ValueError, match=r'"dense" takes a table .*got Spectrograms\(n=30.*network="pooled"'):
        dense().fit(make_items(frames), emotions)


def test_pooled_learns_from_the_deviation_of_the_frames(frames, emotions):
    fitted = pooled(max_epochs=40, lr=0.02).fit(frames, emotions)
    assert fitted.score(frames, emotions) > 0.95


def test_neither_network_augments(table, labels, frames, emotions):
    for network, data in ((dense, (table, labels)), (pooled, (frames, emotions))):
        default, without = network().fit(*data), network(augmentation=None).fit(*data)
        np.testing.assert_array_equal(default.predict_proba(data[0]), without.predict_proba(data[0]))
        with pytest.raises(ValueError, match=r"augmentation=\{'gain': 3\} has no effect on network="):
            network(augmentation={"gain": 3}).fit(*data)


@pytest.mark.parametrize("name", ["dense", "pooled"])
def test_parameters_of_other_networks_are_refused(name, table, labels):
    with pytest.raises(ValueError, match=f"rnn_units=8 has no effect on network='{name}'"):
        CenterLossClassifier(network=name, rnn_units=8).fit(table, labels)
    with pytest.raises(ValueError, match=f"network='{name}' takes only hidden_units in .*, got 'units'"):
        CenterLossClassifier(network=name, network_params={"units": 8}).fit(table, labels)


@pytest.fixture(params=["dense", "pooled"])
def fitted(request, table, labels, frames, emotions):
    """A classifier and its input."""
    if request.param == "dense":
        return dense(lr=0.02, dropout=0.3).fit(table, labels), table, labels
    return pooled(lr=0.02, dropout=0.3).fit(frames, emotions), frames, emotions


def test_model_file_keeps_predictions_and_continues(fitted, tmp_path):
    classifier, X, y = fitted
    save_model(classifier, tmp_path / "model", optimizer=True)
    loaded = load_model(tmp_path / "model", device="cpu")
    np.testing.assert_array_equal(loaded.predict_proba(X), classifier.predict_proba(X))
    continued = copy.deepcopy(classifier).partial_fit(X, y)
    np.testing.assert_array_equal(loaded.partial_fit(X, y).predict_proba(X), continued.predict_proba(X))


def test_size_that_does_not_fit_the_tensors_of_a_model_file_is_refused(fitted, tmp_path):
    classifier = fitted[0]
    for size in (10, 10**14):
        classifier.network_params = {"hidden_units": size}
        with pytest.raises(ValueError, match=r"tensors are not those|cannot make a network"):
            save_model(classifier, tmp_path / "model")


def test_checkpoint_continues(fitted, tmp_path):
    classifier, X, y = fitted
    classifier.set_params(checkpoint_dir=tmp_path)
    first, second = (copy.deepcopy(classifier).fit(X, y) for _ in range(2))
    np.testing.assert_array_equal(first.predict_proba(X), second.predict_proba(X))
    classifier.set_params(network_params={"hidden_units": 8}).fit(X, y)
    assert len(list(tmp_path.iterdir())) == 2


def test_grid_search_over_the_size(fitted):
    classifier, X, y = fitted
    grid = {"network_params": [{"hidden_units": 4}, {"hidden_units": 16}], "center_lambda": [0, 0.3]}
    search = GridSearchCV(classifier, grid, cv=2, error_score="raise").fit(X, y)
    assert search.best_params_["network_params"] in grid["network_params"]


def test_onnx_of_a_table_takes_features(table, labels, tmp_path):
    classifier = dense(lr=0.02).fit(table, labels)
    to_onnx(classifier, tmp_path / "model.onnx")
    session = InferenceSession(tmp_path / "model.onnx")
    assert [(entry.name, entry.shape) for entry in session.get_inputs()] == [("features", ["batch", 5])]
    probabilities, embedding = session.run(["probabilities", "embedding"], {"features": table})
    np.testing.assert_allclose(probabilities, classifier.predict_proba(table), rtol=0, atol=1e-5)
    np.testing.assert_allclose(embedding, classifier.transform(table), rtol=0, atol=1e-5)
    assert json.loads(session.get_modelmeta().custom_metadata_map["classes"]) == ["high", "low"]


def test_onnx_of_frames_ignores_padding(frames, emotions, tmp_path):
    classifier = pooled(lr=0.02).fit(frames, emotions)
    to_onnx(classifier, tmp_path / "model.onnx")
    session = InferenceSession(tmp_path / "model.onnx")
    for items in (frames, Spectrograms([item[:, :n] for item, n in zip(frames, (1, 20, 2), strict=False)])):
        spectrogram, lengths = items.pad(np.nan)
        inputs = {"spectrogram": spectrogram, "lengths": lengths}
        probabilities, embedding = session.run(["probabilities", "embedding"], inputs)
        np.testing.assert_allclose(probabilities, classifier.predict_proba(items), rtol=0, atol=1e-5)
        np.testing.assert_allclose(embedding, classifier.transform(items), rtol=0, atol=1e-5)


def test_layer_that_was_replaced_is_not_exported(table, labels, tmp_path):
    classifier = dense().fit(table, labels)
    classifier.net_.module_.hidden = nn.Sequential(nn.Linear(5, 9), nn.Sigmoid())
    with pytest.raises(
        TypeError, match=r"the network's hidden.1 is a Sigmoid, which to_onnx does not support"
    ):
        to_onnx(classifier, tmp_path / "model.onnx")
