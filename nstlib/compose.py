"""Paint a person in one style, the world around them in another, or only one of the two.

A photograph with a person in it is taken as two layers and an alpha matte, the share of the person
in each pixel: image = alpha × foreground + (1 − alpha) × background. A part is painted, and the
layers are laid on one another again.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, TypeAlias, TypedDict, Unpack

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

from nstlib._checks import check_number, refusal
from nstlib.backdrops import Backdrop, Behind
from nstlib.errors import ArgumentError, ImageError
from nstlib.images.arrays import Image, as_array, check_alpha, check_image, per_channel
from nstlib.images.colors import from_linear, match_colors, to_linear
from nstlib.images.resizing import halved
from nstlib.inference.memory import memory_for, shape_of
from nstlib.inference.parts import SMALLEST, Point, keep_people

if TYPE_CHECKING:
    from nstlib.inference.stylizer import Style as StylizerStyle

#: In :func:`estimate_layers`: how often it takes the mean of each pixel's neighbours, at each size;
#: how many neighbours; and the share below which a pixel counts as none of the layer's.
PASSES, NEAR, FAINT = 5, (5, 5), 0.01


class StylePainter(Protocol):
    """What paints: a :class:`nstlib.Stylizer`, or anything that is called like one."""

    def __call__(self, image: Image, /, *, strength: float, preserve_colors: bool) -> Image:
        """Return the picture painted, in the same size."""


class Segmenter(Protocol):
    """What finds people: :class:`nstlib.PersonSegmenter`, or anything like it."""

    def mask(self, image: Image, /) -> NDArray[np.uint8]:
        """255 where a person is, 0 elsewhere, shape (H, W)."""

    def matte(self, image: Image, /) -> NDArray[np.float32]:
        """Share of the person in each pixel, in [0, 1], shape (H, W)."""


#: What :class:`nstlib.Stylizer` takes, or what paints itself.
Style: TypeAlias = "StylizerStyle | StylePainter"


class Calm(Protocol):
    """What calms one frame of a film, as :class:`nstlib.video.steady.Steady` does."""

    def __call__(self, name: str, array: NDArray[np.float32], /) -> NDArray[np.float32]:
        """Return what to show in the place of an array (H, W) or (H, W, C) called `name`."""

    def seen(self, name: str, image: Image, /) -> Image:
        """Return what a network is to see in the place of an image (H, W, 3) called `name`."""


class Uncalmed:
    """Leaves all as it is: what a photograph gets in the place of :class:`Calm`."""

    def __call__(self, _: str, array: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the array."""
        return array

    def seen(self, _: str, image: Image) -> Image:
        """Return the image."""
        return image


class PaintParts(Protocol):
    """What a :class:`Composer` is called like."""

    def __call__(self, photo: Image, calm: Calm | None = None, /) -> Image:
        """Return the photograph with its parts painted."""


class Options(TypedDict, total=False):
    """The options of :class:`Composer`, which says what they mean."""

    segmenter: str | Path | Segmenter
    backend: str
    eight_bits: bool
    threads: int | None
    feather: float
    strength: float
    match: float
    hard: bool
    preserve_colors: bool
    backdrop: Backdrop | None
    linear: bool
    smallest: float
    person_at: Point | str | None


