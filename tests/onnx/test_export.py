"""ONNX: every runtime computes what Keras computes, and what is no good is refused by name."""

from __future__ import annotations

import functools
import math
import os
import pickle
import sys
import zipfile
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import onnx
import onnxruntime
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

import nstlib
from nstlib._tensorflow import keras, tf
from nstlib.assets.cache import asset_path
from nstlib.errors import DependencyError, ModelError, OutputError
from nstlib.networks.files import load_network
from nstlib.networks.layers import InstanceNormalization, ReflectionPadding2D
from nstlib.networks.person import PersonNet
from nstlib.networks.transformer import TransformerNet
from nstlib.onnx.exporting import export
from nstlib.onnx.legacy import modernize
from nstlib.onnx.pytorch import from_pytorch
from nstlib.onnx.translation import _TRANSLATIONS, to_onnx
from nstlib.onnx.verification import (
    SIZES,
    TOLERANCE,
    RuntimeComparison,
    Verification,
    photo,
    verify,
)

layers = keras.layers
Array = NDArray[Any]
#: Small, one of each kind.
TWO_SIZES = ((24, 32), (21, 31))


def stir(model: keras.Model, seed: int = 0) -> keras.Model:
    """Give every weight a random value, so that none is hidden by being 0 or 1."""
    random = np.random.default_rng(seed)
    for variable in model.weights:
        values = random.normal(0.2, 0.4, variable.shape)
        variable.assign(np.abs(values) + 0.5 if "variance" in variable.name else values)
    return model


def small_net(**options: Any) -> keras.Model:
    return stir(TransformerNet((4, 8), blocks=1, kernel=3, **options))


def one_layer(
    layer: Any, channels: int = 4, sides: tuple[int | None, int | None] = (None, None)
) -> keras.Model:
    image = keras.Input((*sides, channels), name="image")
    return stir(keras.Model(image, layer(image), name="one"))


def run_onnx_runtime(source: Path | bytes | onnx.ModelProto, picture: Array) -> Array:
    content = source.SerializeToString() if isinstance(source, onnx.ModelProto) else source
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    result: Array = session.run(None, {session.get_inputs()[0].name: picture})[0]
    return result


def run_opencv(path: Path, picture: Array) -> Array:
    net = cv2.dnn.readNetFromONNX(str(path))
    net.setInput(picture)
    result: Array = net.forward()
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


# The graph


def test_the_graph_is_one_node_a_layer_and_named_like_pytorchs_example() -> None:
    graph = to_onnx(TransformerNet(), half=False).graph
    assert Counter(node.op_type for node in graph.node) == {
        "Pad": 16,
        "Conv": 16,
        "InstanceNormalization": 15,
        "Relu": 10,
        "Add": 5,
        "Resize": 2,
    }
    shapes = {tensor.name: tuple(tensor.dims) for tensor in graph.initializer}
    assert shapes["conv1.conv2d.weight"] == (32, 3, 9, 9)
    assert shapes["res5.in2.bias"] == (128,)
    assert shapes["deconv3.conv2d.weight"] == (3, 32, 9, 9)
    sides = [
        [side.dim_param or side.dim_value for side in value.type.tensor_type.shape.dim]
        for value in (*graph.input, *graph.output)
    ]
    assert [value.name for value in (*graph.input, *graph.output)] == ["image", "stylized"]
    assert sides == [["batch", 3, "height", "width"], ["batch", 3, "out_height", "out_width"]]


def test_float16_halves_the_file_and_adds_a_cast_for_each_kernel() -> None:
    model = TransformerNet()
    full, half = (to_onnx(model, half=half) for half in (False, True))
    assert half.ByteSize() < 0.51 * full.ByteSize()
    assert len(half.graph.node) == len(full.graph.node) + 16


def test_export_writes_a_file_that_says_what_it_is(tmp_path: Path) -> None:
    path = tmp_path / "net.onnx"
    told = {"style": "mosaic", "license": "MIT", "training data": "photographs"}
    result = export(
        small_net(),
        path,
        metadata=told,
        input_name="photo",
        output_name="painting",
        sizes=TWO_SIZES,
    )
    assert result.ok
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    about = session.get_modelmeta()
    assert about.custom_metadata_map == {**told, "library": f"nstlib {nstlib.__version__}"}
    assert about.producer_name == "nstlib"
    assert [x.name for x in (*session.get_inputs(), *session.get_outputs())] == [
        "photo",
        "painting",
    ]
    again = tmp_path / "again.onnx"
    export(
        small_net(),
        again,
        metadata=told,
        input_name="photo",
        output_name="painting",
        sizes=TWO_SIZES,
    )
    assert again.read_bytes() == path.read_bytes()


def test_batch_and_size_are_free_and_odd_sizes_come_back_rounded_up(tmp_path: Path) -> None:
    model = small_net()
    path = tmp_path / "net.onnx"
    export(model, path, half=False, sizes=TWO_SIZES)
    pictures = np.random.default_rng(1).uniform(0, 255, (3, 3, 37, 46)).astype(np.float32)
    expected = model(pictures.transpose(0, 2, 3, 1)).numpy().transpose(0, 3, 1, 2)
    assert expected.shape == (3, 3, 40, 48)
    np.testing.assert_allclose(run_onnx_runtime(path.read_bytes(), pictures), expected, atol=1e-3)
    np.testing.assert_allclose(run_opencv(path, pictures), expected, atol=1e-3)


