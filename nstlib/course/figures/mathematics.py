"""Diagrams of lesson 01, drawn as SVG: slopes that multiply, a cloud of colours, two layers."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from nstlib.course.figures.plot import GREY, GRID, INK
from nstlib.course.figures.svg import BLUE, GREEN, ORANGE, Diagram, arrow, box, diagram, text


def chain_of_slopes(left: float, right: float, wanted: float) -> Diagram:
    """Draw two pixels, their step and its loss, with the slope of each arrow.

    Parameters
    ----------
    left, right : float
        The two pixels.
    wanted : float
        The step that the loss asks for: its value is (right - left - wanted)².
    """
    step = right - left
    loss, slope = (step - wanted) ** 2, 2 * (step - wanted)
    parts = [
        box(30, 24, 130, 54, (f"x₁ = {left:g}", "left pixel"), edge=INK),
        box(30, 126, 130, 54, (f"x₂ = {right:g}", "right pixel"), edge=INK),
        box(330, 75, 150, 54, (f"d = {step:.2g}", "step, x₂ − x₁"), edge=BLUE),
        box(650, 75, 150, 54, (f"L = {loss:.2g}", f"loss, (d − {wanted:g})²"), edge=GREEN),
        arrow((160, 51), (330, 94)),
        arrow((160, 153), (330, 110)),
        arrow((480, 102), (650, 102)),
        text(245, 56, "slope −1", colour=ORANGE),
        text(245, 160, "slope +1", colour=ORANGE),
        text(565, 92, f"slope 2 (d − {wanted:g}) = {_signed(slope)}", size=12, colour=ORANGE),
        text(95, 100, f"−1 · {_signed(slope)} = {_signed(-slope)}", colour=ORANGE),
        text(95, 202, f"+1 · {_signed(slope)} = {_signed(slope)}", colour=ORANGE),
    ]
    alt = (
        f"Two boxes for the pixels, {left:g} and {right:g}, lead to a box for their step, "
        f"{step:.2g}, and that to a box for the loss, {loss:.2g}. The arrows carry the slopes -1, "
        f"+1 and {slope:.2g}. Below the pixels stand the products, {-slope:.2g} and {slope:.2g}."
    )
    return diagram(830, 220, alt, parts)


def _signed(value: float) -> str:
    return f"{value:.2g}".replace("-", "−")


def colour_cloud(
    points: ArrayLike,
    colours: ArrayLike,
    names: tuple[str, str],
    axes: Sequence[ArrayLike] = (),
    *,
    alt: str,
) -> Diagram:
    """Draw pixels as dots, placed by two of their numbers, and arrows from their mean.

    Parameters
    ----------
    points : array_like of float, shape (N, 2)
        Where each dot goes, in [0, 1]: to the right, and up.
    colours : array_like of float, shape (N, 3)
        RGB in [0, 1].
    names : (str, str)
        What the two directions mean.
    axes : sequence of array_like of float, shape (2,)
        Arrows from the mean of `points`, in the same units.
    alt : str
        What it shows, for those who can't see it.
    """
    points, colours = np.asarray(points, float), np.asarray(colours, float)
    side, left, top = 340, 60, 20
    radius = 7 if len(points) < 20 else 3

    def place(point: ArrayLike) -> tuple[float, float]:
        x, y = np.asarray(point, float).tolist()
        return round(left + side * x, 1), round(top + side * (1 - y), 1)

    parts = []
    for tick in (0, 0.25, 0.5, 0.75, 1):
        at = side * tick
        parts.append(
            f'<path d="M {left + at:g} {top} v {side} M {left} {top + at:g} h {side}" '
            f'stroke="{GRID}" stroke-width="0.8"/>'
        )
        parts.append(text(left + at, top + side + 18, f"{tick:g}", size=11, colour=GREY))
        parts.append(
            text(left - 8, top + side - at + 4, f"{tick:g}", size=11, colour=GREY, at="end")
        )
    for point, colour in zip(points, colours, strict=True):
        x, y = place(point)
        red, green, blue = np.rint(255 * colour).astype(int)
        parts.append(
            f'<circle cx="{x:g}" cy="{y:g}" r="{radius}" fill="rgb({red},{green},{blue})" '
            f'stroke="{GREY}" stroke-width="{0.3 if radius == 3 else 1}"/>'
        )
    mean = points.mean(axis=0)
    for axis, colour in zip(axes, (ORANGE, BLUE), strict=False):
        start, end = np.array(place(mean)), np.array(place(mean + np.asarray(axis, float)))
        along = (end - start) / max(np.hypot(*(end - start)), 1e-9)
        neck, across = end - 11 * along, 6 * np.array([-along[1], along[0]])
        tip = " L ".join(f"{x:.1f} {y:.1f}" for x, y in (end, neck + across, neck - across))
        line = f"M {start[0]:.1f} {start[1]:.1f} L {neck[0]:.1f} {neck[1]:.1f}"
        for stroke, width in (("white", 7), (colour, 3.5)):  # a white rim, to be seen among dots
            rim = f'stroke="{stroke}" stroke-width="{width / 3:.1f}"'
            parts.append(
                f'<path d="{line}" stroke="{stroke}" stroke-width="{width}"/>'
                f'<path d="M {tip} z" fill="{colour}" {rim}/>'
            )
    parts.append(text(left + side / 2, top + side + 38, f"{names[0]} →"))
    parts.append(
        f'<g transform="rotate(-90 16 {top + side / 2:g})">'
        f"{text(16, top + side / 2, f'{names[1]} →')}</g>"
    )
    return diagram(left + side + 20, top + side + 50, alt, parts)


def two_layers() -> Diagram:
    """Draw a kernel of 3, pooling by 2, a kernel of 3, and what one of the last numbers sees."""
    side, left = 46, 190
    rows = [
        ("10 pixels", 10, 0.0, 8),
        ("after a kernel of 3", 8, 1.0, 6),
        ("after pooling by 2", 4, 1.5, 3),
        ("after a kernel of 3", 2, 3.5, 1),
    ]
    parts = []
    for level, (name, count, first, seen) in enumerate(rows):
        y = 222 - 66 * level
        spacing = 2 if level > 1 else 1  # in pixels
        parts.append(text(left - 20, y + 28, name, at="end"))
        for i in range(count):
            lit = i < seen
            x = left + side * (first + spacing * i)
            label = (str(i + 1),) if level == 0 else ()
            fill, ink = (ORANGE, "white") if lit else ("white", INK)
            parts.append(box(x + 2, y, side - 4, 42, label, fill=fill, ink=ink, corner=3))
        if level:
            below = rows[level - 1]
            step = 2 if level > 2 else 1
            edge = left + side * below[2]
            reach = edge + side * (step * (below[3] - 1) + 1)
            top = left + side * first
            end = top + side * (spacing * (seen - 1) + 1)
            parts.append(
                f'<path d="M {top + 4:g} {y + 44} L {edge + 4:g} {y + 64} M {end - 4:g} {y + 44} '
                f'L {reach - 4:g} {y + 64}" stroke="{ORANGE}" stroke-width="1.4" fill="none"/>'
            )
    parts.append(
        text(left + side * 4, 286, "1 number of the last row sees 8 pixels", colour=ORANGE)
    )
    alt = (
        "Four rows of squares, from bottom to top: ten pixels; eight numbers after a kernel of 3; "
        "four after pooling by 2, two pixels apart; two after another kernel of 3. Marked is the "
        "first number of the top row, the three it sees, their six, and the eight pixels below."
    )
    return diagram(left + 10 * side + 20, 300, alt, parts)
