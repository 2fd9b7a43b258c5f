"""Old ONNX files, brought up to date."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import onnx
from numpy.typing import ArrayLike
from onnx import helper, numpy_helper

from nstlib._files import reason
from nstlib.errors import ModelError
from nstlib.onnx.graphs import (
    IR_VERSION,
    OPSET,
    Size,
    check_graph,
    finds_people,
    make_model,
    metadata_with,
)
from nstlib.onnx.reading import graph_inputs, load_onnx, metadata_of, picture_input
from nstlib.onnx.sessions import start_session
from nstlib.onnx.verification import (
    SIZES,
    TOLERANCE,
    Verification,
    check_place,
    check_sizes,
    write_proven,
)


def modernize(
    source: str | Path | bytes,
    path: str | Path,
    *,
    metadata: Mapping[str, str] | None = None,
    sizes: Sequence[Size] | None = None,
    value_range: tuple[float, float] | None = None,
    tolerance: float = 10 * TOLERANCE,
) -> Verification:
    """Write an old ONNX file anew, so that today's runtimes compute it, at any size if possible.

    The operators that were an experiment until 2019, Crop, ImageScaler and Affine, become those
    that took their place; a ConvTranspose whose output has a fixed size gets the padding that leads
    to it; input and output lose their fixed sizes; and the whole moves to ONNX 17.

    A file keeps its fixed size if it cannot be shown to work at several others, or if it finds
    people (its output has one or two channels): such a network knows people at one size.

    Parameters
    ----------
    source : str, pathlib.Path or bytes
        An ONNX file, or its content.
    path : str or pathlib.Path
        Where to write: a name that ends in ``.onnx``. What is there is replaced.
    metadata : mapping of str to str, optional
        Added to what the file says of itself.
    sizes : sequence of (int, int), optional
        Heights and widths to compare the runtimes on. Given those, the size is freed in any case.
    value_range : (float, float), optional
        What black and white are to the network. It is written into the file, where
        :class:`nstlib.Stylizer` and :class:`nstlib.PersonSegmenter` look for it. By default
        nothing is added, and runtimes are compared on 0..255.
    tolerance : float, default 0.1
        As in :func:`verify`, on 0..255. It is larger here because networks of that time are coarse:
        ONNX Runtime, which adds up the squares of a whole channel in float32, is then off by up to
        0.08 of 255 from what float64 gives at 720×720, and OpenCV by 0.007.

    Returns
    -------
    Verification
        The proof that the runtimes agree on it.

    Raises
    ------
    ArgumentError
        If an argument is of another kind than those above.
    ModelError
        If the file is broken (see :func:`verify`), holds an operator that is neither ONNX's nor one
        of those above, or if two runtimes compute different pictures. Nothing is written then.
    OutputError
        If `path` ends otherwise, or the file cannot be written.
    """
    path, sizes = check_place(path), check_sizes(sizes)
    added = metadata_with(metadata, value_range)
    proto = load_onnx(source)
    proto.ir_version = IR_VERSION  # since 4, constants need not be listed among the inputs
    _replace_retired(proto)
    check_graph(proto)
    told = {**metadata_of(proto), **added}
    proof = (None, sizes, value_range or (0.0, 255.0), tolerance)
    if sizes is not None or picture_input(proto).size is None:
        return write_proven(path, _modern(proto, told, free=True), *proof)
    if not finds_people(proto):
        with contextlib.suppress(ModelError):
            freed = _modern(proto, told, free=True)
            if _keeps_proportion(freed):
                return write_proven(path, freed, *proof)
    return write_proven(path, _modern(proto, told, free=False), *proof)


def _modern(proto: onnx.ModelProto, told: Mapping[str, str], *, free: bool) -> onnx.ModelProto:
    """Bring a network to today's ONNX, for any size or for its own."""
    copy = onnx.ModelProto()
    copy.CopyFrom(proto)
    inputs = graph_inputs(copy)
    del copy.graph.input[:]
    copy.graph.input.extend(inputs)
    if free:
        _free_transposed_convolutions(copy)
        _free_sizes(copy)
    try:
        graph = onnx.version_converter.convert_version(copy, OPSET).graph
    except Exception as error:
        raise ModelError(f"the file cannot be brought to ONNX {OPSET}: {reason(error)}") from error
    return make_model(graph, told)


def _keeps_proportion(proto: onnx.ModelProto) -> bool:
    """Tell whether outputs follow the input's size, by ONNX Runtime at two sizes."""
    picture = picture_input(proto)
    apart = []
    try:
        session = start_session(proto.SerializeToString())
        for size in SIZES[:2]:
            blob = picture.prepared(np.zeros((1, picture.channels, *size), np.float32))
            shape = session.run(None, {picture.name: blob})[0].shape
            sides = shape[1:3] if picture.channels_last else shape[2:]
            apart.append(np.subtract(sides, size))
    except Exception:  # its errors have no base but Exception
        return False
    # A border that is cut off, or added, is the same at both sizes but for rounding.
    return len(apart[0]) == 2 and bool(np.abs(apart[0] - apart[1]).max() < 16)


