"""``nst export`` and ``nst verify``."""

from __future__ import annotations

import functools
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
from conftest import Run
from onnx import TensorProto, helper, numpy_helper
from onnx_files import graph_of

from nstlib._tensorflow import keras
from nstlib.assets.cache import embedded_model
from nstlib.inference.any_style import PAINTER
from nstlib.inference.stylizer import Stylizer
from nstlib.networks.files import save_network
from nstlib.networks.transformer import TransformerNet
from nstlib.onnx.exporting import export
from nstlib.onnx.translation import to_onnx
from nstlib.onnx.verification import SIZES
from nstlib.sources import load_image

HEADER = "height×width"


@pytest.fixture
def network(nst: Run) -> str:  # noqa: ARG001  (it goes to an empty folder first)
    keras.utils.set_random_seed(0)
    save_network(TransformerNet((4, 8), blocks=1, kernel=3), "net.keras")
    return "net.keras"


def old_file(path: str) -> None:
    """Write a network of 2018: a border is cut off, and everything doubled."""
    shape = (1, 3, 32, 40)
    nodes = [
        helper.make_node("Crop", ["x"], ["cut"], border=[1, 2, 3, 4]),
        helper.make_node("Affine", ["cut"], ["y"], alpha=2.0),
    ]
    given, made = (
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)] for name in ("x", "y")
    )
    graph = helper.make_graph(nodes, "old", given, made)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 7)]), path)


def told(path: str) -> dict[str, str]:
    return {entry.key: entry.value for entry in onnx.load(path).metadata_props}


def test_export_prints_the_proof_and_writes_the_file(nst: Run, network: str) -> None:
    code, out, err = nst(
        "export", network, "-o", "net.onnx", "--metadata", "style=candy", "--metadata", "note=a=b"
    )
    assert (code, err) == (0, [])
    assert HEADER in out[1]
    assert [line.split()[0] for line in out[2:6]] == [f"{h}×{w}" for h, w in SIZES]
    assert out[-2] == "They agree (tolerance 0.01)."
    assert out[-1] == f"wrote net.onnx: {Path('net.onnx').stat().st_size / 1e6:.1f} MB"
    assert {"style": "candy", "note": "a=b"}.items() <= told("net.onnx").items()


def test_float32_keeps_every_digit(nst: Run, network: str) -> None:
    assert nst("export", network, "-o", "net.onnx", "--float32")[0] == 0
    kinds = {tensor.data_type for tensor in onnx.load("net.onnx").graph.initializer}
    assert TensorProto.FLOAT16 not in kinds


def test_an_old_onnx_file_is_brought_up_to_date(nst: Run) -> None:
    old_file("old.onnx")
    code, _, err = nst("export", "old.onnx", "-o", "new.onnx", "--metadata", "style=candy")
    assert (code, err) == (0, [])
    assert {x.op_type for x in onnx.load("new.onnx").graph.node} >= {"Slice", "Mul"}
    assert told("new.onnx")["style"] == "candy"
    code, _, err = nst("export", "old.onnx", "-o", "new.onnx", "--float32")
    assert (code, err) == (2, ["nst: --float32: old.onnx keeps its numbers as they are"])


def test_an_old_onnx_file_needs_no_tensorflow(nst: Run) -> None:  # noqa: ARG001
    old_file("old.onnx")
    code = (
        "import sys; sys.modules['tensorflow'] = None; from nstlib.cli.main import main; "
        "sys.exit(main(['export', 'old.onnx', '-o', 'new.onnx']))"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, check=False)
    assert (result.returncode, result.stderr) == (0, b"")
    assert Path("new.onnx").is_file()


def test_verify_says_what_to_do_with_an_old_file(nst: Run) -> None:
    old_file("old.onnx")
    code, _, [line] = nst("verify", "old.onnx")
    assert code == 2
    assert line == (
        "nst: node 'cut' is a Crop, which is no operator of ONNX 7; it was an experiment: nst "
        "export brings such files up to date"
    )


@pytest.mark.parametrize(
    ("name", "tolerance"), [(PAINTER, "0.01"), ("starry_night_bold.onnx", "0.5")]
)
def test_verify_knows_which_sizes_the_painter_takes(nst: Run, name: str, tolerance: str) -> None:
    code, out, err = nst("verify", embedded_model(name))
    assert (code, err) == (0, [])
    assert out[-1] == f"They agree (tolerance {tolerance})."
    assert [line.split()[0] for line in out[2:-1]] == ["256×256", "320×384", "256×336"]


