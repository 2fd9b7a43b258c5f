"""Diagrams of lesson 13, drawn as SVG: two ways to paint in any style at once."""

from __future__ import annotations

from nstlib.course.figures.plot import GREY, INK
from nstlib.course.figures.svg import BLUE, GREEN, ORANGE, Diagram, arrow, box, diagram, text


def adain_road(layer: str = "block4_conv1", channels: int = 160) -> Diagram:
    """Draw style transfer by exchanged statistics and a decoder.

    Parameters
    ----------
    layer : str
        Whose features are used.
    channels : int
        How many it has.
    """
    parts = [
        box(14, 40, 120, 50, ("photograph",), edge=INK),
        box(14, 150, 120, 50, ("style picture",), edge=INK),
        box(176, 40, 130, 160, ("VGG19's twin", f"to {layer}", "frozen"), edge=BLUE),
        box(352, 40, 140, 50, ("features", f"{channels} channels"), edge=INK),
        box(352, 150, 140, 50, (f"{channels} means", f"{channels} deviations"), edge=GREEN),
        box(540, 40, 130, 50, ("AdaIN", "nothing to learn"), edge=GREEN),
        box(716, 40, 110, 50, ("decoder", "has learned"), edge=ORANGE),
        box(862, 40, 84, 50, ("painting",), edge=INK),
        arrow((134, 65), (176, 65)),
        arrow((134, 175), (176, 175)),
        arrow((306, 65), (352, 65)),
        arrow((306, 175), (352, 175)),
        arrow((492, 65), (540, 65)),
        arrow((492, 175), (605, 175), (605, 90)),
        arrow((670, 65), (716, 65)),
        arrow((826, 65), (862, 65)),
        text(422, 30, "what is where", size=11, colour=GREY),
        text(422, 218, "the style, without places", size=11, colour=GREY),
    ]
    alt = (
        f"A photograph and a style picture go through VGG19's frozen twin, to {layer}. Of the "
        f"photograph the features are kept, {channels} channels; of the style {channels} means and "
        f"{channels} deviations. Both go into AdaIN, which has nothing to learn. A decoder, which "
        "has learned, makes a painting of the result."
    )
    return diagram(960, 232, alt, parts)


def predictor_road(measured: int = 896, numbers: int = 256) -> Diagram:
    """Draw a network whose scales and shifts follow from a style's vector.

    Parameters
    ----------
    measured : int
        Means and deviations that are taken of a style.
    numbers : int
        What scales and shifts come from.
    """
    parts = [
        text(14, 22, "once a style", at="start", size=12, colour=GREY),
        box(14, 34, 120, 50, ("style picture",), edge=INK),
        box(176, 34, 150, 50, ("VGG19's twin", "five of its layers"), edge=BLUE),
        box(368, 34, 160, 50, ("means, deviations", f"{measured} numbers"), edge=GREEN),
        box(570, 34, 140, 50, ("predictor", "two dense layers"), edge=ORANGE),
        box(752, 34, 140, 50, (f"{numbers} numbers", "six are its colours"), edge=GREEN),
        text(14, 158, "once a photograph", at="start", size=12, colour=GREY),
        box(14, 170, 120, 50, ("photograph",), edge=INK),
        box(176, 170, 130, 50, ("convolution",), edge=ORANGE),
        box(336, 170, 170, 50, ("inst. norm.", "takes its own numbers away"), edge=GREEN, size=12),
        box(548, 170, 180, 50, ("scale and shift", "from these"), edge=ORANGE),
        box(806, 170, 86, 50, ("painting",), edge=INK),
        arrow((134, 59), (176, 59)),
        arrow((326, 59), (368, 59)),
        arrow((528, 59), (570, 59)),
        arrow((710, 59), (752, 59)),
        arrow((822, 84), (822, 124), (638, 124), (638, 170), colour=ORANGE),
        arrow((134, 195), (176, 195)),
        arrow((306, 195), (336, 195)),
        arrow((506, 195), (548, 195)),
        arrow((728, 195), (806, 195)),
        text(452, 250, "again and again, with ReLUs and residual blocks", size=11, colour=GREY),
        f'<path d="M 176 228 v 6 h 552 v -6" stroke="{GREY}" fill="none"/>',
    ]
    alt = (
        "Above, once a style: the style picture goes through VGG19's twin; the means and "
        f"deviations of five layers, {measured} numbers, go into a predictor of two dense layers, "
        f"whose numbers are, with six of the style's colours, {numbers}. Below, once a photograph: "
        "convolution, instance normalization, then a scale and a shift that come from these, "
        "again and again, until a painting comes out."
    )
    return diagram(906, 262, alt, parts)
