"""Make the pictures of the README: ``make figures``.

Each texture is what ``nst texture NAME -o FILE --size 224`` makes with its defaults.
"""

from __future__ import annotations

from pathlib import Path

import nstlib as nst
from nstlib.art import STYLES
from nstlib.images import resize

FIGURES = Path(__file__).resolve().parent.parent / "data" / "figures"
MATERIALS = ("immunohistochemistry", "brushwork", "mosaic", "marble")


def main() -> None:
    """Write ``textures.jpg`` and ``styles.jpg``."""
    FIGURES.mkdir(exist_ok=True)
    sources = [nst.load_image(name, size=224) for name in MATERIALS]
    textures = [nst.synthesize_texture(source, 224).image for source in sources]
    nst.show_images(
        [*sources, *textures],
        [*MATERIALS, *["from noise"] * len(MATERIALS)],
        columns=len(MATERIALS),
        caption="Above: a photograph, three drawn styles. Below: new pictures of the material.",
        alt="Tissue, brush strokes, a mosaic and marbled paper; below each, a new picture like it.",
    ).save(FIGURES / "textures.jpg")
    nst.show_images(
        [resize(nst.draw(name), 320) for name in STYLES],
        STYLES,
        columns=4,
        caption="The course's offline style images, drawn by the library.",
        alt="A mosaic, candy, brush strokes, shards, waves, dots, marbled paper, flowers.",
    ).save(FIGURES / "styles.jpg")


if __name__ == "__main__":
    main()
