"""Settings that all tests share."""

from __future__ import annotations

import matplotlib
from hypothesis import settings

# No window, also where there is a screen. Not by MPLBACKEND: notebooks run by a test would inherit
# it and show no pictures.
matplotlib.use("Agg")

# The first call of a function that TensorFlow traces takes seconds; that is no fault of the test.
settings.register_profile("course", deadline=None)
settings.load_profile("course")
