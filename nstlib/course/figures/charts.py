"""Curves over the steps of a run, and sorted values."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence, Sized
from typing import Any, TypeAlias

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import (
    LogFormatterSciNotation,
    LogLocator,
    MaxNLocator,
    StrMethodFormatter,
)
from matplotlib.transforms import offset_copy
from numpy.typing import ArrayLike

from nstlib._checks import check_kind
from nstlib.course.figures.pictures import balanced
from nstlib.course.figures.plot import (
    COLOURS,
    INK,
    MARGIN,
    PIXELS,
    STYLE,
    TEXT,
    WIDTH,
    Array,
    Plot,
    Sheet,
    finite,
    justify,
    line_height,
)
from nstlib.errors import ArgumentError

#: A curve: its x and y values, or a run of the optimiser, or that run's history.
Curve: TypeAlias = Any


def show_curves(
    curves: Mapping[str, Curve],
    *,
    alt: str,
    caption: str = "",
    xlabel: str = "evaluations",
    ylabel: str = "loss",
    log: bool = True,
    height: float = 3.4,
) -> Plot:
    """Show curves with their names at their ends, for instance the loss of several runs.

    Parameters
    ----------
    curves : mapping of str to curve
        By name: a pair (x, y) of sequences of float; or a :class:`nstlib.optimize.Result` or its
        history, drawn as loss over evaluations.
    alt, caption : str
        As in :func:`show_images`.
    xlabel, ylabel : str
        Names of the axes.
    log : bool, default True
        A logarithmic y axis; all y must then be positive.
    height : float, default 3.4
        Of the axes, in inches of 100 pixels.

    Returns
    -------
    Plot

    Raises
    ------
    ArgumentError
        If alt is empty, or a curve is not as above; the message names it.

    Examples
    --------
    >>> plot = show_curves(
    ...     {"halving": ([0, 1, 2], [1.0, 0.5, 0.25])}, caption="Halving.", alt="A falling line."
    ... )
    >>> plot.figure.axes[0].get_yscale()
    'log'
    """
    check_kind("curves", curves, Mapping, "a dict of (x, y), or of runs' results, by name")
    data = {name: _points_of(curve, f"curves[{name!r}]", log) for name, curve in curves.items()}
    if not data:
        raise ArgumentError("curves is empty; it maps a name to (x, y) or to a run's result")
    with mpl.rc_context(STYLE):
        sheet = Sheet(WIDTH - 2 * MARGIN, height + 0.5, caption, alt)
        axes = sheet.charts(1, 1)[0, 0]
        axes.set_label("curves")
        axes.set_yscale("log" if log else "linear")
        for (x, y), colour in zip(data.values(), _colours_of(len(data)), strict=True):
            axes.plot(x, y, color=colour, marker=_marker_for(x))
        axes.margins(x=0.0, y=0.06)
        axes.set_xlabel(xlabel)
        axes.set_ylabel(ylabel)
        axes.xaxis.set_major_locator(MaxNLocator(8, integer=True, steps=[1, 2, 2.5, 5, 10]))
        axes.xaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
        _set_y_ticks(axes, log)
        _label_ends(sheet.figure, axes, data)
        return sheet.plot()


def show_distributions(
    groups: Mapping[str, ArrayLike | Mapping[str, ArrayLike]],
    *,
    alt: str,
    caption: str = "",
    ylabel: str = "value",
    log: bool = True,
    columns: int | None = None,
) -> Plot:
    """Show sorted values, largest first, in one small panel a group.

    For instance the entries of the Gram matrices of several textures, one panel a layer.

    Parameters
    ----------
    groups : mapping of str to array_like, or to a mapping of str to array_like
        By panel: its values, in an array of any shape; or the values of several named lines.
        The same name has the same colour in every panel.
    alt, caption : str
        As in :func:`show_images`.
    ylabel : str
        What the values are.
    log : bool, default True
        A logarithmic y axis; values below a millionth of the largest are then left out, on the
        right.
    columns : int, optional
        Panels in a row; by default up to five.

    Returns
    -------
    Plot

    Raises
    ------
    ArgumentError
        If alt is empty, or values are missing, NaN or infinite; the message names them.

    Examples
    --------
    >>> plot = show_distributions({"a": [3, 1, 2]}, caption="Three.", alt="3, 2, 1.", log=False)
    >>> plot.figure.axes[0].lines[0].get_ydata().tolist()
    [3.0, 2.0, 1.0]
    """
    check_kind("groups", groups, Mapping, "a dict of values by a panel's name")
    panels = {name: _sorted_lines(group, name) for name, group in groups.items()}
    if not panels:
        raise ArgumentError("groups is empty; it maps a panel's name to values")
    floor = 1e-6 * max(values[0] for lines in panels.values() for values in lines.values())
    if log and floor <= 0:
        raise ArgumentError("groups has no value above 0 for a logarithmic axis; pass log=False")
    names = list(dict.fromkeys(name for lines in panels.values() for name in lines))
    colours = dict(zip(names, _colours_of(len(names)), strict=True))
    columns = columns or balanced(len(panels), 5)
    rows = math.ceil(len(panels) / columns)
    height = min(2.2, max(1.5, 0.9 * WIDTH / columns))
    with mpl.rc_context(STYLE):
        sheet = Sheet(WIDTH - 2 * MARGIN, rows * (height + 0.5) + 0.5, caption, alt)
        # One y scale for all, so that panels compare.
        grid = sheet.charts(rows, columns)
        for axes in grid.flat[len(panels) :]:
            axes.remove()
        for axes, (panel, lines) in zip(grid.flat, panels.items(), strict=False):
            axes.set_label(panel)
            axes.set_title(panel, loc="left", fontsize=TEXT, color=INK, parse_math=False)
            axes.set_yscale("log" if log else "linear")
            for name, values in lines.items():
                rank = np.linspace(0, 100, len(values)) if len(values) > 1 else np.zeros(1)
                # A log axis has no place for zero, and none to waste on rounding errors.
                shown = np.where(values > floor, values, np.nan) if log else values
                axes.plot(rank, shown, color=colours[name], linewidth=1.5, marker=_marker_for(rank))
            axes.set_xlim(0, 100)
            axes.set_xticks([0, 50, 100])
            axes.xaxis.set_major_formatter(StrMethodFormatter("{x:.0f} %"))
            axes.tick_params(axis="x", labelbottom=True)
            # The outermost labels would touch those of the neighbouring panel.
            justify(axes)
            _set_y_ticks(axes, log)
        for axes in grid[:, 0]:
            axes.set_ylabel(ylabel)
        grid[-1, 0].set_xlabel("rank, largest first", loc="left")
        if names != [""]:
            handles = [Line2D([], [], color=colours[name], label=name) for name in names]
            sheet.figure.legend(
                handles=handles,
                loc="outside upper left",
                ncols=len(names),
                labelcolor="linecolor",
                handlelength=0,
                handletextpad=0,
                borderpad=0,
                borderaxespad=72 * MARGIN / TEXT,
                prop={"size": TEXT, "weight": "bold"},
                frameon=False,
            )
        return sheet.plot()


def _points_of(curve: Curve, name: str, log: bool) -> tuple[Array, Array]:
    steps: Any = getattr(curve, "history", curve)
    check_kind(name, steps, Sized, "a pair (x, y) or a result")
    if len(steps) and hasattr(steps[0], "evaluations"):
        steps = ([step.evaluations for step in steps], [step.loss for step in steps])
    if len(steps) != 2:
        raise ArgumentError(f"{name} has {len(steps)} parts; a curve is a pair (x, y) or a result")
    x, y = (finite(part, f"the {axis} of {name}") for part, axis in zip(steps, "xy", strict=True))
    if x.ndim != 1 or x.shape != y.shape:
        raise ArgumentError(
            f"{name} has x of shape {x.shape} and y of shape {y.shape}; both are of shape (N,)"
        )
    if log and y.min() <= 0:
        raise ArgumentError(
            f"{name} has y values down to {y.min():.3g}; a logarithmic axis needs values above 0; "
            "pass log=False"
        )
    return x, y


def _sorted_lines(group: ArrayLike | Mapping[str, ArrayLike], panel: str) -> dict[str, Array]:
    lines: Mapping[str, Any] = group if isinstance(group, Mapping) else {"": group}
    if not lines:
        raise ArgumentError(f"groups[{panel!r}] is empty; give values")
    return {
        name: _thinned(np.sort(finite(values, f"groups[{panel!r}]"), axis=None)[::-1])
        for name, values in lines.items()
    }


def _thinned(values: Array, count: int = 500) -> Array:
    """Keep `count` values, evenly spaced: a Gram matrix has up to 262,144, a panel 200 pixels."""
    if len(values) <= count:
        return values
    thinned: Array = values[np.rint(np.linspace(0, len(values) - 1, count)).astype(int)]
    return thinned


def _colours_of(count: int) -> list[str]:
    return [COLOURS[i % len(COLOURS)] for i in range(count)]


def _marker_for(x: Array) -> str:
    """Mark a line of one point, which could not be seen otherwise."""
    return "o" if len(x) == 1 else ""


class _PlainFormatter(LogFormatterSciNotation):
    """Write 0.6 and 10 where Matplotlib would write 6 × 10⁻¹ and 10¹."""

    def __call__(self, x: float, pos: int | None = None) -> str:
        powers = str(super().__call__(x, pos))
        return f"{x:g}" if powers and 1e-3 <= x < 1e4 else powers


def _set_y_ticks(axes: Axes, log: bool) -> None:
    if log:
        axes.yaxis.set_major_locator(LogLocator(numticks=6))
        axes.yaxis.set_major_formatter(_PlainFormatter())
        # The default thresholds: labels between the decades only if there is no room for decades.
        axes.yaxis.set_minor_formatter(_PlainFormatter(labelOnlyBase=False))
        # Between the decades there are labels only where a curve spans less than about one.
        axes.tick_params(axis="y", which="minor", size=0)
    else:
        axes.yaxis.set_major_locator(MaxNLocator(6))


def _label_ends(figure: Figure, axes: Axes, data: Mapping[str, tuple[Array, Array]]) -> None:
    """Name each curve at the right edge, level with its end or as near as its neighbours allow."""
    beside = offset_copy(axes.transAxes, figure, x=0.3, units="inches")
    labels = [
        axes.annotate(
            name,
            xy=(x[-1], y[-1]),
            xytext=(1, 0.5),
            textcoords=beside,
            va="center",
            color=colour,
            fontsize=TEXT,
            annotation_clip=False,
            parse_math=False,
            arrowprops={
                "arrowstyle": "-",
                "color": colour,
                "alpha": 0.35,
                "linewidth": 1,
                "shrinkA": 2,
                "shrinkB": 2,
            },
        )
        for (name, (x, y)), colour in zip(data.items(), _colours_of(len(data)), strict=True)
    ]
    # Now that the names have their room at the right, the axes have their size.
    figure.draw_without_rendering()
    step = line_height(TEXT) * PIXELS / axes.get_window_extent().height
    ends = [axes.transData.transform(label.xy) for label in labels]
    wanted = axes.transAxes.inverted().transform(ends)[:, 1]
    for label, place in zip(labels, apart(wanted, step), strict=True):
        label.set_position((1, place))


def apart(wanted: Array, step: float) -> Array:
    """Move positions as little as needed so that neighbours are at least `step` apart."""
    order = np.argsort(wanted, kind="stable")
    groups: list[list[float]] = []
    for position in wanted[order]:
        groups.append([float(position)])
        # Two blocks that touch become one, spread evenly about the mean of what its members want.
        while len(groups) > 1 and _block(groups[-1], step)[0] - _block(groups[-2], step)[-1] < step:
            groups[-2:] = [groups[-2] + groups[-1]]
    placed = np.empty_like(wanted, dtype=np.float64)
    placed[order] = np.concatenate([_block(group, step) for group in groups])
    return placed


def _block(wanted: Sequence[float], step: float) -> Array:
    ranks: Array = np.arange(len(wanted), dtype=np.float64)
    block: Array = np.mean(wanted) + step * (ranks - ranks.mean())
    return block