def composite(
    foreground: ArrayLike, background: ArrayLike, alpha: ArrayLike, *, linear: bool = False
) -> Image:
    r"""Lay one picture on another: :math:`\alpha F + (1 - \alpha) B` at each pixel.

    With a mask of 0 and 255 this is ``numpy.where(mask == 255, foreground, background)``, exactly.

    Parameters
    ----------
    foreground, background : array_like of float, shape (H, W, 3)
        RGB in [0, 1].
    alpha : array_like, shape (H, W) or (H, W, 1)
        Share of the foreground: float in [0, 1], bool, or uint8 in 0..255.
    linear : bool, default False
        Mix amounts of light, as a lens does, not sRGB's code values: half black and half white
        are 0.735 then, not 0.5.

    Returns
    -------
    ndarray of float32, shape (H, W, 3)
        RGB in [0, 1].

    Raises
    ------
    ImageError
        If the shapes differ, or a value lies outside its range.

    References
    ----------
    T. Porter and T. Duff, "Compositing digital images", SIGGRAPH 1984.

    Examples
    --------
    >>> white, black = np.ones((1, 3, 3)), np.zeros((1, 3, 3))
    >>> composite(white, black, [[0.0, 0.25, 1.0]])[..., 0]
    array([[0.  , 0.25, 1.  ]], dtype=float32)
    >>> composite(white, black, [[0.0, 0.25, 1.0]], linear=True)[..., 0].round(3)
    array([[0.   , 0.537, 1.   ]], dtype=float32)
    """
    foreground = check_image(foreground, "foreground")
    background = check_image(background, "background")
    if foreground.shape != background.shape:
        raise ImageError(
            f"foreground is {_size(foreground)} pixels, background {_size(background)}; "
            "resize one of them"
        )
    share = per_channel(check_alpha(alpha, foreground))
    if linear:
        foreground, background = to_linear(foreground), to_linear(background)
    laid: Image = share * foreground + (1 - share) * background
    np.clip(laid, 0.0, 1.0, out=laid)
    return from_linear(laid) if linear else laid


def estimate_layers(
    image: ArrayLike, alpha: ArrayLike, *, linear: bool = False
) -> tuple[Image, Image]:
    r"""Take a picture apart into what is in front and what is behind.

    At a soft edge a pixel shows both. If you lay such pixels on another background, the old one
    comes along as a halo. Here each layer is continued smoothly under the other one, and where both
    are seen, :math:`\alpha F + (1 - \alpha) B` is the picture again.

    The work goes through a pyramid of sizes, from the coarsest to half the picture's own. At each
    size, each pixel of a layer becomes the mean of its neighbours, weighted by their share. What is
    then missing from the picture is added to both layers, in the smallest amounts that make up for
    it. At full size only that last step is done. Where a colour would have to leave [0, 1] for it,
    the other layer makes up for the rest, even where it hardly shows and gets harsh colours.

    This is Forte's blurred fusion, on a pyramid like Germer's instead of one large window: so a
    layer has a colour everywhere, also far inside the other one.

    Parameters
    ----------
    image : array_like of float, shape (H, W, 3)
        RGB in [0, 1].
    alpha : array_like, shape (H, W) or (H, W, 1)
        Share of the foreground, as in :func:`composite`.
    linear : bool, default False
        Take amounts of light apart, not code values, so that :func:`composite` with the same option
        gives the picture again.

    Returns
    -------
    foreground, background : ndarray of float32, shape (H, W, 3)
        RGB in [0, 1]. Where alpha is 1 the foreground is the picture, where it is 0 the background.

    References
    ----------
    - M. Forte, "Approximate fast foreground colour estimation", ICIP 2021.
    - T. Germer, T. Uelwer, S. Conrad and S. Harmeling, "Fast multi-level foreground estimation",
      ICPR 2020.

    Examples
    --------
    >>> alpha = np.float32([[0, 0, 0.5, 1, 1]])
    >>> image = composite(np.ones((1, 5, 3)), np.zeros((1, 5, 3)), alpha)
    >>> [layer[..., 0].round(1).tolist() for layer in estimate_layers(image, alpha)]
    [[[1.0, 1.0, 1.0, 1.0, 1.0]], [[0.0, 0.0, 0.0, 0.0, 0.0]]]
    """
    image = check_image(image)
    if linear:
        image = to_linear(image)
    share = check_alpha(alpha, image)
    pyramid = [(image, share)]
    while max(pyramid[-1][1].shape) > 2:
        pyramid.append((halved(pyramid[-1][0]), halved(pyramid[-1][1])))
    foreground = background = np.array([[cv2.mean(image)[:3]]], np.float32)
    for smaller_image, smaller_share in reversed(pyramid[1:]):
        level = _Level(smaller_image, smaller_share)
        foreground, background = level.enlarged(foreground), level.enlarged(background)
        for _ in range(PASSES):
            level.spread(foreground, background)
            level.add_missing(foreground, background)
    height, width = share.shape
    foreground, background = (
        np.asarray(cv2.resize(layer, (width, height)), np.float32)
        for layer in (foreground, background)
    )
    # At full size only what is missing is added: where one layer alone is seen, it is the picture.
    cv2.copyTo(image, (share == 1).astype(np.uint8), foreground)
    cv2.copyTo(image, (share == 0).astype(np.uint8), background)
    soft = np.nonzero((share > 0) & (share < 1))
    if soft[0].size:
        some = [x[soft][np.newaxis] for x in (foreground, background)]
        _Level(image[soft][np.newaxis], share[soft][np.newaxis]).add_missing(*some)
        _stop_at_ends(image[soft], share[soft], some[0][0], some[1][0])
        foreground[soft], background[soft] = some[0][0], some[1][0]
    layers = (
        np.clip(foreground, 0.0, 1.0, out=foreground),
        np.clip(background, 0.0, 1.0, out=background),
    )
    return (from_linear(layers[0]), from_linear(layers[1])) if linear else layers


