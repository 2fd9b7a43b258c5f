"""Read the frames of a film."""

from __future__ import annotations

import re
import stat
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import numpy as np

from nstlib._checks import check_count, check_number, refusal
from nstlib._files import reason
from nstlib.errors import VideoError
from nstlib.video._ffmpeg import MAX_RATE, FFmpeg, Frame, source
from nstlib.video.frames import over_white
from nstlib.video.probe import probe

#: A film may stand still for as long as it likes. If it goes on for so many seconds more than it
#: says it lasts, and stands still for the other number, its times are broken.
BEYOND, STILL = 60, 10


class VideoReader:
    """The frames of a film, upright, square in their pixels, at a constant rate.

    A film whose frames last differently long keeps its timing: a frame that lasts long comes
    several times. A frame that cannot be decoded is left out, and the one before it stays for as
    long. Colours are sRGB's as a screen shows them, whatever the film's own are: BT.601, BT.709 and
    BT.2020 in full or limited range, as its tags say; without tags BT.709 from HD on, BT.601 below.
    HDR films (PQ and HLG) are tone-mapped. Transparent films are laid on white.

    Parameters
    ----------
    path : str or pathlib.Path
        Any film that ffmpeg reads, also an animated GIF, PNG or WebP.
    size : int, optional
        Longest side of the frames, in pixels. By default their own.
    max_rate : float, default 60
        Frames a second, at most.

    Attributes
    ----------
    rate : float
        Frames a second.
    seconds : float or None
        How long the film lasts, by its own account.
    sound : str or None
        The codec of its sound; of several, that of the one which players choose.
    sound_track : int
        Which of its sounds that is, from 0 on.
    size : (int, int)
        Height and width of the frames, in pixels.
    tone_mapped : bool
        Whether it is an HDR film.
    broken : int
        How many frames could not be decoded. Known after the last one.

    Raises
    ------
    VideoError
        If the file is absent, empty, or not a film, or if none of its frames can be decoded.
    ArgumentError
        If `size` or `max_rate` lies outside its range.
    """

    def __init__(
        self, path: str | Path, *, size: int | None = None, max_rate: float = MAX_RATE
    ) -> None:
        self.path = Path(path)
        check_longest_side(size)
        self._check_file()
        self._info = probe(self.path)
        self.rate = min(self._info.rate, check_number("max_rate", max_rate, above=0))
        self.seconds = self._info.seconds
        self.sound, self.sound_track = self._info.sound, self._info.sound_track
        self.tone_mapped = self._info.hdr
        self.broken = 0
        scale = 1 if size is None else size / max(self._info.size)
        height, width = (max(1, round(side * scale)) for side in self._info.size)
        self.size = (height, width)

    def __iter__(self) -> Iterator[Frame]:
        """Yield uint8 RGB frames of shape (H, W, 3). Each iteration begins anew."""
        with closing(self.frames(alpha=self._info.can_be_transparent)) as frames:  # type: ignore[type-var]
            for frame in frames:
                yield over_white(frame)

    def frames(self, *, alpha: bool = False) -> Iterator[Frame]:
        """Yield uint8 frames (H, W, 3), or with `alpha` (H, W, 4): RGB as stored, and alpha."""
        if not alpha and self._info.can_be_transparent:
            yield from iter(self)
            return
        filters = f"fps={self.rate:.6f},{self._info.filters(self.size, alpha=alpha)}"
        command = [
            *("-v", "verbose", "-nostats"),
            # Frames that are only half there are left out. With one thread a frame, ffmpeg then
            # hangs at the end of damaged films: it gives the same error again for ever.
            *("-err_detect", "explode", "-thread_type", "slice"),
            *(["-c:v", self._info.decoder] if self._info.decoder else []),
            *self.input_arguments(),
            *("-map", "0:V:0", "-vf", filters),
            *("-f", "rawvideo", "-pix_fmt", "rgba" if alpha else "rgb24", "-"),
        ]
        count = 0
        stands = _Standing(self.rate, self.seconds)
        with FFmpeg(command, stdout=True) as run:
            with closing(run.frames((*self.size, 4 if alpha else 3))) as frames:  # type: ignore[type-var]
                for frame in frames:
                    if stands.see(frame):
                        run.kill()
                        break
                    yield frame
                    count += 1
            run.wait()
            errors = re.search(r"\(video\): .* (\d+) decode errors", run.log())
            self.broken = int(errors[1]) if errors else 0
            if run.was_killed():
                raise run.fault(VideoError, f"{self.path}: cannot be read to its end")
        if not count:
            raise VideoError(f"{self.path}: no frame of it can be decoded; get it again")

    @property
    def expected(self) -> int | None:
        """How many frames there should be."""
        return None if self.seconds is None else max(1, round(self.seconds * self.rate))

    def transparent(self) -> bool:
        """Tell whether the film is transparent: by its codec, or by its first frame."""
        if not self._info.can_be_transparent or self._info.says_transparent():
            return self._info.can_be_transparent
        with closing(self.frames(alpha=True)) as frames:  # type: ignore[type-var]
            return bool(next(frames)[..., 3].min() < 255)

    def _check_file(self) -> None:
        try:
            found = self.path.stat()
        except (FileNotFoundError, NotADirectoryError) as error:
            raise VideoError(f"{self.path}: no such film; give the path of one") from error
        except (OSError, ValueError) as error:
            raise VideoError(f"{self.path}: cannot be read ({reason(error)})") from error
        if stat.S_ISDIR(found.st_mode):
            raise VideoError(f"{self.path} is a folder; give the path of a film")
        if not stat.S_ISREG(found.st_mode):  # it is read twice, which a pipe cannot be
            raise VideoError(f"{self.path} is no ordinary file; save the film, and give that file")
        if found.st_size == 0:
            raise VideoError(f"{self.path} is empty (0 bytes); is the download finished?")

    def input_arguments(self) -> list[str]:
        """Write the arguments that make the film ffmpeg's input."""
        return source(self.path)


class _Standing:
    """Notices a film whose last frame goes on for ever."""

    def __init__(self, rate: float, seconds: float | None) -> None:
        self._rate = rate
        self._most = ((3600 if seconds is None else seconds) + BEYOND) * rate
        self._count = self._same = 0
        self._last: Frame | None = None

    def see(self, frame: Frame) -> bool:
        """Take in the next frame; tell whether the film has ended long ago."""
        self._count += 1
        if self._count > self._most:
            same = self._last is not None and np.array_equal(frame, self._last)
            self._same = self._same + 1 if same else 0
            self._last = frame
        return self._same > STILL * self._rate


def check_longest_side(size: int | None) -> None:
    """Refuse a longest side that no film can have."""
    if size is not None and not 2 <= check_count("size", size, 0) <= 16384:
        raise refusal("size", size, "the longest side in pixels, 2 to 16384")
