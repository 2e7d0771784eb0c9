"""Accounts and their API keys: who asks.

An account is an id; which role it has is in the log, what it is called is beside it, and a key is
256 random bits of which the database keeps the SHA-256, so that nobody can read it back.
"""

import secrets
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from threading import Lock
from time import monotonic
from typing import LiteralString
from uuid import UUID, uuid4

from api.service import Service
from api.words import Language
from application.orders import PATIENCE_SECONDS, Caller, Order, Unavailable
from domain.access import Access, Grant
from domain.access_commands import (
    ForgetPerson,
    GrantRole,
    IssueKey,
    RevokeKey,
    RevokeRole,
    SetSignIn,
)
from domain.decisions import Command
from domain.errors import Invalid, NotFound
from domain.values import AccountId, KeyId, Role, SignInMeans
from projections.point import BEYOND

OPERATOR = "operator"
"""The actor of what is done at the machine itself."""
LOOK_AGAIN_SECONDS = 600.0
"""A key never changes, and whether it was taken back is asked of the log at every request. Only its
last use is written, so often.
"""
_PREFIX = "df_"
_SHOWN = 7
"""Characters of a key that stay visible: a prefix of all, and four of its own."""


@dataclass(frozen=True, slots=True)
class Account:
    """`name` and `email` as people have them; None: not known, or forgotten. `language` is that of
    letters, None: the company's.
    """

    account_id: AccountId
    name: str | None
    email: str | None
    language: Language | None
    grant: Grant


@dataclass(frozen=True, slots=True)
class Key:
    """`expires_at` is exclusive, None: never; `last_used_at` is right to LOOK_AGAIN_SECONDS."""

    key_id: KeyId
    prefix: str
    issued_at: datetime
    expires_at: datetime | None
    last_used_at: datetime | None


FIRST_LOCK = 7305815021847160071
_ONE_BY_ONE: LiteralString = "SELECT pg_advisory_xact_lock(%s)"
_ADD: LiteralString = "INSERT INTO books.accounts (account_id) VALUES (%s)"
_ANY_KEY: LiteralString = "SELECT 1 FROM books.keys LIMIT 1"
_NAME: LiteralString = "INSERT INTO books.people (person_id, name, email) VALUES (%s, %s, %s)"
_CALLED: LiteralString = "SELECT name, email, language FROM books.people WHERE person_id = %s"
_EMAIL: LiteralString = "UPDATE books.people SET email = %s, language = %s WHERE person_id = %s"
"""Of whoever was forgotten meanwhile there is no row, and none comes back."""
_BY_NAME: LiteralString = """
SELECT account_id FROM books.accounts JOIN books.people ON person_id = account_id::text
WHERE name = %s AND account_id = ANY(%s)
"""
_PAGE: LiteralString = """
SELECT account_id, name, email, language
FROM books.accounts LEFT JOIN books.people ON person_id = account_id::text
WHERE account_id = ANY(%(open)s) AND (created_at, account_id) > (
    SELECT created_at, account_id FROM books.accounts WHERE account_id = %(after)s
    UNION ALL SELECT '-infinity'::timestamptz, '00000000-0000-0000-0000-000000000000'::uuid
    LIMIT 1
) ORDER BY created_at, account_id LIMIT %(limit)s
"""
_ANY: LiteralString = "SELECT 1 FROM books.accounts WHERE account_id = %s"
_ANY_NAMED: LiteralString = "SELECT 1 FROM books.accounts WHERE account_id::text = %s"
_ISSUE: LiteralString = """
INSERT INTO books.keys (key_id, account_id, prefix, hash, expires_at) VALUES (%s, %s, %s, %s, %s)
"""
_USE: LiteralString = """
UPDATE books.keys SET last_used_at = now() WHERE hash = %s
RETURNING account_id, key_id, expires_at
"""
_KEYS: LiteralString = """
SELECT key_id, prefix, issued_at, expires_at, last_used_at FROM books.keys
WHERE account_id = %s ORDER BY issued_at, key_id
"""
_FORGET: tuple[LiteralString, ...] = (
    "DELETE FROM books.sessions WHERE account_id = %s",
    "DELETE FROM books.passwords WHERE account_id = %s",
)