def test_what_ends_in_a_tangent_is_compared_from_minus_one_to_one(nst: Run) -> None:
    nodes = [
        # What lies outside [-1, 1] becomes no number, as it does in networks that overflow.
        helper.make_node("Sub", ["one", "x"], ["below"]),
        helper.make_node("Add", ["one", "x"], ["above"]),
        helper.make_node("Mul", ["below", "above"], ["inside"]),
        helper.make_node("Sqrt", ["inside"], ["root"]),
        helper.make_node("Mul", ["root", "x"], ["scaled"]),
        helper.make_node("Tanh", ["scaled"], ["y"]),
    ]
    model = graph_of(nodes, shape=(1, 3, "h", "w"), output=(1, 3, "h", "w"))
    model.graph.initializer.append(numpy_helper.from_array(np.float32(1).reshape(1), "one"))
    onnx.save(model, "tanh.onnx")
    assert nst("verify", "tanh.onnx")[0] == 0
    assert nst("export", "tanh.onnx", "-o", "new.onnx")[0] == 0
    assert told("new.onnx")["value_range"] == "-1,1"
    assert nst("verify", "new.onnx")[0] == 0
    assert nst("export", "tanh.onnx", "-o", "no.onnx", "--value-range", "0,255")[0] == 2


@pytest.mark.parametrize("written", ["imagenet", "0,255,0,1", "-1,1"])
def test_export_keeps_what_a_file_says_of_its_range(nst: Run, written: str) -> None:
    model = graph_of([helper.make_node("Relu", ["x"], ["y"])], shape=(1, 3, "h", "w"))
    helper.set_model_props(model, {"value_range": written})
    onnx.save(model, "old.onnx")
    assert nst("export", "old.onnx", "-o", "new.onnx")[0] == 0
    assert told("new.onnx")["value_range"] == written


def test_export_allows_what_it_is_told_to(nst: Run, network: str) -> None:
    code, _, [line] = nst("export", network, "-o", "net.onnx", "--tolerance", "0")
    assert (code, "is off by" in line, Path("net.onnx").exists()) == (2, True, False)
    code, out, _ = nst("export", network, "-o", "net.onnx", "--tolerance", "1")
    assert (code, "They agree (tolerance 1)." in out) == (0, True)


def test_a_file_that_takes_multiples_of_eight_alone_is_exported_again(nst: Run) -> None:
    name = "starry_night_bold.onnx"
    code, out, err = nst("export", embedded_model(name), "-o", "again.onnx")
    assert (code, err) == (0, [])
    assert "They agree (tolerance 0.5)." in out
    photo = load_image("astronaut", 64)
    one, other = (Stylizer(file)(photo) for file in (embedded_model(name), Path("again.onnx")))
    np.testing.assert_allclose(other, one, atol=1e-4)


