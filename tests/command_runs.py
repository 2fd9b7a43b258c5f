"""Stand-ins for what commands run, and what they write."""

from __future__ import annotations

import functools
import os
import pkgutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pytest
from numpy.typing import NDArray

import nstlib
from nstlib.images.resizing import resize
from nstlib.optimize import Step
from nstlib.synthesis.common import Synthesis
from nstlib.synthesis.estimate import Estimate

SMALL = ("--size", "64", "--iterations", "2")


#: What a recipe was given: content, styles, options.
Calls = list[tuple[Any, Any, dict[str, Any]]]


def estimate_at_once(monkeypatch: pytest.MonkeyPatch) -> Calls:
    """Let estimates take no time; collect what they are given."""
    calls = []

    def estimate(content: Any, style: Any, **options: Any) -> Estimate:
        calls.append((content, style, options))
        return Estimate(42.0, 1234.0, ((28, 40), content.shape[:2]))

    monkeypatch.setattr("nstlib.synthesis.estimate.estimate_transfer", estimate)
    return calls


def replace_synthesis(
    monkeypatch: pytest.MonkeyPatch,
    change: Callable[..., Synthesis],
    recipe: str = "nstlib.synthesis.texture.synthesize_texture",
) -> list[Synthesis]:
    """Put `change` in the place of a recipe; collect what it returns."""
    results: list[Synthesis] = []

    @functools.wraps(pkgutil.resolve_name(recipe))
    def recorded(*arguments: Any, **options: Any) -> Synthesis:
        results.append(change(*arguments, **options))
        return results[-1]

    monkeypatch.setattr(recipe, recorded)
    return results


def pixels(path: str | Path) -> NDArray[np.uint8]:
    return np.asarray(PIL.Image.open(path))


def python(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def quick(content: Any, _: Any, **options: Any) -> Synthesis:
    """A transfer that takes no time: the content turned upside down, by way of two pictures."""
    callback = options["callback"] or (lambda step: step)
    steps = [Step(i, i + 1, 1.0, {"style": 1.0}, 0.1 * i, content[::-1]) for i in range(3)]
    half = resize(content, (content.shape[0] // 2, content.shape[1] // 2))
    callback(replace(steps[0], image=half))
    callback(replace(steps[1], image=half[::-1]))
    callback(replace(steps[1], image=content))  # the next size begins
    callback(steps[2])
    return Synthesis(content[::-1], {"style": (1.0, 0.5)}, tuple(steps), "mini", 0)


def transfer_at_once(monkeypatch: pytest.MonkeyPatch) -> Calls:
    """Let transfers and drawings take no time; collect what transfers are given."""
    found: Calls = []
    draw = nstlib.art.draw
    monkeypatch.setattr(
        "nstlib.art.catalogue.draw", lambda name, size: resize(draw(name, 32), (size, size))
    )

    def remember(content: Any, style: Any, **options: Any) -> Synthesis:
        found.append((content, style, options))
        return quick(content, style, **options)

    replace_synthesis(monkeypatch, remember, "nstlib.synthesis.transfer.transfer_style")
    return found


def refused(result: tuple[int, list[str], list[str]], *words: str) -> None:
    """Expect exit code 2, and one line on stderr with these words."""
    code, out, err = result
    assert code == 2
    assert out == []
    assert len(err) == 1
    assert err[0].startswith("nst: ")
    for word in words:
        assert word in err[0]