@pytest.mark.parametrize("half", [False, True])
def test_all_runtimes_paint_the_same_picture_as_keras(half: bool, tmp_path: Path) -> None:
    path = tmp_path / "net.onnx"
    result = export(TransformerNet((8, 24), blocks=1, kernel=5), path, half=half)
    assert {x.size for x in result.comparisons} == set(SIZES)
    assert not result.refused
    assert not result.wrong
    assert len(result.comparisons) == len(SIZES) * len(engines())
    assert (result.rounding > 0) is half
    found = [x.difference for x in result.comparisons if x.size == SIZES[0]]
    assert len(set(found)) == len(found), "each rounds in its own way; else it is the same runtime"
    assert verify(None, path).ok


def engines() -> list[str]:
    if int(cv2.__version__.split(".")[0]) < 5:
        return ["ONNX Runtime", "cv2.dnn"]
    return ["ONNX Runtime", "cv2.dnn new", "cv2.dnn classic"]


def test_a_person_network_has_a_fixed_size(tmp_path: Path) -> None:
    result = export(
        stir(PersonNet()),
        tmp_path / "person.onnx",
        output_name="probabilities",
        value_range=(-1, 1),
        tolerance=1e-4,
    )
    assert result.ok
    assert not result.refused
    assert {x.size for x in result.comparisons} == {(192, 192)}


# Layers


LAYERS = [
    layers.Conv2D(6, 3, name="c"),
    layers.Conv2D(6, (5, 2), padding="same", use_bias=False, name="c"),
    layers.Conv2D(6, 3, padding="same", dilation_rate=2, name="c"),
    layers.Conv2D(6, 3, strides=2, activation="relu", name="c"),
    layers.Conv2D(6, 1, strides=2, padding="same", name="c"),
    layers.Conv2D(6, 3, groups=2, activation="relu6", name="c"),
    layers.DepthwiseConv2D(3, depth_multiplier=2, padding="same", name="c"),
    layers.DepthwiseConv2D(3, strides=2, activation="sigmoid", name="c"),
    layers.MaxPooling2D(3, strides=2, name="c"),
    layers.MaxPooling2D(3, strides=1, padding="same", name="c"),
    layers.AveragePooling2D(2, name="c"),
    layers.AveragePooling2D(3, strides=1, padding="same", name="c"),
    layers.GlobalAveragePooling2D(keepdims=True, name="c"),
    layers.UpSampling2D(2, name="c"),
    layers.UpSampling2D((3, 2), name="c"),
    layers.UpSampling2D(2, interpolation="bilinear", name="c"),
    layers.UpSampling2D((2, 3), interpolation="bilinear", name="c"),
    layers.ZeroPadding2D(((0, 1), (2, 3)), name="c"),
    ReflectionPadding2D(4, name="c"),
    InstanceNormalization(name="c"),
    layers.BatchNormalization(name="c"),
    layers.BatchNormalization(scale=False, center=False, name="c"),
    layers.Activation("tanh", name="c"),
    layers.Activation("linear", name="c"),
    layers.Softmax(name="c"),
    layers.ReLU(name="c"),
    layers.ReLU(max_value=0.5, name="c"),
    layers.Rescaling(1 / 127.5, -1.0, name="c"),
    layers.Rescaling([1.0, 2.0, 3.0, 4.0], [0.1, 0.2, 0.3, 0.4], name="c"),
    layers.SpatialDropout2D(0.5, name="c"),
]


@pytest.mark.parametrize("layer", LAYERS, ids=lambda x: type(x).__name__)
def test_every_layer_is_translated_exactly(layer: Any) -> None:
    model = one_layer(layer)
    # After a ReLU, so that a layer without nodes of its own is there at all.
    x = layers.Add(name="sum")([model.output, model.output])
    model = keras.Model(model.input, x)
    content = to_onnx(model, half=False).SerializeToString()
    result = verify(model, content, TWO_SIZES, value_range=(-1, 1), tolerance=1e-4)
    assert not result.refused
    assert not result.wrong, result


@pytest.mark.parametrize("kind", [layers.Add, layers.Multiply, layers.Concatenate])
def test_layers_of_several_inputs_are_translated_exactly(kind: Any) -> None:
    image = keras.Input((None, None, 3), name="image")
    sides = [layers.Conv2D(5, 1, name=f"side{number}")(image) for number in range(3)]
    if kind is not layers.Concatenate:  # weights for whole channels
        sides.append(layers.GlobalAveragePooling2D(keepdims=True, name="mean")(sides[0]))
    model = stir(keras.Model(image, kind(name="joined")(sides)))
    content = to_onnx(model, half=False).SerializeToString()
    result = verify(model, content, TWO_SIZES, value_range=(-1, 1), tolerance=1e-4)
    assert not result.refused
    assert not result.wrong, result


def test_a_sequential_model_can_be_exported(tmp_path: Path) -> None:
    model = keras.Sequential(
        [keras.Input((None, None, 3)), layers.Conv2D(3, 3), layers.Activation("sigmoid")]
    )
    assert export(stir(model), tmp_path / "net.onnx", sizes=TWO_SIZES).ok


class Doubled(keras.layers.ReLU):
    def call(self, x: Any) -> Any:
        return 2 * super().call(x)


def test_a_layer_without_a_translation_is_named() -> None:
    for layer in (layers.GaussianNoise(0.1, name="odd"), Doubled(name="odd")):
        with pytest.raises(ModelError, match=f"'odd' is a {type(layer).__name__}.*Conv2D"):
            to_onnx(one_layer(layer))
    image = keras.Input((None, None, 3))
    with pytest.raises(ModelError, match="is a Multiply, which has no translation"):
        to_onnx(keras.Model(image, image * 2))


