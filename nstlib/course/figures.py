"""The figures that lessons share: image grids, feature maps, Gram matrices, curves, animations.

Every figure carries its caption, set below it, and an alternative text, which is what a notebook
stores as the output's plain text. Figures are built without ``pyplot``: there is no current figure,
no global setting is changed, and nothing stays open.
"""

from __future__ import annotations

import base64
import io
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

import matplotlib as mpl
import numpy as np
import PIL.Image
from matplotlib.axes import Axes
from matplotlib.colors import Colormap, FuncNorm, Normalize
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.patches import Rectangle
from matplotlib.textpath import text_to_path
from matplotlib.ticker import LogLocator, MaxNLocator, StrMethodFormatter
from numpy.typing import ArrayLike, NDArray

from nstlib._checks import check_choice, check_count, check_number
from nstlib._files import atomic_write
from nstlib.errors import ArgumentError, OutputError
from nstlib.images.arrays import Image, check_image, to_uint8
from nstlib.images.resizing import resize, target_size

#: A curve: its x and y values, or a run of the optimiser, or that run's history.
Curve: TypeAlias = Any
Bundle: TypeAlias = tuple[dict[str, Any], dict[str, Any]]
Array: TypeAlias = NDArray[np.float64]

# The house style. Lengths are inches; a notebook shows an inch as PIXELS pixels.
PIXELS = 100
WIDTH = 9.0
MARGIN = 0.14
GAP = 0.16
INK = "#1f2933"
GREY = "#687480"
GRID = "#e4e8ec"

# Okabe and Ito's colours, which colour-blind readers tell apart, without their yellow.
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#b0559a", "#e69f00", "#56b4e9", "#4d4d4d")
TEXT, SMALL, TINY = 9.5, 8.5, 7.0  # points
LEADING = 1.38
STYLE: Any = {
    "font.family": "DejaVu Sans",
    "font.size": SMALL,
    "text.color": INK,
    "axes.edgecolor": GRID,
    "axes.labelcolor": GREY,
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.spines.left": False,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "grid.color": GRID,
    "grid.linewidth": 0.8,
    "lines.linewidth": 1.8,
    "lines.solid_capstyle": "round",
    "xtick.color": GREY,
    "ytick.color": GREY,
    "xtick.major.size": 0,
    "ytick.major.size": 0,
    "image.interpolation_stage": "data",
    "image.resample": True,
    "figure.facecolor": "white",
    "savefig.facecolor": "white",
    "savefig.bbox": None,
    "svg.fonttype": "none",
}

# Pictures of fewer pixels than this are about their pixels, and are shown unsmoothed.
TINY_PICTURE = 48

# A photo as PNG fills a notebook; above this size a figure is stored as JPEG.
PNG_LIMIT = 150_000
SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".pdf", ".svg")


@dataclass(frozen=True, eq=False)
class Plot:
    """A finished figure, which a notebook shows when it is a cell's last expression.

    Attributes
    ----------
    figure : matplotlib.figure.Figure
        For changes that the functions here don't offer.
    alt : str
        What the figure shows, for those who can't see it.
    caption : str
        The text set below the figure.
    """

    figure: Figure = field(repr=False)
    alt: str
    caption: str

    def save(self, path: str | Path) -> Path:
        """Write the figure as PNG, JPEG, WebP, PDF or SVG; the suffix of `path` decides.

        The file appears whole or not at all.

        Raises
        ------
        OutputError
            If the suffix is not one of those, or the file cannot be written.
        """
        path = _writable(path, SUFFIXES)
        content = _render(self.figure, path.suffix.lower().lstrip("."), scale=2)
        with atomic_write(path) as file:
            file.write(content)
        return path

    def _repr_mimebundle_(self, **_: object) -> Bundle:
        # Twice the pixels that are shown, so that the figure is sharp on a high-density display.
        kind, content = "image/png", _render(self.figure, "png", scale=2)
        if not any(axes.images for axes in self.figure.axes):
            content = _flat(content)
        if len(content) > PNG_LIMIT:
            kind, content = "image/jpeg", _render(self.figure, "jpeg", scale=1.5)
        width, height = np.rint(self.figure.get_size_inches() * PIXELS).astype(int).tolist()
        return _bundle(kind, content, (width, height), self.alt)


