"""Films at the command line: what is said of them, folders, numbered pictures, how they end."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pytest
from conftest import Run
from film_files import COUNT, left_edge, make_films, read
from onnx_files import Graph, save
from waiting import LONGEST

from nstlib.errors import MemoryLimitError, OutputError
from nstlib.inference.stylizer import Stylizer
from nstlib.video.convert import Conversion
from nstlib.video.reader import VideoReader
from nstlib.video.sequence import PictureReader

RED, BLUE = (230, 20, 30), (20, 40, 200)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The negative as a style, a segmenter that takes red for people, and films."""
    folder = tmp_path_factory.mktemp("films")
    graph = Graph()
    save(
        graph.model(graph.node("Sub", graph.constant(np.float32(255)), "image")), folder / "n.onnx"
    )
    graph = Graph()
    weights = np.array([[0, 0, 0], [20, 0, -20]], np.float32).reshape(2, 3, 1, 1)
    scores = graph.node("Conv", "image", graph.constant(weights))
    shares = graph.node("Softmax", scores, axis=1)
    save(graph.model(shares, (1, 3, 32, 32), (1, 2, 32, 32)), folder / "red.onnx")
    return make_films(folder)


@pytest.fixture
def here(nst: Run, folder: Path) -> Path:  # noqa: ARG001  (it goes to an empty folder first)
    for file in folder.iterdir():
        Path(file.name).symlink_to(file)
    return folder


def write_transparent(path: str) -> None:
    """A red person on nothing, three frames."""
    pages = []
    for number in range(3):
        page = np.zeros((48, 64, 4), np.uint8)
        page[12:, 20:44] = (*RED[:2], RED[2] + number, 255)
        pages.append(PIL.Image.fromarray(page))
    pages[0].save(path, save_all=True, append_images=pages[1:], duration=100, lossless=True)


@pytest.mark.usefixtures("here")
def test_stylize_takes_films(nst: Run) -> None:
    code, [line], err = nst("stylize", "loud.mp4", "-s", "n.onnx", "-o", "out.mp4")
    assert (code, err) == (0, [])
    assert line.startswith("wrote out.mp4: 80x48 pixels, 20 frames, 2.0 seconds; ")
    assert VideoReader("out.mp4").sound == "aac"
    first, source = (next(iter(VideoReader(name))).astype(int) for name in ("out.mp4", "loud.mp4"))
    assert np.abs(255 - first - source).mean() < 4


@pytest.mark.usefixtures("here")
def test_films_in_folders(nst: Run) -> None:
    """Pictures and films, to the folder's depths; what is there already stays."""
    Path("in/deep").mkdir(parents=True)
    Path("in/deep/a.mp4").write_bytes(Path("silent.mp4").read_bytes())
    Path("in/b.mov").write_bytes(Path("loud.mov").read_bytes())
    Path("in/cut.mkv").write_bytes(b"no film")
    PIL.Image.new("RGB", (8, 8)).save("in/c.png")
    options = ("--style", "n.onnx", "--segmenter", "red.onnx")
    code, out, [err] = nst("compose", "in", *options, "-o", "out")
    assert code == 1
    assert out[0] == "out: 1 painted"
    assert [line.split(":")[0] for line in out[1:]] == ["wrote out/b.mov", "wrote out/deep/a.mp4"]
    assert err.startswith("nst: in/cut.mkv is not a film")
    assert len(read(Path("out/deep/a.mp4"))) == COUNT
    code, out, _ = nst("compose", "in", *options, "-o", "out")
    assert (code, out[1:]) == (1, ["out/b.mov is there already", "out/deep/a.mp4 is there already"])
    # Films alone, by their names, and in a folder.
    assert nst("compose", "silent.mp4", *options, "-o", "named/")[0] == 0
    assert nst("segment", "in/deep", "--segmenter", "red.onnx", "-o", "masks")[0] == 0
    assert [*map(str, Path("named").iterdir()), *map(str, Path("masks").iterdir())] == [
        "named/silent.mp4",
        "masks/a.mp4",
    ]


@pytest.mark.usefixtures("here")
def test_films_that_would_become_one(nst: Run) -> None:
    """By their suffixes, because not all can be written; and one that would become itself."""
    for name in ("a.avi", "a.mp4"):
        Path(name).write_bytes(Path("silent.mp4").read_bytes())
    for sources, folder, fault in (
        (["a.avi", "a.mp4"], "out", "a.avi and a.mp4 would both become out/a.mp4; paint each"),
        (["a.mp4"], "./", "a.mp4 is the input itself; choose another folder"),
    ):
        code, out, [line] = nst("stylize", *sources, "-s", "n.onnx", "-o", folder)
        assert (code, out) == (2, [])
        assert line.startswith(f"nst: {fault}")


