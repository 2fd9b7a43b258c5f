"""The canvas that all styles are drawn on, with noise, colour and light.

A style image is worth transferring when it has something to say at every scale: a composition, the
elements it is built of (tiles, strokes, dots), and the grain of its material. All lengths are
therefore in *units*, where one unit is the shorter side of the picture, and every random number is
drawn independently of the resolution: the same seed at 256 px and at 1,024 px is the same picture.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache, cached_property
from typing import Any

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[Any]  # of floats
Pixels = NDArray[np.uint8]
Window = tuple[slice, slice]
MIN_SIDE, MAX_SIDE = 16, 4096
LONGEST = 3.0  # units: a longer strip gets smaller elements instead of endlessly many
SHIFT = 4  # OpenCV's drawing functions take fixed-point coordinates: 1/16 px


@dataclass(frozen=True)
class Canvas:
    """A sheet of ``height`` by ``width`` pixels, ``unit`` of them to the unit length."""

    height: int
    width: int
    unit: float
    rng: np.random.Generator

    @property
    def h(self) -> float:
        """Height in units."""
        return self.height / self.unit

    @property
    def w(self) -> float:
        """Width in units."""
        return self.width / self.unit

    @cached_property
    def y(self) -> Array:
        """Vertical coordinates of the pixel centres, in units, as a column."""
        return ((np.arange(self.height, dtype=np.float32) + 0.5) / self.unit)[:, None]

    @cached_property
    def x(self) -> Array:
        """Horizontal coordinates of the pixel centres, in units, as a row."""
        return ((np.arange(self.width, dtype=np.float32) + 0.5) / self.unit)[None, :]

    def plan(self, unit: float = 256) -> Canvas:
        """Return the same sheet at a fixed resolution, to lay out what must not depend on it."""
        height, width = max(1, round(self.h * unit)), max(1, round(self.w * unit))
        return replace(self, height=height, width=width, unit=unit)

    def window(self, cx: float, cy: float, radius: float) -> tuple[slice, slice]:
        """Return the pixels within ``radius`` of a point, as two slices (maybe empty)."""

        def side(middle: float, length: int) -> slice:
            first = int((middle - radius) * self.unit)
            last = int((middle + radius) * self.unit) + 2
            return slice(min(max(first, 0), length), min(max(last, 0), length))

        return side(cy, self.height), side(cx, self.width)

    def fixed(self, points: ArrayLike) -> NDArray[np.int32]:
        """Turn points (x, y) in units into the fixed-point pixels that OpenCV draws with."""
        pixels = np.asarray(points, np.float64) * self.unit - 0.5
        return np.asarray(np.rint(pixels * 2**SHIFT), np.int32)

    def pixels(self, length: float) -> int:
        """Turn a length in units into whole pixels, at least one (a pen has no thinner line)."""
        return max(1, round(length * self.unit))

    def spread(self, count: float, margin: float = 0.0) -> Array:
        """Return about ``count`` points a square unit, evenly spread without a visible grid.

        They may lie ``margin`` units beyond the edges.

        Roberts' R2 sequence covers the sheet evenly from its first point on; a jitter hides its
        lattice, and the random order decides who overlaps whom.
        """
        extent = np.array([self.w, self.h]) + 2 * margin
        total = max(1, round(count * extent.prod()))
        steps = np.array([0.7548776662466927, 0.5698402909980532])
        points = (self.rng.random(2) + np.arange(total)[:, None] * steps) % 1 * extent - margin
        points += self.rng.normal(0, 0.3 / np.sqrt(count), points.shape)
        return self.rng.permutation(points)


def _spline(positions: Array, count: int) -> Array:
    """Return the cubic B-spline weights of ``count`` knots at each position: (positions, count)."""
    d = np.abs(positions.reshape(-1, 1) - np.arange(count, dtype=np.float32))
    near = 2 / 3 - d**2 + d**3 / 2
    return np.where(d < 1, near, np.maximum(2 - d, 0) ** 3 / 6).astype(np.float32)


def noise_field(
    c: Canvas, cells: float | tuple[float, float], octaves: int = 1, gain: float = 0.5
) -> Array:
    """Return smooth noise of mean 0 and about unit variance: a sum of octaves.

    ``cells`` is the number of bumps a unit (vertically, horizontally) in the first octave; each
    further octave is twice as fine and ``gain`` times as strong. B-splines are smooth to the second
    derivative, so a light over the noise shows no creases. Octaves finer than the pixels are left
    out, but still use up their random stream: no picture changes with its resolution.
    """
    down, across = cells if isinstance(cells, tuple) else (cells, cells)
    total = np.zeros((c.height, c.width), np.float32)
    for octave, rng in enumerate(c.rng.spawn(octaves)):
        fy, fx = down * 2**octave, across * 2**octave
        if max(fy, fx) > 0.8 * c.unit and octave:
            break
        rows, columns = int(c.h * fy) + 4, int(c.w * fx) + 4
        knots = rng.standard_normal((rows, columns), np.float32)
        total += gain**octave * (
            _spline(c.y * fy + 1, rows) @ knots @ _spline(c.x * fx + 1, columns).T
        )
    # 0.479 is the standard deviation of one octave: the mean square of the weights, 151/315.
    spread = 0.479 * sum(gain ** (2 * k) for k in range(octaves)) ** 0.5
    return np.asarray(total / np.float32(spread))


def ridge(c: Canvas, cells: float, octaves: int = 3) -> Array:
    """Return a skyline: noise over x alone, as a row."""
    return noise_field(replace(c, height=1), (1.0, cells), octaves)


def smoothstep(low: float, high: float, value: Array) -> Array:
    """Ramp from 0 at ``low`` to 1 at ``high``, level at both ends."""
    t = np.clip((value - np.float32(low)) / np.float32(high - low), 0, 1)
    return np.asarray(t * t * (3 - 2 * t))


def rgb(colours: str) -> Array:
    """Turn ``"#rrggbb #rrggbb"`` into an array (n, 3) in [0, 1]."""
    return np.array([[int(h[i : i + 2], 16) / 255 for i in (1, 3, 5)] for h in colours.split()])


# Oklab (Björn Ottosson, 2020): equal steps look equal, and blends of two colours stay clean.
_TO_LMS = np.array(
    [
        [0.4122214708, 0.5363325363, 0.0514459929],
        [0.2119034982, 0.6806995451, 0.1073969566],
        [0.0883024619, 0.2817188376, 0.6299787005],
    ]
)
_TO_LAB = np.array(
    [
        [0.2104542553, 0.7936177850, -0.0040720468],
        [1.9779984951, -2.4285922050, 0.4505937099],
        [0.0259040371, 0.7827717662, -0.8086757660],
    ]
)


def to_oklab(rgb: ArrayLike) -> Array:
    rgb = np.asarray(rgb, np.float64)
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    return np.asarray(np.cbrt(linear @ _TO_LMS.T) @ _TO_LAB.T)


def from_oklab(lab: ArrayLike) -> Array:
    linear = (np.asarray(lab) @ np.linalg.inv(_TO_LAB).T) ** 3 @ np.linalg.inv(_TO_LMS).T
    linear = np.clip(linear, 0, 1)
    rgb = np.where(linear <= 0.0031308, linear * 12.92, 1.055 * linear ** (1 / 2.4) - 0.055)
    return np.asarray(rgb, np.float32)


def palette_of(t: ArrayLike, colours: str) -> Array:
    """Colour values in [0, 1] with a smooth ramp through the given colours."""
    steps = np.clip(np.asarray(t, np.float32) * 1023 + 0.5, 0, 1023)
    return np.asarray(_ramp(colours)[steps.astype(np.intp)])


@cache
def _ramp(colours: str) -> Array:
    stops = to_oklab(rgb(colours))
    at, knots = np.linspace(0, 1, 1024), np.linspace(0, 1, len(stops))
    return from_oklab(np.stack([np.interp(at, knots, s) for s in stops.T], axis=-1))


def vary(
    rgb: ArrayLike,
    rng: np.random.Generator,
    lightness: float,
    hue: float = 0.0,
    chroma: float = 1.0,
) -> Array:
    """Give each colour of an array (..., 3) its own lightness and hue (standard deviations)."""
    lab = to_oklab(rgb)
    noise = rng.normal(size=(*lab.shape[:-1], 2))
    angle = hue * noise[..., 1]
    a, b = lab[..., 1] * chroma, lab[..., 2] * chroma
    return from_oklab(
        np.stack(
            [
                lab[..., 0] + lightness * noise[..., 0],
                a * np.cos(angle) - b * np.sin(angle),
                a * np.sin(angle) + b * np.cos(angle),
            ],
            axis=-1,
        )
    )


def mixed(a: ArrayLike, b: ArrayLike, weight: Array) -> Array:
    """Blend colours: ``a`` where the weight is 0, ``b`` where it is 1."""
    a, b = np.asarray(a, np.float32), np.asarray(b, np.float32)
    return np.asarray(a + (b - a) * weight[..., None])


def lit(colour: Array, gain: Array) -> Array:
    """Make each pixel ``gain`` times as bright."""
    return np.asarray(colour * gain[..., None])


def relief(c: Canvas, height: Array, gloss: float = 40.0) -> tuple[Array, Array]:
    """Light a height field (in units) from the upper left.

    Returns the diffuse light relative to flat ground (0 where flat) and the glint in [0, 1].
    """
    dy, dx = (d * np.float32(c.unit) for d in np.gradient(height))
    norm = np.sqrt(dx * dx + dy * dy + 1)
    light = np.array([-0.48, -0.62, 0.62])
    light /= np.linalg.norm(light)
    half = light + np.array([0, 0, 1])
    half /= np.linalg.norm(half)
    diffuse = (-dx * light[0] - dy * light[1] + light[2]) / norm - light[2]
    glint = np.maximum((-dx * half[0] - dy * half[1] + half[2]) / norm, 0) ** gloss
    return diffuse.astype(np.float32), glint.astype(np.float32)


def blurred(c: Canvas, image: Array, sigma: float) -> Array:
    pixels = sigma * c.unit
    return image if pixels < 0.2 else np.asarray(cv2.GaussianBlur(image, (0, 0), pixels))


def sample(c: Canvas, field: NDArray[Any], points: Array) -> NDArray[Any]:
    """Read a field of the canvas ``c`` at points (..., 2) in units, nearest pixel."""
    column = np.clip((points[..., 0] * c.unit).astype(np.intp), 0, c.width - 1)
    row = np.clip((points[..., 1] * c.unit).astype(np.intp), 0, c.height - 1)
    return np.asarray(field[row, column])


def to_bytes(colour: ArrayLike) -> list[Any]:
    """Turn colours in [0, 1] into the plain lists of 0..255 that OpenCV takes."""
    return list(np.clip(np.asarray(colour) * 255, 0, 255).tolist())


def printed(c: Canvas, canvas: Pixels) -> Array:
    """Bring drawn bytes to the size of the sheet, and to [0, 1]."""
    small = cv2.resize(canvas, (c.width, c.height), interpolation=cv2.INTER_AREA)
    return np.asarray(small, np.float32) / 255


def disc(c: Canvas, canvas: Pixels, at: ArrayLike, radius: float, colour: ArrayLike) -> None:
    """Draw a disc; one that is smaller than a pixel still leaves a speck."""
    size = int(max(radius * c.unit, 0.5) * 2**SHIFT)
    cv2.circle(canvas, c.fixed(at).tolist(), size, to_bytes(colour), -1, cv2.LINE_AA, SHIFT)
