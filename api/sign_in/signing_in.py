"""What sign-in needs of one process: the counts of failures, and threads that may wait."""

import asyncio
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from typing import TypeVar, cast

from fastapi import Request

from api.accounts import Accounts
from api.problems import Problem
from api.service import Service
from api.sessions import Sessions, session_cookie_of, set_cookie
from api.sign_in.identities import Identities
from api.sign_in.passwords import Passwords
from api.sign_in.throttle import Throttle
from application.orders import Unavailable
from domain.errors import Refusal
from domain.values import AccountId

T = TypeVar("T")

HASHING = 2
"""Passwords looked at, at once: each takes 64 MB."""
WAITING = 20
"""More than so many that wait for it are told to come again."""
NOBODYS_FAILURE = frozenset({"rate-limited", "issuer-unavailable"})
"""Problems of an attempt that was not decided."""


class SigningIn:
    """What sign-in needs of one process. Its methods are called on the loop."""

    def __init__(self, service: Service, accounts: Accounts, sessions: Sessions) -> None:
        self.service = service
        self.sessions = sessions
        self.identities = Identities(service, accounts, sessions)
        self.passwords = Passwords(service, sessions)
        self.throttle = Throttle()
        self._threads = ThreadPoolExecutor(8, "sign-in")
        self._hashing = ThreadPoolExecutor(HASHING, "passwords")
        self._waiting = 0

    async def do(self, call: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._threads, call)

    async def hash(self, call: Callable[[], T]) -> T:
        """What takes the time and the memory of a password. Raises Problem."""
        if self._waiting >= HASHING + WAITING:
            raise Problem("rate-limited", headers={"Retry-After": "1"}, seconds=1)
        self._waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._hashing, call)
        finally:
            self._waiting -= 1

    @contextmanager
    def attempt(self, request: Request, login: str | None = None) -> Iterator[None]:
        """What is tried in the block counts as a failure if it raises Problem. Raises Problem, too,
        when whoever asks has failed too often.
        """
        client = request.client.host if request.client else ""
        self.throttle.begin(self.service.clock.now.timestamp(), client, login)
        try:
            yield
        except (Refusal, Unavailable):
            self.throttle.succeeded(client, login)
            raise
        except Problem as problem:
            if problem.slug in NOBODYS_FAILURE:
                self.throttle.succeeded(client, login)
            raise
        self.throttle.succeeded(client, login)

    async def begin(self, request: Request, account_id: AccountId) -> str:
        """A Set-Cookie of a new session; one that the browser had before ends."""
        before = session_cookie_of(headers_of(request))
        if before is not None:
            await self.do(partial(self.sessions.end, before))
        return set_cookie(await self.do(partial(self.sessions.begin, account_id)))


def headers_of(request: Request) -> dict[bytes, bytes]:
    """Of two equal ones the first."""
    return dict(reversed(request.scope["headers"]))


def signing_in(request: Request) -> SigningIn:
    return cast("SigningIn", request.app.state.signing_in)
