"""A space as YAML has it, read and checked: every mistake is named before anything is trained."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from mmcore.errors import ConfigError, listing, near_miss
from mmcore.search.dimensions import Dimension, Number, Options, Plain, Simple
from mmcore.search.space import Space, find, label_of

Settle = Callable[[Mapping[str, Any]], dict[str, Any]]
"""Changes by key -> params.yaml in full with them; raises ConfigError where it cannot be."""
Declared = Callable[[str, Mapping[str, Any]], dict[str, Any]]
"""A part's key and its settings -> the ranges that its plugin declares, as a space in YAML."""

WORDS = ("choices", "low", "high", "log", "step", "factor", "length", "when")
ROWS = {
    "data": "it decides which rows there are, and trials must be judged on the same ones",
    "evaluation": "it decides how trials are judged, which must be the same for all",
    "repeats": "a search has folds of its own: folds=5",
    "floors": "it is no part of the model",
    "report": "it is no part of the model",
    "verdict": "it decides what is released, not how a model is trained",
    "release": "it decides what is released, not how a model is trained",
    "compose": "no stage reads it",
}
"""Sections that cannot be searched, with the reason."""
DECIDES = "it decides what the score is, which must be the same for all trials"
OTHERS = {
    "training.monitor": DECIDES,
    "training.packages": "`mm compose` writes it",
    "pretrain.runs": "`mm compose` writes it, from training and what pretrain.training says is otherwise",
    "pretrain.start": "`mm compose` writes it",
}
OF_A_FIELD = {"column": DECIDES, "like": "it decides which fields there are"} | dict.fromkeys(
    ("fit", "code", "modality_files", "encoder_files", "package", "encoder_package"), "`mm compose` writes it"
)


def read_space(given: Mapping[str, Any], base: Mapping[str, Any], *, settle: Settle, declared: Declared) -> Space:
    """The space. Raises ConfigError: what was asked, what is there, what to do."""
    if not given:
        raise ConfigError(
            "There is nothing to search: no space was given, and no chosen plugin declares a range. Write one to "
            "conf/search/NAME.yaml; docs/search.md shows how."
        )
    reader = _Reader(base, settle, declared)
    dimensions = [found for key, spec in given.items() for found in reader.read(str(key), spec)]
    return Space(tuple(_in_order(dimensions)), base)


