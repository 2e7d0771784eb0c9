"""Ids that the server makes: random UUIDs (RFC 9562, version 4), drawn many at a time.

Whoever asks the operating system for random bytes lets go of Python's lock. The writer takes it,
and the loop stands still in the middle of a command until the writer lets go in its turn.
"""

import os
from uuid import UUID

DRAWN = 64
_drawn: list[UUID] = []
os.register_at_fork(after_in_child=_drawn.clear)  # or parent and child would give out the same


def new_id() -> UUID:
    """Never given out before. In any thread."""
    while True:
        try:
            return _drawn.pop()
        except IndexError:
            random = os.urandom(16 * DRAWN)
            _drawn.extend(
                UUID(bytes=random[at : at + 16], version=4) for at in range(0, len(random), 16)
            )
