"""The site as a visitor's browser sees it: complete without another host, light, and readable."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urldefrag, urljoin, urlparse

import babel
import nbformat
import pytest
import translate
from browser import launch, serve

pytestmark = pytest.mark.site

ROOT = Path(__file__).parents[2]
SITE = ROOT / "build" / "site"
FOUND = sorted(path.relative_to(SITE).as_posix() for path in SITE.rglob("*.html"))
DECKS = [page for page in FOUND if page.startswith("slides/")]
PAGES = [page for page in FOUND if page not in DECKS]
GALLERY = ROOT / "data" / "gallery.md"
AXE = ROOT / "build" / "npm" / "node_modules" / "axe-core" / "axe.min.js"
LESSONS = [page for page in PAGES if re.match(r"notebooks/\d", page)]
TRANSLATED = [page for page in PAGES if re.match(r"notebooks/\w+/\d", page)]


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with serve(SITE) as address:
        yield address


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with launch() as chromium:
        yield chromium


@pytest.fixture
def page(browser: Any, address: str) -> Iterator[Any]:
    """A page that can ask no other host, and keeps what it asked and what it complained of."""
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    page = context.new_page()
    page.refused, page.complaints = [], []

    def answer(route: Any) -> None:
        if route.request.url.startswith((address, "data:", "blob:")):
            route.continue_()
        else:
            page.refused.append(route.request.url)
            route.abort()

    page.route("**/*", answer)
    page.on("pageerror", lambda error: page.complaints.append(str(error)))
    page.on("console", lambda m: page.complaints.append(m.text) if m.type == "error" else None)
    yield page
    context.close()


def test_there_is_a_page_for_each_lesson() -> None:
    notebooks = sorted((ROOT / "notebooks").glob("[0-9]*.ipynb"))
    assert [Path(page).stem for page in LESSONS] == [path.stem for path in notebooks]
    assert [
        f"notebooks/{language}/{source.stem}.html" for language, source in translate.translations()
    ] == TRANSLATED


@pytest.mark.parametrize("name", PAGES)
def test_pages_are_whole_and_light_without_another_host(page: Any, address: str, name: str) -> None:
    sizes: list[int] = []
    page.on("response", lambda r: sizes.append(len(r.body())) if r.ok else sizes.append(0))
    page.goto(address + name, wait_until="networkidle")
    assert page.refused == []
    assert page.complaints == []
    assert 10_000 < sum(sizes) < 800_000
    for picture in page.locator("main img, article img").all():
        assert (picture.get_attribute("alt") or "").strip(), picture.get_attribute("src")
    # Also the page of searches has words, as long as nothing is looked for.
    title, *_ = page.locator("article h1:visible").all_inner_texts()
    assert len(page.inner_text("article").removeprefix(title).split()) > 5


def test_pages_fit_a_phone_and_a_tablet(page: Any, address: str) -> None:
    """Also on both sides of the widths at which a column goes."""
    for name in PAGES:
        page.goto(address + name)
        for width in (360, 768, 800, 834, 1024, 1080, 1100, 1200, 1366):
            page.set_viewport_size({"width": width, "height": 800})
            needed = page.evaluate("document.documentElement.scrollWidth")
            assert needed <= width, f"{name} needs {needed} pixels of {width}"


def test_korean_lines_break_between_words(page: Any, address: str) -> None:
    page.goto(f"{address}notebooks/ko/04_texture_synthesis.html")
    breaks = "getComputedStyle(document.querySelector('article p')).wordBreak"
    assert page.evaluate(breaks) == "keep-all"


def test_a_translated_page_unfolds_in_its_language(page: Any, address: str) -> None:
    page.goto(f"{address}notebooks/ko/04_texture_synthesis.html")
    said = {text.strip() for text in page.locator("details > summary").all_text_contents()}
    assert "펼치기" in "".join(said)
    assert not [text for text in said if "code cell" in text]


def test_the_list_of_lessons_is_whole_on_a_phone(page: Any, address: str) -> None:
    page.set_viewport_size({"width": 360, "height": 800})
    page.goto(address)
    whole_cells(page, "#the-lessons td", 4 * len(LESSONS))


def test_the_gallerys_commands_are_whole_on_a_phone(page: Any, address: str) -> None:
    page.set_viewport_size({"width": 360, "height": 800})
    page.goto(f"{address}gallery.html")
    commands = re.findall(r"^\| .+ \| `(nst .+)` \|", GALLERY.read_text("utf-8"), re.MULTILINE)
    assert len(commands) == 12
    assert page.locator("#gallery td:nth-child(2)").all_inner_texts() == commands
    whole_cells(page, "#gallery td", 3 * len(commands))
    lines = page.locator("#gallery td:nth-child(2) code").evaluate_all(
        "codes => codes.map((code) => new Set([...code.getClientRects()].map((r) => r.top)).size)"
    )
    assert max(lines) <= 3  # a word a line takes eight


def whole_cells(page: Any, selector: str, count: int) -> None:
    cells = page.locator(selector)
    assert cells.count() == count
    assert (
        cells.evaluate_all(
            """cells => cells.filter((cell) => {
          const { left, right } = cell.getBoundingClientRect();
          return left < 0 || right > 360;
        }).map((cell) => cell.textContent)"""
        )
        == []
    )


def test_formulas_are_drawn(page: Any, address: str) -> None:
    page.goto(address + "notebooks/03_gram_matrices.html")
    formulas = page.locator("mjx-container")
    assert formulas.count() > 10
    box = formulas.first.locator("svg").bounding_box()
    assert box["width"] > 5
    assert box["height"] > 5
    left = page.locator("article").inner_text()
    assert not re.search(r"\\[([]|\$[^$\n]+\$|\\frac", left), "TeX is left on the page"


def test_search_finds_a_lesson(page: Any, address: str) -> None:
    page.goto(address + "search.html?q=rocket")
    page.wait_for_selector("ul.search li a")
    found = page.locator("ul.search li a").all_inner_texts()
    assert any("segmentation" in title.lower() for title in found)


def test_what_jupyterlab_folds_is_folded(page: Any, address: str) -> None:
    """Answers to the lessons' questions are not there to be read before one thinks."""
    page.goto(f"{address}notebooks/05_total_variation.html")
    answer = page.get_by_text(re.compile(r"^\s*V of noise:\s*0\.333"))
    assert not answer.is_visible()
    page.locator("details.hide", has=answer).locator("summary").click()
    assert answer.is_visible()


