"""Style images that the library draws itself: no download, any size, one seed a picture.

A style image is worth transferring when it has something to say at every scale: a composition, the
elements it is built of (tiles, strokes, dots), and the grain of its material. All lengths below are
therefore in *units*, where one unit is the shorter side of the picture, and every random number is
drawn independently of the resolution: the same seed at 256 px and at 1,024 px is the same picture.

>>> from nstlib import art
>>> art.STYLES[:3]
('mosaic', 'candy', 'brushwork')
>>> art.draw("mosaic", (48, 64), seed=7).shape
(48, 64, 3)
"""

from __future__ import annotations

import operator
import zlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache, cached_property
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

from nstlib.errors import ArgumentError

if TYPE_CHECKING:
    from nstlib.images import Image

Array = NDArray[Any]  # of floats
Pixels = NDArray[np.uint8]
_Window = tuple[slice, slice]

MIN_SIDE, MAX_SIDE = 16, 4096
_LONGEST = 3.0  # units: a longer strip gets smaller elements instead of endlessly many
_SHIFT = 4  # OpenCV's drawing functions take fixed-point coordinates: 1/16 px


# --------------------------------------------------------------------------------------------------
# The canvas, noise, colour and light that all the styles share


@dataclass(frozen=True)
class _Canvas:
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

    def plan(self, unit: float = 256) -> _Canvas:
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
        return np.asarray(np.rint(pixels * 2**_SHIFT), np.int32)

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


