"""Runs that are killed and go on: what is saved, when, and what is refused."""

from __future__ import annotations

import contextlib
import itertools
import json
import math
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

import numpy as np
import pytest
from optimize_runs import (
    COUNTS,
    GOAL,
    GREY,
    SIZES,
    Ascent,
    interrupt,
    towards,
)

from nstlib._tensorflow import tf
from nstlib.errors import (
    ArgumentError,
    NstWarning,
    OutputError,
)
from nstlib.images.resizing import resize
from nstlib.optimize import Loss, Result, Step
from nstlib.scales import Checkpoint, coarse_to_fine


class Killed(BaseException):
    """Ends a run as if its process had been: nothing in the library catches it."""


def kill() -> None:
    raise Killed


SETTINGS = {"source": "waves", "sizes": SIZES, "seed": 0}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "run.checkpoint"


def checkpoint(path: Path, every: float = 0.0, **settings: Any) -> Checkpoint:
    return Checkpoint(path, SETTINGS | settings, every=every)


def test_what_is_saved_is_loaded(path: Path) -> None:
    step = Step(7, 9, 0.25, {"style": 0.2, "tv": 0.05}, 1.5, GOAL)
    assert checkpoint(path).load() is None
    checkpoint(path).save(1, 4, step)
    found = checkpoint(path).load()
    assert found is not None
    stage, done, loaded = found
    assert (stage, done) == (1, 4)
    for name in ("iteration", "evaluations", "loss", "terms", "seconds"):
        assert getattr(loaded, name) == getattr(step, name)
    np.testing.assert_array_equal(loaded.image, GOAL)
    assert loaded.image is not None
    assert loaded.image.dtype == np.float32


def test_written_every_few_seconds(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: clock[0])
    kept = checkpoint(path, every=5.0)

    def saved(at: float, iteration: int, **options: Any) -> int:
        clock[0] = at
        kept.save(0, iteration, Step(iteration, 1, 1.0, {}, 0.0, GREY), **options)
        found = kept.load()
        return found[1] if found else -1

    assert saved(104.9, 1) == -1
    assert saved(105.0, 2) == 2
    assert saved(109.9, 3) == 2
    assert saved(109.9, 4, now=True) == 4
    assert saved(111.0, 5) == 4
    assert saved(115.0, 6) == 6


@pytest.fixture(scope="module")
def whole() -> tuple[Ascent, Result]:
    """Return a run that nothing disturbed."""
    ascent = Ascent()
    return ascent, ascent()


@pytest.mark.parametrize("number", range(1, 8))
def test_killed_and_resumed(path: Path, whole: tuple[Ascent, Result], number: int) -> None:
    """Written at every step: the resumed run begins with the killed one's last."""
    undisturbed, expected = whole
    killed, resumed = Ascent().after(number, kill), Ascent()
    with pytest.raises(Killed):
        killed(checkpoint=checkpoint(path))
    result = resumed(checkpoint=checkpoint(path))
    last = killed.steps[-1]
    stage = len(killed.sizes) - 1
    ended_there = number in (2, 5, 7)
    assert resumed.sizes == SIZES[stage + ended_there :]
    assert result.image.shape == GOAL.shape
    # As many iterations in all, and for each size begun anew, one evaluation more.
    assert result.iterations == expected.iterations == 4
    assert result.evaluations == expected.evaluations + (not ended_there)
    assert [s.iteration for s in result.history] == [
        last.iteration,
        *(step.iteration for step in undisturbed.steps[number - (not ended_there) :]),
    ]
    assert result.history[0].terms == last.terms
    assert [s.evaluations for s in resumed.steps] == list(
        range(last.evaluations + 1, last.evaluations + 1 + len(resumed.steps))
    )
    assert all(step.seconds > last.seconds for step in resumed.steps)
    if resumed.steps:
        first = resumed.steps[0].image
        assert first is not None
        assert last.image is not None
        np.testing.assert_array_equal(first, resize(last.image, first.shape[:2]))
    # Adam forgets its momentum: about the same, then.
    assert result.loss == pytest.approx(expected.loss, rel=0.3)