@pytest.mark.usefixtures("here")
def test_films_with_the_longest_names_and_with_percent_signs(nst: Run) -> None:
    """The name of a film's part is longer than the film's, and %d is no number of a frame here."""
    Path("in").mkdir()
    names = [f"{'é' * 125}x.mp4", "50%done.mp4"]
    for name in names:
        Path("in", name).write_bytes(Path("silent.mp4").read_bytes())
    code, out, err = nst("stylize", "in", "-s", "n.onnx", "-o", "out")
    assert (code, err) == (0, [])
    assert len(out) == 2
    assert {path.name for path in Path("out").iterdir()} == set(names)
    code, _, err = nst("stylize", f"in/{names[1]}", "-s", "n.onnx", "-o", "100%d.mp4")
    assert (code, err) == (0, [])
    assert len(read(Path("100%d.mp4"))) == COUNT


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize("end", ["interrupted", "memory ran out"])
def test_a_film_of_a_folder_that_ends_early(
    nst: Run, monkeypatch: pytest.MonkeyPatch, end: str
) -> None:
    """Its part is kept, but not under the name by which the next run would take it for done."""
    Path("in").mkdir()
    for name in ("a", "b", "b.part"):  # the part of the second would have the third's name
        Path(f"in/{name}.mp4").write_bytes(Path("silent.mp4").read_bytes())
    command = ("stylize", "in", "-s", "n.onnx", "-o", "out")
    paint, calls = Stylizer.__call__, 0

    def end_early(*arguments: Any, **options: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == COUNT + 8:
            if end != "interrupted":
                raise MemoryError
            signal.raise_signal(signal.SIGINT)
        return paint(*arguments, **options)

    with monkeypatch.context() as patch:
        patch.setattr(Stylizer, "__call__", end_early)
        code, out, err = nst(*command)
    films = {path.name for path in Path("out").iterdir()}
    assert code == (130 if end == "interrupted" else 1), err
    assert [line.split(":")[0] for line in out][:2] == [
        "wrote out/a.mp4",
        "wrote out/b.part.part.mp4",
    ]
    assert end in err[-1]
    assert err[-1].endswith("; out/b.part.part.mp4 holds what was painted so far")
    assert {"a.mp4", "b.part.part.mp4"} <= films
    assert "b.mp4" not in films
    assert 1 <= len(read(Path("out/b.part.part.mp4"))) < COUNT
    code, out, err = nst(*command)
    assert (code, err) == (0, [])
    assert out[0] == "out/a.mp4 is there already"
    assert sorted(path.name for path in Path("out").iterdir()) == ["a.mp4", "b.mp4", "b.part.mp4"]
    for path in Path("out").iterdir():
        assert len(read(path)) == COUNT


@pytest.mark.usefixtures("here")
def test_a_film_whose_folder_cannot_be_made_does_not_stop_the_others(nst: Run) -> None:
    for name in ("in/a/x.mp4", "in/b/x.mp4"):
        Path(name).parent.mkdir(parents=True)
        Path(name).write_bytes(Path("silent.mp4").read_bytes())
    Path("out").mkdir()
    Path("out/a").write_text("a file in the place of the folder")
    code, [line], [fault] = nst("stylize", "in", "-s", "n.onnx", "-o", "out")
    assert code == 1
    assert line.startswith("wrote out/b/x.mp4")
    assert fault.startswith("nst: in/a/x.mp4: out/a/x.mp4 cannot be written: ")
    assert len(read(Path("out/b/x.mp4"))) == COUNT


@pytest.mark.usefixtures("here")
def test_what_a_films_writer_says_is_said_once(nst: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise OutputError("out/silent.mp4: cannot be written (No space left on device)")

    Path("in").mkdir()
    Path("in/silent.mp4").write_bytes(Path("silent.mp4").read_bytes())
    monkeypatch.setattr("nstlib.video.convert.convert_video", full)
    code, out, [fault] = nst("stylize", "in", "-s", "n.onnx", "-o", "out")
    assert (code, out) == (1, [])
    assert fault.count("cannot be written") == 1
    assert "No space left on device" in fault


@pytest.mark.usefixtures("here")
def test_a_gif_of_numbered_pictures_has_a_rate_that_it_can_have(nst: Run) -> None:
    options = ("-s", "n.onnx")
    assert nst("stylize", "silent.mp4", *options, "-o", "frames/%03d.png")[0] == 0
    code, out, err = nst("stylize", "frames/%03d.png", *options, "-o", "a.gif", "--rate", 40)
    assert (code, out) == (2, [])
    assert err == ["nst: --rate is 40; a GIF has at most 25 frames a second"]
    assert nst("stylize", "frames/%03d.png", *options, "-o", "a.gif", "--rate", 20)[0] == 0
    assert VideoReader("a.gif").rate == 20


@pytest.mark.usefixtures("here")
def test_numbered_pictures(nst: Run) -> None:
    options = ("-s", "n.onnx")
    code, [line], err = nst("stylize", "silent.mp4", *options, "-o", "frames/%03d.png")
    assert (code, err) == (0, [])
    assert line.startswith("wrote frames/%03d.png: 80x48 pixels, 20 frames, 2.0 seconds; ")
    assert nst("stylize", "frames/%03d.png", *options, "-o", "a.mp4", "--rate", 40)[0] == 0
    assert nst("stylize", "frames", *options, "-o", "b.mp4")[0] == 0
    assert [VideoReader(name).rate for name in ("a.mp4", "b.mp4")] == [40, 25]
    for name in ("a.mp4", "b.mp4"):
        assert [left_edge(frame) for frame in read(Path(name))[:4]] == [0, 3, 6, 9]
    code, out, err = nst("stylize", "silent.mp4", *options, "-o", "c.mp4", "--rate", 5)
    assert (code, out) == (2, [])
    assert err == ["nst: --rate is for pictures, and silent.mp4 is a film; leave it out"]


@pytest.mark.parametrize("command", ["stylize -s mosaic", "segment", "compose --background navy"])
@pytest.mark.parametrize("output", ["out/", "out.png"])
def test_numbered_pictures_that_are_to_be_painted_one_by_one(
    nst: Run, command: str, output: str
) -> None:
    Path("c").mkdir()
    for number in (1, 2):
        PIL.Image.new("RGB", (8, 8)).save(f"c/f_{number:04d}.png")
    code, out, [line] = nst(*command.split(), "c/f_%04d.png", "-o", output)
    assert (code, out) == (2, [])
    assert line.startswith("nst: c/f_%04d.png stands for the numbered frames of a film; give it")
    assert not Path(output).exists()


@pytest.mark.usefixtures("here")
def test_the_part_of_a_film_is_not_written_over_another_film(nst: Run) -> None:
    film = Path("silent.mp4").read_bytes()
    for name in ("in/sub/a.mp4", "out/sub/a.part.mp4"):
        Path(name).parent.mkdir(parents=True)
        Path(name).write_bytes(film)
    code, _, err = nst("stylize", "in", "out/sub", "-s", "n.onnx", "-o", "out")
    assert (code, err) == (0, [])
    assert Path("out/sub/a.part.mp4").read_bytes() == film
    assert len(read(Path("out/sub/a.mp4"))) == len(read(Path("out/a.part.mp4"))) == COUNT


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize("rate", ["5", "nan", "-1"])
@pytest.mark.parametrize(
    ("source", "output"), [("coffee", "out.png"), ("deep", "out"), ("a.mp4", "out/")]
)
def test_a_rate_without_a_film_to_be_made_of_pictures(
    nst: Run, source: str, output: str, rate: str
) -> None:
    """It isn't passed over in silence, whether or not it could be one."""
    Path("deep").mkdir()
    for command in ("stylize -s n.onnx", "segment", "segment --cutout", "compose --style n.onnx"):
        code, out, [line] = nst(*command.split(), source, "-o", output, f"--rate={rate}")
        assert (code, out) == (2, [])
        assert line.startswith("nst: --rate is for numbered pictures that become a film")


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize("output", ["out.webm", "out.mov", "out/%d.png"])
def test_transparent_films(nst: Run, output: str) -> None:
    """Composed ones stay transparent, masks are opaque, and people are cut out."""
    write_transparent("in.webp")
    segmenter = ("--segmenter", "red.onnx")
    opens: Any = PictureReader if "%" in output else VideoReader
    assert nst("compose", "in.webp", "--style", "n.onnx", *segmenter, "-o", output)[::2] == (0, [])
    assert opens(output).transparent()
    frame = next(opens(output).frames(alpha=True)).astype(int)
    np.testing.assert_allclose(frame[[30, 4], [32, 4], 3], [255, 0], atol=3)
    assert nst("segment", "in.webp", *segmenter, "-o", f"mask_{output}")[0] == 0
    assert not opens(f"mask_{output}").transparent()
    assert nst("segment", "silent.mp4", "--cutout", *segmenter, "-o", f"cut_{output}")[0] == 0
    assert opens(f"cut_{output}").transparent()


@pytest.mark.usefixtures("here")
def test_cutouts_need_alpha(nst: Run) -> None:
    code, _, [line] = nst("segment", "silent.mp4", "--cutout", "-o", "out.mp4")
    assert code == 2
    assert line.endswith("use one of .png, .webp, .mov, .webm, which can be transparent")


@pytest.mark.usefixtures("here")
def test_films_with_a_colon(nst: Run) -> None:
    Path("12:30.mp4").write_bytes(Path("silent.mp4").read_bytes())
    assert nst("stylize", "12:30.mp4", "-s", "n.onnx", "-o", "12:31.mp4")[0] == 0
    assert len(list(VideoReader("12:31.mp4"))) == COUNT


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize("command", ["compose --style n.onnx", "segment", "stylize -s n.onnx"])
@pytest.mark.parametrize("output", ["out.avi", "out.png"])
def test_a_film_that_would_become_something_else(nst: Run, command: str, output: str) -> None:
    code, _, [line] = nst(*command.split(), "silent.mp4", "-o", output)
    assert code == 2
    assert f"cannot write '{output[3:]}'; use one of .mp4, .mov, .mkv, .webm, .gif" in line


@pytest.mark.usefixtures("here")
def test_what_is_said_of_special_films(nst: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    done = Conversion(40, 20.0, (48, 64), 5.0, tone_mapped=True)
    monkeypatch.setattr("nstlib.video.convert.convert_video", lambda *_, **__: done)
    arguments = ("stylize", "silent.mp4", "-s", "n.onnx", "-o", "out.mp4")
    code, out, err = nst(*arguments)
    assert (code, err) == (0, [])
    assert out[1:] == ["the film is HDR; its brightness is mapped to an ordinary screen's"]
    fault = MemoryLimitError("too little", command="memory ran out")
    done = Conversion(40, 20.0, (48, 64), 5.0, fault=fault)
    code, _, err = nst(*arguments)
    assert (code, err) == (1, ["nst: memory ran out; out.mp4 holds what was painted so far"])


@pytest.mark.skipif(os.name == "nt", reason="Windows has other signals")
@pytest.mark.usefixtures("here")
@pytest.mark.parametrize(
    ("number", "ignored"),
    [
        (signal.SIGTERM, "none"),
        (signal.SIGHUP, "none"),
        (signal.SIGINT, "none"),
        (signal.SIGTERM, "SIGINT"),  # by a shell that starts programs in the background
    ],
)
def test_a_film_that_is_ended_from_outside(number: signal.Signals, ignored: str) -> None:
    """What is painted is kept, and no temporary file stays."""
    code = (
        f"import signal; signal.signal(getattr(signal, {ignored!r}, 1), signal.SIG_IGN)\n"
        if ignored != "none"
        else ""
    ) + (
        "import sys, nstlib.inference.stylizer as module\n"
        "before, calls = module.Stylizer.__call__, []\n"
        "def wait(*args, **options):\n"
        "    calls.append(1)\n"
        "    if len(calls) == 7: print('painting', flush=True); sys.stdin.readline()\n"
        "    return before(*args, **options)\n"
        "module.Stylizer.__call__ = wait\n"
        "from nstlib.cli.main import main\n"
        "sys.exit(main(sys.argv[1:]))"
    )
    before = {*Path().iterdir()}
    arguments = ["stylize", "silent.mp4", "-s", "n.onnx", "-o", "out.mp4"]
    process = subprocess.Popen(
        [sys.executable, "-c", code, *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "painting\n"
    process.send_signal(number)
    _, err = process.communicate("go on\n", timeout=LONGEST)
    assert process.returncode == 128 + number
    # Another line, by a thread, says that it is going to end: on a busy machine it may come later.
    assert "nst: interrupted; out.mp4 holds what was painted so far" in err.splitlines()
    assert {*Path().iterdir()} - before == {Path("out.mp4")}
    assert 1 <= len(read(Path("out.mp4"))) < COUNT
