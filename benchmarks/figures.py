"""Make the pictures of the README: ``make figures``.

The gallery's pictures are made by the commands in ``data/gallery.md``; some download a painting
first. Each texture is what ``nst texture NAME -o FILE --size 224`` makes with its defaults.
"""

from __future__ import annotations

import argparse
import os
import re
import shlex
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import PIL.Image
from numpy.typing import NDArray

import nstlib as nst
from nstlib.art.catalogue import DRAWN_STYLES
from nstlib.cli.main import main as run_nst
from nstlib.course.figures import Plot
from nstlib.images.arrays import Image, to_uint8
from nstlib.images.resizing import resize
from nstlib.inference.stylizer import STYLE_NETWORKS as STYLE_NETWORKS

DATA = Path(__file__).resolve().parent.parent / "data"
FIGURES = DATA / "figures"
MATERIALS = ("immunohistochemistry", "brushwork", "mosaic", "marble")


def write(picture: Image | Plot, path: Path) -> None:
    """Write a JPEG for a page.

    It is less than half as large as one by :func:`nstlib.save_image`, and looks the same.
    """
    if isinstance(picture, Plot):
        with tempfile.TemporaryDirectory() as folder:
            picture = nst.load_image(picture.save(Path(folder) / "plot.png"))
    pixels = PIL.Image.fromarray(to_uint8(picture))
    pixels.save(path, quality=85, subsampling="4:2:0", optimize=True, progressive=True)


def gallery_commands() -> list[list[str]]:
    """Words of each command in the table of ``data/gallery.md``, without ``nst``."""
    table = (DATA / "gallery.md").read_text()
    found = re.findall(r"^\|.*`nst (transfer .*?)`", table, re.MULTILINE)
    return [shlex.split(command) for command in found]


def run_gallery() -> list[Image]:
    """Run the gallery's commands, print how long each took, and return their pictures."""
    pictures = []
    here = Path.cwd()
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        try:
            for command in gallery_commands():
                began = time.perf_counter()
                if run_nst(command):
                    raise SystemExit(f"this failed: nst {shlex.join(command)}")
                print(f"{time.perf_counter() - began:.0f} s: nst {shlex.join(command)}")
                pictures.append(nst.load_image(Path(command[command.index("-o") + 1])))
        finally:
            os.chdir(here)
    return pictures


def portrait(path: Path) -> None:
    """Paint the world behind an astronaut, cut at the left: a corner of the flag passes for her."""
    with tempfile.TemporaryDirectory() as folder:
        photo = Path(folder) / "astronaut.png"
        nst.save_image(nst.load_image("astronaut")[:, 44:], photo)
        painted = Path(folder) / "painted.png"
        if run_nst(["compose", str(photo), "--style", "starry_night_bold", "-o", str(painted)]):
            raise SystemExit("nst compose failed")
        write(nst.load_image(painted), path)


def strips(styles: Iterable[str]) -> list[Image]:
    """Photographs that the style networks have never seen, four by each network."""
    photos = [
        nst.load_image(name, size=512) for name in ("astronaut", "chelsea", "coffee", "rocket")
    ]
    return [picture for style in styles for picture in map(nst.Stylizer(style), photos)]


def wall(pictures: list[Image], columns: int, height: int = 240, gap: int = 8) -> Image:
    """Hang pictures in rows of one height and one width."""
    rows: list[NDArray[Any]] = []
    for first in range(0, len(pictures), columns):
        row = [
            resize(p, (height, round(height * p.shape[1] / p.shape[0])))
            for p in pictures[first : first + columns]
        ]
        gaps = np.ones((height, gap, 3), np.float32)
        rows.append(np.hstack([part for p in row for part in (p, gaps)][:-1]))
    width = min(row.shape[1] for row in rows)
    rows = [
        cv2.resize(row, (width, round(height * width / row.shape[1])), interpolation=cv2.INTER_AREA)
        for row in rows
    ]
    line = np.ones((gap, width, 3), np.float32)
    return np.vstack([part for row in rows for part in (row, line)][:-1])


def main() -> None:
    """Write the figures, the quick ones first."""
    FIGURES.mkdir(exist_ok=True)
    portrait(FIGURES / "astronaut.jpg")
    light = [style for style in STYLE_NETWORKS if not style.endswith("_bold")]
    write(wall(strips(light), columns=8, height=180), FIGURES / "fast_styles.jpg")
    two = strips(["starry_night", "starry_night_bold"])
    write(wall(two, columns=4, height=300), FIGURES / "bold.jpg")
    write(wall(run_gallery(), columns=4), FIGURES / "gallery.jpg")
    sources = [nst.load_image(name, size=224) for name in MATERIALS]
    textures = [nst.synthesize_texture(source, 224).image for source in sources]
    plot = nst.show_images(
        [*sources, *textures],
        [*MATERIALS, *["from noise"] * len(MATERIALS)],
        columns=len(MATERIALS),
        caption="Above: a photograph, three drawn styles. Below: new pictures of the material.",
        alt="Tissue, brush strokes, a mosaic and marbled paper; below each, a new picture like it.",
    )
    write(plot, FIGURES / "textures.jpg")
    plot = nst.show_images(
        [resize(nst.draw(name), 320) for name in DRAWN_STYLES],
        DRAWN_STYLES,
        columns=4,
        caption="The course's offline style images, drawn by the library.",
        alt="A mosaic, candy, brush strokes, shards, waves, dots, marbled paper, flowers.",
    )
    write(plot, FIGURES / "styles.jpg")


if __name__ == "__main__":
    argparse.ArgumentParser(description=__doc__).parse_args()
    main()
