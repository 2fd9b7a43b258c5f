"""The command ``nst``: a thin face over the library's functions.

Exit codes: 0 success, 1 a run or a check that failed, 2 bad input, 130 interrupted from the
keyboard. An error is one line on stderr.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nstlib import __version__
from nstlib.errors import NstError, OutputError

if TYPE_CHECKING:
    from nstlib.synthesis import Synthesis

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
    iterations: Annotated[int, typer.Option(help="At most, at each of up to three sizes.")] = 100,
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

    _check_outputs(image, output, report)
    source = load_image(image, size=size)
    try:
        from nstlib.optimize import OptimizationError
        from nstlib.synthesis import synthesize_texture
    except Exception as error:  # whatever a broken TensorFlow or another Keras backend raises
        return _fail(f"{type(error).__name__}: {error}; run nst doctor to learn what to do", 1)

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
    height, width = result.size
    print(
        f"wrote {typer.format_filename(output)}: {width}x{height} pixels, "
        f"{result.iterations} iterations, {result.seconds:.1f} seconds"
    )
    if result.interrupted:
        return _fail(f"interrupted; {output} is the best picture so far", 130)
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


def _check_outputs(image: str, output: Path, report: Path | None) -> None:
    """Refuse what would fail after the long run, or overwrite what went into it."""
    from nstlib.assets import ASSETS, asset_path
    from nstlib.images import check_output

    source = asset_path(image) if image in ASSETS else Path(image)
    check_output(output)
    if _same_file(output, source):
        raise OutputError(f"{output} is the input itself; choose another name for the texture")
    if report is None:
        return
    if _same_file(report, source) or _same_file(report, output):
        raise OutputError(f"{report} is the input or the texture; choose another report file")
    if report.is_dir() or not os.access(report.parent, os.W_OK):
        raise OutputError(
            f"{report}: cannot be written; give a file in an existing folder of yours"
        )


def _same_file(one: Path, other: Path) -> bool:
    if one.exists() and other.exists():
        return one.samefile(other)
    return one.resolve() == other.resolve()


def _write_report(path: Path, result: Synthesis) -> None:
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
    }
    with atomic_write(path) as file:
        file.write(json.dumps(content, indent=2).encode() + b"\n")


if __name__ == "__main__":
    sys.exit(main())
