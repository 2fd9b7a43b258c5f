"""Commands that are asked to end, by real signals to real processes: what there is, is kept.

Nothing here waits for a time. What the commands do is replaced, in the process that is tested, by
quick stand-ins that say where they are, and every signal is sent after a line that says so.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import PIL.Image
import pytest

pytestmark = pytest.mark.skipif(os.name != "posix", reason="sends POSIX signals")

#: Makes `pause(name)` of every command: it says where it is and waits for a line, or not at all if
#: its name is not among those to pause at.
PRELUDE = """
import os, signal, sys
import numpy as np
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background ignores it
at = sys.argv.pop(1).split(",")
def pause(where):
    if where in at:
        print("at", where, flush=True)
        sys.stdin.readline()
import nstlib.images.encode, nstlib.images.decode
save_image = nstlib.images.encode.save_image
def save(image, path, **options):
    pause("saving")
    return save_image(image, path, **options)
nstlib.images.encode.save_image = save
"""
#: Puts a recipe that makes nothing, step by step, in the place of both; TensorFlow is not imported.
SYNTHESIS = (
    PRELUDE
    + """
from pathlib import Path
from types import SimpleNamespace
from nstlib.errors import NstError
def recipe(*given, checkpoint=None, callback=None, **options):
    pause("beginning")
    interrupted = False
    for number in range(6):
        if checkpoint:
            Path(checkpoint).write_bytes(b"the state")
        if callback(SimpleNamespace(iteration=number, image=None)) is True:
            break
        pause(f"step {number}")
    pause("judging")
    return SimpleNamespace(
        image=np.full((40, 64, 3), 0.5, np.float32), size=(40, 64), iterations=number,
        seconds=1.0, interrupted=False)
class Error(NstError):
    pass
fakes = {
    "features": {"SMALLEST_SIDE": 32},
    "optimize": {"OptimizationError": Error, "UnfinishedError": Error},
    "synthesis.texture": {"synthesize_texture": recipe},
    "synthesis.transfer": {"transfer_style": recipe},
    "synthesis.estimate": {"estimate_transfer": lambda *_, **__: SimpleNamespace(
        seconds=42.0, megabytes=1000.0, sizes=((40, 64),))},
}
for name, content in fakes.items():
    sys.modules[f"nstlib.{name}"] = SimpleNamespace(**content)
from nstlib.cli.main import main
sys.exit(main())
"""
)
#: The same recipe as it is, which stops where a signal is to come.
REAL = (
    PRELUDE
    + """
import nstlib.synthesis.texture as texture
real = texture.synthesize_texture
def recipe(*given, callback, **options):
    def watched(step):
        ends = callback(step)
        pause(f"step {step.iteration}")
        return ends
    return real(*given, callback=watched, layers=["block1_conv1"], **options)
texture.synthesize_texture = recipe
from nstlib.cli.main import main
sys.exit(main())
"""
)
#: A style training of four steps, of which nothing is learned.
TRAINING = (
    PRELUDE
    + """
from types import SimpleNamespace
import nstlib.cli.training as cli
def train(picture, files, *, network, steps, callback, stop, checkpoint, **options):
    pause("beginning")
    for done in range(1, steps + 1):
        asked = stop()
        pause(f"step {done}")
        if asked:
            break
    callback(SimpleNamespace(
        step=done, loss=1.0, terms={"style": 1.0}, seconds=1.0, remaining=1.0, preview=None))
    return network
def write(path, network, metadata, **options):
    pause("saving")
    path.write_bytes(b"the network")
cli.write_network = write
nothing = lambda *_, **__: None
fakes = {
    "_tensorflow": {"keras": SimpleNamespace(utils=SimpleNamespace(set_random_seed=nothing))},
    "networks.any_style": {"is_one_style_network": nothing},
    "networks.files": {"load_network": nothing, "save_network": nothing},
    "networks.transformer": {"VARIANTS": {"full": {}}, "TransformerNet": nothing},
    "training.style": {"Progress": None, "from_bytes": nothing, "train_style": train},
}
for name, content in fakes.items():
    sys.modules[f"nstlib.{name}"] = SimpleNamespace(**content)
