"""Examples for person_torch.py, made on the graphics card: photographs, and the people in them.

A pack's photographs are decoded once, and lie on the card from then on. What is done with them is
the recipe of ``nstlib.training.people``, for a whole batch at a time, with three differences: more
examples show nobody or the whole photograph; a photograph without people is drawn more often, the
more of it a network has taken for people; and where the pack has things that are cut out, such as
animals, they are pasted as people are, so that not everything that was pasted is a person. They,
too, are drawn more often, the more was found where they had been pasted.
"""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import torch
from person_pack import CANVAS, SIDE, THINGS, Pack, Row
from torch import Tensor
from torch.nn import functional

#: How many of the examples show nobody, and how many show people before a scene from elsewhere.
NOBODY, PASTED = 0.28, 0.27

#: How many of the scenes, and of the photographs of people, have a cut-out thing in them.
IN_SCENES, AMONG_PEOPLE = 0.45, 0.06


class Pictures(NamedTuple):
    """Photographs and masks on the card, each in the upper left corner of a canvas."""

    both: Tensor  # (N, 4, CANVAS, CANVAS), uint8: colours and mask
    sides: Tensor  # (N, 2): height, width
    ends: Tensor  # (N, 4): top, bottom, left and right of the people, or of the whole

    @classmethod
    def load(cls, pack: Pack, rows: Sequence[Row]) -> Pictures:
        """Decode some pictures of a pack, all to the card at once."""
        both = np.zeros((len(rows), CANVAS, CANVAS, 4), np.uint8)
        sides, ends = np.zeros((len(rows), 2), np.float32), np.zeros((len(rows), 4), np.float32)
        for i, row in enumerate(rows):
            colours = pack.picture(row)
            height, width = sides[i] = colours.shape[:2]
            corner = both[i, : colours.shape[0], : colours.shape[1]]
            corner[..., :3] = colours
            ends[i] = 0, height, 0, width
            people = pack.mask(row)
            if people is not None:
                corner[..., 3] = people
                y, x = (np.flatnonzero((people > 127).any(axis=axis)) for axis in (1, 0))
                if len(y):
                    ends[i] = y[0], y[-1] + 1, x[0], x[-1] + 1
        device = torch.get_default_device()
        planes = torch.from_numpy(both).to(device).permute(0, 3, 1, 2).contiguous()
        return cls(planes, *(torch.from_numpy(x).to(device) for x in (sides, ends)))


class Groups(NamedTuple):
    """Which pictures to draw from: shares of groups, where each begins and how many it has."""

    shares: Tensor
    firsts: Tensor
    counts: Tensor

    def draw(self, n: int) -> Tensor:
        """Draw n pictures."""
        group = torch.multinomial(self.shares, n, replacement=True)
        number = (torch.rand(n) * self.counts[group]).long()
        return self.firsts[group] + number.clamp_max(self.counts[group] - 1)


def uniform(n: int, low: float, high: float) -> Tensor:
    """Draw n numbers between two."""
    return low + (high - low) * torch.rand(n)


def normal(n: int, spread: float) -> Tensor:
    """Draw n numbers around 0."""
    return spread * torch.randn(n)


def chosen(n: int, share: float) -> Tensor:
    """Say yes n times, with this chance."""
    return torch.rand(n) < share


def planes(values: Tensor) -> Tensor:
    """Let one number count for a whole picture of a batch."""
    return values.view(-1, 1, 1, 1)


def angles(n: int, aslant: float) -> Tensor:
    """Draw angles in radians: mostly upright, sometimes aslant, seldom on the side."""
    degrees = normal(n, 8.0)
    degrees = torch.where(chosen(n, aslant), uniform(n, -35, 35), degrees)
    aside = chosen(n, 0.02)
    lying = 90.0 * (1 + 2 * chosen(n, 0.5).float()) + normal(n, 8.0)
    return torch.where(aside, lying, degrees) * math.pi / 180