@dataclass(frozen=True, eq=False)
class Animation:
    """Frames that a notebook plays when the animation is a cell's last expression.

    A notebook stores them as an animated PNG, which every current browser plays.

    Attributes
    ----------
    frames : ndarray of uint8, shape (N, H, W, 3)
        RGB in 0..255.
    fps : float
        Frames per second.
    hold : float
        How long the last frame stays, in seconds.
    alt, caption : str
        As in :class:`Plot`. The caption is shown in notebooks and is not part of a saved file.
    """

    frames: NDArray[np.uint8] = field(repr=False)
    fps: float
    hold: float
    alt: str
    caption: str

    @property
    def durations(self) -> tuple[int, ...]:
        """How long each frame is shown, in milliseconds."""
        each = round(1000 / self.fps)
        return (*[each] * (len(self.frames) - 1), max(each, round(1000 * self.hold)))

    def save(self, path: str | Path) -> Path:
        """Write a looping GIF or an MP4 (H.264); the suffix of `path` decides.

        The file appears whole or not at all.

        Raises
        ------
        OutputError
            If the suffix is neither .gif nor .mp4, or the file cannot be written.
        """
        path = _writable(path, (".gif", ".mp4"))
        content = self._mp4() if path.suffix.lower() == ".mp4" else self._gif()
        with atomic_write(path) as file:
            file.write(content)
        return path

    def _gif(self) -> bytes:
        import imageio.v3 as iio

        # Pillow chooses a palette for each frame and does not dither: dots would crawl.
        content: bytes = iio.imwrite(
            "<bytes>", self.frames, extension=".gif", duration=[*self.durations], loop=0
        )
        return content

    def _mp4(self) -> bytes:
        import imageio.v3 as iio

        _, height, width, _ = self.frames.shape
        # H.264 stores colour at half resolution, so both sides must be even.
        even = np.pad(self.frames, ((0, 0), (0, height % 2), (0, width % 2), (0, 0)), mode="edge")
        stay = max(1, round(self.hold * self.fps))
        content: bytes = iio.imwrite(
            "<bytes>",
            np.concatenate([even, np.repeat(even[-1:], stay - 1, axis=0)]),
            extension=".mp4",
            plugin="FFMPEG",
            fps=self.fps,
            codec="libx264",
            quality=8,
            macro_block_size=2,
        )
        return content

    def _repr_mimebundle_(self, **_: object) -> Bundle:
        # nbval compares GIFs byte for byte, which another version of Pillow need not repeat; it
        # leaves PNG alone. One palette serves all the frames: true colour takes thrice the space.
        pages = [PIL.Image.fromarray(page) for page in self._pages()]
        palette = _palette(self.frames)
        pages = [page.quantize(palette=palette, dither=PIL.Image.Dither.NONE) for page in pages]
        buffer = io.BytesIO()
        pages[0].save(
            buffer,
            "PNG",
            save_all=True,
            append_images=pages[1:],
            duration=[*self.durations],
            loop=0,
        )
        return _bundle("image/png", buffer.getvalue(), pages[0].size, self.alt)

    def _pages(self) -> NDArray[np.uint8]:
        """Lay the frames on white, above the caption."""
        _, height, width, _ = self.frames.shape
        with mpl.rc_context(STYLE):
            sheet = _Sheet(width / PIXELS, height / PIXELS, self.caption, self.alt)
            content = _render(sheet.figure, "png", scale=1)
        paper = np.asarray(PIL.Image.open(io.BytesIO(content)).convert("RGB"))
        pages = np.repeat(paper[np.newaxis], len(self.frames), axis=0)
        edge = round(MARGIN * PIXELS)
        pages[:, edge : edge + height, edge : edge + width] = self.frames
        return pages