def feather_alpha(alpha: ArrayLike, pixels: float) -> NDArray[np.float32]:
    """Soften a matte's edge: it fades over about this many pixels to either side.

    Parameters
    ----------
    alpha : array_like of float, shape (H, W)
        In [0, 1].
    pixels : float
        Twice the standard deviation of the Gaussian that blurs it; 0 leaves it as it is.

    Returns
    -------
    ndarray of float32, shape (H, W)
        In [0, 1].

    Raises
    ------
    ArgumentError
        If `pixels` is no number from 0 to 1000.
    ImageError
        If `alpha` is no array of numbers.

    Examples
    --------
    >>> feather_alpha([[0, 0, 0, 1, 1, 1.0]], 2).round(1)
    array([[0. , 0.1, 0.3, 0.7, 0.9, 1. ]], dtype=float32)
    """
    share = np.asarray(as_array(alpha, "alpha"), np.float32)
    check_number("feather", pixels, least=0, most=1000)
    if pixels == 0:
        return share
    # A person whom the frame cuts off does not fade there.
    soft = cv2.GaussianBlur(share, (0, 0), pixels / 2, borderType=cv2.BORDER_REPLICATE)
    return np.clip(soft, 0.0, 1.0, dtype=np.float32)


@dataclass(frozen=True, eq=False)
class Layers:
    """A photograph, taken apart by :meth:`Composer.divide`.

    Attributes
    ----------
    photo, foreground, background : ndarray of float32, shape (H, W, 3)
        RGB in [0, 1].
    alpha : ndarray of float32, shape (H, W)
        Share of the foreground, in [0, 1].
    """

    photo: Image
    alpha: NDArray[np.float32]
    foreground: Image
    background: Image


