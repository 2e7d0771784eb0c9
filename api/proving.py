"""The log is proven while it grows: the tree follows it, and what it has become is signed."""

import logging
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

from psycopg import Cursor

from api.background import Regularly
from api.settings import Settings
from projections.evidence.checkpoints import Forked, sign
from projections.evidence.completeness import LedgerIncomplete
from projections.evidence.follower import LogBroken, follow
from projections.evidence.keys import CannotSign

EVERY_SECONDS = 2.0
_HINDRANCES = LogBroken, LedgerIncomplete, CannotSign, Forked
_LOGGER = logging.getLogger("dealfolio.proving")


class Proving:
    """One for a process; of several, one is at it at a time. `asking` gives a cursor, or raises
    Unavailable.
    """

    def __init__(
        self, asking: Callable[[], AbstractContextManager[Cursor[Any]]], settings: Settings
    ) -> None:
        self._asking = asking
        self._settings = settings
        self._told = ""
        self._regularly = Regularly("proving", EVERY_SECONDS, self.step)

    def step(self) -> bool:
        """A part of what was recorded since; a checkpoint when that is all. Whether it is not."""
        with self._telling_once(*_HINDRANCES), self._asking() as cursor:
            if follow(cursor, resting=True):
                return True
            self._sign(cursor, patiently=False)
        return False

    def catch_up(self) -> None:
        """All that is recorded by now has its leaf when this returns, and a checkpoint where one
        can be signed. Raises Unavailable, LogBroken, LedgerIncomplete.
        """
        with self._telling_once(CannotSign, Forked), self._asking() as cursor:
            while follow(cursor, patiently=True):
                pass
            self._sign(cursor, patiently=True)

    def _sign(self, cursor: Cursor[Any], *, patiently: bool) -> None:
        settings = self._settings
        sign(cursor, settings.signing_key_file, settings.log_host, patiently=patiently)

    @contextmanager
    def _telling_once(self, *hindrances: type[Exception]) -> Iterator[None]:
        """It hinders every two seconds anew; `dealfolio doctor` tells it with what to do."""
        try:
            yield
        except hindrances as error:
            if self._told != (told := str(error)):
                self._told = told
                _LOGGER.warning("the log is not proven: %s; see `dealfolio doctor`", told)

    def close(self) -> None:
        self._regularly.close()
