"""ONNX files from anywhere, read with care and without TensorFlow."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import numpy_helper
from onnx.external_data_helper import ExternalDataInfo

from nstlib._checks import check_kind, check_path
from nstlib._files import LARGEST_FILE, reading, reason
from nstlib.errors import ModelError
from nstlib.images.arrays import Blob

#: No tensor of this course's networks comes near. A file that asks for more numbers is not read.
LARGEST_TENSOR = 2**28

#: What the numbers of a picture may be.
_PICTURE_TYPES: dict[int, Any] = {
    onnx.TensorProto.FLOAT: np.float32,
    onnx.TensorProto.FLOAT16: np.float16,
    onnx.TensorProto.UINT8: np.uint8,
}


def load_onnx(source: str | Path | bytes) -> onnx.ModelProto:
    """Read an ONNX file with the data that belongs to it, and check what can be checked unrun.

    Sides of −1, as some converters write them, become free ones.

    Parameters
    ----------
    source : str, pathlib.Path or bytes
        A file, or its content.

    Returns
    -------
    onnx.ModelProto
        With all of its data in it.

    Raises
    ------
    ArgumentError
        If `source` is neither.
    ModelError
        If it cannot be read or is not whole, holds tensors of absurd shapes or sizes, or asks for
        data outside its own folder.
    """
    if not isinstance(source, bytes):
        source = check_path("source", source, "the path of an ONNX file, or its content as bytes")
    name = "the content" if isinstance(source, bytes) else str(source)
    with reading(name, ModelError, "is not an ONNX file, or is cut off", tell=True):
        if isinstance(source, bytes):
            proto = onnx.load_from_string(source)
        elif (size := source.stat().st_size) > LARGEST_FILE:
            raise ModelError(f"{name} has {size / 2**30:.1f} GB; no network here is so large")
        else:
            proto = onnx.load(source, load_external_data=False)
    if not proto.graph.node:
        raise ModelError(f"{name} is not an ONNX file, or is cut off: it holds no network")
    for part in (*proto.opset_import, *proto.graph.node):
        if part.domain == "ai.onnx":  # ONNX's own, which most files leave unnamed
            part.domain = ""
    tensors = list(_tensors(proto))
    for tensor in tensors:
        shape = list(tensor.dims)
        if min(shape, default=0) < 0 or math.prod(shape) > LARGEST_TENSOR:
            raise ModelError(f"{name}: tensor {tensor.name!r} has the absurd shape {shape}")
    if not isinstance(source, bytes):
        _load_external_data(proto, tensors, source)
    for tensor in tensors:
        if tensor.data_location == onnx.TensorProto.EXTERNAL:  # not loaded above
            raise ModelError(f"{name}: the data of tensor {tensor.name!r} is in another file")
        try:
            numpy_helper.to_array(tensor)
        except Exception as error:  # a KeyError for an unknown type, among others
            raise ModelError(
                f"{name}: tensor {tensor.name!r} does not hold what its shape "
                f"{list(tensor.dims)} promises"
            ) from error
    for value in (*proto.graph.input, *proto.graph.value_info, *proto.graph.output):
        for side in value.type.tensor_type.shape.dim:
            if side.dim_value < 0:
                side.Clear()
    return proto


def _load_external_data(
    proto: onnx.ModelProto, tensors: Iterable[onnx.TensorProto], path: Path
) -> None:
    """Load the data that a file keeps in others of its folder, once their size is known."""
    elsewhere = [x for x in tensors if x.data_location == onnx.TensorProto.EXTERNAL]
    if not elsewhere:
        return
    try:
        size = 0
        for tensor in elsewhere:
            info = ExternalDataInfo(tensor)
            file = path.parent / info.location
            # Without a length, all that the file holds is read.
            size += info.length or (file.stat().st_size if file.is_file() else 0)
        if size > LARGEST_FILE:
            raise ModelError(
                f"{path} asks for {size / 2**30:.1f} GB of data; no network here is so large"
            )
        onnx.load_external_data_for_model(proto, str(path.parent))
    except ModelError:
        raise
    except OSError as error:
        raise ModelError(f"the data of {path} cannot be read ({reason(error)})") from error
    except Exception as error:  # a ValidationError for data outside the folder, among others
        raise ModelError(f"{path} asks for data that it may not have: {reason(error)}") from error


def _tensors(proto: onnx.ModelProto) -> Iterator[onnx.TensorProto]:
    """Go through all tensors that a file holds."""
    yield from _tensors_of_graph(proto.graph)
    for function in proto.functions:
        yield from _tensors_of_nodes(function.node)


def _tensors_of_graph(graph: onnx.GraphProto) -> Iterator[onnx.TensorProto]:
    yield from graph.initializer
    for sparse in graph.sparse_initializer:
        yield from (sparse.values, sparse.indices)
    yield from _tensors_of_nodes(graph.node)


def _tensors_of_nodes(nodes: Iterable[onnx.NodeProto]) -> Iterator[onnx.TensorProto]:
    for node in nodes:
        for attribute in node.attribute:
            if attribute.HasField("t"):
                yield attribute.t
            yield from attribute.tensors
            for part in (attribute.g, *attribute.graphs):
                yield from _tensors_of_graph(part)


@dataclass(frozen=True)
class PictureInput:
    """What a network takes.

    Attributes
    ----------
    name : str
        Of the input.
    dtype : type
        ``numpy.float32``, ``numpy.float16`` or ``numpy.uint8``.
    channels_last : bool
        Whether its order is (batch, height, width, channels), not (batch, channels, height, width).
    channels : int
        How many.
    sides : (int, int)
        Height and width; 0 stands for any.
    """

    name: str
    dtype: Any
    channels_last: bool
    channels: int
    sides: tuple[int, int]

    @property
    def size(self) -> tuple[int, int] | None:
        """Height and width if both are fixed, else None."""
        return self.sides if all(self.sides) else None

    def __str__(self) -> str:
        height, width = (side or "any" for side in self.sides)
        sides = (
            (height, width, self.channels) if self.channels_last else (self.channels, height, width)
        )
        return f"{np.dtype(self.dtype).name} pictures ({', '.join(map(str, sides))})"

    def prepared(self, blob: Blob) -> NDArray[Any]:
        """Bring pictures (B, C, H, W), float32, to this order and type."""
        if self.dtype == np.uint8:
            blob = np.clip(np.rint(blob), 0, 255)
        if self.channels_last:
            blob = np.ascontiguousarray(blob.transpose(0, 2, 3, 1))
        return blob.astype(self.dtype, copy=False)


def graph_inputs(proto: onnx.ModelProto) -> list[onnx.ValueInfoProto]:
    """List what goes into a network. Old files name its constants among the inputs, too."""
    constants = {tensor.name for tensor in proto.graph.initializer}
    return [value for value in proto.graph.input if value.name not in constants]


def picture_input(proto: onnx.ModelProto) -> PictureInput:
    """Describe the picture that goes into a network.

    Parameters
    ----------
    proto : onnx.ModelProto
        What :func:`load_onnx` returned.

    Returns
    -------
    PictureInput
        Its name, type, order of axes and size.

    Raises
    ------
    ArgumentError
        If `proto` is not what :func:`load_onnx` returns.
    ModelError
        If there is not one input, or it is no picture.
    """
    check_kind("proto", proto, onnx.ModelProto, "an onnx.ModelProto, as load_onnx returns it")
    inputs = graph_inputs(proto)
    if len(inputs) != 1:
        raise ModelError(
            f"the file has the inputs {[x.name for x in inputs]}; only networks of one input, a "
            "picture, are supported"
        )
    kind = inputs[0].type.tensor_type
    shape = [side.dim_value for side in kind.shape.dim]
    dtype = _PICTURE_TYPES.get(kind.elem_type)
    if len(shape) == 4 and dtype is not None:
        # Of a picture's channels there are few. A file that says (1, 3, 256, 256) has them first.
        few = (1, 3, 4)
        channels_last = shape[3] in few and shape[1] not in few
        channels, *sides = shape[3:] + shape[1:3] if channels_last else shape[1:]
        if 0 < channels <= 4096:
            return PictureInput(inputs[0].name, dtype, channels_last, channels, tuple(sides))
    try:
        named = onnx.helper.tensor_dtype_to_np_dtype(kind.elem_type).name
    except (KeyError, TypeError, ValueError):
        named = "of an unknown type"
    written = ", ".join(str(side or "any") for side in shape)
    raise ModelError(
        f"the input {inputs[0].name!r} is {named}, shape ({written}); it must be float32, float16 "
        "or uint8 of shape (batch, channels, height, width) or (batch, height, width, channels), "
        "the number of channels known"
    )


def metadata_of(proto: onnx.ModelProto) -> dict[str, str]:
    """Collect what a file says of itself."""
    return {entry.key: entry.value for entry in proto.metadata_props}
