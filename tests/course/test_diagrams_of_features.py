"""The diagrams of lessons 01 and 02 show what arithmetic and the network's layers say."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from collections.abc import Callable

import numpy as np
import pytest

pytest.importorskip("tensorflow")  # VGG19's layers come from there

from nstlib.course.figures.mathematics import chain_of_slopes, colour_cloud, two_layers
from nstlib.course.figures.svg import ORANGE, Diagram
from nstlib.course.figures.vgg import vgg19_blocks
from nstlib.errors import ArgumentError

POINTS = np.array([[0.2, 0.2], [0.4, 0.6], [0.6, 0.4], [0.8, 0.8]])
COLOURS = np.column_stack([POINTS, np.zeros(4)])


def four_dots(**more: str) -> Diagram:
    axes = [(0.2, 0.2), (0.1, -0.1)]
    return colour_cloud(POINTS, COLOURS, ("red", "green"), axes, **({"alt": "Dots."} | more))


def nodes(drawing: Diagram, kind: str) -> list[ET.Element]:
    return [node for node in ET.fromstring(drawing.svg).iter() if node.tag.endswith("}" + kind)]


def words_of(drawing: Diagram) -> list[str]:
    return [node.text or "" for node in nodes(drawing, "text")]


@pytest.mark.parametrize(
    "draw", [lambda: chain_of_slopes(0.2, 0.4, 0.5), four_dots, two_layers, vgg19_blocks]
)
def test_everything_is_on_the_paper_and_described(draw: Callable[[], Diagram]) -> None:
    drawing = draw()
    root = ET.fromstring(drawing.svg)
    assert root.get("aria-label") == drawing.alt
    width, height = (float(root.get(side) or 0) for side in ("width", "height"))
    assert width <= 960
    for node in root.iter():
        for key, limit in (("x", width), ("y", height), ("cx", width), ("cy", height)):
            assert 0 <= float(node.get(key) or 0) <= limit


def test_slopes_are_those_of_finite_differences() -> None:
    def loss(left: float, right: float) -> float:
        return (right - left - 0.9) ** 2

    left, right, h = 0.7, 0.1, 1e-6
    slopes = [
        (loss(left + h, right) - loss(left - h, right)) / (2 * h),
        (loss(left, right + h) - loss(left, right - h)) / (2 * h),
    ]
    words = [word.replace("−", "-") for word in words_of(chain_of_slopes(left, right, 0.9))]
    products = [float(word.split("= ")[1]) for word in words if re.match(r"[+-]1 · ", word)]
    np.testing.assert_allclose(products, slopes, atol=1e-6)


def test_dots_stand_where_their_numbers_say_and_arrows_point_along_the_axes() -> None:
    drawing = four_dots()
    centres = np.array(
        [[float(node.get(key) or 0) for key in ("cx", "cy")] for node in nodes(drawing, "circle")]
    )
    # One scale for both directions, and up is smaller.
    per_unit = (centres[3] - centres[0]) / (POINTS[3] - POINTS[0])
    assert per_unit[0] == -per_unit[1] > 0
    np.testing.assert_allclose(centres - centres[0], (POINTS - POINTS[0]) * per_unit, atol=0.11)
    fills = [node.get("fill") for node in nodes(drawing, "circle")]
    assert fills[3] == "rgb(204,204,0)"
    tips = [
        [float(number) for number in re.findall(r"M ([\d.]+) ([\d.]+)", node.get("d") or "")[0]]
        for node in nodes(drawing, "path")
        if (node.get("d") or "").endswith(" z") and node.get("stroke") == "white"
    ]
    mean = centres.mean(axis=0)
    np.testing.assert_allclose(
        tips - mean, np.array([[0.2, 0.2], [0.1, -0.1]]) * per_unit, atol=0.3
    )
    with pytest.raises(ArgumentError, match="alt is empty"):
        four_dots(alt="")


def test_marked_squares_are_those_that_the_last_number_depends_on() -> None:
    def layers(pixels: np.ndarray) -> list[np.ndarray]:
        once = np.convolve(pixels, [1, 1, 1], "valid")
        halved = once.reshape(-1, 2).sum(axis=1)
        return [pixels, once, halved, np.convolve(halved, [1, 1, 1], "valid")]

    counts = [len(level) for level in layers(np.ones(10))]
    seen = sum(layers(pixel)[-1][0] != 0 for pixel in np.eye(10))
    boxes = [node for node in nodes(two_layers(), "rect") if node.get("rx") == "3"]
    rows: dict[float, list[bool]] = {}
    for node in boxes:
        rows.setdefault(float(node.get("y") or 0), []).append(node.get("fill") == ORANGE)
    drawn = [rows[y] for y in sorted(rows, reverse=True)]
    assert [len(row) for row in drawn] == counts
    assert [sum(row) for row in drawn] == [seen, 6, 3, 1]
    assert all(row == sorted(row, reverse=True) for row in drawn)  # the first ones


def test_fields_of_view_are_those_counted_layer_by_layer() -> None:
    size, distance, expected = 1, 1, []
    for depth in (2, 2, 4, 4, 4):
        for conv in range(depth):
            size += 2 * distance
            if conv == 0:
                expected.append((size, distance))
        size, distance = size + distance, 2 * distance
    words = words_of(vgg19_blocks())
    fields = [int(word.split(" ")[0]) for word in words if word.endswith(" pixels")]
    spacings = [int(word.split(" ")[-1]) for word in words if word.startswith("one every")]
    assert [*zip(fields, spacings, strict=True)] == expected
    assert [word for word in words if word.endswith(" channels")] == [
        f"{channels} channels" for channels in (64, 128, 256, 512, 512)
    ]
    assert sum(word.startswith("conv") for word in words) == 16
    windows = [node for node in nodes(vgg19_blocks(), "rect") if node.get("fill") == ORANGE]
    sides = [float(node.get("width") or 0) / 112 * 224 for node in windows]
    np.testing.assert_allclose(sides, fields, atol=0.2)
