"""What an any-style network learns from: one file of small pictures, and the batches cut from it.

A training on another machine needs its pictures there. So photographs and styles are reduced once
and packed into one file, whose size is chosen.
"""

from __future__ import annotations

import itertools
import math
import queue
import threading
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from nstlib._checks import check_count, check_kind, check_number, check_path, refusal
from nstlib._files import atomic_write, check_output, reason
from nstlib.art.catalogue import DRAWN_STYLES, draw
from nstlib.errors import ArgumentError
from nstlib.images.arrays import to_uint8
from nstlib.training.photos import image_files, keep_back, load_photo

#: The shorter side of packed photographs, in pixels.
PHOTO_SIDE = 320

#: The shorter side of packed styles, in pixels.
STYLE_SIDE = 512

#: The smallest crops to learn from, in pixels: what judges paintings halves them four times.
LEAST_CROP = 32

#: What the style of an example is: a painting, a drawn style, another photograph, or the photograph
#: itself. The last teaches that a picture's own vector leaves it as it is.
SHARES = {"painting": 0.74, "drawn": 0.14, "photo": 0.06, "own": 0.06}


def held_back(files: Sequence[Path]) -> tuple[list[Path], list[Path]]:
    """Part styles, sorted by name, into those to learn from and a tenth to judge by.

    Parameters
    ----------
    files : sequence of pathlib.Path
        In any order.

    Returns
    -------
    learned, kept : list of pathlib.Path
        By name; every tenth, from the first on, is kept.

    Examples
    --------
    >>> learned, kept = held_back([Path(f"{n:02}.jpg") for n in range(12)])
    >>> [file.name for file in kept], len(learned)
    (['00.jpg', '10.jpg'], 10)
    """
    return keep_back(sorted(files, key=lambda file: file.name), 0.1)


@dataclass(frozen=True)
class Pack:
    """Pictures to learn from, RGB, uint8.

    Attributes
    ----------
    photos, paintings, drawn : list of ndarray, shapes (H, W, 3)
        Photographs, paintings and prints, styles that the library draws.
    """

    photos: list[NDArray[np.uint8]]
    paintings: list[NDArray[np.uint8]]
    drawn: list[NDArray[np.uint8]]

    def pictures(self) -> list[NDArray[np.uint8]]:
        """List all of them."""
        return [*self.photos, *self.paintings, *self.drawn]

    @classmethod
    def load(cls, path: str | Path) -> Pack:
        """Read what :func:`write_pack` wrote.

        Raises
        ------
        ArgumentError
            If the file is absent, damaged, or no such pack.
        """
        path = check_path("path", path, "the path of a pack of pictures, .npz")
        try:
            with np.load(path, allow_pickle=False) as arrays:
                return cls(*(_unpacked(arrays, kind) for kind in cls.__dataclass_fields__))
        except (OSError, EOFError, ValueError, KeyError, zipfile.BadZipFile) as error:
            raise ArgumentError(f"{path} is no pack of pictures ({reason(error)})") from error


