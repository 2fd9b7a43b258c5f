"""ONNX graphs: what is written, and what is checked before anything runs."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import TypeAlias

import onnx
from onnx import helper

from nstlib import __version__
from nstlib._checks import check_number, refusal
from nstlib._files import reason
from nstlib.errors import ModelError
from nstlib.onnx.reading import LARGEST_TENSOR, picture_input

#: Height and width, in pixels.
Size: TypeAlias = tuple[int, int]

#: Operators of 2018 that :func:`nstlib.onnx.modernize` replaces.
RETIRED = ("Crop", "ImageScaler", "Affine")

#: ONNX's version 17, of 2022, has all that is needed, and OpenCV 4 reads it.
OPSET, IR_VERSION = 17, 8

#: What the kernel of a convolution is called in a file, for the name of its layer.
KERNEL_NAME = "{}.weight"


def make_model(graph: onnx.GraphProto, metadata: Mapping[str, str] | None) -> onnx.ModelProto:
    """Make a model of a graph, for the versions that the course writes."""
    result = helper.make_model(
        graph,
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=IR_VERSION,
        producer_name="nstlib",
        producer_version=__version__,
    )
    helper.set_model_props(result, {**(metadata or {}), "library": f"nstlib {__version__}"})
    return result


def replace_nodes(graph: onnx.GraphProto, nodes: Iterable[onnx.NodeProto]) -> None:
    """Give a graph other nodes, some of which may be its own; what it says of shapes is dropped."""
    # A node that stands in the graph ends with it, so what stays is copied first.
    copies = [onnx.NodeProto.FromString(node.SerializeToString()) for node in nodes]
    del graph.node[:], graph.value_info[:]
    graph.node.extend(copies)


def finds_people(proto: onnx.ModelProto) -> bool:
    """Tell by the channels of the output whether a network segments."""
    outputs = onnx.shape_inference.infer_shapes(proto).graph.output
    sides = [[side.dim_value for side in x.type.tensor_type.shape.dim] for x in outputs]
    return any(len(shape) == 4 and (shape[1] in (1, 2) or shape[3] in (1, 2)) for shape in sides)


def metadata_with(
    metadata: Mapping[str, str] | None, value_range: Sequence[float] | None
) -> dict[str, str]:
    """Add what black and white are to a network, if it is known, to what its file is to say.

    Raises
    ------
    ArgumentError
        If `metadata` maps other things than texts to texts, or `value_range` is not two numbers,
        the lower one first.

    Examples
    --------
    >>> metadata_with({"style": "candy"}, (0, 255))
    {'value_range': '0,255', 'style': 'candy'}
    """
    told: dict[str, str] = {}
    if value_range is not None:
        two = "two numbers, the lower one first, as in (0, 255)"
        if not isinstance(value_range, Sequence) or len(value_range) != 2:
            raise refusal("value_range", value_range, two)
        black, white = (check_number("value_range", end) for end in value_range)
        if black >= white:
            raise refusal("value_range", value_range, two)
        told["value_range"] = f"{black:g},{white:g}"
    if metadata is not None:
        if not isinstance(metadata, Mapping) or not all(
            isinstance(text, str) for entry in metadata.items() for text in entry
        ):
            raise refusal("metadata", metadata, "a dict of texts, as in {'style': 'candy'}")
        told |= metadata
    return told


def check_graph(proto: onnx.ModelProto) -> None:
    """Refuse what ONNX does not allow.

    Raises
    ------
    ModelError
        Naming the node, or saying what ONNX's checker says.
    """
    for node in proto.graph.node:
        _check_operator(node, proto)
    try:
        onnx.checker.check_model(proto)
    except Exception as error:
        raise ModelError(f"this is no valid ONNX: {reason(error)}") from error


def _check_operator(node: onnx.NodeProto, proto: onnx.ModelProto) -> None:
    """Name an operator that ONNX does not have, or does not have any more."""
    versions = {entry.domain: entry.version for entry in proto.opset_import}
    version = versions.get(node.domain, 1)
    try:
        schema = onnx.defs.get_schema(node.op_type, version, node.domain)
        known = not schema.deprecated
    except onnx.defs.SchemaError:
        known = False
    if not known:
        kind = f"{node.domain}.{node.op_type}" if node.domain else node.op_type
        fault = (
            f"node {node.name or node.output[0]!r} is a {kind}, which is no operator of ONNX "
            f"{version}"
        )
        if kind in RETIRED and 7 <= version <= 9:
            raise ModelError(
                f"{fault}; it was an experiment: modernize brings such files up to date",
                command=f"{fault}; it was an experiment: nst export brings such files up to date",
            )
        raise ModelError(f"{fault}; modernize knows {', '.join(RETIRED)} of ONNX 7 to 9")


def check_memory(proto: onnx.ModelProto, shape: Sequence[int]) -> None:
    """Refuse a graph that makes absurdly large tensors of a picture (B, C, H, W) of this shape.

    Raises
    ------
    ModelError
        Naming the tensor; or if the graph does not fit together at this size.
    """
    copy = onnx.ModelProto()
    copy.CopyFrom(proto)
    picture = picture_input(copy)
    batch, channels, *sides = shape
    lengths = (*sides, channels) if picture.channels_last else (channels, *sides)
    (entry,) = (value for value in copy.graph.input if value.name == picture.name)
    for side, length in zip(entry.type.tensor_type.shape.dim, (batch, *lengths), strict=True):
        side.dim_value = length
    del copy.graph.value_info[:]  # it may speak of another size
    for value in copy.graph.output:
        value.type.tensor_type.ClearField("shape")
    try:
        copy = onnx.shape_inference.infer_shapes(copy, data_prop=True)
    except Exception as error:
        raise ModelError(f"the graph does not fit together: {reason(error)}") from error
    for value in (*copy.graph.input, *copy.graph.value_info, *copy.graph.output):
        sides = [side.dim_value for side in value.type.tensor_type.shape.dim]
        if math.prod(sides) > LARGEST_TENSOR:
            raise ModelError(
                f"the graph makes the absurd {' × '.join(map(str, sides))} numbers, "
                f"{value.name!r}, of a picture of {size_text((shape[2], shape[3]))}"
            )


def size_text(size: Size) -> str:
    """Write height and width."""
    return "×".join(map(str, size))