class Accounts:
    """One for a process; safe for threads."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._lock = Lock()
        self._known: dict[bytes, tuple[float, datetime | None, Caller]] = {}

    def known(self, token: str) -> Caller | None:
        """Whose key it is, if that was looked up a while ago; None says nothing."""
        found = self._known.get(_hash(token))
        if found is None or found[0] < monotonic():
            return None
        return None if self._is_over(found[1]) else found[2]

    def look_up(self, token: str) -> Caller | None:
        """Whose key it is; None if it is nobody's, or has expired."""
        hashed = _hash(token)
        with self._service.asking() as cursor:
            row = cursor.execute(_USE, [hashed]).fetchone()
        if row is None or self._is_over(row[2]):
            return None
        caller = Caller(AccountId(row[0]), KeyId(row[1]))
        with self._lock:
            if len(self._known) > 10_000:
                self._known.clear()
            self._known[hashed] = monotonic() + LOOK_AGAIN_SECONDS, row[2], caller
        return caller

    def create(
        self,
        caller: Caller | None,
        name: str,
        grant: Grant,
        *,
        email: str | None = None,
        expires_at: datetime | None = None,
    ) -> tuple[Account, str]:
        """A new account and its first key, which is never shown again. Raises Refusal."""
        account_id = self.open(caller, name, grant, email=email)
        _, token = self.issue_key(caller, account_id, expires_at)
        return Account(account_id, name, email, None, grant), token

    def open(
        self,
        caller: Caller | None,
        name: str,
        grant: Grant,
        actor: str = OPERATOR,
        email: str | None = None,
    ) -> AccountId:
        """An account without a key; made by `actor` where no caller makes it. Raises Refusal.

        Refused, it leaves nothing behind; interrupted, an id that has a role and no key.
        """
        account_id = AccountId(uuid4())
        self.grant(caller, account_id, grant, actor)
        if email is not None:
            self.set_sign_in(caller, account_id, SignInMeans.EMAIL, actor)
        with self._service.asking() as cursor:
            cursor.execute(_ADD, [account_id])
            cursor.execute(_NAME, [str(account_id), name, email])
        return account_id

    def create_first(self, token: str) -> AccountId | None:
        """An administrator with the key `token`, if there has never been a key; else None. Whoever
        was interrupted here had none yet, and the next start goes on.
        """
        with self._service.asking() as cursor, cursor.connection.transaction():
            cursor.execute(_ONE_BY_ONE, [FIRST_LOCK])
            if cursor.execute(_ANY_KEY).fetchone() is not None:
                return None
            account_id = self.open(None, "admin", Grant(Role.ADMIN))
            self.issue_key(None, account_id, token=token)
        return account_id

    def renew(self, name: str, grant: Grant, token: str) -> None:
        """The account called `name` has `grant` and answers to `token` and to no other key; made if
        there is none.
        """
        with self._service.asking() as cursor:
            called = [name, list(self._access().grants)]
            row = cursor.execute(_BY_NAME, called).fetchone()
        if row is None:
            account_id = self.open(None, name, grant)
        else:
            account_id = AccountId(row[0])
            if self._access().grants[account_id] != grant:
                self.grant(None, account_id, grant)
        known = self.look_up(token)
        for key in self.keys(account_id):
            if known is None or key.key_id != known.key_id:
                self._do(None, RevokeKey(account_id, key.key_id))
        if known is None:
            self.issue_key(None, account_id, token=token)

    def grant(
        self, caller: Caller | None, account_id: AccountId, grant: Grant, actor: str = OPERATOR
    ) -> None:
        """In place of the role that the account has. Raises Refusal."""
        command = GrantRole(account_id, grant.role, grant.manager_id, grant.team_id)
        self._do(caller, command, actor)

    def change_role(self, caller: Caller, account_id: AccountId, grant: Grant) -> Account:
        """The same for an account that has one. Raises also NotFound."""
        if account_id not in self._access().grants:
            raise NotFound("account", account_id)
        self.grant(caller, account_id, grant)
        return self._shown(account_id)

    def set_email(
        self, account_id: AccountId, email: str | None, language: Language | None
    ) -> Account:
        """In place of the address that its person had; None: they have none. Raises NotFound."""
        with self._service.asking() as cursor:
            cursor.execute(_EMAIL, [email, language, str(account_id)])
        return self._shown(account_id)

    def close(self, caller: Caller, account_id: AccountId) -> None:
        """From the next position on its keys and sessions are worth nothing, and its login is free.

        Raises Refusal.
        """
        try:
            self._do(caller, RevokeRole(account_id))
        except NotFound:  # it has no role any more; that it was swept behind that is not certain
            self._sweep(account_id)
            raise
        self._sweep(account_id)

    def _sweep(self, account_id: AccountId) -> None:
        """Its sessions and its login, so that another account may have that."""
        with self._service.asking() as cursor:
            for forget in _FORGET:
                cursor.execute(forget, [account_id])

    def forget(self, person: str) -> int:
        """Erase who a manager or an account is, as the operator; the position at which the log says
        so. Raises Refusal, Unavailable.
        """
        with self._service.asking() as cursor:
            has_account = cursor.execute(_ANY_NAMED, [person.lower()]).fetchone() is not None
        order = Order(ForgetPerson(person, has_account), OPERATOR)
        return self._service.dealfolio.transactor.submit(order).result().position

    def page(self, after: UUID | None, limit: int) -> list[Account]:
        """Accounts that have a role, in the order of their making, behind the account `after`.

        Raises Invalid when there never was such an account.
        """
        grants = self._access().grants
        with self._service.asking() as cursor:
            if after is not None and not cursor.execute(_ANY, [after]).fetchone():
                raise Invalid("cursor", "cursor")
            asked = {"open": list(grants), "after": after, "limit": limit}
            found = cursor.execute(_PAGE, asked)
            return [
                Account(who, name, email, language, grants[who])
                for who, name, email, language in found
            ]

    def issue_key(
        self,
        caller: Caller | None,
        account_id: AccountId,
        expires_at: datetime | None = None,
        token: str | None = None,
    ) -> tuple[Key, str]:
        """One more key, which is never shown again. Raises Refusal."""
        token = token or new_token()
        prefix = token[:_SHOWN] if token.startswith(_PREFIX) else ""
        key = Key(KeyId(uuid4()), prefix, self._service.clock.now, expires_at, None)
        self._do(caller, IssueKey(account_id, key.key_id, expires_at))
        with self._service.asking() as cursor:
            values = [key.key_id, account_id, key.prefix, _hash(token), expires_at]
            cursor.execute(_ISSUE, values)
        return key, token

    def set_sign_in(
        self,
        caller: Caller | None,
        account_id: AccountId,
        means: SignInMeans,
        actor: str = OPERATOR,
    ) -> None:
        """Into the log, before it is done: so it says at least what was. Raises Refusal."""
        self._do(caller, SetSignIn(account_id, means), actor)

    def keys(self, account_id: AccountId) -> list[Key]:
        """Those that were not taken back, in the order of issue. Raises NotFound."""
        access = self._access()
        if account_id not in access.grants:
            raise NotFound("account", account_id)
        with self._service.asking() as cursor:
            keys = [Key(*row) for row in cursor.execute(_KEYS, [account_id])]
        return [key for key in keys if key.key_id not in access.revoked_keys]

    def revoke_key(self, caller: Caller, account_id: AccountId, key_id: KeyId) -> None:
        """Raises NotFound."""
        if key_id not in {key.key_id for key in self.keys(account_id)}:
            raise NotFound("key", key_id)
        self._do(caller, RevokeKey(account_id, key_id))

    def _shown(self, account_id: AccountId) -> Account:
        """Raises NotFound for one that somebody has closed meanwhile."""
        grant = self._access().grants.get(account_id)
        if grant is None:
            raise NotFound("account", account_id)
        with self._service.asking() as cursor:
            row = cursor.execute(_CALLED, [str(account_id)]).fetchone()
        name, email, language = row or (None, None, None)
        return Account(account_id, name, email, language, grant)

    def _access(self) -> Access:
        with self._service.asking() as cursor:
            return self._service.directory.at(cursor, BEYOND).access

    def _do(self, caller: Caller | None, command: Command, actor: str = OPERATOR) -> None:
        if caller is not None:
            actor = str(caller.account_id)
        future = self._service.dealfolio.transactor.submit(Order(command, actor, caller=caller))
        try:
            future.result(PATIENCE_SECONDS)
        except TimeoutError:
            future.cancel()
            raise Unavailable("no answer from the database in time") from None

    def _is_over(self, expires_at: datetime | None) -> bool:
        return expires_at is not None and expires_at <= self._service.clock.now


def new_token() -> str:
    return _PREFIX + secrets.token_urlsafe(32)


def _hash(token: str) -> bytes:
    return sha256(token.encode("utf-8", "surrogatepass")).digest()
