"""Many pictures: which of them, where the results go, and painting them on one or more machines.

A picture that cannot be painted does not stop the others, and what is there already is not painted
again. So a run that was ended goes on when it is given once more.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, TypeAlias

import numpy as np
from tqdm.auto import tqdm

from nstlib._checks import check_count
from nstlib._files import check_output, file_in_the_way, same_file
from nstlib.errors import ArgumentError, DependencyError, NstError, OutputError
from nstlib.images.arrays import Picture
from nstlib.images.decode import MEGAPIXELS
from nstlib.images.encode import IMAGE_FORMATS, save_image
from nstlib.images.folders import Found, find_pictures
from nstlib.images.formats import FILM_SUFFIXES
from nstlib.inference.any_style import STYLE_SIZE
from nstlib.inference.stylizer import Stylizer
from nstlib.sources import load_picture, sample_names

#: What is done to each picture.
Paint: TypeAlias = Callable[[Picture], Picture]

#: Seconds to wait for a scheduler to answer.
TIMEOUT = 10


class Recipe(Protocol):
    """How to make a painter. It is sent to where pictures are painted, so it is small and plain.

    Recipes that make the same painter are equal.
    """

    def __call__(self) -> Paint:
        """Make what paints. It is used by one thread, and decides what becomes of transparency."""


@dataclass(frozen=True)
class Stylize:
    """The recipe of :class:`nstlib.Stylizer`, whose arguments these are; a mixture as pairs."""

    style: str | tuple[tuple[str, float], ...]
    backend: str = "cv2"
    strength: float = 1.0
    preserve_colors: bool = False
    value_range: str | None = None
    style_size: int = STYLE_SIZE
    eight_bits: bool = False

    def __call__(self) -> Paint:
        """Load the network."""
        stylizer = Stylizer(
            self.style if isinstance(self.style, str) else dict(self.style),
            backend=self.backend,
            value_range=self.value_range,
            style_size=self.style_size,
            eight_bits=self.eight_bits,
        )

        def paint(photo: Picture) -> Picture:
            painted = stylizer(photo.image, self.strength, preserve_colors=self.preserve_colors)
            return Picture(painted, photo.alpha)

        return paint


@dataclass(frozen=True)
class Task:
    """A picture, a file or a name as :func:`nstlib.load_image` takes it, and where it goes."""

    source: str | Path
    target: Path


@dataclass(frozen=True)
class Plan:
    """What is to be painted.

    Attributes
    ----------
    tasks : tuple of Task
        In order of the sources, and of the names below each.
    found : Found
        What lies in the folders among the sources; it says what is left out.
    """

    tasks: tuple[Task, ...]
    found: Found = field(default_factory=Found)


@dataclass(frozen=True)
class Outcome:
    """What became of the tasks.

    Attributes
    ----------
    painted, skipped : tuple of Task
        Those that are done, and those whose result was there before.
    failed : tuple of (Task, NstError)
        Those that could not be done, and why, in one line.
    interrupted : bool
        Whether Ctrl-C ended the run. What is missing above was not begun, or not finished.
    """

    painted: tuple[Task, ...]
    skipped: tuple[Task, ...]
    failed: tuple[tuple[Task, NstError], ...]
    interrupted: bool = False


def is_input_folder(source: str) -> bool:
    """Tell whether an input is a folder. A sample's name is never one, whatever lies there."""
    return source not in sample_names() and Path(source).is_dir()


