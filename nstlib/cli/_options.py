"""Arguments and options that several commands take."""

from __future__ import annotations

from typing import Annotated

import typer

# What several commands take.
Source = Annotated[
    str,
    typer.Argument(
        metavar="INPUT",
        help="A file, a folder, or a name that 'nst assets list' shows.",
        show_default=False,
    ),
]
LongestSide = Annotated[
    int | None, typer.Option("--size", help="Longest side, in pixels.", show_default="INPUT's own")
]
MaxMegapixels = Annotated[
    float,
    typer.Option(
        help="The largest picture to decode, in millions of pixels. With --size, large JPEGs are "
        "decoded at a fraction of theirs."
    ),
]
SegmenterName = Annotated[
    str,
    typer.Option(metavar="MODEL", help="What finds people: person, pp_humanseg, or an ONNX file."),
]
WorldStyle = Annotated[
    str | None,
    typer.Option(
        help="What paints the world around people: mosaic, candy, starry_night, great_wave, or an "
        "ONNX file.",
        show_default="it stays a photograph",
    ),
]
PersonStyle = Annotated[
    str | None,
    typer.Option(
        metavar="STYLE",
        help="What paints people: likewise.",
        show_default="they stay photographs",
    ),
]
Feather = Annotated[
    float, typer.Option(help="Fade people's edges over about this many pixels to either side.")
]
Strength = Annotated[float, typer.Option(help="From 0, the photograph, to 1, the painting.")]
Match = Annotated[
    float,
    typer.Option(help="From 0 to 1: how much of the other part's colours the unpainted one takes."),
]
Hard = Annotated[bool, typer.Option("--hard", help="Cut along a mask of 0 and 1, as tutorials do.")]
PreserveColors = Annotated[
    bool,
    typer.Option(
        "--preserve-colors", help="Paint brightness alone; the photograph's colours stay."
    ),
]
