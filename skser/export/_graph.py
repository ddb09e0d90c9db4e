"""A network as a graph of ONNX operators.

The graph is built from the parts of the network instead of traced: tracers do not support packed sequences,
which become `sequence_lens` of ONNX's recurrent operators.

Shapes in comments: B items per batch, T frames, F frequency bins, C channels, H recurrent units.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import chain
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor, nn

from ..nn import Attention, ConvolutionBlock, MaskedBatchNorm2d, SpectrogramNetwork

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
    Attention: {"score"},
    MaskedBatchNorm2d: {"weight", "bias", "running_mean", "running_var", "num_batches_tracked"},
    nn.Conv2d: {"weight", "bias"},
    nn.GRU: _BOTH_DIRECTIONS,
    nn.LSTM: _BOTH_DIRECTIONS,
    nn.Linear: {"weight", "bias"},
    nn.Tanh: set(),
}
# Parts of a network that have no effect in evaluation mode, whatever their type.
_TRAINING_ONLY = {"augmentation", "dropout"}
_OPTIONAL = {"attention", "bias"} | _TRAINING_ONLY

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


def network_to_onnx(network: SpectrogramNetwork) -> ModelProto:
    """Build the ONNX model of a network in evaluation mode."""
    from onnx import TensorProto, helper

    _check_parts(network)
    graph = _Graph()
    x, lengths = _convolve(graph, network)
    embedding = _linear(graph, network.embedding, _summarise(graph, network, x, lengths), name="embedding")
    graph.add("Softmax", _linear(graph, network.classes, embedding), axis=1, name="probabilities")
    describe, floats, integers = helper.make_tensor_value_info, TensorProto.FLOAT, TensorProto.INT64
    inputs = [
        describe("spectrogram", floats, ["batch", len(network.bin_mean), "time"], "Padded at their ends."),
        describe("lengths", integers, ["batch"], "Frames of each item, from 1 to time."),
    ]
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
                "SpectrogramNetwork."
            )
        tensors = chain(module.named_parameters(recurse=False), module.named_buffers(recurse=False))
        parts = {name for name, _ in chain(module.named_children(), tensors)}
        if type(module).__module__ == SpectrogramNetwork.__module__:
            parts |= {name for name in vars(module) if not name.startswith("_")} - {"training"}
        if differing := sorted((parts ^ _PARTS[type(module)]) - _OPTIONAL):
            raise TypeError(
                f"{where} has added or missing parts ({', '.join(differing)}), which to_onnx does not "
                "support: use the layers of SpectrogramNetwork."
            )


def _convolve(graph: _Graph, network: SpectrogramNetwork) -> tuple[str, str]:
    """Standardize, mask and convolve; return (B, C, T, F) and the lengths."""
    x = graph.add("Transpose", "spectrogram", perm=[0, 2, 1])  # (B, T, F)
    x = graph.add("Div", graph.add("Sub", x, network.bin_mean), network.bin_std)
    x = graph.add("Unsqueeze", x, [1])  # (B, 1, T, F)
    # "Where" instead of a product, because 0 * NaN is NaN.
    x = graph.add("Where", _mask(graph, x, "lengths"), x, np.float32(0))
    lengths = "lengths"
    for block in cast("Iterable[ConvolutionBlock]", network.convolutions):
        x, lengths = _convolution_block(graph, block, x, lengths)
    return x, lengths


def _convolution_block(graph: _Graph, block: ConvolutionBlock, x: str, lengths: str) -> tuple[str, str]:
    """Convolve, normalize, mask, pool and activate."""
    from onnx import TensorProto

    conv, norm = block.conv, block.norm
    x = graph.add(
        "Conv",
        x,
        *(conv.weight,) if conv.bias is None else (conv.weight, conv.bias),
        strides=conv.stride,
        pads=[*conv.padding, *conv.padding],
        dilations=conv.dilation,
        group=conv.groups,
    )
    lengths = _shorten(graph, lengths, block.conv_stride[0])
    statistics = (norm.weight, norm.bias, norm.running_mean, norm.running_var)
    x = graph.add("BatchNormalization", x, *statistics, epsilon=norm.eps)
    x = graph.add("Mul", x, graph.add("Cast", _mask(graph, x, lengths), to=TensorProto.FLOAT))
    if block.pool != (1, 1):
        x = graph.add("MaxPool", x, kernel_shape=block.pool, strides=block.pool, ceil_mode=1)
    return graph.add("Relu", x), _shorten(graph, lengths, block.pool[0])


def _summarise(graph: _Graph, network: SpectrogramNetwork, x: str, lengths: str) -> str:
    """Apply the recurrent layer to (B, C, T, F) and reduce its outputs to (B, 2 * H)."""
    from onnx import TensorProto

    rnn = network.rnn
    operator, gate_order, attributes = _RECURRENT_OPERATORS[type(rnn)]
    x = graph.add("Transpose", x, perm=[2, 0, 3, 1])  # (T, B, F, C)
    x = graph.add("Reshape", x, [0, 0, rnn.input_size])
    weight, recurrent_weight = (_stack_gates(rnn, name, gate_order) for name in ("weight_ih", "weight_hh"))
    bias = torch.cat([_stack_gates(rnn, name, gate_order) for name in ("bias_ih", "bias_hh")], dim=1)
    x = graph.add(
        operator,
        *(x, weight, recurrent_weight, bias, graph.add("Cast", lengths, to=TensorProto.INT32)),
        output=1 if network.attention is None else 0,
        direction="bidirectional",
        hidden_size=rnn.hidden_size,
        **attributes,
    )
    if network.attention is None:
        x = graph.add("Transpose", x, perm=[1, 0, 2])  # last outputs, (2, B, H) -> (B, 2, H)
        return graph.add("Reshape", x, [0, 2 * rnn.hidden_size])
    x = graph.add("Transpose", x, perm=[2, 0, 1, 3])  # (T, 2, B, H) -> (B, T, 2, H)
    return _attend(graph, network.attention, graph.add("Reshape", x, [0, 0, 2 * rnn.hidden_size]), lengths)


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
    n_frames = graph.add("Squeeze", graph.add("Shape", x, start=-2, end=-1))
    frames = graph.add("Unsqueeze", graph.add("Range", np.int64(0), n_frames, np.int64(1)), [1])  # (T, 1)
    return graph.add("Less", frames, graph.add("Unsqueeze", lengths, list(range(1, n_axes))))


def _shorten(graph: _Graph, lengths: str, stride: int) -> str:
    """Lengths after a stride in time, rounded up."""
    if stride == 1:
        return lengths
    return graph.add("Div", graph.add("Add", lengths, [stride - 1]), [stride])
