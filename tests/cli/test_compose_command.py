"""The commands that find people and paint around them: pictures, films, cameras."""

from __future__ import annotations

import inspect
import subprocess
import sys
from pathlib import Path
from typing import Any

import imageio.v3 as iio
import numpy as np
import PIL.Image
import pytest
from conftest import Run
from numpy.typing import NDArray
from onnx_files import Graph, save

from nstlib.cli._styles import computing
from nstlib.cli.people import _make_mask_painter, compose, segment, webcam
from nstlib.compose import Composer
from nstlib.images.arrays import Image, from_uint8, to_uint8
from nstlib.inference.segmenter import PersonSegmenter
from nstlib.inference.stylizer import Stylizer
from nstlib.sources import load_image
from nstlib.video.convert import Conversion
from nstlib.video.writer import VideoWriter


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a style, the negative, and a segmenter: whatever is red is a person."""
    folder = tmp_path_factory.mktemp("models")
    graph = Graph()
    negative = graph.node("Sub", graph.constant(np.float32(255)), "image")
    save(graph.model(negative), folder / "negative.onnx")
    graph = Graph()
    # Channels come in [-1, 1]: red minus blue decides, which is at most 2.
    weights = np.array([[0, 0, 0], [20, 0, -20]], np.float32).reshape(2, 3, 1, 1)
    scores = graph.node("Conv", "image", graph.constant(weights))
    shares = graph.node("Softmax", scores, axis=1)
    save(graph.model(shares, (1, 3, 32, 32), (1, 2, 32, 32)), folder / "red.onnx")
    return folder


def pixels(path: str) -> NDArray[np.uint8]:
    return np.asarray(PIL.Image.open(path))


RED, BLUE = (230, 20, 30), (20, 40, 200)


def picture() -> NDArray[np.uint8]:
    """A red person in the middle of a blue world, in a photo of 64 x 48 pixels."""
    drawn = np.full((48, 64, 3), BLUE, np.uint8)
    drawn[12:, 20:44] = RED
    return drawn


@pytest.fixture
def photo(nst: Run) -> Path:  # noqa: ARG001  (it goes to an empty folder first)
    PIL.Image.fromarray(picture()).save("photo.png")
    return Path("photo.png")


@pytest.fixture
def film(nst: Run) -> Path:  # noqa: ARG001
    with VideoWriter("film.mp4", 10) as writer:
        for number in range(6):
            frame = picture()
            frame[:4, : 10 * number + 4] = (20, 120, 200)
            writer.write(frame)
        writer.finish()
    return Path("film.mp4")


INSIDE, OUTSIDE = np.s_[20:, 26:38], np.s_[:, 2:14]


def near(shown: NDArray[np.uint8], colour: tuple[int, ...], tolerance: int = 2) -> None:
    assert np.abs(shown.astype(int) - colour).max() <= tolerance


# Pictures


def test_segment(nst: Run, photo: Path, models: Path) -> None:
    code, out, err = nst("segment", photo, "-o", "mask.png", "--segmenter", models / "red.onnx")
    assert (code, out, err) == (0, ["wrote mask.png: 64x48 pixels"], [])
    mask = pixels("mask.png")
    assert set(np.unique(mask)) == {0, 255}
    near(mask[INSIDE], (255,) * 3, 0)
    near(mask[OUTSIDE], (0,) * 3, 0)
    expected = PersonSegmenter(models / "red.onnx").mask(load_image(photo))
    np.testing.assert_array_equal(mask, expected[..., None].repeat(3, axis=2))


def test_segment_softly(nst: Run, photo: Path, models: Path) -> None:
    model = models / "red.onnx"
    assert nst("segment", photo, "-o", "m.png", "--matte", "--segmenter", model)[::2] == (0, [])
    expected = PersonSegmenter(model).matte(load_image(photo))
    np.testing.assert_allclose(pixels("m.png")[..., 0] / 255, expected, atol=0.003)


def test_pictures_without_anybody_are_named(nst: Run, photo: Path, models: Path) -> None:
    """Or who sees a black mask looks for the fault elsewhere."""
    folder = Path("some")
    folder.mkdir()
    PIL.Image.open(photo).save(folder / "red.png")
    for name in ("one.png", "other.png"):
        sky = np.linspace(BLUE, (60, 90, 255), 48 * 64).reshape(48, 64, 3).astype(np.uint8)
        PIL.Image.fromarray(sky).save(folder / name)
    options = ("--segmenter", models / "red.onnx")
    compose = ("compose", "--style", models / "negative.onnx")
    way = "; a picture that is cropped closer to the person may help"
    for number, (command, *more) in enumerate(
        (
            ("segment",),
            ("segment", "--matte"),
            ("segment", "--cutout"),
            compose,
            (*compose, "--hard"),
        )
    ):
        one = nst(command, folder / "one.png", *more, *options, "-o", f"{number}.png")
        assert (one[0], one[2]) == (0, [f"nst: nobody was found in some/one.png{way}"])
        assert nst(command, photo, *more, *options, "-o", f"red{number}.png")[2] == []
        code, _, err = nst(command, folder, *more, *options, "-o", f"out{number}")
        names = "some/one.png, some/other.png"
        assert (code, err[-1]) == (0, f"nst: nobody was found in 2 pictures ({names}){way}")


def test_advice_where_nobody_is_found_is_true_of_the_network(nst: Run) -> None:
    """A larger size helps only a network that takes any."""
    for side in (None, 32):
        graph = Graph()
        weights = np.array([[0, 0, 0], [20, 0, -20]], np.float32).reshape(2, 3, 1, 1)
        scores = graph.node("Conv", "image", graph.constant(weights))
        shares = graph.node("Softmax", scores, axis=1)
        save(graph.model(shares, (1, 3, side, side), (1, 2, side, side)), Path(f"{side}.onnx"))
    Path("skies").mkdir()
    sky = np.linspace(BLUE, (60, 90, 255), 48 * 64).reshape(48, 64, 3).astype(np.uint8)
    for name in "abcde":
        PIL.Image.fromarray(sky).save(f"skies/{name}.png")
    Path("skies/c.png").write_bytes(b"damaged")
    PIL.Image.fromarray(picture()).save("skies/d.png")
    where = "3 pictures (skies/a.png, skies/b.png, skies/e.png)"
    for side, advice in (
        (None, "with a larger --segmenter-size smaller people are found"),
        (32, "a picture that is cropped closer to the person may help"),
    ):
        code, _, err = nst("segment", "skies", "--segmenter", f"{side}.onnx", "-o", f"out{side}")
        assert (code, err[-1]) == (1, f"nst: nobody was found in {where}; {advice}")
    for name in "cd":
        PIL.Image.fromarray(sky).save(f"skies/{name}.png")
    _, _, [line] = nst("segment", "skies", "--segmenter", "32.onnx", "-o", "again")
    assert "in 5 pictures (skies/a.png, skies/b.png, skies/c.png, …); a" in line


def test_compose(nst: Run, photo: Path, models: Path) -> None:
    options = ("--segmenter", models / "red.onnx")
    negative = models / "negative.onnx"
    code, out, err = nst("compose", photo, "--style", negative, *options, "-o", "out.png")
    assert (code, out, err) == (0, ["wrote out.png: 64x48 pixels"], [])
    near(pixels("out.png")[INSIDE], RED)
    near(pixels("out.png")[OUTSIDE], tuple(255 - c for c in BLUE), 6)
    assert nst("compose", photo, "--person", negative, *options, "-o", "out.jpg")[0] == 0
    near(pixels("out.jpg")[24:44, 28:36], tuple(255 - c for c in RED), 8)
    near(pixels("out.jpg")[4:40, 4:12], BLUE, 8)


def test_hard_is_the_tutorials_where(nst: Run, photo: Path, models: Path) -> None:
    model, negative = models / "red.onnx", models / "negative.onnx"
    arguments = ("--style", negative, "--segmenter", model, "--hard")
    assert nst("compose", photo, *arguments, "-o", "out.png")[0] == 0
    source = load_image(photo)
    mask = PersonSegmenter(model).mask(source)[..., None]
    painted = to_uint8(Stylizer(negative)(source))
    np.testing.assert_array_equal(pixels("out.png"), np.where(mask == 255, picture(), painted))


def test_options_arrive(nst: Run, photo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[Any] = []

    class Recorder:
        any_size = False

        def __init__(self, *arguments: Any, **options: Any) -> None:
            made.append((arguments, options))

        def __call__(self, picture: Any, calm: Any = None) -> Any:
            assert calm is None, "a picture is no film"
            assert picture.shape == (24, 32, 3)
            return picture

    for place in ("compose.Composer", "inference.stylizer.Stylizer"):
        monkeypatch.setattr(f"nstlib.{place}", Recorder)
    monkeypatch.setattr("nstlib.inference.segmenter.PersonSegmenter", Recorder)
    options = "--style candy --person my.onnx --feather 3.5 --strength 0.4 --match 0.2 --size 32"
    flags = "--preserve-colors --hard --segmenter pp_humanseg --segmenter-size 512 --backend ort"
    ranges = "--value-range 0,1 --segmenter-range imagenet --style-size 200 --tiles 2"
    world = "--background navy --linear --smallest 0.2 --person-at 0.5,0.3"
    given = " ".join((options, flags, ranges, world)).split()
    assert nst("compose", photo, *given, "-o", "out.png")[0] == 0
    *networks, (composed, looks) = made
    looks.pop("segmenter")
    assert looks == {
        "backend": "ort",
        "eight_bits": False,
        "threads": None,
        "feather": 3.5,
        "strength": 0.4,
        "match": 0.2,
        "hard": True,
        "preserve_colors": True,
        "backdrop": "navy",
        "linear": True,
        "smallest": 0.2,
        "person_at": "0.5,0.3",
    }
    by = {"backend": "ort", "eight_bits": False, "threads": None}
    network = {**by, "value_range": "0,1", "style_size": 200}
    assert sorted(networks[1:]) == [(("candy",), network), (("my.onnx",), network)]
    person = {"backend": "ort", "threads": None, "value_range": "imagenet", "size": 512, "tiles": 2}
    assert networks[0] == (("pp_humanseg",), person)
    assert all(isinstance(part, Recorder) for part in composed)


def test_the_options_of_segment_arrive(
    nst: Run, photo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[Any] = []

    class Recorder:
        any_size = False

        def __init__(self, *arguments: Any, **options: Any) -> None:
            made.append((arguments, options))

        def mask(self, picture: Any) -> Any:
            return np.full(picture.shape[:2], 255, np.uint8)

    monkeypatch.setattr("nstlib.inference.segmenter.PersonSegmenter", Recorder)
    options = "--segmenter my.onnx --segmenter-size 512 --tiles 3 --value-range 0,1 --backend ort"
    assert nst("segment", photo, *options.split(), "-o", "mask.png")[0] == 0
    network = {"backend": "ort", "threads": None, "value_range": "0,1", "size": 512, "tiles": 3}
    assert made == [(("my.onnx",), network)]


def test_one_network_for_both_parts_is_loaded_once(
    nst: Run, photo: Path, models: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded: list[str] = []

    class Counted(Stylizer):
        def __init__(self, model: str, **options: Any) -> None:
            loaded.append(model)
            super().__init__(model, **options)

    monkeypatch.setattr("nstlib.inference.stylizer.Stylizer", Counted)
    style = str(models / "negative.onnx")
    options = ("--style", style, "--person", style, "--segmenter", models / "red.onnx")
    assert nst("compose", photo, *options, "-o", "out.png")[::2] == (0, [])
    assert loaded == [style]
    near(pixels("out.png")[OUTSIDE], tuple(255 - c for c in BLUE), 6)


@pytest.mark.parametrize("command", [compose, webcam])
def test_defaults_are_the_librarys(command: Any) -> None:
    ours = inspect.signature(command).parameters
    names = {"background": "style", "backdrop": "background"}
    for name, theirs in inspect.signature(Composer).parameters.items():
        if name in ("backend", "eight_bits", "threads"):
            continue  # films have others: the test below
        assert ours[names.get(name, name)].default == theirs.default


def test_films_are_painted_by_what_is_fastest() -> None:
    ours = {"backend": "cv2", "eight_bits": False}
    assert computing(None, film=False) == ours
    for name, value in ours.items():
        assert inspect.signature(Composer).parameters[name].default == value
    assert computing(None, film=True) == {"backend": "ort", "eight_bits": True}
    for backend in ("cv2", "ort"):  # who asks for one gets it, in full
        for film in (False, True):
            asked = {"backend": backend, "eight_bits": False}
            assert computing(backend, film=film) == asked


def test_the_default_size_of_segmenters_is_the_librarys() -> None:
    size = inspect.signature(PersonSegmenter).parameters["size"].default
    for command in (compose, segment, webcam):
        assert inspect.signature(command).parameters["segmenter_size"].default == size


def test_samples_have_names(nst: Run, models: Path) -> None:
    model, negative = models / "red.onnx", models / "negative.onnx"
    arguments = ("--style", negative, "--segmenter", model, "--size", 64)
    assert nst("compose", "astronaut", *arguments, "-o", "astronaut.png")[::2] == (0, [])
    assert pixels("astronaut.png").shape == (64, 64, 3)


# Folders


def test_a_folder_is_painted(nst: Run, photo: Path, models: Path) -> None:
    for name in ("a.png", "deep/b.jpg"):
        path = Path("photos") / name
        path.parent.mkdir(parents=True, exist_ok=True)
        PIL.Image.fromarray(picture()).save(path, quality=95)
    (Path("photos") / "broken.png").write_text("no picture")
    style = ("--style", models / "negative.onnx", "--segmenter", models / "red.onnx")
    code, out, [line] = nst("compose", "photos", *style, "-o", "painted")
    assert (code, out) == (1, ["painted: 2 painted, 1 failed"])
    assert "broken.png is not an image" in line
    for painted in ("painted/a.png", "painted/deep/b.jpg"):
        near(pixels(painted)[24:44, 28:36], RED, 8)
        near(pixels(painted)[4:40, 4:12], tuple(255 - c for c in BLUE), 8)
    # Masks are written without loss, whatever the photos are.
    Path("photos/broken.png").unlink()
    assert nst("segment", "photos", *style[2:], "-o", "masks")[::2] == (0, [])
    assert set(np.unique(pixels("masks/deep/b.png"))) == {0, 255}
    assert nst("segment", photo, *style[2:], "-o", "masks")[::2] == (0, [])
    near(pixels("masks/photo.png")[INSIDE], (255,) * 3, 0)


# Films


def test_compose_a_film(nst: Run, film: Path, models: Path) -> None:
    arguments = ("--style", models / "negative.onnx", "--segmenter", models / "red.onnx")
    code, [line], err = nst("compose", film, *arguments, "-o", "out.mp4")
    assert (code, err) == (0, [])
    assert line.startswith("wrote out.mp4: 64x48 pixels, 6 frames, 0.6 seconds; ")
    assert line.endswith(" frames a second")
    shown = iio.imread("out.mp4", plugin="FFMPEG")
    assert shown.shape == (6, 48, 64, 3)
    for frame in shown:
        near(frame[24:44, 28:36], RED, 12)
        near(frame[24:44, 4:12], tuple(255 - c for c in BLUE), 16)


class Faint:
    """Calms a film so much that less than half of a matte is left."""

    def __call__(self, name: str, array: NDArray[np.float32], /) -> NDArray[np.float32]:  # noqa: ARG002
        return np.float32(0.4) * array

    def seen(self, name: str, image: Image, /) -> Image:  # noqa: ARG002
        return image


def test_masks_of_films_have_no_ghosts() -> None:
    def everywhere(photo: Image) -> NDArray[np.float32]:
        return np.ones(photo.shape[:2], np.float32)

    show = _make_mask_painter(lambda *, film: everywhere, False, film=True)  # noqa: ARG005
    photo = np.zeros((4, 4, 3), np.float32)
    assert show(photo).min() == 1
    assert show(photo, Faint()).max() == 0


def test_segment_a_film(nst: Run, film: Path, models: Path) -> None:
    arguments = ("--segmenter", models / "red.onnx", "-o", "out.gif")
    assert nst("segment", film, *arguments)[::2] == (0, [])
    shown = iio.imread("out.gif", plugin="pillow")
    near(shown[3][24:44, 28:36], (255,) * 3, 4)
    near(shown[3][24:44, 4:12], (0,) * 3, 4)


def test_what_is_said_of_a_film(
    nst: Run,
    film: Path,
    models: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    networks = ("--style", models / "negative.onnx", "--segmenter", models / "red.onnx")
    arguments = ("compose", film, *networks, "-o", "out.mp4")
    done = Conversion(40, 20.0, (48, 64), 5.0, 3, 2.5, "lost", interrupted=False)
    monkeypatch.setattr("nstlib.video.convert.convert_video", lambda *_, **__: done)
    code, out, err = nst(*arguments)
    assert code == 0
    assert out == ["wrote out.mp4: 64x48 pixels, 40 frames, 2.0 seconds; 8.0 frames a second"]
    assert err == [
        "nst: 3 broken frames were skipped",
        "nst: the sound cannot be read; the film is silent",
        "nst: film.mp4 says that it lasts 2.5 seconds longer than its pictures; if it was cut off "
        "on its way here, get it again",
    ]
    # Sounds often last a little longer.
    usual = Conversion(40, 20.0, (48, 64), 5.0, missing=0.4, sound="kept")
    monkeypatch.setattr("nstlib.video.convert.convert_video", lambda *_, **__: usual)
    assert nst(*arguments)[2] == []
    stopped = Conversion(40, 20.0, (48, 64), 5.0, 0, 2.5, "kept", interrupted=True)
    monkeypatch.setattr("nstlib.video.convert.convert_video", lambda *_, **__: stopped)
    code, _, err = nst(*arguments)
    assert (code, err) == (130, ["nst: interrupted; out.mp4 holds what was painted so far"])

    def interrupt(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("nstlib.video.convert.convert_video", interrupt)
    code, _, err = nst(*arguments)
    assert (code, err) == (130, ["nst: interrupted before the first frame; nothing is written"])


# A camera


def test_webcam(nst: Run, models: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []

    def show(paint: Any, **options: Any) -> int:
        calls.append(options)
        near(to_uint8(paint(from_uint8(picture())))[INSIDE], RED)
        return 12

    monkeypatch.setattr("nstlib.video.camera.webcam", show)
    arguments = ("--style", models / "negative.onnx", "--segmenter", models / "red.onnx")
    assert nst("webcam", *arguments, "--camera", 2) == (0, ["showed 12 frames"], [])
    assert callable(calls[0].pop("change"))
    assert calls == [{"camera": 2, "size": 640}]


def test_no_camera(nst: Run, models: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DISPLAY", ":0")
    arguments = ("--style", models / "negative.onnx", "--segmenter", models / "red.onnx")
    code, out, [line] = nst("webcam", *arguments, "--camera", 99)
    assert (code, out) == (2, [])
    assert line.startswith("nst: there is no camera 99")


# What goes wrong


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ("compose photo.png -o out.png", "there is no style"),
        ("compose photo.png --style nobody -o out.png", "'nobody' is no style"),
        ("compose photo.png --style NEGATIVE -o photo.png", "is a file that this command reads"),
        ("compose photo.png --style NEGATIVE -o out.avi", "cannot write '.avi'"),
        ("compose photo.png --style NEGATIVE -o no/out.png", "does not exist"),
        ("compose absent.png --style NEGATIVE -o out.png", "absent.png: no such file"),
        ("compose absent.mp4 --style NEGATIVE -o out.mp4", "absent.mp4: no such film"),
        ("compose text.mp4 --style NEGATIVE -o out.mp4", "is not a film"),
        ("compose photo.png --style NEGATIVE --strength 2 -o out.png", "strength is 2.0"),
        ("compose photo.png --style NEGATIVE --feather -1 -o out.png", "feather is -1.0"),
        ("compose photo.png --style NEGATIVE --hard --match 0.5 -o out.png", "neither --feather"),
        ("compose photo.png --style NEGATIVE --hard --linear -o out.png", "give one of them"),
        ("compose photo.png --background red --strength 0.5 -o out.png", "give --style, --person"),
        ("compose photo.png --background red --preserve-colors -o out.png", "give --style"),
        ("webcam --background red --strength 0.5", "give --style, --person or both"),
        ("compose photo.png --style NEGATIVE --size 0 -o out.png", "size is 0"),
        ("compose film.mp4 --style NEGATIVE --size 0 -o out.mp4", "size is 0"),
        ("compose film.mp4 --style NEGATIVE -o film.mp4", "is the input itself"),
        ("compose photo.png --style NEGATIVE --value-range 5 -o o.png", "nst: --value-range is 5"),
        (
            "compose photo.png --style NEGATIVE --segmenter-range 5 -o out.png",
            "nst: --segmenter-range is 5; it must be LOW,HIGH",
        ),
        ("segment photo.png --segmenter-size 31 -o out.png", "nst: --segmenter-size is 31; it"),
        ("segment photo.png -o photo.png", "is a file that this command reads"),
        ("segment photo.png", "Missing option"),
        ("webcam", "there is no style"),
    ],
)
def test_one_line_says_what_is_wrong(
    nst: Run,
    photo: Path,
    film: Path,
    models: Path,
    arguments: str,
    words: str,
) -> None:
    Path("text.mp4").write_text("not a film")
    before = {path: path.read_bytes() for path in Path().iterdir()}
    given = arguments.replace("NEGATIVE", str(models / "negative.onnx")).split()
    code, out, [line] = nst(*given, "--segmenter", models / "red.onnx")
    assert (code, out) == (2, [])
    assert words in line
    assert {path: path.read_bytes() for path in Path().iterdir()} == before
    assert photo in before
    assert film in before


@pytest.mark.parametrize("command", ["segment", "compose", "webcam"])
def test_help(nst: Run, command: str) -> None:
    code, out, err = nst(command, "--help")
    assert (code, err) == (0, [])
    assert out[0].startswith(f"Usage: nst {command} ")
    assert f"\n  {command} " in "\n".join(nst("--help")[1])


def test_no_tensorflow(photo: Path, models: Path) -> None:
    code = (
        "import sys; from nstlib.cli.main import main; code = main(sys.argv[1:]); "
        "print(code, {'tensorflow', 'keras'} & set(sys.modules), file=sys.stderr)"
    )
    arguments = ["compose", str(photo), "--style", str(models / "negative.onnx"), "-o", "out.png"]
    arguments += ["--segmenter", str(models / "red.onnx")]
    command = [sys.executable, "-c", code, *arguments]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.stderr.strip() == "0 set()"
