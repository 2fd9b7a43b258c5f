"""Many pictures: which are found, where they go, and that one's fault is not the others'."""

from __future__ import annotations

import itertools
import os
import signal
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pytest
import tqdm.auto
from conftest import Run
from onnx_files import save, style_network
from waiting import LONGEST, wait_for

from nstlib import batch
from nstlib.batch import Outcome, Paint, Plan, Stylize, Task, paint_all, plan
from nstlib.errors import ArgumentError, DependencyError, ModelError, OutputError
from nstlib.images.arrays import Picture, to_uint8
from nstlib.images.encode import save_image
from nstlib.inference.stylizer import Stylizer
from nstlib.sources import load_image


@dataclass(frozen=True)
class Negative:
    """A recipe that needs no network. What has a black corner fails."""

    made: tuple[None, ...] = ()

    def __call__(self) -> Paint:
        return self.paint

    @staticmethod
    def paint(photo: Picture) -> Picture:
        if photo.image[0, 0].max() == 0:
            raise RuntimeError("black\ncorner")
        return Picture(1 - photo.image, photo.alpha)


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write(name: str, value: float = 0.5, size: tuple[int, int] = (8, 10)) -> Path:
    path = Path(name)
    path.parent.mkdir(parents=True, exist_ok=True)
    return save_image(np.full((*size, 3), value, np.float32), path)


def targets(planned: Plan) -> list[str]:
    return [task.target.as_posix() for task in planned.tasks]


# The plan


def test_a_folder_is_mirrored() -> None:
    for name in ("in/b.jpg", "in/a.PNG", "in/deep/er/c.webp", "in/deep/a.png", "in/.hidden/x.png"):
        write(name)
    for name in ("in/.hidden.png", "in/notes.txt", "in/deep/film.mp4"):
        Path(name).write_bytes(b"")
    Path("in/old.bmp").write_bytes(b"")
    planned = plan(["in"], Path("out"))
    assert targets(planned) == [
        "out/a.PNG",
        "out/b.jpg",
        "out/old.bmp.png",
        "out/deep/a.png",
        "out/deep/er/c.webp",
    ]
    assert [str(task.source) for task in planned.tasks][:2] == [
        str(Path("in/a.PNG")),
        str(Path("in/b.jpg")),
    ]
    assert planned.found.left_out() == "1 film, 1 other file (.txt)"
    assert not Path("out").exists()  # a plan does nothing


def test_files_names_and_folders_together() -> None:
    write("in/a.png")
    write("b.jpg")
    write("coffee/c.png")  # a sample's name is that of the sample, as everywhere
    assert targets(plan(["in", "b.jpg", "coffee"], Path("out"))) == [
        "out/a.png",
        "out/b.jpg",
        "out/coffee.png",
    ]


def test_results_inside_the_folder_are_not_pictures_to_paint() -> None:
    write("in/a.png")
    write("in/painted/a.png")
    assert targets(plan(["in"], Path("in/painted"))) == ["in/painted/a.png"]


def test_pictures_of_one_name_but_for_the_suffix() -> None:
    for name in ("in/a.jpg", "in/A.png", "in/b.png", "in/deep/a.png"):
        write(name)
    assert sorted(targets(plan(["in"], Path("out"), suffix=".png"))) == [
        "out/A.png.png",
        "out/a.jpg.png",
        "out/b.png",
        "out/deep/a.png",
    ]


@pytest.mark.parametrize(
    ("sources", "folder", "error", "words"),
    [
        (["one", "two"], "out", OutputError, "would both become out/a.png"),
        (["one", "one/A.png"], "out", OutputError, "would both become out/A.png"),
        (["one"], "one", OutputError, "one is the input itself"),
        (["one", "two"], "./one", OutputError, "one is the input itself"),
        (["one/a.png", "two"], "one", OutputError, "one/a.png is the input itself"),
        (["one"], "file", OutputError, "file is a file; give the name of a folder"),
        (["one"], "file/out", OutputError, "file is a file; give the name of a folder"),
        (["one"], "new.png", OutputError, "new.png: several pictures or films need a folder"),
        (
            ["one", "two"],
            "new.GIF",
            OutputError,
            "new.GIF: several pictures or films need a folder",
        ),
        (["empty"], "out", ArgumentError, "empty holds no pictures, but nothing at all"),
        (["notes"], "out", ArgumentError, "notes holds no pictures, but 1 other file (.txt)"),
    ],
)
def test_plans_that_cannot_be(
    sources: list[str], folder: str, error: type[Exception], words: str
) -> None:
    for name in ("one/a.png", "two/a.png"):
        write(name)
    Path("empty").mkdir()
    Path("notes").mkdir()
    Path("notes/a.txt").touch()
    Path("file").write_text("")
    with pytest.raises(error) as caught:
        plan(sources, Path(folder))
    assert words in str(caught.value)


