"""What is behind people, and who counts as one, at the command line; mattes of films."""

from __future__ import annotations

import inspect
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
from conftest import Run
from film_files import ffmpeg
from numpy.typing import NDArray
from onnx_files import Graph, save

from nstlib.cli.people import segment
from nstlib.images.arrays import Image, from_uint8
from nstlib.inference.parts import keep_people
from nstlib.inference.segmenter import PersonSegmenter
from nstlib.video.reader import VideoReader
from nstlib.video.writer import VideoWriter

HEIGHT, WIDTH = 48, 96
RED, BLUE = (230, 20, 30), (20, 40, 200)
SEGMENTER = ("--segmenter", "red.onnx")


def drawn(*columns: int, alpha: int | None = None) -> NDArray[np.uint8]:
    """Red people 20 pixels wide, each at a column, before a blue wall; and a red speck."""
    picture = np.full((HEIGHT, WIDTH, 3 if alpha is None else 4), 255, np.uint8)
    picture[..., :3] = BLUE
    for column in columns:
        picture[12:, column : column + 20, :3] = RED
    picture[2:5, 90:93, :3] = RED
    if alpha is not None:
        picture[:, :10, 3] = alpha
    return picture


@pytest.fixture
def here(nst: Run) -> Path:  # noqa: ARG001  (it goes to an empty folder first)
    graph = Graph()
    weights = np.array([[0, 0, 0], [20, 0, -20]], np.float32).reshape(2, 3, 1, 1)
    scores = graph.node("Conv", "image", graph.constant(weights))
    shares = graph.node("Softmax", scores, axis=1)
    save(graph.model(shares, (1, 3, 48, 96), (1, 2, 48, 96)), Path("red.onnx"))
    PIL.Image.fromarray(drawn(10, 50)).save("two.png")
    with VideoWriter("walk.mp4", 10) as writer:
        for number in range(6):
            writer.write(drawn(4 + 4 * number, 46 + 4 * number))
        writer.finish()
    return Path()


def pixels(name: str) -> NDArray[np.int64]:
    return np.asarray(PIL.Image.open(name)).astype(int)


@pytest.mark.usefixtures("here")
def test_colours_and_pictures_behind(nst: Run) -> None:
    PIL.Image.new("RGB", (5, 5), (90, 80, 10)).save("wall.png")
    backgrounds = {"navy": (0, 0, 128), "#0a1400": (10, 20, 0), "wall.png": (90, 80, 10)}
    for number, (background, colour) in enumerate(backgrounds.items()):
        options = (*SEGMENTER, "--background", background, "-o", f"{number}.png")
        assert nst("compose", "two.png", *options)[::2] == (0, [])
        shown = pixels(f"{number}.png")
        assert np.abs(shown[20:, [14, 18, 24, 56, 60]] - RED).max() <= 3
        assert np.abs(shown[:, [2, 40, 80]] - colour).max() <= 3
        assert np.abs(shown[3, 91] - colour).max() <= 3  # the speck is nobody


@pytest.mark.usefixtures("here")
def test_the_blurred_background_has_nothing_of_the_people(nst: Run) -> None:
    options = (*SEGMENTER, "--background", "blur", "--linear", "-o", "out.png")
    assert nst("compose", "two.png", *options)[::2] == (0, [])
    shown = pixels("out.png")
    assert np.abs(shown[:, [5, 35, 44, 75]] - BLUE).max() <= 3
    assert np.abs(shown[20:, [16, 60]] - RED).max() <= 3


@pytest.mark.usefixtures("here")
def test_what_has_a_background_is_opaque(nst: Run) -> None:
    PIL.Image.fromarray(drawn(30, alpha=0)).save("hole.png")
    options = (*SEGMENTER, "--background", "navy", "-o", "out.png")
    assert nst("compose", "hole.png", *options)[::2] == (0, [])
    assert PIL.Image.open("out.png").mode == "RGB"
    assert np.abs(pixels("out.png")[40:, [20, 80]] - (0, 0, 128)).max() <= 3


