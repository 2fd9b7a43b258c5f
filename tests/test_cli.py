"""The command line: what it writes, what it says, and how it fails."""

from __future__ import annotations

import inspect
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pytest

import nstlib
from nstlib import assets, cli, images
from nstlib.assets import ASSETS
from nstlib.doctor import Finding
from nstlib.features import WEIGHTS, default_weights
from nstlib.optimize import OptimizationError
from nstlib.synthesis import Synthesis, synthesize_texture

SMALL = ("--size", "64", "--iterations", "2")

Run = Callable[..., tuple[int, list[str], list[str]]]


@pytest.fixture
def nst(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> Run:
    """Run the command in an empty folder; give its exit code, and its lines on both outputs."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("NSTLIB_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("NSTLIB_WEIGHTS", raising=False)

    def run(*arguments: object) -> tuple[int, list[str], list[str]]:
        capfd.readouterr()
        code = cli.main([str(argument) for argument in arguments])
        out, err = capfd.readouterr()
        return code, out.splitlines(), err.splitlines()

    return run


@pytest.fixture
def never(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make sure that no synthesis is begun."""

    def refuse(*_: object, **__: object) -> None:
        pytest.fail("the synthesis was begun")

    monkeypatch.setattr("nstlib.synthesis.synthesize_texture", refuse)


def replace_synthesis(
    monkeypatch: pytest.MonkeyPatch, change: Callable[..., Synthesis]
) -> list[Synthesis]:
    """Put `change` in the place of synthesize_texture; collect what it returns."""
    results: list[Synthesis] = []

    def recorded(*arguments: Any, **options: Any) -> Synthesis:
        results.append(change(*arguments, **options))
        return results[-1]

    monkeypatch.setattr("nstlib.synthesis.synthesize_texture", recorded)
    return results


def python(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )


# Help and version


@pytest.mark.parametrize("arguments", [("--help",), ()])
def test_help_names_the_commands(nst: Run, arguments: tuple[str, ...]) -> None:
    code, out, err = nst(*arguments)
    assert (code, err) == (0, [])
    text = "\n".join(out)
    assert text.startswith("Usage: nst ")
    for command in ("texture", "assets", "doctor"):
        assert f"\n  {command} " in text


@pytest.mark.parametrize(
    "command", ["texture", "doctor", "assets", "assets list", "assets fetch", "assets verify"]
)
def test_every_command_has_help(nst: Run, command: str) -> None:
    code, out, err = nst(*command.split(), "--help")
    assert (code, err) == (0, [])
    assert out[0].startswith(f"Usage: nst {command} ")


def test_version(nst: Run) -> None:
    assert nst("--version") == (0, [nstlib.__version__], [])


@pytest.mark.parametrize("option", ["--help", "--version"])
def test_help_and_version_do_without_the_heavy_packages(option: str) -> None:
    code = (
        "import sys; from nstlib.cli import main; main(sys.argv[1:]); "
        "print(*sorted({'cv2', 'keras', 'matplotlib', 'pooch', 'skimage', 'tensorflow'} "
        "& set(sys.modules)), file=sys.stderr)"
    )
    result = python("-c", code, option)
    assert result.stdout
    assert result.stderr.strip() == ""


def test_help_takes_less_than_half_a_second() -> None:
    def fastest(*arguments: str) -> float:
        seconds = []
        for _ in range(5):
            began = time.perf_counter()
            assert python(*arguments).returncode == 0
            seconds.append(time.perf_counter() - began)
        return min(seconds)

    # On a loaded machine everything is slow; three imports of NumPy are about half a second there.
    assert fastest("-m", "nstlib.cli", "--help") < max(0.5, 3 * fastest("-c", "import numpy"))


def test_defaults_are_the_librarys() -> None:
    ours = inspect.signature(cli.texture).parameters
    theirs = inspect.signature(synthesize_texture).parameters
    for option, parameter in {
        "iterations": "iterations",
        "optimizer": "method",
        "tv_weight": "tv_weight",
        "tile": "tileable",
        "weights": "weights",
        "seed": "seed",
    }.items():
        assert ours[option].default == theirs[parameter].default, option
    assert ours["size"].default == 224


def test_help_shows_the_defaults(nst: Run) -> None:
    text = " ".join(" ".join(nst("texture", "--help")[1]).split())
    theirs = inspect.signature(synthesize_texture).parameters
    assert f"[default: {theirs['iterations'].default}]" in text
    assert "[default: 224]" in text
    assert f"[default: {theirs['method'].default}]" in text
    assert f"[default: (NSTLIB_WEIGHTS, or {default_weights()})]" in text
    for name in WEIGHTS:
        assert name in text


# A texture


def test_texture_and_its_report(nst: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    results = replace_synthesis(monkeypatch, synthesize_texture)
    code, out, err = nst("texture", "coffee", "-o", "out.png", *SMALL, "--report", "run.json")
    [result] = results
    assert (code, err) == (0, [])
    assert out == [
        f"wrote out.png: 64x64 pixels, {result.iterations} iterations, {result.seconds:.1f} seconds"
    ]
    np.testing.assert_array_equal(
        np.asarray(PIL.Image.open("out.png")), np.rint(result.image * 255).astype(np.uint8)
    )
    assert json.loads(Path("run.json").read_text()) == {
        "seconds": result.seconds,
        "iterations": result.iterations,
        "evaluations": result.evaluations,
        "losses": {
            term: {"start": start, "end": end} for term, (start, end) in result.losses.items()
        },
        "size": [64, 64],
        "weights": default_weights(),
        "seed": 0,
        "version": nstlib.__version__,
    }
    assert sorted(map(str, Path().iterdir())) == ["out.png", "run.json"]


def test_options_arrive(nst: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[tuple[Any, Any, dict[str, Any]]] = []

    def remember(source: Any, size: Any, **options: Any) -> Synthesis:
        calls.append((source, size, options))
        return synthesize_texture(source, size, iterations=1, progress=False)

    replace_synthesis(monkeypatch, remember)
    options = "--size 48 --iterations 7 --optimizer adam --tv-weight 0.5 --tile --weights random"
    code, _, err = nst("texture", "coffee", "--output", "out.webp", *options.split(), "--seed", 3)
    assert (code, err) == (0, [])
    [(source, size, given)] = calls
    # Coffee is 400 x 600 pixels: its longest side becomes 48, and the texture is square.
    assert (source.shape, size) == ((32, 48, 3), (48, 48))
    assert given == {
        "iterations": 7,
        "method": "adam",
        "tv_weight": 0.5,
        "tileable": True,
        "weights": "random",
        "seed": 3,
        "progress": False,
    }


@pytest.mark.parametrize("source", ["mosaic", "file", "asset"])
def test_sources(nst: Run, monkeypatch: pytest.MonkeyPatch, source: str, tmp_path: Path) -> None:
    picture = images.load_image("coffee", size=80)
    if source == "file":
        source = str(images.save_image("my coffee.png", picture))
    elif source == "asset":
        source = "udnie"
        path = images.save_image(tmp_path / "udnie.jpg", picture)
        monkeypatch.setattr(assets, "fetch", lambda name: path if name == "udnie" else None)
    assert nst("texture", source, "-o", "out.png", *SMALL)[::2] == (0, [])
    assert PIL.Image.open("out.png").size == (64, 64)


def test_earlier_output_is_replaced(nst: Run) -> None:
    Path("out.jpg").write_text("an earlier picture")
    assert nst("texture", "coffee", "-o", "out.jpg", *SMALL)[0] == 0
    assert PIL.Image.open("out.jpg").size == (64, 64)


def test_runs_as_a_module(tmp_path: Path) -> None:
    out = str(tmp_path / "out.png")
    result = python("-m", "nstlib.cli", "texture", "coffee", "-o", out, *SMALL)
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout.startswith(f"wrote {out}: 64x64 pixels, ")


# Runs that end early


def test_interrupted_run_keeps_the_best_picture(nst: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*arguments: Any, **options: Any) -> Synthesis:
        steps = []

        def callback(step: object) -> None:
            steps.append(step)
            if len(steps) == 3:
                signal.raise_signal(signal.SIGINT)  # what Ctrl-C does

        return synthesize_texture(*arguments, **options, callback=callback)

    results = replace_synthesis(monkeypatch, interrupted)
    code, out, err = nst(
        "texture", "coffee", "-o", "o.png", "--size", 64, "--iterations", 50, "--report", "r.json"
    )
    [result] = results
    assert result.interrupted
    assert code == 130
    assert err == ["nst: interrupted; o.png is the best picture so far"]
    assert len(out) == 1
    np.testing.assert_array_equal(
        np.asarray(PIL.Image.open("o.png")), np.rint(result.image * 255).astype(np.uint8)
    )
    assert json.loads(Path("r.json").read_text())["iterations"] == result.iterations < 50


def test_interrupt_outside_the_optimisation(nst: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(images, "load_image", interrupt)
    assert nst("texture", "coffee", "-o", "out.png") == (130, [], [])


def test_diverging_run_keeps_the_last_good_picture(
    nst: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    image = images.load_image("coffee", size=(40, 48))

    def diverge(*_: object, **__: object) -> Synthesis:
        raise OptimizationError("the loss became NaN after 3 evaluations", image)

    replace_synthesis(monkeypatch, diverge)
    code, out, err = nst("texture", "coffee", "-o", "out.png", "--report", "run.json")
    assert (code, out) == (1, [])
    assert err == [
        "nst: the loss became NaN after 3 evaluations; the last good picture is in out.png"
    ]
    np.testing.assert_array_equal(
        np.asarray(PIL.Image.open("out.png")), np.rint(image * 255).astype(np.uint8)
    )
    assert not Path("run.json").exists()


# Bad input: exit code 2, one line on stderr, nothing written


def refused(result: tuple[int, list[str], list[str]], *words: str) -> None:
    code, out, err = result
    assert code == 2
    assert out == []
    assert len(err) == 1
    assert err[0].startswith("nst: ")
    for word in words:
        assert word in err[0]


@pytest.mark.usefixtures("never")
@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ("texture absent.png -o out.png", ["absent.png", "no such file"]),
        ("texture folder -o out.png", ["folder is a folder"]),
        ("texture notes.txt -o out.png", ["notes.txt", "not an image"]),
        ("texture cut.png -o out.png", ["cut.png", "cut off"]),
        ("texture empty.png -o out.png", ["empty.png"]),
        ("texture squeezenet -o out.png", ["squeezenet"]),
        ("texture coffee -o out.gif", ["out.gif", ".png, .jpg, .jpeg, .webp"]),
        ("texture coffee -o out", ["out", ".png, .jpg, .jpeg, .webp"]),
        ("texture coffee -o nowhere/out.png", ["nowhere"]),
        ("texture coffee -o notes.txt/out.png", ["notes.txt"]),
        ("texture coffee -o folder.png", ["folder.png is a folder"]),
        ("texture coffee -o out.png --size 0", ["size is 0", "1 to 16384"]),
        ("texture coffee -o out.png --size -5", ["size is -5"]),
        ("texture coffee -o out.png --size 20000", ["size is 20000"]),
        ("texture coffee -o out.png --size big", ["--size", "integer", "nst texture --help"]),
        ("texture coffee -o out.png --sizes 3", ["--sizes", "nst texture --help"]),
        ("texture coffee -o out.png --report nowhere/run.json", ["nowhere/run.json"]),
        ("texture coffee -o out.png --report folder", ["folder"]),
        ("texture coffee -o out.png --report out.png", ["out.png", "another report file"]),
        ("texture coffee.png -o out.png --report coffee.png", ["coffee.png", "another"]),
        ("texture coffee", ["--output", "nst texture --help"]),
        ("texture", ["IMAGE", "nst texture --help"]),
        ("texture coffee mosaic -o out.png", ["mosaic"]),
        ("textures", ["textures", "nst --help"]),
        ("assets", ["nst assets --help"]),
        ("assets fetch", ["NAME"]),
        ("assets fetch nothing", ["'nothing'", "nst assets list"]),
        ("assets verify nothing", ["'nothing'", "nst assets list"]),
    ],
)
def test_bad_input(nst: Run, arguments: str, words: list[str]) -> None:
    images.save_image("coffee.png", images.load_image("coffee", size=100))
    whole = Path("coffee.png").read_bytes()
    Path("cut.png").write_bytes(whole[: len(whole) // 2])
    Path("empty.png").touch()
    Path("notes.txt").write_text("not a picture")
    Path("folder").mkdir()
    Path("folder.png").mkdir()
    before = sorted(Path().rglob("*"))
    refused(nst(*arguments.split()), *words)
    assert sorted(Path().rglob("*")) == before
    assert Path("coffee.png").read_bytes() == whole


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ("--size 16", ["16", "32"]),
        ("--tv-weight nan", ["tv_weight", "nan"]),
        ("--tv-weight -1", ["tv_weight", "-1"]),
        ("--tv-weight inf", ["tv_weight", "inf"]),
        ("--weights imaginet", ["'imaginet'", ", ".join(WEIGHTS)]),
        ("--optimizer sgd", ["sgd", "lbfgs"]),
        ("--iterations 0", ["iterations", "0"]),
        ("--iterations -3", ["iterations", "-3"]),
    ],
)
def test_bad_options(nst: Run, options: str, words: list[str]) -> None:
    refused(nst("texture", "coffee", "-o", "out.png", *options.split()), *words)
    assert list(Path().iterdir()) == []


def test_bad_setting(nst: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NSTLIB_WEIGHTS", "imaginet")
    refused(nst("texture", "coffee", "-o", "out.png"), "imaginet")


def test_error_after_tensorflow_is_still_one_line(tmp_path: Path) -> None:
    # In a process of its own, where TensorFlow starts up and would say so.
    out = str(tmp_path / "out.png")
    result = python("-m", "nstlib.cli", "texture", "coffee", "-o", out, "--tv-weight", "nan")
    refused((result.returncode, result.stdout.splitlines(), result.stderr.splitlines()), "nan")


@pytest.mark.usefixtures("never")
@pytest.mark.parametrize("way", ["same", "dot", "absolute", "symlink", "hardlink"])
def test_input_is_never_overwritten(nst: Run, way: str) -> None:
    images.save_image("in.png", images.load_image("coffee", size=100))
    before = Path("in.png").read_bytes()
    output = {"same": "in.png", "dot": "./in.png", "absolute": str(Path("in.png").absolute())}.get(
        way, "link.png"
    )
    if way == "symlink":
        Path("link.png").symlink_to("in.png")
    elif way == "hardlink":
        os.link("in.png", "link.png")
    refused(nst("texture", "in.png", "-o", output), Path(output).name, "the input itself")
    assert Path("in.png").read_bytes() == before


@pytest.mark.usefixtures("never")
def test_asset_is_never_overwritten(nst: Run, tmp_path: Path) -> None:
    path = tmp_path / "cache" / "images" / "udnie.jpg"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"the painting")
    refused(nst("texture", "udnie", "-o", path), "the input itself")
    assert path.read_bytes() == b"the painting"


@pytest.mark.usefixtures("never")
def test_unwritable_folder(nst: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    Path("locked").mkdir()
    access = os.access
    monkeypatch.setattr(
        os, "access", lambda path, mode: Path(path).name != "locked" and access(path, mode)
    )
    refused(nst("texture", "coffee", "-o", "locked/out.png"), "locked", "not writable")
    refused(
        nst("texture", "coffee", "-o", "out.png", "--report", "locked/run.json"), "locked/run.json"
    )


@pytest.mark.usefixtures("never")
def test_what_the_file_system_refuses_is_one_line_too(nst: Run) -> None:
    refused(nst("texture", "x" * 300, "-o", "out.png"), "name too long")


# Assets


def test_list_shows_what_is_here_and_what_is_not(nst: Run, tmp_path: Path) -> None:
    path = tmp_path / "cache" / "images" / "udnie.jpg"
    path.parent.mkdir(parents=True)
    path.touch()
    code, out, err = nst("assets", "list")
    assert (code, err) == (0, [])
    rows = {line.split()[0]: line.split() for line in out}
    assert set(rows) == {"NAME", *images.sample_names(), *ASSETS}
    assert rows["astronaut"][1:4] == ["photo", "-", "yes"]
    assert rows["mosaic"][1:4] == ["drawing", "-", "yes"]
    assert rows["udnie"][1:4] == ["image", "0.1", "yes"]
    assert rows["starry_night"][1:4] == ["image", "0.2", "no"]
    assert rows["fast_neural_style_checkpoints"][1:4] == ["model", "?", "no"]
    assert "public domain" in next(line for line in out if line.startswith("starry_night"))


def test_list_can_be_narrowed_and_give_addresses(nst: Run) -> None:
    code, out, _ = nst("assets", "list", "Mosaic", "--urls")
    assert code == 0
    names = [line.split()[0] for line in out if not line.startswith(" ")]
    assert names[1:] == [
        "mosaic",
        "pytorch_mosaic",
        "johnson_mosaic",
        "fast_neural_style_checkpoints",
    ]
    addresses = [line.strip() for line in out if line.startswith("    ")]
    assert addresses == [ASSETS[name].url for name in names[2:]]


def test_fetch_prints_paths(nst: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []

    def fetch(name: str, *, force: bool, progress: bool) -> Path:
        calls.append((name, force, progress))
        return Path("somewhere") / name

    monkeypatch.setattr(assets, "fetch", fetch)
    assert nst("assets", "fetch", "udnie", "amber") == (
        0,
        ["somewhere/udnie", "somewhere/amber"],
        [],
    )
    assert nst("assets", "fetch", "--force", "udnie")[0] == 0
    assert calls == [("udnie", False, False), ("amber", False, False), ("udnie", True, False)]


def test_failed_fetch_is_one_line(nst: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")  # nobody listens: no network
    monkeypatch.setenv("no_proxy", "")
    refused(nst("assets", "fetch", "udnie"), "udnie", "no connection")


def test_verify(nst: Run, tmp_path: Path) -> None:
    code, out, err = nst("assets", "verify")
    assert (code, err) == (0, [])
    assert [line.split() for line in out] == [[name, "absent"] for name in ASSETS]
    path = tmp_path / "cache" / "images" / "udnie.jpg"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"half a file")
    assert nst("assets", "verify", "udnie", "amber") == (1, ["udnie  corrupt", "amber  absent"], [])
    refused(nst("assets", "fetch", "udnie"), "nst assets fetch udnie --force")
    assert path.read_bytes() == b"half a file"


@pytest.mark.parametrize("unbuffered", ["", "1"])  # the output fails at the end, or at once
def test_output_may_be_cut_short_by_its_reader(unbuffered: str) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    result = subprocess.run(
        [sys.executable, "-m", "nstlib.cli", "assets", "verify"],
        env={**os.environ, "PYTHONUNBUFFERED": unbuffered},
        stdout=writer,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    os.close(writer)
    assert (result.returncode, result.stderr) == (1, "")


# The doctor


@pytest.mark.parametrize(("ok", "expected"), [(True, 0), (None, 0), (False, 1)])
def test_doctor_reports_and_counts(
    nst: Run, monkeypatch: pytest.MonkeyPatch, ok: bool | None, expected: int
) -> None:
    findings = [Finding("tea", True, "hot"), Finding("cake", ok, "one slice")]
    monkeypatch.setattr("nstlib.doctor.diagnose", lambda: findings)
    code, out, err = nst("doctor")
    assert (code, err) == (expected, [])
    assert out[0] == "ok     tea   hot"


def test_doctor_finds_a_foreign_backend(tmp_path: Path) -> None:
    environment = {"KERAS_BACKEND": "no_such_backend", "NSTLIB_CACHE": str(tmp_path)}
    result = python("-m", "nstlib.cli", "doctor", **environment)
    assert (result.returncode, result.stderr) == (1, "")
    assert "KERAS_BACKEND is 'no_such_backend'" in result.stdout
    assert "unset KERAS_BACKEND" in result.stdout
    assert result.stdout.splitlines()[-1] == "1 fault"


def test_package_that_does_not_import(nst: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "nstlib.synthesis", None)
    code, out, err = nst("texture", "coffee", "-o", "out.png")
    assert (code, out) == (1, [])
    assert len(err) == 1
    assert err[0].endswith("run nst doctor to learn what to do")
