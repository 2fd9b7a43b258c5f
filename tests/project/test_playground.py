"""The playground as a visitor uses it, and its pictures beside those that Python paints."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import PIL.Image
import pytest
from browser import start
from onnx import helper, numpy_helper
from playground_page import (
    FIRST,
    LAST,
    PATIENCE,
    ROOT,
    SITE,
    TITLES,
    axe,
    chosen,
    dropped,
    looked_at,
    opened,
    own_network,
    painted,
    pythons,
    saved,
    shown,
    visited,
)
from playground_page import address as address
from playground_page import browser as browser
from playground_page import page as page

import nstlib as nst
from nstlib.course.portraits import load_portrait
from nstlib.images.arrays import to_uint8
from nstlib.inference.stylizer import STYLE_NETWORKS, Stylizer

pytestmark = pytest.mark.site


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
        mixed(page, values[0], values[1], share)
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
    PIL.Image.new("1", (9000, 8000)).save(tmp_path / "huge.png")
    (tmp_path / "letter.onnx").write_text("Dear Theo, this is no network")
    (tmp_path / "nothing.onnx").write_bytes(b"")
    whole = own_network(tmp_path / "fixed.onnx", 1, 0, side=224).read_bytes()
    (tmp_path / "half.onnx").write_bytes(whole[: len(whole) // 2])
    own_network(tmp_path / "strange.onnx", 1, 0, "black to white")
    own_network(tmp_path / "falling.onnx", 1, 0, "255,0")
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
        ("huge.png", "72 megapixels; this page reads up to 64"),
        ("letter.onnx", "not an ONNX file"),
        ("nothing.onnx", "not an ONNX file"),
        ("half.onnx", "cut off"),
        ("fixed.onnx", "pictures of 224 × 224 only"),
        ("strange.onnx", "value_range"),
        ("falling.onnx", "the lower one of each two first"),
        ("infinite.onnx", "no numbers"),
        ("finder.onnx", "pictures of 256 × 256 only"),
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


def test_what_went_wrong_is_seen_on_a_phone(page: Any, tmp_path: Path) -> None:
    page.set_viewport_size({"width": 360, "height": 700})
    opened(page, nst.save_image(nst.load_image("coffee", size=256), tmp_path / "cup.png"))
    painted(page)
    (tmp_path / "letter.jpg").write_text("Dear Theo")
    page.evaluate("scrollTo(0, 0)")
    page.set_input_files("#photo-file", tmp_path / "letter.jpg")
    page.locator("#problem", has_text="letter.jpg").wait_for()
    page.wait_for_function(  # the page glides there
        """() => {
          const { top, bottom } = document.getElementById("problem").getBoundingClientRect();
          return top >= 0 && bottom <= innerHeight;
        }"""
    )


def test_the_library_says_which_styles_there_are(page: Any) -> None:
    styles = page.locator("input[name=style]")
    assert [s.get_attribute("value") for s in styles.all()] == list(STYLE_NETWORKS)
    files = json.loads((SITE / "playground" / "files.json").read_text("utf-8"))
    titles = {style["name"]: style["title"] for style in files["styles"]}
    assert titles["mosaic"] == "Mosaic"
    assert titles["great_wave"] == "The Great Wave off Kanagawa"
    assert titles["composition_vii"] == "Composition VII"
    assert titles["starry_night_bold"] == "The Starry Night, bold"
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
    page.evaluate(
        """document.getElementById("style-file").addEventListener("click", (event) => {
          event.preventDefault(); // no dialog of the system's
          window.asked = (window.asked ?? 0) + 1;
        })"""
    )
    for key in ("Enter", "Space"):
        page.keyboard.press(key)
    page.wait_for_function("window.asked === 2")
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


def test_two_clicks_leave_no_camera_on(page: Any) -> None:
    page.evaluate(
        """() => {
          const devices = navigator.mediaDevices;
          const ask = devices.getUserMedia.bind(devices);
          window.tracks = [];
          devices.getUserMedia = async (wish) => {
            const stream = await ask(wish);
            window.tracks.push(...stream.getTracks());
            return stream;
          };
        }"""
    )
    for _ in range(2):
        page.evaluate("for (const n of [1, 2]) document.getElementById('camera').click()")
        page.locator("#take:enabled").wait_for()
        page.keyboard.press("Escape")
        page.locator("#camera-dialog").wait_for(state="hidden")
        page.wait_for_function("window.tracks.every((track) => track.readyState === 'ended')")
    assert page.evaluate("window.tracks.length") == 2


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--use-fake-device-for-media-stream"], "not allowed"),  # nobody says yes
        ([], "No camera was found"),
    ],
)
def test_without_a_camera_the_page_says_why(
    browser: Any, address: str, arguments: list[str], words: str
) -> None:
    with start(browser.browser_type, arguments) as chromium:
        page = chromium.new_page()
        visited(page, address)
        page.click("#camera")
        page.locator("#problem", has_text=words).wait_for()
        assert page.locator("#camera-dialog").is_hidden()


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
    page.check("input[name=style] >> nth=3")
    page.locator("#problem", has_text="and the style is not loaded yet").wait_for()


def test_each_choice_is_painted_once(page: Any, tmp_path: Path) -> None:
    chosen(page, FIRST, "all", size=384)
    page.click("#samples button >> nth=1")
    painted(page)
    page.evaluate(
        """() => {
          window.paintings = 0;
          const context = document.getElementById("result").getContext("2d");
          const put = context.putImageData;
          context.putImageData = function (...given) {
            window.paintings++;
            return put.apply(context, given);
          };
        }"""
    )
    (tmp_path / "letter.png").write_text("Dear Theo")
    page.set_input_files("#style-file", tmp_path / "letter.png")
    page.locator("#problem", has_text="letter.png is not a picture").wait_for()
    assert page.inner_text("#status") == ""
    looked_at(page, nst.save_image(nst.load_image("candy", size=200), tmp_path / "small.png"))
    painted(page)
    assert page.evaluate("window.paintings") == 1


def test_what_did_not_come_is_asked_for_again(browser: Any, address: str) -> None:
    context = browser.new_context()
    context.set_default_timeout(PATIENCE)
    page = context.new_page()
    visited(page, f"{address}?runtime=wasm")
    context.route("**/*.wasm", lambda route: route.abort())
    page.click("#samples button")
    page.locator("#problem", has_text="The network is gone").wait_for()
    context.unroute("**/*.wasm")
    page.click("#samples button")
    painted(page)
    context.close()


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
