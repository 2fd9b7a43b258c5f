"""Small ONNX files, built node by node, and what runs them, for the tests."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import onnx
import onnxruntime
from numpy.typing import ArrayLike, NDArray
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

FLOAT = onnx.TensorProto.FLOAT
BACKENDS = ("cv2", "ort")


def rounding(backend: str) -> float:
    """How far what a style network paints may be off, in levels of 255.

    OpenCV 4 takes the means and spreads of instance normalisation in single precision: measured on
    photographs, the layer alone is off by 1e-3, and in OpenCV 5 and ONNX Runtime by 3e-6.
    """
    return 0.05 if backend == "cv2" and cv2.__version__.startswith("4.") else 0.01


class Graph:
    """A graph that grows node by node; its random weights come from a seed."""

    def __init__(self, seed: int = 0) -> None:
        self.random = np.random.default_rng(seed)
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []

    def constant(self, values: ArrayLike) -> str:
        name = f"weights{len(self.constants)}"
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

    def doubling(self) -> str:
        return self.constant(np.array([1, 1, 2, 2], np.float32))

    def enlarged(self, x: str) -> str:
        return self.node(
            "Resize",
            x,
            "",
            self.doubling(),
            mode="nearest",
            coordinate_transformation_mode="asymmetric",
            nearest_mode="floor",
        )

    def model(
        self,
        output: str,
        shape: tuple[Any, ...] = ("batch", 3, "height", "width"),
        result: tuple[Any, ...] = ("batch", 3, "rows", "columns"),
        *,
        check: bool = True,
    ) -> onnx.ModelProto:
        graph = helper.make_graph(
            [*self.nodes, helper.make_node("Identity", [output], ["stylized"])],
            "test",
            [helper.make_tensor_value_info("image", FLOAT, shape)],
            [helper.make_tensor_value_info("stylized", FLOAT, result)],
            self.constants,
        )
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
        if check:
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


def picture(height: int, width: int, seed: int = 0) -> NDArray[np.float32]:
    return np.random.default_rng(seed).uniform(0, 1, (height, width, 3)).astype(np.float32)


def painted(model: onnx.ModelProto, image: NDArray[np.float32]) -> NDArray[np.float32]:
    """Paint by the reference implementation: mirror to multiples of 4, compute, cut, clip."""
    height, width, _ = image.shape
    more = [(0, max(16, side + -side % 4) - side) for side in (height, width)]
    padded = np.pad(image, [*more, (0, 0)], mode="reflect")
    blob = computed(model, 255 * padded.transpose(2, 0, 1)[np.newaxis])
    return np.clip(blob[0].transpose(1, 2, 0)[:height, :width] / 255, 0, 1)


def two_channels(size: int = 192) -> onnx.ModelProto:
    """Build a network of PP-HumanSeg's contract, with random weights."""
    graph = Graph(4)
    x = graph.node("Relu", graph.conv("image", 3, 6, 5))
    x = graph.node("Mul", graph.conv(x, 6, 2, 5), graph.constant(np.float32(4)))
    sides = (1, 3, size, size)
    return graph.model(graph.node("Softmax", x, axis=1), sides, (1, 2, size, size))


def one_channel(size: int = 256) -> onnx.ModelProto:
    """Build a network of the contract of MediaPipe's selfie segmentation, with random weights."""
    graph = Graph(5)
    x = graph.conv(graph.node("Relu", graph.conv("image", 3, 6, 5)), 6, 1, 5)
    x = graph.node("Mul", x, graph.constant(np.float32(4)))
    sides = (1, 3, size, size)
    return graph.model(graph.node("Sigmoid", x), sides, (1, 1, size, size))


def save(model: onnx.ModelProto, path: Path) -> Path:
    onnx.save(model, path)
    return path


def run_onnx_runtime(source: Path | bytes | onnx.ModelProto, picture: NDArray[Any]) -> NDArray[Any]:
    content = source.SerializeToString() if isinstance(source, onnx.ModelProto) else source
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    result: NDArray[Any] = session.run(None, {session.get_inputs()[0].name: picture})[0]
    return result


def run_opencv(path: Path, picture: NDArray[Any]) -> NDArray[Any]:
    net = cv2.dnn.readNetFromONNX(str(path))
    net.setInput(picture)
    result: NDArray[Any] = net.forward()
    return result


def graph_of(
    nodes: Sequence[onnx.NodeProto],
    constants: dict[str, Any] | None = None,
    *,
    opset: int = 17,
    shape: Sequence[int | str] = (1, 3, "height", "width"),
    output: Sequence[int | str | None] = ("b", "c", "h", "w"),
) -> onnx.ModelProto:
    """Make a file's content: from "x" to "y"."""
    return helper.make_model(
        helper.make_graph(
            nodes,
            "graph",
            [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
            [helper.make_tensor_value_info("y", TensorProto.FLOAT, output)],
            [numpy_helper.from_array(np.asarray(v), k) for k, v in (constants or {}).items()],
        ),
        opset_imports=[helper.make_opsetid("", opset)],
        ir_version=8,
    )


def engines() -> list[str]:
    if int(cv2.__version__.split(".")[0]) < 5:
        return ["ONNX Runtime", "cv2.dnn"]
    return ["ONNX Runtime", "cv2.dnn new", "cv2.dnn classic"]
