"""The package installs and works without its repository, and each list of facts stands once."""

from __future__ import annotations

import ast
import functools
import importlib.metadata
import os
import re
import subprocess
import sys
import sysconfig
import tomllib
import venv
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import Version
from waiting import LONGEST

import nstlib
from nstlib.assets.cache import embedded_model
from nstlib.video.reader import VideoReader
from nstlib.video.writer import VideoWriter

ROOT = Path(__file__).resolve().parents[2]
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))[
    "project"
]
PIP = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]


def distributions(requirements: list[str]) -> set[str]:
    return {canonicalize_name(Requirement(requirement).name) for requirement in requirements}


# --- The wheel ------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the wheel."""
    folder = tmp_path_factory.mktemp("wheel")
    build = ["wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", str(folder), str(ROOT)]
    subprocess.run([*PIP, *build], check=True)
    (wheel,) = folder.glob("nstlib-*.whl")
    return wheel


def environment(folder: Path) -> Path:
    """Make a new environment without pip, and return the folder of its programs."""
    venv.create(folder, symlinks=os.name != "nt")
    return folder / ("Scripts" if os.name == "nt" else "bin")


@pytest.fixture(scope="module")
def elsewhere(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Install the wheel into a new environment, and return that environment's programs.

    The dependencies are those of the running environment: a .pth file adds its site-packages. The
    .pth files in there are not read again, so an editable nstlib stays out of sight.
    """
    folder = tmp_path_factory.mktemp("packaging") / "venv"
    programs = environment(folder)
    install = ["install", "--no-deps", "--no-index", str(wheel)]
    subprocess.run([*PIP, "--python", str(programs / "python"), *install], check=True)

    variables = {"base": str(folder), "platbase": str(folder)}
    site_packages = Path(sysconfig.get_path("purelib", "venv", variables))
    running = {sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}
    (site_packages / "running.pth").write_text("\n".join(sorted(running)) + "\n", encoding="utf-8")
    return programs


@pytest.fixture(scope="module")
def alone(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Install the wheel and nothing but what it asks for; return the environment's programs."""
    programs = environment(tmp_path_factory.mktemp("alone") / "venv")
    install = ["install", "--constraint", str(ROOT / "constraints.txt"), str(wheel)]
    done = subprocess.run(
        [*PIP, "--python", str(programs / "python"), *install],
        capture_output=True,
        text=True,
        check=False,
    )
    if "No matching distribution" in done.stderr and "connection" in done.stderr:
        pytest.skip("no package index can be reached from here")
    assert done.returncode == 0, done.stderr
    return programs


def run(program: Path, *arguments: str, folder: Path, code: int = 0) -> str:
    """Run a program in a folder of its own, with a home of its own; return what it prints."""
    home, here = folder / "home", folder / "here"
    home.mkdir(exist_ok=True)
    here.mkdir(exist_ok=True)
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("NSTLIB_", "PYTHON", "XDG_", "MPL", "KERAS_"))
    }
    done = subprocess.run(
        [str(program), *arguments],
        cwd=here,
        env={**kept, "HOME": str(home)},
        capture_output=True,
        text=True,
        timeout=LONGEST,
        check=False,
    )
    assert done.returncode == code, done.stderr
    return done.stdout if code == 0 else done.stderr


def test_wheel_is_found_in_its_own_environment(elsewhere: Path, tmp_path: Path) -> None:
    printed = run(
        elsewhere / "python", "-c", "import nstlib; print(nstlib.__file__)", folder=tmp_path
    )
    assert Path(printed.strip()).is_relative_to(elsewhere.parent)


def test_the_wheel_carries_the_licences_of_what_it_carries(wheel: Path) -> None:
    """Apache's, of the person network, has to be given along, and says what was changed."""
    with zipfile.ZipFile(wheel) as files:
        names = files.namelist()
        licences = [name.partition(".dist-info/licenses/")[2] for name in names]
        assert sorted(filter(None, licences)) == sorted(PROJECT["license-files"])
        assert "nstlib/_models/person.onnx" in names
        [apache] = [name for name in names if name.endswith("LICENSE-Apache-2.0")]
        text = files.read(apache).decode()
    assert text.startswith("person.onnx was made from the weights of MediaPipe's")
    assert "TERMS AND CONDITIONS FOR USE, REPRODUCTION, AND DISTRIBUTION" in text
    assert "END OF TERMS AND CONDITIONS" in text


