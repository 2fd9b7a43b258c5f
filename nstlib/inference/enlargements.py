r"""Let style networks enlarge and convolve in one step: the same picture in less time.

Most style networks end in enlargements, each with a convolution after it. The convolution then
works on four times as many positions as there is something new to see. Both are linear. Along one
side, with :math:`u = Ux` the enlarged map and :math:`w` the convolution's weights,

.. math:: y_{2i + \phi} = \sum_t w_t\, u_{2i + \phi + t} = \sum_d w^\phi_d\, x_{i + d},
   \qquad w^\phi_d = \sum_t w_t\, U_{2i + \phi + t,\, i + d}.

So the four positions that come from one are four channels of one convolution of the map as it was.
No enlarged map is needed. That is known as sub-pixel convolution.

This does not hold near the border, where the network mirrors the enlarged map. There each position
has weights of its own. So nine convolutions give the parts of the result: the corners, the edges,
and what lies between.

References
----------
W. Shi et al., "Real-time single image and video super-resolution using an efficient sub-pixel
convolutional neural network", CVPR 2016.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper, numpy_helper

from nstlib.inference.foreign import simplified
from nstlib.onnx.graphs import replace_nodes
from nstlib.onnx.sessions import start_session

#: The shortest side of a picture, in pixels, for which each map has a border and something in it.
LEAST_SIDE = 64

#: Positions along one side of the map on which an enlargement is tried.
_TRIAL = 24

#: The end of a map, whatever its size.
_END = np.iinfo(np.int64).max


def fold_enlargements(proto: onnx.ModelProto) -> onnx.ModelProto:
    """Turn each enlargement by two, and the convolution after it, into one convolution.

    Parameters
    ----------
    proto : onnx.ModelProto
        A network of any kind.

    Returns
    -------
    onnx.ModelProto
        A network for ONNX Runtime that computes the same, up to rounding, from pictures whose sides
        are :data:`LEAST_SIDE` or more; or the one that was given, if it has no such steps.
    """
    result = onnx.ModelProto()
    result.CopyFrom(simplified(proto))
    graph = result.graph
    steps = {step.convolution.output[0]: step for step in _steps(graph)}
    if not steps:
        return proto
    gone = {node.output[0] for step in steps.values() for node in step.before}
    nodes: list[onnx.NodeProto] = []
    for node in graph.node:
        if node.output[0] in steps:
            nodes += _Folded(graph, steps[node.output[0]]).nodes
        elif node.output[0] not in gone:
            nodes.append(node)
    replace_nodes(graph, nodes)
    return result


@dataclass(frozen=True)
class _Step:
    """An enlargement by two and a convolution, with a border between them or without."""

    before: tuple[onnx.NodeProto, ...]  # what enlarges, and what adds a border
    convolution: onnx.NodeProto
    weights: NDArray[np.float32]  # (C', C, k, k)
    enlarging: NDArray[np.float64]  # (2 n + k − 1, n): a row of the map to an enlarged one's


def _steps(graph: onnx.GraphProto) -> Iterator[_Step]:
    constants = {tensor.name: tensor for tensor in graph.initializer}
    makers = {name: node for node in graph.node for name in node.output}
    uses = [name for node in graph.node for name in node.input]
    uses += [value.name for value in graph.output]

    def before(node: onnx.NodeProto, kind: str) -> onnx.NodeProto | None:
        """Return what makes a node's input, if it is of this kind and nothing else uses it."""
        maker = makers.get(node.input[0])
        alone = maker is not None and uses.count(node.input[0]) == 1
        return maker if maker is not None and alone and maker.op_type == kind else None

    for node in graph.node:
        if node.op_type != "Conv" or node.input[1] not in constants:
            continue
        weights = numpy_helper.to_array(constants[node.input[1]])
        options = {x.name: helper.get_attribute_value(x) for x in node.attribute}
        plain = (
            weights.ndim == 4
            and weights.shape[2] == weights.shape[3]
            and weights.shape[2] % 2 == 1
            and options.get("group", 1) == 1
            and set(options.get("strides", [1])) == set(options.get("dilations", [1])) == {1}
            and options.get("auto_pad", b"NOTSET") in (b"NOTSET", b"VALID")
        )
        if not plain:
            continue
        side = weights.shape[2] // 2
        pads, pad = list(options.get("pads", [0] * 4)), before(node, "Pad")
        # Until opset 10 a Pad has its borders as an attribute; such are left alone.
        if pad is not None and len(pad.input) > 1 and pad.input[1] in constants:
            borders = numpy_helper.to_array(constants[pad.input[1]]).tolist()
            if any(pads) or borders != [0, 0, side, side] * 2:
                continue
        elif pad is not None or pads != [side] * 4:
            continue
        resize = before(node if pad is None else pad, "Resize")
        if resize is None:
            continue
        found = (resize,) if pad is None else (resize, pad)
        enlarging = _enlarging(graph, found, side)
        if enlarging is not None:
            yield _Step(found, node, weights.astype(np.float32), enlarging)