@pytest.mark.parametrize(
    ("method", "number"), [("lbfgs", 2), ("lbfgs", 7), ("lbfgs", 11), ("adam", 20)]
)
def test_a_killed_run_gets_as_far(path: Path, method: str, number: int) -> None:
    """A minimiser that has forgotten what it learnt of the curvature learns it anew."""
    count, tolerance = (6, 2e-3) if method == "lbfgs" else (30, 0.1)

    def loss_at(size: tuple[int, int]) -> Loss:
        stiffness = np.linspace(1, 3, 3 * math.prod(size), dtype=np.float32).reshape(*size, 3)
        target = resize(GOAL, size)
        return lambda x: tf.reduce_mean(stiffness * (x - target) ** 2)

    def run_to(end: Callable[[], object] | None = None) -> Result:
        ascent = Ascent()
        ascent.loss_at = loss_at  # type: ignore[method-assign]
        if end:
            ascent.after(number, end)
        return ascent(
            method=method, iterations=[count] * 2, sizes=SIZES[1:], checkpoint=checkpoint(path)
        )

    with pytest.raises(Killed):
        run_to(kill)
    resumed = run_to()
    path.unlink()
    expected = run_to()
    np.testing.assert_allclose(resumed.image, expected.image, atol=tolerance)
    np.testing.assert_allclose(expected.image, GOAL, atol=tolerance)


@pytest.mark.parametrize(("number", "left"), [(1, 3), (2, 3), (4, 2), (7, 1)])
def test_killed_between_two_writes(
    path: Path, whole: tuple[Ascent, Result], number: int, left: int
) -> None:
    """Written at the end of each size in any case."""
    killed, resumed = Ascent().after(number, kill), Ascent()
    with pytest.raises(Killed):
        killed(checkpoint=checkpoint(path, every=1000))
    assert path.exists() == (left < 3)
    result = resumed(checkpoint=checkpoint(path, every=1000))
    assert resumed.sizes == SIZES[-left:]
    assert result.iterations == 4
    np.testing.assert_array_equal(result.image, whole[1].image)


@pytest.mark.parametrize("how", [interrupt, lambda: True])
@pytest.mark.parametrize("number", [1, 2, 4, 7])
def test_a_stopped_run_saves_where_it_was(
    path: Path, number: int, how: Callable[[], object]
) -> None:
    stopped, resumed = Ascent().after(number, how), Ascent()
    result = stopped(checkpoint=checkpoint(path, every=1000))
    found = checkpoint(path).load()
    assert found is not None
    stage, done, step = found
    where = [(stage, done) for stage, count in enumerate(COUNTS) for done in range(count + 1)]
    assert (stage, done) == where[number - 1]
    last = stopped.steps[-1]
    assert (step.iteration, step.evaluations) == (last.iteration, last.evaluations)
    assert (step.loss, step.terms) == (result.loss, result.terms)
    assert step.image is not None
    np.testing.assert_array_equal(resize(step.image, SIZES[-1]), result.image)

    again = resumed(checkpoint=checkpoint(path, every=1000))
    assert again.iterations == 4
    assert not again.interrupted
    assert resumed.sizes == SIZES[stage + (done == COUNTS[stage]) :]


@pytest.mark.parametrize("how", [kill, interrupt, lambda: True])
def test_ended_again_and_again(path: Path, how: Callable[[], object]) -> None:
    """After every iteration: what a resumed run adds counts, too."""
    every = 0 if how is kill else 1000
    for where in ((0, 1), (1, 1), (1, 2), (2, 1)):
        with contextlib.suppress(Killed):
            Ascent().after(2, how)(checkpoint=checkpoint(path, every))
        found = checkpoint(path).load()
        assert found is not None
        assert found[:2] == where
    last = Ascent()
    assert last(checkpoint=checkpoint(path)).iterations == 4
    assert last.steps == []


@pytest.mark.parametrize("resumed_first", [False, True])
def test_interrupted_between_the_sizes_and_resumed(path: Path, resumed_first: bool) -> None:
    """The size that was about to begin is not taken for done."""
    if resumed_first:
        with pytest.raises(Killed):
            Ascent().after(2, kill)(checkpoint=checkpoint(path))
    interrupted, resumed = Ascent(), Ascent()
    options: dict[str, Any] = {"iterations": [1, 1, 1]}

    def loss_at(size: tuple[int, int]) -> Loss:
        if size == SIZES[1]:
            raise KeyboardInterrupt
        return towards(resize(GOAL, size))

    interrupted.loss_at = loss_at  # type: ignore[method-assign]
    result = interrupted(**options, checkpoint=checkpoint(path))
    assert result.interrupted
    assert result.iterations == 1
    assert result.image.shape == GOAL.shape
    again = resumed(**options, checkpoint=checkpoint(path))
    assert resumed.sizes == SIZES[1:]
    assert again.iterations == 3
    np.testing.assert_array_equal(again.image, Ascent()(**options).image)


def test_a_finished_run_is_not_run_again(path: Path) -> None:
    expected = Ascent()(checkpoint=checkpoint(path, every=1000))
    stored = path.read_bytes()
    again = Ascent()
    result = again(checkpoint=checkpoint(path))
    assert (again.sizes, again.steps) == ([], [])
    np.testing.assert_array_equal(result.image, expected.image)
    for name in ("loss", "terms", "iterations", "evaluations", "seconds", "interrupted"):
        assert getattr(result, name) == getattr(expected, name)
    assert path.read_bytes() == stored


