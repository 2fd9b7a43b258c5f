"""Any picture as a style: one network looks at it, another one paints.

The first, the *encoder*, turns a style picture into 256 numbers. With six more they are its *style
vector*, 1 kB: the last twelve are the means and deviations of red, green and blue, and the root of
their covariance matrix. The second, the *painter*, takes a photograph and the 256. Once they are
put into its graph as a constant, it is a style network like any other, of one input: tiles, films
and both runtimes take it as it is. It mixes its last colours alike for all styles, so its paintings
are paler than their styles, or stained; :func:`recolored` gives them the style's colours.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeAlias

import cv2
import numpy as np
import onnx
from numpy.typing import ArrayLike, NDArray
from onnx import numpy_helper

from nstlib._checks import check_choice, check_count, check_number, check_path, refusal
from nstlib._files import reason
from nstlib._memory import ran_out
from nstlib.art.catalogue import DRAWN_STYLES
from nstlib.assets.cache import embedded_model
from nstlib.errors import ArgumentError, MemoryLimitError, NstError
from nstlib.images.arrays import Image, as_array, check_image
from nstlib.images.colors import color_map, power
from nstlib.images.resizing import resize
from nstlib.inference.foreign import simplified
from nstlib.inference.runtimes import BACKENDS, start_network
from nstlib.onnx.graphs import check_memory
from nstlib.onnx.reading import load_onnx
from nstlib.sources import load_image, load_style

ENCODER, PAINTER = "any_style_encoder.onnx", "any_style_painter.onnx"

#: The numbers of a style that the networks share; and all of its vector's. The last six are the
#: upper triangle, row by row, of the symmetric root of its colours' covariance matrix. Roots mix as
#: deviations do: half of a grey style and half of a coloured one have half of the colour.
NETWORK_VECTOR, VECTOR = 256, 262

#: Where they stand in the root.
_TRIANGLE = np.triu_indices(3)

#: No difference of colours in a painting is enlarged more than so many times.
_MOST_GAIN = 2.0

#: A variance of brightness that paintings and styles are taken to have besides their own: in a
#: style of a single colour one still sees what was painted. Deviations are 0.1 to 0.3 as a rule.
_BRIGHTNESS = np.full((3, 3), 0.001)

#: Of what the painter's sides are multiples.
MULTIPLE = 8

#: Heights and widths at which runtimes are compared on it.
SIZES = ((256, 256), (320, 384), (248, 328), (264, 200))

#: How far runtimes may differ, of 255, on a network that was made of it for one style. Such layers
#: round more than those of a transformer; half a level nobody sees.
TOLERANCE = 0.5

#: The shorter side at which a style is looked at, in pixels, unless another one is asked for.
STYLE_SIZE = 320

#: The least and the most that this side may be: after the encoder's four halvings there must be
#: something to measure, and nobody sees strokes that are larger.
_LEAST, _MOST = 16, 2048

#: The largest shorter side at which a photograph's own style is looked at.
_OWN_MOST = 512

#: A style picture is looked at no further than this many times its shorter side.
_LONGEST = 4

Vector: TypeAlias = NDArray[np.float32]

#: Pictures, or files of vectors, and how much of each.
Shares: TypeAlias = Mapping[str, float] | Mapping[Path, float] | Mapping[str | Path, float]


def encode_style(
    style: ArrayLike | str | Path, *, size: int = STYLE_SIZE, backend: str = "cv2"
) -> Vector:
    """Look at a picture's style.

    Parameters
    ----------
    style : array_like of float, shape (h, w, 3), str or pathlib.Path
        RGB in [0, 1], or what :func:`nstlib.load_image` takes.
    size : int, default 320
        The shorter side at which it is looked at, in pixels, from 16 to 2048: half as large makes
        strokes about half as large. A smaller picture is enlarged to it, and of a stripe only the
        middle is seen, four times as long as it is wide.
    backend : {"cv2", "ort"}, default "cv2"
        What computes: OpenCV's ``cv2.dnn``, or ONNX Runtime.

    Returns
    -------
    ndarray of float32, shape (262,)
        The style's vector, which :class:`nstlib.Stylizer` takes and :func:`numpy.save` keeps.

    Raises
    ------
    ImageError
        If `style` is not an image.
    ArgumentError
        If `size` lies outside its range, or there is no such backend.
    MemoryLimitError
        If `size` is too large for the memory of this machine.

    Notes
    -----
    Any picture has a style: one of a single colour gives paintings that are nearly of that colour,
    one in grey gives grey paintings. Transparent parts are laid on white before they are looked at.

    References
    ----------
    G. Ghiasi, H. Lee, M. Kudlur, V. Dumoulin and J. Shlens, "Exploring the structure of a
    real-time, arbitrary neural artistic stylization network", BMVC 2017.
    """
    check_style_size("size", size)
    check_choice("backend", backend, BACKENDS)
    try:
        picture = at_size(_picture(style, size), size)
        return encoder_for(backend)(picture)
    except Exception as error:  # the runtimes' errors have no base but Exception
        if isinstance(error, NstError) or not ran_out(error):
            raise
        lacking = f"the memory of this machine does not suffice to look at a style at {size} pixels"
        raise MemoryLimitError(
            f"{lacking}; give a smaller size",
            command=f"{lacking}; give a smaller --style-size",
        ) from error


def mix_styles(shares: Shares, *, size: int = STYLE_SIZE, backend: str = "cv2") -> Vector:
    """Mix pictures' styles by share: the weighted mean of their vectors.

    Parameters
    ----------
    shares : mapping of str or pathlib.Path to float
        Pictures as :func:`nstlib.load_image` takes them, or files of vectors, and how much of each;
        only the proportions count. Names are pictures' here, also those of style networks.
    size, backend
        As for :func:`encode_style`.

    Returns
    -------
    ndarray of float32, shape (262,)
        The mixture's vector. To mix vectors that you have, take :func:`numpy.average`.

    Raises
    ------
    ArgumentError
        If there is no style, one is a network, or a share is not above 0.
    ImageError
        If one is not an image.
    """
    if not isinstance(shares, Mapping):
        raise refusal("shares", shares, "a mapping of pictures to their shares")
    if not shares:
        raise ArgumentError("there is no style to mix; give one picture or more")
    for style, share in shares.items():
        check_path("a key of shares", style, "the name or the path of a picture")
        check_share(style, share)
        if Path(style).suffix.lower() == ".onnx":
            raise ArgumentError(f"{style} is a network; only pictures and vectors can be mixed")
    vectors = [
        load_vector(style) if is_vector(style) else encode_style(style, size=size, backend=backend)
        for style in shares
    ]
    weights = np.array([*shares.values()], float)  # whose sum may be too large for a number
    return np.average(vectors, axis=0, weights=weights / weights.max()).astype(np.float32)


def check_share(style: str | Path, share: object) -> None:
    """Refuse what is no share of a style in a mixture."""
    try:
        check_number(f"the share of {style}", share, above=0)
    except ArgumentError as error:
        # At the command line, the check's own wording would make an option of the name.
        raise ArgumentError(str(error)) from error


def check_style_size(name: str, size: object) -> int:
    """Return a side, in pixels, at which a style can be looked at."""
    if (number := check_count(name, size, _LEAST)) > _MOST:
        raise refusal(name, size, f"a whole number from {_LEAST} to {_MOST}")
    return number


def own_vector(photo: Image, *, backend: str = "cv2") -> Vector:
    """Look at a photograph's own style, in which the painter leaves it nearly as it is."""
    # At its own size, as the network learned it; of a large one a reduced copy tells enough.
    size = min(max(_LEAST, min(photo.shape[:2])), _OWN_MOST)
    return encode_style(photo, size=size, backend=backend)


