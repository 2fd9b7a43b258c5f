"""Messages: what they tell to do exists where it is read."""

from __future__ import annotations

import ast
import itertools
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import API, COMMAND, OPTION, check_words, command_of, commands

import nstlib

ROOT = Path(nstlib.__file__).parent

#: Messages that no command can print, about arrays and arguments which none takes; and those that
#: name what stands in a file.
PYTHON_ONLY = {
    ("images/arrays.py", "from_uint8"),
    ("inference/foreign.py", "says that its value_range"),
    ("losses.py", "layer_weights"),
    ("synthesis/transfer.py", "style_shares"),
    ("onnx/translation.py", "padding='same'"),
}


def texts(node: ast.AST) -> str:
    """The text of a string, also a formatted or a divided one; what is filled in is left out."""
    if isinstance(node, ast.Constant):
        return node.value if isinstance(node.value, str) else ""
    if isinstance(node, ast.JoinedStr):
        return "".join(
            texts(part) if isinstance(part, ast.Constant) else "…" for part in node.values
        )
    if isinstance(node, ast.BinOp):
        return texts(node.left) + texts(node.right)
    return ""


def strings() -> Iterator[tuple[str, str]]:
    """All strings in the library that are no documentation, each with its file."""
    for file in sorted(ROOT.rglob("*.py")):
        tree = ast.parse(file.read_text(encoding="utf-8"))
        documentation = {
            id(node.body[0].value)
            for node in ast.walk(tree)
            if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef)
            and node.body
            and isinstance(node.body[0], ast.Expr)
        }
        for node in ast.walk(tree):
            is_text = (
                isinstance(node, ast.Constant | ast.JoinedStr) and id(node) not in documentation
            )
            if is_text and (text := texts(node)):
                yield file.relative_to(ROOT).as_posix(), text


EVERY_OPTION = set().union(*commands().values())


def test_every_option_and_command_that_is_named_exists() -> None:
    seen = 0
    for file, text in strings():
        if "pip install" in text or "…" in text.partition("--")[2][:1]:
            continue
        for option in OPTION.findall(text):
            seen += 1
            assert option in EVERY_OPTION, f"{file}: {text}"
        for match in COMMAND.finditer(text):
            words = match[1].split()
            path = command_of(words)
            if path:
                seen += 1
                inner = [known for known in commands() if known[: len(path)] == path]
                whole = len(inner) == 1 or len(words) == len(path)
                assert whole, f"{file}: nst {' '.join(words)} is not a command: {text}"
    assert seen > 20


def test_options_behind_a_command_are_its_own() -> None:
    """As in "nst assets fetch --force"."""
    for file, text in strings():
        for match in OPTION.finditer(text):
            named = list(COMMAND.finditer(text, 0, match.start()))
            if named and (path := command_of(named[-1][1].split())):
                assert match[0] in commands()[path], f"{file}: {text}"


def errors() -> Iterator[tuple[str, str]]:
    """All messages of errors that have no other words for the command line."""
    for file in sorted(ROOT.rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if (
                not isinstance(node, ast.Call)
                or not node.args
                or not ast.unparse(node.func).endswith("Error")
            ):
                continue
            if not any(keyword.arg == "command" for keyword in node.keywords):
                yield file.relative_to(ROOT).as_posix(), texts(node.args[0])


def test_words_of_python_have_a_translation() -> None:
    said = [(file, text) for file, text in errors() if not file.startswith("course/")]
    assert len(said) > 100
    for file, text in said:
        if not any(file == known and words in text for known, words in PYTHON_ONLY):
            assert not API.search(text), f"{file}: {text}"


#: What messages count. One of it needs the singular, which `counted` writes.
COUNTED = re.compile(
    r" (broken )?(cores|faults|files|films|folders|frames|iterations|masks|numbers|photographs"
    r"|pictures|sizes|steps|styles)\b"
)


def test_what_is_counted_has_a_singular() -> None:
    for file in sorted(ROOT.rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.JoinedStr) or "course" in file.parts:
                continue
            for value, text in itertools.pairwise(node.values):
                if isinstance(value, ast.FormattedValue) and value.format_spec is None:
                    number = re.fullmatch(r"len\(.*\)|[\w.]+", ast.unparse(value.value))
                    assert not (number and COUNTED.match(texts(text))), ast.unparse(node)


@pytest.mark.parametrize(
    ("given", "line"),
    [
        (["transfer", "a", "b"], "nst: give a smaller --batch"),
        (["assets", "list"], "nst: use --force"),
        (["export", "m"], "nst: export it with half=False"),
        (["texture", "a"], "nst: raise max_megapixels"),
        (["texture", "a"], "nst: call nstlib.resize first"),
        (["compose", "a"], "nst: nst texture --animate helps"),
    ],
)
def test_words_that_do_not_exist_there_are_found(given: list[str], line: str) -> None:
    with pytest.raises(AssertionError):
        check_words(given, [line])


@pytest.mark.parametrize(
    ("given", "line"),
    [
        (["transfer", "a", "b", "--sizes", "3"], "nst: No such option: --sizes"),
        (["compose", "a"], "nst: nst texture --tileable helps"),
        (["assets", "fetch", "x"], "nst: replace it with: nst assets fetch x --force"),
        (["stylize", "half=True.png"], "nst: half=True.png: no such file"),
    ],
)
def test_words_that_exist_are_let_pass(given: list[str], line: str) -> None:
    check_words(given, [line])
