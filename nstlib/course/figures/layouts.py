"""Diagrams of lesson 00, drawn as SVG: how an image lies in memory, and how reshape misreads it."""

from __future__ import annotations

from nstlib.course.figures.plot import GREY
from nstlib.course.figures.svg import BLUE, GREEN, ORANGE, Diagram, arrow, box, diagram, text

_CHANNELS = (("R", ORANGE), ("G", GREEN), ("B", BLUE))


def memory_layouts() -> Diagram:
    """Draw an image of 2 × 3 pixels, and its 18 numbers in memory as NHWC and as NCHW."""
    side, left = 40, 126
    parts = [text(left, 22, "the image: 2 rows, 3 columns, 6 pixels", at="start")]
    for pixel in range(6):
        y, x = 34 + 48 * (pixel // 3), left + 132 * (pixel % 3)
        parts.append(box(x, y, 124, 40, corner=4))
        for i, (name, colour) in enumerate(_CHANNELS):
            parts.append(text(x + 22 + 40 * i, y + 25, f"{name}{pixel}", colour=colour))
    orders = {
        "NHWC": [(pixel, c) for pixel in range(6) for c in range(3)],
        "NCHW": [(pixel, c) for c in range(3) for pixel in range(6)],
    }
    notes = {
        "NHWC": "pixel after pixel, three numbers each: photographs, Keras",
        "NCHW": "plane after plane, six numbers each: cv2.dnn, PyTorch, ONNX",
    }
    for (name, order), y in zip(orders.items(), (170, 258), strict=True):
        parts.append(text(left - 16, y + 26, name, at="end", size=15))
        parts.append(text(left, y - 8, notes[name], at="start", size=12, colour=GREY))
        for place, (pixel, c) in enumerate(order):
            letter, colour = _CHANNELS[c]
            label = (f"{letter}{pixel}",)
            x = left + side * place
            parts.append(box(x, y, side, 38, label, fill=colour, ink="white", corner=0))
    alt = (
        "An image of six pixels, numbered 0 to 5 row by row, each with a red, a green and a blue "
        "number. Below, its 18 numbers in memory. NHWC: R0 G0 B0 R1 G1 B1 and so on, pixel after "
        "pixel. NCHW: R0 to R5, then G0 to G5, then B0 to B5, plane after plane."
    )
    return diagram(left + 18 * side + 20, 312, alt, parts)


def nine_copies() -> Diagram:
    """Draw where the rows of a blob's planes go when it is reshaped to (H, W, 3)."""
    row, width, left, right = 26, 150, 60, 330
    parts = [
        text(left + width / 2, 22, "the blob: three planes of 6 rows"),
        text(right + 3 * width / 2, 22, "the same numbers, read as an image of 6 rows"),
    ]
    for c, (name, colour) in enumerate(_CHANNELS):
        for i in range(6):
            label = (f"{name}, row {i}",)
            y = 36 + c * (6 * row + 8) + i * row
            parts.append(box(left, y, width, row, label, fill=colour, ink="white", corner=0))
            line, place = divmod(6 * c + i, 3)
            there = (right + place * width, 36 + 60 * line)
            parts.append(box(*there, width, 52, label, fill=colour, ink="white", corner=0))
    parts += [
        arrow((left + width + 4, 36 + row / 2), (right - 6, 36 + 18)),
        arrow((left + width + 4, 36 + 3.5 * row), (right - 6, 36 + 60 + 26)),
    ]
    alt = (
        "Left: the red, green and blue plane of a blob, six rows each. Right: the same numbers in "
        "six rows of an image. Row 0 holds rows 0, 1 and 2 of the red plane side by side, row 1 "
        "holds rows 3, 4 and 5; rows 2 and 3 come from green, rows 4 and 5 from blue."
    )
    return diagram(right + 3 * width + 40, 532, alt, parts)
