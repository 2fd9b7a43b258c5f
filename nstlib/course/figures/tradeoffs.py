"""Curves with a mark and a label at each run, for trading one loss against another."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import TypeAlias

import matplotlib as mpl
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from nstlib._checks import check_kind
from nstlib.course.figures.plot import (
    COLOURS,
    GREY,
    MARGIN,
    PIXELS,
    STYLE,
    TEXT,
    WIDTH,
    Plot,
    finite,
    words,
)
from nstlib.errors import ArgumentError

#: x, y and a label for each run.
Runs: TypeAlias = tuple[Sequence[float], Sequence[float], Sequence[str]]


def show_tradeoff(
    curves: Mapping[str, Runs],
    *,
    xlabel: str,
    ylabel: str,
    alt: str,
    line: tuple[float, str] | None = None,
    height: float = 3.6,
) -> Plot:
    """Show runs as points on logarithmic axes, joined in their order, each with its label.

    The caption is not part of the figure: write it into the text cell below.

    Parameters
    ----------
    curves : mapping of str to (x, y, labels)
        By name: two numbers above 0 and a label for each run.
    xlabel, ylabel : str
        Names of the axes.
    alt : str
        What the figure shows, for those who can't see it.
    line : (float, str), optional
        An x that is marked by an upright line, and its name.
    height : float, default 3.6
        In inches of 100 pixels.

    Returns
    -------
    Plot

    Raises
    ------
    ArgumentError
        If `alt` is empty, there is no curve, or one is not as above; the message names it.

    Examples
    --------
    >>> plot = show_tradeoff(
    ...     {"a": ([1, 2], [4, 3], ["0", "1"])}, xlabel="x", ylabel="y", alt="Two points."
    ... )
    >>> [label.get_text() for label in plot.figure.axes[0].texts]
    ['0', '1']
    """
    alt = words(alt, "alt")
    check_kind("curves", curves, Mapping, "a dict of (x, y, labels) by name")
    if not curves:
        raise ArgumentError("curves is empty; it maps a name to (x, y, labels)")
    for name, (x, y, labels) in curves.items():
        for axis, values in (("x", x), ("y", y)):
            array = finite(values, f"the {axis} of curves[{name!r}]")
            if array.shape != (len(labels),) or array.min() <= 0:
                raise ArgumentError(
                    f"the {axis} of curves[{name!r}] is of shape {array.shape} for {len(labels)} "
                    "labels; give a number above 0 for each"
                )
    with mpl.rc_context(STYLE):
        layout = ConstrainedLayoutEngine(w_pad=MARGIN, h_pad=MARGIN)
        figure = Figure(figsize=(WIDTH, height), dpi=PIXELS, layout=layout)
        axes = figure.add_subplot()
        axes.set_label("trade-off")
        axes.set_xscale("log")
        axes.set_yscale("log")
        for (name, (x, y, labels)), colour in zip(
            curves.items(), itertools.cycle(COLOURS), strict=False
        ):
            axes.plot(x, y, color=colour, marker="o", label=name)
            for at, label in zip(zip(x, y, strict=True), labels, strict=True):
                axes.annotate(
                    label,
                    at,
                    xytext=(5, 5),
                    textcoords="offset points",
                    color=colour,
                    parse_math=False,
                )
        axes.margins(0.08, 0.14)
        if line:
            axes.axvline(line[0], color=GREY, linestyle="--", linewidth=1)
            # Towards the middle, where there is room.
            left, right = axes.get_xlim()
            aside = -1 if line[0] ** 2 > left * right else 1
            axes.annotate(
                line[1],
                (line[0], 1),
                xycoords=("data", "axes fraction"),
                xytext=(4 * aside, -10),
                textcoords="offset points",
                ha="right" if aside < 0 else "left",
                color=GREY,
                parse_math=False,
            )
        axes.set_xlabel(xlabel)
        axes.set_ylabel(ylabel)
        _plain_ticks(axes.xaxis)
        _plain_ticks(axes.yaxis)
        if len(curves) > 1:
            axes.legend(
                loc="best",
                frameon=False,
                labelcolor="linecolor",
                prop={"size": TEXT, "weight": "bold"},
            )
        return Plot(figure, alt, caption="")


def _plain_ticks(axis: Axis) -> None:
    """Write 0.02, where Matplotlib would write 2 × 10⁻²."""
    axis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axis.set_minor_formatter(NullFormatter())
    axis.set_tick_params(which="minor", size=0)
