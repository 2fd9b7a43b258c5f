"""Places for results, checked before a long run; what a command writes and prints."""

from __future__ import annotations

import itertools
import json
import os
import sys
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nstlib import __version__
from nstlib._checks import counted
from nstlib.cli._run import shown
from nstlib.errors import ModelError, NstError, OutputError

if TYPE_CHECKING:
    from nstlib.images.arrays import Image
    from nstlib.optimize import Step
    from nstlib.synthesis.common import Synthesis
    from nstlib.synthesis.estimate import Estimate


def check_outputs(
    sources: Iterable[str], output: Path, *, formats: Iterable[str] = (), **others: Path | None
) -> None:
    """Refuse what would fail after the long run, or overwrite what went into it.

    `formats` are the suffixes that the command writes besides those of pictures.
    """
    from nstlib._files import check_output, check_places, check_suffix
    from nstlib.images.encode import IMAGE_FORMATS

    inputs = _files(sources)
    check_output(output, [*IMAGE_FORMATS, *formats])
    refuse_inputs(output, inputs, "picture")
    if (animate := others.get("animate")) is not None:
        check_suffix(animate, (".gif", ".mp4"))
    check_places([*inputs, output], **others)


def refuse_inputs(output: Path, sources: Iterable[str | Path], kind: str) -> None:
    """Refuse to write what a command makes, of this kind, over a file that it reads."""
    from nstlib._files import same_file

    if any(same_file(output, path) for path in _files(sources)):
        raise OutputError(
            f"{output} is a file that this command reads; choose another name for the {kind}"
        )


def _files(sources: Iterable[str | Path]) -> list[Path]:
    """List the files that names stand for, and paths."""
    from nstlib.sources import source_path

    named = (source_path(source) if isinstance(source, str) else source for source in sources)
    return [path for path in named if path]


def weights_file(weights: str | None) -> list[str]:
    """List the file of VGG19's layers that --weights names, if it names one."""
    name = weights or os.environ.get("NSTLIB_WEIGHTS", "")
    return [name] if name.endswith((".npz", ".h5")) else []


def check_network(output: Path, sources: Iterable[str], **others: Path | None) -> None:
    """Refuse what could not be written after the long training, or would overwrite its input."""
    from nstlib._files import check_places, check_suffix

    check_suffix(output, (".onnx", ".keras"))
    check_places(_files(sources), model=output, **others)


def write_network(path: Path, network: Any, metadata: dict[str, str], **options: Any) -> None:
    """Write a trained network as its suffix says; if it cannot be exported, as a Keras file."""
    from nstlib._files import is_there, reason
    from nstlib.networks.files import save_network

    if path.suffix.lower() == ".keras":
        save_network(network, path)
        return
    try:
        from nstlib.onnx.exporting import export

        export(network, path, metadata=metadata, **options)
    except Exception as error:  # whatever it is, a long training went into the network
        # What has such a name already may be the network that the training began with.
        names = (f"{path.stem}{f'-{n}' if n else ''}.keras" for n in itertools.count())
        kept = next(place for place in map(path.with_name, names) if not is_there(place))
        save_network(network, kept)
        fault = error.command if isinstance(error, NstError) else f"{path}: {reason(error)}"
        raise ModelError(
            f"{fault}; the network is kept in {kept}, for nst export, whose --tolerance allows "
            "larger differences"
        ) from error


class Film:
    """Takes pictures from a run, and writes them as a film. Until then they wait on the disk."""

    def __init__(self, path: Path, every: int, finish: Callable[[Image], Image]) -> None:
        self._path = path
        self._every = every
        self._finish = finish
        self._next = 0
        self._count = 0
        self._fault: OSError | None = None
        # Beside the film, because where temporary files lie may be memory.
        self._frames = tempfile.TemporaryFile(dir=path.parent, prefix=".nst-")  # noqa: SIM115

    def __call__(self, step: Step) -> None:
        import numpy as np

        from nstlib.images.arrays import to_uint8

        # A size begins where the one before ended: the same iteration, and the same picture.
        if step.image is None or step.iteration < self._next or self._fault is not None:
            return
        self._next = step.iteration + self._every
        try:
            np.save(self._frames, to_uint8(self._finish(step.image)))
            self._count += 1
        except OSError as error:  # the film is lost, but the picture need not be
            self._fault = error

    def save(self, last: Image) -> None:
        """Write the film, in which the last picture stays for two seconds."""
        import numpy as np

        from nstlib._files import reason
        from nstlib.images.arrays import from_uint8, to_uint8
        from nstlib.images.resizing import resize
        from nstlib.video.writer import VideoWriter

        with self._frames as frames, VideoWriter(self._path, 10) as film:
            if self._fault is not None:
                raise OutputError(f"{self._path}: cannot be written ({reason(self._fault)})")
            frames.seek(0)
            size = (last.shape[0], last.shape[1])
            for _ in range(self._count):
                film.write(to_uint8(resize(from_uint8(np.load(frames)), size)))
            film.write(to_uint8(last))
            film.finish(hold=2)


def print_estimate(estimate: Estimate, checkpoint: Path | None) -> None:
    height, width = estimate.sizes[-1]
    if checkpoint is not None and checkpoint.exists():
        print(f"going on from {shown(checkpoint)}; in all:", file=sys.stderr)
    print(
        f"about {duration(estimate.seconds)} and {estimate.megabytes / 1000:.1f} GB for "
        f"{width}x{height} pixels, in {counted(len(estimate.sizes), 'size')}",
        file=sys.stderr,
    )


def duration(seconds: float) -> str:
    """Write a rough time in words.

    Examples
    --------
    >>> duration(0.2), duration(43.7), duration(100), duration(3.2 * 3600)
    ('1 s', '45 s', '2 min', '3 h')
    """
    if seconds < 10:
        return f"{max(1, round(seconds))} s"
    if seconds < 90:
        return f"{round(seconds / 5) * 5} s"
    if seconds < 5400:
        return f"{round(seconds / 60)} min"
    return f"{round(seconds / 3600)} h"


def print_result(output: Path, result: Synthesis) -> None:
    height, width = result.size
    print(
        f"wrote {shown(output)}: {width}x{height} pixels, "
        f"{counted(result.iterations, 'iteration')}, {result.seconds:.1f} seconds"
    )


def write_report(path: Path, result: Synthesis, **more: object) -> None:
    from nstlib._files import atomic_write

    content = {
        "seconds": result.seconds,
        "iterations": result.iterations,
        "evaluations": result.evaluations,
        "losses": {
            term: {"start": float(start), "end": float(end)}
            for term, (start, end) in result.losses.items()
        },
        "size": list(result.size),
        "weights": result.weights,
        "seed": result.seed,
        "version": __version__,
        **more,
    }
    with atomic_write(path) as file:
        file.write(json.dumps(content, indent=2).encode() + b"\n")