def is_vector(path: str | Path) -> bool:
    """Tell whether a path is that of a vector."""
    return Path(path).suffix.lower() == ".npy"


def load_vector(path: str | Path) -> Vector:
    """Read the vector of a style from a file that :func:`numpy.save` wrote."""
    try:
        return check_vector(np.load(path, allow_pickle=False))
    except ArgumentError as error:
        raise ArgumentError(f"{path}: {error}") from error
    except OSError as error:
        raise ArgumentError(f"{path}: cannot be read ({reason(error)})") from error
    except Exception as error:  # NumPy's reader raises almost anything, and proposes to unpickle
        raise ArgumentError(
            f"{path} is not the vector of a style; numpy.save writes one that encode_style gave",
            command=f"{path} is not the vector of a style, or is damaged",
        ) from error


def check_vector(vector: ArrayLike) -> Vector:
    """Return the vector of a style, or say why it is none."""
    values = as_array(vector, "the vector of a style").astype(np.float32)
    if values.shape != (VECTOR,) or not np.isfinite(values).all():
        fault = "has other values" if values.shape == (VECTOR,) else f"has the shape {values.shape}"
        raise ArgumentError(
            f"the vector of a style has {VECTOR} finite numbers, as encode_style gives them; this "
            f"one {fault}"
        )
    return values


