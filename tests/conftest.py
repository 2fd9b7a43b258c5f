"""What all tests share: settings, and the command line as a function."""

from __future__ import annotations

import functools
import re
import signal
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import matplotlib
import pytest
import typer
from hypothesis import settings

from nstlib.cli.main import app, main
from nstlib.images.arrays import Image
from nstlib.sources import load_image

if TYPE_CHECKING:
    from small_any_style import AnyStyle

    from nstlib.training.people import Sample

# No window, also where there is a screen. Not by MPLBACKEND: notebooks run by a test would inherit
# it and show no pictures.
matplotlib.use("Agg")

# A shell that starts the tests in the background lets them ignore Ctrl-C, and so all that they
# start; nohup does the same for the signal of a closed terminal. Some tests send them.
signal.signal(signal.SIGINT, signal.default_int_handler)
if hasattr(signal, "SIGHUP"):
    signal.signal(signal.SIGHUP, signal.SIG_DFL)

# Tests that several files inherit show what they compared, as those in test files do.
pytest.register_assert_rewrite("exercise_tests", "svg_checks")

# The first call of a function that TensorFlow traces takes seconds; that is no fault of the test.
settings.register_profile("course", deadline=None)
settings.load_profile("course")

Run = Callable[..., tuple[int, list[str], list[str]]]


@pytest.fixture
def nst(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> Run:
    """Run the command in an empty folder; give its exit code, and its lines on both outputs."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("NSTLIB_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("NSTLIB_WEIGHTS", raising=False)

    def run(*arguments: object) -> tuple[int, list[str], list[str]]:
        capfd.readouterr()
        code = main([str(argument) for argument in arguments])
        out, err = capfd.readouterr()
        check_words([str(argument) for argument in arguments], err.splitlines())
        return code, out.splitlines(), err.splitlines()

    return run


@pytest.fixture(scope="module")
def narrow() -> Iterator[None]:
    """VGG19 with an eighth of its channels in place of the whole: as deep, and fast."""
    from narrow_vgg19 import narrow_vgg19  # it needs TensorFlow, and most tests do without

    with narrow_vgg19("average"):
        yield


@pytest.fixture(scope="session")
def narrow_file(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A file of VGG19's layers with a sixteenth of its channels."""
    from nstlib._tensorflow import keras
    from nstlib.vgg19 import build_vgg19, save_vgg19

    keras.utils.set_random_seed(0)
    path = tmp_path_factory.mktemp("vgg") / "narrow.npz"
    save_vgg19(build_vgg19(1 / 16, "average"), path)
    return str(path)


@pytest.fixture(scope="module")
def eager() -> Iterator[None]:
    """Few steps are faster without TensorFlow's graph, which takes many seconds to trace."""
    from nstlib._tensorflow import tf

    tf.config.run_functions_eagerly(True)
    yield
    tf.config.run_functions_eagerly(False)


@pytest.fixture(scope="module")
def content() -> Image:
    """Return a small photograph."""
    return load_image("chelsea", size=(64, 80))


@pytest.fixture(scope="module")
def style() -> Image:
    """Return a small picture of a style."""
    return load_image("mosaic", size=64)


@pytest.fixture(scope="session")
def films(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of small films, for all the tests that read some."""
    from film_files import make_films

    return make_films(tmp_path_factory.mktemp("films"))


@pytest.fixture(scope="session")
def people_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of drawn people: images/, masks/, and others/, which show nobody."""
    from drawn_people import draw_people

    return draw_people(tmp_path_factory.mktemp("people"))


@pytest.fixture(scope="session")
def people(people_folder: Path) -> list[Sample]:
    """Eight photographs of drawn people, and their masks."""
    from nstlib.training.people import pairs  # it needs TensorFlow

    return pairs(people_folder)


@pytest.fixture(scope="session")
def others(people_folder: Path) -> list[Path]:
    """Four photographs of nobody."""
    from nstlib.training.photos import image_files

    return image_files([people_folder / "others"])


@pytest.fixture(scope="session")
def any_style_networks(tmp_path_factory: pytest.TempPathFactory) -> AnyStyle:
    """Small networks for any style, that learned nothing."""
    from small_any_style import make_networks  # it needs TensorFlow

    return make_networks(tmp_path_factory.mktemp("any_style"))


@pytest.fixture
def any_style(any_style_networks: AnyStyle, monkeypatch: pytest.MonkeyPatch) -> Iterator[AnyStyle]:
    """Let the library find the small networks in the place of its own."""
    from nstlib.inference import any_style

    monkeypatch.setattr(any_style, "embedded_model", lambda name: any_style_networks.folder / name)
    any_style.encoder_for.cache_clear()
    yield any_style_networks
    any_style.encoder_for.cache_clear()


@functools.cache
def commands() -> dict[tuple[str, ...], set[str]]:
    """Every command of ``nst``, groups included, with the options that it takes."""
    found: dict[tuple[str, ...], set[str]] = {}

    def walk(command: Any, path: tuple[str, ...]) -> None:
        options = {option for p in command.params for option in (*p.opts, *p.secondary_opts)}
        found[path] = {*options, "--help"}
        for name, inner in getattr(command, "commands", {}).items():
            walk(inner, (*path, name))

    walk(typer.main.get_command(app), ())
    return found


def command_of(words: Sequence[str]) -> tuple[str, ...]:
    """The command that a line of words begins with."""
    path: tuple[str, ...] = ()
    for word in words:
        if (*path, word) not in commands():
            break
        path = (*path, word)
    return path


OPTION = re.compile(r"(?<![\w-])--[a-z][a-z0-9-]*")
COMMAND = re.compile(r"\bnst ((?:[a-z]+ ?)+)")

#: Words of Python: a keyword with its value, a name of the library, the name of an argument.
API = re.compile(
    r"\b[a-z_]+=(?:['\"\[]|True|False|None)|\bnstlib\.[a-z]|\b(?:from_uint8|"
    + "|".join(
        sorted(
            {
                option[2:].replace("-", "_")
                for options in commands().values()
                for option in options
                if "-" in option[2:]
            }
        )
    )
    + r")\b"
)


def check_words(given: Sequence[str], lines: Iterable[str]) -> None:
    """Let no line speak of what whoever reads it does not have.

    Options are those of the command that was given, or of one that the line names in full before;
    and no line speaks of Python's arguments and functions.
    """
    for line in lines:
        for match in OPTION.finditer(line):
            if match[0] in given:  # it may be what is wrong
                continue
            named = list(COMMAND.finditer(line, 0, match.start()))
            path = command_of(named[-1][1].split() if named else given)
            assert match[0] in commands()[path], f"nst {' '.join(path)} has no {match[0]}: {line}"
        told = line
        for word in given:
            told = told.replace(word, "") if {"_", "="} & {*word} else told
        assert not API.search(told), f"words of Python: {line}"
