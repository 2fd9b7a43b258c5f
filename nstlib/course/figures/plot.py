"""A figure: its page, its caption below it, and its alternative text.

Pages of pictures are measured in inches from their top left (:class:`Sheet`), and grow with what
lies on them. Matplotlib's constrained and compressed layouts go the other way: they fit the axes
into a page of a given size. Tried on grids of pictures, they changed the pictures' sizes, left
bands of white where shapes differ (a caption an inch below its pictures), and wrapped neither
titles nor captions, so that lines had to be measured here all the same.

Charts have no shape of their own to keep, and their labels are as wide as the numbers happen to be.
There constrained layout serves (:meth:`Sheet.charts`). It takes as many lines of code as margins
of a fixed width did, but with those the y axis's name left the page where a curve spans less than a
decade, and so did long names of curves.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence, Sized
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

import matplotlib as mpl
import numpy as np
import PIL.Image
from matplotlib.axes import Axes
from matplotlib.colors import Colormap, Normalize
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.textpath import text_to_path
from numpy.typing import ArrayLike, NDArray

from nstlib._checks import check_path, shown
from nstlib._files import atomic_write, check_output, reason
from nstlib.errors import ArgumentError

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
        The text set below the figure; empty if there is none.
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
        path = check_output(check_path("path", path), SUFFIXES)
        content = render(self.figure, path.suffix.lower().lstrip("."), scale=2)
        with atomic_write(path) as file:
            file.write(content)
        return path

    def _repr_mimebundle_(self, **_: object) -> Bundle:
        # Twice the pixels that are shown, so that the figure is sharp on a high-density display.
        kind, content = "image/png", render(self.figure, "png", scale=2)
        if not any(axes.images for axes in self.figure.axes):
            content = _flat(content)
        if len(content) > PNG_LIMIT:
            kind, content = "image/jpeg", render(self.figure, "jpeg", scale=1.5)
        width, height = np.rint(self.figure.get_size_inches() * PIXELS).astype(int).tolist()
        return bundle(kind, content, (width, height), self.alt)


class Sheet:
    """White paper, measured in inches from the top left, with room for the caption below."""

    def __init__(self, width: float, height: float, caption: str, alt: str) -> None:
        self._alt, self._caption = words(alt, "alt"), words(caption)
        # Narrow figures still leave the caption a readable line.
        self._width = max(width, 4.2) + 2 * MARGIN
        lines = wrapped(self._caption, SMALL, self._width - 2 * MARGIN)
        self._body = height
        below = 0.12 + len(lines) * line_height(SMALL) if self._caption else 0.0
        self._height = MARGIN + height + below + MARGIN
        self.figure = Figure(figsize=(self._width, self._height), dpi=PIXELS)
        if self._caption:
            text = "\n".join(lines)
            self.text(0, height + 0.12, text, size=SMALL, color=GREY, linespacing=LEADING)

    def charts(self, rows: int, columns: int) -> Any:
        """Give axes, an array of (rows, columns), that Matplotlib lays out above the caption."""
        left, right = MARGIN / self._width, 1 - MARGIN / self._width
        top, bottom = 1 - MARGIN / self._height, 1 - (MARGIN + self._body) / self._height
        self.figure.set_layout_engine(
            ConstrainedLayoutEngine(
                rect=(left, bottom, right - left, top - bottom),
                w_pad=0,
                h_pad=0.04,
                wspace=0.08,
                hspace=0.06,
            )
        )
        return self.figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False)

    def axes(self, x: float, y: float, width: float, height: float, **options: Any) -> Axes:
        """Add axes with their top left corner at (x, y)."""
        left, bottom = (MARGIN + x) / self._width, 1 - (MARGIN + y + height) / self._height
        return self.figure.add_axes(
            (left, bottom, width / self._width, height / self._height), **options
        )

    def picture_axes(
        self, x: float, y: float, width: float, height: float, *, label: str, anchor: str = "NW"
    ) -> Axes:
        """Add axes for a picture, without ticks or a frame."""
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
        return text_width(text, size, options.get("weight", "normal"))

    def title(self, x: float, y: float, width: float, text: str) -> None:
        """Set a title above a picture of `width` at (x, y), in as many lines as it needs."""
        lines = "\n".join(wrapped(text, TEXT, width))
        self.text(x, y - 0.09, lines, "left", "baseline", linespacing=1.2)

    def scale(
        self, x: float, y: float, width: float, cmap: Colormap, norm: Normalize, label: str = ""
    ) -> None:
        """Add a colour bar with its top left corner at (x, y)."""
        axes = self.axes(x, y, width, 0.08, label="scale")
        bar = self.figure.colorbar(
            mpl.cm.ScalarMappable(norm, cmap), cax=axes, orientation="horizontal"
        )
        low, high = float(norm.vmin or 0.0), float(norm.vmax or 1.0)
        ticks = [low, 0.0, high] if low < 0 else [0.0, high / 4, high]
        bar.set_ticks(ticks, labels=[f"{tick:.2g}" for tick in ticks])
        bar.outline.set_visible(False)
        axes.minorticks_off()
        justify(axes)
        if label:
            self.text(x, y + 0.28, label, size=SMALL, color=GREY)

    def plot(self) -> Plot:
        """Return the finished figure."""
        return Plot(self.figure, self._alt, self._caption)


def words(text: str, required: str = "") -> str:
    """Return `text` on one line; refuse an empty one where its name is given as `required`."""
    words = " ".join(str(text).split()) if text else ""
    if required and not words:
        raise ArgumentError(f"{required} is empty; every figure has an alternative text")
    return words


def line_height(size: float) -> float:
    """Height of a line of text of `size` points, in inches."""
    return size * LEADING / 72


def text_width(text: str, size: float, weight: str = "normal") -> float:
    """Width of the longest line of a text of `size` points, in inches."""
    font = FontProperties(family="DejaVu Sans", size=size, weight=weight)
    widths = [
        text_to_path.get_text_width_height_descent(line, font, ismath=False)[0]
        for line in text.split("\n")
    ]
    # On the page, letters are fitted to whole pixels, and take up to 3 % more.
    return 1.03 * float(max(widths)) / 72


def wrapped(text: str, size: float, width: float) -> list[str]:
    """Break a text of `size` points into lines at most `width` inches long."""
    lines: list[str] = []
    for word in text.split():
        longer = f"{lines[-1]} {word}" if lines else word
        if lines and text_width(longer, size) <= width:
            lines[-1] = longer
        else:
            lines.append(word)
    return lines


def times(shape: Sequence[int]) -> str:
    """Write a shape as 2 × 3."""
    return " \N{MULTIPLICATION SIGN} ".join(map(str, shape))


def titles_of(titles: Sequence[str] | None, count: int, of: str, what: str = "titles") -> list[str]:
    """Return one title for each of `count` things; empty ones if there are none."""
    if titles is None:
        return [""] * count
    if isinstance(titles, str) or not isinstance(titles, Sized) or len(titles) != count:
        if isinstance(titles, str):
            given: Any = f"one string, {titles!r}"
        else:
            given = len(titles) if isinstance(titles, Sized) else shown(titles)
        raise ArgumentError(f"{what}: {given} for {count} {of}; give a list with one for each")
    return [str(title) for title in titles]


def finite(value: ArrayLike, name: str) -> Array:
    """Return `value` as float64; refuse what is no array of finite real numbers."""
    try:
        array = np.asarray(value)
    except (TypeError, ValueError) as error:  # rows of different lengths
        raise ArgumentError(f"{name} cannot become an array ({reason(error)})") from error
    if array.dtype.kind not in "fiub" or not array.size:
        given = f"{array.dtype} of shape {array.shape}" if array.shape else shown(value)
        raise ArgumentError(f"{name} is {given}; give real numbers")
    if not np.isfinite(array).all():
        raise ArgumentError(f"{name} holds NaN or infinite values; give finite numbers")
    return array.astype(np.float64)


def justify(axes: Axes) -> None:
    """Keep the first and the last tick label within the axes' width."""
    labels = axes.get_xticklabels()
    labels[0].set_horizontalalignment("left")
    labels[-1].set_horizontalalignment("right")


def render(figure: Figure, kind: str, *, scale: float) -> bytes:
    """Draw a figure as the content of a file, `scale` times as many pixels as are shown."""
    kind = "jpeg" if kind == "jpg" else kind
    options: dict[str, Any] = {
        # Half the resolution for colour: a quarter smaller, and at 1.5 times the shown size unseen.
        "jpeg": {
            "pil_kwargs": {
                "quality": 75,
                "subsampling": "4:2:0",
                "optimize": True,
                "progressive": True,
            }
        },
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


def bundle(kind: str, content: bytes, size: tuple[int, int], alt: str) -> Bundle:
    """Return what a notebook stores: the picture, its size on the page, its alternative text."""
    data = {kind: base64.b64encode(content).decode("ascii"), "text/plain": alt}
    return data, {kind: {"width": size[0], "height": size[1], "alt": alt}}