class Composer:
    """Paints the background of photographs, the person, or both. Loads its networks once.

    Parameters
    ----------
    background, person : str, pathlib.Path, array_like, mapping or callable, optional
        How to paint that part: what :class:`nstlib.Stylizer` takes, or a function that is
        called like one. None leaves the part a photograph. At least one of the two, or `backdrop`.
    segmenter : str, pathlib.Path or Segmenter, default "person"
        What finds the person: what :class:`nstlib.PersonSegmenter` takes, or an object
        with its methods ``matte`` and ``mask``.
    backend : {"cv2", "ort"}, default "cv2"
        What computes the networks that are given by name or path: OpenCV's ``cv2.dnn``, or ONNX
        Runtime.
    eight_bits : bool, default False
        Paint in 8 bits, about twice as fast; see :class:`nstlib.Stylizer`. With ``"ort"`` only.
    threads : int, optional
        How many threads ONNX Runtime computes each network with. By default as many as the
        processor has cores. In films, where networks work side by side, half as many take less
        time.
    feather : float, default 0
        Fade the edge over about this many pixels to either side.
    strength : float, default 1
        0 leaves photographs as they are, 1 paints them.
    match : float, default 0
        Move the colours of the part that stays a photograph (of the person, if both are painted)
        towards the other part's: 1 gives them its mean and covariance.
    hard : bool, default False
        Cut as the tutorials do: a mask of 0 and 1, and ``numpy.where``. Halos stay.
    preserve_colors : bool, default False
        Paint brightness alone; the photograph's colours stay.
    backdrop : str, pathlib.Path or array_like, optional
        What is seen behind the person in the place of the photograph's own background: ``"blur"``
        for that itself, out of focus; a colour such as ``"#1e90ff"`` or ``"navy"``; what
        :func:`nstlib.load_image` takes; or an image (H, W, 3). Images are scaled to cover the
        photograph, and cut at the sides that stand out. The style of the background paints them,
        too.
    linear : bool, default False
        Take apart, blur and mix amounts of light, not sRGB's code values, as a lens does: half
        black and half white are 0.735 then, not 0.5. The notes say why it is off by default.
    smallest, person_at
        Which parts of what the segmenter finds are people: see
        :func:`nstlib.inference.parts.keep_people`.

    Raises
    ------
    ArgumentError
        If there is neither a style nor a backdrop, a number lies outside its range, or an option
        would have no effect beside the others.
    ImageError
        If the backdrop is no image.

    Notes
    -----
    Several threads may share an object, if what it was given to paint and to find people with
    allows that; networks do.

    Light or code values? On 28 people who were laid before photographs by a soft matte in linear
    light, and then before others by a `Composer`, the pixels of the edge were off by 0.031 (of 1)
    with code values and by 0.011 in linear light, if the matte was given. With the mattes that an
    earlier person network found, they were off by 0.073 and 0.072: what the network does not know
    weighs far more. Linear light costs two thirds more time without any style, it makes dark edges
    noisy before black, and other programs mix code values when they show a cut-out picture. So it
    is off, until mattes are better; with a matte from elsewhere, turn it on.

    Examples
    --------
    >>> class LeftHalf:
    ...     def matte(self, image):
    ...         return np.float32(np.indices(image.shape[:2])[1] < image.shape[1] / 2)
    >>> def invert(image, *, strength, preserve_colors):
    ...     return 1 - image
    >>> composer = Composer(background=invert, segmenter=LeftHalf())
    >>> composer(np.zeros((1, 4, 3), np.float32))[..., 0]
    array([[0., 0., 1., 1.]], dtype=float32)
    """

    def __init__(
        self,
        background: Style | None = None,
        person: Style | None = None,
        *,
        segmenter: str | Path | Segmenter = "person",
        backend: str = "cv2",
        eight_bits: bool = False,
        threads: int | None = None,
        feather: float = 0.0,
        strength: float = 1.0,
        match: float = 0.0,
        hard: bool = False,
        preserve_colors: bool = False,
        backdrop: Backdrop | None = None,
        linear: bool = False,
        smallest: float = SMALLEST,
        person_at: Point | str | None = None,
    ) -> None:
        if background is None and person is None and backdrop is None:
            raise ArgumentError(
                "there is no style; give one for the background, the person or both, or a backdrop",
                command="there is no style; give --style, --person or both, or a --background",
            )
        check_number("strength", strength, least=0, most=1)
        check_number("match", match, least=0, most=1)
        feather_alpha([[0.0]], feather)
        if hard and (feather or match):
            raise ArgumentError(
                "hard cuts along a mask; it goes with neither feather nor match",
                command="--hard cuts along a mask; it goes with neither --feather nor --match",
            )
        if hard and linear and not (isinstance(backdrop, str) and backdrop == "blur"):
            raise ArgumentError(
                "linear says how edges are mixed, and hard leaves none to mix; give one of them",
                command="--linear says how edges are mixed, and --hard leaves none to mix; give "
                "one of them",
            )
        if background is None and person is None and (strength != 1 or preserve_colors):
            raise ArgumentError(
                "strength and preserve_colors say how a style paints, and there is none; give one "
                "for the background, the person or both",
                command="--strength and --preserve-colors say how a style paints, and there is "
                "none; give --style, --person or both",
            )
        keep_people([[0.0]], smallest=smallest, person_at=person_at)
        self._smallest, self._person_at, self._linear = smallest, person_at, linear
        self._backdrop = None if backdrop is None else Behind(backdrop, linear)
        if match and background is None and self._backdrop and self._backdrop.plain:
            raise ArgumentError(
                "match gives the person the backdrop's colours, and this one has a single one; "
                "leave match out, or give an image",
                command="--match gives people the background's colours, and this one has a single "
                "one; leave --match out, or give a picture",
            )
        self._background = _painter(background, backend, eight_bits, threads)
        names = isinstance(person, str | Path) and isinstance(background, str | Path)
        same = person is background or (names and str(person) == str(background))
        self._person = self._background if same else _painter(person, backend, eight_bits, threads)
        self._segmenter = _segmenter(segmenter, backend, threads, "mask" if hard else "matte")
        self._feather, self._match, self._hard = feather, match, hard
        self._strength, self._preserve_colors = strength, preserve_colors

    def __call__(self, photo: ArrayLike, calm: Calm | None = None) -> Image:
        """Paint a photograph's parts.

        Parameters
        ----------
        photo : array_like of float, shape (H, W, 3)
            RGB in [0, 1].
        calm : Calm, optional
            For a film: is given each of ``"alpha"``, ``"person"`` and ``"background"`` as it is
            made, and returns what to use in its place; and so with the two layers before they are
            painted. See :class:`nstlib.video.steady.Steady`.

        Returns
        -------
        ndarray of float32, shape (H, W, 3)
            RGB in [0, 1].

        Raises
        ------
        ImageError
            If `photo` is not an image.
        MemoryLimitError
            If the picture is too large for the memory of this machine.
        """
        return self.paint(self.divide(photo, calm), calm)

    def divide(self, photo: ArrayLike, calm: Calm | None = None) -> Layers:
        """Do the first half of a call: find the person, and take the photograph apart.

        While :meth:`paint` does the second half of one frame, another thread can do the first half
        of the next. Parameters and errors are those of a call.
        """
        with memory_for(shape_of(photo)):
            return self._divide(check_image(photo, "photo"), calm or Uncalmed())

    def paint(self, layers: Layers, calm: Calm | None = None) -> Image:
        """Do the second half of a call: paint what :meth:`divide` made, and lay it together."""
        with memory_for(layers.photo.shape):
            return self._paint(layers, calm or Uncalmed())

    def _divide(self, photo: Image, calm: Calm) -> Layers:
        find = self._segmenter.mask if self._hard else self._segmenter.matte
        alpha = check_alpha(find(photo.copy()), photo)  # what finds may work in place
        alpha = keep_people(alpha, smallest=self._smallest, person_at=self._person_at)
        alpha = calm("alpha", alpha)
        foreground = background = photo
        if self._hard:
            alpha = (alpha > 0.5).astype(np.float32)
        else:
            foreground, background = estimate_layers(photo, alpha, linear=self._linear)
        if self._backdrop:
            background = self._backdrop(photo, alpha)
        return Layers(photo, alpha, foreground, background)

    def _paint(self, layers: Layers, calm: Calm) -> Image:
        alpha, foreground, background = layers.alpha, layers.foreground, layers.background
        if self._person:
            # With the background still behind, so that strokes follow the outline.
            foreground = self._painted("person", self._person, layers.photo, calm)
            if not self._hard:
                foreground, _ = estimate_layers(foreground, alpha, linear=self._linear)
        if self._background:
            # Without the person: a network sees far enough to carry strokes of the outline, and a
            # glow along it, into the background.
            background = self._painted("background", self._background, background, calm)
        if self._match and 0 < alpha.mean() < 1:
            if self._background or self._backdrop:
                foreground = self._matched(foreground, alpha, background)
            else:
                background = self._matched(background, 1 - alpha, foreground)
        alpha = feather_alpha(alpha, self._feather)
        return composite(foreground, background, alpha, linear=self._linear)

    def _painted(self, name: str, painter: StylePainter, layer: Image, calm: Calm) -> Image:
        seen = calm.seen(name, layer).copy()  # what paints may work in place
        painting = painter(seen, strength=self._strength, preserve_colors=self._preserve_colors)
        return calm(name, painting)

    def _matched(self, image: Image, share: NDArray[np.float32], reference: Image) -> Image:
        """Move the colours of a layer towards those that are seen of the other one."""
        matched = match_colors(image, reference, weights=share, reference_weights=1 - share)
        return image + np.float32(self._match) * (matched - image)


