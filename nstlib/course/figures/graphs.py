"""Diagrams of lesson 10, drawn as SVG: an ONNX file's graph, and cv2.dnn's way with it."""

from __future__ import annotations

from typing import Any

from nstlib.course.figures.plot import GREY, INK
from nstlib.course.figures.svg import BLUE, GREEN, ORANGE, PAPER, Diagram, arrow, box, diagram, text

# What the operators of a style network are coloured by, and their names where space is short.
_COLOURS = {"Conv": BLUE, "InstanceNormalization": GREEN, "Add": ORANGE, "Resize": ORANGE}
_SHORT = {"InstanceNormalization": "Inst.Norm."}
_STARTS = ("conv", "res", "deconv")


def style_graph(model: Any) -> Diagram:
    """Draw the graph of a TransformerNet's ONNX file, a column for each block.

    Parameters
    ----------
    model : onnx.ModelProto
        As ``onnx.load`` returns it. Casts of stored weights are left out.
    """
    shapes = {tensor.name: tuple(tensor.dims) for tensor in model.graph.initializer}
    blocks: dict[str, list[str]] = {}
    channels: dict[str, list[int]] = {}
    block = ""
    for node in model.graph.node:
        if node.op_type == "Cast":
            continue
        first = node.name.split(".")[0]
        block = first if first.startswith(_STARTS) else block
        label = _SHORT.get(node.op_type, node.op_type)
        if node.op_type == "Conv":
            # A kernel is (output, input, row, column); its name may carry a cast's suffix.
            kernel = shapes.get(node.input[1]) or shapes[node.input[1].removesuffix(".float")]
            strides = next((a.ints for a in node.attribute if a.name == "strides"), [1])
            label += f" {kernel[2]}×{kernel[3]}" + (f" /{strides[0]}" if strides[0] > 1 else "")
            channels.setdefault(block, [kernel[1]]).append(kernel[0])
        blocks.setdefault(block, []).append(label)
    wide, step, high, top = 86, 98, 24, 62
    parts = [text(14, 20, "image", at="start", colour=GREY)]
    for i, (name, labels) in enumerate(blocks.items()):
        x = 14 + step * i
        counts = channels[name]
        parts.append(text(x + wide / 2, 40, name))
        parts.append(
            text(x + wide / 2, 54, f"{counts[0]} → {counts[-1]} channels", size=9, colour=GREY)
        )
        for j, label in enumerate(labels):
            kind = next((k for k in _COLOURS if label.startswith(_SHORT.get(k, k))), "")
            fill = _COLOURS.get(kind, PAPER)
            ink = "white" if kind else INK
            where = (x, top + high * j, wide, high)
            parts.append(box(*where, (label,), fill=fill, ink=ink, corner=2, size=11))
        end = top + high * len(labels)
        if "Add" in labels:  # what the block computes is added to what came in
            side = x - 6
            parts.append(
                f'<path d="M {x + 6} {top} L {side} {top} L {side} {end - high / 2} L {x} '
                f'{end - high / 2}" fill="none" stroke="{ORANGE}" stroke-width="1.6"/>'
            )
        if i < len(blocks) - 1:
            gap = x + wide + 3
            parts.append(
                f'<path d="M {x + wide / 2} {end} v 9 H {gap} V 28 H {x + step + wide / 2 - 34}" '
                f'fill="none" stroke="{GREY}" stroke-width="1" opacity="0.6"/>'
            )
    last = 14 + step * (len(blocks) - 1)
    bottom = top + high * max(map(len, blocks.values()))
    ends = top + high * len([*blocks.values()][-1])
    parts.append(arrow((last + wide / 2, ends), (last + wide / 2, ends + 24)))
    parts.append(text(last + wide / 2, ends + 40, "stylized", colour=GREY))
    count = sum(map(len, blocks.values()))
    alt = (
        f"{count} operators in {len(blocks)} columns, from left to right: "
        + "; ".join(f"{name}: {', '.join(labels)}" for name, labels in blocks.items())
        + ". In each residual block a line leads around the column to its Add."
    )
    return diagram(14 + step * len(blocks) + 6, bottom + 30, alt, parts)


def opencv_road() -> Diagram:
    """Draw the way of a file and of a photograph through cv2.dnn, to a picture."""
    parts = [
        box(14, 24, 120, 54, ("file.onnx", "graph and weights"), edge=INK),
        box(184, 24, 150, 54, ("readNetFromONNX", "nodes → layers"), edge=BLUE),
        box(384, 24, 120, 54, ("Net", "one engine runs it"), edge=BLUE),
        box(14, 136, 120, 54, ("photograph", "(H, W, 3) BGR, uint8"), edge=INK),
        box(184, 136, 150, 54, ("blobFromImage", "scale, swapRB, NCHW"), edge=GREEN),
        box(384, 136, 120, 54, ("blob", "(1, 3, H, W) float32"), edge=GREEN),
        box(554, 24, 120, 54, ("forward()", "(1, 3, H, W)"), edge=BLUE),
        box(554, 136, 160, 54, ("back to a picture", "transpose, clip, round"), edge=GREEN),
        box(764, 136, 120, 54, ("painting", "(H, W, 3) BGR, uint8"), edge=INK),
        arrow((134, 51), (184, 51)),
        arrow((334, 51), (384, 51)),
        arrow((504, 51), (554, 51)),
        arrow((134, 163), (184, 163)),
        arrow((334, 163), (384, 163)),
        arrow((444, 136), (444, 78)),
        text(452, 112, "setInput", size=11, colour=GREY, at="start"),
        arrow((614, 78), (614, 136)),
        arrow((714, 163), (764, 163)),
        text(259, 16, "refuses what it does not know", size=11, colour=ORANGE),
        text(614, 16, "may compute something else", size=11, colour=ORANGE),
        text(259, 208, "takes any order of channels", size=11, colour=ORANGE),
        text(634, 208, "reshape would give nine copies", size=11, colour=ORANGE),
    ]
    alt = (
        "Top, from left to right: file.onnx, readNetFromONNX turns nodes into layers, a Net, "
        "forward(). Bottom: a photograph, blobFromImage, a blob, which goes up into the Net by "
        "setInput; the result of forward() comes down, is transposed, clipped and rounded, and is "
        "a painting. In orange what goes wrong where: unknown operators are refused, an engine may "
        "compute something else, channels may be in any order, reshape gives nine copies."
    )
    return diagram(898, 222, alt, parts)
