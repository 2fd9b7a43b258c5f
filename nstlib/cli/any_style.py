"""The commands that train the networks for any picture's style, from one pack of pictures."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nstlib.cli._options import ContentWeight
from nstlib.cli._run import fail_to_start, say
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
    from nstlib.training.any_style.pictures import Pack

Styles = Annotated[
    list[Path],
    typer.Option(
        metavar="DIR",
        help="A folder of paintings, of which every tenth is kept back; give --styles again "
        "for another.",
        show_default=False,
    ),
]
PackFile = Annotated[
    Path,
    typer.Option(
        metavar="FILE",
        help="Where the reduced pictures are kept. If it is there, the folders are not read.",
    ),
]
Megabytes = Annotated[float, typer.Option(help="The largest size of that file.")]
Size = Annotated[int, typer.Option(help="Side of the pictures' crops, in pixels.")]


def train_any_style_networks(
    photos: Photos,
    styles: Styles,
    output: Annotated[
        Path,
        typer.Option(
            "--output",
            "-o",
            metavar="DIR",
            help="A folder for any_style_encoder.onnx and any_style_painter.onnx.",
        ),
    ],
    checkpoint: Annotated[
        Path,
        typer.Option(
            metavar="FILE",
            help="Save the state there every 100 steps (30 MB). A training that was ended goes on "
            "from it if the same command is given again.",
        ),
    ],
    pack: PackFile = Path("any_style.pack.npz"),
    megabytes: Megabytes = 150.0,
    steps: Annotated[int, typer.Option(help="How often the networks are changed.")] = 12000,
    size: Size = 192,
    batch: Annotated[int, typer.Option(help="Pairs that they learn from at a time.")] = 4,
    content_weight: ContentWeight = 0.06,
    judge: Annotated[
        str,
        typer.Option(
            metavar="WEIGHTS",
            help="The VGG19 that judges the paintings: mini, imagenet, or a file of VGG19's "
            "layers. Styles are always looked at by mini, a part of which becomes the encoder.",
        ),
    ] = "mini",
    seed: Seed = 0,
) -> int:
    """Train the networks that paint in the style of any picture.

    Says after every 100 steps how they get on and how long it will take. Ctrl-C ends the training
    early and keeps the networks so far. A graphics card makes it many times as fast.
    """
    from nstlib._checks import check_number
    from nstlib._files import check_output, check_places, check_suffix

    if not output.is_dir():
        raise OutputError(f"{output} is no folder; make it first")
    check_suffix(pack, [".npz"])
    check_suffix(checkpoint, [".npz"])
    check_places([*photos, *styles, Path(judge)], checkpoint=checkpoint, pack=pack)
    _check(steps, batch, size, megabytes, seed)
    check_number("content_weight", content_weight, least=0)
    try:
        from nstlib.inference.any_style import ENCODER, PAINTER
        from nstlib.training.any_style.exporting import export_any_style
        from nstlib.training.any_style.teach import Settings, train
    except Exception as error:
        return fail_to_start(error)
    for name in (ENCODER, PAINTER):
        check_output(output / name, [".onnx"])

    def tell(step: int, means: dict[str, float], pace: float) -> None:
        say(
            f"step {step} of {steps}: style {means['style']:.3f}, content "
            f"{means['content']:.3f}{time_left((steps - step) * pace)}"
        )

    began = time.perf_counter()
    teacher = train(
        _packed(pack, photos, styles, megabytes),
        Settings(content_weight=content_weight, steps=steps),
        checkpoint,
        size=size,
        batch=batch,
        seed=seed,
        judge=judge,
        report=tell,
        stop=asked_to_stop,
    )
    done = int(teacher.optimizer.iterations)  # also those of earlier runs
    for proof in export_any_style(teacher, output):
        print(proof)
    say_written(output, done, began)
    return say_interrupted(output, checkpoint) if done < steps else 0


def train_decoder_network(
    photos: Photos,
    styles: Styles,
    output: Annotated[
        Path,
        typer.Option("--output", "-o", metavar="FILE", help="Where to write the decoder: .npz."),
    ],
    pack: PackFile = Path("any_style.pack.npz"),
    megabytes: Megabytes = 150.0,
    layer: Annotated[
        str,
        typer.Option(
            help="Whose features it decodes: block4_conv1, or block3_conv1, which keeps more of "
            "the photograph."
        ),
    ] = "block4_conv1",
    steps: Annotated[int, typer.Option(help="How often the decoder is changed.")] = 8000,
    size: Size = 256,
    batch: Annotated[int, typer.Option(help="Pairs that it learns from at a time.")] = 8,
    seed: Seed = 0,
    checkpoint: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Save the state there every 100 steps (3 MB). A training that was ended goes on "
            "from it if the same command is given again. Removed once the decoder is complete.",
        ),
    ] = None,
) -> int:
    """Train the decoder of lesson 13, from features to pictures.

    Says after every 100 steps how it gets on and how long it will take. Ctrl-C ends the training
    early and keeps the decoder so far. A graphics card makes it many times as fast.
    """
    from nstlib._checks import check_choice
    from nstlib._files import check_output, check_places, check_suffix

    check_output(output, [".npz"])
    check_suffix(pack, [".npz"])
    if checkpoint is not None:
        check_suffix(checkpoint, [".npz"])
    check_places([*photos, *styles, output], checkpoint=checkpoint, pack=pack)
    _check(steps, batch, size, megabytes, seed)
    try:
        from nstlib.networks.decoder import WIDTHS, save_decoder
        from nstlib.training.decoder import train_decoder
    except Exception as error:
        return fail_to_start(error)
    check_choice("layer", layer, WIDTHS)
    done = 0

    def tell(step: int, means: dict[str, float], pace: float) -> None:
        nonlocal done
        done = step
        say(
            f"step {step} of {steps}: content {means['content']:.3f}, style {means['style']:.3f}, "
            f"pixels {means['pixels']:.3f}{time_left((steps - step) * pace)}"
        )

    began = time.perf_counter()
    decoder = train_decoder(
        _packed(pack, photos, styles, megabytes),
        layer,
        steps=steps,
        size=size,
        batch=batch,
        seed=seed,
        checkpoint=checkpoint,
        report=tell,
        stop=asked_to_stop,
    )
    save_decoder(decoder, layer, output)
    if 0 < done < steps:
        return say_interrupted(output, checkpoint)
    if checkpoint is not None:
        checkpoint.unlink(missing_ok=True)
    say_written(output, steps, began)
    return 0


def _check(steps: int, batch: int, size: int, megabytes: float, seed: int) -> None:
    from nstlib._checks import check_count, check_number
    from nstlib.training.any_style.pictures import LEAST_CROP

    check_count("steps", steps)
    check_count("batch", batch)
    if check_count("size", size) < LEAST_CROP or size % 8:
        raise ArgumentError(f"--size is {size}; it must be a multiple of 8, {LEAST_CROP} or more")
    check_number("megabytes", megabytes, above=0)
    check_count("seed", seed, 0)


def _packed(pack: Path, photos: list[Path], styles: list[Path], megabytes: float) -> Pack:
    """Read the pictures to learn from, once they are packed."""
    from nstlib.training.any_style.pictures import Pack, write_pack

    if not pack.exists():
        counts = write_pack(pack, photos, styles, megabytes=megabytes)
        say(f"packed {', '.join(f'{number} {kind}' for kind, number in counts.items())}")
    return Pack.load(pack)