@pytest.mark.parametrize(
    ("layer", "told"),
    [
        (layers.Conv2D(2, 3, activation="gelu", name="c"), "activation='gelu'.*'relu'"),
        (layers.ReLU(threshold=1.0, name="c"), "threshold=1.0"),
        (layers.ReLU(negative_slope=0.1, name="c"), "negative_slope=0.1"),
        (layers.UpSampling2D(2, interpolation="bicubic", name="c"), "interpolation='bicubic'"),
        (layers.GlobalAveragePooling2D(name="c"), "output of shape"),
        (layers.Softmax(axis=1, name="c"), "axis=1"),
        (layers.Conv2D(2, 3, strides=2, padding="same", name="c"), "ZeroPadding2D"),
        (layers.MaxPooling2D(3, strides=2, padding="same", name="c"), "ZeroPadding2D"),
        (layers.MaxPooling2D(2, data_format="channels_first", name="c"), "channels_first"),
    ],
    ids=lambda x: "" if isinstance(x, str) else type(x).__name__,
)
def test_a_setting_without_a_translation_is_named(layer: Any, told: str) -> None:
    with pytest.raises(ModelError, match=told):
        to_onnx(one_layer(layer))


def test_padding_same_with_strides_really_depends_on_the_size() -> None:
    """Tell why it is refused: one padding cannot serve both."""
    layer = layers.Conv2D(1, 3, strides=2, padding="same", kernel_initializer="ones")
    ramp = np.arange(8, dtype=np.float32)[None, None, :, None] * np.ones((1, 8, 1, 1), np.float32)
    even, odd = layer(ramp).numpy(), layer(ramp[:, :, :7]).numpy()
    assert even[0, 1, 0, 0] == 3 * (0 + 1 + 2)  # begins at the border
    assert odd[0, 1, 0, 0] == 3 * (0 + 1)  # begins one pixel before


def test_models_that_are_no_picture_to_picture_graph_are_refused() -> None:
    image = keras.Input((None, None, 3))
    shared = layers.Conv2D(3, 1, name="shared")
    twice = shared(shared(image))
    for model in (keras.Model(image, twice), keras.Model(image, layers.ReLU()(twice))):
        with pytest.raises(ModelError, match="uses a layer more than once"):
            to_onnx(model)
    with pytest.raises(ModelError, match="1 inputs and 2 outputs"):
        to_onnx(keras.Model(image, [image, layers.ReLU()(image)]))
    flat = keras.Input((10,))
    with pytest.raises(ModelError, match=r"shape \(None, 10\)"):
        to_onnx(keras.Model(flat, layers.ReLU()(flat)))


def test_weights_that_are_no_numbers_or_too_large_for_float16_are_named(tmp_path: Path) -> None:
    model = small_net()
    layer = model.get_layer("conv3.conv2d")
    kernel, bias = layer.get_weights()
    kernel[0, 0, 0, 0] = 1e5
    layer.set_weights([kernel, bias])
    with pytest.raises(ModelError, match=r"conv3\.conv2d\.weight.*float16.*half=False"):
        export(model, tmp_path / "net.onnx")
    to_onnx(model, half=False)
    kernel[0, 0, 0, 0] = np.nan
    layer.set_weights([kernel, bias])
    for half in (False, True):
        with pytest.raises(ModelError, match=r"conv3\.conv2d\.weight.*not finite"):
            to_onnx(model, half=half)
    assert not list(tmp_path.iterdir())


# The proof


def test_export_refuses_to_write_what_computes_something_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "net.onnx"
    path.write_bytes(b"what was there")

    def wrong(graph: Any, layer: Any, x: str) -> str:
        pads = graph.constant(
            f"{layer.name}.pads", [0, 0, layer.pixels, layer.pixels] * 2, np.int64
        )
        name: str = graph.node(layer.name, "Pad", x, pads, mode="edge")
        return name

    monkeypatch.setitem(_TRANSLATIONS, ReflectionPadding2D, wrong)
    with pytest.raises(ModelError, match=r"net\.onnx is not written: at 24×32 .* is off by"):
        export(small_net(), path, sizes=TWO_SIZES)
    assert path.read_bytes() == b"what was there"
    assert [x.name for x in tmp_path.iterdir()] == ["net.onnx"]
    monkeypatch.undo()
    with pytest.raises(OutputError, match="nowhere"):
        export(small_net(), tmp_path / "nowhere" / "net.onnx", sizes=TWO_SIZES)


def test_verify_finds_one_changed_weight(tmp_path: Path) -> None:
    model, path = small_net(), tmp_path / "net.onnx"
    export(model, path, half=False, sizes=TWO_SIZES)
    proto = onnx.load(path)
    (bias,) = (x for x in proto.graph.initializer if x.name == "deconv3.conv2d.bias")
    bias.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(bias) + np.float32(0.5), bias.name))
    result = verify(model, proto.SerializeToString(), TWO_SIZES)
    assert not result.ok
    assert {x.runtime for x in result.wrong} == set(engines())
    assert all(x.difference == pytest.approx(0.5, abs=0.01) for x in result.wrong)
    assert verify(None, proto.SerializeToString(), TWO_SIZES).ok, "the runtimes agree on it"
    assert "DISAGREE" in str(result)
    assert "0.50" in str(result)