def test_dark_mode(page: Any, address: str) -> None:
    def brightness() -> float:
        text: str = page.evaluate("getComputedStyle(document.body).backgroundColor")
        return sum(map(int, re.findall(r"\d+", text)[:3])) / 3

    page.emulate_media(color_scheme="light")
    page.goto(address)
    assert brightness() > 200
    page.emulate_media(color_scheme="dark")
    assert brightness() < 60


def test_lessons_can_be_downloaded(page: Any, address: str) -> None:
    for name in LESSONS:
        page.goto(address + name)
        link = page.locator("a.download").first
        answer = page.request.get(urljoin(page.url, link.get_attribute("href")))
        original = ROOT / "notebooks" / f"{Path(name).stem}.ipynb"
        assert answer.body() == original.read_bytes()


def test_the_lesson_on_networks_in_a_page_leads_to_the_playground(page: Any, address: str) -> None:
    page.goto(f"{address}notebooks/10_onnx.html")
    page.locator("article").get_by_role("link", name="playground", exact=True).click()
    assert page.url == f"{address}playground/index.html"


def lesson_of(page: str) -> Any:
    """Return the notebook that a page shows: of a lesson, or of a translated one."""
    language, stem = Path(page).parent.name, Path(page).stem
    path = ROOT / "notebooks" / f"{stem}.ipynb"
    if language == "notebooks":
        return nbformat.read(path, as_version=4)
    return translate.translated(language, path.parent / "sources" / f"{stem}.py", "learner")


@pytest.mark.parametrize("name", [*LESSONS, *TRANSLATED])
def test_pictures_have_the_alternative_texts_of_the_notebook(name: str) -> None:
    said = [alt["alt"] for cell in lesson_of(name).cells for alt in translate.alt_texts(cell)]
    text = (SITE / name).read_text("utf-8")
    outputs = re.findall(r'<img [^>]*src="[^"]*/[0-9a-f]{64}\.\w+"[^>]*>', text)
    shown = re.findall(r' alt="([^"]*)"', "".join(outputs))
    assert list(map(html.unescape, shown)) == said
    assert said