# Painting


def counts(outcome: Outcome) -> tuple[int, int, int]:
    return len(outcome.painted), len(outcome.skipped), len(outcome.failed)


@pytest.mark.parametrize("jobs", [1, 3])
def test_what_is_painted_skipped_and_failed(jobs: int) -> None:
    for number in range(6):
        write(f"in/{number % 2}/{number}.png", 0.1 * number)  # the first is black
    Path("in/1/cut.jpg").write_bytes(write("whole.jpg", size=(99, 99)).read_bytes()[:900])
    write("out/0/2.png", 0.9)
    before = Path("out/0/2.png").read_bytes()
    tasks = plan(["in"], Path("out")).tasks

    outcome = paint_all(tasks, Negative(), jobs=jobs)
    assert counts(outcome) == (4, 1, 2)
    assert not outcome.interrupted
    assert Path("out/0/2.png").read_bytes() == before
    for number in (1, 3, 4, 5):
        painted = load_image(Path(f"out/{number % 2}/{number}.png"))
        expected = 255 - to_uint8(np.full((8, 10, 3), 0.1 * number))
        np.testing.assert_array_equal(to_uint8(painted), expected)
    faults = {Path(task.source).name: str(fault) for task, fault in outcome.failed}
    assert faults["0.png"] == "black corner"  # one line
    assert "cut.jpg is damaged or cut off" in faults["cut.jpg"]
    # What failed is not there, and leaves nothing behind.
    names = sorted(path.name for path in Path("out").rglob("*") if path.is_file())
    assert names == ["1.png", "2.png", "3.png", "4.png", "5.png"]

    again = paint_all(tasks, Negative(), jobs=jobs)
    assert counts(again) == (0, 5, 2)


def test_order_is_that_of_the_tasks() -> None:
    tasks = [Task(write(f"in/{number}.png"), Path(f"out/{number}.png")) for number in range(20)]
    outcome = paint_all(tasks, Negative(), jobs=4)
    assert list(outcome.painted) == tasks


def test_pictures_are_resized() -> None:
    write("in/a.png", size=(40, 80))
    paint_all(plan(["in"], Path("out")).tasks, Negative(), size=20)
    assert PIL.Image.open("out/a.png").size == (20, 10)


@pytest.mark.parametrize("jobs", [1, 2])
def test_stylize_paints_as_the_stylizer_does(jobs: int) -> None:
    save(style_network(), Path("style.onnx"))
    photos = {name: load_image(name, size=48) for name in ("coffee", "rocket", "chelsea")}
    for name, photo in photos.items():
        save_image(photo, f"{name}.png")
    recipe = Stylize("style.onnx", "ort", 0.7, preserve_colors=True)
    tasks = plan([f"{name}.png" for name in photos], Path("out")).tasks
    assert counts(paint_all(tasks, recipe, jobs=jobs)) == (3, 0, 0)
    stylizer = Stylizer("style.onnx", backend="ort")
    for name in photos:
        expected = stylizer(load_image(Path(f"{name}.png")), 0.7, preserve_colors=True)
        painted = np.asarray(PIL.Image.open(f"out/{name}.png"))
        np.testing.assert_array_equal(painted, to_uint8(expected))