def _noise(
    c: _Canvas, cells: float | tuple[float, float], octaves: int = 1, gain: float = 0.5
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


def _ridge(c: _Canvas, cells: float, octaves: int = 3) -> Array:
    """Return a skyline: noise over x alone, as a row."""
    return _noise(replace(c, height=1), (1.0, cells), octaves)


def _smoothstep(low: float, high: float, value: Array) -> Array:
    """Ramp from 0 at ``low`` to 1 at ``high``, level at both ends."""
    t = np.clip((value - np.float32(low)) / np.float32(high - low), 0, 1)
    return np.asarray(t * t * (3 - 2 * t))


def _rgb(colours: str) -> Array:
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


def _to_oklab(rgb: ArrayLike) -> Array:
    rgb = np.asarray(rgb, np.float64)
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    return np.asarray(np.cbrt(linear @ _TO_LMS.T) @ _TO_LAB.T)


def _from_oklab(lab: ArrayLike) -> Array:
    linear = (np.asarray(lab) @ np.linalg.inv(_TO_LAB).T) ** 3 @ np.linalg.inv(_TO_LMS).T
    linear = np.clip(linear, 0, 1)
    rgb = np.where(linear <= 0.0031308, linear * 12.92, 1.055 * linear ** (1 / 2.4) - 0.055)
    return np.asarray(rgb, np.float32)


def _palette(t: ArrayLike, colours: str) -> Array:
    """Colour values in [0, 1] with a smooth ramp through the given colours."""
    steps = np.clip(np.asarray(t, np.float32) * 1023 + 0.5, 0, 1023)
    return np.asarray(_ramp(colours)[steps.astype(np.intp)])


@cache
def _ramp(colours: str) -> Array:
    stops = _to_oklab(_rgb(colours))
    at, knots = np.linspace(0, 1, 1024), np.linspace(0, 1, len(stops))
    return _from_oklab(np.stack([np.interp(at, knots, s) for s in stops.T], axis=-1))


def _vary(
    rgb: ArrayLike,
    rng: np.random.Generator,
    lightness: float,
    hue: float = 0.0,
    chroma: float = 1.0,
) -> Array:
    """Give each colour of an array (..., 3) its own lightness and hue (standard deviations)."""
    lab = _to_oklab(rgb)
    noise = rng.normal(size=(*lab.shape[:-1], 2))
    angle = hue * noise[..., 1]
    a, b = lab[..., 1] * chroma, lab[..., 2] * chroma
    return _from_oklab(
        np.stack(
            [
                lab[..., 0] + lightness * noise[..., 0],
                a * np.cos(angle) - b * np.sin(angle),
                a * np.sin(angle) + b * np.cos(angle),
            ],
            axis=-1,
        )
    )


def _mix(a: ArrayLike, b: ArrayLike, weight: Array) -> Array:
    """Blend colours: ``a`` where the weight is 0, ``b`` where it is 1."""
    a, b = np.asarray(a, np.float32), np.asarray(b, np.float32)
    return np.asarray(a + (b - a) * weight[..., None])


def _light(colour: Array, gain: Array) -> Array:
    """Make each pixel ``gain`` times as bright."""
    return np.asarray(colour * gain[..., None])


def _relief(c: _Canvas, height: Array, gloss: float = 40.0) -> tuple[Array, Array]:
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


def _blur(c: _Canvas, image: Array, sigma: float) -> Array:
    pixels = sigma * c.unit
    return image if pixels < 0.2 else np.asarray(cv2.GaussianBlur(image, (0, 0), pixels))


def _sample(c: _Canvas, field: NDArray[Any], points: Array) -> NDArray[Any]:
    """Read a field of the canvas ``c`` at points (..., 2) in units, nearest pixel."""
    column = np.clip((points[..., 0] * c.unit).astype(np.intp), 0, c.width - 1)
    row = np.clip((points[..., 1] * c.unit).astype(np.intp), 0, c.height - 1)
    return np.asarray(field[row, column])


def _bytes(colour: ArrayLike) -> list[Any]:
    """Turn colours in [0, 1] into the plain lists of 0..255 that OpenCV takes."""
    return list(np.clip(np.asarray(colour) * 255, 0, 255).tolist())


def _printed(c: _Canvas, canvas: Pixels) -> Array:
    """Bring drawn bytes to the size of the sheet, and to [0, 1]."""
    small = cv2.resize(canvas, (c.width, c.height), interpolation=cv2.INTER_AREA)
    return np.asarray(small, np.float32) / 255


def _disc(c: _Canvas, canvas: Pixels, at: ArrayLike, radius: float, colour: ArrayLike) -> None:
    """Draw a disc; one that is smaller than a pixel still leaves a speck."""
    size = int(max(radius * c.unit, 0.5) * 2**_SHIFT)
    cv2.circle(canvas, c.fixed(at).tolist(), size, _bytes(colour), -1, cv2.LINE_AA, _SHIFT)


# --------------------------------------------------------------------------------------------------
# Mosaic


def _mosaic(c: _Canvas) -> Array:
    """Lay glass tesserae in curved rows: a sun with its rings over rolling hills.

    The tiles are a centroidal Voronoi diagram under a square metric that turns with the rows, after
    A. Hausner, "Simulating Decorative Mosaics", 2001.
    """
    rng, side = c.rng, 0.0205
    band, region, colour = _mosaic_plan(plan := c.plan(), side)
    dy, dx = np.gradient(band)
    angle = np.arctan2(dy, dx)

    # Lloyd's relaxation: each tile moves to the middle of its cell, then to the middle of its row.
    seeds = c.spread(1.2 / side**2)
    for step in range(10):
        turn = _sample(plan, angle, seeds)
        label, _ = _tiles(plan, seeds, turn, side)
        weight = np.bincount(label[label >= 0], minlength=len(seeds))
        row, column = np.nonzero(label >= 0)
        for axis, index in enumerate((column, row)):
            total = np.bincount(label[row, column], index + 0.5, minlength=len(seeds))
            moved = total / np.maximum(weight, 1) / plan.unit
            seeds[:, axis] = np.where(weight > 0, moved, seeds[:, axis])
        if step in (3, 6):  # where a row is crowded, leave tiles out
            seeds = seeds[weight > 0.55 * np.median(weight)]
        turn = _sample(plan, angle, seeds)
        off = _sample(plan, band, seeds) / side % 1 - 0.5
        seeds -= 0.5 * side * off[:, None] * np.stack([np.cos(turn), np.sin(turn)], axis=-1)

    turn = _sample(plan, angle, seeds) + rng.normal(0, 0.05, len(seeds))
    label, edge = _tiles(c, seeds, turn, side)
    tone = _vary(_sample(plan, colour, seeds), rng, 0.035, 0.1)
    gold = _sample(plan, region, seeds) == 0

    grout = _smoothstep(0, float(np.clip(0.8 / c.unit, 0.001, 0.002)), edge - 0.00085)
    stone = _noise(c, 40, 4, 0.8)
    tilt = rng.normal(0, 0.16, (len(seeds), 2)).astype(np.float32)
    slope = tilt[label, 0] * (c.x - seeds[label, 0]) + tilt[label, 1] * (c.y - seeds[label, 1])
    rounded = np.sqrt(np.clip(edge / 0.0045, 0, 1)) * 0.0022
    height = np.where(label >= 0, rounded + slope, 0) + 0.00016 * stone
    diffuse, glint = _relief(c, _blur(c, height.astype(np.float32), 0.0006), 28)
    streak = _noise(c, 60, 3, 0.7)

    glass = tone[label] * (1 + 0.9 * diffuse + 0.035 * streak)[..., None]
    glass += (glint * np.where(gold[label], 0.5, 0.28))[..., None]
    mortar = _palette(0.45 + 0.16 * stone, "#17120f #2e2620 #4c4136")
    return _mix(mortar, glass, np.where(label >= 0, grout, 0).astype(np.float32))


def _mosaic_plan(c: _Canvas, side: float) -> tuple[Array, NDArray[np.intp], Array]:
    """Return the row coordinate, the region (0 is the sun) and the colour of every point."""
    rng = c.rng
    sx, sy = c.w * rng.uniform(0.3, 0.7), c.h * rng.uniform(0.26, 0.36)
    radius = 6 * side
    r = np.hypot(c.x - sx, c.y - sy)
    band = r + 0.018 * _noise(c, 2.0) * _smoothstep(0.15, 0.5, r)
    ring = (band / side).astype(np.intp)
    # Rings of the sky: two or three rows of one colour, from gold by turquoise to the night.
    widths = rng.choice([1, 2, 2, 3], 200)
    step = np.repeat(np.arange(200), widths)[np.maximum(ring - 6, 0)]
    hue = 1.15 * (1 - np.exp(-step / 7)) + rng.normal(0, 0.06, 200)[step]
    sky = _palette(hue, "#fbe9a8 #ffd166 #9adcc4 #3fb0c9 #1b78bd #17509f #15327c #1a1c5e #2a1450")
    sky[step % 5 == 4] = _rgb("#f4b840")[0]
    sky[step % 7 == 5] = _rgb("#e2553d")[0]
    sun = _palette((band / radius), "#fff3b8 #ffd23f #ff9a1f #f0541e")
    colour = np.where((band < radius)[..., None], sun, sky)
    region = np.where(band < radius, 0, 1)
    ramps = (
        "#3d2c6e #6a4c9c #a678c8 #e3b7d8",
        "#0b4a5e #12808a #4fbfa5 #c8ecc0",
        "#0d4f3a #1f8a4c #7fbf3f #e4e07a",
        "#5a1738 #b0283f #ee6a3c #ffc15a",
    )
    for k, ramp in enumerate(ramps):
        roll = np.sin(2 * np.pi * (c.x / rng.uniform(0.8, 1.3) + rng.random()))
        base = c.h * (0.57 + 0.125 * k) + 0.04 * roll + 0.04 * _ridge(c, 1.6, 2)
        depth = c.y - base
        slope = np.hypot(1, np.gradient(base[0]) * c.unit)
        depth = (depth / slope).astype(np.float32)
        inside = depth > 0
        row = np.maximum(depth / side, 0).astype(np.intp)
        order = rng.permutation(np.tile(np.linspace(0.05, 0.95, 7), 30))
        steps = np.repeat(np.arange(200), rng.choice([1, 2, 2, 3], 200))
        hill = _palette(order[steps[np.minimum(row, 199)]], ramp)
        band = np.where(inside, depth, band)
        colour = np.where(inside[..., None], hill, colour)
        region = np.where(inside, k + 2, region)
    return band.astype(np.float32), region, colour


def _tiles(
    c: _Canvas, seeds: Array, turn: NDArray[Any], side: float
) -> tuple[NDArray[np.intp], Array]:
    """Give each pixel its nearest tile (-1: none) and its distance to that tile's edge."""
    best = np.full((c.height, c.width), 0.72 * side, np.float32)
    second = best.copy()
    label = np.full(best.shape, -1, np.intp)
    cos, sin = np.cos(turn).astype(np.float32), np.sin(turn).astype(np.float32)
    for k, (px, py) in enumerate(seeds.astype(np.float32)):
        window = c.window(float(px), float(py), 1.05 * side)
        u, v = c.x[:, window[1]] - px, c.y[window[0]] - py
        # The fourth powers make squares with soft corners, and no ties between neighbours in a row.
        across, along = u * cos[k] + v * sin[k], v * cos[k] - u * sin[k]
        metric = np.sqrt(np.sqrt((across * across) ** 2 + (along * along) ** 2))
        b, s = best[window], second[window]
        second[window] = np.minimum(s, np.maximum(b, metric))
        label[window][metric < b] = k
        best[window] = np.minimum(b, metric)
    return label, (second - best) / 2


# --------------------------------------------------------------------------------------------------
# Candy


def _candy(c: _Canvas) -> Array:
    """Scatter glossy sweets, lollipops and peppermints on flowing ribbons of sugar."""
    rng = c.rng
    sweet = _rgb("#ff2e74 #ff7a1a #ffd51f #18c7b5 #2b6cf0 #8a35d6 #f43b3b #59c836 #ff8fc4")
    warp = _noise(c, 1.3, 2), _noise(c, 1.3, 2)
    along = rng.uniform(0, np.pi)
    phase = 6.5 * (np.cos(along) * (c.x + 0.11 * warp[0]) + np.sin(along) * (c.y + 0.11 * warp[1]))
    stripe = np.floor(phase).astype(np.intp)
    order = np.concatenate([rng.permutation(len(sweet)) for _ in range(12)])
    fraction = (phase - stripe).astype(np.float32)
    colour = sweet[order[stripe % len(order)]].astype(np.float32)
    thread = np.abs((fraction * 3 + 0.12 * _noise(c, 6)) % 1 - 0.5)
    colour = _mix(colour, colour * 0.35 + 0.65, 0.6 * _smoothstep(0.33, 0.39, thread))
    height = 0.042 * np.sqrt(np.clip(1 - (2 * fraction - 1) ** 2, 0, 1)) + 0.0016 * _noise(c, 9, 2)
    shade, gloss = np.ones_like(height), np.zeros_like(height)

    radii = np.r_[
        rng.uniform(0.15, 0.22, 5),
        rng.uniform(0.07, 0.11, 16),
        rng.uniform(0.03, 0.05, 60),
        rng.uniform(0.012, 0.018, 160),
    ]
    placed = np.zeros((0, 3))
    for radius in np.repeat(radii, max(1, round(c.h * c.w))):
        for _ in range(12):
            x, y = rng.uniform(-0.05, c.w + 0.05), rng.uniform(-0.05, c.h + 0.05)
            gap = np.hypot(placed[:, 0] - x, placed[:, 1] - y) - placed[:, 2] - radius
            if not (gap < 0.006).any():
                placed = np.vstack([placed, (x, y, radius)])
                break
    for x, y, radius in placed:
        _sweet(c, (x, y, radius), sweet, (colour, height, shade, gloss))

    diffuse, glint = _relief(c, _blur(c, height, 0.0012), 60)
    grain = _noise(c, 150, 3, 0.8)
    light = np.clip(shade * (1 + 0.55 * diffuse), 0.02, None) * (1 + 0.012 * grain)
    # Shadows keep more blue than red, or white sugar would look grey.
    lit = colour * np.stack([light**0.92, light, light**0.62], axis=-1)
    return _mix(lit, np.ones(3), np.clip(0.75 * glint + gloss, 0, 0.95))


def _sweet(
    c: _Canvas,
    disc: tuple[float, float, float],
    sweet: Array,
    layers: tuple[Array, Array, Array, Array],
) -> None:
    """Put one sweet on the canvas: its colours, its rounded body, the shadow under it."""
    rng, (colour, height, shade, gloss) = c.rng, layers
    x, y, radius = disc
    a, b, d = sweet[rng.permutation(len(sweet))[:3]]
    kind, arms, turns = rng.integers(4), rng.integers(4, 9), rng.uniform(2.5, 5.0)
    spin, start = rng.uniform(1.2, 3.0) * rng.choice([-1, 1]), rng.uniform(0, 2 * np.pi)
    window = c.window(x, y, 1.5 * radius)
    u, v = (c.x[:, window[1]] - x) / radius, (c.y[window[0]] - y) / radius
    if not u.size or not v.size:
        return
    soft = 1.5 / (radius * c.unit)
    fall = np.hypot(u - 0.13, v - 0.17)
    shade[window] *= 1 - 0.62 * (1 - _smoothstep(0.75, 1.3, fall))
    r = np.hypot(u, v)
    body = 1 - _smoothstep(1 - soft, 1, r)
    angle = np.arctan2(v, u) + start
    dome = np.sqrt(np.clip(1 - np.clip(r, 0, 1) ** 2.6, 0, 1)) * 0.55 * radius
    white = np.array([1, 0.98, 0.95])
    groove = np.zeros_like(r)
    if radius < 0.025 or (radius < 0.06 and kind == 0):  # a gum ball
        paint = np.broadcast_to(a, (*r.shape, 3))
    elif kind <= 1:  # a rolled lollipop: a rope wound up, two colours and white
        rope = r * turns - np.sign(spin) * angle / np.pi  # two ropes, so that the colours meet
        winding = rope % 1
        groove = 0.16 * np.sqrt(np.clip(1 - (2 * winding - 1) ** 2, 0, 1)) / turns
        twist = (angle * arms * 1.5 / np.pi + winding * 0.9) % 1
        paint = _mix(a, white, _smoothstep(0.46, 0.54, np.abs(twist * 2 - 1)))
        paint = _mix(paint, b, (np.floor(rope) % 2 * 0.85).astype(np.float32))
    elif kind == 2:  # a peppermint: curved arms
        wheel = np.abs((angle * arms / (2 * np.pi) + spin * r**1.3) % 1 * 2 - 1)
        edge = soft * arms / (2 * np.maximum(r, 0.05)) + 0.04
        paint = _mix(white, a, _smoothstep(0, 0.5, (wheel - 0.5) / edge + 0.25))
        paint = _mix(paint, d, 1 - _smoothstep(0.16, 0.16 + soft, r))
    else:  # a jelly flower: petals within petals
        wave = 0.5 + 0.5 * np.cos(angle * arms)
        paint = np.broadcast_to(a, (*r.shape, 3))
        for tint, reach in ((white, 0.98), (b, 0.9), (d, 0.62), (white, 0.4), (a, 0.33)):
            petal = (0.62 + 0.38 * wave) * reach - r
            paint = _mix(paint, tint, _smoothstep(-soft, soft, petal))
        groove = 0.06 * wave * np.exp(-(((r - 0.55) / 0.3) ** 2))
    colour[window] = _mix(colour[window], paint, body.astype(np.float32))
    height[window] = np.where(r < 1, 0.02 + dome + groove * radius, height[window])
    shade[window] = shade[window] * (1 - body) + body * (1 - 0.3 * _smoothstep(0.65, 1.0, r))
    # Two reflections make it shine: a window at the upper left, the table at the lower right.
    far, side = (u + v) / np.sqrt(2), (u - v) / np.sqrt(2)
    pane = np.exp(-(((far + 0.62) / 0.1) ** 4) - ((side / 0.36) ** 4))
    rim = np.exp(-(((r - 0.88) / 0.05) ** 2)) * np.clip(far, 0, 1) ** 2
    gloss[window] = gloss[window] * (1 - body) + body * (0.7 * pane + 0.35 * rim)


# --------------------------------------------------------------------------------------------------
# Brushwork


def _brushwork(c: _Canvas) -> Array:
    """Paint with thousands of loaded brush strokes: a turning night sky over wheat and poplars."""
    colour, angle = _night(plan := c.plan())
    # Red, green, blue, and the thickness of the paint.
    canvas = np.empty((c.height, c.width, 4), np.uint8)
    under = cv2.resize(colour, (c.width, c.height), interpolation=cv2.INTER_LINEAR)
    canvas[..., :3] = np.clip(under * 200, 0, 255)
    canvas[..., 3] = 90
    #        strokes a unit², length, width, bristles, variation
    for count, length, width, bristles, vary in (
        (700, 0.120, 0.034, 12, 0.030),
        (2100, 0.080, 0.016, 8, 0.040),
        (4200, 0.052, 0.0085, 5, 0.050),
    ):
        start, scene = c.spread(count, length), (plan, colour, angle)
        _strokes(c, canvas, start, scene, length, width, bristles, vary)

    paint = canvas[..., :3].astype(np.float32) / 255
    thick = canvas[..., 3].astype(np.float32) / 255
    weave = _noise(c, (130, 130), 2, 0.7)
    height = 0.0042 * _blur(c, thick, 0.0007) + 0.004 * _blur(c, thick, 0.003) + 0.00008 * weave
    diffuse, glint = _relief(c, height, 30)
    return _light(paint, 1 + 0.55 * diffuse) + (0.10 * (glint - 0.12))[..., None]


def _night(c: _Canvas) -> tuple[Array, Array]:
    """Return the colours of the scene and the direction of its brush strokes."""
    rng = c.rng
    x, y = np.broadcast_arrays(c.x, c.y)
    land = c.h * rng.uniform(0.62, 0.68) + 0.035 * _ridge(c, 1.6, 2)
    # The sky flows along the contours of a stream function: wind, whirls, halos around the stars.
    stream = 0.55 * (y + 0.05 * _noise(c, 1.6, 2))
    glow, turning = np.zeros_like(stream), np.zeros_like(stream)
    arms = np.zeros_like(stream)
    whirls = ((0.34, 0.33, 0.105), (0.62, 0.24, 0.075), (0.08, 0.2, 0.06), (0.9, 0.46, 0.07))
    for k, (px, py, size) in enumerate(whirls):
        u = x - c.w * (px + rng.uniform(-0.07, 0.07))
        v = y - c.h * (py + rng.uniform(-0.04, 0.04))
        r = np.hypot(u, v)
        near = np.exp(-((r / (1.35 * size)) ** 2))
        stream = stream + (-1) ** k * 2.4 * size * np.exp(-(r**2) / (2 * size**2))
        spiral = 0.5 + 0.5 * np.cos(2 * np.arctan2(v, u) - (-1) ** k * 9 * r / size)
        arms, turning = arms * (1 - near) + near * spiral, np.maximum(turning, near)
    lights = [(c.w * rng.uniform(0.76, 0.86), rng.uniform(0.13, 0.18), 0.05)]
    for px, py in rng.random((200, 2)) * [c.w, 0.42]:
        size = rng.uniform(0.009, 0.017)
        if len(lights) < 10 * c.w and all(
            np.hypot(px - a, py - b) > 4 * (size + s) for a, b, s in lights
        ):
            lights.append((px, py, size))
    for px, py, size in lights:
        r = np.hypot(x - px, y - py)
        near = np.exp(-((r / (3.6 * size)) ** 4))
        stream = stream * (1 - near) + near * r
        turning = turning * (1 - near)
        ripple = 0.85 + 0.15 * np.cos(2 * np.pi * r / (1.1 * size))
        halo = np.where(r < size, 1.0, 0.85 * ripple * np.exp(-((r - size) / (1.7 * size))))
        glow = np.maximum(glow, halo)
    dy, dx = np.gradient(stream.astype(np.float32))
    angle = np.arctan2(-dx, dy)
    bands = 0.5 + 0.5 * np.sin(2 * np.pi * (stream * 5.5 + 0.12 * _noise(c, 3)))
    bands = bands * (1 - turning) + 1.15 * arms * turning
    level = 0.08 + 0.52 * bands + 0.25 * (y / c.h / 0.65) ** 2 + 0.08 * _noise(c, 5, 2)
    colour = _palette(level, "#0a1236 #142c78 #1d55b5 #3f8fd0 #8cc9d8 #dbe8c4")
    fire = _palette(glow, "#2c7cc0 #7fc0a8 #e6d35c #ffc62e #ffdd66 #fff6c9")
    colour = _mix(colour, fire, _smoothstep(0.08, 0.42, glow.astype(np.float32)))

    # Hills, then the wheat, whose strokes lean with the wind.
    def layer(base: Array, ramp: str, level: Array, direction: ArrayLike) -> None:
        nonlocal colour, angle
        inside = y > base
        colour = np.where(inside[..., None], _palette(level, ramp), colour)
        angle = np.where(inside, direction, angle)

    slope = np.arctan(np.gradient(land[0]) * c.unit)
    far = land - 0.055 - 0.04 * np.abs(_ridge(c, 2.5, 2))
    level = 0.45 + 0.3 * _noise(c, 6, 2) - 2 * (y - far)
    layer(far, "#0c1c4e #1c3f86 #3a6fae #6fa3bf", level, np.arctan(np.gradient(far[0]) * c.unit))
    level = 0.5 + 0.3 * _noise(c, (9, 4), 2) - 2.5 * (y - land)
    layer(land, "#0d2a2f #1b5148 #3f7d4a #9aa845", level, slope)
    field = land + 0.075 + 0.02 * _ridge(c, 2.2, 2)
    # Furrows run towards a vanishing point on the edge of the field.
    away, side = np.maximum(y - field, -0.03) + 0.05, x - c.w * rng.uniform(0.3, 0.7)
    rows = 0.5 + 0.5 * np.sin(2 * np.pi * (0.8 * side / away + 0.2 * _noise(c, 3, 2)))
    level = 0.1 + 0.62 * rows + 0.22 * np.exp(-away / 0.1) + 0.13 * _noise(c, 7, 2)
    lean = np.arctan2(away, side + 0.25 * away) + np.pi + 0.35 * _noise(c, 3, 2)
    layer(field, "#1f4f5a #6b6a2a #b8771a #eeaa22 #ffd145 #fff0a8", level, lean)
    # Poplars: dark flames between land and sky.
    first = rng.uniform(0.08, 0.2)
    trees = ((0.0, 0.5), (0.085, 0.38), (0.15, 0.27), (0.6, 0.2), (0.65, 0.15))
    for px, top in ((first + offset, top) for offset, top in trees):
        foot = field[0, min(int(px * c.w * c.unit), c.width - 1)] + 0.02 + 0.1 * top
        t = (foot - y) / (top * rng.uniform(0.9, 1.1))
        half = 0.16 * top * np.sqrt(np.clip(t, 0, 1)) * np.clip(1.02 - t, 0, 1) ** 0.8
        sway = px * c.w + 0.012 * np.sin(9 * t + first) * t
        offset = (x - sway + 0.004 * _noise(c, 14)) / np.maximum(half, 1e-4)
        inside = (np.abs(offset) < 1) & (t > 0) & (t < 1.02)
        level = 0.45 - 0.4 * offset + 0.25 * _noise(c, 12, 2)
        colour = np.where(
            inside[..., None], _palette(level, "#07141f #0f2f2c #23543a #6d7f35"), colour
        )
        angle = np.where(inside, -np.pi / 2 + 0.5 * offset + 0.4 * _noise(c, 7), angle)
    return colour.astype(np.float32), angle.astype(np.float32)


def _strokes(
    c: _Canvas,
    canvas: Pixels,
    start: Array,
    scene: tuple[_Canvas, Array, Array],
    length: float,
    width: float,
    bristles: int,
    vary: float,
) -> None:
    """Paint strokes along a field of directions, bristle by bristle."""
    rng, (plan, colour, angle) = c.rng, scene
    count, steps = len(start), 7
    stride = length / steps * rng.uniform(0.7, 1.25, count)[:, None]
    path = [start]
    for _ in range(steps - 1):
        turn = _sample(plan, angle, path[-1])
        path.append(path[-1] + stride * np.stack([np.cos(turn), np.sin(turn)], axis=-1))
    track = np.stack(path, axis=1)  # (count, steps, 2)
    ahead = np.gradient(track, axis=1)
    normal = np.stack([-ahead[..., 1], ahead[..., 0]], axis=-1)
    normal /= np.maximum(np.linalg.norm(normal, axis=-1, keepdims=True), 1e-9)
    lane = np.linspace(-1, 1, bristles) + rng.normal(0, 0.5 / bristles, (count, bristles))
    taper = np.sin(np.linspace(0.2, np.pi - 0.25, steps)) ** 0.5
    reach = width / 2 * taper[:, None] * normal
    lines = c.fixed(track[:, None] + lane[..., None, None] * reach[:, None])

    middle = _sample(plan, colour, track[:, steps // 3])
    base = _vary(middle, rng, vary, 0.16, 1.06)
    # One stroke in five carries a second, unmixed pigment on one side of the brush.
    second = _vary(middle, rng, 2.5 * vary, 0.5, 1.1)
    part = (lane > rng.uniform(-0.2, 0.9, (count, 1))) & (rng.random((count, 1)) < 0.22)
    shades = np.where(part[..., None], second[:, None], base[:, None])
    shades = shades + rng.normal(0, 0.028, (count, bristles, 1))
    # The brush pushes the paint to its sides, and every bristle leaves its own ridge.
    load = 0.42 + 0.2 * np.abs(lane) + rng.uniform(-0.2, 0.25, (count, bristles))
    ink = np.clip(np.concatenate([shades, load[..., None]], axis=-1) * 255, 0, 255)
    first = rng.integers(0, 2, (count, bristles)).tolist()
    last = (steps - rng.integers(0, 3, (count, bristles))).tolist()
    pen = c.pixels(1.5 * width / bristles)
    for stroke, inks, begins, ends in zip(lines, ink.tolist(), first, last, strict=True):
        for line, shade, i, j in zip(stroke, inks, begins, ends, strict=True):
            cv2.polylines(canvas, [line[i:j]], False, shade, pen, cv2.LINE_AA, _SHIFT)


# --------------------------------------------------------------------------------------------------
# Shards


def _shards(c: _Canvas) -> Array:
    """Fold cubist planes: a sheet broken again and again, earthy, with one loud colour."""
    rng = c.rng
    focus = np.array([c.w * rng.uniform(0.4, 0.6), c.h * rng.uniform(0.4, 0.58)])
    lean = rng.uniform(0.1, 0.4) * np.pi
    frame = np.array([[0, 0], [1, 0], [1, 1], [0, 1]]) * [c.w + 0.04, c.h + 0.04] - 0.02
    shards = [frame]
    done: list[Array] = []
    while shards:
        shard = shards.pop()
        middle = shard.mean(axis=0)
        area = cv2.contourArea(shard.astype(np.float32))
        far = np.linalg.norm((middle - focus) / [max(c.w, 1), max(c.h, 1)])
        if area < (0.0016 + 0.035 * far**2) * rng.uniform(0.5, 2.2):
            done.append(shard)
            continue
        shards += _split(shard, lean, rng)

    ramps = (
        "#1f1a14 #5a452b #a67f45 #dcbb7c #faecc8",
        "#16222e #33505f #6f929a #b9c8bd #f3eed9",
        "#2a170f #7a3a1c #bf6a2c #e7a755 #fbdfa6",
    )
    accent = "#5a0d12 #a8201a #e4472a #ff8a4c"
    colour = np.zeros((c.height, c.width, 3), np.float32)
    height = np.zeros((c.height, c.width), np.float32)
    mood = _noise(plan := c.plan(64), 1.6, 2)
    dabs = [_dabs(c, a) for a in np.arange(6) * np.pi / 6]
    loud = rng.random(len(done)) < 0.085
    for shard, is_loud in zip(done, loud, strict=True):
        edge_at, dab = int(rng.integers(len(shard))), dabs[rng.integers(len(dabs))]
        tone, fall, tilt = rng.normal(0, 0.1), rng.choice([-0.42, 0.42]), rng.normal(0, 0.12, 2)
        ramp = accent if is_loud else ramps[rng.choice(3, p=[0.45, 0.3, 0.25])]
        middle = shard.mean(axis=0)
        window = c.window(middle[0], middle[1], np.linalg.norm(shard - middle, axis=1).max())
        x, y = c.x[:, window[1]], c.y[window[0]]
        if not x.size or not y.size:
            continue
        mask = np.zeros((y.size, x.size), np.uint8)
        origin = [window[1].start / c.unit, window[0].start / c.unit]
        cv2.fillConvexPoly(mask, c.fixed(shard - origin), 1, cv2.LINE_8, _SHIFT)
        inside = mask > 0
        # Each plane is lit from one of its edges and fades into its neighbour.
        corner = shard[edge_at]
        edge = shard[(edge_at + 1) % len(shard)] - corner
        normal = np.array([-edge[1], edge[0]]) / max(np.linalg.norm(edge), 1e-9)
        normal *= np.sign(normal @ (middle - corner))
        depth = (x - corner[0]) * normal[0] + (y - corner[1]) * normal[1]
        depth = np.maximum(depth / max(((shard - corner) @ normal).max(), 1e-9), 0)
        shine = np.exp(-(np.linalg.norm(middle - focus) ** 2) / 0.09)
        level = 0.5 + 0.13 * _sample(plan, mood, middle) + 0.16 * shine + tone
        level = level + fall * (np.exp(-2.4 * depth) - 0.35) + 0.045 * dab[window]
        colour[window][inside] = _palette(level[inside], ramp)
        plane = tilt[0] * (x - middle[0]) + tilt[1] * (y - middle[1]) + 0.0007 * dab[window]
        height[window][inside] = plane[inside]

    # Arcs laid over the shards, as the curves of a guitar and the rims of glasses in a still life.
    ink = np.full((c.height, c.width), 255, np.uint8)
    pen = c.pixels(0.0022)
    for k in range(9):
        centre = focus + rng.normal(0, 0.2, 2)
        radius, start = rng.uniform(0.07, 0.27), rng.uniform(-np.pi, np.pi)
        window = c.window(centre[0], centre[1], 1.05 * radius)
        u, v = c.x[:, window[1]] - centre[0], c.y[window[0]] - centre[1]
        opening = rng.uniform(1.0, 2.2)
        turn = np.abs((np.arctan2(v, u) - start + np.pi) % (2 * np.pi) - np.pi)
        r = np.hypot(u, v)
        inside = _smoothstep(0, 1.5 / c.unit, radius - r) * (turn < opening)
        fade = inside * np.clip(r / radius, 0, 1) ** 3
        glass = _rgb("#fff0cc #0d0d0d")[k % 2]
        colour[window] = _mix(colour[window], glass, 0.47 * fade)
        angles = start + np.linspace(-opening, opening, 120)
        arc = centre + radius * np.stack([np.cos(angles), np.sin(angles)], axis=-1)
        cv2.polylines(ink, [c.fixed(arc)], False, 50, pen, cv2.LINE_AA, _SHIFT)
    for shard in done:
        if rng.random() < 0.75:
            cv2.polylines(
                ink, [c.fixed(shard)], True, int(rng.integers(30, 150)), pen, cv2.LINE_AA, _SHIFT
            )
    faint = min(1.0, 0.0022 * c.unit)  # a pen is a pixel wide at least
    line = 1 - faint * (1 - _blur(c, ink.astype(np.float32) / 255, 0.0006))
    weave = _noise(c, (150, 150), 2, 0.8)
    diffuse, _ = _relief(c, height + 0.00012 * weave)
    return _light(colour, 0.25 + 0.75 * line + 0.5 * diffuse + 0.02 * weave)


def _split(shard: Array, lean: float, rng: np.random.Generator) -> list[Array]:
    """Cut a convex polygon in two by a line through it, near one of a few directions."""
    turn = lean + rng.choice([0, 0.33, 0.5, 0.83]) * np.pi + rng.normal(0, 0.13)
    normal = np.array([np.cos(turn), np.sin(turn)])
    weights = rng.dirichlet(np.full(len(shard), 2.0))
    side = (shard - weights @ shard) @ normal
    halves: tuple[list[Array], ...] = ([], [])
    for k, corner in enumerate(shard):
        after = (k + 1) % len(shard)
        halves[int(side[k] > 0)].append(corner)
        if (side[k] > 0) != (side[after] > 0):
            cut = corner + (shard[after] - corner) * side[k] / (side[k] - side[after])
            halves[0].append(cut)
            halves[1].append(cut)
    return [np.array(half) for half in halves if len(half) > 2]


def _dabs(c: _Canvas, turn: float) -> Array:
    """Return noise drawn out along one direction, as a dry brush leaves it."""
    length = max(3, 2 * int(0.014 * c.unit) + 1)
    kernel = np.zeros((length, length), np.float32)
    reach = length / 2 * np.array([np.cos(turn), np.sin(turn)])
    ends = [tuple(np.rint(length // 2 + s * reach).astype(int).tolist()) for s in (-1, 1)]
    cv2.line(kernel, ends[0], ends[1], 1.0, c.pixels(0.001))
    streaks = cv2.filter2D(_noise(c, 110, 2, 0.9), -1, kernel / kernel.sum())
    return np.asarray(streaks / max(float(streaks.std()), 1e-6), np.float32)


# --------------------------------------------------------------------------------------------------
# Waves

_PRUSSIAN = "#0b1f3f #143a66 #2a6294 #6c9fb8 #b9d0cc"


def _waves(c: _Canvas) -> Array:
    """Draw a woodblock sea: striped breakers with scalloped foam under a paper sky."""
    rng = c.rng
    fade = np.broadcast_to(c.y / c.h, (c.height, c.width)) + 0.012 * _noise(c, (14, 2), 2)
    sky = _palette(fade / 0.62, "#35608a #8fb0b6 #e6dcc0 #f3e2bf #f0cfa2 #e8b98f")
    # Cut twice as fine as the sheet: the stripes of the far waves are thinner than a pixel.
    fine = c.plan(2 * c.unit)
    canvas: Pixels = np.empty((fine.height, fine.width, 3), np.uint8)
    canvas[:] = cv2.resize(sky * 255, (fine.width, fine.height))
    sun = c.w * rng.uniform(0.25, 0.75), c.h * rng.uniform(0.2, 0.27)
    _disc(fine, canvas, sun, 0.095, _rgb("#c9432e")[0])
    rows = 8
    for k in range(rows):
        _breaker(fine, canvas, k / (rows - 1))
    image = _printed(c, canvas)
    # Ink on paper: uneven pressure, the grain of the plank, and the fibres of the sheet.
    plank = _noise(c, (90, 3), 3, 0.7)
    press = _noise(c, 5, 3)
    fibre = _noise(c, 110, 3, 0.9) + 0.5 * _noise(c, 18, 2)
    dark = 1 - image.mean(axis=-1)
    pressed = (1 + dark * (0.05 * plank + 0.05 * press)) * (1 + 0.016 * fibre)
    return _light(image * _rgb("#fffaf0")[0].astype(np.float32), pressed)


def _breaker(c: _Canvas, canvas: Pixels, near: float) -> None:
    """Draw one row of waves: a stack of nested stripes, then foam along the crests."""
    rng = c.rng
    base = c.h * (0.46 + 0.6 * near**1.15)
    tall = 0.035 + 0.3 * near**1.3
    apart = 0.16 + 0.62 * near
    count = int(c.w / apart) + 4
    peaks = (np.arange(count) - 1.5 + rng.uniform(-0.25, 0.25, count) + rng.random()) * apart
    heights = tall * rng.uniform(0.55, 1.1, count)
    t = np.linspace(-0.3, c.w + 0.3, 900)
    s = (t[:, None] - peaks) / apart
    shape = np.where(s < 0, np.exp(-(np.abs(s / 0.42) ** 1.7)), np.exp(-(np.abs(s / 0.2) ** 1.5)))
    swell = (shape * heights).max(axis=1)
    crest = swell / tall

    def curve(rise: float, drop: float) -> Array:
        lean = 0.62 * tall * np.maximum(crest * rise, 0) ** 2.6
        hook = 0.22 * tall * np.maximum(crest * rise - 0.55, 0) ** 2 * 4
        return np.stack([t + lean, base + drop - swell * rise + hook * 0.5], axis=-1)

    def fill(points: Array, colour: ArrayLike) -> None:
        floor = np.array([[c.w + 0.5, c.h + 0.5], [-0.5, c.h + 0.5]])
        cv2.fillPoly(
            canvas, [c.fixed(np.concatenate([points, floor]))], _bytes(colour), cv2.LINE_8, _SHIFT
        )

    ramp = _palette(np.linspace(0, 1, 100), _PRUSSIAN)
    dark, cream = _rgb("#0b1c38")[0], _rgb("#f4ead2")[0]
    line = 0.0018 + 0.0022 * near
    fill(curve(1, -line), dark)
    stripes = 5 + round(8 * near)
    for j in range(stripes):
        f = j / stripes
        tone = (0.72 - 0.55 * f if j % 2 == 0 else 0.25 - 0.2 * f) + 0.25 * (1 - near)
        fill(curve(1 - 0.8 * f, 0.12 * tall * f + (0.012 * f)), ramp[int(np.clip(tone, 0, 1) * 99)])

    # Foam: overlapping discs; all the outlines first, so that only the outer one stays.
    edge = curve(1, 0)
    lip = np.flatnonzero(crest > 0.5)
    if not len(lip):
        return
    picks = rng.choice(lip, max(4, int(len(lip) * 0.6)))
    inner = rng.random(len(picks)) ** 1.6 * 0.16 * tall
    spots = edge[picks] + np.stack([-0.3 * inner, inner], axis=-1)
    sizes = (0.012 + 0.05 * tall) * rng.uniform(0.35, 1.0, len(picks)) * (crest[picks] ** 1.5)
    # Claws: chains of shrinking discs that reach forward from the lip.
    chains = [(spots, sizes)]
    front = np.flatnonzero((crest > 0.72) & (np.gradient(swell) < 0))
    if len(front):
        root = edge[rng.choice(front, max(3, len(front) // 3))]
        bend = rng.uniform(0.1, 0.7, len(root))
        for step in range(1, 6):
            root = root + 0.034 * tall * np.stack([np.cos(bend), np.sin(bend)], axis=-1) * 1.2
            bend = bend + 0.28
            chains.append((root, np.full(len(root), 0.03 * tall * (1 - step / 7)) + 0.001))
    spray = edge[rng.choice(lip, 20 + int(60 * near))]
    spray = spray + np.abs(rng.normal(0, 0.22 * tall, spray.shape)) * [1.1, -0.8]
    chains.append((spray, 0.0012 + 0.0035 * near * rng.random(len(spray))))
    for grow, colour in ((line, dark), (0.0, cream)):
        for points, radii in chains:
            for point, radius in zip(points, radii, strict=True):
                _disc(c, canvas, point, radius + grow, colour)
    shade, pen = _bytes(_rgb("#9dbcc4")[0]), c.pixels(0.5 * line)
    for point, radius, turn in zip(spots, sizes, rng.uniform(0, 90, len(spots)), strict=True):
        at, size = c.fixed(point).tolist(), int(max(0.62 * radius * c.unit, 1) * 2**_SHIFT)
        cv2.ellipse(canvas, at, (size, size), turn, 0, 150, shade, pen, cv2.LINE_AA, _SHIFT)


# --------------------------------------------------------------------------------------------------
# Pointillism


def _pointillism(c: _Canvas) -> Array:
    """Paint a river afternoon in dots of pure colour, each region flecked with its complement."""
    rng = c.rng
    scene = _river(plan := c.plan(224))
    canvas = np.empty((c.height, c.width, 3), np.uint8)
    ground = cv2.resize(_blur(plan, scene, 0.01), (c.width, c.height))
    canvas[:] = np.clip(ground * 205 + 25, 0, 255)
    for radius, cover in ((0.0095, 1.6), (0.0072, 0.9), (0.0048, 0.75)):
        spots = c.spread(cover / (np.pi * radius**2), 0.01)
        lab = _to_oklab(_sample(plan, scene, spots))
        n = len(spots)
        lab[:, 0] += rng.normal(0, 0.026, n)
        # Chevreul's contrast: mostly neighbours on the colour circle, some straight across it.
        straight = rng.random(n) < 0.1
        turn = np.where(straight, np.pi, rng.normal(0, 0.36, n))
        chroma = np.hypot(lab[:, 1], lab[:, 2]) * np.where(straight, 0.8, 1.2) + 0.024
        hue = np.arctan2(lab[:, 2], lab[:, 1]) + turn
        lab[:, 1], lab[:, 2] = chroma * np.cos(hue), chroma * np.sin(hue)
        inks = np.clip(_from_oklab(lab) * 255, 0, 255).tolist()
        sizes = np.maximum(radius * rng.uniform(0.7, 1.15, n) * c.unit, 0.5) * 2**_SHIFT
        for spot, size, ink in zip(
            c.fixed(spots).tolist(), sizes.astype(int).tolist(), inks, strict=True
        ):
            cv2.circle(canvas, spot, size, ink, -1, cv2.LINE_AA, _SHIFT)
    paint = canvas.astype(np.float32) / 255
    tone = _blur(c, paint.mean(axis=-1), 0.0007)
    diffuse, _ = _relief(c, 0.0016 * tone + 0.0001 * _noise(c, 140, 2, 0.8))
    return _light(paint, 1 + 0.35 * diffuse)


def _river(c: _Canvas) -> Array:
    """Return the colours of a landscape: sky, far hills, water with reflections, trees, meadow."""
    rng = c.rng
    x, y = np.broadcast_arrays(c.x, c.y)
    horizon = c.h * rng.uniform(0.4, 0.46)
    sun = c.w * rng.uniform(0.25, 0.75), horizon - 0.1
    sky_level = y / horizon
    scene = _palette(sky_level, "#2f6cc0 #4f93d6 #8cc4e6 #d5e0cf #ffd79a #ffb079")
    cloud = _noise(c, (8, 2.4), 4, 0.55) - 0.35
    scene = _mix(
        scene, _palette(sky_level, "#fbf3ea #ffe6d8 #ffc0a6"), 0.85 * _smoothstep(0.2, 1.0, cloud)
    )
    glow = np.hypot(x - sun[0], y - sun[1])
    scene = _mix(scene, _rgb("#ffe9a8")[0], 0.85 * np.exp(-((glow / 0.16) ** 2)))
    scene = _mix(scene, _rgb("#fff7d6")[0], 1 - _smoothstep(0.036, 0.042, glow))

    def cover(mask: Array, level: Array, ramp: str) -> None:
        nonlocal scene
        scene = _mix(scene, _palette(level, ramp), mask)

    ragged, speckle, grove = 0.004 * _noise(c, 30, 2), _noise(c, 24), _noise(c, 3, 2)
    hills = horizon - 0.03 - 0.035 * np.abs(_ridge(c, 2.2, 3))
    cover(
        _smoothstep(0, 0.004, y - hills),
        0.5 + 6 * (y - hills) + 0.2 * _noise(c, 9, 2),
        "#4a5ea8 #7f86c4 #b9a8cf",
    )
    for px in rng.permutation(np.linspace(-0.02, c.w, int(44 * c.w) + 2)):
        size = rng.uniform(0.008, 0.03) * (
            1.3 if _sample(c, grove, np.array([px, 0.0])) > 0.3 else 0.6
        )
        lump = np.hypot((x - px) / 1.15, y - horizon + 0.6 * size) + ragged
        level = 0.5 - 0.3 * (x - px + y - horizon + size) / size + 0.15 * speckle
        cover(_smoothstep(0, 0.004, size - lump), level, "#1c3f5e #2a6f5e #6da24a #d9d56a")
    # The water repeats the sky upside down, broken by ripples.
    below = np.clip(y - horizon, 0, None)
    wobble = 0.02 * _noise(c, (38, 5), 2) * (0.3 + 3 * below)
    row = np.clip((horizon - below * 0.95 + wobble) * c.unit, 0, c.height - 1).astype(np.intp)
    column = np.clip((x + 2 * wobble) * c.unit, 0, c.width - 1).astype(np.intp)
    deep = _palette(below / (c.h - horizon), "#8fb4dc #4f93d2 #2b6fbd #2457a6")
    mirror = _mix(scene[row, column], deep, (0.6 + 0.4 * below / c.h).astype(np.float32))
    warm = np.exp(-(((x - sun[0]) / (0.05 + 0.35 * below)) ** 2)) * (1 - below / (c.h - horizon))
    mirror = _mix(
        mirror, _rgb("#ffd98f")[0], 0.75 * warm * _smoothstep(-0.5, 0.8, _noise(c, (52, 6), 2))
    )
    glint = _smoothstep(0.6, 1.8, _noise(c, (46, 7), 2))
    mirror = _mix(mirror, _rgb("#fff3cf")[0], 0.6 * glint)
    scene = np.where((y > horizon)[..., None], mirror, scene)
    for px in rng.uniform(0.1, 0.9, 4) * c.w:
        size, foot = rng.uniform(0.035, 0.075), horizon + rng.uniform(0.015, 0.07)
        up = (foot - y) / size
        inside = (up > 0) & (up < 1) & (x - px < 0.34 * size * (1 - up)) & (x - px > -0.04 * size)
        echo = (up < 0) & (up > -0.9) & (np.abs(x - px - 0.1 * size) < 0.16 * size * (1 + up))
        hull = (np.abs(up + 0.06) < 0.07) & (np.abs(x - px - 0.1 * size) < 0.36 * size)
        scene[echo] = 0.5 * scene[echo] + 0.5 * _rgb("#f7ead0")[0]
        scene[inside] = _rgb("#fff4e0")[0]
        scene[hull] = _rgb("#8c2f39")[0]
    # The near bank: meadow in stripes of light and shade, flowers, and one large tree.
    side = rng.choice([-1, 1])
    across = x / c.w if side > 0 else 1 - x / c.w
    bank = c.h * (0.98 - 0.36 * across**1.6) + 0.02 * _ridge(c, 2.5, 3)
    depth = y - bank
    level = (
        0.62
        + 0.3 * np.sin(2 * np.pi * (depth * 6 + 0.3 * _noise(c, 2, 2)))
        + 0.14 * _noise(c, 14, 2)
    )
    cover(_smoothstep(0, 0.005, depth), level, "#123f5e #17655a #3b8f45 #86b544 #e3d557")
    bed = _smoothstep(-0.6, 0.3, _noise(c, 3)) * (depth > 0.03)
    scene[_noise(c, 70) * bed > 1.5] = _rgb("#f0465f")[0]
    scene[_noise(c, 70) * bed > 1.6] = _rgb("#fff2d8")[0]
    trunk = c.w * (0.5 + side * rng.uniform(0.3, 0.36))
    foot = c.h * rng.uniform(0.74, 0.8)
    shadow = np.hypot((x - trunk + side * 0.1) / 0.3, (y - foot - 0.02) / 0.035) + 0.1 * _noise(
        c, 12, 2
    )
    cover(
        0.8 * (1 - _smoothstep(0.75, 1.0, shadow)) * (depth > 0),
        0.3 + 0.2 * _noise(c, 18),
        "#1a2f6b #2c5a86 #3f8a6a",
    )
    bend = trunk + 0.018 * np.sin(5 * (foot - y) + 1)
    wide = 0.014 + 0.03 * np.exp(-(foot - y) / 0.04)
    bark = _smoothstep(0, 0.004, wide - np.abs(x - bend)) * (y < foot) * (y > 0.2 * c.h)
    cover(bark.astype(np.float32), 0.5 + 0.5 * side * -(x - bend) / 0.02, "#2a1b4a #6a3f5a #c9824f")
    for branch in (-0.11, -0.05, 0.06, 0.12):
        up = np.clip((0.44 * c.h - y) / (0.16 * c.h), 0, 1)
        twig = _smoothstep(0, 0.004, 0.011 - 0.006 * up - np.abs(x - bend - branch * up**1.4))
        twig = twig * ((y < 0.44 * c.h) & (y > 0.28 * c.h))
        cover(twig.astype(np.float32), 0.4 + 0 * x, "#2a1b4a #6a3f5a #c9824f")
    crown = rng.normal(0, 1, (70, 2)).clip(-1.7, 1.7) * [0.1, 0.072] + [trunk, 0.23 * c.h]
    for px, py in crown[np.argsort(-crown[:, 1])]:
        size = rng.uniform(0.022, 0.055)
        lump = np.hypot(x - px, (y - py) * 1.25) + 2.2 * ragged
        level = 0.46 + ((x - px) * side * 0.5 - (y - py)) / size * 0.4 + 0.16 * speckle
        cover(_smoothstep(0, 0.004, size - lump), level, "#12324f #155a58 #2f8a48 #86b544 #f2dc62")
    return scene.astype(np.float32)


# --------------------------------------------------------------------------------------------------
# Marble


def _marble(c: _Canvas) -> Array:
    """Marble paper: drops of ink on a bath, drawn out by stylus and comb.

    Every drop is a polygon. A new drop pushes the older ones outwards without changing their area,
    and a tine drags them along its path; see A. Jaffer, "Mathematical Marbling", 2004.
    """
    rng = c.rng
    inks = _rgb("#14213d #f2e3c6 #b3202c #1f6f78 #e9a23b #f7efe0 #0f3a5f #d9643a")
    weights = np.array([4, 2.2, 3.2, 3.5, 2.4, 2.2, 3.5, 2])
    circle = np.exp(2j * np.pi * np.arange(400) / 400)
    drops: list[Array] = []
    colours: list[Array] = []
    for _ in range(round(62 * c.h * c.w)):
        centre = complex(rng.uniform(-0.1, c.w + 0.1), rng.uniform(-0.1, c.h + 0.1))
        # Several inks into the same spot: rings.
        for ink in rng.choice(len(inks), rng.integers(2, 6), p=weights / weights.sum()):
            spot = centre + 0.008 * complex(*rng.normal(size=2))
            radius = rng.uniform(0.03, 0.08)
            for i, drop in enumerate(drops):
                away = drop - spot
                squared = np.maximum(away.real**2 + away.imag**2, 1e-12)
                drops[i] = spot + away * np.sqrt(1 + radius**2 / squared)
            drops.append(spot + radius * circle)
            colours.append(inks[ink])

    def comb(across: NDArray[Any], gap: float, pull: float) -> NDArray[Any]:
        """Return how far a comb drags the ink: most at its tines, ``gap`` apart."""
        return np.asarray(pull * (1 - np.abs(np.sin(np.pi * across / gap))) ** 1.6)

    start = rng.random(6)
    whirls = [
        (
            complex(rng.uniform(0, c.w), rng.uniform(0, c.h)),
            rng.uniform(0.09, 0.19),
            rng.choice([-1, 1]) * rng.uniform(1.6, 3.2),
        )
        for _ in range(round(3 + 2 * c.h * c.w))
    ]

    def rake(z: Array) -> Array:
        across = z.real + start[0]
        return np.asarray(z + 1j * (comb(across, 0.26, 0.24) - comb(across + 0.13, 0.26, 0.24)))

    def cross(z: Array) -> Array:
        across = z.imag + start[1] + 0.025 * np.sin(2 * np.pi * (z.real / 0.5 + start[2]))
        return np.asarray(z + comb(across, 0.17, 0.15) - comb(across + 0.085, 0.17, 0.15))

    def nonpareil(z: Array) -> Array:
        # The fine comb lies on a part of the bath only, and leaves the rest to the whirls.
        part = 0.5 + 0.5 * np.cos(2 * np.pi * (0.6 * z.real + 0.9 * z.imag + start[3]))
        return np.asarray(z + 1j * comb(z.real + start[4], 0.062, 0.085) * part)

    def whirl(z: Array) -> Array:
        for centre, size, turns in whirls:
            away = z - centre
            spin = turns * np.exp(-(away.real**2 + away.imag**2) / size**2)
            z = centre + away * np.exp(1j * spin)
        return z

    for pull in (rake, cross, nonpareil, whirl):
        drops = [pull(_refine(drop, 0.0015)) for drop in drops]
    points = [np.stack([drop.real, drop.imag], axis=-1) for drop in drops]

    # Twice as fine as the sheet: the threads of ink are thinner than a pixel.
    fine = c.plan(2 * c.unit)
    canvas = np.empty((fine.height, fine.width, 3), np.uint8)
    canvas[:] = _bytes(inks[6])
    for drop, colour in zip(points, colours, strict=True):
        cv2.fillPoly(canvas, [fine.fixed(drop)], _bytes(colour), cv2.LINE_8, _SHIFT)
    image = _printed(c, canvas)
    cloud, pigment, fibre = _noise(c, 4, 3), _noise(c, 120, 3, 0.8), _noise(c, (50, 170), 2, 0.8)
    dark = 1 - image.mean(axis=-1)
    image = _light(image, 1 + dark * (0.09 * pigment + 0.06 * cloud) + 0.014 * fibre)
    return np.asarray(image + (0.02 * dark * np.maximum(pigment, 0))[..., None])


def _refine(outline: Array, step: float) -> Array:
    """Put points on a closed outline until no two neighbours are farther apart than ``step``."""
    ahead = np.roll(outline, -1) - outline
    pieces = np.ceil(np.abs(ahead) / step).astype(np.intp).clip(1, 200)
    first = np.repeat(np.cumsum(pieces) - pieces, pieces)
    fraction = (np.arange(pieces.sum()) - first) / np.repeat(pieces, pieces)
    return np.asarray(np.repeat(outline, pieces) + fraction * np.repeat(ahead, pieces))


# --------------------------------------------------------------------------------------------------
# Watercolour


def _watercolour(c: _Canvas) -> Array:
    """Lay transparent washes on rough paper: poppies, leaves, and blooms where water ran back."""
    rng = c.rng
    paper = _noise(c, 95, 3, 0.75)
    wobble = [0.006 * _noise(c, 9, 5, 0.55) for _ in range(3)]
    pool = [_noise(c, 7, 4, 0.6) for _ in range(2)]
    # Washes multiply, so they are summed as optical density: light = paper * exp(-density).
    density = np.zeros((c.height, c.width, 3), np.float32)

    def wash(window: _Window, wet: NDArray[Any], ink: ArrayLike, load: float) -> None:
        """Lay a wash of an ink where the paper is wet; the pigment gathers at its rim."""
        current = pool[rng.integers(2)]  # before the way out: the same numbers at every size
        if not wet.any():
            return
        dry = cv2.distanceTransform(np.pad(wet.astype(np.uint8), 1), cv2.DIST_L2, 5)
        inside = dry[1:-1, 1:-1] / c.unit
        rim = 0.75 * np.exp(-((inside / 0.0035) ** 2)) + 0.3 * np.exp(-inside / 0.012)
        flow = 0.6 + 0.25 * current[window] + rim
        thick = load * np.minimum(inside * c.unit / 2, 1) * flow * (1 - 0.15 * paper[window])
        density[window] -= np.log(np.asarray(ink, np.float32)) * np.maximum(thick, 0)[..., None]

    def petal(
        x: float, y: float, turn: float, length: float, width: float, blunt: float
    ) -> tuple[_Window, NDArray[Any]]:
        """Return a petal or a leaf that grows from (x, y)."""
        cos, sin = np.cos(turn), np.sin(turn)
        reach = 0.75 * max(length, 2 * width)
        window = c.window(x + 0.5 * length * cos, y + 0.5 * length * sin, reach)
        dx, dy = c.x[:, window[1]] - x, c.y[window[0]] - y
        u, v = (dx * cos + dy * sin) / length, dy * cos - dx * sin
        profile = width * np.sin(np.pi * np.clip(u, 0, 1) ** blunt) ** 0.75
        ragged = np.minimum(wobble[rng.integers(3)][window], 0.4 * profile)
        return window, np.abs(v) < profile + ragged

    def drawn(
        middle: ArrayLike, radius: float, dots: ArrayLike, sizes: ArrayLike
    ) -> tuple[_Window, NDArray[Any]]:
        """Return round dots within a radius of a point."""
        x, y = np.asarray(middle).tolist()
        window = c.window(x, y, radius)
        mask = np.zeros(paper[window].shape, np.uint8)
        if not mask.size:
            return window, mask
        origin = np.array([window[1].start, window[0].start]) / c.unit
        for dot, size in zip(
            c.fixed(np.asarray(dots) - origin).tolist(), np.asarray(sizes).tolist(), strict=True
        ):
            cv2.circle(mask, dot, max(int(size * c.unit * 2**_SHIFT), 1), 1, -1, cv2.LINE_8, _SHIFT)
        return window, mask

    # Wet in wet: clouds of colour without an edge, and blooms where drops of water pushed them out.
    for ink in _rgb("#9fd4dc #f9d3b0 #c4bdec #f7c9cf"):
        cloud = _smoothstep(-0.3, 1.5, _noise(c, 1.5, 4, 0.45))
        density -= 0.62 * np.log(ink.astype(np.float32)) * (cloud * (1 - 0.12 * paper))[..., None]
    for _ in range(round(5 * c.w * c.h)):
        px, py, size = rng.uniform(0, c.w), rng.uniform(0, c.h), rng.uniform(0.05, 0.11)
        r = np.hypot(c.x - px, c.y - py) / size + 9 * wobble[0] / size * 0.3
        bloom = (
            1 - 0.45 * (1 - _smoothstep(0.6, 1.0, r)) + 0.5 * np.exp(-(((r - 1.03) / 0.05) ** 2))
        )
        density *= bloom[..., None]

    heads: list[tuple[float, float, float]] = []
    for _ in range(400):
        x, y = c.w * rng.uniform(0.04, 0.96), c.h * rng.uniform(0.07, 0.78)
        size = rng.uniform(0.065, 0.17)
        if all(np.hypot(x - a, y - b) > 0.85 * (size + s) for a, b, s in heads):
            heads.append((x, y, size))
        if len(heads) >= 11 * c.w * c.h:
            break
    greens = _rgb("#4f8a3f #86a84a #2f7a68 #a8b53e #3f7f96")
    t = np.linspace(0, 1, 640)
    for x, y, _ in heads:  # stems and leaves first: the flowers lie over them
        foot = x + rng.normal(0, 0.09)
        stem = np.stack([x + (foot - x) * t**2, y + (c.h * 1.05 - y) * t], axis=-1)
        middle, reach = stem[320], np.abs(stem[-1] - stem[0]).max() * 0.6
        wash(*drawn(middle, reach, stem, 0.0028 + 0.0022 * t), greens[0], 0.9)
        for k in rng.integers(120, 520, rng.integers(2, 5)):
            turn = -np.pi / 2 + rng.choice([-1, 1]) * rng.uniform(0.4, 1.2)
            leaf = petal(
                stem[k, 0],
                stem[k, 1],
                turn,
                rng.uniform(0.09, 0.19),
                rng.uniform(0.012, 0.028),
                0.9,
            )
            wash(*leaf, greens[rng.integers(5)], rng.uniform(0.55, 1.0))
    lifted = np.zeros(paper.shape, bool)
    reds = _rgb("#ee4a40 #f77f3c #e23a72 #f7ab3a #a455c4 #ef6a86 #5f6fd0")
    for x, y, size in heads:
        ink = reds[rng.integers(len(reds))]
        number, start = rng.integers(5, 8), rng.uniform(0, 2 * np.pi)
        petals = [
            petal(
                x,
                y,
                start + 2 * np.pi * k / number + rng.normal(0, 0.12),
                size * rng.uniform(0.85, 1.1),
                size * rng.uniform(0.36, 0.48),
                1.5,
            )
            for k in range(number)
        ]
        for window, wet in petals:
            lifted[window] |= wet
        around = c.window(x, y, 1.3 * size)
        # A thirsty brush lifts what lies under the flower.
        density[around] *= 1 - 0.8 * lifted[around][..., None]
        lifted[around] = False
        for window, wet in petals:
            shade = np.clip(_vary(ink, rng, 0.03, 0.16), 0.03, 0.99)
            wash(window, wet, shade, rng.uniform(0.5, 0.85))
        turn, far = rng.uniform(0, 2 * np.pi, 40), size * rng.uniform(0.2, 0.42, 40)
        dots = np.stack([x + far * np.cos(turn), y + far * np.sin(turn)], axis=-1)
        wash(*drawn((x, y), size, [[x, y]], [0.17 * size]), _rgb("#4a5a3a")[0], 0.8)
        wash(
            *drawn((x, y), size, dots, rng.uniform(0.008, 0.026, 40) * size),
            _rgb("#2a2036")[0],
            1.1,
        )
    count = round(70 * c.w * c.h)
    for dot in rng.random((count, 2)) * [c.w, c.h]:
        splash = drawn(dot, 0.02, [dot], [0.0015 + 0.008 * rng.random() ** 4])
        wash(*splash, reds[rng.integers(len(reds))], 0.6)

    diffuse, _ = _relief(c, 0.0006 * paper)
    sheet = _rgb("#fdf9ef")[0].astype(np.float32)
    return _light(sheet * np.exp(-density), 1 + 0.2 * diffuse)


# --------------------------------------------------------------------------------------------------
# The catalogue

_DRAW: dict[str, Callable[[_Canvas], Array]] = {
    "mosaic": _mosaic,
    "candy": _candy,
    "brushwork": _brushwork,
    "shards": _shards,
    "waves": _waves,
    "pointillism": _pointillism,
    "marble": _marble,
    "watercolour": _watercolour,
}

STYLES: tuple[str, ...] = tuple(_DRAW)
"""The names of the drawn styles."""


def draw(name: str, size: int | tuple[int, int] = 512, *, seed: int = 0) -> Image:
    """Draw a style image.

    Parameters
    ----------
    name
        One of `STYLES`.
    size
        Side of a square, or (height, width), in pixels, 16 to 4,096 each. The elements are sized
        by the shorter side, so the same seed gives the same picture at every size. A third of
        a second to one second at 512 px on one core; the time grows with the number of pixels.
    seed
        Zero or a positive integer; another seed gives another picture of the same style.

    Returns
    -------
    ndarray of float32, shape (height, width, 3)
        RGB in [0, 1]. Bit for bit the same for the same arguments on one machine.

    Raises
    ------
    ArgumentError
        For a name, a size, or a seed outside these.

    Examples
    --------
    >>> image = draw("marble", 64)
    >>> image.shape, image.dtype.name
    ((64, 64, 3), 'float32')
    >>> bool((draw("marble", 64, seed=1) == image).all())
    False
    """
    if name not in STYLES:
        raise ArgumentError(f"no drawn style is called {name!r}; choose one of {', '.join(STYLES)}")
    height, width = _check_size(size)
    try:
        number = operator.index(seed)
    except TypeError:
        number = -1
    if number < 0:
        raise ArgumentError(f"seed is {seed!r}; it must be zero or a positive integer")

    # The name is part of the seed, so that one seed gives each style a composition of its own.
    rng = np.random.default_rng([number, zlib.crc32(name.encode())])
    unit = max(min(height, width), max(height, width) / _LONGEST)
    scale = 4 if unit <= 160 else 2 if unit <= 1280 else 1  # drawn larger: smooth edges
    image = _DRAW[name](_Canvas(height * scale, width * scale, unit * scale, rng))
    image = np.asarray(cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA))
    return np.clip(image.astype(np.float32), 0, 1)


def _check_size(size: int | tuple[int, int]) -> tuple[int, int]:
    sides = size if isinstance(size, tuple) else (size, size)
    try:
        numbers = [operator.index(side) for side in sides if not isinstance(side, bool)]
    except TypeError:
        numbers = []
    if len(numbers) != 2 or not all(MIN_SIDE <= side <= MAX_SIDE for side in numbers):
        raise ArgumentError(
            f"size is {size!r}; give one side or (height, width) in whole pixels, "
            f"{MIN_SIDE} to {MAX_SIDE} each"
        )
    return numbers[0], numbers[1]
