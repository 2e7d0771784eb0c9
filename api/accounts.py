"""Accounts: who asks. They live outside the log, which names them by id only.

A token is 256 random bits; the database keeps its SHA-256, so nobody can read it back.
"""

import secrets
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from hashlib import sha256
from threading import Lock
from time import monotonic
from typing import Any, LiteralString
from uuid import UUID, uuid4

from psycopg import Cursor

from domain.errors import Invalid, NotAllowedNow, NotFound, Obstacle

TRUST_SECONDS = 1.0
"""A token is believed this long after a look; the process that closes it knows at once."""


class Role(StrEnum):
    MANAGER = "manager"
    HEAD = "head"
    DIRECTOR = "director"
    AUDITOR = "auditor"
    ADMIN = "admin"


@dataclass(frozen=True, slots=True)
class Account:
    account_id: UUID
    name: str
    role: Role
    manager_id: str | None = None
    team_id: UUID | None = None
    created_at: datetime | None = None


_COLUMNS: LiteralString = "account_id, name, role, manager_id, team_id, created_at"
_BY_TOKEN: LiteralString = f"""
SELECT {_COLUMNS} FROM books.accounts WHERE token_hash = %s AND closed_at IS NULL
"""
_ANY: LiteralString = "SELECT 1 FROM books.accounts WHERE account_id = %s"
_OPEN: LiteralString = f"""
SELECT {_COLUMNS} FROM books.accounts
WHERE closed_at IS NULL AND (created_at, account_id) > (
    SELECT created_at, account_id FROM books.accounts WHERE account_id = %(after)s
    UNION ALL SELECT '-infinity'::timestamptz, '00000000-0000-0000-0000-000000000000'::uuid
    LIMIT 1
) ORDER BY created_at, account_id LIMIT %(limit)s
"""
_INSERT: LiteralString = f"""
INSERT INTO books.accounts (account_id, name, role, manager_id, team_id, token_hash)
VALUES (%s, %s, %s, %s, %s, %s) RETURNING {_COLUMNS}
"""
_FIRST: LiteralString = f"""
INSERT INTO books.accounts (account_id, name, role, token_hash)
SELECT %s, 'admin', 'admin', %s WHERE NOT EXISTS (SELECT FROM books.accounts) RETURNING {_COLUMNS}
"""
_RENEW: LiteralString = """
UPDATE books.accounts SET token_hash = %s WHERE name = %s AND closed_at IS NULL
"""
_ADMINS: LiteralString = """
SELECT account_id FROM books.accounts WHERE role = 'admin' AND closed_at IS NULL FOR UPDATE
"""
_CLOSE: LiteralString = """
UPDATE books.accounts SET closed_at = now(), token_hash = NULL
WHERE account_id = %s AND closed_at IS NULL
"""

Asking = Callable[[], AbstractContextManager[Cursor[Any]]]


class Accounts:
    """One for a process; safe for threads."""

    def __init__(self, asking: Asking) -> None:
        self._asking = asking
        self._lock = Lock()
        self._trusted: dict[bytes, tuple[float, Account]] = {}

    def trusted(self, token: str) -> Account | None:
        """The account of a token seen a moment ago; None says nothing."""
        found = self._trusted.get(_hash(token))
        return found[1] if found and found[0] > monotonic() else None

    def signed_in(self, token: str) -> Account | None:
        """The account of a token; None if it is nobody's."""
        hashed = _hash(token)
        with self._asking() as cursor:
            row = cursor.execute(_BY_TOKEN, [hashed]).fetchone()
        if row is None:
            return None
        account = _account(row)
        with self._lock:
            if len(self._trusted) > 1_000:
                self._trusted.clear()
            self._trusted[hashed] = monotonic() + TRUST_SECONDS, account
        return account

    def create(
        self, name: str, role: Role, manager_id: str | None, team_id: UUID | None
    ) -> tuple[Account, str]:
        """A new account and its token, which is never shown again."""
        token = new_token()
        values = [uuid4(), name, role.value, manager_id, team_id, _hash(token)]
        with self._asking() as cursor:
            row = cursor.execute(_INSERT, values).fetchone()
        assert row is not None, "INSERT RETURNING returns"
        return _account(row), token

    def create_first(self, token: str) -> Account | None:
        """An administrator with `token`, if there has never been an account; else None."""
        with self._asking() as cursor:
            row = cursor.execute(_FIRST, [uuid4(), _hash(token)]).fetchone()
        return _account(row) if row else None

    def renew(self, name: str, role: Role, token: str) -> None:
        """The account called `name` answers to `token` from now on; made if there is none."""
        with self._asking() as cursor:
            known = cursor.execute(_RENEW, [_hash(token), name]).rowcount
            if not known:
                cursor.execute(_INSERT, [uuid4(), name, role.value, None, None, _hash(token)])

    def page(self, after: UUID | None, limit: int) -> list[Account]:
        """Open accounts in the order of their making, behind the account `after`.

        Raises Invalid when there never was such an account.
        """
        with self._asking() as cursor:
            if after is not None and not cursor.execute(_ANY, [after]).fetchone():
                raise Invalid("cursor", "cursor")
            asked = {"after": after, "limit": limit}
            return [_account(row) for row in cursor.execute(_OPEN, asked)]

    def close(self, account_id: UUID) -> None:
        """Its token is worth nothing from now on. Raises NotFound; NotAllowedNow for the last
        administrator, without whom nobody could make accounts any more.
        """
        with self._asking() as cursor, cursor.connection.transaction():
            admins = [row[0] for row in cursor.execute(_ADMINS)]
            if admins == [account_id]:
                raise NotAllowedNow(Obstacle.LAST_ADMIN)
            if cursor.execute(_CLOSE, [account_id]).rowcount == 0:
                raise NotFound("account", account_id)
        with self._lock:
            self._trusted = {
                hashed: (until, account)
                for hashed, (until, account) in self._trusted.items()
                if account.account_id != account_id
            }


def new_token() -> str:
    return "df_" + secrets.token_urlsafe(32)


def _hash(token: str) -> bytes:
    return sha256(token.encode("utf-8", "surrogatepass")).digest()


def _account(row: tuple[Any, ...]) -> Account:
    account_id, name, role, *rest = row
    return Account(account_id, name, Role(role), *rest)
