"""What a process does beside answering: now and then, and again when it failed."""

import logging
from collections.abc import Callable
from threading import Event, Lock, Thread

from application.orders import Unavailable

_LOGGER = logging.getLogger("dealfolio.background")


class Regularly:
    """Does `work` every so many `seconds`, in a thread of its own, until it is closed; and again at
    once when it says, by True, that there is more to do.
    """

    def __init__(self, name: str, seconds: float, work: Callable[[], bool | None]) -> None:
        self._name = name
        self._seconds = seconds
        self._work = work
        self._closing = Event()
        self._thread = Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def close(self, seconds: float | None = None) -> None:
        """When the work that is being done is done; at most so many seconds later."""
        self._closing.set()
        self._thread.join(seconds)

    def _run(self) -> None:
        while not self._closing.wait(self._seconds):
            self.once()

    def once(self) -> None:
        """Now, by whoever calls; what fails is logged."""
        try:
            while self._work() and not self._closing.is_set():
                pass
        except Unavailable as error:
            _LOGGER.warning("%s: waits for the database: %s", self._name, error)
        except Exception:
            _LOGGER.exception("%s: failed, and will be tried again", self._name)


class Behind:
    """Does `work` in a thread of its own, when somebody wants it and it is not being done; told
    by a question whether to go on, as long as nobody has closed it.
    """

    def __init__(self, name: str, work: Callable[[Callable[[], bool]], None]) -> None:
        self._name = name
        self._work = work
        self._lock = Lock()
        self._open = True
        self._thread: Thread | None = None

    def wanted(self) -> None:
        """At once; whoever calls does not wait."""
        with self._lock:
            if self._open and (self._thread is None or not self._thread.is_alive()):
                self._thread = Thread(target=self._run, name=self._name, daemon=True)
                self._thread.start()

    def close(self) -> None:
        """When the work that is being done has stopped."""
        with self._lock:
            self._open, thread = False, self._thread
        if thread is not None:
            thread.join()

    def _run(self) -> None:
        try:
            self._work(lambda: self._open)
        except Unavailable as error:
            _LOGGER.warning("%s: waits for the database: %s", self._name, error)
        except Exception:
            _LOGGER.exception("%s: failed, and will be tried again", self._name)
