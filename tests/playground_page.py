"""For tests of the playground: its page, and what a visitor does there, as functions.

A module of tests imports the fixtures `address`, `browser` and `page`.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import onnx
import PIL.Image
import pytest
from browser import launch, serve
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from nstlib.compose import Composer
from nstlib.images.arrays import Image, to_uint8
from nstlib.inference.stylizer import STYLE_NETWORKS, Stylizer

ROOT = Path(__file__).parents[1]
SITE = ROOT / "build" / "site"
AXE = ROOT / "build" / "npm" / "node_modules" / "axe-core" / "axe.min.js"
#: What a busy machine may take to load and run the networks, in milliseconds: a test waits for what
#: it expects, and this only ends a wait for what does not come.
PATIENCE = 300_000
FIRST, LAST = STYLE_NETWORKS[0], STYLE_NETWORKS[-1]
#: What the page calls the first two, which are drawn.
TITLES = [name.capitalize() for name in STYLE_NETWORKS[:2]]


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with serve(SITE) as address:
        yield f"{address}playground/index.html"


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    camera = ["--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream"]
    with launch(camera) as chromium:
        yield chromium


@pytest.fixture
def page(browser: Any, address: str) -> Iterator[Any]:
    """The playground, open. It can ask no other host, and nothing may be sent."""
    context = browser.new_context(viewport={"width": 1280, "height": 900}, accept_downloads=True)
    page = context.new_page()
    page.set_default_timeout(PATIENCE)
    complaints: list[str] = []
    # The context also tells what workers ask for.
    context.on("request", lambda request: complaints.extend(unwanted(request, address)))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("console", lambda m: complaints.append(m.text) if m.type == "error" else None)
    visited(page, address)
    yield page
    context.close()
    assert complaints == []


def visited(page: Any, address: str) -> None:
    """Open the playground, and wait until it is ready."""
    page.goto(address)
    page.locator("#studio").wait_for()


def unwanted(request: Any, address: str) -> list[str]:
    here = address.removesuffix("playground/index.html")
    asks = request.method == "GET" and request.post_data is None
    if asks and request.url.startswith((here, "data:", "blob:")):
        return []
    return [f"{request.method} {request.url}"]


def opened(page: Any, path: Path) -> None:
    """Choose a photograph, and wait until it is there."""
    page.evaluate("document.getElementById('status').textContent = ''")
    page.set_input_files("#photo-file", path)
    page.wait_for_function("!document.getElementById('stage').hidden")


def chosen(
    page: Any, style: str, part: str, strength: float = 1, keep: bool = False, size: int = 384
) -> None:
    page.evaluate(
        """([style, part, strength, keep, size]) => {
          document.querySelector(`input[name=style][value="${style}"]`).checked = true;
          document.querySelector(`input[name=part][value=${part}]`).checked = true;
          document.getElementById("strength").value = 100 * strength;
          document.getElementById("keep-colors").checked = keep;
          document.getElementById("size").value = size;
        }""",
        [style, part, strength, keep, size],
    )


def painted(page: Any) -> str:
    """Wait until the painting is there; return what the page says about it."""
    page.wait_for_function(
        """document.getElementById("status").textContent.includes("Painted on this machine") &&
          !document.getElementById("stage").hasAttribute("aria-busy") ||
          !document.getElementById("problem").hidden"""
    )
    assert page.locator("#problem").is_hidden(), page.inner_text("#problem")
    said: str = page.inner_text("#status")
    return said


def saved(page: Any) -> NDArray[np.int_]:
    """Save the painting, and read the file."""
    with page.expect_download() as download:
        page.click("#save")
    return np.asarray(PIL.Image.open(download.value.path())).astype(int)[..., :3]


def shown(page: Any, canvas: str) -> NDArray[np.int_]:
    """Read the pixels of a canvas of the page."""
    address: str = page.evaluate(f"document.getElementById('{canvas}').toDataURL()")
    content = np.frombuffer(base64.b64decode(address.split(",")[1]), np.uint8)
    pixels = np.asarray(cv2.imdecode(content, cv2.IMREAD_COLOR))
    return pixels[..., ::-1].astype(int)


def pythons(
    photo: Image, style: str | dict[str, float], part: str, strength: float, keep: bool
) -> NDArray[np.int_]:
    if part == "all":
        painting = Stylizer(style)(photo, strength, preserve_colors=keep)
    elif part == "person":
        painting = Composer(person=style, strength=strength, preserve_colors=keep)(photo)
    else:
        painting = Composer(background=style, strength=strength, preserve_colors=keep)(photo)
    return to_uint8(painting).astype(int)


def looked_at(page: Any, path: Path) -> None:
    """Choose a picture as the style, and wait until it is one; an open photograph is painted."""
    page.evaluate("document.getElementById('status').textContent = ''")
    page.set_input_files("#style-file", path)
    page.locator(f"input[value='yours/{path.name}']:checked").wait_for(state="attached")
    if page.locator("#stage").is_visible():
        painted(page)


def own_network(
    path: Path,
    factor: float,
    shift: float,
    value_range: str | None = None,
    *,
    last: bool = False,
    side: int | str = "side",
) -> Path:
    """Write a network that multiplies a picture and adds a number."""
    shape = ["batch", side, side, 3] if last else ["batch", 3, side, side]
    constants = {"factor": np.float32(factor), "shift": np.float32(shift)}
    graph = helper.make_graph(
        [
            helper.make_node("Mul", ["image", "factor"], ["product"]),
            helper.make_node("Add", ["product", "shift"], ["painting"]),
        ],
        "own",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("painting", TensorProto.FLOAT, shape)],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, ir_version=8, opset_imports=[helper.make_opsetid("", 17)])
    if value_range:
        helper.set_model_props(model, {"value_range": value_range})
    onnx.save(model, path)
    return path


def dropped(page: Any, path: Path, on: str = "body") -> None:
    """Drop a file on the page, or on a part of it."""
    content = base64.b64encode(path.read_bytes()).decode()
    page.evaluate(
        """([name, content, on]) => {
          const bytes = Uint8Array.from(atob(content), (letter) => letter.charCodeAt(0));
          const dataTransfer = new DataTransfer();
          dataTransfer.items.add(new File([bytes], name));
          const drag = { dataTransfer, bubbles: true, cancelable: true };
          document.querySelector(on).dispatchEvent(new DragEvent("drop", drag));
        }""",
        [path.name, content, on],
    )


def axe(page: Any) -> None:
    page.add_script_tag(path=str(AXE))
    serious = {
        violation["id"]: [node["html"][:100] for node in violation["nodes"][:3]]
        for violation in page.evaluate("axe.run()")["violations"]
        if violation["impact"] in ("serious", "critical")
    }
    assert serious == {}
