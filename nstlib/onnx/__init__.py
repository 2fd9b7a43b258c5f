"""Networks leave Keras, and other places, as ONNX files that every runtime computes alike.

:func:`export` writes a Keras model as an ONNX file, :func:`from_pytorch` reads a checkpoint of
PyTorch's fast_neural_style example into Keras, :func:`from_onnx` an exported style network,
:func:`modernize` brings old ONNX files up to date, and :func:`from_tflite` converts those of
TensorFlow Lite. Nothing is written before :func:`verify` has compared the runtimes.
"""

import lazy_loader as _lazy

# Each name's module is imported when first used: only some of them need TensorFlow.
__getattr__, __dir__, __all__ = _lazy.attach_stub(__name__, __file__)
