"""The exercises' checks: an engine, and a module for each lesson."""

import importlib
import pkgutil

from nstlib.course.exercises._engine import CHOICES, EXERCISES, check, evaluate, require

__all__ = ["LESSONS", "check", "evaluate", "require"]

#: By lesson, as in "04": the names of its questions and exercises.
LESSONS: dict[str, tuple[str, ...]] = {}

for _module in pkgutil.iter_modules(__path__):
    _known = {*CHOICES, *EXERCISES}
    importlib.import_module(f"{__name__}.{_module.name}")  # it registers its exercises
    if _new := tuple(name for name in (*CHOICES, *EXERCISES) if name not in _known):
        LESSONS[_module.name.removeprefix("lesson_")] = _new
