"""The commands that find people: in pictures, in films, and before a camera."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeAlias

import typer

from nstlib._checks import counted
from nstlib.cli._films import Films, becomes_film
from nstlib.cli._options import (
    Backend,
    FrameRate,
    LongestSide,
    Look,
    MaxMegapixels,
    Networks,
    PersonAt,
    SegmenterName,
    SegmenterSize,
    Smallest,
    Source,
    Tiles,
    ValueRange,
    with_groups,
)
from nstlib.cli._pictures import is_folder, paint_inputs, paint_parts
from nstlib.cli._run import say
from nstlib.cli._styles import (
    Given,
    StyleWalk,
    computing,
    load_stylizer,
    parse_style,
    pictures_in,
    styles_in,
    tell_sizes,
)
from nstlib.errors import ArgumentError, OutputError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from nstlib.cli._styles import Computing
    from nstlib.compose import Calm, Composer, Options, PaintParts, Segmenter, StylePainter
    from nstlib.images.arrays import Image, Picture
    from nstlib.inference.segmenter import PersonSegmenter
    from nstlib.video.convert import PaintFrame
    from nstlib.video.steady import Paint as PaintCamera

    Find: TypeAlias = Callable[[Image], NDArray[np.float32]]


def segment(
    source: Source,
    output: Annotated[
        str,
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
    cutout: Annotated[
        bool,
        typer.Option(
            "--cutout",
            help="In place of a mask, the people themselves on transparency: .png or .webp, for "
            "films .webm or .mov.",
        ),
    ] = False,
    smallest: Smallest = 0.05,
    person_at: PersonAt = None,
    size: LongestSide = None,
    rate: FrameRate = None,
    max_megapixels: MaxMegapixels = 64.0,
    segmenter: SegmenterName = "person",
    segmenter_size: SegmenterSize = 320,
    tiles: Tiles = 1,
    backend: Backend = None,
    value_range: ValueRange = None,
) -> int:
    """Find the people in INPUT: a picture, a film, or a folder.

    frames/%04d.png stands for numbered pictures that are a film's frames, in INPUT and in MASK. An
    animated GIF is a film if MASK is one; else its first frame counts.
    """
    nobody = _Nobody()

    def load(film: bool) -> Segmenter:
        by = computing(backend, film=film)
        found = _load_segmenter(segmenter, segmenter_size, tiles, by, value_range, "value_range")
        return found if film else _Noting(found, nobody)

    find = functools.partial(_make_finder, load, matte or cutout, smallest, person_at)
    if cutout:
        _check_cutout(source, output, matte)
        code = paint_inputs(
            [source],
            output,
            lambda: _make_cutter(find()),
            Films(lambda: _make_film_cutter(find(film=True)), size, rate, suffix=".webm"),
            size=size,
            max_megapixels=max_megapixels,
            suffix=".png",
            reads=[segmenter],
            tell=nobody.tell,
        )
    else:
        recipe = functools.partial(_make_mask_painter, find, matte)
        code = paint_parts(
            source,
            output,
            recipe,
            size,
            max_megapixels,
            rate,
            mask=True,
            reads=[segmenter],
            tell=nobody.tell,
        )
    nobody.say()
    return code


class _Nobody:
    """The pictures in which nobody is found."""

    def __init__(self) -> None:
        self._pictures: list[str] = []
        self.found = self.any_size = False

    def tell(self, picture: str | Path) -> None:
        """Take the name of the picture that was looked at last."""
        if self.found:
            self._pictures.append(str(picture))
        self.found = False

    def say(self) -> None:
        """Say which pictures they are, so that nobody looks for the fault elsewhere."""
        if not self._pictures:
            return
        where, count = ", ".join(self._pictures[:3]), len(self._pictures)
        if count > 1:
            where = f"{counted(count, 'picture')} ({where}{', …' if count > 3 else ''})"
        if self.any_size:
            advice = "with a larger --segmenter-size smaller people are found"
        else:
            advice = "a picture that is cropped closer to the person may help"
        say(f"nobody was found in {where}; {advice}")


class _Noting:
    """Finds people as another segmenter does, and notes the pictures in which there is nobody."""

    def __init__(self, segmenter: PersonSegmenter, nobody: _Nobody) -> None:
        self._segmenter = segmenter
        self._nobody = nobody
        nobody.any_size = segmenter.any_size

    def mask(self, image: Image) -> NDArray[np.uint8]:
        """Find them as :meth:`nstlib.PersonSegmenter.mask` does."""
        mask = self._segmenter.mask(image)
        self._note(image, bool((mask > 0).any()))
        return mask

    def matte(self, image: Image) -> NDArray[np.float32]:
        """Find them as :meth:`nstlib.PersonSegmenter.matte` does."""
        matte = self._segmenter.matte(image)
        self._note(image, bool((matte > 0.5).any()))
        return matte

    def _note(self, image: Image, anybody: bool) -> None:
        # A plain picture, as in the trial before a folder's first one, is no photograph.
        if not anybody and (image != image[0, 0]).any():
            self._nobody.found = True


def _check_cutout(source: str, output: str, matte: bool) -> None:
    from nstlib._files import check_suffix
    from nstlib.batch import is_input_folder
    from nstlib.images.encode import ALPHA_FORMATS
    from nstlib.video.writer import ALPHA_FILMS

    if matte:
        raise ArgumentError("--cutout and --matte exclude each other; give one of them")
    if not is_folder(output) and (becomes_film(output) or not is_input_folder(source)):
        try:
            check_suffix(output, [*ALPHA_FORMATS, *ALPHA_FILMS])
        except OutputError as error:
            raise OutputError(f"{error}, which can be transparent") from error


def _load_segmenter(
    model: str, size: int, tiles: int, by: Computing, value_range: str | None, option: str
) -> PersonSegmenter:
    """Load what finds people. A message calls its range by the name of the option."""
    from nstlib._checks import check_count
    from nstlib.inference.foreign import parse_range
    from nstlib.inference.segmenter import STEP, PersonSegmenter

    check_count("segmenter_size", size, STEP)
    if value_range is not None:
        parse_range(value_range, option)
    return PersonSegmenter(
        model,
        backend=by["backend"],
        value_range=value_range,
        size=size,
        tiles=tiles,
        threads=by.get("threads"),
    )


def _make_finder(
    load: Callable[[bool], Segmenter],
    matte: bool,
    smallest: float,
    person_at: str | None,
    *,
    film: bool = False,
) -> Find:
    """Make what finds the people in a picture, or those who are meant."""
    from nstlib.images.arrays import check_alpha
    from nstlib.inference.parts import keep_people
    from nstlib.video.follow import Follow

    keep_people([[0.0]], smallest=smallest, person_at=person_at)
    segmenter: Segmenter = load(film)
    if film and person_at is not None:
        segmenter, person_at = Follow(segmenter, person_at), None

    def find(photo: Image) -> NDArray[np.float32]:
        alpha = check_alpha(segmenter.matte(photo) if matte else segmenter.mask(photo), photo)
        return keep_people(alpha, smallest=smallest, person_at=person_at)

    return find


def _make_film_cutter(find: Find) -> PaintFrame:
    """Make what leaves people alone in the frames of a film, with steady edges."""
    from nstlib.images.arrays import Picture
    from nstlib.video.steady import Steady

    cut, steady = _make_cutter(find), Steady()

    def show(frame: Image) -> Picture:
        return cut(Picture(frame), steady.see(frame))

    return show


def _make_cutter(find: Find) -> Callable[..., Picture]:
    """Make what leaves people alone: their colours without the old background's, and a matte."""
    import numpy as np

    from nstlib.compose import composite, estimate_layers
    from nstlib.images.arrays import Picture

    def cut(photo: Picture, calm: Calm | None = None) -> Picture:
        matte = find(photo.image)
        if calm is not None:
            matte = calm("alpha", matte)
        person, _ = estimate_layers(photo.image, matte)
        seen = composite(person, np.ones_like(person), matte)
        return Picture(seen, matte if photo.alpha is None else matte * photo.alpha)

    return cut


