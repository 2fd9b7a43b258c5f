"""How near does a fast style come to its painting? Judged by VGG19, beside other networks.

    python benchmarks/fast_styles.py [--styles NAME ...] [--methods NAME ...]
        [--network STYLE=FILE ...] [--weights imagenet] [--output FILE]

Three photographs that no training saw, at 448 pixels, are painted in each style: by the style
network that comes with the library, by its bold one if there is one, by its network for any style,
by ``nst transfer`` and, where their files lie in the cache of models, by networks of others:
magenta's network for any style (Ghiasi et al. 2017; as ``magenta_predict.onnx`` and
``magenta_transform.onnx``), its network of 26 styles (Dumoulin et al. 2017; ``multistyle26.onnx``)
and the files of 2018 (``nst assets fetch johnson_candy``).
``--network`` judges more files, such as one that is still being trained. ``--styles`` takes files
of pictures, too; where one is named like a style network, as ``composition_vii.jpg``, that network
paints as well.

VGG19 judges, or, where the file of its weights is not here, its small twin, whose figures are no
match for the others. :func:`style_distance` compares a painting with the style at the first layer
of each block, :func:`nstlib.content_loss` compares it with the photograph at ``block4_conv2``. Both
are means over the photographs. The first line is the photograph itself, painted by nobody. Smaller
is better in both columns, but neither counts alone: a photograph that is left as it is keeps all
its content. And neither sees a weave or a glow as the eye does: look at the sheet.
"""

from __future__ import annotations

import argparse
import functools
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import onnxruntime
from numpy.typing import NDArray

import nstlib as nst
from nstlib.art.catalogue import DRAWN_STYLES
from nstlib.assets.cache import asset_path, cache_dir
from nstlib.assets.registry import ASSETS
from nstlib.features import CONTENT_LAYERS, STYLE_LAYERS, feature_extractor
from nstlib.images.arrays import Image
from nstlib.images.resizing import resize
from nstlib.inference.stylizer import STYLE_NETWORKS
from nstlib.losses import channel_statistics, content_loss
from nstlib.onnx.legacy import modernize
from nstlib.sources import load_style
from nstlib.vgg19 import check_weights, imagenet_file

PHOTOS = ("astronaut", "chelsea", "coffee")
SIZE = 448

#: Longest sides of the style. Each network paints strokes of its own size: the nearest one counts.
SCALES = (384, 512, 768)

#: The files of 2018, and the pictures that they were trained on.
OF_2018 = {
    "pytorch_mosaic": "johnson_mosaic",
    "pytorch_candy": "johnson_candy",
    "udnie": "johnson_udnie",
}

Painter = Callable[[Image], Image]

#: Means and covariances of channels, and these by layer.
Moments = tuple[NDArray[np.float64], NDArray[np.float64]]
Look = Mapping[str, Moments]

# --------------------------------------------------------------------------------------------------
# The judge


def style_distance(look: Look, style: Look) -> float:
    r"""Compare the looks of a painting and of a style.

    The distance is the sum over the layers of

    .. math:: \frac{1}{2} \left( \frac{\lVert C - \hat C \rVert^2}{\lVert \hat C \rVert^2}
              + \frac{\lVert \mu - \hat\mu \rVert^2}{\lVert \hat\mu \rVert^2} \right)

    with the means and covariances of the channels, those of the style with a hat. It is 0 where
    they agree.
    """
    return sum(
        0.5 * float(np.sum((found - wanted) ** 2) / np.sum(wanted**2))
        for layer in style
        for found, wanted in zip(look[layer], style[layer], strict=True)
    )


class Seen(NamedTuple):
    """A picture as the judge sees it: how it looks, and what is where."""

    look: Look
    content: Mapping[str, Any]


class Judge:
    """Looks at pictures through VGG19.

    Parameters
    ----------
    weights : str
        See :func:`nstlib.feature_extractor`.
    """

    def __init__(self, weights: str) -> None:
        self.extractor = feature_extractor([*STYLE_LAYERS, *CONTENT_LAYERS], weights)

    def see(self, picture: Image) -> Seen:
        """Look at a picture."""
        features = self.extractor(picture[np.newaxis])
        look: dict[str, Moments] = {}
        for layer in STYLE_LAYERS:
            mean, covariance = channel_statistics(features[layer])
            look[layer] = (mean.numpy()[0].astype(float), covariance.numpy()[0].astype(float))
        return Seen(look, {layer: features[layer] for layer in CONTENT_LAYERS})

    def scales(self, style: Image) -> list[Look]:
        """Look at a style at each size that counts."""
        sizes = sorted({min(size, max(style.shape)) for size in SCALES})
        return [self.see(resize(style, size)).look for size in sizes]


def nearest(look: Look, scales: Sequence[Look]) -> float:
    """Give the distance to the nearest scale of a style."""
    return min(style_distance(look, scale) for scale in scales)


# --------------------------------------------------------------------------------------------------
# The painters


