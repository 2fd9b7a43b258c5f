"""What a film is: size, rate, length, colours, transparency, sound."""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass
from pathlib import Path

from nstlib.errors import VideoError
from nstlib.video._ffmpeg import ACCURATE, MAX_RATE, last_line, run_ffmpeg, source

#: Transfer functions of HDR films.
HDR = ("smpte2084", "arib-std-b67")

#: Primaries far outside BT.709, which monitors show.
WIDE = ("bt2020", "smpte431", "smpte432")

#: Pixels with a colour each: of other ones zscale takes even sides alone.
_WHOLE_COLOR = "format=yuv444p16le|gbrp16le"

#: Of an HDR film: the brightness that becomes white (ITU-R BT.2408 puts a sheet of paper there),
#: and that above which all is white, in cd/m².
WHITE, PEAK = 203, 1000

#: Pixels that are RGB or grey: no matrix made them.
_NO_MATRIX = re.compile(r"x?[0a]?(rgb|bgr)|gbr|pal8|gray|mono|ya\d|xyz")
#: Pixels that can be transparent, whether or not they are.
_ALPHA = re.compile(r"yuva|gbrap|(rgba|bgra|argb|abgr|ayuv|vuya|ya8|ya16|pal8)")


@dataclass(frozen=True)
class FilmInfo:
    """What ffmpeg says of a film and of its first frame.

    Attributes
    ----------
    size : (int, int)
        Height and width in square pixels, upright.
    rate : float
        Frames a second.
    seconds : float or None
        How long it lasts, by its own account.
    sound : str or None
        The sound's codec, or that of the track which players choose.
    sound_track : int
        Which of the sounds that is, from 0 on.
    pixels : str
        How ffmpeg calls the kind of the pixels.
    decoder : str or None
        What decodes it, where that is not ffmpeg's choice.
    matrix, primaries, transfer, range : str or None
        Its colours as it says; None where it says nothing.
    """

    size: tuple[int, int]
    rate: float
    seconds: float | None
    sound: str | None
    sound_track: int
    pixels: str
    decoder: str | None
    matrix: str | None
    primaries: str | None
    transfer: str | None
    range: str | None

    @property
    def hdr(self) -> bool:
        """Whether its brightness goes beyond what an ordinary screen shows."""
        return self.transfer in HDR

    @property
    def can_be_transparent(self) -> bool:
        """Whether its pixels have room for alpha."""
        return _ALPHA.match(self.pixels) is not None and not self.hdr

    def says_transparent(self) -> bool:
        """Tell whether its maker chose a codec with alpha, which the pixels of a GIF don't say."""
        return self.can_be_transparent and self.pixels.startswith(("yuva", "ayuv", "vuya"))

    def filters(self, size: tuple[int, int], *, alpha: bool) -> str:
        """Write the filters that make its frames RGB pixels of this size, height and width.

        What its colours are stands in its tags. Without tags, what is as large as HD is BT.709, and
        what is smaller BT.601. HDR is tone-mapped.
        """
        height, width = size
        resize = f"scale={width}:{height}:{ACCURATE}"
        steps = [*self._complete_tags(), resize]
        if alpha and size != self.size:
            # Hidden colours must not come into the visible ones.
            steps = [
                *self._complete_tags(),
                f"scale={ACCURATE},format=gbrap,premultiply=inplace=1",
                f"{resize},format=gbrap,unpremultiply=inplace=1,scale={ACCURATE}",
            ]
        elif self.hdr:
            steps += [
                _WHOLE_COLOR,
                f"zscale=t=linear:npl={WHITE},format=gbrpf32le,zscale=p=bt709",
                # Its own way to desaturate takes RGB for one of the colour spaces with a luma, and
                # brightens greys.
                f"tonemap=mobius:param=0.8:peak={PEAK / WHITE:.3f}:desat=0",
                f"zscale=t=bt709:m=gbr:r=pc,format=gbrp,scale={ACCURATE}",
            ]
        elif self.primaries in WIDE:
            steps += [
                _WHOLE_COLOR,
                f"zscale=p=bt709:t=bt709:m=gbr:r=pc,format=gbrp,scale={ACCURATE}",
            ]
        return ",".join([*steps, "format=rgba" if alpha else "format=rgb24"])

    def _complete_tags(self) -> list[str]:
        """Say what the film leaves unsaid of its colours."""
        if _NO_MATRIX.match(self.pixels):
            return []
        short, long = sorted(self.size)
        large = short >= 720 or long >= 1280
        usual = {
            "colorspace": (self.matrix, "bt709" if large else "smpte170m"),
            "range": (self.range, "tv"),
        }
        if self.hdr or self.primaries in WIDE:  # zscale must know everything
            usual |= {
                "colorspace": (self.matrix, "bt2020nc"),
                "color_primaries": (self.primaries, "bt2020"),
                "color_trc": (self.transfer, "bt709"),
            }
        unsaid = [f"{name}={value}" for name, (said, value) in usual.items() if said is None]
        return [f"setparams={':'.join(unsaid)}"] if unsaid else []


