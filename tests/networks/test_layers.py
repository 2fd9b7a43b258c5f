"""The networks: their layers, sizes and shapes, and what their layers compute."""

from __future__ import annotations

import functools
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from nstlib._tensorflow import keras
from nstlib.errors import ArgumentError, ModelError, OutputError
from nstlib.networks.files import load_network, save_network
from nstlib.networks.layers import InstanceNormalization, ReflectionPadding2D
from nstlib.networks.person import PERSON_SIDE, PersonNet
from nstlib.networks.transformer import VARIANTS, TransformerNet

# Layers


@given(
    pixels=st.integers(1, 4),
    sides=st.tuples(st.integers(5, 9), st.integers(5, 9)),
    seed=st.integers(0, 99),
)
@settings(max_examples=30)
def test_reflection_is_numpys(pixels: int, sides: tuple[int, int], seed: int) -> None:
    x = np.random.default_rng(seed).standard_normal((2, *sides, 3)).astype(np.float32)
    expected = np.pad(x, [(0, 0), (pixels, pixels), (pixels, pixels), (0, 0)], mode="reflect")
    layer = ReflectionPadding2D(pixels)
    np.testing.assert_array_equal(layer(x), expected)
    assert layer.compute_output_shape(x.shape) == expected.shape


def test_reflection_of_unknown_sides() -> None:
    assert ReflectionPadding2D(2).compute_output_shape((None, None, 8, 3)) == (None, None, 12, 3)


def normalized(
    x: NDArray[np.float64], gamma: list[float], beta: list[float]
) -> NDArray[np.float64]:
    """Normalise one channel of one picture at a time."""
    y = np.empty_like(x)
    for picture in range(x.shape[0]):
        for channel in range(x.shape[3]):
            values = x[picture, :, :, channel]
            mean = values.sum() / values.size
            variance = ((values - mean) ** 2).sum() / values.size
            scaled = (values - mean) / np.sqrt(variance + 1e-5)
            y[picture, :, :, channel] = gamma[channel] * scaled + beta[channel]
    return y


@given(
    shape=st.tuples(st.integers(1, 3), st.integers(2, 7), st.integers(2, 7)),
    scale=st.floats(0.01, 100),
    seed=st.integers(0, 99),
)
@settings(max_examples=30)
def test_instance_normalization_is_the_formula(
    shape: tuple[int, int, int], scale: float, seed: int
) -> None:
    random = np.random.default_rng(seed)
    x = scale * (random.standard_normal((*shape, 2)) + random.standard_normal(2))
    layer = InstanceNormalization()
    layer.build(x.shape)
    layer.set_weights([np.array([2.0, -0.5]), np.array([0.25, 3.0])])
    expected = normalized(x.astype(np.float32).astype(np.float64), [2.0, -0.5], [0.25, 3.0])
    np.testing.assert_allclose(layer(x.astype(np.float32)), expected, atol=2e-3)


def test_a_picture_does_not_depend_on_the_others_of_its_batch() -> None:
    random = np.random.default_rng(0)
    batch = random.uniform(-1, 1, (3, 32, 24, 3)).astype(np.float32)
    network = TransformerNet((4, 8), blocks=1, kernel=3)
    together = network(batch).numpy()
    for picture, painted in zip(batch, together, strict=True):
        np.testing.assert_allclose(network(picture[np.newaxis])[0], painted, atol=1e-4)


# TransformerNet


def conv(inputs: int, outputs: int, side: int) -> int:
    return side * side * inputs * outputs + outputs


def norm(channels: int) -> int:
    return 2 * channels


def test_parameters_by_hand() -> None:
    down = conv(3, 32, 9) + norm(32) + conv(32, 64, 3) + norm(64) + conv(64, 128, 3) + norm(128)
    blocks = 5 * 2 * (conv(128, 128, 3) + norm(128))
    up = conv(128, 64, 3) + norm(64) + conv(64, 32, 3) + norm(32) + conv(32, 3, 9)
    assert TransformerNet().count_params() == down + blocks + up == 1_679_235

    down = conv(3, 16, 5) + norm(16) + conv(16, 48, 3) + norm(48)
    blocks = 5 * 2 * (conv(48, 48, 3) + norm(48))
    up = conv(48, 16, 3) + norm(16) + conv(16, 3, 5)
    lite = TransformerNet(**VARIANTS["lite"])
    assert lite.count_params() == down + blocks + up


def multiplications(half: int, quarter: int) -> float:
    """Count those a pixel, for channels at a half and at a quarter of the picture's size."""
    down = 25 * 3 * half / 4 + 9 * half * quarter / 16
    blocks = 5 * 2 * 9 * quarter**2 / 16
    up = 9 * quarter * half / 4 + 25 * half * 3
    return down + blocks + up