def _replace_retired(proto: onnx.ModelProto) -> None:
    """Put operators that ONNX 7 to 9 have in the place of those that were an experiment."""
    versions = {entry.domain: entry.version for entry in proto.opset_import}
    if not 7 <= versions.get("", 1) <= 9:
        return
    nodes = list(proto.graph.node)
    del proto.graph.node[:]
    for node in nodes:
        replace = None if node.domain else _RETIRED.get(node.op_type)
        if replace is None:
            proto.graph.node.append(node)
            continue
        values = {x.name: helper.get_attribute_value(x) for x in node.attribute}
        x = node.input[0]
        try:
            steps = replace(node, **values)
        except TypeError as error:  # attributes that it never had, or lacks
            raise ModelError(
                f"node {node.name or node.output[0]!r} is a {node.op_type} with the attributes "
                f"{sorted(values)}, which are not those of this operator"
            ) from error
        for number, (kind, constant, attributes) in enumerate(steps, 1):
            name = node.output[0] if number == len(steps) else f"{node.output[0]}.{number}"
            inputs = [x]
            if constant is not None:
                inputs.append(f"{name}.constant")
                proto.graph.initializer.append(
                    numpy_helper.from_array(np.asarray(constant, np.float32), inputs[1])
                )
            proto.graph.node.append(helper.make_node(kind, inputs, [name], name, **attributes))
            x = name


# An operator of today, its second input if that is a constant, and its attributes.
_Step: TypeAlias = tuple[str, ArrayLike | None, dict[str, Any]]


def _crop(node: onnx.NodeProto, *, border: Sequence[int], scale: Sequence[int] = ()) -> list[_Step]:
    if scale or len(border) != 4 or min(border) < 0:
        raise ModelError(
            f"node {node.name or node.output[0]!r} is a Crop with border={list(border)} and "
            f"scale={list(scale)}; only four numbers of pixels and no scale are supported"
        )
    left, top, right, bottom = border
    ends = [-bottom or 2**31 - 1, -right or 2**31 - 1]
    return [("Slice", None, {"axes": [2, 3], "starts": [top, left], "ends": ends})]


def _image_scaler(
    _: onnx.NodeProto, *, scale: float = 1.0, bias: Sequence[float] = (0.0,)
) -> list[_Step]:
    steps: list[_Step] = [("Add", np.reshape(bias, (-1, 1, 1)), {})]
    return steps if scale == 1.0 else [("Mul", scale, {}), *steps]


def _affine(_: onnx.NodeProto, *, alpha: float = 1.0, beta: float = 0.0) -> list[_Step]:
    return [("Mul", alpha, {}), ("Add", beta, {})]


_RETIRED: dict[str, Callable[..., list[_Step]]] = {
    "Affine": _affine,
    "Crop": _crop,
    "ImageScaler": _image_scaler,
}


def _free_transposed_convolutions(proto: onnx.ModelProto) -> None:
    """Say by padding what ``output_shape`` says for one size alone."""
    inferred = onnx.shape_inference.infer_shapes(proto).graph
    shapes = {
        value.name: [side.dim_value for side in value.type.tensor_type.shape.dim]
        for value in (*inferred.input, *inferred.value_info)
    }
    weights = {tensor.name: list(tensor.dims) for tensor in proto.graph.initializer}
    for node in proto.graph.node:
        values = {x.name: helper.get_attribute_value(x) for x in node.attribute}
        if node.op_type != "ConvTranspose" or "output_shape" not in values:
            continue
        sides = shapes.get(node.input[0], [])[2:]
        kernel = values.get("kernel_shape", weights.get(node.input[1], [])[2:])
        if len(sides) != 2 or 0 in sides or len(kernel) != 2:
            raise ModelError(
                f"node {node.name or node.output[0]!r} is a ConvTranspose to the fixed size "
                f"{values['output_shape']}, and from which size it comes is not known"
            )
        added = values.get("output_padding", [0, 0])
        beyond, before, after = [0, 0], [0, 0], [0, 0]
        for axis in range(2):
            stride = values.get("strides", [1, 1])[axis]
            reach = (kernel[axis] - 1) * values.get("dilations", [1, 1])[axis] + 1
            reached = stride * (sides[axis] - 1) + added[axis] + reach
            surplus = reached - values["output_shape"][-2:][axis]
            beyond[axis] = added[axis] + max(0, -surplus)
            smaller, larger = max(0, surplus) // 2, (max(0, surplus) + 1) // 2
            upper = values.get("auto_pad") == b"SAME_UPPER"
            before[axis], after[axis] = (smaller, larger) if upper else (larger, smaller)
        kept = [x for x in node.attribute if x.name not in ("output_shape", "auto_pad", "pads")]
        del node.attribute[:]
        node.attribute.extend(
            [
                *(x for x in kept if x.name != "output_padding"),
                helper.make_attribute("pads", before + after),
                helper.make_attribute("output_padding", beyond),
            ]
        )


def _free_sizes(proto: onnx.ModelProto) -> None:
    """Let batch, height and width be what they are."""
    graph = proto.graph
    axes = (0, 1, 2) if picture_input(proto).channels_last else (0, 2, 3)
    del graph.value_info[:]
    ends = (graph.input, ("height", "width")), (graph.output, ("out_height", "out_width"))
    for values, names in ends:
        for value in values:
            sides = value.type.tensor_type.shape.dim
            if len(sides) == 4:
                for axis, name in zip(axes, ("batch", *names), strict=True):
                    sides[axis].dim_param = name
