"""What all tests share: settings, and the command line as a function."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import matplotlib
import pytest
from hypothesis import settings

from nstlib.cli.main import main

# No window, also where there is a screen. Not by MPLBACKEND: notebooks run by a test would inherit
# it and show no pictures.
matplotlib.use("Agg")

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
        return code, out.splitlines(), err.splitlines()

    return run