def test_what_the_variants_cost() -> None:
    lite, wide = multiplications(16, 48), multiplications(32, 96)
    for name, expected in (("lite", lite), ("wide", wide)):
        network = TransformerNet(**VARIANTS[name])
        found, side = 0.0, 1.0  # of the feature maps, in shares of the picture's side
        for layer in network.layers:
            if isinstance(layer, keras.layers.UpSampling2D):
                side *= 2
            elif isinstance(layer, keras.layers.Conv2D):
                side /= layer.strides[0]
                found += side**2 * np.prod(layer.kernel.shape)
        assert found == expected
    assert wide < 4 * lite


def test_the_layers_are_those_of_the_description() -> None:
    """Johnson's, as PyTorch's example has them: names, kernels and strides, in order."""
    convolutions = [x for x in TransformerNet().layers if isinstance(x, keras.layers.Conv2D)]
    expected = [
        ("conv1", 9, 1, 32),
        ("conv2", 3, 2, 64),
        ("conv3", 3, 2, 128),
        *((f"res{block}.conv{i}", 3, 1, 128) for block in range(1, 6) for i in (1, 2)),
        ("deconv1", 3, 1, 64),
        ("deconv2", 3, 1, 32),
        ("deconv3", 9, 1, 3),
    ]
    assert [
        (x.name.removesuffix(".conv2d"), x.kernel_size[0], x.strides[0], x.filters)
        for x in convolutions
    ] == expected
    kinds = [type(x).__name__ for x in TransformerNet().layers]
    assert kinds.count("ReflectionPadding2D") == len(convolutions) == 16
    assert kinds.count("InstanceNormalization") == 15
    assert kinds.count("UpSampling2D") == 2
    assert kinds.count("Add") == 5
    assert kinds.count("ReLU") == 3 + 5 + 2


small = functools.cache(lambda channels: TransformerNet(channels, blocks=1, kernel=5))


@given(
    channels=st.sampled_from([(3, 4, 5), (3, 4)]),
    height=st.integers(16, 41),
    width=st.integers(16, 41),
)
@settings(max_examples=20)
def test_sides_are_rounded_up_to_multiples_of_four(
    channels: tuple[int, ...], height: int, width: int
) -> None:
    network = small(channels)
    shape = network.compute_output_shape((2, height, width, 3))
    up = [side + (-side) % 4 for side in (height, width)]
    assert network(np.zeros((2, height, width, 3), np.float32)).shape == (2, *up, 3)
    assert shape == (2, *up, 3)


def test_a_constant_picture_stays_constant() -> None:
    """Reflected borders: the edge of a plain colour is no event, as it is with zeros."""
    network = TransformerNet((4, 8, 8), blocks=2, kernel=9)
    plain = np.full((1, 24, 24, 3), 100, np.float32)
    painted = network(plain)[0].numpy()
    np.testing.assert_allclose(painted, np.broadcast_to(painted[0, 0], (24, 24, 3)), atol=1e-3)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"channels": (32,)}, r"channels is \(32,\); it must be two or three whole numbers"),
        ({"channels": (8, 16, 32, 64)}, "two or three whole numbers"),
        ({"channels": (8, 0)}, "1 or more each"),
        ({"blocks": 0}, "blocks is 0; it must be a whole number, 1 or more"),
        ({"kernel": 4}, "kernel is 4; it must be odd, 3 or more"),
        ({"kernel": 1}, "kernel is 1; it must be a whole number, 3 or more"),
        (
            {"interpolation": "cubic"},
            "interpolation is 'cubic'; it must be one of nearest, bilinear",
        ),
    ],
)
def test_what_a_network_cannot_be(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ArgumentError, match=message):
        TransformerNet(**options)


# PersonNet


