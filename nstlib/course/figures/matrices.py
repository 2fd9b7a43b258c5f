"""Matrices: Gram matrices as heat maps, and small ones with their numbers."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.colors import FuncNorm, Normalize
from numpy.typing import ArrayLike

from nstlib._checks import check_kind
from nstlib.course.figures.pictures import Grid, interpolation, picture_of, show_picture
from nstlib.course.figures.plot import (
    INK,
    SMALL,
    STYLE,
    Array,
    Plot,
    Sheet,
    finite,
    line_height,
    text_width,
    times,
    titles_of,
)
from nstlib.errors import ArgumentError


def show_grams(
    grams: Mapping[str, ArrayLike],
    *,
    alt: str,
    caption: str = "",
    normalize: bool = True,
    columns: int | None = None,
    cell: float = 2.4,
) -> Plot:
    """Show Gram matrices as heat maps, on a square-root scale: a few entries dwarf the others.

    Parameters
    ----------
    grams : mapping of str to array_like, shapes (C, C)
        A matrix by layer (or by any other name). Matrices with negative entries, such as
        covariances, get a scale with white at zero.
    alt, caption, columns, cell
        As in :func:`show_images`.
    normalize : bool, default True
        Divide each matrix by its largest entry, and draw one colour bar for all; else each
        matrix has a bar in its own units.

    Returns
    -------
    Plot

    Raises
    ------
    ArgumentError
        If alt is empty, or a matrix is not square and finite; the message names it.

    Examples
    --------
    >>> plot = show_grams({"a": np.eye(3)}, caption="Identity.", alt="A bright diagonal.")
    >>> [axes.get_label() for axes in plot.figure.axes]
    ['a', 'scale']
    """
    check_kind("grams", grams, Mapping, "a dict of matrices by name")
    matrices = {name: _square(value, f"grams[{name!r}]") for name, value in grams.items()}
    if not matrices:
        raise ArgumentError("grams is empty; it maps a name to a matrix")
    if normalize:
        matrices = {name: m / (np.abs(m).max() or 1.0) for name, m in matrices.items()}
    heads = [f"{name} \N{MIDDLE DOT} {times(matrix.shape)}" for name, matrix in matrices.items()]
    signed = any(matrix.min() < 0 for matrix in matrices.values())
    cmap = mpl.colormaps["RdBu_r" if signed else "magma"]
    bar = 0.42
    with mpl.rc_context(STYLE):
        shapes = [matrix.shape for matrix in matrices.values()]
        grid = Grid(shapes, heads, columns, cell, foot=0.0 if normalize else bar)
        sheet = Sheet(grid.width, grid.height + (bar + 0.2 if normalize else 0.0), caption, alt)
        for (name, matrix), box, head in zip(matrices.items(), grid.boxes, heads, strict=True):
            x, y, width, height = box
            high = 1.0 if normalize else float(np.abs(matrix).max()) or 1.0
            norm = FuncNorm((_signed_root, _signed_square), -high if signed else 0.0, high)
            axes = sheet.picture_axes(x, y, width, height, label=name)
            axes.imshow(matrix, cmap=cmap, norm=norm, interpolation=interpolation(matrix.shape))
            sheet.title(x, y, width, head)
            if not normalize:
                sheet.scale(x, y + height + 0.09, width, cmap, norm)
        if normalize:
            what = "share of the matrix's largest entry"
            sheet.scale(0, grid.height + 0.09, grid.boxes[0][2], cmap, norm, what)
        return sheet.plot()


def show_matrix(
    matrix: ArrayLike,
    labels: Sequence[str],
    *,
    alt: str,
    caption: str = "",
    thumbnails: Sequence[ArrayLike] | None = None,
    number: str = ".2f",
    cell: float = 0.74,
) -> Plot:
    """Show a square matrix with its numbers, for instance the distances between textures.

    Parameters
    ----------
    matrix : array_like of float, shape (N, N)
        Its entries.
    labels : sequence of N str
        Names of the rows, which are those of the columns.
    alt, caption : str
        As in :func:`show_images`.
    thumbnails : sequence of N images, optional
        Shown at the heads of rows and columns.
    number : str, default ".2f"
        Format of the numbers in the cells; "" for none.
    cell : float, default 0.74
        Side of a cell in inches of 100 pixels.

    Returns
    -------
    Plot

    Raises
    ------
    ArgumentError
        If alt is empty, `matrix` is not square and finite, or the counts differ.
    ImageError
        If a thumbnail is not an image.

    Examples
    --------
    >>> plot = show_matrix([[0, 1], [1, 0]], ["a", "b"], caption="Two.", alt="0 on the diagonal.")
    >>> [text.get_text() for text in plot.figure.axes[0].texts]
    ['0.00', '1.00', '1.00', '0.00']
    """
    values = _square(matrix, "matrix")
    count = len(values)
    names = titles_of(labels, count, "matrix rows", what="labels")
    pictures = [picture_of(t, f"thumbnails[{i}]") for i, t in enumerate(thumbnails or [])]
    if pictures and len(pictures) != count:
        raise ArgumentError(f"there are {len(pictures)} thumbnails for {count} rows; give one each")
    side = count * cell
    thumb, space = (0.82 * cell, 0.1) if pictures else (0.0, 0.1)
    longest = max(text_width(name, SMALL) for name in names)
    left = longest + (space + thumb if pictures else 0.0) + space
    level = longest < cell * 0.94
    # Long names of columns lean, and the last one then needs room to its right.
    rise = line_height(SMALL) if level else longest * math.sin(math.pi / 4) + line_height(SMALL)
    overhang = 0.0 if level else max(0.0, rise - cell / 2)
    top = rise + thumb + space
    with mpl.rc_context(STYLE):
        sheet = Sheet(left + side + overhang, top + side, caption, alt)
        axes = sheet.picture_axes(left, top, side, side, label="matrix")
        cmap = mpl.colormaps["Blues"]
        norm = Normalize(min(0.0, values.min()), values.max() if values.max() > 0 else 1.0)
        axes.imshow(values, cmap=cmap, norm=norm, interpolation="nearest")
        for i, j in np.ndindex(count, count) if number else ():
            red, green, blue, _ = cmap(norm(values[i, j]))
            dark = 0.299 * red + 0.587 * green + 0.114 * blue < 0.55
            axes.text(
                j,
                i,
                format(values[i, j], number),
                ha="center",
                va="center",
                fontsize=SMALL,
                color="white" if dark else INK,
            )
        for edge in np.arange(count + 1) - 0.5:
            axes.axhline(edge, color="white", linewidth=2)
            axes.axvline(edge, color="white", linewidth=2)
        lean: dict[str, Any] = {"rotation": 45, "rotation_mode": "anchor"}
        for i, name in enumerate(names):
            middle = (i + 0.5) * cell
            x, y = left + middle, top + middle
            sheet.text(longest, y, name, "right", "center", size=SMALL)
            if level:
                sheet.text(x, rise, name, "center", "bottom", size=SMALL)
            else:
                sheet.text(x, rise, name, "left", "bottom", size=SMALL, **lean)
            if pictures:
                beside = (left - space - thumb, y - thumb / 2)
                above = (x - thumb / 2, top - space - thumb)
                for corner in (beside, above):
                    head = sheet.picture_axes(*corner, thumb, thumb, label=name, anchor="C")
                    show_picture(head, pictures[i])
        return sheet.plot()


def _square(value: ArrayLike, name: str) -> Array:
    array = finite(value, name)
    if array.ndim != 2 or array.shape[0] != array.shape[1]:
        raise ArgumentError(f"{name} has shape {array.shape}; it must be a square matrix, (N, N)")
    return array


def _signed_root(values: Array) -> Array:
    return np.sign(values) * np.sqrt(np.abs(values))


def _signed_square(values: Array) -> Array:
    return np.sign(values) * np.square(values)
