"""A person network begins with the weights of MediaPipe's selfie segmentation."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import onnxruntime
import pytest
from numpy.typing import NDArray
from onnx import helper
from onnx_files import graph_of, save

from nstlib._tensorflow import keras
from nstlib.assets.cache import asset_path
from nstlib.errors import ArgumentError
from nstlib.networks.person import PERSON_SIDE, PersonNet
from nstlib.onnx.tflite import from_tflite
from nstlib.sources import load_image
from nstlib.training.selfie import from_selfie

#: Shapes of MediaPipe's kernels, (out, in, rows, columns), in its file's order.
KERNELS = [
    (16, 3, 3, 3),
    *[(16, 16, 1, 1), (16, 1, 3, 3), (8, 16, 1, 1), (16, 8, 1, 1), (16, 16, 1, 1)],
    *[(72, 16, 1, 1), (72, 1, 3, 3), (24, 72, 1, 1)],
    *[(88, 24, 1, 1), (88, 1, 3, 3), (24, 88, 1, 1)],
    *[(96, 24, 1, 1), (96, 1, 5, 5), (24, 96, 1, 1), (96, 24, 1, 1), (32, 96, 1, 1)],
    *2 * [(128, 32, 1, 1), (128, 1, 5, 5), (32, 128, 1, 1), (128, 32, 1, 1), (32, 128, 1, 1)],
    *2 * [(96, 32, 1, 1), (96, 1, 5, 5), (24, 96, 1, 1), (96, 24, 1, 1), (32, 96, 1, 1)],
    *2 * [(128, 32, 1, 1)],
    *[(24, 128, 1, 1), *3 * [(24, 24, 1, 1)], (24, 1, 3, 3)],
    *[(16, 24, 1, 1), *3 * [(16, 16, 1, 1)], (16, 1, 3, 3)],
    *[*4 * [(16, 16, 1, 1)], (16, 1, 3, 3)],
    (16, 1, 2, 2),  # into scores: in, out, rows, columns
]

Arrays = list[tuple[NDArray[np.float32], NDArray[np.float32]]]


def made_file(path: Path, arrays: Arrays) -> Path:
    """Write an ONNX file of as many convolutions beside each other."""
    constants: dict[str, NDArray[np.float32]] = {}
    nodes = []
    for number, (kernel, bias) in enumerate(arrays):
        constants |= {f"kernel{number}": kernel, f"bias{number}": bias}
        kind = "ConvTranspose" if kernel.shape[2:] == (2, 2) else "Conv"
        inputs = ["x", f"kernel{number}", f"bias{number}"]
        nodes.append(helper.make_node(kind, inputs, [f"y{number}"]))
    return save(graph_of(nodes, constants), path)


@pytest.fixture
def arrays() -> Arrays:
    random = np.random.default_rng(0)
    return [
        (
            random.normal(size=shape).astype(np.float32),
            random.normal(size=1 if shape[2:] == (2, 2) else shape[0]).astype(np.float32),
        )
        for shape in KERNELS
    ]


@pytest.fixture
def network() -> keras.Model:
    return PersonNet()


def test_each_layer_gets_the_kernel_of_its_place(
    arrays: Arrays, network: keras.Model, tmp_path: Path
) -> None:
    before = {layer.name: layer.get_weights() for layer in network.layers}
    from_selfie(network, made_file(tmp_path / "selfie.onnx", arrays))
    for place, name in [
        (3, "down4.squeeze"),
        (8, "down8.project"),
        (21, "block16_1.project"),
        (37, "bottom"),
        (38, "whole"),
        (42, "join8"),
    ]:
        kernel, bias = network.get_layer(name).get_weights()
        np.testing.assert_array_equal(kernel[0, 0].T, arrays[place][0][:, :, 0, 0])
        np.testing.assert_array_equal(bias, arrays[place][1])
    for place, name in [(13, "down16.depthwise"), (43, "join8.depthwise")]:
        kernel, _ = network.get_layer(name).get_weights()
        for row, column in np.ndindex(kernel.shape[:2]):
            found = kernel[row, column, :, 0]
            np.testing.assert_array_equal(found, arrays[place][0][:, 0, row, column])
    for name in ("more8_1.expand", "more16_4.project", "down32", "sharp2.second", "wide32.side"):
        for old, new in zip(before[name], network.get_layer(name).get_weights(), strict=True):
            np.testing.assert_array_equal(old, new)


def test_its_ends_fit_this_networks_scale_and_this_networks_scores(
    arrays: Arrays, network: keras.Model, tmp_path: Path
) -> None:
    from_selfie(network, made_file(tmp_path / "selfie.onnx", arrays))
    random = np.random.default_rng(1)
    pixels = random.uniform(0, 1, (3, 3, 3)).astype(np.float32)  # rows, columns, colours
    expected = (arrays[0][0] * pixels.transpose(2, 0, 1)).sum(axis=(1, 2, 3)) + arrays[0][1]
    expected *= np.clip(expected + 3, 0, 6) / 6
    found = network.get_layer("conv1")(2 * pixels[np.newaxis] - 1)
    np.testing.assert_allclose(found[0, 0, 0], expected, rtol=1e-4, atol=1e-5)

    features = random.normal(size=16).astype(np.float32)
    scores = network.get_layer("scores")(features.reshape(1, 1, 1, 16))[0]
    kernel, bias = arrays[-1]
    person = 0.07 * (np.einsum("i,iyx->yx", features, kernel[:, 0]) + bias).mean()
    np.testing.assert_allclose(scores, [[[person]]], atol=1e-5)


def test_what_was_added_says_nothing_at_first(network: keras.Model) -> None:
    """Whatever the layers before them are: each addition ends in a convolution of zeros."""
    added = [
        *(
            f"more{size}_{n}.project"
            for size, count in ((8, 2), (16, 4), (32, 4))
            for n in range(1, count + 1)
        ),
        *(f"side16_{n}.project" for n in (1, 2)),
        *(f"wide32_{n}.project" for n in (1, 2, 3, 4)),
        "wide32.back",
        "whole.wide",
        "up16",
        *(f"sharp{size}.second" for size in (8, 4, 2)),
    ]
    for name in added:
        assert not any(values.any() for values in network.get_layer(name).get_weights())


@pytest.mark.parametrize("fault", ["one too few", "a shape", "no kernels of two sides"])
def test_another_network_is_refused_and_nothing_changed(
    arrays: Arrays, network: keras.Model, tmp_path: Path, fault: str
) -> None:
    if fault == "one too few":
        arrays.pop()
    elif fault == "a shape":
        arrays[30] = arrays[30][0][:-1], arrays[30][1]
    else:
        arrays = [(kernel[..., 0], bias) for kernel, bias in arrays]
    before = network.get_weights()
    with pytest.raises(ArgumentError, match=r"s\.onnx is not MediaPipe's selfie segmentation"):
        from_selfie(network, made_file(tmp_path / "s.onnx", arrays))
    for old, new in zip(before, network.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


def test_it_begins_as_mediapipes_network(network: keras.Model, tmp_path: Path) -> None:
    """What MediaPipe's network is sure of, computed by ONNX Runtime, is what ours says at first."""
    file = asset_path("selfie_segmentation")
    if not file.is_file():
        pytest.skip("MediaPipe's network is not in the cache")
    pytest.importorskip("tf2onnx")
    theirs = tmp_path / "selfie.onnx"
    from_tflite(file, theirs)
    from_selfie(network, theirs)
    image = np.asarray(cv2.resize(load_image("astronaut"), (PERSON_SIDE,) * 2))[np.newaxis]
    session = onnxruntime.InferenceSession(theirs, providers=["CPUExecutionProvider"])
    (expected,) = session.run(None, {session.get_inputs()[0].name: image.transpose(0, 3, 1, 2)})
    found = network(2 * image - 1).numpy()[0, ..., 1]
    expected = expected.reshape(found.shape)
    sure = np.abs(expected - 0.5) > 0.49
    assert sure.mean() > 0.8
    # Beyond two borders one sees grey and the other black, which changes a few pixels there.
    assert ((found > 0.5) == (expected > 0.5))[sure].mean() > 0.995
