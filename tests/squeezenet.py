"""Networks of SqueezeNet's build, with random weights, as ONNX files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import onnx
from onnx import helper, numpy_helper

#: SqueezeNet 1.1's fire modules: channels between, and on each of the two sides.
SQUEEZENET = {
    "fire2": (16, 64),
    "fire3": (16, 64),
    "fire4": (32, 128),
    "fire5": (32, 128),
    "fire6": (48, 192),
    "fire7": (48, 192),
    "fire8": (64, 256),
    "fire9": (64, 256),
}


def write_squeezenet(
    path: Path,
    fires: Mapping[str, tuple[int, int]],
    pooled: Sequence[str],
    outputs: Sequence[str],
    channels: int = 64,
    pads: tuple[int, int] = (0, 0),
) -> Path:
    """Write one with `fires`, a pooling before those that are `pooled`, `pads` at each stride."""
    random = np.random.default_rng(0)
    nodes, constants = [], []

    def conv(x: str, y: str, channels: tuple[int, int], size: int, stride: int = 1) -> str:
        kernel = random.standard_normal((channels[1], channels[0], size, size))
        kernel = (kernel * np.sqrt(2 / (channels[0] * size**2))).astype(np.float32)
        bias = random.standard_normal(channels[1]).astype(np.float32) / 10
        constants.extend(
            [numpy_helper.from_array(kernel, f"{y}_w"), numpy_helper.from_array(bias, f"{y}_b")]
        )
        around = [size // 2] * 4 if stride == 1 else [pads[0]] * 2 + [pads[1]] * 2
        inputs = [x, f"{y}_w", f"{y}_b"]
        node = helper.make_node(
            "Conv", inputs, [f"{y}_1"], kernel_shape=[size] * 2, strides=[stride] * 2, pads=around
        )
        nodes.append(node)
        nodes.append(helper.make_node("Relu", [f"{y}_1"], [f"{y}_2"]))
        return f"{y}_2"

    x = conv("data", "conv1", (3, channels), 3, stride=2)
    for name, (squeezed, expanded) in fires.items():
        if name in pooled:
            pool = helper.make_node(
                "MaxPool",
                [x],
                [f"pool_{name}"],
                kernel_shape=[3, 3],
                strides=[2, 2],
                pads=[pads[0]] * 2 + [pads[1]] * 2,
            )
            nodes.append(pool)
            x = f"pool_{name}"
        inner = conv(x, f"{name}/squeeze", (channels, squeezed), 1)
        sides = [conv(inner, f"{name}/{k}", (squeezed, expanded), k) for k in (1, 3)]
        nodes.append(helper.make_node("Concat", sides, [f"{name}/concat_1"], axis=1))
        x, channels = f"{name}/concat_1", 2 * expanded
    nodes.append(helper.make_node("GlobalAveragePool", [x], ["answer"]))
    graph = helper.make_graph(
        nodes,
        "squeezenet",
        [helper.make_tensor_value_info("data", onnx.TensorProto.FLOAT, [1, 3, None, None])],
        [
            helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, None)
            for name in ("answer", *outputs)
        ],
        constants,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    onnx.save(model, path)
    return path