def show_images(
    images: Iterable[ArrayLike],
    titles: Sequence[str] | None = None,
    *,
    caption: str,
    alt: str,
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
    caption : str
        Set below the figure.
    alt : str
        What the figure shows, for those who can't see it.
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
        If caption or alt is empty, there is no image, or titles and images differ in number.
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
    pictures = [_picture(image, f"images[{i}]") for i, image in enumerate(images)]
    heads = _titles(titles, len(pictures), "images")
    with mpl.rc_context(STYLE):
        grid = _Grid([picture.shape for picture in pictures], heads, columns, cell)
        sheet = _Sheet(grid.width, grid.height, caption, alt)
        for picture, (x, y, width, height), head in zip(pictures, grid.boxes, heads, strict=True):
            axes = sheet.picture_axes(x, y, width, height, label=head)
            sheet.title(x, y, width, head)
            _show_picture(axes, picture)
        return sheet.plot()


def show_feature_maps(
    features: Mapping[str, ArrayLike],
    *,
    caption: str,
    alt: str,
    channels: int = 8,
    order: str = "active",
) -> Plot:
    """Show some channels of each layer, one row a layer, each in its own range of values.

    Parameters
    ----------
    features : mapping of str to array_like, shapes (H, W, C) or (1, H, W, C)
        Feature maps by layer, as :func:`nstlib.feature_extractor` returns them.
    caption, alt : str
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
        If caption or alt is empty, or an argument is not as above; the message names the layer.

    Examples
    --------
    >>> features = {"conv1": np.random.default_rng(0).random((6, 8, 3))}
    >>> plot = show_feature_maps(features, caption="Noise.", alt="Three maps of noise.")
    >>> len(plot.figure.axes)
    3
    """
    check_count("channels", channels)
    check_choice("order", order, ("active", "first"))
    maps = {layer: _feature_array(value, layer) for layer, value in features.items()}
    if not maps:
        raise ArgumentError("features is empty; it maps a layer's name to its feature maps")
    gap, number = 0.07, 0.17
    columns = max(2, min(channels, max(array.shape[2] for array in maps.values())))
    size = min(2.0, (WIDTH - 2 * MARGIN - gap * (columns - 1)) / columns)
    # A panorama gives flat maps; a tall picture must not give endless rows.
    heights = [min(1.5, a.shape[0] / a.shape[1]) * size for a in maps.values()]
    row_head, row_gap = _line(TEXT) + 0.03, 0.13
    height = sum(heights) + len(maps) * (row_head + number + row_gap) - row_gap
    with mpl.rc_context(STYLE):
        sheet = _Sheet(columns * size + gap * (columns - 1), height, caption, alt)
        y = 0.0
        for (layer, array), row in zip(maps.items(), heights, strict=True):
            name = sheet.text(0, y, layer, weight="bold")
            sheet.text(name + 0.12, y, _times(array.shape), color=GREY)
            y += row_head
            for i, channel in enumerate(_channels(array, channels, order)):
                x = i * (size + gap)
                axes = sheet.picture_axes(x, y, size, row, label=f"{layer} channel {channel}")
                axes.imshow(
                    array[..., channel],
                    cmap="magma",
                    norm=_range(array[..., channel]),
                    interpolation=_interpolation(array.shape),
                )
                sheet.text(x, y + row + 0.02, str(channel), size=TINY, color=GREY)
            y += row + number + row_gap
        return sheet.plot()


def show_grams(
    grams: Mapping[str, ArrayLike],
    *,
    caption: str,
    alt: str,
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
    caption, alt, columns, cell
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
        If caption or alt is empty, or a matrix is not square and finite; the message names it.

    Examples
    --------
    >>> plot = show_grams({"a": np.eye(3)}, caption="Identity.", alt="A bright diagonal.")
    >>> [axes.get_label() for axes in plot.figure.axes]
    ['a', 'scale']
    """
    matrices = {name: _square(value, f"grams[{name!r}]") for name, value in grams.items()}
    if not matrices:
        raise ArgumentError("grams is empty; it maps a name to a matrix")
    if normalize:
        matrices = {name: m / (np.abs(m).max() or 1.0) for name, m in matrices.items()}
    heads = [f"{name} \N{MIDDLE DOT} {_times(matrix.shape)}" for name, matrix in matrices.items()]
    signed = any(matrix.min() < 0 for matrix in matrices.values())
    cmap = mpl.colormaps["RdBu_r" if signed else "magma"]
    bar = 0.42
    with mpl.rc_context(STYLE):
        shapes = [matrix.shape for matrix in matrices.values()]
        grid = _Grid(shapes, heads, columns, cell, foot=0.0 if normalize else bar)
        sheet = _Sheet(grid.width, grid.height + (bar + 0.2 if normalize else 0.0), caption, alt)
        for (name, matrix), box, head in zip(matrices.items(), grid.boxes, heads, strict=True):
            x, y, width, height = box
            high = 1.0 if normalize else float(np.abs(matrix).max()) or 1.0
            norm = FuncNorm((_root, _square_back), -high if signed else 0.0, high)
            axes = sheet.picture_axes(x, y, width, height, label=name)
            axes.imshow(matrix, cmap=cmap, norm=norm, interpolation=_interpolation(matrix.shape))
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
    caption: str,
    alt: str,
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
    caption, alt : str
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
        If caption or alt is empty, `matrix` is not square and finite, or the counts differ.
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
    names = _titles(labels, count, "matrix rows", what="labels")
    pictures = [_picture(t, f"thumbnails[{i}]") for i, t in enumerate(thumbnails or [])]
    if pictures and len(pictures) != count:
        raise ArgumentError(f"there are {len(pictures)} thumbnails for {count} rows; give one each")
    side = count * cell
    thumb, space = (0.82 * cell, 0.1) if pictures else (0.0, 0.1)
    longest = max(_text_width(name, SMALL) for name in names)
    left = longest + (space + thumb if pictures else 0.0) + space
    level = longest < cell * 0.94
    # Long names of columns lean, and the last one then needs room to its right.
    rise = _line(SMALL) if level else longest * math.sin(math.pi / 4) + _line(SMALL)
    overhang = 0.0 if level else max(0.0, rise - cell / 2)
    top = rise + thumb + space
    with mpl.rc_context(STYLE):
        sheet = _Sheet(left + side + overhang, top + side, caption, alt)
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
                    _show_picture(head, pictures[i])
        return sheet.plot()


def show_curves(
    curves: Mapping[str, Curve],
    *,
    caption: str,
    alt: str,
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
    caption, alt : str
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
        If caption or alt is empty, or a curve is not as above; the message names it.

    Examples
    --------
    >>> plot = show_curves(
    ...     {"halving": ([0, 1, 2], [1.0, 0.5, 0.25])}, caption="Halving.", alt="A falling line."
    ... )
    >>> plot.figure.axes[0].get_yscale()
    'log'
    """
    data = {name: _curve(curve, f"curves[{name!r}]", log) for name, curve in curves.items()}
    if not data:
        raise ArgumentError("curves is empty; it maps a name to (x, y) or to a run's result")
    left, below, lead = 0.62, 0.42, 0.3
    right = lead + max(_text_width(name, TEXT) for name in data)
    width = WIDTH - 2 * MARGIN - left - min(right, WIDTH / 3)
    with mpl.rc_context(STYLE):
        sheet = _Sheet(WIDTH - 2 * MARGIN, height + below + 0.08, caption, alt)
        axes = sheet.axes(left, 0.08, width, height, label="curves")
        axes.set_yscale("log" if log else "linear")
        for (_, (x, y)), colour in zip(data.items(), _cycle(len(data)), strict=True):
            axes.plot(x, y, color=colour, marker=_marker(x))
        axes.margins(x=0.0, y=0.06)
        axes.set_xlabel(xlabel)
        axes.set_ylabel(ylabel)
        _ticks(axes, log)
        _label_ends(axes, data, lead)
        return sheet.plot()


def show_distributions(
    groups: Mapping[str, ArrayLike | Mapping[str, ArrayLike]],
    *,
    caption: str,
    alt: str,
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
    caption, alt : str
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
        If caption or alt is empty, or values are missing, NaN or infinite; the message names them.

    Examples
    --------
    >>> plot = show_distributions({"a": [3, 1, 2]}, caption="Three.", alt="3, 2, 1.", log=False)
    >>> plot.figure.axes[0].lines[0].get_ydata().tolist()
    [3.0, 2.0, 1.0]
    """
    panels = {name: _sorted_lines(group, name) for name, group in groups.items()}
    if not panels:
        raise ArgumentError("groups is empty; it maps a panel's name to values")
    floor = 1e-6 * max(values[0] for lines in panels.values() for values in lines.values())
    if log and floor <= 0:
        raise ArgumentError("groups has no value above 0 for a logarithmic axis; pass log=False")
    names = list(dict.fromkeys(name for lines in panels.values() for name in lines))
    colours = dict(zip(names, _cycle(len(names)), strict=True))
    columns = columns or _balanced(len(panels), 5)
    rows = math.ceil(len(panels) / columns)
    left, below, gap = 0.62, 0.34, 0.2
    width = (WIDTH - 2 * MARGIN - left - gap * (columns - 1)) / columns
    height = min(2.2, max(1.5, width * 0.9))
    legend = _line(TEXT) + 0.1 if names != [""] else 0.0
    row = _line(TEXT) + 0.05 + height + below
    with mpl.rc_context(STYLE):
        sheet = _Sheet(WIDTH - 2 * MARGIN, legend + rows * row + 0.2, caption, alt)
        x = left
        for name in names if legend else ():
            x += sheet.text(x, 0, name, color=colours[name], weight="bold") + 0.28
        first: Axes | None = None
        for i, (panel, lines) in enumerate(panels.items()):
            x, y = left + i % columns * (width + gap), legend + i // columns * row
            sheet.text(x, y, panel)
            y += _line(TEXT) + 0.05
            # One y scale for all, so that panels compare.
            axes = sheet.axes(x, y, width, height, label=panel, sharey=first)
            first = first or axes
            axes.set_yscale("log" if log else "linear")
            for name, values in lines.items():
                rank = np.linspace(0, 100, len(values)) if len(values) > 1 else np.zeros(1)
                # A log axis has no place for zero, and none to waste on rounding errors.
                shown = np.where(values > floor, values, np.nan) if log else values
                axes.plot(rank, shown, color=colours[name], linewidth=1.5, marker=_marker(rank))
            axes.set_xlim(0, 100)
            axes.set_xticks([0, 50, 100])
            axes.xaxis.set_major_formatter(StrMethodFormatter("{x:.0f} %"))
            # The outermost labels would touch those of the neighbouring panel.
            _justify(axes)
            _ticks(axes, log, x=False)
            if i % columns:
                axes.tick_params(which="both", labelleft=False)
            else:
                axes.set_ylabel(ylabel)
        sheet.text(left, legend + rows * row - 0.06, "rank, largest first", size=SMALL, color=GREY)
        return sheet.plot()


def animate(
    history: Iterable[Any],
    path: str | Path | None = None,
    *,
    caption: str,
    alt: str,
    fps: float = 10.0,
    size: int | tuple[int, int] | None = None,
    hold: float = 2.0,
) -> Animation:
    """Make an animation from images, or from the steps that an optimiser's callback was given.

    Parameters
    ----------
    history : iterable of array_like of float, shapes (H, W, 3); or of nstlib.optimize.Step
        RGB in [0, 1], or steps with their images. Sizes may differ (coarse to fine): every frame
        is resized to that of the last.
    path : str or pathlib.Path, optional
        Where to write it: a .gif or .mp4. By default it is only shown.
    caption, alt : str
        As in :func:`show_images`.
    fps : float, default 10
        Frames per second, up to 50 (browsers slow faster GIFs down).
    size : int or (int, int), optional
        Of the frames, as in :func:`nstlib.resize`; by default that of the last.
    hold : float, default 2
        How long the last frame stays, in seconds.

    Returns
    -------
    Animation

    Raises
    ------
    ArgumentError
        If caption or alt is empty, there is no frame, or `fps` or `hold` is out of range.
    ImageError
        If a frame is not an image; the message says which.
    OutputError
        If the file cannot be written.

    Examples
    --------
    >>> fade = [np.full((8, 8, 3), grey) for grey in (0.0, 0.5, 1.0)]
    >>> animation = animate(fade, caption="A fade.", alt="Black turns white.", hold=1)
    >>> animation.frames.shape, animation.durations
    ((3, 8, 8, 3), (100, 100, 1000))
    """
    check_number("fps", fps, above=0, most=50)
    check_number("hold", hold, least=0, most=60)
    if path is not None:
        path = _writable(path, (".gif", ".mp4"))
    frames = [_frame(item, f"history[{i}]") for i, item in enumerate(history)]
    if not frames:
        raise ArgumentError("history is empty; give at least one image")
    shape = target_size(frames[-1].shape, size) if size is not None else frames[-1].shape[:2]
    animation = Animation(
        frames=np.stack([to_uint8(resize(frame, (shape[0], shape[1]))) for frame in frames]),
        fps=fps,
        hold=hold,
        alt=_words(alt, "alt"),
        caption=_words(caption, "caption"),
    )
    if path is not None:
        animation.save(path)
    return animation


class _Sheet:
    """White paper, measured in inches from the top left, with room for the caption below."""

    def __init__(self, width: float, height: float, caption: str, alt: str) -> None:
        self._alt, self._caption = _words(alt, "alt"), _words(caption, "caption")
        # Narrow figures still leave the caption a readable line.
        self._width = max(width, 4.2) + 2 * MARGIN
        lines = _wrap(self._caption, SMALL, self._width - 2 * MARGIN)
        self._height = MARGIN + height + 0.12 + len(lines) * _line(SMALL) + MARGIN
        self.figure = Figure(figsize=(self._width, self._height), dpi=PIXELS)
        self.text(0, height + 0.12, "\n".join(lines), size=SMALL, color=GREY, linespacing=LEADING)

    def axes(self, x: float, y: float, width: float, height: float, **options: Any) -> Axes:
        left, bottom = (MARGIN + x) / self._width, 1 - (MARGIN + y + height) / self._height
        return self.figure.add_axes(
            (left, bottom, width / self._width, height / self._height), **options
        )

    def picture_axes(
        self, x: float, y: float, width: float, height: float, *, label: str, anchor: str = "NW"
    ) -> Axes:
        axes = self.axes(x, y, width, height, label=label, anchor=anchor)
        axes.set_axis_off()
        return axes

    def text(
        self,
        x: float,
        y: float,
        text: str,
        ha: str = "left",
        va: str = "top",
        *,
        size: float = TEXT,
        **options: Any,
    ) -> float:
        """Set `text` at (x, y) and return its width."""
        # A dollar sign in a title is a dollar sign, not the start of a formula.
        self.figure.text(
            (MARGIN + x) / self._width,
            1 - (MARGIN + y) / self._height,
            text,
            ha=ha,
            va=va,
            fontsize=size,
            parse_math=False,
            **options,
        )
        return _text_width(text, size, options.get("weight", "normal"))

    def title(self, x: float, y: float, width: float, text: str) -> None:
        lines = "\n".join(_wrap(text, TEXT, width))
        self.text(x, y - 0.09, lines, "left", "baseline", linespacing=1.2)

    def scale(
        self, x: float, y: float, width: float, cmap: Colormap, norm: Normalize, label: str = ""
    ) -> None:
        axes = self.axes(x, y, width, 0.08, label="scale")
        bar = self.figure.colorbar(
            mpl.cm.ScalarMappable(norm, cmap), cax=axes, orientation="horizontal"
        )
        low, high = float(norm.vmin or 0.0), float(norm.vmax or 1.0)
        ticks = [low, 0.0, high] if low < 0 else [0.0, high / 4, high]
        bar.set_ticks(ticks, labels=[f"{tick:.2g}" for tick in ticks])
        bar.outline.set_visible(False)
        axes.minorticks_off()
        _justify(axes)
        if label:
            self.text(x, y + 0.28, label, size=SMALL, color=GREY)

    def plot(self) -> Plot:
        return Plot(self.figure, self._alt, self._caption)


class _Grid:
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
        if cell <= 0 or (columns is not None and columns < 1):
            raise ArgumentError(f"cell is {cell} and columns is {columns}; both are above 0")
        page = WIDTH - 2 * MARGIN
        cell = min(cell, page)
        columns = columns or _balanced(len(shapes), int((page + GAP + 1e-9) / (cell + GAP)))
        cell = min(cell, (page - GAP * (columns - 1)) / columns)
        self.boxes: list[tuple[float, float, float, float]] = []
        y = 0.0
        for start in range(0, len(shapes), columns):
            row = shapes[start : start + columns]
            above = max(
                (len(_wrap(head, TEXT, cell)) for head in heads[start : start + columns] if head),
                default=0,
            )
            y += above * _line(TEXT) + (0.03 if above else 0.0)
            for i, shape in enumerate(row):
                # A tall picture is narrowed rather than left to fill the page.
                width = cell * min(1.0, 1.6 * shape[1] / shape[0])
                self.boxes.append((i * (cell + GAP), y, width, width * shape[0] / shape[1]))
            y += max(box[3] for box in self.boxes[start:]) + foot + GAP
        count = min(columns, len(shapes))
        self.width, self.height = count * cell + (count - 1) * GAP, y - GAP


def _balanced(count: int, most: int) -> int:
    """Columns, `most` or fewer, that leave the rows of a grid of `count` about equally long."""
    return math.ceil(count / math.ceil(count / max(1, most)))


def _words(text: str, name: str) -> str:
    words = " ".join(str(text).split()) if text else ""
    if not words:
        raise ArgumentError(f"{name} is empty; every figure has a caption and an alternative text")
    return words


def _line(size: float) -> float:
    """Height of a line of text of `size` points, in inches."""
    return size * LEADING / 72


def _text_width(text: str, size: float, weight: str = "normal") -> float:
    font = FontProperties(family="DejaVu Sans", size=size, weight=weight)
    widths = [
        text_to_path.get_text_width_height_descent(line, font, ismath=False)[0]
        for line in text.split("\n")
    ]
    # On the page, letters are fitted to whole pixels, and take up to 3 % more.
    return 1.03 * float(max(widths)) / 72


def _wrap(text: str, size: float, width: float) -> list[str]:
    lines: list[str] = []
    for word in text.split():
        longer = f"{lines[-1]} {word}" if lines else word
        if lines and _text_width(longer, size) <= width:
            lines[-1] = longer
        else:
            lines.append(word)
    return lines


def _times(shape: Sequence[int]) -> str:
    return " \N{MULTIPLICATION SIGN} ".join(map(str, shape))


def _titles(titles: Sequence[str] | None, count: int, of: str, what: str = "titles") -> list[str]:
    if titles is None:
        return [""] * count
    if isinstance(titles, str) or len(titles) != count:
        given = f"one string, {titles!r}" if isinstance(titles, str) else len(titles)
        raise ArgumentError(f"{what}: {given} for {count} {of}; give a list with one for each")
    return [str(title) for title in titles]


def _picture(image: ArrayLike, name: str) -> Image:
    array = np.asarray(image)
    if array.ndim == 2:
        grey: Image = check_image(np.repeat(array[..., np.newaxis], 3, axis=2), name)[..., 0]
        return grey
    return check_image(array, name)


def _frame(item: Any, name: str) -> Image:
    if hasattr(item, "iteration") and hasattr(item, "image"):
        if item.image is None:
            raise ArgumentError(
                f"{name} is a step without its image; collect the images in a callback: "
                "callback=lambda step: images.append(step.image)"
            )
        item = item.image
    return check_image(item, name)


def _show_picture(axes: Axes, picture: Image) -> None:
    smooth = _interpolation(picture.shape)
    axes.imshow(picture, cmap="gray", norm=Normalize(0, 1), interpolation=smooth)
    if smooth == "nearest":
        # Where single pixels matter, a hairline tells a white one from the paper.
        whole = Rectangle((0, 0), 1, 1, transform=axes.transAxes, clip_on=False)
        whole.set(fill=False, edgecolor=GRID, linewidth=1)
        axes.add_patch(whole)


def _interpolation(shape: tuple[int, ...]) -> str:
    return "nearest" if max(shape[:2]) < TINY_PICTURE else "hanning"


def _finite(value: ArrayLike, name: str) -> Array:
    array = np.asarray(value)
    if array.dtype.kind not in "fiub" or not array.size:
        raise ArgumentError(f"{name} is {array.dtype} of shape {array.shape}; give real numbers")
    if not np.isfinite(array).all():
        raise ArgumentError(f"{name} holds NaN or infinite values; give finite numbers")
    return array.astype(np.float64)


def _feature_array(value: ArrayLike, layer: str) -> Array:
    array = _finite(value, f"features[{layer!r}]")
    if array.ndim == 4 and len(array) == 1:
        array = array[0]
    if array.ndim != 3:
        raise ArgumentError(
            f"features[{layer!r}] has shape {array.shape}; feature maps are (H, W, C) "
            "or (1, H, W, C)"
        )
    return array


def _channels(array: Array, count: int, order: str) -> list[int]:
    if order == "first":
        return list(range(min(count, array.shape[2])))
    ranking = np.argsort(-array.mean(axis=(0, 1)), kind="stable")
    return [int(channel) for channel in ranking[:count]]


def _range(values: Array) -> Normalize:
    """From the smallest value to the largest; a constant map, a dead channel, is dark."""
    low, high = float(values.min()), float(values.max())
    return Normalize(low, high if high > low else low + 1.0)


def _square(value: ArrayLike, name: str) -> Array:
    array = _finite(value, name)
    if array.ndim != 2 or array.shape[0] != array.shape[1]:
        raise ArgumentError(f"{name} has shape {array.shape}; it must be a square matrix, (N, N)")
    return array


def _root(values: Array) -> Array:
    return np.sign(values) * np.sqrt(np.abs(values))


def _square_back(values: Array) -> Array:
    return np.sign(values) * np.square(values)


def _curve(curve: Curve, name: str, log: bool) -> tuple[Array, Array]:
    steps: Any = getattr(curve, "history", curve)
    if len(steps) and hasattr(steps[0], "evaluations"):
        steps = ([step.evaluations for step in steps], [step.loss for step in steps])
    if len(steps) != 2:
        raise ArgumentError(f"{name} has {len(steps)} parts; a curve is a pair (x, y) or a result")
    x, y = (_finite(part, f"the {axis} of {name}") for part, axis in zip(steps, "xy", strict=True))
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
        name: _thin(np.sort(_finite(values, f"groups[{panel!r}]"), axis=None)[::-1])
        for name, values in lines.items()
    }


def _thin(values: Array, count: int = 500) -> Array:
    """Keep `count` values, evenly spaced: a Gram matrix has up to 262,144, a panel 200 pixels."""
    if len(values) <= count:
        return values
    thinned: Array = values[np.rint(np.linspace(0, len(values) - 1, count)).astype(int)]
    return thinned


def _cycle(count: int) -> list[str]:
    return [COLOURS[i % len(COLOURS)] for i in range(count)]


def _marker(x: Array) -> str:
    """Mark a line of one point, which could not be seen otherwise."""
    return "o" if len(x) == 1 else ""


def _justify(axes: Axes) -> None:
    """Keep the first and the last tick label within the axes' width."""
    labels = axes.get_xticklabels()
    labels[0].set_horizontalalignment("left")
    labels[-1].set_horizontalalignment("right")


def _ticks(axes: Axes, log: bool, *, x: bool = True) -> None:
    if x:
        axes.xaxis.set_major_locator(MaxNLocator(8, integer=True, steps=[1, 2, 2.5, 5, 10]))
        axes.xaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
    if log:
        axes.yaxis.set_major_locator(LogLocator(numticks=6))
        # Between the decades there are labels only where a curve spans less than about one.
        axes.tick_params(axis="y", which="minor", size=0)
    else:
        axes.yaxis.set_major_locator(MaxNLocator(6))


def _label_ends(axes: Axes, data: Mapping[str, tuple[Array, Array]], lead: float) -> None:
    """Name each curve at the right edge, level with its end or as near as its neighbours allow."""
    axes.autoscale_view()
    to_share: Callable[[Any], Any] = lambda points: axes.transAxes.inverted().transform(  # noqa: E731
        axes.transData.transform(points)
    )
    ends = to_share([(x[-1], y[-1]) for x, y in data.values()])
    box = axes.get_window_extent()
    inch = PIXELS / box.height
    places = _apart(ends[:, 1], _line(TEXT) * inch)
    lead *= PIXELS / box.width
    for name, colour, end, place in zip(data, _cycle(len(data)), ends, places, strict=True):
        axes.annotate(
            name,
            xy=(end[0], end[1]),
            xytext=(1 + lead, place),
            xycoords="axes fraction",
            textcoords="axes fraction",
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


def _apart(wanted: Array, step: float) -> Array:
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


def _writable(path: str | Path, suffixes: Sequence[str]) -> Path:
    path = Path(path)
    if path.suffix.lower() not in suffixes:
        raise OutputError(
            f"{path}: cannot write {path.suffix or 'a name without a suffix'!r}; "
            f"use one of {', '.join(suffixes)}"
        )
    if not path.parent.is_dir():
        raise OutputError(f"{path}: the folder {path.parent} does not exist; create it first")
    return path


def _render(figure: Figure, kind: str, *, scale: float) -> bytes:
    kind = "jpeg" if kind == "jpg" else kind
    options: dict[str, Any] = {
        # Without subsampling: at half resolution, colour bleeds at the edges of letters.
        "jpeg": {"pil_kwargs": {"quality": 80, "subsampling": 0, "optimize": True}},
        "webp": {"pil_kwargs": {"quality": 92}},
    }
    buffer = io.BytesIO()
    with mpl.rc_context(STYLE):
        figure.savefig(buffer, format=kind, dpi=PIXELS * scale, **options.get(kind, {}))
    return buffer.getvalue()


def _flat(png: bytes) -> bytes:
    """Reduce a drawing of lines and text to 128 colours: a third of the size, unseen."""
    buffer = io.BytesIO()
    picture = PIL.Image.open(io.BytesIO(png)).convert("RGB")
    picture.quantize(128, dither=PIL.Image.Dither.NONE).save(buffer, "PNG", optimize=True)
    return buffer.getvalue()


def _bundle(kind: str, content: bytes, size: tuple[int, int], alt: str) -> Bundle:
    data = {kind: base64.b64encode(content).decode("ascii"), "text/plain": alt}
    return data, {kind: {"width": size[0], "height": size[1], "alt": alt}}


def _palette(frames: NDArray[np.uint8]) -> PIL.Image.Image:
    """Choose 256 colours: 12 greys for the caption, the others for the frames."""
    # Half the votes go to the last frame: it is the result, and stays the longest.
    votes = np.concatenate([frames, np.broadcast_to(frames[-1:], frames.shape)])
    votes = votes.reshape(-1, frames.shape[2], 3)
    chosen = PIL.Image.fromarray(votes).quantize(244, method=PIL.Image.Quantize.MEDIANCUT)
    colours = (chosen.getpalette() or [])[: 3 * 244]
    greys = np.linspace([0x68, 0x74, 0x80], [255, 255, 255], 12).round().astype(int)
    palette = PIL.Image.new("P", (1, 1))
    palette.putpalette([*colours, *greys.ravel().tolist()])
    return palette