def test_installed_nst_makes_a_texture_from_any_folder(elsewhere: Path, tmp_path: Path) -> None:
    texture = ["texture", "immunohistochemistry", "-o", "out.png", "--size", "64"]
    run(elsewhere / "nst", *texture, "--iterations", "3", folder=tmp_path)
    image = nstlib.load_image(tmp_path / "here" / "out.png")
    assert image.shape == (64, 64, 3)
    assert image.std() > 0.01
    assert [path.name for path in (tmp_path / "here").iterdir()] == ["out.png"]


def test_the_wheel_alone_paints(alone: Path, tmp_path: Path) -> None:
    """Without TensorFlow and Jupyter: pictures, masks, compositions, films, and the doctor."""
    nst = functools.partial(run, alone / "nst", folder=tmp_path)
    nst("stylize", "coffee", "-s", "candy", "-o", "candy.png", "--size", "96")
    nst("stylize", "coffee", "-s", "retina:2", "-s", "candy", "-o", "mixed.png", "--size", "96")
    nst("segment", "astronaut", "-o", "mask.png", "--size", "128")
    nst("compose", "astronaut", "--style", "mosaic", "-o", "scene.png", "--size", "128")
    film = tmp_path / "here" / "film.mp4"
    photo = nstlib.to_uint8(nstlib.load_image("astronaut", size=64))
    with VideoWriter(film, 10) as writer:
        for shift in range(3):
            writer.write(np.roll(photo, shift, axis=1))
        writer.finish()
    nst("compose", "film.mp4", "--style", "mosaic", "-o", "out.mp4")
    nst("verify", str(embedded_model("candy.onnx")), "--size", "32x48")

    here = tmp_path / "here"
    mask = nstlib.load_image(here / "mask.png")
    assert 0.1 < mask.mean() < 0.9
    assert set(np.unique(mask)) == {0, 1}
    assert nstlib.load_image(here / "candy.png").shape == (64, 96, 3)
    assert nstlib.load_image(here / "mixed.png").shape == (64, 96, 3)
    assert nstlib.load_image(here / "scene.png").std() > 0.1
    assert [frame.shape for frame in VideoReader(here / "out.mp4")] == [(64, 64, 3)] * 3

    told = nst("doctor")
    assert told.splitlines()[-1] == "no faults"
    assert "pip install 'nstlib[learn]'" in told
    for packages in ("tensorflow", "jupyterlab", "matplotlib"):
        run(alone / "python", "-c", f"import {packages}", folder=tmp_path, code=1)


@pytest.mark.parametrize("command", ["texture coffee -o t.png", "transfer coffee mosaic -o t.png"])
def test_what_needs_tensorflow_says_in_one_line_what_to_install(
    alone: Path, tmp_path: Path, command: str
) -> None:
    [line] = run(alone / "nst", *command.split(), folder=tmp_path, code=2).splitlines()
    assert line.startswith("nst: ")
    assert line.endswith("needs tensorflow: pip install 'nstlib[learn]'")


def test_names_that_need_tensorflow_say_so_in_python(alone: Path, tmp_path: Path) -> None:
    code = (
        "import nstlib as nst\n"
        "for name in ('transfer_style', 'feature_extractor', 'TransformerNet', 'show_images'):\n"
        "    try:\n"
        "        getattr(nst, name)\n"
        "    except nst.NstError as error:\n"
        "        print(name, error)\n"
    )
    lines = run(alone / "python", "-c", code, folder=tmp_path).splitlines()
    assert [line.split()[0] for line in lines] == [
        "transfer_style",
        "feature_extractor",
        "TransformerNet",
        "show_images",
    ]
    assert all(line.endswith("pip install 'nstlib[learn]'") for line in lines)


# --- Dependencies and versions --------------------------------------------------------------------


