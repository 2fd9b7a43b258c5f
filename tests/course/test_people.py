"""Lessons 11 and 12: rows of pictures, diagrams, and portraits with outlines drawn by hand."""

from __future__ import annotations

import base64
import io
import itertools
import re
from collections import Counter
from typing import Any

import numpy as np
import onnx
import PIL.Image
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from svg_checks import assert_fit_for_a_notebook

from nstlib.assets.cache import embedded_model
from nstlib.course.figures.people import composer_steps, matte_window, person_network
from nstlib.course.figures.plot import GAP, MARGIN, WIDTH
from nstlib.course.figures.rows import show_rows
from nstlib.course.figures.svg import Diagram
from nstlib.course.portraits import CREDITS, drawn_mask, load_portrait
from nstlib.errors import ArgumentError, ImageError

PROPORTIONS = st.lists(st.tuples(st.integers(20, 90), st.integers(20, 90)), min_size=1, max_size=5)


def picture(height: int, width: int) -> Any:
    return np.full((height, width, 3), 0.5, np.float32)


@given(shapes=PROPORTIONS)
@settings(max_examples=20, deadline=None)
def test_a_row_has_one_height_and_no_holes(shapes: list[tuple[int, int]]) -> None:
    plot = show_rows([picture(*shape) for shape in shapes], alt="Grey.")
    page = plot.figure.get_size_inches()
    boxes = [axes.get_position() for axes in plot.figure.axes]
    heights = [box.height * page[1] for box in boxes]
    np.testing.assert_allclose(heights, heights[0], rtol=1e-6)
    for box, (height, width) in zip(boxes, shapes, strict=True):
        assert box.width * page[0] / heights[0] == pytest.approx(width / height)
    for left, right in itertools.pairwise(boxes):
        assert (right.x0 - left.x1) * page[0] == pytest.approx(GAP)
    assert boxes[0].x0 * page[0] == pytest.approx(MARGIN)
    assert (1 - boxes[-1].x1) * page[0] == pytest.approx(MARGIN)
    assert page[0] <= WIDTH + 1e-6


def test_rows_lie_below_each_other_and_carry_titles_and_the_alternative_text() -> None:
    rows = [picture(40, 60), np.zeros((40, 60))], [picture(40, 60)]
    plot = show_rows(*rows, titles=["a", "b", "c"], alt="Three.", height=1)
    first, _, second = (axes.get_position() for axes in plot.figure.axes)
    assert first.y0 > second.y1
    assert [text.get_text() for text in plot.figure.texts] == ["a", "b", "c"]
    data, metadata = plot._repr_mimebundle_()
    assert data["text/plain"] == "Three."
    assert all(entry["alt"] == "Three." for entry in metadata.values())
    (kind,) = metadata
    shown = PIL.Image.open(io.BytesIO(base64.b64decode(data[kind])))
    assert shown.width > 2 * 150  # two pictures of 1.5 inches


@pytest.mark.parametrize(
    ("rows", "options", "words"),
    [
        ([], {}, "no picture"),
        ([[]], {}, "no picture"),
        ([[picture(9, 9)]], {"titles": ["a", "b"]}, "titles"),
        ([[picture(9, 9)]], {"alt": ""}, "alt is empty"),
        ([[picture(9, 9)]], {"height": 0}, "height"),
    ],
)
def test_rows_that_cannot_be_drawn_are_refused(rows: Any, options: Any, words: str) -> None:
    with pytest.raises(ArgumentError, match=words):
        show_rows(*rows, **({"alt": "Grey."} | options))


def test_what_is_no_image_is_named() -> None:
    with pytest.raises(ImageError, match=r"rows\[0\]\[1\]"):
        show_rows([picture(9, 9), np.zeros((9, 9, 4), np.float32)], alt="Grey.")


ROW, COARSE = [0.8, 0.2], [0.0, 1.0]


