"""Films as numbered pictures: read a folder or a pattern, write a pattern."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import NDArray

from nstlib._checks import check_number
from nstlib._files import check_suffix, reason
from nstlib.errors import ImageError, OutputError, VideoError
from nstlib.images.arrays import Image, Picture, from_uint8, to_rgba, to_uint8
from nstlib.images.encode import ALPHA_FORMATS, IMAGE_FORMATS, save_image
from nstlib.images.formats import FILM_SUFFIXES, readable_suffixes
from nstlib.images.resizing import target_size
from nstlib.sources import load_picture
from nstlib.video._ffmpeg import MAX_RATE, Frame
from nstlib.video.frames import check_frame, over_white
from nstlib.video.reader import check_longest_side

#: Frames a second of pictures, where nothing else is said.
PICTURES_RATE = 25.0

_NUMBER = re.compile(r"%(0\d+)?d")


def is_pattern(path: str | Path) -> bool:
    """Tell whether a name stands for numbered pictures.

    Examples
    --------
    >>> is_pattern("frames/%04d.png"), is_pattern("film.mp4"), is_pattern("100%.png")
    (True, False, False)
    >>> is_pattern("50%discount.mp4")
    False
    """
    name = Path(path)
    return len(_NUMBER.findall(name.name)) == 1 and name.suffix.lower() not in FILM_SUFFIXES


class PictureReader:
    """Pictures that are a film's frames, in order of their numbers.

    Parameters
    ----------
    path : str or pathlib.Path
        A pattern, ``frames/%04d.png``: all pictures with such names, whatever number comes first;
        or a folder: the pictures in it, by name, in which 2 comes before 10.
    rate : float, default 25
        Frames a second.
    size : int, optional
        Longest side of the frames, in pixels. By default the first picture's own.

    Attributes
    ----------
    files : list of pathlib.Path
        The pictures, in their order.
    rate, seconds, sound, size, tone_mapped, broken
        As a :class:`VideoReader` has them. Pictures have no sound, and are no HDR films.

    Raises
    ------
    VideoError
        If there are no such pictures.
    ImageError
        If the first one cannot be read.
    """

    def __init__(
        self, path: str | Path, *, rate: float = PICTURES_RATE, size: int | None = None
    ) -> None:
        self.path = Path(path)
        self.rate = check_number("rate", rate, above=0, most=MAX_RATE)
        check_longest_side(size)
        self._longest = size
        self.files = _numbered(self.path)
        if not self.files:
            what = "no picture has such a name" if is_pattern(path) else "it holds no pictures"
            raise VideoError(f"{self.path}: {what}; give a folder, or a pattern like %04d.png")
        first = self._load(self.files[0])
        self.size = (first.image.shape[0], first.image.shape[1])
        self._alpha = first.alpha is not None
        self.seconds: float | None = len(self.files) / self.rate
        self.sound: str | None = None
        self.tone_mapped = False
        self.broken = 0

    @property
    def expected(self) -> int | None:
        """How many frames there are."""
        return len(self.files)

    def transparent(self) -> bool:
        """Tell whether the first picture is transparent."""
        return self._alpha

    def __iter__(self) -> Iterator[Frame]:
        """Yield uint8 RGB frames of shape (H, W, 3). Each iteration begins anew."""
        return self.frames()

    def frames(self, *, alpha: bool = False) -> Iterator[Frame]:
        """Yield uint8 frames (H, W, 3), or with `alpha` (H, W, 4). All get the first one's size.

        Raises
        ------
        VideoError
            At a picture of another shape, which would be distorted.
        """
        self.broken = 0
        last: Frame | None = None
        for file in self.files:
            try:
                picture = self._load(file)
            except ImageError:
                if last is None:
                    raise
                self.broken += 1
            else:
                if picture.image.shape[:2] != self.size:
                    self._check_shape(file, picture.image)
                    picture = load_picture(file, self.size, enlarge=True)
                last = _pixels(picture, alpha)
            yield last

    def _check_shape(self, file: Path, image: Image) -> None:
        height, width = image.shape[:2]
        sides = target_size(image.shape, max(self.size))
        if any(abs(side - wanted) > 1 for side, wanted in zip(sides, self.size, strict=True)):
            raise VideoError(
                f"{file} has another shape, {width}x{height} pixels, than the film's first "
                f"picture, {self.size[1]}x{self.size[0]}; crop it, or paint them one by one"
            )

    def _load(self, file: Path) -> Picture:
        return load_picture(file, self._longest)


def _pixels(picture: Picture, alpha: bool) -> Frame:
    if not alpha:
        return to_uint8(picture.image)
    opaque = np.ones(picture.image.shape[:2], np.float32)
    return to_rgba(picture.image, opaque if picture.alpha is None else picture.alpha)


def _numbered(path: Path) -> list[Path]:
    """List the pictures that a pattern or a folder stands for, in order."""
    try:
        if path.is_dir():
            files = [
                file
                for file in path.iterdir()
                if file.suffix.lower() in readable_suffixes() and not file.name.startswith(".")
            ]
            return sorted(files, key=_natural_order)
        if not is_pattern(path):
            raise VideoError(f"{path} is neither a folder nor a pattern like %04d.png")
        match = _pattern(path)
        found = [(match.fullmatch(file.name), file) for file in path.parent.iterdir()]
        numbers = [(int(name[1]), file) for name, file in found if name]
    except OSError as error:
        raise VideoError(f"{path}: cannot be read ({reason(error)})") from error
    return [file for _, file in sorted(numbers)]


def _pattern(path: Path) -> re.Pattern[str]:
    before, width, after = _NUMBER.split(path.name)
    digits = rf"(\d{{{int(width)},}})" if width else r"(\d+)"
    return re.compile(re.escape(before) + digits + re.escape(after))


def _natural_order(file: Path) -> list[tuple[int, str]]:
    """Make 2 come before 10 where names are compared."""
    parts = re.split(r"(\d+)", file.name.lower())
    return [(int(part), part) if part.isdecimal() else (-1, part) for part in parts]


class PictureWriter:
    """Write frames as numbered pictures, from 1 on. Each appears whole, and stays.

    Parameters
    ----------
    path : str or pathlib.Path
        A pattern, ``painted/%04d.png``, that ends as pictures do. Its folder is made if it does not
        exist.

    Raises
    ------
    OutputError
        If the pattern ends in another way, or such pictures are there already.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = check_suffix(path, IMAGE_FORMATS)
        if not is_pattern(self.path):
            raise OutputError(f"{path} is no pattern; give one such as painted/%04d.png")
        self.frames = 0
        self.size = (0, 0)
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise OutputError(f"{path}: cannot be written ({reason(error)})") from error
        if _numbered(self.path):
            raise OutputError(f"{self.path}: there are such pictures already; give another folder")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def write(self, frame: NDArray[Any]) -> None:
        """Write one frame, uint8 (H, W, 3), or (H, W, 4) where pictures can be transparent."""
        frame = check_frame(frame, alpha=self.path.suffix.lower() in ALPHA_FORMATS)
        number = self.frames + 1
        name = _NUMBER.sub(lambda found: f"{number:{found[1] or ''}d}", self.path.name)
        alpha = frame[..., 3] if frame.shape[2] == 4 else None
        save_image(from_uint8(over_white(frame)), self.path.with_name(name), alpha=alpha)
        self.size = (frame.shape[0], frame.shape[1])
        self.frames = number

    def finish(self, *, cut_sound: bool = False) -> Literal["none"]:  # noqa: ARG002
        """Pictures are complete as they are, and have no sound."""
        return "none"