def test_rounding_is_told_apart_from_what_runtimes_do(tmp_path: Path) -> None:
    model, path = small_net(), tmp_path / "net.onnx"
    last = model.get_layer("deconv3.conv2d")
    last.set_weights([100 * values for values in last.get_weights()])
    result = export(model, path, sizes=TWO_SIZES)
    picture = photo(TWO_SIZES[0], 3, (0, 255))
    exact = model(picture.transpose(0, 2, 3, 1)).numpy().transpose(0, 3, 1, 2)
    change = float(np.abs(run_onnx_runtime(path.read_bytes(), picture) - exact).max())
    assert change > 5 * TOLERANCE
    assert change <= result.rounding + TOLERANCE
    assert f"changed the picture by {result.rounding:.2f}" in str(result)


def test_a_runtime_that_refuses_is_named_and_the_others_count() -> None:
    pool = helper.make_node("LpPool", ["x"], ["y"], kernel_shape=[1, 1])  # nothing changes
    model = graph_of([pool])
    result = verify(None, model.SerializeToString(), [(8, 8)])
    assert {x.runtime for x in result.refused} == set(engines()[1:])
    assert all(x.refusal for x in result.refused)
    assert not result.ok, "nobody but the reference computed it"
    assert f"{engines()[1]} refused: " in str(result)

    image = keras.Input((None, None, 3))
    same = keras.Model(image, layers.ReLU()(image))
    result = verify(same, model.SerializeToString(), [(8, 8)])
    assert {x.runtime for x in result.refused} == set(engines()[1:])
    assert result.ok, "ONNX Runtime computed it"


def test_what_counts_as_agreement() -> None:
    def verdict(*found: tuple[str, float | None]) -> bool:
        results = tuple(
            RuntimeComparison(name, (8, 8), d, None if d is not None else "no") for name, d in found
        )
        return Verification("Keras", 0.01, results).ok

    assert verdict(("a", 0.01), ("b", 0.0))
    assert verdict(("a", 0.01), ("b", None))
    assert not verdict(("a", None), ("b", None))
    assert not verdict(("a", 0.0), ("b", 0.011))
    assert not verdict(("a", 0.0), ("b", math.nan))
    assert not verdict(("a", 0.0), ("b", math.inf))


def test_the_reference_must_be_able_to_compute() -> None:
    model = graph_of(
        [helper.make_node("Add", ["x", "c"], ["y"])], {"c": np.zeros((5, 1, 1), np.float32)}
    )
    with pytest.raises(ModelError, match=r"does not fit together|refuses the file at 8×8"):
        verify(None, model.SerializeToString(), [(8, 8)])


def test_the_default_size_is_the_files_own() -> None:
    model = graph_of(
        [helper.make_node("Relu", ["x"], ["y"])], shape=(1, 3, 20, 30), output=(1, 3, 20, 30)
    )
    assert {x.size for x in verify(None, model.SerializeToString()).comparisons} == {(20, 30)}


# Broken and hostile files


def external(location: str) -> bytes:
    model = graph_of([helper.make_node("Add", ["x", "w"], ["y"])])
    tensor = model.graph.initializer.add()
    tensor.name, tensor.data_type = "w", TensorProto.FLOAT
    tensor.dims.append(4)
    tensor.data_location = TensorProto.EXTERNAL
    entry = tensor.external_data.add()
    entry.key, entry.value = "location", location
    return model.SerializeToString()


def shaped(*dims: int) -> bytes:
    model = graph_of([helper.make_node("Add", ["x", "w"], ["y"])])
    tensor = model.graph.initializer.add()
    tensor.name, tensor.data_type, tensor.raw_data = "w", TensorProto.FLOAT, b"1234"
    tensor.dims.extend(dims)
    return model.SerializeToString()


def padded(pixels: int) -> bytes:
    pads = np.array([0, 0, pixels, pixels] * 2, np.int64)
    return graph_of([helper.make_node("Pad", ["x", "p"], ["y"])], {"p": pads}).SerializeToString()


def custom() -> bytes:
    return graph_of([helper.make_node("Run", ["x"], ["y"], domain="evil")]).SerializeToString()


class Bomb:
    """Writes a file when it is unpickled."""

    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return os.mkdir, ("executed",)


HOSTILE: dict[str, tuple[Callable[[], bytes], str]] = {
    "empty": (lambda: b"", "not an ONNX file"),
    "text": (lambda: b"hello " * 100, "not an ONNX file"),
    "cut off": (lambda: to_onnx(small_net()).SerializeToString()[:-1000], "cut off"),
    "a picture": (
        lambda: cv2.imencode(".png", np.zeros((9, 9, 3)))[1].tobytes(),
        "not an ONNX file",
    ),
    "code": (lambda: pickle.dumps(Bomb()), "not an ONNX file"),
    "data above": (lambda: external("../secret"), "data that it may not have.*outside"),
    "data elsewhere": (lambda: external("/etc/hostname"), "data that it may not have"),
    "data behind a link": (lambda: external("link"), "data that it may not have"),
    "huge": (lambda: shaped(2**40), "absurd shape"),
    "less than nothing": (lambda: shaped(-1), "absurd shape"),
    "too little data": (lambda: shaped(3), r"does not hold what its shape \[3\] promises"),
    "huge inside": (lambda: padded(10**6), "absurd 1 × 3 × 2000"),
    "own operator": (custom, "'y' is a evil.Run, which is no operator"),
    "no operator": (
        lambda: graph_of([helper.make_node("Magic", ["x"], ["y"])]).SerializeToString(),
        "'y' is a Magic, which is no operator of ONNX 17",
    ),
    "no end": (
        lambda: graph_of([helper.make_node("Relu", ["nothing"], ["y"])]).SerializeToString(),
        "no valid ONNX",
    ),
    "flat": (
        lambda: graph_of(
            [helper.make_node("Relu", ["x"], ["y"])], shape=(1, 3)
        ).SerializeToString(),
        "batch, channels, height, width",
    ),
}


