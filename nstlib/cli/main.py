"""The command ``nst``: a thin face over the library's functions.

Exit codes: 0 success, 1 a run or a check that failed, 2 bad input, 130 interrupted from the
keyboard. An error is one line on stderr.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import typer

from nstlib import __version__
from nstlib.cli._run import run
from nstlib.cli.any_style import train_any_style_networks, train_decoder_network
from nstlib.cli.assets import assets_app
from nstlib.cli.marking import check_notebook
from nstlib.cli.networks import export_network, verify_network
from nstlib.cli.painting import stylize
from nstlib.cli.people import compose, segment, webcam
from nstlib.cli.synthesis import texture, transfer
from nstlib.cli.training import train_person_network, train_small_twin, train_style_network

# The commands import what they need when they run, so that --help need not wait for it.

app = typer.Typer(
    help="Neural style transfer, from the Gram matrix to a portrait in a painting.",
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
train_app = typer.Typer(help="Train the networks that come with the course.")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run ``nst`` with `arguments` (by default the command line's) and return its exit code."""
    return run(app, "nst", arguments)


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


def doctor() -> int:
    """Check this machine, and say what to do about faults.

    Looks at versions, TensorFlow, OpenCV, networks, caches and the disk. Exit code 1 for a fault.
    """
    from nstlib.doctor import diagnose, report

    findings = diagnose()
    print(report(findings))
    return int(any(finding.ok is False for finding in findings))


app.command()(texture)
app.command()(transfer)
app.command()(stylize)
app.add_typer(train_app, name="train")
train_app.command("style")(train_style_network)
train_app.command("twin")(train_small_twin)
train_app.command("any-style")(train_any_style_networks)
train_app.command("decoder")(train_decoder_network)
train_app.command("person")(train_person_network)
app.command("export")(export_network)
app.command("verify")(verify_network)
app.command()(segment)
app.command()(compose)
app.command()(webcam)
app.add_typer(assets_app, name="assets")
app.command("check-notebook")(check_notebook)
app.command()(doctor)
