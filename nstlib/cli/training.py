"""The commands that train the networks for one style, for features and for people."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nstlib.cli._options import ContentWeight, MaxMegapixels, StyleWeight, TvWeight, Weights
from nstlib.cli._outputs import (
    check_network,
    refuse_inputs,
    weights_file,
    write_network,
)
from nstlib.cli._run import fail_to_start, say
from nstlib.cli._signals import signals
from nstlib.cli._training import (
    Photos,
    Seed,
    asked_to_stop,
    say_interrupted,
    say_written,
    time_left,
)
from nstlib.errors import ArgumentError, OutputError

if TYPE_CHECKING:
    from nstlib.images.arrays import Image

#: What --start calls the network for any style.
ANY_STYLE = "any-style"


def train_style_network(
    style: Annotated[
        str,
        typer.Argument(
            metavar="STYLE",
            help="How to paint: a file, or a name that 'nst assets list' shows.",
            show_default=False,
        ),
    ],
    photos: Annotated[
        list[Path],
        typer.Option(
            metavar="DIR",
            help="A folder of photographs of anything, a few hundred or more; give --photos again "
            "for another.",
            show_default=False,
        ),
    ],
    output: Annotated[
        Path,
        typer.Option(
            "--output",
            "-o",
            metavar="MODEL",
            help="Where to write the network: .onnx to use it, .keras to go on with it in Python.",
        ),
    ],
    variant: Annotated[
        str | None,
        typer.Option(
            help="full; lite: several times as fast, for video; wide: twice as wide as lite.",
            show_default="full",
        ),
    ] = None,
    start: Annotated[
        Path | None,
        typer.Option(
            metavar="NETWORK",
            help="A network to train further, for the same style or another: a name, such as "
            "mosaic, or a file, .onnx or .keras. Or any-style, the network for any style, which "
            "knows STYLE at once and gets better at it.",
            show_default="a new one",
        ),
    ] = None,
    steps: Annotated[int, typer.Option(help="How often the network is changed.")] = 2000,
    size: Annotated[int, typer.Option(help="Side of the photographs' crops, in pixels.")] = 256,
    batch: Annotated[int, typer.Option(help="Crops that it learns from at a time.")] = 4,
    content_weight: ContentWeight = 0.2,
    style_weight: StyleWeight = 1.0,
    tv_weight: TvWeight = 3.0,
    lattice_weight: Annotated[
        float,
        typer.Option(
            help="What rows and columns of dots cost; less for a STYLE that is made of them."
        ),
    ] = 30.0,
    style_size: Annotated[
        int,
        typer.Option(
            help="Longest side of STYLE, in pixels: 256 makes strokes half as large. It is never "
            "enlarged."
        ),
    ] = 512,
    max_megapixels: MaxMegapixels = 64.0,
    learning_rate: Annotated[float, typer.Option(help="Of the optimiser, at first.")] = 2e-3,
    weights: Weights = None,
    precision: Annotated[
        str,
        typer.Option(
            help="In which numbers WEIGHTS judge: float32; or bfloat16, in half the time on "
            "processors that have such numbers."
        ),
    ] = "float32",
    seed: Annotated[int, typer.Option(help="Of the network and the crops.")] = 0,
    checkpoint: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Save the state there every 100 steps. A training that was ended goes on from it "
            "if the same command is given again. Removed once MODEL is complete.",
        ),
    ] = None,
    preview: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Paint the sample photo chelsea every 100 steps and write it there: .png, .jpg, "
            ".jpeg or .webp.",
        ),
    ] = None,
) -> int:
    """Teach a network STYLE, to paint any photograph at once.

    Says after every 100 steps how it gets on and how long it will take. Ctrl-C ends the training
    early and keeps the network so far.
    """
    from nstlib._files import check_output
    from nstlib.images.encode import IMAGE_FORMATS
    from nstlib.images.resizing import resize
    from nstlib.sources import load_image, load_style
    from nstlib.training.photos import image_files

    tuned = start is not None and str(start) == ANY_STYLE
    sources = [style] if start is None or tuned else [style, str(start)]
    sources += weights_file(weights)
    check_network(output, sources, checkpoint=checkpoint, preview=preview)
    if preview is not None:
        check_output(preview, IMAGE_FORMATS)
    picture = load_style(style, style_size, max_megapixels=max_megapixels)
    if max(picture.shape) > style_size:
        picture = resize(picture, style_size)
    files = image_files(photos)
    if preview is not None:
        _check_preview(preview, photos, files)
    try:
        from nstlib.networks.any_style import is_one_style_network
        from nstlib.training.style import Progress, train_style
    except Exception as error:
        return fail_to_start(error)
    network = _network_to_train(start, variant, seed, picture)
    if is_one_style_network(network) and size % 8:
        raise ArgumentError(f"--size is {size}; with --start {start} it is a multiple of 8")
    done = 0
    previews = _Previews(preview)

    def tell(progress: Progress) -> None:
        nonlocal done
        done = progress.step
        if not sys.stderr.isatty():  # where there is no progress bar
            terms = ", ".join(f"{name} {value:.3f}" for name, value in progress.terms.items())
            left = time_left(progress.remaining)
            print(f"step {done} of {steps}: {terms}{left}", file=sys.stderr, flush=True)
        if progress.preview is not None:
            previews.show(progress.preview)

    _say_left_out(photos)
    began = time.perf_counter()
    train_style(
        picture,
        files,
        network=network,
        size=size,
        style_size=style_size,
        steps=steps,
        batch=batch,
        learning_rate=learning_rate,
        weights=weights,
        precision=precision,
        content_weight=content_weight,
        style_weight=style_weight,
        tv_weight=tv_weight,
        lattice_weight=lattice_weight,
        seed=seed,
        checkpoint=checkpoint,
        preview=None if preview is None else load_image("chelsea", (256, 384)),
        callback=tell,
        stop=asked_to_stop,
        progress=sys.stderr.isatty(),
    )
    proof: dict[str, Any] = {}
    if is_one_style_network(network):
        from nstlib.inference.any_style import TOLERANCE

        proof = {"tolerance": TOLERANCE}
    # Who gets the file need not know the folders of who made it.
    told = {"style": Path(style).name}
    write_network(output, network, told, value_range=(0, 255), **proof)
    # None are done where an earlier run did them all, and could not write the network.
    interrupted = 0 < done < steps
    if checkpoint is not None and not interrupted:
        checkpoint.unlink(missing_ok=True)
    say_written(output, done or steps, began)
    return say_interrupted(output, checkpoint) if interrupted else 0


def train_small_twin(
    photos: Photos,
    styles: Annotated[
        list[Path],
        typer.Option(
            metavar="DIR",
            help="A folder of paintings, of which a tenth is kept back to measure on; give "
            "--styles again for another.",
            show_default=False,
        ),
    ],
    output: Annotated[
        Path,
        typer.Option("--output", "-o", metavar="FILE", help="Where to write the twin: .npz."),
    ],
    teacher: Annotated[
        str,
        typer.Option(
            metavar="WEIGHTS",
            help="VGG19, from which it learns: imagenet, or a file of VGG19's layers, .npz or .h5.",
        ),
    ] = "imagenet",
    steps: Annotated[int, typer.Option(help="How often the twin is changed.")] = 12000,
    size: Annotated[int, typer.Option(help="Side of the pictures' crops, in pixels.")] = 128,
    batch: Annotated[int, typer.Option(help="Crops that it learns from at a time.")] = 8,
    seed: Seed = 0,
    checkpoint: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Save the state there every 100 steps (150 MB). A training that was ended goes on "
            "from it if the same command is given again. Removed once the twin is complete.",
        ),
    ] = None,
) -> int:
    """Train the small twin of VGG19, which --weights mini loads.

    Says after every 100 steps which share of VGG19's variance the twin leaves unexplained, by
    block, on the paintings that were kept back. Ctrl-C ends the training early and keeps the twin
    so far.
    """
    from nstlib._files import check_output, check_places

    check_output(output, [".npz"])
    check_places([output, Path(teacher)], checkpoint=checkpoint)
    try:
        from nstlib.training.photos import keep_back, load_photos
        from nstlib.training.twin.pictures import drawn_styles
        from nstlib.training.twin.run import Report, Settings, train_twin
        from nstlib.vgg19 import DEPTHS, imagenet_file, load_vgg19, save_vgg19, vgg19_with
    except Exception as error:
        return fail_to_start(error)
    taught_by = imagenet_file() if teacher == "imagenet" else Path(teacher)
    refuse_inputs(output, [] if taught_by is None else [taught_by], "twin")
    settings = Settings(steps=steps, size=size, batch=batch, seed=seed)
    vgg = vgg19_with(teacher) if teacher == "imagenet" else load_vgg19(teacher)
    done = 0

    def tell(report: Report) -> None:
        nonlocal done
        done = report.step
        of = report.held or report.learned
        blocks = [
            sum(left for name, left in of.items() if name[5] == block) / depth
            for block, depth in zip("12345", DEPTHS, strict=True)
        ]
        shares = ", ".join(f"{share:.3f}" for share in blocks if of)
        left = time_left(report.remaining)
        print(
            f"step {done} of {steps}: unexplained of blocks 1 to 5 {shares}{left}",
            file=sys.stderr,
            flush=True,
        )

    learned, held = keep_back(load_photos(styles, 448), 0.1)
    pools = {
        "photo": (0.48, load_photos(photos, 288)),
        "style": (0.36, learned),
        "drawn": (0.16, drawn_styles(100, seed)),
    }
    began = time.perf_counter()
    twin = train_twin(
        vgg,
        pools,
        held=held,
        settings=settings,
        checkpoint=checkpoint,
        callback=tell,
        stop=asked_to_stop,
        progress=sys.stderr.isatty(),
    )
    save_vgg19(twin, output, codes=True)
    if done < steps and signals.asked():
        return say_interrupted(output, checkpoint)
    if checkpoint is not None:
        checkpoint.unlink(missing_ok=True)
    say_written(output, steps, began)
    return 0


def train_person_network(
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
    things: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="DIR",
            help="Animals and other things, cut out: pictures with a transparent background.",
            show_default="none",
        ),
    ] = None,
    selfie: Annotated[
        str | None,
        typer.Option(
            metavar="FILE",
            help="MediaPipe's selfie segmentation, to begin with: a file, or selfie_segmentation "
            "to download it.",
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
    kept_back: Annotated[
        float, typer.Option(help="Share of the photographs to measure on.")
    ] = 0.125,
    steps: Annotated[int, typer.Option(help="How often the network is changed.")] = 3000,
    batch: Annotated[int, typer.Option(help="Photographs that it learns from at a time.")] = 16,
    learning_rate: Annotated[float, typer.Option(help="Of the optimiser, at its highest.")] = 3e-4,
    seed: Seed = 0,
    checkpoint: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Save the state there every 100 steps. A training that was ended goes on from it "
            "if the same command is given again. Removed once MODEL is complete.",
        ),
    ] = None,
) -> int:
    """Train and measure the network that finds people."""
    try:
        from nstlib.networks.files import load_network
        from nstlib.training.people import group_of, pairs
        from nstlib.training.person import evaluate_person, false_alarms, train_person
        from nstlib.training.photos import image_files, keep_back
    except Exception as error:
        return fail_to_start(error)
    given = [str(file) for file in (start, selfie) if file is not None]
    check_network(output, given, checkpoint=checkpoint)
    learned, judged = keep_back(pairs(people), kept_back)
    times = dict(map(_times, repeat or []))
    learned = [sample for sample in learned for _ in range(times.get(group_of(sample[0]), 1))]
    without, without_judged = keep_back(image_files(others or []), kept_back)
    stopped = False

    def stop() -> bool:  # not asked after the last step: there a training is complete
        nonlocal stopped
        stopped = asked_to_stop()
        return stopped

    began = time.perf_counter()
    network = train_person(
        learned,
        without,
        things=image_files(things or []),
        network=None if start is None else load_network(start),
        selfie=None if selfie is None else _file(selfie),
        steps=steps,
        batch=batch,
        learning_rate=learning_rate,
        seed=seed,
        checkpoint=checkpoint,
        stop=stop,
        progress=sys.stderr.isatty(),
    )
    write_network(
        output, network, {}, output_name="probabilities", value_range=(-1, 1), tolerance=1e-3
    )
    if stopped:
        return say_interrupted(output, checkpoint)
    say_written(output, steps, began)
    if checkpoint is not None:
        checkpoint.unlink(missing_ok=True)
    for group, value in evaluate_person(network, judged).items():
        print(f"mIoU {value:.3f} on kept-back images {group}")
    if without_judged:
        print(f"{false_alarms(network, without_judged):.2%} of images without people taken for one")
    return 0


def _network_to_train(start: Path | None, variant: str | None, seed: int, style: Image) -> Any:
    """Make a new network, or read the one to go on with; it takes pictures around 0."""
    from nstlib._checks import check_choice, check_count
    from nstlib._tensorflow import keras
    from nstlib.networks.files import load_network
    from nstlib.networks.transformer import VARIANTS, TransformerNet
    from nstlib.training.style import from_bytes

    if variant is not None:
        check_choice("variant", variant, VARIANTS)
    check_count("seed", seed, 0)
    if start is None:
        keras.utils.set_random_seed(seed)
        return TransformerNet(**VARIANTS[variant or "full"])
    if variant is not None:
        raise ArgumentError(
            "--variant says what a new network is like, and --start goes on with another; leave "
            "out one of them"
        )

    from nstlib.assets.cache import embedded_model
    from nstlib.inference.stylizer import STYLE_NETWORKS
    from nstlib.onnx.restoring import from_onnx

    if str(start) == ANY_STYLE:
        from nstlib.inference.any_style import encode_style
        from nstlib.training.any_style.tuning import one_style_network

        network = one_style_network(encode_style(style))
    elif str(start) in STYLE_NETWORKS:
        network = from_onnx(embedded_model(f"{start}.onnx"))
    elif start.suffix.lower() == ".onnx":
        network = from_onnx(start)
    elif start.suffix.lower() == ".keras":
        network = load_network(start)
    else:
        names = ", ".join(STYLE_NETWORKS)
        raise ArgumentError(
            f"--start is {start}; give a file, .onnx or .keras, or one of {names}, {ANY_STYLE}"
        )
    from_bytes(network)
    return network


def _check_preview(preview: Path, photos: list[Path], files: list[Path]) -> None:
    """Refuse to write it over a photograph, or where later runs would take it for one."""
    from nstlib._files import check_places

    folders = Path(os.path.realpath(preview)).parents
    inside = next((x for x in photos if Path(os.path.realpath(x)) in folders), None)
    if inside is not None:
        raise OutputError(
            f"{preview} lies among the photographs of {inside}; choose another folder for the "
            "preview"
        )
    check_places(files, preview=preview)  # links lead elsewhere


def _say_left_out(folders: list[Path]) -> None:
    """Say which files in folders of photographs are not learned from."""
    from nstlib.images.folders import find_pictures

    for folder in folders:
        found = find_pictures(folder)
        found.others.clear()  # notes beside photographs are no loss to a training
        if left_out := found.left_out():
            say(f"{folder}: left out: {left_out}")


class _Previews:
    """Writes the pictures that show how a training gets on. It goes on without them, too."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._told = False

    def show(self, picture: Image) -> None:
        from nstlib.images.encode import save_image

        if self._path is None:
            return
        try:
            save_image(picture, self._path)
        except OutputError as error:
            if not self._told:
                self._told = True
                say(f"{error.command}; the training goes on without it")


def _times(text: str) -> tuple[str, int]:
    group, _, number = text.partition("=")
    if not number.isdecimal():
        raise ArgumentError(
            f"--repeat is {text}; it must be a group and a whole number, as in hs=4"
        )
    return group, int(number)


def _file(name: str) -> Path:
    from nstlib.assets.cache import fetch
    from nstlib.assets.registry import ASSETS

    return fetch(name) if name in ASSETS else Path(name)