def windows(pictures: Pictures, which: Tensor, nobody: Tensor) -> tuple[Tensor, Tensor]:
    """Choose what is seen of pictures: y, x, height and width (n, 4), and angles (n,)."""
    n = len(which)
    height, width = pictures.sides[which].unbind(1)
    top, bottom, left, right = pictures.ends[which].unbind(1)
    way = torch.rand(n)
    tall, wide = height * uniform(n, 0.6, 1.1), width * uniform(n, 0.7, 1.1)
    y = height / 2 + tall * uniform(n, -0.15, 0.15)
    x = width / 2 + wide * uniform(n, -0.2, 0.2)
    window = torch.stack([y, x, tall, wide], 1)

    def instead(where: Tensor, *other: Tensor) -> Tensor:
        return torch.where(where[:, None], torch.stack(other, 1), window)

    as_it_is = way < 0.3
    tall, wide = height * uniform(n, 0.97, 1.03), width * uniform(n, 0.97, 1.03)
    window = instead(as_it_is, height / 2, width / 2, tall, wide)
    # Closer, from the head down.
    tall = torch.minimum(height, (bottom - top) * uniform(n, 0.25, 0.85) * 1.15).clamp_min(48)
    wide = torch.minimum(width * 1.1, tall * uniform(n, 0.6, 1.8))
    y = top - 0.1 * tall + tall / 2 + tall * uniform(n, -0.15, 0.15)
    x = (left + right) / 2 + wide * uniform(n, -0.3, 0.3)
    window = instead((way > 0.48) & ~nobody, y, x, tall, wide)
    # A part of the body.
    tall = ((bottom - top) * uniform(n, 0.25, 0.8)).clamp_min(64)
    wide = torch.minimum(tall * uniform(n, 0.6, 1.6), width)
    y = top + (bottom - top) * uniform(n, 0.1, 1.0)
    x = left + (right - left) * uniform(n, 0.0, 1.0)
    window = instead((way > 0.8) & ~nobody, y, x, tall, wide)
    # From farther away.
    tall, wide = height * uniform(n, 1.1, 2.2), width * uniform(n, 1.1, 2.2)
    y, x = height * uniform(n, 0.2, 0.8), width * uniform(n, 0.2, 0.8)
    window = instead(way > 0.92, y, x, tall, wide)
    # A scene from near.
    tall, wide = height * uniform(n, 0.3, 0.8), width * uniform(n, 0.3, 0.8)
    window = instead(nobody & (way > 0.3) & (way < 0.55), window[:, 0], window[:, 1], tall, wide)
    upright = normal(n, 2.0) * math.pi / 180
    return window, torch.where(as_it_is & ~nobody, upright, angles(n, 0.15))


def seen(
    pictures: Pictures, which: Tensor, window: Tensor, angle: Tensor, *, alone: bool = False
) -> tuple[Tensor, Tensor]:
    """Look at pictures through windows; beyond the borders they are mirrored, or `alone`, empty."""
    # Turned as a square, so that a photograph that is stretched to one is turned as it is seen.
    steps = (torch.arange(SIDE) + 0.5) / SIDE - 0.5
    across = steps * (1 - 2 * chosen(len(which), 0.5).float()).view(-1, 1, 1)  # or mirrored
    down = steps.view(1, -1, 1)
    cos, sin = torch.cos(angle).view(-1, 1, 1), torch.sin(angle).view(-1, 1, 1)
    centre_y, centre_x, tall, wide = window.view(-1, 4, 1, 1).unbind(1)
    x = centre_x + wide * (cos * across - sin * down)
    y = centre_y + tall * (sin * across + cos * down)
    height, width = pictures.sides[which].view(-1, 2, 1, 1).unbind(1)
    inside = (x >= 0) & (x <= width) & (y >= 0) & (y <= height)
    if not alone:
        x, y = x.remainder(2 * width), y.remainder(2 * height)
        x, y = torch.minimum(x, 2 * width - x), torch.minimum(y, 2 * height - y)
    x = torch.minimum(x.clamp_min(0.5), width - 0.5)
    y = torch.minimum(y.clamp_min(0.5), height - 0.5)
    both = pictures.both[which].float() / 255
    # Without a blur first, fine patterns would turn into coarse ones.
    small = window[:, 2:].amax(1) / SIDE > 1.2
    if small.any():
        padded = functional.pad(both[small], (1, 1, 1, 1), mode="replicate")
        both[small] = functional.avg_pool2d(padded, 3, 1)
    grid = torch.stack([2 * x / CANVAS - 1, 2 * y / CANVAS - 1], -1)
    found = functional.grid_sample(both, grid, align_corners=False, padding_mode="border")
    mask = found[:, 3:] * inside.unsqueeze(1) if alone else found[:, 3:]
    return found[:, :3], mask