@pytest.mark.parametrize("name", TRANSLATED)
def test_a_lesson_can_be_read_in_another_language_and_back(
    page: Any, address: str, name: str
) -> None:
    language, english = Path(name).parent.name, f"notebooks/{Path(name).name}"
    page.goto(address + english)
    assert page.get_attribute("html", "lang") == "en"
    switch = page.locator(f"article a[hreflang={language}]")
    assert switch.inner_text() == babel.Locale.parse(language).display_name
    assert switch.get_attribute("lang") == language
    switch.click()
    assert page.url == address + name
    assert page.get_attribute("html", "lang") == language
    assert page.locator("article pre").first.get_attribute("lang") == "en"
    title = page.locator("h1").inner_text()
    assert lesson_of(name).cells[0].source.startswith(f"# {title.rstrip('¶#')}")
    download = page.request.get(
        urljoin(page.url, page.locator("a.download").first.get_attribute("href"))
    )
    assert nbformat.reads(download.text(), as_version=4) == lesson_of(name)
    page.locator("article a[hreflang=en]").click()
    assert page.url == address + english


def test_search_finds_a_word_of_another_language(page: Any, address: str) -> None:
    page.goto(address + "search.html?q=이음매")
    page.wait_for_selector("ul.search li a")
    found = page.locator("ul.search li a").evaluate_all("links => links.map(link => link.href)")
    assert [url.split("?")[0].split("#")[0] for url in found] == [address + TRANSLATED[0]]


def test_comments_on_constants_are_not_taken_for_types() -> None:
    """Napoleon takes what stands before a colon in the first line of a comment for a type."""
    pages = {path.stem: path.read_text("utf-8") for path in (SITE / "api").glob("*.html")}
    whole = "The layers that describe a style (Gatys et al. 2016): the first of each block."
    assert whole in pages["features"]
    assert [name for name, text in pages.items() if 'Type<span class="colon">' in text] == []


def test_papers_of_a_docstring_are_a_list() -> None:
    text = html.unescape((SITE / "api" / "networks.html").read_text("utf-8"))
    text = " ".join(re.sub("</?p>", "", text).split())
    for paper in (
        "<li>J. Hu, L. Shen and G. Sun, “Squeeze-and-excitation networks”, CVPR 2018.</li>",
        "neural artistic stylization network”, BMVC 2017.</li> <li>V. Dumoulin, J. Shlens",
        "D. Ulyanov, A. Vedaldi and V. Lempitsky, “Improved texture networks”, CVPR",
    ):
        assert paper in text
    # An initial begins no list that counts by letters.
    pages = {path.stem: path.read_text("utf-8") for path in (SITE / "api").glob("*.html")}
    assert [name for name, page in pages.items() if "upperalpha" in page] == []


def test_short_names_in_docstrings_are_links() -> None:
    unknown = []
    for path in (SITE / "api").glob("*.html"):
        text = re.sub(r"<a [^>]*>.*?</a>", "", path.read_text("utf-8"), flags=re.DOTALL)
        codes = re.findall(r'<code class="xref py[^>]*>(.*?)</code>', text, re.DOTALL)
        unknown += [re.sub("<[^>]*>", "", code) for code in codes]
    modules = {"nstlib.inference.tiles", "nstlib.synthesis"}  # the pages show no such modules
    assert {name for name in unknown if name.startswith("nstlib.")} <= modules
    assert "show_images()" not in unknown


def test_commands_are_not_broken_inside_an_option(page: Any, address: str) -> None:
    page.set_viewport_size({"width": 360, "height": 800})
    page.goto(f"{address}playground/index.html")
    words = page.locator("article p .pre", has_text="--style")
    assert words.count() == 3
    rows = words.evaluate_all("words => words.map((word) => word.getClientRects().length)")
    assert rows == [1, 1, 1]


def test_links_lead_somewhere() -> None:
    ids: dict[Path, set[str]] = {}

    def anchors(path: Path) -> set[str]:
        if path not in ids:
            ids[path] = set(re.findall(r'\bid="([^"]+)"', path.read_text("utf-8")))
        return ids[path]

    checked = 0
    for name in FOUND:
        text = (SITE / name).read_text("utf-8")
        for link in re.findall(r'<(?:a|link|script|img)\b[^>]*?(?:href|src)="([^"]+)"', text):
            target, fragment = urldefrag(link.replace("&amp;", "&"))
            if urlparse(link).scheme:
                continue
            path = (SITE / name).parent / unquote(target.split("?")[0]) if target else SITE / name
            path = path.resolve()
            assert path.exists(), f"{name}: {link}"
            if fragment and path.suffix == ".html":
                assert unquote(fragment) in anchors(path), f"{name}: {link}"
            checked += 1
    assert checked > 1000


