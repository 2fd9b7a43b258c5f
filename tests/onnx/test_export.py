"""ONNX: every runtime computes what Keras computes."""

from __future__ import annotations

import math
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from keras_networks import person_net, small_net, stir
from onnx import helper, numpy_helper
from onnx_files import engines, graph_of, run_onnx_runtime, run_opencv, save

import nstlib
from nstlib._tensorflow import keras
from nstlib.errors import ArgumentError, ModelError, OutputError
from nstlib.inference.stylizer import Stylizer
from nstlib.networks.layers import InstanceNormalization, ReflectionPadding2D
from nstlib.networks.transformer import TransformerNet
from nstlib.onnx.exporting import export
from nstlib.onnx.translation import TRANSLATIONS, to_onnx
from nstlib.onnx.verification import (
    SIZES,
    TOLERANCE,
    RuntimeComparison,
    Verification,
    photo_blob,
    verify,
)
from nstlib.sources import load_image

layers = keras.layers
#: Small, one of each kind.
TWO_SIZES = ((24, 32), (21, 31))


def one_layer(
    layer: Any, channels: int = 4, sides: tuple[int | None, int | None] = (None, None)
) -> keras.Model:
    image = keras.Input((*sides, channels), name="image")
    return stir(keras.Model(image, layer(image), name="one"))


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
    library = f"nstlib {nstlib.__version__}"
    assert about.custom_metadata_map == {**told, "layout": "NCHW", "library": library}
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


def test_the_value_range_is_written_if_it_is_known_and_stylizers_read_it(tmp_path: Path) -> None:
    image = keras.Input((None, None, 3))
    negative = layers.Rescaling(-1.0, 0.0)(image)  # of [-1, 1]
    path = tmp_path / "net.onnx"
    export(keras.Model(image, negative), path, sizes=TWO_SIZES, value_range=(-1, 1))
    about = {entry.key: entry.value for entry in onnx.load(path).metadata_props}
    assert about["value_range"] == "-1,1"
    picture = load_image("coffee", 64)
    np.testing.assert_allclose(Stylizer(path)(picture), 1 - picture, atol=1e-5)


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
    # Each rounds in its own way; else it is the same runtime. At one size two may agree by chance.
    found = {
        name: tuple(x.difference for x in result.comparisons if x.runtime == name)
        for name in {x.runtime for x in result.comparisons}
    }
    assert len(set(found.values())) == len(found) == len(engines())
    assert verify(None, path).ok


def test_a_person_network_has_a_fixed_size(tmp_path: Path) -> None:
    result = export(
        person_net(),
        tmp_path / "person.onnx",
        output_name="probabilities",
        value_range=(-1, 1),
        tolerance=1e-4,
    )
    assert result.ok
    assert not result.refused
    assert {x.size for x in result.comparisons} == {(256, 256)}


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
    layers.Conv2D(6, 3, activation="hard_silu", name="c"),
    layers.Conv2DTranspose(6, 2, strides=2, activation="relu", name="c"),
    layers.Conv2DTranspose(6, (2, 3), strides=(2, 3), use_bias=False, name="c"),
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


def test_two_pixels_become_two_blocks_by_hand(tmp_path: Path) -> None:
    """A transposed convolution lays a kernel for each pixel, side by side; then x(x + 3)/6."""
    layer = layers.Conv2DTranspose(1, 2, strides=2, activation="hard_silu", name="c")
    image = keras.Input((1, 2, 1))
    model = keras.Model(image, layer(image))
    layer.set_weights([np.reshape([1.0, 2.0, 3.0, 4.0], (2, 2, 1, 1)), np.array([-1.0])])
    # Before the activation: 1, 3 over 5, 7 for the pixel 2, and -2, -3 over -4, -5 for -1.
    expected = [[2 / 3, 3.0, -1 / 3, 0.0], [5.0, 7.0, 0.0, 0.0]]
    content = to_onnx(model, half=False)
    pixels = np.reshape(np.array([2, -1], np.float32), (1, 1, 1, 2))
    path = save(content, tmp_path / "blocks.onnx")
    for found in (run_onnx_runtime(content, pixels), run_opencv(path, pixels)):
        np.testing.assert_allclose(found[0, 0], expected, atol=1e-6)


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


def test_what_is_no_layer_is_told_from_layers() -> None:
    image = keras.Input((None, None, 3))
    for operation, name in (
        (keras.ops.relu(image), "Relu"),
        (image * 2, "Multiply"),
        (keras.ops.add(layers.ReLU()(image), image), "Add"),
        (image[..., ::-1], "GetItem"),
    ):
        with pytest.raises(ModelError, match=f"is an operation, {name} of keras.ops, and no layer"):
            to_onnx(keras.Model(image, operation))
    inner = small_net()
    with pytest.raises(ModelError, match=f"'{inner.name}' is a model within the model"):
        to_onnx(keras.Model(image, inner(image)))


class Own(keras.Model):
    def call(self, x: Any) -> Any:
        return x


