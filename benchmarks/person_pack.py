"""What person_torch.py learns from, in one file; and what it has learned, as a network.

    python benchmarks/person_pack.py pack PEOPLE OTHERS PACK.npz --selfie FILE [options]
    python benchmarks/person_pack.py write WEIGHTS.npz [WEIGHTS.npz ...] person.onnx [--share S ...]

PEOPLE holds photographs in images/ and their masks in masks/, OTHERS photographs without people,
FILE is MediaPipe's selfie segmentation. Of more people, ``--guessed DIR``, the masks are what
networks say, ``--teacher NAME``. ``--things DIR`` holds what is no person, such as animals: cut
out, with a transparent background. The photographs are made smaller; those to judge
by are not, unless their masks are guessed.
Of several weights, the network gets the mean (Wortsman et al., "Model soups", 2022), or by
``--share``, once for each, something between: between what a training began with and what it ended
with, for instance (Wortsman et al., "Robust fine-tuning of zero-shot models", 2022).
Written as person.keras, the network can be trained further: ``nst train person --start``.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

#: Sides of what the network sees, and of the canvases that hold the photographs.
SIDE, CANVAS = 256, 400

#: What a layer has, by the names in a file of weights.
KINDS = ("weight", "bias")

#: The group of photographs whose masks networks have guessed, and that of cut-out things, which are
#: no people, but have masks as well.
GUESSED, THINGS = "guessed", "things"


class Row(NamedTuple):
    """One photograph of a pack."""

    group: str  # nothing if it shows nobody
    kept_back: bool
    picture: int  # which file
    mask: int  # which file; below 0 if it shows nobody


class Pack(NamedTuple):
    """What ``pack`` has written: pictures as files in memory, and MediaPipe's weights."""

    rows: list[Row]
    files: list[NDArray[np.uint8]]
    weights: dict[str, NDArray[np.float32]]

    @classmethod
    def load(cls, path: str) -> Pack:
        """Read a pack."""
        with np.load(path) as arrays:
            rows = [Row(*row) for row in json.loads(str(arrays["rows"]))]
            files = np.split(arrays["files"], arrays["ends"][:-1])
            weights = {name[7:]: arrays[name] for name in arrays if name.startswith("selfie.")}
        return cls(rows, files, weights)

    def save(self, path: str) -> None:
        """Write a pack."""
        arrays: dict[str, Any] = {f"selfie.{name}": v for name, v in self.weights.items()}
        arrays |= {"ends": np.cumsum([len(file) for file in self.files])}
        np.savez(path, files=np.concatenate(self.files), rows=json.dumps(self.rows), **arrays)

    def picture(self, row: Row) -> NDArray[np.uint8]:
        """Decode a photograph, RGB (H, W, 3)."""
        decoded = np.asarray(cv2.imdecode(self.files[row.picture], cv2.IMREAD_COLOR), np.uint8)
        return decoded[..., ::-1]

    def mask(self, row: Row) -> NDArray[np.uint8] | None:
        """Decode its mask (H, W), if it has one."""
        if row.mask < 0:
            return None
        return np.asarray(cv2.imdecode(self.files[row.mask], cv2.IMREAD_GRAYSCALE), np.uint8)


def reduced(picture: NDArray[np.float32], side: int) -> NDArray[np.float32]:
    """Make a photograph, (H, W, channels), so small that its shorter side is `side`, or less.

    All to learn from are as small and as coarse: a network would soon tell those with people from
    those without by that, and be wrong about photographs as they are.
    """
    height, width = picture.shape[:2]
    scale = min(1.0, side / min(height, width), CANVAS / max(height, width))
    size = max(1, round(width * scale)), max(1, round(height * scale))
    return np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), np.float32)