def test_the_loss_that_is_saved_is_the_best_pictures(path: Path) -> None:
    """Adam's steps are far too long here: each ends at a worse picture than the start."""
    run = Ascent()
    result = run(checkpoint=checkpoint(path), learning_rate=1.0)
    assert run.steps[-1].loss > 1.5 * result.loss
    found = checkpoint(path).load()
    assert found is not None
    step = found[2]
    assert (step.loss, step.terms) == (result.loss, result.terms)
    np.testing.assert_array_equal(step.image, result.image)


def test_a_size_that_ends_early_is_done(path: Path) -> None:
    """L-BFGS stops where there is nothing left to gain."""

    def loss_at(size: tuple[int, int]) -> Loss:
        return towards(resize(np.full((12, 16, 3), 0.5, np.float32), size))

    first, again = Ascent(), Ascent()
    first.loss_at = loss_at  # type: ignore[method-assign]
    options: dict[str, Any] = {"method": "lbfgs", "iterations": [50] * 3}
    assert first(**options, checkpoint=checkpoint(path)).iterations < 10
    again(**options, checkpoint=checkpoint(path))
    assert again.steps == []


@pytest.mark.parametrize(
    ("before", "now", "words"),
    [
        ({"seed": 0}, {"seed": 1}, "seed was 0, is 1"),
        ({"source": "waves"}, {"source": "brick"}, "source was 'waves', is 'brick'"),
        ({"sizes": [(8, 8)]}, {"sizes": [(8, 9)]}, r"sizes was \[\[8, 8\]\], is \[\[8, 9\]\]"),
        ({}, {"tv": 0.5}, "tv was None, is 0.5"),
        ({"tv": 0.5}, {}, "tv was 0.5, is None"),
    ],
)
def test_other_settings_are_refused(
    path: Path, before: dict[str, Any], now: dict[str, Any], words: str
) -> None:
    Ascent().after(3, lambda: True)(checkpoint=checkpoint(path, **before))
    stored = path.read_bytes()
    ascent = Ascent()
    with pytest.raises(ArgumentError, match=words) as caught:
        ascent(checkpoint=checkpoint(path, **now))
    assert str(path) in str(caught.value)
    assert "delete it" in str(caught.value)
    assert "\n" not in str(caught.value)
    assert (ascent.sizes, path.read_bytes()) == ([], stored)


def npz(path: Path, **arrays: Any) -> None:
    with path.open("wb") as file:
        np.savez(file, settings=np.array(json.dumps(SETTINGS)), **arrays)


