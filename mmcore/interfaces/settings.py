"""What a setting may be: a number with a range, the name of a field, a choice of another plugin. No torch."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Range:
    """Bounds of a number, both included: `Annotated[int, Range(1, 8)]` on a constructor's argument.

    low, high: the bounds; `log` says that a search should step by factors rather than by differences.
    `soft_low` and `soft_high` are where a search stops although lesser and larger values are allowed: what is legal is
    seldom all that is worth a training. `step`: between two values that a search tries; 2 from an odd bound on: kernels
    with a middle.
    """

    low: float
    high: float = float("inf")
    log: bool = False
    soft_high: float | None = None
    soft_low: float | None = None
    step: int | None = None

    def fault(self, value: object) -> str | None:
        """What is wrong with `value`, in words; None where it lies inside. Lists are judged item by item."""
        items = value if isinstance(value, list | tuple) else [value]
        for item in items:
            if isinstance(item, int | float) and not self.low <= item <= self.high:
                return f"must be between {self.low:g} and {self.high:g} but got {item!r}"
        return None


@dataclass(frozen=True)
class FieldName:
    """Says that a setting names a field, or a list of them: `Annotated[str, FieldName()]`.

    `mm compose --check` then looks whether it is there, before anything is trained. encoded: it must have an encoder.
    """

    encoded: bool = True


@dataclass(frozen=True)
class PluginOf:
    """Says that a setting is a choice of plugin: `Annotated[Callable[[int, int], Connector], PluginOf("connector")]`.

    In YAML it is `{name: mlp, ...}`. Its key is called like its kind, or else it is of the same kind as the plugin that
    it belongs to: so it can be told without importing anything. The constructor gets a function: what comes from the
    data goes in, a plugin comes out, at each call another one, with weights of a seed of its own.
    among_fields: its `FieldName` settings name fields of the model.
    """

    plugin_kind: str
    among_fields: bool = True
