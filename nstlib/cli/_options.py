"""Arguments and options that several commands take."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from dataclasses import dataclass, is_dataclass
from pathlib import Path
from typing import Annotated, Any

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
FrameRate = Annotated[
    float | None,
    typer.Option(
        "--rate",
        help="Frames a second, where INPUT is numbered pictures that become a film.",
        show_default="25",
    ),
]
MaxMegapixels = Annotated[
    float,
    typer.Option(
        help="The largest picture to decode, in millions of pixels; films have no limit. Large "
        "JPEGs are decoded at a reduced size where a smaller picture is asked for."
    ),
]
SegmenterName = Annotated[
    str,
    typer.Option(metavar="MODEL", help="What finds people: person, pp_humanseg, or an ONNX file."),
]
SegmenterSize = Annotated[
    int,
    typer.Option(
        help="Longest side at which it sees a picture, in pixels, if its file takes any size.",
    ),
]
Tiles = Annotated[
    int,
    typer.Option(
        metavar="N",
        help="For crowds and small people: look at N by N overlapping parts of the picture, too. "
        "That takes N times N times as long.",
    ),
]
SegmenterRange = Annotated[
    str | None,
    typer.Option(
        metavar="LOW,HIGH",
        help="What black and white are to what finds people: as --value-range for styles.",
        show_default="what the file says, or a trial tells",
    ),
]
Backend = Annotated[
    str | None,
    typer.Option(
        help="What computes: cv2 (OpenCV) or ort (ONNX Runtime). If it is not named, films are "
        "painted in 8 bits.",
        show_default="cv2; for films and the camera ort",
    ),
]
ValueRange = Annotated[
    str | None,
    typer.Option(
        metavar="LOW,HIGH",
        help="What black and white are to an ONNX file: 0,255, 0,1, -1,1 or imagenet. Two more "
        "numbers if it gives others than it takes: 0,255,0,1.",
        show_default="what the file says, or a trial tells",
    ),
]
StyleSize = Annotated[
    int,
    typer.Option(
        help="For pictures as styles: the shorter side at which they are looked at, in pixels. "
        "Half as large makes strokes about half as large."
    ),
]
WorldStyle = Annotated[
    list[str] | None,
    typer.Option(
        "--style",
        "-s",
        metavar="STYLE[:SHARE]",
        help="What the world around people is to look like: mosaic, candy, shards, starry_night, "
        "starry_night_bold, great_wave, the_scream, water_lilies, composition_vii, any picture, a "
        "vector (.npy), or an ONNX file. Given several times, pictures are mixed: a.jpg:2 and "
        "b.jpg:1.",
        show_default="it stays a photograph",
    ),
]
PersonStyle = Annotated[
    list[str] | None,
    typer.Option(
        metavar="STYLE[:SHARE]",
        help="What people are to look like: likewise.",
        show_default="they stay photographs",
    ),
]
Feather = Annotated[
    float, typer.Option(help="Fade people's edges over about this many pixels to either side.")
]
Strength = Annotated[
    float,
    typer.Option(
        help="From 0, the photograph, to 1, the painting. Between them networks of one style mix "
        "the two; in any picture's style the strokes become fewer and gentler."
    ),
]
Match = Annotated[
    float,
    typer.Option(
        help="From 0 to 1: how much of the other part's colours the unpainted one takes; if both "
        "are painted, people take the world's."
    ),
]
Hard = Annotated[bool, typer.Option("--hard", help="Cut along a mask of 0 and 1, as tutorials do.")]
PreserveColors = Annotated[
    bool,
    typer.Option(
        "--preserve-colors", help="Paint brightness alone; the photograph's colours stay."
    ),
]

Backdrop = Annotated[
    str | None,
    typer.Option(
        "--background",
        metavar="IMAGE|COLOUR|blur",
        help="What is seen behind people: a picture, a colour such as '#1e90ff' or navy, or blur "
        "for their own background out of focus. --style paints it, too.",
        show_default="their own background",
    ),
]
Linear = Annotated[
    bool,
    typer.Option("--linear", help="Mix light as a lens does, not the numbers that stand for it."),
]
Smallest = Annotated[
    float,
    typer.Option(
        metavar="SHARE",
        help="From 0 to 1: what is smaller than this share of the largest person is taken for a "
        "mistake, and left out.",
    ),
]
PersonAt = Annotated[
    str | None,
    typer.Option(
        metavar="X,Y",
        help="Only the person at this point, or nearest to it, who is followed through a film: "
        "shares of the width from the left and of the height from the top, as in 0.5,0.3.",
        show_default="all people",
    ),
]


# Options that go together, in the commands that compose.
@dataclass(frozen=True)
class Look:
    """What people and the world are to look like, and which people are meant."""

    style: WorldStyle = None
    person: PersonStyle = None
    style_size: StyleSize = 320
    feather: Feather = 0.0
    strength: Strength = 1.0
    match: Match = 0.0
    hard: Hard = False
    preserve_colors: PreserveColors = False
    background: Backdrop = None
    linear: Linear = False
    smallest: Smallest = 0.05
    person_at: PersonAt = None


@dataclass(frozen=True)
class Networks:
    """What finds people, and how it and the networks that paint are run."""

    segmenter: SegmenterName = "person"
    segmenter_size: SegmenterSize = 320
    tiles: Tiles = 1
    segmenter_range: SegmenterRange = None
    backend: Backend = None
    value_range: ValueRange = None


def with_groups(command: Callable[..., int]) -> Callable[..., int]:
    """Let a command take dataclasses of options: Typer sees their fields as its own options."""
    taken = inspect.signature(command, eval_str=True).parameters
    groups: dict[str, Callable[..., Any]] = {
        name: one.annotation
        for name, one in taken.items()
        if isinstance(one.annotation, type) and is_dataclass(one.annotation)
    }
    fields = {
        name: inspect.signature(group, eval_str=True).parameters for name, group in groups.items()
    }

    @functools.wraps(command)
    def grouped(**options: Any) -> int:
        for name, group in groups.items():
            options[name] = group(**{field: options.pop(field) for field in fields[name]})
        return command(**options)

    flat = [
        each.replace(kind=inspect.Parameter.KEYWORD_ONLY)
        for name, parameter in taken.items()
        for each in (fields[name].values() if name in groups else [parameter])
    ]
    grouped.__signature__ = inspect.Signature(flat)  # type: ignore[attr-defined]
    return grouped


# What the commands take that optimise pictures or train networks.
PictureOutput = Annotated[
    Path,
    typer.Option(
        "--output",
        "-o",
        metavar="OUT",
        help="Where to write the picture: .png, .jpg, .jpeg or .webp.",
    ),
]
Weights = Annotated[
    str | None,
    typer.Option(
        help="mini, random, or imagenet (80 MB, downloaded on first use).",
        show_default="NSTLIB_WEIGHTS, or mini",
    ),
]
ContentWeight = Annotated[float, typer.Option(help="More keeps more of the subject.")]
StyleWeight = Annotated[float, typer.Option(help="More gives bolder strokes.")]
TvWeight = Annotated[float, typer.Option(help="Weight of smoothness in the loss.")]
Method = Annotated[str, typer.Option(help="lbfgs or adam.")]
Report = Annotated[
    Path | None, typer.Option(metavar="FILE", help="Write how the run went there, as JSON.")
]
