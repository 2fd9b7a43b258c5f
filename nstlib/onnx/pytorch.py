"""Checkpoints of PyTorch's fast_neural_style example become Keras networks."""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from nstlib._tensorflow import keras
from nstlib.errors import DependencyError, ModelError
from nstlib.networks.files import check_archive
from nstlib.networks.transformer import TransformerNet
from nstlib.onnx.reading import one_line


def from_pytorch(path: str | Path) -> keras.Model:
    """Read a checkpoint of PyTorch's fast_neural_style example into a Keras model.

    Parameters
    ----------
    path : str or pathlib.Path
        A state dict, as ``torch.save(model.state_dict(), path)`` writes it. Nothing in it is
        executed: it is read with ``weights_only=True``. The ``running_mean`` and ``running_var`` of
        old checkpoints are dropped. They are a record of the training that instance normalization
        never used, because it takes mean and variance from the picture in hand.

    Returns
    -------
    keras.Model
        A :func:`nstlib.TransformerNet`, which takes and returns RGB in 0..255.

    Raises
    ------
    DependencyError
        If PyTorch is not installed.
    ModelError
        If the file is absent, cut off, larger than it says or no state dict, holds code, or holds
        other tensors than a TransformerNet has; they are named.
    """
    check_archive(path)
    try:
        import torch
    except ImportError as error:
        raise DependencyError(
            "torch is not installed, and checkpoints of PyTorch need it: "
            "pip install 'nstlib[torch]'"
        ) from error

    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise ModelError(
            f"{path} holds more than tensors, and is not read: what else a checkpoint holds can be "
            "code; save model.state_dict() alone"
        ) from error
    except Exception as error:  # whatever the unpickler stumbles over
        raise ModelError(f"{path} is no checkpoint, or is cut off ({one_line(error)})") from error
    if not isinstance(state, Mapping) or not all(torch.is_tensor(x) for x in state.values()):
        raise ModelError(
            f"{path} holds a {type(state).__name__}, not a state dict, which maps names to tensors"
        )

    model = TransformerNet()
    wanted: dict[str, Any] = {}
    for layer in model.layers:
        for ours, theirs in (
            ("kernel", "weight"),
            ("gamma", "weight"),
            ("beta", "bias"),
            ("bias", "bias"),
        ):
            if hasattr(layer, ours):
                wanted[f"{layer.name}.{theirs}"] = getattr(layer, ours)
    given = {
        name: tensor
        for name, tensor in state.items()
        if not name.endswith((".running_mean", ".running_var", ".num_batches_tracked"))
    }
    faults = []
    for what, names in (("lacks", wanted.keys() - given), ("has besides", given.keys() - wanted)):
        if names:
            faults.append(f"{what} {', '.join(sorted(names))}")
    arrays = {}
    for name in sorted(wanted.keys() & given.keys()):
        arrays[name] = given[name].float().numpy()
        expected = wanted[name].shape
        if len(expected) == 4:  # a kernel, whose two sides come first in Keras and last in PyTorch
            expected = (expected[3], expected[2], *expected[:2])
        if arrays[name].shape != tuple(expected):
            faults.append(f"has {name} in the shape {arrays[name].shape}, not {tuple(expected)}")
    if faults:
        raise ModelError(f"{path} is no checkpoint of a TransformerNet: it {'; '.join(faults)}")
    for name, variable in wanted.items():
        array = arrays[name]
        variable.assign(array.transpose(2, 3, 1, 0) if array.ndim == 4 else array)
    return model
