"""The network: padding, degenerate sizes, variants, batch normalization."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from skser.nn import MaskedBatchNorm2d, SpectrogramNetwork

VARIANTS = [
    {},
    {"rnn": "lstm"},
    {"pooling": "attention"},
    {"rnn": "lstm", "pooling": "attention", "channels": (8,)},
    {"channels": (4, 8), "rnn_units": 3, "embedding_dim": 5},
]


def make(n_bins: int = 20, **parameters) -> SpectrogramNetwork:
    torch.manual_seed(0)
    network = SpectrogramNetwork(n_bins, 4, **parameters)
    for module in network.modules():  # running statistics as after training
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.uniform_(-1, 1)
            module.running_var.uniform_(0.5, 2)
    return network.eval()


@pytest.fixture
def padded() -> tuple[torch.Tensor, torch.Tensor]:
    lengths = torch.tensor([97, 64, 33, 17, 2, 1])
    return torch.randn(6, 20, 97, generator=torch.Generator().manual_seed(1)), lengths


@pytest.mark.parametrize("variant", VARIANTS)
def test_output_does_not_depend_on_padding_or_batch(padded, variant):
    S, lengths = padded
    network = make(**variant)
    with_nan = S.clone()
    for item, length in zip(with_nan, lengths, strict=True):
        item[:, length:] = torch.nan
    with torch.no_grad():
        together = network(S, lengths)
        one_by_one = [network(S[i : i + 1, :, :n], lengths[i : i + 1]) for i, n in enumerate(lengths)]
        one_by_one = [torch.cat(outputs) for outputs in zip(*one_by_one, strict=True)]
        torch.testing.assert_close(network(with_nan, lengths), together, rtol=0, atol=0)
        torch.testing.assert_close(tuple(one_by_one), together, rtol=0, atol=1e-6)
        without_lengths = network(S, torch.full((6,), 97))
    assert (without_lengths[1] - together[1])[1:].abs().max() > 1e-3


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize(
    "shape", [(n_bins, n_frames) for n_bins in (1, 2, 3, 17) for n_frames in (1, 2, 5)] + [(20, 12_000)]
)
def test_any_number_of_bins_and_frames_is_possible(variant, shape):
    network = SpectrogramNetwork(shape[0], 2, **variant)
    for training in (True, False):
        with torch.no_grad():
            logits, embedding = network.train(training)(torch.randn(1, *shape), torch.tensor([shape[1]]))
        assert logits.shape == (1, 2)
        assert torch.isfinite(embedding).all()


def test_training_does_not_depend_on_padding(padded):
    S, lengths = padded[0][:, :, :64].double(), padded[1].clamp_max(64)
    longer = torch.cat([S, torch.randn(6, 20, 200)], dim=2)
    gradients = []
    for batch in (S, longer):
        network = make().double().train()
        network(batch, lengths)[0].square().sum().backward()
        gradients.append(network.convolutions[0].conv.weight.grad)
    torch.testing.assert_close(*gradients, rtol=1e-9, atol=1e-12)


def test_spectrograms_are_standardized(padded):
    S, lengths = padded
    mean, std = torch.linspace(-3, 3, 20), torch.linspace(0.5, 2, 20)
    network = make()
    plain = network(S, lengths)[0]
    network.standardize_with(mean, std)
    scaled = network(S * std[:, None] + mean[:, None], lengths)[0]
    torch.testing.assert_close(scaled, plain, rtol=1e-4, atol=1e-5)
    assert {"bin_mean", "bin_std"} <= set(network.state_dict())


def test_default_has_the_documented_shape():
    network = SpectrogramNetwork(64, 4)
    kernels = [tuple(block.conv.weight.shape) for block in network.convolutions]
    assert kernels == [(24, 1, 7, 7), (32, 24, 3, 3), (48, 32, 3, 3), (64, 48, 3, 3)]
    strides = [block.stride for block in network.convolutions]  # time, frequency
    assert strides == [(4, 2), (2, 2), (2, 2), (1, 2)]
    assert (network.rnn.hidden_size, network.rnn.bidirectional) == (64, True)
    assert network.embedding.out_features == 64


@pytest.mark.parametrize(
    ("parameters", "error", "message"),
    [
        ({"rnn": "rnn"}, ValueError, "rnn must be one of 'gru', 'lstm', got 'rnn'"),
        ({"pooling": "mean"}, ValueError, "pooling must be one of 'attention', 'last'"),
        ({"channels": ()}, TypeError, "channels must be a sequence of one or more integers"),
        ({"channels": 8}, TypeError, "channels must be a sequence"),
        ({"channels": (8, 0)}, ValueError, r"channels\[1\] must be an integer in \[1, inf\)"),
        ({"channels": (8, 2.5)}, TypeError, r"channels\[1\] must be an integer"),
        ({"rnn_units": 0}, ValueError, "rnn_units must be"),
        ({"dropout": 1.0}, ValueError, r"dropout must be a number in \[0, 1\)"),
        ({"embedding_dim": True}, TypeError, "embedding_dim must be an integer"),
    ],
)
def test_bad_parameters_are_named(parameters, error, message):
    with pytest.raises(error, match=message):
        SpectrogramNetwork(8, 2, **parameters)


@pytest.mark.parametrize("rnn", ["gru", "lstm"])
def test_sizes_may_be_integers_of_numpy(rnn):
    sizes = {"channels": tuple(np.array([4, 6])), "rnn_units": np.int64(5), "embedding_dim": np.int64(3)}
    _, embedding = make(rnn=rnn, **sizes)(torch.zeros(1, 20, 9), torch.tensor([9]))
    assert embedding.shape == (1, 3)


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("part", ["conv", "norm"])
def test_hooks_see_outputs_and_gradients(part, training, padded):
    network, seen = make().train(training), []
    hooked = getattr(network.convolutions[0], part)
    hooked.register_forward_hook(lambda module, inputs, output: seen.append(output))
    hooked.register_full_backward_hook(lambda module, inputs, outputs: seen.append(outputs[0]))
    S, lengths = padded
    network(S.requires_grad_(), lengths)[0].sum().backward()
    output, gradient = seen
    assert output.shape == gradient.shape
    assert output.min() < 0  # before the activation


def test_second_derivative_raises(padded):
    network = make().train()
    (gradient,) = torch.autograd.grad(
        network(*padded)[0].sum(), network.convolutions[0].conv.weight, create_graph=True
    )
    with pytest.raises(RuntimeError, match="differentiate twice"):
        gradient.sum().backward()


@pytest.fixture
def activations() -> tuple[torch.Tensor, torch.Tensor]:
    """Values of shape (3, 2, 5, 4), and which frames of each item are valid."""
    x = 3 + torch.randn(3, 2, 5, 4, dtype=torch.double, generator=torch.Generator().manual_seed(2))
    return x, torch.arange(5) < torch.tensor([[5], [2], [3]])


def test_batch_norm_counts_only_valid_frames(activations):
    x, is_valid = activations
    norm = MaskedBatchNorm2d(2).double()
    nn.init.uniform_(norm.weight)
    nn.init.uniform_(norm.bias)
    y = norm(x.clone(), torch.nonzero(~is_valid, as_tuple=True))
    for channel in range(2):
        values = x[:, channel][is_valid]
        normal = (x[:, channel] - values.mean()) / (values.var(correction=0) + 1e-5).sqrt()
        expected = (normal * norm.weight[channel] + norm.bias[channel]) * is_valid[:, :, None]
        torch.testing.assert_close(y[:, channel], expected)
        torch.testing.assert_close(norm.running_mean[channel], 0.1 * values.mean())
        torch.testing.assert_close(norm.running_var[channel], 0.9 + 0.1 * values.var())


@pytest.mark.parametrize("is_padded", [True, False])
def test_gradient_of_batch_norm(activations, is_padded):
    x, is_valid = activations
    norm = MaskedBatchNorm2d(2).double()
    padding = torch.nonzero(~is_valid, as_tuple=True) if is_padded else None

    def normalise(x, weight, bias):
        parameters = {"weight": weight, "bias": bias}
        return torch.func.functional_call(norm, parameters, (x.clone(), padding))

    inputs = (x, norm.weight.detach().clone(), norm.bias.detach().clone())
    assert torch.autograd.gradcheck(normalise, [value.requires_grad_() for value in inputs])


def test_batch_norm_without_padding_is_that_of_torch(activations):
    x, _ = activations
    ours, theirs = MaskedBatchNorm2d(2).double(), nn.BatchNorm2d(2).double()
    torch.testing.assert_close(ours(x), theirs(x))
    torch.testing.assert_close(ours.running_var, theirs.running_var)
    torch.testing.assert_close(ours.eval()(x), theirs.eval()(x))


def test_batch_norm_of_one_value_is_the_bias():
    norm = MaskedBatchNorm2d(1)
    nn.init.constant_(norm.bias, 0.25)
    assert norm(torch.full((1, 1, 1, 1), 7.0)).item() == 0.25


@pytest.mark.parametrize(
    ("mean", "std"),
    [(np.zeros(3), np.ones(8)), (np.zeros(8), np.zeros(8)), (0.0, 1.0), (np.full(8, np.nan), np.ones(8))],
    ids=["shape", "zero", "scalar", "NaN"],
)
def test_statistics_that_cannot_standardize_are_refused(mean, std):
    network = SpectrogramNetwork(8, 2)
    with pytest.raises(
        ValueError, match=r"mean and std must be finite and of shape \(8,\), and std above zero, got"
    ):
        network.standardize_with(mean, std)
    assert torch.equal(network.bin_std, torch.ones(8))


def test_statistics_may_be_tensors_with_a_gradient():
    network = SpectrogramNetwork(8, 2)
    network.standardize_with(torch.arange(8.0, requires_grad=True), torch.ones(8))
    assert torch.equal(network.bin_mean, torch.arange(8.0))
