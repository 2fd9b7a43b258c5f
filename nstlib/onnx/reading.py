"""ONNX files from anywhere, read with care and without TensorFlow."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path

import onnx
from onnx import numpy_helper

from nstlib._files import LARGEST_FILE
from nstlib.errors import ModelError

#: No tensor of this course's networks comes near. A file that asks for more numbers is not read.
LARGEST_TENSOR = 2**28


def load_onnx(source: str | Path | bytes) -> onnx.ModelProto:
    """Read an ONNX file with the data that belongs to it, and check what can be checked unrun.

    Parameters
    ----------
    source : str, pathlib.Path or bytes
        A file, or its content.

    Raises
    ------
    ModelError
        If it cannot be read or is not whole, holds tensors of absurd shapes, or asks for data
        outside its own folder.
    """
    name = "the content" if isinstance(source, bytes) else str(source)
    try:
        if isinstance(source, bytes):
            proto = onnx.load_from_string(source)
        elif (size := Path(source).stat().st_size) > LARGEST_FILE:
            raise ModelError(f"{name} has {size / 2**30:.1f} GB; no network here is so large")
        else:
            proto = onnx.load(source)
    except ModelError:
        raise
    except OSError as error:
        raise ModelError(f"{name} cannot be read ({error.strerror or error})") from error
    except onnx.checker.ValidationError as error:  # data outside the file's folder, for instance
        reason = one_line(error)
        raise ModelError(f"{name} asks for data that it may not have: {reason}") from error
    except Exception as error:  # whatever protobuf stumbles over
        raise ModelError(
            f"{name} is not an ONNX file, or is cut off ({one_line(error)})"
        ) from error
    if not proto.graph.node:
        raise ModelError(f"{name} is not an ONNX file, or is cut off: it holds no network")
    for tensor in _tensors(proto.graph):
        shape = list(tensor.dims)
        if min(shape, default=0) < 0 or math.prod(shape) > LARGEST_TENSOR:
            raise ModelError(f"{name}: tensor {tensor.name!r} has the absurd shape {shape}")
        if tensor.data_location == onnx.TensorProto.EXTERNAL:  # not loaded above
            raise ModelError(f"{name}: the data of tensor {tensor.name!r} is in another file")
        try:
            numpy_helper.to_array(tensor)
        except Exception as error:  # a KeyError for an unknown type, among others
            raise ModelError(
                f"{name}: tensor {tensor.name!r} does not hold what its shape {shape} promises"
            ) from error
    return proto


def _tensors(graph: onnx.GraphProto) -> Iterator[onnx.TensorProto]:
    """Go through all tensors that a graph holds."""
    yield from graph.initializer
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.HasField("t"):
                yield attribute.t
            yield from attribute.tensors
            for part in (attribute.g, *attribute.graphs):
                yield from _tensors(part)


def one_line(error: Exception) -> str:
    """Write what an error says without its line breaks."""
    return " ".join(str(error).split())


def picture_input(proto: onnx.ModelProto) -> tuple[str, list[int]]:
    """Return name and shape of the picture that goes in; 0 stands for any size.

    Raises
    ------
    ModelError
        If there is not one input and one output, the former (batch, channels, height, width).
    """
    constants = {tensor.name for tensor in proto.graph.initializer}
    inputs = [value for value in proto.graph.input if value.name not in constants]
    if len(inputs) != 1 or len(proto.graph.output) != 1:
        raise ModelError(
            f"the file has the inputs {[x.name for x in inputs]} and the outputs "
            f"{[x.name for x in proto.graph.output]}; only one of each is supported"
        )
    kind = inputs[0].type.tensor_type
    shape = [side.dim_value for side in kind.shape.dim]
    if kind.elem_type != onnx.TensorProto.FLOAT or len(shape) != 4 or not 0 < shape[1] <= 512:
        raise ModelError(
            f"the input {inputs[0].name!r} has the shape {shape} (0: any); it must be float32 "
            "(batch, channels, height, width), its channels known"
        )
    return inputs[0].name, shape
