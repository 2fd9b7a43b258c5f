"""ONNX Runtime, which writes nothing to the terminal."""

from __future__ import annotations

import onnxruntime


def start_session(
    model: bytes | str, options: onnxruntime.SessionOptions | None = None
) -> onnxruntime.InferenceSession:
    """Start a network, given as the content of a file or as its path, on the processor."""
    options = options or onnxruntime.SessionOptions()
    options.log_severity_level = 4  # only what is fatal: errors are raised anyway
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
