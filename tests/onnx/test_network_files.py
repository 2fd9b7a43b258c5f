"""Broken and hostile network files are refused by name."""

from __future__ import annotations

import functools
import json
import pickle
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import onnx
import pytest
from keras_networks import Bomb, small_net
from onnx import TensorProto, helper, numpy_helper
from onnx_files import graph_of, run_onnx_runtime

from nstlib._tensorflow import keras
from nstlib.assets.cache import embedded_model
from nstlib.errors import ModelError
from nstlib.networks.files import load_network
from nstlib.onnx.legacy import modernize
from nstlib.onnx.pytorch import from_pytorch
from nstlib.onnx.reading import load_onnx, picture_input
from nstlib.onnx.translation import to_onnx
from nstlib.onnx.verification import (
    SIZES,
    verify,
)

#: Small, one of each kind.
TWO_SIZES = ((24, 32), (21, 31))

layers = keras.layers


def external(location: str) -> bytes:
    model = graph_of([helper.make_node("Add", ["x", "w"], ["y"])])
    tensor = model.graph.initializer.add()
    tensor.name, tensor.data_type = "w", TensorProto.FLOAT
    tensor.dims.append(4)
    tensor.data_location = TensorProto.EXTERNAL
    entry = tensor.external_data.add()
    entry.key, entry.value = "location", location
    return model.SerializeToString()


def shaped(*dims: int) -> bytes:
    model = graph_of([helper.make_node("Add", ["x", "w"], ["y"])])
    tensor = model.graph.initializer.add()
    tensor.name, tensor.data_type, tensor.raw_data = "w", TensorProto.FLOAT, b"1234"
    tensor.dims.extend(dims)
    return model.SerializeToString()


def padded(pixels: int) -> bytes:
    pads = np.array([0, 0, pixels, pixels] * 2, np.int64)
    return graph_of([helper.make_node("Pad", ["x", "p"], ["y"])], {"p": pads}).SerializeToString()


def custom() -> bytes:
    return graph_of([helper.make_node("Run", ["x"], ["y"], domain="evil")]).SerializeToString()


HOSTILE: dict[str, tuple[Callable[[], bytes], str]] = {
    "empty": (lambda: b"", "not an ONNX file"),
    "text": (lambda: b"hello " * 100, "not an ONNX file"),
    "cut off": (lambda: to_onnx(small_net()).SerializeToString()[:-1000], "cut off"),
    "a picture": (
        lambda: cv2.imencode(".png", np.zeros((9, 9, 3)))[1].tobytes(),
        "not an ONNX file",
    ),
    "code": (lambda: pickle.dumps(Bomb()), "not an ONNX file"),
    "data above": (lambda: external("../secret"), "data that it may not have.*outside"),
    "data elsewhere": (lambda: external("/etc/hostname"), "data that it may not have"),
    "data behind a link": (lambda: external("link"), "data that it may not have"),
    "huge": (lambda: shaped(2**40), "absurd shape"),
    "less than nothing": (lambda: shaped(-1), "absurd shape"),
    "too little data": (lambda: shaped(3), r"does not hold what its shape \[3\] promises"),
    "huge inside": (lambda: padded(10**6), "absurd 1 × 3 × 2000"),
    "own operator": (custom, "'y' is a evil.Run, which is no operator"),
    "no operator": (
        lambda: graph_of([helper.make_node("Magic", ["x"], ["y"])]).SerializeToString(),
        "'y' is a Magic, which is no operator of ONNX 17",
    ),
    "no end": (
        lambda: graph_of([helper.make_node("Relu", ["nothing"], ["y"])]).SerializeToString(),
        "no valid ONNX",
    ),
    "flat": (
        lambda: graph_of(
            [helper.make_node("Relu", ["x"], ["y"])], shape=(1, 3)
        ).SerializeToString(),
        r"is float32, shape \(1, 3\); it must be .*\(batch, channels, height, width\)",
    ),
}