def stylize_background(photo: ArrayLike, style: Style, **options: Unpack[Options]) -> Image:
    """Paint the world around a person, who stays a photograph.

    Parameters
    ----------
    photo : array_like of float, shape (H, W, 3)
        RGB in [0, 1].
    style : str, pathlib.Path, array_like, mapping or callable
        How to paint it: what :class:`nstlib.Stylizer` takes, or a function that is called
        like one.
    **options
        See :class:`Composer`, which is the way to paint many photographs, or both parts.

    Returns
    -------
    ndarray of float32, shape (H, W, 3)
        RGB in [0, 1].
    """
    if other := options.keys() & {"background", "person"}:
        raise ArgumentError(f"{other.pop()} is for nstlib.Composer, which paints both parts")
    return Composer(background=style, **options)(photo)


def stylize_person(photo: ArrayLike, style: Style, **options: Unpack[Options]) -> Image:
    """Paint a person; the world around stays a photograph. As :func:`stylize_background`."""
    if other := options.keys() & {"background", "person"}:
        raise ArgumentError(f"{other.pop()} is for nstlib.Composer, which paints both parts")
    return Composer(person=style, **options)(photo)


def _painter(
    style: Style | None, backend: str, eight_bits: bool, threads: int | None
) -> StylePainter | None:
    if style is None or callable(style):
        return style
    from nstlib.inference.stylizer import Stylizer

    return Stylizer(style, backend=backend, eight_bits=eight_bits, threads=threads)


