"""VGG19 beside its twin and random weights: the pictures that lessons show of it.

    python benchmarks/vgg19.py [features] [statistics] [textures] [transfers]

Each picture compares three networks with the same layers: ImageNet's VGG19 (which has to be on this
machine, or Keras downloads it), the course's twin, and random weights in the twin's shape. What is
made is made by the recipes' defaults, with as many iterations for each network. Everything goes to
``notebooks/figures/``, where lessons can show it; what has been made is kept in ``build/vgg19/``,
so that a run that was stopped goes on. On two cores that takes about half an hour.
"""

from __future__ import annotations

import argparse
import functools
import io
import itertools
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import PIL.Image
from numpy.typing import NDArray

import nstlib as nst
from nstlib import keras
from nstlib._files import atomic_write
from nstlib.course.figures import Plot
from nstlib.images.arrays import Image
from nstlib.losses import Statistics
from nstlib.vgg19 import build_vgg19, save_vgg19, vgg19_with

ROOT = Path(__file__).resolve().parent.parent
FIGURES = ROOT / "notebooks" / "figures"
MADE = ROOT / "build" / "vgg19"

#: Most bytes of a picture that a lesson shows.
LARGEST = 150_000

TITLES = {"random": "random weights", "mini": "the twin", "imagenet": "VGG19"}


def random_twin() -> Path:
    """Write a network of the twin's shape with random weights; return its file."""
    path = MADE / "random.npz"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        twin = vgg19_with("mini")
        channels = [layer.filters for layer in twin.layers if layer.weights]
        averages = isinstance(twin.get_layer("block1_pool"), keras.layers.AveragePooling2D)
        keras.utils.set_random_seed(0)
        save_vgg19(build_vgg19(channels, "average" if averages else "max"), path)
    return path


def networks() -> dict[str, str]:
    """Return what to give for `weights`, by the name of the network."""
    return {"random": str(random_twin()), "mini": "mini", "imagenet": "imagenet"}


def kept(name: str, make: Callable[[], Image]) -> Image:
    """Read a picture that was made before, or make it."""
    path = MADE / f"{name}.npy"
    if not path.exists():
        print(f"making {name}", flush=True)
        made = make()
        with atomic_write(path) as file:
            np.save(file, made)
    picture: Image = np.load(path)
    return picture


def write(plot: Plot, name: str, folder: Path = FIGURES) -> None:
    """Write a figure as a JPEG that is small enough, with as many pixels as good quality allows."""
    MADE.mkdir(parents=True, exist_ok=True)
    with PIL.Image.open(plot.save(MADE / f"{name}.png")) as page:
        full = page.convert("RGB")
    for width, quality in itertools.product(range(1380, 700, -60), (84, 72, 60)):
        height = round(full.height * width / full.width)
        content = io.BytesIO()
        full.resize((width, height), PIL.Image.Resampling.LANCZOS).save(
            content, "JPEG", quality=quality, optimize=True, progressive=True
        )
        if content.tell() <= LARGEST:
            break
    folder.mkdir(exist_ok=True)
    with atomic_write(folder / f"{name}.jpg") as file:
        file.write(content.getvalue())
    print(f"{name}.jpg: {content.tell() / 1000:.0f} kB, {width}×{height}, quality {quality}")


# --------------------------------------------------------------------------------------------------
# Lesson 02: the channels that VGG19 has, and what the others have for them


