"""The package installs and works without its repository, and each list of facts stands once."""

from __future__ import annotations

import ast
import importlib.metadata
import os
import re
import subprocess
import sys
import sysconfig
import tomllib
import venv
from pathlib import Path
from typing import Any

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import Version

import nstlib

ROOT = Path(__file__).resolve().parents[2]
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))[
    "project"
]


def distributions(requirements: list[str]) -> set[str]:
    return {canonicalize_name(Requirement(requirement).name) for requirement in requirements}


# --- The wheel ------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def elsewhere(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the wheel, install it into a new environment, and return that environment's programs.

    The dependencies are those of the running environment: a .pth file adds its site-packages. The
    .pth files in there are not read again, so an editable nstlib stays out of sight.
    """
    folder = tmp_path_factory.mktemp("packaging")
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    build = ["wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", str(folder), str(ROOT)]
    subprocess.run([*pip, *build], check=True)
    (wheel,) = folder.glob("nstlib-*.whl")

    venv.create(folder / "venv", symlinks=os.name != "nt")
    programs = folder / "venv" / ("Scripts" if os.name == "nt" else "bin")
    python = str(programs / "python")
    install = ["install", "--no-deps", "--no-index", str(wheel)]
    subprocess.run([*pip, "--python", python, *install], check=True)

    variables = {"base": str(folder / "venv"), "platbase": str(folder / "venv")}
    site_packages = Path(sysconfig.get_path("purelib", "venv", variables))
    running = {sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}
    (site_packages / "running.pth").write_text("\n".join(sorted(running)) + "\n", encoding="utf-8")
    return programs


def run(program: Path, *arguments: str, folder: Path) -> str:
    """Run a program in an empty folder with an empty home; return what it prints."""
    home, here = folder / "home", folder / "here"
    home.mkdir()
    here.mkdir()
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
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_wheel_is_found_in_its_own_environment(elsewhere: Path, tmp_path: Path) -> None:
    printed = run(
        elsewhere / "python", "-c", "import nstlib; print(nstlib.__file__)", folder=tmp_path
    )
    assert Path(printed.strip()).is_relative_to(elsewhere.parent)


def test_installed_nst_makes_a_texture_from_any_folder(elsewhere: Path, tmp_path: Path) -> None:
    texture = ["texture", "immunohistochemistry", "-o", "out.png", "--size", "64"]
    run(elsewhere / "nst", *texture, "--iterations", "3", folder=tmp_path)
    image = nstlib.load_image(tmp_path / "here" / "out.png")
    assert image.shape == (64, 64, 3)
    assert image.std() > 0.01
    assert [path.name for path in (tmp_path / "here").iterdir()] == ["out.png"]


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
    declared = distributions(PROJECT["dependencies"])
    providers = importlib.metadata.packages_distributions()
    imported = imported_modules(ROOT / "nstlib")
    assert {"numpy", "cv2", "tensorflow"} <= imported  # the scan sees what it should
    # Not every learner needs a cluster, or reads what other frameworks write: extras bring those.
    for extra in ("cluster", "tflite", "torch"):
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
    assert by_pip == {"pip": ["-c constraints.txt", "-e .[lab,test]"]}
    assert "lab" in PROJECT["optional-dependencies"]


def test_makefile_accepts_the_pythons_the_package_does() -> None:
    text = (ROOT / "Makefile").read_text(encoding="utf-8")
    oldest, beyond = re.findall(r"\((\d), (\d+)\)", text)
    requires = f">={'.'.join(oldest)},<{'.'.join(beyond)}"
    assert SpecifierSet(requires) == SpecifierSet(PROJECT["requires-python"])
    assert Version(".".join(oldest)) in SpecifierSet(PROJECT["requires-python"])