def is_painter(proto: onnx.ModelProto) -> bool:
    """Tell whether a network takes a picture and the vector of a style."""
    constants = {tensor.name for tensor in proto.graph.initializer}
    return {x.name for x in proto.graph.input} - constants == {"image", "vector"}


def trial_vector() -> Vector:
    """Make the vector of a style that nobody has seen, for trials: in full colours."""
    vector = np.random.default_rng(0).normal(0, 1, VECTOR)
    vector[-12:] = (0.5,) * 3 + (0.25,) * 3 + (0.25, 0.0, 0.0, 0.25, 0.0, 0.25)
    return vector.astype(np.float32)


def recolored(painting: Image, vector: Vector) -> Image:
    """Give a painting its style's colours: their mean, and how they vary together.

    Parameters
    ----------
    painting : ndarray of float32, shape (H, W, 3)
        RGB in [0, 1].
    vector : ndarray of float32, shape (262,)
        The style.

    Returns
    -------
    ndarray of float32, shape (H, W, 3)
        RGB in [0, 1].
    """
    mean, root = vector[-12:-9].astype(np.float64), np.zeros((3, 3))
    root[_TRIANGLE] = root.T[_TRIANGLE] = vector[-6:]
    found_mean, found = _color_statistics(painting)
    matrix = color_map(found + _BRIGHTNESS, root @ root + _BRIGHTNESS, _MOST_GAIN)
    shift = mean - matrix @ found_mean
    changed = np.asarray(cv2.transform(painting, np.column_stack([matrix, shift])), np.float32)
    return np.clip(changed, 0.0, 1.0, out=changed)


def _color_statistics(picture: Image) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mean (3,) and covariance (3, 3) of a picture's colours."""
    rows = np.ascontiguousarray(picture).reshape(-1, 3)
    mean = np.array(cv2.mean(picture)[:3])
    # NumPy would need three copies in double precision.
    covariance = cv2.mulTransposed(
        rows, True, delta=mean[np.newaxis].astype(np.float32), scale=1 / len(rows), dtype=cv2.CV_64F
    )
    return mean, np.asarray(covariance, np.float64)


