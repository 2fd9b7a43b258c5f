"""Paint a picture in one pass, in the style that a network was trained on or in any picture's."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeAlias

import cv2
import numpy as np
import onnx
from numpy.typing import ArrayLike, NDArray

from nstlib._checks import check_choice, check_number, cut, refusal
from nstlib._files import is_there
from nstlib.assets.registry import ASSETS
from nstlib.errors import ArgumentError, ModelError
from nstlib.images.arrays import Blob, Image, as_array, check_image
from nstlib.images.colors import replace_luminance
from nstlib.images.formats import (
    FILM_SUFFIXES,
    HEIC_SUFFIXES,
    OTHER_PICTURES,
    readable_suffixes,
)
from nstlib.images.resizing import resize, resized
from nstlib.inference.any_style import (
    MULTIPLE,
    STYLE_SIZE,
    Shares,
    Vector,
    check_style_size,
    check_vector,
    encode_style,
    is_vector,
    load_vector,
    mix_styles,
    own_vector,
    painter_for,
    recolored,
)
from nstlib.inference.eight_bits import (
    LARGEST_ERROR,
    PHOTO_SIZE,
    PHOTOGRAPHS,
    in_eight_bits,
)
from nstlib.inference.enlargements import LEAST_SIDE, fold_enlargements
from nstlib.inference.foreign import (
    Scale,
    ValueRange,
    channels_first,
    guess_output,
    keep_one_output,
    parse_range,
    simplified,
    style_range,
    to_float32,
    trial_picture,
)
from nstlib.inference.memory import memory_for, shape_of
from nstlib.inference.runtimes import (
    BACKENDS,
    check_computation,
    check_threads,
    load_model,
    start_network,
)
from nstlib.inference.tiles import paint_large
from nstlib.onnx.graphs import check_memory
from nstlib.onnx.reading import metadata_of, picture_input
from nstlib.sources import load_image, sample_names

#: Styles whose networks come with the library. A bold one paints more freely.
STYLE_NETWORKS = (
    "mosaic",
    "candy",
    "shards",
    "starry_night",
    "starry_night_bold",
    "great_wave",
    "the_scream",
    "water_lilies",
    "composition_vii",
)

#: What to paint like; :class:`Stylizer` says more.
Style: TypeAlias = str | Path | ArrayLike | Shares

#: Suffixes of networks, of which only the first can be used as it is.
_NETWORKS = (".onnx", ".tflite", ".keras", ".h5", ".pth", ".pt", ".ckpt", ".model", ".t7", ".pb")

#: Sides of pictures are padded to multiples of the first of these that suits the network.
_STEPS = (4, 8, 16, 32)

#: The same of :data:`STYLE_NETWORKS`, without a trial.
_MULTIPLES = dict.fromkeys(STYLE_NETWORKS, 4) | {"starry_night_bold": MULTIPLE}


class Stylizer:
    """Paint pictures in one style.

    There are networks that were trained on one style, and one that paints in the style of any
    picture. That one looks at the style picture once, see :func:`nstlib.encode_style`.

    Pictures of any size are painted. Networks of this course take and give float32 RGB of shape
    (B, 3, H, W) on the 0..255 scale. Other networks are adapted, as far as that is possible:

    - The file says whether its input is float32, float16 or uint8, and whether channels come first
      or last. Of several outputs the first that is a picture is used.
    - What black and white are is read from the file's metadata, ``value_range: 0,255``, which
      :func:`nstlib.onnx.export` writes; else it is found out by a trial, or said by `value_range`.
    - Sides are padded to what the network needs: multiples of 4, 8, 16 or 32.
    - For a network of one fixed size the picture is shrunk, and the painting enlarged.
    - A file whose metadata say ``channel_order: BGR`` has its colours in that order at both ends.

    Parameters
    ----------
    style : str, pathlib.Path, array_like of float of shape (h, w, 3) or (262,), or mapping
        One of :data:`STYLE_NETWORKS`, the path of an ONNX file, a picture as
        :func:`nstlib.load_image` takes it, a picture's array, RGB in [0, 1], the vector that
        :func:`nstlib.encode_style` gives, or the file to which :func:`numpy.save` wrote that,
        ``.npy``. A `Path` is always a file. Several pictures are mixed by their shares:
        ``{"night.jpg": 2, "wave.jpg": 1}``.
    backend : {"cv2", "ort"}, default "cv2"
        What computes: OpenCV's ``cv2.dnn``, or ONNX Runtime.
    value_range : (float, float), (float, float, float, float) or str, optional
        What black and white are to the network, as in (0, 1) or (-1, 1). Two more numbers if it
        gives others than it takes, as in (0, 255, 0, 1). Text as in ``"-1,1"`` will do;
        ``"imagenet"`` stands for the mean and spread of ImageNet. By default found out as above.
    style_size : int, default 320
        For pictures as styles: see :func:`nstlib.encode_style`.
    eight_bits : bool, default False
        Compute most of it in whole numbers of 8 bits, by ONNX Runtime: in films, in half the time.
        Of the styles that come with the library, colours are then off by 0.8 to 2.1 levels of 255
        on average. A network that this does not suit computes as always.
    threads : int, optional
        How many threads ONNX Runtime computes with. By default as many as the processor has cores.
        Fewer do with less of the processor, where other work goes on beside.
    whole_megapixels : float, default 2.1
        The largest picture to paint in one go, in millions of pixels: a film's frame of 1920×1080
        is one. Larger ones are painted tile by tile, see :mod:`nstlib.inference.tiles`: the same
        picture, in less memory and more time.

    Attributes
    ----------
    size : (int, int) or None
        Height and width at which the network paints; None if it paints at any.
    vector : ndarray of float32, shape (262,), or None
        The style's vector, for :func:`numpy.save`, read-only; None for a network of one style.

    Raises
    ------
    ArgumentError
        If there is no such style or file, or no such backend, or `value_range` or `style_size` is
        not one.
    ImageError
        If a style picture cannot be read.
    ModelError
        If the file is broken, or holds no network that turns a picture into a picture.

    Notes
    -----
    An object keeps its network's memory from call to call, which saves time from the second
    picture of a size on. Several threads may share it: OpenCV computes one picture at a time, ONNX
    Runtime several. A pool of processes may be given it, too: each loads the network for itself.

    References
    ----------
    J. Johnson, A. Alahi and L. Fei-Fei, "Perceptual losses for real-time style transfer and
    super-resolution", ECCV 2016.
    """

    def __init__(
        self,
        style: Style,
        *,
        backend: str = "cv2",
        value_range: ValueRange | None = None,
        style_size: int = STYLE_SIZE,
        eight_bits: bool = False,
        threads: int | None = None,
        whole_megapixels: float = 2.1,
    ) -> None:
        check_number("whole_megapixels", whole_megapixels, above=0)
        check_choice("backend", backend, BACKENDS)
        if eight_bits and backend != "ort":
            lacking = f"{BACKENDS[backend]} does not compute in 8 bits; ONNX Runtime does"
            raise ArgumentError(f"{lacking}: backend='ort'", command=f"{lacking}: --backend ort")
        self._name = str(style) if isinstance(style, str | Path) else "the style"
        self._backend, self._threads = backend, check_threads(threads)
        self._whole = whole_megapixels * 1e6
        self.vector = _vector(style, check_style_size("style_size", style_size), backend)
        if self.vector is None:
            proto, self._step = _load(style)
        else:
            proto, self._step = painter_for(self.vector), MULTIPLE
            self.vector.flags.writeable = False  # the network keeps its values
        self._proto = to_float32(keep_one_output(proto, (3,)))
        entry = picture_input(self._proto)
        if entry.channels != 3:
            raise ModelError(f"{self._name} takes {entry}; a style network takes 3 channels")
        self.size = entry.size
        bgr = metadata_of(self._proto).get("channel_order") == "BGR"
        self._order = (2, 1, 0) if bgr else (0, 1, 2)
        if self.vector is not None and value_range is not None:
            parse_range(value_range)  # it is for a file; this network says what it takes
            value_range = None
        self._taken, given = style_range(value_range, self._proto, self._name)
        self._checked = 0
        # OpenCV gains little by it, and OpenCV 4 needs to know the picture's size for it.
        network = fold_enlargements(self._proto) if backend == "ort" else self._proto
        self._run = start_network(network, backend, self._name, threads)
        output = None
        if self._step == 0:
            self._step, output = self._find_step()
        self._given = given or (Scale.of(0, 255) if output is None else guess_output(output))
        if eight_bits:
            self._run = self._in_eight_bits(network)

    def __call__(
        self, image: ArrayLike, strength: float = 1.0, *, preserve_colors: bool = False
    ) -> Image:
        """Paint one picture.

        Parameters
        ----------
        image : array_like of float, shape (H, W, 3)
            RGB in [0, 1], of any size.
        strength : float, default 1.0
            From 0, the photograph itself, to 1, the painting. Between them the two are mixed; in
            any picture's style, the style's vector with the photograph's own: fewer and gentler
            strokes, instead of a painting that one can see through. That takes several times as
            long, as two networks are made for each picture, and not in 8 bits.
        preserve_colors : bool, default False
            Take only the brightness from the painting, and the colours from `image`.

        Returns
        -------
        ndarray of float32, shape (H, W, 3)
            RGB in [0, 1].

        Raises
        ------
        ArgumentError
            If `strength` lies outside [0, 1].
        ImageError
            If `image` is not an image.
        MemoryLimitError
            If the picture is too large for the memory of this machine.
        ModelError
            If the network cannot be run on it, or computes values that are no numbers.
        """
        check_number("strength", strength, least=0, most=1)
        with memory_for(shape_of(image)):
            photo = check_image(image)
            if strength == 0:
                return photo
            if self.vector is not None and strength < 1:
                painting = self._weaker(self.vector, photo, strength)
            elif self.size is None:
                painting = self._paint(photo)
            else:
                painting = self._paint_at(self.size, photo)
            if self.vector is not None and strength == 1:
                painting = recolored(painting, self.vector)
            if preserve_colors:
                painting = replace_luminance(photo, painting)
            if self.vector is None and strength < 1:
                mixed = photo + np.float32(strength) * (painting - photo)
                painting = np.clip(mixed, 0.0, 1.0, out=mixed)
            return painting

    def _weaker(self, vector: Vector, photo: Image, strength: float) -> Image:
        """Paint a photograph in a style between its own and this one.

        In its own style the network leaves a photograph nearly as it is. What it changes all the
        same is put back, as far as the photograph counts: so the way from the photograph to the
        painting has no step at its beginning, and colours do not fade on it.
        """
        own = own_vector(photo, backend=self._backend)
        between, beginning = (
            Stylizer(
                each,
                backend=self._backend,
                threads=self._threads,
                whole_megapixels=self._whole / 1e6,
            )(photo)
            for each in (own + np.float32(strength) * (vector - own), own)
        )
        between += np.float32(1 - strength) * (photo - beginning)
        return np.clip(between, 0.0, 1.0, out=between)

    def _in_eight_bits(self, network: onnx.ModelProto) -> Callable[[Blob], Blob]:
        """Run the network in 8 bits, if it then paints photographs nearly as it does now."""
        blobs = []
        for name in PHOTOGRAPHS:
            photo = load_image(name, size=PHOTO_SIZE)
            sides = self.size or [side - side % self._step for side in photo.shape[:2]]
            blobs.append(self._taken.blob(resize(photo, (sides[0], sides[1])), self._order))
        try:
            run = start_network(in_eight_bits(network, blobs), "ort", self._name, self._threads)
            for blob in blobs:
                expected = self._run(blob)
                off = np.abs(run(blob) - expected).mean()
                if off > LARGEST_ERROR * np.ptp(expected):
                    return self._run
        except ModelError:
            return self._run
        return run

    def _find_step(self) -> tuple[int, Blob]:
        """Find the number whose multiples sides have to be, and what the trial picture becomes.

        A network that gets sides of another kind gives another size back, or fails. OpenCV
        may also add maps of different sizes and say nothing, so ONNX Runtime, if it knows the
        network at all, has to agree.
        """
        faults, unproven = [], []
        for step in _STEPS if self.size is None else (1,):
            height, width = self.size or (64 + step, 96 + step)
            blob = self._taken.blob(trial_picture(height, width), self._order)
            try:
                check_memory(self._proto, blob.shape)
                output = self._run(blob)
                planes = self._planes(output, blob)
                if check_computation(self._proto, self._backend, self._name, blob, output):
                    return step, planes
                unproven.append((step, planes))
            except ModelError as fault:
                faults.append(fault)
        if unproven:
            return unproven[0]
        raise faults[0]

    def _compute(self, photo: Image, *, whole: bool) -> Blob:
        """Run the network on a picture whose sides suit it, at once or by tiles: (3, H, W)."""
        blob = self._taken.blob(photo, self._order)
        if whole:
            if blob.size > self._checked:
                check_memory(self._proto, blob.shape)
                self._checked = blob.size
            run = self._run if min(blob.shape[2:]) >= LEAST_SIDE else self._run_small
            output = run(blob)
        else:
            output = paint_large(
                self._for_tiles,
                blob,
                lambda part: start_network(part, self._backend, self._name, self._threads),
            )
        return self._planes(output, blob)

    def _planes(self, output: Blob, blob: Blob) -> Blob:
        """Check that an output is a picture of the input's size, and return it as (3, H, W)."""
        sides = blob.shape[2:]
        if output.shape == (1, *sides, 3):
            output = output.transpose(0, 3, 1, 2)
        if output.shape != (1, 3, *sides):
            raise ModelError(
                f"{self._name} gives {output.shape} for {blob.shape}; a style network gives back "
                "the size that it was given, in 3 channels"
            )
        return output[0]

    @functools.cached_property
    def _run_small(self) -> Callable[[Blob], Blob]:
        return start_network(self._proto, self._backend, self._name, self._threads)

    @functools.cached_property
    def _for_tiles(self) -> onnx.ModelProto:
        return simplified(channels_first(self._proto))

    def _paint(self, photo: Image) -> Image:
        """Paint at the picture's own size."""
        height, width, _ = photo.shape
        # Mirrored, not repeated, borders, as the networks' own layers have them.
        below, beside = (_round_up(side, self._step) - side for side in (height, width))
        padded = np.asarray(
            cv2.copyMakeBorder(photo, 0, below, 0, beside, cv2.BORDER_REFLECT_101), np.float32
        )
        whole = padded.shape[0] * padded.shape[1] <= self._whole
        return self._picture(self._compute(padded, whole=whole), height, width)

    def _paint_at(self, size: tuple[int, int], photo: Image) -> Image:
        """Paint by a network of one size. The picture keeps its proportions: it is mirrored."""
        height, width, _ = photo.shape
        scale = max(height / size[0], width / size[1])
        sides = [
            max(side, round(scale * wanted))
            for side, wanted in zip(photo.shape, size, strict=False)
        ]
        below, beside = sides[0] - height, sides[1] - width
        padded = np.asarray(
            cv2.copyMakeBorder(photo, 0, below, 0, beside, cv2.BORDER_REFLECT_101), np.float32
        )
        painted = self._picture(self._compute(resized(padded, *size), whole=True), *size)
        return resized(painted, sides[0], sides[1])[:height, :width].copy()

    def _picture(self, planes: NDArray[np.float32], height: int, width: int) -> Image:
        """Turn what the network gives into RGB in [0, 1]."""
        cut = [planes[channel, :height, :width] for channel in self._order]
        painting = np.asarray(cv2.merge(cut), np.float32)
        if self._given.shifts[0]:
            painting -= self._given.shifts[0]
        painting /= self._given.factors[0]
        return np.clip(painting, 0.0, 1.0, out=painting)