@pytest.mark.parametrize("case", HOSTILE)
def test_broken_and_hostile_files_are_refused_by_name(
    case: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make, told = HOSTILE[case]
    folder, out = tmp_path / "folder", tmp_path / "out"
    folder.mkdir()
    out.mkdir()
    (tmp_path / "secret").write_bytes(np.ones(4, np.float32).tobytes())
    (folder / "link").symlink_to(tmp_path / "secret")
    file = folder / "file.onnx"
    file.write_bytes(make())
    monkeypatch.chdir(out)
    with pytest.raises(ModelError, match=told):
        verify(None, file, [(8, 8)])
    with pytest.raises(ModelError, match=told):
        modernize(file, out / "new.onnx", sizes=[(8, 8)])
    if not case.startswith("data"):
        with pytest.raises(ModelError, match=told):
            verify(None, make(), [(8, 8)])
    assert not list(out.iterdir()), "nothing was written, nothing executed"


def test_data_beside_a_file_belongs_to_it_but_not_to_mere_content(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file.onnx").write_bytes(external("data"))
    (tmp_path / "data").write_bytes(np.array([1, 2, 3, 4], np.float32).tobytes())
    monkeypatch.chdir(tmp_path)
    assert modernize("file.onnx", "new.onnx", sizes=[(3, 4)]).ok
    picture = np.zeros((1, 3, 3, 4), np.float32)
    found = run_onnx_runtime((tmp_path / "new.onnx").read_bytes(), picture)
    np.testing.assert_array_equal(found, np.broadcast_to([1, 2, 3, 4], picture.shape))
    with pytest.raises(ModelError, match="'w' is in another file"):
        verify(None, external("data"))


@pytest.mark.parametrize("length", [True, False])
@pytest.mark.parametrize("tensors", [1, 3])
def test_data_elsewhere_is_measured_before_it_is_loaded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, length: bool, tensors: int
) -> None:
    """Also if several tensors ask for the same bytes again."""
    monkeypatch.setattr("nstlib.onnx.reading.LARGEST_FILE", 2000)
    monkeypatch.setattr(onnx, "load_external_data_for_model", refuse_to_load)
    (tmp_path / "data").write_bytes(bytes(2400 // tensors))
    model = graph_of([helper.make_node("Relu", ["x"], ["y"])])
    for number in range(tensors):
        tensor = model.graph.initializer.add()
        tensor.name, tensor.data_type = f"w{number}", TensorProto.FLOAT
        tensor.dims.append(600 // tensors)
        tensor.data_location = TensorProto.EXTERNAL
        told = {"location": "data", **({"length": str(2400 // tensors)} if length else {})}
        for key, value in told.items():
            entry = tensor.external_data.add()
            entry.key, entry.value = key, value
    path = tmp_path / "file.onnx"
    path.write_bytes(model.SerializeToString())
    assert path.stat().st_size < 2000
    with pytest.raises(ModelError, match=r"file\.onnx asks for 0\.0 GB of data"):
        load_onnx(path)


def refuse_to_load(*_: Any) -> None:
    raise AssertionError("the data was loaded")


def test_tensors_in_functions_and_sparse_ones_are_looked_at() -> None:
    absurd = helper.make_tensor("absurd", TensorProto.FLOAT, [2], [1, 2])
    absurd.dims[:] = [2**20, 2**20]
    relu = helper.make_node("Relu", ["x"], ["y"])
    sparse = graph_of([relu])
    sparse.graph.sparse_initializer.add().values.CopyFrom(absurd)
    function = graph_of([relu])
    node = helper.make_node("Constant", [], ["c"])
    node.attribute.add(name="value", type=onnx.AttributeProto.TENSOR).t.CopyFrom(absurd)
    function.functions.append(
        helper.make_function("own", "F", [], ["c"], [node], [helper.make_opsetid("", 17)])
    )
    for model in (sparse, function):
        with pytest.raises(ModelError, match="'absurd' has the absurd shape"):
            load_onnx(model.SerializeToString())


def test_sides_of_minus_one_are_free_and_never_written(tmp_path: Path) -> None:
    sides = (-1, 3, -1, -1)
    model = graph_of([helper.make_node("Relu", ["x"], ["y"])], shape=sides, output=sides)
    content = model.SerializeToString()
    assert picture_input(load_onnx(content)).size is None
    assert "-1" not in str(verify(None, content, TWO_SIZES))
    result = modernize(content, tmp_path / "new.onnx")
    assert result.ok
    assert {x.size for x in result.comparisons} == set(SIZES)


@pytest.mark.parametrize(
    ("step", "sizes"),
    [
        (8, {(256, 256), (320, 384), (256, 336)}),
        (32, {(256, 256), (320, 384), (256, 352)}),
        # 25 divides no side of those that are tried; the error is that of the first.
        (25, None),
    ],
)
def test_networks_that_take_multiples_alone_are_compared_on_multiples(
    step: int, sizes: set[tuple[int, int]] | None
) -> None:
    # Reduced and enlarged again, as a U-Net does, a picture of another size cannot be added.
    nodes = [
        helper.make_node("MaxPool", ["x"], ["small"], kernel_shape=[step] * 2, strides=[step] * 2),
        helper.make_node(
            "Resize",
            ["small", "", "scales"],
            ["large"],
            mode="nearest",
            coordinate_transformation_mode="asymmetric",
            nearest_mode="floor",
        ),
        helper.make_node("Add", ["x", "large"], ["y"]),
    ]
    model = graph_of(nodes, shape=(1, 3, "h", "w"))
    scales = np.array([1, 1, step, step], np.float32)
    model.graph.initializer.append(numpy_helper.from_array(scales, "scales"))
    content = model.SerializeToString()
    if sizes is None:
        with pytest.raises(ModelError, match="refuses the file at 256×256"):
            verify(None, content)
        return
    result = verify(None, content)
    assert result.ok
    assert {x.size for x in result.comparisons} == sizes


@pytest.mark.parametrize(
    ("shape", "dtype", "found"),
    [
        ((1, 3, 8, 9), "FLOAT", "float32 pictures (3, 8, 9)"),
        ((1, 8, 9, 3), "FLOAT16", "float16 pictures (8, 9, 3)"),
        (("b", "h", "w", 3), "UINT8", "uint8 pictures (any, any, 3)"),
        ((1, 4, 8, 3), "FLOAT", "float32 pictures (4, 8, 3)"),
    ],
)
def test_inputs_are_described(shape: tuple[Any, ...], dtype: str, found: str) -> None:
    model = graph_of([helper.make_node("Identity", ["x"], ["y"])], shape=shape)
    model.graph.input[0].type.tensor_type.elem_type = getattr(TensorProto, dtype)
    assert str(picture_input(model)) == found


@pytest.mark.parametrize("dtype", ["FLOAT16", "UINT8"])
@pytest.mark.parametrize("last", [False, True])
def test_networks_of_other_orders_and_types_are_verified(dtype: str, last: bool) -> None:
    shape = ("b", "h", "w", 3) if last else ("b", 3, "h", "w")
    nodes = [helper.make_node("Cast", ["x"], ["y"], to=TensorProto.FLOAT)]
    model = graph_of(nodes, shape=shape)
    model.graph.input[0].type.tensor_type.elem_type = getattr(TensorProto, dtype)
    assert verify(None, model.SerializeToString(), TWO_SIZES).ok


def test_absent_files_and_folders_are_named(tmp_path: Path) -> None:
    for read in (functools.partial(verify, None), load_network, from_pytorch):
        for path in (tmp_path / "absent", tmp_path):
            with pytest.raises(ModelError, match=path.name):
                read(path)


def test_a_keras_file_comes_back_as_it_went_and_code_in_it_is_refused(tmp_path: Path) -> None:
    model = small_net()
    model.save(tmp_path / "net.keras")
    back = load_network(tmp_path / "net.keras")
    for one, other in zip(model.get_weights(), back.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)

    image = keras.Input((None, None, 3))
    keras.Model(image, layers.Lambda(lambda x: x + 1)(image)).save(tmp_path / "code.keras")
    with pytest.raises(ModelError, match=r"code\.keras holds code, .*: keras\.layers\.Lambda"):
        load_network(tmp_path / "code.keras")
    content = (tmp_path / "net.keras").read_bytes()
    (tmp_path / "cut.keras").write_bytes(content[: len(content) // 2])
    with pytest.raises(ModelError, match=r"cut\.keras"):
        load_network(tmp_path / "cut.keras")


def as_archive(path: Path, description: object) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("config.json", json.dumps(description))
        archive.writestr("metadata.json", json.dumps({"keras_version": keras.__version__}))
        archive.writestr("model.weights.h5", b"")
    return path


@pytest.mark.parametrize(
    ("module", "kind"),
    [
        ("keras.layers", "Lambda"),
        ("keras.layers", "TFSMLayer"),
        ("keras.src.layers", "TorchModuleWrapper"),
        ("os", "system"),
        ("kerasish.layers", "Dense"),
        (None, "function"),
    ],
)
def test_a_keras_file_that_asks_for_code_is_refused_before_keras_sees_it(
    tmp_path: Path, module: str | None, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def load(*_: Any, **__: Any) -> None:
        raise AssertionError("Keras was asked")

    monkeypatch.setattr(keras.models, "load_model", load)
    layer = {"module": module, "class_name": kind, "config": {"name": "x"}}
    model = {"module": "keras", "class_name": "Functional", "config": {"layers": [layer]}}
    with pytest.raises(ModelError, match=rf"holds code, which is not executed: .*{kind}"):
        load_network(as_archive(tmp_path / "net.keras", model))


def test_h5_files_are_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Versions of Keras execute what they hold; and a file may be both, .h5 and a zip file."""
    monkeypatch.chdir(tmp_path)
    image = keras.Input((None, None, 3))
    model = keras.Model(image, layers.Lambda(lambda x: x + 1)(image))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.save("net.h5")
    content = Path("net.h5").read_bytes()
    small_net().save("plain.keras")
    Path("renamed.keras").write_bytes(content)
    Path("both.h5").write_bytes(content + Path("plain.keras").read_bytes())
    Path("both.KERAS").write_bytes(Path("both.h5").read_bytes())
    for name in ("net.h5", "both.h5", "both.KERAS"):
        with pytest.raises(ModelError, match=rf"{name}: only \.keras files are read"):
            load_network(name)
    with pytest.raises(ModelError, match=r"renamed\.keras cannot be read as a Keras network"):
        load_network("renamed.keras")


def test_an_archive_that_would_unpack_to_absurd_sizes_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nstlib.networks.files.LARGEST_FILE", 10**6)
    path = tmp_path / "bomb.keras"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("model.weights.h5", bytes(2 * 10**6))
    assert path.stat().st_size < 10**4
    with pytest.raises(ModelError, match=r"bomb\.keras holds .* GB"):
        load_network(path)


def test_onnxs_own_operators_may_be_called_by_their_name() -> None:
    proto = load_onnx(embedded_model("mosaic.onnx"))
    for part in (*proto.opset_import, *proto.graph.node):
        part.domain = "ai.onnx"
    named = proto.SerializeToString()
    assert verify(None, named, [(32, 40)]).ok
    assert {node.domain for node in load_onnx(named).graph.node} == {""}
