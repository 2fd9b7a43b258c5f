"""Diagrams of lessons 11 and 12, drawn as SVG: the person network, a matte's window, a composer."""

from __future__ import annotations

from collections.abc import Sequence

from nstlib.course.figures.plot import GREY, INK
from nstlib.course.figures.svg import BLUE, GREEN, ORANGE, Diagram, arrow, box, diagram, text


def person_network() -> Diagram:
    """Draw PersonNet: MobileNet's way down, a side way, a narrow way up, and what joins them."""
    rows = [
        ("photograph", "256 × 256 × 3", "scores → sigmoid", "256 × 256 × 2"),
        ("conv1", "128 × 128 × 16", "up2, sharp2", "128 × 128 × 16"),
        ("down4", "64 × 64 × 16", "up4, sharp4", "64 × 64 × 16"),
        ("down8 and 3 blocks", "32 × 32 × 24", "up8, sharp8", "32 × 32 × 24"),
        ("down16 and 8 blocks", "16 × 16 × 32", "bottom × whole", "16 × 16 × 128"),
    ]
    parts = [
        text(140, 24, "the way down: what is it?", colour=BLUE),
        text(740, 24, "the way up: where exactly?", colour=ORANGE),
    ]
    for i, (down, down_shape, up, up_shape) in enumerate(rows):
        y, inset = 44 + 78 * i, 16 * i
        parts += [
            box(40 + inset, y, 200, 48, (down, down_shape), edge=BLUE),
            box(640 - inset, y, 200, 48, (up, up_shape), edge=ORANGE),
        ]
        if i < 4:
            note = "as it is" if i == 0 else "each channel times a number from 0 to 1, added"
            parts += [
                arrow((240 + inset, y + 24), (640 - inset, y + 24), dashed=True),
                text(440, y + 18, note, size=11, colour=GREY),
                arrow((140 + inset, y + 48), (148 + inset, y + 78)),
                arrow((732 - inset, y + 78), (740 - inset, y + 48)),
            ]
    y = 44 + 78 * 4
    parts += [
        arrow((304, y + 24), (576, y + 24)),
        text(440, y + 18, "1 × 1 convolution to 128 channels", size=11, colour=GREY),
        box(180, y + 84, 200, 48, ("down32 and 4 blocks", "8 × 8 × 64"), edge=BLUE),
        arrow((210, y + 48), (230, y + 84)),
        arrow((300, y + 84), (280, y + 48)),
        text(302, y + 70, "enlarged, added", size=11, colour=GREY, at="start"),
        box(500, y + 84, 200, 48, ("wide32 and 4 blocks", "8 × 8 × 128"), edge=BLUE),
        arrow((380, y + 100), (500, y + 100)),
        arrow((500, y + 118), (380, y + 118)),
        text(440, y + 94, "added", size=11, colour=GREY),
        text(440, y + 132, "added", size=11, colour=GREY),
        arrow((640, y + 84), (660, y + 48)),
        text(664, y + 70, "its means", size=11, colour=GREY, at="start"),
        box(180, y + 168, 200, 48, ("side16 and 2 blocks", "16 × 16 × 96"), edge=BLUE),
        arrow((88, 302), (40, 302), (40, y + 192), (180, y + 192)),
        arrow((380, y + 192), (600, y + 192), (600, y + 132)),
    ]
    alt = (
        "A U: on the left five boxes go down from 256 to 16 pixels and from 3 to 32 channels; on "
        "the right five go up again to two channels of 256 pixels. Dashed arrows join boxes of the "
        "same size. Below the lowest box on the left, one more of 8 pixels is added back to it. "
        "Beside that, a box of 8 pixels and 128 channels, fed by it and by a side way of 96 "
        "channels, is added to it, and its means go to the lowest box on the right."
    )
    return diagram(880, 588, alt, parts)


def matte_window(row: Sequence[float], coarse: Sequence[float], window: slice) -> Diagram:
    """Draw a row of the photograph above the coarse mask, and the line fitted in a window.

    Parameters
    ----------
    row, coarse : sequence of float
        Brightness and mask of the same pixels, in [0, 1].
    window : slice
        Which pixels the line is fitted to.
    """
    side, left = 46, 150
    start, stop, _ = window.indices(len(row))
    parts = []
    for y, name, values in ((40, "photograph I", row), (120, "coarse mask p", coarse)):
        parts.append(text(left - 14, y + 29, name, at="end"))
        for i, value in enumerate(values):
            level = round(255 * value)
            ink = "white" if level < 128 else INK
            parts += [
                f'<rect x="{left + side * i}" y="{y}" width="{side}" height="{side}" '
                f'fill="rgb({level},{level},{level})" stroke="{GREY}" stroke-width="0.6"/>',
                text(left + side * (i + 0.5), y + 28, f"{value:.1f}", size=12, colour=ink),
            ]
    wide = side * (stop - start)
    parts += [
        f'<rect x="{left + side * start - 3}" y="32" width="{wide + 6}" height="142" fill="none" '
        f'stroke="{ORANGE}" stroke-width="2.5" rx="4"/>',
        text(left + side * start + wide / 2, 24, "one window", colour=ORANGE),
        text(
            left + side * start + wide / 2,
            200,
            "one line p ≈ a · I + b for these pixels",
            colour=ORANGE,
        ),
    ]
    alt = (
        f"Two rows of {len(row)} squares, the photograph's brightness above the coarse mask. A "
        f"frame around pixels {start} to {stop - 1} marks the window in which one line is fitted."
    )
    return diagram(left + side * len(row) + 30, 216, alt, parts)


def composer_steps() -> Diagram:
    """Draw what a Composer does with one photograph, and where Steady holds what it showed."""
    parts = [
        box(20, 96, 120, 52, ("photograph", "one frame"), edge=INK),
        box(190, 20, 140, 52, ("segmenter", "matte α, parts kept"), edge=BLUE),
        box(190, 176, 140, 52, ("estimate_layers", "F and B apart"), edge=BLUE),
        box(390, 20, 140, 52, ("α", "feathered if asked"), edge=GREEN),
        box(390, 98, 140, 52, ("F, the person", "painted if asked"), edge=GREEN),
        box(390, 176, 140, 52, ("B, the world", "painted if asked"), edge=GREEN),
        box(600, 98, 150, 52, ("composite", "α F + (1 − α) B"), edge=ORANGE),
        arrow((140, 112), (190, 56)),
        arrow((140, 134), (190, 192)),
        arrow((260, 72), (260, 176)),
        arrow((330, 46), (390, 46)),
        arrow((330, 192), (390, 132)),
        arrow((330, 202), (390, 202)),
        arrow((530, 46), (600, 110)),
        arrow((530, 124), (600, 124)),
        arrow((530, 202), (600, 138)),
        text(
            460,
            254,
            "in a film, Steady mixes each of the green boxes with what it showed before,",
            size=12,
        ),
        text(460, 271, "wherever the source stands still", size=12),
    ]
    alt = (
        "Boxes from left to right: a photograph goes to the segmenter, which gives alpha, and to "
        "estimate_layers, which gives the person F and the world B. Each may be painted. Composite "
        "joins the three. In a film, Steady holds alpha, F and B where the source stands still."
    )
    return diagram(770, 284, alt, parts)
