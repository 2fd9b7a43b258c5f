"""What the process is said to hold is what it holds."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from nstlib import _memory
from nstlib._memory import memory, room

#: In a process of its own, in which nothing else comes and goes. The block is the system's, page by
#: page: what a library frees may stay with it for later.
HOLDS = """\
import json, mmap
from nstlib import _memory
from nstlib._memory import memory, room
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


# Room for more

#: Says what room a process has left once it has set itself a limit.
LIMITED = """\
import re, resource, sys
from pathlib import Path
from nstlib._memory import room
held = int(re.search(r"VmSize:\\s*(\\d+)", Path("/proc/self/status").read_text())[1]) * 1024
resource.setrlimit(resource.RLIMIT_AS, (held + int(sys.argv[1]), resource.RLIM_INFINITY))
print(room())
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="only Linux tells")
def test_room_under_a_limit_of_its_own() -> None:
    command = [sys.executable, "-c", LIMITED, str(100_000_000)]
    run = subprocess.run(command, capture_output=True, check=True)
    assert 90 < float(run.stdout) <= 100


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({}, None),
        ({"meminfo": "MemTotal: 9000 kB\nMemAvailable: 3000 kB\nSwapFree: 500 kB\n"}, 3.584),
        ({"meminfo": "MemAvailable: 3000 kB\n", "most": "2000000", "used": "500000"}, 1.5),
        (
            {"most": "2000000", "used": "1900000",
             "memory.stat": "anon 7\nactive_file 200000\ninactive_file 300000\n"},
            0.6,
        ),
        ({"meminfo": "MemAvailable: 3000 kB\n", "most": "max", "used": "500000"}, 3.072),
        ({"meminfo": "MemAvailable: 1000 kB\n", "most": "9223372036854771712", "used": "5"}, 1.024),
    ],
)  # fmt: skip
def test_room_is_the_least_of_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, files: dict[str, str], expected: float | None
) -> None:
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    read = _memory.numbers_in
    places = {"/proc/meminfo": str(tmp_path / "meminfo"), "/proc/self/status": "absent"}

    def redirected(path: str) -> dict[str, int]:
        return read(places.get(path, path))

    monkeypatch.setattr(_memory, "numbers_in", redirected)
    monkeypatch.setattr(_memory, "CONTAINERS", ((str(tmp_path), "most", "used"),))
    assert room() == (None if expected is None else pytest.approx(expected))