def painter_for(vector: Vector, painter: onnx.ModelProto | None = None) -> onnx.ModelProto:
    """Build the network that paints in one style.

    What depends on the style alone is computed here, once.

    Parameters
    ----------
    vector : ndarray of float32, shape (262,)
        The style.
    painter : onnx.ModelProto, optional
        The network of two inputs; by default the one that comes with the library.

    Returns
    -------
    onnx.ModelProto
        A network of one input, ``image``.
    """
    proto = onnx.ModelProto()
    proto.CopyFrom(load_onnx(embedded_model(PAINTER)) if painter is None else painter)
    graph = proto.graph
    (entry,) = (value for value in graph.input if value.name == "vector")
    graph.input.remove(entry)
    value = check_vector(vector)[:NETWORK_VECTOR].reshape(1, NETWORK_VECTOR, 1, 1)
    graph.initializer.append(numpy_helper.from_array(value, entry.name))
    return _fused(simplified(proto))


@functools.cache
def encoder_for(backend: str) -> Callable[[Image], Vector]:
    """Load what looks at styles: from pictures (H, W, 3), sides of 16 or more, to vectors."""
    proto = load_onnx(embedded_model(ENCODER))
    run = start_network(proto, backend, ENCODER)

    def encode(picture: Image) -> Vector:
        blob = np.ascontiguousarray(picture.transpose(2, 0, 1)[np.newaxis])
        check_memory(proto, blob.shape)
        root = power(_color_statistics(picture)[1], 0.5)
        return np.concatenate([run(blob).reshape(-1), root[_TRIANGLE]]).astype(np.float32)

    return encode


def _picture(style: ArrayLike | str | Path, size: int) -> Image:
    """Load a style picture, a large JPEG at a fraction of its size; or check an array."""
    if not isinstance(style, str | Path):
        return check_image(style, "style")
    if style in DRAWN_STYLES:
        return load_image(style)
    return load_style(style, _LONGEST * size, adjustable=False)


def at_size(picture: Image, size: int) -> Image:
    """Bring a picture's shorter side to a size, without what lies far from its middle."""
    longest = _LONGEST * min(picture.shape[:2])
    for axis in (0, 1):
        excess = max(0, picture.shape[axis] - longest)
        picture = picture.take(
            range(excess // 2, picture.shape[axis] - (excess - excess // 2)), axis
        )
    height, width, _ = picture.shape
    scale = size / min(height, width)
    return resize(picture, (max(size, round(height * scale)), max(size, round(width * scale))))


def _fused(proto: onnx.ModelProto) -> onnx.ModelProto:
    """Give instance normalisations the constant scale and shift that follow them.

    Where the normalised values are used elsewhere as well, they stay as they are.
    """
    graph = proto.graph
    constants = {tensor.name: tensor for tensor in graph.initializer}
    uses: dict[str, list[onnx.NodeProto]] = {}
    for node in graph.node:
        for name in node.input:
            uses.setdefault(name, []).append(node)

    def follows(
        node: onnx.NodeProto, kind: str
    ) -> tuple[onnx.NodeProto, NDArray[np.float32]] | None:
        """Return the only use of a node's output, and the constant that joins it there."""
        users = uses.get(node.output[0], [])
        if len(users) != 1 or users[0].op_type != kind:
            return None
        (other,) = set(users[0].input) - {node.output[0]}
        if other not in constants:
            return None
        return users[0], numpy_helper.to_array(constants[other]).reshape(-1)

    for norm in [node for node in graph.node if node.op_type == "InstanceNormalization"]:
        scaled = follows(norm, "Mul")
        shifted = follows(scaled[0], "Add") if scaled else None
        if scaled is None or shifted is None:
            continue
        scale, shift = (numpy_helper.to_array(constants[name]) for name in norm.input[1:])
        values = (scale * scaled[1], shift * scaled[1] + shifted[1])
        for position, (part, value) in enumerate(zip(("scale", "shift"), values, strict=True), 1):
            name = f"{norm.output[0]}.{part}"
            graph.initializer.append(numpy_helper.from_array(value.astype(np.float32), name))
            norm.input[position] = name
        norm.output[0] = shifted[0].output[0]
        for node in (scaled[0], shifted[0]):
            graph.node.remove(node)
    return proto
