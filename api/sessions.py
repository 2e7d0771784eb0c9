"""Sessions: who has signed in, told by a cookie.

The cookie is 256 random bits, of which the database keeps the SHA-256. Its name begins with
`__Host-`: browsers then take it only by TLS (or from localhost), from this host, for all of it, so
that no neighbouring host can put another in its place. Nothing is remembered outside the database:
one look by primary key at each request, and so a session that has ended is over at once in every
process.
"""

import re
import secrets
from base64 import urlsafe_b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from typing import LiteralString

from api.service import Service
from domain.values import AccountId

COOKIE = "__Host-dealfolio"
SEEN_AGAIN = timedelta(minutes=1)
"""How exactly it is known when a session was last used; it is written no more often."""
_VALUE = re.compile(r"[A-Za-z0-9_-]{43}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Session:
    """`expires_at` (exclusive) is its end, however often it is used; `csrf` is what a request must
    bring along that changes something, and only pages of this service can read.
    """

    account_id: AccountId
    csrf: str
    expires_at: datetime


_BEGIN: LiteralString = """
INSERT INTO books.sessions (hash, account_id, begun_at, seen_at, expires_at)
VALUES (%s, %s, %s, %s, %s)
"""
_SWEEP: LiteralString = "DELETE FROM books.sessions WHERE expires_at <= %s OR seen_at <= %s"
_FIND: LiteralString = """
SELECT account_id, seen_at, expires_at FROM books.sessions
WHERE hash = %s AND expires_at > %s AND seen_at > %s
"""
_SEEN: LiteralString = """
UPDATE books.sessions SET seen_at = %s WHERE hash = %s AND seen_at < %s
"""
_END: LiteralString = "DELETE FROM books.sessions WHERE hash = %s"
_END_ALL: LiteralString = "DELETE FROM books.sessions WHERE account_id = %s AND hash <> %s"


class Sessions:
    """One for a process; safe for threads. The clock is the service's."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._lifetime = timedelta(hours=service.settings.session_hours)
        self._idle = timedelta(minutes=service.settings.session_idle_minutes)

    def begin(self, account_id: AccountId) -> str:
        """The cookie of a new session; those that are over are cleared away."""
        value, now = secrets.token_urlsafe(32), self._service.clock.now
        with self._service.asking() as cursor:
            cursor.execute(_SWEEP, [now, now - self._idle])
            cursor.execute(_BEGIN, [_hash(value), account_id, now, now, now + self._lifetime])
        return value

    def find(self, value: str) -> Session | None:
        """None for a session that has ended, was not used for long, or never was."""
        now = self._service.clock.now
        with self._service.asking() as cursor:
            row = cursor.execute(_FIND, [_hash(value), now, now - self._idle]).fetchone()
            if row is None:
                return None
            if now - row[1] >= SEEN_AGAIN:
                cursor.execute(_SEEN, [now, _hash(value), now])
        return Session(AccountId(row[0]), _csrf(value), row[2])

    def end(self, value: str) -> None:
        with self._service.asking() as cursor:
            cursor.execute(_END, [_hash(value)])

    def end_all(self, account_id: AccountId, but: str = "") -> None:
        """All of an account's, except the one whose cookie is `but`."""
        with self._service.asking() as cursor:
            cursor.execute(_END_ALL, [account_id, _hash(but)])


def set_cookie(value: str, name: str = COOKIE, seconds: int | None = None) -> str:
    """A header's value. `seconds` None: until the browser is closed; 0: forget it now."""
    age = "" if seconds is None else f"; Max-Age={seconds}"
    return f"{name}={value}; Path=/; Secure; HttpOnly; SameSite=Lax{age}"


def cookie_of(headers: Mapping[bytes, bytes], name: str = COOKIE) -> str | None:
    """None also when it is there twice: nobody knows which was meant."""
    pairs = (pair.partition(b"=") for pair in headers.get(b"cookie", b"").split(b";"))
    found = [value.strip() for key, _, value in pairs if key.strip() == name.encode()]
    return found[0].decode("latin-1") if len(found) == 1 else None


def session_cookie_of(headers: Mapping[bytes, bytes]) -> str | None:
    """What may be the cookie of a session; whoever brings a key is not asked for one."""
    value = None if b"authorization" in headers else cookie_of(headers)
    return value if value and _VALUE.fullmatch(value) else None


def _hash(value: str) -> bytes:
    return sha256(value.encode()).digest()


def _csrf(value: str) -> str:
    """Follows from the cookie, which scripts cannot read, and the cookie does not follow from it;
    nor does the database hold anything from which it could be made.
    """
    return urlsafe_b64encode(sha256(b"csrf " + value.encode()).digest()).decode().rstrip("=")
