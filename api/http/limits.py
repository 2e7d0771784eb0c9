"""How often one account may ask: a token bucket for each, in the memory of one process.

Each bucket is one number, the moment at which it will be full again (the generic cell rate
algorithm of ITU-T I.371): a request that is admitted moves it by what one costs, and one that would
move it beyond a whole burst from now is not admitted.
"""

from collections.abc import Callable
from math import ceil
from time import monotonic
from uuid import UUID

from api.problems import Problem

MOST_ACCOUNTS = 10_000
"""So many buckets, and those that are full are forgotten: a new one is full anyway."""


class RateLimit:
    """`rate` requests a second in the long run, `burst` at once; a rate of 0 is no limit.

    Not for threads: the door calls it on the loop.
    """

    def __init__(self, rate: float, burst: int, now: Callable[[], float] = monotonic) -> None:
        self._cost = 1 / rate if rate else 0.0
        self._reserve = burst * self._cost
        self._now = now
        self._full_at: dict[int, float] = {}

    def admit(self, account_id: UUID, requests: int = 1) -> float:
        """0.0 when it may; else the seconds until it may, and nothing is counted.

        `requests` are those in a request that was admitted itself, one after all; if they are more
        than a burst ever is, they take all of one.
        """
        if not self._cost:
            return 0.0
        cost = self._cost
        if requests > 1:
            cost = min(cost * requests, self._reserve - cost)
        now, account = self._now(), account_id.int  # whose hash is made in a tenth of a UUID's time
        full_at = self._full_at.get(account, now)
        full_at = (full_at if full_at > now else now) + cost  # noqa: FURB136 - max() takes longer
        wait = full_at - now - self._reserve
        if wait > 1e-9:  # less is what the arithmetic of fractions leaves
            return wait
        self._full_at[account] = full_at
        if len(self._full_at) > MOST_ACCOUNTS:
            self._forget(now)
        return 0.0

    def _forget(self, now: float) -> None:
        """When none is full yet, all: then so many ask at once that no limit holds them anyway."""
        kept = {account: at for account, at in self._full_at.items() if at > now}
        self._full_at = kept if len(kept) <= MOST_ACCOUNTS else {}


def too_often(wait: float) -> Problem:
    seconds = max(1, ceil(wait))
    return Problem("rate-limited", headers={"Retry-After": str(seconds)}, seconds=seconds)
