r"""Paint pictures that are too large for one pass through a style network, tile by tile.

Instance normalization measures the mean and the spread of a whole picture, at every layer. A tile
on its own measures its own, and comes out in other colours than its neighbour: seams. Here each
layer's statistics are measured once, over the whole picture, and then kept:

.. math:: y = \gamma \frac{x - \mu}{\sqrt{\sigma^2 + \epsilon}} + \beta

with :math:`\mu` and :math:`\sigma^2` known beforehand is what batch normalization computes in a
trained network, so that is what the layers are turned into. The layers take their turns, the first
one first, because the statistics of each depend on those before it. What lies on the way from one
to the next is computed again tile by tile, from the picture or from the last feature maps that are
small enough to be kept. With margins as wide as the network sees, the result is the picture that
one pass would have given. :mod:`nstlib.synthesis.tiles` has other tiles, and its head says why.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper, numpy_helper

from nstlib.errors import ModelError
from nstlib.images.arrays import Blob
from nstlib.onnx.graphs import check_memory

#: Makes a function of one blob out of a network of one input and one output.
Start: TypeAlias = Callable[[onnx.ModelProto], Callable[[Blob], Blob]]

#: Side of a tile without its margin, in pixels.
TILE = 512

#: Feature maps are kept if they are no larger than this many numbers a pixel of the picture.
_KEPT = 12

#: What computes each value from those at the same place, and leaves the size as it is.
_POINTWISE = {
    "Add",
    "BatchNormalization",
    "Cast",
    "Clip",
    "Concat",
    "Div",
    "Elu",
    "HardSigmoid",
    "HardSwish",
    "Identity",
    "InstanceNormalization",
    "LeakyRelu",
    "Max",
    "Min",
    "Mul",
    "Neg",
    "PRelu",
    "Relu",
    "Sigmoid",
    "Softplus",
    "Sub",
    "Tanh",
}
_FLOAT = onnx.TensorProto.FLOAT


def paint_large(proto: onnx.ModelProto, picture: Blob, start: Start, tile: int = TILE) -> Blob:
    """Run a style network on a large picture.

    Parameters
    ----------
    proto : onnx.ModelProto
        One input and one output of the same size; between them convolutions, changes of size,
        instance normalization, and what treats each position alone.
    picture : ndarray of float32, shape (1, C, H, W)
        What to run it on. The layers' steps divide H and W.
    start : callable
        Gives a network to a runtime.
    tile : int, default 512
        Side of a tile without its margin, in pixels, rounded up to the layers' steps. Features
        take the memory of one tile, and those that are kept at most 100 bytes a pixel.

    Returns
    -------
    ndarray of float32, shape (1, C', H, W)
        What the network gives for the whole picture, up to rounding.

    Raises
    ------
    ModelError
        If the network holds something else, which might look at the whole picture at once.
    """
    network = _Network(proto, start, picture.shape[2:], tile)
    maps = _Maps(network.source, picture)
    for index, node in network.norms():
        kept = network.last_narrow_place(before=index)
        if kept not in (None, maps.name):
            maps = _Maps(kept, network.whole(maps, kept))
        network.measure(maps, node)
    return network.whole(maps, proto.graph.output[0].name)


@dataclass(frozen=True)
class _Maps:
    """Feature maps of the whole picture, (1, C, H, W), and what they are called in the graph."""

    name: str
    values: Blob


class _Network:
    """A graph whose instance normalizations turn, one after the other, into fixed ones."""

    def __init__(
        self, proto: onnx.ModelProto, start: Start, sides: tuple[int, ...], tile: int
    ) -> None:
        self._proto = proto
        self._start = start
        self._sides = sides
        graph = proto.graph
        self._constants = {tensor.name: tensor for tensor in graph.initializer}
        (self.source,) = (x.name for x in graph.input if x.name not in self._constants)
        #: Pixels of the picture that one position stands for, by tensor; constants have none.
        self._scale = {self.source: 1}
        for node in graph.node:
            inside = [self._scale[name] for name in node.input if name in self._scale]
            if inside:
                self._scale[node.output[0]] = self._scaled(node, max(inside))
        self._step = max(self._scale.values())
        self._tile = -(-tile // self._step) * self._step
        shapes = onnx.shape_inference.infer_shapes(proto).graph.value_info
        self._channels = {
            value.name: value.type.tensor_type.shape.dim[1].dim_value
            for value in shapes
            if len(value.type.tensor_type.shape.dim) == 4
        }
        self._statistics: dict[str, tuple[NDArray[np.float64], NDArray[np.float64]]] = {}

    def _scaled(self, node: onnx.NodeProto, scale: int) -> int:
        attributes = _attributes(node)
        stride = attributes.get("strides", [1])[0]
        if node.op_type in ("Conv", "MaxPool", "AveragePool"):
            return scale * stride
        if node.op_type == "ConvTranspose":
            return self._enlarged(node, scale, stride)
        if node.op_type in ("Resize", "Upsample"):
            factors = self._constants.get(node.input[-1])
            if factors is not None and len(factors.dims) == 1 and factors.data_type == _FLOAT:
                return self._enlarged(node, scale, float(numpy_helper.to_array(factors)[2]))
        elif node.op_type == "Concat":
            if attributes["axis"] in (1, -3):
                return scale
        elif node.op_type in _POINTWISE or node.op_type == "Pad":
            return scale
        raise _tiling_error(f"{node.op_type}, which this network holds, needs all of it at once")

    def _enlarged(self, node: onnx.NodeProto, scale: int, factor: float) -> int:
        if factor <= 0 or scale % factor or factor != int(factor):
            raise _tiling_error(f"{node.op_type} in this network enlarges it by {factor:g}")
        return scale // int(factor)

    def norms(self) -> Iterator[tuple[int, onnx.NodeProto]]:
        """Instance normalizations, each with its index, in the order in which they compute."""
        for index, node in enumerate(self._proto.graph.node):
            if node.op_type == "InstanceNormalization":
                yield index, node

    def last_narrow_place(self, before: int) -> str | None:
        """Find the last maps, before a node, that all the rest follows from and that are small."""
        nodes = self._proto.graph.node
        last_use = {name: i for i, node in enumerate(nodes) for name in node.input}
        needed = last_use[self.source]
        found = None
        for index, node in enumerate(nodes[:before]):
            name = node.output[0]
            if name not in self._scale:
                continue
            numbers = self._channels.get(name, math.inf) / self._scale[name] ** 2
            if needed <= index and node.op_type in _POINTWISE and numbers <= _KEPT:
                found = name
            needed = max(needed, last_use.get(name, 0))
        return found

    def measure(self, maps: _Maps, node: onnx.NodeProto) -> None:
        """Take the statistics of what a normalisation is given, and keep them."""
        count, total, squares = 0, np.zeros(()), np.zeros(())
        for _, part in self._parts(maps, node.input[0]):
            flat = part.reshape(part.shape[1], -1).astype(np.float64)
            count += flat.shape[1]
            total = total + flat.sum(axis=1)
            squares = squares + (flat**2).sum(axis=1)
        mean = total / count
        self._statistics[node.output[0]] = (mean, np.maximum(squares / count - mean**2, 0))

    def whole(self, maps: _Maps, name: str) -> Blob:
        """Compute feature maps of the whole picture."""
        result: Blob | None = None
        for place, part in self._parts(maps, name):
            if result is None:
                sides = [side // self._scale[name] for side in self._sides]
                result = np.empty((1, part.shape[1], *sides), np.float32)
            result[place] = part
        assert result is not None
        return result

    def _parts(self, maps: _Maps, name: str) -> Iterator[tuple[tuple[slice, ...], Blob]]:
        """Compute maps tile by tile from those of the whole picture: where they belong, and they.

        All windows have one size, for which the runtime lays out its memory once.
        """
        nodes = self._between(maps.name, name)
        network = self._cut_out(nodes, maps, name)
        margin = -(-self._reach(nodes) // self._step) * self._step
        windows = [min(side, self._tile + 2 * margin) for side in self._sides]
        inside, outside = self._scale[maps.name], self._scale[name]
        check_memory(network, (*maps.values.shape[:2], *(side // inside for side in windows)))
        run = self._start(network)
        for corner in itertools.product(*(range(0, side, self._tile) for side in self._sides)):
            begin = [
                min(max(0, first - margin), side - window)
                for first, side, window in zip(corner, self._sides, windows, strict=True)
            ]
            seen = [
                slice(first // inside, (first + window) // inside)
                for first, window in zip(begin, windows, strict=True)
            ]
            values = run(np.ascontiguousarray(maps.values[:, :, *seen]))
            if values.shape[2:] != tuple(window // outside for window in windows):
                raise _tiling_error(
                    f"layers of this network change its size: {name!r} is {values.shape[2:]} for "
                    f"{tuple(windows)}"
                )
            wanted, place = [], []
            for first, start, side in zip(corner, begin, self._sides, strict=True):
                last = min(first + self._tile, side)
                wanted.append(slice((first - start) // outside, (last - start) // outside))
                place.append(slice(first // outside, last // outside))
            everything = slice(None)
            yield (everything, everything, *place), values[:, :, *wanted]

    def _between(self, source: str, target: str) -> list[onnx.NodeProto]:
        """Nodes that compute one tensor from another, in order, those of constants among them."""
        needed, found = {target}, []
        for node in reversed(self._proto.graph.node):
            if node.output[0] in needed and node.output[0] != source:
                needed.update(node.input)
                found.append(node)
        return found[::-1]

    def _reach(self, nodes: list[onnx.NodeProto]) -> int:
        """How many pixels beyond its own place a position sees, at most."""
        reach = 0
        for node in nodes:
            inside = self._scale.get(node.input[0]) if node.input else None
            if inside is None or node.op_type in _POINTWISE or node.op_type == "Pad":
                continue
            attributes = _attributes(node)
            sides = attributes.get("kernel_shape") or self._window(node, attributes)
            dilations = attributes.get("dilations", [1])
            widest = max(
                (side - 1) * dilation for side, dilation in zip(sides, itertools.cycle(dilations))
            )
            # A kernel that slides by more than a step may stand off centre.
            if attributes.get("strides", [1])[0] == 1 and node.op_type != "ConvTranspose":
                widest = -(-widest // 2)
            reach += widest * inside
        return reach

    def _window(self, node: onnx.NodeProto, attributes: dict[str, Any]) -> list[int]:
        """Sides of what a node that does not say so sees at once."""
        if node.op_type not in ("Conv", "ConvTranspose"):
            return [4 if attributes.get("mode") == b"cubic" else 2]
        # Kernels may be stored in half precision, and cast.
        casts = {x.output[0]: x.input[0] for x in self._proto.graph.node if x.op_type == "Cast"}
        kernel = self._constants.get(casts.get(node.input[1], node.input[1]))
        if kernel is None:
            raise _tiling_error(f"a kernel of {node.op_type} in this network is no constant")
        return list(kernel.dims[2:])

    def _cut_out(self, nodes: list[onnx.NodeProto], maps: _Maps, name: str) -> onnx.ModelProto:
        """Make a network of its own of some nodes. What is normalised there is known by now."""
        parts, constants = [], []
        for node in nodes:
            part = onnx.NodeProto()
            part.CopyFrom(node)
            if node.op_type == "InstanceNormalization":
                part.op_type = "BatchNormalization"
                for kind, values in zip(
                    ("mean", "variance"), self._statistics[node.output[0]], strict=True
                ):
                    constant = f"{node.output[0]}.{kind}"
                    constants.append(numpy_helper.from_array(values.astype(np.float32), constant))
                    part.input.append(constant)
            parts.append(part)
        used = {name for part in parts for name in part.input}
        constants += [tensor for tensor in self._constants.values() if tensor.name in used]
        graph = helper.make_graph(
            parts,
            "part",
            [
                helper.make_tensor_value_info(
                    maps.name, _FLOAT, ["batch", maps.values.shape[1], "height", "width"]
                )
            ],
            [helper.make_tensor_value_info(name, _FLOAT, ["batch", "channels", "rows", "columns"])],
            constants,
        )
        return helper.make_model(
            graph,
            opset_imports=self._proto.opset_import,
            ir_version=self._proto.ir_version,
        )


def _tiling_error(reason: str) -> ModelError:
    fault = f"the picture is too large for one pass, and cannot be painted tile by tile: {reason}"
    return ModelError(
        f"{fault}; make the picture smaller, or raise whole_megapixels",
        command=f"{fault}; make the picture smaller: --size",
    )


def _attributes(node: onnx.NodeProto) -> dict[str, Any]:
    return {x.name: helper.get_attribute_value(x) for x in node.attribute}
