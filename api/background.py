"""What a process does beside answering: now and then, and again when it failed."""

import logging
from collections.abc import Callable
from threading import Event, Thread

from application.orders import Unavailable

_LOGGER = logging.getLogger("dealfolio.background")


Work = Callable[[Callable[[], bool]], None]


class Regularly:
    """Does `work` every so many `seconds`, in a thread of its own, until it is closed.

    `work` is told whether to go on: it may take its time, if it asks between two steps.
    """

    def __init__(
        self, name: str, seconds: float, work: Callable[[Callable[[], bool]], None]
    ) -> None:
        self._name = name
        self._seconds = seconds
        self._work = work
        self._closing = Event()
        self._thread = Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._closing.set()
        self._thread.join()

    def _goes_on(self) -> bool:
        return not self._closing.is_set()

    def _run(self) -> None:
        while not self._closing.wait(self._seconds):
            try:
                self._work(self._goes_on)
            except Unavailable as error:
                _LOGGER.warning("%s wait for the database: %s", self._name, error)
            except Exception:
                _LOGGER.exception("%s could not be written", self._name)
