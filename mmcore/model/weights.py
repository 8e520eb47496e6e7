"""Weights as safetensors: nothing unpickles, equal weights are equal bytes."""

import hashlib
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from mmcore.errors import ArtifactError, fetched_anew


def state_of(module: nn.Module) -> dict[str, Tensor]:
    """The state dict with each shared tensor once, under the first of its names."""
    seen, kept = dict[int, str](), dict[str, Tensor]()
    # Who it is, not where it lies: where weights are divided, a process has nothing of some, and all nothings lie at 0.
    for name, tensor in sorted(module.state_dict(keep_vars=True).items()):
        if seen.setdefault(id(tensor), name) == name:
            kept[name] = tensor.detach()
    return kept


def digest_of(module: nn.Module, *, of: bytes = b"") -> str:
    """Of the names and values of its weights, 64 signs of hexadecimal. of: what else they shall depend on."""
    digest = hashlib.sha256(of)
    for name, tensor in sorted(state_of(module).items()):
        digest.update(name.encode())
        digest.update(tensor.cpu().contiguous().flatten().view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


def load_state(module: nn.Module, state: Mapping[str, Tensor], *, what: str) -> None:
    """Put weights into a module. Raises ArtifactError where names or shapes do not match.

    What the module makes for itself now is passed over: it was kept by an earlier version of the plugin.
    """
    own = module.state_dict()
    made = {name for name, _ in module.named_buffers()}
    unknown, lacking = sorted(set(state) - set(own) - made), sorted(set(state_of(module)) - set(state))
    shapes = [
        f"{name} {tuple(state[name].shape)} for {tuple(own[name].shape)}"
        for name in sorted(set(state) & set(own))
        if state[name].shape != own[name].shape
    ]
    if unknown or lacking or shapes:
        faults = [f"unknown: {', '.join(unknown[:3])}"] * bool(unknown) + [f"missing: {', '.join(lacking[:3])}"] * bool(
            lacking
        )
        faults += [f"of another shape: {', '.join(shapes[:3])}"] * bool(shapes)
        raise ArtifactError(f"{what} does not hold the weights of this model ({'; '.join(faults)}). Train again.")
    module.load_state_dict(dict(state), strict=False)  # shared tensors stand there once


def load_matching(module: nn.Module, state: Mapping[str, Tensor]) -> list[str]:
    """Put in what fits by name and shape; the names of what does not stay as they are and are returned, sorted."""
    own = module.state_dict()
    fitting = {name: tensor for name, tensor in state.items() if name in own and own[name].shape == tensor.shape}
    module.load_state_dict(fitting, strict=False)
    return sorted(set(state_of(module)) - set(fitting))


def save_tensors(tensors: Mapping[str, Tensor], path: Path) -> None:
    """Write tensors by name; no metadata, whose order would not be stable."""
    ready = {name: tensors[name].detach().cpu().contiguous() for name in sorted(tensors)}
    path.write_bytes(b"")  # so that a full disk or a missing folder is told by Python, with its errno
    save_file(ready, path)


def load_tensors(path: Path, *, device: str = "cpu") -> dict[str, Tensor]:
    """Read tensors by name. Raises ArtifactError where the file is missing or damaged."""
    try:
        return load_file(path, device=device)
    except (OSError, SafetensorError) as error:
        raise ArtifactError(f"{path} cannot be read ({error}). {fetched_anew(path)}") from error
