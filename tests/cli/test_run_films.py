"""The film of a run: it waits on the disk, and a disk that is full costs the film alone."""

from __future__ import annotations

import tracemalloc
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from nstlib.cli._outputs import Film
from nstlib.errors import OutputError


def step(number: int) -> Any:
    return SimpleNamespace(iteration=number, image=np.full((256, 256, 3), number / 200, np.float32))


def test_pictures_wait_on_the_disk(tmp_path: Path) -> None:
    film = Film(tmp_path / "film.gif", 1, lambda image: image)
    tracemalloc.start()
    for number in range(50):  # 10 MB in all
        film(step(number))
    held, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert held < 2e6
    film.save(np.zeros((256, 256, 3), np.float32))
    assert [path.name for path in tmp_path.iterdir()] == ["film.gif"]


def test_a_full_disk_costs_the_film_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    film = Film(tmp_path / "film.gif", 1, lambda image: image)
    film(step(0))

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "save", full)
    film(step(1))
    film(step(2))
    with pytest.raises(OutputError, match=r"gif: cannot be written \(No space left on device\)"):
        film.save(np.zeros((256, 256, 3), np.float32))
    assert list(tmp_path.iterdir()) == []
