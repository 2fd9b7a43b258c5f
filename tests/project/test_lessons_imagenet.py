"""What is compared of a lesson that ran on other weights, and that a false claim is found."""

from __future__ import annotations

import re

import build
import imagenet
import nbformat


def notebook(*cells: tuple[str, str], tags: tuple[str, ...] = ()) -> build.Notebook:
    """A notebook of code cells, each given by its id and what it prints."""
    made = nbformat.v4.new_notebook()
    for name, text in cells:
        cell = nbformat.v4.new_code_cell(name, id=name, metadata={"tags": [*tags]})
        cell.outputs = [nbformat.v4.new_output("stream", name="stdout", text=text)]
        made.cells.append(cell)
    return made


def test_figures_may_differ_and_truth_may_not() -> None:
    committed = notebook(("a", "loss 0.12\nlower: True"), ("b", "more than 4: True, less: False"))
    alike = notebook(("a", "loss 3.45\nlower: True"), ("b", "more than 4: True, less: False"))
    assert list(imagenet.broken_claims(alike, committed)) == []
    false = notebook(("a", "loss 3.45\nlower: False"), ("b", "more than 4: True, less: False"))
    assert list(imagenet.broken_claims(false, committed)) == [
        "cell [1] says otherwise than on the twin: lower: False"
    ]


def test_an_order_counts_and_a_missing_claim() -> None:
    committed = notebook(("a", "one: True\ntwo: False"))
    for text in ("one: False\ntwo: True", "one: True"):
        assert len(list(imagenet.broken_claims(notebook(("a", text)), committed))) == 1


def test_cells_are_known_by_their_text() -> None:
    committed = notebook(("a", "one: True"), ("b", "two: False"))
    assert list(imagenet.broken_claims(notebook(("b", "two: False")), committed)) == []
    assert list(imagenet.broken_claims(notebook(("c", "")), committed)) == [
        "cell [1] is not in the committed notebook: run `make lessons` first"
    ]


def test_what_is_not_compared_on_the_twin_is_not_compared_here() -> None:
    times = notebook(("a", "faster: True"), tags=("nbval-ignore-output",))
    slow = notebook(("a", "faster: False"), tags=("nbval-ignore-output",))
    assert list(imagenet.broken_claims(slow, times)) == []


def test_what_is_no_number_is_found_also_where_nothing_is_compared() -> None:
    words = notebook(("a", "information: 1\na banana"))
    assert list(imagenet.no_numbers(words)) == []
    for tags in ((), ("nbval-ignore-output",)):
        silent = notebook(("a", "one: 0.4\nothers: nan"), ("b", "ratio inf"), tags=tags)
        assert list(imagenet.no_numbers(silent)) == [
            "cell [1] gives no number: others: nan",
            "cell [2] gives no number: ratio inf",
        ]


def test_values_count_and_the_words_of_pictures_do_not() -> None:
    cell = nbformat.v4.new_code_cell("equal")
    cell.outputs = [
        nbformat.v4.new_output("execute_result", data={"text/plain": "np.True_"}),
        nbformat.v4.new_output("execute_result", data={"text/plain": "True"}),
        nbformat.v4.new_output(
            "display_data", data={"image/png": "", "text/plain": "True and False"}
        ),
    ]
    assert imagenet.claims(cell) == ["True", "True"]


def asserted(number: str) -> int:
    """How many things a lesson claims on every VGG19, in assertions and by True and False."""
    (source,) = (s for s in build.sources() if s.stem.startswith(number))
    lesson = nbformat.read(build.notebook_path(source, "solution"), as_version=4)
    code = [cell for cell in lesson.cells if cell.cell_type == "code"]
    assertions = (re.findall(r"^ *assert ", cell.source, re.MULTILINE) for cell in code)
    return sum(map(len, assertions)) + sum(len(imagenet.claims(cell)) for cell in code)


def test_the_lessons_it_runs_by_default_exist_and_together_claim_something() -> None:
    assert sum(map(asserted, imagenet.LESSONS)) >= 20
