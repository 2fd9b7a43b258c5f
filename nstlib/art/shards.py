"""Broken planes in earth colours, as the Cubists painted them."""

from __future__ import annotations

import cv2
import numpy as np

from nstlib.art._canvas import (
    SHIFT,
    Array,
    Canvas,
    Pixels,
    blurred,
    lit,
    mixed,
    noise_field,
    palette_of,
    relief,
    rgb,
    sample,
    smoothstep,
)

#: Earthy colours from dark to light, how often each ramp is taken, and the loud one.
_RAMPS = (
    "#1f1a14 #5a452b #a67f45 #dcbb7c #faecc8",
    "#16222e #33505f #6f929a #b9c8bd #f3eed9",
    "#2a170f #7a3a1c #bf6a2c #e7a755 #fbdfa6",
)
_SHARES = (0.45, 0.3, 0.25)
_ACCENT = "#5a0d12 #a8201a #e4472a #ff8a4c"

#: Width of the pen, in units.
_PEN = 0.0022


def shards(c: Canvas) -> Array:
    """Fold cubist planes: a sheet broken again and again, earthy, with one loud colour."""
    rng = c.rng
    focus = np.array([c.w * rng.uniform(0.4, 0.6), c.h * rng.uniform(0.4, 0.58)])
    pieces = _broken(c, focus)
    colour, height = _planes(c, pieces, focus)
    ink = np.full((c.height, c.width), 255, np.uint8)
    _arcs(c, focus, colour, ink)
    pen = c.pixels(_PEN)
    for piece in pieces:
        if rng.random() < 0.75:
            grey = int(rng.integers(30, 150))
            cv2.polylines(ink, [c.fixed(piece)], True, grey, pen, cv2.LINE_AA, SHIFT)
    faint = min(1.0, _PEN * c.unit)  # a pen is a pixel wide at least
    line = 1 - faint * (1 - blurred(c, ink.astype(np.float32) / 255, 0.0006))
    weave = noise_field(c, (150, 150), 2, 0.8)
    diffuse, _ = relief(c, height + 0.00012 * weave)
    return lit(colour, 0.25 + 0.75 * line + 0.5 * diffuse + 0.02 * weave)


def _broken(c: Canvas, focus: Array) -> list[Array]:
    """Break the sheet into convex pieces, the smaller the nearer to the focus."""
    lean = c.rng.uniform(0.1, 0.4) * np.pi
    frame = np.array([[0, 0], [1, 0], [1, 1], [0, 1]]) * [c.w + 0.04, c.h + 0.04] - 0.02
    waiting = [frame]
    done: list[Array] = []
    while waiting:
        piece = waiting.pop()
        area = cv2.contourArea(piece.astype(np.float32))
        far = np.linalg.norm((piece.mean(axis=0) - focus) / [max(c.w, 1), max(c.h, 1)])
        if area < (0.0016 + 0.035 * far**2) * c.rng.uniform(0.5, 2.2):
            done.append(piece)
        else:
            waiting += split(piece, lean, c.rng)
    return done