def _make_mask_painter(
    make_finder: Callable[..., Find], matte: bool, *, film: bool = False
) -> PaintParts:
    """Make what shows people white, and all else black."""
    find = make_finder(film=film)

    def show(photo: Image, calm: Calm | None = None) -> Image:
        alpha = find(photo)
        if calm is not None:
            alpha = calm("alpha", alpha)
        if not matte:
            alpha = (alpha > 0.5).astype(alpha.dtype)
        return alpha[..., None].repeat(3, axis=2)

    return show


@with_groups
def compose(
    source: Source,
    output: Annotated[
        str,
        typer.Option(
            "--output",
            "-o",
            metavar="OUT",
            help="Where to write it: a picture (.png, .jpg, .jpeg, .webp), a film (.mp4, .mov, "
            ".mkv, .webm, .gif), a film's numbered frames (out/%04d.png), or a folder's place.",
        ),
    ],
    *,
    look: Look,
    size: LongestSide = None,
    rate: FrameRate = None,
    max_megapixels: MaxMegapixels = 64.0,
    networks: Networks,
) -> int:
    """Paint the world around the people in INPUT, or the people.

    Each can have a style of its own. Or lay the people before another background. What is no
    person, but was taken for one, is left out if it is small.

    INPUT is a picture, a film, or a folder of both; frames/%04d.png stands for numbered pictures
    that are a film's frames, and so does a folder if OUT is a film. An animated GIF is a film if
    OUT is one; else its first frame is painted. What is transparent stays so where OUT can be
    (.png, .webp, .webm, .mov), unless it gets a background. Films keep their sound and their
    timing, up to 60 frames a second. Every second frame of them is painted; in between, strokes
    follow what moves. Ctrl-C ends a film early, and keeps what is painted so far.
    """
    nobody = _Nobody()
    styles = _parse_styles(look)
    backdrop = [] if look.background is None else [look.background]
    code = paint_parts(
        source,
        output,
        functools.partial(_make_composer, *styles, look, networks, nobody),
        size,
        max_megapixels,
        rate,
        opaque=bool(backdrop),
        reads=[*styles_in(*styles), *backdrop, networks.segmenter],
        tell=nobody.tell,
    )
    nobody.say()
    return code


