"""Small ONNX files, built node by node, for the tests of what runs them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import ArrayLike, NDArray
from onnx import helper, numpy_helper
from onnx.reference import ReferenceEvaluator

FLOAT = onnx.TensorProto.FLOAT


class Graph:
    """A graph that grows node by node; its random weights come from a seed."""

    def __init__(self, seed: int = 0) -> None:
        self.random = np.random.default_rng(seed)
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []

    def constant(self, values: ArrayLike) -> str:
        name = f"constant{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.asarray(values), name))
        return name

    def node(self, kind: str, *inputs: str, **attributes: Any) -> str:
        name = f"{kind.lower()}{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, inputs, [name], name, **attributes))
        return name

    def conv(
        self, x: str, inside: int, outside: int, side: int = 3, stride: int = 1, half: bool = False
    ) -> str:
        """Reflect the border, and convolve."""
        margin = [0, 0, side // 2, side // 2]
        x = self.node("Pad", x, self.constant(np.array(2 * margin)), mode="reflect")
        spread = (2 / (inside * side**2)) ** 0.5
        kernel = self.random.normal(0, spread, (outside, inside, side, side)).astype(np.float32)
        weights = self.constant(kernel.astype(np.float16) if half else kernel)
        if half:
            weights = self.node("Cast", weights, to=FLOAT)
        bias = self.constant(self.random.normal(0, 0.1, outside).astype(np.float32))
        return self.node("Conv", x, weights, bias, strides=[stride, stride])

    def norm(self, x: str, channels: int) -> str:
        scale = self.constant(self.random.uniform(0.5, 1.5, channels).astype(np.float32))
        bias = self.constant(self.random.normal(0, 0.3, channels).astype(np.float32))
        return self.node("InstanceNormalization", x, scale, bias, epsilon=1e-5)

    def enlarged(self, x: str) -> str:
        return self.node(
            "Resize",
            x,
            "",
            self.constant(np.array([1, 1, 2, 2], np.float32)),
            mode="nearest",
            coordinate_transformation_mode="asymmetric",
            nearest_mode="floor",
        )

    def model(
        self,
        output: str,
        shape: tuple[Any, ...] = ("batch", 3, "height", "width"),
        result: tuple[Any, ...] = ("batch", 3, "rows", "columns"),
    ) -> onnx.ModelProto:
        graph = helper.make_graph(
            [*self.nodes, helper.make_node("Identity", [output], ["stylized"])],
            "test",
            [helper.make_tensor_value_info("image", FLOAT, shape)],
            [helper.make_tensor_value_info("stylized", FLOAT, result)],
            self.constants,
        )
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
        onnx.checker.check_model(model)
        return model


def style_network(seed: int = 0, *, half: bool = False, **metadata: str) -> onnx.ModelProto:
    """Build a small TransformerNet: two halvings, two residual blocks, two enlargements."""
    graph = Graph(seed)
    x = graph.node("Relu", graph.norm(graph.conv("image", 3, 4, 5, half=half), 4))
    x = graph.node("Relu", graph.norm(graph.conv(x, 4, 6, 3, 2), 6))
    x = graph.node("Relu", graph.norm(graph.conv(x, 6, 8, 3, 2, half=half), 8))
    for _ in range(2):
        y = graph.node("Relu", graph.norm(graph.conv(x, 8, 8), 8))
        x = graph.node("Add", x, graph.norm(graph.conv(y, 8, 8), 8))
    x = graph.node("Relu", graph.norm(graph.conv(graph.enlarged(x), 8, 6), 6))
    x = graph.node("Relu", graph.norm(graph.conv(graph.enlarged(x), 6, 4), 4))
    x = graph.conv(x, 4, 3, 5)
    # To the 0..255 scale, and a little beyond.
    scale, middle = graph.constant(np.float32(90)), graph.constant(np.float32(127))
    model = graph.model(graph.node("Add", graph.node("Mul", x, scale), middle))
    helper.set_model_props(model, metadata)
    return model


def computed(model: onnx.ModelProto, blob: ArrayLike) -> NDArray[np.float32]:
    """Compute a network by ONNX's own reference implementation, which is NumPy."""
    outputs: Any = ReferenceEvaluator(model).run(None, {"image": np.asarray(blob, np.float32)})
    return np.asarray(outputs[0], np.float32)


def save(model: onnx.ModelProto, path: Path) -> Path:
    onnx.save(model, path)
    return path