@pytest.mark.parametrize("case", HOSTILE)
def test_broken_and_hostile_files_are_refused_by_name(
    case: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make, told = HOSTILE[case]
    folder, out = tmp_path / "folder", tmp_path / "out"
    folder.mkdir()
    out.mkdir()
    (tmp_path / "secret").write_bytes(np.ones(4, np.float32).tobytes())
    (folder / "link").symlink_to(tmp_path / "secret")
    file = folder / "file.onnx"
    file.write_bytes(make())
    monkeypatch.chdir(out)
    with pytest.raises(ModelError, match=told):
        verify(None, file, [(8, 8)])
    with pytest.raises(ModelError, match=told):
        modernize(file, out / "new.onnx", sizes=[(8, 8)])
    if not case.startswith("data"):
        with pytest.raises(ModelError, match=told):
            verify(None, make(), [(8, 8)])
    assert not list(out.iterdir()), "nothing was written, nothing executed"


def test_data_beside_a_file_belongs_to_it_but_not_to_mere_content(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file.onnx").write_bytes(external("data"))
    (tmp_path / "data").write_bytes(np.array([1, 2, 3, 4], np.float32).tobytes())
    monkeypatch.chdir(tmp_path)
    assert modernize("file.onnx", "new.onnx", sizes=[(3, 4)]).ok
    picture = np.zeros((1, 3, 3, 4), np.float32)
    found = run_onnx_runtime((tmp_path / "new.onnx").read_bytes(), picture)
    np.testing.assert_array_equal(found, np.broadcast_to([1, 2, 3, 4], picture.shape))
    with pytest.raises(ModelError, match="'w' is in another file"):
        verify(None, external("data"))


def test_absent_files_and_folders_are_named(tmp_path: Path) -> None:
    for read in (functools.partial(verify, None), load_network, from_pytorch):
        for path in (tmp_path / "absent", tmp_path):
            with pytest.raises(ModelError, match=path.name):
                read(path)


def test_a_keras_file_comes_back_as_it_went_and_code_in_it_is_refused(tmp_path: Path) -> None:
    model = small_net()
    model.save(tmp_path / "net.keras")
    back = load_network(tmp_path / "net.keras")
    for one, other in zip(model.get_weights(), back.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)

    image = keras.Input((None, None, 3))
    keras.Model(image, layers.Lambda(lambda x: x + 1)(image)).save(tmp_path / "code.keras")
    with pytest.raises(ModelError, match=r"code\.keras .*hold code"):
        load_network(tmp_path / "code.keras")
    content = (tmp_path / "net.keras").read_bytes()
    (tmp_path / "cut.keras").write_bytes(content[: len(content) // 2])
    with pytest.raises(ModelError, match=r"cut\.keras"):
        load_network(tmp_path / "cut.keras")


def test_an_archive_that_would_unpack_to_absurd_sizes_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nstlib.networks.files.LARGEST_FILE", 10**6)
    path = tmp_path / "bomb.keras"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("model.weights.h5", bytes(2 * 10**6))
    assert path.stat().st_size < 10**4
    with pytest.raises(ModelError, match=r"bomb\.keras holds .* GB"):
        load_network(path)


# Old files


def retired(
    kind: str, shape: Sequence[int | str] = (1, 3, 12, 16), opset: int = 7, **attributes: Any
) -> bytes:
    node = helper.make_node(kind, ["x"], ["y"], **attributes)
    return graph_of([node], opset=opset, shape=shape, output=shape).SerializeToString()


@settings(max_examples=10)
@given(
    border=st.lists(st.integers(0, 3), min_size=4, max_size=4),
    size=st.tuples(st.integers(8, 20), st.integers(8, 20)),
    opset=st.integers(7, 9),
)
def test_crop_cuts_what_it_says(
    border: list[int], size: tuple[int, int], opset: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("crop") / "new.onnx"
    assert modernize(retired("Crop", opset=opset, border=border), path, sizes=[size]).ok
    picture = np.random.default_rng(0).normal(size=(2, 3, *size)).astype(np.float32)
    left, top, right, bottom = border
    expected = picture[:, :, top : size[0] - bottom, left : size[1] - right]
    np.testing.assert_array_equal(run_onnx_runtime(path.read_bytes(), picture), expected)


def test_scalers_scale_as_they_say(tmp_path: Path) -> None:
    path = tmp_path / "new.onnx"
    picture = np.random.default_rng(0).normal(size=(2, 3, 9, 13)).astype(np.float32)
    for content, expected in (
        (
            retired("ImageScaler", scale=0.5, bias=[1.0, 2.0, 3.0]),
            picture * 0.5 + np.array([1, 2, 3], np.float32)[:, None, None],
        ),
        (
            retired("ImageScaler", bias=[7.0, 8.0, 9.0]),
            picture + np.array([7, 8, 9], np.float32)[:, None, None],
        ),
        (retired("Affine", alpha=3.0, beta=-2.0), picture * 3 - 2),
    ):
        modernize(content, path, sizes=TWO_SIZES)
        found = run_onnx_runtime(path.read_bytes(), picture)
        np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("surplus", [-1, 0, 1, 2, 3])
@pytest.mark.parametrize("auto_pad", ["NOTSET", "VALID", "SAME_UPPER"])
def test_a_transposed_convolution_of_a_fixed_size_becomes_free(
    surplus: int, auto_pad: str, tmp_path: Path
) -> None:
    random = np.random.default_rng(0)
    kernel = random.normal(size=(3, 2, 4, 4)).astype(np.float32)
    height, width = (2 * (side - 1) + 4 - surplus for side in (6, 7))
    node = helper.make_node(
        "ConvTranspose",
        ["x", "w"],
        ["y"],
        strides=[2, 2],
        output_shape=[height, width],
        auto_pad=auto_pad,
    )
    old = graph_of([node], {"w": kernel}, opset=7, shape=(1, 3, 6, 7), output=(1, 2, height, width))
    path = tmp_path / "new.onnx"
    if surplus in (1, 3) and "cv2.dnn" in engines():
        with pytest.raises(ModelError, match=r"at 6×7 cv2\.dnn .*asymmetric padding"):  # OpenCV 4
            modernize(old.SerializeToString(), path, sizes=[(6, 7)])
        assert not path.exists()
        return
    result = modernize(old.SerializeToString(), path, sizes=[(6, 7), (16, 9)])
    assert result.ok
    picture = random.normal(size=(1, 3, 6, 7)).astype(np.float32)
    new = run_onnx_runtime(path.read_bytes(), picture)
    np.testing.assert_allclose(new, run_onnx_runtime(old, picture), atol=1e-5)
    assert run_onnx_runtime(path.read_bytes(), np.zeros((2, 3, 16, 9), np.float32)).shape[2:] == (
        height + 2 * 10,
        width + 2 * 2,
    )


def test_what_modernize_cannot_do_is_named(tmp_path: Path) -> None:
    path = tmp_path / "new.onnx"
    for content, told in (
        (
            retired("ParametricSoftplus"),
            "'y' is a ParametricSoftplus, which is no operator of ONNX 7",
        ),
        (retired("Crop", opset=17, border=[1, 1, 1, 1]), "'y' is a Crop, .*no operator of ONNX 17"),
        (
            retired("Crop", border=[1, 1, 1, 1], scale=[4, 4]),
            r"'y' is a Crop with .*scale=\[4, 4\]",
        ),
        (retired("Crop", border=[1, 1]), r"border=\[1, 1\]"),
    ):
        with pytest.raises(ModelError, match=told):
            modernize(content, path)
    node = helper.make_node("ConvTranspose", ["x", "w"], ["y"], output_shape=[8, 8], name="up")
    unknown = graph_of([node], {"w": np.ones((3, 2, 3, 3), np.float32)}, opset=7)
    with pytest.raises(ModelError, match=r"'up' is a ConvTranspose to the fixed size \[8, 8\]"):
        modernize(unknown.SerializeToString(), path)
    assert not list(tmp_path.iterdir())


def test_metadata_are_kept_and_added_to(tmp_path: Path) -> None:
    proto = onnx.load_from_string(retired("Affine", alpha=2.0))
    helper.set_model_props(proto, {"author": "somebody", "license": "none"})
    path = tmp_path / "new.onnx"
    modernize(proto.SerializeToString(), path, metadata={"license": "known"}, sizes=TWO_SIZES)
    about = {entry.key: entry.value for entry in onnx.load(path).metadata_props}
    assert about == {
        "author": "somebody",
        "license": "known",
        "library": f"nstlib {nstlib.__version__}",
    }


def compute_old(proto: onnx.ModelProto, picture: Array) -> Array:
    """Compute a file of 2018 as its operators were defined then, in float64."""
    values: dict[str, Any] = {
        tensor.name: numpy_helper.to_array(tensor).astype(np.float64)
        for tensor in proto.graph.initializer
    }
    values[next(x.name for x in proto.graph.input if x.name not in values)] = picture.astype(float)
    for node in proto.graph.node:
        a = {x.name: helper.get_attribute_value(x) for x in node.attribute}
        x, *more = (values[name] for name in node.input)
        kind = node.op_type
        if kind == "ImageScaler":
            y = x * a["scale"] + np.reshape(a["bias"], (-1, 1, 1))
        elif kind == "Affine":
            y = x * a["alpha"] + a["beta"]
        elif kind == "Crop":
            left, top, right, bottom = a["border"]
            y = x[:, :, top : x.shape[2] - bottom, left : x.shape[3] - right]
        elif kind == "Pad":
            p = a["pads"]
            y = np.pad(x, list(zip(p[:4], p[4:], strict=True)), "reflect")
        elif kind == "Conv":
            top, left, bottom, right = a.get("pads", [0] * 4)
            x = np.pad(x, [(0, 0), (0, 0), (top, bottom), (left, right)])
            kernel = more[0].transpose(2, 3, 1, 0)
            y = tf.nn.conv2d(x.transpose(0, 2, 3, 1), kernel, a["strides"], "VALID").numpy()
            y = y.transpose(0, 3, 1, 2) + more[1][:, None, None]
        elif kind == "ConvTranspose":
            # All that the kernels reach, and as many pixels of nothing as are wanted beyond.
            kernel = more[0].transpose(2, 3, 1, 0)
            stride, reach = a["strides"][0], kernel.shape[0]
            full = [stride * (side - 1) + reach for side in x.shape[2:]]
            y = tf.nn.conv2d_transpose(
                x.transpose(0, 2, 3, 1), kernel, (1, *full, kernel.shape[2]), stride, "VALID"
            ).numpy()
            beyond = [(0, to - side) for side, to in zip(full, a["output_shape"], strict=True)]
            y = np.pad(y.transpose(0, 3, 1, 2), [(0, 0), (0, 0), *beyond]) + more[1][:, None, None]
        elif kind == "InstanceNormalization":
            mean, variance = (f(x, axis=(2, 3), keepdims=True) for f in (np.mean, np.var))
            scale, bias = (v[:, None, None] for v in more)
            y = (x - mean) / np.sqrt(variance + a["epsilon"]) * scale + bias
        else:
            functions: dict[str, Callable[..., Array]] = {
                "Relu": lambda x: np.maximum(x, 0),
                "Tanh": np.tanh,
                "Add": np.add,
                "Mul": np.multiply,
            }
            y = functions[kind](x, *more)
        values[node.output[0]] = y
    result: Array = values[proto.graph.output[0].name]
    return result


def minimal_rewrite(proto: onnx.ModelProto) -> onnx.ModelProto:
    """Replace the operators that ONNX Runtime refuses, and nothing else."""
    nodes = list(proto.graph.node)
    del proto.graph.node[:]
    for node in nodes:
        a = {x.name: helper.get_attribute_value(x) for x in node.attribute}
        (x, *_), (y,) = node.input, node.output
        new = [node]
        if node.op_type == "Crop":
            left, top, right, bottom = a["border"]
            new = [
                helper.make_node(
                    "Slice", [x], [y], axes=[2, 3], starts=[top, left], ends=[-bottom, -right]
                )
            ]
        elif node.op_type in ("ImageScaler", "Affine"):
            factor = a["scale" if "scale" in a else "alpha"]
            shift = np.reshape(a["bias"], (1, -1, 1, 1)) if "bias" in a else a["beta"]
            for name, value in ((f"{y}.factor", factor), (f"{y}.shift", shift)):
                proto.graph.initializer.append(
                    numpy_helper.from_array(np.asarray(value, np.float32), name)
                )
            new = [
                helper.make_node("Mul", [x, f"{y}.factor"], [f"{y}.scaled"]),
                helper.make_node("Add", [f"{y}.scaled", f"{y}.shift"], [y]),
            ]
        proto.graph.node.extend(new)
    proto.ir_version = 8
    return proto


@pytest.mark.parametrize("style", ["candy", "mosaic", "udnie", "la_muse"])
def test_files_of_2018_come_back_to_life(style: str, tmp_path: Path) -> None:
    old = asset_path(f"johnson_{style}")
    if not old.exists():
        pytest.skip(f"nst assets fetch johnson_{style} downloads the file that this test is for")
    path = tmp_path / "new.onnx"
    result = modernize(old, path, sizes=[SIZES[0], SIZES[3]])
    assert not result.refused

    picture = photo((720, 720), 3, (0, 255))
    by_onnx_runtime = run_onnx_runtime(path.read_bytes(), picture)
    by_opencv = run_opencv(path, picture)
    minimal = run_onnx_runtime(minimal_rewrite(onnx.load(old)), picture)
    np.testing.assert_allclose(by_onnx_runtime, minimal, rtol=0, atol=0.01)
    # ONNX Runtime adds up squares in float32; this is what comes of it on 640,000 pixels. OpenCV 4
    # is coarser still.
    is_old = "cv2.dnn" in engines()
    np.testing.assert_allclose(by_opencv, by_onnx_runtime, rtol=0, atol=2.0 if is_old else 0.1)
    if style == "candy" and not is_old:  # one is enough for the slow proof of that
        exact = compute_old(onnx.load(old), picture)
        np.testing.assert_allclose(by_opencv, exact, rtol=0, atol=0.01)
        assert np.abs(by_onnx_runtime - exact).max() > 5 * np.abs(by_opencv - exact).max()


# Checkpoints of PyTorch


def test_without_pytorch_the_error_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    (tmp_path / "net.pth").write_bytes(b"not looked at")
    with pytest.raises(DependencyError, match=r"pip install 'nstlib\[torch\]'"):
        from_pytorch(tmp_path / "net.pth")


def torch_net() -> Any:
    """Build the example's network in PyTorch, from its description, with random weights."""
    torch = pytest.importorskip("torch")
    nn = torch.nn

    class Conv(nn.Module):  # type: ignore[name-defined]
        def __init__(
            self, inputs: int, outputs: int, kernel: int, stride: int = 1, up: int = 1
        ) -> None:
            super().__init__()
            self.up = up
            self.reflection_pad = nn.ReflectionPad2d(kernel // 2)
            self.conv2d = nn.Conv2d(inputs, outputs, kernel, stride)

        def forward(self, x: Any) -> Any:
            if self.up > 1:
                x = nn.functional.interpolate(x, scale_factor=self.up, mode="nearest")
            return self.conv2d(self.reflection_pad(x))

    class Residual(nn.Module):  # type: ignore[name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.conv1, self.in1 = Conv(128, 128, 3), nn.InstanceNorm2d(128, affine=True)
            self.conv2, self.in2 = Conv(128, 128, 3), nn.InstanceNorm2d(128, affine=True)

        def forward(self, x: Any) -> Any:
            return x + self.in2(self.conv2(torch.relu(self.in1(self.conv1(x)))))

    class Net(nn.Module):  # type: ignore[name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.conv1, self.conv2 = Conv(3, 32, 9), Conv(32, 64, 3, 2)
            self.conv3 = Conv(64, 128, 3, 2)
            for number in range(1, 6):
                setattr(self, f"res{number}", Residual())
            self.deconv1, self.deconv2 = Conv(128, 64, 3, up=2), Conv(64, 32, 3, up=2)
            self.deconv3 = Conv(32, 3, 9)
            for number, channels in enumerate((32, 64, 128, 64, 32), 1):
                setattr(self, f"in{number}", nn.InstanceNorm2d(channels, affine=True))

        def forward(self, x: Any) -> Any:
            for name, norm in (("conv1", "in1"), ("conv2", "in2"), ("conv3", "in3")):
                x = torch.relu(getattr(self, norm)(getattr(self, name)(x)))
            for number in range(1, 6):
                x = getattr(self, f"res{number}")(x)
            for name, norm in (("deconv1", "in4"), ("deconv2", "in5")):
                x = torch.relu(getattr(self, norm)(getattr(self, name)(x)))
            return self.deconv3(x)

    torch.manual_seed(0)
    net = Net().eval()
    with torch.no_grad():
        for name, weights in net.named_parameters():
            if weights.ndim == 1:  # gammas, betas and biases, which begin as ones and zeros
                weights.add_(0.2 * torch.randn_like(weights))
            if name.startswith("deconv3"):  # up to the scale of pictures
                weights.mul_(15.0)
    return net


def old_state(net: Any) -> dict[str, Any]:
    """Its state as the published checkpoints have it: with statistics that nothing uses."""
    torch = pytest.importorskip("torch")
    state = dict(net.state_dict())
    for name in [name for name in state if ".in" in f".{name}" and name.endswith(".weight")]:
        stem = name.removesuffix(".weight")
        state[f"{stem}.running_mean"] = torch.randn(state[name].shape)
        state[f"{stem}.running_var"] = torch.rand(state[name].shape)
    return state


@pytest.mark.torch
def test_a_checkpoint_paints_the_same_picture_everywhere(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    net = torch_net()
    state = old_state(net)
    assert sum(name.endswith(("running_mean", "running_var")) for name in state) == 30
    torch.save(state, tmp_path / "net.pth")
    model = from_pytorch(tmp_path / "net.pth")
    result = export(model, tmp_path / "net.onnx", half=False)
    assert not result.refused
    for size in SIZES:
        picture = photo(size, 3, (0, 255))
        with torch.no_grad():
            expected = net(torch.from_numpy(picture)).numpy()
        assert np.ptp(expected) > 50
        by_keras = model(picture.transpose(0, 2, 3, 1)).numpy().transpose(0, 3, 1, 2)
        np.testing.assert_allclose(by_keras, expected, rtol=0, atol=0.01)
        content = (tmp_path / "net.onnx").read_bytes()
        np.testing.assert_allclose(run_onnx_runtime(content, picture), expected, rtol=0, atol=0.01)
        np.testing.assert_allclose(
            run_opencv(tmp_path / "net.onnx", picture), expected, rtol=0, atol=0.01
        )


@pytest.mark.torch
def test_pytorchs_own_export_is_the_same_network(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    pytest.importorskip("onnxscript")
    net = torch_net()
    torch.save(net.state_dict(), tmp_path / "net.pth")
    path = tmp_path / "theirs.onnx"
    torch.onnx.export(
        net,
        (torch.zeros(1, 3, 64, 64),),
        dynamo=True,
        dynamic_shapes=({0: "batch", 2: "height", 3: "width"},),
        input_names=["image"],
        output_names=["stylized"],
        verbose=False,
    ).save(path)
    model = from_pytorch(tmp_path / "net.pth")
    result = verify(model, path)
    assert result.ok
    assert not result.refused
    kinds = [
        Counter(x.op_type for x in graph.node)
        for graph in (onnx.load(path).graph, to_onnx(model, half=False).graph)
    ]
    assert kinds[0] == kinds[1]


@pytest.mark.torch
def test_a_checkpoint_of_something_else_is_told_by_name(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    path = tmp_path / "net.pth"

    def told(state: Any) -> str:
        torch.save(state, path)
        with pytest.raises(ModelError) as caught:
            from_pytorch(path)
        return str(caught.value)

    state = torch_net().state_dict()
    changed = {
        name: x for name, x in state.items() if name not in ("conv1.conv2d.bias", "in3.weight")
    }
    changed["extra.weight"] = torch.zeros(2)
    changed["res2.in1.bias"] = torch.zeros(64)
    message = told(changed)
    assert "lacks conv1.conv2d.bias, in3.weight" in message
    assert "has besides extra.weight" in message
    assert "has res2.in1.bias in the shape (64,), not (128,)" in message
    assert "holds a list, not a state dict" in told([1, 2])
    assert "not a state dict" in told({"epoch": 3})


@pytest.mark.torch
def test_a_checkpoint_cannot_execute_anything(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch = pytest.importorskip("torch")
    monkeypatch.chdir(tmp_path)
    torch.save({"conv1.conv2d.weight": Bomb()}, "zip.pth")
    torch.save({"conv1.conv2d.weight": Bomb()}, "old.pth", _use_new_zipfile_serialization=False)
    Path("plain.pth").write_bytes(pickle.dumps(Bomb()))
    torch.save(torch_net().state_dict(), "whole.pth")
    content = Path("whole.pth").read_bytes()
    Path("cut.pth").write_bytes(content[: len(content) // 2])
    Path("empty.pth").write_bytes(b"")
    for name in ("zip.pth", "old.pth", "plain.pth", "cut.pth", "empty.pth"):
        with pytest.raises(ModelError, match=name):
            from_pytorch(name)
    assert not Path("executed").exists()
    torch.load("zip.pth", weights_only=False)
    assert Path("executed").exists(), "it would have been"
