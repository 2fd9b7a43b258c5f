"""One photograph and style at nine ratios of content weight to style weight: a sheet for lesson 06.

    python benchmarks/weights.py [--folder notebooks/figures]

The sheet has three rows of three pictures, without gaps, so that a program can cut them out again.
From picture to picture, row by row, the ratio doubles. Everything else is ``nst transfer`` with its
defaults and fewer iterations. On two idle cores that takes some two minutes.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from PIL import Image

import nstlib as nst
from nstlib._files import atomic_write

ROOT = Path(__file__).resolve().parent.parent

CONTENT, STYLE, SIDE, ITERATIONS = "chelsea", "brushwork", 384, 30

#: Content weight over style weight.
RATIOS = [2.0**k / 40 for k in range(9)]


def sheet() -> Image.Image:
    """Paint the nine pictures."""
    photo, style = nst.load_image(CONTENT, size=SIDE), nst.load_image(STYLE, size=SIDE)
    painted = []
    for ratio in RATIOS:
        run = nst.transfer_style(
            photo, style, content_weight=ratio, iterations=ITERATIONS, progress=False
        )
        print(f"{ratio:.3f}: content {run.losses['content'][1] / ratio:.2f}", flush=True)
        painted.append(run.image)
    rows = [np.concatenate(painted[i : i + 3], axis=1) for i in (0, 3, 6)]
    return Image.fromarray(nst.to_uint8(np.concatenate(rows)))


def main() -> None:
    """Write the sheet."""
    parser = argparse.ArgumentParser(description="paint one photograph at nine ratios of weights")
    parser.add_argument("--folder", type=Path, default=ROOT / "notebooks" / "figures")
    path = parser.parse_args().folder / "transfer_weights.jpg"
    picture = sheet()
    with atomic_write(path) as file:
        picture.save(file, "JPEG", quality=82, optimize=True)
    print(f"{path.name}: {path.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main()
