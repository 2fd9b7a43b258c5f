"""Enlargements that are one with the convolution after them: the same values, or left alone."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

from nstlib.inference.enlargements import fold_enlargements
from nstlib.inference.runtimes import load_model, start_network
from nstlib.inference.stylizer import STYLE_NETWORKS

#: Ways to enlarge, as PyTorch and Keras write them, and two odd ones.
WAYS: tuple[dict[str, Any], ...] = (
    {"mode": "linear", "coordinate_transformation_mode": "half_pixel"},
    {"mode": "linear", "coordinate_transformation_mode": "asymmetric"},
    {"mode": "cubic", "coordinate_transformation_mode": "pytorch_half_pixel"},
    {
        "mode": "nearest",
        "coordinate_transformation_mode": "asymmetric",
        "nearest_mode": "floor",
    },
    {"mode": "nearest", "coordinate_transformation_mode": "half_pixel", "nearest_mode": "floor"},
)


def enlarging_network(
    way: dict[str, Any],
    side: int,
    border: str | None,
    *,
    bias: bool = True,
    scale: float = 2,
    stride: int = 1,
) -> onnx.ModelProto:
    """Build a network that enlarges its three channels and convolves them to four."""
    random = np.random.default_rng(side)
    margin = side // 2
    constants = {
        "scales": np.array([1, 1, scale, scale], np.float32),
        "pads": np.array([0, 0, margin, margin] * 2),
        "weights": random.normal(size=(4, 3, side, side)).astype(np.float32),
        "bias": random.normal(size=4).astype(np.float32),
    }
    nodes = [helper.make_node("Resize", ["x", "", "scales"], ["large"], **way)]
    inputs = ["large", "weights", *(["bias"] if bias else [])]
    options: dict[str, Any] = {"strides": [stride, stride], "kernel_shape": [side, side]}
    if border is None:
        options["pads"] = [margin] * 4
    else:
        nodes.append(helper.make_node("Pad", ["large", "pads"], ["padded"], mode=border))
        inputs[0] = "padded"
    nodes.append(helper.make_node("Conv", inputs, ["y"], **options))
    graph = helper.make_graph(
        nodes,
        "enlarging",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 3, "h", "w"])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 4, "H", "W"])],
        [numpy_helper.from_array(values, name) for name, values in constants.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def kinds(proto: onnx.ModelProto) -> list[str]:
    return [node.op_type for node in proto.graph.node]


@settings(max_examples=40)
@given(
    way=st.sampled_from(WAYS),
    side=st.sampled_from([3, 5, 9]),
    border=st.sampled_from(["reflect", "edge", "constant", None]),
    bias=st.booleans(),
    height=st.integers(16, 23),
    width=st.integers(16, 23),
)
def test_folded_network_computes_the_same(
    way: dict[str, Any], side: int, border: str | None, bias: bool, height: int, width: int
) -> None:
    proto = enlarging_network(way, side, border, bias=bias)
    folded = fold_enlargements(proto)
    assert "Resize" not in kinds(folded)
    blob = np.random.default_rng(height).uniform(-1, 1, (1, 3, height, width)).astype(np.float32)
    expected = start_network(proto, "ort", "it")(blob)
    assert expected.std() > 0.5
    np.testing.assert_allclose(start_network(folded, "ort", "it")(blob), expected, atol=2e-4)


@pytest.mark.parametrize("style", ["starry_night", "great_wave"])
def test_shipped_networks_paint_the_same(style: str) -> None:
    proto = load_model(style, STYLE_NETWORKS)
    folded = fold_enlargements(proto)
    assert "Resize" not in kinds(folded)
    blob = np.random.default_rng(0).uniform(0, 255, (1, 3, 64, 76)).astype(np.float32)
    expected = start_network(proto, "ort", "it")(blob)
    np.testing.assert_allclose(start_network(folded, "ort", "it")(blob), expected, atol=0.01)


def test_borders_of_old_files_are_left_alone() -> None:
    """Until opset 10 they are an attribute, not an input."""
    weights = np.ones((3, 3, 3, 3), np.float32) / 27
    nodes = [
        helper.make_node("Pad", ["x"], ["padded"], mode="reflect", pads=[0, 0, 1, 1] * 2),
        helper.make_node("Conv", ["padded", "weights"], ["y"]),
    ]
    entry, output = (
        helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 3, "h", "w"]) for name in "xy"
    )
    graph = helper.make_graph(
        nodes, "old", [entry], [output], [numpy_helper.from_array(weights, "weights")]
    )
    proto = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 9)], ir_version=4)
    assert fold_enlargements(proto) is proto


def used_twice(proto: onnx.ModelProto) -> onnx.ModelProto:
    """Let a second node use the enlarged map."""
    proto.graph.node.append(helper.make_node("Identity", ["large"], ["z"]))
    proto.graph.output.append(
        helper.make_tensor_value_info("z", TensorProto.FLOAT, [1, 3, "H", "W"])
    )
    return proto


@pytest.mark.parametrize(
    "proto",
    [
        enlarging_network(WAYS[0], 3, "reflect", scale=3),
        enlarging_network(WAYS[0], 3, "reflect", scale=1.5),
        enlarging_network(WAYS[0], 3, "reflect", stride=2),
        used_twice(enlarging_network(WAYS[0], 3, "reflect")),
    ],
)
def test_other_steps_stay_as_they_are(proto: onnx.ModelProto) -> None:
    assert fold_enlargements(proto) is proto
