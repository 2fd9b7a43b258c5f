"""How a film ends early: Ctrl-C, no memory, no space, ffmpeg that hangs or is killed."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from film_files import (
    COUNT,
    HEIGHT,
    WIDTH,
    convert,
    ffmpeg,
    moving_square,
    read,
    sound,
    write,
)
from waiting import LONGEST, wait_for

import nstlib.video.writer as writer_module
from nstlib.errors import MemoryLimitError, NstError, OutputError
from nstlib.images.arrays import Image
from nstlib.video._ffmpeg import FFmpeg
from nstlib.video.reader import VideoReader
from nstlib.video.writer import VideoWriter


def test_ctrl_c_leaves_a_film(tmp_path: Path) -> None:
    frames = np.repeat(moving_square(), 3, axis=0)  # 6 seconds
    write(tmp_path / "long.mp4", frames)
    ffmpeg("-i", tmp_path / "long.mp4", "-f", "lavfi", "-i", "sine=duration=6", tmp_path / "in.mp4")
    calls = 0

    def paint(image: Image) -> Image:
        nonlocal calls
        calls += 1
        if calls == 8:
            signal.raise_signal(signal.SIGINT)
        return image + np.float32(calls / 1e6) * (1 - image)

    result = convert(tmp_path / "in.mp4", tmp_path / "out.mp4", paint)
    assert result.interrupted
    shown = read(tmp_path / "out.mp4")
    assert 1 <= len(shown) == result.frames < 60
    assert result.sound == "kept"
    assert len(sound(tmp_path / "out.mp4")) / 44100 == pytest.approx(result.frames / 10, abs=0.1)


@pytest.mark.parametrize("count", [1, COUNT])
def test_ctrl_c_before_the_first_frame(tmp_path: Path, count: int) -> None:
    """If the film has one frame, its error comes before anybody looks at Ctrl-C."""
    film = write(tmp_path / "in.mp4", moving_square(count))

    def paint(_: Image) -> Image:
        signal.raise_signal(signal.SIGINT)
        raise NstError("nobody asks any more")

    with pytest.raises(KeyboardInterrupt):
        convert(film, tmp_path / "out.mp4", paint)
    assert list(tmp_path.iterdir()) == [film]


@pytest.mark.skipif(os.name == "nt", reason="Windows has no blocked signals")
def test_ctrl_c_does_not_reach_ffmpeg_also_while_it_begins(tmp_path: Path) -> None:
    """It leaves Python's group only after it has begun, and could be interrupted until then."""
    film = ["-f", "lavfi", "-i", "testsrc=duration=1:size=64x64", str(tmp_path / "film.nut")]
    with FFmpeg(film) as run:
        os.kill(run.process.pid, signal.SIGINT)
        assert run.wait() == 0, run.log()
    assert signal.pthread_sigmask(signal.SIG_BLOCK, []) == set()