def probe(path: Path) -> FilmInfo:
    """Ask ffmpeg about a film and its first frame.

    Raises
    ------
    VideoError
        If it is not a film, or none of its frames can be decoded.
    """
    # Titles and other texts come among what ffmpeg says, and could look like it. Nobody can have
    # written this word into the file.
    word = secrets.token_hex(8)
    options = ["-dump_separator", f", {word} "]
    show = ["-map", "0:V:0", "-map_metadata", "-1", "-frames:v", "1", "-vf", "showinfo=checksum=0"]
    decoder: str | None = None
    while True:
        chosen = ["-c:v", decoder] if decoder is not None else []
        _, log = run_ffmpeg([*options, *chosen, *source(path), *show, "-f", "null", "-"])
        streams = re.search(rf"^  Stream #.*{word}", log, re.M)
        header = log[streams.start() :] if streams else ""
        video = re.search(
            rf"^  Stream #0:\d\S*: Video: (\w+).*{word}.*(?<!\(attached pic\))$", header, re.M
        )
        if "not on whitelist" in log:
            raise VideoError(
                f"{path} is not a film, but a picture, or a text that names other files; give the "
                "path of a film"
            )
        if video is None and re.search(rf"^  Stream #0:\d\S*: Audio: .*{word}", header, re.M):
            raise VideoError(f"{path} holds sound, but no moving pictures; give the path of a film")
        if video is None:
            raise VideoError(f"{path} is not a film that ffmpeg can read{last_line(log)}")
        codec, rest = video[1], header[video.end() :].split("\n  Stream #")[0]
        # ffmpeg's own decoders of these leave transparency out.
        if (
            decoder
            or codec not in ("vp8", "vp9")
            or not re.search(r"^ +alpha_mode +: 1$", rest, re.M | re.I)
        ):
            break
        decoder = {"vp8": "libvpx", "vp9": "libvpx-vp9"}[codec]

    first = r"^\[Parsed_showinfo_0 @ \w+\] "
    pictures = re.findall(
        first + r"n: +0 .*? fmt:(\S+) .*?sar:(\d+)/(\d+) s:(\d+)x(\d+)", log, re.M
    )
    colours = re.findall(
        first + r"color_range:(\S+) color_space:(\S+) color_primaries:(\S+) color_trc:(\S+)",
        log,
        re.M,
    )
    if not pictures or not colours:
        raise VideoError(f"{path}: no frame of it can be decoded; get it again")
    pixels, *numbers = pictures[-1]
    across, down, width, height = map(int, numbers)
    said = [None if name in ("unknown", "reserved") else name for name in colours[-1]]
    sounds = re.findall(rf"^  Stream #0:\d+\S*: Audio: (\w+).*{word}(.*)$", header, re.M)
    # Players play the first one that its maker marked, or else the first.
    track = next((number for number, (_, said) in enumerate(sounds) if "(default)" in said), 0)
    length = re.findall(
        r"^  Duration: (\d+):(\d\d):(\d\d\.\d+), (?:start: \S+, )?bitrate: .*$",
        log[: streams.start() if streams else 0],
        re.M,
    )
    return FilmInfo(
        size=(height, max(1, round(width * across / down)) if across and down else width),
        rate=_rate(video[0]),
        seconds=_seconds(*length[-1]) if length else None,
        sound=sounds[track][0] if sounds else None,
        sound_track=track,
        pixels=pixels,
        decoder=decoder,
        range=said[0],
        matrix=said[1],
        primaries=said[2],
        transfer=said[3],
    )


def _rate(stream: str) -> float:
    """Frames a second, as ffmpeg describes a stream: the finest that its frames keep to.

    Examples
    --------
    >>> _rate("h264, yuv420p, 640x360, 29.8 fps, 30 tbr"), _rate("gif, bgra, 640x360, 90k tbr")
    (30.0, 25.0)
    >>> round(_rate("h264, yuv420p, 640x360, 23.98 fps, 23.98 tbr"), 4)
    23.976
    """
    mean, base = (re.search(rf"([\d.]+) {unit}\b", stream) for unit in ("fps", "tbr"))
    rates = [_exact(float(found[1])) for found in (base, mean) if found and float(found[1]) > 0]
    return next((rate for rate in rates if rate <= MAX_RATE), MAX_RATE if rates else 25.0)


def _exact(rate: float) -> float:
    """Return what ffmpeg's two decimals stand for: 29.97 for 30 frames in 1.001 seconds."""
    slowed = round(1.001 * rate) / 1.001
    return slowed if abs(slowed - rate) < 0.005 and rate != round(rate) else rate


def _seconds(hours: str, minutes: str, seconds: str) -> float:
    return 3600 * int(hours) + 60 * int(minutes) + float(seconds)
