"""The site as a visitor's browser sees it: complete without another host, light, and readable."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urldefrag, urljoin, urlparse

import pytest
from browser import launch, serve

pytestmark = pytest.mark.site

ROOT = Path(__file__).parents[2]
SITE = ROOT / "build" / "site"
PAGES = sorted(path.relative_to(SITE).as_posix() for path in SITE.rglob("*.html"))
AXE = ROOT / "build" / "npm" / "node_modules" / "axe-core" / "axe.min.js"
LESSONS = [page for page in PAGES if re.match(r"notebooks/\d", page)]


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


@pytest.mark.parametrize("name", PAGES)
def test_pages_ask_no_other_host_and_are_light(page: Any, address: str, name: str) -> None:
    sizes: list[int] = []
    page.on("response", lambda r: sizes.append(len(r.body())) if r.ok else sizes.append(0))
    page.goto(address + name, wait_until="networkidle")
    assert page.refused == []
    assert page.complaints == []
    assert 10_000 < sum(sizes) < 800_000
    for picture in page.locator("main img, article img").all():
        assert (picture.get_attribute("alt") or "").strip(), picture.get_attribute("src")


@pytest.mark.parametrize("name", ["index.html", LESSONS[2] if LESSONS else "", "api/features.html"])
def test_pages_fit_a_phone(page: Any, address: str, name: str) -> None:
    page.set_viewport_size({"width": 360, "height": 800})
    page.goto(address + name)
    assert page.evaluate("document.documentElement.scrollWidth") <= 360


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


def test_links_lead_somewhere() -> None:
    ids: dict[Path, set[str]] = {}

    def anchors(path: Path) -> set[str]:
        if path not in ids:
            ids[path] = set(re.findall(r'\bid="([^"]+)"', path.read_text("utf-8")))
        return ids[path]

    checked = 0
    for name in PAGES:
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


@pytest.mark.parametrize(
    ("name", "scheme"),
    [(name, "light") for name in PAGES] + [(name, "dark") for name in ("index.html", *LESSONS[:3])],
)
def test_nothing_serious_for_assistive_technology(
    page: Any, address: str, name: str, scheme: str
) -> None:
    page.emulate_media(color_scheme=scheme)
    page.goto(address + name)
    page.add_script_tag(path=str(AXE))
    found = page.evaluate("axe.run()")["violations"]
    serious = {
        f["id"]: [node["html"][:100] for node in f["nodes"][:3]]
        for f in found
        if f["impact"] in ("serious", "critical")
    }
    assert serious == {}
