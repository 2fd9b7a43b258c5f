"""The command doctor."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from command_runs import (
    python,
)
from conftest import Run

from nstlib.doctor import Finding


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
    result = python("-m", "nstlib", "doctor", **environment)
    assert (result.returncode, result.stderr) == (1, "")
    assert "KERAS_BACKEND is 'no_such_backend'" in result.stdout
    assert "unset KERAS_BACKEND" in result.stdout
    assert result.stdout.splitlines()[-1] == "1 fault"


@pytest.mark.parametrize("command", ["texture coffee", "transfer coffee mosaic"])
def test_package_that_does_not_import(
    nst: Run, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    monkeypatch.delitem(sys.modules, "nstlib.optimize", raising=False)
    monkeypatch.setitem(sys.modules, "scipy.optimize", None)
    code, out, err = nst(*command.split(), "-o", "out.png")
    assert (code, out) == (1, [])
    assert len(err) == 1
    assert err[0].endswith("run nst doctor to learn what to do")
