"""Let style networks compute in 8 bits: nearly the same picture in half the time.

Processors multiply four times as many whole numbers of 8 bits at once as floating-point ones. So
the convolutions in the middle of a network, which take most of the time, take and give such
numbers. The first and the last ones, which see the picture's details, stay as they are, and so does
what lies between.

How large the values become is found out by painting photographs. Each channel that comes out of a
convolution has a scale and a middle of its own, because the instance normalization after it makes
channels of all sizes equally important.

References
----------
B. Jacob et al., "Quantization and training of neural networks for efficient
integer-arithmetic-only inference", CVPR 2018.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper, numpy_helper

from nstlib.images.arrays import Blob
from nstlib.inference.foreign import simplified
from nstlib.inference.runtimes import start_watching
from nstlib.onnx.graphs import replace_nodes

#: What tells how large values become: photographs, and their longest side in pixels.
PHOTOGRAPHS, PHOTO_SIZE = ("coffee", "chelsea"), 320

#: A network that is off by more than this share of its values' range, on average over the
#: photographs, is not changed. Those that come with the library are off by less than 0.01.
LARGEST_ERROR = 0.03

#: Convolutions of fewer channels are the first and the last ones. Of ``mosaic``, the second one
#: alone, of 16 to 48 channels, would make the error half as large again.
_CHANNELS = 32

#: Weights go from −63 to 63, 7 bits: some processors add two products of 8 bits in 16, and with
#: larger weights that sum would not fit.
_WEIGHTS, _VALUES = 63, 127

#: Other pictures may have larger values than the photographs that were tried.
_ROOM = 1.1

#: What moves values without changing them.
_MOVES = ("Concat", "DepthToSpace", "Reshape", "Transpose")


@dataclass(frozen=True)
class _Convolution:
    """A convolution, and what mirrors the border before it, if anything does."""

    node: onnx.NodeProto
    pad: onnx.NodeProto | None
    weights: NDArray[np.float32]
    bias: NDArray[np.float32]

    @property
    def source(self) -> str:
        return self.node.input[0] if self.pad is None else self.pad.input[0]


def in_eight_bits(proto: onnx.ModelProto, pictures: Sequence[Blob]) -> onnx.ModelProto:
    """Turn a style network's convolutions into ones in 8 bits.

    Parameters
    ----------
    proto : onnx.ModelProto
        A network of one input and one output.
    pictures : sequence of ndarray of float32, shape (1, 3, H, W)
        Photographs as the network takes them, which tell how large values become.

    Returns
    -------
    onnx.ModelProto
        A network for ONNX Runtime; the one that was given, if nothing in it can be changed.
    """
    result = onnx.ModelProto()
    result.CopyFrom(simplified(proto))
    graph = result.graph
    versions = [entry.version for entry in proto.opset_import if not entry.domain]
    if max(versions, default=0) < 13:
        return proto  # channels that share no scale came in that version
    found = {each.node.output[0]: each for each in _convolutions(graph)}
    if not found:
        return proto
    ranges = _ranges(result, found.values(), pictures)
    gone = {each.pad.output[0] for each in found.values() if each.pad is not None}
    nodes: list[onnx.NodeProto] = []
    for node in graph.node:
        if node.output[0] in found:
            nodes += _quantized(graph, found[node.output[0]], ranges)
        elif node.output[0] not in gone:
            nodes.append(node)
    replace_nodes(graph, nodes)
    return result


def _convolutions(graph: onnx.GraphProto) -> Iterator[_Convolution]:
    """Find the convolutions that can be changed: those before an instance normalization.

    Those that enlarge as well (:mod:`nstlib.inference.enlargements`) are among them.
    """
    constants = {tensor.name: tensor for tensor in graph.initializer}
    makers = {name: node for node in graph.node for name in node.output}
    uses: dict[str, list[onnx.NodeProto]] = {}
    for node in graph.node:
        for name in node.input:
            uses.setdefault(name, []).append(node)

    def normalized(name: str) -> bool:
        """Tell whether what has this name is normalized, maybe after it was moved."""
        following = uses.get(name, [])
        if len(following) == 1 and following[0].op_type in _MOVES:
            return normalized(following[0].output[0])
        return [node.op_type for node in following] == ["InstanceNormalization"]

    for node in graph.node:
        if node.op_type != "Conv" or any(name not in constants for name in node.input[1:]):
            continue
        weights, *bias = (numpy_helper.to_array(constants[name]) for name in node.input[1:])
        strides = [list(x.ints) for x in node.attribute if x.name == "strides"]
        if (
            weights.ndim != 4
            or min(weights.shape[:2]) < _CHANNELS
            or strides not in ([], [[1, 1]])
            or not normalized(node.output[0])
        ):
            continue
        pad = makers.get(node.input[0])
        if pad is not None and pad.op_type == "Slice":
            continue  # the photographs say little about a strip along the border
        if pad is not None:
            modes = [x.s for x in pad.attribute if x.name == "mode"]
            alone = pad.op_type == "Pad" and len(uses[pad.output[0]]) == 1
            pad = pad if alone and modes in ([b"reflect"], [b"edge"]) else None
        shift = bias[0] if bias else np.zeros(len(weights), np.float32)
        yield _Convolution(node, pad, weights.astype(np.float32), shift.astype(np.float32))


@dataclass
class _Range:
    """How large the values of a tensor become: over all, and the mean and peak of each channel."""

    low: float = 0.0
    high: float = 0.0
    means: NDArray[np.float64] | float = 0.0
    peaks: NDArray[np.float64] | float = 1e-6

    def see(self, values: Blob, share: float) -> None:
        self.low, self.high = min(self.low, values.min()), max(self.high, values.max())
        means = values.mean(axis=(0, 2, 3), dtype=np.float64)
        off = np.abs(values - means.astype(np.float32)[:, None, None]).max(axis=(0, 2, 3))
        self.means = self.means + share * means
        self.peaks = np.maximum(self.peaks, off)


def _ranges(
    proto: onnx.ModelProto, found: Iterable[_Convolution], pictures: Sequence[Blob]
) -> dict[str, _Range]:
    names = list(dict.fromkeys(x for each in found for x in (each.source, each.node.output[0])))
    watched = onnx.ModelProto()
    watched.CopyFrom(proto)
    watched.graph.output.extend(
        helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, None) for name in names
    )
    run = start_watching(watched)
    ranges = {name: _Range() for name in names}
    for picture in pictures:
        for name, values in zip(names, run(picture, names), strict=True):
            ranges[name].see(values, 1 / len(pictures))
    return ranges


def _quantized(
    graph: onnx.GraphProto, each: _Convolution, ranges: dict[str, _Range]
) -> list[onnx.NodeProto]:
    name = each.node.output[0]

    def constant(kind: str, values: NDArray[Any] | np.generic) -> str:
        graph.initializer.append(numpy_helper.from_array(np.asarray(values), f"{name}.{kind}"))
        return f"{name}.{kind}"

    taking, giving = ranges[each.source], ranges[name]
    step = np.float32(_ROOM * max(taking.high - taking.low, 1e-6) / 255)
    zero = np.uint8(np.clip(round(-_ROOM * taking.low / step), 0, 255))
    means, peaks = np.asarray(giving.means), np.asarray(giving.peaks)
    peaks = _ROOM * np.maximum(peaks, np.abs(means))
    largest = np.maximum(np.abs(each.weights).max(axis=(1, 2, 3)).astype(np.float64), 1e-12)
    whole = np.rint(each.weights / largest[:, None, None, None] * _WEIGHTS).astype(np.int8)
    # What comes out is divided by each channel's peak, so that one step fits all channels, and has
    # no mean, but for a part of a step. Both come back when it becomes floating-point numbers.
    steps = largest / _WEIGHTS / peaks
    means = np.rint(means / peaks * _VALUES)
    bias = np.rint((each.bias / peaks - means / _VALUES) / (steps * step))
    bias = bias.clip(-(2**31), 2**31 - 1)
    taken = [constant("step", step), constant("zero", zero)]
    weighed = [
        constant("whole", whole),
        constant("steps", steps.astype(np.float32)),
        constant("zeros", np.zeros(len(steps), np.int8)),
    ]
    given = [constant("given", np.float32(1 / _VALUES)), constant("middle", np.uint8(128))]
    back = [
        constant("peaks", (peaks / _VALUES).astype(np.float32)),
        constant("middles", (128 - means).astype(np.uint8)),
    ]
    nodes = [helper.make_node("QuantizeLinear", [each.source, *taken], [f"{name}.taken"])]
    if each.pad is not None:
        pad = onnx.NodeProto()
        pad.CopyFrom(each.pad)
        pad.input[0], pad.output[0] = nodes[-1].output[0], f"{name}.padded"
        nodes.append(pad)
    options = {x.name: helper.get_attribute_value(x) for x in each.node.attribute}
    inputs = [
        nodes[-1].output[0],
        *taken,
        *weighed,
        *given,
        constant("offset", bias.astype(np.int32)),
    ]
    nodes.append(helper.make_node("QLinearConv", inputs, [f"{name}.whole_numbers"], **options))
    nodes.append(
        helper.make_node("DequantizeLinear", [f"{name}.whole_numbers", *back], [name], axis=1)
    )
    return nodes
