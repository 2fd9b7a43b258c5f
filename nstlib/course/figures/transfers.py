"""The diagram of lesson 06, drawn as SVG: what a style transfer computes, and what changes."""

from __future__ import annotations

from nstlib.course.figures.plot import GREY, INK
from nstlib.course.figures.svg import BLUE, ORANGE, Diagram, arrow, box, diagram, text


def transfer_graph() -> Diagram:
    """Draw the loss of a style transfer: what is frozen, what is computed once, what changes."""
    parts = [
        text(40, 20, "changes at every step", at="start", colour=ORANGE),
        text(220, 20, "computed once, then constant", at="start", colour=BLUE),
        text(450, 20, "frozen: nothing in it changes", at="start", colour=GREY),
        box(40, 44, 130, 54, ("photograph",), edge=BLUE),
        box(40, 164, 130, 64, ("the image x", "starts as a copy"), edge=ORANGE),
        box(40, 300, 130, 54, ("painting",), edge=BLUE),
        box(216, 36, 130, 326, ("VGG19", "all of its weights", "are frozen"), size=16),
        box(402, 44, 168, 54, ("P", "features at one layer"), edge=BLUE),
        box(402, 124, 168, 54, ("F", "features at that layer"), edge=ORANGE),
        box(402, 214, 168, 54, ("G", "five Gram matrices"), edge=ORANGE),
        box(402, 300, 168, 54, ("A", "five Gram matrices"), edge=BLUE),
        box(636, 80, 130, 64, ("content loss", "F against P"), edge=ORANGE),
        box(636, 250, 130, 64, ("style loss", "G against A"), edge=ORANGE),
        box(636, 376, 130, 64, ("total variation", "x against itself"), edge=ORANGE),
        box(832, 230, 104, 64, ("loss L", "weighted sum"), edge=ORANGE),
    ]
    for y, colour in ((71, BLUE), (196, ORANGE), (327, BLUE)):
        parts.append(arrow((170, y), (216, y), colour=colour))
    for y, colour in ((71, BLUE), (151, ORANGE), (241, ORANGE), (327, BLUE)):
        parts.append(arrow((346, y), (402, y), colour=colour))
    parts += [
        arrow((570, 71), (636, 100), colour=BLUE),
        arrow((570, 151), (636, 124), colour=ORANGE),
        arrow((570, 241), (636, 270), colour=ORANGE),
        arrow((570, 327), (636, 294), colour=BLUE),
        arrow((40, 196), (18, 196), (18, 408), (636, 408), colour=ORANGE),
        arrow((766, 112), (832, 244), colour=ORANGE),
        arrow((766, 282), (832, 266), colour=ORANGE),
        arrow((766, 408), (832, 284), colour=ORANGE),
        arrow((884, 294), (884, 470), (192, 470), (192, 214), (170, 214), colour=INK, dashed=True),
        text(540, 490, "the gradient ∂L/∂x goes back through everything, and changes x alone"),
    ]
    alt = (
        "From left to right. A photograph, the image x and a painting go through VGG19, whose "
        "weights are all frozen. Of the photograph come features P at one layer, of the painting "
        "five Gram matrices A; both are computed once. Of x come features F at that layer and five "
        "Gram matrices G, anew at every step. The content loss compares F with P, the style loss G "
        "with A, and the total variation looks at x itself. Their weighted sum is the loss L. A "
        "dashed line, the gradient, leads back from L to x alone."
    )
    return diagram(950, 504, alt, parts)