@pytest.mark.skipif(os.name == "nt", reason="process groups are those of Unix terminals")
def test_ctrl_c_at_a_terminal_reaches_every_program(films: Path, tmp_path: Path) -> None:
    """The whole group is interrupted, as a terminal does it; ffmpeg still finishes its file."""
    code = (
        "import sys; from nstlib.video.convert import convert_video\n"
        "calls = []\n"
        "def paint(image):\n"
        "    calls.append(1)\n"
        "    if len(calls) == 5: print('painting', flush=True); sys.stdin.readline()\n"
        "    return image\n"
        "print(convert_video(sys.argv[1], sys.argv[2], paint, progress=False).interrupted)"
    )
    output = tmp_path / "out.mp4"
    process = subprocess.Popen(
        [sys.executable, "-c", code, films / "loud.mp4", output],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "painting\n"
    os.killpg(process.pid, signal.SIGINT)
    out, err = process.communicate("go on\n", timeout=LONGEST)
    assert (process.returncode, err) == (0, "")
    assert out.splitlines()[-1] == "True"
    assert 1 <= len(read(output)) < COUNT


def interrupt() -> None:
    signal.raise_signal(signal.SIGINT)


@pytest.mark.parametrize(
    "moment", ["reading", "painting", "writing", "encoding", "joining", "moving"]
)
@pytest.mark.parametrize("times", [1, 2])
def test_ctrl_c_at_every_moment(
    films: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, moment: str, times: int
) -> None:
    """What is painted is kept, also if Ctrl-C comes again while the film is finished."""
    calls = {"reading": 0, "painting": 0}

    def press(here: str) -> None:
        # In another thread than the main one, Python only notes it for the main one.
        if here in calls:
            calls[here] += 1
            if calls[here] != 8:
                return
        if here == moment:
            for _ in range(times):
                interrupt()
        elif times == 2 and here == "joining":
            interrupt()

    def around(place: Any, name: str, here: str) -> None:
        before = getattr(place, name)

        def call(*args: Any, **options: Any) -> Any:
            if here == "encoding" and args[0].process.stdin is None:
                return before(*args, **options)  # another run than the encoder's
            press(here)
            result = before(*args, **options)
            press(here)
            return result

        monkeypatch.setattr(place, name, call)

    around(VideoWriter, "write", "writing")
    around(FFmpeg, "wait", "encoding")
    around(writer_module, "run_ffmpeg", "joining")
    around(VideoWriter, "_put_in_place", "moving")
    before = FFmpeg.frames

    def frames(run: FFmpeg, shape: tuple[int, int, int]) -> Iterator[Any]:
        for frame in before(run, shape):
            press("reading")
            yield frame

    monkeypatch.setattr(FFmpeg, "frames", frames)

    def paint(image: Image) -> Image:
        press("painting")
        return image

    result = convert(films / "loud.mp4", tmp_path / "out.mp4", paint)
    assert result.frames == len(read(tmp_path / "out.mp4")) >= 1
    assert result.sound == "kept"
    if moment in ("reading", "painting"):
        assert result.interrupted
        assert result.frames < COUNT
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        cv2.error("(-4:Insufficient memory) Failed to allocate 9 bytes"),
        RuntimeError("std::bad_alloc"),
    ],
)
@pytest.mark.parametrize("call", [1, 8])
def test_memory_that_runs_out(films: Path, tmp_path: Path, error: Exception, call: int) -> None:
    calls = 0

    def paint(image: Image) -> Image:
        nonlocal calls
        calls += 1
        if calls >= call:
            raise error
        return image

    if call == 1:
        with pytest.raises(MemoryLimitError, match="a smaller size needs less") as caught:
            convert(films / "loud.mp4", tmp_path / "out.mp4", paint)
        assert "--size" in caught.value.command
        assert list(tmp_path.iterdir()) == []
        return
    result = convert(films / "loud.mp4", tmp_path / "out.mp4", paint)
    assert isinstance(result.fault, MemoryLimitError)
    assert result.frames == len(read(tmp_path / "out.mp4")) == call - 1
    assert not result.interrupted
    assert len(sound(tmp_path / "out.mp4")) / 44100 == pytest.approx((call - 1) / 10, abs=0.1)


@pytest.mark.skipif(os.name == "nt", reason="processes are killed otherwise there")
@pytest.mark.parametrize("which", ["reader", "writer"])
def test_an_ffmpeg_that_the_system_kills(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, which: str
) -> None:
    """As systems do when memory runs out."""
    noise = np.random.default_rng(0).integers(0, 256, (120, 120, 160, 3), np.uint8)
    film = write(tmp_path / "in.mp4", noise)
    started: list[FFmpeg] = []
    before = FFmpeg.__init__

    def remember(run: FFmpeg, *args: Any, **options: Any) -> None:
        before(run, *args, **options)
        if options.get("stdout" if which == "reader" else "stdin"):
            started.append(run)

    monkeypatch.setattr(FFmpeg, "__init__", remember)
    calls = 0

    def paint(image: Image) -> Image:
        nonlocal calls
        calls += 1
        if calls == 110:
            started[-1].process.kill()
            started[-1].process.wait()
        return image

    result = convert(film, tmp_path / "out.mp4", paint)
    assert isinstance(result.fault, MemoryLimitError)
    assert "ffmpeg was killed" in str(result.fault)
    assert 1 <= len(read(tmp_path / "out.mp4")) < 120


HANGS = """\
#!{python} -S
import os, sys, time
os.write(1, bytes({size}) * {frames})
print(os.getpid(), file=open({log!r}, "w"))
time.sleep(36000)
"""


@pytest.fixture
def hanging(tmp_path: Path) -> tuple[Path, Path]:
    """A program that gives 3 frames and then hangs, and the file with its number."""
    program, log = tmp_path / "hangs", tmp_path / "number"
    program.write_text(
        HANGS.format(python=sys.executable, size=HEIGHT * WIDTH * 3, frames=3, log=str(log))
    )
    program.chmod(0o755)
    return program, log


