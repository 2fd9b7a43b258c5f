"""What diagrams are drawn with: text, boxes and arrows as SVG, which stays sharp and searchable."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from nstlib.course.figures.plot import GREY, INK, Bundle, words

BLUE, ORANGE, GREEN, PAPER = "#0072b2", "#d55e00", "#009e73", "#f5f7fa"
_FONT = "DejaVu Sans, Verdana, sans-serif"


@dataclass(frozen=True, eq=False)
class Diagram:
    """A drawing that a notebook shows when it is a cell's last expression.

    Attributes
    ----------
    svg : str
        The drawing.
    alt : str
        What it shows, for those who can't see it.
    """

    svg: str
    alt: str

    def _repr_mimebundle_(self, **_: object) -> Bundle:
        data = {"image/svg+xml": self.svg, "text/plain": self.alt}
        return data, {"image/svg+xml": {"alt": self.alt}}


def text(
    x: float, y: float, content: str, *, size: int = 13, colour: str = INK, at: str = "middle"
) -> str:
    """Write `content` with its baseline at `y`; `at` says which part of it lies at `x`."""
    return (
        f'<text x="{x:g}" y="{y:g}" font-size="{size}" fill="{colour}" text-anchor="{at}">'
        f"{escape(content)}</text>"
    )


def box(
    x: float,
    y: float,
    width: float,
    height: float,
    lines: Sequence[str] = (),
    *,
    edge: str = GREY,
    fill: str = PAPER,
    ink: str = INK,
    corner: float = 5,
    size: int = 13,
) -> str:
    """Draw a box with lines of text in its middle; those after the first are smaller."""
    parts = [
        f'<rect x="{x:g}" y="{y:g}" width="{width:g}" height="{height:g}" rx="{corner:g}" '
        f'fill="{fill}" stroke="{edge}" stroke-width="1.6"/>'
    ]
    first = y + height / 2 + 5 - 8 * (len(lines) - 1)
    for i, line in enumerate(lines):
        look = (size, ink) if i == 0 else (size - 2, GREY)
        parts.append(text(x + width / 2, first + 16 * i, line, size=look[0], colour=look[1]))
    return "".join(parts)


def arrow(*points: tuple[float, float], colour: str = GREY, dashed: bool = False) -> str:
    """Draw a line through `points` that ends in a tip."""
    path = " L ".join(f"{x:g} {y:g}" for x, y in points)
    dash = ' stroke-dasharray="5 4"' if dashed else ""
    return (
        f'<path d="M {path}" fill="none" stroke="{colour}" stroke-width="1.6"{dash} '
        'marker-end="url(#tip)"/>'
    )


def diagram(width: float, height: float, alt: str, parts: Sequence[str]) -> Diagram:
    """Put what was drawn on white paper."""
    alt = words(alt, "alt")
    tip = (
        '<defs><marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" '
        f'markerHeight="7" orient="auto"><path d="M 0 0 L 8 4 L 0 8 z" fill="{GREY}"/>'
        "</marker></defs>"
    )
    svg = (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:g}" height="{height:g}" '
        f'viewBox="0 0 {width:g} {height:g}" role="img" aria-label="{escape(alt)}" '
        f'font-family="{_FONT}"><title>{escape(alt)}</title>{tip}'
        f'<rect width="{width:g}" height="{height:g}" fill="white"/>{"".join(parts)}</svg>'
    )
    return Diagram(svg, alt)