def plan(
    sources: Sequence[str], folder: Path, *, suffix: str | None = None, films: bool = False
) -> Plan:
    """List what is to be painted, and where each result goes.

    Parameters
    ----------
    sources : sequence of str
        Files, names that :func:`nstlib.load_image` knows, and folders, which are searched to their
        depths for pictures of all kinds that can be read. Hidden files are passed over.
    folder : pathlib.Path
        Where the results go. Those of a folder get its structure. A result has its picture's name;
        what cannot be written in the picture's own format gets ``.png`` added.
    suffix : str, optional
        The suffix of all results, in place of their pictures' own; after it, where pictures of one
        folder differ only in their suffix.
    films : bool, default False
        Whether folders may hold films alone. They are found, but are no tasks.

    Returns
    -------
    Plan
        The tasks, and what is left out.

    Raises
    ------
    ArgumentError
        If a folder holds no picture.
    OutputError
        If two results would have one name, or `folder` is one of the sources, or a file.

    Examples
    --------
    >>> planned = plan(["astronaut", "photos/me.jpg"], Path("painted"))
    >>> [task.target.as_posix() for task in planned.tasks]
    ['painted/astronaut.png', 'painted/me.jpg']
    """
    if (file := file_in_the_way(folder)) is not None:
        raise OutputError(f"{file} is a file; give the name of a folder")
    if folder.suffix.lower() in {*IMAGE_FORMATS, *FILM_SUFFIXES, ".gif"} and not folder.exists():
        raise OutputError(f"{folder}: several pictures or films need a folder; give its name")
    tasks: list[Task] = []
    everything = Found()
    for source in sources:
        path = Path(source)
        if is_input_folder(source):
            if same_file(folder, path):
                raise OutputError(f"{folder} is the input itself; choose another folder")
            found = find_pictures(path, without=folder)
            if not found.pictures and not (films and found.films):
                raise ArgumentError(
                    f"{path} holds no pictures, but {found.left_out() or 'nothing at all'}"
                )
            everything.add(found)
            names = [file.relative_to(path) for file in found.pictures]
            stems = [str(name.with_suffix("")).lower() for name in names]
            times = Counter(stems)  # of a.jpg and a.png, both would become a.png
            tasks += [
                Task(file, folder / _result(name, suffix, whole=times[stem] > 1))
                for file, name, stem in zip(found.pictures, names, stems, strict=True)
            ]
        else:
            tasks.append(Task(source, folder / _result(Path(path.name), suffix)))
    check_targets(tasks)
    return Plan(tuple(tasks), everything)


def check_targets(tasks: Sequence[Task]) -> None:
    """Refuse two tasks whose results would have one name, and one whose result is its source."""
    taken: dict[str, Task] = {}
    for task in tasks:
        # Some file systems do not tell capitals from small letters.
        other = taken.setdefault(str(task.target).lower(), task)
        if other is not task and same_file(Path(other.source), Path(task.source)):
            raise OutputError(f"{task.source} is given twice; give it once")
        if other is not task:
            raise OutputError(
                f"{other.source} and {task.source} would both become {task.target}; paint "
                "each by its own command, into its own folder"
            )
        if same_file(Path(task.source), task.target):
            raise OutputError(f"{task.target} is the input itself; choose another folder")


def _result(name: Path, suffix: str | None, *, whole: bool = False) -> Path:
    """Name a result after its picture, or, `whole`, after the picture's name with its suffix."""
    if suffix is not None:
        return name.with_name(name.name + suffix) if whole else name.with_suffix(suffix)
    return name if name.suffix.lower() in IMAGE_FORMATS else name.with_name(f"{name.name}.png")


def paint_all(
    tasks: Sequence[Task],
    recipe: Recipe,
    *,
    size: int | None = None,
    max_megapixels: float = MEGAPIXELS,
    jobs: int = 1,
    scheduler: str | None = None,
    tell: Callable[[Task], object] | None = None,
    progress: bool = False,
) -> Outcome:
    """Paint many pictures.

    Parameters
    ----------
    tasks : sequence of Task
        See :func:`plan`. Folders of results are made. A result that exists is left as it is.
    recipe : callable
        Makes what paints, for example :class:`Stylize`. It is tried first on a small grey picture,
        so that what would fail for each picture fails before the first.
    size : int, optional
        Longest side to which pictures are resized, in pixels; by default their own.
    max_megapixels : float, default 64
        The largest picture to decode, as for :func:`nstlib.load_image`.
    jobs : int, default 1
        How many to paint at a time on this machine.
    scheduler : str, optional
        Address of the scheduler of a Dask cluster, ``"tcp://host:8786"``, that paints them instead.
        Its workers have nstlib installed, and see the same files under the same paths. The pictures
        of a worker that is lost are given to another.
    tell : callable, optional
        Is called with each task once it is over. With one job on this machine, that is before the
        next one begins.
    progress : bool, default False
        Show a progress bar on stderr.

    Returns
    -------
    Outcome
        What became of each task.

    Raises
    ------
    ArgumentError
        If `jobs` is less than 1, or no scheduler or no worker is there.
    DependencyError
        If `scheduler` is given and the package distributed is not installed.
    NstError
        What the trial raises.
    """
    check_count("jobs", jobs)
    alone = jobs == 1 and scheduler is None
    (_painter(recipe) if alone else recipe())(Picture(np.full((32, 32, 3), 0.5, np.float32)))

    skipped = [task for task in tasks if task.target.is_file()]
    waiting = [task for task in tasks if not task.target.is_file()]
    faults: _Faults = {}
    told = set()
    run = _on_this_machine(jobs, faults) if scheduler is None else _on_a_cluster(scheduler, faults)
    interrupted = False
    try:
        with run as ended, tqdm(total=len(waiting), unit="picture", disable=not progress) as bar:
            for task in ended(waiting, recipe, size, max_megapixels):
                told.add(task)
                if tell is not None:
                    tell(task)
                bar.update()
    except KeyboardInterrupt:
        interrupted = True
        # What other threads were at has been finished all the same.
        for task in faults.keys() - told:
            if tell is not None:
                tell(task)
    finally:
        _of_this_thread.known = (None, None)  # a network is large
    results = [(task, faults[task]) for task in waiting if task in faults]
    return Outcome(
        tuple(task for task, fault in results if fault is None),
        tuple(skipped),
        tuple((task, fault) for task, fault in results if fault is not None),
        interrupted,
    )