def _segmenter(
    model: str | Path | Segmenter, backend: str, threads: int | None, way: str
) -> Segmenter:
    """Make what finds people; `way` is the method of it that is used."""
    if not isinstance(model, str | Path):
        if not callable(getattr(model, way, None)):
            accepted = f"a name, the path of an ONNX file, or an object with a method {way}"
            raise refusal("segmenter", model, accepted)
        return model
    from nstlib.inference.segmenter import PersonSegmenter

    return PersonSegmenter(model, backend=backend, threads=threads)


class _Level:
    """A picture of the pyramid in :func:`estimate_layers`; its layers are changed in place."""

    def __init__(self, picture: Image, alpha: NDArray[np.float32]) -> None:
        self._picture = picture
        self._shares = per_channel(alpha), per_channel(1 - alpha)
        a, b = self._shares
        self._scale = 1 / (a * a + b * b)
        self._around: list[Image] = []
        self._some, self._missing = np.empty_like(picture), np.empty_like(picture)

    def enlarged(self, layer: Image) -> Image:
        height, width, _ = self._picture.shape
        return np.asarray(cv2.resize(layer, (width, height)), np.float32)

    def spread(self, *layers: Image) -> None:
        """Take the mean of each pixel's neighbours by their share; without any, it stays."""
        faint = np.float32(FAINT)
        if not self._around:
            near = (np.asarray(cv2.blur(share, NEAR), np.float32) for share in self._shares)
            self._around = [np.reciprocal(share + faint) for share in near]
        for layer, share, around in zip(layers, self._shares, self._around, strict=True):
            np.multiply(share, layer, out=self._some)
            np.multiply(layer, faint, out=layer)
            layer += cv2.blur(self._some, NEAR, dst=self._missing)
            layer *= around

    def add_missing(self, *layers: Image) -> None:
        """Add what the layers lack of the picture, in the smallest amounts that make up for it."""
        np.copyto(self._missing, self._picture)
        for layer, share in zip(layers, self._shares, strict=True):
            self._missing -= np.multiply(share, layer, out=self._some)
        self._missing *= self._scale
        for layer, share in zip(layers, self._shares, strict=True):
            layer += np.multiply(share, self._missing, out=self._some)


def _stop_at_ends(
    picture: Image, alpha: NDArray[np.float32], foreground: Image, background: Image
) -> None:
    """Bring layers of soft pixels, (N, 3), into [0, 1], in place; they make the picture still.

    Where one has to stop, the other makes up for the rest. It can: the picture lies in [0, 1].
    """
    share = alpha.astype(float)  # some shares are small, and divide
    front, behind = (foreground, share), (background, 1 - share)
    for (layer, own), (other, others) in ((front, behind), (behind, front)):
        where = np.nonzero((layer < 0) | (layer > 1))
        layer[where] = layer[where].clip(0, 1)
        other[where] = (picture[where] - own[where[0]] * layer[where]) / others[where[0]]


def _size(image: Image) -> str:
    return f"{image.shape[1]}×{image.shape[0]}"