def test_persons_parameters_by_hand() -> None:
    def window(channels: int, side: int) -> int:
        return channels * (side**2 + 1)

    def gate(channels: int, squeezed: int) -> int:
        return conv(channels, squeezed, 1) + conv(squeezed, channels, 1)

    def block(inputs: int, between: int, side: int, outputs: int, squeezed: int = 0) -> int:
        ends = conv(inputs, between, 1) + conv(between, outputs, 1)
        return ends + window(between, side) + (gate(between, squeezed) if squeezed else 0)

    down = (
        conv(3, 16, 3)
        + block(16, 16, 3, 16, squeezed=8)
        + block(16, 72, 3, 24)
        + block(24, 88, 3, 24)
        + 2 * block(24, 96, 3, 24)
        + block(24, 96, 5, 32, squeezed=24)
        + 2 * block(32, 128, 5, 32, squeezed=32)
        + 2 * block(32, 96, 5, 32, squeezed=24)
        + 4 * block(32, 192, 5, 32, squeezed=48)
    )
    deep = conv(32, 64, 1) + 4 * block(64, 256, 5, 64, squeezed=64) + conv(64, 32, 1)
    side = block(24, 144, 5, 96) + 2 * block(96, 192, 5, 96, squeezed=48) + conv(96, 128, 1)
    wide = conv(64, 128, 1) + 4 * block(128, 384, 5, 128, squeezed=96) + conv(128, 64, 1)
    deep += side + wide + conv(128, 128, 1)
    up = 2 * conv(32, 128, 1) + sum(
        conv(below, known, 1)
        + gate(known, known)
        + conv(known, known, 1)
        + window(known, 3)
        + conv(known, between, 3)
        + conv(between, known, 3)
        for below, known, between in ((128, 24, 24), (24, 16, 24), (16, 16, 8))
    )
    assert PersonNet().count_params() == down + deep + up + conv(16, 1, 1)


def test_person_gives_probabilities() -> None:
    random = np.random.default_rng(0)
    images = random.uniform(-1, 1, (2, PERSON_SIDE, PERSON_SIDE, 3)).astype(np.float32)
    found = PersonNet()(images).numpy()
    assert found.shape == (2, PERSON_SIDE, PERSON_SIDE, 2)
    assert found.min() >= 0
    np.testing.assert_allclose(found.sum(axis=-1), 1, atol=1e-5)


# Files


def test_a_saved_network_is_read_again(tmp_path: Path) -> None:
    network = TransformerNet((4, 8), blocks=1, kernel=3)
    path = tmp_path / "network.keras"
    path.write_text("an earlier one")
    save_network(network, path)
    assert list(tmp_path.iterdir()) == [path]
    image = np.random.default_rng(0).uniform(0, 255, (1, 20, 24, 3)).astype(np.float32)
    np.testing.assert_array_equal(load_network(path)(image), network(image))


def test_a_network_that_cannot_be_saved(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="cannot write here"):
        save_network(TransformerNet((4, 8), blocks=1, kernel=3), tmp_path / "absent" / "n.keras")


def test_what_cannot_be_saved_or_read_is_named(tmp_path: Path) -> None:
    network: Any = TransformerNet((4, 8), blocks=1, kernel=3)
    with pytest.raises(OutputError, match=r"cannot write '\.h5'; use \.keras"):
        save_network(network, tmp_path / "network.h5")  # which load_network would not read
    with pytest.raises(OutputError, match="in small letters only"):
        save_network(network, tmp_path / "network.KERAS")
    nothing: Any = None
    with pytest.raises(ArgumentError, match=r"network is None; it must be a keras\.Model"):
        save_network(nothing, tmp_path / "network.keras")
    with pytest.raises(ArgumentError, match="path is None"):
        save_network(network, nothing)
    with pytest.raises(ArgumentError, match="path is None"):
        load_network(nothing)
    with pytest.raises(ModelError, match="cannot be read"):
        load_network("a\0.keras")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("content", [None, b"", b"no network", b"PK"])
def test_a_file_that_is_no_network(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "network.keras"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ModelError, match=r"network\.keras cannot be read"):
        load_network(path)


def test_networks_are_the_same_where_keras_is_set_to_channels_first(tmp_path: Path) -> None:
    """As in the keras.json of many who came from Theano: layers that don't say it would fail."""
    (tmp_path / "keras.json").write_text('{"image_data_format": "channels_first"}')
    code = """
import numpy as np
from nstlib._tensorflow import keras
from nstlib.features import feature_extractor
from nstlib.vgg19 import build_vgg19
from nstlib.networks.person import PersonNet
from nstlib.networks.transformer import VARIANTS, TransformerNet
from nstlib.onnx.translation import to_onnx
print(keras.config.image_data_format())
picture = np.zeros((1, 32, 48, 3), np.float32)
for variant in VARIANTS.values():
    network = TransformerNet(**variant)
    print(network(picture).shape)
    to_onnx(network)
print(PersonNet()(np.zeros((1, 256, 256, 3))).shape)
to_onnx(PersonNet())
for weights in ("mini", "random"):
    print(feature_extractor(["block2_conv1"], weights=weights)(picture)["block2_conv1"].shape)
"""
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env={**os.environ, "KERAS_HOME": str(tmp_path), "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.split("\n")[:-1] == [
        "channels_first",
        *len(VARIANTS) * ["(1, 32, 48, 3)"],
        "(1, 256, 256, 2)",
        "(1, 16, 24, 48)",
        "(1, 16, 24, 128)",
    ]
