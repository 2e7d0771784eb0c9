"""Reports that were told already: at an exact point a report is the same for ever."""

from collections import OrderedDict
from collections.abc import Hashable
from threading import Lock
from typing import Any

from psycopg import Cursor

from projections.point import LEDGER

MOST_BYTES = 24 * 2**20


def ledger_of(cursor: Cursor[Any]) -> Hashable:
    """Which ledger it is; another one after a rebuild, which may have mended something."""
    return cursor.execute(f"SELECT {LEDGER}").fetchone()


class Kept:
    """One for a process, safe for threads. What was wanted longest ago is forgotten first."""

    def __init__(self, most_bytes: int = MOST_BYTES) -> None:
        self._most_bytes, self._bytes = most_bytes, 0
        self._told: OrderedDict[Hashable, bytes] = OrderedDict()
        self._lock = Lock()

    def find(self, question: Hashable) -> bytes | None:
        with self._lock:
            told = self._told.get(question)
            if told is not None:
                self._told.move_to_end(question)
            return told

    def keep(self, question: Hashable, told: bytes) -> None:
        with self._lock:
            self._bytes += len(told) - len(self._told.get(question, b""))
            self._told[question] = told
            while self._bytes > self._most_bytes:
                _, forgotten = self._told.popitem(last=False)
                self._bytes -= len(forgotten)