def blurred(x: Tensor, sigma: Tensor) -> Tensor:
    """Blur each picture of a batch by its own number of pixels."""
    batch, channels, height, width = x.shape
    reach = 4
    steps = torch.arange(-reach, reach + 1).float()
    kernel = torch.exp(-(steps**2) / (2 * sigma.clamp_min(0.05).view(batch, 1) ** 2))
    kernel = (kernel / kernel.sum(1, keepdim=True)).repeat_interleave(channels, 0)
    one_each = {"groups": batch * channels}
    x = functional.pad(x, 4 * (reach,), mode="replicate")
    x = x.reshape(1, -1, height + 2 * reach, width + 2 * reach)
    x = functional.conv2d(x, kernel.view(-1, 1, 1, 2 * reach + 1), **one_each)
    x = functional.conv2d(x, kernel.view(-1, 1, 2 * reach + 1, 1), **one_each)
    return x.view(batch, channels, height, width)


def cut_out(pictures: Pictures, which: Tensor, *, whole: bool = False) -> tuple[Tensor, Tensor]:
    """Put people or things where they may stand in an empty square: colours, and their share.

    What is `whole` is not cut off where its picture ends.
    """
    n = len(which)
    height, width = pictures.sides[which].unbind(1)
    top, bottom, left, right = pictures.ends[which].unbind(1)
    share = torch.exp(uniform(n, math.log(0.22), math.log(1.9)))  # of the square's height
    tall = (bottom - top).clamp_min(8) / share
    wide = tall * torch.exp(normal(n, 0.22))
    # Half of them as if the whole photograph had been stretched to the square.
    wide = torch.where(chosen(n, 0.5), wide, wide * (width / height).clamp(0.5, 2))
    from_left = uniform(n, 0.05, 0.95)
    from_top = torch.where(
        share > 0.8, uniform(n, 0, 0.35), uniform(n, 0, 1) * (1.05 - share).clamp_min(0.02)
    )
    # Who is cut off below stands at the lower side.
    cut = (bottom >= height - 3) & (not whole)
    from_top = torch.where(cut, uniform(n, 1.0, 1.3) - share, from_top)
    from_top = torch.where(cut & (share > 1.25), uniform(n, 0, 0.3), from_top)
    y, x = top + (0.5 - from_top) * tall, (left + right) / 2 + (0.5 - from_left) * wide
    angle = torch.where(cut, normal(n, 3.0) * math.pi / 180, angles(n, 0.12))
    window = torch.stack([y, x, tall, wide], 1)
    colours, mask = seen(pictures, which, window, angle, alone=True)
    mask = blurred(mask, uniform(n, 0.3, 1.1))
    # A little smaller, so that less of the old background comes along.
    thinner = planes(uniform(n, 0, 0.35))
    alpha = ((mask - thinner) / (1 - thinner)).clamp(0, 1)
    colours = colours.clamp(0, 1) ** planes(torch.exp(normal(n, 0.15)))
    colours = colours * planes(uniform(n, 0.85, 1.15)) + planes(normal(n, 0.03))
    return colours + normal(3 * n, 0.024).view(n, 3, 1, 1), alpha