def alive(number: int) -> bool:
    try:
        os.kill(number, 0)
    except ProcessLookupError:
        return False
    status = Path(f"/proc/{number}/stat")
    return not status.exists() or status.read_text().rsplit(") ", 1)[1][0] != "Z"


@pytest.mark.skipif(os.name == "nt", reason="scripts are no programs there")
def test_an_ffmpeg_that_hangs(
    films: Path, hanging: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is stopped; what it gave counts, and that the rest is missing can be seen.

    It is left all the time that it needs to begin with.
    """
    program, log = hanging
    reader = VideoReader(films / "silent.mp4")
    monkeypatch.setenv("IMAGEIO_FFMPEG_EXE", str(program))
    monkeypatch.setattr("nstlib.video._ffmpeg.TICK", 0.02)
    monkeypatch.setattr("nstlib.video._ffmpeg.STALLED", LONGEST / 0.02)
    frames = iter(reader)
    for _ in range(3):
        next(frames)
    monkeypatch.setattr("nstlib.video._ffmpeg.STALLED", 5)
    assert list(frames) == []
    assert not alive(int(log.read_text()))


@pytest.mark.skipif(os.name == "nt", reason="scripts are no programs there")
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_ffmpeg_does_not_outlive_python(hanging: tuple[Path, Path], number: signal.Signals) -> None:
    program, log = hanging
    code = (
        "from nstlib.video._ffmpeg import FFmpeg\n"
        "run = FFmpeg([], stdout=True); print('started', flush=True); run.wait()"
    )
    environment = {**os.environ, "IMAGEIO_FFMPEG_EXE": str(program)}
    command = [sys.executable, "-c", code]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"started\n"
        wait_for(lambda: log.exists() and log.read_text().strip() != "")
        process.send_signal(number)
    wait_for(lambda: not alive(int(log.read_text())))


def test_a_film_that_was_cut_off_is_no_success(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An encoder that fails at its very end; what it has written is there for who asks again."""
    wait = FFmpeg.wait
    with VideoWriter(tmp_path / "out.mp4", 10) as writer:
        for frame in moving_square():
            writer.write(frame)
        with monkeypatch.context() as patch:
            patch.setattr(FFmpeg, "wait", lambda run: wait(run) or 1)
            with pytest.raises(OutputError, match="cannot be written"):
                writer.finish()
        assert not (tmp_path / "out.mp4").exists()
        writer.finish()
    assert len(read(tmp_path / "out.mp4")) == COUNT


WRITES = """\
import resource, sys
import numpy as np
from nstlib.errors import OutputError
from nstlib.video.writer import VideoWriter
if sys.argv[2] != "-":
    resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]), int(sys.argv[2])))
noise = np.random.default_rng(0).integers(0, 256, (30, 120, 160, 3), np.uint8)
try:
    with VideoWriter(sys.argv[1], 10) as writer:
        for frame in noise:
            writer.write(frame)
        writer.finish()
except OutputError as error:
    print(error)
"""


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such limit")
@pytest.mark.parametrize("suffix", [".mp4", ".gif", ".webm"])
def test_a_file_that_may_not_grow(tmp_path: Path, suffix: str) -> None:
    """The system's reason is named, whatever ffmpeg says last."""
    film = tmp_path / f"out{suffix}"
    command = [sys.executable, "-c", WRITES, str(film), "40000"]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.stdout == f"{film}: cannot be written (File too large)\n"
    assert result.stderr == ""
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("kilobytes", [60, 400, 700])
def test_a_full_disk(tmp_path: Path, kilobytes: int) -> None:
    """Full while frames are written, or only when the film is put together."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={kilobytes}k", "tmpfs", str(disk)]
    if (
        os.name == "nt"
        or shutil.which("mount") is None
        or subprocess.run(mount, capture_output=True, check=False).returncode
    ):
        pytest.skip("no small disk can be mounted here")
    try:
        command = [sys.executable, "-c", WRITES, str(disk / "out.mp4"), "-"]
        result = subprocess.run(command, capture_output=True, text=True, check=False)
        assert result.stdout == f"{disk / 'out.mp4'}: cannot be written (No space left on device)\n"
        assert result.stderr == ""
        assert list(disk.iterdir()) == []
    finally:
        subprocess.run(["umount", disk], check=True)