def cut_out(path: Path, side: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Read a thing that is cut out, as small as photographs: colours, and how much it covers."""
    from nstlib.training.people import read_thing

    colours, alpha = read_thing(path)
    x, y, width, height = cv2.boundingRect((alpha > 0).astype(np.uint8))
    part = slice(y, y + height), slice(x, x + width)
    small = reduced(np.dstack([colours[part], alpha[part]]), side)
    return small[..., :3].clip(0, 1), small[..., 3].clip(0, 1)


def write_pack(options: argparse.Namespace) -> None:
    """Pack photographs, reduced, with MediaPipe's weights."""
    from nstlib.images.arrays import Image, rgb_to_bgr, to_uint8
    from nstlib.inference.segmenter import PersonSegmenter
    from nstlib.sources import load_image
    from nstlib.training.people import group_of, pairs, read_mask
    from nstlib.training.photos import image_files, keep_back
    from nstlib.training.selfie import selfie_weights

    rows: list[Row] = []
    files: list[NDArray[np.uint8]] = []

    def add(group: str, kept: bool, picture: NDArray[np.uint8], mask: Any = None) -> None:
        rows.append(Row(group, kept, len(files), -1 if mask is None else len(files) + 1))
        files.extend([picture] if mask is None else [picture, mask])

    def encoded(picture: Image, quality: int = options.quality) -> NDArray[np.uint8]:
        bgr = rgb_to_bgr(to_uint8(picture))
        return np.asarray(cv2.imencode(".webp", bgr, [cv2.IMWRITE_WEBP_QUALITY, quality])[1])

    def levels(mask: Any, count: int = 2) -> NDArray[np.uint8]:
        values = np.rint(np.rint((count - 1) * mask) * (255 / (count - 1))).astype(np.uint8)
        bits = [cv2.IMWRITE_PNG_BILEVEL, int(count == 2), cv2.IMWRITE_PNG_COMPRESSION, 9]
        return np.asarray(cv2.imencode(".png", values, bits)[1])

    learned, judged = keep_back(pairs(options.people), options.kept_back)
    for photo, mask in learned:
        assert mask is not None  # `pairs` has made sure
        picture = reduced(load_image(photo), options.side)
        soft = cv2.resize(read_mask(mask), picture.shape[1::-1], interpolation=cv2.INTER_AREA)
        add(group_of(photo), False, encoded(picture), levels(soft))
    for photo, mask in judged:
        add(group_of(photo), True, encoded(load_image(photo), 80), np.fromfile(str(mask), np.uint8))
    teachers = [PersonSegmenter(name) for name in options.teacher or ["person"]]
    guessed, guessed_judged = keep_back(image_files(options.guessed or []), options.kept_back)
    for kept, photos in ((False, guessed), (True, guessed_judged)):
        for photo in photos:
            picture = load_image(photo)
            mirrored = np.ascontiguousarray(picture[:, ::-1])
            said = [x for t in teachers for x in (t(picture), t(mirrored)[:, ::-1])]
            small = reduced(picture, options.side)
            size = small.shape[1::-1]
            soft = cv2.resize(np.mean(said, axis=0), size, interpolation=cv2.INTER_AREA)
            add(GUESSED, kept, encoded(small), levels(soft, 5))
    without, without_judged = keep_back(image_files([options.others]), options.kept_back)
    for kept, photos in ((False, without), (True, without_judged)):
        for photo in photos:
            picture = load_image(photo)
            add("", kept, encoded(picture, 70) if kept else encoded(reduced(picture, options.side)))
    for folder in options.things or []:
        for path in image_files([folder]):
            colours, alpha = cut_out(path, options.side)
            add(THINGS, False, encoded(colours), levels(alpha, 5))
    weights = {
        f"{layer}.{kind}": array
        for layer, arrays in selfie_weights(options.selfie).items()
        for kind, array in zip(KINDS, arrays, strict=True)
    }
    Pack(rows, files, weights).save(options.pack)


def _mixed(
    name: str, layer: Any, ends: Sequence[Mapping[str, Any]], shares: Sequence[float]
) -> Any:
    """Mix what a layer has in several files; it is 0 or of no account where a file lacks it.

    A file from before a layer was added knows nothing of it. Then the network computed as if what
    begins as 0 were still 0; the layers before that could be any.
    """
    known = [(share, end[name]) for share, end in zip(shares, ends, strict=True) if name in end]
    mixed = sum(share * array for share, array in known)
    silent = not layer.get_weights()[0].any()
    return mixed if silent else mixed / sum(share for share, _ in known)


def write_network(options: argparse.Namespace) -> None:
    """Write a network of trained weights, .onnx or .keras."""
    from nstlib.cli import _outputs
    from nstlib.networks.person import PersonNet
    from nstlib.training import selfie

    shares = options.share or [1 / len(options.weights)] * len(options.weights)
    if len(shares) != len(options.weights) or abs(sum(shares) - 1) > 1e-6:
        raise SystemExit("give a --share for each of the weights; together they make 1")
    ends = [dict(np.load(path)) for path in options.weights]
    network = PersonNet()
    weights = {
        layer.name: tuple(_mixed(f"{layer.name}.{kind}", layer, ends, shares) for kind in KINDS)
        for layer in network.layers
        # A layer that no file knows stays as it begins.
        if any(
            share and f"{layer.name}.weight" in end for share, end in zip(shares, ends, strict=True)
        )
    }
    selfie.set_weights(network, weights)
    _outputs.write_network(
        Path(options.output),
        network,
        dict(entry.split("=", 1) for entry in options.metadata),
        output_name="probabilities",
        value_range=(-1, 1),
        tolerance=1e-3,
    )


def main() -> None:
    """Pack or write."""
    parser = argparse.ArgumentParser(description="files for person_torch.py, and from it")
    commands = parser.add_subparsers(required=True)
    command = commands.add_parser("pack", help="photographs and MediaPipe's weights into one file")
    command.add_argument("people", help="a folder with images/ and masks/")
    command.add_argument("others", help="a folder of photographs without people")
    command.add_argument("pack", help="where to write, .npz")
    command.add_argument("--selfie", required=True, help="MediaPipe's selfie segmentation")
    command.add_argument("--guessed", action="append", help="a folder of people without masks")
    command.add_argument("--teacher", action="append", help="a network that guesses these masks")
    command.add_argument("--things", action="append", help="a folder of cut-out things")
    command.add_argument("--kept-back", type=float, default=0.125, help="share to judge by")
    command.add_argument(
        "--side", type=int, default=240, help="the shorter side of what is learned from, at most"
    )
    command.add_argument(
        "--quality", type=int, default=26, help="WebP's, from 0 to 100, of what is learned from"
    )
    command.set_defaults(run=write_pack)
    command = commands.add_parser("write", help="from weights to a network")
    command.add_argument("weights", nargs="+", help="what person_torch.py has written, .npz")
    command.add_argument("output", help=".onnx or .keras")
    command.add_argument(
        "--share", type=float, action="append", help="of the first weights, the second, …"
    )
    command.add_argument("--metadata", action="append", default=[], help="KEY=VALUE, for ONNX")
    command.set_defaults(run=write_network)
    options = parser.parse_args()
    options.run(options)


if __name__ == "__main__":
    main()
