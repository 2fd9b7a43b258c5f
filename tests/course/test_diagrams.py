"""The diagrams of lessons 00 and 10 show what NumPy and the file say."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from collections import Counter
from collections.abc import Callable

import numpy as np
import onnx
import pytest
from svg_checks import assert_fit_for_a_notebook

from nstlib.assets.cache import embedded_model
from nstlib.course.figures.graphs import opencv_road, style_graph
from nstlib.course.figures.layouts import memory_layouts, nine_copies
from nstlib.course.figures.svg import Diagram, box, diagram, text
from nstlib.errors import ArgumentError


def starry_night() -> Diagram:
    return style_graph(onnx.load(embedded_model("starry_night.onnx")))


def words_of(drawing: Diagram) -> list[str]:
    return [
        node.text or "" for node in ET.fromstring(drawing.svg).iter() if node.tag[-4:] == "text"
    ]


@pytest.mark.parametrize("draw", [memory_layouts, nine_copies, opencv_road, starry_night])
def test_a_notebook_gets_valid_svg_with_its_alternative_text(draw: Callable[[], Diagram]) -> None:
    assert_fit_for_a_notebook(draw())


def test_text_is_escaped_and_an_alternative_text_is_asked_for() -> None:
    drawing = diagram(90, 40, "a < b & c", [box(0, 0, 80, 30, ("<x>",)), text(5, 5, "&")])
    assert words_of(drawing) == ["<x>", "&"]
    with pytest.raises(ArgumentError, match="alt is empty"):
        diagram(90, 40, " ", [])


def test_layouts_are_numpys() -> None:
    names = np.array([[f"{c}{pixel}" for c in "RGB"] for pixel in range(6)]).reshape(2, 3, 3)
    found = [word for word in words_of(memory_layouts()) if re.fullmatch(r"[RGB]\d", word)]
    image, nhwc, nchw = found[:18], found[18:36], found[36:]
    assert image == nhwc == names.ravel().tolist()
    assert nchw == names.transpose(2, 0, 1).ravel().tolist()


def test_copies_stand_where_reshape_puts_them() -> None:
    # A plane of 6 × 6, each number named by its row; an image's row holds three of the names.
    planes = np.array([[[f"{c}, row {y}"] * 6 for y in range(6)] for c in "RGB"])
    image = planes.reshape(6, 6, 3)
    boxes = ET.fromstring(nine_copies().svg)
    placed: dict[float, list[str]] = {}
    for node in boxes.iter():
        if (
            node.tag[-4:] == "text"
            and ", row" in (node.text or "")
            and float(node.get("x", 0)) > 300
        ):
            placed.setdefault(float(node.get("y", 0)), []).append(node.text or "")
    assert [placed[y] for y in sorted(placed)] == [
        list(dict.fromkeys(image[row].ravel().tolist())) for row in range(6)
    ]


def test_the_graph_has_the_files_operators() -> None:
    graph = onnx.load(embedded_model("starry_night.onnx")).graph
    wanted = Counter(node.op_type for node in graph.node)
    del wanted["Cast"]
    words = words_of(starry_night())
    for kind, count in wanted.items():
        short = {"InstanceNormalization": "Inst.Norm."}.get(kind, kind)
        assert sum(word.split(" ")[0] == short for word in words) == count
    assert [word for word in words if "/2" in word] == ["Conv 5×5 /2", "Conv 3×3 /2"]
    assert words.count("48 → 48 channels") == 5
