"""The commands for network files: export and verify."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from nstlib._checks import counted
from nstlib.cli._options import ValueRange
from nstlib.cli._run import fail_to_start, shown
from nstlib.errors import ArgumentError


def export_network(
    model: Annotated[
        Path,
        typer.Argument(
            metavar="MODEL",
            help="A network of Keras (.keras), a checkpoint of PyTorch's fast_neural_style (.pth, "
            ".model), a file of TensorFlow Lite (.tflite), or an ONNX file (.onnx) that is old, "
            "has a fixed size or does not say its value range.",
            show_default=False,
        ),
    ],
    output: Annotated[
        Path,
        typer.Option("--output", "-o", metavar="OUT", help="Where to write it: .onnx."),
    ],
    metadata: Annotated[
        list[str] | None,
        typer.Option(
            metavar="KEY=VALUE",
            help="What the file is to say of itself: style=candy. Once for each.",
            show_default=False,
        ),
    ] = None,
    value_range: ValueRange = None,
    float32: Annotated[
        bool,
        typer.Option(
            "--float32", help="Store a network of Keras or PyTorch unrounded, as float32."
        ),
    ] = False,
    tolerance: Annotated[
        float | None,
        typer.Option(
            help="The largest difference allowed between runtimes; a picture goes from 0 to 255.",
            show_default="0.01; 0.1 if MODEL is an ONNX file; 0.5 if it is made from the one for "
            "any style",
        ),
    ] = None,
) -> int:
    """Write MODEL as an ONNX file.

    First today's runtimes compute from it. It is written only if they agree.
    """
    from nstlib._files import check_places, check_suffix

    check_suffix(output, (".onnx",))
    check_places([model], model=output)
    told: dict[str, str] = {}
    for entry in metadata or []:
        key, equals, value = entry.partition("=")
        if not key or not equals:
            raise ArgumentError(f"--metadata {entry}: it is KEY=VALUE, as in style=candy")
        told[key] = value
    options: dict[str, Any] = {}
    if value_range is not None:
        from nstlib.inference.foreign import parse_range

        taken, _ = parse_range(value_range)
        black = float(taken.shifts[0])
        options["value_range"] = (black, black + float(taken.factors[0]))
        told["value_range"] = value_range
    if tolerance is not None:
        options["tolerance"] = tolerance
    try:
        from nstlib import onnx
        from nstlib.inference import any_style
        from nstlib.inference.foreign import style_ends
        from nstlib.onnx.reading import metadata_of
    except Exception as error:
        return fail_to_start(error)

    if model.suffix.lower() in (".onnx", ".tflite"):
        if float32:
            raise ArgumentError(f"--float32: {model} keeps its numbers as they are")
        if model.suffix.lower() == ".onnx":
            proto = onnx.load_onnx(model)
            if _is_one_style(proto):
                options.setdefault("tolerance", any_style.TOLERANCE)
            if value_range is None and (found := style_ends(proto, str(model))) is not None:
                options["value_range"] = found
                # Two numbers may be less than what the file says of itself.
                told = {**metadata_of(proto), **told}
        # The other one needs TensorFlow.
        write = onnx.modernize if model.suffix.lower() == ".onnx" else onnx.from_tflite
        proof = write(model, output, metadata=told, **options)
    else:
        from nstlib.networks.any_style import is_one_style_network

        network = _load_network(model, ".tflite", ".onnx")
        if is_one_style_network(network):
            options.setdefault("tolerance", any_style.TOLERANCE)
        proof = onnx.export(network, output, metadata=told, half=not float32, **options)
    print(proof)
    if model.suffix.lower() == ".onnx":
        size = onnx.picture_input(onnx.load_onnx(output)).size
        if size is not None:
            print(f"It keeps its size, {size[1]}×{size[0]} pixels: at others it is not proven.")
    print(f"wrote {shown(output)}: {output.stat().st_size / 1e6:.1f} MB")
    return 0


def verify_network(
    files: Annotated[
        list[Path],
        typer.Argument(
            metavar="[MODEL] FILE",
            help="An ONNX file; before it, if you have it, what it was made from: .keras, .pth or "
            ".model.",
            show_default=False,
        ),
    ],
    size: Annotated[
        list[str] | None,
        typer.Option(
            metavar="HxW",
            help="Height and width of a picture to compare on: 320x384. Once for each.",
            show_default="four that differ, or the file's own",
        ),
    ] = None,
    tolerance: Annotated[
        float | None,
        typer.Option(
            help="The largest difference allowed; a picture goes from 0 to 255.",
            show_default="0.01; 0.5 for a network made from the one for any style",
        ),
    ] = None,
) -> int:
    """Compare what the runtimes compute from FILE. Exit code 1 if they disagree.

    With MODEL they are compared with Keras, else with ONNX Runtime. A network for any style is
    given one.
    """
    *models, file = files
    if len(models) > 1:
        given = counted(len(files), "file")
        raise ArgumentError(f"there are {given}; give MODEL and FILE, or FILE alone")
    sizes = []
    for text in size or []:
        height, _, width = text.lower().partition("x")
        if not (height.isdecimal() and width.isdecimal() and int(height) and int(width)):
            raise ArgumentError(f"--size {text}: it is HEIGHTxWIDTH in pixels, as in 320x384")
        sizes.append((int(height), int(width)))
    try:
        from nstlib import onnx
        from nstlib.inference.foreign import style_ends
    except Exception as error:
        return fail_to_start(error)

    model = _load_network(models[0]) if models else None
    proto = onnx.load_onnx(file)
    source, allowed = _usual(file, proto)
    proof = onnx.verify(
        model,
        source,
        sizes or None,
        value_range=style_ends(proto, str(file)) or (0.0, 255.0),
        tolerance=allowed if tolerance is None else tolerance,
    )
    print(proof)
    return int(not proof.ok)


def _usual(path: Path, proto: Any) -> tuple[Path | bytes, float]:
    """Find what to compare, a network for any style with a style, and how far it may differ."""
    from nstlib.inference import any_style
    from nstlib.onnx.verification import TOLERANCE

    if any_style.is_painter(proto):
        one = any_style.painter_for(any_style.trial_vector(), proto)
        return one.SerializeToString(), TOLERANCE
    return path, any_style.TOLERANCE if _is_one_style(proto) else TOLERANCE


def _is_one_style(proto: Any) -> bool:
    """Tell whether a file was made for one style from the network for any style."""
    return any(tensor.name == "last.styled.weight" for tensor in proto.graph.initializer)


def _load_network(path: Path, *others: str) -> Any:
    """Read a network of Keras, or one of PyTorch into Keras. The caller reads `others` itself."""
    suffix = path.suffix.lower()
    if suffix in (".pth", ".pt", ".model", ".ckpt"):
        from nstlib.onnx.pytorch import from_pytorch

        return from_pytorch(path)
    if suffix == ".keras":
        from nstlib.networks.files import load_network

        return load_network(path)
    given = repr(suffix) if suffix else "a name without a suffix"
    raise ArgumentError(
        f"{path}: cannot read {given} as a network; give a file that ends in one of "
        f"{', '.join(['.keras', '.pth', '.pt', '.ckpt', '.model', *others])}"
    )
