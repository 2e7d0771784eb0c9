"""Checkpoints are brought to where whoever rules the database does not: a folder, or an address.

What does not arrive is tried again with the next. A new target begins with the newest.
"""

import os
from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any, LiteralString

import httpx2
from psycopg import Cursor

from api.background import Regularly

EVERY_SECONDS = 2.0
TIMEOUT_SECONDS = 5.0
PUSHERS_LOCK = 7305815021847160068

_ALONE: LiteralString = "SELECT pg_try_advisory_xact_lock(%s)"
_NEXT: LiteralString = """
SELECT size, note FROM evidence.checkpoints
WHERE size > coalesce((SELECT size FROM evidence.pushes WHERE target = %(target)s),
                      (SELECT max(size) - 1 FROM evidence.checkpoints))
ORDER BY size LIMIT 1
"""
_ARRIVED: LiteralString = """
INSERT INTO evidence.pushes (target, size) VALUES (%s, %s)
ON CONFLICT (target) DO UPDATE SET size = excluded.size
"""
_BEHIND: LiteralString = """
SELECT count(*) FILTER (WHERE size > arrived), arrived,
       coalesce(min(signed_at) FILTER (WHERE size > arrived) < now() - %s, false)
FROM (SELECT coalesce((SELECT size FROM evidence.pushes WHERE target = %s), 0)) AS one (arrived)
LEFT JOIN evidence.checkpoints ON true GROUP BY arrived
"""


class Pushing:
    """One for a process; of several, one is at it at a time. `asking` gives a cursor, or raises
    Unavailable; `to` is a folder, or an address that notes are posted to.
    """

    def __init__(self, asking: Callable[[], AbstractContextManager[Cursor[Any]]], to: str) -> None:
        self._asking = asking
        self._to = to
        self._regularly = Regularly("pushing", EVERY_SECONDS, self.step)

    def step(self) -> bool:
        """The next checkpoint that has not arrived; whether there was one. Raises what hinders."""
        with self._asking() as cursor, cursor.connection.transaction():
            row = cursor.execute(_ALONE, [PUSHERS_LOCK]).fetchone()
            target = _target(self._to)
            found = cursor.execute(_NEXT, {"target": target}).fetchone()
            if not (row and row[0]) or found is None:
                return False
            size, note = found
            if "://" in self._to:
                _post(self._to, note)
            else:
                _put(Path(self._to), size, note)
            cursor.execute(_ARRIVED, [target, size])
            return True

    def close(self) -> None:
        self._regularly.close()


def pushed(cursor: Cursor[Any], to: str, patience: timedelta) -> tuple[int, int, bool]:
    """How many checkpoints have not arrived there, the size of the last that has, and whether one
    has been on the way for longer than `patience`.
    """
    row = cursor.execute(_BEHIND, [patience, _target(to)]).fetchone()
    behind, arrived, late = row or (0, 0, False)
    return behind, arrived, late


def _target(to: str) -> bytes:
    return sha256(to.encode()).digest()


def _post(address: str, note: str) -> None:
    headers = {"Content-Type": "text/plain; charset=utf-8"}
    httpx2.post(
        address, content=note.encode(), headers=headers, timeout=TIMEOUT_SECONDS
    ).raise_for_status()


def _put(folder: Path, size: int, note: str) -> None:
    """Under its size, and as the newest; whoever reads it reads all of it."""
    for name in (f"checkpoint-{size:012d}.txt", "checkpoint"):
        aside = folder / f".{name}.{os.getpid()}"
        aside.write_text(note, encoding="utf-8")
        aside.replace(folder / name)
