"""What the playground loads: its modules, the networks, what runs them in a browser, and samples.

The styles are those of the library, so a new one is there after the next build.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import style_vectors

from nstlib import Stylizer, load_image, save_image
from nstlib.art.catalogue import DRAWN_STYLES
from nstlib.assets.cache import embedded_model
from nstlib.course.portraits import load_portrait
from nstlib.images.arrays import Image
from nstlib.inference.stylizer import STYLE_NETWORKS
from nstlib.onnx.reading import load_onnx, metadata_of

MODULES = Path(__file__).resolve().parent / "playground"

#: Of onnxruntime-web: what computes on the processor, and what does on the graphics card.
RUNTIMES = {
    "wasm": ("ort.wasm.bundle.min", "ort-wasm-simd-threaded"),
    "webgpu": ("ort.webgpu.bundle.min", "ort-wasm-simd-threaded.asyncify"),
}


def write(folder: Path, packages: Path) -> None:
    """Put everything beside the page, and list it in ``files.json``.

    Parameters
    ----------
    folder : pathlib.Path
        Where the page is.
    packages : pathlib.Path
        Where npm's packages are.
    """
    for path in (*MODULES.glob("*.js"), *MODULES.glob("*.css")):
        shutil.copy2(path, folder)
    for name in ("models", "pictures", "runtimes"):
        (folder / name).mkdir(exist_ok=True)
    vectors = style_vectors.vectors()
    files = {
        "runtimes": {
            kind: _runtime(folder, packages / "onnxruntime-web" / "dist", *names)
            for kind, names in RUNTIMES.items()
        },
        "person": _network(folder, "person"),
        "anyStyle": {
            "encoder": _network(folder, "any_style_encoder"),
            "painter": _network(folder, "any_style_painter"),
        },
        "styles": [_style(folder, name) | {"vector": vectors[name]} for name in STYLE_NETWORKS],
        "samples": [
            _sample(folder, "astronaut", "Eileen Collins, astronaut", load_portrait("collins")),
            _sample(folder, "hopper", "Grace Hopper, computer scientist", load_portrait("hopper")),
            _sample(folder, "cat", "Chelsea, a cat", load_image("chelsea")),
        ],
    }
    (folder / "files.json").write_text(json.dumps(files, indent=1), encoding="utf-8")


def _file(folder: Path, path: str) -> dict[str, Any]:
    """Describe a file: its size is for the bar that shows how far loading is."""
    return {"path": path, "size": (folder / path).stat().st_size}


def _runtime(folder: Path, package: Path, script: str, binary: str) -> dict[str, Any]:
    # Every server knows what .js is, not every one knows .mjs.
    shutil.copy2(package / f"{script}.mjs", folder / "runtimes" / f"{script}.js")
    shutil.copy2(package / f"{binary}.wasm", folder / "runtimes")
    return {
        "script": f"runtimes/{script}.js",
        "binary": _file(folder, f"runtimes/{binary}.wasm"),
    }


def _network(folder: Path, name: str) -> dict[str, Any]:
    shutil.copy2(embedded_model(f"{name}.onnx"), folder / "models")
    return _file(folder, f"models/{name}.onnx")


def _style(folder: Path, name: str) -> dict[str, Any]:
    """Describe a style, and show it on a cup of coffee."""
    sample = f"pictures/{name}.webp"  # two thirds of a JPEG: all styles are seen at once
    painted = Stylizer(name)(load_image("coffee", size=300))
    save_image(painted[:, 50:250], folder / sample)
    made = metadata_of(load_onnx(embedded_model(f"{name}.onnx")))["style"]
    title = made.partition(",")[0]  # "Composition VII, Wassily Kandinsky, 1913 (public domain)"
    if name in DRAWN_STYLES:  # "nstlib.art's drawn candy (MIT)"
        title, made = name.capitalize(), "a picture drawn by the code of this course"
    if name.endswith("_bold"):
        title += ", bold"
    return {
        "name": name,
        "title": title,
        "made": f"Learned from: {made}.",
        "sample": sample,
        **_network(folder, name),
    }


def _sample(folder: Path, name: str, title: str, photo: Image) -> dict[str, str]:
    path = f"pictures/{name}.jpg"
    save_image(photo, folder / path)
    return {"path": path, "title": title}