@pytest.mark.torch
def test_a_checkpoint_of_pytorch_is_exported(nst: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    torch = pytest.importorskip("torch")
    monkeypatch.setattr("nstlib.onnx.verification.SIZES", ((32, 48),))
    state = {}
    for layer in TransformerNet().layers:
        for ours, theirs in zip(layer.get_weights(), ("weight", "bias"), strict=False):
            array = ours.transpose(3, 2, 0, 1) if ours.ndim == 4 else ours
            state[f"{layer.name}.{theirs}"] = torch.tensor(np.ascontiguousarray(array))
    torch.save(state, "net.pth")
    code, out, err = nst("export", "net.pth", "-o", "net.onnx")
    assert (code, err) == (0, [])
    assert out[-1] == "wrote net.onnx: 3.4 MB"
    assert nst("verify", "net.pth", "net.onnx")[0] == 0


def test_verify_compares_with_keras_or_the_runtimes_with_each_other(nst: Run, network: str) -> None:
    assert nst("export", network, "-o", "net.onnx")[0] == 0
    code, out, err = nst("verify", network, "net.onnx", "--size", "24x32", "--size", "21X31")
    assert (code, err) == (0, [])
    assert out[0] == "Largest difference from Keras:"
    assert [line.split()[0] for line in out[2:4]] == ["24×32", "21×31"]
    code, out, err = nst("verify", "net.onnx", "--size", "24x32")
    assert (code, err) == (0, [])
    assert out[0] == "Largest difference from ONNX Runtime:"


def test_verify_says_no(nst: Run, network: str) -> None:
    keras.utils.set_random_seed(1)
    onnx.save(to_onnx(TransformerNet((4, 8), blocks=1, kernel=3)), "other.onnx")
    code, out, err = nst("verify", network, "other.onnx", "--size", "24x32")
    assert (code, err) == (1, [])
    assert out[-1] == "They DISAGREE (tolerance 0.01)."
    assert nst("verify", network, "other.onnx", "--size", "24x32", "--tolerance", "1e6")[0] == 0


@pytest.mark.parametrize(
    ("arguments", "fault"),
    [
        (("export", "absent.keras", "-o", "out.onnx"), "absent.keras cannot be read"),
        (("export", "absent.pth", "-o", "out.onnx"), "absent.pth cannot be read"),
        (("export", "absent.onnx", "-o", "out.onnx"), "absent.onnx cannot be read"),
        (("export", "text.keras", "-o", "out.onnx"), "text.keras cannot be read"),
        (("export", "text.onnx", "-o", "out.onnx"), "text.onnx is not an ONNX file"),
        (
            ("export", "net.txt", "-o", "out.onnx"),
            "net.txt: cannot read '.txt' as a network; give a file that ends in one of .keras, "
            ".pth, .pt, .ckpt, .model, .tflite, .onnx",
        ),
        (("export", "net.keras", "-o", "out.pb"), "out.pb: cannot write '.pb'; use .onnx"),
        (("export", "old.onnx", "-o", "old.onnx"), "old.onnx is an input"),
        (("export", "old.onnx", "-o", "no/out.onnx"), "no/out.onnx: cannot be written"),
        (("export", "net.keras", "-o", "out.onnx", "--metadata", "x"), "--metadata x: it is KEY"),
        (("verify", "absent.onnx"), "absent.onnx cannot be read"),
        (("verify", "text.onnx"), "text.onnx is not an ONNX file"),
        (("verify", "old.onnx"), "'cut' is a Crop, which is no operator of ONNX 7"),
        (("verify", "a", "b", "c"), "there are 3 files"),
        (("verify", "old.onnx", "--size", "320"), "--size 320: it is HEIGHTxWIDTH"),
        (("verify", "old.onnx", "--size", "0x9"), "--size 0x9: it is HEIGHTxWIDTH"),
        (("verify", "old.onnx", "--tolerance", "nan"), "--tolerance is nan; it must be a number"),
        (("verify", "old.onnx", "--tolerance", "-1"), "--tolerance is -1.0; it must be a number"),
    ],
    ids=lambda x: " ".join(x) if isinstance(x, tuple) else "",
)
def test_bad_input_gets_one_line_and_writes_nothing(
    nst: Run, arguments: tuple[str, ...], fault: str
) -> None:
    for name in ("text.keras", "text.onnx", "net.txt"):
        Path(name).write_text("no network\n" * 20)
    old_file("old.onnx")
    before = sorted(Path().iterdir()), Path("old.onnx").read_bytes()
    code, out, err = nst(*arguments)
    assert (code, out) == (2, [])
    assert len(err) == 1
    assert err[0].startswith(f"nst: {fault}") or fault in err[0]
    assert (sorted(Path().iterdir()), Path("old.onnx").read_bytes()) == before


def test_a_file_that_fails_the_proof_is_not_written(
    nst: Run, network: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    strict = functools.partial(export, tolerance=0.0)
    monkeypatch.setattr("nstlib.onnx.export", strict)
    Path("net.onnx").write_bytes(b"what was there")
    code, out, err = nst("export", network, "-o", "net.onnx")
    assert (code, out) == (2, [])
    assert "net.onnx is not written: at 256×256" in err[0]
    assert Path("net.onnx").read_bytes() == b"what was there"


def test_help_does_not_wait_for_tensorflow() -> None:
    for command in ("export", "verify"):
        code = (
            "import sys; from nstlib.cli.main import main; "
            f"main(['{command}', '--help']); sys.exit('tensorflow' in sys.modules)"
        )
        assert (
            subprocess.run([sys.executable, "-c", code], stdout=subprocess.DEVNULL).returncode == 0
        )