def imported_modules(folder: Path) -> set[str]:
    """Return the top-level names of all modules imported below a folder, from outside of it."""
    names = set()
    for path in folder.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                names |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
                names.add(node.module.partition(".")[0])
    return names - set(sys.stdlib_module_names) - {folder.name}


def test_every_import_of_the_library_is_a_declared_dependency() -> None:
    declared = distributions(PROJECT["dependencies"] + PROJECT["optional-dependencies"]["learn"])
    providers = importlib.metadata.packages_distributions()
    imported = imported_modules(ROOT / "nstlib")
    assert {"numpy", "cv2", "tensorflow"} <= imported  # the scan sees what it should
    # Not every learner needs a cluster, or reads what other frameworks write: extras bring those.
    for extra in ("cluster", "heic", "tflite", "torch"):
        declared |= distributions(PROJECT["optional-dependencies"][extra])
    undeclared = {
        name
        for name in imported
        # What is not installed here (PyTorch, in most environments) goes by its own name.
        if not declared & {canonicalize_name(provider) for provider in providers.get(name, [name])}
    }
    assert undeclared == set()


def test_the_version_stands_the_same_everywhere() -> None:
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert PROJECT["version"] == nstlib.__version__ == citation["version"]


def test_citation_has_what_the_format_requires() -> None:
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert citation["cff-version"] == "1.2.0"
    assert {"message", "title", "authors"} <= set(citation)
    assert citation["authors"] == [{"name": "The nstlib authors"}]
    assert PROJECT["license"] == " AND ".join(citation["license"])


def pins() -> dict[str, str]:
    """Return the versions in constraints.txt, by distribution."""
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    entries = [line for line in lines if line and not line.startswith("#")]
    assert all(
        re.fullmatch(r"[\w.-]+==[\w.]+", entry) for entry in entries
    )  # no paths, no addresses
    return {canonicalize_name(name): version for name, version in (e.split("==") for e in entries)}


def test_constraints_pin_every_dependency_to_a_version_it_allows() -> None:
    versions = pins()
    extras = PROJECT["optional-dependencies"].values()
    for text in [*PROJECT["dependencies"], *(text for extra in extras for text in extra)]:
        requirement = Requirement(text)
        version = versions.get(canonicalize_name(requirement.name), "0")
        assert requirement.specifier.contains(version), f"{text}: constraints.txt has {version}"


@pytest.mark.parametrize("python", ["3.11.0", "3.12.0", "3.13.0"])
def test_constraints_can_be_installed_on_every_python_the_package_accepts(python: str) -> None:
    assert SpecifierSet(PROJECT["requires-python"]).contains(python)
    refused = []
    for distribution in importlib.metadata.distributions():
        name, version = canonicalize_name(distribution.name), distribution.version
        requires = distribution.metadata.json.get("requires_python", "")
        if pins().get(name) == version and not SpecifierSet(str(requires)).contains(python):
            refused.append(f"{name}=={version} requires Python {requires}")
    assert refused == []


# --- environment.yml ------------------------------------------------------------------------------


def test_environment_names_python_pip_and_this_project_only() -> None:
    environment = yaml.safe_load((ROOT / "environment.yml").read_text(encoding="utf-8"))
    python, pip, by_pip = environment["dependencies"]
    name, versions = re.fullmatch(r"(\w+)(.*)", python).groups()  # type: ignore[union-attr]
    assert (name, pip) == ("python", "pip")
    assert SpecifierSet(versions) == SpecifierSet(PROJECT["requires-python"])
    assert by_pip == {"pip": ["-c constraints.txt", "-e .[learn,test]"]}
    assert "learn" in PROJECT["optional-dependencies"]


def test_makefile_accepts_the_pythons_the_package_does() -> None:
    text = (ROOT / "Makefile").read_text(encoding="utf-8")
    oldest, beyond = re.findall(r"\((\d), (\d+)\)", text)
    requires = f">={'.'.join(oldest)},<{'.'.join(beyond)}"
    assert SpecifierSet(requires) == SpecifierSet(PROJECT["requires-python"])
    assert Version(".".join(oldest)) in SpecifierSet(PROJECT["requires-python"])