class Sources(NamedTuple):
    """Where examples come from."""

    pictures: Pictures
    people: Groups
    pasted: Groups
    others: tuple[int, int]  # the first, and how many
    things: tuple[int, int]  # likewise
    found: Tensor  # how much was taken for people last: of others, with things; then of no matter

    @classmethod
    def load(
        cls, pack: Pack, limit: int, share: Mapping[str, float], paste: Mapping[str, float]
    ) -> Sources:
        """Load what is learned from, `limit` pictures of a group at most if that isn't 0.

        `share` says how often each group of people is shown, by default as often as it has
        pictures; `paste` how often they are cut out and pasted, by default as often.
        """
        groups: dict[str, list[Row]] = {}
        for row in pack.rows:
            if not row.kept_back:
                groups.setdefault(row.group, []).append(row)
        groups = {group: rows[: limit or None] for group, rows in groups.items()}
        counts = {group: len(rows) for group, rows in groups.items()}
        ends = dict(zip(counts, itertools.accumulate(counts.values()), strict=True))

        def drawn(shares: Mapping[str, float]) -> Groups:
            firsts = [ends[group] - counts[group] for group in shares]
            columns = ([*shares.values()], firsts, [counts[group] for group in shares])
            return Groups(*map(torch.tensor, columns))

        people = {group: float(n) for group, n in counts.items() if group not in ("", THINGS)}
        share = share or people
        pictures = Pictures.load(pack, [row for rows in groups.values() for row in rows])
        others = ends[""] - counts[""], counts[""]
        things = ends.get(THINGS, 0) - counts.get(THINGS, 0), counts.get(THINGS, 0)
        found = torch.zeros(others[1] + things[1] + 1)
        sources = cls(pictures, drawn(share), drawn(paste or share), others, things, found)
        sources.forget()
        return sources

    def forget(self) -> None:
        """Let all photographs without people be drawn as often, and all things."""
        self.found.fill_(0.1)

    def note(self, which: Tensor, share: Tensor) -> None:
        """Note how much of pictures was taken for people; which are below 0 are of no matter."""
        places = torch.where(which < 0, len(self.found) - 1, which)
        self.found.index_put_((places,), 0.7 * self.found[places] + 0.3 * share)

    def without_people(self, n: int) -> Tensor:
        """Draw n photographs without people."""
        chances = 0.1 + self.found[: self.others[1]].clamp(0, 0.5)
        return torch.multinomial(chances, n, replacement=True)

    def cut_out_things(self, n: int) -> Tensor:
        """Draw n things."""
        chances = 0.1 + self.found[self.others[1] : -1].clamp(0, 0.5)
        return torch.multinomial(chances, n, replacement=True)


def examples(sources: Sources, n: int) -> tuple[Tensor, Tensor, Tensor]:
    """Make n examples: colours (n, 3, SIDE, SIDE) in [0, 1], and masks (n, 1, SIDE, SIDE).

    Of each example without people, also the number of its photograph (n,), or that of a thing if
    one was pasted, counted on from the photographs; below 0 of the others.
    """
    pictures = sources.pictures
    kind = torch.rand(n)
    scene = kind < NOBODY + PASTED
    pasted = scene & (kind >= NOBODY)
    other = sources.without_people(n)
    which = torch.where(scene, sources.others[0] + other, sources.people.draw(n))
    image, mask = seen(pictures, which, *windows(pictures, which, scene))
    mask = mask * planes(~scene)
    among_people = torch.where(scene, 0.0, 1.0)
    first, count = sources.things
    if count:
        covered = torch.rand(n) < torch.where(scene, IN_SCENES, AMONG_PEOPLE)
        (those,) = torch.nonzero(covered, as_tuple=True)
        if len(those):
            drawn = sources.cut_out_things(len(those))
            alpha = paste(image, those, cut_out(pictures, first + drawn, whole=True))
            mask[those] *= 1 - alpha
            # What is found then is the thing's fault, not that of the photograph behind it.
            other[those] = sources.others[1] + drawn
    # The first before a scene, and seldom somebody before people; then a second and a third one.
    for before_scene, before_people in ((1.0, 0.12), (0.35, 0.02), (0.15, 0.0)):
        chance = torch.where(pasted, before_scene, before_people * among_people)
        (those,) = torch.nonzero(torch.rand(n) < chance, as_tuple=True)
        if len(those):
            alpha = paste(image, those, cut_out(pictures, sources.pasted.draw(len(those))))
            mask[those] = alpha + mask[those] * (1 - alpha)
    empty = torch.where(scene & ~pasted, other, -1)
    return changed(image), mask.clamp(0, 1), empty


def paste(image: Tensor, those: Tensor, cut: tuple[Tensor, Tensor]) -> Tensor:
    """Lay cut-outs over some pictures of a batch, a few of which blur; return what they cover."""
    colours, alpha = cut
    behind = image[those]
    unsharp = planes(chosen(len(those), 0.3))
    behind = torch.where(unsharp, blurred(behind, uniform(len(those), 0.25, 1.5)), behind)
    image[those] = behind + alpha * (colours - behind)
    return alpha


