"""Neural style transfer, from the Gram matrix to a portrait in a painting.

The library behind the course in ``notebooks/``. Images are float32 RGB arrays in [0, 1] of shape
(H, W, 3) everywhere; names that say ``uint8``, ``bgr`` or ``blob`` mark the edges where they are
not.

>>> import nstlib as nst
>>> nst.load_image("coffee", size=300).shape
(200, 300, 3)
"""

import os as _os
import sys as _sys

import lazy_loader as _lazy

# Settings that TensorFlow reads once, when it is first imported. A user's own values stand.
_os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")  # off by default on CPUs without AVX-512
_os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # no start-up notes in the middle of a lesson
_os.environ.setdefault("KERAS_BACKEND", "tensorflow")

# From 1.29 on, ONNX Runtime reports to its makers which models are loaded, and keeps a file for
# that in the home folder, unless this says otherwise when it is imported.
if "ORT_DISABLE_TELEMETRY" not in _os.environ:
    _os.environ["ORT_DISABLE_TELEMETRY"] = "1"
    if "onnxruntime" in _sys.modules:
        _sys.modules["onnxruntime"].disable_telemetry_events()

__version__ = "0.1.0"

# What `nst.` offers is listed in __init__.pyi; each name's module is imported when first used.
__getattr__, __dir__, __all__ = _lazy.attach_stub(__name__, __file__)
