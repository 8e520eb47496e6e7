"""JSON lines: an object a line."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mm_sources.table.text import read_text_lines
from mmcore.errors import DataError
from mmcore.interfaces.source import Row


def read_lines_header(path: Path) -> list[str]:
    """Every key that some line has, in order of appearance."""
    found = dict[str, None]()
    for item in _objects(path):
        found |= dict.fromkeys(item)
    return list(found)


def read_lines(path: Path) -> Iterator[Row]:
    """Every object with every key; None where a line lacks it. Lists and objects inside become JSON texts."""
    header = read_lines_header(path)
    for item in _objects(path):
        yield {key: _cell(item.get(key)) for key in header}


def _objects(path: Path) -> Iterator[dict[str, Any]]:
    for number, line in enumerate(read_text_lines(path), 1):
        if not line.strip():
            continue
        try:
            item = json.loads(line)
        except ValueError as error:
            raise DataError(f"line {number} is not JSON: {error}.", path=path) from error
        if not isinstance(item, dict):
            raise DataError(
                f'line {number} must be an object like {{"text": "hello"}} but is {line[:40].strip()}.', path=path
            )
        yield item


def _cell(value: Any) -> Any:
    return json.dumps(value, ensure_ascii=False) if isinstance(value, list | dict) else value
