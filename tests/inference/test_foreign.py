"""Networks from elsewhere: other scales, orders, types, sizes and outputs than this course's."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx import helper, numpy_helper
from onnx_files import BACKENDS, FLOAT, Graph, computed, picture, run_onnx_runtime, save

from nstlib.errors import ArgumentError, ModelError
from nstlib.inference.foreign import (
    guess_output,
    keep_one_output,
    last_operator,
    parse_range,
    to_float32,
)
from nstlib.inference.segmenter import PersonSegmenter
from nstlib.inference.stylizer import Stylizer, size_of
from nstlib.sources import load_image

PHOTO = load_image("astronaut", (64, 96))


def number(graph: Graph, value: float) -> str:
    return graph.constant(np.float32(value))


def negative(low: float, high: float, *, end: str = "") -> onnx.ModelProto:
    """Turn black into white on the scale from `low` to `high`; then, perhaps, one more operator."""
    graph = Graph()
    x = graph.node("Sub", number(graph, low + high), "image")
    return graph.model(graph.node(end, x) if end else x)


def described(model: onnx.ModelProto, **metadata: str) -> onnx.ModelProto:
    helper.set_model_props(model, metadata)
    return model


# What black and white are


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize(
    ("model", "option"),
    [
        (negative(0, 255), None),
        (negative(0, 1), "0,1"),
        (negative(-1, 1), (-1, 1)),
        (described(negative(0, 1), value_range="0,1"), None),
        (described(negative(-1, 1), value_range="0,1"), "-1,1"),  # an option wins over metadata
    ],
    ids=["found out", "text", "numbers", "metadata", "option before metadata"],
)
def test_the_scale_is_said_or_found_out(
    tmp_path: Path, backend: str, model: onnx.ModelProto, option: Any
) -> None:
    stylizer = Stylizer(save(model, tmp_path / "n.onnx"), backend=backend, value_range=option)
    np.testing.assert_allclose(stylizer(PHOTO), 1 - PHOTO, atol=1e-5)


def test_a_scale_of_its_own_at_each_end(tmp_path: Path) -> None:
    """0..255 goes in, 0..1 comes out: found out, and said by four numbers."""
    graph = Graph()
    path = save(graph.model(graph.node("Div", "image", number(graph, 255))), tmp_path / "n.onnx")
    for option in (None, (0, 255, 0, 1)):
        np.testing.assert_allclose(Stylizer(path, value_range=option)(PHOTO), PHOTO, atol=1e-5)
    graph = Graph()
    x = graph.node("Div", "image", number(graph, 127.5))
    path = save(graph.model(graph.node("Sub", x, number(graph, 1))), tmp_path / "n.onnx")
    np.testing.assert_allclose(Stylizer(path)(PHOTO), PHOTO, atol=1e-5)


@pytest.mark.parametrize(("end", "low"), [("Tanh", -1), ("Sigmoid", 0)])
def test_the_last_operator_tells_the_scale(tmp_path: Path, end: str, low: int) -> None:
    """Also behind what leaves values as they are."""
    graph = Graph()
    x = graph.node(end, "image")
    x = graph.node("Transpose", graph.node("Identity", x), perm=[0, 2, 3, 1])
    model = graph.model(graph.node("Transpose", x, perm=[0, 3, 1, 2]))
    black_to_white = 1 - low
    taken = PHOTO.astype(float) * black_to_white + low
    given = np.tanh(taken) if end == "Tanh" else 1 / (1 + np.exp(-taken))
    painting = Stylizer(save(model, tmp_path / "n.onnx"))(PHOTO)
    np.testing.assert_allclose(painting, (given - low) / black_to_white, atol=1e-5)


@pytest.mark.parametrize(
    "value", ["0", "0,1,2", "1,1", "5,1", "0,1,1,0", "0,nan", "black,white", (1, 2, 3), (5,), 7]
)
def test_bad_scales(value: Any, tmp_path: Path) -> None:
    with pytest.raises(ArgumentError, match=r"value_range is .*; it must be LOW,HIGH"):
        parse_range(value)
    if isinstance(value, str):
        path = save(described(negative(0, 1), value_range=value), tmp_path / "n.onnx")
        with pytest.raises(ModelError, match=r"n\.onnx says that its value_range is"):
            Stylizer(path)


@given(st.lists(st.floats(-300, 300), min_size=2, max_size=2, unique=True).map(sorted))
def test_scales_are_affine(ends: list[float]) -> None:
    scale, _ = parse_range(ends)
    low, high = ends
    blob = scale.blob(PHOTO[:4, :5])
    expected = (low + (high - low) * PHOTO[:4, :5].astype(float)).transpose(2, 0, 1)[np.newaxis]
    np.testing.assert_allclose(blob, expected, atol=1e-3)


def test_imagenet_is_mean_and_spread() -> None:
    scale, _ = parse_range("imagenet")
    # The usual constants, as every training script of PyTorch has them.
    expected = (PHOTO - [0.485, 0.456, 0.406]) / [0.229, 0.224, 0.225]
    np.testing.assert_allclose(scale.blob(PHOTO)[0], expected.transpose(2, 0, 1), atol=1e-5)


# Order and type


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("type_", ["FLOAT", "FLOAT16", "UINT8"])
@pytest.mark.parametrize("last", [False, True])
@pytest.mark.parametrize("fixed", [False, True])
def test_order_and_type_of_the_input(
    tmp_path: Path, backend: str, type_: str, last: bool, fixed: bool
) -> None:
    """Blue becomes red: a network that swaps channels, in each order and type."""
    kind = getattr(onnx.TensorProto, type_)
    graph = Graph()
    # A convolution, not a Gather, because all runtimes know it in all types.
    swap = np.eye(3, dtype=np.float32)[::-1].reshape(3, 3, 1, 1).copy()
    x = graph.node("Transpose", "image", perm=[0, 3, 1, 2]) if last else "image"
    if type_ == "UINT8":
        x = graph.node("Cast", x, to=FLOAT)
    weights = graph.constant(swap.astype(np.float16) if type_ == "FLOAT16" else swap)
    x = graph.node("Conv", x, weights)
    x = graph.node("Transpose", x, perm=[0, 2, 3, 1]) if last else x
    sides: tuple[Any, ...] = (64, 96) if fixed else ("height", "width")
    shape = (1, *sides, 3) if last else (1, 3, *sides)
    model = graph.model(x, shape, shape, check=False)
    model.graph.input[0].type.tensor_type.elem_type = kind
    if type_ == "FLOAT16":
        model.graph.output[0].type.tensor_type.elem_type = kind
    painting = Stylizer(save(model, tmp_path / "n.onnx"), backend=backend)(PHOTO)
    np.testing.assert_allclose(painting, PHOTO[..., ::-1], atol=0.003)


@pytest.mark.parametrize("backend", BACKENDS)
def test_sides_of_minus_one_are_free(tmp_path: Path, backend: str) -> None:
    model = negative(0, 255)
    for value in (model.graph.input[0], model.graph.output[0]):
        for axis in (0, 2, 3):
            value.type.tensor_type.shape.dim[axis].dim_value = -1
    path = save(model, tmp_path / "n.onnx")
    np.testing.assert_allclose(Stylizer(path, backend=backend)(PHOTO), 1 - PHOTO, atol=1e-5)


# Sizes


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("step", [8, 16, 32])
def test_sides_in_multiples(tmp_path: Path, backend: str, step: int) -> None:
    """A U-Net of so many halvings: joining fails unless they come out even."""
    graph = Graph()
    pool: dict[str, Any] = {"kernel_shape": [2, 2], "strides": [2, 2]}
    small = "image"
    for _ in range(step.bit_length() - 1):
        small = graph.node("AveragePool", small, **pool)
    for _ in range(step.bit_length() - 1):
        small = graph.enlarged(small)
    x = graph.node("Add", graph.node("Mul", small, number(graph, 0)), "image")
    stylizer = Stylizer(save(graph.model(x), tmp_path / "n.onnx"), backend=backend)
    for size in ((64, 96), (37, 50), (1, 70)):
        image = picture(*size)
        np.testing.assert_allclose(stylizer(image), image, atol=1e-5)


@pytest.mark.parametrize("backend", BACKENDS)
def test_sides_in_multiples_that_opencv_does_not_ask_for(tmp_path: Path, backend: str) -> None:
    """OpenCV 5 adds maps of 17 and of 18 columns and says nothing; the picture keeps its size."""
    graph = Graph()
    half = graph.conv("image", 3, 4, 3, 2)
    quarter = graph.conv(half, 4, 4, 3, 2)
    eighth = graph.conv(quarter, 4, 4, 3, 2)
    x = graph.node("Add", graph.enlarged(eighth), quarter)
    x = graph.conv(graph.enlarged(graph.enlarged(x)), 4, 3)
    model = graph.model(graph.node("Add", x, "image"))
    path = save(model, tmp_path / "n.onnx")
    if backend == "cv2" and cv2.__version__ < "5":
        with pytest.raises(ModelError, match="ONNX Runtime can run it"):
            Stylizer(path, backend=backend, value_range="0,1")
        return
    stylizer = Stylizer(path, backend=backend, value_range="0,1")
    image = picture(37, 50)
    padded = np.pad(image, [(0, 3), (0, 6), (0, 0)], mode="reflect")
    expected = computed(model, padded.transpose(2, 0, 1)[np.newaxis])[0].transpose(1, 2, 0)
    np.testing.assert_allclose(stylizer(image), np.clip(expected[:37, :50], 0, 1), atol=1e-4)


@pytest.mark.parametrize("size", [(64, 96), (200, 96), (50, 500), (1, 1)])
def test_a_network_of_one_size_paints_pictures_of_any(
    tmp_path: Path, size: tuple[int, int]
) -> None:
    shape = (1, 3, 64, 64)
    graph = Graph()
    x = graph.node("Sub", number(graph, 255), "image")
    path = save(graph.model(x, shape, shape), tmp_path / "n.onnx")
    stylizer = Stylizer(path)
    assert stylizer.size == size_of(path) == (64, 64)
    # Soft as it is, the picture stays itself at a smaller size.
    image = cv2.resize(PHOTO[:8, :8], size[::-1], interpolation=cv2.INTER_LINEAR)
    painting = stylizer(image)
    assert painting.shape == (*size, 3)
    assert np.abs(painting - (1 - image)).mean() < 0.05


def test_a_picture_keeps_its_proportions_for_a_network_of_one_size(tmp_path: Path) -> None:
    """What is square in the picture is square to the network: it is mirrored, not stretched."""
    shape = (1, 3, 64, 64)
    graph = Graph()
    kernel = np.zeros((3, 3, 1, 9), np.float32)  # strokes along rows, nine pixels long
    kernel[[0, 1, 2], [0, 1, 2]] = 1 / 9
    x = graph.node("Conv", "image", graph.constant(kernel), pads=[0, 4, 0, 4])
    path = save(graph.model(x, shape, shape), tmp_path / "n.onnx")
    stylizer = Stylizer(path, backend="ort")
    for height, width in ((128, 64), (128, 128)):
        image = np.zeros((height, width, 3), np.float32)
        image[60:68, 28:36] = 1
        stroke = stylizer(image)[64, :, 0]
        # Both pictures are halved, so a stroke is 18 pixels longer than the spot, less the blur.
        assert 20 <= (stroke > 0.02).sum() <= 30


# Outputs


def test_the_first_of_several_outputs_that_fits_is_used(tmp_path: Path) -> None:
    """As in U²-Net: the result, then coarser ones; and something else before."""
    graph = Graph()
    mean = graph.node("GlobalAveragePool", "image")
    person = graph.node("Sigmoid", graph.conv("image", 3, 1, 3))
    coarse = graph.node("AveragePool", person, kernel_shape=[2, 2], strides=[2, 2])
    model = graph.model(person, (1, 3, 32, 32), (1, 1, 32, 32))
    others = [
        helper.make_tensor_value_info(mean, FLOAT, (1, 3, 1, 1)),
        helper.make_tensor_value_info(coarse, FLOAT, (1, 1, 16, 16)),
    ]
    alone = save(model, tmp_path / "alone.onnx")
    outputs = [others[0], model.graph.output[0], others[1]]
    several = onnx.ModelProto()
    several.CopyFrom(model)
    del several.graph.output[:]
    several.graph.output.extend(outputs)
    path = save(several, tmp_path / "several.onnx")
    for backend in BACKENDS:
        one, first = (PersonSegmenter(x, backend=backend)(PHOTO) for x in (alone, path))
        np.testing.assert_array_equal(one, first)


@pytest.mark.parametrize(("mode", "last"), [("linear", "Tanh"), ("cubic", "Resize")])
def test_means_of_neighbours_keep_the_range_and_overshoots_do_not(mode: str, last: str) -> None:
    graph = Graph()
    end = graph.node("Tanh", graph.conv("image", 3, 3, 3))
    end = graph.node(
        "Resize", end, "", graph.constant(np.array([1, 1, 2, 2], np.float32)), mode=mode
    )
    assert last_operator(graph.model(graph.node("Identity", end))) == last


def branching(dtype: int) -> onnx.ModelProto:
    """Halve bright pictures and double dark ones, plus 3; the 3 is used in the branches alone."""
    kind = helper.tensor_dtype_to_np_dtype(dtype)

    def constant(name: str, value: float) -> onnx.NodeProto:
        tensor = numpy_helper.from_array(np.asarray(value, kind), f"{name}_value")
        return helper.make_node("Constant", [], [name], value=tensor)

    def branch(name: str, factor: float) -> onnx.GraphProto:
        nodes = [
            constant(f"{name}_factor", factor),
            helper.make_node("Mul", ["image", f"{name}_factor"], [f"{name}_product"]),
            helper.make_node("Add", [f"{name}_product", "three"], [name]),
        ]
        return helper.make_graph(
            nodes, name, [], [helper.make_tensor_value_info(name, dtype, None)]
        )

    nodes = [
        constant("three", 3),
        constant("middle", 0.5),
        helper.make_node("ReduceMean", ["image"], ["mean"], keepdims=0),
        helper.make_node("Greater", ["mean", "middle"], ["bright"]),
        helper.make_node(
            "If", ["bright"], ["y"], then_branch=branch("half", 0.5), else_branch=branch("twice", 2)
        ),
    ]
    shape = (1, 3, 8, 8)
    outputs = [("y", shape), ("mean", ())]
    graph = helper.make_graph(
        nodes,
        "branching",
        [helper.make_tensor_value_info("image", dtype, shape)],
        [helper.make_tensor_value_info(name, dtype, sides) for name, sides in outputs],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


@pytest.mark.parametrize("dtype", [onnx.TensorProto.FLOAT, onnx.TensorProto.FLOAT16])
@pytest.mark.parametrize(("level", "becomes"), [(0.75, 3.375), (0.25, 3.5)])
def test_what_branches_hold_and_use_stays_and_is_widened(
    dtype: int, level: float, becomes: float
) -> None:
    model = to_float32(keep_one_output(branching(dtype), (3,)))
    onnx.checker.check_model(model, full_check=True)
    given = np.full((1, 3, 8, 8), level, np.float32)
    np.testing.assert_array_equal(run_onnx_runtime(model, given), np.full_like(given, becomes))


@pytest.mark.parametrize(
    ("low", "high", "black", "white"),
    [
        (0.0, 1.0, 0, 1),
        (-0.2, 1.4, 0, 1),  # a little beyond
        (-1.0, 1.0, -1, 1),
        (-0.3, 0.5, -1, 1),
        (0.0, 2.0, 0, 255),
        (-1.6, 0.5, 0, 255),
        (20.0, 230.0, 0, 255),
    ],
)
def test_the_scale_of_an_output_is_guessed(
    low: float, high: float, black: float, white: float
) -> None:
    scale = guess_output(np.array([low, 0.1, high], np.float32).reshape(1, 1, 1, 3))
    assert (scale.shifts == black).all()
    assert (scale.factors + scale.shifts == white).all()


# Segmenters


def segmenter(end: str, channels: int, shape: tuple[Any, ...] = (1, 3, 32, 32)) -> onnx.ModelProto:
    """Score what is red as a person, and end in an operator, if any."""
    graph = Graph()
    weights = np.zeros((channels, 3, 1, 1), np.float32)
    weights[-1, :, 0, 0] = (6, -3, -3)
    x = graph.node("Conv", "image", graph.constant(weights))
    if end:
        x = graph.node(end, x, **({"axis": 1} if "oftmax" in end else {}))
    return graph.model(x, shape, (shape[0], channels, *shape[2:]))


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("channels", [1, 2])
def test_scores_become_probabilities(tmp_path: Path, backend: str, channels: int) -> None:
    """A network without its last operator says what the one with it says."""
    ends = {1: ("Sigmoid", ""), 2: ("Softmax", "", "LogSoftmax")}[channels]
    found = [
        PersonSegmenter(save(segmenter(end, channels), tmp_path / "n.onnx"), backend=backend)(PHOTO)
        for end in ends
    ]
    assert found[0].min() < 0.45
    assert found[0].max() > 0.55
    for other in found[1:]:
        np.testing.assert_allclose(other, found[0], atol=1e-5)


def test_small_scores_are_scores(tmp_path: Path) -> None:
    """Two channels in [0, 1] that do not add up to 1 are no probabilities."""
    graph = Graph()
    weights = np.zeros((2, 3, 1, 1), np.float32)
    weights[:, :, 0, 0] = [[0.0, 0.1, 0.1], [0.3, 0.0, 0.0]]
    x = graph.node("Conv", "image", graph.constant(weights))
    path = save(graph.model(x, (1, 3, 64, 96), (1, 2, 64, 96)), tmp_path / "n.onnx")
    red, others = 0.3 * PHOTO[..., 0], 0.1 * PHOTO[..., 1:].sum(axis=2)
    found = PersonSegmenter(path, value_range="0,1")(PHOTO)
    np.testing.assert_allclose(found, 1 / (1 + np.exp(others - red)), atol=1e-4)


def test_scores_are_scores_also_where_they_look_like_probabilities(tmp_path: Path) -> None:
    """Grey scores 0.5 here: the trial, which has all colours, tells that it is a score."""
    graph = Graph()
    weights = np.full((1, 3, 1, 1), 1 / 3, np.float32)
    x = graph.node("Mul", graph.node("Conv", "image", graph.constant(weights)), number(graph, 3))
    x = graph.node("Sub", x, number(graph, 1))
    path = save(graph.model(x, (1, 3, 64, 96), (1, 1, 64, 96)), tmp_path / "n.onnx")
    grey = np.full((64, 96, 3), 0.5, np.float32)
    found = PersonSegmenter(path, brighten=False)(grey)
    np.testing.assert_allclose(found, 1 / (1 + np.exp(-0.5)), atol=1e-5)


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_segmenter_of_any_size_keeps_the_proportions(tmp_path: Path, backend: str) -> None:
    model = segmenter("Sigmoid", 1, (-1, 3, -1, -1))
    assert model.graph.input[0].type.tensor_type.shape.dim[2].dim_value == -1
    path = save(model, tmp_path / "n.onnx")
    image = load_image("astronaut", (200, 400))
    found = PersonSegmenter(path, backend=backend, size=128)(image)
    small = cv2.resize(image, (128, 64), interpolation=cv2.INTER_AREA)
    output = computed(segmenter("Sigmoid", 1, (1, 3, 64, 128)), small.transpose(2, 0, 1)[None])
    np.testing.assert_allclose(found, cv2.resize(output[0, 0], (400, 200)), atol=1e-4)


def test_modnet_and_u2net_are_served_as_they_are(tmp_path: Path) -> None:
    """Their scales by options; MODNet's sides are multiples of 32, U²-Net's output one channel."""
    for option, scaled in (
        ("-1,1", 2 * PHOTO - 1),
        ("imagenet", (PHOTO - [0.485, 0.456, 0.406]) / [0.229, 0.224, 0.225]),
    ):
        model = segmenter("Sigmoid", 1, (1, 3, 64, 96))
        found = PersonSegmenter(save(model, tmp_path / "n.onnx"), value_range=option)(PHOTO)
        np.testing.assert_allclose(
            found, computed(model, scaled.transpose(2, 0, 1)[np.newaxis])[0, 0], atol=1e-5
        )


def test_metadata_tell_a_segmenters_scale(tmp_path: Path) -> None:
    model = described(segmenter("Sigmoid", 1, (1, 3, 64, 96)), value_range="0,255")
    found = PersonSegmenter(save(model, tmp_path / "n.onnx"))(PHOTO)
    red, green, blue = 255.0 * np.moveaxis(PHOTO.astype(float), 2, 0)
    expected = 0.5 + 0.5 * np.tanh((6 * red - 3 * green - 3 * blue) / 2)
    np.testing.assert_allclose(found, expected, atol=1e-4)


def test_nothing_is_written_to_the_terminal_for_infinite_values(tmp_path: Path) -> None:
    graph = Graph()
    path = save(graph.model(graph.node("Mul", "image", number(graph, 3e38))), tmp_path / "n.onnx")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for backend in BACKENDS:
            with pytest.raises(ModelError, match="values that are no numbers"):
                Stylizer(path, backend=backend)
