"""Reports that were asked for lately are told again behind what was learnt, before somebody asks.

A report of the whole company is kept until something is learnt of its day (`api.reports.kept`), and
takes a hundred times as long to be told anew as to be shown: whoever came first behind each command
would wait for it.
"""

import logging
from collections import OrderedDict
from collections.abc import Callable, Hashable
from threading import Lock
from time import monotonic
from typing import NamedTuple

from api.background import Regularly
from application.orders import Unavailable

EVERY_SECONDS = 5.0
"""So often it is looked whether something was learnt."""
LATELY_SECONDS = 3_600.0
"""What nobody wants any longer than this is not told again."""
MOST = 24
"""Of reports; those that were wanted last."""
ENDING_SECONDS = 2.0
"""That a stop waits for the report that is being told."""
_REST = 9
"""Times as long as it took to tell them: of a process's time it takes a tenth at most."""

Tell = Callable[[], bool]
"""Tells a report to nobody, so that it is kept. False: it is none that is kept, any more."""

_LOGGER = logging.getLogger("dealfolio.retelling")


class _Wanted(NamedTuple):
    tell: Tell
    at: float


class Retelling:
    """One for a process; safe for threads. `end` changes whenever reports may."""

    def __init__(self, end: Callable[[], Hashable]) -> None:
        self._end = end
        self._lock = Lock()
        self._wanted: OrderedDict[Hashable, _Wanted] = OrderedDict()
        self._told: Hashable = None
        self._rests_until = 0.0
        self._closed = False
        self._telling = Regularly("retelling", EVERY_SECONDS, self.by_turns)

    def wanted(self, report: Hashable, tell: Tell) -> None:
        """Somebody asked for `report`, as of now."""
        with self._lock:
            self._wanted[report] = _Wanted(tell, monotonic())
            self._wanted.move_to_end(report)
            while len(self._wanted) > MOST:
                self._wanted.popitem(last=False)

    def tell_again(self) -> None:
        """All that is wanted, if there is anything new, by whoever calls. Raises Unavailable."""
        if not self._lately():
            return
        end = self._end()
        if end == self._told:
            return
        begun = monotonic()
        try:
            self._tell()
            self._told = end
        finally:  # also of what a database could not tell in time
            self._rests_until = monotonic() + _REST * (monotonic() - begun)

    def _tell(self) -> None:
        for report, wanted in self._lately():
            if self._closed:
                return
            if not _told(wanted.tell):
                with self._lock:
                    self._wanted.pop(report, None)

    def by_turns(self) -> None:
        """The same, or nothing while it rests."""
        if monotonic() >= self._rests_until:
            self.tell_again()

    def close(self) -> None:
        """When the report that is being told is told, unless that takes long: nobody waits."""
        self._closed = True
        self._telling.close(ENDING_SECONDS)

    def _lately(self) -> list[tuple[Hashable, _Wanted]]:
        """What was wanted last comes first."""
        since = monotonic() - LATELY_SECONDS
        with self._lock:
            return [
                (one, wanted) for one, wanted in reversed(self._wanted.items()) if wanted.at > since
            ]


def _told(tell: Tell) -> bool:
    """What fails is told to whoever asks for it next. Raises Unavailable."""
    try:
        return tell()
    except Unavailable:
        raise
    except Exception:
        _LOGGER.exception("a report that was told before cannot be told again")
        return False