def test_each_thread_loads_the_network_once(monkeypatch: pytest.MonkeyPatch) -> None:
    loads: list[int] = []

    class Counted(Stylizer):
        def __init__(self, *arguments: object, **options: object) -> None:
            loads.append(threading.get_ident())
            super().__init__(*arguments, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(batch, "Stylizer", Counted)
    save(style_network(), Path("style.onnx"))
    tasks = [Task(write(f"in/{number}.png"), Path(f"out/{number}.png")) for number in range(12)]
    paint_all(tasks, Stylize("style.onnx"), jobs=3)
    assert len(loads) == len(set(loads)) <= 4  # three threads, and the one that tries it first


def test_another_recipe_makes_another_painter() -> None:
    save(style_network(1), Path("one.onnx"))
    save(style_network(2), Path("two.onnx"))
    write("a.png")
    for name in ("one", "two"):
        paint_all([Task("a.png", Path(f"{name}.png"))], Stylize(f"{name}.onnx"))
    one, two = (load_image(Path(f"{name}.png")) for name in ("one", "two"))
    assert np.abs(one - two).max() > 0.05


def test_what_would_fail_for_all_fails_at_once() -> None:
    Path("broken.onnx").write_bytes(b"no network")
    save(style_network(), Path("good.onnx"))
    tasks = [Task(write("in/a.png"), Path("out/a.png"))]
    with pytest.raises(ModelError, match=r"broken\.onnx is not an ONNX file"):
        paint_all(tasks, Stylize("broken.onnx"))
    with pytest.raises(ArgumentError, match="strength is 2"):
        paint_all(tasks, Stylize("good.onnx", strength=2))
    with pytest.raises(ArgumentError, match="jobs is 0; it must be a whole number, 1 or more"):
        paint_all(tasks, Stylize("good.onnx"), jobs=0)
    assert not Path("out").exists()


@pytest.mark.parametrize("jobs", [1, 2])
def test_interrupted_run_keeps_what_is_done(monkeypatch: pytest.MonkeyPatch, jobs: int) -> None:
    tasks = [Task(write(f"in/{number}.png"), Path(f"out/{number}.png")) for number in range(9)]
    bar = tqdm.auto.tqdm

    def interrupting(**options: Any) -> object:
        shown = bar(**options)
        update = shown.update
        seen = []

        def count(n: int = 1) -> None:
            update(n)
            seen.append(n)
            if len(seen) == 3:
                raise KeyboardInterrupt

        shown.update = count
        return shown

    monkeypatch.setattr("nstlib.batch.tqdm", interrupting)
    outcome = paint_all(tasks, Negative(), jobs=jobs)
    assert outcome.interrupted
    assert len(outcome.painted) == 3 if jobs == 1 else 3 <= len(outcome.painted) <= 9
    # Also what other threads finished meanwhile.
    assert {task.target for task in outcome.painted} == set(Path("out").glob("*.png"))
    assert not outcome.failed
    monkeypatch.setattr("nstlib.batch.tqdm", bar)
    again = paint_all(tasks, Negative(), jobs=jobs)
    assert not again.interrupted
    assert len(again.painted) + len(again.skipped) == 9


class Blocking:
    """A recipe whose painters finish one picture, and the others once they are told to."""

    def __init__(self) -> None:
        self.go = threading.Event()
        self.begun: list[int] = []  # by several threads
        self._numbers = itertools.count()

    def __call__(self) -> Paint:
        return self.paint

    def paint(self, photo: Picture) -> Picture:
        if photo.image.shape[0] == 8:  # not the trial before the first
            number = next(self._numbers)
            self.begun.append(number)
            if number:
                assert self.go.wait(LONGEST)
        return photo


def interrupt_after_the_first(recipe: Blocking, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let Ctrl-C come once a picture is done; those that wait go on when no other may begin."""

    class Pool(ThreadPoolExecutor):
        def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
            super().shutdown(wait=False, cancel_futures=cancel_futures)
            recipe.go.set()
            super().shutdown(wait=wait)

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("nstlib.batch.ThreadPoolExecutor", Pool)
    monkeypatch.setattr(tqdm.auto.tqdm, "update", interrupt)


def test_interrupted_run_begins_no_further_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    tasks = [Task(write(f"in/{number}.png"), Path(f"out/{number}.png")) for number in range(9)]
    recipe = Blocking()

    interrupt_after_the_first(recipe, monkeypatch)
    outcome = paint_all(tasks, recipe, jobs=2)
    assert outcome.interrupted
    assert len(recipe.begun) <= 3  # the first, and the two that were being painted then
    assert len(list(Path("out").iterdir())) <= 3


def test_transparency_is_kept_and_the_limit_given_on() -> None:
    sticker = np.full((8, 10, 4), [255, 0, 0, 51], np.uint8)
    for name in ("in/a.png", "in/b.webp"):
        Path(name).parent.mkdir(exist_ok=True)
        PIL.Image.fromarray(sticker).save(name, lossless=True)
    write("in/large.png", size=(30, 40))
    outcome = paint_all(plan(["in"], Path("out")).tasks, Negative(), max_megapixels=0.001)
    assert counts(outcome) == (2, 0, 1)
    assert str(outcome.failed[0][1]).endswith(
        "the limit is 0.001; shrink it, or raise max_megapixels"
    )
    assert outcome.failed[0][1].command.endswith("raise --max-megapixels")
    # Seen on white the sticker is (1, 0.8, 0.8), its negative (0, 0.2, 0.2): darker than red ink
    # can be at an alpha of 0.2, so that black remains.
    for name in ("out/a.png", "out/b.webp"):
        painted = np.asarray(PIL.Image.open(name))
        np.testing.assert_allclose(painted, np.full((8, 10, 4), [0, 0, 0, 51]), atol=2)


def test_result_that_cannot_be_written() -> None:
    Path("out").mkdir()
    Path("out/deep").write_text("a file in the way of a folder")
    tasks = plan([str(write("in/deep/a.png").parent.parent)], Path("out")).tasks
    outcome = paint_all([*tasks, Task(write("b.png"), Path("out/b.png"))], Negative())
    assert counts(outcome) == (1, 0, 1)


# A cluster


@pytest.fixture(scope="module")
def cluster() -> Iterator[object]:
    distributed = pytest.importorskip("distributed", reason="distributed is not installed")
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, dashboard_address=":0", silence_logs=50
    ) as started:
        yield started


@dataclass(frozen=True)
class Halting:
    """The recipe of a recipe whose painters stop after eight pictures, until a file is there."""

    recipe: Stylize
    folder: Path

    def __call__(self) -> Paint:
        paint = self.recipe()

        def halt(photo: Picture) -> Picture:
            if len(done(self.folder)) >= 8:
                wait_for((self.folder / "go").exists)
            return paint(photo)

        return halt


def done(folder: Path) -> list[Path]:
    return list((folder / "out").rglob("*.jpg"))


@pytest.mark.skipif(sys.platform == "win32", reason="needs signals")
def test_cluster_that_loses_a_worker(
    cluster: object, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nstlib.batch.TIMEOUT", LONGEST)
    save(style_network(), here / "style.onnx")
    photo = save_image(load_image("coffee", size=64), "photo.jpg").read_bytes()
    for number in range(40):
        path = Path(f"in/{number % 3}/{number:02}.jpg")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(photo)
    Path("in/broken.jpg").write_bytes(photo[:400])
    tasks = plan(["in"], Path("out")).tasks

    distributed = pytest.importorskip("distributed")
    with distributed.Client(cluster) as client:
        victim = next(iter(client.run(os.getpid).values()))

    def kill() -> None:
        wait_for(lambda: len(done(here)) >= 8)
        os.kill(victim, signal.SIGKILL)
        (here / "go").touch()

    killer = threading.Thread(target=kill, daemon=True)
    killer.start()
    recipe = Halting(Stylize(str(here / "style.onnx")), here)
    address = cluster.scheduler_address  # type: ignore[attr-defined]
    outcome = paint_all(tasks, recipe, scheduler=address)
    killer.join()

    assert counts(outcome) == (40, 0, 1)
    [(task, fault)] = outcome.failed
    assert task.source == Path("in/broken.jpg")
    assert "is damaged or cut off" in str(fault)
    save_image(Stylizer("style.onnx")(load_image(Path("photo.jpg"))), "expected.jpg")
    expected = load_image(Path("expected.jpg"))
    for task in outcome.painted:
        assert np.abs(load_image(task.target) - expected).max() < 0.05


def test_no_scheduler_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("distributed", reason="distributed is not installed")
    monkeypatch.setattr("nstlib.batch.TIMEOUT", 1)
    tasks = [Task(write("in/a.png"), Path("out/a.png"))]
    for address in ("tcp://127.0.0.1:9", "nowhere://x"):
        with pytest.raises(ArgumentError, match=f"no scheduler answers at {address}"):
            paint_all(tasks, Negative(), scheduler=address)


def test_scheduler_without_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    distributed = pytest.importorskip("distributed", reason="distributed is not installed")
    monkeypatch.setattr("nstlib.batch.TIMEOUT", LONGEST)
    tasks = [Task(write("in/a.png"), Path("out/a.png"))]
    with (
        distributed.LocalCluster(n_workers=0, dashboard_address=":0", silence_logs=50) as empty,
        pytest.raises(ArgumentError, match="has no workers; start one: dask worker tcp://"),
    ):
        paint_all(tasks, Negative(), scheduler=empty.scheduler_address)


def test_distributed_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    tasks = [Task(write("in/a.png"), Path("out/a.png"))]
    with pytest.raises(DependencyError, match=r"pip install 'nstlib\[cluster\]'"):
        paint_all(tasks, Negative(), scheduler="tcp://127.0.0.1:9")


def test_what_failed_after_ctrl_c_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """Three are being painted when the first is done and Ctrl-C comes; they fail then."""
    tasks = [Task(write(f"in/{number}.png"), Path(f"out/{number}.png")) for number in range(9)]
    recipe = Blocking()

    def paint(photo: Picture) -> Picture:
        first = not recipe.begun
        result = recipe.paint(photo)
        if photo.image.shape[0] == 8 and not first:
            raise ModelError("it fails")
        return result

    interrupt_after_the_first(recipe, monkeypatch)
    told: list[Task] = []
    outcome = paint_all(tasks, lambda: paint, jobs=3, tell=told.append)
    assert outcome.interrupted
    assert len(outcome.painted) + len(outcome.failed) == len(recipe.begun) == len(told)
    assert len(outcome.failed) >= 2
    assert {*told} == {*outcome.painted, *(task for task, _ in outcome.failed)}


@pytest.mark.skipif(os.name == "nt", reason="links need rights on Windows")
def test_a_link_to_itself_is_one_line(nst: Run) -> None:
    write("in/a.png")
    Path("loop").symlink_to("loop")
    code, _, [line] = nst("stylize", "in", "-s", "mosaic", "-o", "loop")
    assert code == 1
    assert line.startswith("nst: in/a.png: ")
    assert "loop" in line