@with_groups
def webcam(
    *,
    look: Look,
    size: Annotated[int, typer.Option(help="Longest side of the picture, in pixels.")] = 640,
    networks: Networks,
    camera: Annotated[int, typer.Option(help="The number of the camera.")] = 0,
) -> int:
    """Show what the camera sees, painted as 'nst compose' would.

    In the window, n and p go to the next and the previous style: first those of a folder that is
    given as STYLE, then the ones that come with nstlib. q ends it, s saves the picture to the
    current folder, and h hides the line that says so. On a machine that is too slow, the picture
    gets smaller; frames that come while one is painted are left out.
    """
    from nstlib.video.camera import webcam as show
    from nstlib.video.steady import steady_painter

    world, people = _parse_styles(look)
    options = _composer_options(look, networks, film=True)
    # The keys change the world's style, or the people's if only that is given.
    only_people = world is None and people is not None
    given = people if only_people else world

    def make(style: Given | None) -> PaintCamera:
        styles = (None, style) if only_people else (style, people)
        return steady_painter(_compose(*styles, look, networks, options, film=True))

    walk = StyleWalk(pictures_in(given) or [given], make)
    shown = show(walk.first(), change=walk, camera=camera, size=size)
    print(f"showed {counted(shown, 'frame')}")
    return 0


def _parse_styles(look: Look) -> tuple[Given | None, Given | None]:
    """Read the styles of the world and of the people."""
    world, people = parse_style(look.style), parse_style(look.person, "--person")
    tell_sizes(world, people)
    return world, people


def _make_composer(
    world: Given | None,
    people: Given | None,
    look: Look,
    networks: Networks,
    nobody: _Nobody,
    *,
    film: bool = False,
) -> Composer:
    """Load the networks, and make what composes by them and notes pictures without anybody."""
    options = _composer_options(look, networks, film=film, nobody=nobody)
    return _compose(world, people, look, networks, options, film=film)


def _composer_options(
    look: Look,
    networks: Networks,
    *,
    film: bool,
    nobody: _Nobody | None = None,
) -> Options:
    """Load what finds people; list all that a composer is told beside the styles."""
    from nstlib.video.carry import CarryPeople
    from nstlib.video.follow import Follow
    from nstlib.video.steady import half_the_cores

    by = computing(networks.backend, film=film)
    if film:
        by["threads"] = half_the_cores()
    found = _load_segmenter(
        networks.segmenter,
        networks.segmenter_size,
        networks.tiles,
        by,
        networks.segmenter_range,
        "segmenter_range",
    )
    segmenter: Segmenter = CarryPeople(found) if film else found
    if nobody is not None and not film:
        segmenter = _Noting(found, nobody)
    person_at = look.person_at
    if film and person_at is not None:
        segmenter, person_at = Follow(segmenter, person_at), None
    return {
        "segmenter": segmenter,
        "backend": by["backend"],
        "eight_bits": by["eight_bits"],
        "threads": by.get("threads"),
        "feather": look.feather,
        "strength": look.strength,
        "match": look.match,
        "hard": look.hard,
        "preserve_colors": look.preserve_colors,
        "backdrop": look.background,
        "linear": look.linear,
        "smallest": look.smallest,
        "person_at": person_at,
    }


def _compose(
    world: Given | None,
    people: Given | None,
    look: Look,
    networks: Networks,
    options: Options,
    *,
    film: bool,
) -> Composer:
    """Load what paints, each style once, and make what composes."""
    from nstlib.compose import Composer
    from nstlib.video.carry import CarryPainting

    by: Computing = {
        "backend": options["backend"],
        "eight_bits": options["eight_bits"],
        "threads": options["threads"],
    }
    stylizers = {
        style: load_stylizer(style, by, networks.value_range, look.style_size)
        for style in {world, people}
        if style is not None
    }
    painters: list[StylePainter | None] = [
        None if style is None else stylizers[style] for style in (world, people)
    ]
    if film:
        painters = [painter and CarryPainting(painter) for painter in painters]
    return Composer(*painters, **options)