def _planes(c: Canvas, pieces: list[Array], focus: Array) -> tuple[Array, Array]:
    """Give each piece a colour that fades, a tilt and dabs; return all colours and heights."""
    rng = c.rng
    colour = np.zeros((c.height, c.width, 3), np.float32)
    height = np.zeros((c.height, c.width), np.float32)
    mood = noise_field(plan := c.plan(64), 1.6, 2)
    dabs = [_dabs(c, turn) for turn in np.arange(6) * np.pi / 6]
    loud = rng.random(len(pieces)) < 0.085
    for piece, is_loud in zip(pieces, loud, strict=True):
        edge_at, dab = int(rng.integers(len(piece))), dabs[rng.integers(len(dabs))]
        tone, fall, tilt = rng.normal(0, 0.1), rng.choice([-0.42, 0.42]), rng.normal(0, 0.12, 2)
        ramp = _ACCENT if is_loud else _RAMPS[rng.choice(3, p=_SHARES)]
        middle = piece.mean(axis=0)
        window = c.window(middle[0], middle[1], np.linalg.norm(piece - middle, axis=1).max())
        x, y = c.x[:, window[1]], c.y[window[0]]
        if not x.size or not y.size:
            continue
        mask = np.zeros((y.size, x.size), np.uint8)
        origin = [window[1].start / c.unit, window[0].start / c.unit]
        cv2.fillConvexPoly(mask, c.fixed(piece - origin), 1, cv2.LINE_8, SHIFT)
        inside = mask > 0
        # Each plane is lit from one of its edges and fades into its neighbour.
        corner = piece[edge_at]
        edge = piece[(edge_at + 1) % len(piece)] - corner
        normal = np.array([-edge[1], edge[0]]) / max(np.linalg.norm(edge), 1e-9)
        normal *= np.sign(normal @ (middle - corner))
        depth = (x - corner[0]) * normal[0] + (y - corner[1]) * normal[1]
        depth = np.maximum(depth / max(((piece - corner) @ normal).max(), 1e-9), 0)
        shine = np.exp(-(np.linalg.norm(middle - focus) ** 2) / 0.09)
        level = 0.5 + 0.13 * sample(plan, mood, middle) + 0.16 * shine + tone
        level = level + fall * (np.exp(-2.4 * depth) - 0.35) + 0.045 * dab[window]
        colour[window][inside] = palette_of(level[inside], ramp)
        plane = tilt[0] * (x - middle[0]) + tilt[1] * (y - middle[1]) + 0.0007 * dab[window]
        height[window][inside] = plane[inside]
    return colour, height


def _arcs(c: Canvas, focus: Array, colour: Array, ink: Pixels) -> None:
    """Lay arcs over the pieces, as a guitar's curves and the rims of glasses in a still life."""
    rng = c.rng
    for k in range(9):
        centre = focus + rng.normal(0, 0.2, 2)
        radius, start = rng.uniform(0.07, 0.27), rng.uniform(-np.pi, np.pi)
        window = c.window(centre[0], centre[1], 1.05 * radius)
        u, v = c.x[:, window[1]] - centre[0], c.y[window[0]] - centre[1]
        opening = rng.uniform(1.0, 2.2)
        turn = np.abs((np.arctan2(v, u) - start + np.pi) % (2 * np.pi) - np.pi)
        r = np.hypot(u, v)
        inside = smoothstep(0, 1.5 / c.unit, radius - r) * (turn < opening)
        fade = inside * np.clip(r / radius, 0, 1) ** 3
        glass = rgb("#fff0cc #0d0d0d")[k % 2]
        colour[window] = mixed(colour[window], glass, 0.47 * fade)
        angles = start + np.linspace(-opening, opening, 120)
        arc = centre + radius * np.stack([np.cos(angles), np.sin(angles)], axis=-1)
        cv2.polylines(ink, [c.fixed(arc)], False, 50, c.pixels(_PEN), cv2.LINE_AA, SHIFT)


def split(shard: Array, lean: float, rng: np.random.Generator) -> list[Array]:
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


def _dabs(c: Canvas, turn: float) -> Array:
    """Return noise drawn out along one direction, as a dry brush leaves it."""
    length = max(3, 2 * int(0.014 * c.unit) + 1)
    kernel = np.zeros((length, length), np.float32)
    reach = length / 2 * np.array([np.cos(turn), np.sin(turn)])
    ends = [tuple(np.rint(length // 2 + s * reach).astype(int).tolist()) for s in (-1, 1)]
    cv2.line(kernel, ends[0], ends[1], 1.0, c.pixels(0.001))
    streaks = cv2.filter2D(noise_field(c, 110, 2, 0.9), -1, kernel / kernel.sum())
    return np.asarray(streaks / max(float(streaks.std()), 1e-6), np.float32)