class _Reader:
    def __init__(self, base: Mapping[str, Any], settle: Settle, declared: Declared) -> None:
        self._base, self._settle, self._declared = base, settle, declared

    def read(self, key: str, spec: Any) -> Iterator[Dimension]:
        """The dimension at a key of params.yaml, and those below it where it chooses a plugin."""
        _check_searchable(key)
        present = _present(self._base, key)
        if isinstance(present, Mapping) and isinstance(present.get("name"), str):
            yield from self._part(key, key, spec, present=present, when=())
        elif isinstance(present, Mapping):
            raise ConfigError(
                f"space: {key} has settings below it. Name one: {listing(f'{key}.{k}' for k in present)}."
            )
        else:
            yield _dimension(key, key, spec, present=present, when=())

    def _part(
        self, name: str, key: str, spec: Any, *, present: Mapping[str, Any], when: tuple[Any, ...]
    ) -> Iterator[Dimension]:
        """A choice of plugins, each with ranges of its own."""
        spec = {"choices": spec} if isinstance(spec, list) else spec
        choices = spec.get("choices") if isinstance(spec, Mapping) else None
        if not isinstance(choices, list | Mapping) or not choices or set(spec) - {"choices", "when"}:
            raise ConfigError(
                f"space: {key} chooses a plugin, so it wants `choices`: [film, concat], or each with settings and "
                f"ranges of its own: {{concat: {{width: {{low: 32, high: 256}}}}}}. It got: {spec!r}."
            )
        options = dict.fromkeys(map(str, choices)) if isinstance(choices, list) else dict(choices)
        parts, inner = dict[str, dict[str, Any]](), list[Dimension]()
        for plugin, own in options.items():
            part, ranges = self._option(key, str(plugin), own, present)
            parts[str(plugin)] = part
            full = find(self._settle({key: part}), key)
            for below, range_ in ranges.items():
                where = f"{name}[{plugin}].{below}"
                held = _present(full, below, where=f"{key} ({plugin})")
                only = ((key, (plugin,)),)
                if isinstance(held, Mapping) and isinstance(held.get("name"), str):
                    inner += self._part(where, f"{key}.{below}", range_, present=held, when=only)
                else:
                    inner.append(_dimension(where, f"{key}.{below}", range_, present=held, when=only, above=name))
        labels: dict[Plain, Any] = {plugin: plugin for plugin in parts}
        yield Dimension(name, key, Options(labels), when=(*when, *_when(spec, key)), parts=parts)
        yield from inner

    def _option(
        self, key: str, plugin: str, own: Any, present: Mapping[str, Any]
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        """The settings that a plugin begins with, and its ranges."""
        begins = dict(present) if present["name"] == plugin else {"name": plugin}
        if own == "declared":
            return begins, self._declared(key, find(self._settle({key: begins}), key))
        if own is not None and not isinstance(own, Mapping):
            raise ConfigError(f"space: {key}: {plugin} wants settings and ranges, or `declared`; it got {own!r}.")
        ranges = {below: spec for below, spec in (own or {}).items() if is_range(spec)}
        return {**begins, **{k: v for k, v in (own or {}).items() if k not in ranges}}, ranges


def is_range(spec: Any) -> bool:
    """Whether a value of YAML says what a setting may be, and not what it is."""
    return isinstance(spec, Mapping) and bool({"choices", "low", "high", "length"} & set(spec))


def _check_searchable(key: str) -> None:
    section, _, rest = key.partition(".")
    reason = ROWS.get(section) or next((why for start, why in OTHERS.items() if key.startswith(start)), None)
    if section == "fields" and len(steps := rest.split(".")) > 1:
        reason = OF_A_FIELD.get(steps[1])
    if section == "tasks" and key.endswith(".target"):
        reason = DECIDES
    if reason is not None:
        raise ConfigError(f"space: {key} cannot be searched: {reason}.")


def _present(tree: Mapping[str, Any], key: str, *, where: str = "") -> Any:
    """What stands at a key now. Raises ConfigError that says how far it was found."""
    found: Any = tree
    walked = [where] if where else []
    for step in key.split("."):
        if not isinstance(found, Mapping) or step not in found:
            there = [str(name) for name in found] if isinstance(found, Mapping) else []
            place = f"In {'.'.join(walked)}" if walked else "At the top of params.yaml"
            raise ConfigError(
                f"space: there is no {'.'.join([*walked, step])!r}.{near_miss(step, there)} "
                f"{place} there is: {listing(there)}."
            )
        found = found[step]
        walked.append(step)
    return found


def _dimension(
    name: str, key: str, spec: Any, *, present: Any, when: tuple[Any, ...], above: str | None = None
) -> Dimension:
    """A dimension that is no plugin. above: the name of the plugin that it is a setting of, for relative names."""
    if isinstance(spec, list):
        spec = {"choices": spec}
    if not isinstance(spec, Mapping):
        raise ConfigError(f"space: {key} wants a range ({{low: 1, high: 4}}) or a list of choices but got {spec!r}.")
    for word in spec:
        if word not in WORDS:
            raise ConfigError(f"space: {key} has {word!r}.{near_miss(str(word), WORDS)} It may have: {listing(WORDS)}.")
    conditions = (*when, *_when(spec, key))
    if "length" not in spec:
        return Dimension(name, key, _simple(spec, key, like=present), when=conditions)
    if not isinstance(present, list):
        raise ConfigError(f"space: {key} is {present!r}, which is no list, so it has no length. Leave out `length`.")
    items = _simple(spec, key, like=present[0] if present else 0)
    length, like = spec["length"], None
    if isinstance(length, str):
        like = length if "." in length or above is None else _sibling(name, length)
        return Dimension(name, key, Number(1, 1, whole=True), items=items, like=like, when=conditions)
    bounds = {"low": length, "high": length} if isinstance(length, int) else length
    if isinstance(bounds, list) and len(bounds) == 2:
        bounds = {"low": bounds[0], "high": bounds[1]}
    if not isinstance(bounds, Mapping):
        raise ConfigError(f"space: {key}.length wants a number, [1, 4] or the name of another list; it got {length!r}.")
    kind = _simple(bounds, f"{key}.length", like=1)
    if isinstance(kind, Number) and kind.low < 1:
        raise ConfigError(f"space: {key}.length begins at {kind.low:g}. A list that is searched has at least 1 item.")
    return Dimension(name, key, kind, items=items, when=conditions)


def _sibling(name: str, other: str) -> str:
    return f"{name.rpartition('.')[0]}.{other}"


def _simple(spec: Mapping[str, Any], key: str, *, like: Any) -> Simple:
    """A range or options. like: a value that the setting has, which says whether it is a whole number."""
    if "choices" in spec:
        if mixed := {"low", "high", "log", "step", "factor"} & set(spec):
            raise ConfigError(f"space: {key} has choices and {listing(mixed)}. Leave out one of the two.")
        choices = spec["choices"]
        if not isinstance(choices, list) or not choices:
            raise ConfigError(f"space: {key} has no choices: an empty range. Give a list of at least one value.")
        labels = {label_of(choice): choice for choice in choices}
        if len(labels) < len(choices):
            raise ConfigError(f"space: {key} has a choice twice: {choices!r}.")
        return Options(labels)
    lacking = [word for word in ("low", "high") if word not in spec]
    if lacking:
        raise ConfigError(f"space: {key} lacks {listing(lacking)}. A range is {{low: 1, high: 4}}.")
    low, high = _number(spec["low"], f"{key}.low"), _number(spec["high"], f"{key}.high")
    step = _number(spec["step"], f"{key}.step") if spec.get("step") is not None else None
    log, factor = spec.get("log", False), spec.get("factor", False)
    if low > high:
        raise ConfigError(f"space: {key} is an empty range: from {low:g} to {high:g}. Put the smaller one in `low`.")
    if (log or factor) and low <= 0:
        raise ConfigError(f"space: {key} steps by factors, so `low` must be above 0 but is {low:g}.")
    if sum(map(bool, (log, factor, step))) > 1:
        raise ConfigError(f"space: {key} has more than one of log, factor and step. Leave one alone.")
    if step is not None and step <= 0:
        raise ConfigError(f"space: {key}.step must be above 0 but is {step:g}.")
    whole = not isinstance(like, float) and all(isinstance(n, int) for n in (low, high, step or 1))
    if factor and not whole:
        raise ConfigError(f"space: {key} has `factor`, which is for whole numbers. Say `log: true`.")
    return Number(low, high, whole=whole, log=bool(log), step=step, factor=bool(factor))


def _number(value: Any, where: str) -> float:
    if isinstance(value, str):  # YAML reads 1e-3, without a point, as a text
        try:
            return float(value)
        except ValueError:
            pass
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ConfigError(f"space: {where} must be a number but got {value!r}.")
    return value


def _when(spec: Mapping[str, Any], key: str) -> tuple[tuple[str, tuple[Any, ...]], ...]:
    given = spec.get("when", {})
    if not isinstance(given, Mapping):
        raise ConfigError(f"space: {key}.when must name keys with values ({{fusion: concat}}) but got {given!r}.")
    return tuple((str(k), tuple(v) if isinstance(v, list) else (v,)) for k, v in given.items())


def _in_order(dimensions: list[Dimension]) -> Iterator[Dimension]:
    """Each after those that it depends on, else as they were given. Raises ConfigError where that cannot be."""
    keys, names = {one.key for one in dimensions}, {one.name for one in dimensions}
    waiting, done, known = list(dimensions), set[str](), set[str]()
    while waiting:
        ready = next((one for one in waiting if _ready(one, waiting, keys=keys, done=done, known=known)), None)
        if ready is None:
            raise ConfigError(f"space: {listing(one.name for one in waiting)} wait for each other. Mend their `when`.")
        if ready.like is not None and ready.like not in names:
            lists = [one.name for one in dimensions if one.items is not None and one.name != ready.name]
            raise ConfigError(
                f"space: {ready.key} is to be as long as {ready.like!r}, which is no list of the space."
                f"{near_miss(ready.like, lists)} There is: {listing(lists)}."
            )
        waiting.remove(ready)
        known.add(ready.name)
        if all(one.key != ready.key for one in waiting):
            done.add(ready.key)
        yield ready


def _ready(one: Dimension, waiting: list[Dimension], *, keys: set[str], done: set[str], known: set[str]) -> bool:
    needed = {key for key, _ in one.when if key in keys and key != one.key}
    other = one.like is None or one.like in known or all(each.name != one.like for each in waiting)
    return needed <= done and other
