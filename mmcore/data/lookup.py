"""What is known under a key, for more keys than fit into memory."""

import hashlib
import sqlite3
from typing import Any

from mmcore.data.pile import no_room

CACHE_KIB = 2048
"""Of a table that has grown beyond it, the rest lies in a file without a name, which ends with the process."""
AT_ONCE = 1024
"""Written together, which takes a third of the time."""


class Lookup:
    """Texts -> a whole number or a text.

    A dictionary takes a fifth of a kB for each: 2 GB for 10 million rows.
    """

    def __init__(self) -> None:
        self._new = dict[bytes, int | str]()
        self._file = sqlite3.connect("", isolation_level=None).cursor()
        for set_up in (
            "PRAGMA journal_mode = OFF",
            f"PRAGMA cache_size = -{CACHE_KIB}",
            "CREATE TABLE known (key BLOB PRIMARY KEY, said) WITHOUT ROWID",
            "BEGIN",  # never ended: nobody else looks at this file
        ):
            self._file.execute(set_up)

    def get(self, *key: str) -> Any:
        """What was said; None where nothing was. Raises SetupError where the disk is full."""
        digest = _digest(key)
        found = self._new.get(digest)
        if found is not None:
            return found
        try:
            rows = self._file.execute("SELECT said FROM known WHERE key = ?", (digest,)).fetchone()
        except sqlite3.Error as error:
            raise no_room(error) from error
        return None if rows is None else rows[0]

    def put(self, *key: str, said: int | str) -> None:
        """Say something of a key that is new. Raises SetupError where the disk is full."""
        self._new[_digest(key)] = said
        if len(self._new) < AT_ONCE:
            return
        try:
            self._file.executemany("INSERT INTO known VALUES (?, ?)", self._new.items())
        except sqlite3.Error as error:
            raise no_room(error) from error
        self._new = {}


def _digest(key: tuple[str, ...]) -> bytes:
    """A key's stand-in, of one length. Keys are told apart by 16 bytes."""
    return hashlib.blake2b("\0".join(key).encode(), digest_size=16).digest()