@pytest.mark.parametrize(
    "diagram",
    [person_network(), matte_window(ROW, COARSE, slice(0, 2)), composer_steps()],
    ids=["network", "window", "composer"],
)
def test_a_diagram_is_whole_xml_that_says_what_it_shows(diagram: Diagram) -> None:
    assert_fit_for_a_notebook(diagram)


def test_the_diagram_of_the_network_has_the_files_channels() -> None:
    graph = onnx.load(embedded_model("person.onnx")).graph
    channels = {w.name.removesuffix(".weight"): w.dims[0] for w in graph.initializer}
    expected = [
        (256, 3),
        (256, 1 + channels["scores"]),
        (128, channels["conv1"]),
        (128, channels["up2"]),
        (64, channels["down4.project"]),
        (64, channels["up4"]),
        (32, channels["down8.project"]),
        (32, channels["up8"]),
        (16, channels["down16.project"]),
        (16, channels["bottom"]),
        (8, channels["down32"]),
        (8, channels["wide32"]),
        (16, channels["side16.project"]),
    ]
    drawn = re.findall(r">(\d+) × (\d+) × (\d+)<", person_network().svg)
    assert [(int(side), int(count)) for side, _, count in drawn] == expected
    assert channels["bottom"] == channels["whole"] == 128
    assert person_network().svg.count("to 128 channels") == 1
    expanding = [name for name in channels if name.endswith(".expand")]
    blocks = Counter(name.split(".")[0].split("_")[0] for name in expanding)
    # block8 and more8 stand beside each other, and so do block16 and more16.
    assert blocks["block8"] + blocks["more8"] == 3
    assert blocks["block16"] + blocks["more16"] == 8
    assert blocks["more32"] == blocks["wide32"] == 4
    assert blocks["side16"] - 1 == 2  # the first one begins the side way
    for words in (
        "down8 and 3 blocks",
        "down16 and 8 blocks",
        "down32 and 4 blocks",
        "wide32 and 4 blocks",
        "side16 and 2 blocks",
    ):
        assert words in person_network().svg


def test_the_window_is_drawn_around_its_pixels() -> None:
    diagram = matte_window([0.8] * 4 + [0.2] * 6, [0.0] * 10, slice(2, 7))
    assert "pixels 2 to 6" in diagram.alt
    assert diagram.svg.count(">0.8<") == 4
    assert diagram.svg.count(">0.0<") == 10


@pytest.mark.parametrize("name", CREDITS)
def test_an_outline_fits_its_photograph(name: str) -> None:
    image, mask = load_portrait(name), drawn_mask(name)
    assert image.shape == (*mask.shape, 3)
    assert image.dtype == np.float32
    assert 0.25 < mask.mean() < 0.6
    with_held = drawn_mask(name, held=True)
    assert (with_held & mask == mask).all()
    assert (with_held.sum() > mask.sum()) == (name == "collins")


@pytest.mark.parametrize(
    ("name", "inside", "outside"),
    [
        # x, y of faces and clothes; of walls, flags and the lawn
        ("collins", [(225, 100), (150, 350)], [(30, 60), (340, 200), (410, 30), (400, 440)]),
        ("hopper", [(260, 240), (100, 500), (260, 60)], [(60, 100), (450, 200), (5, 450)]),
        ("cameraman", [(230, 150), (60, 350)], [(400, 60), (300, 450), (290, 150), (105, 490)]),
    ],
)
def test_an_outline_runs_around_the_person(
    name: str, inside: list[tuple[int, int]], outside: list[tuple[int, int]]
) -> None:
    mask = drawn_mask(name)
    assert all(mask[y, x] for x, y in inside)
    assert not any(mask[y, x] for x, y in outside)


@pytest.mark.parametrize("ask", [load_portrait, drawn_mask])
def test_unknown_people_are_refused(ask: Any) -> None:
    with pytest.raises(ArgumentError, match="collins, hopper, cameraman"):
        ask("astronaut")
