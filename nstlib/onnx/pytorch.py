"""Checkpoints of PyTorch's fast_neural_style example become Keras networks."""

from __future__ import annotations

import pickle
import warnings
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from nstlib._files import reading
from nstlib._tensorflow import keras
from nstlib.errors import DependencyError, ModelError
from nstlib.networks.files import check_archive
from nstlib.networks.transformer import TransformerNet


def from_pytorch(path: str | Path) -> keras.Model:
    """Read a checkpoint of PyTorch's fast_neural_style example into a Keras model.

    Parameters
    ----------
    path : str or pathlib.Path
        A state dict, as ``torch.save(model.state_dict(), path)`` writes it; or a dict that holds
        one beside other things, as ``state_dict`` or under any other name. Prefixes that wrappers
        add to all names, as ``module.`` or ``_orig_mod.``, are taken off. If there are several
        such networks, for instance the trained one and a moving average of it, the first that is
        complete counts. Nothing in the file is executed: it is read with ``weights_only=True``. The
        ``running_mean`` and ``running_var`` of old checkpoints are dropped: instance normalization
        takes mean and variance from the picture in hand.

    Returns
    -------
    keras.Model
        A :func:`nstlib.TransformerNet`, which takes and returns RGB in 0..255.

    Raises
    ------
    ArgumentError
        If `path` is no path.
    DependencyError
        If PyTorch is not installed.
    ModelError
        If the file is absent, cut off, larger than it says or no state dict, holds code, or holds
        other tensors than a TransformerNet has; the first ones are named.
    """
    check_archive(path)
    try:
        import torch
    except ImportError as error:
        raise DependencyError.of("torch", "reading checkpoints of PyTorch") from error

    damage = "is no checkpoint, or is cut off"
    with reading(path, ModelError, damage, tell=True), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of TorchScript; what it is not is said below
        try:
            content = torch.load(path, map_location="cpu", weights_only=True)
        except pickle.UnpicklingError as error:
            raise ModelError(
                f"{path} holds more than tensors, and is not read: what else a checkpoint holds "
                "can be code; save model.state_dict() alone"
            ) from error
    tensors = {name: x for name, x in _flat(content) if torch.is_tensor(x)}
    if not tensors:
        raise ModelError(
            f"{path} holds a {type(content).__name__} without tensors, not a state dict, which "
            "maps names to tensors"
        )

    model = TransformerNet()
    # Nothing else of the network's has a name that ends like its last kernel's.
    prefixes = [name.removesuffix(_LAST) for name in tensors if name.endswith(_LAST)]
    candidates = [_part(tensors, prefix) for prefix in prefixes or [""]]
    faults = [weight_faults(model, candidate) for candidate in candidates]
    best = faults.index([]) if [] in faults else 0
    if faults[best]:
        raise ModelError(
            f"{path} is no checkpoint of a TransformerNet: it {'; '.join(faults[best])}"
        )
    set_weights(model, {name: x.float().numpy() for name, x in candidates[best].items()})
    return model


def weights_by_name(model: keras.Model) -> dict[str, Any]:
    """Return the variables of a TransformerNet by the names that PyTorch's example gives them."""
    names = {"kernel": "weight", "gamma": "weight", "beta": "bias", "bias": "bias"}
    return {
        f"{layer.name}.{theirs}": getattr(layer, ours)
        for layer in model.layers
        for ours, theirs in names.items()
        if hasattr(layer, ours)
    }


def weight_faults(model: keras.Model, given: Mapping[str, Any]) -> list[str]:
    """Say what weights, named and shaped as in PyTorch, lack, have besides, and have otherwise."""
    wanted = {name: _in_pytorch(x.shape) for name, x in weights_by_name(model).items()}
    shaped = [
        f"{name} in the shape {tuple(given[name].shape)}, not {shape}"
        for name, shape in sorted(wanted.items())
        if name in given and tuple(given[name].shape) != shape
    ]
    kinds = {
        "lacks": sorted(wanted.keys() - given),
        "has besides": sorted(given.keys() - wanted),
        "has": shaped,
    }
    return [
        f"{what} {', '.join(names[:_NAMED])}"
        + (f" and {len(names) - _NAMED} more" if len(names) > _NAMED else "")
        for what, names in kinds.items()
        if names
    ]


def set_weights(model: keras.Model, given: Mapping[str, NDArray[Any]]) -> None:
    """Give a TransformerNet weights that are named and shaped as in PyTorch."""
    for name, variable in weights_by_name(model).items():
        array = given[name]
        variable.assign(array.transpose(2, 3, 1, 0) if array.ndim == 4 else array)


_LAST = "deconv3.conv2d.weight"

#: How many tensors of each kind a message names.
_NAMED = 3


def _flat(content: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    """Go through what a checkpoint holds; names of dicts within dicts are joined by dots."""
    if not isinstance(content, Mapping):
        yield name, content
        return
    for key, value in content.items():
        yield from _flat(value, f"{name}.{key}" if name else str(key))


def _part(tensors: Mapping[str, Any], prefix: str) -> dict[str, Any]:
    """Take the tensors whose names begin with a prefix, without it, and without statistics."""
    return {
        name.removeprefix(prefix): tensor
        for name, tensor in tensors.items()
        if name.startswith(prefix)
        and not name.endswith((".running_mean", ".running_var", ".num_batches_tracked"))
    }


def _in_pytorch(shape: Sequence[int]) -> tuple[int, ...]:
    """Tell the shape of a tensor in PyTorch, where a kernel's two sides come last."""
    return (shape[3], shape[2], *shape[:2]) if len(shape) == 4 else tuple(shape)
