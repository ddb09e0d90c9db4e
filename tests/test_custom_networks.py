"""The choice of a network: by name, or a class of the user."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV
from torch import nn

from skser import CenterLossClassifier, SpectrogramNetwork, Spectrograms, load_model, save_model, to_onnx

TINY = {"embedding_dim": 5, "max_epochs": 2, "batch_size": 8, "device": "cpu", "random_state": 0}
CRNN = {**TINY, "channels": (4, 4), "rnn_units": 4}
N_BINS = 6


class MeanNetwork(nn.Module):
    """A linear embedding of the mean over the valid frames."""

    def __init__(self, n_bins: int, n_classes: int, width: int = 5) -> None:
        super().__init__()
        self.embedding_layer = nn.Linear(n_bins, width)
        self.scores = nn.Linear(width, n_classes)

    def forward(self, spectrogram, lengths):
        mean = spectrogram.sum(dim=2) / lengths.to(spectrogram)[:, None]
        z = self.embedding_layer(mean)
        return self.scores(z), z


class Watching(MeanNetwork):
    """Keeps its last input."""

    def forward(self, spectrogram, lengths):
        type(self).seen = (spectrogram.detach().clone(), lengths.clone())
        return super().forward(spectrogram, lengths)


class OnlyLogits(MeanNetwork):
    """Forgets the embeddings."""

    def forward(self, spectrogram, lengths):
        return super().forward(spectrogram, lengths)[0]


@pytest.fixture(scope="module")
def X() -> Spectrograms:
    rng = np.random.default_rng(0)
    return Spectrograms([rng.normal(-60 + 9 * (n % 3), 10, size=(N_BINS, n)) for n in range(10, 34)])


@pytest.fixture(scope="module")
def y() -> list[str]:
    return ["calm", "angry", "sad"] * 8


def make(network=MeanNetwork, **parameters) -> CenterLossClassifier:
    return CenterLossClassifier(**{**TINY, "network": network, **parameters})


def test_custom_class_learns_and_has_all_methods(X, y):
    fitted = make(max_epochs=30, lr=0.05).fit(X, y)
    assert fitted.score(X, y) > 0.8
    assert fitted.transform(X).shape == (24, 5)
    assert fitted.centers_.shape == (3, 5)
    assert fitted.get_feature_names_out().tolist() == [f"centerlossclassifier{n}" for n in range(5)]
    assert pickle.loads(pickle.dumps(fitted)).score(X, y) == fitted.score(X, y)


def test_custom_class_gets_standardized_spectrograms_with_zeros_after_the_end(X, y):
    make(Watching, augmentation=None, max_epochs=1).fit(X, y)
    fitted = make(Watching, augmentation=None, max_epochs=1).fit(X, y)
    fitted.predict(X[[0, 5]])
    spectrogram, lengths = Watching.seen
    mean, std = X.mean_and_std()
    assert lengths.tolist() == [10, 15]
    assert not spectrogram[0, :, 10:].any()
    np.testing.assert_allclose(spectrogram[1], (X[5] - mean[:, None]) / std[:, None], rtol=1e-4, atol=1e-5)


def test_custom_class_gets_augmented_spectrograms_in_training_only(X, y):
    items = X[[0]]
    mean, std = X.mean_and_std()
    plain = (items[0] - mean[:, None]) / std[:, None]
    fitted = make(Watching, augmentation={"gain": 30.0}).fit(X, y)
    fitted.predict(items)
    np.testing.assert_allclose(Watching.seen[0][0], plain, rtol=1e-4, atol=1e-5)
    fitted.net_.module_.train()(torch.from_numpy(np.ascontiguousarray(items[0]))[None], torch.tensor([10]))
    assert not np.allclose(Watching.seen[0][0], plain, atol=0.1)


def test_network_params_reach_the_class_and_are_not_changed(X, y):
    network_params = {"width": 3}
    fitted = make(network_params=network_params, embedding_dim=3).fit(X, y)
    assert fitted.net_.module_.network.scores.in_features == 3
    assert network_params == {"width": 3}


@pytest.mark.parametrize("name", ["foo", "foo__bar", "optimiser__lr", "args", "kwargs"])
def test_unknown_names_in_net_params_are_refused(X, y, name):
    with pytest.raises(
        ValueError, match=rf"net_params\['{name}'\] is not a parameter of skorch's NeuralNetC"
    ):
        make(net_params={name: 1}).fit(X, y)


def test_clone_copies_and_set_params(X, y):
    classifier = make(network_params={"width": 5})
    assert clone(classifier).get_params() == classifier.get_params()
    assert copy.deepcopy(classifier.fit(X, y)).score(X, y) == classifier.score(X, y)
    changed = classifier.set_params(network="crnn", network_params=None, channels=(4, 4), rnn_units=4)
    assert type(changed.fit(X, y).net_.module_) is SpectrogramNetwork


def test_grid_search_over_networks_and_their_parameters(X, y):
    grid = [
        {"network": [MeanNetwork], "network_params": [None, {"width": 5}]},
        {"network": ["crnn"], "channels": [(4, 4)], "rnn_units": [4]},
    ]
    search = GridSearchCV(CenterLossClassifier(**TINY), grid, cv=2, error_score="raise").fit(X, y)
    scores = search.cv_results_["mean_test_score"]
    assert len(scores) == 3
    assert scores[0] == scores[1]  # 5 is the default width


def test_partial_fit_continues_custom_class(X, y):
    whole = make(augmentation=None, schedule="constant").fit(X, y)
    parts = make(augmentation=None, schedule="constant").partial_fit(X, y).partial_fit(X, y)
    np.testing.assert_array_equal(whole.predict_proba(X), parts.predict_proba(X))


def test_checkpoint_holds_custom_class_and_another_class_starts_again(X, y, tmp_path):
    first = make(checkpoint_dir=tmp_path).fit(X, y)
    second = make(checkpoint_dir=tmp_path).fit(X, y)
    assert len(list(tmp_path.iterdir())) == 1
    np.testing.assert_array_equal(first.predict_proba(X), second.predict_proba(X))
    make(Watching, checkpoint_dir=tmp_path).fit(X, y)
    make(network_params={"width": 5}, checkpoint_dir=tmp_path).fit(X, y)
    assert len(list(tmp_path.iterdir())) == 3


def test_model_file_refuses_custom_class(X, y, tmp_path):
    with pytest.raises(
        ValueError, match=r"the model has a network of the class MeanNetwork, but .* torch.save"
    ):
        save_model(make().fit(X, y), tmp_path / "model")
    assert not list(tmp_path.iterdir())


def test_weights_of_custom_class_can_be_saved_as_the_message_says(X, y, tmp_path):
    fitted, other = make().fit(X, y), make(random_state=1).fit(X, y)
    torch.save(fitted.net_.module_.state_dict(), tmp_path / "weights")
    other.net_.module_.load_state_dict(torch.load(tmp_path / "weights", weights_only=True))
    np.testing.assert_array_equal(other.predict_proba(X), fitted.predict_proba(X))


def test_onnx_refuses_custom_class(X, y, tmp_path):
    with pytest.raises(TypeError, match=r"a network of the class MeanNetwork, but to_onnx can only"):
        to_onnx(make().fit(X, y), tmp_path / "model.onnx")


def test_model_file_cannot_name_another_network(X, y, tmp_path):
    fitted = CenterLossClassifier(**CRNN).fit(X, y)
    fitted.network = "torch.nn.Linear"
    with pytest.raises(ValueError, match="network must be one of"):
        save_model(fitted, tmp_path / "model")


def test_network_of_another_size_than_in_the_file_is_refused(X, y, tmp_path):
    fitted = CenterLossClassifier(**CRNN).fit(X, y)
    save_model(fitted, tmp_path / "model")
    assert load_model(tmp_path / "model", device="cpu").network == "crnn"
    fitted.set_params(channels=(24, 32, 48, 64), rnn_units=64, network="published")
    with pytest.raises(ValueError, match="at least 49 bins"):
        save_model(fitted, tmp_path / "other")


@pytest.mark.parametrize(
    ("network", "message"),
    [
        (OnlyLogits, r"OnlyLogits.forward must return logits of shape \(8, 3\) .*, got Tensor: "),
        (MeanNetwork, r"embeddings of shape \(8, 7\), got shapes \(8, 3\), \(8, 5\): .*set embedding_dim"),
    ],
)
def test_wrong_outputs_of_custom_class_are_named(X, y, network, message):
    with pytest.raises(ValueError, match=message):
        make(network, embedding_dim=7).fit(X, y)


@pytest.mark.parametrize(
    ("parameters", "error", "message"),
    [
        (
            {"network": "rnn"},
            ValueError,
            "network must be one of .*'crnn'.*'published'.* or a subclass of torch",
        ),
        (
            {"network": nn.Linear(2, 2)},
            ValueError,
            "network must be one of .* or a subclass of torch.nn.Module",
        ),
        ({"network": dict}, ValueError, "network must be one of .*, got <class 'dict'>"),
        ({"network_params": [1]}, TypeError, r"network_params must be a dict or None, got \[1\]"),
        (
            {"network_params": {"channels": (4,)}},
            ValueError,
            "network_params cannot set 'channels': use the param",
        ),
        ({"network_params": {"width": 4}}, ValueError, "'crnn' takes no network_params, got 'width'"),
        (
            {"network": "published", "network_params": {"rnn": "gru"}},
            ValueError,
            "'published' takes only channels, rnn_units, prelu, batch_norm in network_params, got 'rnn'",
        ),
        (
            {"network": "published", "network_params": {"dropout": 0.1}},
            ValueError,
            "network_params cannot set 'dropout': use the parameter dropout instead",
        ),
        (
            {"network": "published", "channels": (4, 4)},
            ValueError,
            r"channels=\(4, 4\) has no effect on network='published': .* its default, \(24, 32, 48, 64\)",
        ),
        ({"network": "published", "rnn": "lstm"}, ValueError, "rnn='lstm' has no effect"),
        ({"network": "published", "rnn_units": 4}, ValueError, "rnn_units=4 has no effect"),
        ({"network": "published", "pooling": "attention"}, ValueError, "pooling='attention' has no effect"),
        ({"network": MeanNetwork, "dropout": 0.1}, ValueError, "dropout=0.1 has no effect on network=<class"),
        (
            {"network": MeanNetwork, "network_params": {"depth": 2}},
            TypeError,
            "unexpected keyword argument 'depth'",
        ),
        ({"batching": "sorted"}, ValueError, "batching must be one of 'length', 'random', got 'sorted'"),
    ],
)
def test_bad_parameters_are_named(X, y, parameters, error, message):
    with pytest.raises(error, match=message):
        CenterLossClassifier(**{**TINY, **parameters}).fit(X, y)


def test_defaults_may_be_written_as_a_list(X, y):
    make(channels=[24, 32, 48, 64], max_epochs=1).fit(X, y)


def test_defaults_of_the_classifier_are_those_of_the_network():
    classifier, network = CenterLossClassifier().get_params(), SpectrogramNetwork.__init__.__kwdefaults__
    names = ("channels", "rnn", "rnn_units", "pooling", "dropout", "embedding_dim")
    assert {name: classifier[name] for name in names} == {name: network[name] for name in names}


def test_random_batches_train_another_network_than_batches_by_length(X, y):
    random, by_length = (
        CenterLossClassifier(**CRNN, batching=name).fit(X, y) for name in ("random", "length")
    )
    assert not np.allclose(random.predict_proba(X), by_length.predict_proba(X))
    again = CenterLossClassifier(**CRNN, batching="random").fit(X, y)
    np.testing.assert_array_equal(again.predict_proba(X), random.predict_proba(X))


def test_warm_start_with_another_network_says_so(X, y):
    classifier = CenterLossClassifier(**CRNN, warm_start=True).fit(X, y)
    classifier.set_params(network=MeanNetwork, channels=(24, 32, 48, 64), rnn_units=64)
    with pytest.raises(ValueError, match=r"made with other channels, .*, network or network_params"):
        classifier.fit(X, y)
