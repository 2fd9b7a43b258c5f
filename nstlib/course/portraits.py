"""Photographs of people that the lessons measure masks on, with outlines drawn by hand.

They come with the packages that lessons need anyway. The outlines were drawn for this course, by
eye, on enlarged copies, with no help of any network.
"""

from __future__ import annotations

from pathlib import Path

import cv2
import matplotlib as mpl
import numpy as np
import skimage.data
from numpy.typing import NDArray

from nstlib._checks import check_choice
from nstlib.images.arrays import Image, from_uint8
from nstlib.sources import load_image

#: Who they are, and where the photographs come from.
CREDITS = {
    "collins": "Eileen Collins, astronaut. NASA; public domain. With scikit-image.",
    "hopper": "Grace Hopper, computer scientist and commodore. U.S. Navy, James S. Davis, 1984; "
    "public domain. With Matplotlib.",
    "cameraman": "A photographer at MIT. Lav Varshney; CC0. With scikit-image.",
}

# Corners as x,y in pixels.
_PERSON = {
    "collins": """233,15 253,19 270,27 282,35 290,46 296,60 300,73 301,83 299,97 295,108 288,118
    280,126 277,132 272,136 267,137 266,142 263,153 259,164 256,173 266,179 278,191 288,203
    296,214 300,225 304,233 315,237 325,245 334,256 340,263 348,281 354,296 358,316 363,331
    363,348 353,353 340,358 328,364 317,374 305,389 295,406 287,423 281,443 278,463 277,486
    280,511 43,511 40,504 33,489 28,476 25,459 23,436 23,416 21,399 23,383 25,363 26,343 30,329
    35,316 39,303 40,289 45,273 55,256 72,242 87,228 103,215 113,207 114,190 117,186 123,186
    125,175 130,167 138,158 150,151 162,149 173,148 184,150 182,133 177,131 171,121 163,115
    157,103 154,90 153,73 154,62 162,53 172,46 187,38 193,30 203,23 217,17""",
    "hopper": """219,41 222,37 231,31 243,25 258,23 270,25 285,28 296,34 301,41 317,45 332,54
    344,64 352,76 355,87 364,87 369,96 371,114 372,141 371,165 369,181 374,187 376,197 374,209
    368,230 365,245 362,263 361,275 356,290 347,301 332,307 334,315 341,323 351,332 364,341
    379,345 402,355 425,364 436,369 455,374 466,377 482,389 493,395 499,404 504,419 511,444
    511,599 12,599 16,556 19,525 25,472 27,442 32,427 38,412 45,391 53,381 63,379 72,372 91,364
    119,359 133,353 152,347 174,338 190,326 200,313 199,299 184,293 168,283 162,269 162,257
    165,236 160,221 154,209 154,191 157,179 151,167 150,150 150,132 153,120 157,102 165,90
    174,84 175,75 184,61 195,51 205,45""",
    "cameraman": """201,65 216,70 226,71 236,75 248,83 258,94 266,104 270,113 270,122 269,129
    262,128 259,131 256,138 251,146 252,158 254,166 251,171 245,172 246,177 241,180 243,183
    239,190 239,204 243,210 243,220 242,224 245,232 248,246 263,229 262,220 264,214 271,208
    285,209 292,210 294,200 300,186 308,185 318,183 319,170 323,168 329,171 331,179 329,185
    332,194 331,198 325,201 324,210 321,218 314,222 306,230 298,232 296,255 304,273 292,283
    276,295 255,309 247,313 235,309 215,300 207,294 202,304 188,320 175,342 161,359 150,372
    141,381 145,399 149,430 150,453 151,511 138,511 134,497 128,480 118,463 108,453 99,446
    96,470 92,497 90,511 0,511 0,261 7,248 18,233 27,221 34,206 44,191 52,181 59,166 71,149
    84,139 101,130 121,124 131,124 141,115 153,106 162,106 164,100 169,92 175,83 181,76 188,71
    194,68""",
}
_HELMET = """363,348 377,345 397,343 417,344 437,349 453,359 470,374 483,393 492,413 496,436
    497,449 503,456 505,480 511,488 511,511 280,511 277,486 278,463 281,443 287,423 295,406
    305,389 317,374 328,364 340,358 353,353"""


def load_portrait(name: str) -> Image:
    """Return one of the photographs.

    Parameters
    ----------
    name : {"collins", "hopper", "cameraman"}
        Whose. The last is grey, with three equal channels.

    Returns
    -------
    ndarray of float32, shape (H, W, 3)
        RGB in [0, 1].

    Raises
    ------
    ArgumentError
        For another name.

    Examples
    --------
    >>> load_portrait("hopper").shape
    (600, 512, 3)
    """
    check_choice("name", name, tuple(CREDITS))
    if name == "collins":
        return load_image("astronaut")
    if name == "hopper":
        return load_image(Path(mpl.get_data_path()) / "sample_data" / "grace_hopper.jpg")
    return from_uint8(np.repeat(skimage.data.camera()[..., np.newaxis], 3, axis=2))


def drawn_mask(name: str, *, held: bool = False) -> NDArray[np.bool_]:
    """Return where the person is, as drawn by hand.

    Parameters
    ----------
    name : {"collins", "hopper", "cameraman"}
        Of which photograph.
    held : bool, default False
        With what the person holds: Collins' helmet. (The camera on its tripod is not held.)

    Returns
    -------
    ndarray of bool, shape (H, W)

    Raises
    ------
    ArgumentError
        For another name.

    Examples
    --------
    >>> her, with_helmet = drawn_mask("collins"), drawn_mask("collins", held=True)
    >>> int(her.sum()) < int(with_helmet.sum())
    True
    """
    check_choice("name", name, tuple(CREDITS))
    height = 600 if name == "hopper" else 512
    canvas = np.zeros((height, 512), np.uint8)
    outlines = [_PERSON[name], *([_HELMET] if held and name == "collins" else [])]
    for outline in outlines:
        corners = np.array([corner.split(",") for corner in outline.split()], np.int32)
        cv2.fillPoly(canvas, [corners], 1)
    return canvas.astype(bool)
