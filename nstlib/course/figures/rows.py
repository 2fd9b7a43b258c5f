"""Rows of pictures of one height, with no holes between them; the lesson's text has the caption."""

from __future__ import annotations

from collections.abc import Sequence, Sized

import matplotlib as mpl
from matplotlib.figure import Figure
from numpy.typing import ArrayLike

from nstlib._checks import check_kind, check_number
from nstlib.course.figures.pictures import picture_of, show_picture
from nstlib.course.figures.plot import (
    GAP,
    INK,
    MARGIN,
    PIXELS,
    STYLE,
    TEXT,
    WIDTH,
    Plot,
    line_height,
    titles_of,
    words,
    wrapped,
)
from nstlib.errors import ArgumentError


def show_rows(
    *rows: Sequence[ArrayLike],
    titles: Sequence[str] | None = None,
    alt: str,
    height: float = 3.6,
) -> Plot:
    """Show rows of pictures. Within a row all have the same height, whatever their proportions.

    The caption is not part of the figure: write it into the text cell below, where it can be
    searched, translated and read aloud.

    Parameters
    ----------
    *rows : sequence of array_like of float, shapes (H, W, 3) or (H, W)
        Pictures in [0, 1], RGB or grey, one sequence a row.
    titles : sequence of str, optional
        One for each picture, in reading order, set above it.
    alt : str
        What the figure shows, for those who can't see it.
    height : float, default 3.6
        Of a row, in inches of 100 pixels; less if the row would be wider than the page.

    Returns
    -------
    Plot

    Raises
    ------
    ArgumentError
        If `alt` is empty, a row has no picture, or titles and pictures differ in number.
    ImageError
        If a picture is not an image.

    Examples
    --------
    >>> import numpy as np
    >>> wide, tall = np.zeros((60, 120, 3)), np.zeros((120, 60, 3))
    >>> boxes = [axes.get_position() for axes in show_rows([wide, tall], alt="Two.").figure.axes]
    >>> bool(np.isclose(boxes[0].height, boxes[1].height))
    True
    """
    check_number("height", height, above=0)
    for row in rows:
        check_kind("a row", row, Sized, "a list of pictures")
    if not rows or not all(len(row) for row in rows):
        raise ArgumentError("a row has no picture; give at least one for each")
    pictures = [
        [picture_of(image, f"rows[{i}][{j}]") for j, image in enumerate(row)]
        for i, row in enumerate(rows)
    ]
    heads = iter(titles_of(titles, sum(map(len, rows)), "pictures"))
    page = WIDTH - 2 * MARGIN
    y, right = 0.0, 0.0
    boxes, texts = [], []
    for row in pictures:
        shares = [picture.shape[1] / picture.shape[0] for picture in row]
        tall = min(height, (page - GAP * (len(row) - 1)) / sum(shares))
        lines = [wrapped(next(heads), TEXT, tall * share) for share in shares]
        y += max(map(len, lines)) * line_height(TEXT) + 0.05
        x = 0.0
        for picture, share, title in zip(row, shares, lines, strict=True):
            boxes.append((picture, x, y, tall * share, tall))
            texts.append((x, y - 0.09, "\n".join(title)))
            x += tall * share + GAP
        right = max(right, x - GAP)
        y += tall + GAP
    width, bottom = right + 2 * MARGIN, y - GAP + 2 * MARGIN
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(width, bottom), dpi=PIXELS)
        for picture, x, top, wide, tall in boxes:
            left, low = (MARGIN + x) / width, 1 - (MARGIN + top + tall) / bottom
            axes = figure.add_axes((left, low, wide / width, tall / bottom))
            axes.set_axis_off()
            show_picture(axes, picture)
        for x, baseline, words_above in texts:
            figure.text(
                (MARGIN + x) / width,
                1 - (MARGIN + baseline) / bottom,
                words_above,
                va="baseline",
                fontsize=TEXT,
                color=INK,
                linespacing=1.2,
                parse_math=False,
            )
        return Plot(figure, words(alt, "alt"), caption="")
