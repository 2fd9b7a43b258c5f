"""Pictures in a grid, and the feature maps of a network."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import Normalize
from matplotlib.patches import Rectangle
from numpy.typing import ArrayLike

from nstlib._checks import check_choice, check_count, check_kind, check_number
from nstlib.course.figures.plot import (
    GAP,
    GREY,
    GRID,
    MARGIN,
    STYLE,
    TEXT,
    TINY,
    WIDTH,
    Array,
    Plot,
    Sheet,
    finite,
    line_height,
    times,
    titles_of,
    wrapped,
)
from nstlib.errors import ArgumentError
from nstlib.images.arrays import Image, as_array, check_image

#: Pictures of fewer pixels than this on their longest side are about their pixels, and are shown
#: unsmoothed.
TINY_PICTURE = 48


def show_images(
    images: Iterable[ArrayLike],
    titles: Sequence[str] | None = None,
    *,
    alt: str,
    caption: str = "",
    columns: int | None = None,
    cell: float = 2.4,
) -> Plot:
    """Show images in a row, or in a grid when they are many.

    Parameters
    ----------
    images : iterable of array_like of float, shapes (H, W, 3) or (H, W)
        RGB or grey in [0, 1]; their sizes may differ.
    titles : sequence of str, optional
        One for each image, set above it.
    alt : str
        What the figure shows, for those who can't see it.
    caption : str, optional
        Set below the figure.
    columns : int, optional
        Images in a row; by default as many as fit, in rows of equal length.
    cell : float, default 2.4
        Width of an image in inches of 100 pixels; smaller if the columns need it.

    Returns
    -------
    Plot

    Raises
    ------
    ArgumentError
        If alt is empty, there is no image, or titles and images differ in number.
    ImageError
        If one of `images` is not an image; the message says which.

    Examples
    --------
    >>> red, grey = np.zeros((40, 60, 3)), np.full((40, 60), 0.5)
    >>> red[..., 0] = 1
    >>> plot = show_images([red, grey], ["red", "grey"], caption="Two.", alt="Red beside grey.")
    >>> [axes.get_label() for axes in plot.figure.axes]
    ['red', 'grey']
    """
    if hasattr(images, "shape") and len(images.shape) < 4:
        raise ArgumentError(
            f"images is one array of shape {tuple(images.shape)}; give a list: [image]"
        )
    check_kind("images", images, Iterable, "a list of images")
    pictures = [picture_of(image, f"images[{i}]") for i, image in enumerate(images)]
    heads = titles_of(titles, len(pictures), "images")
    with mpl.rc_context(STYLE):
        grid = Grid([picture.shape for picture in pictures], heads, columns, cell)
        sheet = Sheet(grid.width, grid.height, caption, alt)
        for picture, (x, y, width, height), head in zip(pictures, grid.boxes, heads, strict=True):
            axes = sheet.picture_axes(x, y, width, height, label=head)
            sheet.title(x, y, width, head)
            show_picture(axes, picture)
        return sheet.plot()


def show_feature_maps(
    features: Mapping[str, ArrayLike],
    *,
    alt: str,
    caption: str = "",
    channels: int = 8,
    order: str = "active",
) -> Plot:
    """Show some channels of each layer, one row a layer, each in its own range of values.

    Parameters
    ----------
    features : mapping of str to array_like, shapes (H, W, C) or (1, H, W, C)
        Feature maps by layer, as :func:`nstlib.feature_extractor` returns them.
    alt, caption : str
        As in :func:`show_images`.
    channels : int, default 8
        How many of each layer, at most.
    order : {"active", "first"}, default "active"
        The channels with the largest mean, largest first; or the first ones.

    Returns
    -------
    Plot

    Raises
    ------
    ArgumentError
        If alt is empty, or an argument is not as above; the message names the layer.

    Examples
    --------
    >>> features = {"conv1": np.random.default_rng(0).random((6, 8, 3))}
    >>> plot = show_feature_maps(features, caption="Noise.", alt="Three maps of noise.")
    >>> len(plot.figure.axes)
    3
    """
    check_count("channels", channels)
    check_choice("order", order, ("active", "first"))
    check_kind("features", features, Mapping, "a dict of feature maps by layer")
    maps = {layer: _feature_maps_of(value, layer) for layer, value in features.items()}
    if not maps:
        raise ArgumentError("features is empty; it maps a layer's name to its feature maps")
    gap, number = 0.07, 0.17
    columns = max(2, min(channels, max(array.shape[2] for array in maps.values())))
    size = min(2.0, (WIDTH - 2 * MARGIN - gap * (columns - 1)) / columns)
    # A panorama gives flat maps; a tall picture must not give endless rows.
    heights = [min(1.5, a.shape[0] / a.shape[1]) * size for a in maps.values()]
    row_head, row_gap = line_height(TEXT) + 0.03, 0.13
    height = sum(heights) + len(maps) * (row_head + number + row_gap) - row_gap
    with mpl.rc_context(STYLE):
        sheet = Sheet(columns * size + gap * (columns - 1), height, caption, alt)
        y = 0.0
        for (layer, array), row in zip(maps.items(), heights, strict=True):
            name = sheet.text(0, y, layer, weight="bold")
            sheet.text(name + 0.12, y, times(array.shape), color=GREY)
            y += row_head
            for i, channel in enumerate(_channels_of(array, channels, order)):
                x = i * (size + gap)
                axes = sheet.picture_axes(x, y, size, row, label=f"{layer} channel {channel}")
                axes.imshow(
                    array[..., channel],
                    cmap="magma",
                    norm=_value_range(array[..., channel]),
                    interpolation=interpolation(array.shape),
                )
                sheet.text(x, y + row + 0.02, str(channel), size=TINY, color=GREY)
            y += row + number + row_gap
        return sheet.plot()


class Grid:
    """Where each picture of a grid goes: ``boxes`` of (x, y, width, height) on a sheet."""

    def __init__(
        self,
        shapes: Sequence[tuple[int, ...]],
        heads: Sequence[str],
        columns: int | None,
        cell: float,
        foot: float = 0.0,
    ) -> None:
        if not shapes:
            raise ArgumentError("images is empty; give at least one image")
        check_number("cell", cell, above=0)
        if columns is not None:
            check_count("columns", columns)
        page = WIDTH - 2 * MARGIN
        cell = min(cell, page)
        columns = columns or balanced(len(shapes), int((page + GAP + 1e-9) / (cell + GAP)))
        cell = min(cell, (page - GAP * (columns - 1)) / columns)
        self.boxes: list[tuple[float, float, float, float]] = []
        y = 0.0
        for start in range(0, len(shapes), columns):
            row = shapes[start : start + columns]
            above = max(
                (len(wrapped(head, TEXT, cell)) for head in heads[start : start + columns] if head),
                default=0,
            )
            y += above * line_height(TEXT) + (0.03 if above else 0.0)
            for i, shape in enumerate(row):
                # A tall picture is narrowed rather than left to fill the page.
                width = cell * min(1.0, 1.6 * shape[1] / shape[0])
                self.boxes.append((i * (cell + GAP), y, width, width * shape[0] / shape[1]))
            y += max(box[3] for box in self.boxes[start:]) + foot + GAP
        count = min(columns, len(shapes))
        self.width, self.height = count * cell + (count - 1) * GAP, y - GAP


def balanced(count: int, most: int) -> int:
    """Columns, `most` or fewer, that leave the rows of a grid of `count` about equally long."""
    return math.ceil(count / math.ceil(count / max(1, most)))


def picture_of(image: ArrayLike, name: str) -> Image:
    """Return an image, RGB or grey, after checking it."""
    array = as_array(image, name)
    if array.ndim == 2:
        grey: Image = check_image(np.repeat(array[..., np.newaxis], 3, axis=2), name)[..., 0]
        return grey
    return check_image(array, name)


def show_picture(axes: Axes, picture: Image) -> None:
    """Draw a picture into its axes."""
    smooth = interpolation(picture.shape)
    axes.imshow(picture, cmap="gray", norm=Normalize(0, 1), interpolation=smooth)
    if smooth == "nearest":
        # Where single pixels matter, a hairline tells a white one from the paper.
        whole = Rectangle((0, 0), 1, 1, transform=axes.transAxes, clip_on=False)
        whole.set(fill=False, edgecolor=GRID, linewidth=1)
        axes.add_patch(whole)


def interpolation(shape: tuple[int, ...]) -> str:
    """Say how to draw an array: a small one as blocks, a large one smoothed."""
    return "nearest" if max(shape[:2]) < TINY_PICTURE else "hanning"


def _feature_maps_of(value: ArrayLike, layer: str) -> Array:
    array = finite(value, f"features[{layer!r}]")
    if array.ndim == 4 and len(array) == 1:
        array = array[0]
    if array.ndim != 3:
        raise ArgumentError(
            f"features[{layer!r}] has shape {array.shape}; feature maps are (H, W, C) "
            "or (1, H, W, C)"
        )
    return array


def _channels_of(array: Array, count: int, order: str) -> list[int]:
    if order == "first":
        return list(range(min(count, array.shape[2])))
    ranking = np.argsort(-array.mean(axis=(0, 1)), kind="stable")
    return [int(channel) for channel in ranking[:count]]


def _value_range(values: Array) -> Normalize:
    """From the smallest value to the largest; a constant map, a dead channel, is dark."""
    low, high = float(values.min()), float(values.max())
    return Normalize(low, high if high > low else low + 1.0)
