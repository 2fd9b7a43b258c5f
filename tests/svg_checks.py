"""What every diagram has to be, whatever it shows."""

from __future__ import annotations

import xml.etree.ElementTree as ET

from nstlib.course.figures.svg import Diagram


def assert_fit_for_a_notebook(drawing: Diagram) -> None:
    """Check that it is valid SVG with an alternative text, and that nothing lies outside of it."""
    data, metadata = drawing._repr_mimebundle_()
    assert set(data) == {"image/svg+xml", "text/plain"}
    assert metadata == {"image/svg+xml": {"alt": drawing.alt}}
    root = ET.fromstring(data["image/svg+xml"])
    assert root.get("role") == "img"
    assert root.get("aria-label") == drawing.alt == data["text/plain"]
    width, height = (float(root.get(side) or 0) for side in ("width", "height"))
    assert width <= 960
    for node in root.iter():
        assert 0 <= float(node.get("x") or 0) <= width
        assert 0 <= float(node.get("y") or 0) <= height
