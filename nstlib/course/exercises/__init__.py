"""The exercises' checks: an engine, and a module for each lesson."""

import importlib
import pkgutil

from nstlib.course.exercises._engine import check, evaluate

__all__ = ["check", "evaluate"]

for _module in pkgutil.iter_modules(__path__):  # each registers its exercises
    importlib.import_module(f"{__name__}.{_module.name}")
