"""The commands for downloads."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from nstlib.cli._outputs import refuse_inputs
from nstlib.cli._run import fail_to_start, shown
from nstlib.errors import ArgumentError, WeightsError

assets_app = typer.Typer(help="List, download and check paintings, photos and models.")


@assets_app.command("list")
def list_assets(
    text: Annotated[
        str, typer.Argument(help="Show only what mentions this.", show_default=False)
    ] = "",
    urls: Annotated[bool, typer.Option("--urls", help="Show addresses as well.")] = False,
) -> int:
    """List what nstlib knows by name: photos, drawn styles, downloads."""
    from nstlib.assets.cache import asset_path
    from nstlib.assets.registry import search
    from nstlib.sources import PHOTOS, sample_names

    rows = [("NAME", "KIND", "MB", "HERE", "LICENSE", "CREDIT", "")]
    for name in sample_names():
        if text.lower() in name:
            kind, maker = ("photo", "scikit-image") if name in PHOTOS else ("drawing", "nstlib")
            rows.append((name, kind, "-", "yes", f"as {maker}", f"comes with {maker}", ""))
    for asset in search(text):
        megabytes = f"{asset.bytes / 1e6:.1f}"
        here = "yes" if asset_path(asset.name).exists() else "no"
        rows.append(
            (asset.name, asset.kind, megabytes, here, asset.license, asset.credit, asset.url)
        )
    if len(rows) == 1:
        raise ArgumentError(f"nothing here mentions {text!r}; nst assets list shows all")
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
    """Download files, check them, and print where they are."""
    from nstlib.assets.cache import fetch

    for name in names:
        print(typer.format_filename(fetch(name, force=force, progress=sys.stderr.isatty())))
    return 0


@assets_app.command("verify")
def verify_command(
    names: Annotated[
        list[str] | None, typer.Argument(metavar="NAME", help="By default all.")
    ] = None,
) -> int:
    """Check the downloaded files by their hashes. Exit code 1 if one is not what it should be."""
    from nstlib.assets.cache import verify_assets

    states = verify_assets(names or None)
    width = max(map(len, states))
    for name, state in states.items():
        print(f"{name:{width}}  {state}")
    return int("corrupt" in states.values())


@assets_app.command("pack")
def pack_assets(
    name: Annotated[str, typer.Argument(metavar="NAME", help="vgg19.")],
    source: Annotated[
        Path | None,
        typer.Option(
            "--from",
            metavar="FILE",
            help="VGG19 without its classifier, as Keras stores it: .h5.",
            show_default="the one that Keras downloaded",
        ),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            metavar="FILE",
            help="Where to write the copy: .npz.",
            show_default="the cache, where --weights imagenet finds it",
        ),
    ] = None,
) -> int:
    """Write a copy of VGG19's weights that is a quarter as large.

    Says how far its numbers are from those of the original.
    """
    from nstlib._files import check_output
    from nstlib.assets.cache import cache_dir

    if name != "vgg19":
        raise ArgumentError(f"{name} cannot be packed; vgg19 can")
    if output is None:
        folder = cache_dir("model")
        folder.mkdir(parents=True, exist_ok=True)
    try:
        from nstlib.features import STYLE_LAYERS, feature_differences
        from nstlib.sources import load_image
        from nstlib.vgg19 import COMPACT_FILE, IMAGENET_FILE, keras_file, load_vgg19, save_vgg19
    except Exception as error:
        return fail_to_start(error)
    target = check_output(folder / COMPACT_FILE if output is None else output, [".npz"])
    if source is None and not keras_file().is_file():
        raise WeightsError(
            f"the ImageNet weights are not at {keras_file()}; give the file {IMAGENET_FILE} by "
            "--from"
        )
    source = source or keras_file()
    refuse_inputs(target, [source], "copy")
    exact = load_vgg19(source)
    save_vgg19(exact, target, codes=True)
    print(f"wrote {shown(target)}: {target.stat().st_size / 1e6:.1f} MB")
    photo = load_image("astronaut", 224)
    losses = feature_differences(exact, load_vgg19(target), STYLE_LAYERS, photo)
    print("difference of the features of a photograph, in percent of their size:")
    print(", ".join(f"{layer} {loss:.2%}" for layer, loss in losses.items()))
    return 0
