"""Diagrams of lessons 11 and 12, drawn as SVG: the person network, a matte's window, a composer."""

from __future__ import annotations

from collections.abc import Sequence

from nstlib.course.figures.plot import GREY, INK
from nstlib.course.figures.svg import BLUE, GREEN, ORANGE, Diagram, arrow, box, diagram, text


def person_network() -> Diagram:
    """Draw PersonNet: SqueezeNet's way down, a narrow U-Net's way up, and what joins them."""
    rows = [
        (192, "photograph", "192 × 192 × 3", "out1 → softmax", "192 × 192 × 2"),
        (96, "conv1, stride 2", "96 × 96 × 64", "out2", "96 × 96 × 24"),
        (48, "fire2, fire3", "48 × 48 × 128", "out4", "48 × 48 × 32"),
        (24, "fire4, fire5", "24 × 24 × 256", "out8", "24 × 24 × 48"),
        (12, "fire6 to fire9", "12 × 12 × 512", "bottom + whole", "12 × 12 × 64"),
    ]
    parts = [
        text(140, 24, "the way down: what is it?", colour=BLUE),
        text(740, 24, "the way up: where exactly?", colour=ORANGE),
    ]
    for i, (_, down, down_shape, up, up_shape) in enumerate(rows):
        y, inset = 44 + 78 * i, 16 * i
        parts += [
            box(40 + inset, y, 200, 48, (down, down_shape), edge=BLUE),
            box(640 - inset, y, 200, 48, (up, up_shape), edge=ORANGE),
        ]
        if i < 4:
            parts += [
                arrow((240 + inset, y + 24), (640 - inset, y + 24), dashed=True),
                text(
                    440,
                    y + 18,
                    "as it is" if i == 0 else "1 × 1 convolution to 32 channels",
                    size=11,
                    colour=GREY,
                ),
                arrow((140 + inset, y + 48), (148 + inset, y + 78)),
                arrow((732 - inset, y + 78), (740 - inset, y + 48)),
            ]
    y = 44 + 78 * 4 + 24
    parts += [
        arrow((304, y - 8), (576, y - 8)),
        text(440, y - 14, "1 × 1 convolution to 64 channels", size=11, colour=GREY),
        arrow((304, y + 12), (576, y + 12)),
        text(440, y + 28, "mean of the whole picture, to 64, added", size=11, colour=GREY),
    ]
    alt = (
        "A U: on the left five boxes go down from 192 to 12 pixels and from 3 to 512 channels; on "
        "the right five go up again to two channels of 192 pixels. Dashed arrows join boxes of the "
        "same size. At the bottom the mean of the whole picture is added."
    )
    return diagram(880, 450, alt, parts)


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