def test_a_model_that_is_no_graph_of_layers_is_refused_in_words() -> None:
    for model in (Own(), keras.Sequential([layers.Conv2D(3, 1)])):
        with pytest.raises(ModelError, match="is no graph of layers; build it as"):
            to_onnx(model)


@pytest.mark.parametrize(
    "layer",
    [layers.Dropout(0.5), layers.SpatialDropout2D(0.5), layers.Activation("linear"), None],
    ids=lambda x: type(x).__name__,
)
def test_a_model_without_anything_to_compute_gives_the_picture_back(
    layer: Any, tmp_path: Path
) -> None:
    image = keras.Input((None, None, 3))
    model = keras.Model(image, image if layer is None else layer(image))
    path = tmp_path / "same.onnx"
    assert not export(model, path, sizes=TWO_SIZES).refused
    assert [node.op_type for node in onnx.load(path).graph.node] == ["Identity"]


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"metadata": ["style"]}, "metadata is .*a dict of texts"),
        ({"metadata": {"steps": 3}}, "metadata is .*a dict of texts"),
        ({"half": "float32"}, "half is 'float32'; it must be True or False"),
        ({"input_name": None}, "input_name is None; it must be a name"),
        ({"output_name": ""}, "output_name is ''; it must be a name"),
        ({"input_name": "in2"}, "input_name is 'in2'; a part of the model is called so"),
        ({"input_name": "deconv3.conv2d"}, "input_name is 'deconv3.conv2d'; a part"),
        ({"output_name": "image"}, "output_name is 'image'; a part"),
        ({"output_name": "in2.bias"}, "output_name is 'in2.bias'; a part"),
        ({"value_range": 255}, r"value_range is 255; .*, as in \(0, 255\)"),
        ({"value_range": (0, 0)}, r"value_range is \(0, 0\); it must be two numbers, the lower"),
        (
            {"value_range": (255, 0)},
            r"value_range is \(255, 0\); it must be two numbers, the lower",
        ),
        ({"value_range": (0, math.nan)}, "value_range is nan"),
        ({"sizes": 64}, r"sizes is 64; it must be a list of \(height, width\)"),
        ({"sizes": (32, 32)}, r"a size is 32; it must be \(height, width\)"),
        ({"sizes": [(32.5, 32)]}, r"a size is \(32.5, 32\)"),
        ({"sizes": []}, "one at least"),  # no comparison is no proof
        ({"tolerance": "small"}, "tolerance is 'small'"),
    ],
    ids=str,
)
def test_an_argument_of_another_kind_is_refused_in_words(
    options: dict[str, Any], told: str, tmp_path: Path
) -> None:
    with pytest.raises(ArgumentError, match=told):
        export(small_net(), tmp_path / "net.onnx", **options)
    assert not list(tmp_path.iterdir())


def test_at_the_command_line_a_name_that_is_taken_is_told_without_an_option() -> None:
    image = keras.Input((None, None, 3))
    x = layers.Conv2D(3, 1, name="image")(image)
    with pytest.raises(ArgumentError, match="input_name is 'image'") as error:
        to_onnx(keras.Model(image, layers.ReLU()(x)))
    assert "called 'image', as its input will be; give that layer" in error.value.command


def test_the_last_layers_name_may_be_the_outputs() -> None:
    graph = to_onnx(small_net(), output_name="deconv3.conv2d").graph
    assert graph.output[0].name == graph.node[-1].output[0] == "deconv3.conv2d"


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
        (layers.Conv2DTranspose(2, 3, strides=2, name="c"), r"kernel_size=\(3, 3\).*\(2, 2\)"),
        (layers.Conv2DTranspose(2, 2, strides=2, padding="same", name="c"), "padding='same'"),
        (layers.Conv2DTranspose(2, 2, strides=2, output_padding=1, name="c"), "output_padding="),
        (layers.MaxPooling2D(2, data_format="channels_first", name="c"), "channels_first"),
        (layers.UpSampling2D(2, data_format="channels_first", name="c"), "channels_first"),
        (layers.ZeroPadding2D(1, data_format="channels_first", name="c"), "channels_first"),
        (layers.Conv2D(2, 3, activation=layers.LeakyReLU(), name="c"), "activation='LeakyReLU'"),
    ],
    ids=lambda x: "" if isinstance(x, str) else type(x).__name__,
)
def test_a_setting_without_a_translation_is_named(layer: Any, told: str) -> None:
    with pytest.raises(ModelError, match=told):
        to_onnx(one_layer(layer))


def test_a_normalization_of_another_axis_is_named() -> None:
    image = keras.Input((8, 8, 4))
    with pytest.raises(ModelError, match="axis=1"):
        to_onnx(keras.Model(image, layers.BatchNormalization(axis=1)(image)))


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
    with pytest.raises(ModelError, match="has 2 outputs; only a model with one"):
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

    monkeypatch.setitem(TRANSLATIONS, ReflectionPadding2D, wrong)
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
    picture = photo_blob(TWO_SIZES[0], 3, (0, 255))
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
