"""What the process is said to hold is what it holds."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from nstlib._memory import memory

#: In a process of its own, in which nothing else comes and goes. The block is the system's, page by
#: page: what a library frees may stay with it for later.
HOLDS = """\
import json, mmap
from nstlib._memory import memory
def now():
    return memory(), memory(peak=True)
before = now()
with mmap.mmap(-1, 200_000_000) as block:
    for page in range(0, len(block), mmap.PAGESIZE):
        block[page] = 1
    held = now()
print(json.dumps([before, held, now()]))
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="only the peak is known there")
def test_memory() -> None:
    run = subprocess.run([sys.executable, "-c", HOLDS], capture_output=True, check=True)
    (before, _), (held, held_peak), (after, after_peak) = json.loads(run.stdout)
    # The system counts pages in portions, one for each processor.
    assert held - before == pytest.approx(200, abs=40)
    assert after == pytest.approx(before, abs=40)
    for peak in (held_peak, after_peak):
        assert held - 40 < peak < held + 40


def test_memory_where_there_is_no_proc(monkeypatch: pytest.MonkeyPatch) -> None:
    resource = pytest.importorskip("resource")

    def absent(_: Path) -> str:
        raise FileNotFoundError

    monkeypatch.setattr(Path, "read_text", absent)
    peak = memory()
    assert peak is not None
    assert 30 < peak < 100_000
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss > 0
