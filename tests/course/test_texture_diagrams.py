"""The diagrams of lessons 03 and 04 show the numbers that NumPy computes."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import ArrayLike, NDArray

from nstlib.course.figures.svg import Diagram
from nstlib.course.figures.textures import gram_road, loss_graph, show_valley, sizes_in_turn
from nstlib.errors import ArgumentError

FEATURES = np.array([[[1, 0], [3, 1]], [[0, 2], [4, 5]]], np.float64)


def words_of(drawing: Diagram) -> list[str]:
    return [
        node.text or "" for node in ET.fromstring(drawing.svg).iter() if node.tag[-4:] == "text"
    ]


@pytest.mark.parametrize(
    "draw", [lambda: gram_road(FEATURES), loss_graph, lambda: sizes_in_turn([48, 96, 192], 156)]
)
def test_a_notebook_gets_valid_svg_that_stays_on_the_page(draw: Callable[[], Diagram]) -> None:
    drawing = draw()
    root = ET.fromstring(drawing.svg)
    assert root.get("role") == "img"
    assert root.get("aria-label") == drawing.alt
    width, height = (float(root.get(side) or 0) for side in ("width", "height"))
    assert width <= 960
    for node in root.iter():
        if node.tag.endswith(("rect", "text")):
            x, y = float(node.get("x") or 0), float(node.get("y") or 0)
            assert 0 <= x <= x + float(node.get("width") or 0) <= width
            assert 0 <= y <= y + float(node.get("height") or 0) <= height


def test_the_road_shows_the_numbers_of_the_product() -> None:
    F = FEATURES.reshape(4, 2)
    shown = [float(w) for w in words_of(gram_road(FEATURES)) if re.fullmatch(r"[\d.]+", w)]
    parts = [FEATURES[..., 0], FEATURES[..., 1], F, F.T, F, np.einsum("pi,pj->ij", F, F) / 4]
    assert shown == np.concatenate([np.ravel(part) for part in parts]).tolist()


@pytest.mark.parametrize(("side", "share"), [(192, "66%"), (156, "100%"), (48, "100%")])
def test_a_window_sees_no_more_than_the_whole_picture(side: int, share: str) -> None:
    assert f"sees {share}" in words_of(sizes_in_turn([side], 156))


def test_the_valley_shows_each_path_and_asks_for_words() -> None:
    def loss(x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.float64]:
        return x**2 + 9 * y**2

    straight, far = np.array([(2, 1), (1, 0.5), (0, 0)]), np.array([(2.0, 1.0), (-2.0, 0.0)])
    paths: dict[str, ArrayLike] = {"straight": straight, "far": far}
    plot = show_valley(loss, paths, alt="A valley.", x=(-3, 3), y=(-2, 2))
    found = {axes.get_label(): axes.lines[0].get_xydata() for axes in plot.figure.axes}
    assert [*found] == ["straight", "far"]
    np.testing.assert_array_equal(found["straight"], straight)
    np.testing.assert_array_equal(found["far"], far)
    with pytest.raises(ArgumentError, match="alt is empty"):
        show_valley(loss, paths, alt="", x=(-3, 3), y=(-2, 2))