def painters(
    name: str, style: Image, photo: Image, networks: Mapping[str, Path], folder: Path
) -> dict[str, Painter]:
    """Find whoever can paint in a style. `photo` is for choosing, `folder` for files."""
    found: dict[str, Painter] = {"the photo itself": lambda photo: photo}
    if (network := Path(name).stem) in STYLE_NETWORKS:
        found["nst stylize"] = nst.Stylizer(network, backend="ort")
    if (bold := f"{network}_bold") in STYLE_NETWORKS:
        found[bold] = nst.Stylizer(bold, backend="ort")
    found["any style"] = nst.Stylizer(style, backend="ort")
    for title, file in networks.items():
        found[title] = nst.Stylizer(file, backend="ort")
    found["nst transfer"] = lambda photo: (
        nst.transfer_style(photo, style, size=SIZE, progress=False).image
    )
    models = cache_dir("model")
    if (predict := models / "magenta_predict.onnx").is_file():
        found["magenta"] = magenta(predict, models / "magenta_transform.onnx", style)
    if (many := models / "multistyle26.onnx").is_file():
        found["multistyle26"] = multistyle(many, style, photo)
    if name in OF_2018 and asset_path(OF_2018[name]).is_file():
        file = folder / f"{name}.onnx"
        modernize(asset_path(OF_2018[name]), file, metadata={"channel_order": "BGR"})
        found["2018"] = nst.Stylizer(file, backend="ort", value_range=(0, 255))
    return found


def magenta(predict: Path, transform: Path, style: Image) -> Painter:
    """Let magenta's pair paint: it looks at 256 × 256 pixels, and paints 384 × 384."""
    look, paint = map(onnxruntime.InferenceSession, (predict, transform))
    (vector,) = look.run(None, {look.get_inputs()[0].name: resize(style, (256, 256))[np.newaxis]})
    names = [entry.name for entry in paint.get_inputs()]

    def painter(photo: Image) -> Image:
        small = resize(photo, (384, 384))[np.newaxis]
        (painted,) = paint.run(None, dict(zip(names, (small, vector), strict=True)))
        return resize(painted[0].clip(0, 1), photo.shape[:2])

    return painter


def multistyle(file: Path, style: Image, photo: Image) -> Painter:
    """Let the network of 26 styles paint, whose paintings nobody has named.

    The one that paints `photo` nearest to `style`, as the small twin sees it, is taken.
    """
    session = onnxruntime.InferenceSession(file)
    judge = Judge("mini")

    def painter(photo: Image, number: int) -> Image:
        height, width = photo.shape[:2]
        whole = np.pad(photo, [(0, -height % 4), (0, -width % 4), (0, 0)], "edge")
        blob = whole.transpose(2, 0, 1)[np.newaxis]
        one = np.eye(26, dtype=np.float32)[number]
        (painted,) = session.run(None, {"image": blob, "style_weights": one})
        return np.ascontiguousarray(painted[0].transpose(1, 2, 0)[:height, :width].clip(0, 1))

    scales = judge.scales(style)
    distances = [nearest(judge.see(painter(photo, number)).look, scales) for number in range(26)]
    return functools.partial(painter, number=int(np.argmin(distances)))


# --------------------------------------------------------------------------------------------------


def here(name: str) -> bool:
    """Say whether the picture of a style network can be had without a download."""
    return name in DRAWN_STYLES or (name in ASSETS and asset_path(name).is_file())


def main() -> None:
    """Print a table and write a sheet."""
    known = [name for name in (*STYLE_NETWORKS, *OF_2018) if here(name)]
    parser = argparse.ArgumentParser(description="fast styles beside their paintings")
    parser.add_argument("--styles", nargs="+", default=known, metavar="NAME")
    parser.add_argument("--methods", nargs="+", metavar="NAME", help="by default all")
    parser.add_argument(
        "--network", action="append", default=[], metavar="STYLE=FILE", help="one more to judge"
    )
    usual = "imagenet" if imagenet_file() else "mini"
    parser.add_argument("--weights", default=usual, help="of the judge")
    parser.add_argument("--output", type=Path, default=Path("build/fast_styles.png"))
    options = parser.parse_args()
    options.output.parent.mkdir(parents=True, exist_ok=True)
    judge = Judge(check_weights(options.weights))
    photos = {name: nst.load_image(name, SIZE) for name in PHOTOS}
    of_photos = {name: judge.see(photo) for name, photo in photos.items()}
    more = [(style, Path(file)) for style, _, file in (n.partition("=") for n in options.network)]
    pictures: list[Image] = []
    titles: list[str] = []
    print(f"Judged by VGG19, weights {options.weights}")
    print(f"{'style':16}{'painted by':24}{'style':>8}{'content':>9}")
    with tempfile.TemporaryDirectory() as folder:
        for name in options.styles:
            style = load_style(name, max(SCALES))
            scales = judge.scales(style)
            networks = {file.name: file for of, file in more if of == name}
            first = photos[PHOTOS[0]]
            for title, paint in painters(name, style, first, networks, Path(folder)).items():
                if options.methods and title not in options.methods and title not in networks:
                    continue
                paintings = {photo: paint(picture) for photo, picture in photos.items()}
                seen = {photo: judge.see(painting) for photo, painting in paintings.items()}
                distance = np.mean([nearest(s.look, scales) for s in seen.values()])
                content = np.mean(
                    [float(content_loss(s.content, of_photos[p].content)) for p, s in seen.items()]
                )
                print(f"{name:16}{title:24}{distance:8.2f}{content:9.2f}", flush=True)
                pictures += [style, *paintings.values()]
                titles += [name, title, f"style {distance:.2f}", f"content {content:.2f}"]
    nst.show_images(
        pictures,
        titles,
        columns=1 + len(PHOTOS),
        cell=4.5,
        caption="A style, and three photographs painted in it, row by row by another painter.",
        alt="In each row a painting, then an astronaut, a cat and a cup in its style.",
    ).save(options.output)
    print(f"\nContact sheet: {options.output}")


if __name__ == "__main__":
    main()