def nearest_channels(
    wanted: NDArray[np.float32], maps: NDArray[np.float32]
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Find for each channel of `wanted` the channel of `maps` that is most alike.

    Both are (H, W, C). Returned are the channels' numbers and their correlations.
    """

    def standard(values: NDArray[np.float32]) -> NDArray[np.float64]:
        flat = values.reshape(-1, values.shape[-1]).astype(np.float64)
        flat = flat - flat.mean(axis=0)
        return flat / np.maximum(np.linalg.norm(flat, axis=0), 1e-12)

    correlation = standard(wanted).T @ standard(maps)
    best = correlation.argmax(axis=1)
    return best, correlation[np.arange(len(best)), best]


def coloured(response: NDArray[np.float32]) -> Image:
    """Show a channel's responses in the colours of the lessons' feature maps."""
    top = float(np.quantile(response, 0.995)) or 1.0
    colours = mpl.colormaps["magma"](np.clip(response / top, 0, 1))
    return colours[..., :3].astype(np.float32)


def features(columns: int = 6) -> None:
    """Show VGG19's most active channels at two layers, and the most similar ones of the others."""
    cat = nst.load_image("chelsea", size=288)
    pictures: list[Image] = []
    titles: list[str] = []
    for layer in ("block3_conv1", "block5_conv1"):
        maps = {
            name: nst.feature_extractor([layer], weights)(cat[np.newaxis])[layer].numpy()[0]
            for name, weights in networks().items()
        }
        full = maps["imagenet"]
        active = np.argsort(-full.mean(axis=(0, 1)))[:columns]
        pictures += [coloured(full[..., channel]) for channel in active]
        titles += [f"VGG19, {layer[:6]}", *[""] * (columns - 1)]
        for name in ("mini", "random"):
            best, alike = nearest_channels(full[..., active], maps[name])
            pictures += [coloured(maps[name][..., channel]) for channel in best]
            label = TITLES[name].removesuffix(" weights")
            titles += [f"{label}: {alike[0]:.2f}", *(f"{r:.2f}" for r in alike[1:])]
            everything = nearest_channels(full, maps[name])[1]
            print(
                f"{layer}, {name}: median correlation over all channels {np.median(everything):.2f}"
            )
    plot = nst.show_images(
        pictures,
        titles,
        columns=columns,
        alt="Maps of a cat: six of VGG19, similar ones of the twin, blurs of random weights.",
    )
    write(plot, "vgg19_features")


# --------------------------------------------------------------------------------------------------
# Lesson 03: which pieces belong together


#: How many channels are shown of each network.
CHANNELS = 32


def pieces() -> dict[str, tuple[Image, Image]]:
    """Cut two pieces each out of the pictures of lesson 03."""
    tissue, stars, waves = map(nst.load_image, ("immunohistochemistry", "hubble", "waves"))
    return {
        "tissue": (tissue[40:200, 20:180], tissue[40:200, 270:430]),
        "stars": (stars[:160, :160], stars[500:660, 500:660]),
        "waves": (waves[-160:, :160], waves[-160:, -160:]),
        **{
            name: (drawn[:160, :160], drawn[-160:, -160:])
            for name in ("marble", "shards", "candy")
            for drawn in [nst.load_image(name)]
        },
    }


def statistics() -> None:
    """Show the correlations of channels, and count which pieces find their siblings."""
    pairs = pieces()
    labels = [name for name in pairs for _ in range(2)]
    images = [piece for pair in pairs.values() for piece in pair]
    shown: dict[str, NDArray[Any]] = {}
    for name, weights in networks().items():
        extractor = nst.feature_extractor(nst.STYLE_LAYERS, weights)
        found = [
            {k: nst.channel_statistics(v[0]) for k, v in extractor(i[np.newaxis]).items()}
            for i in images
        ]
        distances = np.array(
            [[float(nst.style_loss(one, other)) for other in found] for one in found]
        )
        distances = np.sqrt(distances * distances.T) + np.diag(np.full(len(images), np.inf))
        nearest = [labels[i] for i in distances.argmin(axis=1)]
        hits = sum(a == b for a, b in zip(labels, nearest, strict=True))
        own = [distances[i, i ^ 1] for i in range(len(images))]
        others = [
            min(distances[i, j] for j in range(len(images)) if labels[j] != labels[i])
            for i in range(len(images))
        ]
        print(
            f"{name}: {hits} of {len(images)} find their sibling; it is nearer than the nearest "
            f"other piece by a factor of {np.median(np.divide(others, own)):.2f} (median)"
        )
        for layer in ("block3_conv1", "block5_conv1"):
            covariance = found[0][layer].covariance.numpy()
            active = np.argsort(-np.diag(covariance))[:CHANNELS]
            covariance = covariance[np.ix_(active, active)]
            scale = np.sqrt(np.diag(covariance))
            shown[f"{TITLES[name].removesuffix(' weights')}, {layer}"] = covariance / np.outer(
                scale, scale
            )
    order = sorted(shown, key=lambda title: title.split()[-1])
    plot = nst.show_grams(
        {name: shown[name] for name in order},
        columns=3,
        alt="Six matrices with a red diagonal: red all over for random weights, pale for VGG19.",
    )
    write(plot, "vgg19_statistics")


# --------------------------------------------------------------------------------------------------
# Lessons 04 and 06: what is made through each


def judged(image: Image, source: Image) -> float:
    """Judge a texture by VGG19's own loss."""
    extractor = nst.feature_extractor(nst.STYLE_LAYERS, "imagenet", padding="replicate")

    def statistics_of(picture: Image) -> Mapping[str, Statistics]:
        maps = extractor(picture[np.newaxis])
        return {layer: nst.channel_statistics(maps[layer][0]) for layer in nst.STYLE_LAYERS}

    return float(nst.style_loss(statistics_of(image), statistics_of(source)))


#: Sources of textures, by what the figure calls them.
MATERIALS = {
    "tissue": "immunohistochemistry",
    "stars": "hubble",
    "brush strokes": "brushwork",
    "mosaic": "mosaic",
}


def material(name: str) -> Image:
    """Load a source, 224 pixels a side."""
    source = nst.load_image(name)
    if name == "hubble":
        source = source[320:544, 320:544]
    return nst.resize(source, (224, 224))


def textures() -> None:
    """Show textures of four sources through each network."""
    pictures: list[Image] = []
    titles: list[str] = []
    for title, name in MATERIALS.items():
        source = material(name)
        pictures.append(source)
        titles.append(title)
        for network, weights in networks().items():
            make = functools.partial(texture_of, source, weights)
            made = kept(f"texture_{name}_{network}", make)
            pictures.append(made)
            titles.append(f"{TITLES[network]}: {judged(made, source):.2f}")
    plot = nst.show_images(
        pictures,
        titles,
        columns=4,
        alt="Tissue, stars, strokes and a mosaic; beside each, three textures, ever more like it.",
    )
    write(plot, "vgg19_textures")


def texture_of(source: Image, weights: str) -> Image:
    """Make a texture with the recipe's defaults."""
    return nst.synthesize_texture(source, weights=weights, progress=False).image


def transfers() -> None:
    """Show a transfer through the twin and through VGG19."""
    content, style = nst.load_image("chelsea", size=384), nst.load_image("starry_night")
    pictures = [content, nst.resize(style, 384)]
    for network in ("mini", "imagenet"):
        make = functools.partial(transfer_of, content, style, networks()[network])
        pictures.append(kept(f"transfer_chelsea_starry_night_{network}", make))
    plot = nst.show_images(
        pictures,
        ["a photograph", "The Starry Night", TITLES["mini"], TITLES["imagenet"]],
        columns=2,
        cell=4.2,
        alt="A cat, a painting of a night sky, and the cat painted in two ways.",
    )
    write(plot, "vgg19_transfers")


def transfer_of(content: Image, style: Image, weights: str) -> Image:
    """Make a transfer with the recipe's defaults."""
    return nst.transfer_style(content, style, weights=weights, progress=False).image


FIGURE_MAKERS = {
    "features": features,
    "statistics": statistics,
    "textures": textures,
    "transfers": transfers,
}


def main() -> None:
    """Make the figures that were asked for."""
    parser = argparse.ArgumentParser(description="pictures of VGG19 beside its twin")
    parser.add_argument("figures", nargs="*", choices=[*FIGURE_MAKERS, []], metavar="FIGURE")
    for name in parser.parse_args().figures or FIGURE_MAKERS:
        FIGURE_MAKERS[name]()


if __name__ == "__main__":
    main()
