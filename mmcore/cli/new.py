"""`mm new`: write a plugin, and say what comes next."""

from pathlib import Path
from shlex import quote

from mmcore.registry.plugins import installed
from mmcore.scaffold.plugin import write_plugin


def new_plugin(kind: str, name: str, *, into: Path) -> None:
    """Write the folder and print the next steps."""
    folder = write_plugin(kind, name, into=into, plugins=installed())
    print(f"{folder} is written. It keeps its contract as it is:\n")
    print(f"  pip install --no-build-isolation -e {quote(str(folder))}")
    print(f"  pytest {quote(str(folder))}\n")
    print(f"{folder / 'README.md'} says what to change, and how to use it.")