def write_pack(
    path: str | Path,
    photos: Sequence[str | Path],
    styles: Sequence[str | Path],
    *,
    megabytes: float = 150.0,
    drawn: int = 6,
    quality: int = 85,
) -> dict[str, int]:
    """Reduce pictures and pack them into one file, as JPEG.

    Parameters
    ----------
    path : str or pathlib.Path
        A name that ends in ``.npz``. What is there is replaced.
    photos, styles : sequence of str or pathlib.Path
        Folders. Of the styles those that :func:`held_back` keeps back are left out.
    megabytes : float, default 150
        The largest size of the file, in millions of bytes. Styles come first; of the photographs
        an even selection that fits is taken.
    drawn : int, default 6
        How many pictures of each drawn style.
    quality : int, default 85
        Of JPEG, from 1 to 100.

    Returns
    -------
    dict of str to int
        How many pictures of each kind.

    Raises
    ------
    ArgumentError
        For values outside those above, a folder without images, or if no photograph fits into the
        file beside the styles.
    ImageError
        If a picture cannot be read.
    OutputError
        If `path` ends otherwise, or the file cannot be written.
    """
    path = check_output(check_path("path", path), [".npz"])
    check_number("megabytes", megabytes, above=0)
    check_count("drawn", drawn, 0)
    if check_count("quality", quality) > 100:
        raise refusal("quality", quality, "a whole number from 1 to 100")

    def encoded(picture: NDArray[np.uint8]) -> bytes:
        bgr = np.ascontiguousarray(picture[..., ::-1])
        return bytes(cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, quality])[1])

    files = image_files(photos)
    if not files:
        raise refusal("photos", photos, "a list of folders, one at least")
    learned, _ = held_back(image_files(styles))
    packed = {
        "paintings": [encoded(load_photo(file, STYLE_SIDE)) for file in learned],
        "drawn": [
            encoded(to_uint8(draw(name, STYLE_SIDE, seed=seed)))
            for name in DRAWN_STYLES
            for seed in range(drawn)
        ],
        "photos": [],
    }
    left = 1e6 * megabytes - sum(len(data) for kind in packed.values() for data in kind)
    # In an order that is even at every length: by the golden ratio's multiples.
    order = np.argsort(np.arange(len(files)) * (math.sqrt(5) - 1) / 2 % 1, kind="stable")
    for number in order:
        data = encoded(load_photo(files[number], PHOTO_SIDE))
        left -= len(data)
        if left < 0:
            break
        packed["photos"].append(data)
    if not packed["photos"]:
        most = f"is {megabytes:g}; the styles leave no room in it for a photograph"
        raise ArgumentError(
            f"megabytes {most}: allow more", command=f"--megabytes {most}: give more"
        )
    arrays: dict[str, Any] = {}
    for kind, entries in packed.items():
        arrays[kind] = np.frombuffer(b"".join(entries), np.uint8)
        arrays[f"{kind}/ends"] = np.cumsum([len(entry) for entry in entries], dtype=np.int64)
    with atomic_write(path) as file:
        np.savez(file, **arrays)
    return {kind: len(entries) for kind, entries in packed.items()}


def _unpacked(arrays: Any, kind: str) -> list[NDArray[np.uint8]]:
    data, ends = arrays[kind], arrays[f"{kind}/ends"]
    parts = np.split(data, ends[:-1]) if len(ends) else []
    return [_decoded(part) for part in parts]


def _decoded(data: NDArray[np.uint8]) -> NDArray[np.uint8]:
    picture: Any = cv2.imdecode(data, cv2.IMREAD_COLOR) if data.size else None
    if picture is None:
        raise ValueError("one of its pictures is damaged")  # for `Pack.load` to report
    return np.ascontiguousarray(picture[..., ::-1])