def damaged(path: Path, how: str) -> None:
    step = Step(1, 1, 1.0, {}, 0.0, GREY)
    checkpoint(path).save(0, 1, step)
    whole = path.read_bytes()
    if how == "empty":
        path.write_bytes(b"")
    elif how == "garbage":
        path.write_bytes(np.random.default_rng(0).bytes(1000))
    elif how == "text":
        path.write_text("the notes of another day\n")
    elif how == "truncated":
        path.write_bytes(whole[: len(whole) // 2])
    elif how == "first bytes":
        path.write_bytes(whole[:4])
    elif how == "last byte missing":
        path.write_bytes(whole[:-1])
    elif how == "flipped bits":
        middle = len(whole) // 2
        path.write_bytes(whole[:middle] + bytes([whole[middle] ^ 255]) + whole[middle + 1 :])
    elif how == "one array":
        with path.open("wb") as file:
            np.save(file, GREY)
    elif how == "other arrays":
        npz(path, image=GREY)
    elif how == "no JSON":
        npz(path, state=np.array("{"), image=GREY)
    elif how == "other JSON":
        npz(path, state=np.array("[1, 2]"), image=GREY)
    elif how == "no image":
        with np.load(path) as arrays:
            state = arrays["state"]
        npz(path, state=state, image=np.full((2, 2), 7))
    elif how == "pickled":
        npz(path, state=np.array([{"a": 1}], object), image=GREY)


@pytest.mark.parametrize(
    "how",
    [
        "empty",
        "garbage",
        "text",
        "truncated",
        "first bytes",
        "last byte missing",
        "flipped bits",
        "one array",
        "other arrays",
        "no JSON",
        "other JSON",
        "no image",
        "pickled",
    ],
)
def test_a_file_that_is_no_checkpoint(path: Path, how: str) -> None:
    """It may be something else, and dear to somebody: it is left as it is."""
    damaged(path, how)
    stored = path.read_bytes()
    ascent = Ascent()
    with pytest.raises(ArgumentError, match="not a checkpoint, or is damaged; delete") as caught:
        ascent(checkpoint=checkpoint(path))
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)
    assert (ascent.sizes, path.read_bytes()) == ([], stored)
    assert list(path.parent.iterdir()) == [path]


def test_a_failed_write_leaves_the_former_file(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a disk that is full."""
    kept = checkpoint(path)
    kept.save(0, 1, Step(1, 1, 1.0, {}, 0.0, GREY))
    stored = path.read_bytes()

    def fail(file: IO[bytes], **_: Any) -> None:
        file.write(b"half of it")
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(np, "savez", fail)
        with pytest.warns(NstWarning, match=r"No space left on device.*the run goes on"):
            kept.save(0, 2, Step(2, 2, 0.5, {}, 0.0, GREY))
        kept.save(0, 3, Step(3, 3, 0.5, {}, 0.0, GREY))  # told once; warnings are errors here
    assert path.read_bytes() == stored
    assert list(path.parent.iterdir()) == [path]


def test_a_full_disk_does_not_end_the_run(
    path: Path, monkeypatch: pytest.MonkeyPatch, whole: tuple[Ascent, Result]
) -> None:
    """From the first write on, or in the middle: the picture is that of an undisturbed run."""
    savez = np.savez
    for good in (0, 3):
        calls = itertools.count()

        def fail(file: IO[bytes], good: int = good, calls: Any = calls, **arrays: Any) -> None:
            if next(calls) >= good:
                raise OSError(28, "No space left on device")
            savez(file, **arrays)

        monkeypatch.setattr(np, "savez", fail)
        with pytest.warns(NstWarning) as told:
            result = Ascent()(checkpoint=checkpoint(path))
        assert len(told) == 1
        np.testing.assert_array_equal(result.image, whole[1].image)
        assert path.exists() == (good > 0)


def test_interrupted_while_writing(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The run ends, and what it had come to is written after all."""
    savez, calls = np.savez, []

    def interrupted(file: IO[bytes], **arrays: Any) -> None:
        calls.append(arrays)
        file.write(b"half of it") if len(calls) == 4 else savez(file, **arrays)
        interrupt() if len(calls) == 4 else None

    monkeypatch.setattr(np, "savez", interrupted)
    # Two steps and the end of the first size; the first step of the second.
    result = Ascent()(checkpoint=checkpoint(path))
    assert result.interrupted
    assert len(result.history) == 3
    found = checkpoint(path).load()
    assert found is not None
    assert found[:2] == (1, 0)
    assert list(path.parent.iterdir()) == [path]


def test_a_checkpoint_where_there_is_no_folder(tmp_path: Path) -> None:
    ascent = Ascent()
    with pytest.raises(OutputError, match="give a file in an existing folder"):
        ascent(checkpoint=checkpoint(tmp_path / "absent" / "run.checkpoint"))
    assert ascent.steps == []  # said at once


def test_a_process_that_is_killed(path: Path) -> None:
    """For good, at whatever moment, writing all the time."""
    code = (
        "import sys\n"
        "import numpy as np\n"
        "from nstlib.scales import Checkpoint, coarse_to_fine\n"
        "from nstlib._tensorflow import tf\n"
        "coarse_to_fine(\n"
        "    lambda _: lambda x: tf.reduce_mean((x - 0.25) ** 2),\n"
        "    np.ones((32, 32, 3), np.float32), [(8, 8), (32, 32)], iterations=[5, 10**6],\n"
        "    method='adam', learning_rate=1e-3, progress=False,\n"
        "    checkpoint=Checkpoint(sys.argv[1], {'seed': 0}, every=0),\n"
        "    callback=lambda step: print(step.iteration, flush=True))\n"
    )
    told = -1
    with subprocess.Popen(
        [sys.executable, "-c", code, str(path)], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            told = int(line)
            if told == 25:
                process.kill()  # and what is still in the pipe is read to its end
    assert told >= 25
    assert process.returncode != 0

    kept = Checkpoint(path, {"seed": 0})
    found = kept.load()
    assert found is not None
    stage, done, step = found
    assert stage == 1
    assert told - 5 <= done <= told - 5 + 1  # written before it was told
    steps: list[Step] = []
    result = coarse_to_fine(
        lambda _: lambda x: tf.reduce_mean((x - 0.25) ** 2),
        np.ones((32, 32, 3), np.float32),
        [(8, 8), (32, 32)],
        iterations=[5, done + 3],
        method="adam",
        learning_rate=1e-3,
        progress=False,
        checkpoint=kept,
        callback=steps.append,
    )
    assert [s.iteration for s in steps] == [step.iteration + more for more in range(4)]
    np.testing.assert_array_equal(steps[0].image, step.image)
    assert result.loss < step.loss
