"""The errors that the library raises on purpose.

Each message is one line that says what was given, what is accepted and what to do next, so the
command line can print it as it stands.
"""

from __future__ import annotations


class NstError(Exception):
    """Base of every error that ``nstlib`` raises on purpose."""


class ArgumentError(NstError, ValueError):
    """An argument lies outside what a function accepts."""


class ImageError(NstError, ValueError):
    """A file or an array is not an image that the library can use."""


class VideoError(NstError, ValueError):
    """A file is not a video that the library can use, or there is no camera or screen."""


class AssetError(NstError, OSError):
    """A registered file could not be had: no network, cut off, or not the file it should be."""


class WeightsError(NstError, OSError):
    """The weights that were asked for are not on this machine and could not be fetched."""


class OutputError(NstError, OSError):
    """A result cannot be written where it was asked for."""


class ModelError(NstError, ValueError):
    """A model, or the file of one, is not one that the library can use."""


class DependencyError(NstError, ImportError):
    """A package that only some functions need is not installed."""
