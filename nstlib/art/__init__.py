"""Style images that the library draws itself: no download, any size, one seed a picture.

>>> from nstlib import art
>>> art.DRAWN_STYLES[:3]
('mosaic', 'candy', 'brushwork')
>>> art.draw("mosaic", (48, 64), seed=7).shape
(48, 64, 3)
"""

from nstlib.art.catalogue import DRAWN_STYLES, draw

__all__ = ["DRAWN_STYLES", "draw"]
