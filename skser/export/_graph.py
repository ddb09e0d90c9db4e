"""A network as a graph of ONNX operators.

The graph is built from the parts of the network instead of traced: tracers do not support packed sequences,
which become `sequence_lens` of ONNX's recurrent operators.

Shapes in comments: B items per batch, T frames, F frequency bins, C channels, H recurrent units.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import chain
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor, nn

from ..nn import (
    MIN_FRAMES,
    NETWORKS,
    Attention,
    ConvolutionBlock,
    DenseNetwork,
    HeadNetwork,
    MaskedBatchNorm2d,
    PooledNetwork,
    PublishedBlock,
    PublishedNetwork,
    SpectrogramNetwork,
    StandardizedNetwork,
)

if TYPE_CHECKING:
    from onnx import ModelProto, NodeProto, TensorProto

# Old enough for the runtimes in browsers and on devices. Version 8 of the file format belongs to it.
_OPSET = 17
_IR_VERSION = 8

_BOTH_DIRECTIONS = {
    f"{name}_l0{direction}"
    for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
    for direction in ("", "_reverse")
}

# The supported modules and the parts of each: modules, parameters, buffers and, for modules of this package,
# plain attributes.
_PARTS: dict[type[nn.Module], set[str]] = {
    SpectrogramNetwork: {"bin_mean", "bin_std", "convolutions", "rnn", "attention", "embedding", "classes"},
    ConvolutionBlock: {"conv", "norm", "pool", "conv_stride", "stride"},
    PublishedNetwork: {"bin_mean", "bin_std", "convolutions", "rnn", "embedding", "activation", "classes"},
    PublishedBlock: {"conv", "batch_norm", "kernel_size", "stride", "pool"},
    Attention: {"score"},
    MaskedBatchNorm2d: {"weight", "bias", "running_mean", "running_var", "num_batches_tracked"},
    DenseNetwork: {"bin_mean", "bin_std", "hidden", "embedding", "classes"},
    PooledNetwork: {"bin_mean", "bin_std", "hidden", "embedding", "classes"},
    nn.Conv2d: {"weight", "bias"},
    nn.GRU: _BOTH_DIRECTIONS,
    nn.LSTM: _BOTH_DIRECTIONS,
    nn.Linear: {"weight", "bias"},
    nn.Tanh: set(),
    nn.PReLU: {"weight"},
    nn.Identity: set(),
}
_OWN_MODULES = {network.__module__ for network in NETWORKS.values()}
# Parts of a network that have no effect in evaluation mode, whatever their type.
_TRAINING_ONLY = {"augmentation", "dropout"}
_OPTIONAL = {"attention", "batch_norm", "bias"} | _TRAINING_ONLY

# ONNX operator of each recurrent layer, the order of its gates as indices of torch's gates (r z n in torch
# are z r h in ONNX, i f g o are i o f c), and further attributes.
_RECURRENT_OPERATORS: dict[type[nn.Module], tuple[str, list[int], dict[str, Any]]] = {
    nn.GRU: ("GRU", [1, 0, 2], {"linear_before_reset": 1}),
    nn.LSTM: ("LSTM", [0, 3, 1, 2], {}),
}


class _Graph:
    """Nodes and constants in the order of computation."""

    def __init__(self) -> None:
        self.nodes: list[NodeProto] = []
        self.constants: list[TensorProto] = []

    def add(
        self,
        operator: str,
        *inputs: str | Tensor | ArrayLike,
        name: str = "",
        output: int = 0,
        **attributes: Any,
    ) -> str:
        """Add a node and return the name of its output; an input that is not a name becomes a constant."""
        from onnx import helper

        name = name or f"{operator}_{len(self.nodes)}"
        names = [
            value if isinstance(value, str) else self._constant(f"{name}_input_{position}", value)
            for position, value in enumerate(inputs)
        ]
        self.nodes.append(helper.make_node(operator, names, [""] * output + [name], name=name, **attributes))
        return name

    def _constant(self, name: str, value: Tensor | ArrayLike) -> str:
        """Add a constant and return its name."""
        from onnx import numpy_helper

        array = value.detach().numpy() if isinstance(value, Tensor) else np.asarray(value)
        self.constants.append(numpy_helper.from_array(array, name))
        return name


def network_to_onnx(network: StandardizedNetwork, temperature: float) -> ModelProto:
    """Build the ONNX model of a network in evaluation mode, with probabilities at a temperature."""
    from onnx import TensorProto, helper

    _check_parts(network)
    graph = _Graph()
    embedding = _EMBED[type(network)](graph, network)
    scores = _linear(graph, network.classes, embedding)
    if temperature != 1:
        scores = graph.add("Div", scores, np.float32(temperature))
    graph.add("Softmax", scores, axis=1, name="probabilities")
    describe, floats, integers = helper.make_tensor_value_info, TensorProto.FLOAT, TensorProto.INT64
    n_bins = len(network.bin_mean)
    inputs = [
        describe("spectrogram", floats, ["batch", n_bins, "time"], "Padded at their ends."),
        describe("lengths", integers, ["batch"], "Frames of each item, from 1 to time."),
    ]
    if isinstance(network, DenseNetwork):
        inputs = [describe("features", floats, ["batch", n_bins])]
    outputs = [
        describe(
            "probabilities", floats, ["batch", network.classes.out_features], "In the order of classes."
        ),
        describe("embedding", floats, ["batch", network.embedding.out_features]),
    ]
    return helper.make_model(
        helper.make_graph(graph.nodes, "skser", inputs, outputs, graph.constants),
        opset_imports=[helper.make_opsetid("", _OPSET)],
        ir_version=_IR_VERSION,
    )


def _check_parts(network: nn.Module) -> None:
    """Raise if a part of a network is not supported."""
    for path, module in network.named_modules():
        where = f"the network's {path}" if path else "the network"
        if path.partition(".")[0] in _TRAINING_ONLY or isinstance(module, (nn.ModuleList, nn.Sequential)):
            continue
        if type(module) not in _PARTS:
            raise TypeError(
                f"{where} is a {type(module).__name__}, which to_onnx does not support: use the layers of "
                "a network of this package."
            )
        tensors = chain(module.named_parameters(recurse=False), module.named_buffers(recurse=False))
        parts = {name for name, _ in chain(module.named_children(), tensors)}
        if type(module).__module__ in _OWN_MODULES:
            parts |= {name for name in vars(module) if not name.startswith("_")} - {"training"}
        if differing := sorted((parts ^ _PARTS[type(module)]) - _OPTIONAL):
            raise TypeError(
                f"{where} has added or missing parts ({', '.join(differing)}), which to_onnx does not "
                "support: use the layers of a network of this package."
            )


def _standardize(graph: _Graph, network: StandardizedNetwork) -> str:
    """Standardize and mask the spectrograms: (B, T, F)."""
    x = _scale(graph, network, graph.add("Transpose", "spectrogram", perm=[0, 2, 1]))
    # "Where" instead of a product, because 0 * NaN is NaN.
    return graph.add("Where", _mask(graph, x, "lengths", n_axes=3), x, np.float32(0))


def _scale(graph: _Graph, network: StandardizedNetwork, x: str) -> str:
    """Subtract the mean of each bin, on the last axis, and divide by its deviation."""
    return graph.add("Div", graph.add("Sub", x, network.bin_mean), network.bin_std)


def _embed_crnn(graph: _Graph, network: SpectrogramNetwork) -> str:
    """Compute the embeddings of the default network."""
    x = graph.add("Unsqueeze", _standardize(graph, network), [1])  # (B, 1, T, F)
    lengths = "lengths"
    for block in cast("Iterable[ConvolutionBlock]", network.convolutions):
        x, lengths = _convolution_block(graph, block, x, lengths)
    x = _run_rnn(graph, network.rnn, x, lengths, last=network.attention is None)
    if network.attention is not None:
        x = _attend(graph, network.attention, x, lengths)
    return _linear(graph, network.embedding, x, name="embedding")


def _embed_published(graph: _Graph, network: PublishedNetwork) -> str:
    """Compute the embeddings of the published network."""
    x = _standardize(graph, network)
    missing = graph.add("Max", graph.add("Sub", [MIN_FRAMES], _size(graph, x, 1)), [0])
    pads = graph.add("Concat", [0, 0, 0, 0], missing, [0], axis=0)  # at the starts and the ends of three axes
    x = graph.add("Unsqueeze", graph.add("Pad", x, pads), [1])  # (B, 1, T, F)
    lengths = graph.add("Max", "lengths", [MIN_FRAMES])
    for block in cast("Iterable[PublishedBlock]", network.convolutions):
        x, lengths = _published_block(graph, block, x, lengths)
    x = _run_rnn(graph, network.rnn, x, lengths, last=True)
    if isinstance(network.activation, nn.Identity):
        return _linear(graph, network.embedding, x, name="embedding")
    x = _linear(graph, network.embedding, x)
    return graph.add("PRelu", x, network.activation.weight, name="embedding")


def _embed_table(graph: _Graph, network: DenseNetwork) -> str:
    """Compute the embeddings of the network for tables."""
    return _embed_features(graph, network, _scale(graph, network, "features"))


def _embed_pooled(graph: _Graph, network: PooledNetwork) -> str:
    """Compute the embeddings of the network that pools frames by their mean and deviation."""
    from onnx import TensorProto

    x = _standardize(graph, network)
    valid = _mask(graph, x, "lengths", n_axes=3)  # (B, T, 1)
    count = graph.add("Unsqueeze", graph.add("Cast", "lengths", to=TensorProto.FLOAT), [1, 2])
    mean = graph.add("Div", graph.add("ReduceSum", x, [1], keepdims=1), count)  # (B, 1, F)
    difference = graph.add("Where", valid, graph.add("Sub", x, mean), np.float32(0))
    norm = graph.add("ReduceL2", difference, axes=[1], keepdims=1)
    deviation = graph.add("Div", norm, graph.add("Sqrt", count))
    both = graph.add("Squeeze", graph.add("Concat", mean, deviation, axis=2), [1])  # (B, 2 * F)
    return _embed_features(graph, network, both)


def _embed_features(graph: _Graph, network: HeadNetwork, x: str) -> str:
    """Apply the two linear layers to (B, n_inputs)."""
    hidden = graph.add("Relu", _linear(graph, network.hidden, x))
    return _linear(graph, network.embedding, hidden, name="embedding")


def _convolution_block(graph: _Graph, block: ConvolutionBlock, x: str, lengths: str) -> tuple[str, str]:
    """Convolve, normalize, mask, pool and activate."""
    from onnx import TensorProto

    x = _convolution(graph, block.conv, x)
    lengths = _shorten(graph, lengths, block.conv_stride[0])
    x = _normalization(graph, block.norm, x)
    x = graph.add("Mul", x, graph.add("Cast", _mask(graph, x, lengths), to=TensorProto.FLOAT))
    if block.pool != (1, 1):
        x = graph.add("MaxPool", x, kernel_shape=block.pool, strides=block.pool, ceil_mode=1)
    return graph.add("Relu", x), _shorten(graph, lengths, block.pool[0])


def _published_block(graph: _Graph, block: PublishedBlock, x: str, lengths: str) -> tuple[str, str]:
    """Convolve, normalize if requested, pool and activate."""
    x = _convolution(graph, block.conv, x)
    shorter = graph.add("Div", graph.add("Sub", lengths, [block.kernel_size]), [block.stride])
    lengths = graph.add("Add", shorter, [1])
    if block.batch_norm is not None:
        x = _normalization(graph, block.batch_norm, x)
    if block.pool > 1:
        x = graph.add("MaxPool", x, kernel_shape=[block.pool] * 2, strides=[block.pool] * 2)
    return graph.add("Relu", x), graph.add("Div", lengths, [block.pool])


def _convolution(graph: _Graph, conv: nn.Conv2d, x: str) -> str:
    """Apply a convolution to (B, C, T, F)."""
    return graph.add(
        "Conv",
        x,
        *(conv.weight,) if conv.bias is None else (conv.weight, conv.bias),
        strides=conv.stride,
        pads=[*conv.padding, *conv.padding],
        dilations=conv.dilation,
        group=conv.groups,
    )


def _normalization(graph: _Graph, norm: MaskedBatchNorm2d, x: str) -> str:
    """Apply batch normalization to (B, C, T, F)."""
    statistics = (norm.weight, norm.bias, norm.running_mean, norm.running_var)
    return graph.add("BatchNormalization", x, *statistics, epsilon=norm.eps)


def _run_rnn(graph: _Graph, rnn: nn.RNNBase, x: str, lengths: str, *, last: bool) -> str:
    """Apply a recurrent layer to (B, C, T, F): its last outputs (B, 2 * H), or all outputs (B, T, 2 * H)."""
    from onnx import TensorProto

    operator, gate_order, attributes = _RECURRENT_OPERATORS[type(rnn)]
    x = graph.add("Transpose", x, perm=[2, 0, 3, 1])  # (T, B, F, C)
    x = graph.add("Reshape", x, [0, 0, rnn.input_size])
    weight, recurrent_weight = (_stack_gates(rnn, name, gate_order) for name in ("weight_ih", "weight_hh"))
    bias = torch.cat([_stack_gates(rnn, name, gate_order) for name in ("bias_ih", "bias_hh")], dim=1)
    x = graph.add(
        operator,
        *(x, weight, recurrent_weight, bias, graph.add("Cast", lengths, to=TensorProto.INT32)),
        output=1 if last else 0,
        direction="bidirectional",
        hidden_size=rnn.hidden_size,
        **attributes,
    )
    if last:
        x = graph.add("Transpose", x, perm=[1, 0, 2])  # last outputs, (2, B, H) -> (B, 2, H)
        return graph.add("Reshape", x, [0, 2 * rnn.hidden_size])
    x = graph.add("Transpose", x, perm=[2, 0, 1, 3])  # (T, 2, B, H) -> (B, T, 2, H)
    return graph.add("Reshape", x, [0, 0, 2 * rnn.hidden_size])


def _attend(graph: _Graph, attention: Attention, x: str, lengths: str) -> str:
    """Average (B, T, 2 * H) over the frames, weighted by attention."""
    score = x
    for layer in attention.score:
        score = _linear(graph, layer, score) if isinstance(layer, nn.Linear) else graph.add("Tanh", score)
    valid = _mask(graph, score, lengths, n_axes=3)  # (B, T, 1)
    score = graph.add("Where", valid, score, np.float32(-np.inf))
    weight = graph.add("Softmax", score, axis=1)
    return graph.add("ReduceSum", graph.add("Mul", x, weight), [1], keepdims=0)


def _linear(graph: _Graph, layer: nn.Linear, x: str, name: str = "") -> str:
    """Apply a linear layer to the last axis."""
    if layer.bias is None:
        return graph.add("MatMul", x, layer.weight.T, name=name)
    return graph.add("Add", graph.add("MatMul", x, layer.weight.T), layer.bias, name=name)


def _stack_gates(rnn: nn.RNNBase, name: str, order: Sequence[int]) -> Tensor:
    """Stack a parameter of both directions, with reordered gates."""
    directions = [getattr(rnn, f"{name}_l0{suffix}").chunk(len(order)) for suffix in ("", "_reverse")]
    return torch.stack([torch.cat([gates[gate] for gate in order]) for gates in directions])


def _mask(graph: _Graph, x: str, lengths: str, n_axes: int = 4) -> str:
    """Mask the frames before the end of each item: (B, 1, T, 1) for four axes, (B, T, 1) for three."""
    n_frames = graph.add("Squeeze", _size(graph, x, -2))
    frames = graph.add("Unsqueeze", graph.add("Range", np.int64(0), n_frames, np.int64(1)), [1])  # (T, 1)
    return graph.add("Less", frames, graph.add("Unsqueeze", lengths, list(range(1, n_axes))))


def _size(graph: _Graph, x: str, axis: int) -> str:
    """Size of an axis, as an array of one number."""
    return graph.add("Shape", x, start=axis, end=axis + 1)


def _shorten(graph: _Graph, lengths: str, stride: int) -> str:
    """Lengths after a stride in time, rounded up."""
    if stride == 1:
        return lengths
    return graph.add("Div", graph.add("Add", lengths, [stride - 1]), [stride])


# How the embeddings of each network are computed.
_EMBED: dict[type[StandardizedNetwork], Callable[[_Graph, Any], str]] = {
    SpectrogramNetwork: _embed_crnn,
    PublishedNetwork: _embed_published,
    DenseNetwork: _embed_table,
    PooledNetwork: _embed_pooled,
}
