r"""Let style networks enlarge and convolve in one step: the same picture in less time.

Most style networks end in enlargements, each with a convolution after it. The convolution then
works on four times as many positions as there is something new to see. Both are linear. Along one
side, with :math:`u = Ux` the enlarged map and :math:`w` the convolution's weights,

.. math:: y_{2i + \phi} = \sum_t w_t\, u_{2i + \phi + t} = \sum_d w^\phi_d\, x_{i + d},
   \qquad w^\phi_d = \sum_t w_t\, U_{2i + \phi + t,\, i + d}.

So the four positions that come from one are four channels of one convolution of the map as it was.
No enlarged map is needed. That is known as sub-pixel convolution.

This does not hold at the border, where the network mirrors the enlarged map. So a frame, two or
three pixels wide, is computed as the network says.

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
import onnxruntime
from numpy.typing import NDArray
from onnx import helper, numpy_helper

from nstlib.inference.foreign import simplified
from nstlib.onnx.graphs import replace_nodes

#: The shortest side of a picture, in pixels, for which each map has a border and something in it.
LEAST_SIDE = 64

#: Positions along one side of the map on which an enlargement is tried.
_TRIAL = 24


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
    enlarging: NDArray[np.float64]  # (2 n, n): a row of the map to one of the enlarged map


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
        if pad is not None and pad.input[1] in constants:
            borders = numpy_helper.to_array(constants[pad.input[1]]).tolist()
            if any(pads) or borders != [0, 0, side, side] * 2:
                continue
        elif pad is not None or pads != [side] * 4:
            continue
        resize = before(node if pad is None else pad, "Resize")
        if resize is None:
            continue
        enlarging = _enlarging(graph, resize)
        if enlarging is not None:
            found = (resize,) if pad is None else (resize, pad)
            yield _Step(found, node, weights.astype(np.float32), enlarging)


def _enlarging(graph: onnx.GraphProto, resize: onnx.NodeProto) -> NDArray[np.float64] | None:
    """Find by trial what a node makes of a row; None if it does not enlarge by two."""
    constants = [tensor for tensor in graph.initializer if tensor.name in resize.input]
    scales = [x for x in constants if len(resize.input) == 3 and x.name == resize.input[2]]
    if not scales or numpy_helper.to_array(scales[0]).tolist() != [1, 1, 2, 2]:
        return None
    entry, output = (
        helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, [1, None, None, None])
        for name in (resize.input[0], resize.output[0])
    )
    trial = helper.make_model(
        helper.make_graph([resize], "trial", [entry], [output], constants),
        opset_imports=[helper.make_opsetid("", 17)],
        ir_version=8,
    )
    try:
        session = onnxruntime.InferenceSession(
            trial.SerializeToString(), providers=["CPUExecutionProvider"]
        )
        # One position of the column is 1 in each channel.
        columns = np.eye(_TRIAL, dtype=np.float32)[np.newaxis, ..., np.newaxis]
        rows = session.run(None, {entry.name: columns})[0][0, :, :, 0].T.astype(np.float64)
    except Exception:  # ONNX Runtime's errors have no base but Exception
        return None
    if rows.shape != (2 * _TRIAL, _TRIAL):
        return None
    # Away from the border it is everywhere the same.
    middle = range(8, _TRIAL - 8)
    same = all(
        np.allclose(np.roll(rows[2 * i : 2 * i + 2], 8 - i, axis=1), rows[16:18]) for i in middle
    )
    return rows if same else None


class _Folded:
    """The nodes that take a step's place."""

    def __init__(self, graph: onnx.GraphProto, step: _Step) -> None:
        self._graph, self._step = graph, step
        self._name = step.convolution.output[0]
        self._source = step.before[0].input[0]
        self.nodes: list[onnx.NodeProto] = []
        self._border = step.weights.shape[2] // 2
        shift, first, weights = min(
            (self._weights(shift) for shift in (0, 1)), key=lambda found: found[2].shape[2]
        )
        last = first + weights.shape[2] - 1
        # Rows and columns that are missing before the first and after the last position.
        before, after = -2 * first - shift, 2 * last + shift
        inner = self._inner(weights)
        beside = [self._edge(3, before, start=True), inner, self._edge(3, after, start=False)]
        for place in (0, 2):
            if beside[place]:
                beside[place] = self._cut(beside[place], 2, before, -after)
        middle = self._add("Concat", [x for x in beside if x], axis=3)
        above, below = self._edge(2, before, start=True), self._edge(2, after, start=False)
        self._add("Concat", [x for x in (above, middle, below) if x], self._name, axis=2)

    def _weights(self, shift: int) -> tuple[int, int, NDArray[np.float32]]:
        """Weights of the four positions from 2i − shift on, and where they begin beside i."""
        middle = _TRIAL // 2
        size = 2 * self._border + 1
        start = 2 * middle - shift - self._border
        phases = np.stack([self._step.enlarging[start + phase :][:size] for phase in (0, 1)])
        used = np.flatnonzero(np.abs(phases).sum(axis=(0, 1)) > 1e-7) - middle
        # So many neighbours that the enlarged map holds all that the first and the last one use.
        first = min(int(used[0]), (self._border + shift) // -2)
        last = max(int(used[-1]), -((self._border - shift) // -2))
        phases = phases[..., middle + first : middle + last + 1]  # (position, weight, neighbour)
        folded = np.einsum("octu,yth,xuw->yxochw", self._step.weights, phases, phases)
        shape = (-1, self._step.weights.shape[1], *folded.shape[-2:])
        return shift, first, folded.reshape(shape).astype(np.float32)

    def _inner(self, weights: NDArray[np.float32]) -> str:
        """Compute what lies inside the frame."""
        inputs = [self._source, self._constant("weight", weights)]
        bias = self._bias()
        if bias is not None:
            inputs.append(self._constant("bias", np.tile(bias, 4)))
        sides = weights.shape[2:]
        apart = self._add("Conv", inputs, kernel_shape=sides, pads=[0] * 4, strides=[1, 1])
        return self._add("DepthToSpace", [apart], blocksize=2, mode="DCR")

    def _bias(self) -> NDArray[np.float32] | None:
        names = list(self._step.convolution.input[2:])
        found = [x for x in self._graph.initializer if names and x.name == names[0]]
        return numpy_helper.to_array(found[0]) if found else None

    def _edge(self, axis: int, count: int, *, start: bool) -> str:
        """Compute `count` rows (axis 2) or columns (3) at one end, as the network says."""
        if count <= 0:
            return ""
        near = count + self._border + 1  # of the enlarged map; it is read a little further on
        near = -(-near // 2) + 2
        part = self._cut(self._source, axis, *((0, near) if start else (-near, None)))
        for node in self._step.before:
            part = self._again(node, part)
        if len(self._step.before) == 2:
            span = count + 2 * self._border
            part = self._cut(part, axis, *((0, span) if start else (-span, None)))
        strip = self._again(self._step.convolution, part)
        if len(self._step.before) == 1:
            strip = self._cut(strip, axis, *((0, count) if start else (-count, None)))
        return strip

    def _again(self, node: onnx.NodeProto, source: str) -> str:
        copy = onnx.NodeProto()
        copy.CopyFrom(node)
        copy.input[0] = source
        copy.output[0] = f"{self._name}.{len(self.nodes)}"
        copy.name = ""
        self.nodes.append(copy)
        return copy.output[0]

    def _cut(self, source: str, axis: int, start: int, end: int | None) -> str:
        end = np.iinfo(np.int64).max if end is None else end
        bounds = [self._constant("bound", np.array([x], np.int64)) for x in (start, end, axis)]
        return self._add("Slice", [source, *bounds])

    def _add(self, kind: str, inputs: list[str], name: str = "", **options: Any) -> str:
        name = name or f"{self._name}.{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, inputs, [name], **options))
        return name

    def _constant(self, name: str, values: NDArray[Any]) -> str:
        unique = f"{self._name}.{name}{len(self._graph.initializer)}"
        self._graph.initializer.append(numpy_helper.from_array(values, unique))
        return unique
