"""The playground as a visitor uses it, and its pictures beside those that Python paints."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import onnx
import PIL.Image
import pytest
from browser import launch, serve, start
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

import nstlib as nst
from nstlib.compose import Composer, estimate_layers
from nstlib.course.portraits import load_portrait
from nstlib.images.arrays import Image, to_uint8
from nstlib.images.colors import replace_luminance
from nstlib.images.resizing import target_size
from nstlib.inference.any_style import at_size
from nstlib.inference.mattes import fit_locally
from nstlib.inference.parts import fill_pits, keep_people
from nstlib.inference.stylizer import STYLE_NETWORKS, Stylizer

pytestmark = pytest.mark.site

ROOT = Path(__file__).parents[2]
SITE = ROOT / "build" / "site"
AXE = ROOT / "build" / "npm" / "node_modules" / "axe-core" / "axe.min.js"
#: What a busy machine may take to load and run the networks, in milliseconds: a test waits for what
#: it expects, and this only ends a wait for what does not come.
PATIENCE = 300_000


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


#: Planes go to the page and come back as base64 of their bytes.
_CODE = """async ([module, call, values]) => {
  const { plane } = await import("./planes.js");
  const found = await import(module);
  const read = (value) => {
    if (Array.isArray(value)) return value.map(read);
    if (!value?.bytes) return value;
    const bytes = Uint8Array.from(atob(value.bytes), (letter) => letter.charCodeAt(0));
    return plane(value.width, value.height, new Float32Array(bytes.buffer));
  };
  const write = (value) => {
    if (Array.isArray(value)) return value.map(write);
    if (!value?.data) return value;
    let text = "";
    for (const byte of new Uint8Array(value.data.buffer)) text += String.fromCharCode(byte);
    return { width: value.width, height: value.height, bytes: btoa(text) };
  };
  const result = found[call](...values.map(read));
  return write(result.foreground ? [result.foreground, result.background] : result);
}"""


def sent(value: Any) -> Any:
    """Arrays (H, W) become planes, (H, W, 3) three planes."""
    if not isinstance(value, np.ndarray):
        return value
    if value.ndim == 3:
        return [sent(value[..., channel]) for channel in range(3)]
    content = base64.b64encode(np.ascontiguousarray(value, np.float32).tobytes()).decode()
    return {"width": value.shape[1], "height": value.shape[0], "bytes": content}


def received(value: Any) -> Any:
    """Planes become arrays (H, W); lists of them are stacked at the end."""
    if isinstance(value, list) and value and isinstance(value[0], list | dict):
        return np.stack([received(part) for part in value], axis=-1)
    if not isinstance(value, dict):
        return value
    numbers = np.frombuffer(base64.b64decode(value["bytes"]), np.float32)
    return numbers.reshape(value["height"], value["width"])


def called(page: Any, module: str, function: str, *values: Any) -> Any:
    return received(page.evaluate(_CODE, [f"./{module}.js", function, [sent(v) for v in values]]))


def near(found: Any, expected: Any, by: float = 2e-6) -> None:
    np.testing.assert_allclose(found, expected, rtol=0, atol=by)


SIZES = [((9, 13), (4, 5)), ((64, 48), (32, 24)), ((31, 1), (7, 1)), ((50, 40), (50, 13))]


@pytest.fixture
def random() -> np.random.Generator:
    return np.random.default_rng(17)


def test_sizes_change_as_in_opencv(page: Any, random: np.random.Generator) -> None:
    for large, small in SIZES:
        values = random.uniform(0, 1, large).astype(np.float32)
        expected = cv2.resize(values, small[::-1], interpolation=cv2.INTER_AREA)
        near(called(page, "resizing", "shrink", values, *small[::-1]), expected.reshape(small))
        values = random.uniform(0, 1, small).astype(np.float32)
        expected = cv2.resize(values, large[::-1], interpolation=cv2.INTER_LINEAR)
        near(called(page, "resizing", "enlarge", values, *large[::-1]), expected.reshape(large))


def test_borders_and_means_are_as_in_opencv(page: Any, random: np.random.Generator) -> None:
    for height, width in ((9, 13), (3, 2), (1, 6)):
        values = random.uniform(0, 1, (height, width)).astype(np.float32)
        for repeats, border in ((False, cv2.BORDER_REFLECT_101), (True, cv2.BORDER_REFLECT)):
            expected = cv2.blur(values, (5, 5), borderType=border)
            near(called(page, "resizing", "blur", values, 2, repeats), expected)
        expected = cv2.copyMakeBorder(values, 0, 16 - height, 0, 17 - width, cv2.BORDER_REFLECT_101)
        near(called(page, "resizing", "extend", values, 17, 16), expected)
        near(called(page, "resizing", "crop", expected, width, height), values)


def test_sides_are_rounded_as_in_python(page: Any) -> None:
    for width, height, longest in ((1024, 333, 512), (333, 1024, 512), (1000, 1, 384), (7, 5, 9)):
        expected = target_size((height, width), min(longest, max(width, height)))
        assert called(page, "resizing", "fitted", width, height, longest) == list(expected[::-1])


def test_mattes_are_pythons(page: Any, random: np.random.Generator) -> None:
    guide = random.uniform(0, 1, (20, 30, 3)).astype(np.float32)
    mask = random.uniform(0, 1, (20, 30)).astype(np.float32)
    slopes, offset = fit_locally(guide, mask, 2, 3e-4)
    found = called(page, "matting", "fitLocally", guide, mask, 2, 3e-4)
    near(found, np.stack([*slopes, offset], axis=-1), 1e-3)  # slopes reach 10 in noise


def test_people_are_pythons(page: Any, random: np.random.Generator) -> None:
    for smallest in (0.05, 0.3, 1.0):
        coarse = random.uniform(0, 1, (12, 16)).astype(np.float32)
        alpha = np.clip(cv2.resize(coarse, (80, 60)) * 1.6 - 0.4, 0, 1)
        expected = keep_people(alpha, smallest=smallest)
        assert not np.array_equal(expected, alpha), "nothing is left out here"
        near(called(page, "people", "keepPeople", alpha, smallest), expected, 0)
    unsure = np.clip(cv2.resize(random.uniform(0.6, 1.3, (12, 16)), (80, 60)), 0, 1)
    unsure[20:23, 30:33], unsure[40:43, 50:53] = 0.3, 0.1
    expected = fill_pits(unsure.astype(np.float32))
    assert expected[21, 31] == 1
    assert expected[41, 51] == np.float32(0.1)
    near(called(page, "people", "fillPits", unsure), expected, 0)
    nobody = np.full((4, 5), 0.2, np.float32)
    near(called(page, "people", "keepPeople", nobody), nobody, 0)


def test_layers_are_pythons(page: Any, random: np.random.Generator) -> None:
    for height, width in ((37, 50), (1, 3)):
        picture = random.uniform(0, 1, (height, width, 3)).astype(np.float32)
        alpha = np.clip(random.uniform(-1, 2, (height, width)), 0, 1).astype(np.float32)
        found = called(page, "layers", "estimateLayers", picture, alpha)
        near(found, np.stack(estimate_layers(picture, alpha), axis=-1), 1e-5)


def test_colours_are_kept_as_in_python(page: Any, random: np.random.Generator) -> None:
    picture, painting = random.uniform(0, 1, (2, 9, 8, 3)).astype(np.float32)
    found = called(page, "painting", "replaceLuminance", picture, painting)
    near(found, replace_luminance(picture, painting), 1e-5)


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


FIRST, LAST = STYLE_NETWORKS[0], STYLE_NETWORKS[-1]
#: What the page calls the first two, which are drawn.
TITLES = [name.capitalize() for name in STYLE_NETWORKS[:2]]


@pytest.mark.parametrize(
    ("name", "style", "part", "strength", "keep"),
    [
        ("collins", FIRST, "background", 1, False),
        ("hopper", LAST, "person", 0.65, True),
        ("cameraman", LAST, "all", 0.5, False),
        ("coffee", FIRST, "background", 1, True),
    ],
)
def test_paintings_are_pythons(
    page: Any, tmp_path: Path, name: str, style: str, part: str, strength: float, keep: bool
) -> None:
    photo = nst.load_image(name) if name == "coffee" else load_portrait(name)
    path = nst.save_image(photo, tmp_path / f"{name}.png")
    chosen(page, style, part, strength, keep)
    opened(page, path)
    said = painted(page)
    assert ("No person was found" in said) == (name == "coffee")
    found = saved(page)
    expected = pythons(nst.load_image(path, size=384), style, part, strength, keep)
    assert found.shape == expected.shape
    assert np.abs(found - expected).max() <= 2
    untouched = np.abs(found - shown(page, "original")).max(axis=2) <= 2
    assert 0 < untouched.mean() < 1 or part == "all" or name == "coffee"


def test_photographs_are_read_as_in_python(page: Any, tmp_path: Path) -> None:
    pixels = to_uint8(nst.load_image("astronaut"))[:300, :450]
    sideways = PIL.Image.Exif()
    sideways[0x0112] = 6  # turned by a quarter
    clear = np.dstack([pixels, np.linspace(0, 255, pixels.size // 3).reshape(300, 450)])
    PIL.Image.fromarray(pixels).save(tmp_path / "phone.jpg", quality=92, exif=sideways)
    PIL.Image.fromarray(clear.astype(np.uint8)).save(tmp_path / "clear.png")
    PIL.Image.fromarray(pixels[..., 0]).save(tmp_path / "grey.png")
    PIL.Image.fromarray(pixels).save(tmp_path / "some.webp", lossless=True)
    PIL.Image.fromarray(pixels[:9, :5]).save(tmp_path / "tiny.png")
    chosen(page, FIRST, "all")
    for name in ("phone.jpg", "clear.png", "grey.png", "some.webp", "tiny.png"):
        opened(page, tmp_path / name)
        painted(page)
        expected = to_uint8(nst.load_image(tmp_path / name, size=384, enlarge=False))
        found = shown(page, "original")
        assert found.shape == expected.shape, name
        assert np.abs(found - expected.astype(int)).max() <= 2, name


def test_curves_are_opencvs(page: Any, random: np.random.Generator) -> None:
    for small, large in (((5, 4), (13, 9)), ((1, 3), (2, 7))):
        values = random.uniform(0, 1, small).astype(np.float32)
        expected = cv2.resize(values, large[::-1], interpolation=cv2.INTER_CUBIC).clip(0, 1)
        near(called(page, "resizing", "enlargeSmoothly", values, *large[::-1]), expected)
    for shape, size in (((9, 60, 3), 5), ((50, 40, 3), 61), ((60, 9, 3), 9)):
        picture = random.uniform(0, 1, shape).astype(np.float32)
        near(called(page, "anystyle", "atSize", picture, size), at_size(picture, size))


def looked_at(page: Any, path: Path) -> None:
    """Choose a picture as the style, and wait until it is one."""
    page.set_input_files("#style-file", path)
    page.locator(f"input[value='yours/{path.name}']:checked").wait_for(state="attached")


def test_any_picture_is_a_style(page: Any, tmp_path: Path) -> None:
    large, small = tmp_path / "large.png", tmp_path / "small.png"
    nst.save_image(nst.load_image("coffee", size=700), large)
    nst.save_image(nst.load_image("candy", size=200), small)
    (tmp_path / "letter.png").write_text("Dear Theo")
    page.set_input_files("#style-file", tmp_path / "letter.png")
    page.locator("#problem", has_text="letter.png is not a picture").wait_for()
    looked_at(page, large)
    assert page.inner_text("#status") == "The style is known. Now choose a photograph."
    for name, style, part, strength, keep in (
        ("collins", large, "background", 1, False),
        ("hopper", small, "person", 0.65, True),
        ("cameraman", small, "all", 0.5, False),
        ("cameraman", large, "all", 0, False),
    ):
        path = nst.save_image(load_portrait(name), tmp_path / f"{name}.png")
        looked_at(page, style)
        chosen(page, f"yours/{style.name}", part, strength, keep)
        opened(page, path)
        painted(page)
        found = saved(page)
        expected = pythons(nst.load_image(path, size=384), str(style), part, strength, keep)
        assert np.abs(found - expected).max() <= 2, (name, style.name)
        assert np.array_equal(found, shown(page, "original")) == (strength == 0)


def mixed(page: Any, first: str, second: str, share: float) -> None:
    """Choose two styles; the page does not paint yet."""
    page.evaluate(
        """([first, second, share]) => {
          document.querySelector(`input[name=style][value="${first}"]`).checked = true;
          document.getElementById("second").value = second;
          document.getElementById("share").value = 100 * share;
          document.getElementById("controls").dispatchEvent(new InputEvent("input"));
        }""",
        [first, second, share],
    )


def test_two_styles_are_mixed(page: Any, tmp_path: Path) -> None:
    night, sweets = tmp_path / "night.png", tmp_path / "sweets.png"
    nst.save_image(nst.load_image("brushwork", size=400), night)
    nst.save_image(nst.load_image("candy", size=400), sweets)
    for picture in (night, sweets):
        looked_at(page, picture)
    for name, (first, other), (ours, others), share, part, strength, keep in (
        ("collins", ("night.png", "sweets.png"), (night, sweets), 0.3, "background", 1, False),
        ("hopper", ("sweets.png", "night.png"), (sweets, night), 0.95, "person", 0.65, True),
        # Of named styles their pictures are mixed, here as in Python.
        ("cameraman", ("mosaic", "shards"), ("mosaic", "shards"), 0.5, "all", 1, False),
        ("cameraman", ("candy", "night.png"), ("candy", night), 0.2, "all", 0.5, False),
    ):
        values = [s if s in STYLE_NETWORKS else f"yours/{s}" for s in (first, other)]
        path = nst.save_image(load_portrait(name), tmp_path / f"{name}.png")
        chosen(page, values[0], part, strength, keep)
        mixed(page, *values, share)
        percent = round(100 * share)
        titles = [Path(style).stem for style in (first, other)]
        shares = f"{100 - percent} % {titles[0]}, {percent} % {titles[1]}"
        assert page.inner_text("#share-shown").casefold() == shares
        opened(page, path)
        painted(page)
        expected = pythons(
            nst.load_image(path, size=384),
            {str(ours): 1 - share, str(others): share},
            part,
            strength,
            keep,
        )
        found = saved(page)
        assert np.abs(found - expected).max() <= 2, shares
        label = page.get_attribute("#result", "aria-label")
        assert label.casefold() == f"the photograph, {part} painted: {shares}"
    # And no more than that is a mixture.
    page.check("input[name=style][value='yours/night.png']", force=True)
    assert page.input_value("#second") == "", "the second style was this one"
    assert page.locator("#share").is_hidden()


def test_what_cannot_be_mixed_says_so(page: Any, tmp_path: Path) -> None:
    page.select_option("#second", "candy")
    assert "any style paints this mixture" in page.inner_text("#about")
    dropped(page, own_network(tmp_path / "mine.onnx", -1, 255))
    page.locator("input[value='yours/mine.onnx']:checked").wait_for(state="attached")
    assert page.locator("#second").is_disabled()
    assert page.input_value("#second") == ""
    assert "cannot be mixed" in page.inner_text("#about")
    assert "yours/mine.onnx" not in page.eval_on_selector_all(
        "#second option", "options => options.map(option => option.value)"
    )
    page.check(f"input[name=style][value={FIRST}]", force=True)
    assert page.locator("#second").is_enabled()
    assert page.locator(f"#second option[value={FIRST}]").is_disabled()


def test_a_file_named_like_a_style_is_one_more(page: Any, tmp_path: Path) -> None:
    photo = nst.load_image("astronaut", size=64)
    (tmp_path / "styles").mkdir()
    picture = nst.save_image(nst.load_image("waves", size=200), tmp_path / "waves.png")
    alike = picture.rename(tmp_path / "styles" / FIRST)  # a picture without a suffix
    network = own_network(tmp_path / f"{FIRST}.onnx", -1, 255)
    chosen(page, FIRST, "all")
    opened(page, nst.save_image(photo, tmp_path / "photo.png"))
    painted(page)
    ours = saved(page)
    looked_at(page, alike)
    painted(page)
    dropped(page, network)
    page.locator(f"input[value='yours/{FIRST}.onnx']:checked").wait_for(state="attached")
    painted(page)
    assert np.abs(saved(page) - (255 - shown(page, "original"))).max() <= 1
    for value, expected in (
        (f"yours/{FIRST}", pythons(photo, {str(alike): 1}, "all", 1, False)),
        (FIRST, ours),
    ):
        page.evaluate("document.getElementById('status').textContent = ''")
        page.check(f"input[name=style][value='{value}']", force=True)
        painted(page)
        assert np.abs(saved(page) - expected).max() <= 2, value


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


def test_a_picture_dropped_on_the_styles_is_a_style(page: Any, tmp_path: Path) -> None:
    """Anywhere else it is a photograph."""
    picture = nst.save_image(nst.load_image("waves", size=120), tmp_path / "sea.png")
    for on in ("#styles", "#styles .swatch"):
        dropped(page, picture, on)
        page.locator("#status", has_text="The style is known").wait_for()
        assert page.locator("input[value='yours/sea.png']").count() == 1
        assert page.locator("#stage").is_hidden()
        assert "blob:" in page.get_attribute("input[value='yours/sea.png'] + .swatch", "style")
        page.evaluate("document.getElementById('status').textContent = ''")
    dropped(page, picture, "#part")
    painted(page)
    assert page.get_attribute("#result", "aria-label").endswith("painted: sea")


def test_own_networks_are_dropped(page: Any, tmp_path: Path) -> None:
    photo = nst.load_image("astronaut", size=64)
    chosen(page, FIRST, "all")
    opened(page, nst.save_image(photo, tmp_path / "photo.png"))
    painted(page)
    for path in (
        own_network(tmp_path / "plain.onnx", -1, 255),
        own_network(tmp_path / "symmetric.onnx", -1, 0, "-1,1"),
        own_network(tmp_path / "two ranges.onnx", -255, 255, "0,1,0,255", last=True),
    ):
        dropped(page, path)
        page.wait_for_function(
            f"document.getElementById('result').getAttribute('aria-label').endsWith('{path.stem}')"
        )
        painted(page)
        assert np.abs(shown(page, "result") - (255 - shown(page, "original"))).max() <= 1, path
        expected = to_uint8(Stylizer(path)(photo)).astype(int)
        assert np.abs(saved(page) - expected).max() <= 1


def test_bad_files_get_a_sentence(page: Any, tmp_path: Path) -> None:
    (tmp_path / "letter.jpg").write_text("Dear Theo")
    (tmp_path / "phone.heic").write_bytes(b"\0\0\0\x18ftypheic")
    (tmp_path / "empty.png").write_bytes(b"")
    (tmp_path / "letter.onnx").write_text("Dear Theo, this is no network")
    (tmp_path / "nothing.onnx").write_bytes(b"")
    whole = own_network(tmp_path / "fixed.onnx", 1, 0, side=224).read_bytes()
    (tmp_path / "half.onnx").write_bytes(whole[: len(whole) // 2])
    own_network(tmp_path / "strange.onnx", 1, 0, "black to white")
    own_network(tmp_path / "infinite.onnx", np.inf, 0)
    small = own_network(tmp_path / "small.onnx", 1, 0)
    stubborn = onnx.load(small)
    stubborn.graph.initializer.append(numpy_helper.from_array(np.array([1, 3, 5, 5]), "five"))
    stubborn.graph.node[0].CopyFrom(helper.make_node("Reshape", ["image", "five"], ["product"]))
    onnx.save(stubborn, tmp_path / "stubborn.onnx")
    stubborn.graph.node[0].op_type = "Paint"
    onnx.save(stubborn, tmp_path / "unheard.onnx")
    del stubborn.graph.node[:]
    stubborn.graph.node.append(helper.make_node("GlobalAveragePool", ["image"], ["painting"]))
    onnx.save(stubborn, tmp_path / "mean.onnx")
    person = (ROOT / "models" / "person.onnx").read_bytes()
    (tmp_path / "finder.onnx").write_bytes(person)
    for name, words in (
        ("letter.jpg", "not a picture that this browser can read"),
        ("phone.heic", "save it as JPEG first"),
        ("empty.png", "is empty"),
        ("letter.onnx", "not an ONNX file"),
        ("nothing.onnx", "not an ONNX file"),
        ("half.onnx", "cut off"),
        ("fixed.onnx", "pictures of 224 × 224 only"),
        ("strange.onnx", "value_range"),
        ("infinite.onnx", "no numbers"),
        ("finder.onnx", "pictures of 192 × 192 only"),
        ("stubborn.onnx", "cannot be run"),
        ("unheard.onnx", "cannot be run in a browser"),
        ("mean.onnx", "gives back a picture of the size that it was given"),
    ):
        dropped(page, tmp_path / name)
        page.locator("#problem", has_text=name).wait_for()
        assert words in page.inner_text("#problem")
    # And the page goes on.
    chosen(page, FIRST, "all")
    opened(page, nst.save_image(nst.load_image("coffee", size=64), tmp_path / "cup.png"))
    painted(page)
    assert page.locator("#problem").is_hidden()


def test_the_library_says_which_styles_there_are(page: Any) -> None:
    styles = page.locator("input[name=style]")
    assert [s.get_attribute("value") for s in styles.all()] == list(STYLE_NETWORKS)
    files = json.loads((SITE / "playground" / "files.json").read_text("utf-8"))
    titles = {style["name"]: style["title"] for style in files["styles"]}
    assert titles["mosaic"] == "Mosaic"
    assert titles["great_wave"] == "The Great Wave off Kanagawa"
    assert titles["composition_vii"] == "Composition VII"
    for style in files["styles"]:
        shipped = (ROOT / "models" / f"{style['name']}.onnx").read_bytes()
        assert (SITE / "playground" / style["path"]).read_bytes() == shipped


def test_no_painting_stands_beside_another_photograph(page: Any) -> None:
    chosen(page, FIRST, "all")
    page.click("#samples button >> nth=2")
    painted(page)
    page.evaluate(
        """() => {
          const watched = document.getElementById("original");
          const result = document.getElementById("result");
          const save = document.getElementById("save");
          // A canvas gets its size, and with it loses its content, when a picture is shown.
          new MutationObserver(() => {
            window.seen ??= [result.width, result.height, save.hidden];
          }).observe(watched, { attributes: true });
        }"""
    )
    page.click("#samples button >> nth=0")
    page.wait_for_function("window.seen")
    assert page.evaluate("window.seen") == [384, 384, True]
    page.locator("#save").wait_for()
    with page.expect_download() as download:
        page.click("#save")
    assert download.value.suggested_filename == f"Eileen_Collins_astronaut_{TITLES[0]}.png"


def test_the_keyboard_is_enough(page: Any) -> None:
    def tab_to(selector: str) -> None:
        for _ in range(60):
            page.keyboard.press("Tab")
            if page.evaluate(f"document.activeElement.matches('{selector}')"):
                return
        pytest.fail(f"Tab does not come to {selector}")

    page.evaluate("document.getElementById('size').value = 384")
    page.focus("#choose")
    tab_to("#samples button")
    page.keyboard.press("Enter")
    painted(page)
    first = shown(page, "result")
    tab_to("input[name=style]")
    page.keyboard.press("ArrowRight")
    second = TITLES[1]
    label = "document.getElementById('result').getAttribute('aria-label')"
    page.wait_for_function(f"{label}.endsWith('{second}')")
    tab_to("#any")
    for key in ("Enter", "Space"):
        with page.expect_file_chooser():
            page.keyboard.press(key)
    tab_to("#second")
    page.keyboard.press("ArrowDown")
    tab_to("#share")
    page.keyboard.press("End")
    page.wait_for_function(f"{label}.endsWith('5 % {second}, 95 % {TITLES[0]}')")
    page.keyboard.press("Shift+Tab")
    page.keyboard.press("ArrowUp")
    page.wait_for_function(f"{label}.endsWith('painted: {second}')")
    tab_to("input[name=part]")
    page.keyboard.press("ArrowDown")
    page.wait_for_function(f"{label}.includes('person painted')")
    tab_to("#strength")
    page.keyboard.press("Home")
    tab_to("#keep-colors")
    page.keyboard.press("Space")
    page.wait_for_function("!document.getElementById('stage').hasAttribute('aria-busy')")
    assert page.inner_text("#strength-shown") == "0 %"
    assert page.is_checked("#keep-colors")
    assert np.abs(shown(page, "result") - shown(page, "original")).mean() < 1
    assert np.abs(first - shown(page, "original")).mean() > 1
    page.focus("#choose")
    tab_to("#save")
    with page.expect_download() as download:
        page.keyboard.press("Enter")
    assert download.value.suggested_filename == f"Eileen_Collins_astronaut_{second}.png"


def test_the_camera_takes_a_picture(page: Any) -> None:
    chosen(page, FIRST, "all")
    page.click("#camera")
    page.locator("#take:enabled").wait_for()
    axe(page)
    page.keyboard.press("Enter")
    painted(page)
    assert shown(page, "result").shape == shown(page, "original").shape
    assert shown(page, "original").std() > 10
    assert page.locator("#camera-dialog").is_hidden()
    assert page.evaluate("document.getElementById('video').srcObject") is None
    # Closed by Escape, it is off as well.
    page.click("#camera")
    page.locator("#take:enabled").wait_for()
    page.evaluate("window.track = document.getElementById('video').srcObject.getTracks()[0]")
    page.keyboard.press("Escape")
    page.locator("#camera-dialog").wait_for(state="hidden")
    page.wait_for_function("window.track.readyState === 'ended'")


def test_it_computes_in_a_thread_of_its_own_and_without_the_network(page: Any) -> None:
    chosen(page, FIRST, "background", size=384)
    page.click("#samples button >> nth=1")
    painted(page)
    assert len(page.workers) == 1
    loaded = page.evaluate("performance.getEntriesByType('resource').map((entry) => entry.name)")
    assert not [name for name in loaded if name.endswith((".wasm", ".onnx"))]
    assert not [name for name in loaded if "ort." in name]
    page.context.set_offline(True)
    page.check("input[name=part][value=person]")
    page.wait_for_function(
        "document.getElementById('result').getAttribute('aria-label').includes('person painted')"
    )


def test_without_a_graphics_card_the_processor_does_it(page: Any, address: str) -> None:
    visited(page, f"{address}?runtime=webgpu")
    chosen(page, FIRST, "all")
    page.click("#samples button >> nth=2")
    assert "processor" in painted(page)


def test_a_graphics_card_paints_the_same(browser: Any, address: str, tmp_path: Path) -> None:
    """A graphics card that Chromium computes: slow, but it runs what a real one runs."""
    computed = ["--enable-unsafe-webgpu", "--use-webgpu-adapter=swiftshader"]
    with start(browser.browser_type, [*computed, "--enable-features=Vulkan"]) as chromium:
        page = chromium.new_page(accept_downloads=True)
        page.set_default_timeout(3 * PATIENCE)
        visited(page, f"{address}?runtime=webgpu")
        if page.evaluate("navigator.gpu?.requestAdapter().then((adapter) => !adapter) ?? true"):
            pytest.skip("this Chromium cannot compute a graphics card")
        path = nst.save_image(nst.load_image("astronaut", size=64), tmp_path / "small.png")
        chosen(page, FIRST, "background")
        opened(page, path)
        assert "graphics card" in painted(page)
        expected = pythons(nst.load_image(path), FIRST, "background", 1, False)
        assert np.abs(saved(page) - expected).max() <= 2


def axe(page: Any) -> None:
    page.add_script_tag(path=str(AXE))
    serious = {
        violation["id"]: [node["html"][:100] for node in violation["nodes"][:3]]
        for violation in page.evaluate("axe.run()")["violations"]
        if violation["impact"] in ("serious", "critical")
    }
    assert serious == {}


def test_it_is_there_for_all(page: Any, tmp_path: Path) -> None:
    """Axe looks at the page in each of its states, light, dark and as wide as a phone."""

    def look() -> None:
        for scheme in ("light", "dark"):
            page.emulate_media(color_scheme=scheme)
            for width in (1280, 360):
                page.set_viewport_size({"width": width, "height": 800})
                assert page.evaluate("document.documentElement.scrollWidth") <= width
                axe(page)

    (tmp_path / "letter.jpg").write_text("Dear Theo")
    look()
    chosen(page, FIRST, "all")
    page.click("#samples button >> nth=2")
    painted(page)
    page.select_option("#second", STYLE_NETWORKS[1])
    page.locator("#share").wait_for()
    look()
    dropped(page, own_network(tmp_path / "mine.onnx", -1, 255))
    page.locator("#second:disabled").wait_for()
    dropped(page, tmp_path / "letter.jpg")
    page.locator("#problem").wait_for()
    look()


def test_no_word_of_a_style_is_broken_on_a_phone(page: Any) -> None:
    page.set_viewport_size({"width": 360, "height": 800})
    broken = page.evaluate(
        """() => [...document.querySelectorAll("#style-choices > *")].flatMap((choice) => {
          const text = choice.lastChild;
          const place = new Range();
          return [...text.data.matchAll(/\\S+/g)].filter((word) => {
            place.setStart(text, word.index);
            place.setEnd(text, word.index + word[0].length);
            const box = choice.getBoundingClientRect();
            const [{ left, right }, ...others] = place.getClientRects();
            return others.length > 0 || left < box.left - 1 || right > box.right + 1;
          }).map(([word]) => word);
        })"""
    )
    assert broken == []


@pytest.mark.parametrize(
    ("missing", "words"),
    [
        ("delete globalThis.WebAssembly", "lacks WebAssembly"),
        ("delete globalThis.OffscreenCanvas", "lacks OffscreenCanvas"),
        (
            "globalThis.Worker = class extends EventTarget {"
            "  postMessage() { this.dispatchEvent(new Event('error')); }"
            "}",
            "did not start",
        ),
        (None, "needs JavaScript"),
    ],
)
def test_a_browser_that_cannot_says_so(
    browser: Any, address: str, missing: str | None, words: str
) -> None:
    context = browser.new_context(java_script_enabled=missing is not None)
    page = context.new_page()
    if missing:
        page.add_init_script(missing)
    page.goto(address)
    page.locator("#unable", has_text=words).wait_for()
    assert page.locator("#studio").is_hidden()
    context.close()