@pytest.mark.usefixtures("here")
def test_one_person_in_a_picture(nst: Run) -> None:
    for command, person, wall in (
        ("compose", RED, (255, 255, 255)),
        ("segment", (255,) * 3, (0,) * 3),
    ):
        more = ("--background", "white") if command == "compose" else ()
        options = (*SEGMENTER, *more, "--person-at", "0.6,0.9", "-o", f"{command}.png")
        assert nst(command, "two.png", *options)[::2] == (0, [])
        shown = pixels(f"{command}.png")
        assert np.abs(shown[20:, 60] - person).max() <= 3
        assert np.abs(shown[:, 20] - wall).max() <= 3


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize("command", ["compose --background black", "segment", "segment --matte"])
def test_one_person_in_a_film(nst: Run, command: str) -> None:
    """The left one is followed to where the right one was."""
    options = (*SEGMENTER, "--person-at", "0.1,0.9", "-o", "out.mkv")
    assert nst(*command.split(), "walk.mp4", *options)[::2] == (0, [])
    bright = [frame[..., 0] > 125 for frame in VideoReader("out.mkv")]
    assert [int(frame[30].argmax()) for frame in bright] == pytest.approx(
        [4 + 4 * number for number in range(6)], abs=1
    )
    assert all(frame[30].sum() == pytest.approx(20, abs=2) for frame in bright)


@pytest.mark.usefixtures("here")
def test_the_network_looks_at_every_second_frame(nst: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    looks: list[PersonSegmenter] = []
    look = PersonSegmenter.look

    def count(self: PersonSegmenter, image: Image) -> NDArray[np.float32]:
        looks.append(self)
        return look(self, image)

    monkeypatch.setattr(PersonSegmenter, "look", count)
    options = ("--background", "black", *SEGMENTER, "-o", "out.mkv")
    assert nst("compose", "walk.mp4", *options)[::2] == (0, [])
    assert len(looks) == 3  # of six
    assert len(set(looks)) == 1


@pytest.mark.usefixtures("here")
def test_small_parts_can_stay(nst: Run) -> None:
    assert nst("segment", "two.png", *SEGMENTER, "-o", "all.png", "--smallest", 0)[0] == 0
    assert nst("segment", "two.png", *SEGMENTER, "-o", "people.png")[0] == 0
    assert (pixels("all.png")[3, 91, 0], pixels("people.png")[3, 91, 0]) == (255, 0)


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize(("suffix", "error"), [(".webm", 4), (".mov", 1)])
def test_mattes_of_films_are_their_alpha(nst: Run, suffix: str, error: int) -> None:
    """VP9 and ProRes 4444 give back the matte of the first frame, within the codec's error."""
    output = f"out{suffix}"
    assert nst("segment", "walk.mp4", "--cutout", *SEGMENTER, "-o", output)[::2] == (0, [])
    decoder = ("-c:v", "libvpx-vp9") if suffix == ".webm" else ()
    raw = ffmpeg(*decoder, "-i", output, "-f", "rawvideo", "-pix_fmt", "rgba", "-")
    found = np.frombuffer(raw, np.uint8).reshape(6, HEIGHT, WIDTH, 4)[0].astype(int)
    photo = from_uint8(next(iter(VideoReader("walk.mp4"))))
    matte = 255 * keep_people(PersonSegmenter(Path("red.onnx")).matte(photo))
    assert 0.2 < (matte > 250).mean() < 0.5
    difference = np.abs(found[..., 3] - matte)
    assert difference.mean() < error / 4
    assert difference.max() < 4 * error
    assert np.abs(found[20:40, 8:20, :3] - RED).max() < 6  # away from the edges


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ("compose two.png --background navyy", "--background is navyy; it must be 'blur', an"),
        ("compose two.png", "there is no style; give --style, --person or both, or a --background"),
        ("compose two.png --background navy --person-at 9,9", "--person-at is 9,9; it must be two"),
        ("segment two.png --person-at left", "--person-at is left; it must be two numbers"),
        ("segment two.png --smallest 5", "--smallest is 5.0; it must be a number from 0 to 1"),
        ("segment walk.mp4 --person-at left", "--person-at is left; it must be two numbers"),
    ],
)
def test_what_the_command_says(nst: Run, arguments: str, words: str) -> None:
    output = "out.mp4" if "walk" in arguments else "out.png"
    code, out, [line] = nst(*arguments.split(), *SEGMENTER, "-o", output)
    assert (code, out) == (2, [])
    assert line.startswith(f"nst: {words}")
    assert not Path(output).exists()


def test_the_smallest_part_is_the_librarys() -> None:
    ours, theirs = inspect.signature(segment), inspect.signature(keep_people)
    assert ours.parameters["smallest"].default == theirs.parameters["smallest"].default