@pytest.mark.parametrize("name", PAGES)
def test_nothing_serious_for_assistive_technology(page: Any, address: str, name: str) -> None:
    page.goto(address + name)
    assert serious_faults(page) == {}
    page.emulate_media(color_scheme="dark")
    page.set_viewport_size({"width": 360, "height": 800})  # where more has to be scrolled
    assert serious_faults(page) == {}


def serious_faults(page: Any) -> dict[str, list[str]]:
    """Return what axe finds serious on a page, and where."""
    if page.evaluate("typeof axe === 'undefined'"):
        page.add_script_tag(path=str(AXE))
    found = page.evaluate("axe.run({ resultTypes: ['violations'] })")  # a third of the time of all
    return {
        f["id"]: [node["html"][:100] for node in f["nodes"][:3]]
        for f in found["violations"]
        if f["impact"] in ("serious", "critical")
    }


#: Go through a deck, all answers shown, and list what stands beyond its slide or above its last
#: line, code that has to be scrolled to be read, and pictures that have hardly any room.
BEYOND = """() => {
    const found = [];
    for (let i = 0; i < Reveal.getTotalSlides(); i++) {
        Reveal.slide(i, 0, 99);
        const slide = Reveal.getCurrentSlide().querySelector(".slide");
        const page = slide.getBoundingClientRect();
        const end = slide.querySelector("footer").getBoundingClientRect().top;
        const inner = ":is(svg, mjx-assistive-mml, footer) *, mjx-assistive-mml, footer";
        for (const element of slide.querySelectorAll(`:not(${inner})`)) {
            const box = element.getBoundingClientRect();
            const beyond = box.left < page.left || box.right > page.right + 1;
            const tag = element.tagName;
            const scrolls = tag === "PRE" && element.scrollWidth > element.clientWidth + 1;
            const small = tag === "IMG" && box.height < 0.15 * page.height;
            if (beyond || box.bottom > end + 1 || scrolls || small) {
                found.push(`${i + 1} ${tag}: ${element.textContent.slice(0, 40)}`);
            }
        }
    }
    return found;
}"""


def test_there_is_a_deck_for_each_lesson() -> None:
    assert [f"slides/{Path(lesson).name[:2]}/index.html" for lesson in LESSONS] == DECKS


@pytest.mark.parametrize("name", DECKS)
def test_slides_fit_a_screen_a_phone_and_paper(page: Any, address: str, name: str) -> None:
    sizes: list[int] = []
    page.on("response", lambda r: sizes.append(len(r.body())) if r.ok else sizes.append(0))
    page.set_viewport_size({"width": 1280, "height": 720})
    page.goto(address + name, wait_until="networkidle")
    assert 100_000 < sum(sizes) < 800_000
    assert page.evaluate(BEYOND) == []
    page.set_viewport_size({"width": 360, "height": 800})
    page.wait_for_function("Reveal.getConfig().width === 400")
    assert page.evaluate(BEYOND) == []

    slides = page.evaluate("Reveal.getTotalSlides()")
    page.set_viewport_size({"width": 1280, "height": 720})
    page.goto(f"{address}{name}?print-pdf")
    page.wait_for_function(f"document.querySelectorAll('.pdf-page').length === {slides}")
    page.wait_for_function("[...document.images].every(picture => picture.complete)")
    shown = page.evaluate("[...document.images].map(p => [p.naturalWidth, p.alt])")
    assert [alt for width, alt in shown if width < 100 or not alt.strip()] == []
    assert serious_faults(page) == {}
    assert page.refused == []
    assert page.complaints == []


def test_slides_are_turned_by_keys_and_the_speaker_sees_the_notes(page: Any, address: str) -> None:
    page.goto(address + DECKS[0])
    page.wait_for_function("Reveal.isReady()")
    for _ in range(4):
        page.keyboard.press("ArrowRight")
    # It fades in, and has no text to be read before.
    answer = page.locator("section.present .answer.fragment.visible", has_text="300 - 256 = 44")
    answer.wait_for()
    with page.context.expect_page() as opened:
        page.keyboard.press("s")
    notes = opened.value.locator(".speaker-controls-notes .value")
    notes.get_by_text("Everybody types a letter").wait_for()