class Batches:
    """Makes pairs of crops, photographs and styles.

    Example number `i` depends on `i` and `seed` alone: a training that goes on sees what one that
    ran through would have seen.

    Parameters
    ----------
    pack : Pack
        What they are cut from.
    size : int
        Side of the photographs' crops, a multiple of 8, :data:`LEAST_CROP` or more.
    batch : int
        Pairs in a batch.
    seed : int
        Of what is chosen.
    style_size : int, optional
        Side of the styles' crops; by default `size`.

    Raises
    ------
    ArgumentError
        For a pack without photographs, or values outside those above.
    """

    def __init__(
        self, pack: Pack, size: int, batch: int, seed: int, style_size: int | None = None
    ) -> None:
        check_kind("pack", pack, Pack, "a Pack, as Pack.load reads it")
        if not pack.photos:
            raise ArgumentError("pack has no photographs; give one that has some")
        if check_count("size", size) < LEAST_CROP or size % 8:
            raise refusal("size", size, f"a multiple of 8, {LEAST_CROP} or more")
        check_count("batch", batch)
        self.pack, self.size, self.batch, self.seed = pack, size, batch, seed
        self.style_size = style_size or size
        pictures = {"painting": pack.paintings, "drawn": pack.drawn, "photo": pack.photos}
        self.shares = {
            kind: share for kind, share in SHARES.items() if pictures.get(kind, pack.photos)
        }

    def example(self, number: int) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
        """Make a photograph and a style."""
        random = np.random.default_rng((self.seed, number))
        photo = _crop(random, _one(random, self.pack.photos), self.size, 0.55)
        shares = np.array(list(self.shares.values()))
        kind = str(random.choice(list(self.shares), p=shares / shares.sum()))
        if kind == "own":
            if self.style_size == self.size:
                return photo, photo
            sides = (self.style_size, self.style_size)
            own: NDArray[Any] = cv2.resize(photo, sides, interpolation=cv2.INTER_AREA)
            return photo, own
        pictures = {
            "painting": self.pack.paintings,
            "drawn": self.pack.drawn,
            "photo": self.pack.photos,
        }[kind]
        # From the whole picture to its brushwork.
        style = _crop(random, _one(random, pictures), self.style_size, 0.4)
        return photo, _recoloured(random, style)

    def make(self, number: int) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
        """Make a batch, (B, size, size, 3) each, RGB, uint8."""
        first = number * self.batch
        photos, styles = zip(*map(self.example, range(first, first + self.batch)), strict=True)
        return np.stack(photos), np.stack(styles)

    def stream(
        self, done: int = 0, workers: int = 1
    ) -> Iterator[tuple[NDArray[np.uint8], NDArray[np.uint8]]]:
        """Give the batches that follow after the first `done`, made in the background, in order."""
        queues: list[queue.Queue[Any]] = [queue.Queue(4) for _ in range(workers)]
        over = threading.Event()

        def work(which: int) -> None:
            for number in itertools.count(done + which, workers):
                try:
                    made: Any = self.make(number)
                except BaseException as error:  # raised where the batch is asked for
                    made = error
                while not over.is_set():
                    try:
                        queues[which].put(made, timeout=0.5)
                        break
                    except queue.Full:
                        continue
                if over.is_set() or isinstance(made, BaseException):
                    return

        for which in range(workers):
            threading.Thread(target=work, args=(which,), daemon=True).start()
        try:
            for which in itertools.cycle(range(workers)):
                made = queues[which].get()
                if isinstance(made, BaseException):
                    raise made
                yield made
        finally:
            over.set()


def _one(random: np.random.Generator, pictures: Sequence[NDArray[np.uint8]]) -> NDArray[np.uint8]:
    return pictures[int(random.integers(len(pictures)))]


def _crop(
    random: np.random.Generator, picture: NDArray[np.uint8], side: int, least: float
) -> NDArray[np.uint8]:
    """Cut a square, of `least` to all of the shorter side, mirror it or not, and resize it."""
    short = min(picture.shape[:2])
    window = max(1, round(math.exp(random.uniform(math.log(least), 0.0)) * short))
    y, x = (int(random.integers(0, n - window + 1)) for n in picture.shape[:2])
    crop: NDArray[Any] = picture[y : y + window, x : x + window]
    way = cv2.INTER_AREA if window > side else cv2.INTER_CUBIC
    crop = cv2.resize(crop, (side, side), interpolation=way)
    return np.ascontiguousarray(crop[:, :: int(random.choice([-1, 1]))])


def _recoloured(random: np.random.Generator, style: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Exchange the colours of a style, or its contrast, or leave it as it is."""
    chance = random.random()
    if chance < 0.6:
        return style
    changed = style.astype(np.float32)
    if chance < 0.8:
        changed = changed[..., random.permutation(3)]
    if chance > 0.7:
        mean = changed.mean(axis=(0, 1))
        changed = (changed - mean) * random.uniform(0.6, 1.3) + mean
        changed = changed + random.normal(0, 12, 3)
    if random.random() < 0.15:
        changed = 255 - changed
    return np.clip(np.rint(changed), 0, 255).astype(np.uint8)