def size_of(style: str | Path) -> tuple[int, int] | None:
    """Return the height and width at which a style is painted; None if at any."""
    if _kind(style) != "network":
        return None
    return picture_input(load_model(style, STYLE_NETWORKS)).size


def _vector(style: Style, size: int, backend: str) -> Vector | None:
    """Find the vector of a style; None for a network of one style."""
    if isinstance(style, Mapping):
        return mix_styles(style, size=size, backend=backend)
    if not isinstance(style, str | Path):
        if isinstance(style, list | tuple) and all(isinstance(x, str | Path) for x in style):
            accepted = "one style, or several by their shares, as in {'a.jpg': 2, 'b.jpg': 1}"
            raise refusal("style", style, accepted)
        array = as_array(style, "style")
        if array.ndim == 1:
            return check_vector(array)
        return encode_style(array, size=size, backend=backend)
    kind = _kind(style)
    if kind == "vector":
        return load_vector(style)
    return encode_style(style, size=size, backend=backend) if kind == "picture" else None


def _kind(style: str | Path) -> str:
    """Tell whether a name or a path is a ``"network"``'s, a ``"picture"``'s or a ``"vector"``'s.

    Where a network and a picture have the same name, it is the network's.
    """
    if isinstance(style, str):
        if style in STYLE_NETWORKS:
            return "network"
        if style in sample_names():
            return "picture"
        if style in ASSETS:
            return {"image": "picture"}.get(ASSETS[style].kind, "network")
    if is_vector(style):
        return "vector"
    path = Path(style)
    suffix = path.suffix.lower()
    known = suffix in {*readable_suffixes(), *HEIC_SUFFIXES, *OTHER_PICTURES, *FILM_SUFFIXES}
    # Any other file is tried as a picture: the error about it says best what it is not.
    return "picture" if known or (is_there(path) and suffix not in _NETWORKS) else "network"


def _load(style: Style) -> tuple[onnx.ModelProto, int]:
    """Read the network of one style, and the number whose multiples sides are; 0 if unknown."""
    assert isinstance(style, str | Path)
    ours = isinstance(style, str) and style in STYLE_NETWORKS
    if not ours and style not in ASSETS and not is_there(style, folders=False):
        raise ArgumentError(
            f"{cut(repr(str(style)))} is no style: give one of {', '.join(STYLE_NETWORKS)}, a "
            "picture, or the path of an ONNX file"
        )
    return load_model(style, STYLE_NETWORKS), _MULTIPLES[str(style)] if ours else 0


def _round_up(side: int, step: int) -> int:
    """Round up to a multiple of the step, with room for reflections."""
    return max(4 * step, -(-side // step) * step)
