"""The diagram and the charts of lessons 05 and 06."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.text import Annotation
from PIL import Image

from nstlib.course.figures.svg import BLUE, ORANGE
from nstlib.course.figures.tradeoffs import show_tradeoff
from nstlib.course.figures.transfers import transfer_graph
from nstlib.errors import ArgumentError

FIGURES = Path(__file__).parents[2] / "notebooks" / "figures"


def boxes() -> dict[str, tuple[float, float, float, float, str]]:
    """Each box of the diagram by its first line: x, y, width, height, colour of its edge."""
    found: dict[str, tuple[float, float, float, float, str]] = {}
    place: Any = None
    for node in ET.fromstring(transfer_graph().svg).iter():
        if node.tag.endswith("rect") and node.get("x"):  # the paper has none
            numbers = (float(node.get(key) or 0) for key in ("x", "y", "width", "height"))
            place = (*numbers, node.get("stroke") or "")
        elif node.tag.endswith("text") and place is not None:
            found.setdefault(node.text or "", place)
            place = None
    return found


def arrows() -> list[tuple[tuple[float, float], tuple[float, float], str]]:
    """Where each arrow begins and ends, and its colour."""
    found = []
    for node in ET.fromstring(transfer_graph().svg).iter():
        if node.tag.endswith("path") and node.get("marker-end"):
            points = [float(n) for n in re.findall(r"[\d.]+", node.get("d") or "")]
            ends = (points[0], points[1]), (points[-2], points[-1])
            found.append((*ends, node.get("stroke") or ""))
    return found


def at(point: tuple[float, float]) -> str:
    """The box on whose edge a point lies."""
    (name,) = [
        name
        for name, (x, y, width, height, _) in boxes().items()
        if x <= point[0] <= x + width and y <= point[1] <= y + height
    ]
    return name


def test_the_diagram_is_valid_and_says_in_words_what_it_shows() -> None:
    drawing = transfer_graph()
    root = ET.fromstring(drawing.svg)
    assert root.get("aria-label") == drawing.alt
    assert float(root.get("width") or 0) <= 960
    for word in ("photograph", "painting", "VGG19", "frozen", "content loss", "style loss"):
        assert word in drawing.alt


def test_every_loss_gets_what_it_compares_and_the_gradient_leads_to_the_image_alone() -> None:
    network = "VGG19"
    joined = {(at(start), at(end)) for start, end, _ in arrows()}
    assert joined == {
        ("photograph", network),
        ("the image x", network),
        ("painting", network),
        (network, "P"),
        (network, "F"),
        (network, "G"),
        (network, "A"),
        ("P", "content loss"),
        ("F", "content loss"),
        ("G", "style loss"),
        ("A", "style loss"),
        ("the image x", "total variation"),
        ("content loss", "loss L"),
        ("style loss", "loss L"),
        ("total variation", "loss L"),
        ("loss L", "the image x"),  # the gradient, and no other way back
    }


def test_what_depends_on_the_image_is_orange_and_the_rest_is_constant() -> None:
    edges = {name: box[4] for name, box in boxes().items()}
    forward = [
        (at(start), at(end), colour) for start, end, colour in arrows() if at(start) != "loss L"
    ]
    changes = {"the image x", "F", "G", "content loss", "style loss", "total variation", "loss L"}
    constant = {"photograph", "painting", "P", "A"}
    assert {name for name, edge in edges.items() if edge == ORANGE} == changes
    assert {name for name, edge in edges.items() if edge == BLUE} == constant
    for start, end, colour in forward:
        source = end if start == "VGG19" else start
        assert colour == (ORANGE if source in changes else BLUE)


def test_every_run_is_marked_where_its_numbers_are_and_carries_its_label() -> None:
    runs = ([0.02, 0.01, 0.005], [0.1, 0.2, 0.9], ["0", "0.1", "1"])
    plot = show_tradeoff(
        {"texture": runs, "transfer": ([0.03], [0.4], ["3"])},
        xlabel="roughness",
        ylabel="style",
        alt="Two curves.",
        line=(0.015, "the painting's"),
    )
    (axes,) = plot.figure.axes
    assert (axes.get_xscale(), axes.get_yscale()) == ("log", "log")
    line = axes.lines[0]
    assert np.column_stack(line.get_data()).tolist() == np.column_stack(runs[:2]).tolist()
    assert line.get_marker() == "o"
    labels = {text.get_text(): text.xy for text in axes.texts if isinstance(text, Annotation)}
    assert labels.pop("the painting's")[0] == 0.015
    assert labels == {"0": (0.02, 0.1), "0.1": (0.01, 0.2), "1": (0.005, 0.9), "3": (0.03, 0.4)}
    plot.figure.draw_without_rendering()
    ticks = [tick.get_text() for tick in axes.get_xticklabels() if tick.get_text()]
    assert {"0.01", "0.02"} <= set(ticks)


def test_more_curves_than_colours_are_all_drawn() -> None:
    curves = {str(number): ([number], [1.0], [""]) for number in range(1, 10)}
    plot = show_tradeoff(curves, xlabel="x", ylabel="y", alt="Nine points.")
    assert [line.get_label() for line in plot.figure.axes[0].lines] == list(curves)


@pytest.mark.parametrize(
    ("curves", "message"),
    [
        ({}, "curves is empty"),
        ({"a": ([1, 2], [1, 2], ["only one"])}, "shape (2,) for 1 labels"),
        ({"a": ([1, 0], [1, 2], ["x", "y"])}, "a number above 0"),
        ({"a": ([1, float("nan")], [1, 2], ["x", "y"])}, "the x of curves['a']"),
    ],
)
def test_runs_that_cannot_be_drawn_are_named(curves: Any, message: str) -> None:
    with pytest.raises(ArgumentError, match=re.escape(message)):
        show_tradeoff(curves, xlabel="x", ylabel="y", alt="Some points.")


def test_the_sheet_of_weights_is_nine_different_pictures_in_order() -> None:
    """Lesson 06 cuts it into three by three, and looks a ratio up by its place."""
    sheet = np.asarray(Image.open(FIGURES / "transfer_weights.jpg"), np.float32)
    height, width = sheet.shape[0] // 3, sheet.shape[1] // 3
    assert sheet.shape == (3 * height, 3 * width, 3)
    cells = sheet.reshape(3, height, 3, width, 3).swapaxes(1, 2).reshape(9, height, width, 3)
    # From more style to more content: each is nearer to the last than the one before it.
    away = [float(np.abs(cell - cells[-1]).mean()) for cell in cells]
    assert away == sorted(away, reverse=True)
    assert len(set(away)) == 9
