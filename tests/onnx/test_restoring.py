"""Exported style networks become Keras models again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from keras_networks import stir
from onnx_files import run_onnx_runtime, save, style_network

from nstlib.assets.cache import embedded_model
from nstlib.errors import ModelError
from nstlib.inference.stylizer import STYLE_NETWORKS
from nstlib.networks.any_style import AnyStyleNet
from nstlib.networks.transformer import TransformerNet
from nstlib.onnx.reading import load_onnx
from nstlib.onnx.restoring import from_onnx
from nstlib.onnx.translation import to_onnx

ARCHITECTURES: list[dict[str, Any]] = [
    {"channels": (4, 6, 8), "blocks": 1, "kernel": 9, "interpolation": "nearest"},
    {"channels": (4, 6), "blocks": 2, "kernel": 5, "interpolation": "bilinear"},
    {"channels": (5, 3), "blocks": 3, "kernel": 3, "interpolation": "nearest"},
]


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_there_and_back(tmp_path: Path, architecture: dict[str, Any]) -> None:
    network = stir(TransformerNet(**architecture))
    path = save(to_onnx(network, half=False), tmp_path / "network.onnx")
    again = from_onnx(path)
    assert [layer.name for layer in again.layers] == [layer.name for layer in network.layers]
    for ours, theirs in zip(again.weights, network.weights, strict=True):
        np.testing.assert_array_equal(ours, theirs)
    photo = np.random.default_rng(0).uniform(0, 255, (1, 32, 48, 3)).astype(np.float32)
    np.testing.assert_array_equal(again(photo), network(photo))


def test_a_network_for_any_style_made_one_for_a_single_style(tmp_path: Path) -> None:
    network = stir(AnyStyleNet((3, 4, 5, 6), (2, 1), (5, 3), one_style=True))
    path = save(to_onnx(network, half=False), tmp_path / "network.onnx")
    again = from_onnx(path)
    assert [weight.path for weight in again.weights] == [weight.path for weight in network.weights]
    photo = np.random.default_rng(0).uniform(0, 255, (1, 32, 48, 3)).astype(np.float32)
    np.testing.assert_array_equal(again(photo), network(photo))
    for name, words in (
        ("up2.styled.bias", "it lacks up2.styled.bias"),
        ("conv4.weight", "it has other layers"),
    ):
        with pytest.raises(ModelError, match=words):
            from_onnx(save(without(path, name), tmp_path / "other.onnx"))


@pytest.mark.parametrize("name", STYLE_NETWORKS)
def test_networks_that_come_with_the_library(name: str) -> None:
    path = embedded_model(f"{name}.onnx")
    photo = np.random.default_rng(0).uniform(0, 255, (1, 40, 56, 3)).astype(np.float32)
    blob = run_onnx_runtime(path, photo.transpose(0, 3, 1, 2))
    np.testing.assert_allclose(from_onnx(path)(photo), blob.transpose(0, 2, 3, 1), atol=0.01)


def without(path: Path, name: str) -> onnx.ModelProto:
    proto = load_onnx(path)
    [tensor] = [x for x in proto.graph.initializer if x.name == name]
    proto.graph.initializer.remove(tensor)
    proto.graph.input.append(
        onnx.helper.make_tensor_value_info(name, tensor.data_type, list(tensor.dims))
    )
    return proto


def test_what_is_no_style_network(tmp_path: Path) -> None:
    mosaic = embedded_model("mosaic.onnx")
    scaled = load_onnx(mosaic)
    [written] = [entry for entry in scaled.metadata_props if entry.key == "value_range"]
    written.value = "0,1"
    cubic = load_onnx(mosaic)
    for node in cubic.graph.node:
        for attribute in node.attribute:
            if attribute.name == "mode" and node.op_type == "Resize":
                attribute.s = b"cubic"
    for proto, words in (
        (load_onnx(embedded_model("person.onnx")), "it has other layers"),
        (load_onnx(embedded_model("any_style_painter.onnx")), "it has other layers"),
        (style_network(), "it has other layers"),
        (without(mosaic, "in4.bias"), "it lacks in4.bias"),
        (cubic, "it has other layers"),
        (scaled, "takes pictures of 0,1; a style network takes 0,255"),
    ):
        with pytest.raises(ModelError, match=words) as caught:
            from_onnx(save(proto, tmp_path / "other.onnx"))
        assert str(caught.value).startswith(str(tmp_path / "other.onnx"))
