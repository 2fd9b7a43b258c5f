"""Style networks in 8 bits: how far they are off, and what is left as it is."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx_files import Graph, save

from nstlib.errors import ArgumentError
from nstlib.images.arrays import Blob
from nstlib.inference.eight_bits import in_eight_bits
from nstlib.inference.enlargements import fold_enlargements
from nstlib.inference.runtimes import load_model, start_network
from nstlib.inference.stylizer import STYLE_NETWORKS, Stylizer
from nstlib.onnx.reading import load_onnx
from nstlib.sources import load_image

#: Photographs, to measure on and to find ranges by.
PAIR = ("astronaut", "coffee")


def whole_convolutions(proto: onnx.ModelProto) -> int:
    return sum(node.op_type == "QLinearConv" for node in proto.graph.node)


def block(channels: int, *, scale: float = 1.0) -> onnx.ModelProto:
    """Build a network: to so many channels, a convolution with a normalisation, and back."""
    graph = Graph()
    x = graph.node("Relu", graph.norm(graph.conv("image", 3, channels), channels))
    x = graph.norm(graph.conv(x, channels, channels), channels)
    x = graph.node("Mul", x, graph.constant(np.float32(scale)))
    return graph.model(graph.conv(x, channels, 3))


@pytest.mark.parametrize("style", ["mosaic", "the_scream"])
def test_shipped_styles_are_off_by_two_levels_and_a_half(style: str) -> None:
    photo = load_image("astronaut", 224)  # none of those by which ranges are found
    off = np.abs(Stylizer(style, backend="ort", eight_bits=True)(photo) - Stylizer(style)(photo))
    assert 0.1 < 255 * off.mean() < 2.5


def test_only_wide_convolutions_before_a_normalisation_change() -> None:
    blobs = [np.random.default_rng(0).uniform(0, 255, (1, 3, 40, 48)).astype(np.float32)]
    network = fold_enlargements(load_model("candy", STYLE_NETWORKS))
    assert whole_convolutions(in_eight_bits(network, blobs)) == 11  # five blocks, an enlargement
    wide, narrow = block(32), block(24)
    assert whole_convolutions(in_eight_bits(wide, blobs)) == 1
    assert in_eight_bits(narrow, blobs) is narrow


@pytest.mark.parametrize(("domain", "version", "changes"), [("ai.onnx", 17, 1), ("", 12, 0)])
def test_which_operators_a_file_may_have(domain: str, version: int, changes: int) -> None:
    """ONNX's own, by no name or by theirs, since scales differ from channel to channel."""
    blobs = [np.random.default_rng(0).uniform(0, 255, (1, 3, 40, 48)).astype(np.float32)]
    network = block(32)
    network.opset_import[0].domain, network.opset_import[0].version = domain, version
    read = load_onnx(network.SerializeToString())
    assert whole_convolutions(in_eight_bits(read, blobs)) == changes


@pytest.mark.parametrize("brightness", [0.01, 1.0])
def test_values_are_off_by_less_than_their_steps(brightness: float) -> None:
    """Also of a picture that is much darker than what was tried: normalisation sees to that."""
    random = np.random.default_rng(1)
    tried, seen = (random.uniform(0, 255, (1, 3, 64, 64)).astype(np.float32) for _ in range(2))
    proto = block(32)
    expected = start_network(proto, "ort", "it")(brightness * seen)
    got = start_network(in_eight_bits(proto, [tried]), "ort", "it")(brightness * seen)
    assert np.sqrt(np.square(got - expected).mean()) < 0.02 * expected.std()


def test_a_network_that_it_does_not_suit_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = save(block(32, scale=30), tmp_path / "block.onnx")
    photo = load_image("rocket", 120)
    exact = Stylizer(path, backend="ort")(photo)
    assert not np.array_equal(Stylizer(path, backend="ort", eight_bits=True)(photo), exact)
    monkeypatch.setattr("nstlib.inference.stylizer.LARGEST_ERROR", 1e-9)
    np.testing.assert_array_equal(Stylizer(path, backend="ort", eight_bits=True)(photo), exact)


def test_how_far_it_may_be_off_depends_on_the_range_of_values(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A tenth of the range is too much also where values are from 0 to 1."""
    path = save(block(32), tmp_path / "block.onnx")
    photo = load_image("rocket", 120)
    exact = Stylizer(path, backend="ort", value_range="0,1")(photo)
    changed: list[onnx.ModelProto] = []

    def in_poor_bits(network: onnx.ModelProto, blobs: list[Blob]) -> onnx.ModelProto:  # noqa: ARG001
        changed.append(network)
        return network

    def start(network: onnx.ModelProto, *arguments: Any) -> Callable[[Blob], Blob]:
        run = start_network(network, *arguments)

        def off(blob: Blob) -> Blob:
            values = run(blob)
            return values + np.float32(0.1) * np.ptp(values)

        return off if changed else run

    monkeypatch.setattr("nstlib.inference.stylizer.in_eight_bits", in_poor_bits)
    monkeypatch.setattr("nstlib.inference.stylizer.start_network", start)
    stylizer = Stylizer(path, backend="ort", eight_bits=True, value_range="0,1")
    assert changed
    np.testing.assert_array_equal(stylizer(photo), exact)


def test_opencv_refuses() -> None:
    with pytest.raises(ArgumentError, match=r"OpenCV does not compute in 8 bits; .*'ort'"):
        Stylizer("candy", eight_bits=True)


def test_a_border_computed_in_full_fits_what_is_computed_in_eight_bits() -> None:
    """Where an enlargement is folded, only the middle of its result is in 8 bits."""
    photo, other = (load_image(name, (160, 240)).transpose(2, 0, 1)[None] * 255 for name in PAIR)
    network = fold_enlargements(load_model("great_wave", STYLE_NETWORKS))
    expected = start_network(network, "ort", "it")(photo)
    off = np.abs(start_network(in_eight_bits(network, [other]), "ort", "it")(photo) - expected)
    inner = off[..., 8:-8, 8:-8].mean()
    for border in (off[..., :4, :], off[..., -4:, :], off[..., :4], off[..., -4:]):
        assert border.mean() < 1.5 * inner
