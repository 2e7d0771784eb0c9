"""What was read or told already, and never changes: as long as it is the same ledger, and there is
room.
"""

from collections import OrderedDict
from collections.abc import Callable, Collection, Hashable, Mapping
from threading import Lock
from typing import Any, Generic, TypeVar

from psycopg import Cursor

from projections.point import LEDGER

Key = TypeVar("Key", bound=Hashable)
Told = TypeVar("Told")


def ledger_of(cursor: Cursor[Any]) -> Hashable:
    """Which ledger it is; another one after a rebuild, which may have mended something."""
    return cursor.execute(f"SELECT {LEDGER}").fetchone()


class Kept(Generic[Key, Told]):
    """`most` in all, each by its `size`: what was wanted longest ago is forgotten first. Of one
    ledger; safe for threads.
    """

    def __init__(self, most: int, size: Callable[[Told], int] = lambda _: 1) -> None:
        self._most, self._size, self._held = most, size, 0
        self._told: OrderedDict[Key, Told] = OrderedDict()
        self._lock = Lock()

    def find(self, key: Key) -> Told | None:
        return self._known([key]).get(key)

    def keep(self, key: Key, told: Told) -> None:
        self._keep({key: told})

    def all(
        self, keys: Collection[Key], read: Callable[[list[Key]], Mapping[Key, Told]]
    ) -> Mapping[Key, Told]:
        """Of each key; `read` tells what is not kept."""
        known = self._known(keys)
        missing = [key for key in keys if key not in known]
        if not missing:
            return known
        new = read(missing)
        self._keep(new)
        return {**known, **new}

    def _known(self, keys: Collection[Key]) -> dict[Key, Told]:
        with self._lock:
            known = {key: self._told[key] for key in keys if key in self._told}
            for key in known:
                self._told.move_to_end(key)
        return known

    def _keep(self, told: Mapping[Key, Told]) -> None:
        with self._lock:
            for key, one in told.items():
                if key in self._told:
                    self._held -= self._size(self._told[key])
                self._told[key] = one
                self._held += self._size(one)
            while self._held > self._most:
                _, forgotten = self._told.popitem(last=False)
                self._held -= self._size(forgotten)