from nstlib.cli.main import main
sys.exit(main())
"""
)
TEXTURE = ("texture", "coffee", "-o", "out.png", "--size", "64")
TRANSFER = ("transfer", "coffee", "mosaic", "-o", "out.png", "--size", "64")
TRAIN = ("train", "style", "mosaic", "--photos", "photos", "-o", "out.onnx", "--steps", "4")


class Ended:
    """How a process ended: exit code, its lines on stderr, and where it was."""

    def __init__(self, code: int, err: list[str], seen: list[str]) -> None:
        self.code, self.err, self.seen = code, err, seen


def end(
    folder: Path,
    code: str,
    arguments: Sequence[str],
    at: Sequence[str],
    *numbers: signal.Signals,
) -> Ended:
    """Run a command; at each of those places send the signals, one after the other."""
    with subprocess.Popen(
        [sys.executable, "-c", code, ",".join(at), *arguments],
        cwd=folder,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=(folder / "stderr").open("w"),
        text=True,
        env=os.environ | {"NSTLIB_CACHE": str(folder / "cache")},
    ) as process:
        assert process.stdout is not None
        assert process.stdin is not None
        seen = []
        for line in process.stdout:
            if not line.startswith("at "):
                continue
            seen.append(line[3:].strip())
            for number in numbers:
                process.send_signal(number)
            if len(seen) == len(at):
                process.stdin.close()
            else:
                process.stdin.write("\n")
                process.stdin.flush()
    err = (folder / "stderr").read_text().splitlines()
    return Ended(process.returncode, err, seen)


INT, TERM, HUP = signal.SIGINT, signal.SIGTERM, signal.SIGHUP

#: Where a second signal, or a third, may come: while the run ends, judges and saves.
PLACES = [("step 2",), ("step 2", "judging"), ("step 4", "judging", "saving")]


@pytest.mark.parametrize("command", [TEXTURE, TRANSFER], ids=["texture", "transfer"])
@pytest.mark.parametrize("at", PLACES, ids="-".join)
def test_ctrl_c_again_and_again(tmp_path: Path, command: Sequence[str], at: Sequence[str]) -> None:
    """Twice at every place: at once, and while the command finishes."""
    ended = end(tmp_path, SYNTHESIS, command, at, INT, INT)
    assert ended.seen == list(at)
    assert ended.code == 130, ended.err
    assert PIL.Image.open(tmp_path / "out.png").size == (64, 40)
    assert ended.err[-2:] == [
        "nst: interrupted: ending ...",
        "nst: interrupted; out.png is the best picture so far",
    ]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out.png", "stderr"]


@pytest.mark.parametrize(("number", "code"), [(TERM, 143), (HUP, 129)])
def test_other_signals_end_in_order_too(tmp_path: Path, number: signal.Signals, code: int) -> None:
    ended = end(
        tmp_path, SYNTHESIS, (*TRANSFER, "--checkpoint", "run.npz"), ("step 4", "saving"), number
    )
    assert ended.code == code
    assert ended.err[-1].endswith("the best picture so far; the same command goes on from run.npz")
    assert PIL.Image.open(tmp_path / "out.png").size == (64, 40)
    assert (tmp_path / "run.npz").exists()


def test_a_real_run_ends_at_its_next_step(tmp_path: Path) -> None:
    ended = end(tmp_path, REAL, (*TEXTURE, "--report", "run.json"), ("step 2", "saving"), INT, INT)
    assert (ended.code, ended.seen) == (130, ["step 2", "saving"])
    assert PIL.Image.open(tmp_path / "out.png").size == (64, 64)
    assert json.loads((tmp_path / "run.json").read_text())["iterations"] == 3


def test_before_there_is_a_picture_nothing_is_waited_for(tmp_path: Path) -> None:
    ended = end(tmp_path, SYNTHESIS, TEXTURE, ("beginning",), INT, INT)
    assert (ended.code, ended.err) == (130, ["nst: interrupted: ending ..."])
    assert not (tmp_path / "out.png").exists()


def test_a_complete_picture_is_complete(tmp_path: Path) -> None:
    """Although Ctrl-C came while it was written."""
    ended = end(tmp_path, SYNTHESIS, TEXTURE, ("saving",), INT, INT, INT)
    assert (ended.code, ended.err) == (0, ["nst: interrupted: ending ..."])
    assert PIL.Image.open(tmp_path / "out.png").size == (64, 40)


@pytest.mark.parametrize("at", [("step 1",), ("step 2", "saving")], ids="-".join)
@pytest.mark.parametrize(("number", "code"), [(INT, 130), (TERM, 143)])
def test_a_training_keeps_its_network(
    tmp_path: Path, at: Sequence[str], number: signal.Signals, code: int
) -> None:
    (tmp_path / "photos").mkdir()
    PIL.Image.new("RGB", (64, 64)).save(tmp_path / "photos" / "one.png")
    ended = end(tmp_path, TRAINING, TRAIN, at, number, number, number)
    assert ended.code == code, ended.err
    assert (tmp_path / "out.onnx").read_bytes() == b"the network"
    assert "nst: interrupted: ending ..." in ended.err
    assert ended.err[-1] == "nst: interrupted; out.onnx is the network so far"


def test_it_is_said_while_python_cannot_hear(tmp_path: Path) -> None:
    """Python's handlers wait until a computation in C is over; here it never is."""
    script = PRELUDE + (
        "import ctypes, nstlib.sources\n"
        "def compute(*_, **__):\n"
        "    print('at computing', flush=True)\n"
        "    ctypes.CDLL(None).system(b'read line')\n"  # a single call into C, which lasts
        "    raise KeyboardInterrupt\n"
        "nstlib.sources.load_image = compute\n"
        "from nstlib.cli.main import main\n"
        "sys.exit(main())\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script, "", *TEXTURE],
        cwd=tmp_path,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline() == "at computing\n"
        process.send_signal(TERM)
        said = process.stderr.readline()  # before the computation has ended
        process.stdin.close()
        rest = process.stderr.read()
    assert said == "nst: interrupted: ending ...\n"
    assert rest == ""
    assert process.returncode == 143


def test_what_nohup_ignores_stays_ignored(tmp_path: Path) -> None:
    script = SYNTHESIS.replace(
        "import nstlib.images.encode",
        "signal.signal(signal.SIGHUP, signal.SIG_IGN)\nimport nstlib.images.encode",
        1,
    )
    ended = end(tmp_path, script, TEXTURE, ("step 2",), HUP)
    assert (ended.code, ended.err) == (0, [])
