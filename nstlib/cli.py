"""The command ``nst``: a thin face over the library's functions.

Exit codes: 0 success, 1 a run or a check that failed, 2 bad input, 130 interrupted from the
keyboard. An error is one line on stderr.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nstlib import __version__
from nstlib.errors import ArgumentError, NstError, OutputError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

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


def main(arguments: Sequence[str] | None = None) -> int:
    """Run ``nst`` with `arguments` (by default the command line's) and return its exit code."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    command = typer.main.get_command(app)
    try:
        code = command.main(given or ["--help"], prog_name="nst", standalone_mode=False)
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
        where = context.command_path if context else "nst"
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
    iterations: Annotated[int, typer.Option(help="At most, at each of up to three sizes.")] = 70,
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


def _check_outputs(sources: Iterable[str], output: Path, **others: Path | None) -> None:
    """Refuse what would fail after the long run, or overwrite what went into it."""
    from nstlib.images import check_output

    inputs = [path for path in map(_source_path, sources) if path]
    check_output(output)
    if any(_same_file(output, path) for path in inputs):
        raise OutputError(f"{output} is the input itself; choose another name for the picture")
    taken = [*inputs, output]
    for kind, path in others.items():
        if path is None:
            continue
        if any(_same_file(path, other) for other in taken):
            raise OutputError(
                f"{path} is an input or another output already; choose another {kind} file"
            )
        if kind == "animate" and path.suffix.lower() not in (".gif", ".mp4"):
            raise OutputError(
                f"{path}: cannot write {path.suffix or 'a name without a suffix'!r}; "
                "use one of .gif, .mp4"
            )
        if path.is_dir() or not os.access(path.parent, os.W_OK):
            raise OutputError(
                f"{path}: cannot be written; give a file in an existing folder of yours"
            )
        taken.append(path)


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
