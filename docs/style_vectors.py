"""Look at the pictures that the named styles were learned from, for the playground's mixtures.

A network of one style cannot be mixed with another. The pictures that two of them learned from can:
the network for any style describes each by a vector, and a mixture is a mean of vectors. The
paintings are no part of the site, so their vectors stand in ``playground/vectors.json``. When
``any_style_encoder.onnx`` is trained anew, they are made anew:

    python docs/style_vectors.py composition_vii=KANDINSKY.jpg

Drawn styles and paintings that ``nst assets`` knows need no file.
"""

from __future__ import annotations

import hashlib
import json
import sys
from pathlib import Path

from nstlib import encode_style
from nstlib.assets.cache import embedded_model
from nstlib.inference.any_style import ENCODER
from nstlib.inference.stylizer import STYLE_NETWORKS

FILE = Path(__file__).resolve().parent / "playground" / "vectors.json"


def encoder_hash() -> str:
    """Return what tells the network that looked at the styles from any other."""
    return hashlib.sha256(embedded_model(ENCODER).read_bytes()).hexdigest()


def vectors() -> dict[str, list[float]]:
    """Return the vector of each named style's picture."""
    stored = json.loads(FILE.read_text("utf-8"))
    if stored["encoder"] != encoder_hash():
        raise ValueError(f"{ENCODER} has changed: run docs/style_vectors.py")
    found: dict[str, list[float]] = stored["vectors"]
    return found


def main(arguments: list[str]) -> None:
    """Write the vectors. Arguments are ``style=PICTURE``."""
    pictures = dict(argument.split("=", 1) for argument in arguments)
    found = {}
    for name in STYLE_NETWORKS:
        style = name.removesuffix("_bold")  # learned from the same picture
        vector = encode_style(Path(pictures[style]) if style in pictures else style)
        found[name] = [round(float(number), 4) for number in vector]
    lines = ",\n".join(f"  {json.dumps(name)}: {json.dumps(found[name])}" for name in found)
    text = f'{{\n "encoder": "{encoder_hash()}",\n "vectors": {{\n{lines}\n }}\n}}\n'
    FILE.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