#: The tasks that are over, each with what went wrong; None if nothing did.
_Faults: TypeAlias = dict[Task, NstError | None]

#: Gives tasks as they end.
_Ended: TypeAlias = Callable[..., Iterator[Task]]


@contextmanager
def _on_this_machine(jobs: int, faults: _Faults) -> Iterator[_Ended]:
    def paint(task: Task, *how: Any) -> Task:
        faults[task] = _paint(task, *how)
        return task

    if jobs == 1:
        yield lambda tasks, *how: (paint(task, *how) for task in tasks)
        return
    # Threads are enough: the runtimes compute outside of Python.
    pool = ThreadPoolExecutor(jobs)

    def ended(tasks: Sequence[Task], *how: Any) -> Iterator[Task]:
        for future in as_completed([pool.submit(paint, task, *how) for task in tasks]):
            yield future.result()

    try:
        yield ended
    finally:
        pool.shutdown(cancel_futures=True)


@contextmanager
def _on_a_cluster(address: str, faults: _Faults) -> Iterator[_Ended]:
    try:
        import distributed
    except ImportError as error:
        raise DependencyError.of("distributed", "painting on a cluster") from error
    try:
        client = distributed.Client(address, timeout=TIMEOUT)
    except (OSError, ValueError) as error:
        raise ArgumentError(
            f"no scheduler answers at {address} within {TIMEOUT} seconds; an address looks like "
            "tcp://host:8786"
        ) from error

    known: dict[Any, Task] = {}

    def ended(tasks: Sequence[Task], *how: Any) -> Iterator[Task]:
        if not client.scheduler_info()["workers"]:
            raise ArgumentError(
                f"the scheduler at {address} has no workers; start one: dask worker {address}"
            )
        here = [_absolute(task) for task in tasks]
        futures = [client.submit(_paint, task, *how, pure=False) for task in here]
        known.update(zip(futures, tasks, strict=True))
        for future in distributed.as_completed(futures):
            task, error = known[future], future.exception()
            faults[task] = future.result() if error is None else _fault(error)
            yield task

    with client:
        try:
            yield ended
        finally:
            written = (task for task in known.values() if task.target.is_file())
            faults.update((task, None) for task in written if task not in faults)


def _absolute(task: Task) -> Task:
    source = Path(task.source)
    return Task(source.absolute() if source.exists() else task.source, task.target.absolute())


_of_this_thread = threading.local()


def _painter(recipe: Recipe) -> Paint:
    """Make a painter once for each thread."""
    known: tuple[Recipe | None, Paint | None] = getattr(_of_this_thread, "known", (None, None))
    made, painter = known
    if painter is None or made != recipe:
        painter = recipe()
        _of_this_thread.known = (recipe, painter)
    return painter


def _paint(task: Task, recipe: Recipe, size: int | None, max_megapixels: float) -> NstError | None:
    """Do one task; return what went wrong."""
    try:
        task.target.parent.mkdir(parents=True, exist_ok=True)
        check_output(task.target, IMAGE_FORMATS)
        photo = load_picture(task.source, size, max_megapixels=max_megapixels)
        picture = _painter(recipe)(photo)
        save_image(picture.image, task.target, alpha=picture.alpha)
    except Exception as error:  # whatever it is, it concerns this picture alone
        return _fault(error)
    return None


def _fault(error: BaseException) -> NstError:
    """Keep an error's words. The error itself would keep the picture in memory."""
    words = str(error) or type(error).__name__
    command = error.command if isinstance(error, NstError) else words
    return NstError(" ".join(words.split()), command=" ".join(command.split()))
