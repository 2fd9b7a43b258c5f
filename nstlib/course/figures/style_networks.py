"""Diagrams of lesson 09, drawn as SVG: the style network, and how it is trained."""

from __future__ import annotations

from collections.abc import Sequence

from nstlib.course.figures.plot import GREY, INK
from nstlib.course.figures.svg import BLUE, GREEN, ORANGE, Diagram, arrow, box, diagram, text


def style_network(
    channels: Sequence[int] = (16, 48), blocks: int = 5, kernel: int = 5, side: int = 256
) -> Diagram:
    """Draw a TransformerNet of two sizes, and what is inside one of its residual blocks.

    Parameters
    ----------
    channels : sequence of int
        At half and at a quarter of the picture's size.
    blocks, kernel : int
        As in :func:`nstlib.TransformerNet`.
    side : int
        Of the picture that goes in, a multiple of 4.
    """
    half, quarter = channels
    sides = (side, side // 2, side // 4)
    steps = [
        (70, 150, INK, "photograph", f"{sides[0]} × {sides[0]} × 3", ""),
        (206, 105, BLUE, f"conv {kernel} × {kernel}", f"{sides[1]} × {sides[1]} × {half}", "/2"),
        (332, 66, BLUE, "conv 3 × 3", f"{sides[2]} × {sides[2]} × {quarter}", "/2"),
        (
            488,
            66,
            ORANGE,
            f"{blocks} residual blocks",
            f"{sides[2]} × {sides[2]} × {quarter}",
            "",
        ),
        (650, 105, BLUE, "conv 3 × 3", f"{sides[1]} × {sides[1]} × {half}", "× 2"),
        (776, 150, BLUE, f"conv {kernel} × {kernel}", f"{sides[0]} × {sides[0]} × 3", "× 2"),
        (894, 150, INK, "painting", f"{sides[0]} × {sides[0]} × 3", ""),
    ]
    middle = 104
    parts = []
    edges: list[tuple[float, float]] = []
    for x, tall, colour, name, shape, _ in steps:
        wide = 118 if "blocks" in name else 36
        top = middle - tall / 2
        if "blocks" in name:
            each = wide / blocks
            for i in range(blocks):
                parts.append(
                    box(x - wide / 2 + i * each, top, each - 4, tall, edge=colour, corner=2)
                )
        else:
            parts.append(box(x - wide / 2, top, wide, tall, edge=colour, corner=2))
        parts.append(text(x, 202, name, size=12, colour=colour))
        parts.append(text(x, 218, shape, size=11, colour=GREY))
        edges.append((x - wide / 2, x + wide / 2))
    for (_, right), (left, _), step in zip(edges, edges[1:], steps[1:], strict=False):
        parts.append(arrow((right + 2, middle), (left - 2, middle)))
        if step[5]:
            parts.append(text((right + left) / 2, middle - 10, step[5], size=12, colour=INK))

    y, high = 268, 40
    inside = ["conv 3 × 3", "inst. norm.", "ReLU", "conv 3 × 3", "inst. norm."]
    colours = [BLUE, GREEN, GREY, BLUE, GREEN]
    parts.append(text(70, y + 25, "one block:  x", colour=ORANGE))
    for i, (name, colour) in enumerate(zip(inside, colours, strict=True)):
        x = 156 + 126 * i
        parts.append(box(x, y, 100, high, (name,), edge=colour, size=12))
        parts.append(arrow((x - 26, y + high / 2), (x, y + high / 2)))
    end = 156 + 126 * len(inside)
    parts += [
        arrow((end - 26, y + high / 2), (end + 6, y + high / 2)),
        box(end + 6, y + 4, 32, 32, ("+",), edge=ORANGE, corner=16),
        arrow((end + 38, y + high / 2), (end + 70, y + high / 2)),
        text(end + 76, y + 25, "x + F(x)", at="start", colour=ORANGE),
        arrow(
            (136, y + high / 2),
            (136, y + 66),
            (end + 22, y + 66),
            (end + 22, y + 36),
            colour=ORANGE,
        ),
        text((136 + end) / 2, y + 60, "x as it is", size=11, colour=ORANGE),
        text((156 + end) / 2, y - 8, "F(x), the change", size=11, colour=GREY),
    ]
    alt = (
        f"Top, from left to right: a photograph of {sides[0]} × {sides[0]} pixels; a convolution "
        f"of {kernel} × {kernel} that halves it, {half} channels; one of 3 × 3 that halves it "
        f"again, {quarter} channels at {sides[2]} × {sides[2]}; {blocks} residual blocks of the "
        "same shape; doubled, a convolution of 3 × 3; doubled, a convolution of "
        f"{kernel} × {kernel} with 3 channels; the painting. Below, one block: convolution, "
        "instance normalization, ReLU, convolution, instance normalization; around them a line "
        "carries x as it is to a plus sign."
    )
    return diagram(960, 350, alt, parts)


def style_training() -> Diagram:
    """Draw what a style network is trained by: what learns, what is frozen, what is compared."""
    right, wide = 736, 190
    losses = [
        (24, "content", "same features, same places"),
        (89, "style", "same means and covariances"),
        (196, "range", "nothing beyond black or white"),
        (256, "lattice", "no repeats every 8 pixels"),
    ]
    parts = [
        box(14, 86, 122, 50, ("photographs", "random crops"), edge=INK),
        box(180, 86, 150, 50, ("style network f", "its weights θ learn"), edge=ORANGE),
        box(374, 86, 104, 50, ("painting",), edge=INK),
        box(530, 86, 140, 50, ("VGG19's twin", "frozen"), edge=BLUE),
        box(530, 172, 140, 44, ("style picture", "once"), edge=INK),
        arrow((136, 111), (180, 111)),
        arrow((330, 111), (374, 111)),
        arrow((478, 111), (530, 111)),
        arrow((600, 172), (600, 136)),
        arrow((75, 86), (75, 36), (600, 36), (600, 86)),
        text(338, 29, "the photographs' own features", size=11, colour=GREY),
        arrow((670, 111), (right, 111)),
        arrow((702, 111), (702, 46), (right, 46)),
        arrow((426, 136), (426, 246), (702, 246), (702, 218), (right, 218)),
        arrow((702, 246), (702, 278), (right, 278)),
        box(right, 322, wide, 40, ("loss L", "weighted sum"), edge=GREEN),
        arrow((right, 342), (255, 342), (255, 136), colour=ORANGE, dashed=True),
        text(500, 334, "gradient, back through everything, to θ alone", size=11, colour=ORANGE),
    ]
    for y, name, what in losses:
        parts.append(box(right, y, wide, 44, (name, what), edge=GREEN))
        parts.append(f'<path d="M {right + wide} {y + 22} h 14" stroke="{GREY}" fill="none"/>')
    edge = right + wide + 14
    parts.append(arrow((edge, 46), (edge, 342), (right + wide, 342)))
    alt = (
        "From left to right: photographs go into the style network, whose weights learn, and come "
        "out as a painting. The painting and the photographs go into VGG19's twin, which is "
        "frozen, and so, once, does the style picture. The features give two terms, content and "
        "style. The painting itself gives two more, range and lattice. Their weighted sum is the "
        "loss. A dashed line leads its gradient back to the style network's weights alone."
    )
    return diagram(960, 376, alt, parts)
