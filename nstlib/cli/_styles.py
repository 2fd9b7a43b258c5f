"""Styles in the commands that paint: STYLE or STYLE:SHARE, once or more often."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NotRequired, TypeAlias, TypedDict

from nstlib.cli._run import say
from nstlib.errors import ArgumentError, NstError

if TYPE_CHECKING:
    from nstlib.inference.stylizer import Stylizer
    from nstlib.video.steady import Paint

#: One style; or a mixture, pairs of picture and share.
Given: TypeAlias = str | tuple[tuple[str, float], ...]


def parse_style(texts: Sequence[str] | None, option: str = "--style") -> Given | None:
    """Read what an option was given. A single style is itself, whatever its share."""
    from nstlib.inference.any_style import check_share

    shares: dict[str, float] = {}
    for text in texts or ():
        style, share = _split(text)
        check_share(style, share)
        if style in shares:
            raise ArgumentError(f"{option} {style} is given twice; give it once, with its share")
        shares[style] = share
    if not shares:
        return None
    return next(iter(shares)) if len(shares) == 1 else tuple(shares.items())


def _split(text: str) -> tuple[str, float]:
    from nstlib._files import is_there

    style, colon, number = text.rpartition(":")
    if colon and not is_there(text):
        with contextlib.suppress(ValueError):  # a colon in a name, or on Windows after a drive
            return style, float(number)
    return text, 1.0


def styles_in(*given: Given | None) -> list[str]:
    """List the styles that are given, also those of mixtures."""
    mixtures = (((one, 1.0),) if isinstance(one, str) else one or () for one in given)
    return [style for mixture in mixtures for style, _ in mixture]


class Computing(TypedDict):
    """What computes, as arguments of a stylizer or a composer."""

    backend: str
    eight_bits: bool
    threads: NotRequired[int | None]


def computing(backend: str | None, *, film: bool) -> Computing:
    """Choose what computes: what is asked for; else OpenCV, but for films what is fastest."""
    if backend is None and film:
        return {"backend": "ort", "eight_bits": True}
    return {"backend": backend or "cv2", "eight_bits": False}


def load_stylizer(
    style: Given, by: Computing, value_range: str | None, style_size: int
) -> Stylizer:
    """Load what paints in a style."""
    from nstlib.inference.stylizer import Stylizer

    return Stylizer(
        style if isinstance(style, str) else dict(style),
        **by,
        value_range=value_range,
        style_size=style_size,
    )


def tell_sizes(*styles: Given | None) -> None:
    """Say which networks paint at one size only, because their paintings are enlarged."""
    from nstlib.inference.stylizer import size_of

    for style in dict.fromkeys(styles):
        size = None
        if isinstance(style, str):
            with contextlib.suppress(NstError):  # it is raised when the network is needed
                size = size_of(style)
        if size is not None:
            say(
                f"{style} paints at {size[1]}x{size[0]} pixels only, and its painting is enlarged; "
                f"nst export {style} -o FREE.onnx frees it of that, if it can"
            )


def pictures_in(style: Given | None) -> list[str]:
    """List the pictures of a folder that is given as a style; nothing for any other style."""
    from nstlib.images.folders import find_pictures

    if not isinstance(style, str) or not style or not Path(style).is_dir():
        return []
    found = find_pictures(Path(style))
    if not found.pictures:
        raise ArgumentError(
            f"{style} holds no pictures, but {found.left_out() or 'nothing at all'}"
        )
    return [str(picture) for picture in found.pictures]


class StyleWalk:
    """The styles through which two keys lead: the one given first, or a folder's, then ours.

    Parameters
    ----------
    styles : sequence of style or None
        The first ones.
    make : callable
        Makes from a style what paints a film.
    """

    def __init__(
        self, styles: Sequence[Given | None], make: Callable[[Given | None], Paint]
    ) -> None:
        from nstlib.art.catalogue import DRAWN_STYLES
        from nstlib.inference.stylizer import STYLE_NETWORKS

        self._styles = list(dict.fromkeys([*styles, *STYLE_NETWORKS, *DRAWN_STYLES]))
        self._make, self._at = make, 0

    def first(self) -> Paint:
        """Make what paints in the first style."""
        return self._make(self._styles[0])

    def __call__(self, step: int) -> Paint:
        """Go so many styles on, or back; leave out what cannot be painted in, and say why."""
        forwards = step > 0
        while True:
            self._at = (self._at + step) % len(self._styles)
            try:
                return self._make(self._styles[self._at])
            except NstError as error:
                if len(self._styles) == 1:
                    raise
                say(error.command)
                del self._styles[self._at]
                step = 0 if forwards else -1  # what followed stands in its place now
