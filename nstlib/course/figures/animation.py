"""Animations: played in a notebook, written as films."""

from __future__ import annotations

import io
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import PIL.Image
from numpy.typing import NDArray

from nstlib._checks import check_kind, check_number, check_path
from nstlib._files import check_output, check_suffix
from nstlib.course.figures.plot import MARGIN, PIXELS, STYLE, Bundle, Sheet, bundle, render, words
from nstlib.errors import ArgumentError
from nstlib.images.arrays import Image, check_image, to_uint8
from nstlib.images.resizing import resize, target_size

#: How the name of an animation's file may end.
FORMATS = (".gif", ".mp4")


@dataclass(frozen=True, eq=False)
class Animation:
    """Frames that a notebook plays when the animation is a cell's last expression.

    A notebook stores them as an animated PNG, which every current browser plays.

    Attributes
    ----------
    frames : ndarray of uint8, shape (N, H, W, 3)
        RGB in 0..255.
    fps : float
        Frames per second.
    hold : float
        How long the last frame stays, in seconds.
    alt, caption : str
        As in :class:`Plot`. The caption is shown in notebooks and is not part of a saved file.
    """

    frames: NDArray[np.uint8] = field(repr=False)
    fps: float
    hold: float
    alt: str
    caption: str

    @property
    def durations(self) -> tuple[int, ...]:
        """How long each frame is shown, in milliseconds."""
        each = round(1000 / self.fps)
        return (*[each] * (len(self.frames) - 1), max(each, round(1000 * self.hold)))

    def save(self, path: str | Path) -> Path:
        """Write a looping GIF or an MP4 (H.264); the suffix of `path` decides.

        The file appears whole or not at all.

        Raises
        ------
        OutputError
            If the suffix is neither .gif nor .mp4, or the file cannot be written.
        """
        from nstlib.video.writer import VideoWriter

        path = check_suffix(check_path("path", path), FORMATS)
        with VideoWriter(path, self.fps) as film:
            for frame in self.frames:
                film.write(frame)
            film.finish(hold=self.hold)
        return path

    def _repr_mimebundle_(self, **_: object) -> Bundle:
        # nbval compares GIFs byte for byte, which another version of Pillow need not repeat; it
        # leaves PNG alone. One palette serves all the frames: true colour takes thrice the space.
        pages = [PIL.Image.fromarray(page) for page in self._pages()]
        palette = _palette_of(self.frames)
        pages = [page.quantize(palette=palette, dither=PIL.Image.Dither.NONE) for page in pages]
        buffer = io.BytesIO()
        pages[0].save(
            buffer,
            "PNG",
            save_all=True,
            append_images=pages[1:],
            duration=[*self.durations],
            loop=0,
        )
        return bundle("image/png", buffer.getvalue(), pages[0].size, self.alt)

    def _pages(self) -> NDArray[np.uint8]:
        """Lay the frames on white, above the caption."""
        _, height, width, _ = self.frames.shape
        with mpl.rc_context(STYLE):
            sheet = Sheet(width / PIXELS, height / PIXELS, self.caption, self.alt)
            content = render(sheet.figure, "png", scale=1)
        paper = np.asarray(PIL.Image.open(io.BytesIO(content)).convert("RGB"))
        pages = np.repeat(paper[np.newaxis], len(self.frames), axis=0)
        edge = round(MARGIN * PIXELS)
        pages[:, edge : edge + height, edge : edge + width] = self.frames
        return pages


def animate(
    history: Iterable[Any],
    path: str | Path | None = None,
    *,
    alt: str,
    caption: str = "",
    fps: float = 10.0,
    size: int | tuple[int, int] | None = None,
    hold: float = 2.0,
) -> Animation:
    """Make an animation from images, or from the steps that an optimiser's callback was given.

    Parameters
    ----------
    history : iterable of array_like of float, shapes (H, W, 3); or of nstlib.optimize.Step
        RGB in [0, 1], or steps with their images. Sizes may differ (coarse to fine): every frame
        is resized to that of the last.
    path : str or pathlib.Path, optional
        Where to write it: a .gif or .mp4. By default it is only shown.
    alt, caption : str
        As in :func:`show_images`.
    fps : float, default 10
        Frames per second, up to 50 (browsers slow faster GIFs down).
    size : int or (int, int), optional
        Of the frames, as in :func:`nstlib.resize`; by default that of the last.
    hold : float, default 2
        How long the last frame stays, in seconds.

    Returns
    -------
    Animation

    Raises
    ------
    ArgumentError
        If alt is empty, there is no frame, or `fps` or `hold` is out of range.
    ImageError
        If a frame is not an image; the message says which.
    OutputError
        If the file cannot be written.

    Examples
    --------
    >>> fade = [np.full((8, 8, 3), grey) for grey in (0.0, 0.5, 1.0)]
    >>> animation = animate(fade, caption="A fade.", alt="Black turns white.", hold=1)
    >>> animation.frames.shape, animation.durations
    ((3, 8, 8, 3), (100, 100, 1000))
    """
    check_number("fps", fps, above=0, most=50)
    check_number("hold", hold, least=0, most=60)
    if path is not None:
        path = check_output(check_path("path", path), FORMATS)
    check_kind("history", history, Iterable, "a list of images, or of steps")
    frames = [_frame_of(item, f"history[{i}]") for i, item in enumerate(history)]
    if not frames:
        raise ArgumentError("history is empty; give at least one image")
    shape = target_size(frames[-1].shape, size) if size is not None else frames[-1].shape[:2]
    animation = Animation(
        frames=np.stack([to_uint8(resize(frame, (shape[0], shape[1]))) for frame in frames]),
        fps=fps,
        hold=hold,
        alt=words(alt, "alt"),
        caption=words(caption),
    )
    if path is not None:
        animation.save(path)
    return animation


def _frame_of(item: Any, name: str) -> Image:
    if hasattr(item, "iteration") and hasattr(item, "image"):
        if item.image is None:
            raise ArgumentError(
                f"{name} is a step without its image; collect the images in a callback: "
                "callback=lambda step: images.append(step.image)"
            )
        item = item.image
    return check_image(item, name)


def _palette_of(frames: NDArray[np.uint8]) -> PIL.Image.Image:
    """Choose 256 colours: 12 greys for the caption, the others for the frames."""
    # Half the votes go to the last frame: it is the result, and stays the longest.
    votes = np.concatenate([frames, np.broadcast_to(frames[-1:], frames.shape)])
    votes = votes.reshape(-1, frames.shape[2], 3)
    chosen = PIL.Image.fromarray(votes).quantize(244, method=PIL.Image.Quantize.MEDIANCUT)
    colours = (chosen.getpalette() or [])[: 3 * 244]
    greys = np.linspace([0x68, 0x74, 0x80], [255, 255, 255], 12).round().astype(int)
    palette = PIL.Image.new("P", (1, 1))
    palette.putpalette([*colours, *greys.ravel().tolist()])
    return palette
