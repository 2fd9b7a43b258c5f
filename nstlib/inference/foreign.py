"""Networks from elsewhere: which numbers they take and give, and which of their outputs to use.

A file says in which order its input has height, width and channels. It does not say what black and
white are. Files written by :func:`nstlib.onnx.export` say so in their metadata, as ``value_range``;
for others it is found out by a trial, or said by an option.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray
from onnx import helper, numpy_helper

from nstlib._checks import refusal
from nstlib.errors import ArgumentError, ModelError
from nstlib.images.arrays import Blob
from nstlib.onnx.graphs import finds_people, replace_nodes
from nstlib.onnx.reading import metadata_of, picture_input
from nstlib.onnx.sessions import start_session

#: What black and white are to a network: two numbers; four, if it gives others than it takes; or
#: ``"imagenet"``, for each channel's mean and standard deviation over ImageNet.
ValueRange: TypeAlias = str | Sequence[float]

#: Mean and standard deviation of ImageNet's photographs in [0, 1], for red, green and blue.
_IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))

_ACCEPTED = (
    "LOW,HIGH, or LOW,HIGH,LOW,HIGH for input and output, each LOW below its HIGH, or imagenet"
)


@dataclass(frozen=True)
class Scale:
    """Numbers of a network for RGB in [0, 1]: multiply each channel, then add."""

    factors: NDArray[np.float32]
    shifts: NDArray[np.float32]

    @classmethod
    def of(cls, low: float, high: float) -> Scale:
        """Make the scale from `low`, black, to `high`, white."""
        return cls(np.full(3, high - low, np.float32), np.full(3, low, np.float32))

    def blob(self, image: NDArray[np.float32], order: Sequence[int] = (0, 1, 2)) -> Blob:
        """Turn a picture (H, W, 3) in [0, 1] into a network's input (1, 3, H, W)."""
        blob = np.empty((1, 3, *image.shape[:2]), np.float32)
        for plane, channel in zip(blob[0], order, strict=True):
            np.multiply(image[..., channel], self.factors[channel], out=plane)
            if self.shifts[channel]:
                plane += self.shifts[channel]
        return blob


def parse_range(value: ValueRange, name: str = "value_range") -> tuple[Scale, Scale | None]:
    """Read what :data:`ValueRange` describes: scales of the input and, if it is said, the output.

    `name` is the argument's, for the message about a value that cannot be read.

    Examples
    --------
    >>> taken, given = parse_range("-1,1")
    >>> taken.factors.tolist(), taken.shifts.tolist()
    ([2.0, 2.0, 2.0], [-1.0, -1.0, -1.0])
    >>> parse_range((0, 255, 0, 1))[1].factors.tolist()
    [1.0, 1.0, 1.0]
    """
    if isinstance(value, str) and value.strip().lower() == "imagenet":
        mean, spread = np.array(_IMAGENET, np.float32)
        return Scale(np.float32(1) / spread, -mean / spread), None
    try:
        parts = value.split(",") if isinstance(value, str) else list(value)
        numbers = [float(part) for part in parts]
    except (TypeError, ValueError):
        numbers = []
    ends = [numbers[i : i + 2] for i in range(0, len(numbers), 2)]
    if len(numbers) not in (2, 4) or not np.isfinite(numbers).all() or any(a >= b for a, b in ends):
        raise refusal(name, value, _ACCEPTED)
    return Scale.of(*ends[0]), Scale.of(*ends[-1])


def known_range(
    option: ValueRange | None, proto: onnx.ModelProto, name: str
) -> tuple[Scale, Scale | None] | None:
    """Find the scales that an option or a file's metadata give; None if neither does."""
    if option is not None:
        return parse_range(option)
    written = metadata_of(proto).get("value_range")
    if written is None:
        return None
    try:
        return parse_range(written)
    except ArgumentError as error:
        raise ModelError(
            f"{name} says that its value_range is {written!r}; it must be {_ACCEPTED}"
        ) from error


