"""How often somebody may try to sign in and fail.

Three counts, each of which fills again by and by, so that nobody is locked out for good: of one
client on one login, which stops guessing; of one login from anywhere, which slows guessing from
many places, and which one client alone cannot use up for its owner; of one client on any logins.
They are kept in the memory of one process: with several, as many times the number may be tried.
"""

from collections.abc import Hashable
from ipaddress import IPv6Address, ip_address
from math import ceil

from api.problems import Problem

_TOLERANCE = 0.001
"""What the arithmetic of fractions leaves."""
MOST_KEYS = 10_000
"""In each count; beyond it those are forgotten that were used least."""


class Attempts:
    """Of each key `burst` at once, and one more every `seconds` (the generic cell rate algorithm of
    ITU-T I.371: kept is the moment at which a key may do everything again).
    """

    def __init__(self, burst: int, seconds: float) -> None:
        self._burst = burst
        self._seconds = seconds
        self._full_at: dict[Hashable, float] = {}

    def wait(self, key: Hashable, now: float) -> float:
        """Seconds until the next attempt; none left: it may be made now."""
        return self._full(key, now) + self._seconds - now - self._burst * self._seconds

    def take(self, key: Hashable, now: float) -> None:
        self._full_at[key] = self._full(key, now) + self._seconds
        if len(self._full_at) > MOST_KEYS:
            latest = sorted(self._full_at, key=self._full_at.__getitem__)[MOST_KEYS // 2 :]
            self._full_at = {key: self._full_at[key] for key in latest}

    def give_back(self, key: Hashable) -> None:
        if key in self._full_at:
            self._full_at[key] -= self._seconds

    def _full(self, key: Hashable, now: float) -> float:
        """From `now` on. A moment that cannot be was noted before the clock was set back."""
        full_at = self._full_at.get(key, now)
        latest = now + self._burst * self._seconds + _TOLERANCE
        return full_at if now < full_at <= latest else now


class Throttle:
    """Not for threads: it is asked on the loop."""

    def __init__(self) -> None:
        self._of_pair = Attempts(5, 60)
        self._of_login = Attempts(50, 30)
        self._of_client = Attempts(50, 10)

    def begin(self, now: float, client: str, login: str | None = None) -> None:
        """An attempt is made, and counts before it is decided: many at once are many. `login` None:
        one that names nobody. Raises Problem, and then nothing is counted.
        """
        counts = self._counts(client, login)
        wait = max(attempts.wait(key, now) for attempts, key in counts)
        if wait > _TOLERANCE:
            seconds = ceil(wait)
            headers = {"Retry-After": str(seconds)}
            raise Problem("rate-limited", headers=headers, seconds=seconds)
        for attempts, key in counts:
            attempts.take(key, now)

    def succeeded(self, client: str, login: str | None = None) -> None:
        """It was no failure after all."""
        for attempts, key in self._counts(client, login):
            attempts.give_back(key)

    def _counts(self, client: str, login: str | None) -> list[tuple[Attempts, Hashable]]:
        place = _place(client)
        counts: list[tuple[Attempts, Hashable]] = [(self._of_client, place)]
        if login is not None:
            counts += [(self._of_login, login), (self._of_pair, (place, login))]
        return counts


def _place(client: str) -> str:
    """Whoever has one IPv6 address has 2 to the 64 of them."""
    try:
        address = ip_address(client)
    except ValueError:
        return client
    if isinstance(address, IPv6Address):
        return str(IPv6Address(int(address) >> 64 << 64))
    return str(address)
