"""The command ``nst``: a thin face over the library's functions.

Exit codes: 0 success, 1 a run or a check that failed, 2 bad input, 130 interrupted from the
keyboard. An error is one line on stderr.
"""

from __future__ import annotations

import functools
import json
import os
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nstlib import __version__
from nstlib.errors import ArgumentError, ModelError, NstError, OutputError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from nstlib.batch import Recipe
    from nstlib.compose import Calm, PaintParts
    from nstlib.images import Image
    from nstlib.optimize import Step
    from nstlib.synthesis import Estimate, Synthesis

# Everything else is imported where it is used, so that --help need not wait for TensorFlow.

app = typer.Typer(
    help="Neural style transfer, from the Gram matrix to a portrait in a painting.",
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
assets_app = typer.Typer(help="List, download and check paintings, photos and models.")
app.add_typer(assets_app, name="assets")


# What several commands take.
_Source = Annotated[
    str,
    typer.Argument(
        metavar="INPUT",
        help="A file, a folder, or a name that 'nst assets list' shows.",
        show_default=False,
    ),
]
_LongestSide = Annotated[
    int | None, typer.Option("--size", help="Longest side, in pixels.", show_default="INPUT's own")
]
_SegmenterName = Annotated[
    str,
    typer.Option(metavar="MODEL", help="What finds people: person, pp_humanseg, or an ONNX file."),
]
_WorldStyle = Annotated[
    str | None,
    typer.Option(
        help="What paints the world around people: mosaic, candy, starry_night, great_wave, or an "
        "ONNX file.",
        show_default="it stays a photograph",
    ),
]
_PersonStyle = Annotated[
    str | None,
    typer.Option(
        metavar="STYLE",
        help="What paints people: likewise.",
        show_default="they stay photographs",
    ),
]
_Feather = Annotated[
    float, typer.Option(help="Fade people's edges over about this many pixels to either side.")
]
_Strength = Annotated[float, typer.Option(help="From 0, the photograph, to 1, the painting.")]
_Match = Annotated[
    float,
    typer.Option(help="From 0 to 1: how much of the other part's colours the unpainted one takes."),
]
_Hard = Annotated[
    bool, typer.Option("--hard", help="Cut along a mask of 0 and 1, as tutorials do.")
]
_PreserveColors = Annotated[
    bool,
    typer.Option(
        "--preserve-colors", help="Paint brightness alone; the photograph's colours stay."
    ),
]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run ``nst`` with `arguments` (by default the command line's) and return its exit code."""
    return run(app, "nst", arguments)


def run(application: typer.Typer, name: str, arguments: Sequence[str] | None = None) -> int:
    """Run one of an application's commands, as :func:`main` does."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    command = typer.main.get_command(application)
    try:
        code = command.main(given or ["--help"], prog_name=name, standalone_mode=False)
        sys.stdout.flush()
        return code or 0
    except BrokenPipeError:
        # Whoever read the output has seen enough. Python's flush at the end must not fail again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except (NstError, OSError) as error:
        return _fail(str(error), 2)
    except typer.Abort:
        return 130
    except Exception as error:
        # Usage errors are click's, or those of the copy of click that is part of newer Typers.
        if not hasattr(error, "format_message"):
            raise
        context = getattr(error, "ctx", None)
        where = context.command_path if context else name
        return _fail(f"{error.format_message()} (see {where} --help)", 2)


def _fail(message: str, code: int) -> int:
    print("nst:", " ".join(message.splitlines()), file=sys.stderr)
    return code


def _fail_to_start(error: Exception) -> int:
    """Say what a broken TensorFlow or another Keras backend raised."""
    return _fail(f"{type(error).__name__}: {error}; run nst doctor to learn what to do", 1)


def _print_version(wanted: bool) -> None:
    if wanted:
        print(__version__)
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_print_version, is_eager=True, help="Print and exit."),
    ] = False,
) -> None:
    pass


@app.command()
def texture(
    image: Annotated[
        str,
        typer.Argument(
            metavar="IMAGE",
            help="A file, or a name that 'nst assets list' shows: a sample, drawn style, picture.",
            show_default=False,
        ),
    ],
    output: Annotated[
        Path,
        typer.Option(
            "--output",
            "-o",
            metavar="OUT",
            help="Where to write the texture: .png, .jpg, .jpeg or .webp.",
        ),
    ],
    size: Annotated[int, typer.Option(help="Side of the square texture, in pixels.")] = 224,
    iterations: Annotated[int, typer.Option(help="At most, at each of up to three sizes.")] = 60,
    optimizer: Annotated[str, typer.Option(help="lbfgs or adam.")] = "lbfgs",
    tv_weight: Annotated[float, typer.Option(help="Weight of smoothness in the loss.")] = 0.0,
    tile: Annotated[bool, typer.Option("--tile", help="Let opposite edges fit together.")] = False,
    weights: Annotated[
        str | None,
        typer.Option(
            help="mini, random, or imagenet (80 MB, downloaded on first use).",
            show_default="NSTLIB_WEIGHTS, or mini",
        ),
    ] = None,
    seed: Annotated[int, typer.Option(help="Another number gives another texture.")] = 0,
    report: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Write how the run went there, as JSON."),
    ] = None,
) -> int:
    """Make a texture like IMAGE: the same stuff, differently arranged.

    IMAGE is scaled to SIZE pixels on its longest side. Ctrl-C ends the run early and keeps the
    best picture so far.
    """
    from nstlib.images import load_image, save_image

    _check_outputs([image], output, report=report)
    source = load_image(image, size=size)
    try:
        from nstlib.optimize import OptimizationError
        from nstlib.synthesis import synthesize_texture
    except Exception as error:
        return _fail_to_start(error)

    try:
        result = synthesize_texture(
            source,
            (size, size),
            weights=weights,
            iterations=iterations,
            method=optimizer,
            tv_weight=tv_weight,
            tileable=tile,
            seed=seed,
            progress=sys.stderr.isatty(),
        )
    except OptimizationError as error:
        save_image(output, error.image)
        return _fail(f"{error}; the last good picture is in {output}", 1)
    save_image(output, result.image)
    if report is not None:
        _write_report(report, result)
    _print_result(output, result)
    if result.interrupted:
        return _fail(f"interrupted; {output} is the best picture so far", 130)
    return 0


@app.command()
def transfer(
    content: Annotated[
        str,
        typer.Argument(
            metavar="CONTENT",
            help="What to paint: a file, or a name that 'nst assets list' shows.",
            show_default=False,
        ),
    ],
    styles: Annotated[
        list[str],
        typer.Argument(
            metavar="STYLE",
            help="How to paint it: likewise. Several are mixed.",
            show_default=False,
        ),
    ],
    output: Annotated[
        Path,
        typer.Option(
            "--output",
            "-o",
            metavar="OUT",
            help="Where to write the picture: .png, .jpg, .jpeg or .webp.",
        ),
    ],
    size: Annotated[
        int | None,
        typer.Option(
            help="Longest side of the picture, in pixels.",
            show_default="512, or CONTENT's own if that is less",
        ),
    ] = None,
    content_weight: Annotated[float, typer.Option(help="More keeps more of the subject.")] = 0.3,
    style_weight: Annotated[float, typer.Option(help="More gives bolder strokes.")] = 1.0,
    tv_weight: Annotated[float, typer.Option(help="Weight of smoothness in the loss.")] = 0.0,
    preserve_colors: Annotated[
        str | None,
        typer.Option(
            help="Keep CONTENT's colours: luminance paints brightness alone, covariance gives them "
            "to the styles first.",
            show_default="the styles' colours",
        ),
    ] = None,
    style_scale: Annotated[
        float, typer.Option(help="0.5 makes strokes half as large; styles are never enlarged.")
    ] = 1.0,
    mask: Annotated[
        str | None,
        typer.Option(
            metavar="FILE",
            help="A picture that says what goes where, stretched to CONTENT's shape. Of two "
            "styles, the first paints its white parts and the second its black ones. With one "
            "style, black parts stay as they are in CONTENT.",
            show_default=False,
        ),
    ] = None,
    init: Annotated[
        str, typer.Option(help="What to begin with: content, noise, or a picture.")
    ] = "content",
    weights: Annotated[
        str | None,
        typer.Option(
            help="mini, random, or imagenet (80 MB, downloaded on first use).",
            show_default="NSTLIB_WEIGHTS, or mini",
        ),
    ] = None,
    optimizer: Annotated[str, typer.Option(help="lbfgs or adam.")] = "lbfgs",
    iterations: Annotated[
        int, typer.Option(help="At most, at each size from 128 pixels up by steps of 1.4.")
    ] = 50,
    seed: Annotated[int, typer.Option(help="Of the noise, with --init noise.")] = 0,
    checkpoint: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Save the state there every few seconds. A run that was ended goes on from it if "
            "the same command is given again. Removed once OUT is complete.",
        ),
    ] = None,
    animate: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Write a film of the run there, .gif or .mp4: ten frames a size."
        ),
    ] = None,
    report: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Write how the run went there, as JSON."),
    ] = None,
) -> int:
    """Paint CONTENT in the style of STYLE.

    First says how long it will take, and how much memory. Ctrl-C ends the run early and keeps the
    best picture so far.
    """
    from nstlib.colors import luminance, replace_luminance
    from nstlib.images import load_image, resize, save_image

    if mask is not None and len(styles) > 2:
        raise ArgumentError(f"--mask divides a picture between 2 styles; there are {len(styles)}")
    pictures = [name for name in (mask, init) if name not in (None, "content", "noise")]
    _check_outputs(
        [content, *styles, *pictures], output, report=report, animate=animate, checkpoint=checkpoint
    )
    photo = load_image(content, size)
    if size is None and max(photo.shape) > 512:
        photo = resize(photo, 512)
    shape = (photo.shape[0], photo.shape[1])
    region = None if mask is None else luminance(load_image(mask, shape))
    start = init if init in ("content", "noise") else load_image(init)
    paintings = [_load_style(name, max(shape) * style_scale) for name in styles]
    try:
        from nstlib.optimize import OptimizationError
        from nstlib.synthesis import estimate_transfer, memory, transfer_style
    except Exception as error:
        return _fail_to_start(error)

    def keep_photo(image: Image) -> Image:
        """Leave the photo where a lone style does not paint."""
        if region is None or len(styles) == 2:
            return image
        height, width, _ = image.shape
        share = resize(region[..., None].repeat(3, axis=2), (height, width))
        laid: Image = share * image + (1 - share) * resize(photo, (height, width))
        return laid.clip(0, 1)

    def finish(image: Image) -> Image:
        """Make of the picture inside a run what the run would return."""
        if preserve_colors == "luminance":
            image = replace_luminance(resize(photo, (image.shape[0], image.shape[1])), image)
        return keep_photo(image)

    options: dict[str, Any] = {
        "content_weight": content_weight,
        "style_weight": style_weight,
        "tv_weight": tv_weight,
        "preserve_colors": preserve_colors,
        "style_scale": style_scale,
        "masks": None if region is None else [region, 1 - region][: len(styles)],
        "init": start,
        "weights": weights,
        "method": optimizer,
        "iterations": iterations,
        "seed": seed,
    }
    film = None if animate is None else _Film(max(1, iterations // 10), finish)
    try:
        _print_estimate(estimate_transfer(photo, paintings, **options), checkpoint)
        result = transfer_style(
            photo,
            paintings,
            **options,
            checkpoint=checkpoint,
            callback=film,
            progress=sys.stderr.isatty(),
        )
    except OptimizationError as error:
        save_image(output, finish(error.image))
        return _fail(f"{error}; the last good picture is in {output}", 1)
    picture = keep_photo(result.image)
    save_image(output, picture)
    if checkpoint is not None and not result.interrupted:
        checkpoint.unlink(missing_ok=True)
    if report is not None:
        settings = {
            "content": content,
            "styles": styles,
            "mask": mask,
            **{name: value for name, value in options.items() if name not in ("masks", "weights")},
            "init": init,
        }
        _write_report(report, result, peak_megabytes=memory(peak=True), settings=settings)
    if film is not None and animate is not None:
        film.save(animate, picture)
    _print_result(output, result)
    if result.interrupted:
        again = f"; the same command goes on from {checkpoint}" if checkpoint else ""
        return _fail(f"interrupted; {output} is the best picture so far{again}", 130)
    return 0


@app.command()
def stylize(
    sources: Annotated[
        list[str],
        typer.Argument(
            metavar="INPUT...",
            help="Files, folders, or names that 'nst assets list' shows.",
            show_default=False,
        ),
    ],
    model: Annotated[
        str,
        typer.Option(
            "--model",
            "-m",
            metavar="STYLE",
            help="What paints: mosaic, candy, starry_night, great_wave, or an ONNX file.",
        ),
    ],
    output: Annotated[
        Path,
        typer.Option(
            "--output",
            "-o",
            metavar="OUT",
            help="Where to write: for one INPUT a file, .png, .jpg, .jpeg or .webp; for several, "
            "or a folder, a folder.",
        ),
    ],
    strength: _Strength = 1.0,
    preserve_colors: _PreserveColors = False,
    backend: Annotated[
        str, typer.Option(help="What computes: cv2 (OpenCV) or ort (ONNX Runtime).")
    ] = "cv2",
    size: _LongestSide = None,
    jobs: Annotated[int, typer.Option(help="How many pictures at a time.")] = 1,
    scheduler: Annotated[
        str | None,
        typer.Option(
            metavar="ADDRESS",
            help="Let a Dask cluster paint, whose scheduler is at this address. Its workers see "
            "the same files.",
            show_default="this machine paints",
        ),
    ] = None,
) -> int:
    """Paint each INPUT by a trained network, in one pass.

    A folder is searched to its depths, and OUT gets its structure. Results that are there already
    are skipped, so a run that was ended goes on when it is given again. Exit code 1 if a picture
    could not be painted; the others are.
    """
    from nstlib.batch import Stylize

    recipe = Stylize(model, backend, strength, preserve_colors)
    return _paint_each(sources, output, recipe, size, jobs=jobs, scheduler=scheduler)


@app.command()
def train(
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
        str, typer.Option(help="full, or lite: several times as fast, for video.")
    ] = "full",
    start: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="A network to train further, .keras, for the same style or another.",
            show_default="a new one",
        ),
    ] = None,
    steps: Annotated[int, typer.Option(help="How often the network is changed.")] = 2000,
    size: Annotated[int, typer.Option(help="Side of the photographs' crops, in pixels.")] = 256,
    batch: Annotated[int, typer.Option(help="Crops that it learns from at a time.")] = 4,
    content_weight: Annotated[float, typer.Option(help="More keeps more of the subject.")] = 1.0,
    style_weight: Annotated[float, typer.Option(help="More gives bolder strokes.")] = 1.0,
    tv_weight: Annotated[float, typer.Option(help="Weight of smoothness in the loss.")] = 0.0,
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
    learning_rate: Annotated[float, typer.Option(help="Of the optimiser, at first.")] = 2e-3,
    weights: Annotated[
        str | None,
        typer.Option(
            help="mini, random, or imagenet (80 MB, downloaded on first use).",
            show_default="NSTLIB_WEIGHTS, or mini",
        ),
    ] = None,
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
    """Teach a network STYLE, so that it paints any photograph at once.

    Says after every 100 steps how it gets on and how long it will take. Ctrl-C ends the training
    early and keeps the network so far.
    """
    from nstlib.images import check_output, load_image, resize, save_image
    from nstlib.training.photos import image_files

    sources = [style] if start is None else [style, str(start)]
    check_network(output, sources, checkpoint=checkpoint, preview=preview)
    if preview is not None:
        check_output(preview)
    picture = _load_style(style, style_size)
    if max(picture.shape) > style_size:
        picture = resize(picture, style_size)
    files = image_files(photos)
    try:
        from nstlib.networks import VARIANTS, TransformerNet, load_network
        from nstlib.quietly import keras
        from nstlib.training.style import Progress, from_bytes, train_style
    except Exception as error:
        return _fail_to_start(error)
    if variant not in VARIANTS:
        raise ArgumentError(f"variant is {variant!r}; it is one of {', '.join(VARIANTS)}")
    if seed < 0:
        raise ArgumentError(f"seed is {seed}; it is a whole number, 0 or more")
    if start is None:
        keras.utils.set_random_seed(seed)
        network = TransformerNet(**VARIANTS[variant])
    else:
        network = load_network(start)
        from_bytes(network)
    done = 0

    def tell(progress: Progress) -> None:
        nonlocal done
        done = progress.step
        if not sys.stderr.isatty():  # where there is no progress bar
            terms = ", ".join(f"{name} {value:.3f}" for name, value in progress.terms.items())
            left = f"; about {_duration(progress.remaining)} left" if done < steps else ""
            print(f"step {done} of {steps}: {terms}{left}", file=sys.stderr, flush=True)
        if preview is not None and progress.preview is not None:
            save_image(preview, progress.preview)

    began = time.perf_counter()
    train_style(
        picture,
        files,
        network=network,
        size=size,
        steps=steps,
        batch=batch,
        learning_rate=learning_rate,
        weights=weights,
        content_weight=content_weight,
        style_weight=style_weight,
        tv_weight=tv_weight,
        lattice_weight=lattice_weight,
        seed=seed,
        checkpoint=checkpoint,
        preview=None if preview is None else load_image("chelsea", 384),
        callback=tell,
        progress=sys.stderr.isatty(),
    )
    write_network(output, network, {"style": style})
    if checkpoint is not None and done == steps:
        checkpoint.unlink(missing_ok=True)
    seconds = time.perf_counter() - began
    print(f"wrote {typer.format_filename(output)}: {done} steps, {_duration(seconds)}")
    if done < steps:
        again = f"; the same command goes on from {checkpoint}" if checkpoint else ""
        return _fail(f"interrupted; {output} is the network so far{again}", 130)
    return 0


@app.command("export")
def export_network(
    model: Annotated[
        Path,
        typer.Argument(
            metavar="MODEL",
            help="A network of Keras (.keras), a checkpoint of PyTorch's fast_neural_style (.pth), "
            "a file of TensorFlow Lite (.tflite), or an old ONNX file (.onnx).",
            show_default=False,
        ),
    ],
    output: Annotated[
        Path,
        typer.Option("--output", "-o", metavar="OUT", help="Where to write it: .onnx."),
    ],
    metadata: Annotated[
        list[str] | None,
        typer.Option(
            metavar="KEY=VALUE",
            help="What the file is to say of itself: style=candy. Once for each.",
            show_default=False,
        ),
    ] = None,
    float32: Annotated[
        bool,
        typer.Option(
            "--float32", help="Store a network of Keras or PyTorch unrounded, as float32."
        ),
    ] = False,
) -> int:
    """Write MODEL as an ONNX file for today's runtimes, once they are seen to agree on it."""
    if output.suffix.lower() != ".onnx":
        raise OutputError(
            f"{output}: cannot write {output.suffix or 'a name without a suffix'!r}; use .onnx"
        )
    _check_places([model], model=output)
    told: dict[str, str] = {}
    for entry in metadata or []:
        key, equals, value = entry.partition("=")
        if not key or not equals:
            raise ArgumentError(f"--metadata {entry}: it is KEY=VALUE, as in style=candy")
        told[key] = value
    try:
        from nstlib import onnx_export
    except Exception as error:
        return _fail_to_start(error)

    if model.suffix.lower() in (".onnx", ".tflite"):
        if float32:
            raise ArgumentError(f"--float32: {model} keeps its numbers as they are")
        write = {".onnx": onnx_export.modernize, ".tflite": onnx_export.from_tflite}
        proof = write[model.suffix.lower()](model, output, metadata=told)
    else:
        network = _load_network(model)
        proof = onnx_export.export(network, output, metadata=told, half=not float32)
    print(proof)
    print(f"wrote {typer.format_filename(output)}: {output.stat().st_size / 1e6:.1f} MB")
    return 0


@app.command("verify")
def verify_network(
    files: Annotated[
        list[Path],
        typer.Argument(
            metavar="[MODEL] FILE",
            help="An ONNX file; before it, if you have it, what it was made from: .keras or .pth.",
            show_default=False,
        ),
    ],
    size: Annotated[
        list[str] | None,
        typer.Option(
            metavar="HxW",
            help="Height and width of a picture to compare on: 320x384. Once for each.",
            show_default="four that differ, or the file's own",
        ),
    ] = None,
    tolerance: Annotated[
        float, typer.Option(help="The largest difference allowed; a picture goes from 0 to 255.")
    ] = 0.01,
) -> int:
    """Compare what the runtimes compute from FILE. Exit code 1 if they disagree.

    With MODEL they are compared with Keras, else with ONNX Runtime.
    """
    *models, file = files
    if len(models) > 1:
        raise ArgumentError(f"there are {len(files)} files; give MODEL and FILE, or FILE alone")
    sizes = []
    for text in size or []:
        height, _, width = text.lower().partition("x")
        if not (height.isdecimal() and width.isdecimal() and int(height) and int(width)):
            raise ArgumentError(f"--size {text}: it is HEIGHTxWIDTH in pixels, as in 320x384")
        sizes.append((int(height), int(width)))
    try:
        from nstlib import onnx_export
    except Exception as error:
        return _fail_to_start(error)

    model = _load_network(models[0]) if models else None
    proof = onnx_export.verify(model, file, sizes or None, tolerance=tolerance)
    print(proof)
    return int(not proof.ok)


def _load_network(path: Path) -> Any:
    """Read a network of Keras, or one of PyTorch into Keras."""
    suffix = path.suffix.lower()
    if suffix in (".pth", ".pt"):
        from nstlib.onnx_export import from_pytorch

        return from_pytorch(path)
    if suffix == ".keras":
        from nstlib.networks import load_network

        return load_network(path)
    raise ArgumentError(f"{path}: cannot read {suffix or 'a name without a suffix'!r} as a network")


@app.command()
def segment(
    source: _Source,
    output: Annotated[
        Path,
        typer.Option(
            "--output",
            "-o",
            metavar="MASK",
            help="Where to write it: white is a person. A picture, a film, or a folder's place.",
        ),
    ],
    matte: Annotated[
        bool,
        typer.Option("--matte", help="Shades of grey that follow the edges, in place of 0 and 1."),
    ] = False,
    size: _LongestSide = None,
    segmenter: _SegmenterName = "person",
) -> int:
    """Find the people in INPUT: a picture, a film, or a folder of pictures."""
    recipe = functools.partial(_silhouette, segmenter, matte)
    return _paint_parts(source, output, recipe, size, ".png")


def _silhouette(segmenter: str, matte: bool) -> PaintParts:
    """Make what shows people white, and all else black."""
    from nstlib.compose import check_alpha
    from nstlib.inference import PersonSegmenter

    find = PersonSegmenter(segmenter)

    def show(photo: Image, calm: Calm | None = None) -> Image:
        alpha = check_alpha(find.matte(photo) if matte else find.mask(photo), photo)
        if calm is not None:
            alpha = calm("alpha", alpha)
        if not matte:
            alpha = (alpha > 0.5).astype(alpha.dtype)
        return alpha[..., None].repeat(3, axis=2)

    return show


@app.command()
def compose(
    source: _Source,
    output: Annotated[
        Path,
        typer.Option(
            "--output",
            "-o",
            metavar="OUT",
            help="Where to write it: a picture (.png, .jpg, .jpeg, .webp), a film (.mp4, .mov, "
            ".mkv, .gif), or a folder's place.",
        ),
    ],
    style: _WorldStyle = None,
    person: _PersonStyle = None,
    feather: _Feather = 0.0,
    strength: _Strength = 1.0,
    match: _Match = 0.0,
    hard: _Hard = False,
    preserve_colors: _PreserveColors = False,
    size: _LongestSide = None,
    segmenter: _SegmenterName = "person",
) -> int:
    """Paint the world around the people in INPUT, the people, or each in a style of its own.

    INPUT is a picture, a film, or a folder of pictures. Films keep their sound. Ctrl-C ends one
    early, and keeps what is painted so far.
    """
    from nstlib.compose import Composer

    recipe = functools.partial(
        Composer,
        style,
        person,
        segmenter=segmenter,
        feather=feather,
        strength=strength,
        match=match,
        hard=hard,
        preserve_colors=preserve_colors,
    )
    return _paint_parts(source, output, recipe, size)


@app.command()
def webcam(
    style: _WorldStyle = None,
    person: _PersonStyle = None,
    feather: _Feather = 0.0,
    strength: _Strength = 1.0,
    match: _Match = 0.0,
    hard: _Hard = False,
    preserve_colors: _PreserveColors = False,
    size: Annotated[int, typer.Option(help="Longest side of the picture, in pixels.")] = 640,
    segmenter: _SegmenterName = "person",
    camera: Annotated[int, typer.Option(help="The number of the camera.")] = 0,
) -> int:
    """Show what the camera sees, painted as 'nst compose' would.

    In the window, q ends it, and s saves the picture to the current folder.
    """
    from nstlib.compose import Composer
    from nstlib.video import steadily
    from nstlib.video import webcam as show

    composer = Composer(
        style,
        person,
        segmenter=segmenter,
        feather=feather,
        strength=strength,
        match=match,
        hard=hard,
        preserve_colors=preserve_colors,
    )
    shown = show(steadily(composer), camera=camera, size=size)
    print(f"showed {shown} frames")
    return 0


@assets_app.command("list")
def list_assets(
    text: Annotated[
        str, typer.Argument(help="Show only what mentions this.", show_default=False)
    ] = "",
    urls: Annotated[bool, typer.Option("--urls", help="Show addresses as well.")] = False,
) -> int:
    """Show what IMAGE can be by name: what comes with nstlib, and what can be downloaded."""
    from nstlib.assets import asset_path, search
    from nstlib.images import PHOTOS, sample_names

    rows = [("NAME", "KIND", "MB", "HERE", "LICENSE", "CREDIT", "")]
    for name in sample_names():
        if text.lower() in name:
            kind, maker = ("photo", "scikit-image") if name in PHOTOS else ("drawing", "nstlib")
            rows.append((name, kind, "-", "yes", f"as {maker}", f"comes with {maker}", ""))
    for asset in search(text):
        megabytes = "?" if asset.bytes is None else f"{asset.bytes / 1e6:.1f}"
        here = "yes" if asset_path(asset.name).exists() else "no"
        rows.append(
            (asset.name, asset.kind, megabytes, here, asset.license, asset.credit, asset.url)
        )
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for *cells, url in rows:
        print("  ".join(map(str.ljust, cells, widths)).rstrip())
        if urls and url:
            print(f"    {url}")
    return 0


@assets_app.command("fetch")
def fetch_assets(
    names: Annotated[list[str], typer.Argument(metavar="NAME", help="See 'nst assets list'.")],
    force: Annotated[
        bool, typer.Option("--force", help="Replace a file that is not what it should be.")
    ] = False,
) -> int:
    """Download files into the cache, check them, and print where they are."""
    from nstlib.assets import fetch

    for name in names:
        print(typer.format_filename(fetch(name, force=force, progress=sys.stderr.isatty())))
    return 0


@assets_app.command("verify")
def verify_assets(
    names: Annotated[
        list[str] | None, typer.Argument(metavar="NAME", help="By default all.")
    ] = None,
) -> int:
    """Check the downloaded files by their hashes. Exit code 1 if one is not what it should be."""
    from nstlib.assets import verify

    states = verify(names or None)
    width = max(map(len, states))
    for name, state in states.items():
        print(f"{name:{width}}  {state}")
    return int("corrupt" in states.values())


@app.command()
def doctor() -> int:
    """Check this machine: versions, TensorFlow, OpenCV, caches, disk. Exit code 1 for a fault."""
    from nstlib.doctor import diagnose, report

    findings = diagnose()
    print(report(findings))
    return int(any(finding.ok is False for finding in findings))


def _paint_each(
    sources: Sequence[str],
    output: Path,
    recipe: Recipe,
    size: int | None,
    *,
    jobs: int = 1,
    scheduler: str | None = None,
    suffix: str | None = None,
) -> int:
    """Paint a picture into a file, or several and folders into a folder."""
    from nstlib.batch import paint_all, plan
    from nstlib.images import load_image, save_image

    if len(sources) == 1 and not Path(sources[0]).is_dir() and not output.is_dir():
        _check_outputs(sources, output)
        picture = recipe()(load_image(sources[0], size))
        save_image(output, picture)
        height, width, _ = picture.shape
        print(f"wrote {typer.format_filename(output)}: {width}x{height} pixels")
        return 0

    done = paint_all(
        plan(sources, output, suffix=suffix),
        recipe,
        size=size,
        jobs=jobs,
        scheduler=scheduler,
        progress=sys.stderr.isatty(),
    )
    counts = {"painted": done.painted, "there already": done.skipped, "failed": done.failed}
    words = ", ".join(f"{len(tasks)} {what}" for what, tasks in counts.items() if tasks)
    print(f"{typer.format_filename(output)}: {words or 'nothing to paint'}")
    for task, fault in done.failed:
        # The library's messages begin with the file; others are told which it was.
        known = fault.startswith(str(task.source))
        _fail(fault if known else f"{task.source}: {fault}", 1)
    if done.interrupted:
        return _fail("interrupted; the same command goes on with what is missing", 130)
    return int(bool(done.failed))


def _paint_parts(
    source: str,
    output: Path,
    recipe: Callable[[], PaintParts],
    size: int | None,
    suffix: str | None = None,
) -> int:
    """Paint a film, a picture, or a folder of pictures."""
    from nstlib.video import FORMATS

    if output.suffix.lower() in FORMATS:
        return _paint_film(source, output, recipe(), size)
    return _paint_each([source], output, recipe, size, suffix=suffix)


def _paint_film(source: str, output: Path, paint: PaintParts, size: int | None) -> int:
    from nstlib.video import convert_video, steadily

    try:
        done = convert_video(
            source, output, steadily(paint), size=size, progress=sys.stderr.isatty()
        )
    except KeyboardInterrupt:
        return _fail("interrupted before the first frame; nothing is written", 130)
    height, width = done.size
    name = typer.format_filename(output)
    print(
        f"wrote {name}: {width}x{height} pixels, {done.frames} frames, "
        f"{done.frames / done.rate:.1f} seconds; {done.frames / done.seconds:.1f} frames a second"
    )
    if done.broken:
        print(f"nst: {done.broken} broken frames were skipped", file=sys.stderr)
    if done.sound == "lost":
        print("nst: the sound cannot be read; the film is silent", file=sys.stderr)
    if done.interrupted:
        return _fail(f"interrupted; {name} holds what was painted so far", 130)
    if done.missing > 1:
        print(
            f"nst: {source} says that it lasts {done.missing:.1f} seconds longer than its pictures",
            file=sys.stderr,
        )
    return 0


def _check_outputs(sources: Iterable[str], output: Path, **others: Path | None) -> None:
    """Refuse what would fail after the long run, or overwrite what went into it."""
    from nstlib.images import check_output

    inputs = [path for path in map(_source_path, sources) if path]
    check_output(output)
    if any(_same_file(output, path) for path in inputs):
        raise OutputError(f"{output} is the input itself; choose another name for the picture")
    if (animate := others.get("animate")) is not None and animate.suffix.lower() not in (
        ".gif",
        ".mp4",
    ):
        raise OutputError(
            f"{animate}: cannot write {animate.suffix or 'a name without a suffix'!r}; "
            "use one of .gif, .mp4"
        )
    _check_places([*inputs, output], **others)


def _check_places(taken: Iterable[Path], **others: Path | None) -> None:
    """Refuse a file that is among those taken, or stands where nothing can be written."""
    taken = list(taken)
    for kind, path in others.items():
        if path is None:
            continue
        if any(_same_file(path, other) for other in taken):
            raise OutputError(
                f"{path} is an input or another output already; choose another {kind} file"
            )
        if path.is_dir() or not os.access(path.parent, os.W_OK):
            raise OutputError(
                f"{path}: cannot be written; give a file in an existing folder of yours"
            )
        taken.append(path)


def check_network(output: Path, sources: Iterable[str], **others: Path | None) -> None:
    """Refuse what could not be written after the long training, or would overwrite its input."""
    if output.suffix.lower() not in (".onnx", ".keras"):
        raise OutputError(
            f"{output}: cannot write {output.suffix or 'a name without a suffix'!r}; use one of "
            ".onnx, .keras"
        )
    _check_places([path for path in map(_source_path, sources) if path], model=output, **others)


def write_network(path: Path, network: Any, metadata: dict[str, str], **options: Any) -> None:
    """Write a trained network as its suffix says; if it cannot be exported, as a Keras file."""
    from nstlib.networks import save_network

    if path.suffix.lower() == ".keras":
        save_network(path, network)
        return
    from nstlib.onnx_export import export

    try:
        export(network, path, metadata=metadata, **options)
    except NstError as error:  # a long training went into it
        kept = path.with_suffix(".keras")
        save_network(kept, network)
        raise ModelError(f"{error}; the network is kept in {kept}") from error


def _source_path(source: str) -> Path | None:
    """Return the file that a name stands for; None for one that needs no file."""
    from nstlib.assets import ASSETS, asset_path
    from nstlib.images import sample_names

    if source in sample_names():
        return None
    return asset_path(source) if source in ASSETS else Path(source)


def _same_file(one: Path, other: Path) -> bool:
    if one.exists() and other.exists():
        return one.samefile(other)
    return one.resolve() == other.resolve()


def _load_style(name: str, longest: float) -> Image:
    """Load a style at its own size. One that the library draws has any size that is needed."""
    from nstlib.art import STYLES
    from nstlib.images import load_image

    return load_image(name, round(min(longest, 4096)) if name in STYLES and longest > 512 else None)


class _Film:
    """Collects pictures from a run, as 8-bit pixels, and writes them as an animation."""

    def __init__(self, every: int, finish: Callable[[Image], Image]) -> None:
        self._every = every
        self._finish = finish
        self._next = 0
        self._frames: list[NDArray[np.uint8]] = []

    def __call__(self, step: Step) -> None:
        from nstlib.images import to_uint8

        # A size begins where the one before ended: the same iteration, and the same picture.
        if step.image is not None and step.iteration >= self._next:
            self._next = step.iteration + self._every
            self._frames.append(to_uint8(self._finish(step.image)))

    def save(self, path: Path, last: Image) -> None:
        import numpy as np

        from nstlib.images import from_uint8, resize, to_uint8
        from nstlib.plots import Animation

        size = (last.shape[0], last.shape[1])
        frames = [to_uint8(resize(from_uint8(frame), size)) for frame in self._frames]
        film = np.stack([*frames, to_uint8(last)])
        Animation(film, fps=10, hold=2, alt="", caption="").save(path)


def _print_estimate(estimate: Estimate, checkpoint: Path | None) -> None:
    height, width = estimate.sizes[-1]
    count = len(estimate.sizes)
    if checkpoint is not None and checkpoint.exists():
        print(f"going on from {typer.format_filename(checkpoint)}; in all:", file=sys.stderr)
    print(
        f"about {_duration(estimate.seconds)} and {estimate.megabytes / 1000:.1f} GB for "
        f"{width}x{height} pixels, in {count} size{'s' if count > 1 else ''}",
        file=sys.stderr,
    )


def _duration(seconds: float) -> str:
    """Write a rough time in words.

    Examples
    --------
    >>> _duration(0.2), _duration(43.7), _duration(100), _duration(3.2 * 3600)
    ('1 s', '45 s', '2 min', '3 h')
    """
    if seconds < 10:
        return f"{max(1, round(seconds))} s"
    if seconds < 90:
        return f"{round(seconds / 5) * 5} s"
    if seconds < 5400:
        return f"{round(seconds / 60)} min"
    return f"{round(seconds / 3600)} h"


def _print_result(output: Path, result: Synthesis) -> None:
    height, width = result.size
    print(
        f"wrote {typer.format_filename(output)}: {width}x{height} pixels, "
        f"{result.iterations} iterations, {result.seconds:.1f} seconds"
    )


def _write_report(path: Path, result: Synthesis, **more: object) -> None:
    from nstlib.images import atomic_write

    content = {
        "seconds": result.seconds,
        "iterations": result.iterations,
        "evaluations": result.evaluations,
        "losses": {
            term: {"start": float(start), "end": float(end)}
            for term, (start, end) in result.losses.items()
        },
        "size": list(result.size),
        "weights": result.weights,
        "seed": result.seed,
        "version": __version__,
        **more,
    }
    with atomic_write(path) as file:
        file.write(json.dumps(content, indent=2).encode() + b"\n")


if __name__ == "__main__":
    sys.exit(main())
