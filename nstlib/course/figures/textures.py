"""Diagrams of lessons 03 and 04: a Gram matrix, the loss of a texture, coarse to fine, a valley."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure
from numpy.typing import ArrayLike, NDArray

from nstlib.course.figures.plot import COLOURS, GREY, INK, PIXELS, STYLE, TEXT, Plot, words
from nstlib.course.figures.svg import BLUE, ORANGE, PAPER, Diagram, arrow, box, diagram, text


def _cells(
    x: float,
    y: float,
    rows: Sequence[Sequence[float]],
    side: float,
    colours: Sequence[Sequence[str]],
) -> str:
    """Draw a table of numbers, each in a cell of its own colour."""
    parts = []
    for i, (row, fills) in enumerate(zip(rows, colours, strict=True)):
        for j, (value, fill) in enumerate(zip(row, fills, strict=True)):
            ink = INK if fill == PAPER else "white"
            where = (x + side * j, y + side * i, side, side)
            parts.append(box(*where, (f"{value:g}",), fill=fill, ink=ink, corner=0, size=12))
    return "".join(parts)


def gram_road(features: ArrayLike, names: tuple[str, str] = ("red", "stripe")) -> Diagram:
    """Draw the way from feature maps to F, and from F to the Gram matrix, with the numbers.

    Parameters
    ----------
    features : array_like of float, shape (2, 2, 2)
        Two channels at 2 × 2 positions.
    names : (str, str)
        What the channels stand for.
    """
    maps = np.asarray(features, np.float64)
    F = maps.reshape(4, 2)
    gram = F.T @ F / 4
    side, channel = 36, (ORANGE, BLUE)
    parts = [text(72, 22, "features (2, 2, 2)")]
    for c, name in enumerate(names):
        top = 40 + 108 * c
        parts.append(_cells(36, top, maps[..., c].tolist(), side, [[channel[c]] * 2] * 2))
        parts.append(text(72, top + 2 * side + 16, name, size=12, colour=GREY))
    parts += [
        arrow((124, 130), (196, 130)),
        text(160, 108, "reshape:", size=12, colour=GREY),
        text(160, 122, "a row for", size=12, colour=GREY),
        text(160, 148, "each position", size=12, colour=GREY),
        text(244, 22, "F (4, 2)"),
        _cells(208, 58, F.tolist(), side, [[*channel]] * 4),
    ]
    places = ("top left", "top right", "bottom left", "bottom right")
    for i, place in enumerate(places):
        parts.append(text(288, 81 + side * i, place, size=11, colour=GREY, at="start"))
    parts += [
        arrow((366, 130), (420, 130)),
        text(393, 118, "transpose", size=12, colour=GREY),
        text(502, 22, "Fᵀ (2, 4)"),
        _cells(430, 94, F.T.tolist(), side, [[c] * 4 for c in channel]),
        text(592, 136, "·", size=20),
        text(640, 22, "F (4, 2)"),
        _cells(604, 58, F.tolist(), side, [[*channel]] * 4),
        text(706, 136, "/ 4  =", size=15),
        text(798, 22, "G (2, 2)"),
        _cells(754, 86, gram.tolist(), 44, [[PAPER] * 2] * 2),
        text(776, 78, names[0], size=11, colour=ORANGE),
        text(820, 78, names[1], size=11, colour=BLUE),
        text(850, 114, names[0], size=11, colour=ORANGE, at="start"),
        text(850, 158, names[1], size=11, colour=BLUE, at="start"),
        text(798, 196, "how much two channels", size=11, colour=GREY),
        text(798, 210, "occur together", size=11, colour=GREY),
    ]

    def listed(rows: NDArray[np.float64]) -> str:
        return "; ".join(" ".join(f"{value:g}" for value in row) for row in rows)

    alt = (
        f"From left to right. Two feature maps of 2 by 2 positions, {names[0]}: "
        f"{listed(maps[..., 0])}, and {names[1]}: {listed(maps[..., 1])}. Reshaped to the matrix F "
        f"with a row for each of the four positions: {listed(F)}. F transposed times F, divided by "
        f"4, is the Gram matrix G: {listed(gram)}."
    )
    return diagram(900, 256, alt, parts)


def loss_graph() -> Diagram:
    """Draw the loss of a texture: what is computed from what, what is frozen, what is changed."""
    parts = [
        box(14, 40, 120, 58, ("photograph", "computed with once"), edge=GREY),
        box(194, 40, 210, 58, ("VGG19 or the twin", "kernels frozen"), edge=BLUE),
        box(464, 40, 160, 58, ("targets, 5 layers", "constants from now on"), edge=BLUE),
        box(14, 156, 120, 58, ("picture x", "starts as noise"), edge=ORANGE, fill="#fdeee2"),
        box(194, 156, 210, 58, ("the same network", "kernels frozen"), edge=BLUE),
        box(464, 156, 160, 58, ("statistics, 5 layers", "Gram matrices of x")),
        box(694, 98, 160, 58, ("loss L", "one number")),
        arrow((134, 69), (194, 69)),
        arrow((404, 69), (464, 69)),
        arrow((134, 185), (194, 185)),
        arrow((404, 185), (464, 185)),
        arrow((624, 69), (660, 69), (660, 118), (694, 118)),
        arrow((624, 185), (660, 185), (660, 136), (694, 136)),
        # The way back, below: the gradient passes through everything and stops at the picture.
        arrow((774, 156), (774, 250), (74, 250), (74, 214), colour=ORANGE, dashed=True),
        text(424, 242, "gradient ∂L/∂x, back through the network", colour=ORANGE),
        text(299, 120, "no gradient is asked for here, and none is used", size=11, colour=GREY),
        text(14, 284, "orange: what changes", size=12, colour=ORANGE, at="start"),
        text(174, 284, "blue: what stays as it is", size=12, colour=BLUE, at="start"),
    ]
    alt = (
        "Two rows. Top: a photograph goes through the network, whose kernels are frozen, and gives "
        "targets for five layers, constants from then on. Bottom: the picture x, which starts as "
        "noise, goes through the same frozen network and gives statistics of five layers. Both "
        "meet in the loss, one number. A dashed arrow leads from the loss back to the picture x "
        "alone: the gradient. Only x changes."
    )
    return diagram(868, 298, alt, parts)


def sizes_in_turn(sizes: Sequence[int], window: int) -> Diagram:
    """Draw squares of growing size, and in each the window that one feature sees.

    Parameters
    ----------
    sizes : sequence of int
        Sides in pixels, from coarse to fine.
    window : int
        Side of the window in pixels; it is the same at every size.
    """
    scale, gap = 0.9, 84
    tall = max(*sizes, window) * scale
    middle, x, parts = 46 + tall / 2, 20.0, []
    for i, side in enumerate(sizes):
        wide, seen = side * scale, window * scale
        left = x + max(wide, seen) / 2 - wide / 2
        centre = left + wide / 2
        parts.append(box(left, middle - wide / 2, wide, wide, edge=INK, corner=0))
        parts.append(
            f'<rect x="{centre - seen / 2:g}" y="{middle - seen / 2:g}" width="{seen:g}" '
            f'height="{seen:g}" fill="none" stroke="{ORANGE}" stroke-width="1.6" '
            'stroke-dasharray="5 4"/>'
        )
        parts.append(text(centre, 24, f"{side} × {side}"))
        share = min(1.0, (window / side) ** 2)
        parts.append(text(centre, middle + tall / 2 + 22, f"sees {share:.0%}", colour=ORANGE))
        x += max(wide, seen) + gap
        if i < len(sizes) - 1:
            parts.append(arrow((x - gap + 10, middle), (x - 10, middle)))
            parts.append(text(x - gap / 2, middle - 12, "enlarge", size=12, colour=GREY))
    shares = ", ".join(f"{min(1.0, (window / side) ** 2):.0%} at {side}" for side in sizes)
    alt = (
        "Squares of "
        + ", ".join(f"{side}" for side in sizes)
        + " pixels from left to right, joined by arrows that say enlarge. In each a dashed square "
        f"of {window} pixels, what one feature in the middle sees: {shares}."
    )
    return diagram(x - gap + 20, middle + tall / 2 + 40, alt, parts)


def show_valley(
    loss: Callable[[NDArray[np.float64], NDArray[np.float64]], NDArray[np.float64]],
    paths: Mapping[str, ArrayLike],
    *,
    alt: str,
    x: tuple[float, float],
    y: tuple[float, float],
) -> Plot:
    """Show the paths of several optimisers over the contour lines of a loss of two numbers.

    Parameters
    ----------
    loss : callable
        Takes arrays of the two numbers; returns an array of the loss.
    paths : mapping of str to array_like, shapes (N, 2)
        By name: the points that were visited, from the start on.
    alt : str
        What the figure shows, for those who can't see it.
    x, y : (float, float)
        The ranges that are shown.

    Returns
    -------
    Plot
    """
    with mpl.rc_context(STYLE):
        count = len(paths)
        figure = Figure(figsize=(9.0, 9.0 / count + 0.3), dpi=PIXELS, layout="constrained")
        grid = figure.subplots(1, count, sharex=True, sharey=True, squeeze=False)
        across, up = np.meshgrid(np.linspace(*x, 161), np.linspace(*y, 161))
        height = loss(across, up)
        levels = np.geomspace(max(height.min(), 1e-3 * height.max()), height.max(), 12)
        for axes, (name, path), colour in zip(
            grid[0], paths.items(), itertools.cycle(COLOURS), strict=False
        ):
            points = np.asarray(path, np.float64)
            axes.set_label(name)
            axes.contour(across, up, height, levels=levels, colors="#c3cad1", linewidths=0.8)
            axes.plot(*points.T, color=colour, marker="o", markersize=2.5, linewidth=1.2)
            axes.plot(*points[0], color=INK, marker="s", markersize=5)
            axes.set_title(name, loc="left", fontsize=TEXT, color=INK, parse_math=False)
            axes.set_xlim(*x)
            axes.set_ylim(*y)
            axes.set_aspect("equal")
            axes.grid(visible=False)
        return Plot(figure, words(alt, "alt"), caption="")