def trial_picture(height: int, width: int) -> NDArray[np.float32]:
    """Make a picture (H, W, 3) of soft spots in all colours, from black to white."""
    coarse = np.random.default_rng(0).uniform(0, 1, (-(-height // 8), -(-width // 8), 3))
    spots = np.repeat(np.repeat(coarse, 8, axis=0), 8, axis=1)[:height, :width].astype(np.float32)
    spots[:2], spots[-2:] = 0, 1
    return spots


def keep_one_output(proto: onnx.ModelProto, channels: Sequence[int]) -> onnx.ModelProto:
    """Keep only the first output of a network that has one of these numbers of channels.

    U²-Net, for instance, gives its result first and then six coarser ones. If the file does not
    say how many channels its outputs have, the first output is kept.
    """
    outputs = list(proto.graph.output)
    if len(outputs) < 2:
        return proto

    def fits(value: onnx.ValueInfoProto) -> bool:
        sides = [side.dim_value for side in value.type.tensor_type.shape.dim]
        # What is smaller than 8 pixels is no picture; 0 is a free side.
        return len(sides) == 4 and any(
            number in channels and not any(0 < side < 8 for side in picture)
            for number, picture in ((sides[1], sides[2:]), (sides[3], sides[1:3]))
        )

    kept = next(filter(fits, outputs), outputs[0])
    result = onnx.ModelProto()
    result.CopyFrom(proto)
    del result.graph.output[:]
    result.graph.output.append(kept)
    needed, nodes = {kept.name}, []
    for node in reversed(proto.graph.node):
        if needed.intersection(node.output):
            nodes.append(node)
            needed.update(_inputs_of(node))
    del result.graph.node[:]
    result.graph.node.extend(reversed(nodes))
    return result


def _inputs_of(node: onnx.NodeProto) -> set[str]:
    """Return the names that a node uses, also inside its branches."""
    names = set(node.input)
    for attribute in node.attribute:
        for graph in (attribute.g, *attribute.graphs):
            for inner in graph.node:
                names |= _inputs_of(inner)
    return names


def to_float32(proto: onnx.ModelProto) -> onnx.ModelProto:
    """Turn a network that computes in float16 into one that computes in float32.

    Processors compute in float32 anyway, and OpenCV takes nothing else.
    """
    if picture_input(proto).dtype != np.float16:
        return proto
    result = onnx.ModelProto()
    result.CopyFrom(proto)
    _widen(result.graph)
    return result


def _widen(graph: onnx.GraphProto) -> None:
    half, full = onnx.TensorProto.FLOAT16, onnx.TensorProto.FLOAT

    def widened(tensor: onnx.TensorProto) -> None:
        if tensor.data_type == half:
            values = numpy_helper.to_array(tensor).astype(np.float32)
            tensor.CopyFrom(numpy_helper.from_array(values, tensor.name))

    for tensor in graph.initializer:
        widened(tensor)
    for value in (*graph.input, *graph.value_info, *graph.output):
        if value.type.tensor_type.elem_type == half:
            value.type.tensor_type.elem_type = full
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.HasField("t"):
                widened(attribute.t)
            if attribute.name in ("to", "dtype") and attribute.i == half:
                attribute.i = full
            for inner in (attribute.g, *attribute.graphs):
                _widen(inner)


def last_operator(proto: onnx.ModelProto) -> str:
    """Name the operator that decides the range of a network's values; ``""`` if there is none.

    It is the last one, apart from those that only move values or take means of neighbours: they
    leave the range as it is.
    """
    makers = {name: node for node in proto.graph.node for name in node.output}
    node = makers.get(proto.graph.output[0].name)
    while node is not None and (node.op_type in _KEEP_RANGE or _is_plain_resize(node)):
        node = makers.get(node.input[0])
    return "" if node is None else node.op_type


def _is_plain_resize(node: onnx.NodeProto) -> bool:
    modes = [x.s for x in node.attribute if x.name == "mode"]
    return node.op_type == "Resize" and modes != [b"cubic"]  # which overshoots at edges


_KEEP_RANGE = {
    "AveragePool",
    "Cast",
    "Identity",
    "MaxPool",
    "Reshape",
    "Slice",
    "Squeeze",
    "Transpose",
    "Unsqueeze",
    "Upsample",
}


def style_range(
    option: ValueRange | None, proto: onnx.ModelProto, name: str
) -> tuple[Scale, Scale | None]:
    """Find the scale of a style network's input and, as far as it is known, of its output.

    What neither the option nor the file says follows from how the network ends: in a hyperbolic
    tangent, −1 to 1 at both ends; in a sigmoid, 0 to 1. Any other is given 0..255, and the scale of
    its output is left to :func:`guess_output`.
    """
    known = known_range(option, proto, name)
    if known is not None:
        return known
    ends = {"Tanh": Scale.of(-1, 1), "Sigmoid": Scale.of(0, 1)}
    end = ends.get(last_operator(proto))
    return (Scale.of(0, 255), None) if end is None else (end, end)


def style_ends(proto: onnx.ModelProto, name: str) -> tuple[float, float] | None:
    """Find what black and white are to a network's input, by its file or by how it ends.

    None where neither tells. How a network ends tells it of one that gives pictures alone.
    """
    known = known_range(None, proto, name)
    if known is None and not finds_people(proto):
        taken, given = style_range(None, proto, name)
        known = None if given is None else (taken, given)
    if known is None:
        return None
    black = float(known[0].shifts[0])
    return black, black + float(known[0].factors[0])


def guess_output(output: Blob) -> Scale:
    """Tell from what a style network makes of the trial picture on which scale its output is."""
    low, high = float(output.min()), float(output.max())
    if max(-low, high) > 1.5:
        return Scale.of(0, 255)
    return Scale.of(-1, 1) if low < -0.25 else Scale.of(0, 1)


def simplified(proto: onnx.ModelProto) -> onnx.ModelProto:
    """Let ONNX Runtime fold what is constant in a network, and drop what cancels out.

    This way needs no further package and does the most. On graphs with
    scales in Constant nodes, scales computed from constants, two Transposes that cancel, constant
    pads and an If whose condition is constant, ONNX Runtime's basic level and onnxslim (with SymPy
    88 MB) fold all; onnxscript's optimiser (10 MB) leaves the Transposes and some Constants;
    constants evaluated by ONNX's reference implementation leave the Transposes and the If.

    A network that ONNX Runtime does not take is returned as it is.
    """
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
    with tempfile.TemporaryDirectory() as folder:
        options.optimized_model_filepath = os.fspath(Path(folder) / "simplified.onnx")
        try:
            start_session(proto.SerializeToString(), options)
            return onnx.load(options.optimized_model_filepath)
        except Exception:  # its errors have no base but Exception
            return proto


def channels_first(proto: onnx.ModelProto) -> onnx.ModelProto:
    """Give a network whose channels come last an input and an output whose channels come first."""
    entry = picture_input(proto)
    if not entry.channels_last:
        return proto
    result = onnx.ModelProto()
    result.CopyFrom(proto)
    graph = result.graph
    output = graph.output[0].name
    for node in graph.node:
        for names in (node.input, node.output):
            names[:] = [
                {entry.name: f"{entry.name}.last", output: f"{output}.last"}.get(x, x)
                for x in names
            ]
    before = helper.make_node("Transpose", [entry.name], [f"{entry.name}.last"], perm=[0, 2, 3, 1])
    after = helper.make_node("Transpose", [f"{output}.last"], [output], perm=[0, 3, 1, 2])
    replace_nodes(graph, [before, *graph.node, after])
    for value in (next(x for x in graph.input if x.name == entry.name), graph.output[0]):
        sides = value.type.tensor_type.shape.dim
        if len(sides) == 4:
            moved = [onnx.TensorShapeProto.Dimension() for _ in range(4)]
            for new, old in zip(moved, (0, 3, 1, 2), strict=True):
                new.CopyFrom(sides[old])
            del sides[:]
            sides.extend(moved)
    return result