def _enlarging(
    graph: onnx.GraphProto, nodes: tuple[onnx.NodeProto, ...], border: int
) -> NDArray[np.float64] | None:
    """Find by trial what enlarges a row, and adds a border; None if it does not enlarge by two."""
    resize, last = nodes[0], nodes[-1]
    used = {name for node in nodes for name in node.input}
    constants = [tensor for tensor in graph.initializer if tensor.name in used]
    scales = [x for x in constants if len(resize.input) == 3 and x.name == resize.input[2]]
    if not scales or numpy_helper.to_array(scales[0]).tolist() != [1, 1, 2, 2]:
        return None
    entry, output = (
        helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, [1, None, None, None])
        for name in (resize.input[0], last.output[0])
    )
    trial = helper.make_model(
        helper.make_graph(list(nodes), "trial", [entry], [output], constants),
        opset_imports=[helper.make_opsetid("", 17)],
        ir_version=8,
    )
    # One row of the map is 1 in each channel, and none in the last one.
    maps = np.broadcast_to(np.eye(_TRIAL + 1, _TRIAL)[..., None], (_TRIAL + 1, _TRIAL, _TRIAL))
    try:
        session = start_session(trial.SerializeToString())
        given = session.run(None, {entry.name: maps[np.newaxis].astype(np.float32)})[0]
        columns = given[0, :, :, given.shape[3] // 2].astype(np.float64)
    except Exception:  # ONNX Runtime's errors have no base but Exception
        return None
    rows = columns[:-1].T
    if len(nodes) == 1:  # the convolution adds zeros
        rows = np.pad(rows, ((border, border), (0, 0)))
    if rows.shape != (2 * (_TRIAL + border), _TRIAL) or columns[-1].any():
        return None
    # Away from the border it is everywhere the same.
    inner = rows[border : len(rows) - border]
    middle = range(8, _TRIAL - 8)
    same = all(
        np.allclose(np.roll(inner[2 * i : 2 * i + 2], 8 - i, axis=1), inner[16:18]) for i in middle
    )
    return rows if same else None


@dataclass(frozen=True)
class _Part:
    """What a part of the result's rows, or columns, is made of."""

    start: int  # of the rows of the map that it sees
    end: int
    weights: NDArray[np.float64]  # (rows that come from one place, k, rows of the map)


class _Folded:
    """The nodes that take a step's place."""

    def __init__(self, graph: onnx.GraphProto, step: _Step) -> None:
        self._graph, self._step = graph, step
        self._name = step.convolution.output[0]
        self._source = step.before[0].input[0]
        self.nodes: list[onnx.NodeProto] = []
        parts = list(self._parts())
        rows = [self._joined([self._piece(y, x) for x in parts], axis=3) for y in parts]
        self._joined(rows, self._name, axis=2)

    def _parts(self) -> Iterator[_Part]:
        """Divide the result's rows, or columns: the border, what lies between, the border."""
        shift, first, inner = min(
            (self._inner(shift) for shift in (0, 1)), key=lambda found: found[2].shape[2]
        )
        last = first + inner.shape[2] - 1
        # Rows that are missing before the first and after the last place.
        before, after = -2 * first - shift, 2 * last + shift
        if before > 0:
            weights = self._seen(0, before)
            near = int(np.flatnonzero(weights.any(axis=(0, 1)))[-1]) + 1
            yield _Part(0, near, weights[..., :near])
        yield _Part(0, _END, inner)
        if after > 0:
            weights = self._seen(2 * _TRIAL - after, after)
            near = _TRIAL - int(np.flatnonzero(weights.any(axis=(0, 1)))[0])
            yield _Part(-near, _END, weights[..., -near:])

    def _seen(self, start: int, count: int) -> NDArray[np.float64]:
        """Tell what each weight sees of the map (count, k, n), for the result's rows from start."""
        size = self._step.weights.shape[2]
        rows = self._step.enlarging
        return np.stack([rows[row : row + size] for row in range(start, start + count)])

    def _inner(self, shift: int) -> tuple[int, int, NDArray[np.float64]]:
        """Find what row 2i − shift and the next are made of, and where that begins beside i."""
        middle, border = _TRIAL // 2, self._step.weights.shape[2] // 2
        seen = self._seen(2 * middle - shift, 2)
        used = np.flatnonzero(np.abs(seen).sum(axis=(0, 1)) > 1e-7) - middle
        # So many neighbours that the enlarged map holds all that the first and the last one use.
        first = min(int(used[0]), (border + shift) // -2)
        last = max(int(used[-1]), -((border - shift) // -2))
        return shift, first, seen[..., middle + first : middle + last + 1]

    def _piece(self, rows: _Part, columns: _Part) -> str:
        """Compute a part of the result."""
        weights = np.einsum(
            "octu,yth,xuw->yxochw", self._step.weights, rows.weights, columns.weights
        )
        y, x, channels = weights.shape[:3]
        shape = (-1, *weights.shape[3:])
        inputs = [
            self._cut(rows, columns),
            self._constant("weight", weights.reshape(shape).astype(np.float32)),
        ]
        bias = self._bias()
        if bias is not None:
            inputs.append(self._constant("bias", np.tile(bias, y * x)))
        sides = weights.shape[-2:]
        apart = self._add("Conv", inputs, kernel_shape=sides, pads=[0] * 4, strides=[1, 1])
        # The y × x positions that come from one place go side by side. ONNX Runtime does that much
        # faster by two transpositions of one axis each than by DepthToSpace. 0 keeps a side.
        apart = self._shaped(apart, [y, x, -1, 0])
        apart = self._add("Transpose", [apart], perm=[0, 2, 3, 1])
        apart = self._shaped(apart, [0, 0, 1, -1])
        apart = self._add("Transpose", [apart], perm=[1, 0, 2, 3])
        return self._shaped(apart, [1, channels, -1, 0])

    def _bias(self) -> NDArray[np.float32] | None:
        names = list(self._step.convolution.input[2:])
        found = [x for x in self._graph.initializer if names and x.name == names[0]]
        return numpy_helper.to_array(found[0]) if found else None

    def _cut(self, rows: _Part, columns: _Part) -> str:
        cuts = [
            (axis, part)
            for axis, part in ((2, rows), (3, columns))
            if part.start or part.end != _END
        ]
        if not cuts:
            return self._source
        bounds = zip(*((part.start, part.end, axis) for axis, part in cuts), strict=True)
        names = [self._constant("bound", np.array(values, np.int64)) for values in bounds]
        return self._add("Slice", [self._source, *names])

    def _shaped(self, source: str, shape: list[int]) -> str:
        return self._add("Reshape", [source, self._constant("shape", np.array(shape, np.int64))])

    def _joined(self, parts: list[str], name: str = "", *, axis: int) -> str:
        return self._add("Concat", parts, name, axis=axis)

    def _add(self, kind: str, inputs: list[str], name: str = "", **options: Any) -> str:
        name = name or f"{self._name}.{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, inputs, [name], **options))
        return name

    def _constant(self, name: str, values: NDArray[Any]) -> str:
        unique = f"{self._name}.{name}{len(self._graph.initializer)}"
        self._graph.initializer.append(numpy_helper.from_array(values, unique))
        return unique
