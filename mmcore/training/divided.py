"""Tensors that are divided among processes (FSDP), and whole ones as checkpoints hold them."""

from collections.abc import Mapping

from torch import Tensor, nn
from torch.distributed.tensor import DTensor, distribute_tensor


def whole(tensor: Tensor) -> Tensor:
    """A divided tensor put together, any other as it is; all processes must ask together."""
    return tensor.full_tensor() if isinstance(tensor, DTensor) else tensor


def own_part(tensor: Tensor) -> Tensor:
    """What this process has of a divided tensor, which may be nothing; any other as it is."""
    return tensor.to_local() if isinstance(tensor, DTensor) else tensor


def divided(tensors: Mapping[str, Tensor], model: nn.Module) -> dict[str, Tensor]:
    """Whole tensors divided as the model's own of the same names are."""
    own = model.state_dict()
    return {name: _as(tensor, own[name]) if name in own else tensor for name, tensor in tensors.items()}


def like(moments: Mapping[str, Tensor], parameter: Tensor) -> dict[str, Tensor]:
    """An optimizer's moments divided as their parameter is; counts of steps stay whole."""
    return {key: value if key == "step" else _as(value, parameter) for key, value in moments.items()}


def _as(tensor: Tensor, own: Tensor) -> Tensor:
    if not isinstance(own, DTensor) or isinstance(tensor, DTensor):
        return tensor
    return distribute_tensor(tensor.to(own.device), own.device_mesh, own.placements)
