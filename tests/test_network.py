"""The network: padding, degenerate sizes, variants."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from skser import SpectrogramNetwork
from skser.nn._batch_norm import MaskedBatchNorm2d

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
    garbage = S.clone()
    for item, length in zip(garbage, lengths, strict=True):
        item[:, length:] = torch.nan
    with torch.no_grad():
        together = network(S, lengths)
        with_nan = network(garbage, lengths)
        alone = [network(S[i : i + 1, :, :n], lengths[i : i + 1]) for i, n in enumerate(lengths)]
    for index in range(2):
        torch.testing.assert_close(with_nan[index], together[index], rtol=0, atol=0)
        alone_index = torch.cat([outputs[index] for outputs in alone])
        torch.testing.assert_close(alone_index, together[index], rtol=0, atol=1e-6)


def test_without_lengths_padding_would_matter(padded):
    S, lengths = padded
    network = make()
    with torch.no_grad():
        right, wrong = network(S, lengths)[1], network(S, torch.full((6,), 97))[1]
    assert (right - wrong)[1:].abs().max() > 1e-3


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("n_bins", [1, 2, 3, 17])
@pytest.mark.parametrize("n_frames", [1, 2, 5])
def test_works_from_one_bin_and_one_frame_upwards(variant, n_bins, n_frames):
    network = SpectrogramNetwork(n_bins, 2, **variant)
    for training in (True, False):
        logits, embedding = network.train(training)(
            torch.randn(1, n_bins, n_frames), torch.tensor([n_frames])
        )
        assert logits.shape == (1, 2)
        assert torch.isfinite(embedding).all()


def test_long_spectrogram_passes():
    with torch.no_grad():
        logits, _ = make()(torch.randn(1, 20, 12_000), torch.tensor([12_000]))
    assert torch.isfinite(logits).all()


def test_training_does_not_depend_on_padding(padded):
    S, lengths = padded[0][:, :, :64].double(), padded[1].clamp_max(64)
    longer = torch.cat([S, torch.randn(6, 20, 200)], dim=2)
    gradients = []
    for batch in (S, longer):
        network = make().double().train()
        network(batch, lengths)[0].square().sum().backward()
        gradients.append(network.convolutions[0].conv.weight.grad)
    torch.testing.assert_close(*gradients, rtol=1e-9, atol=1e-12)


def test_spectrograms_are_standardised(padded):
    S, lengths = padded
    mean, std = torch.linspace(-3, 3, 20), torch.linspace(0.5, 2, 20)
    network = make()
    plain = network(S, lengths)[0]
    network.standardise_with(mean, std)
    torch.testing.assert_close(
        network(S * std[:, None] + mean[:, None], lengths)[0], plain, rtol=1e-4, atol=1e-5
    )
    assert {"bin_mean", "bin_std"} <= set(network.state_dict())


def test_default_has_the_documented_shape():
    network = SpectrogramNetwork(64, 4)
    kernels = [tuple(block.conv.weight.shape) for block in network.convolutions]
    assert kernels == [(24, 1, 7, 7), (32, 24, 3, 3), (48, 32, 3, 3), (64, 48, 3, 3)]
    assert [block.stride for block in network.convolutions] == [
        (4, 2),
        (2, 2),
        (2, 2),
        (1, 2),
    ]  # time, frequency
    assert network.rnn.hidden_size == 64
    assert network.rnn.bidirectional
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


def masked_batch_norm_by_hand(x, mask, weight, bias, eps=1e-5):
    valid = mask.bool().expand_as(x)
    columns = []
    for channel in range(x.shape[1]):
        values = x[:, channel][valid[:, channel]]
        normal = (x[:, channel] - values.mean()) / (values.var(correction=0) + eps).sqrt()
        columns.append((normal * weight[channel] + bias[channel]) * mask[:, 0])
    return torch.stack(columns, dim=1)


@pytest.fixture
def activations() -> tuple[torch.Tensor, torch.Tensor]:
    x = 3 + torch.randn(3, 2, 5, 4, dtype=torch.double, generator=torch.Generator().manual_seed(2))
    mask = (torch.arange(5) < torch.tensor([[5], [2], [3]])).double()[:, None, :, None]
    return x, mask


def padding_of(mask: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    return torch.nonzero(mask[:, 0, :, 0] == 0, as_tuple=True)


def test_batch_norm_counts_valid_frames_alone(activations):
    x, mask = activations
    norm = MaskedBatchNorm2d(2).double()
    nn.init.uniform_(norm.weight)
    nn.init.uniform_(norm.bias)
    expected = masked_batch_norm_by_hand(x, mask, norm.weight, norm.bias)
    torch.testing.assert_close(norm(x.clone(), padding_of(mask)), expected)
    valid = x.transpose(0, 1)[:, mask[:, 0].bool().expand(3, 5, 4)]
    torch.testing.assert_close(norm.running_mean, 0.1 * valid.mean(1))
    torch.testing.assert_close(norm.running_var, 0.9 + 0.1 * valid.var(1))


@pytest.mark.parametrize("with_mask", [True, False])
def test_gradient_of_batch_norm(activations, with_mask):
    x, mask = activations
    norm = MaskedBatchNorm2d(2).double()
    padding = padding_of(mask) if with_mask else None
    assert torch.autograd.gradcheck(lambda x: norm(x.clone(), padding), (x.requires_grad_(),))
    for parameter in (norm.weight, norm.bias):
        loss = norm(x.clone(), padding).pow(3).sum()
        (gradient,) = torch.autograd.grad(loss, parameter)
        with torch.no_grad():
            parameter[0] += 1e-6
            ahead = norm(x.clone(), padding).pow(3).sum()
            parameter[0] -= 1e-6
        torch.testing.assert_close(gradient[0], (ahead - loss) / 1e-6, rtol=1e-3, atol=1e-3)


def test_batch_norm_without_padding_is_torchs(activations):
    x, _ = activations
    ours, theirs = MaskedBatchNorm2d(2).double(), nn.BatchNorm2d(2).double()
    torch.testing.assert_close(ours(x), theirs(x))
    torch.testing.assert_close(ours.running_var, theirs.running_var)
    torch.testing.assert_close(ours.eval()(x), theirs.eval()(x))


def test_batch_norm_of_one_value_gives_the_bias():
    norm = MaskedBatchNorm2d(1)
    nn.init.constant_(norm.bias, 0.25)
    assert norm(torch.full((1, 1, 1, 1), 7.0)).item() == 0.25


@pytest.mark.parametrize("rnn", ["gru", "lstm"])
def test_integers_of_numpy_do_as_sizes(rnn):
    """As a search over np.arange hands them over."""
    sizes = {"channels": tuple(np.array([4, 6])), "rnn_units": np.int64(5), "embedding_dim": np.int64(3)}
    _, embedding = make(rnn=rnn, **sizes).eval()(torch.zeros(1, 20, 9), torch.tensor([9]))
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


def test_second_derivative_says_that_there_is_none(padded):
    network = make().train()
    (gradient,) = torch.autograd.grad(
        network(*padded)[0].sum(), network.convolutions[0].conv.weight, create_graph=True
    )
    with pytest.raises(RuntimeError, match="differentiate twice"):
        gradient.sum().backward()
