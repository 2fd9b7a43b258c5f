"""The errors that the library raises on purpose.

Each message is one line that says what was given, what is accepted and what to do next. Where that
takes other words at the command line than in Python, an error carries both.
"""

from __future__ import annotations

from typing import Any, ClassVar


class NstError(Exception):
    """Base of every error that ``nstlib`` raises on purpose.

    Parameters
    ----------
    message : str
        What is wrong and what to do, for somebody who calls the library from Python.
    command : str, optional
        The same for somebody at the command line. By default `message`.

    Examples
    --------
    >>> error = ArgumentError("size is 0", command="--size is 0")
    >>> str(error), error.command
    ('size is 0', '--size is 0')
    """

    def __init__(self, message: str, *, command: str | None = None) -> None:
        super().__init__(message)
        self.command = message if command is None else command

    def __reduce__(self) -> tuple[Any, ...]:
        # As processes send errors to each other. Packages that do so change how others are sent,
        # in a way that fails for errors of two bases.
        return type(self), self.args, self.__dict__


class ArgumentError(NstError, ValueError):
    """An argument lies outside what a function accepts."""


class ImageError(NstError, ValueError):
    """A file or an array is not an image that the library can use."""


class VideoError(NstError, ValueError):
    """A file is not a film that the library can use, or there is no camera or screen."""


class AssetError(NstError, OSError):
    """A registered file could not be had: no network, cut off, or not the file it should be."""


class WeightsError(NstError, OSError):
    """The weights that were asked for are not on this machine and could not be fetched."""


class OutputError(NstError, OSError):
    """A result cannot be written where it was asked for."""


class ModelError(NstError, ValueError):
    """A model, or the file of one, is not one that the library can use."""


class MemoryLimitError(NstError, MemoryError):
    """The memory of this machine does not suffice for what was asked."""


class NstWarning(UserWarning):
    """Something was not as it should be, and the work goes on. The command line says it, too."""


class DependencyError(NstError, ImportError):
    """A package that only some functions need is not installed."""

    #: What brings each package: the extra of nstlib to install.
    EXTRAS: ClassVar[dict[str, str]] = {
        "distributed": "cluster",
        "keras": "learn",
        "matplotlib": "learn",
        "nbclient": "learn",
        "nbformat": "learn",
        "pillow_heif": "heic",
        "tensorflow": "learn",
        "tf2onnx": "tflite",
        "torch": "torch",
    }

    @classmethod
    def of(cls, package: str, purpose: str) -> DependencyError:
        """Make the error for a package that is not installed.

        Examples
        --------
        >>> str(DependencyError.of("torch", "reading PyTorch's checkpoints"))
        "reading PyTorch's checkpoints needs torch: pip install 'nstlib[torch]'"
        """
        return cls(f"{purpose} needs {package}: pip install 'nstlib[{cls.EXTRAS[package]}]'")
