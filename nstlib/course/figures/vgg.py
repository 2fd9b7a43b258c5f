"""Diagram of lesson 02, drawn as SVG: VGG19's blocks, and how much of a picture each sees."""

from __future__ import annotations

from nstlib.course.figures.plot import GREY, INK
from nstlib.course.figures.svg import BLUE, ORANGE, PAPER, Diagram, arrow, box, diagram, text

SIDE = 224


def vgg19_blocks() -> Diagram:
    """Draw VGG19's five blocks, and below each what one feature of its first layer sees."""
    from nstlib.vgg19 import CHANNELS, DEPTHS, reach, stride  # loads TensorFlow

    parts, seen = [], []
    step, wide, frame = 178, 128, 112
    for i, depth in enumerate(DEPTHS):
        block, x = f"block{i + 1}", 24 + step * i
        first = f"{block}_conv1"
        spacing = stride(first)
        field = spacing + 2 * reach(first)
        seen.append(
            f"{block}: {depth} convolutions, {CHANNELS[first]} channels, sees {field} pixels"
        )
        parts.append(text(x + wide / 2, 22, block, size=15))
        high = 22
        for j in range(depth):
            y = 34 + high * j
            edge, ink = (ORANGE, ORANGE) if j == 0 else (BLUE, INK)
            parts.append(
                box(x, y, wide, high - 3, (f"conv{j + 1}",), edge=edge, ink=ink, corner=3, size=12)
            )
        y = 34 + high * depth
        parts.append(
            box(x, y, wide, high - 3, ("pool, halves",), edge=GREY, ink=GREY, corner=3, size=12)
        )
        parts.append(text(x + wide / 2, 168, f"{CHANNELS[first]} channels", size=12))
        maps = SIDE // spacing
        parts.append(text(x + wide / 2, 184, f"of {maps} × {maps}", size=12, colour=GREY))
        if i < len(DEPTHS) - 1:
            parts.append(arrow((x + wide + 6, 66), (x + step - 6, 66)))
        left, top = x + (wide - frame) / 2, 204
        parts.append(box(left, top, frame, frame, fill=PAPER, edge=GREY, corner=0))
        window = frame * field / SIDE
        parts.append(
            f'<rect x="{left + (frame - window) / 2:.1f}" y="{top + (frame - window) / 2:.1f}" '
            f'width="{window:.1f}" height="{window:.1f}" fill="{ORANGE}"/>'
        )
        parts.append(
            text(x + wide / 2, top + frame + 20, f"{field} × {field} pixels", colour=ORANGE)
        )
        parts.append(
            text(x + wide / 2, top + frame + 36, f"one every {spacing}", size=11, colour=GREY)
        )
    alt = (
        f"VGG19 from left to right. {'; '.join(seen)}. Each block ends in a pooling step that "
        f"halves the maps. Below each block a picture of {SIDE} pixels with a square in its "
        "middle, the field of view of the block's first layer: a dot at first, most of the picture "
        "in the end."
    )
    return diagram(24 + step * len(DEPTHS) - 20, 364, alt, parts)
