"""Pieces of coloured stone, set in rows that follow a landscape under the sun."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from nstlib.art._canvas import (
    Array,
    Canvas,
    blurred,
    mixed,
    noise_field,
    palette_of,
    relief,
    rgb,
    ridge,
    sample,
    smoothstep,
    vary,
)


def mosaic(c: Canvas) -> Array:
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
        turn = sample(plan, angle, seeds)
        label, _ = _tiles(plan, seeds, turn, side)
        weight = np.bincount(label[label >= 0], minlength=len(seeds))
        row, column = np.nonzero(label >= 0)
        for axis, index in enumerate((column, row)):
            total = np.bincount(label[row, column], index + 0.5, minlength=len(seeds))
            moved = total / np.maximum(weight, 1) / plan.unit
            seeds[:, axis] = np.where(weight > 0, moved, seeds[:, axis])
        if step in (3, 6):  # where a row is crowded, leave tiles out
            seeds = seeds[weight > 0.55 * np.median(weight)]
        turn = sample(plan, angle, seeds)
        off = sample(plan, band, seeds) / side % 1 - 0.5
        seeds -= 0.5 * side * off[:, None] * np.stack([np.cos(turn), np.sin(turn)], axis=-1)

    turn = sample(plan, angle, seeds) + rng.normal(0, 0.05, len(seeds))
    label, edge = _tiles(c, seeds, turn, side)
    tone = vary(sample(plan, colour, seeds), rng, 0.035, 0.1)
    gold = sample(plan, region, seeds) == 0

    grout = smoothstep(0, float(np.clip(0.8 / c.unit, 0.001, 0.002)), edge - 0.00085)
    stone = noise_field(c, 40, 4, 0.8)
    tilt = rng.normal(0, 0.16, (len(seeds), 2)).astype(np.float32)
    slope = tilt[label, 0] * (c.x - seeds[label, 0]) + tilt[label, 1] * (c.y - seeds[label, 1])
    rounded = np.sqrt(np.clip(edge / 0.0045, 0, 1)) * 0.0022
    height = np.where(label >= 0, rounded + slope, 0) + 0.00016 * stone
    diffuse, glint = relief(c, blurred(c, height.astype(np.float32), 0.0006), 28)
    streak = noise_field(c, 60, 3, 0.7)

    glass = tone[label] * (1 + 0.9 * diffuse + 0.035 * streak)[..., None]
    glass += (glint * np.where(gold[label], 0.5, 0.28))[..., None]
    mortar = palette_of(0.45 + 0.16 * stone, "#17120f #2e2620 #4c4136")
    return mixed(mortar, glass, np.where(label >= 0, grout, 0).astype(np.float32))


def _mosaic_plan(c: Canvas, side: float) -> tuple[Array, NDArray[np.intp], Array]:
    """Return the row coordinate, the region (0 is the sun) and the colour of every point."""
    rng = c.rng
    sx, sy = c.w * rng.uniform(0.3, 0.7), c.h * rng.uniform(0.26, 0.36)
    radius = 6 * side
    r = np.hypot(c.x - sx, c.y - sy)
    band = r + 0.018 * noise_field(c, 2.0) * smoothstep(0.15, 0.5, r)
    ring = (band / side).astype(np.intp)
    # Rings of the sky: two or three rows of one colour, from gold by turquoise to the night.
    widths = rng.choice([1, 2, 2, 3], 200)
    step = np.repeat(np.arange(200), widths)[np.maximum(ring - 6, 0)]
    hue = 1.15 * (1 - np.exp(-step / 7)) + rng.normal(0, 0.06, 200)[step]
    sky = palette_of(hue, "#fbe9a8 #ffd166 #9adcc4 #3fb0c9 #1b78bd #17509f #15327c #1a1c5e #2a1450")
    sky[step % 5 == 4] = rgb("#f4b840")[0]
    sky[step % 7 == 5] = rgb("#e2553d")[0]
    sun = palette_of((band / radius), "#fff3b8 #ffd23f #ff9a1f #f0541e")
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
        base = c.h * (0.57 + 0.125 * k) + 0.04 * roll + 0.04 * ridge(c, 1.6, 2)
        depth = c.y - base
        slope = np.hypot(1, np.gradient(base[0]) * c.unit)
        depth = (depth / slope).astype(np.float32)
        inside = depth > 0
        row = np.maximum(depth / side, 0).astype(np.intp)
        order = rng.permutation(np.tile(np.linspace(0.05, 0.95, 7), 30))
        steps = np.repeat(np.arange(200), rng.choice([1, 2, 2, 3], 200))
        hill = palette_of(order[steps[np.minimum(row, 199)]], ramp)
        band = np.where(inside, depth, band)
        colour = np.where(inside[..., None], hill, colour)
        region = np.where(inside, k + 2, region)
    return band.astype(np.float32), region, colour


def _tiles(
    c: Canvas, seeds: Array, turn: NDArray[Any], side: float
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
