"""Train from the command line: ``python -m nstlib.training mini|style|person``."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from nstlib import cli
from nstlib.assets import ASSETS, fetch
from nstlib.errors import ArgumentError
from nstlib.features import save_twin
from nstlib.images import from_uint8
from nstlib.networks import load_network
from nstlib.quietly import tf
from nstlib.training.mini import normalize_activations, train_mini
from nstlib.training.person import (
    evaluate_person,
    false_alarms,
    group_of,
    keep_back,
    pairs,
    train_person,
)
from nstlib.training.photos import crops, image_files, load_photos

app = typer.Typer(
    help="Train the networks that come with the course.",
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
app.command("style")(cli.train)

_Photos = Annotated[
    list[Path],
    typer.Option(
        metavar="DIR",
        help="A folder of photographs; give --photos again for another.",
        show_default=False,
    ),
]
_Seed = Annotated[int, typer.Option(help="Of the weights and of what is seen.")]


@app.command()
def mini(
    photos: _Photos,
    teacher: Annotated[
        str, typer.Option(help="SqueezeNet 1.1 as ONNX: a file, or squeezenet to download it.")
    ],
    kept_back: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Images to measure on, not trained on.")
    ] = None,
    output: Annotated[Path, typer.Option("--output", "-o")] = Path("vgg19_mini.npz"),
    checkpoint: Annotated[Path, typer.Option(metavar="FILE")] = Path("mini_checkpoint.npz"),
    steps: int = 5000,
    batch: int = 16,
    seed: _Seed = 0,
) -> None:
    """Train the small twin of VGG19."""
    images = load_photos(photos)
    twin, distiller, _ = train_mini(
        images, _file(teacher), checkpoint, steps=steps, batch=batch, seed=seed
    )
    if kept_back is not None:
        unseen = crops(load_photos([kept_back]), 64, 128, seed=0, noise=0.0)
        for (layer, scale, name), error in distiller.errors(tf.constant(next(unseen))).items():
            seen = f"{name.partition('/')[0].partition('_')[0]} at {scale}×"
            print(f"{layer} leaves {float(error):.0%} of {seen} unexplained")
    normalize_activations(twin, [from_uint8(image) for image in images[::60]])
    save_twin(twin, output)
    print(f"wrote {output}")


@app.command()
def person(
    people: Annotated[
        Path, typer.Option(metavar="DIR", help="Photographs in images/, their masks in masks/.")
    ],
    output: Annotated[
        Path,
        typer.Option(
            "--output", "-o", metavar="MODEL", help="Where to write the network: .onnx or .keras."
        ),
    ],
    others: Annotated[
        list[Path] | None,
        typer.Option(metavar="DIR", help="Photographs without people.", show_default="none"),
    ] = None,
    squeezenet: Annotated[
        str | None,
        typer.Option(
            metavar="FILE",
            help="SqueezeNet 1.1 as ONNX, to begin with: a file, or squeezenet to download it.",
            show_default="random weights",
        ),
    ] = None,
    start: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="A network to train further, .keras."),
    ] = None,
    repeat: Annotated[
        list[str] | None,
        typer.Option(
            metavar="GROUP=N",
            help="See the photographs whose names begin with GROUP N times as often.",
            show_default="all alike",
        ),
    ] = None,
    kept_back: Annotated[float, typer.Option(help="Share of all images to measure on.")] = 0.125,
    steps: int = 3000,
    batch: int = 16,
    learning_rate: float = 1e-3,
    seed: _Seed = 0,
    checkpoint: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Save the state there, and go on from what is there."),
    ] = None,
) -> int:
    """Train the network that finds people, and measure how well it does."""
    cli.check_network(output, [], checkpoint=checkpoint)
    learned, judged = keep_back(pairs(people), kept_back)
    times = dict(map(_times, repeat or []))
    learned = [sample for sample in learned for _ in range(times.get(group_of(sample[0]), 1))]
    without, without_judged = keep_back(image_files(others or []), kept_back)
    network = train_person(
        learned,
        without,
        network=None if start is None else load_network(start),
        squeezenet=None if squeezenet is None else _file(squeezenet),
        steps=steps,
        batch=batch,
        learning_rate=learning_rate,
        seed=seed,
        checkpoint=checkpoint,
        progress=sys.stderr.isatty(),
    )
    cli.write_network(
        output, network, {}, output_name="probabilities", value_range=(-1, 1), tolerance=1e-3
    )
    for group, value in evaluate_person(network, judged).items():
        print(f"mIoU {value:.3f} on kept-back images {group}")
    if without_judged:
        print(f"{false_alarms(network, without_judged):.2%} of images without people taken for one")
    print(f"wrote {output}")
    return 0


def _times(text: str) -> tuple[str, int]:
    group, _, number = text.partition("=")
    if not number.isdecimal():
        raise ArgumentError(f"repeat is {text!r}; it is a group and a whole number, as in hs=4")
    return group, int(number)


def _file(name: str) -> Path:
    return fetch(name) if name in ASSETS else Path(name)


def main(arguments: Sequence[str] | None = None) -> int:
    """Train what `arguments` (by default the command line's) name; return the exit code."""
    return cli.run(app, "python -m nstlib.training", arguments)


if __name__ == "__main__":
    sys.exit(main())
