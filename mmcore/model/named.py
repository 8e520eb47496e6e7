"""Modules and parameters by the names of fields and tasks, whatever those names are.

nn.ModuleDict and nn.ParameterDict refuse names that are attributes of their own (`type`, `keys`, `to`), which are
good names for a column.
"""

from collections.abc import ItemsView, Iterator, Mapping, ValuesView
from typing import cast

from torch import nn


class NamedModules(nn.Module):
    """Modules by name, in the order of their names."""

    def __init__(self, modules: Mapping[str, nn.Module]) -> None:
        super().__init__()
        for name in sorted(modules):
            self._modules[name] = modules[name]

    def __getitem__(self, name: str) -> nn.Module:
        return cast(nn.Module, self._modules[name])

    def __iter__(self) -> Iterator[str]:
        return iter(self._modules)

    def __len__(self) -> int:
        return len(self._modules)

    def items(self) -> ItemsView[str, nn.Module]:
        """Names and modules."""
        return cast(ItemsView[str, nn.Module], self._modules.items())

    def values(self) -> ValuesView[nn.Module]:
        """The modules."""
        return cast(ValuesView[nn.Module], self._modules.values())


class NamedParameters(nn.Module):
    """Parameters by name, in the order of their names."""

    def __init__(self, parameters: Mapping[str, nn.Parameter]) -> None:
        super().__init__()
        for name in sorted(parameters):
            self._parameters[name] = parameters[name]

    def __getitem__(self, name: str) -> nn.Parameter:
        return cast(nn.Parameter, self._parameters[name])

    def __contains__(self, name: str) -> bool:
        return name in self._parameters
