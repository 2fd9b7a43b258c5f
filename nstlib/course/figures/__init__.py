"""The figures that lessons share: image grids, feature maps, Gram matrices, curves, animations.

Every figure has an alternative text, which is what a notebook stores as the output's plain text. A
caption may be set below it; lessons write theirs into the text cell below instead, where it can be
searched and translated. Figures are built without ``pyplot``: there is no current figure,
no global setting is changed, and nothing stays open.
"""

from nstlib.errors import DependencyError

try:
    import matplotlib  # noqa: F401
except ModuleNotFoundError as error:
    if error.name != "matplotlib":  # one of its own requirements
        raise
    raise DependencyError.of("matplotlib", "drawing figures") from error

from nstlib.course.figures.animation import Animation, animate
from nstlib.course.figures.charts import show_curves, show_distributions
from nstlib.course.figures.matrices import show_grams, show_matrix
from nstlib.course.figures.pictures import show_feature_maps, show_images
from nstlib.course.figures.plot import Plot

__all__ = [
    "Animation",
    "Plot",
    "animate",
    "show_curves",
    "show_distributions",
    "show_feature_maps",
    "show_grams",
    "show_images",
    "show_matrix",
]