def changed(image: Tensor) -> Tensor:
    """Change light, colours, sharpness; add grain and JPEG's blocks."""
    n = len(image)
    dark = chosen(n, 0.1)
    gamma = torch.exp(torch.where(dark, uniform(n, 0.4, 1.1), normal(n, 0.25)))
    gain = planes(torch.where(dark, uniform(n, 0.35, 0.9), uniform(n, 0.65, 1.3)))
    image = image.clamp(0, 1) ** planes(gamma)
    contrast = (image - 0.5) * gain + 0.5 + planes(normal(n, 0.08))
    image = torch.where(planes(dark), image * gain, contrast)
    image = image + normal(3 * n, 0.05).view(n, 3, 1, 1)
    grey = image.mean(1, keepdim=True).expand_as(image)
    image = torch.where(planes(chosen(n, 0.08)), grey, image)
    # As from a small file: one in twelve. The order of examples is random, so the first will do.
    if few := n // 12:
        side = 2 * int(torch.randint(24, 96, (1,)))
        small = functional.interpolate(image[:few], (side, side), mode="area")
        image[:few] = functional.interpolate(small, (SIDE, SIDE), mode="bilinear")
    image = blurred(image, torch.where(chosen(n, 0.25), uniform(n, 0.5, 2.2), torch.zeros(n)))
    fine, coarse = torch.randn_like(image), torch.randn(n, 3, SIDE // 2, SIDE // 2)
    coarse = functional.interpolate(coarse, scale_factor=2, mode="bilinear")
    strength = torch.where(chosen(n, 0.3), uniform(n, 0.01, 0.07), torch.zeros(n))
    grain = torch.where(planes(chosen(n, 0.3)), coarse, fine)
    image = (image + planes(strength) * grain).clamp(0, 1)
    (those,) = torch.nonzero(chosen(n, 0.3), as_tuple=True)
    if len(those):
        image[those] = jpeg(image[those], uniform(len(those), 20, 85)).clamp(0, 1)
    return image


@functools.cache
def jpeg_tables() -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Return cosines (8, 8), brightness and colours of RGB and back (3, 3), steps (3, 8, 8)."""
    cosines = np.cos((2 * np.arange(8) + 1) * np.arange(8)[:, None] * np.pi / 16) / 2
    cosines[0] = np.sqrt(1 / 8)
    colours = [[0.299, 0.587, 0.114], [-0.168736, -0.331264, 0.5], [0.5, -0.418688, -0.081312]]
    bright = """
        16 11 10 16 24 40 51 61 12 12 14 19 26 58 60 55 14 13 16 24 40 57 69 56 14 17 22 29 51 87 80
        62 18 22 37 56 68 109 103 77 24 35 55 64 81 104 113 92 49 64 78 87 103 121 120 101 72 92 95
        98 112 100 103 99"""
    steps = torch.full((3, 8, 8), 99.0)
    steps[0] = torch.tensor([float(step) for step in bright.split()]).view(8, 8)
    steps[1:, :4, :4] = torch.tensor(
        [[17.0, 18, 24, 47], [18, 21, 26, 66], [24, 26, 56, 99], [47, 66, 99, 99]]
    )
    back = torch.tensor(np.linalg.inv(colours)).float()
    return torch.tensor(cosines).float(), torch.tensor(colours), back, steps


def jpeg(image: Tensor, quality: Tensor) -> Tensor:
    """Give pictures JPEG's blocks: its cosines, rounded by its tables. Colours keep their size."""
    cosines, colours, back, steps = jpeg_tables()
    n, blocks = len(image), SIDE // 8
    scale = torch.where(quality < 50, 5000 / quality, 200 - 2 * quality) / 100
    table = (steps.view(1, 3, 1, 8, 1, 8) * scale.view(n, 1, 1, 1, 1, 1)).clamp_min(1)
    x = torch.einsum("dc,bchw->bdhw", colours, image * 255 - 128)
    x = torch.einsum("ki,bchiwj,lj->bchkwl", cosines, x.view(n, 3, blocks, 8, blocks, 8), cosines)
    x = torch.round(x / table) * table
    x = torch.einsum("ki,bchkwl,lj->bchiwj", cosines, x, cosines).reshape(n, 3, SIDE, SIDE)
    return (torch.einsum("cd,bdhw->bchw", back, x) + 128) / 255
