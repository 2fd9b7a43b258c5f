from .art import draw as draw
from .assets import fetch as fetch
from .check import check as check
from .features import STYLE_LAYERS as STYLE_LAYERS
from .features import feature_extractor as feature_extractor
from .images import bgr_to_rgb as bgr_to_rgb
from .images import load_image as load_image
from .images import resize as resize
from .images import rgb_to_bgr as rgb_to_bgr
from .images import sample_names as sample_names
from .images import save_image as save_image
from .images import to_blob as to_blob
from .losses import gram_matrix as gram_matrix
from .losses import style_loss as style_loss
from .losses import total_variation_loss as total_variation_loss
from .optimize import minimize_image as minimize_image
from .plots import animate as animate
from .plots import show_curves as show_curves
from .plots import show_distributions as show_distributions
from .plots import show_feature_maps as show_feature_maps
from .plots import show_grams as show_grams
from .plots import show_images as show_images
from .plots import show_matrix as show_matrix
from .synthesis import synthesize_texture as synthesize_texture

__version__: str
