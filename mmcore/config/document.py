"""params.yaml as a text: what it says of itself, and what differs between two of them."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any

import yaml

HEADER = """\
# What every stage reads. Written by `mm compose`; may be edited by hand (comments added here are not kept):
# `mm compose` tells before it overwrites an edit. What each setting means stands in conf/, in the plugins' conf/
# and, of a field's own keys, in docs/data.md. What stands in none of them is found out by `mm compose`.
"""


def render(values: Mapping[str, Any], choices: Sequence[str]) -> str:
    """The whole file: the sections, then how they came about."""
    blocks = [dump({name: value}) for name, value in values.items()]
    made = {"choices": list(choices), "digest": digest(values)}
    return "\n".join([HEADER, *blocks, f"# No stage reads this.\n{dump({'compose': made})}"])


def digest(values: Mapping[str, Any]) -> str:
    """Of the values alone: a file that was laid out anew is not an edited one."""
    text = json.dumps(values, sort_keys=True, ensure_ascii=False, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def differences(former: Mapping[str, Any], latter: Mapping[str, Any]) -> dict[str, tuple[Any, Any]]:
    """Dotted key -> (value in `former`, value in `latter`), ABSENT where one has no such key; sorted by key."""
    found = dict[str, tuple[Any, Any]]()
    for name in sorted({*former, *latter}, key=str):
        one, other = former.get(name, ABSENT), latter.get(name, ABSENT)
        if isinstance(one, Mapping) and isinstance(other, Mapping):
            inside = differences(one, other)
            found |= {f"{name}.{key}": values for key, values in inside.items()}
        elif one != other or isinstance(one, bool) is not isinstance(other, bool):
            found[str(name)] = (one, other)
    return found


class _Absent:
    """No such key."""

    def __repr__(self) -> str:
        return "nothing"


ABSENT = _Absent()


class _Dumper(yaml.SafeDumper):
    """Blocks for mappings, brackets for lists of plain values."""

    def ignore_aliases(self, data: Any) -> bool:
        """Two fields with equal encoders are written out twice: each may be edited alone."""
        return True


def _sequence(dumper: yaml.SafeDumper, items: list[Any]) -> yaml.SequenceNode:
    flat = all(not isinstance(item, list | dict) for item in items)
    return dumper.represent_sequence("tag:yaml.org,2002:seq", items, flow_style=flat)


_Dumper.add_representer(list, _sequence)


def dump(values: Mapping[str, Any]) -> str:
    """As YAML, in the layout of params.yaml."""
    return yaml.dump(dict(values), Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=1000)
